//! A statement that fails, in each folder: the answer names file, line, SQLSTATE and PostgreSQL's words; neither the
//! database nor a blueprint is left; and the mended bundle deploys.

use crate::support::{Answer, BundleBuilder, Platform, bundle};

/// A bundle with one mistake, and the same file without it.
struct Mistake {
    bundle: BundleBuilder,
    path: &'static str,
    bad: &'static str,
    good: &'static str,
}

/// Refuses the bad file, then takes the good one.
async fn check_refused_then_mended(mistake: Mistake) -> Answer {
    let platform = Platform::new();
    let Mistake { bundle, path, bad, good } = mistake;
    let answer = platform.register_refused(&bundle.clone().file(path, bad)).await;
    platform.register(&bundle.file(path, good)).await.ready();
    answer
}

fn users() -> BundleBuilder {
    bundle().file("tables/users.sql", "CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);")
}

#[tokio::test]
async fn a_syntax_error_in_a_table_is_shown_where_it_is() {
    let answer = check_refused_then_mended(Mistake {
        bundle: users(),
        path: "tables/shop/orders.sql",
        bad: "-- Orders of users\n\nCREATE TABLE orders (\n    id int PRIMARY KEY,\n    user_id int REFERENCES users\n    total numeric\n);\n",
        good: "CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users, total numeric);",
    })
    .await;
    answer
        .refused(409, "migration_failed")
        .at("tables/shop/orders.sql", 6)
        .sqlstate("42601")
        .cause("syntax error at or near \"total\"");
}

#[tokio::test]
async fn a_string_that_never_ends_is_shown_where_it_begins() {
    let answer = check_refused_then_mended(Mistake {
        bundle: users(),
        path: "functions/hello.sql",
        bad: "CREATE FUNCTION hello() RETURNS text LANGUAGE sql AS $$\n SELECT 'hello'\n $;\n",
        good: "CREATE FUNCTION hello() RETURNS text LANGUAGE sql AS $$\n SELECT 'hello'\n $$;\n",
    })
    .await;
    answer.refused(409, "function_deploy_failed").at("functions/hello.sql", 1).sqlstate("42601").cause("unterminated");
}

#[tokio::test]
async fn a_type_of_a_column_that_does_not_exist_is_named() {
    let answer = check_refused_then_mended(Mistake {
        bundle: users(),
        path: "tables/orders.sql",
        bad: "CREATE TABLE other (id int);\nCREATE TABLE orders (\n    id int PRIMARY KEY,\n    state order_state\n);",
        good: "CREATE TABLE orders (id int PRIMARY KEY, state text);",
    })
    .await;
    answer
        .refused(409, "migration_failed")
        .at("tables/orders.sql", 4)
        .sqlstate("42704")
        .cause("type \"order_state\" does not exist");
}

#[tokio::test]
async fn a_key_to_a_table_that_does_not_exist_is_named() {
    let answer = check_refused_then_mended(Mistake {
        bundle: users(),
        path: "tables/orders.sql",
        bad: "\n\nCREATE TABLE orders (\n    id int PRIMARY KEY,\n    customer_id int REFERENCES customers\n);",
        good: "CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES users);",
    })
    .await;
    // PostgreSQL points nowhere: the line is the statement's.
    answer
        .refused(409, "migration_failed")
        .at("tables/orders.sql", 3)
        .sqlstate("42P01")
        .cause("\"customers\" does not exist");
}

#[tokio::test]
async fn a_wrong_type_is_named() {
    let answer = check_refused_then_mended(Mistake {
        bundle: users(),
        path: "types/state.sql",
        bad: "-- two\nCREATE DOMAIN age AS int;\nCREATE TYPE state AS ENUM ('new', 'done', 'new');\n",
        good: "CREATE DOMAIN age AS int; CREATE TYPE state AS ENUM ('new', 'done');",
    })
    .await;
    answer.refused(409, "migration_failed").at("types/state.sql", 3);
    assert!(["23505", "42710"].contains(&answer.text("sqlstate")), "{answer}");
}

#[tokio::test]
async fn a_migration_that_fails_is_named_with_its_line() {
    let answer = check_refused_then_mended(Mistake {
        bundle: users().file("migrations/001.sql", "ALTER TABLE users ADD COLUMN IF NOT EXISTS name text;"),
        path: "migrations/002_more.sql",
        bad: "CREATE TABLE logs (id int);\n\nINSERT INTO logs VALUES (1), (2);\nALTER TABLE logs\n  ADD COLUMN at timestamptz,\n  ADD COLUMN id int;\n",
        good: "CREATE TABLE logs (id int);",
    })
    .await;
    answer
        .refused(409, "migration_failed")
        .at("migrations/002_more.sql", 4)
        .sqlstate("42701")
        .cause("\"id\" of relation \"logs\" already exists");
}

#[tokio::test]
async fn a_column_that_a_view_does_not_find_is_named_with_its_hint() {
    let answer = check_refused_then_mended(Mistake {
        bundle: users(),
        path: "views/names.sql",
        bad: "CREATE VIEW ids AS SELECT id FROM users;\nCREATE VIEW names AS\n    SELECT u.id,\n           u.nam\n    FROM users u;",
        good: "CREATE VIEW names AS SELECT u.id, u.name FROM users u;",
    })
    .await;
    answer
        .refused(409, "migration_failed")
        .at("views/names.sql", 4)
        .sqlstate("42703")
        .cause("column u.nam does not exist");
    assert!(answer.text("hint").contains("u.name"), "{answer}");
}

#[tokio::test]
async fn a_mistake_in_the_body_of_an_sql_function_is_shown_where_it_is() {
    let answer = check_refused_then_mended(Mistake {
        bundle: users(),
        path: "functions/name_of.sql",
        bad: "-- The name.\nCREATE FUNCTION name_of(p_id int)\nRETURNS text LANGUAGE sql AS $$\n    SELECT name\n    FROM users\n    WHERE idd = p_id\n$$;\n",
        good: "CREATE FUNCTION name_of(p_id int) RETURNS text LANGUAGE sql AS $$ SELECT name FROM users WHERE id = p_id $$;",
    })
    .await;
    answer
        .refused(409, "function_deploy_failed")
        .at("functions/name_of.sql", 6)
        .sqlstate("42703")
        .cause("column \"idd\" does not exist");
}

#[tokio::test]
async fn a_mistake_in_the_syntax_of_a_plpgsql_body_is_shown_where_it_is() {
    let answer = check_refused_then_mended(Mistake {
        bundle: users(),
        path: "functions/auth/rename.pgsql",
        bad: "CREATE FUNCTION good() RETURNS int LANGUAGE sql AS 'SELECT 1';\n\nCREATE FUNCTION rename(p_id int, p_name text) RETURNS void LANGUAGE plpgsql AS $$\nBEGIN\n    UPDATE users SET name = p_name WHERE id = p_id;\n    IF NOT FOUND TEN\n        RAISE EXCEPTION 'no user %', p_id;\n    END IF;\nEND $$;\n",
        good: "CREATE FUNCTION rename(p_id int, p_name text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN UPDATE users SET name = p_name WHERE id = p_id; END $$;",
    })
    .await;
    answer.refused(409, "function_deploy_failed").sqlstate("42601");
    assert_eq!(answer.text("file"), "functions/auth/rename.pgsql", "{answer}");
    // PL/pgSQL reads on until THEN must have come.
    assert!((6..=8).contains(&answer.count("line")), "{answer}");
}

#[tokio::test]
async fn a_function_whose_table_does_not_exist_is_named() {
    let answer = check_refused_then_mended(Mistake {
        bundle: users(),
        path: "functions/count.sql",
        bad: "CREATE FUNCTION count_all() RETURNS bigint LANGUAGE sql\nAS 'SELECT count(*)\n FROM persons';",
        good: "CREATE FUNCTION count_all() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM users';",
    })
    .await;
    answer
        .refused(409, "function_deploy_failed")
        .at("functions/count.sql", 3)
        .sqlstate("42P01")
        .cause("relation \"persons\" does not exist");
}

#[tokio::test]
async fn a_trigger_on_a_function_that_does_not_exist_is_named() {
    let answer = check_refused_then_mended(Mistake {
        bundle: users(),
        path: "tables/users_trigger.sql",
        bad: "\nCREATE TRIGGER t BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();",
        good: "COMMENT ON TABLE users IS 'no trigger';",
    })
    .await;
    answer
        .refused(409, "migration_failed")
        .at("tables/users_trigger.sql", 2)
        .sqlstate("42883")
        .cause("function touch() does not exist");
}

#[tokio::test]
async fn a_row_that_breaks_a_constraint_is_named_with_its_detail() {
    let answer = check_refused_then_mended(Mistake {
        bundle: users().file("tables/b.sql", "CREATE TABLE badges (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users);"),
        path: "seeders/badges.sql",
        bad: "INSERT INTO users (id, name) VALUES (1, 'Ada');\n\nINSERT INTO badges (id, user_id)\nVALUES (1, 1),\n       (2, 7);",
        good: "INSERT INTO users (id, name) VALUES (1, 'Ada'); INSERT INTO badges (id, user_id) VALUES (1, 1);",
    })
    .await;
    answer.refused(409, "migration_failed").at("seeders/badges.sql", 3).sqlstate("23503").cause("badges_user_id_fkey");
    assert!(answer.text("detail").contains("(user_id)=(7)"), "{answer}");
}

#[tokio::test]
async fn a_row_that_breaks_a_deferred_constraint_is_refused() {
    let answer = check_refused_then_mended(Mistake {
        bundle: users()
            .file("tables/b.sql", "CREATE TABLE badges (id int, user_id int REFERENCES users INITIALLY DEFERRED);"),
        path: "seeders/badges.sql",
        bad: "INSERT INTO badges (id, user_id) VALUES (2, 7);",
        good: "INSERT INTO badges (id, user_id) VALUES (2, NULL);",
    })
    .await;
    answer.refused(409, "migration_failed").sqlstate("23503").cause("badges_user_id_fkey");
}

#[tokio::test]
async fn a_row_with_a_value_that_does_not_fit_is_shown_where_it_is() {
    let answer = check_refused_then_mended(Mistake {
        bundle: users(),
        path: "seeders/users.sql",
        bad: "INSERT INTO users (id, name) VALUES\n    (1, 'Ada'),\n    ('two', 'Bob');",
        good: "INSERT INTO users (id, name) VALUES (1, 'Ada'), (2, 'Bob');",
    })
    .await;
    answer.refused(409, "migration_failed").at("seeders/users.sql", 3).sqlstate("22P02").cause("\"two\"");
}

#[tokio::test]
async fn views_in_a_circle_are_named() {
    let platform = Platform::new();
    let bundle = users()
        .file("views/first.sql", "CREATE VIEW first AS SELECT * FROM second;")
        .file("views/second.sql", "CREATE VIEW second AS SELECT * FROM third;")
        .file("views/third.sql", "CREATE VIEW third AS SELECT * FROM first;")
        .file("views/good.sql", "CREATE VIEW good AS SELECT * FROM users;");
    let answer = platform.register_refused(&bundle).await;
    answer.refused(409, "migration_failed").says("first").says("second").says("third");
    platform.register(&bundle.file("views/third.sql", "CREATE VIEW third AS TABLE users;")).await.ready();
}

#[tokio::test]
async fn tables_that_inherit_in_a_circle_are_named() {
    let platform = Platform::new();
    let bundle = users()
        .file("tables/egg.sql", "CREATE TABLE egg (id int) INHERITS (hen);")
        .file("tables/hen.sql", "CREATE TABLE hen (id int) INHERITS (egg);");
    let answer = platform.register_refused(&bundle).await;
    answer.refused(409, "migration_failed").says("egg").says("hen");
}

#[tokio::test]
async fn a_table_and_a_function_that_cannot_be_without_each_other_are_named() {
    let platform = Platform::new();
    let inside = users()
        .file(
            "tables/chests.sql",
            "CREATE TABLE chests (id int, weight int GENERATED ALWAYS AS (weight_of_chest(NULL::chests)) STORED);",
        )
        .file(
            "functions/weight_of.sql",
            "CREATE FUNCTION weight_of_chest(chests) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';",
        );
    let answer = platform.register_refused(&inside).await;
    assert_eq!(answer.status, 409, "{answer}");
    answer.says("chests").says("weight_of_chest");
}

#[tokio::test]
async fn an_object_that_is_declared_twice_is_named() {
    let platform = Platform::new();
    let bundle = users().file("tables/users_again.sql", "\nCREATE TABLE public.Users (id int);");
    let answer = platform.register_refused(&bundle).await;
    answer.refused(409, "migration_failed").at("tables/users_again.sql", 2).sqlstate("42P07");
}

#[tokio::test]
async fn a_statement_that_needs_no_transaction_outside_migrations_is_refused() {
    let platform = Platform::new();
    for (path, text) in [
        ("functions/f.sql", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';\nCOMMIT;"),
        ("tables/t.sql", "CREATE TABLE t (id int);\nROLLBACK;"),
        ("views/v.sql", "CREATE VIEW v AS SELECT 1 AS one;\nBEGIN;"),
        ("seeders/s.sql", "INSERT INTO users VALUES (1, 'a');\nCOMMIT;"),
    ] {
        let answer = platform.register_refused(&users().file(path, text)).await;
        assert_eq!(answer.status, 409, "{path}: {answer}");
        answer.at(path, 2);
    }
}

#[tokio::test]
async fn the_first_tenant_that_fails_does_not_spoil_the_next() {
    let platform = Platform::new();
    let good = users().file("functions/f.sql", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';");
    platform.register(&good).await.ready();
    let bad = good.clone().file("functions/g.sql", "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT h()';");
    let answer = crate::support::register(platform.name(), Some("other"), &bad).await;
    answer.refused(409, "function_deploy_failed").at("functions/g.sql", 1).sqlstate("42883");
    let names = crate::support::sql::databases_named(&format!("{}_", platform.name())).await;
    assert_eq!(names, [platform.main()]);
    crate::support::register(platform.name(), Some("other"), &good).await.ready();
}

#[tokio::test]
async fn a_bundle_cannot_touch_other_databases_or_the_server() {
    let other = Platform::new();
    other.register(&bundle().file("tables/a.sql", "CREATE TABLE a (id int);")).await.ready();
    for statement in [
        format!("DROP DATABASE {}", other.main()),
        format!("ALTER DATABASE {} SET work_mem = '5MB'", other.main()),
        format!("ALTER DATABASE {} RENAME TO mine", other.main()),
        "CREATE DATABASE mine".to_owned(),
        "ALTER SYSTEM SET work_mem = '5MB'".to_owned(),
    ] {
        let platform = Platform::new();
        let bundle = bundle().file("migrations/001.sql", format!("SELECT 1;\n{statement};"));
        let answer = platform.register(&bundle).await;
        answer.refused(409, "migration_failed").at("migrations/001.sql", 2).says("other databases");
    }
    other.sql().await.run("SELECT FROM a").await;
}

#[tokio::test]
async fn a_bundle_cannot_touch_the_gateways_own_tables() {
    let before = bundle().file("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY);");
    let platform = Platform::new();
    platform.register(&before).await.ready();
    let table = "_stonescriptdb_gateway_migrations";
    for (path, statement, code) in [
        ("migrations/001.sql", format!("DELETE FROM {table}"), "migration_failed"),
        ("tables/b.sql", format!("CREATE TABLE public.\"{table}\" (id int)"), "migration_failed"),
        ("views/v.sql", format!("CREATE VIEW {table} AS SELECT 1"), "migration_failed"),
        ("seeders/s.sql", format!("INSERT INTO {table} VALUES ('1', '2')"), "migration_failed"),
        (
            "functions/f.sql",
            format!("CREATE TRIGGER x BEFORE DELETE ON {table} EXECUTE FUNCTION f()"),
            "function_deploy_failed",
        ),
    ] {
        let answer = platform.register(&before.clone().file(path, format!("-- mine\n;\n{statement};"))).await;
        answer.refused(409, code).at(path, 3).says("the gateway's own");
    }
    let reader = format!("CREATE VIEW applied AS SELECT migration_file FROM {table};");
    platform.register(&before.file("views/v.sql", reader)).await.ready();
}
