//! Every route of the gateway and what goes around them, on one screen. `server` serves it; no rule is decided here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request};
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use crate::access::Purpose::{self, Administer, Call, Deploy, Watch};
use crate::api::state::Gateway;
use crate::api::{
    admin, call, database, guard, health, leftover, metrics, migrate, observe, openapi, platform, register, room,
    unknown,
};
use crate::server::Answer;

/// The application.
#[derive(Clone)]
pub struct App {
    gateway: Arc<Gateway>,
    routes: Router,
}

/// The application with every route.
pub fn app(gateway: Arc<Gateway>) -> App {
    App::around(routes(&gateway), gateway)
}

/// A path: what it is for, and what its methods do.
pub(crate) struct Route {
    pub(crate) purpose: Purpose,
    pub(crate) path: &'static str,
    methods: MethodRouter<Arc<Gateway>>,
}

/// All paths. Each says what it is for, so that none can be there without its guard.
pub(crate) fn table() -> Vec<Route> {
    let route = |purpose, path, methods| Route { purpose, path, methods };
    vec![
        route(Watch, HEALTH, get(health::show_health)),
        route(Watch, READY, get(metrics::show_ready)),
        route(Watch, LIVE, get(metrics::show_live)),
        // Found by `App::route` before any of these, and listed for its other methods.
        route(Call, CALL, post(call::call_function)),
        route(Call, "/platform/{platform}/openapi.json", get(openapi::functions::show_functions)),
        route(Deploy, "/register", post(register::register_database)),
        route(Deploy, "/migrate", post(migrate::migrate_databases)),
        route(Deploy, "/platform/register", post(platform::register_platform)),
        route(Deploy, "/platform/{platform}/schema", post(platform::store_schema)),
        route(Deploy, "/platform/{platform}/schemas", get(platform::list_schemas)),
        route(Deploy, "/platform/{platform}/databases", get(platform::list_databases)),
        route(Deploy, METRICS, get(metrics::show_metrics)),
        route(Deploy, "/openapi.json", get(openapi::show_document)),
        route(Deploy, "/platforms", get(platform::list_platforms)),
        route(Deploy, "/database/create", post(database::create_database)),
        route(Deploy, "/v2/migrate", post(database::migrate_databases)),
        route(Administer, "/admin/databases", get(admin::list_databases)),
        route(Administer, "/admin/create-tenant", post(admin::create_tenant)),
        route(Administer, "/admin/platforms", get(platform::list_platforms)),
        route(Administer, "/admin/database/create", post(database::create_database_by_admin)),
    ]
}

fn routes(gateway: &Arc<Gateway>) -> Router<Arc<Gateway>> {
    let of = |purpose: Purpose| {
        let beside = gateway.config.metrics.address.is_none();
        let is_here = |route: &Route| route.purpose == purpose && (beside || route.path != METRICS);
        let routes = table().into_iter().filter(is_here);
        let router = routes.fold(Router::new(), |router, route| router.route(route.path, route.methods));
        router.method_not_allowed_fallback(unknown::no_such_method)
    };
    // Around a wrong method, too.
    let deploying = |purpose| of(purpose).layer(from_fn_with_state(Arc::clone(gateway), room::room));
    let guarded = |purpose| deploying(purpose).layer(from_fn_with_state((Arc::clone(gateway), purpose), guard::token));
    let allowed = of(Call)
        .merge(guarded(Deploy))
        .merge(guarded(Administer))
        .fallback(unknown::no_such_path)
        .layer(from_fn_with_state(Arc::clone(gateway), guard::allowlist));
    of(Watch).merge(allowed)
}

/// `/metrics` alone, for `METRICS_ADDR`.
pub fn metrics_alone(gateway: Arc<Gateway>) -> Router {
    Router::new().route(METRICS, get(metrics::show_metrics)).fallback(unknown::no_such_path).with_state(gateway)
}

const METRICS: &str = "/metrics";
const CALL: &str = "/call";
const HEALTH: &str = "/health";
const READY: &str = "/ready";
const LIVE: &str = "/live";

impl App {
    /// These routes, with what goes around all of them.
    pub(crate) fn around(routes: Router<Arc<Gateway>>, gateway: Arc<Gateway>) -> Self {
        let routes = routes
            // Each handler that reads a body sets the limit that fits it.
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn(observe::note_route))
            .with_state(Arc::clone(&gateway));
        Self { gateway, routes }
    }

    /// What goes around a request, the outermost first. Plain functions: as layers of the router they would be boxed,
    /// moved and cloned for each request, which took a third of a call's instructions.
    async fn pass(&self, peer: SocketAddr, request: Request) -> Response {
        observe::observe(&self.gateway, request, |request, notes| {
            leftover::drop_leftover(request, move |request| self.route(peer, request, notes))
        })
        .await
    }

    async fn route(&self, peer: SocketAddr, mut request: Request, notes: observe::Notes) -> Response {
        if request.method() == Method::POST && request.uri().path() == CALL {
            notes.note_route(CALL);
            return match guard::admit(&self.gateway, &notes, peer, request.headers()) {
                Ok(()) => call::answer(&self.gateway, &notes, request).await.into_response(),
                Err(refusal) => refusal.into_response(),
            };
        }
        request.extensions_mut().insert(notes);
        self.routes.answer(peer, request).await
    }
}

impl Answer for App {
    async fn answer(&self, peer: SocketAddr, request: Request) -> Response {
        self.pass(peer, request).await
    }

    fn is_stranger(&self, peer: SocketAddr) -> bool {
        self.gateway.settings().access.is_stranger(peer.ip())
    }

    fn is_vital(&self, path: &str) -> bool {
        [HEALTH, READY, LIVE].contains(&path)
    }

    fn drain(&self, usual: Duration) -> Duration {
        let longest = self.gateway.shutdown_timeout();
        match self.gateway.orchestrator.underway() {
            0 => usual.min(longest),
            _ => longest,
        }
    }

    fn cuts_off(&self) {
        self.gateway.cuts_off.store(true, Ordering::Relaxed);
    }
}

impl Answer for Router {
    async fn answer(&self, peer: SocketAddr, mut request: Request) -> Response {
        request.extensions_mut().insert(ConnectInfo(peer));
        // On the heap: what routes need is large, and calls do not need it.
        match Box::pin(TowerToHyperService::new(self.clone()).call(request)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
