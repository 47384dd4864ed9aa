//! The kinds. A row for each: files of all variants, the variants, customers' rows, what must stay.

use super::Kind;

const NOTHING: Kind = Kind { name: "", always: &[], variants: &[], rows: "", stays: "", ways: &[] };

/// All of them.
pub(super) const ALL: &[Kind] = &[
    Kind {
        name: "partitioned index",
        always: &[(
            "tables/orders_@.sql",
            "CREATE TABLE orders_@ (region text NOT NULL, no int NOT NULL, shop int) PARTITION BY LIST (region);
             CREATE TABLE orders_@_eu PARTITION OF orders_@ FOR VALUES IN ('eu');
             CREATE TABLE orders_@_us PARTITION OF orders_@ FOR VALUES IN ('us') PARTITION BY RANGE (no);
             CREATE TABLE orders_@_us_1 PARTITION OF orders_@_us FOR VALUES FROM (0) TO (1000);",
        )],
        variants: &[
            &[("tables/orders_@.sql", "CREATE UNIQUE INDEX orders_@_no ON orders_@ (region, no);")],
            &[("tables/orders_@.sql", "CREATE UNIQUE INDEX orders_@_no ON orders_@ (region, no, shop);")],
            &[("tables/orders_@.sql", "CREATE INDEX orders_@_no ON orders_@ (no DESC) INCLUDE (shop);")],
            &[("tables/orders_@.sql", "CREATE INDEX ON orders_@ (shop);")],
            &[("tables/orders_@.sql", "CREATE INDEX ON orders_@ (shop DESC);")],
            &[("tables/orders_@.sql", "ALTER TABLE orders_@ ADD CONSTRAINT orders_@_no PRIMARY KEY (region, no);")],
            &[],
        ],
        rows: "INSERT INTO orders_@ VALUES ('eu', 1, 1), ('us', 1, 2), ('us', 2, NULL)",
        stays: "SELECT concat_ws('|', tableoid::regclass, region, no, shop) FROM orders_@ ORDER BY 1",
        ..NOTHING
    },
    Kind {
        name: "trigger",
        always: &[(
            "tables/watched_@.sql",
            "CREATE TABLE watched_@ (id int PRIMARY KEY, name text);
             CREATE FUNCTION watch_@() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;",
        )],
        variants: &[
            &[("functions/watch_@.sql", "CREATE TRIGGER w BEFORE INSERT ON watched_@ FOR EACH ROW EXECUTE FUNCTION watch_@();")],
            &[(
                "functions/watch_@.sql",
                "CREATE TRIGGER w BEFORE INSERT ON watched_@ FOR EACH ROW EXECUTE FUNCTION watch_@();
                 ALTER TABLE watched_@ DISABLE TRIGGER w;",
            )],
            &[(
                "functions/watch_@.sql",
                "CREATE TRIGGER w BEFORE INSERT OR UPDATE OF name ON watched_@ FOR EACH ROW WHEN (NEW.id > 0) EXECUTE FUNCTION watch_@();
                 ALTER TABLE watched_@ ENABLE ALWAYS TRIGGER w;
                 COMMENT ON TRIGGER w ON watched_@ IS 'always';",
            )],
            &[(
                "functions/watch_@.sql",
                "CREATE CONSTRAINT TRIGGER w AFTER UPDATE ON watched_@ DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION watch_@();
                 ALTER TABLE watched_@ ENABLE REPLICA TRIGGER w;",
            )],
            &[],
        ],
        rows: "INSERT INTO watched_@ VALUES (1, 'one')",
        stays: "SELECT concat_ws('|', id, name) FROM watched_@ ORDER BY 1",
        ..NOTHING
    },
    Kind {
        name: "policy",
        always: &[("tables/secret_@.sql", "CREATE TABLE secret_@ (id int PRIMARY KEY, owner text NOT NULL DEFAULT 'nobody');")],
        variants: &[
            &[],
            &[(
                "tables/secret_@.sql",
                "ALTER TABLE secret_@ ENABLE ROW LEVEL SECURITY;
                 CREATE POLICY own ON secret_@ USING (owner = current_user);",
            )],
            &[(
                "tables/secret_@.sql",
                "ALTER TABLE secret_@ ENABLE ROW LEVEL SECURITY;
                 CREATE POLICY own ON secret_@ AS RESTRICTIVE FOR SELECT USING (owner <> 'root');
                 CREATE POLICY \"every one\" ON secret_@ USING (true) WITH CHECK (id > 0);
                 COMMENT ON POLICY own ON secret_@ IS 'restricts';",
            )],
            &[("tables/secret_@.sql", "CREATE POLICY own ON secret_@ FOR INSERT WITH CHECK (id > 10);")],
        ],
        rows: "INSERT INTO secret_@ VALUES (1)",
        ..NOTHING
    },
    Kind {
        name: "grant",
        always: &[(
            "tables/shared_@.sql",
            "CREATE TABLE shared_@ (id int PRIMARY KEY, name text, price int); CREATE SEQUENCE number_@; CREATE TYPE kind_@ AS ENUM ('a');
             CREATE FUNCTION shared_@(int) RETURNS int LANGUAGE sql AS 'SELECT 1';",
        )],
        variants: &[
            &[],
            &[("tables/shared_@.sql", "GRANT SELECT, INSERT ON shared_@ TO PUBLIC; GRANT USAGE ON SEQUENCE number_@ TO PUBLIC;")],
            &[("tables/shared_@.sql", "GRANT SELECT (id, name) ON shared_@ TO PUBLIC;")],
            &[("tables/shared_@.sql", "REVOKE EXECUTE ON FUNCTION shared_@ FROM PUBLIC; REVOKE USAGE ON TYPE kind_@ FROM PUBLIC;")],
            &[("tables/shared_@.sql", "GRANT UPDATE (price) ON shared_@ TO PUBLIC; GRANT SELECT ON shared_@ TO PUBLIC;")],
        ],
        rows: "INSERT INTO shared_@ VALUES (1, 'one', 1)",
        stays: "SELECT concat_ws('|', id, name, price) FROM shared_@",
        ..NOTHING
    },
    Kind {
        name: "publication",
        always: &[("tables/told_@.sql", "CREATE TABLE told_@ (id int PRIMARY KEY, name text); CREATE TABLE told_@_too (id int PRIMARY KEY);")],
        variants: &[
            &[],
            &[("tables/told_@.sql", "CREATE PUBLICATION told_@ FOR TABLE told_@;")],
            &[("tables/told_@.sql", "CREATE PUBLICATION told_@ FOR TABLE told_@, told_@_too;")],
            &[("tables/told_@.sql", "CREATE PUBLICATION told_@ FOR TABLE told_@ (id) WITH (publish = 'insert');")],
            &[("tables/told_@.sql", "CREATE PUBLICATION told_@ FOR TABLE told_@ WHERE (id > 10); COMMENT ON PUBLICATION told_@ IS 'some';")],
        ],
        ..NOTHING
    },
    Kind {
        name: "identity of rows",
        always: &[(
            "tables/copied_@.sql",
            "CREATE TABLE copied_@ (id int PRIMARY KEY, code text NOT NULL, other int NOT NULL);
             CREATE UNIQUE INDEX copied_@_other ON copied_@ (other);",
        )],
        variants: &[
            &[("tables/copied_@.sql", "CREATE UNIQUE INDEX copied_@_code ON copied_@ (code); ALTER TABLE copied_@ REPLICA IDENTITY USING INDEX copied_@_code;")],
            &[("tables/copied_@.sql", "CREATE UNIQUE INDEX copied_@_code ON copied_@ (code, other); ALTER TABLE copied_@ REPLICA IDENTITY USING INDEX copied_@_code;")],
            &[("tables/copied_@.sql", "ALTER TABLE copied_@ REPLICA IDENTITY FULL;")],
            &[("tables/copied_@.sql", "ALTER TABLE copied_@ REPLICA IDENTITY NOTHING; ALTER TABLE copied_@ CLUSTER ON copied_@_other;")],
            &[("tables/copied_@.sql", "CREATE UNIQUE INDEX copied_@_code ON copied_@ (code DESC); ALTER TABLE copied_@ CLUSTER ON copied_@_code;")],
            &[],
        ],
        rows: "INSERT INTO copied_@ VALUES (1, 'a', 1), (2, 'b', 2)",
        stays: "SELECT concat_ws('|', id, code, other) FROM copied_@ ORDER BY 1",
        ..NOTHING
    },
    Kind {
        name: "storage",
        always: &[],
        variants: &[
            &[("tables/stored_@.sql", "CREATE TABLE stored_@ (id int PRIMARY KEY, body text);")],
            &[(
                "tables/stored_@.sql",
                "CREATE TABLE stored_@ (id int PRIMARY KEY, body text) WITH (fillfactor = 70, autovacuum_enabled = off);
                 ALTER TABLE stored_@ ALTER body SET STORAGE EXTERNAL;",
            )],
            &[(
                "tables/stored_@.sql",
                "CREATE TABLE stored_@ (id int PRIMARY KEY, body text COMPRESSION pglz) WITH (toast.autovacuum_enabled = off);
                 ALTER TABLE stored_@ ALTER body SET STATISTICS 500;",
            )],
            &[(
                "tables/stored_@.sql",
                "CREATE TABLE stored_@ (id int PRIMARY KEY, body text);
                 ALTER TABLE stored_@ ALTER body SET (n_distinct = 5);
                 CREATE INDEX stored_@_body ON stored_@ (body) WITH (fillfactor = 50);",
            )],
            &[(
                "tables/stored_@.sql",
                "CREATE TABLE stored_@ (id int PRIMARY KEY, body text) WITH (fillfactor = 90, toast_tuple_target = 1000);
                 CREATE INDEX stored_@_body ON stored_@ ((body || 'x')); ALTER INDEX stored_@_body ALTER COLUMN 1 SET STATISTICS 100;",
            )],
        ],
        rows: "INSERT INTO stored_@ VALUES (1, repeat('long', 100))",
        stays: "SELECT concat_ws('|', id, body) FROM stored_@ ORDER BY 1",
        ..NOTHING
    },
    Kind {
        name: "comments",
        always: &[(
            "tables/said_@.sql",
            "CREATE TABLE said_@ (id int CONSTRAINT said_@_key PRIMARY KEY, name text, CHECK (id > 0));
             CREATE INDEX said_@_name ON said_@ (name);
             CREATE SEQUENCE said_@_number;
             CREATE STATISTICS said_@_stats ON id, name FROM said_@;
             CREATE TYPE said_@_pair AS (a int, b int);
             CREATE DOMAIN said_@_text AS text;
             CREATE TYPE said_@_kind AS ENUM ('a', 'b');
             CREATE VIEW said_@_view AS SELECT id, name FROM said_@;
             CREATE FUNCTION said_@_f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
             CREATE FUNCTION said_@_f(text) RETURNS int LANGUAGE sql AS 'SELECT 2';",
        )],
        variants: &[
            &[],
            &[(
                "tables/said_@.sql",
                "COMMENT ON COLUMN said_@.name IS 'the name'; COMMENT ON INDEX said_@_name IS 'by name';
                 COMMENT ON CONSTRAINT said_@_key ON said_@ IS 'the key'; COMMENT ON STATISTICS said_@_stats IS 'both';
                 COMMENT ON TYPE said_@_pair IS 'two'; COMMENT ON COLUMN said_@_pair.a IS 'first';",
            )],
            &[(
                "tables/said_@.sql",
                "COMMENT ON SEQUENCE said_@_number IS 'counts'; COMMENT ON DOMAIN said_@_text IS 'a text';
                 COMMENT ON TYPE said_@_kind IS 'a kind'; COMMENT ON VIEW said_@_view IS 'all'; COMMENT ON COLUMN said_@_view.id IS 'its number';",
            )],
            &[(
                "functions/said_@.sql",
                "COMMENT ON FUNCTION said_@_f(int) IS 'of a number'; COMMENT ON FUNCTION said_@_f(text) IS 'of a text';
                 COMMENT ON TABLE said_@ IS 'a table';",
            )],
            &[(
                "functions/said_@.sql",
                "COMMENT ON FUNCTION said_@_f(int) IS 'of a number'; COMMENT ON TABLE said_@ IS 'another text';
                 COMMENT ON COLUMN said_@.name IS 'another name';",
            )],
        ],
        ..NOTHING
    },
    Kind {
        name: "composite",
        always: &[],
        variants: &[
            &[("types/line_@.sql", "CREATE TYPE line_@ AS (a int, b text);")],
            &[("types/line_@.sql", "CREATE TYPE line_@ AS (a int, b text, c date);")],
            &[("types/line_@.sql", "CREATE TYPE line_@ AS (a int, name text, c date);")],
        ],
        ways: &[
            (0, 1, "ALTER TYPE line_@ ADD ATTRIBUTE c date;"),
            (1, 2, "ALTER TYPE line_@ RENAME ATTRIBUTE b TO name;"),
        ],
        ..NOTHING
    },
    Kind {
        name: "domain",
        always: &[],
        variants: &[
            &[("types/amount_@.sql", "CREATE DOMAIN amount_@ AS numeric(10, 2);"), ("tables/paid_@.sql", "CREATE TABLE paid_@ (id int PRIMARY KEY, paid amount_@);")],
            &[
                ("types/amount_@.sql", "CREATE DOMAIN amount_@ AS numeric(10, 2) CONSTRAINT positive CHECK (VALUE > 0);"),
                ("tables/paid_@.sql", "CREATE TABLE paid_@ (id int PRIMARY KEY, paid amount_@);"),
            ],
            &[
                ("types/amount_@.sql", "CREATE DOMAIN amount_@ AS numeric(10, 2) DEFAULT 5 CONSTRAINT positive CHECK (VALUE > 0);"),
                ("tables/paid_@.sql", "CREATE TABLE paid_@ (id int PRIMARY KEY, paid amount_@);"),
            ],
        ],
        rows: "INSERT INTO paid_@ VALUES (1, 7), (2, NULL)",
        stays: "SELECT concat_ws('|', id, paid) FROM paid_@ ORDER BY 1",
        ways: &[
            (0, 1, "ALTER DOMAIN amount_@ ADD CONSTRAINT positive CHECK (VALUE > 0);"),
            (1, 2, "ALTER DOMAIN amount_@ SET DEFAULT 5;"),
            (1, 0, "ALTER DOMAIN amount_@ DROP CONSTRAINT positive;"),
        ],
    },
    Kind {
        name: "generated column",
        always: &[],
        variants: &[
            &[("tables/sum_@.sql", "CREATE TABLE sum_@ (id int PRIMARY KEY, price numeric(8, 2), total numeric GENERATED ALWAYS AS (price * 2) STORED);")],
            &[("tables/sum_@.sql", "CREATE TABLE sum_@ (id int PRIMARY KEY, price numeric(8, 2), total numeric GENERATED ALWAYS AS (price * 3) STORED);")],
            &[("tables/sum_@.sql", "CREATE TABLE sum_@ (id int PRIMARY KEY, price numeric(8, 2));")],
            &[(
                "tables/sum_@.sql",
                "CREATE TABLE sum_@ (id int PRIMARY KEY, price numeric(8, 2), total numeric GENERATED ALWAYS AS (price * 3) STORED);
                 CREATE INDEX sum_@_total ON sum_@ (total);",
            )],
        ],
        rows: "INSERT INTO sum_@ (id, price) VALUES (1, 2.5), (2, 100)",
        stays: "SELECT concat_ws('|', id, price) FROM sum_@ ORDER BY 1",
        ..NOTHING
    },
    Kind {
        name: "widened under a generated column",
        always: &[],
        variants: &[
            &[("tables/wide_@.sql", "CREATE TABLE wide_@ (id int PRIMARY KEY, code varchar(10), upper_code text GENERATED ALWAYS AS (upper(code)) STORED);")],
            &[("tables/wide_@.sql", "CREATE TABLE wide_@ (id int PRIMARY KEY, code varchar(40), upper_code text GENERATED ALWAYS AS (upper(code)) STORED);")],
            &[("tables/wide_@.sql", "CREATE TABLE wide_@ (id int PRIMARY KEY, code text, upper_code text GENERATED ALWAYS AS (upper(code)) STORED);")],
        ],
        rows: "INSERT INTO wide_@ (id, code) VALUES (1, 'abc')",
        stays: "SELECT concat_ws('|', id, code, upper_code) FROM wide_@",
        ways: &[(0, 1, ""), (1, 2, ""), (0, 2, "")],
    },
    Kind {
        name: "widened in a parent",
        always: &[(
            "tables/parent_@_children.sql",
            "CREATE TABLE child_@ (more text) INHERITS (parent_@); CREATE TABLE part_@_1 PARTITION OF part_@ FOR VALUES FROM (0) TO (1000);",
        )],
        variants: &[
            &[("tables/parent_@.sql", "CREATE TABLE parent_@ (id int, name varchar(10)); CREATE TABLE part_@ (id int, name varchar(10)) PARTITION BY RANGE (id);")],
            &[("tables/parent_@.sql", "CREATE TABLE parent_@ (id bigint, name varchar(40)); CREATE TABLE part_@ (id int, name varchar(40)) PARTITION BY RANGE (id);")],
            &[(
                "tables/parent_@.sql",
                "CREATE TABLE parent_@ (id bigint, name text, note text DEFAULT 'x'); CREATE TABLE part_@ (id int, name text, note text) PARTITION BY RANGE (id);",
            )],
        ],
        rows: "INSERT INTO parent_@ VALUES (1, 'p'); INSERT INTO child_@ (id, name, more) VALUES (2, 'c', 'm'); INSERT INTO part_@ VALUES (3, 'q')",
        stays: "SELECT concat_ws('|', tableoid::regclass, id, name) FROM parent_@ UNION ALL SELECT concat_ws('|', tableoid::regclass, id, name) FROM part_@ ORDER BY 1",
        ways: &[(0, 1, ""), (1, 2, ""), (0, 2, "")],
    },
    Kind {
        name: "procedure",
        always: &[("tables/done_@.sql", "CREATE TABLE done_@ (id int);")],
        variants: &[
            &[("functions/do_@.sql", "CREATE PROCEDURE do_@(a int) LANGUAGE sql AS $$ INSERT INTO done_@ VALUES (a) $$;")],
            &[("functions/do_@.sql", "CREATE PROCEDURE do_@(a int) LANGUAGE sql AS $$ INSERT INTO done_@ VALUES (a + 1) $$; ALTER PROCEDURE do_@ SECURITY DEFINER;")],
            &[("functions/do_@.sql", "CREATE PROCEDURE do_@(a int, INOUT b int) LANGUAGE plpgsql AS $$ BEGIN b := a; END $$; COMMENT ON PROCEDURE do_@ IS 'does';")],
            &[(
                "functions/do_@.sql",
                "CREATE FUNCTION do_@(a int) RETURNS int LANGUAGE sql AS $$ SELECT a $$; ALTER FUNCTION do_@ STABLE; ALTER FUNCTION do_@ SET work_mem = '5MB';
                 REVOKE EXECUTE ON FUNCTION do_@ FROM PUBLIC;",
            )],
            &[(
                "functions/do_@.sql",
                "CREATE FUNCTION do_@(a int) RETURNS int LANGUAGE sql AS $$ SELECT a + 1 $$; ALTER FUNCTION do_@ STABLE PARALLEL SAFE COST 5;",
            )],
            &[("functions/do_@.sql", "CREATE FUNCTION do_@(a int) RETURNS bigint LANGUAGE sql AS $$ SELECT 2::bigint $$; ALTER FUNCTION do_@ SET search_path = public;")],
        ],
        ..NOTHING
    },
    Kind {
        name: "materialized view",
        always: &[("tables/fact_@.sql", "CREATE TABLE fact_@ (id int PRIMARY KEY, name text);")],
        variants: &[
            &[("views/total_@.sql", "CREATE MATERIALIZED VIEW total_@ AS SELECT id, name FROM fact_@; CREATE UNIQUE INDEX total_@_id ON total_@ (id);")],
            &[("views/total_@.sql", "CREATE MATERIALIZED VIEW total_@ AS SELECT id, name FROM fact_@; CREATE INDEX total_@_id ON total_@ (id, name);")],
            &[("views/total_@.sql", "CREATE MATERIALIZED VIEW total_@ AS SELECT id FROM fact_@ WITH NO DATA; REFRESH MATERIALIZED VIEW total_@; COMMENT ON MATERIALIZED VIEW total_@ IS 'm';")],
            &[("views/total_@.sql", "CREATE MATERIALIZED VIEW total_@ AS SELECT id, name FROM fact_@ WITH NO DATA;")],
            &[("views/total_@.sql", "CREATE VIEW total_@ WITH (security_barrier) AS SELECT id, name FROM fact_@; GRANT SELECT ON total_@ TO PUBLIC;")],
            &[("views/total_@.sql", "CREATE VIEW total_@ AS SELECT id, name FROM fact_@ WHERE id > 0 WITH LOCAL CHECK OPTION; ALTER VIEW total_@ ALTER name SET DEFAULT 'none';")],
        ],
        rows: "INSERT INTO fact_@ VALUES (1, 'one')",
        stays: "SELECT concat_ws('|', id, name) FROM fact_@",
        ..NOTHING
    },
    Kind {
        name: "statistics",
        always: &[("tables/known_@.sql", "CREATE TABLE known_@ (a int, b int, c int);")],
        variants: &[
            &[],
            &[("tables/known_@.sql", "CREATE STATISTICS known_@_ab ON a, b FROM known_@;")],
            &[("tables/known_@.sql", "CREATE STATISTICS known_@_ab (ndistinct) ON a, b, c FROM known_@; ALTER STATISTICS known_@_ab SET STATISTICS 200;")],
            &[("tables/known_@.sql", "CREATE STATISTICS known_@_ab (mcv) ON a, b, c FROM known_@; COMMENT ON STATISTICS known_@_ab IS 'three';")],
        ],
        ..NOTHING
    },
    Kind {
        name: "sequence",
        always: &[],
        variants: &[
            &[("tables/count_@.sql", "CREATE SEQUENCE count_@; CREATE TABLE counted_@ (id int);")],
            &[("tables/count_@.sql", "CREATE SEQUENCE count_@ INCREMENT 5 MAXVALUE 100000 CACHE 3; CREATE TABLE counted_@ (id int);")],
            &[("tables/count_@.sql", "CREATE SEQUENCE count_@ AS int CYCLE; CREATE TABLE counted_@ (id int); ALTER SEQUENCE count_@ OWNED BY counted_@.id;")],
            &[("tables/count_@.sql", "CREATE SEQUENCE count_@; CREATE TABLE counted_@ (id int DEFAULT nextval('count_@'));")],
        ],
        rows: "SELECT setval('count_@', 42)",
        stays: "SELECT last_value::text FROM count_@",
        ..NOTHING
    },
    Kind {
        name: "rule and inheritance of options",
        always: &[("tables/ruled_@.sql", "CREATE TABLE ruled_@ (id int PRIMARY KEY, name text); CREATE TABLE ruled_@_log (id int);")],
        variants: &[
            &[],
            &[("tables/ruled_@.sql", "CREATE RULE log AS ON INSERT TO ruled_@ DO ALSO INSERT INTO ruled_@_log VALUES (1);")],
            &[("tables/ruled_@.sql", "CREATE RULE log AS ON UPDATE TO ruled_@ DO ALSO INSERT INTO ruled_@_log VALUES (2); ALTER TABLE ruled_@ DISABLE RULE log;")],
        ],
        ..NOTHING
    },
    Kind {
        name: "constraints of other kinds",
        always: &[("tables/kept_@.sql", "CREATE TABLE kept_@ (id int NOT NULL, a int, b int, span int4range);")],
        variants: &[
            &[("tables/kept_@.sql", "ALTER TABLE kept_@ ADD CONSTRAINT kept_@_key PRIMARY KEY (id);")],
            &[("tables/kept_@.sql", "ALTER TABLE kept_@ ADD CONSTRAINT kept_@_key PRIMARY KEY (id) INCLUDE (a);")],
            &[("tables/kept_@.sql", "ALTER TABLE kept_@ ADD CONSTRAINT kept_@_key UNIQUE (id) DEFERRABLE INITIALLY DEFERRED;")],
            &[("tables/kept_@.sql", "ALTER TABLE kept_@ ADD CONSTRAINT kept_@_span EXCLUDE USING gist (span WITH &&);")],
            &[("tables/kept_@.sql", "CREATE UNIQUE INDEX kept_@_key ON kept_@ (id) NULLS NOT DISTINCT WHERE a > 0;")],
            &[("tables/kept_@.sql", "ALTER TABLE kept_@ ADD CONSTRAINT kept_@_a CHECK (a > 0) NOT VALID;")],
        ],
        rows: "INSERT INTO kept_@ VALUES (1, 1, 1, '[1,5)'), (2, 1, 1, '[7,9)')",
        stays: "SELECT concat_ws('|', id, a, b, span) FROM kept_@ ORDER BY 1",
        ..NOTHING
    },
    Kind {
        name: "operators and what is made of them",
        always: &[("tables/ops_@.sql", "CREATE SCHEMA ops_@;"), ("functions/same_@.sql", "CREATE FUNCTION same_@(int, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1::text = $2';")],
        variants: &[
            &[("functions/op_@.sql", "CREATE OPERATOR ops_@.=== (LEFTARG = int, RIGHTARG = text, FUNCTION = same_@);")],
            &[("functions/op_@.sql", "CREATE AGGREGATE all_@(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0'); COMMENT ON AGGREGATE all_@(int) IS 'sum';")],
            &[("functions/op_@.sql", "CREATE AGGREGATE all_@(int) (SFUNC = int4pl, STYPE = int, INITCOND = '10'); REVOKE EXECUTE ON FUNCTION all_@(int) FROM PUBLIC;")],
            &[],
        ],
        ..NOTHING
    },
    Kind {
        name: "seeder",
        always: &[("tables/seed_@.sql", "CREATE TABLE seed_@ (id serial PRIMARY KEY, name text NOT NULL); CREATE TABLE seed_@_log (name text);")],
        variants: &[
            &[("seeders/seed_@.sql", "INSERT INTO seed_@ (id, name) VALUES (1, 'one'), (2, 'two'); SELECT setval('seed_@_id_seq', 2);")],
            &[("seeders/seed_@.sql", "DELETE FROM seed_@_log; INSERT INTO seed_@ (id, name) VALUES (1, 'one'), (2, 'two'); UPDATE seed_@ SET name = lower(name);")],
            &[("seeders/seed_@.sql", "INSERT INTO seed_@ (id, name) VALUES (1, 'one'), (2, 'two'); DO $$ BEGIN DELETE FROM seed_@_log; END $$; TRUNCATE seed_@_log;")],
            &[],
        ],
        rows: "SELECT setval('seed_@_id_seq', 10); INSERT INTO seed_@ (name) VALUES ('Of A Customer'); INSERT INTO seed_@_log VALUES ('kept')",
        stays: "SELECT concat_ws('|', id, name) FROM seed_@ WHERE id > 2 UNION ALL SELECT name FROM seed_@_log UNION ALL SELECT last_value::text FROM seed_@_id_seq ORDER BY 1",
        ..NOTHING
    },
];
