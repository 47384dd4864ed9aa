//! What stands beside tables, types and functions, or is said of them by statements of its own: an old database that is
//! brought from one version to the other is a new one of that version, by `pg_dump` and by the catalog.

use crate::evolutions::schema::differences;
use crate::support::{BundleBuilder, Platform, Sql, bundle, register};

/// What it is about · its folder · the version before · the version after. Names are each case's own, so all cases are one
/// bundle, and each is tried in both directions.
const CASES: &[(&str, &str, &str, &str)] = &[
    (
        "unnamed_index",
        "tables",
        "CREATE TABLE ui (n int, m int); CREATE INDEX ON ui (n); CREATE INDEX ON ui (m); CREATE INDEX ON ui (m DESC);
         ALTER TABLE ui ADD CHECK (n > 0);",
        "CREATE TABLE ui (n int, m int); CREATE INDEX ON ui (n DESC); CREATE INDEX ON ui (m DESC); CREATE INDEX ON ui (m);
         ALTER TABLE ui ADD CHECK (n > 1);",
    ),
    (
        "partitioned_index",
        "tables",
        "CREATE TABLE pi (region text, no int, shop int) PARTITION BY LIST (region);
         CREATE TABLE pi_eu PARTITION OF pi FOR VALUES IN ('eu'); CREATE TABLE pi_rest PARTITION OF pi DEFAULT PARTITION BY HASH (no);
         CREATE UNIQUE INDEX pi_no ON pi (region, no); CREATE INDEX ON pi (shop);",
        "CREATE TABLE pi (region text, no int, shop int) PARTITION BY LIST (region);
         CREATE TABLE pi_eu PARTITION OF pi FOR VALUES IN ('eu'); CREATE TABLE pi_rest PARTITION OF pi DEFAULT PARTITION BY HASH (no);
         CREATE UNIQUE INDEX pi_no ON pi (region, no, shop); CREATE INDEX ON pi (shop, no);",
    ),
    (
        "attached_index",
        "tables",
        "CREATE TABLE ai (a int, b int) PARTITION BY RANGE (a); CREATE TABLE ai_1 PARTITION OF ai FOR VALUES FROM (1) TO (9);
         CREATE INDEX ai_i ON ONLY ai (a); CREATE INDEX ai_1_of_its_own ON ai_1 (a); ALTER INDEX ai_i ATTACH PARTITION ai_1_of_its_own;",
        "CREATE TABLE ai (a int, b int) PARTITION BY RANGE (a); CREATE TABLE ai_1 PARTITION OF ai FOR VALUES FROM (1) TO (9);
         CREATE INDEX ai_i ON ONLY ai (a, b); CREATE INDEX ai_1_of_its_own ON ai_1 (a, b); ALTER INDEX ai_i ATTACH PARTITION ai_1_of_its_own;",
    ),
    (
        "only_parent_index",
        "tables",
        "CREATE TABLE oi (a int, b int) PARTITION BY RANGE (a); CREATE TABLE oi_1 PARTITION OF oi FOR VALUES FROM (1) TO (9);
         CREATE INDEX oi_i ON ONLY oi (a);",
        "CREATE TABLE oi (a int, b int) PARTITION BY RANGE (a); CREATE TABLE oi_1 PARTITION OF oi FOR VALUES FROM (1) TO (9);
         CREATE INDEX oi_i ON ONLY oi (b);",
    ),
    (
        "copied_index",
        "tables",
        "CREATE TABLE li (a int, b int); CREATE INDEX li_i ON li (a); CREATE TABLE li_copy (LIKE li INCLUDING INDEXES) PARTITION BY RANGE (a);
         CREATE TABLE li_copy_1 PARTITION OF li_copy FOR VALUES FROM (1) TO (9);",
        "CREATE TABLE li (a int, b int); CREATE INDEX li_i ON li (a, b); CREATE TABLE li_copy (LIKE li INCLUDING INDEXES) PARTITION BY RANGE (a);
         CREATE TABLE li_copy_1 PARTITION OF li_copy FOR VALUES FROM (1) TO (9);",
    ),
    (
        "view_index",
        "views",
        "CREATE MATERIALIZED VIEW vi AS SELECT 1 AS a, 2 AS b; CREATE INDEX vi_i ON vi (a); CREATE INDEX ON vi (b);
         COMMENT ON INDEX vi_i IS 'it';",
        "CREATE MATERIALIZED VIEW vi AS SELECT 1 AS a, 2 AS b; CREATE INDEX vi_i ON vi (b); CREATE INDEX ON vi (b DESC);
         COMMENT ON INDEX vi_i IS 'it';",
    ),
    (
        "said_of_index",
        "tables",
        "CREATE TABLE si (a int NOT NULL, b int NOT NULL); CREATE UNIQUE INDEX si_i ON si (a); ALTER TABLE si REPLICA IDENTITY USING INDEX si_i;
         ALTER TABLE si CLUSTER ON si_i; COMMENT ON INDEX si_i IS 'the index'; CREATE INDEX si_e ON si ((a + 1));
         ALTER INDEX si_e ALTER COLUMN 1 SET STATISTICS 9;",
        "CREATE TABLE si (a int NOT NULL, b int NOT NULL); CREATE UNIQUE INDEX si_i ON si (a, b); ALTER TABLE si REPLICA IDENTITY USING INDEX si_i;
         ALTER TABLE si CLUSTER ON si_i; COMMENT ON INDEX si_i IS 'the index'; CREATE INDEX si_e ON si ((a + 2));
         ALTER INDEX si_e ALTER COLUMN 1 SET STATISTICS 9;",
    ),
    (
        "said_of_index_no_more",
        "tables",
        "CREATE TABLE sn (a int NOT NULL); CREATE UNIQUE INDEX sn_i ON sn (a); ALTER TABLE sn REPLICA IDENTITY USING INDEX sn_i; ALTER TABLE sn CLUSTER ON sn_i;",
        "CREATE TABLE sn (a int NOT NULL); CREATE UNIQUE INDEX sn_i ON sn (a); ALTER TABLE sn REPLICA IDENTITY FULL;",
    ),
    (
        "trigger_state",
        "functions",
        "CREATE TABLE ts (a int); CREATE FUNCTION ts_f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER ts_a BEFORE INSERT ON ts FOR EACH ROW EXECUTE FUNCTION ts_f(); ALTER TABLE ts ENABLE ALWAYS TRIGGER ts_a;
         CREATE TRIGGER ts_b BEFORE INSERT ON ts FOR EACH ROW EXECUTE FUNCTION ts_f(); ALTER TABLE ts DISABLE TRIGGER ts_b;
         COMMENT ON TRIGGER ts_b ON ts IS 'off'; CREATE RULE ts_r AS ON UPDATE TO ts DO INSTEAD NOTHING; ALTER TABLE ts DISABLE RULE ts_r;",
        "CREATE TABLE ts (a int); CREATE FUNCTION ts_f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER ts_a BEFORE UPDATE ON ts FOR EACH ROW EXECUTE FUNCTION ts_f(); ALTER TABLE ts ENABLE ALWAYS TRIGGER ts_a;
         CREATE TRIGGER ts_b BEFORE UPDATE ON ts FOR EACH ROW EXECUTE FUNCTION ts_f();
         COMMENT ON TRIGGER ts_b ON ts IS 'off'; CREATE RULE ts_r AS ON DELETE TO ts DO INSTEAD NOTHING; ALTER TABLE ts DISABLE RULE ts_r;",
    ),
    (
        "altered_function",
        "functions",
        "CREATE FUNCTION af(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION af SECURITY DEFINER; ALTER FUNCTION af SET work_mem = '8MB';
         ALTER FUNCTION af(int) STABLE; REVOKE ALL ON FUNCTION af FROM PUBLIC;
         CREATE FUNCTION af_2() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION af_2 STRICT;",
        "CREATE FUNCTION af(int) RETURNS int LANGUAGE sql AS 'SELECT 2'; ALTER FUNCTION af SECURITY DEFINER; ALTER FUNCTION af SET work_mem = '8MB';
         ALTER FUNCTION af(int) STABLE; REVOKE ALL ON FUNCTION af FROM PUBLIC;
         CREATE FUNCTION af_2() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION af_2 IMMUTABLE;",
    ),
    (
        "refreshed_view",
        "views",
        "CREATE MATERIALIZED VIEW rv AS SELECT 1 AS a WITH NO DATA; REFRESH MATERIALIZED VIEW rv; ALTER MATERIALIZED VIEW rv ALTER a SET STATISTICS 7;",
        "CREATE MATERIALIZED VIEW rv AS SELECT 2 AS a, 3 AS b WITH NO DATA; REFRESH MATERIALIZED VIEW rv; ALTER MATERIALIZED VIEW rv ALTER a SET STATISTICS 7;",
    ),
    (
        "view_default",
        "views",
        "CREATE VIEW vd AS SELECT 1 AS a, 2 AS b; ALTER VIEW vd ALTER a SET DEFAULT 4; ALTER VIEW vd SET (security_barrier); GRANT SELECT ON vd TO PUBLIC;",
        "CREATE VIEW vd AS SELECT 1 AS a; ALTER VIEW vd ALTER a SET DEFAULT 4; ALTER VIEW vd SET (security_barrier); GRANT SELECT ON vd TO PUBLIC;",
    ),
    ("table_as", "tables", "CREATE TABLE ta AS SELECT 1 AS a; SELECT 1 AS a INTO ta_into;", "CREATE TABLE ta AS SELECT 1 AS a, 'x'::text AS b; SELECT 1 AS a, 2 AS b INTO ta_into;"),
    (
        "publication",
        "tables",
        "CREATE TABLE pu (a int PRIMARY KEY, b int); CREATE TABLE pu_2 (a int PRIMARY KEY); CREATE PUBLICATION pu_p FOR TABLE pu, pu_2;
         CREATE PUBLICATION pu_q FOR TABLE pu WHERE (a > 1) WITH (publish = 'insert'); CREATE PUBLICATION pu_o FOR TABLE pu; COMMENT ON PUBLICATION pu_p IS 'p';",
        "CREATE TABLE pu (a int PRIMARY KEY, b int); CREATE TABLE pu_2 (a int PRIMARY KEY); CREATE PUBLICATION pu_p FOR TABLE pu;
         CREATE PUBLICATION pu_q FOR TABLE pu (a, b) WITH (publish = 'insert, update'); COMMENT ON PUBLICATION pu_p IS 'p'; ALTER PUBLICATION pu_q ADD TABLE pu_2;",
    ),
    (
        "grants",
        "functions",
        "CREATE TABLE gr (a int, b int); CREATE SEQUENCE gr_s; CREATE TYPE gr_t AS ENUM ('a'); CREATE SCHEMA gr_n; CREATE FUNCTION gr_f() RETURNS int LANGUAGE sql AS 'SELECT 1';
         GRANT SELECT, INSERT ON gr TO PUBLIC; GRANT UPDATE (a) ON gr TO PUBLIC; GRANT USAGE ON gr_s TO PUBLIC; GRANT USAGE ON SCHEMA gr_n TO PUBLIC;
         REVOKE ALL ON TYPE gr_t FROM PUBLIC; REVOKE EXECUTE ON FUNCTION gr_f FROM PUBLIC;",
        "CREATE TABLE gr (a int, b int); CREATE SEQUENCE gr_s; CREATE TYPE gr_t AS ENUM ('a'); CREATE SCHEMA gr_n; CREATE FUNCTION gr_f() RETURNS int LANGUAGE sql AS 'SELECT 1';
         GRANT SELECT ON gr TO PUBLIC; GRANT UPDATE (b) ON gr TO PUBLIC;",
    ),
    (
        "default_grants",
        "functions",
        "CREATE SCHEMA dg; ALTER DEFAULT PRIVILEGES IN SCHEMA dg GRANT SELECT ON TABLES TO PUBLIC;",
        "CREATE SCHEMA dg; ALTER DEFAULT PRIVILEGES IN SCHEMA dg GRANT USAGE ON SEQUENCES TO PUBLIC;",
    ),
    (
        "storage",
        "tables",
        "CREATE TABLE st (a text COMPRESSION pglz, b text, c int) WITH (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_enabled = false);
         ALTER TABLE st ALTER b SET STATISTICS 10, ALTER c SET (n_distinct = 5);",
        "CREATE TABLE st (a text, b text, c int) WITH (fillfactor = 70);",
    ),
    (
        "comments",
        "functions",
        "CREATE TYPE co_t AS (a int); COMMENT ON TYPE co_t IS 'a type'; COMMENT ON COLUMN co_t.a IS 'its a'; CREATE TABLE co (a int, b int);
         CREATE STATISTICS co_s ON a, b FROM co; COMMENT ON STATISTICS co_s IS 'both'; ALTER STATISTICS co_s SET STATISTICS 5;
         CREATE AGGREGATE co_a(*) (SFUNC = int8inc, STYPE = int8, INITCOND = 0); COMMENT ON AGGREGATE co_a(*) IS 'all'; CREATE RULE co_r AS ON DELETE TO co DO INSTEAD NOTHING;
         COMMENT ON RULE co_r ON co IS 'kept';",
        "CREATE TYPE co_t AS (a int); CREATE TABLE co (a int, b int); CREATE STATISTICS co_s ON a, b FROM co;
         CREATE AGGREGATE co_a(*) (SFUNC = int8inc, STYPE = int8, INITCOND = 0); CREATE RULE co_r AS ON DELETE TO co DO INSTEAD NOTHING;",
    ),
    (
        "operator",
        "functions",
        "CREATE FUNCTION op_f(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'; CREATE FUNCTION op_g(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2';
         CREATE OPERATOR @+@ (FUNCTION = op_f, LEFTARG = int, RIGHTARG = int); CREATE VIEW op_v AS SELECT 1 @+@ 2 AS x; COMMENT ON OPERATOR @+@ (int, int) IS 'it';
         CREATE OPERATOR @-@ (FUNCTION = op_f, LEFTARG = int, RIGHTARG = int);",
        "CREATE FUNCTION op_f(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'; CREATE FUNCTION op_g(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2';
         CREATE OPERATOR @+@ (FUNCTION = op_g, LEFTARG = int, RIGHTARG = int); CREATE VIEW op_v AS SELECT 1 @+@ 2 AS x; COMMENT ON OPERATOR @+@ (int, int) IS 'it';",
    ),
    (
        "cast",
        "functions",
        "CREATE TYPE ca AS (a int); CREATE FUNCTION ca_f(ca) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE CAST (ca AS int) WITH FUNCTION ca_f AS IMPLICIT;
         CREATE FUNCTION ca_g(int) RETURNS ca LANGUAGE sql AS 'SELECT NULL::ca'; CREATE CAST (int AS ca) WITH FUNCTION ca_g;",
        "CREATE TYPE ca AS (a int); CREATE FUNCTION ca_f(ca) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE CAST (ca AS int) WITH FUNCTION ca_f AS ASSIGNMENT;
         CREATE FUNCTION ca_g(int) RETURNS ca LANGUAGE sql AS 'SELECT NULL::ca';",
    ),
    (
        "search",
        "functions",
        "CREATE TEXT SEARCH DICTIONARY se_d (TEMPLATE = simple, STOPWORDS = english); CREATE TEXT SEARCH CONFIGURATION se_c (COPY = simple);
         ALTER TEXT SEARCH CONFIGURATION se_c ALTER MAPPING FOR word WITH simple; COMMENT ON TEXT SEARCH DICTIONARY se_d IS 'd';",
        "CREATE TEXT SEARCH DICTIONARY se_d (TEMPLATE = simple); CREATE TEXT SEARCH CONFIGURATION se_c (COPY = english);
         ALTER TEXT SEARCH CONFIGURATION se_c ALTER MAPPING FOR word WITH simple;",
    ),
    ("collation", "types", "CREATE COLLATION cl (LOCALE = 'C');", "CREATE COLLATION cl (LOCALE = 'POSIX');"),
    (
        "aggregate",
        "functions",
        "CREATE AGGREGATE ag(int) (SFUNC = int4pl, STYPE = int); GRANT EXECUTE ON FUNCTION ag(int) TO PUBLIC; CREATE VIEW ag_v AS SELECT ag(1) AS x;",
        "CREATE AGGREGATE ag(int) (SFUNC = int84pl, STYPE = int8, INITCOND = 0); GRANT EXECUTE ON FUNCTION ag(int) TO PUBLIC; CREATE VIEW ag_v AS SELECT ag(1) AS x;",
    ),
    ("schema", "tables", "CREATE SCHEMA sc; CREATE SEQUENCE sc.numbers; COMMENT ON SCHEMA sc IS 'here';", "CREATE SEQUENCE sc_numbers;"),
];

fn of(version: impl Fn(&'static (&str, &str, &str, &str)) -> &'static str) -> BundleBuilder {
    CASES.iter().fold(bundle(), |bundle, case| bundle.file(&format!("{}/{}.sql", case.1, case.0), version(case)))
}

async fn check_as_new(platform: &Platform, old: &str, bundle: &BundleBuilder, tenant: &str) {
    register(platform.name(), Some(tenant), bundle).await.ready();
    let found = differences(old, &platform.database(tenant), true).await;
    assert!(found.is_empty(), "old and new database differ:\n{}", found.join("\n"));
}

#[tokio::test]
async fn an_old_database_comes_to_what_a_new_one_is() {
    let platform = Platform::new();
    let (one, other) = (of(|case| case.2), of(|case| case.3));
    register(platform.name(), Some("there"), &one).await.ready();
    platform.register(&other).await.ready();
    let there = register(platform.name(), Some("there"), &other).await;
    assert_eq!(there.status, 200, "{there}");
    check_as_new(&platform, &platform.database("there"), &other, "other").await;
    let sql = Sql::connect(&platform.database("there")).await;
    assert_eq!(sql.column("SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid").await, ["oi_i"]);
    assert_eq!(sql.value("SELECT sum(a) FROM rv").await, "2");
    // Columns of `CREATE TABLE … AS` go.
    platform.register_forced(&one).await.ready();
    check_as_new(&platform, &platform.main(), &one, "one").await;
    let again = platform.register(&one).await;
    again.ready().counts(&[("functions_deployed", 0)]);
}

#[tokio::test]
async fn what_somebody_took_away_by_hand_comes_back() {
    let platform = Platform::new();
    let one = of(|case| case.2);
    register(platform.name(), Some("there"), &one).await.ready();
    let sql = Sql::connect(&platform.database("there")).await;
    sql.run(
        "DROP INDEX pi_no; ALTER TABLE si SET WITHOUT CLUSTER; ALTER TABLE si REPLICA IDENTITY NOTHING; ALTER TABLE ts DISABLE TRIGGER ts_a;
         DROP OPERATOR @-@ (int, int); DROP CAST (ca AS int); DROP TEXT SEARCH CONFIGURATION se_c; DROP PUBLICATION pu_p;
         ALTER PUBLICATION pu_o ADD TABLE pu_2; REVOKE ALL ON gr FROM PUBLIC; GRANT EXECUTE ON FUNCTION gr_f TO PUBLIC;
         ALTER FUNCTION af(int) VOLATILE; REFRESH MATERIALIZED VIEW rv WITH NO DATA; DROP COLLATION cl; DROP AGGREGATE co_a(*);
         ALTER TABLE st ALTER b SET STATISTICS -1; DROP SEQUENCE sc.numbers; DROP SCHEMA sc",
    )
    .await;
    register(platform.name(), Some("there"), &one).await.ready();
    check_as_new(&platform, &platform.database("there"), &one, "one").await;
}
