//! Every route and layer of the gateway on one screen. `server` serves it; no rule is decided here.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get, post};

use crate::api::state::Gateway;
use crate::api::{admin, call, guard, health, leftover, migrate, observe, register, unknown};

/// The application. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`: the allowlist asks for the
/// client's address, and without it nobody but `/health` is answered.
pub fn app(gateway: Arc<Gateway>) -> Router {
    let later = || any(unknown::not_in_this_version);

    let v1 = Router::new()
        .route("/register", post(register::register_database))
        .route("/migrate", post(migrate::migrate_databases))
        .route("/call", post(call::call_function));

    let v2 = Router::new()
        .route("/platform/register", later())
        .route("/platform/{platform}/schema", later())
        .route("/platform/{platform}/schemas", later())
        .route("/platform/{platform}/databases", later())
        .route("/platforms", later())
        .route("/database/create", later())
        .route("/v2/migrate", later());

    let admin = Router::new()
        .route("/admin/databases", get(admin::list_databases))
        .route("/admin/create-tenant", post(admin::create_tenant))
        .route("/admin/platforms", later())
        .route("/admin/database/create", later())
        .layer(from_fn_with_state(Arc::clone(&gateway), guard::admin_token));

    let guarded = v1
        .merge(v2)
        .merge(admin)
        .fallback(unknown::no_such_path)
        .method_not_allowed_fallback(unknown::no_such_method)
        .layer(from_fn_with_state(Arc::clone(&gateway), guard::allowlist));

    let open =
        Router::new().route("/health", get(health::show_health)).method_not_allowed_fallback(unknown::no_such_method);

    with_layers(open.merge(guarded), &gateway).with_state(gateway)
}

/// What goes around every route, the outermost last.
pub(crate) fn with_layers(routes: Router<Arc<Gateway>>, gateway: &Arc<Gateway>) -> Router<Arc<Gateway>> {
    routes
        // Each handler that reads a body sets the limit that fits it.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(leftover::drop_leftover))
        .layer(from_fn_with_state(Arc::clone(gateway), observe::observe))
}
