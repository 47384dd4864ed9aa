//! `POST /register`: a bundle for one database of a platform, at container start.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use tracing::Instrument;

use super::notes::Notes;
use super::state::Gateway;
use super::upload::{Expected, Upload};
use crate::databases::name::{Address, Id};
use crate::error::ApiError;
use crate::orchestrator::Registered;

const FIELDS: Expected =
    Expected { texts: &["platform", "tenant_id", "force"], archives: &["schema"], refuses_unknown: false };

/// Creates the database or brings it up to date. The deployment runs to its end even when the client
/// hangs up: half of it is worth nothing.
pub(crate) async fn register_database(
    State(gateway): State<Arc<Gateway>>,
    notes: Notes,
    request: Request,
) -> Result<Json<Registered>, ApiError> {
    let upload = Upload::read(request, FIELDS, &gateway).await?;
    let platform = Id::parse("platform", upload.required("platform")?)?;
    let address = Address::new(platform, upload.which()?)?;
    notes.note_address(&address);
    let force = upload.flag("force")?;
    let bundle = upload.into_bundle(FIELDS, address.platform(), &gateway).await?;
    let run_as = gateway.platforms.run_as(address.platform()).instrument(notes.span()).await?;
    let deployment = gateway.orchestrator.register(address, &run_as, bundle, force);
    Ok(Json(deployment.instrument(notes.span()).await?))
}
