//! What is refused outside of migrations, at the first upload already; and stored schemas that were taken before that was.

use std::path::PathBuf;

use serde_json::json;
use stonescriptdb_gateway::bundle::{Bundle, Kind, SourceFile};

use crate::support::platform::{post_json, upload};
use crate::support::{BundleBuilder, Platform, bundle, gateway};

/// Beside these files.
fn declared() -> BundleBuilder {
    bundle()
        .file("types/y.sql", "CREATE TYPE y AS ENUM ('a'); CREATE TYPE pair AS (a int);")
        .file("tables/base.sql", "CREATE SCHEMA app; CREATE TABLE base (id int PRIMARY KEY, n int); CREATE SEQUENCE s;")
        .file("views/v.sql", "CREATE VIEW v AS SELECT 1 AS x;")
        .file("functions/f.sql", "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';")
        .file("migrations/1.sql", "CREATE TABLE of_migrations (id int); ALTER TABLE of_migrations RENAME TO renamed;")
}

#[tokio::test]
async fn what_no_declaration_says_is_refused_with_file_and_line() {
    let platform = Platform::new();
    for (statement, words) in [
        ("DROP TABLE IF EXISTS legacy CASCADE", "write a migration"),
        ("DROP TABLE IF EXISTS base, legacy", "legacy"),
        ("DROP TABLE IF EXISTS app.base", "app.base"),
        ("DROP SEQUENCE IF EXISTS other", "write a migration"),
        ("DROP SCHEMA IF EXISTS other CASCADE", "write a migration"),
        ("DROP EXTENSION IF EXISTS hstore CASCADE", "write a migration"),
        ("ALTER TABLE base DROP COLUMN IF EXISTS gone", "write a migration"),
        ("ALTER TABLE base ADD COLUMN m int, DROP COLUMN IF EXISTS gone", "gone"),
        ("ALTER TABLE base DROP COLUMN n", "without IF EXISTS"),
        ("ALTER TABLE base DROP CONSTRAINT base_pkey", "without IF EXISTS"),
        ("ALTER TYPE pair DROP ATTRIBUTE a", "without IF EXISTS"),
        ("DROP VIEW nothing", "without IF EXISTS"),
        ("DROP FUNCTION f(int)", "without IF EXISTS"),
        ("DROP TABLE base", "without IF EXISTS"),
        ("DROP INDEX CONCURRENTLY base_n", "without IF EXISTS"),
        ("DROP TRIGGER t ON base", "without IF EXISTS"),
        ("DROP OWNED BY CURRENT_USER", "drops what the files declare"),
        ("ALTER TABLE base RENAME TO other", "RENAME of what the bundle declares"),
        ("ALTER TABLE base RENAME COLUMN n TO m", "RENAME of what the bundle declares"),
        ("ALTER TABLE public.base RENAME CONSTRAINT base_pkey TO key", "RENAME of what the bundle declares"),
        ("ALTER INDEX base_pkey RENAME TO key", "RENAME of what the bundle declares"),
        ("ALTER SEQUENCE s RENAME TO t", "RENAME of what the bundle declares"),
        ("ALTER VIEW v RENAME TO w", "RENAME of what the bundle declares"),
        ("ALTER TYPE y RENAME TO z", "RENAME of what the bundle declares"),
        ("ALTER FUNCTION f(int) RENAME TO g", "RENAME of what the bundle declares"),
        ("ALTER SCHEMA app RENAME TO other", "RENAME of what the bundle declares"),
        ("ALTER TABLE base SET SCHEMA app", "SET SCHEMA of what the bundle declares"),
        ("ALTER FUNCTION f(int) SET SCHEMA app", "SET SCHEMA of what the bundle declares"),
        ("\\set x 1", "\\set is a command of psql"),
        ("\\i other.sql", "\\i is a command of psql"),
        ("\\connect - other", "\\connect is a command of psql"),
        ("\\copy base FROM 'x'", "\\copy is a command of psql"),
        ("\\restrict a; DROP TABLE base", "\\restrict is a command of psql"),
        ("SELECT 1 \\gexec", "\\gexec is a command of psql"),
    ] {
        let answer = platform.register(&declared().file("tables/x.sql", format!("-- x\n\n{statement}\n;"))).await;
        assert_eq!(answer.status, 409, "{statement}: {answer}");
        answer.refused(409, "migration_failed").at("tables/x.sql", 3).says(words);
    }
    // In a migration each of them is its author's.
    platform.register(&declared()).await.ready();
    let dropped = "DROP TABLE IF EXISTS legacy; ALTER TABLE renamed RENAME TO other;";
    platform.register(&declared().file("migrations/2.sql", dropped)).await.ready();
}

/// Puts the files in the stored schema's place, as a version that knew no rules left them.
fn plant(platform: &Platform, schema: &str, files: &[(&str, &str)]) {
    let folder: PathBuf = gateway().data_dir.join(platform.name()).join(schema);
    let file = |(path, text): &(&str, &str)| {
        std::fs::create_dir_all(folder.join(path).parent().expect("a folder")).expect("a folder");
        std::fs::write(folder.join(path), text).expect("a file");
        let kind = path.split('/').next().and_then(Kind::of_folder).expect("a kind");
        SourceFile { kind, path: (*path).to_owned(), text: (*text).into() }
    };
    let checksum = Bundle::from_files(files.iter().map(file).collect(), Vec::new()).checksum;
    let record = json!({"name": schema, "has_tables": true, "has_functions": false, "has_migrations": false, "has_seeders": false, "checksum": checksum});
    std::fs::write(folder.join("schema.json"), record.to_string()).expect("the record");
}

#[tokio::test]
async fn a_stored_schema_of_an_earlier_version_goes_on_until_its_next_upload() {
    let platform = Platform::new();
    post_json("/platform/register", json!({"platform": platform.name()})).await;
    let path = format!("/platform/{}/schema", platform.name());
    let small = bundle().file("tables/t.sql", "CREATE TABLE t (id int);");
    assert_eq!(upload(&path, &[("schema_name", "s")], "schema", small.tar_gz()).await.status, 201);
    let files = [("tables/t.sql", "CREATE TABLE t (id int); ALTER TABLE t RENAME TO u; DROP TABLE IF EXISTS legacy;")];
    plant(&platform, "s", &files);
    let ids = |id: &str| json!({"platform": platform.name(), "schema_name": "s", "database_id": id});
    for id in ["a", "b"] {
        let answer = post_json("/database/create", ids(id)).await;
        assert_eq!(answer.status, 201, "{answer}");
    }
    let answer = post_json("/v2/migrate", json!({"platform": platform.name(), "schema_name": "s"})).await;
    assert_eq!((answer.status, answer.body["databases"].as_array().map(Vec::len)), (200, Some(2)), "{answer}");
    let same = bundle().file(files[0].0, files[0].1);
    let answer = upload(&path, &[("schema_name", "s")], "schema", same.tar_gz()).await;
    answer.refused(409, "migration_failed").at("tables/t.sql", 1).says("RENAME");
    assert_eq!(post_json("/database/create", ids("c")).await.status, 201);
}
