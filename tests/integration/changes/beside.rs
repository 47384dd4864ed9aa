//! What stands beside tables, types and functions, or is said of them by statements of its own: an old database that is
//! brought from one version to the other is a new one of that version, by `pg_dump` and by the catalog.

use crate::evolutions::schema::differences;
use crate::support::{BundleBuilder, Platform, Sql, bundle, register};

/// What it is about · its folder · the version before · the version after. Names are each case's own, so all cases are one
/// bundle, and each is tried in both directions.
const CASES: &[(&str, &str, &str, &str)] = &[
    (
        "view_over_all_columns",
        "tables",
        "CREATE TABLE va (id int PRIMARY KEY);",
        "CREATE TABLE va (id int PRIMARY KEY, z int); CREATE VIEW va_w AS SELECT * FROM va;
         CREATE VIEW va_v AS SELECT * FROM va_w; CREATE MATERIALIZED VIEW va_m AS SELECT * FROM va_w;",
    ),
    (
        "view_over_a_function",
        "functions",
        "CREATE FUNCTION vf() RETURNS TABLE (id int, a int) LANGUAGE sql AS 'SELECT 1, 2';
         CREATE VIEW vf_v AS SELECT * FROM vf(); CREATE VIEW vf_w AS SELECT * FROM vf_v;",
        "CREATE FUNCTION vf() RETURNS TABLE (id int, a int, b text) LANGUAGE sql AS $$SELECT 1, 2, 'c'$$;
         CREATE VIEW vf_v AS SELECT * FROM vf(); CREATE VIEW vf_w AS SELECT * FROM vf_v;",
    ),
    (
        "statistics_of_what_becomes_an_expression",
        "tables",
        "CREATE TABLE se (id int, body text); CREATE INDEX se_body ON se (body);",
        "CREATE TABLE se (id int, body text); CREATE INDEX se_body ON se (lower(body));
         ALTER INDEX se_body ALTER COLUMN 1 SET STATISTICS 500;",
    ),
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
    (
        "typed_table",
        "tables",
        "CREATE TYPE ty_t AS (a int, b text); CREATE TABLE ty OF ty_t; CREATE TABLE ty_2 (a int, b text);",
        "CREATE TYPE ty_t AS (a int, b text); CREATE TABLE ty (a int, b text); CREATE TABLE ty_2 OF ty_t;",
    ),
    (
        "partition_trigger",
        "functions",
        "CREATE TABLE pt (a int) PARTITION BY RANGE (a); CREATE TABLE pt_1 PARTITION OF pt FOR VALUES FROM (1) TO (9);
         CREATE FUNCTION pt_f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER pt_t AFTER INSERT ON pt FOR EACH ROW EXECUTE FUNCTION pt_f(); ALTER TABLE ONLY pt_1 DISABLE TRIGGER pt_t;",
        "CREATE TABLE pt (a int) PARTITION BY RANGE (a); CREATE TABLE pt_1 PARTITION OF pt FOR VALUES FROM (1) TO (9);
         CREATE FUNCTION pt_f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER pt_t AFTER UPDATE ON pt FOR EACH ROW EXECUTE FUNCTION pt_f(); ALTER TABLE ONLY pt_1 DISABLE TRIGGER pt_t;",
    ),
    (
        "search_mapping",
        "functions",
        "CREATE TEXT SEARCH CONFIGURATION sm (COPY = simple); ALTER TEXT SEARCH CONFIGURATION sm ALTER MAPPING FOR word WITH english_stem;",
        "CREATE TEXT SEARCH CONFIGURATION sm (COPY = simple); ALTER TEXT SEARCH CONFIGURATION sm ALTER MAPPING FOR int WITH english_stem;
         ALTER TEXT SEARCH CONFIGURATION sm DROP MAPPING FOR url;",
    ),
    (
        "publication_alter",
        "tables",
        "CREATE TABLE pl (a int PRIMARY KEY); CREATE TABLE pl_2 (a int PRIMARY KEY); CREATE PUBLICATION pl_p; ALTER PUBLICATION pl_p ADD TABLE pl, pl_2;",
        "CREATE TABLE pl (a int PRIMARY KEY); CREATE TABLE pl_2 (a int PRIMARY KEY); CREATE PUBLICATION pl_p; ALTER PUBLICATION pl_p ADD TABLE pl_2, pl;
         ALTER PUBLICATION pl_p SET (publish = 'delete');",
    ),
    (
        "policy",
        "tables",
        "CREATE TABLE po (a int); ALTER TABLE po ENABLE ROW LEVEL SECURITY; CREATE POLICY po_p ON po AS RESTRICTIVE USING (a > 1); COMMENT ON POLICY po_p ON po IS 'p';
         CREATE POLICY po_q ON po FOR SELECT TO pg_read_all_data USING (true);",
        "CREATE TABLE po (a int); ALTER TABLE po FORCE ROW LEVEL SECURITY, ENABLE ROW LEVEL SECURITY; CREATE POLICY po_p ON po AS RESTRICTIVE USING (a > 2); COMMENT ON POLICY po_p ON po IS 'p';
         CREATE POLICY po_q ON po FOR SELECT USING (true);",
    ),
    (
        "statistics",
        "tables",
        "CREATE TABLE sa (a int, b int, c int); CREATE STATISTICS sa_s (ndistinct) ON a, b FROM sa; ALTER STATISTICS sa_s SET STATISTICS 7; COMMENT ON STATISTICS sa_s IS 's';",
        "CREATE TABLE sa (a int, b int, c int); CREATE STATISTICS sa_s (ndistinct) ON b, c FROM sa; ALTER STATISTICS sa_s SET STATISTICS 7; COMMENT ON STATISTICS sa_s IS 's';",
    ),
    (
        "constraint",
        "tables",
        "CREATE TABLE cn (a int, b int, r int, EXCLUDE USING btree (b WITH =)); ALTER TABLE cn ADD CONSTRAINT cn_u UNIQUE NULLS NOT DISTINCT (a), ADD CONSTRAINT cn_v UNIQUE (r), ADD CONSTRAINT cn_r FOREIGN KEY (r) REFERENCES cn (r);
         COMMENT ON CONSTRAINT cn_u ON cn IS 'u'; CREATE INDEX cn_i ON cn (b) WITH (fillfactor = 70); CREATE DOMAIN cn_d AS int CONSTRAINT cn_c CHECK (VALUE > 0); COMMENT ON CONSTRAINT cn_c ON DOMAIN cn_d IS 'c';",
        "CREATE TABLE cn (a int, b int, r int, EXCLUDE USING btree (b WITH =, a WITH =)); ALTER TABLE cn ADD CONSTRAINT cn_u UNIQUE (a), ADD CONSTRAINT cn_v UNIQUE (r), ADD CONSTRAINT cn_r FOREIGN KEY (r) REFERENCES cn (r) DEFERRABLE INITIALLY DEFERRED;
         COMMENT ON CONSTRAINT cn_u ON cn IS 'u'; CREATE INDEX cn_i ON cn (b) WITH (fillfactor = 80); CREATE DOMAIN cn_d AS int CONSTRAINT cn_c CHECK (VALUE > 1); COMMENT ON CONSTRAINT cn_c ON DOMAIN cn_d IS 'c';",
    ),
    (
        "identity",
        "tables",
        "CREATE TABLE id (a int GENERATED ALWAYS AS IDENTITY (START 5), b serial); CREATE SEQUENCE id_s OWNED BY id.a; CREATE UNLOGGED SEQUENCE id_u;
         CREATE TABLE id_p (a int) WITH (autovacuum_enabled = off); CREATE UNLOGGED TABLE id_l (a serial);",
        "CREATE TABLE id (a int GENERATED BY DEFAULT AS IDENTITY (START 5 INCREMENT 2), b serial); CREATE SEQUENCE id_s; CREATE SEQUENCE id_u;
         CREATE TABLE id_p (a int); CREATE TABLE id_l (a serial);",
    ),
    (
        "view_options",
        "views",
        "CREATE VIEW vo AS SELECT 1 AS a; CREATE VIEW vo_2 WITH (security_invoker) AS SELECT 1 AS a; COMMENT ON COLUMN vo.a IS 'a';
         CREATE MATERIALIZED VIEW IF NOT EXISTS vo_m WITH (fillfactor = 70) AS SELECT 'x'::text AS a; ALTER MATERIALIZED VIEW vo_m ALTER a SET STORAGE EXTERNAL; GRANT SELECT (a) ON vo TO PUBLIC;",
        "CREATE VIEW vo WITH (security_barrier) AS SELECT 1 AS a; CREATE VIEW vo_2 AS SELECT 1 AS a;
         CREATE MATERIALIZED VIEW IF NOT EXISTS vo_m AS SELECT 'x'::text AS a;",
    ),
    (
        "procedure",
        "functions",
        "CREATE PROCEDURE pr(a int) LANGUAGE sql AS 'SELECT 1'; ALTER PROCEDURE pr SECURITY DEFINER; COMMENT ON PROCEDURE pr IS 'p'; GRANT EXECUTE ON PROCEDURE pr TO pg_monitor;
         CREATE FUNCTION pr_f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'; REVOKE ALL ON FUNCTION pr_f FROM PUBLIC; ALTER FUNCTION pr_f STABLE; COMMENT ON FUNCTION pr_f IS 'f';",
        "CREATE PROCEDURE pr(a int) LANGUAGE sql AS 'SELECT 2'; ALTER PROCEDURE pr SECURITY DEFINER; COMMENT ON PROCEDURE pr IS 'p'; GRANT EXECUTE ON PROCEDURE pr TO pg_monitor;
         CREATE FUNCTION pr_f(a bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'; REVOKE ALL ON FUNCTION pr_f FROM PUBLIC; ALTER FUNCTION pr_f STABLE; COMMENT ON FUNCTION pr_f IS 'f';",
    ),
    (
        "operator_class",
        "functions",
        "CREATE OPERATOR CLASS oc FOR TYPE int USING hash AS OPERATOR 1 =, FUNCTION 1 hashint4(int); COMMENT ON OPERATOR CLASS oc USING hash IS 'c'; CREATE OPERATOR FAMILY oc_f USING btree;",
        "CREATE OPERATOR CLASS oc FOR TYPE int USING hash AS OPERATOR 1 =, FUNCTION 1 hashint4(int), FUNCTION 2 hashint4extended(int, bigint);",
    ),
    (
        "enum_value",
        "types",
        "CREATE TYPE ev AS ENUM ('a', 'b');",
        "CREATE TYPE ev AS ENUM ('a'); ALTER TYPE ev ADD VALUE 'b';",
    ),
    (
        "rules_and_grants_of_all",
        "functions",
        "CREATE SCHEMA ra; CREATE TABLE ra.t (a int); CREATE TABLE ra.u (a int); GRANT SELECT ON ALL TABLES IN SCHEMA ra TO pg_monitor; GRANT INSERT ON ra.t TO pg_monitor WITH GRANT OPTION;",
        "CREATE SCHEMA ra; CREATE TABLE ra.t (a int); CREATE TABLE ra.u (a int); GRANT INSERT ON ra.t TO pg_monitor;",
    ),
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

/// Partitions that are made with the data are no matter of the declaration, whatever is said of them.
#[tokio::test]
async fn partitions_that_the_data_brings_keep_what_is_said_of_them() {
    let bundle = |more: &str| {
        bundle()
            .file("tables/p.sql", "CREATE TABLE p (a int, t text) PARTITION BY RANGE (a); CREATE INDEX p_i ON p (a);")
            .file(
                "functions/parts.sql",
                format!(
                    "CREATE FUNCTION make_part(n int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
                         EXECUTE pg_catalog.format('CREATE TABLE p_%1$s PARTITION OF p FOR VALUES FROM (%1$s) TO (%1$s + 1)', n);
                         EXECUTE pg_catalog.format('ALTER TABLE p_%s ALTER t SET COMPRESSION pglz, ALTER a SET STATISTICS 5', n);
                         EXECUTE pg_catalog.format('GRANT SELECT ON p_%s TO PUBLIC', n); END $$; SELECT make_part(1); {more}"
                ),
            )
    };
    let platform = Platform::new();
    platform.register(&bundle("")).await.ready();
    let sql = platform.sql().await;
    sql.run("SELECT make_part(2); DROP TABLE p_1").await;
    platform.register(&bundle("SELECT 1;")).await.ready();
    sql.run("SELECT make_part(1)").await;
    platform.register(&bundle("").file("functions/parts.sql", "SELECT 1;")).await.ready();
    let said = "SELECT concat_ws(' ', c.relname, c.relacl IS NOT NULL, a.attcompression) FROM pg_class c
                JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 't' WHERE c.relname ~ '^p_.$' ORDER BY 1";
    assert_eq!(sql.column(said).await, ["p_1 t p", "p_2 t p", "p_i"][..2]);
}

/// What cannot be brought about is refused where it stands.
#[tokio::test]
async fn what_no_statement_can_bring_about_is_refused_with_file_and_line() {
    const USED: &str = "CREATE TEXT SEARCH CONFIGURATION c (COPY = simple);
        ALTER TEXT SEARCH CONFIGURATION c ALTER MAPPING FOR word WITH d;";
    for (path, before, after, line, words) in [
        (
            "functions/d.sql",
            "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple);".to_owned() + USED,
            "\nCREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple, STOPWORDS = english);".to_owned() + USED,
            2,
            "text search configuration c",
        ),
        (
            "types/r.sql",
            "CREATE TYPE r AS RANGE (SUBTYPE = int);".to_owned(),
            "\nCREATE TYPE r AS RANGE (SUBTYPE = int, MULTIRANGE_TYPE_NAME = rs);".to_owned(),
            2,
            "multirange rs",
        ),
        (
            "functions/do.sql",
            "DO $$ BEGIN CREATE TABLE made(); END $$;".to_owned(),
            "\nDO $$ BEGIN CREATE TABLE made(); CREATE TABLE other(); END $$;".to_owned(),
            2,
            "already exists",
        ),
        (
            "tables/s.sql",
            "CREATE SCHEMA s CREATE SEQUENCE q;".to_owned(),
            "\nCREATE SCHEMA s CREATE SEQUENCE q CREATE SEQUENCE r;".to_owned(),
            2,
            "already exists",
        ),
        (
            "types/k.sql",
            "CREATE COLLATION k (LOCALE = 'C'); CREATE TABLE t (a text COLLATE k);".to_owned(),
            "\nCREATE COLLATION k (LOCALE = 'POSIX'); CREATE TABLE t (a text COLLATE k);".to_owned(),
            2,
            "column a of table t",
        ),
    ] {
        let platform = Platform::new();
        platform.register(&bundle().file(path, before)).await.ready();
        let answer = platform.register(&bundle().file(path, after)).await;
        assert_eq!(answer.status, 409, "{answer}");
        answer.at(path, line);
        assert!(answer.body.to_string().contains(words), "{words}: {answer}");
    }
}

/// A column that may be NULL from now on, and stands in the key that goes.
#[tokio::test]
async fn a_primary_key_of_other_columns_takes_the_place_of_one() {
    let platform = Platform::new();
    let old =
        "CREATE TABLE kf (id int, k int, PRIMARY KEY (id, k)); CREATE TABLE km (id int PRIMARY KEY, k int UNIQUE);
               CREATE TABLE kr (x int REFERENCES km (id));";
    let new = "CREATE TABLE kf (id int, k int, PRIMARY KEY (id)); CREATE TABLE km (id int UNIQUE, k int PRIMARY KEY);
               CREATE TABLE kr (x int REFERENCES km (k));";
    let versions = [old, new].map(|tables| bundle().file("tables/t.sql", tables));
    platform.register(&versions[0]).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO kf VALUES (1, 1), (2, 2); INSERT INTO km VALUES (1, 1); INSERT INTO kr VALUES (1)").await;
    for version in [&versions[1], &versions[0], &versions[1]] {
        platform.register_forced(version).await.ready();
        let other = Platform::new();
        other.register(version).await.ready();
        let differences = differences(&platform.database("main"), &other.database("main"), true).await;
        assert!(differences.is_empty(), "{differences:?}");
    }
    assert_eq!(sql.value("SELECT concat((SELECT count(*) FROM kf), (SELECT count(*) FROM kr))").await, "21");
}
