//! `NOT NULL` is a constraint since PostgreSQL 18: it may have a name, be `NOT VALID` or `NO INHERIT`. What is declared of
//! that comes about, and goes.

use super::Release;
use super::both_ways::{BothWays, check_all};
use crate::support::catalog::{assert_same, in_words};
use crate::support::{Platform, Sql, bundle, register};

/// Where there are such constraints.
const SINCE: u32 = 18;

const CASES: &[BothWays] = &[
    BothWays {
        name: "not valid, and valid",
        one: "CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL, b int);",
        other: "CREATE TABLE t (id int PRIMARY KEY, a int, b int); ALTER TABLE t ADD CONSTRAINT t_a_nn NOT NULL a NOT VALID;",
        rows: "INSERT INTO t VALUES (1, 1)",
        force: [false, true],
    },
    BothWays {
        name: "not valid and valid under one name, with a comment",
        one: "CREATE TABLE t (id int PRIMARY KEY, a int CONSTRAINT t_a_nn NOT NULL);
              COMMENT ON CONSTRAINT t_a_nn ON t IS 'wanted';",
        other: "CREATE TABLE t (id int PRIMARY KEY, a int); ALTER TABLE t ADD CONSTRAINT t_a_nn NOT NULL a NOT VALID;
                COMMENT ON CONSTRAINT t_a_nn ON t IS 'wanted';",
        rows: "INSERT INTO t VALUES (1, 1)",
        force: [false, true],
    },
    BothWays {
        name: "not valid, and not at all",
        one: "CREATE TABLE t (id int PRIMARY KEY, a int);",
        other: "CREATE TABLE t (id int PRIMARY KEY, a int); ALTER TABLE t ADD CONSTRAINT \"A b\" NOT NULL a NO INHERIT NOT VALID;",
        rows: "INSERT INTO t VALUES (1, NULL)",
        force: [false, false],
    },
    BothWays {
        name: "a name of its own, in a key too",
        one: "CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL, \"B c\" text NOT NULL);",
        other: "CREATE TABLE t (id int CONSTRAINT given NOT NULL PRIMARY KEY, a int CONSTRAINT t_a_not_null NOT NULL, \"B c\" text,
                    CONSTRAINT \"Given\" NOT NULL \"B c\");",
        rows: "INSERT INTO t VALUES (1, 1, '')",
        force: [false, false],
    },
    BothWays {
        name: "names that are exchanged",
        one: "CREATE TABLE t (a int CONSTRAINT x NOT NULL, b int CONSTRAINT y NOT NULL);",
        other: "CREATE TABLE t (a int CONSTRAINT y NOT NULL, b int CONSTRAINT x NOT NULL);",
        rows: "INSERT INTO t VALUES (1, 1)",
        force: [false, false],
    },
    BothWays {
        name: "no inherit",
        one: "CREATE TABLE t (a int NOT NULL, b int CONSTRAINT t_b_nn NOT NULL);",
        other: "CREATE TABLE t (a int NOT NULL NO INHERIT, b int CONSTRAINT other NOT NULL NO INHERIT);",
        rows: "INSERT INTO t VALUES (1, 1)",
        force: [false, false],
    },
    BothWays {
        name: "no inherit, with children",
        one: "CREATE TABLE t (a int NOT NULL, b int CONSTRAINT t_b_nn NOT NULL); CREATE TABLE c (x int) INHERITS (t);
              CREATE TABLE d () INHERITS (c);",
        other: "CREATE TABLE t (a int NOT NULL NO INHERIT, b int CONSTRAINT other NOT NULL NO INHERIT); CREATE TABLE c (x int) INHERITS (t);
                CREATE TABLE d () INHERITS (c);",
        rows: "INSERT INTO t VALUES (1, 1); INSERT INTO d VALUES (1, 1)",
        force: [false, true],
    },
    BothWays {
        name: "children, with columns that come and go",
        one: "CREATE TABLE t (a int CONSTRAINT x NOT NULL, gone int DEFAULT 1 CONSTRAINT g NOT NULL); CREATE TABLE c () INHERITS (t);",
        other: "CREATE TABLE t (a int, e int DEFAULT 0 CONSTRAINT e_nn NOT NULL, f int, h int DEFAULT 1 NOT NULL NO INHERIT);
                CREATE TABLE c () INHERITS (t);
                ALTER TABLE t ADD CONSTRAINT x NOT NULL a NOT VALID; ALTER TABLE t ADD CONSTRAINT f_nn NOT NULL f NOT VALID;",
        rows: "INSERT INTO t VALUES (1, 1); INSERT INTO c VALUES (1, 1)",
        force: [true, true],
    },
    BothWays {
        name: "partitions",
        one: "CREATE TABLE t (k int NOT NULL, a int NOT NULL, b int CONSTRAINT b_nn NOT NULL) PARTITION BY LIST (k);
              CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1); CREATE TABLE t_2 PARTITION OF t DEFAULT;",
        other: "CREATE TABLE t (k int CONSTRAINT k_nn NOT NULL, a int, b int CONSTRAINT bb_nn NOT NULL) PARTITION BY LIST (k);
                CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1); CREATE TABLE t_2 PARTITION OF t DEFAULT;
                ALTER TABLE t ADD CONSTRAINT a_nn NOT NULL a NOT VALID;",
        rows: "INSERT INTO t VALUES (1, 1, 1), (2, 2, 2)",
        force: [false, true],
    },
    BothWays {
        name: "a serial column's",
        one: "CREATE TABLE t (a int);",
        other: "CREATE TABLE t (a int, s serial CONSTRAINT s_nn NOT NULL);",
        rows: "INSERT INTO t VALUES (1)",
        force: [false, true],
    },
    BothWays {
        name: "generated columns",
        one: "CREATE TABLE t (a int, s int GENERATED ALWAYS AS (a + 1) STORED CONSTRAINT s_nn NOT NULL,
                  v int GENERATED ALWAYS AS (a + 1) CONSTRAINT v_nn NOT NULL, w int GENERATED ALWAYS AS (a) STORED NOT NULL NO INHERIT,
                  x int GENERATED ALWAYS AS (a) STORED);
              ALTER TABLE t ADD CONSTRAINT x_nn NOT NULL x NOT VALID; COMMENT ON CONSTRAINT x_nn ON t IS 'x';
              COMMENT ON CONSTRAINT t_w_not_null ON t IS 'w';",
        other: "CREATE TABLE t (a bigint, s int GENERATED ALWAYS AS (a + 2) STORED CONSTRAINT s_nn NOT NULL,
                    v int GENERATED ALWAYS AS (a + 2) CONSTRAINT v_n NOT NULL, w int GENERATED ALWAYS AS (a) STORED NOT NULL NO INHERIT,
                    x int GENERATED ALWAYS AS (a) STORED);
                ALTER TABLE t ADD CONSTRAINT x_nn NOT NULL x NOT VALID; COMMENT ON CONSTRAINT x_nn ON t IS 'x';
                COMMENT ON CONSTRAINT t_w_not_null ON t IS 'w';",
        rows: "INSERT INTO t VALUES (1)",
        force: [false, true],
    },
];

#[tokio::test]
async fn what_is_declared_of_not_null_comes_and_goes() {
    if Sql::major_version().await < SINCE {
        return;
    }
    tokio::task::spawn_blocking(|| check_all(CASES)).await.expect("no case fails");
}

#[tokio::test]
async fn a_child_has_its_own_beside_its_parents() {
    if Sql::major_version().await < SINCE {
        return;
    }
    let release = Release {
        name: "a child's own",
        before: &[("tables/t.sql", "CREATE TABLE t (a int NOT NULL); CREATE TABLE c (b int) INHERITS (t);")],
        rows: "INSERT INTO c VALUES (1, 1)",
        after: &[(
            "tables/t.sql",
            "CREATE TABLE t (a int NOT NULL);
             CREATE TABLE c (b int CONSTRAINT c_b NOT NULL, CONSTRAINT t_a_not_null NOT NULL a) INHERITS (t);",
        )],
        force: true,
        expect: &[(
            "SELECT conislocal FROM pg_constraint WHERE conrelid = 'c'::regclass AND conname = 't_a_not_null'",
            "t",
        )],
    };
    release.check().await;
}

/// Where PostgreSQL cannot bring it about, the answer says so.
#[tokio::test]
async fn a_name_that_a_childs_cannot_have_is_told() {
    if Sql::major_version().await < SINCE {
        return;
    }
    let platform = Platform::new();
    let with = |child: &str| {
        let text = format!("CREATE TABLE t (a int CONSTRAINT x NOT NULL); CREATE TABLE c ({child}) INHERITS (t);");
        bundle().file("tables/t.sql", text)
    };
    platform.register(&with("")).await.ready();
    let refused = platform.register(&with("CONSTRAINT y NOT NULL a")).await;
    assert_eq!(refused.status, 409, "{refused}");
    assert!(refused.to_string().contains("constraint y of c is missing (declared: NOT NULL a)"), "{refused}");
    // The other way round it keeps the name, which nobody declares.
    let platform = Platform::new();
    platform.register(&with("CONSTRAINT y NOT NULL a")).await.ready();
    platform.register(&with("")).await.ready();
}

/// Rows with NULL are counted, and stand in the way.
#[tokio::test]
async fn a_constraint_that_becomes_valid_is_checked_against_the_rows() {
    if Sql::major_version().await < SINCE {
        return;
    }
    let platform = Platform::new();
    let not_valid = "CREATE TABLE t (a int); ALTER TABLE t ADD CONSTRAINT x NOT NULL a NOT VALID;";
    platform.register(&bundle().file("tables/t.sql", "CREATE TABLE t (a int);")).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO t VALUES (NULL), (NULL), (1)").await;
    platform.register(&bundle().file("tables/t.sql", not_valid)).await.ready();
    assert!(sql.try_run("INSERT INTO t VALUES (NULL)").await.is_err(), "new rows are checked");
    let valid = bundle().file("tables/t.sql", "CREATE TABLE t (a int CONSTRAINT x NOT NULL);");
    for answer in [platform.register(&valid).await, platform.register_forced(&valid).await] {
        assert_eq!(answer.status, 409, "{answer}");
        let text = answer.to_string();
        assert!(text.contains("SetNotNull") && text.contains("\"rows_at_risk\": 2"), "{answer}");
    }
    sql.run("UPDATE t SET a = 0 WHERE a IS NULL").await;
    platform.register_forced(&valid).await.ready();
    assert_eq!(
        sql.value("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'x'").await,
        "NOT NULL a"
    );
}

/// Names that PostgreSQL has picked follow neither table nor column, and are no difference.
#[tokio::test]
async fn a_generated_name_changes_nothing() {
    let platform = Platform::new();
    platform
        .register(&bundle().file("tables/t.sql", "CREATE TABLE old (a int NOT NULL, b int NOT NULL);"))
        .await
        .ready();
    let renamed = bundle()
        .file("tables/t.sql", "CREATE TABLE t (c int NOT NULL, b int NOT NULL);")
        .file("migrations/1.sql", "ALTER TABLE old RENAME TO t; ALTER TABLE t RENAME a TO c;");
    platform.register(&renamed).await.ready();
    let sql = platform.sql().await;
    for by_hand in [
        "SELECT 1",
        "ALTER TABLE t ALTER b DROP NOT NULL; ALTER TABLE t ALTER b SET NOT NULL",
        "COMMENT ON TABLE t IS 'x'",
    ] {
        sql.run(by_hand).await;
        platform.register(&renamed).await.ready();
    }
    register(platform.name(), Some("new"), &renamed).await.ready();
}

/// A migration may say what the declaration says, in a new database too.
#[tokio::test]
async fn migrations_say_it_too() {
    if Sql::major_version().await < SINCE {
        return;
    }
    let platform = Platform::new();
    let first = bundle().file("tables/t.sql", "CREATE TABLE t (a int, b int NOT NULL, c int, d int);");
    platform.register(&first).await.ready();
    let bundle = bundle()
        .file(
            "tables/t.sql",
            "CREATE TABLE t (a int CONSTRAINT a_nn NOT NULL, b int CONSTRAINT b_nn NOT NULL NO INHERIT, c int, d int);
             ALTER TABLE t ADD CONSTRAINT d_nn NOT NULL d NOT VALID;",
        )
        .file(
            "migrations/1.sql",
            "ALTER TABLE t ADD CONSTRAINT other NOT NULL a NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT other;
             ALTER TABLE t RENAME CONSTRAINT other TO a_nn;
             ALTER TABLE t ALTER CONSTRAINT t_b_not_null NO INHERIT; ALTER TABLE t RENAME CONSTRAINT t_b_not_null TO b_nn;
             ALTER TABLE t ADD CONSTRAINT c_nn NOT NULL c NOT VALID; ALTER TABLE t DROP CONSTRAINT c_nn;
             ALTER TABLE t ADD CONSTRAINT d_nn NOT NULL d NOT VALID;",
        );
    let answer = platform.register_forced(&bundle).await;
    assert_eq!(answer.status, 200, "{answer}");
    let new = register(platform.name(), Some("new"), &bundle).await;
    assert_eq!(new.status, 200, "{new}");
    assert_same("migrated, new", &in_words(&platform.main()).await, &in_words(&platform.database("new")).await);
}
