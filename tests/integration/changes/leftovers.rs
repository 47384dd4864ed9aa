//! What an earlier bundle declared and this one does not is dropped; what somebody made by hand stays. And what somebody
//! took away or changed by hand is put back.

use crate::support::catalog::{assert_same, in_words};
use crate::support::check::check_again_changes_nothing;
use crate::support::pg_dump::pg_dump;
use crate::support::{BundleBuilder, Platform, Sql, bundle, register};

const T: &str = "CREATE TABLE t (id int PRIMARY KEY, n int, o int);";
const F: &str = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';";

fn bare() -> BundleBuilder {
    bundle()
        .file("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY);")
        .file("tables/t.sql", T)
        .file("functions/f.sql", F)
}

fn full() -> BundleBuilder {
    bare()
        .file("types/d.sql", "CREATE DOMAIN d AS text CHECK (VALUE <> ''); CREATE TYPE unused AS ENUM ('x');")
        .file(
            "tables/t.sql",
            "CREATE TABLE t (id int PRIMARY KEY, n int UNIQUE CHECK (n > 0), o int REFERENCES a);
             CREATE INDEX t_by_o ON t (o); CREATE INDEX ON t (n, o); CREATE SEQUENCE numbers;
             ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (n > 1);
             ALTER TABLE t SET (fillfactor = 70); COMMENT ON TABLE t IS 'all'; COMMENT ON COLUMN t.n IS 'a number';
             CREATE STATISTICS n_and_o ON n, o FROM t; CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING;",
        )
        .file("views/v.sql", "CREATE VIEW v AS SELECT * FROM t; COMMENT ON VIEW v IS 'the view';")
        .file("views/w.sql", "CREATE VIEW w AS SELECT n FROM v;")
        .file("views/m.sql", "CREATE MATERIALIZED VIEW m AS SELECT n FROM w; CREATE INDEX ON m (n);")
        .file("functions/f.sql", format!("{F} CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();"))
        .file("functions/total.sql", "CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int);")
}

async fn check_as_new(platform: &Platform, bundle: &BundleBuilder) {
    register(platform.name(), Some("fresh"), bundle).await.ready();
    let fresh = platform.database("fresh");
    assert_same("old, new", &in_words(&platform.main()).await, &in_words(&fresh).await);
    assert_eq!(pg_dump(&platform.main()).await, pg_dump(&fresh).await);
}

#[tokio::test]
async fn everything_that_was_declared_goes_and_comes() {
    let platform = Platform::new();
    platform.register(&full()).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO a VALUES (9); INSERT INTO t VALUES (1, 2, 9)").await;
    let answer = platform.register(&bare()).await;
    answer.ready();
    check_as_new(&platform, &bare()).await;
    let dropped = "SELECT change_type || ' ' || object_name FROM _stonescriptdb_gateway_changelog
                   WHERE change_type ~ '^(Drop|Disable|Reset)' ORDER BY 1";
    assert_eq!(
        sql.column(dropped).await,
        [
            "DisableRowSecurity t",
            "DropComment COLUMN t.n",
            "DropComment TABLE t",
            "DropComment VIEW v",
            "DropConstraint t.t_n_check",
            "DropConstraint t.t_n_key",
            "DropConstraint t.t_o_fkey",
            "DropFunction total(integer)",
            "DropIndex t_by_o",
            "DropIndex t_n_o_idx",
            "DropPolicy p ON t",
            "DropRule r ON t",
            "DropSequence numbers",
            "DropStatistics n_and_o",
            "DropTrigger tr ON t",
            "DropType d",
            "DropType unused",
            "DropView m",
            "DropView v",
            "DropView w",
            "ResetOptions t",
        ]
    );
    let answer = platform.register(&full()).await;
    answer.ready();
    assert_eq!(sql.rows("SELECT * FROM t").await, [["1", "2", "9"]]);
    assert_same("there and back", &in_words(&platform.main()).await, &{
        register(platform.name(), Some("again"), &full()).await.ready();
        in_words(&platform.database("again")).await
    });
    check_again_changes_nothing(&platform, &full(), &answer).await;
}

const BY_HAND: &str = "CREATE INDEX by_hand ON t (n); ALTER TABLE t ADD CONSTRAINT hand CHECK (n < 1000);
    CREATE VIEW hand_view AS SELECT n FROM t; CREATE SEQUENCE hand_sequence; CREATE RULE hand_rule AS ON DELETE TO t DO ALSO SELECT 1;
    CREATE TRIGGER hand_trigger BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); COMMENT ON COLUMN t.o IS 'by hand';
    CREATE FUNCTION hand_function() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER TABLE a SET (fillfactor = 60);
    CREATE TYPE hand_type AS ENUM ('h'); ALTER TABLE a ENABLE ROW LEVEL SECURITY";

#[tokio::test]
async fn what_was_made_by_hand_stays_and_is_no_difference() {
    let platform = Platform::new();
    platform.register(&bare()).await.ready();
    let sql = platform.sql().await;
    sql.run(BY_HAND).await;
    let before = in_words(&platform.main()).await;
    let after = bare().file("functions/g.sql", "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 2';");
    platform.register(&after).await.ready();
    platform.register(&bare()).await.ready();
    assert_same("by hand", &before, &in_words(&platform.main()).await);
}

async fn check_put_back(by_hand: &str) {
    let platform = Platform::new();
    platform.register(&full()).await.ready();
    let sql: Sql = platform.sql().await;
    let before = in_words(&platform.main()).await;
    sql.run(by_hand).await;
    let after = full().file("functions/g.sql", "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 2';");
    let answer = platform.register(&after).await;
    assert_eq!(answer.status, 200, "{by_hand}: {answer}");
    let mut now = in_words(&platform.main()).await;
    now.retain(|line| !line.contains("g()"));
    assert_same(by_hand, &before, &now);
}

#[tokio::test]
async fn what_was_taken_away_or_changed_by_hand_is_put_back() {
    for by_hand in [
        "DROP INDEX t_by_o; DROP VIEW w CASCADE; DROP TRIGGER tr ON t; DROP SEQUENCE numbers; DROP RULE r ON t",
        "COMMENT ON TABLE t IS 'other'; COMMENT ON VIEW v IS NULL; ALTER TABLE t RESET (fillfactor)",
        "ALTER TABLE t DISABLE ROW LEVEL SECURITY; DROP POLICY p ON t; CREATE POLICY p ON t USING (true); DROP STATISTICS n_and_o",
        "ALTER TABLE t DROP CONSTRAINT t_n_check; ALTER TABLE t DROP CONSTRAINT t_o_fkey",
        "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; ALTER FUNCTION f STABLE",
        "ALTER SEQUENCE numbers INCREMENT BY 5",
        "CREATE OR REPLACE VIEW w AS SELECT n FROM v WHERE n > 7",
    ] {
        check_put_back(by_hand).await;
    }
}

#[tokio::test]
async fn a_view_over_all_columns_gets_the_new_ones() {
    let version = |columns: &str| {
        bundle()
            .file("tables/t.sql", format!("CREATE TABLE t (id int PRIMARY KEY{columns});"))
            .file("views/v.sql", "CREATE VIEW v AS SELECT * FROM t;")
    };
    let platform = Platform::new();
    platform.register(&version(", z int")).await.ready();
    platform.register(&version(", n int, z int")).await.ready();
    assert_eq!(
        platform.sql().await.column("SELECT attname FROM pg_attribute WHERE attrelid = 'v'::regclass").await.len(),
        3
    );
}

#[tokio::test]
async fn domains_change_in_place_where_no_value_is_at_stake() {
    let version = |domain: &str| {
        bundle()
            .file("types/d.sql", format!("CREATE DOMAIN d AS {domain};"))
            .file("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, d d);")
    };
    let platform = Platform::new();
    platform.register(&version("text CHECK (VALUE <> '')")).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO t VALUES (1, 'some')").await;
    for domain in ["text DEFAULT 'x' CHECK (VALUE <> 'y')", "text CONSTRAINT long CHECK (length(VALUE) > 3)", "text"] {
        platform.register(&version(domain)).await.ready();
        check_as_new(&platform, &version(domain)).await;
    }
    let answer = super::check_blocked(&platform, &version("text NOT NULL"), "NOT NULL").await;
    answer.says("SetNotNull d");
    platform.register_forced(&version("text NOT NULL")).await.ready();
    let answer = super::check_blocked(&platform, &version("int"), "another base").await;
    let reason = &answer.body["schema_validation"]["incompatible_changes"][0]["reason"];
    assert!(reason.as_str().is_some_and(|reason| reason.contains("write a migration that makes a new domain")));
    platform
        .register(&version("text CHECK (VALUE <> 'some')"))
        .await
        .refused(409, "migration_failed")
        .sqlstate("23514");
}

#[tokio::test]
async fn the_comment_of_the_schema_that_was_always_there() {
    let said = |text: &str| bare().file("tables/c.sql", format!("COMMENT ON SCHEMA public IS {text};"));
    let platform = Platform::new();
    platform.register(&said("'ours'")).await.ready();
    let sql = platform.sql().await;
    let comment = "SELECT obj_description('public'::regnamespace)";
    for (by_hand, after, then) in [
        ("SELECT 1", said("'still ours'"), "still ours"),
        (
            "COMMENT ON SCHEMA public IS 'by hand'",
            said("'still ours'").file("functions/g.sql", "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1';"),
            "still ours",
        ),
        ("SELECT 1", bare(), "standard public schema"),
        ("COMMENT ON SCHEMA public IS 'by hand'", bare().file("tables/b.sql", "CREATE TABLE b (id int);"), "by hand"),
    ] {
        sql.run(by_hand).await;
        platform.register(&after).await.ready();
        assert_eq!(sql.value(comment).await, then);
        if then == "standard public schema" {
            check_as_new(&platform, &after).await;
        }
    }
}

#[tokio::test]
async fn a_counter_that_goes_is_named() {
    let platform = Platform::new();
    let with = bare().file(
        "tables/s.sql",
        "CREATE SEQUENCE numbers; CREATE SEQUENCE unused; CREATE SCHEMA shop; CREATE SEQUENCE shop.\"Invoice no\"; CREATE TABLE o (id serial);",
    );
    platform.register(&with).await.ready();
    let sql = platform.sql().await;
    sql.run("SELECT setval('numbers', 41), nextval('numbers'), setval('shop.\"Invoice no\"', 7); INSERT INTO o DEFAULT VALUES").await;
    let without = bare().file("tables/s.sql", "CREATE SCHEMA shop; CREATE TABLE o (id serial);");
    let answer = platform.register(&without).await;
    answer.ready();
    let told = answer.body["warnings"].to_string();
    for (sequence, value) in [("numbers", 42), ("shop.\\\"Invoice no\\\"", 7)] {
        let words =
            format!("the sequence {sequence} is declared no longer, so it was dropped; its last value was {value},");
        assert!(told.contains(&words), "{told}");
    }
    assert!(!told.contains("unused") && !told.contains("o_id_seq"), "{told}");
}
