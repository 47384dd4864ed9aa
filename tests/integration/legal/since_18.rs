//! What PostgreSQL 16 to 18 have brought, and a declaration may say: it comes about in a database that exists, and goes again.

use super::both_ways::{BothWays, check_all};
use crate::support::Sql;

const SINCE: u32 = 18;

const CASES: &[BothWays] = &[
    BothWays {
        name: "the expression of a virtual column, with checks over it and beside it, a view and a publication",
        one: "CREATE TABLE t (a int CHECK (a > 0), v int GENERATED ALWAYS AS (a + 1) NOT NULL, s text, CONSTRAINT c CHECK (v > 0), CHECK (v > a));
              COMMENT ON COLUMN t.v IS 'v'; COMMENT ON CONSTRAINT c ON t IS 'c'; GRANT SELECT (v) ON t TO PUBLIC;
              CREATE VIEW w AS SELECT v, s FROM t; CREATE PUBLICATION p18 FOR TABLE t;
              CREATE TRIGGER g BEFORE UPDATE OF a ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();",
        other: "CREATE TABLE t (a int CHECK (a > 0), v int GENERATED ALWAYS AS (a + 2) NOT NULL, s text, CONSTRAINT c CHECK (v > 0), CHECK (v > a));
                COMMENT ON COLUMN t.v IS 'v'; COMMENT ON CONSTRAINT c ON t IS 'c'; GRANT SELECT (v) ON t TO PUBLIC;
                CREATE VIEW w AS SELECT v, s FROM t; CREATE PUBLICATION p18 FOR TABLE t;
                CREATE TRIGGER g BEFORE UPDATE OF a ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();",
        rows: "INSERT INTO t (a) VALUES (1)",
        force: [false, false],
    },
    BothWays {
        name: "the same of a parent and of partitions",
        one: "CREATE TABLE i (a int CHECK (a > 0), v int GENERATED ALWAYS AS (a + 1)); CREATE TABLE c (b int) INHERITS (i);
              CREATE TABLE t (k int, v int GENERATED ALWAYS AS (k + 1) VIRTUAL, CHECK (v > 0)) PARTITION BY LIST (k);
              CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1);",
        other: "CREATE TABLE i (a int CHECK (a > 0), v int GENERATED ALWAYS AS (a + 2)); CREATE TABLE c (b int) INHERITS (i);
                CREATE TABLE t (k int, v int GENERATED ALWAYS AS (k + 2) VIRTUAL, CHECK (v > 0)) PARTITION BY LIST (k);
                CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1);",
        rows: "INSERT INTO t VALUES (1); INSERT INTO c VALUES (1)",
        force: [false, false],
    },
    BothWays {
        name: "virtual and stored, also of partitions, one with an expression of its own",
        one: "CREATE TABLE t (a int CHECK (a > 0), v int GENERATED ALWAYS AS (a + 1) CHECK (v > 0));
              CREATE TABLE q (k int, v int GENERATED ALWAYS AS (k * 2) STORED) PARTITION BY LIST (k);
              CREATE TABLE q_1 PARTITION OF q (v GENERATED ALWAYS AS (k * 3) STORED) FOR VALUES IN (1);",
        other: "CREATE TABLE t (a int CHECK (a > 0), v int GENERATED ALWAYS AS (a + 1) STORED CHECK (v > 0));
                CREATE TABLE q (k int, v int GENERATED ALWAYS AS (k * 4) STORED) PARTITION BY LIST (k);
                CREATE TABLE q_1 PARTITION OF q (v GENERATED ALWAYS AS (k * 5) STORED) FOR VALUES IN (1);",
        rows: "INSERT INTO t VALUES (1); INSERT INTO q VALUES (1)",
        force: [false, false],
    },
    BothWays {
        name: "temporal keys",
        one: "CREATE TABLE t (id int4range NOT NULL, span daterange NOT NULL, u int4range);
              CREATE TABLE r (id int4range, span daterange);",
        other: "CREATE TABLE t (id int4range, span daterange, u int4range, PRIMARY KEY (id, span WITHOUT OVERLAPS),
                    CONSTRAINT t_u UNIQUE (u, span WITHOUT OVERLAPS));
                CREATE TABLE r (id int4range, span daterange, FOREIGN KEY (id, PERIOD span) REFERENCES t (id, PERIOD span));",
        rows: "INSERT INTO t VALUES ('[1,2)', '[2020-01-01,2021-01-01)'); INSERT INTO r VALUES ('[1,2)', '[2020-02-01,2020-03-01)')",
        force: [false, false],
    },
    BothWays {
        name: "a temporal key over another column under a foreign key",
        one: "CREATE TABLE t (id int4range, span daterange, b daterange NOT NULL, CONSTRAINT k PRIMARY KEY (id, span WITHOUT OVERLAPS));
              CREATE TABLE r (id int4range, span daterange, FOREIGN KEY (id, PERIOD span) REFERENCES t (id, PERIOD span));",
        other: "CREATE TABLE t (id int4range, span daterange NOT NULL, b daterange, CONSTRAINT k PRIMARY KEY (id, b WITHOUT OVERLAPS));
                CREATE TABLE r (id int4range, span daterange, FOREIGN KEY (id, PERIOD span) REFERENCES t (id, PERIOD b));",
        rows: "INSERT INTO t VALUES ('[1,2)', '[2020-01-01,2021-01-01)', '[2020-01-01,2021-01-01)');
               INSERT INTO r VALUES ('[1,2)', '[2020-02-01,2020-03-01)')",
        force: [false, false],
    },
    BothWays {
        name: "not enforced",
        one: "CREATE TABLE u (id int PRIMARY KEY);
              CREATE TABLE t (a int CONSTRAINT t_c CHECK (a > 0), b int CONSTRAINT t_b REFERENCES u, c int CHECK (c > 0), d int REFERENCES u);
              CREATE TABLE i (a int CHECK (a > 0)); CREATE TABLE j () INHERITS (i);
              CREATE TABLE q (k int CHECK (k > 0), b int CONSTRAINT q_b REFERENCES u) PARTITION BY LIST (k);
              CREATE TABLE q_1 PARTITION OF q FOR VALUES IN (1);",
        other: "CREATE TABLE u (id int PRIMARY KEY);
                CREATE TABLE t (a int CONSTRAINT t_c CHECK (a > 0) NOT ENFORCED, b int CONSTRAINT t_b REFERENCES u NOT ENFORCED, c int CHECK (c > 0) NOT ENFORCED,
                    d int REFERENCES u NOT ENFORCED);
                CREATE TABLE i (a int CHECK (a > 0) NOT ENFORCED); CREATE TABLE j () INHERITS (i);
                CREATE TABLE q (k int CHECK (k > 0) NOT ENFORCED, b int CONSTRAINT q_b REFERENCES u NOT ENFORCED) PARTITION BY LIST (k);
                CREATE TABLE q_1 PARTITION OF q FOR VALUES IN (1);",
        rows: "INSERT INTO u VALUES (1); INSERT INTO t VALUES (1, 1, 1, 1); INSERT INTO j VALUES (1); INSERT INTO q VALUES (1, 1)",
        force: [false, false],
    },
    BothWays {
        name: "not enforced, and not at all",
        one: "CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE t (a int, b int);",
        other: "CREATE TABLE u (id int PRIMARY KEY);
                CREATE TABLE t (a int CHECK (a > 0) NOT ENFORCED, b int REFERENCES u NOT ENFORCED, x int CHECK (x > 1) NOT ENFORCED);",
        rows: "INSERT INTO t VALUES (-1, 5)",
        force: [false, true],
    },
    BothWays {
        name: "nulls not distinct, and exclusion constraints of partitioned tables",
        one: "CREATE TABLE t (a int UNIQUE, b int); CREATE UNIQUE INDEX t_i ON t (b); CREATE TABLE q (k int4range, r int4range) PARTITION BY RANGE (k);
              CREATE TABLE q_1 PARTITION OF q DEFAULT;",
        other: "CREATE TABLE t (a int UNIQUE NULLS NOT DISTINCT, b int); CREATE UNIQUE INDEX t_i ON t (b) NULLS NOT DISTINCT;
                CREATE TABLE q (k int4range, r int4range, EXCLUDE USING gist (k WITH =, r WITH &&)) PARTITION BY RANGE (k);
                CREATE TABLE q_1 PARTITION OF q DEFAULT;",
        rows: "INSERT INTO t VALUES (1, 1); INSERT INTO q VALUES ('[1,2)', '[1,2)')",
        force: [false, false],
    },
    BothWays {
        name: "MAINTAIN, and what is left of all privileges",
        one: "CREATE TABLE t (a int); CREATE TABLE s (a int); GRANT ALL ON s TO PUBLIC;",
        other: "CREATE TABLE t (a int); GRANT MAINTAIN ON t TO PUBLIC; CREATE TABLE s (a int); GRANT ALL ON s TO PUBLIC; REVOKE MAINTAIN ON s FROM PUBLIC;",
        rows: "SELECT 1",
        force: [false, false],
    },
    BothWays {
        name: "identity of partitioned tables",
        one: "CREATE TABLE t (id bigint NOT NULL, k int) PARTITION BY LIST (k); CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1);",
        other: "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, k int, j int GENERATED BY DEFAULT AS IDENTITY (START WITH 5)) PARTITION BY LIST (k);
                CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1);",
        rows: "INSERT INTO t VALUES (1, 1)",
        force: [false, true],
    },
    BothWays {
        name: "the built-in collations",
        one: "CREATE TABLE t (a text, b text COLLATE \"C\"); CREATE INDEX t_i ON t (a);",
        other: "CREATE COLLATION own (provider = builtin, locale = 'C.UTF-8');
                CREATE TABLE t (a text COLLATE pg_c_utf8, b text COLLATE own, c text COLLATE pg_unicode_fast); CREATE INDEX t_i ON t (a);",
        rows: "INSERT INTO t VALUES ('a', 'b')",
        force: [false, true],
    },
    BothWays {
        name: "the NOT NULL of a domain under a name",
        one: "CREATE DOMAIN d AS int NOT NULL; CREATE DOMAIN e AS int; CREATE TABLE t (a d, b e);",
        other: "CREATE DOMAIN d AS int CONSTRAINT d_nn NOT NULL; CREATE DOMAIN e AS int CONSTRAINT e_nn NOT NULL; CREATE TABLE t (a d, b e);",
        rows: "INSERT INTO t VALUES (1, 1)",
        force: [true, false],
    },
];

#[tokio::test]
async fn what_is_new_comes_and_goes() {
    if Sql::major_version().await < SINCE {
        return;
    }
    tokio::task::spawn_blocking(|| check_all(CASES)).await.expect("no case fails");
}
