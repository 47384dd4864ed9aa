//! What a deployment's failure looks like to the client.

use serde_json::json;

use super::disk::DISK_FULL;
use super::{ApiError, ErrorCode};
use crate::bundle::Kind;
use crate::bundle::order::OrderError;
use crate::bundle::sql::SqlError;
use crate::databases::{SaidBy, describe, exceeds_limits};
use crate::orchestrator::fleet::FleetFailure;
use crate::orchestrator::{DeployError, Left, SchemaValidation, StatementError, Verification};

/// PostgreSQL's `syntax_error`.
const SYNTAX_ERROR: &str = "42601";

/// PostgreSQL's `dependent_objects_still_exist`.
const DEPENDENT_OBJECTS: &str = "2BP01";

/// What to do about dependants that stand in the way.
const HINT: &str = "change them in the same bundle, or drop them in a migration of their own";

/// What to do about rows that have no value for a column.
const FILL: &str = "give the column a DEFAULT, or write a migration: ADD COLUMN without NOT NULL where it is new, UPDATE \
                    the rows, then ALTER COLUMN … SET NOT NULL";

/// What to do about an altered tracking table.
const DROP_IT: &str = "put it back as it was, or drop it: the next deployment makes it again";

/// The same where every migration would be run again.
const PUT_BACK: &str = "put it back as it was, from a backup: without it every migration would be run again; where that is \
                        meant, drop all tables whose names begin with _stonescriptdb_gateway_";

impl From<DeployError> for ApiError {
    fn from(error: DeployError) -> Self {
        if error.sqlstate_of_postgres() == Some(DISK_FULL) {
            let cause = error.cause();
            return Self::of_deployment(error).caused_by_full_disk(cause);
        }
        Self::of_deployment(error)
    }
}

impl ApiError {
    /// The error as such, whatever brought it about.
    fn of_deployment(error: DeployError) -> Self {
        let message = error.to_string();
        let cause = error.cause();
        match error {
            DeployError::OtherPlatform { database } => {
                Self::new(ErrorCode::PlatformIsolationViolation, message).with("database", database)
            }
            DeployError::OtherSpelling { database, .. } => Self::invalid_request(message).with("database", database),
            DeployError::AlreadyExists { database } => {
                Self::new(ErrorCode::DatabaseAlreadyExists, message).with("database", database)
            }
            DeployError::Order(error) => order_error(error, message),
            DeployError::ExtensionNotAvailable { name, version, path, .. } => {
                Self::new(ErrorCode::ExtensionNotAvailable, message)
                    .with("extension", name)
                    .with("version", version)
                    .with("file", path)
            }
            DeployError::ExtensionRefused { name, path, reason } => {
                Self::new(ErrorCode::ExtensionInstallFailed, message)
                    .with("extension", name)
                    .with("file", path)
                    .with("line", 1)
                    .with("cause", reason)
            }
            DeployError::Statement(error) => statement_error(*error, message),
            DeployError::EditedMigration { file }
            | DeployError::EditedSince { file }
            | DeployError::EditedInterrupted { file, .. } => {
                Self::new(ErrorCode::MigrationFailed, message).with("file", format!("migrations/{file}"))
            }
            DeployError::Blocked { validation } => {
                Self::new(ErrorCode::MigrationFailed, message).with("schema_validation", json!(validation))
            }
            DeployError::RowsMissing { validations } => {
                let verification = Verification { passed: false, seeders_verified: false, ..Verification::passed() };
                Self::new(ErrorCode::MigrationFailed, message)
                    .with("seeder_validations", json!(validations))
                    .with("verification", json!(verification))
            }
            DeployError::Differs { differences, verification, declared_at } => {
                let (file, line) = declared_at.unzip();
                Self::new(ErrorCode::MigrationFailed, message)
                    .with("differences", differences)
                    .with("verification", json!(verification))
                    .with_some("file", file)
                    .with_some("line", line)
            }
            DeployError::Generated { statement, source, declared_at } => {
                let (file, line) = declared_at.unzip();
                generated_error(&source, message)
                    .with("statement", statement)
                    .with_some("file", file)
                    .with_some("line", line)
            }
            DeployError::NoValue { change, declared_at, source } => {
                let (file, line) = declared_at.unzip();
                let (table, column, rows) = (change.table.clone(), change.column.clone(), change.rows_at_risk);
                generated_error(&source, message)
                    .with_some("file", file)
                    .with_some("line", line)
                    .with("table", table)
                    .with_some("column", column)
                    .with_some("rows_at_risk", rows)
                    .with("schema_validation", json!(SchemaValidation::of(vec![*change])))
                    .with("hint", FILL)
            }
            DeployError::Standing { statement, dependants, source } => generated_error(&source, message)
                .with("statement", statement)
                .with("dependants", dependants)
                .with("hint", HINT),
            DeployError::Dependants { left } => Self::new(code_of_dependants(&left), message)
                .with("sqlstate", DEPENDENT_OBJECTS)
                .with("dependants", left.iter().map(|one| one.description.clone()).collect::<Vec<_>>())
                .with("cause", left.iter().map(|one| one.refusal.clone()).collect::<Vec<_>>().join("; "))
                .with("hint", HINT),
            DeployError::Locked { source, blocked_by, .. } => locked(*source, message)
                .with("blocked_by", json!(blocked_by))
                .with("hint", "end that session or let it finish, and send it again"),
            DeployError::NoReader(error) => error.into(),
            DeployError::Busy { .. } => Self::new(ErrorCode::DeploymentsBusy, message),
            DeployError::TimedOut { database, place, .. } => {
                let (file, line) = place.unzip();
                Self::new(ErrorCode::MigrationFailed, message)
                    .with_some("database", database)
                    .with_some("cause", cause)
                    .with_some("file", file)
                    .with_some("line", line)
                    .with("hint", "make the deployment quicker, or raise DEPLOYMENT_TIMEOUT_SECS")
            }
            DeployError::AtCommit { source } => generated_error(&source, message).with(
                "hint",
                source
                    .as_db_error()
                    .and_then(|told| told.hint())
                    .unwrap_or("look for a deferred trigger or constraint that says so"),
            ),
            DeployError::NoRoom { source } => {
                let (file, line) = source.place();
                Self::postgres_disk_full(&message).with_some("file", file).with_some("line", line)
            }
            DeployError::LockLost => Self::new(ErrorCode::ConnectionFailed, message),
            DeployError::CommitUnknown { source } => {
                Self::new(ErrorCode::ConnectionFailed, message).logging(describe(&source))
            }
            DeployError::AlteredTracking { database, table, cause, sqlstate } => {
                let hint = if table.ends_with("_migrations") { PUT_BACK } else { DROP_IT };
                Self::new(ErrorCode::MigrationFailed, message)
                    .with_some("database", database)
                    .with("table", table)
                    .with("cause", cause)
                    .with_some("sqlstate", sqlstate)
                    .with("hint", hint)
            }
            DeployError::Own { source, .. } if exceeds_limits(&source) => generated_error(&source, message),
            DeployError::Own { source, .. } if SaidBy::of(&source) == SaidBy::End => lost(message),
            // In a statement of the gateway's own, by a trigger or a default.
            DeployError::Own { source, .. } if SaidBy::of(&source) == SaidBy::Code => generated_error(&source, message),
            DeployError::Own { .. } | DeployError::Interrupted { .. } | DeployError::Unreadable { .. } => {
                Self::internal(message)
            }
            DeployError::NotFound { database, .. } => {
                Self::new(ErrorCode::DatabaseNotFound, message).with("database", database)
            }
            DeployError::NoDatabase { .. } => Self::new(ErrorCode::DatabaseNotFound, message),
            DeployError::Fleet(failure) => fleet_error(*failure, message),
            DeployError::Name(_) => Self::invalid_request(message),
            DeployError::Database(error) => error.into(),
        }
    }
}

/// 409 whatever stopped the first one (507 where it was a full disk), with what is known of that beside the lists
/// (contract §4, "Many databases").
fn fleet_error(failure: FleetFailure, message: String) -> ApiError {
    let FleetFailure { updated, failed, pending, validation, first } = failure;
    let first = ApiError::from(first);
    let mut error = ApiError::new(
        if first.code == ErrorCode::DiskFull { ErrorCode::DiskFull } else { ErrorCode::MigrationFailed },
        if first.code.status() < 500 { message } else { first.message.clone() },
    );
    error.details.insert("databases_updated".to_owned(), json!(updated));
    error.details.insert("databases_failed".to_owned(), json!(failed));
    error.details.insert("databases_pending".to_owned(), json!(pending));
    error.details.insert("schema_validation".to_owned(), json!(validation));
    error.details.extend(first.details);
    error.log_cause = first.log_cause;
    error
}

fn order_error(error: OrderError, message: String) -> ApiError {
    let failed = ApiError::new(ErrorCode::MigrationFailed, message);
    match error {
        OrderError::Sql(SqlError::Syntax { path, line, message }) => failed
            .with_code(code_of_file(&path))
            .with("file", path)
            .with("line", line)
            .with("sqlstate", SYNTAX_ERROR)
            .with("cause", message),
        OrderError::Sql(SqlError::TransactionControl { path, line }) => failed
            .with_code(code_of_file(&path))
            .with("file", path)
            .with("line", line)
            .with("hint", "take BEGIN, COMMIT and the like out of the file"),
        OrderError::Sql(SqlError::ServerWide { path, line }) => failed
            .with_code(code_of_file(&path))
            .with("file", path)
            .with("line", line)
            .with("hint", "take the statement out of the file; whoever runs the server may run it there"),
        OrderError::Sql(SqlError::GatewayTable { path, line }) => failed
            .with_code(code_of_file(&path))
            .with("file", path)
            .with("line", line)
            .with("hint", "take the statement out of the file; a bundle may read these tables, and no more"),
        OrderError::Sql(SqlError::CopyStream { path, line }) => failed
            .with_code(code_of_file(&path))
            .with("file", path)
            .with("line", line)
            .with("hint", "write INSERT … VALUES instead; pg_dump does with --inserts"),
        OrderError::Sql(SqlError::NotDeclaring { path, line, what, hint }) => failed
            .with_code(code_of_file(&path))
            .with("file", path)
            .with("line", line)
            .with("cause", what)
            .with("hint", hint),
        OrderError::Sql(SqlError::PsqlCommand { path, line, command: _ }) => failed
            .with_code(code_of_file(&path))
            .with("file", path)
            .with("line", line)
            .with("hint", "take lines that begin with a backslash out of the file"),
        OrderError::Entangled { path, line } => failed
            .with_code(code_of_file(&path))
            .with("file", path)
            .with("line", line)
            .with("hint", "give different things different names, or split the bundle"),
        OrderError::Circle { members } => {
            let first = members.first().map(|member| (member.path.clone(), member.line));
            let names: Vec<_> = members
                .iter()
                .map(|member| json!({ "object": member.object, "file": member.path, "line": member.line }))
                .collect();
            let failed = match first {
                Some((path, line)) => failed.with("file", path).with("line", line),
                None => failed,
            };
            failed.with("members", names)
        }
        OrderError::NoThread(cause) => ApiError::internal(cause),
    }
}

fn code_of_dependants(left: &[Left]) -> ErrorCode {
    if left.iter().all(|one| one.for_function) { ErrorCode::FunctionDeployFailed } else { ErrorCode::MigrationFailed }
}

/// The session ended, and with it the transaction.
fn lost(message: String) -> ApiError {
    ApiError::new(
        ErrorCode::ConnectionFailed,
        "the connection to PostgreSQL was lost during the deployment, which was rolled back; send it again",
    )
    .logging(message)
}

/// The place where it waited, if that is in the bundle.
fn locked(error: DeployError, message: String) -> ApiError {
    let sqlstate = error.sqlstate().unwrap_or_default().to_owned();
    let failed = ApiError::new(ErrorCode::MigrationFailed, message).with("sqlstate", sqlstate);
    match error {
        DeployError::Statement(error) => {
            failed.with("file", error.path).with("line", error.line).with("cause", error.cause)
        }
        other => failed.with("cause", other.to_string()),
    }
}

fn statement_error(error: StatementError, message: String) -> ApiError {
    let Some(sqlstate) = error.sqlstate.filter(|_| error.said_by != SaidBy::End) else { return lost(message) };
    ApiError::new(code_of(error.kind), message)
        .with("file", error.path)
        .with("line", error.line)
        .with("sqlstate", sqlstate)
        .with("cause", error.cause)
        .with_some("detail", error.detail)
        .with_some("hint", error.hint.or_else(|| error.without_value.is_some().then(|| FILL.to_owned())))
        .with_some("table", error.without_value.as_ref().map(|(table, _)| table.as_str()))
        .with_some("column", error.without_value.as_ref().map(|(_, column)| column.as_str()))
}

fn generated_error(error: &tokio_postgres::Error, message: String) -> ApiError {
    let Some(told) = error.as_db_error().filter(|_| SaidBy::of(error) != SaidBy::End) else {
        return lost(message);
    };
    // PostgreSQL's own is CASCADE, which would take away more than anybody meant.
    let hint = if told.code().code() == DEPENDENT_OBJECTS { Some(HINT) } else { told.hint() };
    ApiError::new(ErrorCode::MigrationFailed, message)
        .with("sqlstate", told.code().code())
        .with("cause", told.message())
        .with_some("detail", told.detail())
        .with("hint", hint.unwrap_or("write a migration that makes this change"))
}

fn code_of_file(path: &str) -> ErrorCode {
    path.split('/').next().and_then(Kind::of_folder).map_or(ErrorCode::MigrationFailed, code_of)
}

fn code_of(kind: Kind) -> ErrorCode {
    match kind {
        Kind::Extensions => ErrorCode::ExtensionInstallFailed,
        Kind::Functions => ErrorCode::FunctionDeployFailed,
        Kind::Types | Kind::Tables | Kind::Migrations | Kind::Views | Kind::Seeders => ErrorCode::MigrationFailed,
    }
}
