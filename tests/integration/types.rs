//! `types/`: enums, composites, domains, ranges and collations, over each other and under tables.

use serde_json::json;

use crate::support::{Platform, bundle, check_deploys_as_psql_would};

#[tokio::test]
async fn domains_over_enums_in_composites_in_tables_deploy() {
    let platform = Platform::new();
    // By name, each file comes before the one that it needs.
    let bundle = bundle()
        .file("types/a_delivery.sql", "CREATE TYPE delivery AS (way urgent_way, windows slot[], place b_place);")
        .file("types/b_place.sql", "CREATE TYPE b_place AS (street text, zip zip_code);")
        .file("types/c_urgent_way.sql", "CREATE DOMAIN urgent_way AS way CHECK (VALUE <> 'post');")
        .file("types/d_slot.sql", "CREATE TYPE slot AS RANGE (subtype = d_hour);")
        .file("types/e_way.sql", "CREATE TYPE way AS ENUM ('post', 'courier', 'drone');")
        .file("types/f_zip.sql", "CREATE DOMAIN zip_code AS text COLLATE \"C\" CHECK (is_zip(VALUE)) NOT NULL;")
        .file("types/g_hour.sql", "CREATE DOMAIN d_hour AS numeric(4, 2) DEFAULT 8;")
        .file(
            "functions/is_zip.sql",
            "CREATE FUNCTION is_zip(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 ~ '^[0-9]{5}$' $$;",
        )
        .file(
            "functions/way_of.sql",
            "CREATE FUNCTION way_of(p delivery) RETURNS urgent_way LANGUAGE sql AS $$ SELECT (p).way $$;",
        )
        .file(
            "tables/orders.sql",
            "CREATE TABLE orders (
                 id int PRIMARY KEY,
                 delivery delivery,
                 tried urgent_way[] NOT NULL DEFAULT ARRAY['courier']::urgent_way[],
                 home b_place DEFAULT ROW('Elm St', '12345')::b_place
             );",
        );
    check_deploys_as_psql_would(&platform, &bundle).await.counts(&[("types_deployed", 7), ("tables_created", 1)]);
    let sql = platform.sql().await;
    sql.run("INSERT INTO orders (id) VALUES (1)").await;
    assert!(sql.try_run("INSERT INTO orders (id, home) VALUES (2, ROW('x', 'none'))").await.is_err());
    let way = platform.value_of("way_of", json!([{"way": "drone", "windows": [], "place": null}])).await;
    assert_eq!(way, json!("drone"));
}

#[tokio::test]
async fn a_composite_of_a_table_and_a_table_of_that_composite_deploy() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("types/line.sql", "CREATE TYPE line AS (product products, amount int);")
        .file("tables/products.sql", "CREATE TABLE products (id int PRIMARY KEY, name text);")
        .file("tables/baskets.sql", "CREATE TABLE baskets (id int PRIMARY KEY, lines line[]);");
    check_deploys_as_psql_would(&platform, &bundle).await;
}

#[tokio::test]
async fn a_type_file_may_hold_several_types_comments_and_a_collation() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "types/all.sql",
            "-- The words of the trade; one file.
             CREATE TYPE mood AS ENUM ('sad', 'it''s fine', 'happy');
             COMMENT ON TYPE mood IS 'how one feels; today';
             CREATE COLLATION plain FROM \"C\";
             CREATE DOMAIN word AS text COLLATE plain;
             COMMENT ON DOMAIN word IS 'one word';
             CREATE TYPE empty_one AS ();
             CREATE TYPE \"none yet\" AS ENUM ();",
        )
        .file("tables/diary.sql", "CREATE TABLE diary (day date PRIMARY KEY, mood mood, word word);");
    check_deploys_as_psql_would(&platform, &bundle).await;
}

#[tokio::test]
async fn a_type_made_by_a_migration_serves_views_and_functions() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "migrations/001.sql",
            "CREATE TYPE shade AS ENUM ('dark', 'light'); CREATE TABLE inks (id int, shade shade);",
        )
        .file(
            "functions/dark.sql",
            "CREATE FUNCTION is_dark(shade) RETURNS boolean LANGUAGE sql AS $$ SELECT $1 = 'dark' $$;",
        )
        .file("views/dark_inks.sql", "CREATE VIEW dark_inks AS SELECT id FROM inks WHERE is_dark(shade);");
    check_deploys_as_psql_would(&platform, &bundle).await.counts(&[("types_deployed", 0), ("functions_deployed", 1)]);
}
