//! Functions that change their signature under everything that can call one.

use super::evolve;
use crate::support::catalog::{assert_same, in_words};
use crate::support::{BundleBuilder, Platform, bundle, check_deploys_as_psql_would};

/// `worth`, called by one of each: check, default, index, trigger, policy, view, matview, SQL-standard body, rule.
fn everything_calls(worth: &str) -> BundleBuilder {
    bundle()
        .file("functions/worth.sql", worth)
        .file("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY, n int DEFAULT worth(1), CONSTRAINT big CHECK (worth(n) >= 0));")
        .file("tables/b.sql", "CREATE INDEX by_worth ON a (worth(n)); CREATE TABLE log (n int);")
        .file("tables/c.sql", "ALTER TABLE a ENABLE ROW LEVEL SECURITY; CREATE POLICY worthy ON a FOR SELECT TO PUBLIC USING (worth(n) > 0);")
        .file(
            "functions/noted.sql",
            "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             CREATE TRIGGER noted BEFORE INSERT ON a FOR EACH ROW WHEN (worth(NEW.n) > 5) EXECUTE FUNCTION noted();",
        )
        .file("views/v.sql", "CREATE VIEW v WITH (security_barrier) AS SELECT id, worth(n) AS w FROM a;")
        .file("views/w.sql", "CREATE VIEW w AS SELECT w * 2 AS double FROM v;")
        .file("views/m.sql", "CREATE MATERIALIZED VIEW m AS SELECT w FROM v; CREATE UNIQUE INDEX m_w ON m (w);")
        .file("views/r.sql", "CREATE RULE r AS ON INSERT TO v DO INSTEAD INSERT INTO log VALUES (worth(NEW.id));")
        .file("functions/total.sql", "CREATE FUNCTION total() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT sum(worth(n)) FROM a; END;")
}

const INT: &str = "CREATE FUNCTION worth(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n'";

const BY_HAND: &str = "
    INSERT INTO a VALUES (1, 3);
    REFRESH MATERIALIZED VIEW m;
    REVOKE EXECUTE ON FUNCTION worth(int) FROM PUBLIC; GRANT EXECUTE ON FUNCTION worth(int) TO pg_monitor WITH GRANT OPTION;
    COMMENT ON FUNCTION worth(int) IS 'what it is worth';
    GRANT SELECT ON v, m TO pg_monitor; GRANT UPDATE (id) ON v TO pg_monitor;
    COMMENT ON VIEW v IS 'the view'; COMMENT ON COLUMN v.w IS 'its worth'; COMMENT ON POLICY worthy ON a IS 'the policy';
    COMMENT ON CONSTRAINT big ON a IS 'the check'; COMMENT ON INDEX by_worth IS 'the index'; COMMENT ON TRIGGER noted ON a IS 'the trigger';
    ALTER VIEW v ALTER COLUMN id SET DEFAULT worth(7);
    CREATE VIEW by_hand AS SELECT double FROM w; GRANT ALL ON by_hand TO pg_monitor;
    ALTER TABLE a DISABLE TRIGGER noted";

/// The whole identity of a database but for the gateway's own rows, with grants, comments and options.
async fn belongings(sql: &crate::support::Sql) -> Vec<Vec<String>> {
    sql.rows(
        "SELECT c.relname, c.relacl::text, c.reloptions::text, obj_description(c.oid, 'pg_class'), c.relispopulated::text
         FROM pg_class c WHERE c.relkind IN ('v', 'm') AND c.relnamespace = 'public'::regnamespace
         UNION ALL SELECT proname, proacl::text, obj_description(oid, 'pg_proc'), '', '' FROM pg_proc WHERE proname IN ('worth', 'total')
         UNION ALL SELECT attname, attacl::text, col_description(attrelid, attnum), '', '' FROM pg_attribute WHERE attrelid = 'v'::regclass AND attnum > 0
         UNION ALL SELECT tgname, tgenabled::text, obj_description(oid, 'pg_trigger'), '', '' FROM pg_trigger WHERE NOT tgisinternal
         UNION ALL SELECT polname, obj_description(oid, 'pg_policy'), '', '', '' FROM pg_policy
         UNION ALL SELECT conname, obj_description(oid, 'pg_constraint'), pg_get_constraintdef(oid), '', '' FROM pg_constraint WHERE conname = 'big'
         UNION ALL SELECT 'index', obj_description('by_worth'::regclass, 'pg_class'), '', '', ''
         UNION ALL SELECT 'default', pg_get_expr(adbin, adrelid), '', '', '' FROM pg_attrdef WHERE adrelid IN ('a'::regclass, 'v'::regclass)
         ORDER BY 1, 2",
    )
    .await
}

async fn check_kept(after: &str) {
    let platform = Platform::new();
    platform.register(&everything_calls(INT)).await.ready();
    let sql = platform.sql().await;
    sql.run(BY_HAND).await;
    let before = belongings(&sql).await;
    platform.register(&everything_calls(after)).await.ready();
    let plain = |rows: Vec<Vec<String>>| -> Vec<String> {
        // Where the call needs a cast now, or passes a default, PostgreSQL prints it.
        let mut rows: Vec<_> = rows
            .into_iter()
            .map(|row| {
                row.join(" | ").replace("(n)::bigint", "n").replace("(1)::bigint", "1").replace("(7)::bigint", "7")
            })
            .collect();
        // Some begin alike.
        rows.sort();
        rows
    };
    let now = plain(belongings(&sql).await);
    assert_same(after, &plain(before), &now);
    assert_eq!(sql.value("SELECT total()").await, "3");
    assert_eq!(sql.column("SELECT double FROM by_hand").await, ["6"]);
    sql.run("INSERT INTO a (id) VALUES (2)").await;
    assert_eq!(sql.column("SELECT w FROM v ORDER BY w").await, ["1", "3"]);
    platform.register(&everything_calls(after)).await.ready().counts(&[("functions_deployed", 0)]);
}

#[tokio::test]
async fn a_parameter_renamed_keeps_everything_that_calls_the_function() {
    check_kept("CREATE FUNCTION worth(amount int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT amount'").await;
}

#[tokio::test]
async fn a_new_parameter_with_a_default_keeps_everything_that_calls_the_function() {
    check_kept(
        "CREATE FUNCTION worth(n int, times int DEFAULT 1) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n * times'",
    )
    .await;
}

#[tokio::test]
async fn a_wider_parameter_keeps_everything_that_calls_the_function() {
    check_kept("CREATE FUNCTION worth(n bigint) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n::int'").await;
}

#[tokio::test]
async fn another_return_type_reaches_the_views_over_it() {
    let (_platform, sql) = evolve(
        &bundle()
            .file("functions/f.sql", INT)
            .file("tables/a.sql", "CREATE TABLE a (n int DEFAULT worth(1));")
            .file("views/v.sql", "CREATE VIEW v AS SELECT worth(n) AS w FROM a;"),
        "INSERT INTO a DEFAULT VALUES; GRANT SELECT ON v TO PUBLIC",
        &bundle()
            .file(
                "functions/f.sql",
                "CREATE FUNCTION worth(n int) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT n * 1.5'",
            )
            .file("tables/a.sql", "CREATE TABLE a (n int DEFAULT worth(1));")
            .file("views/v.sql", "CREATE VIEW v AS SELECT worth(n) AS w FROM a;"),
    )
    .await;
    assert_eq!(sql.column("SELECT w FROM v").await, ["1.5"]);
    assert_eq!(sql.value("SELECT has_table_privilege('public', 'v', 'select') FROM (SELECT 1) x").await, "t");
}

#[tokio::test]
async fn a_function_and_its_view_change_together_and_the_bundles_new_view_wins() {
    let before = bundle()
        .file("tables/a.sql", "CREATE TABLE a (n int);")
        .file("functions/f.sql", INT)
        .file("views/v.sql", "CREATE VIEW v AS SELECT worth(n) AS w FROM a;");
    let after = bundle()
        .file("tables/a.sql", "CREATE TABLE a (n int);")
        .file(
            "functions/f.sql",
            "CREATE FUNCTION worth(n text, unit text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT n || unit'",
        )
        .file("views/v.sql", "CREATE VIEW v AS SELECT n, worth(n::text, ' EUR') AS w FROM a;");
    let (_platform, sql) = evolve(&before, "INSERT INTO a VALUES (4); GRANT SELECT ON v TO PUBLIC", &after).await;
    assert_eq!(sql.rows("SELECT * FROM v").await, [["4", "4 EUR"]]);
    assert_eq!(sql.value("SELECT count(*) FROM pg_proc WHERE proname = 'worth'").await, "1");
    assert_eq!(sql.value("SELECT relacl::text LIKE '%=r/%' FROM pg_class WHERE relname = 'v'").await, "t");
}

#[tokio::test]
async fn a_function_becomes_a_procedure_and_back() {
    let files = |text: &str| bundle().file("functions/f.sql", text).file("tables/a.sql", "CREATE TABLE a (n int);");
    let function = files("CREATE FUNCTION f(n int) RETURNS int LANGUAGE sql AS 'SELECT 1'");
    let procedure = files("CREATE PROCEDURE f(n int) LANGUAGE sql AS 'SELECT 1'");
    let (platform, sql) = evolve(&function, "SELECT 1", &procedure).await;
    assert_eq!(sql.value("SELECT prokind FROM pg_proc WHERE proname = 'f'").await, "p");
    platform.register(&function).await.ready();
    assert_eq!(sql.value("SELECT prokind FROM pg_proc WHERE proname = 'f'").await, "f");
}

#[tokio::test]
async fn quoted_names_overloads_and_other_schemas_are_put_back_too() {
    let files = |parameter: &str| {
        bundle()
            .file("tables/s.sql", "CREATE SCHEMA \"My Shop\"; CREATE TABLE \"My Shop\".\"Order Item\" (\"the n\" int);")
            .file(
                "functions/f.sql",
                format!(
                    "CREATE FUNCTION \"My Shop\".\"Worth It\"({parameter} int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
                     CREATE FUNCTION \"My Shop\".\"Worth It\"(n text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2';"
                ),
            )
            .file(
                "views/v.sql",
                "CREATE VIEW \"My Shop\".\"The View\" AS SELECT \"My Shop\".\"Worth It\"(\"the n\") AS \"W\",
                 \"My Shop\".\"Worth It\"('x'::text) AS t FROM \"My Shop\".\"Order Item\";",
            )
    };
    let (platform, sql) = evolve(
        &files("a"),
        "INSERT INTO \"My Shop\".\"Order Item\" VALUES (1); GRANT SELECT (\"W\") ON \"My Shop\".\"The View\" TO PUBLIC",
        &files("\"b \"\" c\""),
    )
    .await;
    assert_eq!(sql.rows("SELECT * FROM \"My Shop\".\"The View\"").await, [["1", "2"]]);
    assert_eq!(sql.value("SELECT count(*) FROM pg_attribute WHERE attacl IS NOT NULL AND attname = 'W'").await, "1");
    let fresh = Platform::new();
    fresh.register(&files("\"b \"\" c\"")).await.ready();
    sql.run("REVOKE SELECT (\"W\") ON \"My Shop\".\"The View\" FROM PUBLIC").await;
    assert_same("grown and new", &in_words(&platform.main()).await, &in_words(&fresh.main()).await);
}

#[tokio::test]
async fn a_bundle_that_is_deployed_anew_is_the_same_as_one_that_grew() {
    let grown =
        everything_calls("CREATE FUNCTION worth(n bigint) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n::int'");
    let (platform, _sql) = evolve(&everything_calls(INT), "SELECT 1", &grown).await;
    let fresh = Platform::new();
    check_deploys_as_psql_would(&fresh, &grown).await;
    assert_same("grown and new", &in_words(&platform.main()).await, &in_words(&fresh.main()).await);
}
