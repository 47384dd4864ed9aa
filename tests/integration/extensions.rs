//! `extensions/`: one file, one extension.

use crate::support::{
    BundleBuilder, Platform, Sql, bundle, check_deploys_and_is_stable, check_deploys_as_psql_would, register,
};

/// An extension of PostgreSQL's own collection, a column type of it or a type that its function answers, and an
/// expression over it.
const CANDIDATES: &[(&str, &str, &str)] = &[
    ("citext", "citext", "'ABC'::citext"),
    ("hstore", "hstore", "'a=>1'::hstore"),
    ("ltree", "ltree", "'a.b'::ltree"),
    ("uuid-ossp", "uuid", "uuid_generate_v4()"),
    ("pgcrypto", "text", "crypt('a', gen_salt('md5'))"),
    ("pg_trgm", "real", "similarity('a', 'b')"),
];

/// The candidates that this server has, with their default versions.
async fn available() -> Vec<(&'static str, &'static str, &'static str, String)> {
    let server = Sql::connect("postgres").await;
    let rows = server.rows("SELECT name, default_version FROM pg_available_extensions").await;
    let known: Vec<_> = CANDIDATES
        .iter()
        .filter_map(|(name, of_type, expression)| {
            let row = rows.iter().find(|row| row[0] == *name)?;
            Some((*name, *of_type, *expression, row[1].clone()))
        })
        .collect();
    assert!(!known.is_empty(), "this PostgreSQL was built without any of its own extensions");
    known
}

fn with_table(bundle: BundleBuilder, of_type: &str, default: &str) -> BundleBuilder {
    let table = format!("CREATE TABLE things (id int PRIMARY KEY, value {of_type} NOT NULL DEFAULT {default});");
    bundle.file("tables/things.sql", table)
}

#[tokio::test]
async fn a_table_can_use_the_types_and_functions_of_each_extension() {
    for (name, of_type, default, _) in available().await {
        let platform = Platform::new();
        let bundle =
            with_table(bundle().file(&format!("extensions/{name}.sql"), "-- needed by things\n"), of_type, default);
        let answer = check_deploys_as_psql_would(&platform, &bundle).await;
        answer.counts(&[("extensions_installed", 1), ("tables_created", 1)]);
        platform.sql().await.run("INSERT INTO things (id) VALUES (1)").await;
    }
}

#[tokio::test]
async fn version_and_schema_come_from_the_comments() {
    let platform = Platform::new();
    let (name, _, _, version) = available().await.remove(0);
    let file = format!("-- For search.\n-- version: {version}\n-- schema: extensions\nCREATE EXTENSION \"{name}\";\n");
    let bundle = bundle()
        .file(&format!("extensions/{name}.sql"), file)
        .file("functions/one.sql", "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';");
    check_deploys_and_is_stable(&platform, &bundle).await.counts(&[("extensions_installed", 1)]);
    let installed =
        format!("SELECT extversion || ' in ' || extnamespace::regnamespace FROM pg_extension WHERE extname = '{name}'");
    assert_eq!(platform.sql().await.value(&installed).await, format!("{version} in extensions"));
}

#[tokio::test]
async fn two_extensions_with_types_and_tables_over_them_deploy() {
    let platform = Platform::new();
    let extensions = available().await;
    let mut bundle = bundle().file(
        "functions/count_things.sql",
        "CREATE FUNCTION count_things() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM things';",
    );
    for (name, ..) in &extensions {
        bundle = bundle.file(&format!("extensions/{name}.pssql"), "");
    }
    let (_, of_type, default, _) = &extensions[0];
    let bundle = with_table(bundle, "pair", &format!("ROW(1, {default})"))
        .file("types/pair.sql", format!("CREATE TYPE pair AS (number int, value {of_type});"));
    let answer = check_deploys_as_psql_would(&platform, &bundle).await;
    answer.counts(&[("extensions_installed", extensions.len() as u64), ("types_deployed", 1)]);
}

#[tokio::test]
async fn plpgsql_is_there_already() {
    let platform = Platform::new();
    let bundle =
        bundle().file("extensions/plpgsql.sql", "").file("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY);");
    check_deploys_and_is_stable(&platform, &bundle).await.counts(&[("extensions_installed", 0)]);
}

#[tokio::test]
async fn an_extension_that_the_server_does_not_have_is_named() {
    let platform = Platform::new();
    let tables = bundle().file("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY);");
    let bundle = tables.clone().file("extensions/flux_capacitor.sql", "-- version: 1.21\n");
    let answer = platform.register_refused(&bundle).await;
    answer.refused(400, "extension_not_available").says("flux_capacitor").says("1.21");
    platform.register(&tables).await.ready().counts(&[("extensions_installed", 0)]);
}

#[tokio::test]
async fn a_version_that_the_server_does_not_have_is_named() {
    let platform = Platform::new();
    let (name, ..) = available().await.remove(0);
    let bundle = bundle().file(&format!("extensions/{name}.sql"), "-- version: 987.65\n");
    let answer = platform.register_refused(&bundle).await;
    answer.refused(400, "extension_not_available").says(name).says("987.65");
}

#[tokio::test]
async fn a_file_may_bear_the_name_of_the_project_instead_of_the_extension() {
    let platform = Platform::new();
    let bundle = bundle().file("extensions/pgvector.sql", "");
    let has_it = "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'";
    if Sql::connect("postgres").await.value(has_it).await == "1" {
        platform.register(&bundle).await.ready().counts(&[("extensions_installed", 1)]);
    } else {
        platform.register_refused(&bundle).await.refused(400, "extension_not_available").says("vector");
    }
}

/// An extension stays where it was installed. A column of its type is no other one for that, neither where an earlier bundle
/// named a schema, nor where somebody has moved it.
#[tokio::test]
async fn a_column_of_an_extensions_type_is_the_same_wherever_the_extension_stands() {
    if crate::support::calls_what_is_planted() {
        return;
    }
    let with = |schema: &str, of_type: &str, more: &str| {
        bundle()
            .file("extensions/citext.sql", schema)
            .file(
                "tables/a.sql",
                format!("CREATE TABLE a (id int PRIMARY KEY, words {of_type} DEFAULT 'x', list {of_type}[]{more});"),
            )
            .file(
                "functions/f.sql",
                format!("CREATE FUNCTION f(given {of_type}) RETURNS text LANGUAGE sql AS 'SELECT given::text'"),
            )
    };
    if !available().await.iter().any(|(name, ..)| *name == "citext") {
        return;
    }
    let here = with("", "citext", "");
    let moved = "CREATE SCHEMA elsewhere; ALTER EXTENSION citext SET SCHEMA elsewhere";
    for first in [with("-- schema: elsewhere\n", "elsewhere.citext", ""), here.clone()] {
        let platform = Platform::new();
        platform.register(&first).await.ready();
        let sql = platform.sql().await;
        if first.files() == here.files() {
            sql.run(moved).await;
        }
        // Where uploaded code looks for it.
        sql.run(&format!("ALTER DATABASE {} SET search_path = public, elsewhere", platform.main())).await;
        sql.run("INSERT INTO a VALUES (1, 'Kept', '{A,b}')").await;
        platform.register(&here).await.ready().counts(&[("tables_created", 0), ("migrations_applied", 0)]);
        let answer = platform.migrate(&with("", "citext", ", more citext"), &[]).await;
        let changes = &answer.body["schema_validation"]["safe_changes"];
        assert_eq!((answer.status, changes.as_array().map(Vec::len)), (200, Some(1)), "{:#}", answer.body);
        assert_eq!(changes[0]["change_type"], "AddColumn", "{changes}");
        let sql = platform.sql().await;
        assert_eq!(sql.value("SELECT words || array_to_string(list, '') FROM a WHERE words = 'kept'").await, "KeptAb");
        let tracked =
            "SELECT signature || ' ' || to_regprocedure(signature)::oid::regproc FROM _stonescriptdb_gateway_functions";
        assert_eq!(sql.rows(tracked).await, [["f(citext) f"]]);
    }
}

/// Extensions that need each other or share a schema, the files' order turned round or not, and what their files say.
const TOGETHER: &[(&[&str], bool, &str)] = &[
    (&["postgis", "postgis_topology"], false, ""),
    (&["postgis", "postgis_topology"], true, ""),
    (&["fuzzystrmatch", "postgis"], true, ""),
    (&["fuzzystrmatch", "postgis"], false, "geo"),
    (&["fuzzystrmatch", "postgis", "postgis_tiger_geocoder"], false, ""),
];

#[tokio::test]
async fn extensions_that_need_each_other_or_share_a_schema_come_in_any_order() {
    let server = Sql::connect("postgres").await;
    let rows = server.rows("SELECT name, schema FROM pg_available_extension_versions").await;
    let fixed = |name: &str| rows.iter().any(|row| row[0] == name && row[1] != "∅");
    let first = bundle().file("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY);");
    for (names, is_turned, schema) in TOGETHER {
        if !names.iter().all(|name| rows.iter().any(|row| row[0] == *name)) {
            continue;
        }
        let mut order: Vec<&str> = names.to_vec();
        if *is_turned {
            order.reverse();
        }
        let files: Vec<(String, String)> = order
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let says =
                    if schema.is_empty() || fixed(name) { String::new() } else { format!("-- schema: {schema}\n") };
                (format!("extensions/{at}/{name}.sql"), says)
            })
            .collect();
        let all = files.iter().fold(first.clone(), |bundle, (path, text)| bundle.file(path, text.as_str()));
        // The first of them needs none of the others.
        let alone =
            files.iter().find(|(path, _)| path.ends_with(&format!("/{}.sql", names[0]))).expect("it is one of them");
        let one = first.clone().file(&alone.0, alone.1.as_str());
        let platform = Platform::new();
        platform.register(&all).await.ready().counts(&[("extensions_installed", names.len() as u64)]);
        let installed = "SELECT extname || ' in ' || extnamespace::regnamespace FROM pg_extension ORDER BY 1";
        let expected = platform.sql().await.column(installed).await;
        assert!(schema.is_empty() || expected.iter().any(|one| one.ends_with(" in geo")), "{expected:?}");
        for (tenant, steps) in [("later", vec![&first, &all]), ("one_by_one", vec![&first, &one, &all])] {
            for step in steps {
                register(platform.name(), Some(tenant), step).await.ready();
            }
            let found = Sql::connect(&platform.database(tenant)).await.column(installed).await;
            assert_eq!(found, expected, "{names:?}, {tenant}");
        }
        platform.register(&all).await.ready().counts(&[("extensions_installed", 0)]);
    }
}
