//! Installs a bundle's extensions (contract §3, "Extensions").
//!
//! Trusted ones are installed by the session's role. Others are the gateway's to install, where the operator allows them:
//! in a new database before anything else is there ([`install_in_new`]), in one that exists where nobody else can have put
//! anything ([`install`]). An extension that is there stays as it is, wherever it is. Called by [`super::blueprint`] and
//! [`super::deployment`].
//!
//! | file         | what it does                                        |
//! | ------------ | --------------------------------------------------- |
//! | `facts`      | what the server has, what the database has          |
//! | `plan`       | what is missing, in which order, and who installs it |
//! | `as_gateway` | installs as the gateway's role                      |
//! | `untouched`  | whether a database is as the gateway made it         |
//! | `around`     | the path and the settings that scripts find there   |
//! | `closing`    | closes functions that reach the server, or end it   |

mod around;
mod as_gateway;
mod closing;
mod facts;
mod plan;
mod untouched;

use serde_json::json;

use self::plan::{Plan, Step};
use super::error::{DeployError, StatementError};
use super::runner::{Doubt, Mode, Runner};
use super::tracking::{Change, NameOf};
use crate::bundle::Kind;
use crate::bundle::extension::Extension;
use crate::bundle::order::Target;
use crate::config::AllowedExtensions;
use crate::databases::name::{DatabaseName, Id};
use crate::databases::{Databases, DeploymentLock, RunAs, SaidBy, own_path, quote_ident, quote_literal};

/// Where extensions go, and which may.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// For other connections.
    pub databases: &'a Databases,
    /// Whose database it is.
    pub platform: &'a Id,
    /// As whom uploaded code runs.
    pub run_as: &'a RunAs,
    /// Which one; never asked of the session, in which uploaded code runs.
    pub database: &'a DatabaseName,
    /// What the operator allows.
    pub allowed: &'a AllowedExtensions,
}

/// In a new database, before it is its owner's: those that the gateway installs.
pub async fn install_in_new(terms: Terms<'_>, extensions: &[Extension]) -> Result<Vec<Change>, DeployError> {
    if extensions.is_empty() || terms.runs_as_gateway() {
        return Ok(Vec::new());
    }
    let session = terms.databases.session_inside(terms.database).await?;
    let facts = facts::read(&session, terms.databases.gateway_user()).await;
    session.close().await;
    let facts = facts?;
    let plan = plan::plan(extensions, &facts, false)?;
    terms.check_allowed(&plan).await?;
    if !plan.by_gateway.is_empty() {
        as_gateway::in_new(terms, &plan, &facts).await?;
    }
    Ok(changes(&Plan { by_role: Vec::new(), ..plan }, extensions))
}

/// In a database to which nothing was deployed yet, if it is as the gateway made it: the same, after it was taken back for
/// as long as that lasts. Anywhere else nothing happens here.
pub async fn install_in_untouched(
    terms: Terms<'_>,
    extensions: &[Extension],
    lock: &DeploymentLock,
) -> Result<Vec<Change>, DeployError> {
    let Terms { databases, database, run_as, .. } = terms;
    if terms.runs_as_gateway()
        || !untouched::would_help(terms, extensions).await?
        || !databases.take_back(database, run_as, lock).await?
    {
        return Ok(Vec::new());
    }
    // Nobody else is in it now, nor can be.
    let installed = match untouched::is_untouched(terms).await {
        Ok(true) => install_in_new(terms, extensions).await,
        Ok(false) => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    // Should this not be, the next deployment hands it over.
    let given = databases.give_again(database, run_as, lock).await;
    let installed = installed?;
    given?;
    Ok(installed)
}

/// Installs what is not there yet. `target`: a rehearsal in a database that is as it was made refuses nothing for where an
/// extension would go, which [`install_in_untouched`] sees to before it is meant.
pub async fn install(
    runner: &Runner<'_>,
    terms: Terms<'_>,
    extensions: &[Extension],
    target: Target,
) -> Result<Vec<Change>, DeployError> {
    if !terms.runs_as_gateway() && runner.mode == Mode::Apply {
        closing::close_standing(runner.client, terms).await?;
    }
    if extensions.is_empty() {
        return Ok(Vec::new());
    }
    let installed = facts::installed(runner.client).await?;
    if extensions.iter().all(|extension| installed.contains(&extension.name)) {
        return Ok(Vec::new());
    }
    let facts = facts::read(runner.client, terms.databases.gateway_user()).await?;
    let plan = plan::plan(extensions, &facts, terms.runs_as_gateway())?;
    terms.check_allowed(&plan).await?;
    if runner.mode != Mode::Rehearse || !target.is_new() {
        plan::check_existing(&plan, &facts)?;
    }
    // First of all: what this transaction makes (an extension that another one needs, a schema of two) is nobody else's to
    // see before it ends.
    match (runner.mode, plan.by_gateway.is_empty()) {
        (_, true) => {}
        // It cannot be taken back, so a rehearsal goes on without it, for as long as nothing needs it.
        (Mode::Rehearse, false) => runner.doubt(Doubt::Schema),
        (Mode::Apply, false) => as_gateway::in_existing(terms, &plan, &facts).await?,
    }
    for step in &plan.by_role {
        create_as_role(runner, step).await?;
    }
    Ok(changes(&plan, extensions))
}

impl Terms<'_> {
    fn runs_as_gateway(&self) -> bool {
        self.run_as.role().is_none()
    }

    /// Trusted ones always are, and so is what the platform has anywhere already.
    async fn check_allowed(&self, plan: &Plan) -> Result<(), DeployError> {
        for step in plan.by_gateway.iter().filter(|step| step.told.needs_superuser) {
            if !self.allowed.allows(&step.name) && !self.platform_has(&step.name).await? {
                return Err(plan::refused(
                    step,
                    "the operator does not allow it: only a superuser may install it, and ALLOWED_EXTENSIONS does not name it"
                        .to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// Whether one of the platform's databases has the extension: only a superuser can have installed it there.
    async fn platform_has(&self, name: &str) -> Result<bool, DeployError> {
        for info in self.databases.list(self.platform).await? {
            // One that cannot be entered now tells nothing.
            let Ok(session) = self.databases.session(self.run_as, &info.name).await else { continue };
            let installed = facts::installed(&session).await;
            session.close().await;
            if installed.is_ok_and(|names| names.iter().any(|one| one == name)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Installs it as the session's role.
async fn create_as_role(runner: &Runner<'_>, step: &Step) -> Result<(), DeployError> {
    // Without a schema it goes to the first of the role's path.
    let mut sql = "RESET search_path;".to_owned();
    if let Some(schema) = &step.schema {
        sql += &format!("CREATE SCHEMA IF NOT EXISTS {};", quote_ident(schema));
    }
    sql += &format!("CREATE EXTENSION IF NOT EXISTS {}", quote_ident(&step.name));
    if let Some(schema) = &step.schema {
        sql += &format!(" SCHEMA {}", quote_ident(schema));
    }
    if let Some(version) = &step.version {
        sql += &format!(" VERSION {}", quote_literal(version));
    }
    // What it requires comes with it.
    sql += &format!(" CASCADE;{}", own_path());
    runner.client.batch_execute(&sql).await.map_err(|error| failed(step, &error))
}

/// One for each that the bundle names.
fn changes(plan: &Plan, extensions: &[Extension]) -> Vec<Change> {
    let change = |step: &Step| Change {
        change_type: "CreateExtension",
        name_of: NameOf::Text,
        name: step.name.clone(),
        detail: json!({ "file": step.path, "version": step.version, "schema": step.schema }),
    };
    plan.by_gateway.iter().chain(&plan.by_role).filter(|step| step.is_wanted(extensions)).map(change).collect()
}

fn failed(step: &Step, error: &tokio_postgres::Error) -> DeployError {
    let database_error = error.as_db_error();
    DeployError::Statement(Box::new(StatementError {
        step: format!("installing the extension {} of {}", step.name, step.path),
        kind: Kind::Extensions,
        path: step.path.clone(),
        line: 1,
        sqlstate: error.code().map(|code| code.code().to_owned()),
        said_by: SaidBy::of(error),
        cause: database_error.map_or_else(|| error.to_string(), |error| error.message().to_owned()),
        detail: database_error.and_then(|error| error.detail()).map(str::to_owned),
        hint: database_error.and_then(|error| error.hint()).map(str::to_owned),
        without_value: None,
    }))
}
