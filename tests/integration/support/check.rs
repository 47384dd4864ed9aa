//! What every bundle must do that deploys at all, whatever is in it.

use super::catalog::{assert_same, identity, in_words};
use super::pg_dump::pg_dump;
use super::reference::deploy_by_hand;
use super::{Answer, BundleBuilder, Platform, Sql, register};

/// The second tenant of [`check_deploys_and_is_stable`].
pub(crate) const SECOND: &str = "second";

/// Registers the bundle as a new main database, again without any effect, and as a second tenant that comes out the
/// same. Answers the first answer; the databases stay for further questions.
pub(crate) async fn check_deploys_and_is_stable(platform: &Platform, bundle: &BundleBuilder) -> Answer {
    let first = platform.register(bundle).await;
    first.ready().counts(&[("functions_unchanged", 0)]);
    assert_eq!(first.text("database"), platform.main(), "{first}");
    let sql = platform.sql().await;
    check_tracking(&sql, platform, bundle, &first).await;
    check_again_changes_nothing(platform, bundle, &first).await;

    let second = register(platform.name(), Some(SECOND), bundle).await;
    second.ready();
    let counted = ["migrations_applied", "types_deployed", "tables_created", "functions_deployed"];
    second.counts(&counted.map(|field| (field, first.count(field))));
    let (main, other) = (platform.main(), platform.database(SECOND));
    assert_same("two tenants of one bundle", &in_words(&main).await, &in_words(&other).await);
    assert_eq!(pg_dump(&main).await, pg_dump(&other).await, "pg_dump of two tenants of one bundle");
    first
}

/// The same, and the database is what PostgreSQL makes of the statements sent by hand.
pub(crate) async fn check_deploys_as_psql_would(platform: &Platform, bundle: &BundleBuilder) -> Answer {
    let by_hand = platform.database("by_hand");
    deploy_by_hand(&by_hand, bundle).await;
    let answer = check_deploys_and_is_stable(platform, bundle).await;
    assert_same("by hand, by the gateway", &in_words(&by_hand).await, &in_words(&platform.main()).await);
    answer
}

/// Sends the bundle again: no object is touched, no row written, and the answer says so.
pub(crate) async fn check_again_changes_nothing(platform: &Platform, bundle: &BundleBuilder, first: &Answer) {
    let before = identity(&platform.main()).await;
    let again = platform.register(bundle).await;
    let functions = first.count("functions_deployed") + first.count("functions_unchanged");
    again.ready().counts(&[
        ("migrations_applied", 0),
        ("extensions_installed", 0),
        ("types_deployed", 0),
        ("tables_created", 0),
        ("functions_deployed", 0),
        ("functions_unchanged", functions),
    ]);
    let inserted = again.body["seeders"].as_array().into_iter().flatten().filter(|seeder| seeder["inserted"] != 0);
    assert_eq!(inserted.count(), 0, "{again}");
    assert_same("sent again", &before, &identity(&platform.main()).await);
}

/// The tracking tables of contract §5 hold what the answer counts.
async fn check_tracking(sql: &Sql, platform: &Platform, bundle: &BundleBuilder, answer: &Answer) {
    let mut migrations = bundle.names_in("migrations");
    migrations.sort();
    let recorded = "SELECT migration_file FROM _stonescriptdb_gateway_migrations \
        WHERE checksum <> '' AND applied_at IS NOT NULL ORDER BY migration_file COLLATE \"C\"";
    assert_eq!(sql.column(recorded).await, migrations, "recorded migrations");
    assert_eq!(answer.count("migrations_applied"), migrations.len() as u64, "{answer}");

    for (table, field, whole) in [
        ("types", "types_deployed", "type_name <> '' AND checksum <> '' AND deployed_at IS NOT NULL"),
        ("tables", "tables_created", "table_name <> '' AND checksum <> '' AND deployed_at IS NOT NULL"),
        ("functions", "functions_deployed", "signature <> '' AND body_checksum <> '' AND deployed_at IS NOT NULL"),
    ] {
        let rows = format!("SELECT count(*) FROM _stonescriptdb_gateway_{table} WHERE {whole}");
        assert_eq!(sql.value(&rows).await, answer.count(field).to_string(), "rows of {table} for {answer}");
    }

    let unknown = "SELECT signature FROM _stonescriptdb_gateway_functions f WHERE NOT EXISTS (SELECT FROM pg_proc p \
        WHERE p.proname = f.function_name AND f.param_types IS NOT NULL)";
    assert_eq!(sql.column(unknown).await, Vec::<String>::new(), "recorded functions that are not there");
    for source in sql.column("SELECT DISTINCT source_file FROM _stonescriptdb_gateway_functions").await {
        let known = bundle.files().iter().any(|(path, _)| *path == source || path.ends_with(&format!("/{source}")));
        assert!(known, "source_file {source}");
    }
    check_changelog(sql, platform, answer).await;
}

async fn check_changelog(sql: &Sql, platform: &Platform, answer: &Answer) {
    let of_another = "SELECT count(*) FROM _stonescriptdb_gateway_changelog \
        WHERE platform IS DISTINCT FROM '{platform}' OR coalesce(schema_checksum, '') = '' OR applied_at IS NULL \
        OR coalesce(change_type, '') = '' OR coalesce(object_name, '') = ''";
    assert_eq!(sql.value(&of_another.replace("{platform}", platform.name())).await, "0", "incomplete changelog rows");
    let logged = "SELECT count(*) FROM _stonescriptdb_gateway_migrations m WHERE NOT EXISTS \
        (SELECT FROM _stonescriptdb_gateway_changelog c WHERE c.object_name = m.migration_file)";
    assert_eq!(sql.value(logged).await, "0", "migrations without a changelog row");
    let objects = ["types_deployed", "tables_created", "functions_deployed", "migrations_applied"];
    let changed: u64 = objects.iter().map(|field| answer.count(field)).sum();
    let rows = sql.value("SELECT count(*) FROM _stonescriptdb_gateway_changelog").await;
    assert!(rows.parse::<u64>().is_ok_and(|rows| rows >= changed), "{rows} changelog rows for {answer}");
}
