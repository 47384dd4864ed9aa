//! Histories that cannot be run over their declaration, or would leave there what they take away themselves: their migrations
//! come to the declaration alone, and that is the new database.

use crate::histories::{History, check_all};
use crate::support::catalog::{assert_same, in_words};
use crate::support::{Platform, bundle, post_json, register};
use serde_json::json;

#[tokio::test]
async fn what_migrations_come_to_by_themselves_is_the_new_database() {
    check_all(&[
        History {
            name: "an index of a table that is replaced later",
            files: &[
                (
                    "tables/v.sql",
                    "create table v (id int, k int, n int default 7, constraint v_key primary key (id));",
                ),
                (
                    "migrations/1.sql",
                    "create table v (id int primary key, k int); create index v_k on v (k); insert into v values (1, 2);",
                ),
                (
                    "migrations/2.sql",
                    "create table new_v (id int, k int, n int default 7, constraint v_key primary key (id));
                     insert into new_v (id, k) select id, k + 1 from v;
                     alter table v rename to old_v; alter table new_v rename to v; drop table old_v;",
                ),
            ],
            psql: "create table v (id int, k int, n int default 7, constraint v_key primary key (id));",
            rows: ("SELECT concat_ws(' ', id, k, n) FROM v", &["1 3 7"]),
        },
        History {
            name: "a column that goes and comes back",
            files: &[
                ("tables/t.sql", "create table t (id int, k text);"),
                (
                    "migrations/1.sql",
                    "create table t (id int, k text); insert into t values (1, 'old');
                     alter table t drop column k; alter table t add column k text;",
                ),
            ],
            psql: "create table t (id int, gone text, k text); alter table t drop column gone;",
            rows: ("SELECT to_jsonb(t)::text FROM t", &[r#"{"k": null, "id": 1}"#]),
        },
        History {
            name: "a constraint that is validated later and gets another name",
            files: &[
                ("tables/p.sql", "create table p (id int primary key);"),
                ("tables/t.sql", "create table t (p int, constraint of_p foreign key (p) references p (id));"),
                (
                    "migrations/1.sql",
                    "create table p (id int primary key); create table t (p int);
                     alter table t add constraint t_p foreign key (p) references p (id) not valid;
                     alter table t validate constraint t_p;",
                ),
                ("migrations/2.sql", "alter table t rename constraint t_p to of_p;"),
            ],
            psql: "create table p (id int primary key);
                   create table t (p int, constraint of_p foreign key (p) references p (id));",
            rows: ("SELECT count(*) FROM t", &["0"]),
        },
        History {
            name: "a value of an enum that is replaced later",
            files: &[
                ("types/e.sql", "create type e as enum ('a', 'c');"),
                ("tables/t.sql", "create table t (id int, k e);"),
                ("migrations/1.sql", "create type e as enum ('a'); create table t (id int, k e);"),
                ("migrations/2.sql", "alter type e add value 'b'; insert into t values (1, 'b');"),
                (
                    "migrations/3.sql",
                    "create type e_new as enum ('a', 'c');
                     alter table t alter k type e_new using (case when k::text = 'b' then 'c' else k::text end)::e_new;
                     alter type e rename to e_old; alter type e_new rename to e; drop type e_old;",
                ),
            ],
            psql: "create type e as enum ('a', 'c'); create table t (id int, k e);",
            rows: ("SELECT concat_ws(' ', id, k) FROM t", &["1 c"]),
        },
        History {
            name: "a type that a block makes, and a table that is replaced",
            files: &[
                ("types/e.sql", "create type e as enum ('a', 'c');"),
                ("tables/t.sql", "create table t (id int, k e);"),
                (
                    "migrations/1.sql",
                    "do $$ begin create type e as enum ('a', 'b'); exception when duplicate_object then null; end $$;
                     alter type e rename value 'b' to 'c'; create table new_t (id int, k e);
                     insert into new_t values (1, 'c'); alter table new_t rename to other; alter table other rename to t;",
                ),
            ],
            psql: "create type e as enum ('a', 'c'); create table t (id int, k e);",
            rows: ("SELECT concat_ws(' ', id, k) FROM t", &["1 c"]),
        },
        History {
            name: "a trigger that a function makes",
            files: &[
                (
                    "tables/t.sql",
                    "create function touch() returns trigger language plpgsql as 'begin return new; end';
                     create table t (id int); create trigger touched before update on t for each row execute function touch();",
                ),
                (
                    "migrations/1.sql",
                    "create function touch() returns trigger language plpgsql as 'begin return new; end';
                     create function keep_touched(t regclass) returns void language plpgsql as $$ begin
                         execute format('create trigger touched before update on %s for each row execute function touch()', t);
                     end $$;",
                ),
                ("migrations/2.sql", "create table t (id int); select keep_touched('t'); insert into t values (1);"),
            ],
            psql: "create function touch() returns trigger language plpgsql as 'begin return new; end';
                   create function keep_touched(t regclass) returns void language plpgsql as $$ begin
                         execute format('create trigger touched before update on %s for each row execute function touch()', t);
                     end $$;
                   create table t (id int); create trigger touched before update on t for each row execute function touch();",
            rows: ("SELECT id FROM t", &["1"]),
        },
        History {
            name: "a partition that goes before somebody refers to its table",
            files: &[
                (
                    "tables/p.sql",
                    "create table p (id int primary key) partition by range (id);
                     create table p1 partition of p for values from (0) to (9);",
                ),
                ("tables/r.sql", "create table r (p int references p (id));"),
                (
                    "migrations/1.sql",
                    "create table p (id int primary key) partition by range (id);
                     create table p1 partition of p for values from (0) to (9);
                     create table p2 partition of p for values from (9) to (99);",
                ),
                ("migrations/2.sql", "drop table p2; create table r (p int references p (id)); insert into p values (1);"),
            ],
            psql: "create table p (id int primary key) partition by range (id);
                   create table p1 partition of p for values from (0) to (9); create table r (p int references p (id));",
            rows: ("SELECT id FROM p", &["1"]),
        },
    ])
    .await;
}

#[tokio::test]
async fn migrations_that_do_not_come_to_the_declaration_do_not_count_as_it() {
    let platform = Platform::new();
    // What the migrations take away is left over; but they lack a column, so the declaration comes first all the same.
    let files = bundle()
        .file("tables/v.sql", "create table v (id int, k int, n int);")
        .file("migrations/1.sql", "create table v (id int, k int); create index v_k on v (k);")
        .file(
            "migrations/2.sql",
            "create table new_v (id int, k int); alter table v rename to old_v; alter table new_v rename to v;
             drop table old_v;",
        );
    let answer = platform.register(&files).await;
    assert_eq!(answer.status, 200, "{answer}");
    let columns = "SELECT attname FROM pg_attribute WHERE attrelid = 'v'::regclass AND attnum > 0 ORDER BY attnum";
    assert_eq!(platform.sql().await.column(columns).await, ["id", "k", "n"]);
    assert!(answer.body["migrations_skipped_statements"].as_array().is_some_and(|list| !list.is_empty()), "{answer}");
    // A refusal is the one that is met on the usual way.
    let refused = Platform::new();
    let answer = refused
        .register(
            &bundle()
                .file("tables/t.sql", "create table t (id int, k int);")
                .file("migrations/1.sql", "create table t (id int);\ninsert into t select 1 / 0;"),
        )
        .await;
    assert_eq!((answer.status, answer.body["file"].as_str()), (409, Some("migrations/1.sql")), "{answer}");
    assert_eq!(answer.body["sqlstate"], "22012", "{answer}");
}

#[tokio::test]
async fn what_was_made_by_migrations_goes_on_like_any_other_database() {
    let files = bundle()
        .file("tables/v.sql", "create table v (id int, k int, constraint v_key primary key (id));")
        .file("migrations/1.sql", "create table v (id int primary key, k int); create index v_k on v (k);")
        .file(
            "migrations/2.sql",
            "create table new_v (id int, k int, constraint v_key primary key (id)); alter table v rename to old_v;
             alter table new_v rename to v; drop table old_v;",
        )
        .file("migrations/3.sql", "create table beside (id int);")
        .file("seeders/v.sql", "insert into v values (1, 1);");
    let files = files
        .file("types/e.sql", "create type e as enum ('a', 'c');")
        .file("tables/w.sql", "create table w (k e);")
        .file(
            "migrations/4.sql",
            "do $$ begin create type e as enum ('a', 'b'); exception when duplicate_object then null; end $$;
             alter type e rename value 'b' to 'c';
             create table w (k e); insert into w values ('c');",
        );
    let platform = Platform::new();
    let answer = platform.register(&files).await;
    assert_eq!(answer.status, 200, "{answer}");
    answer.counts(&[("tables_created", 2), ("migrations_applied", 4)]);
    let sql = platform.sql().await;
    // An empty one goes the same way.
    let made = post_json("/admin/create-tenant", json!({"platform": platform.name(), "tenant_id": "empty"})).await;
    assert_eq!(made.status, 201, "{made}");
    let answer = register(platform.name(), Some("empty"), &files).await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_same("empty, new", &in_words(&platform.database("empty")).await, &in_words(&platform.main()).await);
    assert_eq!(sql.column("SELECT id FROM v").await, ["1"]);
    // What only a migration made is not part of the declaration, and stays.
    let next = files
        .file("tables/v.sql", "create table v (id int, k int, more int, constraint v_key primary key (id));")
        .file("functions/f.sql", "create function f() returns int language sql as 'select 1';");
    let answer = platform.register(&next).await;
    assert_eq!(answer.status, 200, "{answer}");
    answer.counts(&[("migrations_applied", 0), ("functions_deployed", 1)]);
    let columns = "SELECT attname FROM pg_attribute WHERE attrelid = 'v'::regclass AND attnum > 0 ORDER BY attnum";
    assert_eq!(sql.column(columns).await, ["id", "k", "more"]);
    assert_eq!(sql.column("SELECT to_regclass('beside')::text").await, ["beside"]);
}
