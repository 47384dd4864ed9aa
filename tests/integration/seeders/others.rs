//! What a seeder holds beside `INSERT … VALUES`: it runs where everything that it writes is new and empty, and nowhere else.

use serde_json::json;

use super::{assert_warned, function, warnings};
use crate::support::{BundleBuilder, Platform, Sql, bundle, register};

fn roles() -> BundleBuilder {
    bundle().file("tables/roles.sql", "CREATE TABLE roles (role_id serial PRIMARY KEY, name text NOT NULL);").file(
        "seeders/roles.sql",
        "INSERT INTO roles (role_id, name) VALUES (1, 'owner'), (2, 'clerk'), (3, 'guest');
SELECT pg_catalog.setval('roles_role_id_seq', 3);",
    )
}

fn with_countries(bundle: BundleBuilder) -> BundleBuilder {
    bundle
        .file("tables/countries.sql", "CREATE TABLE countries (code text PRIMARY KEY);")
        .file("seeders/countries.sql", "INSERT INTO countries VALUES ('at'), ('ee');")
}

#[tokio::test]
async fn a_sequence_does_not_go_back_when_another_table_is_seeded() {
    let platform = Platform::new();
    platform.register(&roles()).await.ready();
    register(platform.name(), Some("other"), &roles()).await.ready();
    let main = platform.sql().await;
    let other = Sql::connect(&platform.database("other")).await;
    for sql in [&main, &other] {
        assert_eq!(sql.value("SELECT nextval('roles_role_id_seq')").await, "4");
        sql.run("INSERT INTO roles (name) SELECT 'made ' || n FROM generate_series(1, 9) AS n").await;
    }
    let next = with_countries(roles());
    let answer = platform.register(&next).await;
    assert_eq!(answer.ready().seeded("countries"), (2, 0), "{answer}");
    assert_warned(&answer, &["seeders/roles.sql, line 2", "roles"]);
    let answer = platform.migrate(&next, &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_warned(&answer, &["seeders/roles.sql, line 2", "roles"]);
    for sql in [&main, &other] {
        assert_eq!(sql.value("SELECT nextval('roles_role_id_seq')").await, "14");
        assert_eq!(sql.value("SELECT count(*) FROM countries").await, "2");
    }
}

#[tokio::test]
async fn rows_of_customers_are_neither_deleted_nor_changed() {
    let platform = Platform::new();
    let plans = bundle()
        .file(
            "tables/plans.sql",
            "CREATE TABLE plans (id int PRIMARY KEY, name text, price int);
             CREATE TABLE plan_notes (plan_id int, note text);",
        )
        .file(
            "seeders/plans.sql",
            "DELETE FROM plan_notes;
INSERT INTO plans VALUES (1, 'free', 0), (2, 'paid', 5);
UPDATE plans SET price = 7 WHERE id = 2;",
        );
    platform.register(&plans).await.ready();
    let sql = platform.sql().await;
    assert_eq!(sql.column("SELECT price FROM plans ORDER BY id").await, ["0", "7"]);
    sql.run(
        "INSERT INTO plan_notes SELECT 1, 'note ' || n FROM generate_series(1, 500) AS n; UPDATE plans SET price = 9",
    )
    .await;
    let next = with_countries(plans);
    let dry = platform.migrate(&next, &[("dry_run", "true")]).await;
    assert_eq!((dry.status, dry.text("status")), (200, "planned"), "{dry}");
    let answer = platform.migrate(&next, &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_warned(&answer, &["seeders/plans.sql, line 1", "plan_notes"]);
    assert_warned(&answer, &["seeders/plans.sql, line 3", "plans"]);
    assert_eq!(sql.value("SELECT count(*) FROM plan_notes").await, "500");
    assert_eq!(sql.column("SELECT DISTINCT price FROM plans").await, ["9"]);
    assert_eq!(sql.value("SELECT count(*) FROM countries").await, "2");
}

/// One table each, filled by one statement alone.
fn every_kind() -> BundleBuilder {
    let tables = ["by_call", "by_do", "by_function", "by_merge", "by_select", "by_values", "by_with"];
    let create = |table: &&str| format!("CREATE TABLE {table} (id int PRIMARY KEY);");
    bundle()
        .file("tables/t.sql", tables.iter().map(create).collect::<String>())
        .file("tables/base.sql", "CREATE TABLE base (id int PRIMARY KEY);")
        .file(
            "functions/seed.sql",
            "CREATE FUNCTION seed() RETURNS void LANGUAGE sql AS 'INSERT INTO by_function VALUES (1)';",
        )
        .file(
            "functions/fill.sql",
            "CREATE PROCEDURE fill() LANGUAGE sql AS 'INSERT INTO by_call VALUES (1)';",
        )
        .file("seeders/a_call.sql", "CALL fill();")
        .file("seeders/a_do.sql", "DO $$ BEGIN INSERT INTO by_do VALUES (1); END $$;")
        .file("seeders/b_function.sql", "SELECT seed();")
        .file(
            "seeders/c_merge.sql",
            "MERGE INTO by_merge USING (VALUES (1)) AS v (id) ON v.id = by_merge.id WHEN NOT MATCHED THEN INSERT VALUES (v.id);",
        )
        .file("seeders/d_select.sql", "INSERT INTO by_select SELECT id FROM base;")
        .file("seeders/e_values.sql", "INSERT INTO by_values SELECT * FROM (VALUES (1)) AS v;")
        .file("seeders/f_with.sql", "WITH one AS (SELECT 1 AS id) INSERT INTO by_with SELECT id FROM one;")
        .file("seeders/z_base.sql", "INSERT INTO base VALUES (1);")
}

#[tokio::test]
async fn every_kind_of_statement_runs_in_a_new_database_and_in_new_tables_where_its_text_tells_what_it_writes() {
    let counts = "SELECT (SELECT count(*) FROM by_do) || ' ' || (SELECT count(*) FROM by_function) || ' ' ||
                  (SELECT count(*) FROM by_merge) || ' ' || (SELECT count(*) FROM by_select) || ' ' ||
                  (SELECT count(*) FROM by_values) || ' ' || (SELECT count(*) FROM by_with) || ' ' ||
                  (SELECT count(*) FROM by_call)";
    let new = Platform::new();
    new.register(&every_kind()).await.ready();
    assert_eq!(new.sql().await.value(counts).await, "1 1 1 1 1 1 1");
    let (registered, migrated) = (Platform::new(), Platform::new());
    let before = bundle().file("tables/base.sql", "CREATE TABLE base (id int PRIMARY KEY);");
    let before = before.file("seeders/z_base.sql", "INSERT INTO base VALUES (1);");
    for platform in [&registered, &migrated] {
        platform.register(&before).await.ready();
    }
    let answers = [registered.register(&every_kind()).await, migrated.migrate(&every_kind(), &[]).await];
    for (platform, answer) in [&registered, &migrated].into_iter().zip(answers) {
        assert_eq!(answer.status, 200, "{answer}");
        assert_eq!(platform.sql().await.value(counts).await, "0 0 1 1 1 1 0");
        for file in ["seeders/a_call.sql, line 1", "seeders/a_do.sql, line 1", "seeders/b_function.sql, line 1"] {
            assert_warned(&answer, &[file, "new databases only"]);
        }
        assert_eq!(warnings(&answer).len(), 3, "{answer}");
    }
}

#[tokio::test]
async fn what_goes_along_foreign_keys_into_older_tables_does_not_run() {
    let platform = Platform::new();
    let users = bundle().file("tables/users.sql", "CREATE TABLE users (id int PRIMARY KEY);");
    platform.register(&users).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO users SELECT generate_series(1, 5)").await;
    let labelled = users
        .file("tables/labels.sql", "CREATE TABLE labels (id int PRIMARY KEY, name text);")
        .file("tables/users.sql", "CREATE TABLE users (id int PRIMARY KEY, label_id int REFERENCES labels);")
        .file("tables/seen.sql", "CREATE VIEW known AS SELECT id FROM users;")
        .file(
            "seeders/labels.sql",
            "TRUNCATE labels CASCADE;
INSERT INTO labels VALUES (1, 'red');
UPDATE labels SET name = upper(name);
DELETE FROM known;
WITH gone AS (DELETE FROM users RETURNING id) INSERT INTO labels SELECT id + 10 FROM gone;",
        );
    let answer = platform.migrate(&labelled, &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    for line in [1, 4, 5] {
        assert_warned(&answer, &[&format!("seeders/labels.sql, line {line}:"), "users"]);
    }
    assert_eq!(sql.value("SELECT count(*) FROM users").await, "5");
    assert_eq!(sql.column("SELECT name FROM labels").await, ["RED"]);
}

#[tokio::test]
async fn statements_of_a_file_keep_their_order() {
    let platform = Platform::new();
    let words = bundle()
        .file("tables/words.sql", "CREATE TABLE words (word text, big boolean DEFAULT false);")
        .file("seeders/a.sql", "INSERT INTO words (word) VALUES ('gone');")
        .file(
            "seeders/b.sql",
            "DELETE FROM words;
             INSERT INTO words (word) VALUES ('a');
             UPDATE words SET big = true;
             INSERT INTO words (word) VALUES ('b');",
        );
    platform.register(&words).await.ready();
    assert_eq!(
        platform.sql().await.rows("SELECT word, big FROM words ORDER BY word").await,
        [["a", "t"], ["b", "f"]].map(|row| row.map(str::to_owned).to_vec())
    );
    let answer = platform.migrate(&function(words, 1), &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    // The row that a statement deletes is none that has to be there.
    assert_eq!(
        answer.body["seeder_validations"],
        json!([{"table": "words", "expected": 2, "found": 2, "missing": []}])
    );
}

#[tokio::test]
async fn a_file_about_old_and_new_tables_runs_for_the_new_ones() {
    let platform = Platform::new();
    let old = bundle()
        .file("tables/old.sql", "CREATE TABLE old (id serial PRIMARY KEY, name text);")
        .file("seeders/all.sql", "INSERT INTO old (name) VALUES ('o');");
    platform.register(&old).await.ready();
    register(platform.name(), Some("other"), &old).await.ready();
    let both = old.file("tables/new.sql", "CREATE TABLE new (id serial PRIMARY KEY, name text);").file(
        "seeders/all.sql",
        "INSERT INTO old (name) VALUES ('o');
INSERT INTO new (id, name) VALUES (5, 'n');
UPDATE old SET name = upper(name);
UPDATE new SET name = upper(name);
SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence('new', 'id'), (SELECT max(id) FROM new));
SELECT pg_catalog.setval('old_id_seq'::regclass, 1);
ALTER SEQUENCE old_id_seq RESTART WITH 1;",
    );
    let answers = [platform.register(&both).await, platform.migrate(&both, &[]).await];
    for (database, answer) in [platform.main(), platform.database("other")].into_iter().zip(answers) {
        assert_eq!(answer.status, 200, "{answer}");
        for line in [3, 6, 7] {
            assert_warned(&answer, &[&format!("seeders/all.sql, line {line}:"), "old"]);
        }
        assert_eq!(warnings(&answer).len(), 3, "{answer}");
        let sql = Sql::connect(&database).await;
        assert_eq!(sql.value("SELECT old.name || new.name FROM old, new").await, "oN");
        assert_eq!(sql.value("SELECT nextval('new_id_seq')").await, "6");
        assert_eq!(sql.value("SELECT nextval('old_id_seq')").await, "2");
    }
}

#[tokio::test]
async fn what_a_start_finds_empty_is_filled() {
    let platform = Platform::new();
    let spare =
        bundle().file("tables/spare.sql", "CREATE TABLE spare (id int PRIMARY KEY); CREATE TABLE copy (id int);");
    platform.register(&spare).await.ready();
    let seeded = spare.file(
        "seeders/spare.sql",
        "INSERT INTO spare VALUES (1), (2) ON CONFLICT DO NOTHING;
INSERT INTO copy SELECT id FROM spare;",
    );
    let refused = platform.migrate(&seeded, &[]).await;
    refused.refused(409, "migration_failed").says("migration");
    let answer = platform.register(&seeded).await;
    assert_eq!(answer.ready().seeded("spare"), (2, 0), "{answer}");
    assert_eq!(answer.seeded("copy").0, 2, "{answer}");
    assert_eq!(warnings(&answer), [""; 0]);
    // Not empty any more.
    let sql = platform.sql().await;
    sql.run("DELETE FROM spare WHERE id = 2").await;
    let answer = platform.register(&function(seeded, 1)).await;
    answer.ready();
    assert_warned(&answer, &["seeders/spare.sql, line 1", "spare"]);
    assert_warned(&answer, &["seeders/spare.sql, line 2", "copy"]);
    assert_eq!(sql.value("SELECT count(*) FROM spare").await, "1");
}

#[tokio::test]
async fn what_postgresql_refuses_of_a_seeder_stops_a_start_and_changes_nothing() {
    let platform = Platform::new();
    let old = bundle().file(
        "tables/t.sql",
        "CREATE TABLE kept (id int PRIMARY KEY); CREATE TABLE spare (id int PRIMARY KEY, kept int REFERENCES kept, n int CHECK (n > 0));",
    )
    .file("seeders/kept.sql", "INSERT INTO kept VALUES (1);");
    platform.register(&old).await.ready();
    let sql = platform.sql().await;
    for (values, sqlstate, cause) in [
        ("(2, 9, 1)", "23503", "spare_kept_fkey"),
        ("(2, 1, 0)", "23514", "spare_n_check"),
        ("(2, 1, 'two')", "22P02", "\"two\""),
    ] {
        let next = with_countries(function(old.clone(), 1)).file(
            "seeders/spare.sql",
            format!("INSERT INTO spare VALUES (1, 1, 1);\nINSERT INTO spare VALUES {values};"),
        );
        let answer = platform.register(&next).await;
        answer.refused(409, "migration_failed").at("seeders/spare.sql", 2).sqlstate(sqlstate).cause(cause);
        let left = "SELECT concat((SELECT count(*) FROM spare), to_regclass('countries'), to_regproc('release'))";
        assert_eq!(sql.value(left).await, "0", "{values}");
    }
}

#[tokio::test]
async fn a_seeder_that_refers_to_what_only_a_client_wrote_is_refused_as_for_a_new_database() {
    let tables = bundle().file(
        "tables/t.sql",
        "CREATE TABLE kept (id int PRIMARY KEY); CREATE TABLE spare (id int PRIMARY KEY, kept int REFERENCES kept);",
    );
    let platform = Platform::new();
    platform.register(&tables).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO kept VALUES (1); INSERT INTO spare VALUES (1, 1)").await;
    let next = tables.file("seeders/spare.sql", "\nINSERT INTO spare VALUES (1, 1);");
    for answer in [platform.register(&next).await, platform.migrate(&next, &[]).await] {
        answer.refused(409, "migration_failed").at("seeders/spare.sql", 2).sqlstate("23503").cause("spare_kept_fkey");
        answer.says("seeding seeders/spare.sql in a new database, line 2");
        assert!(answer.text("detail").contains("(kept)=(1)"), "{answer}");
        assert!(answer.text("hint").contains("bring that row with the bundle"), "{answer}");
    }
    platform.register(&next.file("seeders/kept.sql", "INSERT INTO kept VALUES (1);")).await.ready();
    assert_eq!(sql.value("SELECT count(*) FROM kept").await, "1");
}

/// Everything that a statement may run by a name in it: each deletes the customers. What only computes is VOLATILE, too.
const FUNCTIONS: &str = r#"
CREATE FUNCTION seed() RETURNS SETOF int LANGUAGE sql AS $$ DELETE FROM customers; SELECT 1 $$;
CREATE FUNCTION "By Way"() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT seed()); END $$;
CREATE FUNCTION atomic() RETURNS int BEGIN ATOMIC DELETE FROM customers; SELECT 3; END;
CREATE FUNCTION made_up(what text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE what; RETURN 4; END $$;
CREATE FUNCTION step(int, int) RETURNS int LANGUAGE sql AS $$ SELECT $1 + $2 + seed() $$;
CREATE AGGREGATE all_of(int) (SFUNC = step, STYPE = int, INITCOND = '0');
CREATE FUNCTION less(int, text) RETURNS int LANGUAGE sql AS $$ SELECT seed() $$;
CREATE OPERATOR public.<~ (LEFTARG = int, RIGHTARG = text, FUNCTION = less);
CREATE VIEW seeds AS SELECT seed() AS id;
CREATE FUNCTION harmless(n int) RETURNS int LANGUAGE plpgsql AS $$
    DECLARE comment text := 'create'; update int; BEGIN update := n; RETURN update + 1; END $$;
CREATE FUNCTION other() RETURNS void LANGUAGE sql AS 'DELETE FROM customers';
"#;

#[tokio::test]
async fn what_may_write_runs_in_new_databases_only() {
    if crate::support::calls_what_is_planted() {
        return;
    }
    let platform = Platform::new();
    let old = bundle().file("tables/t.sql", "CREATE TABLE customers (id int PRIMARY KEY);");
    platform.register(&old).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO customers SELECT generate_series(1, 5)").await;
    let passed_over = [
        ("INSERT INTO plans SELECT seed();", "seed"),
        ("INSERT INTO plans VALUES (2, now()), (\"By Way\"(), now());", "By Way"),
        ("UPDATE plans SET id = 3 WHERE id = atomic();", "atomic"),
        ("INSERT INTO plans VALUES (made_up('DELETE FROM customers'));", "made_up"),
        ("INSERT INTO plans SELECT all_of(n) FROM generate_series(1, 2) AS n;", "all_of"),
        ("INSERT INTO plans VALUES (1 <~ 'a');", "<~"),
        ("INSERT INTO plans SELECT id FROM seeds;", "seeds"),
        ("INSERT INTO plans VALUES (setval('customers_seq', 5));", "setval"),
        ("INSERT INTO other SELECT 7, query_to_xml('SELECT seed()', true, true, '')::text;", "query_to_xml"),
    ];
    let runs = "INSERT INTO other SELECT harmless(n), upper('x') FROM generate_series(1, 3) AS n;
INSERT INTO other VALUES (harmless(4), md5('y'));";
    let text: Vec<&str> = passed_over.iter().map(|(statement, _)| *statement).chain([runs]).collect();
    let new = old
        .file("functions/f.sql", FUNCTIONS)
        .file(
            "tables/p.sql",
            "CREATE SEQUENCE customers_seq;
             CREATE TABLE plans (id int, at timestamptz); CREATE TABLE other (id int, x text);",
        )
        .file("seeders/p.sql", text.join("\n"));
    let answer = platform.register(&new).await;
    assert_eq!(answer.status, 200, "{answer}");
    for (at, (_, name)) in passed_over.iter().enumerate() {
        assert_warned(&answer, &[&format!("seeders/p.sql, line {}:", at + 1), name, "new databases only"]);
    }
    assert_eq!(warnings(&answer).len(), passed_over.len(), "{answer}");
    let counts =
        "SELECT concat((SELECT count(*) FROM customers), (SELECT count(*) FROM plans), (SELECT count(*) FROM other))";
    assert_eq!(sql.value(counts).await, "504");
    let next = new.file("functions/g.sql", "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1';");
    let answer = platform.migrate(&next, &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(sql.value(counts).await, "504");
}

#[tokio::test]
async fn a_file_may_drop_its_own_temporary_tables() {
    let platform = Platform::new();
    let seeds = "CREATE TEMP TABLE raw (a int);
ALTER TABLE raw ADD COLUMN b int, DROP COLUMN a;
INSERT INTO raw VALUES (1), (2);
INSERT INTO items (a) SELECT b FROM raw;
DROP TABLE raw;
SELECT a + 1 AS a INTO TEMP items FROM items;
INSERT INTO kept SELECT a FROM items;
DROP TABLE pg_temp.items;
CREATE TEMP TABLE items AS SELECT 5 AS a;";
    let bundle = bundle()
        .file("tables/items.sql", "CREATE TABLE items (id serial PRIMARY KEY, a int); CREATE TABLE kept (a int);")
        .file("seeders/items.sql", seeds);
    platform.register(&bundle).await.ready();
    let sql = platform.sql().await;
    let rows = "SELECT concat((SELECT sum(a) FROM items), ' ', (SELECT sum(a) FROM kept))";
    assert_eq!(sql.value(rows).await, "3 5");
    let next = bundle.file("functions/g.sql", "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1';");
    let answer = platform.migrate(&next, &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(sql.value(rows).await, "3 5");
    // What the file has dropped already, and functions of such a name, are the declaration's.
    for (more, line) in [("DROP TABLE items;\nDROP TABLE items;", 11), ("DROP FUNCTION items();", 10)] {
        let answer = platform.migrate(&next.clone().file("seeders/items.sql", format!("{seeds}\n{more}")), &[]).await;
        answer.refused(409, "migration_failed").at("seeders/items.sql", line);
    }
}

#[tokio::test]
async fn a_sequence_that_no_table_draws_from_by_default_goes_on() {
    if crate::support::calls_what_is_planted() {
        return;
    }
    let platform = Platform::new();
    let old = bundle()
        .file(
            "tables/invoices.sql",
            "CREATE SEQUENCE invoice_no; CREATE SEQUENCE other_no; CREATE TABLE invoices (no bigint PRIMARY KEY);",
        )
        .file("seeders/numbers.sql", "SELECT setval('invoice_no', 1000);\nALTER SEQUENCE other_no RESTART WITH 50;");
    platform.register(&old).await.ready();
    let sql = platform.sql().await;
    assert_eq!(sql.value("SELECT concat(nextval('invoice_no'), ' ', nextval('other_no'))").await, "1001 50");
    let new = old.file("functions/g.sql", "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1';");
    let answer = platform.register(&new).await;
    answer.ready();
    assert_warned(&answer, &["seeders/numbers.sql, line 1", "invoice_no"]);
    assert_warned(&answer, &["seeders/numbers.sql, line 2", "other_no"]);
    assert_eq!(sql.value("SELECT concat(nextval('invoice_no'), ' ', nextval('other_no'))").await, "1002 51");
}
