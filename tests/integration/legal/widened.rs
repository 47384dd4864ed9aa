//! Columns that PostgreSQL changes with a parent's alone, or not under what reads them: inherited ones, those of
//! partitions, generated ones and those that generated ones read. And a primary key that a view leans on.

use super::Release;

#[tokio::test]
async fn what_is_inherited_changes_with_the_parents() {
    let releases = [
        Release {
            name: "partitions, of the table and of a partition, attached ones too",
            before: &[(
                "tables/t.sql",
                "CREATE TABLE t (region text NOT NULL, n int DEFAULT 1, v varchar(10), a numeric(8,2), s text, gone int)
                     PARTITION BY LIST (region);
                 CREATE TABLE t_eu PARTITION OF t FOR VALUES IN ('eu') PARTITION BY RANGE (region);
                 CREATE TABLE t_eu_all PARTITION OF t_eu DEFAULT;
                 CREATE TABLE t_us (region text NOT NULL, n int DEFAULT 5, v varchar(10), a numeric(8,2), s text, gone int);
                 ALTER TABLE t ATTACH PARTITION t_us FOR VALUES IN ('us');",
            )],
            rows: "CREATE TABLE t_by_hand PARTITION OF t FOR VALUES IN ('asia');
                   INSERT INTO t VALUES ('eu', 1, 'a', 1.5, 'x'), ('us', 2, 'b', 2.5, 'y'), ('asia', 3, 'c', 3.5, 'z');
                   DROP TABLE IF EXISTS nothing",
            after: &[(
                "tables/t.sql",
                "CREATE TABLE t (region text NOT NULL, n bigint DEFAULT 2, v varchar(100), a numeric(12,2),
                     s text COLLATE \"C\", added int DEFAULT 7) PARTITION BY LIST (region);
                 CREATE TABLE t_eu PARTITION OF t FOR VALUES IN ('eu') PARTITION BY RANGE (region);
                 CREATE TABLE t_eu_all PARTITION OF t_eu DEFAULT;
                 CREATE TABLE t_us (region text NOT NULL, n bigint DEFAULT 5, v varchar(100), a numeric(12,2),
                     s text COLLATE \"C\", added int DEFAULT 7);
                 ALTER TABLE t ATTACH PARTITION t_us FOR VALUES IN ('us');
                 CREATE TABLE t_by_hand PARTITION OF t FOR VALUES IN ('asia');",
            )],
            force: true,
            expect: &[
                ("SELECT string_agg(concat(region, n, v, a, s, added), ' ' ORDER BY n) FROM t", "eu1a1.50x7 us2b2.50y7 asia3c3.50z7"),
                ("INSERT INTO t_us (region) VALUES ('us') RETURNING n::text", "5"),
            ],
        },
        Release {
            name: "a forced narrowing",
            before: &[(
                "tables/t.sql",
                "CREATE TABLE t (k int, n bigint, v text) PARTITION BY HASH (k);
                 CREATE TABLE t_0 PARTITION OF t FOR VALUES WITH (MODULUS 1, REMAINDER 0);",
            )],
            rows: "INSERT INTO t VALUES (1, 2, 'a')",
            after: &[(
                "tables/t.sql",
                "CREATE TABLE t (k int, n int, v varchar(5)) PARTITION BY HASH (k);
                 CREATE TABLE t_0 PARTITION OF t FOR VALUES WITH (MODULUS 1, REMAINDER 0);",
            )],
            force: true,
            expect: &[("SELECT concat(k, n, v) FROM t", "12a")],
        },
        Release {
            name: "children with columns of their own, merged ones, and grandchildren; a view and an index on a child's",
            before: &[
                (
                    "tables/t.sql",
                    "CREATE TABLE animals (id int, name varchar(10) NOT NULL);
                     CREATE TABLE cats (name varchar(10) NOT NULL DEFAULT 'Tom', lives int DEFAULT 9) INHERITS (animals);
                     CREATE TABLE kittens (id int, mother int) INHERITS (cats);
                     CREATE INDEX cats_by_name ON cats (name);",
                ),
                ("views/v.sql", "CREATE VIEW v AS SELECT id, name, lives FROM cats;"),
            ],
            rows: "INSERT INTO animals VALUES (1, 'Rex'); INSERT INTO cats (id) VALUES (2);
                   INSERT INTO kittens VALUES (3, 'Kit', 8, 2)",
            after: &[
                (
                    "tables/t.sql",
                    "CREATE TABLE animals (id bigint, name text, note text, legs int NOT NULL DEFAULT 4);
                     CREATE TABLE cats (name text NOT NULL DEFAULT 'Tom', lives bigint DEFAULT 9, note text) INHERITS (animals);
                     CREATE TABLE kittens (id bigint, mother bigint, note text) INHERITS (cats);
                     CREATE INDEX cats_by_name ON cats (name);",
                ),
                ("views/v.sql", "CREATE VIEW v AS SELECT id, name, lives FROM cats;"),
            ],
            force: false,
            expect: &[
                ("SELECT string_agg(concat(id, name, legs), ' ' ORDER BY id) FROM animals", "1Rex4 2Tom4 3Kit4"),
                ("SELECT string_agg(concat(id, name, lives), ' ' ORDER BY id) FROM v", "2Tom9 3Kit8"),
                ("SELECT mother::text FROM kittens", "2"),
            ],
        },
        Release {
            name: "a column that goes down to one child, and one that goes everywhere",
            before: &[(
                "tables/t.sql",
                "CREATE TABLE a (id int, note text, gone text); CREATE TABLE b (gone text) INHERITS (a);
                 CREATE TABLE c () INHERITS (a);",
            )],
            rows: "INSERT INTO a VALUES (1, 'a', 'x'); INSERT INTO b VALUES (2, 'b', 'y'); INSERT INTO c VALUES (3, 'c', 'z')",
            after: &[(
                "tables/t.sql",
                "CREATE TABLE a (id int); CREATE TABLE b (note text) INHERITS (a); CREATE TABLE c () INHERITS (a);",
            )],
            force: true,
            expect: &[("SELECT concat(id, note) FROM b", "2b"), ("SELECT count(*) FROM a", "3")],
        },
    ];
    for release in releases {
        release.check().await;
    }
}

#[tokio::test]
async fn generated_columns_lose_nothing() {
    let releases = [
        Release {
            name: "a column that generated ones read is widened, under an index, a key, a check, a view and a grant",
            before: &[
                (
                    "tables/t.sql",
                    "CREATE TABLE t (id int PRIMARY KEY, a int, name varchar(10),
                         double int GENERATED ALWAYS AS (a * 2) STORED UNIQUE CHECK (double > 0),
                         slug text GENERATED ALWAYS AS (lower(name)) STORED NOT NULL, after int);
                     CREATE INDEX t_slug ON t (slug, id); COMMENT ON COLUMN t.slug IS 'for links';
                     ALTER TABLE t ALTER slug SET STATISTICS 500; GRANT SELECT (slug), UPDATE (a) ON t TO PUBLIC;
                     CREATE TABLE u (d int REFERENCES t (double));",
                ),
                ("views/v.sql", "CREATE VIEW v AS SELECT slug, double FROM t WHERE double > 2;"),
            ],
            rows: "INSERT INTO t (id, a, name, after) VALUES (1, 1, 'Ab', 5), (2, 2, 'Cd', 6); INSERT INTO u VALUES (4);
                   CREATE INDEX by_hand ON t (upper(slug))",
            after: &[
                (
                    "tables/t.sql",
                    "CREATE TABLE t (id bigint PRIMARY KEY, a bigint, name text,
                         double int GENERATED ALWAYS AS (a * 2) STORED UNIQUE CHECK (double > 0),
                         slug text GENERATED ALWAYS AS (lower(name)) STORED NOT NULL, after int);
                     CREATE INDEX t_slug ON t (slug, id); COMMENT ON COLUMN t.slug IS 'for links';
                     ALTER TABLE t ALTER slug SET STATISTICS 500; GRANT SELECT (slug), UPDATE (a) ON t TO PUBLIC;
                     CREATE TABLE u (d int REFERENCES t (double)); CREATE INDEX by_hand ON t (upper(slug));",
                ),
                ("views/v.sql", "CREATE VIEW v AS SELECT slug, double FROM t WHERE double > 2;"),
            ],
            force: false,
            expect: &[
                ("SELECT string_agg(concat(id, a, name, double, slug, after), ' ' ORDER BY id) FROM t", "11Ab2ab5 22Cd4cd6"),
                ("SELECT slug || double FROM v", "cd4"),
            ],
        },
        Release {
            name: "another expression, another type, both together with what they read",
            before: &[
                (
                    "tables/t.sql",
                    "CREATE TABLE t (id int PRIMARY KEY, a int, x int GENERATED ALWAYS AS (a + 1) STORED,
                         y int GENERATED ALWAYS AS (a * 2) STORED, z text GENERATED ALWAYS AS (a::text) STORED);
                     CREATE INDEX t_x ON t (x);",
                ),
                ("views/v.sql", "CREATE VIEW v AS SELECT x, y FROM t;"),
            ],
            rows: "INSERT INTO t VALUES (1, 5); CREATE INDEX by_hand ON t (x, y)",
            after: &[
                (
                    "tables/t.sql",
                    "CREATE TABLE t (id int PRIMARY KEY, a bigint, x int GENERATED ALWAYS AS (a + b) STORED,
                         y numeric GENERATED ALWAYS AS (a * 3) STORED, z bigint GENERATED ALWAYS AS (a) STORED,
                         b int NOT NULL DEFAULT 10);
                     CREATE INDEX t_x ON t (x); CREATE INDEX by_hand ON t (x, y);",
                ),
                ("views/v.sql", "CREATE VIEW v AS SELECT x, y FROM t;"),
            ],
            force: false,
            expect: &[("SELECT concat_ws(' ', a, x, y, z, b) FROM t", "5 15 15 5 10")],
        },
        Release {
            name: "dropped ones, also by a migration",
            before: &[(
                "tables/t.sql",
                "CREATE TABLE t (a int, x int GENERATED ALWAYS AS (a + 1) STORED,
                     y int GENERATED ALWAYS AS (a + 2) STORED);",
            )],
            rows: "INSERT INTO t VALUES (1)",
            after: &[
                ("tables/t.sql", "CREATE TABLE t (a int);"),
                ("migrations/1.sql", "ALTER TABLE t DROP COLUMN y;"),
            ],
            force: false,
            expect: &[("SELECT to_jsonb(t)::text FROM t", "{\"a\": 1}")],
        },
        Release {
            name: "in a migration, and of partitions",
            before: &[(
                "tables/t.sql",
                "CREATE TABLE t (k int, a int, x int GENERATED ALWAYS AS (a + 1) STORED) PARTITION BY LIST (k);
                 CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1); CREATE INDEX t_x ON t (x); CREATE INDEX t_1_x ON t_1 (x);",
            )],
            rows: "INSERT INTO t VALUES (1, 2)",
            after: &[
                (
                    "tables/t.sql",
                    "CREATE TABLE t (k int, a bigint, x int GENERATED ALWAYS AS (a + 5) STORED) PARTITION BY LIST (k);
                     CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1); CREATE INDEX t_x ON t (x); CREATE INDEX t_1_x ON t_1 (x);",
                ),
                ("migrations/1.sql", "ALTER TABLE t ALTER COLUMN a TYPE bigint;"),
            ],
            force: false,
            expect: &[("SELECT concat_ws(' ', k, a, x) FROM t", "1 2 7")],
        },
    ];
    for release in releases {
        release.check().await;
    }
}

#[tokio::test]
async fn a_key_under_another_name_takes_the_place_of_the_one_that_views_and_foreign_keys_lean_on() {
    let before = &[
        ("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, a text, e int CONSTRAINT t_e UNIQUE);"),
        ("tables/u.sql", "CREATE TABLE u (t_id int REFERENCES t, e int REFERENCES t (e));"),
        ("views/v.sql", "CREATE VIEW v AS SELECT id, a, count(*) AS n FROM t GROUP BY id;"),
    ];
    let rows = "INSERT INTO t VALUES (1, 'a', 7); INSERT INTO u VALUES (1, 7)";
    let expect = &[("SELECT concat(id, a, n, t_id, u.e) FROM v, u", "1a117")];
    let releases = [
        Release {
            name: "another name",
            before,
            rows,
            after: &[
                (
                    "tables/t.sql",
                    "CREATE TABLE t (id int, a text, e int, CONSTRAINT t_key PRIMARY KEY (id) INCLUDE (a),
                         CONSTRAINT t_unique UNIQUE (e) INCLUDE (a));",
                ),
                ("tables/u.sql", "CREATE TABLE u (t_id int REFERENCES t, e int REFERENCES t (e));"),
                ("views/v.sql", "CREATE VIEW v AS SELECT id, a, count(*) AS n FROM t GROUP BY id;"),
            ],
            force: false,
            expect,
        },
        Release {
            name: "the same name",
            before,
            rows,
            after: &[
                (
                    "tables/t.sql",
                    "CREATE TABLE t (id int, a text, e int, PRIMARY KEY (id) INCLUDE (a), CONSTRAINT t_e UNIQUE (e) INCLUDE (a));",
                ),
                ("tables/u.sql", "CREATE TABLE u (t_id int REFERENCES t, e int REFERENCES t (e));"),
                ("views/v.sql", "CREATE VIEW v AS SELECT id, a, count(*) AS n FROM t GROUP BY id;"),
            ],
            force: false,
            expect,
        },
        Release {
            name: "in a migration",
            before,
            rows,
            after: &[
                (
                    "tables/t.sql",
                    "CREATE TABLE t (id int, a text, e int CONSTRAINT t_e UNIQUE, CONSTRAINT t_key PRIMARY KEY (id) INCLUDE (a));",
                ),
                ("tables/u.sql", "CREATE TABLE u (t_id int REFERENCES t, e int REFERENCES t (e));"),
                ("views/v.sql", "CREATE VIEW v AS SELECT id, a, count(*) AS n FROM t GROUP BY id;"),
                (
                    "migrations/1.sql",
                    "ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ADD CONSTRAINT t_key PRIMARY KEY (id) INCLUDE (a);",
                ),
            ],
            force: false,
            expect,
        },
    ];
    for release in releases {
        release.check().await;
    }
}

#[tokio::test]
async fn a_column_that_comes_down_by_many_ways() {
    let lattice = |of_type: &str| {
        let first = format!("CREATE TABLE a0 (n {of_type}); CREATE TABLE b0 () INHERITS (a0);");
        let rest = (1..30).map(|n| {
            let above = n - 1;
            format!("CREATE TABLE a{n} () INHERITS (a{above}, b{above}); CREATE TABLE b{n} () INHERITS (a{above}, b{above});")
        });
        std::iter::once(first).chain(rest).collect::<String>()
    };
    let (narrow, wide) = (lattice("int"), lattice("bigint"));
    let view = ("views/v.sql", "CREATE VIEW v AS SELECT n FROM a0;");
    let release = Release {
        name: "half a billion ways",
        before: &[("tables/t.sql", &narrow), view],
        rows: "INSERT INTO b29 VALUES (7)",
        after: &[("tables/t.sql", &wide), view],
        force: false,
        expect: &[("SELECT n::text FROM v", "7")],
    };
    release.check().await;
}

#[tokio::test]
async fn what_reads_a_column_steps_aside_whatever_it_is() {
    let releases = [
        Release {
            name: "exclusion constraints whose WHERE, or whose expression, names a column that goes",
            before: &[(
                "tables/t.sql",
                "CREATE TABLE t (d tstzrange, s text, p int, q int,
                     CONSTRAINT ex EXCLUDE USING gist (d WITH &&) WHERE (s <> 'x'), CONSTRAINT gone EXCLUDE (q WITH =) WHERE (s <> 'y'),
                     CONSTRAINT other EXCLUDE ((p + 1) WITH =) WHERE (p > 0));
                 COMMENT ON CONSTRAINT ex ON t IS 'never twice';",
            )],
            rows: "INSERT INTO t VALUES ('[2026-01-01,2026-02-01)', 'a', 1, 1)",
            after: &[(
                "tables/t.sql",
                "CREATE TABLE t (d tstzrange, q int, CONSTRAINT ex EXCLUDE USING gist (d WITH &&), CONSTRAINT other EXCLUDE (q WITH =));
                 COMMENT ON CONSTRAINT ex ON t IS 'never twice';",
            )],
            force: true,
            expect: &[("SELECT count(*) FROM t WHERE q = 1", "1")],
        },
        Release {
            name: "publications whose WHERE or column list reads what is widened",
            before: &[(
                "tables/t.sql",
                "CREATE TABLE t (id int PRIMARY KEY, n int, \"N\" varchar(5), o int);
                 CREATE TABLE p (k int, w int) PARTITION BY HASH (k);
                 CREATE TABLE p_0 PARTITION OF p FOR VALUES WITH (MODULUS 1, REMAINDER 0);
                 CREATE PUBLICATION one FOR TABLE t (id, \"N\", n) WHERE (id > 5), p WHERE (w > 1)
                     WITH (publish = 'insert', publish_via_partition_root);
                 CREATE PUBLICATION \"Two\" FOR TABLE t WHERE (\"N\" <> 'x' AND n > 1) WITH (publish = 'insert');
                 COMMENT ON PUBLICATION one IS 'the first';",
            )],
            rows: "INSERT INTO t VALUES (1, 2, 'a', 3); INSERT INTO p VALUES (2, 4);
                   CREATE PUBLICATION by_hand FOR TABLE t WHERE (n > 7) WITH (publish = 'insert')",
            after: &[(
                "tables/t.sql",
                "CREATE TABLE t (id bigint PRIMARY KEY, n bigint, \"N\" varchar(50), o bigint);
                 CREATE TABLE p (k int, w bigint) PARTITION BY HASH (k);
                 CREATE TABLE p_0 PARTITION OF p FOR VALUES WITH (MODULUS 1, REMAINDER 0);
                 CREATE PUBLICATION one FOR TABLE t (id, \"N\", n) WHERE (id > 5), p WHERE (w > 1)
                     WITH (publish = 'insert', publish_via_partition_root);
                 CREATE PUBLICATION \"Two\" FOR TABLE t WHERE (\"N\" <> 'x' AND n > 1) WITH (publish = 'insert');
                 CREATE PUBLICATION by_hand FOR TABLE t WHERE (n > 7) WITH (publish = 'insert');
                 COMMENT ON PUBLICATION one IS 'the first';",
            )],
            force: false,
            expect: &[
                ("SELECT concat(id, n, \"N\", o, k, w) FROM t, p", "12a324"),
                ("SELECT string_agg(pubname || cardinality(prattrs::int2[]), ' ') FROM pg_publication_rel r JOIN pg_publication p ON p.oid = prpubid", "one3"),
            ],
        },
    ];
    for release in releases {
        release.check().await;
    }
}
