//! Migrations that make a declared table together with its rows, and statements that change rows without looking like it: in a
//! new database the rows are those that psql has, or the bundle is refused.

use crate::histories::{History, check_all};
use crate::support::{Platform, bundle, register};

const T: (&str, &str) = ("tables/t.sql", "create table t(id int primary key, x text);");
const A: (&str, &str) = ("tables/a.sql", "create table a(id int, x text);");
const DECLARED: &str = "create table t(id int primary key, x text); create table a(id int, x text)";
const ROWS_OF_A: &str = "select id || x from a order by id";

/// A history of `t` with one row and what `statements` do to `a`.
fn of_a(name: &'static str, statements: &'static str, rows: &'static [&'static str]) -> History {
    History { name, files: files(&[T, A], statements), psql: DECLARED, rows: (ROWS_OF_A, rows) }
}

/// A declaration, and a migration that makes `t` with one row and goes on.
fn files(declared: &[(&'static str, &'static str)], statements: &str) -> &'static [(&'static str, &'static str)] {
    let text = format!("create table t(id int primary key, x text); insert into t values (1, 'a');\n{statements}");
    let migration: (&str, &str) = ("migrations/1.sql", String::leak(text));
    Vec::leak(declared.iter().copied().chain([migration]).collect())
}

#[tokio::test]
async fn a_declared_table_that_a_migration_makes_with_rows_has_them_in_a_new_database() {
    check_all(&[
        of_a("CREATE TABLE AS", "create table a as select * from t;", &["1a"]),
        of_a("SELECT INTO", "select * into a from t;", &["1a"]),
        of_a("with columns of its own", "create table a(id, x) as select id + 1, upper(x) from t;", &["2A"]),
        of_a("without rows", "create table a as select * from t with no data;", &[]),
        of_a("VALUES", "create table a as values (1, 'v'::text); alter table a rename column1 to id; alter table a rename column2 to x;", &["1v"]),
        of_a(
            "a prepared query",
            "prepare q as select id, x from t; create table a as execute q; deallocate q;",
            &["1a"],
        ),
        of_a(
            "what is put elsewhere on the way",
            "create table a as with w as (insert into t values (2, 'w') returning *) select * from w;
             insert into a select * from t;",
            &["1a", "2w", "2w"],
        ),
        of_a("read later on", "create table a as select * from t; insert into a select id + 1, 'of ' || x from a;", &["1a", "2of a"]),
        of_a("under another name first", "create table b as select * from t; alter table b rename to a;", &["1a"]),
        of_a(
            "with columns that get other names",
            "create table b as select id as i, x as y from t; insert into b values (2, 'b');
             alter table b rename i to id; alter table b rename to a; alter table a rename y to x;",
            &["1a", "2b"],
        ),
        of_a(
            "there already",
            "create table a(id int, x text); insert into a values (9, 'z'); create table if not exists a as select * from t;",
            &["9z"],
        ),
        of_a("not there yet", "create table if not exists a as select * from t;", &["1a"]),
        of_a("made, dropped and made", "create table a as select * from t; drop table a; create table a(id int, x text);", &[]),
    ])
    .await;
}

#[tokio::test]
async fn a_table_that_takes_anothers_place_with_changed_rows_has_those() {
    let history = |name, statements, rows| {
        let rows = ("select id || x from t order by id", rows);
        History { name, files: files(&[T], statements), psql: "create table t(id int primary key, x text)", rows }
    };
    check_all(&[
        history(
            "dropped, and renamed to it",
            "create table n as select id, upper(x) as x from t; drop table t; alter table n rename to t;
             alter table t add primary key (id);",
            &["1A"],
        ),
        history(
            "made from the one that gave its name",
            "alter table t rename to o; alter table o rename constraint t_pkey to o_pkey; create table t as select id + 1 as id, x from o; drop table o;
             alter table t add primary key (id);",
            &["2a"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn statements_that_change_rows_without_saying_so_are_refused_when_they_fail() {
    if crate::support::calls_what_is_planted() {
        return;
    }
    let platform = Platform::new();
    // These functions are in C, and say of nothing where it failed.
    let gone = "pg_get_serial_sequence('t', 'gone')";
    let procedure = "create procedure p(a t, b text) language plpgsql as $$ begin insert into t values (2, b); end $$;";
    for (number, (made, statement)) in [
        (procedure, format!("call p(null::t, {gone});")),
        ("", format!("explain analyze insert into t values (2, {gone});")),
        ("prepare i(t, text) as insert into t values (2, $2);", format!("execute i(null::t, {gone});")),
        ("", format!("create table n as with w as (insert into t values (2, {gone}) returning *) select * from w;")),
        ("", format!("create table a as with w as (insert into t values (2, {gone}) returning *) select * from w;")),
        ("", format!("select * into n from t where x <> {gone};")),
    ]
    .into_iter()
    .enumerate()
    {
        let bundle = bundle()
            .file(T.0, T.1)
            .file(A.0, A.1)
            .file("migrations/1.sql", format!("insert into t values (1, 'a');\n{made}\n{statement}"));
        let answer = register(platform.name(), Some(&format!("t{number}")), &bundle).await;
        answer.refused(409, "migration_failed").sqlstate("42703").at("migrations/1.sql", 3);
    }
}

#[tokio::test]
async fn what_is_made_inside_of_a_schema_is_not_left_out_with_it() {
    let platform = Platform::new();
    let bundle = bundle().file("tables/a.sql", "create schema s; create table s.a(id int);").file(
        "migrations/1.sql",
        "create schema s create table a(id int) create table b(id int);\ninsert into s.b values (1);",
    );
    let answer = platform.register(&bundle).await;
    // The declaration has the schema already, and the table that nobody declares has to be there all the same.
    if answer.status == 200 {
        assert_eq!(platform.sql().await.column("select id from s.b").await, ["1"], "{answer}");
    } else {
        answer.refused(409, "migration_failed").at("migrations/1.sql", 1);
    }
}

#[tokio::test]
async fn what_is_declared_by_now_does_nothing_to_rows_that_were_there_before_it() {
    if crate::support::calls_what_is_planted() {
        return;
    }
    let history = |name, table: &'static str, statements: &str, rows: &'static [&'static str]| {
        let text = format!("create table t(id int, x text); {statements}");
        let files = vec![("tables/t.sql", table), ("migrations/1.sql", &*String::leak(text))];
        let rows = ("select id || coalesce(x, '-') from t order by id, x", rows);
        History { name, files: Vec::leak(files), psql: table, rows }
    };
    check_all(&[
        history(
            "ON CONFLICT",
            "create table t(id int, x text unique);",
            "insert into t values (1, 'a'), (2, 'a') on conflict do nothing; update t set x = x || id; alter table t add unique (x);",
            &["1a1", "2a2"],
        ),
        history(
            "a rule",
            "create table t(id int, x text); create rule r as on insert to t do instead nothing;",
            "insert into t values (1, 'a'); create rule r as on insert to t do instead nothing;",
            &["1a"],
        ),
        history(
            "a rule that keeps rows",
            "create table t(id int, x text); create rule r as on delete to t do instead nothing;",
            "insert into t values (1, 'a'); delete from t; create rule r as on delete to t do instead nothing;",
            &[],
        ),
        history(
            "a trigger",
            "create table t(id int, x text); create function f() returns trigger language plpgsql as 'begin return null; end';
             create trigger g before insert on t for each row execute function f();",
            "insert into t values (1, 'a'); create function f() returns trigger language plpgsql as 'begin return null; end';
             create trigger g before insert on t for each row execute function f();",
            &["1a"],
        ),
        history(
            "a foreign key that cascades",
            "create table p(id int primary key); create table t(id int references p on delete cascade, x text);",
            "create table p(id int primary key); insert into p values (1); insert into t values (1, 'a'); delete from p;
             insert into p values (1); alter table t add foreign key (id) references p on delete cascade;",
            &["1a"],
        ),
        history(
            "row security",
            "create table t(id int, x text); alter table t enable row level security; alter table t force row level security;
             create policy nothing on t as restrictive using (false); create policy p on t using (true); alter table t no force row level security;",
            "insert into t values (1, 'a'); update t set x = 'b'; alter table t enable row level security;
             create policy nothing on t as restrictive using (false); create policy p on t using (true);",
            &["1b"],
        ),
        history(
            "a default",
            "create table t(id int, x text default 'new');",
            "insert into t (id) values (1); alter table t alter x set default 'new'; insert into t (id) values (2);",
            &["1-", "2new"],
        ),
        history(
            "a default that goes",
            "create table t(id int, x text);",
            "alter table t alter x set default 'old'; insert into t (id) values (1); alter table t alter x drop default;",
            &["1old"],
        ),
        history(
            "values that become others",
            "create table t(id int, x text);",
            "insert into t values (1, 'a'); alter table t alter x type text using upper(x);",
            &["1A"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn where_only_the_declaration_has_what_acts_on_rows_it_is_told() {
    let bundle = bundle().file("tables/t.sql", "create table t(id int, x text default 'new', n int);").file(
        "migrations/1.sql",
        "create table t(id int, x text);\ninsert into t (id) values (1);\nalter table t alter x set default 'new';",
    );
    let answer = Platform::new().register(&bundle).await;
    assert_eq!(answer.status, 200, "{answer}");
    let told = answer.body["warnings"].to_string();
    assert!(told.contains("migrations/1.sql line 2 changes rows before migrations/1.sql line 3"), "{answer}");
}

#[tokio::test]
async fn rows_that_the_declarations_trigger_or_rule_keeps_out_are_told() {
    if crate::support::calls_what_is_planted() {
        return;
    }
    for (made, count) in [
        ("create rule r as on insert to t do instead nothing;", "2 of its 2 rows"),
        (
            "create function f() returns trigger language plpgsql as 'begin if new.id = 1 then return null; end if; return new; end';
             create trigger g before insert on t for each row execute function f();",
            "1 of its 2 rows",
        ),
    ] {
        let bundle = bundle()
            .file("tables/t.sql", format!("create table t(id int, x text); {made}"))
            .file("migrations/1.sql", "-- Only `tables/` makes it.\ninsert into t values (1, 'a'), (2, 'b');");
        let answer = Platform::new().register(&bundle).await;
        assert_eq!(answer.status, 200, "{answer}");
        let left_out = answer.body["migrations_skipped_statements"].as_array().expect("a list").clone();
        let told = left_out.iter().find(|one| one["line"] == 2).unwrap_or_else(|| panic!("nothing of line 2: {answer}"));
        assert!(told["reason"].as_str().is_some_and(|reason| reason.contains(count)), "{answer}");
    }
}
