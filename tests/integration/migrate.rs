//! `/migrate`: all databases of a platform, or one tenant's, are brought to a bundle (contract §4 "Many databases", §6).

mod failures;
mod plans;

use serde_json::{Value, json};

use crate::support::pg_dump::pg_dump;
use crate::support::platform::assert_no_rehearsal_is_left;
use crate::support::{BundleBuilder, Platform, Sql, bundle, migrate, register};

/// Two tables, two functions.
pub(super) fn version_1() -> BundleBuilder {
    bundle()
        .file("tables/users.sql", "CREATE TABLE users (id int PRIMARY KEY, email varchar(50));")
        .file(
            "tables/notes.sql",
            "CREATE TABLE notes (id serial PRIMARY KEY, user_id int REFERENCES users, body text);",
        )
        .file("migrations/001.sql", "CREATE INDEX IF NOT EXISTS notes_by_user ON notes (user_id);")
        .file(
            "functions/user_count.sql",
            "CREATE FUNCTION user_count() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM users';",
        )
        .file("functions/version.sql", "CREATE FUNCTION version_of() RETURNS int LANGUAGE sql AS 'SELECT 1';")
}

/// A wider column, a new one, a migration, a changed function.
pub(super) fn version_2() -> BundleBuilder {
    version_1()
        .file("tables/users.sql", "CREATE TABLE users (id int PRIMARY KEY, email varchar(100), age int);")
        .file("migrations/002.sql", "UPDATE users SET email = lower(email);")
        .file("functions/version.sql", "CREATE FUNCTION version_of() RETURNS int LANGUAGE sql AS 'SELECT 2';")
}

/// A main database and tenants `a` and `b`, each with a user.
pub(super) async fn three_databases(bundle: &BundleBuilder) -> Platform {
    let platform = Platform::new();
    platform.register(bundle).await.ready();
    for tenant in ["a", "b"] {
        register(platform.name(), Some(tenant), bundle).await.ready();
    }
    for database in names(&platform) {
        Sql::connect(&database).await.run("INSERT INTO users (id, email) VALUES (1, 'Ada@Example.com')").await;
    }
    platform
}

/// As lists have them.
pub(super) fn names(platform: &Platform) -> [String; 3] {
    [platform.database("a"), platform.database("b"), platform.main()]
}

/// What pg_dump says of each.
pub(super) async fn dumps(platform: &Platform) -> Vec<Option<String>> {
    let mut dumps = Vec::new();
    for database in names(platform) {
        dumps.push(pg_dump(&database).await);
    }
    dumps
}

/// One field of each of the answer's `databases`.
pub(super) fn each<'a>(answer: &'a Value, field: &str) -> Vec<&'a Value> {
    let databases = answer["databases"].as_array().map(Vec::as_slice).unwrap_or_default();
    databases.iter().map(|database| &database[field]).collect()
}

#[tokio::test]
async fn every_database_of_the_platform_is_brought_to_the_bundle() {
    let platform = three_databases(&version_1()).await;
    let answer = platform.migrate(&version_2(), &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(answer.text("status"), "completed");
    assert_eq!(answer.body["databases_updated"], json!(names(&platform)));
    answer.counts(&[("migrations_applied", 3), ("functions_updated", 3), ("shapes", 1)]);
    assert_eq!(answer.body["seeder_validations"], json!([]));
    assert_eq!(each(&answer.body, "status"), ["completed"; 3]);
    assert_eq!(each(&answer.body, "migrations_applied"), [1; 3]);
    assert_eq!(each(&answer.body, "functions_updated"), [1; 3]);
    assert!(each(&answer.body, "execution_time_ms").iter().all(|time| time.is_u64()));
    let verified = ["passed", "extensions_verified", "types_verified", "tables_verified", "seeders_verified"];
    assert!(verified.iter().all(|field| answer.body["verification"][field] == true), "{answer}");
    let safe = answer.body["schema_validation"]["safe_changes"].as_array().expect("a list");
    let told: Vec<_> = safe.iter().map(|change| (&change["change_type"], &change["column"])).collect();
    assert!(told.contains(&(&json!("ModifyColumnType"), &json!("email"))), "{answer}");
    assert!(told.contains(&(&json!("AddColumn"), &json!("age"))), "{answer}");
    assert_eq!(told.len(), 2, "each change once, however many databases: {answer}");
    for database in names(&platform) {
        let sql = Sql::connect(&database).await;
        assert_eq!(sql.value("SELECT email FROM users").await, "ada@example.com");
        assert_eq!(sql.value("SELECT version_of()").await, "2");
    }
    let again = platform.migrate(&version_2(), &[]).await;
    assert_eq!(again.text("status"), "completed");
    assert_eq!(each(&again.body, "status"), ["unchanged"; 3]);
    assert_eq!(again.body["databases_updated"], json!(names(&platform)));
    again.counts(&[("migrations_applied", 0), ("functions_updated", 0), ("shapes", 0)]);
    assert_no_rehearsal_is_left().await;
}

#[tokio::test]
async fn one_tenant_is_migrated_alone() {
    let platform = three_databases(&version_1()).await;
    let answer = platform.migrate(&version_2(), &[("tenant_id", "b")]).await;
    assert_eq!(answer.body["databases_updated"], json!([platform.database("b")]));
    assert_eq!(Sql::connect(&platform.database("a")).await.value("SELECT version_of()").await, "1");
    let rest = platform.migrate(&version_2(), &[("tenant_id", "")]).await;
    assert_eq!(each(&rest.body, "status"), ["completed", "unchanged", "completed"]);
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_is_anothers_403() {
    let platform = three_databases(&version_1()).await;
    platform.migrate(&version_2(), &[("tenant_id", "nobody")]).await.refused(404, "database_not_found");
    migrate("t-never-registered", &version_2(), &[]).await.refused(404, "database_not_found");
    // `t7_a` + tenant `x` reads like `t7` + tenant `a_x`.
    register(platform.name(), Some("a_x"), &version_1()).await.ready();
    let prefix = format!("{}_a", platform.name());
    migrate(&prefix, &version_2(), &[("tenant_id", "x")]).await.refused(403, "platform_isolation_violation");
    migrate(&prefix, &version_2(), &[]).await.refused(404, "database_not_found");
    let sql = Sql::connect(&platform.database("a_x")).await;
    assert_eq!(sql.value("SELECT version_of()").await, "1");
}

#[tokio::test]
async fn bad_fields_are_one_clear_error() {
    let platform = three_databases(&version_1()).await;
    platform.migrate(&version_2(), &[("dry_run", "maybe")]).await.refused(400, "invalid_request").says("dry_run");
    platform.migrate(&version_2(), &[("force", "maybe")]).await.refused(400, "invalid_request").says("force");
    platform.migrate(&bundle(), &[]).await.refused(400, "schema_extraction_failed");
    let broken = version_2()
        .file("functions/version.sql", "CREATE FUNCTION version_of() RETURNS int LANGUAGE sql AS 'SELEC 2';");
    platform
        .migrate(&broken, &[])
        .await
        .refused(409, "function_deploy_failed")
        .at("functions/version.sql", 1)
        .sqlstate("42601");
    assert_eq!(platform.value_of("version_of", json!([])).await, 1);
}

#[tokio::test]
async fn progress_is_told_line_by_line() {
    let platform = three_databases(&version_1()).await;
    let all = platform.migrate_lines(&version_2(), &[]).await;
    let phases: Vec<_> =
        all.iter().filter_map(|line| line["phase"].as_str().filter(|_| line["event"] == "phase")).collect();
    assert_eq!(phases, ["blueprint", "rehearsal", "first_database", "databases"], "{all:?}");
    let lines: Vec<_> = all.iter().filter(|line| line["event"] != "phase" && line["event"] != "working").collect();
    assert_eq!(*lines[0], json!({"event": "started", "databases": 3}));
    let mut told: Vec<_> = lines[1..4].iter().map(|line| line["database"].as_str().expect("a name")).collect();
    assert!(lines[1..4].iter().all(|line| line["event"] == "database" && line["status"] == "completed"), "{lines:?}");
    told.sort_unstable();
    assert_eq!(told, names(&platform));
    assert_eq!(lines[4]["event"], "completed");
    assert_eq!(lines[4]["databases_updated"], json!(names(&platform)));
    assert_eq!(lines.len(), 5);
    let refused = platform.migrate_lines(&version_1(), &[]).await;
    let last = refused.last().expect("a line");
    assert_eq!((&last["event"], &last["error"]), (&json!("failed"), &json!("migration_failed")));
    let missing = platform.migrate_lines(&version_1(), &[("tenant_id", "nobody")]).await;
    assert_eq!((missing.len(), &missing[0]["error"]), (1, &json!("database_not_found")));
}

#[tokio::test]
async fn a_release_that_takes_long_is_never_silent() {
    let platform = three_databases(&version_1()).await;
    let slow = version_1().file("migrations/950_slow.sql", "SELECT pg_sleep(3);");
    let lines = platform.migrate_lines(&slow, &[("tenant_id", "a")]).await;
    let working = lines.iter().find(|line| line["event"] == "working").unwrap_or_else(|| panic!("{lines:?}"));
    assert!(working["phase"].is_string() && working["seconds"].as_u64() >= Some(2), "{working}");
    assert_eq!(lines.last().map(|line| &line["event"]), Some(&json!("completed")), "{lines:?}");
}
