//! Declared tables and the migrations that once made them, in one bundle: small pairs out of what Prisma, golang-migrate
//! and pg_dump leave. Each is compared with what psql makes of the statements that count.

use crate::support::catalog::{assert_same, in_words};
use crate::support::{BundleBuilder, Platform, Sql, bundle, register};

/// A pair of a declaration and its history.
pub(crate) struct History {
    pub(crate) name: &'static str,
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// What the database has to be, by hand.
    pub(crate) psql: &'static str,
    /// A query, and the values of its first column.
    pub(crate) rows: (&'static str, &'static [&'static str]),
}

const NO_ROWS: (&str, &[&str]) = ("SELECT 1 WHERE false", &[]);

impl History {
    fn bundle(&self) -> BundleBuilder {
        self.files.iter().fold(bundle(), |bundle, (path, text)| bundle.file(path, *text))
    }

    pub(crate) async fn check(&self) {
        let platform = Platform::new();
        let by_hand = platform.database("by_hand");
        Sql::connect("postgres").await.run(&format!("CREATE DATABASE \"{by_hand}\" TEMPLATE template0")).await;
        Sql::connect(&by_hand).await.run(self.psql).await;
        let answer = platform.register(&self.bundle()).await;
        assert_eq!(answer.status, 200, "{}: {answer}", self.name);
        assert_same(self.name, &in_words(&by_hand).await, &in_words(&platform.main()).await);
        assert_eq!(platform.sql().await.column(self.rows.0).await, self.rows.1, "{}", self.name);
        let again = platform.register(&self.bundle()).await;
        assert_eq!(again.status, 200, "{} again: {again}", self.name);
        again.counts(&[("migrations_applied", 0), ("tables_created", 0)]);
        self.check_existing(&platform).await;
    }

    /// The same bundle for a database in which none of it is yet: pending migrations come first there.
    async fn check_existing(&self, platform: &Platform) {
        let first = bundle().file("functions/zz.sql", "CREATE FUNCTION zz() RETURNS int LANGUAGE sql AS 'SELECT 1'");
        let existing = Platform::new();
        existing.register(&first).await.ready();
        let answer = existing.register(&self.bundle()).await;
        assert_eq!(answer.status, 200, "{} in an existing database: {answer}", self.name);
        // A column that a migration adds stands last there.
        let in_one_order = |words: Vec<String>| {
            let mut words: Vec<_> = words.iter().map(|line| without_place(line)).collect();
            words.sort();
            words
        };
        let (new, old) = (in_words(&platform.main()).await, in_words(&existing.main()).await);
        assert_same(self.name, &in_one_order(new), &in_one_order(old));
        assert_eq!(existing.sql().await.column(self.rows.0).await, self.rows.1, "{}, existing", self.name);
    }
}

/// `column public.t 2: …` without the number.
fn without_place(line: &str) -> String {
    match line.strip_prefix("column ").and_then(|rest| rest.split_once(": ")) {
        Some((place, rest)) => format!("column {}: {rest}", place.trim_end_matches(|c: char| c.is_ascii_digit())),
        None => line.to_owned(),
    }
}

pub(crate) async fn check_all(histories: &[History]) {
    for history in histories {
        history.check().await;
    }
}

#[tokio::test]
async fn a_declared_key_satisfies_a_reference_and_no_migrations_key_comes_before_its_table() {
    check_all(&[
        History {
            name: "a reference to itself",
            files: &[
                ("tables/r.sql", "create table r(id int primary key, p int references r(id));"),
                ("migrations/1.sql", "create table r(id int, p int); alter table r add primary key (id);"),
            ],
            psql: "create table r(id int primary key, p int references r(id))",
            rows: NO_ROWS,
        },
        History {
            name: "a reference without columns, and the key in an ALTER of its own",
            files: &[
                ("tables/a.sql", "create table a(id int primary key, r int references r);"),
                ("tables/r.sql", "create table r(id int not null); alter table r add constraint r_id primary key (id);"),
                (
                    "migrations/1.sql",
                    "create table r(id int not null); create table a(id int primary key, r int);
                     insert into r values (1); alter table r add constraint r_id primary key (id);
                     insert into a values (1, 1); alter table a add foreign key (r) references r;",
                ),
            ],
            psql: "create table r(id int constraint r_id primary key); create table a(id int primary key, r int references r)",
            rows: ("select r from a", &["1"]),
        },
        History {
            name: "a unique index on the referenced table",
            files: &[
                (
                    "tables/r.sql",
                    "create table r(id int primary key, e text); create unique index r_e on r (e);",
                ),
                ("tables/c.sql", "create table c(e text references r(e));"),
                (
                    "migrations/1.sql",
                    "create table r(id int, e text); create table c(e text); alter table r add primary key (id);
                     create unique index r_e on r (e); insert into r values (1, 'x'); insert into c values ('x');
                     alter table c add foreign key (e) references r (e);",
                ),
            ],
            psql: "create table r(id int primary key, e text); create unique index r_e on r (e);
                   create table c(e text references r(e))",
            rows: ("select e from c", &["x"]),
        },
        History {
            name: "a unique constraint, added with the primary key and what only the migration says",
            files: &[
                ("tables/r.sql", "create table r(id int primary key, e text unique);"),
                ("tables/c.sql", "create table c(e text references r(e));"),
                (
                    "migrations/1.sql",
                    "create table r(id int, e text);
                     alter table r add primary key (id), add unique (e), add constraint only_here check (id > 0);
                     create table c(e text references r(e));",
                ),
            ],
            psql: "create table r(id int primary key, e text unique, constraint only_here check (id > 0));
                   create table c(e text references r(e))",
            rows: NO_ROWS,
        },
        History {
            name: "a key that only the migration makes",
            files: &[
                ("tables/c.sql", "create table c(e text references r(e));"),
                ("tables/r.sql", "create table r(id int primary key, e text);"),
                (
                    "migrations/1.sql",
                    "create table r(id int primary key, e text); create table c(e text);
                     insert into r values (1, 'x'); insert into c values ('x'); create unique index r_e on r (e);
                     alter table c add foreign key (e) references r (e);",
                ),
            ],
            psql: "create table r(id int primary key, e text); create unique index r_e on r (e);
                   create table c(e text references r(e))",
            rows: ("select e from c", &["x"]),
        },
    ])
    .await;
}

#[tokio::test]
async fn what_a_declared_table_needs_of_a_migration_that_makes_the_table_too_comes_first() {
    if crate::support::calls_what_is_planted() {
        return;
    }
    check_all(&[
        History {
            name: "a schema",
            files: &[
                ("tables/a.sql", "create table s.a(id int primary key);"),
                ("migrations/0.sql", "create schema s; create table s.a(id int primary key); insert into s.a values (1);"),
            ],
            psql: "create schema s; create table s.a(id int primary key)",
            rows: ("select id from s.a", &["1"]),
        },
        History {
            name: "a schema that a later migration makes, and a table that moves there is made before",
            files: &[
                ("tables/a.sql", "create table a(id int primary key);"),
                ("tables/b.sql", "create table s.b(id int references a);"),
                (
                    "migrations/1.sql",
                    "create table a(id int primary key); insert into a values (7); create view old as select * from a;",
                ),
                ("migrations/2.sql", "create schema s; create table s.b(id int references a); insert into s.b select id from old;"),
            ],
            psql: "create schema s; create table a(id int primary key); create table s.b(id int references a);
                   create view old as select * from a",
            rows: ("select id from s.b", &["7"]),
        },
        History {
            name: "a sequence, a type and a function",
            files: &[
                (
                    "tables/a.sql",
                    "create table a(id int default nextval('ids'), k kind not null default 'x', n int default next());",
                ),
                (
                    "migrations/0.sql",
                    "create table a(id int); insert into a default values; create sequence ids start 5;
                     create type kind as enum ('x', 'y'); create function next() returns int language sql as 'select 9';
                     alter table a alter id set default nextval('ids'), add k kind not null default 'x';
                     alter table a add n int default next(); insert into a default values;",
                ),
            ],
            psql: "create sequence ids start 5; create type kind as enum ('x', 'y');
                   create function next() returns int language sql as 'select 9';
                   create table a(id int default nextval('ids'), k kind not null default 'x', n int default next())",
            rows: ("select k from a order by id limit 1", &["x"]),
        },
        History {
            name: "a type that is made anew under its name, as Prisma does it",
            files: &[
                ("tables/a.sql", "create table a(id int, k kind);"),
                ("migrations/1.sql", "create type kind as enum ('x', 'y'); create table a(id int, k kind); insert into a values (1, 'x');"),
                (
                    "migrations/2.sql",
                    "create type kind_new as enum ('x', 'z'); alter table a alter column k type kind_new using (k::text::kind_new);
                     alter type kind rename to kind_old; alter type kind_new rename to kind; drop type kind_old;",
                ),
            ],
            psql: "create type kind as enum ('x', 'z'); create table a(id int, k kind)",
            rows: ("select k from a", &["x"]),
        },
        History {
            name: "a declared domain that is made anew under its name",
            files: &[
                ("types/d.sql", "create domain d as text;"),
                ("tables/a.sql", "create table a(id int, k d);"),
                (
                    "migrations/1.sql",
                    "create domain d as varchar(10); create table a(id int, k d); insert into a values (1, 'x');",
                ),
                (
                    "migrations/2.sql",
                    "alter domain d rename to d_old; create domain d as text; alter table a alter column k type d;
                     drop domain d_old;",
                ),
            ],
            psql: "create domain d as text; create table a(id int, k d)",
            rows: ("select k from a", &["x"]),
        },
        History {
            name: "a domain over a type, and a table that is not declared",
            files: &[
                ("tables/a.sql", "create table a(id int primary key, d positive, u int references u(id));"),
                (
                    "migrations/1.sql",
                    "create table a(id int primary key); insert into a values (1);
                     create domain positive as int check (value > 0); create table u(id int); insert into u values (3);
                     alter table u add primary key (id); alter table a add d positive, add u int references u;
                     update a set u = 3, d = 4;",
                ),
            ],
            psql: "create domain positive as int check (value > 0); create table u(id int primary key);
                   create table a(id int primary key, d positive, u int references u)",
            rows: ("select u + d from a", &["7"]),
        },
    ])
    .await;
}

#[tokio::test]
async fn an_extension_of_a_migration_is_there_before_the_declared_table() {
    let available = "SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'";
    if Sql::connect("postgres").await.value(available).await == "0" {
        return;
    }
    check_all(&[History {
        name: "an extension",
        files: &[
            ("tables/a.sql", "create table a(id int, e ext.citext);"),
            (
                "migrations/1.sql",
                "create table a(id int); insert into a values (1); create schema ext;
                 create extension citext with schema ext; alter table a add e ext.citext;",
            ),
        ],
        psql: "create schema ext; create extension citext with schema ext; create table a(id int, e ext.citext)",
        rows: ("select id from a", &["1"]),
    }])
    .await;
}

#[tokio::test]
async fn swapped_and_renamed_tables_end_as_declared_with_their_rows() {
    check_all(&[
        History {
            name: "renamed away and dropped",
            files: &[
                ("tables/x.sql", "create table x(id int primary key);"),
                ("migrations/1.sql", "create table x(id int primary key); insert into x values (1);"),
                (
                    "migrations/2.sql",
                    "create table new_x(like x including all); insert into new_x select * from x;
                     alter table x rename to old_x; alter table new_x rename to x; drop table old_x;",
                ),
            ],
            psql: "create table x(id int primary key)",
            rows: ("select id from x", &["1"]),
        },
        History {
            name: "dropped before the rename",
            files: &[
                ("tables/x.sql", "create table x(id int);"),
                ("migrations/1.sql", "create table x(id int); insert into x values (1);"),
                (
                    "migrations/2.sql",
                    "create table new_x as select * from x; drop table x; alter table new_x rename to x;
                     insert into x values (2);",
                ),
            ],
            psql: "create table x(id int)",
            rows: ("select id from x order by 1", &["1", "2"]),
        },
        History {
            name: "rows under a former name, and a former column",
            files: &[
                (
                    "tables/b.sql",
                    "create table b(id int generated by default as identity, title text, n int default 4);",
                ),
                (
                    "migrations/1.sql",
                    "create table a(id int generated by default as identity, name text);
                     insert into a (name) values ('one'), ('two'); update a set name = upper(a.name) where a.id = 2;",
                ),
                (
                    "migrations/2.sql",
                    "alter table a rename to b; alter table b rename name to title; alter table b add n int default 4;",
                ),
            ],
            psql: "create table b(id int generated by default as identity, title text, n int default 4)",
            rows: ("select id || title || n from b order by id", &["1one4", "2TWO4"]),
        },
    ])
    .await;
}

/// In a new database a table has its last columns from the beginning, and in the declaration's order.
#[tokio::test]
async fn rows_go_into_the_columns_that_they_were_written_for() {
    const TABLE: (&str, &str) = ("tables/t.sql", "create table t(id int primary key, code text, name text);");
    const BY_HAND: &str = "create table t(id int primary key, code text, name text)";
    const ROWS: &str = "select concat_ws(' ', id, coalesce(code, '-'), coalesce(name, '-')) from t order by id";
    check_all(&[
        History {
            name: "a column added in the middle",
            files: &[
                TABLE,
                (
                    "migrations/1.sql",
                    "create table t(id int primary key, name text); insert into t values (1, 'Ann'); insert into t select 2, 'Bob';
                     insert into t values (3);",
                ),
                ("migrations/2.sql", "alter table t add column code text; insert into t values (4, 'Cid', 'c');"),
            ],
            psql: BY_HAND,
            rows: (ROWS, &["1 - Ann", "2 - Bob", "3 - -", "4 c Cid"]),
        },
        History {
            name: "the same under a former name",
            files: &[
                TABLE,
                ("migrations/1.sql", "create table u(id int primary key, name text); insert into u values (1, 'Ann');"),
                (
                    "migrations/2.sql",
                    "alter table u add column code text; insert into u values (2, 'Bob', 'b'); alter table u rename to t;
                     alter index u_pkey rename to t_pkey; insert into t values (3, 'Cid', 'c');",
                ),
            ],
            psql: BY_HAND,
            rows: (ROWS, &["1 - Ann", "2 b Bob", "3 c Cid"]),
        },
        History {
            name: "columns that are renamed and dropped later on",
            files: &[
                TABLE,
                (
                    "migrations/1.sql",
                    "create table t(id int primary key, age int, full_name text, code text);
                     insert into t values (1, 7, 'Ann', 'a'), (2, default, 'Bob', 'b'); insert into t (full_name, id) values ('Cid', 3);
                     insert into t (age, id, code) select 9, 4, 'd';",
                ),
                ("migrations/2.sql", "alter table t rename full_name to name; alter table t drop column age;"),
            ],
            psql: BY_HAND,
            rows: (ROWS, &["1 a Ann", "2 b Bob", "3 - Cid", "4 d -"]),
        },
    ])
    .await;
}

/// A row was put into a table before the declaration asked more of it: it comes out as psql leaves it.
#[tokio::test]
async fn rows_from_before_a_table_became_stricter_go_in() {
    const USERS: &str = "create table users(id int primary key, name text); insert into users (id, name) values (1, 'ann'), (2, 'bob');";
    check_all(&[
        History {
            name: "numbers of a sequence that only a default draws from",
            files: &[
                (
                    "tables/t.sql",
                    "create sequence t_no; create table t (id int default nextval('t_no') not null, k int not null);",
                ),
                (
                    "migrations/1.sql",
                    "create sequence t_no; create table t (id int default nextval('t_no') not null);
                     insert into t default values; alter table t add column k int; update t set k = 5;
                     alter table t alter column k set not null;",
                ),
            ],
            psql: "create sequence t_no; create table t (id int default nextval('t_no') not null, k int not null);",
            rows: ("SELECT id || ' ' || k FROM t", &["1 5"]),
        },
        History {
            name: "NOT NULL behind a column and its values",
            files: &[
                ("tables/users.sql", "create table users(id int primary key, name text, role text not null);"),
                ("migrations/1.sql", USERS),
                (
                    "migrations/2.sql",
                    "alter table users add column role text; update users set role = 'admin';
                     alter table users alter column role set not null; insert into users values (3, 'cid', 'user');",
                ),
            ],
            psql: "create table users(id int primary key, name text, role text not null)",
            rows: ("select name || role from users order by id", &["annadmin", "bobadmin", "ciduser"]),
        },
        History {
            name: "a default that only the rows of then get, and nobody sees it",
            files: &[
                (
                    "tables/users.sql",
                    "create table users(id int primary key, full_name text, role text not null, note text, at text);
                     create function seen() returns trigger language plpgsql as 'begin new.at = ''seen''; return new; end';
                     create trigger seen before update on users for each row execute function seen();",
                ),
                ("migrations/1.sql", "create table people(id int primary key, name text); insert into people values (1, 'ann');"),
                (
                    "migrations/2.sql",
                    "alter table people add column kind text not null default 'a' || 'b', add note text default 'old';
                     alter table people alter column kind drop default; alter table people alter column note drop default;",
                ),
                (
                    "migrations/3.sql",
                    "insert into people (id, name, kind) values (2, 'bob', 'c'); alter table people rename kind to role;
                     alter table people rename to users; alter table users rename name to full_name;
                     alter index people_pkey rename to users_pkey;",
                ),
            ],
            psql: "create table users(id int primary key, full_name text, role text not null, note text, at text);
                   create function seen() returns trigger language plpgsql as 'begin new.at = ''seen''; return new; end';
                   create trigger seen before update on users for each row execute function seen();",
            rows: (
                "select concat_ws(' ', full_name, role, coalesce(note, '-'), coalesce(at, '-')) from users order by id",
                &["ann ab old -", "bob c - -"],
            ),
        },
        History {
            name: "a default that went",
            files: &[
                ("tables/users.sql", "create table users(id serial primary key, name text, role text not null, n int not null);"),
                (
                    "migrations/1.sql",
                    "create table people(id serial primary key, name text, kind text not null default lower('A'));
                     insert into people (name) values ('ann'), ('bob');",
                ),
                (
                    "migrations/2.sql",
                    "alter table people add column n int not null default 7; insert into people values (3, 'cid', default);
                     alter table people alter kind set default 'b'; insert into people (id, name, n) values (4, 'dan', 8);
                     alter table people alter kind drop default; alter table people alter n drop default;
                     alter table people rename kind to role; alter table people rename to users;
                     alter index people_pkey rename to users_pkey; alter sequence people_id_seq rename to users_id_seq;",
                ),
            ],
            psql: "create table users(id serial primary key, name text, role text not null, n int not null)",
            rows: ("select id || name || role || n from users order by id", &["1anna7", "2boba7", "3cida7", "4danb8"]),
        },
        History {
            name: "a key to a table under its former name",
            files: &[
                ("tables/users.sql", "create table users(id int primary key);"),
                (
                    "migrations/1.sql",
                    "create table people(id int primary key); create table pets(of int references people);
                     create table toys(of int); alter table toys add constraint toys_of foreign key (of) references people;
                     create view people_of_pets as select people.id from people join pets on pets.of = people.id;",
                ),
                (
                    "migrations/2.sql",
                    "drop table toys; alter table people rename to users; alter index people_pkey rename to users_pkey;",
                ),
            ],
            psql: "create table users(id int primary key); create table pets(of int constraint pets_of_fkey references users);
                   create view people_of_pets as select users.id from users join pets on pets.of = users.id;",
            rows: NO_ROWS,
        },
        History {
            name: "a key to rows that come later",
            files: &[
                (
                    "tables/users.sql",
                    "create table users(id int primary key, name text, org int default 1 constraint of_org references org);
                     comment on constraint of_org on users is 'its org';",
                ),
                ("tables/org.sql", "create table org(id int primary key);"),
                ("migrations/1.sql", USERS),
                (
                    "migrations/2.sql",
                    "create table org(id int primary key); insert into org values (1);
                     alter table users add column org int default 1 constraint of_org references org;
                     comment on constraint of_org on users is 'its org';",
                ),
            ],
            psql: "create table org(id int primary key);
                   create table users(id int primary key, name text, org int default 1 constraint of_org references org);
                   comment on constraint of_org on users is 'its org';",
            rows: ("select name || org from users order by id", &["ann1", "bob1"]),
        },
        History {
            name: "CHECK, UNIQUE and a unique index, also of partitions",
            files: &[
                (
                    "tables/t.sql",
                    "create table t(id int, x int, e text, f text, constraint small check (x < 10), constraint t_e unique (e, id)) partition by list (id);
                     create table t1 partition of t for values in (1);
                     create table u(x int constraint u_x unique deferrable, y text); create unique index u_y on u (lower(y));",
                ),
                (
                    "migrations/1.sql",
                    "create table t(id int, x int, e text, f text) partition by list (id); create table t1 partition of t for values in (1);
                     insert into t values (1, 100, 'a', 'f'), (1, 5, 'a', 'f'); create table u(x int, y text); insert into u values (1, 'A'), (1, 'a');",
                ),
                (
                    "migrations/2.sql",
                    "update t set x = 9, e = 'b' where x > 10; alter table t add constraint small check (x < 10);
                     alter table t add constraint t_e unique (e, id); delete from u where y = 'A';
                     alter table u add constraint u_x unique (x) deferrable; create unique index u_y on u (lower(y));
                     insert into u values (2, 'A') on conflict (lower(y)) do nothing;",
                ),
            ],
            psql: "create table t(id int, x int, e text, f text, constraint small check (x < 10), constraint t_e unique (e, id)) partition by list (id);
                   create table t1 partition of t for values in (1);
                   create table u(x int constraint u_x unique deferrable, y text); create unique index u_y on u (lower(y));",
            rows: ("select x || e from t union all select x || y from u order by 1", &["1a", "5a", "9b"]),
        },
    ])
    .await;
}

/// The declaration holds in the end, and the statement whose rows do not keep to it is told of.
#[tokio::test]
async fn rows_that_never_keep_to_the_declaration_are_refused_with_their_own_place() {
    let platform = Platform::new();
    for (number, (rule, row, code)) in [
        ("x int not null", "(1, null)", "23502"),
        ("x int check (x < 10)", "(1, 10)", "23514"),
        ("x int unique", "(1, 5), (2, 5)", "23505"),
        ("x int references o", "(1, 7)", "23503"),
    ]
    .into_iter()
    .enumerate()
    {
        let bundle = bundle()
            .file("tables/o.sql", "create table o(id int primary key);")
            .file("tables/t.sql", format!("create table t(id int primary key, {rule});"))
            .file(
                "migrations/1.sql",
                format!("create table t(id int primary key, x int);\ninsert into t values {row};"),
            )
            .file("migrations/2.sql", "alter table t add column y int; alter table t drop column y;");
        let answer = register(platform.name(), Some(&format!("t{number}")), &bundle).await;
        answer.refused(409, "migration_failed").sqlstate(code).at("migrations/1.sql", 2);
    }
}

/// Only what the declaration does not have any more is passed over.
#[tokio::test]
async fn a_statement_about_rows_that_simply_fails_is_refused_in_new_databases_too() {
    if crate::support::calls_what_is_planted() {
        return;
    }
    let platform = Platform::new();
    for (number, (statement, code)) in [
        ("insert into t values (1, now() at time zone 'Asia/Nowhere');", "22023"),
        ("insert into t (id, x) values (1, current_setting('app.missing'));", "42704"),
        ("insert into t (id) select g from generate_series(1, 10, 0) g;", "22023"),
        ("update t set x = nextval('missing_seq');", "42P01"),
        ("delete from t where x = pg_typeof('missing'::regtype)::text;", "42704"),
    ]
    .into_iter()
    .enumerate()
    {
        let bundle = bundle().file("tables/t.sql", "create table t(id int primary key, at timestamp, x text);").file(
            "migrations/1.sql",
            format!("create table t(id int primary key, at timestamp, x text);\n{statement}"),
        );
        let answer = register(platform.name(), Some(&format!("t{number}")), &bundle).await;
        answer.refused(409, "migration_failed").sqlstate(code).at("migrations/1.sql", 2);
    }
}

/// "Exists already" is then said of what the code makes for itself, and what it raises is its author's word.
#[tokio::test]
async fn rows_whose_triggers_or_functions_fail_are_refused_in_new_databases_whatever_the_code() {
    if crate::support::calls_what_is_planted() {
        return;
    }
    let raising = |condition: &str| {
        format!(
            "create function f(a int) returns text language plpgsql as $$ begin raise {condition} using message = 'no'; end $$;"
        )
    };
    let makes_a_table = "create function f() returns trigger language plpgsql as $$ begin create temp table made(); return new; end $$; \
         create trigger f before insert on t for each row execute function f(); insert into t values (2);";
    let platform = Platform::new();
    for (number, (made, statement, code)) in [
        (makes_a_table.to_owned(), "insert into t values (3);", "42P07"),
        (raising("duplicate_table"), "insert into t select 2, f(1);", "42P07"),
        (
            raising("duplicate_object"),
            "merge into t using (values (1)) v(i) on t.id = i when matched then update set x = f(1);",
            "42710",
        ),
        (raising("undefined_column"), "update t set x = f(id);", "42703"),
        (raising("undefined_table"), "delete from t where x is distinct from f(id);", "42P01"),
        (raising("duplicate_function"), "select f(id) from t;", "42723"),
    ]
    .into_iter()
    .enumerate()
    {
        let bundle = bundle()
            .file("tables/t.sql", "create table t(id int primary key, x text);")
            .file("migrations/1.sql", format!("insert into t values (1);\n{made}\n{statement}"));
        let answer = register(platform.name(), Some(&format!("t{number}")), &bundle).await;
        answer.refused(409, "migration_failed").sqlstate(code).at("migrations/1.sql", 3);
    }
}

/// PostgreSQL's own words, too, are about what the code names, wherever it runs, and not about what the statement does.
#[tokio::test]
async fn rows_whose_code_names_what_is_not_there_are_refused_in_new_databases() {
    if crate::support::calls_what_is_planted() {
        return;
    }
    let trigger = |body: &str| {
        format!(
            "create function f() returns trigger language plpgsql as $$ begin {body} return new; end $$; \
             create trigger f before insert or update on t for each row execute function f();"
        )
    };
    let function = |language: &str, body: &str| {
        format!("create function f(a text) returns text language {language} as $$ {body} $$;")
    };
    let insert = "insert into t values (2, 'b');";
    let update = "update t set x = f(x);";
    let platform = Platform::new();
    for (number, (made, statement, code)) in [
        (trigger("new.x := (select gone from t limit 1);"), insert, "42703"),
        (trigger("new.gone := 1;"), insert, "42703"),
        (trigger("perform from gone;"), insert, "42P01"),
        (trigger("perform null::gone;"), insert, "42704"),
        (trigger("execute 'select gone from t';"), insert, "42703"),
        (trigger("raise 'no' using errcode = '42703', table = 't', column = 'x';"), insert, "42703"),
        (
            "create trigger f before insert on t for each row execute function tsvector_update_trigger(gone, 'pg_catalog.english', x);"
                .to_owned(),
            insert,
            "42703",
        ),
        (function("sql", "select gone from t limit 1"), update, "42703"),
        (function("sql", "select x from gone"), update, "42P01"),
        (function("sql", "select null::gone::text"), update, "42704"),
        (function("plpgsql", "begin return (select gone from t limit 1); end"), "merge into t using (values (1)) v(i) on t.id = i when matched then update set x = f(x);", "42703"),
        (function("sql", "select pg_get_serial_sequence('t', a)"), update, "42703"),
        (String::new(), "update t set x = query_to_xml('select gone from t', true, true, '')::text;", "42703"),
        (String::new(), "update t set x = pg_get_serial_sequence('t', x);", "42703"),
        (
            "create function ok(text) returns bool language plpgsql as $$ begin return exists (select gone from t); end $$; \
             create domain d as text check (ok(value)); create type of_d as (d d);"
                .to_owned(),
            "update t set x = (('(b)'::of_d).d);",
            "42703",
        ),
        (
            "create domain d as text check (pg_get_serial_sequence('t', value) is null); create type of_d as (d d);".to_owned(),
            "update t set x = (('(b)'::of_d).d);",
            "42703",
        ),
        (
            "create procedure p() language plpgsql as $$ begin insert into t (id, gone) values (2, 'b'); end $$;".to_owned(),
            "call p();",
            "42703",
        ),
        (String::new(), "do $$ begin insert into t (id, gone) values (2, 'b'); end $$;", "42703"),
        (
            function("plpgsql", "begin return (select gone from t limit 1); end"),
            "create table copied as select f(x) from t;",
            "42703",
        ),
        (trigger("perform from gone;"), "prepare i as insert into t values (2, 'b'); execute i;", "42P01"),
    ]
    .into_iter()
    .enumerate()
    {
        let bundle = bundle()
            .file("tables/t.sql", "create table t(id int primary key, x text);")
            .file("migrations/1.sql", format!("insert into t values (1, 'a');\n{made}\n{statement}"));
        let answer = register(platform.name(), Some(&format!("t{number}")), &bundle).await;
        answer.refused(409, "migration_failed").sqlstate(code).at("migrations/1.sql", 3);
    }
}

#[tokio::test]
async fn a_value_that_a_declared_enum_no_longer_has_is_asked_for_in_vain() {
    let platform = Platform::new();
    let bundle =
        bundle().file("types/e.sql", "create type e as enum ('a');").file("tables/t.sql", "create table t(x e);").file(
            "migrations/1.sql",
            "insert into t values ('a');\ndelete from t where x = 'b';\nupdate t set x = 'a' where x = 'b';",
        );
    let answer = platform.register(&bundle).await;
    answer.ready();
    assert_eq!(answer.skipped_statements(), [("1.sql", 2), ("1.sql", 3)], "{answer}");
    assert_eq!(platform.sql().await.column("select x from t").await, ["a"]);
    // A row with a value that no migration takes away is a mistake.
    let wrong = Platform::new();
    let answer = wrong.register(&bundle.file("migrations/2.sql", "insert into t values ('c');")).await;
    answer.refused(409, "migration_failed").at("migrations/2.sql", 1).sqlstate("22P02");
}

/// What a migration makes of the values is not run where the column has its last type from the beginning.
#[tokio::test]
async fn rows_of_a_type_that_a_later_migration_changes_are_left_out_and_told() {
    /// What · the declared type · the migrations · the lines of the first that are left out · rows of a new and of an older database.
    type Case = (
        &'static str,
        &'static str,
        &'static [&'static str],
        &'static [u64],
        &'static [&'static str],
        &'static [&'static str],
    );
    let cases: &[Case] = &[
        (
            "USING",
            "int",
            &[
                "create table t(id int primary key, n text);\ninsert into t values (1, 'x');\ninsert into t values (2, '20');",
                "alter table t alter n type int using case n when 'x' then 10 else n::int end",
            ],
            &[2],
            &["2 20"],
            &["1 10", "2 20"],
        ),
        (
            "an update and a delete before it",
            "int",
            &[
                "create table t(id int primary key, n text);\ninsert into t values (1, 'x'), (2, 'y');
update t set n = upper(n) where n like 'x%';\ndelete from t where n = 'y';\nupdate t set n = '7' where n = 'X';",
                "alter table t alter column n type int using n::int",
            ],
            &[2, 3, 4, 5],
            &[],
            &["1 7"],
        ),
        (
            "a shorter text",
            "varchar(3)",
            &[
                "create table t(id int primary key);\nalter table t add n varchar(9);\ninsert into t values (1, 'abcdef');",
                "alter table t alter n type varchar(3) using left(n, 3)",
            ],
            &[3],
            &[],
            &["1 abc"],
        ),
        (
            "another type by way of another column",
            "date",
            &[
                "create table t(id int primary key, n text);\ninsert into t (n, id) values ('soon', 1);",
                "alter table t add m date; update t set m = '2020-01-01'; alter table t drop n; alter table t rename m to n",
            ],
            &[2],
            &[],
            &["1 2020-01-01"],
        ),
    ];
    let rows = "select concat_ws(' ', id, n) from t order by id";
    for (what, declared, migrations, skipped, new, old) in cases {
        let all = |more: &str| {
            let tables = format!("create table t(id int primary key, n {declared}{more});");
            migrations.iter().zip(1..).fold(bundle().file("tables/t.sql", tables), |bundle, (text, number)| {
                bundle.file(&format!("migrations/{number}.sql"), *text)
            })
        };
        // Where the migrations alone come to the declaration, they are what a new database is made by, with all rows.
        let alone = Platform::new();
        let answer = alone.register(&all("")).await;
        assert_eq!((answer.status, answer.skipped_statements().len()), (200, 0), "{what}: {answer}");
        assert_eq!(alone.sql().await.column(rows).await, *old, "{what}, alone");
        let more = all(", more int");
        let platform = Platform::new();
        let answer = platform.register(&more).await;
        assert_eq!(answer.status, 200, "{what}: {answer}");
        // Making the table, or the column, is left out as well.
        let lines = answer.skipped_statements().into_iter().filter(|(file, _)| *file == "1.sql").map(|(_, line)| line);
        let lines: Vec<u64> = lines.filter(|line| skipped.contains(line)).collect();
        assert_eq!(lines, *skipped, "{what}: {answer}");
        assert!(answer.to_string().contains("a later migration gives t.n another type"), "{what}: {answer}");
        assert_eq!(platform.sql().await.column(rows).await, *new, "{what}");
        let older = Platform::new();
        older.register(&bundle().file("functions/zz.sql", ZZ)).await.ready();
        let answer = older.register(&more).await;
        assert_eq!(answer.status, 200, "{what}, existing: {answer}");
        assert_eq!(older.sql().await.column(rows).await, *old, "{what}, existing");
    }
    // Of a table that no migration makes, what is written as a constant tells.
    let tables = "create table t(id int primary key, n int);";
    let only_declared = bundle().file("tables/t.sql", tables).file(
        "migrations/1.sql",
        "insert into t values (1, 'x');\nalter table t alter n type int using length(n::text);\ninsert into t values (2, 5);",
    );
    let platform = Platform::new();
    let answer = platform.register(&only_declared).await;
    assert_eq!((answer.status, answer.skipped_statements()), (200, vec![("1.sql", 1), ("1.sql", 2)]), "{answer}");
    assert_eq!(platform.sql().await.column(rows).await, ["2 5"]);
    // What does not go in with the type of then either is a mistake, and so is what no migration ever changes.
    for (text, line, sqlstate) in [
        (
            "create table t(id int primary key, n int);\ninsert into t values (1, 'x');\nalter table t alter n type bigint;",
            2,
            "22P02",
        ),
        (
            "create table t(id int primary key, n text);\ninsert into t values ('x', 'x');\nalter table t alter n type bigint using 1;",
            2,
            "22P02",
        ),
        ("create table t(id int primary key, n text);\ninsert into t values (1, 'x');", 2, "22P02"),
        (
            "create table t(id int primary key, n text);\nupdate t set n = nowhere(n);\nalter table t alter n type bigint using 1;",
            2,
            "42883",
        ),
    ] {
        let wrong = bundle()
            .file("tables/t.sql", "create table t(id int primary key, n bigint);")
            .file("migrations/1.sql", text);
        let answer = Platform::new().register(&wrong).await;
        answer.refused(409, "migration_failed").at("migrations/1.sql", line).sqlstate(sqlstate);
    }
}

const ZZ: &str = "CREATE FUNCTION zz() RETURNS int LANGUAGE sql AS 'SELECT 1'";

#[tokio::test]
async fn migrations_may_make_what_views_and_functions_declare_too() {
    check_all(&[
        History {
            name: "two indexes that do the same, each under a name of its own",
            files: &[
                ("tables/t.sql", "create table t(n int); create index one on t (n); create index two on t (n);"),
                ("migrations/1.sql", "create table t(n int); create index two on t (n);"),
            ],
            psql: "create table t(n int); create index one on t (n); create index two on t (n)",
            rows: NO_ROWS,
        },
        History {
            name: "an overload",
            files: &[
                ("functions/f.sql", "create or replace function f(text) returns int language sql as 'select 1';"),
                (
                    "migrations/1.sql",
                    "create function f(int) returns int language sql as 'select 2';
                     create table t as select f('x'::text) as n;",
                ),
            ],
            psql: "create function f(text) returns int language sql as 'select 1';
                   create function f(int) returns int language sql as 'select 2'; create table t(n int)",
            rows: ("select n from t", &["1"]),
        },
        History {
            name: "an aggregate named like its function",
            files: &[
                ("functions/f.sql", "create function plus(int, int) returns int language sql as 'select $1 + $2';"),
                ("migrations/1.sql", "create aggregate plus(int) (sfunc = plus, stype = int, initcond = 0);"),
            ],
            psql: "create function plus(int, int) returns int language sql as 'select $1 + $2';
                   create aggregate plus(int) (sfunc = plus, stype = int, initcond = 0)",
            rows: ("select plus(n) from generate_series(1, 3) as n", &["6"]),
        },
        History {
            name: "a function that a declared table needs",
            files: &[
                ("tables/t.sql", "create table t(n int default f());"),
                ("functions/f.sql", "create function f() returns int language sql as 'select 2';"),
                (
                    "migrations/1.sql",
                    "create function f() returns int language sql as 'select 1'; create table t(n int default f());
                     insert into t default values;",
                ),
            ],
            psql: "create function f() returns int language sql as 'select 2'; create table t(n int default f())",
            rows: ("select count(*) from t", &["1"]),
        },
        History {
            name: "a function that an earlier migration needs",
            files: &[
                ("functions/f.sql", "create function f() returns trigger language plpgsql as 'begin return new; end';"),
                (
                    "migrations/1.sql",
                    "create table t(n int); create trigger early before insert on t execute function f();",
                ),
                (
                    "migrations/2.sql",
                    "create function f() returns trigger language plpgsql as 'begin return null; end';
                     insert into t values (1);",
                ),
            ],
            psql:
                "create table t(n int); create function f() returns trigger language plpgsql as 'begin return new; end';
                   create trigger early before insert on t execute function f()",
            rows: ("select n from t", &["1"]),
        },
        History {
            name: "a view, and a trigger beside its function",
            files: &[
                ("views/v.sql", "create view v as select n, n + 1 as m from t;"),
                (
                    "functions/f.sql",
                    "create function f() returns trigger language plpgsql as 'begin return new; end';
                     create trigger late after insert on t for each row execute function f();",
                ),
                (
                    "migrations/1.sql",
                    "create table t(n int); create view v as select n from t;
                     create trigger late before insert on t for each row execute function f();",
                ),
            ],
            psql: "create table t(n int); create view v as select n, n + 1 as m from t;
                   create function f() returns trigger language plpgsql as 'begin return new; end';
                   create trigger late after insert on t for each row execute function f()",
            rows: NO_ROWS,
        },
        History {
            name: "a trigger in tables/ for a table of the migrations",
            files: &[
                ("tables/t.sql", "create trigger late after insert on t for each row execute function f();"),
                ("functions/f.sql", "create function f() returns trigger language plpgsql as 'begin return new; end';"),
                (
                    "migrations/1.sql",
                    "create table t(n int); create trigger late before insert on t for each row execute function f();",
                ),
            ],
            psql:
                "create table t(n int); create function f() returns trigger language plpgsql as 'begin return new; end';
                   create trigger late after insert on t for each row execute function f()",
            rows: NO_ROWS,
        },
    ])
    .await;
}

#[tokio::test]
async fn the_file_that_cannot_be_run_is_blamed_and_not_the_one_that_needs_it() {
    for (files, path, line) in [
        (
            &[
                ("tables/a.sql", "-- one\ncreate table a(id int, x nosuchtype);"),
                ("tables/b.sql", "create table b(a a);"),
                ("migrations/1.sql", "create table c(id int); insert into a values (1);"),
            ][..],
            "tables/a.sql",
            2,
        ),
        (
            &[
                ("tables/a.sql", "\ncreate table a(id int default nosuch());"),
                ("tables/b.sql", "create table b(a int, y a);"),
                ("migrations/1.sql", "create table c(id int); create index on b (a);"),
            ],
            "tables/a.sql",
            2,
        ),
        (
            &[
                ("tables/a.sql", "create table a(id int, x nosuchtype);"),
                ("migrations/1.sql", "alter table a add column y int; select * from nosuch;"),
            ],
            "migrations/1.sql",
            1,
        ),
    ] {
        let bundle = files.iter().fold(bundle(), |bundle, (path, text)| bundle.file(path, *text));
        let answer = Platform::new().register(&bundle).await;
        assert_eq!(answer.status, 409, "{answer}");
        answer.at(path, line);
    }
}

/// An enum of migrations only, and what uses its second value at once.
const TYPE: &str = "create type e as enum ('a');";
const USES: &[(&str, &str)] = &[
    ("a row", "insert into t values ('b');"),
    ("a default", "alter table t alter column x set default 'b'; insert into t values ('b');"),
    ("an index", "create index on t (x) where x = 'b'; insert into t values ('b');"),
    ("a block", "do $$ begin insert into t values ('b'); end $$;"),
    ("a text", "do $$ begin execute 'insert into t values (''b'')'; end $$;"),
    (
        "a function",
        "create function f() returns void language plpgsql as $$ begin insert into t values ('b'); end $$; select f();",
    ),
];

#[tokio::test]
async fn a_value_that_a_migration_adds_is_used_by_the_next_statement() {
    let add = "alter type e add value 'b';";
    for (what, using) in USES {
        let first = bundle().file("migrations/1.sql", format!("{TYPE} create table t(x e);"));
        let second = first.clone().file("migrations/2.sql", add).file("migrations/3.sql", *using);
        let whole = Platform::new();
        let answer = whole.register(&second).await;
        assert_eq!(answer.status, 200, "{what}: {answer}");
        assert_eq!(whole.sql().await.column("select x from t").await, ["b"], "{what}");

        let in_steps = Platform::new();
        in_steps.register(&first).await.ready();
        let answer = in_steps.register(&second).await;
        assert_eq!(answer.status, 200, "{what}, in steps: {answer}");
        assert_eq!(in_steps.sql().await.column("select x from t").await, ["b"], "{what}, in steps");
        assert_same(what, &in_words(&whole.main()).await, &in_words(&in_steps.main()).await);
    }
}

#[tokio::test]
async fn values_of_a_type_that_is_declared_renamed_or_gone_can_be_used_too() {
    let table = "create table t(x text);";
    for (what, types, first, second, values) in [
        ("declared without it", TYPE, "", "alter type e add value 'b'; insert into t select 'b'::e;", "a,b"),
        (
            "renamed",
            "",
            TYPE,
            "alter type e add value 'c' before 'a'; alter type e rename value 'a' to 'd'; alter type e rename to f;
             alter type f add value 'b' after 'd'; insert into t select 'b'::f;",
            "c,d,b",
        ),
        ("gone", "", TYPE, "alter type e add value 'b'; insert into t select 'b'::e; drop type e;", ""),
        (
            "swapped",
            "",
            TYPE,
            "alter type e rename to old; create type e as enum ('a'); alter type e add value if not exists 'b';
             insert into t select 'b'::e; drop type old;",
            "a,b",
        ),
        (
            "added by a block",
            "",
            TYPE,
            "do $$ begin alter type e add value 'b'; exception when duplicate_object then null; end $$;
             insert into t select 'b'::e;",
            "a,b",
        ),
    ] {
        let base = bundle().file("migrations/0.sql", table);
        let base = if types.is_empty() { base } else { base.file("types/e.sql", types) };
        let one = if first.is_empty() { base } else { base.file("migrations/1.sql", first) };
        let two = one.clone().file("migrations/2.sql", second);
        let (whole, in_steps) = (Platform::new(), Platform::new());
        let answer = whole.register(&two).await;
        assert_eq!(answer.status, 200, "{what}: {answer}");
        in_steps.register(&one).await.ready();
        let answer = in_steps.register(&two).await;
        assert_eq!(answer.status, 200, "{what}, in steps: {answer}");
        let labels = "select coalesce(string_agg(enumlabel, ',' order by enumsortorder), '') from pg_enum";
        for platform in [&whole, &in_steps] {
            assert_eq!(platform.sql().await.value(labels).await, values, "{what}");
            assert_eq!(platform.sql().await.column("select x from t").await, ["b"], "{what}");
        }
    }
}

#[tokio::test]
async fn an_existing_database_that_gets_type_value_and_use_at_once() {
    let platform = Platform::new();
    let first = bundle().file("migrations/1.sql", "create table t(x text);");
    platform.register(&first).await.ready();
    let second = first.file(
        "migrations/2.sql",
        "create type e as enum ('a'); alter type e add value 'b'; insert into t select 'b'::e;
         create type d as enum ('a'); insert into t select 'a'::d; drop type d;",
    );
    platform.register(&second).await.ready();
    assert_eq!(platform.sql().await.column("select x from t order by x").await, ["a", "b"]);
}

/// A new database commits in between; one that exists does not.
#[tokio::test]
async fn an_existing_database_that_gets_a_type_and_values_that_no_text_tells_of_at_once() {
    let use_them =
        "insert into t select unnest('{a,b,c,d}'::e[]); create table u(x e default 'd', y e[] default '{b,d}');
                    insert into u default values;";
    for (added, left) in [
        ("do $$ begin alter type e add value 'b' before 'c'; alter type e add value 'd'; end $$;", "2"),
        (
            "do $$ begin alter type e add value if not exists 'b' before 'c'; alter type e add value if not exists 'd'; end $$;",
            "0",
        ),
        (
            "do $$ begin alter type e add value 'b' before 'c'; end $$; insert into t select 'b'::e;
             do $$ begin execute 'alter type e add value ''d'''; end $$; delete from t;",
            "2",
        ),
    ] {
        let first = bundle().file("migrations/1.sql", "create table t(x text);");
        let second =
            first.clone().file("migrations/2.sql", format!("create type e as enum ('a', 'c'); {added} {use_them}"));
        let (existing, new) = (Platform::new(), Platform::new());
        existing.register(&first).await.ready();
        for platform in [&existing, &new] {
            let answer = platform.register(&second).await;
            assert_eq!(answer.status, 200, "{added}: {answer}");
            let sql = platform.sql().await;
            let labels = "select enumlabel from pg_enum where enumlabel !~ '^_stonescript' order by enumsortorder";
            assert_eq!(sql.column(labels).await, ["a", "b", "c", "d"], "{added}");
            assert_eq!(sql.value("select x || y::text from u").await, "d{b,d}", "{added}");
            let again = platform.register(&second).await;
            again.ready().counts(&[("migrations_applied", 0)]);
        }
        let spare = "select count(*) from pg_enum where enumlabel ~ '^_stonescript'";
        assert_eq!(existing.sql().await.value(spare).await, left, "{added}");
    }
}

/// What only migrations made is passed over where databases are compared, and stays when their files go. So what they say of
/// a declared thing in their midst is told from what that came with, by somebody's default privileges say.
#[tokio::test]
async fn what_migrations_say_of_declared_things_is_told_from_what_these_came_with() {
    if crate::support::calls_what_is_planted() {
        return;
    }
    let platform = Platform::new();
    let files = bundle()
        .file(
            "migrations/1.sql",
            "CREATE TABLE log (id int);
             ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;
             ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON SEQUENCES TO PUBLIC;
             ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;",
        )
        .file("views/v.sql", "CREATE VIEW v AS SELECT * FROM log;")
        .file(
            "migrations/2.sql",
            "CREATE TABLE kept AS SELECT * FROM v; GRANT UPDATE ON v TO PUBLIC; COMMENT ON VIEW v IS 'seen';
             CREATE INDEX kept_id ON kept (id);",
        )
        .file("functions/f.sql", "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';")
        .file(
            "migrations/3.sql",
            "CREATE TRIGGER kept_changed BEFORE UPDATE ON kept FOR EACH ROW EXECUTE FUNCTION f();",
        )
        .file("functions/s.sql", "CREATE SEQUENCE s;")
        .file(
            "migrations/4.sql",
            "CREATE TABLE numbered (n int DEFAULT nextval('s')); GRANT USAGE ON SEQUENCE s TO PUBLIC;",
        )
        .file("views/w.sql", "CREATE VIEW w WITH (security_barrier) AS SELECT * FROM numbered;")
        .file("views/x.sql", "CREATE MATERIALIZED VIEW x WITH (fillfactor = 50) AS SELECT * FROM w;")
        .file("migrations/5.sql", "CREATE VIEW over_x AS SELECT * FROM x; COMMENT ON MATERIALIZED VIEW x IS 'seen';");
    platform.register(&files).await.ready();
    let made = "SELECT object FROM _stonescriptdb_gateway_declared WHERE object !~ '^default privilege' AND";
    let sql = platform.sql().await;
    assert_eq!(
        sql.column(&format!("{made} NOT by_migration ORDER BY object COLLATE \"C\"")).await,
        [
            "contents of x",
            "function f()",
            "materialized view x",
            "options of w",
            "options of x",
            "privilege EXECUTE on ROUTINE f() of PUBLIC",
            "privilege SELECT on SEQUENCE s of PUBLIC",
            "privilege SELECT on TABLE v of PUBLIC",
            "privilege SELECT on TABLE w of PUBLIC",
            "privilege SELECT on TABLE x of PUBLIC",
            "sequence s",
            "view v",
            "view w",
        ]
    );
    assert_eq!(
        sql.column(&format!("{made} by_migration ORDER BY object COLLATE \"C\"")).await,
        [
            "comment on MATERIALIZED VIEW x",
            "comment on VIEW v",
            "index kept_id of kept",
            "privilege SELECT on TABLE kept of PUBLIC",
            "privilege SELECT on TABLE numbered of PUBLIC",
            "privilege SELECT on TABLE over_x of PUBLIC",
            "privilege UPDATE on TABLE v of PUBLIC",
            "privilege USAGE on SEQUENCE s of PUBLIC",
            "trigger kept_changed of kept",
            "view over_x",
        ]
    );
}

#[tokio::test]
async fn rows_of_a_declared_table_that_a_migration_drops_go_with_it() {
    check_all(&[
        History {
            name: "dropped and made again",
            files: &[
                ("tables/x.sql", "create table x(id serial primary key, v text);"),
                ("migrations/1.sql", "create table x(id serial primary key, v text); insert into x (v) values ('old');"),
                (
                    "migrations/2.sql",
                    "drop table if exists x; create table x(id serial primary key, v text);
                     insert into x (v) values ('new');",
                ),
            ],
            psql: "create table x(id serial primary key, v text)",
            rows: ("select id || v from x", &["1new"]),
        },
        History {
            name: "beside a table that only the migrations know, with a copy of the rows",
            files: &[
                ("tables/x.sql", "create table x(id int primary key, v text);"),
                (
                    "migrations/1.sql",
                    "create table x(id int, v text); create table old(n int); insert into x values (1, 'kept'), (2, 'gone');
                     create table copy as select * from x where id = 1;
                     drop table x, old; create table x(id int primary key, v text); insert into x select * from copy;
                     drop table copy;",
                ),
            ],
            psql: "create table x(id int primary key, v text)",
            rows: ("select v from x", &["kept"]),
        },
        History {
            name: "with foreign keys and a trigger that would see it",
            files: &[
                (
                    "tables/x.sql",
                    "create table x(id int primary key, v text);
                     create table y(x int constraint to_x references x on delete cascade);
                     comment on constraint to_x on y is 'a comment'; create table seen(n int);",
                ),
                (
                    "functions/f.sql",
                    "create function see() returns trigger language plpgsql as
                     'begin insert into seen values (1); return null; end';
                     create trigger see before truncate on x execute function see();",
                ),
                (
                    "migrations/1.sql",
                    "create table x(id int primary key, v text); create table y(x int references x);
                     insert into x values (1, 'old'), (2, 'old'); insert into y values (1);",
                ),
                (
                    "migrations/2.sql",
                    "drop table x cascade; create table x(id int primary key, v text); insert into x values (1, 'new');
                     alter table y add constraint to_x foreign key (x) references x on delete cascade;",
                ),
            ],
            psql: "create table x(id int primary key, v text);
                   create table y(x int constraint to_x references x on delete cascade);
                   comment on constraint to_x on y is 'a comment'; create table seen(n int);
                   create function see() returns trigger language plpgsql as
                   'begin insert into seen values (1); return null; end';
                   create trigger see before truncate on x execute function see()",
            rows: ("select v || (select x from y) || (select count(*) from seen) from x", &["new10"]),
        },
        History {
            name: "in a schema that goes whole",
            files: &[
                ("tables/x.sql", "create schema s; create table s.x(id int primary key);"),
                ("migrations/1.sql", "create schema s; create table s.x(id int); insert into s.x values (1);"),
                (
                    "migrations/2.sql",
                    "drop schema if exists s cascade; create schema s; create table s.x(id int primary key);
                     insert into s.x values (2);",
                ),
            ],
            psql: "create schema s; create table s.x(id int primary key)",
            rows: ("select id from s.x", &["2"]),
        },
        History {
            name: "renamed, and made anew under its old name",
            files: &[
                (
                    "tables/x.sql",
                    "create table x(id serial primary key, v text); create table seen(n int);
                     create table old_x(id serial primary key, w text);",
                ),
                (
                    "functions/f.sql",
                    "create function see() returns trigger language plpgsql as
                     'begin insert into seen values (1); return new; end';
                     create trigger see before insert on old_x for each row execute function see();",
                ),
                ("migrations/1.sql", "create table x(id serial primary key, v text); insert into x (v) values ('a'), ('b');"),
                (
                    "migrations/2.sql",
                    "alter table x rename to old_x; alter table old_x rename v to w;
                     create table x(id serial primary key, v text); insert into x (v) values ('new');",
                ),
            ],
            psql: "create table x(id serial primary key, v text); create table seen(n int);
                   create table old_x(id serial primary key, w text);
                   create function see() returns trigger language plpgsql as
                   'begin insert into seen values (1); return new; end';
                   create trigger see before insert on old_x for each row execute function see()",
            rows: (
                "select (select string_agg(id || w, ',' order by id) from old_x) || ' ' || (select id || v from x) || ' '
                        || (select count(*) from seen) || ' ' || nextval('x_id_seq') || nextval('old_x_id_seq')",
                &["1a,2b 1new 0 23"],
            ),
        },
        History {
            name: "rows that the declaration itself puts there stay",
            files: &[
                ("tables/x.sql", "create table x(id int primary key); insert into x values (1);"),
                ("migrations/1.sql", "drop table if exists x; create table x(id int primary key);"),
            ],
            psql: "create table x(id int primary key)",
            rows: ("select id from x", &["1"]),
        },
        History {
            name: "a table that another one takes the place of has its rows still",
            files: &[
                ("tables/x.sql", "create table x(id int primary key);"),
                ("migrations/1.sql", "create table x(id int); insert into x values (1);"),
                (
                    "migrations/2.sql",
                    "create table new_x(id int constraint x_pkey primary key); insert into new_x select * from x; drop table x;
                     alter table new_x rename to x;",
                ),
            ],
            psql: "create table x(id int primary key)",
            rows: ("select id from x", &["1"]),
        },
    ])
    .await;
}
