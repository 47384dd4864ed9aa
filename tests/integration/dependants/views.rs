//! Views over what changes, and views that change.

use super::evolve;
use crate::support::{BundleBuilder, Platform, bundle};

/// A view over a view over a matview with an index, over one column.
fn over(column: &str) -> BundleBuilder {
    bundle()
        .file("tables/a.sql", format!("CREATE TABLE a (id int PRIMARY KEY, {column});"))
        .file("views/1.sql", "CREATE MATERIALIZED VIEW one AS SELECT id, n FROM a; CREATE UNIQUE INDEX one_id ON one (id);")
        .file("views/2.sql", "CREATE VIEW two AS SELECT n, id FROM one WHERE id > 0;")
        .file("views/3.sql", "CREATE VIEW three AS SELECT * FROM two; GRANT SELECT ON three TO PUBLIC; COMMENT ON VIEW three IS 'third';")
}

#[tokio::test]
async fn a_column_under_a_pile_of_views_is_widened() {
    let (platform, sql) = evolve(
        &over("n varchar(5)"),
        "INSERT INTO a VALUES (1, 'x'); REFRESH MATERIALIZED VIEW one; CREATE INDEX by_hand ON one (n); GRANT SELECT ON one TO PUBLIC",
        &over("n varchar(50)"),
    )
    .await;
    assert_eq!(sql.rows("SELECT * FROM three").await, [["x", "1"]]);
    let typed = "SELECT count(*) FROM pg_attribute WHERE attname = 'n' AND format_type(atttypid, atttypmod) = 'character varying(50)'";
    assert_eq!(sql.value(typed).await, "5", "table, index, matview and two views");
    assert_eq!(sql.value("SELECT count(*) FROM pg_indexes WHERE tablename = 'one'").await, "2");
    assert_eq!(
        sql.value("SELECT count(*) FROM pg_class WHERE relacl::text LIKE '%=r/%' AND relname IN ('one', 'three')")
            .await,
        "2"
    );
    assert_eq!(sql.value("SELECT obj_description('three'::regclass)").await, "third");
    platform.register(&over("n text")).await.ready();
    let changes = "SELECT count(*) FROM _stonescriptdb_gateway_changelog WHERE change_type IN ('Grant', 'Comment')";
    assert_eq!(sql.value(changes).await, "2", "what was put back is no change");
}

#[tokio::test]
async fn a_migration_may_change_the_type_under_a_view() {
    let after = over("n int").file("migrations/001.sql", "ALTER TABLE a ALTER COLUMN n TYPE int USING n::int;");
    let platform = Platform::new();
    platform.register(&over("n varchar(5)")).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO a VALUES (1, '7'); REFRESH MATERIALIZED VIEW one").await;
    platform.register_forced(&after).await.ready();
    assert_eq!(sql.value("SELECT n + 1 FROM three").await, "8");
}

#[tokio::test]
async fn a_column_goes_whose_view_no_longer_reads_it() {
    let before = bundle()
        .file("tables/a.sql", "CREATE TABLE a (id int, old text, n int);")
        .file("views/v.sql", "CREATE VIEW v AS SELECT id, old, n FROM a;")
        .file("views/w.sql", "CREATE VIEW w AS SELECT n FROM v;");
    let after = bundle()
        .file("tables/a.sql", "CREATE TABLE a (id int, n int);")
        .file("views/v.sql", "CREATE VIEW v AS SELECT id, n FROM a;")
        .file("views/w.sql", "CREATE VIEW w AS SELECT n FROM v;");
    let platform = Platform::new();
    platform.register(&before).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO a VALUES (1, 'x', 2); GRANT SELECT ON v, w TO PUBLIC").await;
    platform.register(&after).await.refused(409, "migration_failed");
    assert_eq!(sql.rows("SELECT * FROM v").await, [["1", "x", "2"]]);
    platform.register_forced(&after).await.ready();
    assert_eq!(sql.rows("SELECT * FROM v").await, [["1", "2"]]);
    assert_eq!(
        sql.value("SELECT count(*) FROM pg_class WHERE relacl::text LIKE '%=r/%' AND relname IN ('v', 'w')").await,
        "2"
    );
}

#[tokio::test]
async fn a_view_that_an_earlier_bundle_made_goes_with_the_column_it_reads() {
    let before = bundle()
        .file("tables/a.sql", "CREATE TABLE a (id int, old text);")
        .file("views/v.sql", "CREATE VIEW v AS SELECT old FROM a;");
    let after = bundle().file("tables/a.sql", "CREATE TABLE a (id int);");
    let platform = Platform::new();
    platform.register(&before).await.ready();
    platform.register_forced(&after).await.ready();
    let sql = platform.sql().await;
    assert_eq!(sql.value("SELECT count(*) FROM pg_class WHERE relname = 'v'").await, "0");
    assert_eq!(
        sql.value("SELECT count(*) FROM _stonescriptdb_gateway_changelog WHERE change_type = 'DropView'").await,
        "1"
    );
}

#[tokio::test]
async fn a_view_may_change_its_columns_and_keeps_its_grants_and_dependants() {
    let files = |view: &str| {
        bundle()
            .file("tables/a.sql", "CREATE TABLE a (id int, n int, t text);")
            .file("views/v.sql", view)
            .file("views/w.sql", "CREATE VIEW w AS SELECT n FROM v;")
            .file("functions/f.sql", "CREATE FUNCTION f() RETURNS SETOF v LANGUAGE sql AS 'SELECT * FROM v';")
            .file(
                "functions/t.sql",
                "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
                 CREATE TRIGGER t INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION t();",
            )
    };
    let (_platform, sql) = evolve(
        &files("CREATE VIEW v WITH (security_barrier) AS SELECT id, n FROM a;"),
        "GRANT SELECT ON v, w TO PUBLIC; GRANT UPDATE (n) ON v TO PUBLIC; COMMENT ON VIEW v IS 'mine'; COMMENT ON COLUMN v.id IS 'gone soon';
         INSERT INTO a VALUES (1, 2, 'x'); ALTER VIEW v ALTER COLUMN n SET DEFAULT 5; ALTER VIEW v ALTER COLUMN id SET DEFAULT 6;
         REVOKE EXECUTE ON FUNCTION f() FROM PUBLIC",
        &files("CREATE VIEW v WITH (security_barrier) AS SELECT t, n::bigint AS n FROM a;"),
    )
    .await;
    assert_eq!(sql.rows("SELECT * FROM f()").await, [["x", "2"]]);
    assert_eq!(sql.value("SELECT n FROM w").await, "2");
    assert_eq!(sql.value("SELECT obj_description('v'::regclass)").await, "mine");
    assert_eq!(sql.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'v'::regclass").await, "1");
    assert_eq!(sql.value("SELECT count(*) FROM pg_attrdef WHERE adrelid = 'v'::regclass").await, "1");
    assert_eq!(
        sql.value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'v'::regclass AND attacl IS NOT NULL").await,
        "1"
    );
    assert_eq!(
        sql.value("SELECT count(*) FROM pg_class WHERE relacl::text LIKE '%=r/%' AND relname IN ('v', 'w')").await,
        "2"
    );
    assert_eq!(sql.value("SELECT has_function_privilege('f()', 'execute')").await, "t");
    assert_eq!(sql.value("SELECT proacl::text LIKE '%{=X%' FROM pg_proc WHERE proname = 'f'").await, "f");
}

#[tokio::test]
async fn a_view_becomes_a_materialized_one_and_back() {
    let files = |word: &str| {
        bundle()
            .file("tables/a.sql", "CREATE TABLE a (n int);")
            .file("views/v.sql", format!("CREATE {word} v AS SELECT n FROM a;"))
            .file("views/w.sql", "CREATE VIEW w AS SELECT n FROM v;")
    };
    let (platform, sql) = evolve(&files("VIEW"), "GRANT SELECT ON v TO PUBLIC", &files("MATERIALIZED VIEW")).await;
    assert_eq!(sql.value("SELECT relkind FROM pg_class WHERE relname = 'v'").await, "m");
    platform.register(&files("VIEW")).await.ready();
    assert_eq!(sql.value("SELECT relkind FROM pg_class WHERE relname = 'v'").await, "v");
    assert_eq!(sql.value("SELECT relacl::text LIKE '%=r/%' FROM pg_class WHERE relname = 'v'").await, "t");
}

#[tokio::test]
async fn a_changed_materialized_view_keeps_grants_and_dependants() {
    let files = |column: &str| {
        bundle()
            .file("tables/a.sql", "CREATE TABLE a (n int, t text);")
            .file(
                "views/m.sql",
                format!("CREATE MATERIALIZED VIEW m AS SELECT {column} FROM a; CREATE INDEX m_n ON m (n);"),
            )
            .file("views/w.sql", "CREATE VIEW w AS SELECT n FROM m;")
    };
    let (_platform, sql) = evolve(
        &files("n"),
        "INSERT INTO a VALUES (1, 'x'); GRANT SELECT ON m, w TO PUBLIC; COMMENT ON MATERIALIZED VIEW m IS 'figures'",
        &files("t, n"),
    )
    .await;
    assert_eq!(sql.rows("SELECT * FROM m").await, [["x", "1"]]);
    assert_eq!(sql.value("SELECT obj_description('m'::regclass)").await, "figures");
    assert_eq!(
        sql.value("SELECT count(*) FROM pg_class WHERE relacl::text LIKE '%=r/%' AND relname IN ('m', 'w')").await,
        "2"
    );
    assert_eq!(sql.value("SELECT count(*) FROM pg_indexes WHERE tablename = 'm'").await, "1");
}

#[tokio::test]
async fn a_table_becomes_a_view_and_a_view_a_table() {
    let table = bundle()
        .file("tables/a.sql", "CREATE TABLE a (n int);")
        .file("tables/x.sql", "CREATE TABLE x (n int);")
        .file("views/w.sql", "CREATE VIEW w AS SELECT n FROM x;");
    let view = bundle()
        .file("tables/a.sql", "CREATE TABLE a (n int);")
        .file("views/x.sql", "CREATE VIEW x AS SELECT n FROM a;")
        .file("views/w.sql", "CREATE VIEW w AS SELECT n FROM x;");
    let platform = Platform::new();
    platform.register(&table).await.ready();
    platform.register_forced(&view).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO a VALUES (3)").await;
    assert_eq!(sql.column("SELECT n FROM w").await, ["3"]);
    platform.register_forced(&table).await.ready();
    assert_eq!(sql.value("SELECT relkind FROM pg_class WHERE relname = 'x'").await, "r");
    assert_eq!(sql.value("SELECT count(*) FROM w").await, "0");
}
