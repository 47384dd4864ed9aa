//! `/register` of a database that exists: what is new is added in one transaction, what is unchanged is left alone.

use serde_json::json;

use crate::support::catalog::{assert_same, identity, in_words};
use crate::support::check::check_again_changes_nothing;
use crate::support::{BundleBuilder, Platform, Sql, bundle, post_json, register};

fn version_1() -> BundleBuilder {
    bundle()
        .file("types/state.sql", "CREATE TYPE state AS ENUM ('open', 'done');")
        .file("tables/users.sql", "CREATE TABLE users (id int PRIMARY KEY, name text);")
        .file(
            "tables/tasks.sql",
            "CREATE TABLE tasks (id int PRIMARY KEY, user_id int
             REFERENCES users, state state NOT NULL DEFAULT 'open');",
        )
        .file("migrations/001.sql", "CREATE INDEX IF NOT EXISTS tasks_by_user ON tasks (user_id);")
        .file("views/open_tasks.sql", "CREATE VIEW open_tasks AS SELECT * FROM tasks WHERE state = 'open';")
        .file(
            "functions/count_tasks.sql",
            "CREATE FUNCTION count_tasks() RETURNS bigint LANGUAGE sql
             AS 'SELECT count(*) FROM tasks';",
        )
        .file(
            "functions/greeting.sql",
            "CREATE FUNCTION greeting(p_name text) RETURNS text LANGUAGE sql AS $$
             SELECT 'Hello ' || p_name $$;",
        )
        .file("functions/old_name.sql", "CREATE FUNCTION old_name() RETURNS int LANGUAGE sql AS 'SELECT 1';")
}

fn version_2() -> BundleBuilder {
    version_1()
        .file(
            "tables/comments.sql",
            "CREATE TABLE comments (id int PRIMARY KEY, task_id int NOT NULL
             REFERENCES tasks, body text DEFAULT greeting('all'));",
        )
        .file("migrations/002.sql", "INSERT INTO users VALUES (100, 'from the migration');")
        .file(
            "functions/greeting.sql",
            "CREATE FUNCTION greeting(p_name text) RETURNS text LANGUAGE sql AS $$
             SELECT 'Good day ' || p_name $$;",
        )
        .file(
            "functions/comments_of.sql",
            "CREATE FUNCTION comments_of(p_task int) RETURNS SETOF comments
             LANGUAGE sql AS 'SELECT * FROM comments WHERE task_id = p_task';",
        )
}

/// The lines of [`identity`] that begin so.
async fn identity_of(database: &str, prefix: &str) -> Vec<String> {
    let lines = identity(database).await;
    let of: Vec<_> = lines.into_iter().filter(|line| line.starts_with(prefix)).collect();
    assert!(!of.is_empty(), "no {prefix} in {database}");
    of
}

async fn deployed_version_1() -> (Platform, Sql) {
    let platform = Platform::new();
    platform.register(&version_1()).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO users VALUES (1, 'Ada'); INSERT INTO tasks VALUES (7, 1)").await;
    (platform, sql)
}

#[tokio::test]
async fn a_new_table_a_new_function_a_changed_body_and_a_migration_come_in_one_transaction() {
    let (platform, sql) = deployed_version_1().await;
    let untouched = identity_of(&platform.main(), "routine public.count_tasks").await;
    let table = identity_of(&platform.main(), "relation tasks").await;
    let answer = platform.register(&version_2()).await;
    answer.ready().counts(&[
        ("migrations_applied", 1),
        ("tables_created", 1),
        ("functions_deployed", 2),
        ("functions_unchanged", 2),
        ("types_deployed", 0),
    ]);
    assert_eq!(platform.value_of("greeting", json!(["Ada"])).await, json!("Good day Ada"));
    assert_eq!(sql.value("SELECT name FROM users WHERE id = 100").await, "from the migration");
    assert_eq!(sql.value("SELECT count(*) FROM tasks").await, "1");
    assert_same(
        "an unchanged function",
        &untouched,
        &identity_of(&platform.main(), "routine public.count_tasks").await,
    );
    assert_same("an unchanged table", &table, &identity_of(&platform.main(), "relation tasks").await);

    check_again_changes_nothing(&platform, &version_2(), &answer).await;

    // A new database of version 2 is the same.
    register(platform.name(), Some("fresh"), &version_2()).await.ready();
    let fresh = platform.database("fresh");
    assert_same("updated, new", &in_words(&platform.main()).await, &in_words(&fresh).await);
}

#[tokio::test]
async fn a_failure_anywhere_leaves_everything_as_it_was() {
    let (platform, _) = deployed_version_1().await;
    let before = identity(&platform.main()).await;
    let failures = [
        ("migrations/003.sql", "CREATE TABLE half (id int);\nINSERT INTO nowhere VALUES (1);", "migration_failed", 2),
        (
            "functions/zz.sql",
            "CREATE FUNCTION zz() RETURNS int LANGUAGE sql AS\n'SELECT nothing';",
            "function_deploy_failed",
            2,
        ),
        ("tables/zz.sql", "CREATE TABLE zz (id int REFERENCES nowhere);", "migration_failed", 1),
        ("views/zz.sql", "CREATE VIEW zz AS\nSELECT nothing FROM users;", "migration_failed", 2),
    ];
    for (path, text, code, line) in failures {
        let answer = platform.register(&version_2().file(path, text)).await;
        answer.refused(409, code).at(path, line);
        assert_same(path, &before, &identity(&platform.main()).await);
    }
    platform.register(&version_2()).await.ready().counts(&[("migrations_applied", 1), ("tables_created", 1)]);
}

#[tokio::test]
async fn a_migration_that_fails_on_the_data_alone_leaves_everything_as_it_was() {
    let (platform, _) = deployed_version_1().await;
    let before = identity(&platform.main()).await;
    // An empty copy of the database takes this migration; the rows of this one do not.
    let bundle = version_2().file("migrations/003.sql", "\nALTER TABLE users ADD CONSTRAINT nobody CHECK (id < 0);");
    let answer = platform.register(&bundle).await;
    answer.refused(409, "migration_failed").at("migrations/003.sql", 2).sqlstate("23514").cause("\"nobody\"");
    assert_same("after the failure", &before, &identity(&platform.main()).await);
}

#[tokio::test]
async fn an_applied_migration_whose_text_changed_is_refused_and_nothing_runs() {
    let (platform, _) = deployed_version_1().await;
    let before = identity(&platform.main()).await;
    let edited = version_2().file("migrations/001.sql", "CREATE INDEX tasks_by_state ON tasks (state);");
    let answer = platform.register(&edited).await;
    answer.refused(409, "migration_failed").says("001.sql");
    assert_same("after the refusal", &before, &identity(&platform.main()).await);
}

#[tokio::test]
async fn an_applied_migration_whose_file_is_gone_is_no_matter() {
    let (platform, sql) = deployed_version_1().await;
    let answer = platform.register(&version_2().without("migrations/001.sql")).await;
    answer.ready().counts(&[("migrations_applied", 1)]);
    let recorded = "SELECT migration_file FROM _stonescriptdb_gateway_migrations ORDER BY 1";
    assert_eq!(sql.column(recorded).await, ["001.sql", "002.sql"]);
}

#[tokio::test]
async fn a_function_that_was_removed_or_renamed_is_dropped_and_a_hand_made_one_stays() {
    let (platform, sql) = deployed_version_1().await;
    sql.run("CREATE FUNCTION by_hand() RETURNS int LANGUAGE sql AS 'SELECT 5'").await;
    let renamed = version_1()
        .without("functions/old_name.sql")
        .file("functions/new_name.sql", "CREATE FUNCTION new_name() RETURNS int LANGUAGE sql AS 'SELECT 1';");
    platform.register(&renamed).await.ready().counts(&[("functions_deployed", 1), ("functions_unchanged", 2)]);
    platform.call("old_name", json!([])).await.refused(404, "function_not_found");
    assert_eq!(platform.value_of("new_name", json!([])).await, json!(1));
    assert_eq!(platform.value_of("by_hand", json!([])).await, json!(5));
    let tracked = "SELECT function_name FROM _stonescriptdb_gateway_functions ORDER BY 1";
    assert_eq!(sql.column(tracked).await, ["count_tasks", "greeting", "new_name"]);
}

#[tokio::test]
async fn white_space_comments_and_case_are_no_change_but_literals_are() {
    let (platform, _) = deployed_version_1().await;
    let before = identity_of(&platform.main(), "routine public.greeting").await;
    let reformatted = version_1().file(
        "functions/greeting.sql",
        "-- Says hello.\ncreate FUNCTION Greeting(P_NAME text)\n    returns TEXT\n    language SQL\nas $$\n    select 'Hello ' /* here */ || P_name\n$$;\n",
    );
    platform.register(&reformatted).await.ready().counts(&[("functions_deployed", 0), ("functions_unchanged", 3)]);
    assert_same("reformatted", &before, &identity_of(&platform.main(), "routine public.greeting").await);
    let reworded = version_1().file(
        "functions/greeting.sql",
        "CREATE FUNCTION greeting(p_name text) RETURNS text LANGUAGE sql AS $$ SELECT 'hello ' || p_name $$;",
    );
    platform.register(&reworded).await.ready().counts(&[("functions_deployed", 1), ("functions_unchanged", 2)]);
    assert_eq!(platform.value_of("greeting", json!(["Ada"])).await, json!("hello Ada"));
}

#[tokio::test]
async fn one_function_moved_to_another_file_is_unchanged() {
    let (platform, _) = deployed_version_1().await;
    let text = "CREATE FUNCTION old_name() RETURNS int LANGUAGE sql AS 'SELECT 1';";
    let moved = version_1().without("functions/old_name.sql").file("functions/sub/numbers.sql", text);
    let before = identity_of(&platform.main(), "routine public.old_name").await;
    platform.register(&moved).await.ready().counts(&[("functions_deployed", 0), ("functions_unchanged", 3)]);
    assert_same("moved", &before, &identity_of(&platform.main(), "routine public.old_name").await);
}

#[tokio::test]
async fn seeders_of_a_new_table_run_and_those_of_an_old_one_do_not() {
    let (platform, sql) = deployed_version_1().await;
    let bundle = version_1()
        .file("tables/labels.sql", "CREATE TABLE labels (id int PRIMARY KEY, name text);")
        .file("seeders/labels.sql", "INSERT INTO labels (id, name) VALUES (1, 'red'), (2, 'green');")
        .file("seeders/users.sql", "INSERT INTO users (id, name) VALUES (1, 'Ada');");
    let answer = platform.register(&bundle).await;
    answer.ready().counts(&[("tables_created", 1)]);
    assert_eq!(answer.seeded("labels"), (2, 0), "{answer}");
    assert_eq!(answer.seeded("users").0, 0, "{answer}");
    assert_eq!(sql.value("SELECT count(*) FROM users").await, "1");
}

#[tokio::test]
async fn an_empty_tenant_is_filled_by_its_first_bundle() {
    let platform = Platform::new();
    let made = post_json("/admin/create-tenant", json!({"platform": platform.name(), "tenant_id": "empty"})).await;
    assert_eq!((made.status, made.text("status")), (201, "created"), "{made}");
    let empty = platform.database("empty");
    assert_eq!(made.text("database"), empty, "{made}");
    let answer = register(platform.name(), Some("empty"), &version_2()).await;
    answer.ready().counts(&[("migrations_applied", 2), ("tables_created", 3), ("functions_deployed", 4)]);
    platform.register(&version_2()).await.ready();
    assert_same("filled, new", &in_words(&empty).await, &in_words(&platform.main()).await);
}

#[tokio::test]
async fn a_database_made_by_hand_is_adopted_with_what_is_in_it() {
    let platform = Platform::new();
    Sql::connect("postgres").await.run(&format!("CREATE DATABASE {}", platform.main())).await;
    let sql = platform.sql().await;
    sql.run("CREATE TABLE guests (id int PRIMARY KEY); INSERT INTO guests VALUES (1), (2)").await;
    let bundle = bundle()
        .file("tables/guests.sql", "CREATE TABLE guests (id int PRIMARY KEY);")
        .file("tables/rooms.sql", "CREATE TABLE rooms (id int PRIMARY KEY, guest_id int REFERENCES guests);")
        .file("migrations/001.sql", "INSERT INTO guests VALUES (3);")
        .file(
            "functions/guests.sql",
            "CREATE FUNCTION count_guests() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM guests';",
        );
    let answer = platform.register(&bundle).await;
    answer.ready().counts(&[("migrations_applied", 1), ("functions_deployed", 1), ("tables_created", 1)]);
    assert_eq!(platform.value_of("count_guests", json!([])).await, json!(3));
    check_again_changes_nothing(&platform, &bundle, &answer).await;
}

#[tokio::test]
async fn a_migration_outside_a_transaction_runs_on_an_existing_database() {
    let (platform, sql) = deployed_version_1().await;
    let bundle = version_1()
        .file("migrations/002.sql", "ALTER TABLE users ADD COLUMN mail text;")
        .file("migrations/003.sql", "CREATE UNIQUE INDEX CONCURRENTLY users_by_mail ON users (mail);")
        .file("migrations/004.sql", "ALTER INDEX users_by_mail RENAME TO one_mail;")
        .file("tables/users.sql", "CREATE TABLE users (id int PRIMARY KEY, name text, mail text);");
    let answer = platform.register(&bundle).await;
    answer.ready().counts(&[("migrations_applied", 3)]);
    assert_eq!(
        sql.value("SELECT count(*) FROM pg_index WHERE indexrelid = 'one_mail'::regclass AND indisvalid").await,
        "1"
    );
    check_again_changes_nothing(&platform, &bundle, &answer).await;
}

#[tokio::test]
async fn a_view_that_a_migration_drops_is_made_again_with_its_grants_and_comment() {
    let version_1 = bundle().file("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, n int);").file(
        "views/v.sql",
        "CREATE VIEW v AS SELECT id, n FROM t; GRANT SELECT ON v TO public; COMMENT ON VIEW v IS 'all';",
    );
    let platform = Platform::new();
    platform.register(&version_1).await.ready();
    let version_2 = version_1
        .file("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, n bigint);")
        .file("migrations/001.sql", "DROP VIEW v; ALTER TABLE t ALTER COLUMN n TYPE bigint;");
    platform.register(&version_2).await.ready();
    let view = "SELECT obj_description(oid) || ' ' || (relacl::text LIKE '%=r/%')
                FROM pg_class WHERE oid = to_regclass('v')";
    assert_eq!(platform.sql().await.value(view).await, "all true");
}

#[tokio::test]
async fn a_table_that_a_migration_makes_anew_keeps_its_trigger_its_policies_and_its_comment() {
    let version_1 = bundle()
        .file(
            "tables/t.sql",
            "CREATE TABLE t (id int PRIMARY KEY, n int); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
             CREATE POLICY p ON t USING (n > 0); COMMENT ON TABLE t IS 'all';",
        )
        .file(
            "functions/f.sql",
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();",
        );
    let platform = Platform::new();
    platform.register(&version_1).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO t VALUES (1, 2)").await;
    let version_2 = version_1.file(
        "migrations/001.sql",
        "CREATE TABLE t_new (id int, n int); INSERT INTO t_new SELECT * FROM t; DROP TABLE t;
         ALTER TABLE t_new RENAME TO t; ALTER TABLE t ADD PRIMARY KEY (id);",
    );
    platform.register(&version_2).await.refused(409, "migration_failed").says("DropTable t");
    platform.register_forced(&version_2).await.ready();
    let parts = "SELECT obj_description(oid, 'pg_class'), relrowsecurity,
                        (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid),
                        (SELECT count(*) FROM pg_trigger WHERE tgrelid = c.oid), (SELECT n FROM t)
                 FROM pg_class c WHERE oid = to_regclass('t')";
    assert_eq!(sql.rows(parts).await, [["all", "t", "1", "1", "2"]]);
}

#[tokio::test]
async fn a_table_dropped_by_hand_is_made_again() {
    let version_1 = bundle()
        .file("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY);")
        .file("tables/b.sql", "CREATE TABLE b (id int PRIMARY KEY);");
    let platform = Platform::new();
    platform.register(&version_1).await.ready();
    let sql = platform.sql().await;
    sql.run("DROP TABLE b").await;
    let version_2 = version_1.file("tables/c.sql", "CREATE TABLE c (id int PRIMARY KEY);");
    platform.register(&version_2).await.ready().counts(&[("tables_created", 2)]);
    let tracked = "SELECT table_name FROM _stonescriptdb_gateway_tables WHERE to_regclass(table_name) IS NOT NULL";
    assert_eq!(sql.column(tracked).await.len(), 3);
}

#[tokio::test]
async fn a_file_with_a_trigger_and_its_function_can_be_taken_away() {
    let version_1 = bundle().file("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY);");
    let version_2 = version_1.clone().file(
        "functions/f.sql",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER \"Tr\" BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();",
    );
    let platform = Platform::new();
    platform.register(&version_2).await.ready();
    let sql = platform.sql().await;
    sql.run("CREATE TRIGGER by_hand BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()").await;
    platform.register(&version_1).await.refused(409, "function_deploy_failed").sqlstate("2BP01");
    sql.run("DROP TRIGGER by_hand ON t").await;
    platform.register(&version_1).await.ready();
    assert_eq!(sql.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass").await, "0");
}

#[tokio::test]
async fn a_changed_aggregate_is_replaced() {
    let aggregate = |initial: &str| {
        let text = format!("CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '{initial}');");
        bundle().file("functions/total.sql", text)
    };
    let platform = Platform::new();
    platform.register(&aggregate("0")).await.ready();
    platform.register(&aggregate("5")).await.ready();
    assert_eq!(platform.sql().await.value("SELECT total(1)").await, "6");
}
