//! Blueprints: databases that hold exactly what one bundle declares. The template of every new database, and what every
//! diff compares with (`HLD.md`, "The blueprint").
//!
//! A blueprint is recorded in the gateway's own database once it is whole; a database with a blueprint's name but no
//! record is what a crash left, and gives way.

mod by_migrations;
mod known;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio_postgres::Client;
use tracing::Instrument;

use self::known::Known;
use super::attempts;
use super::catalog::Catalog;
use super::clock::Clock;
use super::deployment::{Goal, Outcome};
use super::error::DeployError;
use super::extensions::{self, Terms};
use super::limits::DeployLimits;
use super::prepared;
use super::report::Report;
use super::runner::Mode;
use super::tracking::Origin;
use crate::bundle::order::{Script, Target};
use crate::bundle::sql::tokens::checksum_bytes;
use crate::bundle::{Bundle, Rules};
use crate::config::AllowedExtensions;
use crate::databases::name::{DatabaseName, Id};
use crate::databases::{Databases, DeploymentLock, RunAs};

/// Part of a blueprint's name: raised when the gateway's own tables or what it leaves in a database change, so that
/// blueprints made before are not used again.
const LAYOUT: &str = "8";

/// How many blueprints a platform keeps, the most recently used ones.
const KEPT_PER_PLATFORM: i64 = 3;

/// What is known of a blueprint without looking into it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Blueprint {
    /// The database.
    pub name: String,
    /// What making it did, which is what a copy of it did.
    pub report: Report,
    /// What it holds: the declaration.
    pub catalog: Catalog,
    /// Whether its migrations came to the declaration by themselves ([`by_migrations`]).
    #[serde(default)]
    pub by_migrations: bool,
}

impl Blueprint {
    /// How a new database of the bundle is made.
    pub fn target(&self) -> Target {
        if self.by_migrations { Target::NewByMigrations } else { Target::NewDatabase }
    }
}

/// The blueprints that this gateway has used.
#[derive(Debug)]
pub struct Blueprints {
    /// What the operator allows.
    allowed: Arc<AllowedExtensions>,
    known: Mutex<Known>,
}

impl Blueprints {
    /// Knows none yet. `allowed`: which extensions a platform's role may have that only a superuser can install.
    pub fn new(allowed: Arc<AllowedExtensions>) -> Self {
        Self { allowed, known: Mutex::default() }
    }

    /// The blueprint of a platform's bundle, built if there is none. A bundle that does not deploy is refused here.
    pub async fn ensure(
        &self,
        databases: &Databases,
        platform: &Id,
        run_as: &RunAs,
        bundle: &Bundle,
        limits: DeployLimits,
    ) -> Result<Arc<Blueprint>, DeployError> {
        let name = name_of(platform, (&bundle.checksum, bundle.rules), run_as);
        if let Some(known) = self.known(&name) {
            return Ok(known);
        }
        let lock = databases.lock(&name).await?;
        if let Some(known) = self.known(&name) {
            return Ok(known);
        }
        let blueprint = match read_recorded(databases, &name).await? {
            Some(recorded) => recorded,
            None => {
                let allowed = &self.allowed;
                let terms = Terms { databases, platform, run_as, database: &name, allowed };
                build(terms, bundle, limits, &lock).await?
            }
        };
        let blueprint = Arc::new(blueprint);
        self.lock().insert(name, blueprint.clone());
        Ok(blueprint)
    }

    /// The blueprint of a bundle that was deployed before, where it is still kept.
    pub async fn recorded(
        &self,
        databases: &Databases,
        platform: &Id,
        run_as: &RunAs,
        bundle_checksum: &str,
    ) -> Result<Option<Blueprint>, DeployError> {
        read_recorded(databases, &name_of(platform, (bundle_checksum, Rules::Current), run_as)).await
    }

    /// Marks the blueprint of a bundle as that of a stored schema, and no longer the one before it.
    pub async fn keep(
        &self,
        databases: &Databases,
        platform: &Id,
        run_as: &RunAs,
        schema: &Id,
        bundle_checksum: &str,
    ) -> Result<(), DeployError> {
        let control = databases.control().await?;
        let name = name_of(platform, (bundle_checksum, Rules::Current), run_as);
        control
            .execute(
                "UPDATE blueprints
                 SET schemas = array_remove(schemas, $2) || CASE WHEN name = $3 THEN ARRAY[$2] ELSE '{}' END
                 WHERE platform = $1 AND ($2 = ANY (schemas) OR name = $3)",
                &[&platform.normal(), &schema.normal(), &name.as_str()],
            )
            .await
            .map_err(DeployError::own("keeping the blueprint of a stored schema"))?;
        drop(control);
        remove_old(databases, platform);
        Ok(())
    }

    /// Forgets a blueprint that turned out to be gone.
    pub fn forget(&self, blueprint: &Blueprint) {
        self.lock().remove(&DatabaseName::recorded(blueprint.name.clone()));
    }

    fn known(&self, name: &DatabaseName) -> Option<Arc<Blueprint>> {
        self.lock().get(name)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        // A map is whole after any panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is in a blueprint belongs to the platform's role, and to that of its copies: another role, another blueprint. One
/// that was made by the rules of earlier versions does not say that an upload of the same bundle deploys.
fn name_of(platform: &Id, (bundle_checksum, rules): (&str, Rules), run_as: &RunAs) -> DatabaseName {
    let rules = match rules {
        Rules::Current => "",
        Rules::Earlier => " by earlier rules",
    };
    let owner = run_as.owner().map(|owner| format!(" {owner}")).unwrap_or_default();
    let digest = checksum_bytes(format!("{LAYOUT} {} {bundle_checksum}{owner}{rules}", platform.normal()).as_bytes());
    DatabaseName::blueprint(&digest)
}

async fn read_recorded(databases: &Databases, name: &DatabaseName) -> Result<Option<Blueprint>, DeployError> {
    let control = databases.control().await?;
    let row = control
        .query_opt(
            "UPDATE blueprints SET last_used_at = now() FROM pg_database
             WHERE blueprints.name = $1 AND datname = blueprints.name
             RETURNING report::text, datallowconn OR pg_get_userbyid(datdba) <> current_user",
            &[&name.as_str()],
        )
        .await
        .map_err(DeployError::own("looking for the blueprint"))?;
    drop(control);
    // Made by an earlier version, which left it to the platform's role.
    if row.as_ref().is_some_and(|row| row.get(1)) {
        databases.seal_database(name).await?;
    }
    // A record that this version cannot read is as good as none: the blueprint is built anew.
    Ok(row.and_then(|row| serde_json::from_str(row.get(0)).ok()))
}

async fn build(
    terms: Terms<'_>,
    bundle: &Bundle,
    limits: DeployLimits,
    lock: &DeploymentLock,
) -> Result<Blueprint, DeployError> {
    let Terms { databases, platform, run_as, database: name, .. } = terms;
    let clock = Clock::of_trial(limits.deployment_timeout);
    let origin = Origin { platform: platform.given().to_owned(), bundle_checksum: bundle.checksum.clone() };
    let nothing = Script::default();
    let goal = Goal {
        terms,
        installed: &[],
        script: &nothing,
        target: Target::NewDatabase,
        declared: None,
        force: false,
        at_start: false,
        mode: Mode::Apply,
        origin: &origin,
        lock_timeout: limits.lock_timeout,
        lock,
        clock: &clock,
    };
    let built = clock.run(Box::pin(fill_either_way(goal, bundle))).await;
    let recorded = match built {
        Ok((Outcome { report, catalog, .. }, target)) => {
            let catalog = Arc::unwrap_or_clone(catalog);
            let by_migrations = target == Target::NewByMigrations;
            let blueprint = Blueprint { name: name.to_string(), report, catalog, by_migrations };
            record(databases, &blueprint, platform, run_as, bundle).await.map(|()| blueprint)
        }
        Err(error) => Err(error),
    };
    match recorded {
        Ok(blueprint) => {
            remove_old(databases, platform);
            Ok(blueprint)
        }
        Err(error) => {
            // The first error is the one that matters; what stays behind gives way to the next attempt.
            if let Err(second) = databases.drop_database(name).await {
                tracing::warn!(database = %name, error = %second, "a blueprint that failed could not be dropped");
            }
            Err(error)
        }
    }
}

/// The declaration first; where that cannot be, or leaves something behind, the migrations ([`by_migrations`]). The other way round
/// where migrations write rows and may run alone.
async fn fill_either_way(goal: Goal<'_>, bundle: &Bundle) -> Result<(Outcome, Target), DeployError> {
    // PostgreSQL makes the database while the bundle is read. Both to their ends: half of a statement would go on unseen.
    let (script, made) = tokio::join!(prepared::read(bundle.clone(), Target::NewDatabase), make_empty(goal));
    let script = script?;
    made?;
    let mut tried = None;
    let acting = by_migrations::acting_later(&script);
    let mut stands_alone = by_migrations::may_stand_alone(&script);
    let writes_rows = stands_alone && by_migrations::writes_rows(&script);
    if writes_rows {
        // Code may count on the declared order of columns, so that has to stand against something.
        match alone(Box::pin(fill_by_migrations(goal, bundle, acting.is_none())).await)? {
            Ok(outcome) if outcome.report.makes_tables => stands_alone = false,
            Ok(outcome) => return Ok((outcome, Target::NewByMigrations)),
            Err(NotAlone::Order(_)) => {}
            Err(reason) => tried = Some(reason),
        }
        make_empty(goal).await?;
    }
    let goal = Goal { script: &script, ..goal };
    let mut usual = Box::pin(fill_as_declared(goal)).await;
    let may_be_better = match &usual {
        Ok((_, false)) => true,
        Ok((_, true)) => stands_alone && acting.is_some(),
        Err(refusal) => by_migrations::may_help(refusal),
    };
    if may_be_better && tried.is_none() {
        make_empty(goal).await?;
        match alone(Box::pin(fill_by_migrations(goal, bundle, false)).await)? {
            Ok(mut outcome) => {
                let why = acting.filter(|_| !stands_alone);
                outcome.report.warnings.extend(why.map(|why| told_later(&why, DECLARED_ONLY)));
                return Ok((outcome, Target::NewByMigrations));
            }
            Err(reason) => tried = Some(reason),
        }
        usual?;
        make_empty(goal).await?;
        usual = Box::pin(fill_as_declared(goal)).await;
    }
    let (mut outcome, is_whole) = usual?;
    outcome.report.warnings.extend(match (tried, acting.filter(|_| is_whole)) {
        (Some(reason), Some(why)) => Some(told_later(&why, &reason.to_string())),
        (None, Some(why)) => Some(told_later(&why, DECLARED_ONLY)),
        (Some(NotAlone::Differs(reason)), _) if writes_rows => Some(format!(
            "migrations write rows here over what is declared already, which may be others than those they write by themselves \
             ({reason})"
        )),
        _ => None,
    });
    Ok((outcome, Target::NewDatabase))
}

const DECLARED_ONLY: &str = "the migrations use tables that only the declaration makes";

/// The warning about what acts on rows that were there before it. `reason`: why the migrations did not run by themselves.
fn told_later(why: &str, reason: &str) -> String {
    format!("{why}; in a new database that is declared from the beginning, and done to the rows of both ({reason})")
}

/// Why migrations alone are no new database.
enum NotAlone {
    /// They ran, but the first difference.
    Differs(String),
    /// All is there, but not the columns of a table in their order.
    Order(String),
    /// One of them failed.
    Failed(DeployError),
}

impl fmt::Display for NotAlone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs(difference) => write!(f, "migrations alone do not come to what is declared: {difference}"),
            Self::Order(table) => write!(f, "migrations alone make the columns of {table} in another order"),
            Self::Failed(error) => write!(f, "migrations alone do not run: {error}"),
        }
    }
}

/// What came of the migrations alone; else why not, which is in the log. What says nothing of them is an error.
fn alone(filled: Result<Result<Outcome, NotAlone>, DeployError>) -> Result<Result<Outcome, NotAlone>, DeployError> {
    let reason = match filled {
        Ok(Ok(outcome)) => return Ok(Ok(outcome)),
        Err(error) if !by_migrations::is_about_the_bundle(&error) => return Err(error),
        Ok(Err(reason)) => reason,
        Err(DeployError::Statement(error)) if error.path.starts_with("migrations/") => {
            NotAlone::Failed(DeployError::Statement(error))
        }
        Err(error) => NotAlone::Differs(error.to_string()),
    };
    tracing::info!(%reason, "a new database is made over the declaration");
    Ok(Err(reason))
}

/// Also whether it is whole: nothing is there that migrations have taken away, and no rows are missing that they make.
async fn fill_as_declared(goal: Goal<'_>) -> Result<(Outcome, bool), DeployError> {
    let (outcome, _) = fill(goal, None).await?;
    let is_whole = !outcome.report.leaves_rows_out && !by_migrations::has_left_overs(goal.script, &outcome.catalog);
    Ok((outcome, is_whole))
}

/// The other way round in an empty database, if that comes to what is declared; else the first difference.
/// `in_order`: also with the columns in their order.
async fn fill_by_migrations(
    goal: Goal<'_>,
    bundle: &Bundle,
    in_order: bool,
) -> Result<Result<Outcome, NotAlone>, DeployError> {
    let script = prepared::read(bundle.clone(), Target::NewByMigrations).await?;
    if !by_migrations::has_both(&script) {
        return Ok(Err(NotAlone::Differs("there are not both".to_owned())));
    }
    let declaration = by_migrations::declaration(&script);
    let goal = Goal { script: &script, target: Target::NewByMigrations, ..goal };
    let (mut outcome, declared) = fill(goal, Some(&declaration)).await?;
    let Some(declared) = declared.filter(|declared| !declared.things().is_empty()) else {
        return Ok(Err(NotAlone::Differs("nothing is declared".to_owned())));
    };
    let migrated = match by_migrations::compare(&declared, &outcome.catalog) {
        Ok(migrated) => migrated,
        Err(difference) => return Ok(Err(NotAlone::Differs(difference))),
    };
    if let Some(table) = by_migrations::in_another_order(&declared, &outcome.catalog).filter(|_| in_order) {
        return Ok(Err(NotAlone::Order(table)));
    }
    Arc::make_mut(&mut outcome.catalog).migrated = migrated;
    Ok(Ok(outcome))
}

async fn make_empty(goal: Goal<'_>) -> Result<(), DeployError> {
    let Terms { databases, database: name, .. } = goal.terms;
    databases.drop_database(name).await?;
    databases.create_for_gateway(name).await?;
    Ok(())
}

/// Deploys to the new database. `alone`: what is rehearsed before, to be looked at.
async fn fill(goal: Goal<'_>, alone: Option<&Script>) -> Result<(Outcome, Option<Arc<Catalog>>), DeployError> {
    let Terms { databases, run_as, database: name, .. } = goal.terms;
    // While only the gateway can enter, and nothing else is there.
    let installed = extensions::install_in_new(goal.terms, &goal.script.extensions).await?;
    databases.give_database(name, run_as).await?;
    let session = databases.session(run_as, name).await?;
    let goal = Goal { installed: &installed, ..goal };
    let result = async {
        let alone = match alone {
            Some(script) => {
                let goal = Goal { script, target: Target::NewDatabase, mode: Mode::Rehearse, ..goal };
                Some(attempts::deploy(databases, &session, goal).await?.catalog)
            }
            None => None,
        };
        let outcome = attempts::deploy(databases, &session, goal).await?;
        settle_sequences(&session).await?;
        Ok((outcome, alone))
    };
    let result: Result<_, DeployError> = Box::pin(result).await;
    // A template may have no connections but the copier's.
    session.close().await;
    let result = result?;
    databases.seal_database(name).await?;
    Ok(result)
}

/// A sequence that was drawn from is ahead of what the server's log says of it by up to 32 values: that many draws are
/// logged at once. A copy inherits the sequence but not the log's promise, so after a crash it would give out values a
/// second time. `setval` leaves nothing promised: the first draw in each copy is logged there.
async fn settle_sequences(client: &Client) -> Result<(), DeployError> {
    // Those of an extension that the gateway installed are not the platform's to set.
    let settle = "SELECT setval(seqrelid::regclass, pg_sequence_last_value(seqrelid)) FROM pg_sequence
                  WHERE CASE WHEN has_sequence_privilege(seqrelid, 'UPDATE')
                             THEN pg_sequence_last_value(seqrelid) IS NOT NULL ELSE false END";
    client.execute(settle, &[]).await.map(drop).map_err(DeployError::own("settling the sequences of the blueprint"))
}

async fn record(
    databases: &Databases,
    blueprint: &Blueprint,
    platform: &Id,
    run_as: &RunAs,
    bundle: &Bundle,
) -> Result<(), DeployError> {
    let report = serde_json::to_string(blueprint).unwrap_or_default();
    let control = databases.control().await?;
    control
        .execute(
            "INSERT INTO blueprints (name, platform, bundle_checksum, owner_role, report)
             VALUES ($1, $2, $3, coalesce($5, current_user), $4::text::jsonb)
             ON CONFLICT (name) DO UPDATE SET report = excluded.report, built_at = now(), last_used_at = now()",
            &[&blueprint.name, &platform.normal(), &bundle.checksum, &report, &run_as.owner()],
        )
        .await
        .map_err(DeployError::own("recording the blueprint"))?;
    Ok(())
}

/// Drops a platform's blueprints that were not used lately, while the request at hand goes on: PostgreSQL writes a
/// checkpoint for each. That one of them cannot be dropped now is no failure of that request.
fn remove_old(databases: &Databases, platform: &Id) {
    let (databases, platform) = (databases.clone(), platform.clone());
    let removing = async move {
        let removed = async {
            for name in old(&databases, &platform).await? {
                remove(&databases, &platform, &DatabaseName::recorded(name)).await?;
            }
            Ok::<_, DeployError>(())
        };
        if let Err(error) = removed.await {
            tracing::warn!(platform = platform.given(), %error, "old blueprints could not be removed");
        }
    };
    tokio::spawn(removing.in_current_span());
}

async fn remove(databases: &Databases, platform: &Id, name: &DatabaseName) -> Result<(), DeployError> {
    let _lock = databases.lock(name).await?;
    // Somebody may have deployed its bundle again in the meantime.
    if !old(databases, platform).await?.iter().any(|one| one == name.as_str()) {
        return Ok(());
    }
    databases.drop_database(name).await?;
    // Last: a record without a database is passed over, but nobody would ever look for a database without a record.
    let control = databases.control().await?;
    let forgotten = control.execute("DELETE FROM blueprints WHERE name = $1", &[&name.as_str()]).await;
    forgotten.map(drop).map_err(DeployError::own("forgetting an old blueprint"))
}

/// The names of those that nothing needs any more.
async fn old(databases: &Databases, platform: &Id) -> Result<Vec<String>, DeployError> {
    let query =
        "SELECT name FROM blueprints WHERE platform = $1 AND schemas = '{}' ORDER BY last_used_at DESC OFFSET $2";
    let control = databases.control().await?;
    let rows = control.query(query, &[&platform.normal(), &KEPT_PER_PLATFORM]).await;
    let rows = rows.map_err(DeployError::own("looking for old blueprints"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
