//! Which row of a table is the one that a seeder names: in new databases beside what migrations brought, and in later releases.

use serde_json::json;

use super::{assert_warned, function, warnings};
use crate::support::{BundleBuilder, Platform, Sql, bundle, register};

/// `/migrate` of a release with another function: the rows are there.
async fn check_released(platform: &Platform, bundle: &BundleBuilder, release: u32, expected: usize) {
    let answer = platform.migrate(&function(bundle.clone(), release), &[]).await;
    assert_eq!(answer.status, 200, "release {release}: {answer}");
    let validations = answer.body["seeder_validations"].as_array().expect("a list");
    let sum = |field: &str| validations.iter().filter_map(|one| one[field].as_u64()).sum::<u64>();
    assert_eq!((sum("expected"), sum("found")), (expected as u64, expected as u64), "release {release}: {answer}");
}

/// The same, also where nothing is on record of the rows, as in databases of earlier versions.
async fn check_goes_on(bundle: &BundleBuilder, expected: usize) -> Platform {
    let platform = Platform::new();
    platform.register(bundle).await.ready();
    check_released(&platform, bundle, 1, expected).await;
    let sql = platform.sql().await;
    sql.run("DROP TABLE _stonescriptdb_gateway_seeds").await;
    check_released(&platform, bundle, 2, expected).await;
    // And is on record again.
    check_released(&platform, bundle, 3, expected).await;
    platform
}

#[tokio::test]
async fn rows_that_a_trigger_or_the_time_changes_are_known_in_later_releases() {
    let tags = bundle()
        .file(
            "tables/tags.sql",
            "CREATE TABLE tags (id serial PRIMARY KEY, name text, added timestamptz, day date[]);
             CREATE TABLE codes (code text PRIMARY KEY, name text);
             CREATE TABLE plain (word text, at timestamptz);
             CREATE TRIGGER lower BEFORE INSERT ON tags FOR EACH ROW EXECUTE FUNCTION lower_name();
             CREATE TRIGGER lower BEFORE INSERT ON codes FOR EACH ROW EXECUTE FUNCTION lower_name();
             CREATE TRIGGER lower BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION lower_name();",
        )
        .file(
            "functions/lower_name.sql",
            "CREATE FUNCTION lower_name() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 CASE TG_TABLE_NAME
                 WHEN 'tags' THEN NEW.name := lower(NEW.name);
                 WHEN 'codes' THEN NEW.code := lower(NEW.code);
                 ELSE NEW.word := lower(NEW.word);
                 END CASE;
                 IF to_jsonb(NEW)::text LIKE '%nobody%' THEN RETURN NULL; END IF;
                 RETURN NEW; END $$;",
        )
        .file(
            "seeders/tags.sql",
            "INSERT INTO tags (name, added, day) VALUES ('Red', 'now', '{today}'), ('Green', 'yesterday'::timestamptz, NULL), ('BLUE', '2024-01-01', NULL);
             INSERT INTO codes VALUES ('DE', 'Germany'), ('EE', 'Estonia'), ('NOBODY', 'x');
             INSERT INTO plain VALUES ('A', 'now');
             INSERT INTO plain VALUES ('NOBODY', 'now');",
        );
    let platform = check_goes_on(&tags, 6).await;
    let sql = platform.sql().await;
    assert_eq!(sql.value("SELECT count(*) FROM _stonescriptdb_gateway_seeds WHERE table_name = 'tags'").await, "3");
    // A row is known by its key, whatever a customer has made of the rest.
    sql.run("UPDATE tags SET name = 'crimson' WHERE name = 'red'").await;
    check_released(&platform, &tags, 4, 6).await;
    sql.run("DELETE FROM tags WHERE name = 'crimson'").await;
    let refused = platform.migrate(&function(tags.clone(), 5), &[]).await;
    refused.refused(409, "migration_failed").says("tags");
    assert_eq!(refused.body["seeder_validations"][2]["missing"], json!([{"name": "'Red'"}]), "{refused}");
    // Brought back by a migration, under another key.
    let back = function(tags, 5).file("migrations/001.sql", "INSERT INTO tags (name) VALUES ('Red');");
    check_released(&platform, &back, 6, 6).await;
}

#[tokio::test]
async fn copies_of_a_blueprint_know_their_rows() {
    let words = bundle()
        .file("tables/words.sql", "CREATE TABLE words (id serial PRIMARY KEY, word text);")
        .file("seeders/words.sql", "INSERT INTO words (word) VALUES ('yes'), ('yes'), ('no');");
    let platform = check_goes_on(&words, 3).await;
    register(platform.name(), Some("other"), &words).await.ready();
    let other = Sql::connect(&platform.database("other")).await;
    assert_eq!(
        other.column("SELECT stored FROM _stonescriptdb_gateway_seeds ORDER BY 1").await,
        [r#"{"id":"1"}"#, r#"{"id":"2"}"#, r#"{"id":"3"}"#]
    );
    other.run("UPDATE words SET word = 'ja' WHERE word = 'yes'").await;
    check_released(&platform, &words, 4, 3).await;
}

#[tokio::test]
async fn a_row_that_a_seeder_and_a_migration_bring_is_there_once() {
    let roles = bundle().file("tables/roles.sql", "CREATE TABLE roles (id int PRIMARY KEY, name text UNIQUE);");
    let first = roles.clone().file("seeders/roles.sql", "INSERT INTO roles VALUES (1, 'owner'), (2, 'guest');");
    let second = roles
        .file("seeders/roles.sql", "INSERT INTO roles VALUES (1, 'owner'), (2, 'guest'),\n(3, 'clerk');")
        .file("migrations/001.sql", "INSERT INTO roles VALUES (3, 'clerk');");
    let platform = Platform::new();
    platform.register(&first).await.ready();
    check_released(&platform, &second, 1, 3).await;
    let answer = register(platform.name(), Some("new"), &second).await;
    assert_eq!(answer.ready().seeded("roles"), (2, 1), "{answer}");
    assert_eq!(warnings(&answer), [""; 0]);
    let new = Sql::connect(&platform.database("new")).await;
    assert_eq!(new.column("SELECT name FROM roles ORDER BY id").await, ["owner", "guest", "clerk"]);
    // The same key with other values is told of, with both.
    let other = second.file("migrations/001.sql", "INSERT INTO roles VALUES (3, 'scribe');");
    let answer = Platform::new().register(&other).await;
    assert_eq!(answer.ready().seeded("roles"), (2, 1), "{answer}");
    assert_warned(&answer, &["seeders/roles.sql, line 2", "'scribe'", "'clerk'"]);
}

#[tokio::test]
async fn keys_of_every_kind_tell_what_a_migration_brought() {
    let keys = bundle()
        .file(
            "tables/t.sql",
            "CREATE TABLE grants (role int, what text, note text, PRIMARY KEY (what, role));
             CREATE TABLE serials (id serial PRIMARY KEY, name text UNIQUE);
             CREATE TABLE taken (id serial PRIMARY KEY, name text, UNIQUE (name));
             CREATE TABLE keyless (word text);
             CREATE TABLE half (a int, b int, c int UNIQUE);",
        )
        .file(
            "migrations/001.sql",
            "INSERT INTO grants VALUES (1, 'read', 'by migration');
             INSERT INTO serials (name) VALUES ('c');
             INSERT INTO taken (name) VALUES ('c');
             INSERT INTO keyless VALUES ('a');
             INSERT INTO half VALUES (1, 1, NULL);",
        )
        .file(
            "seeders/t.sql",
            "INSERT INTO grants (role, what) VALUES (1, 'read'), (1, 'write'), (2, 'read');
INSERT INTO serials (name) VALUES ('a'), ('b'), ('c');
INSERT INTO taken (id, name) VALUES (1, 'a'), (2, 'b'), (3, 'c');
INSERT INTO keyless VALUES ('a'), ('b'), ('b'), ('a');
INSERT INTO half VALUES (1, 1, 5), (1, 2, NULL);",
        );
    let platform = Platform::new();
    let answer = platform.register(&keys).await;
    answer.ready();
    let seeded = ["grants", "serials", "taken", "keyless", "half"].map(|table| answer.seeded(table));
    assert_eq!(seeded, [(2, 1), (2, 1), (1, 2), (2, 2), (2, 0)], "{answer}");
    assert_warned(&answer, &["seeders/t.sql, line 3", "'c' instead of 'a'"]);
    let sql = platform.sql().await;
    assert_eq!(sql.value("SELECT string_agg(id || name, ' ' ORDER BY id) FROM serials").await, "1c 2a 3b");
    assert_eq!(sql.value("SELECT string_agg(id || name, ' ' ORDER BY id) FROM taken").await, "1c 2b");
    check_released(&platform, &keys, 1, 15).await;
}

#[tokio::test]
async fn a_new_table_that_a_migration_has_filled_gets_the_rows_that_it_lacks() {
    let platform = Platform::new();
    let empty = bundle().file("functions/f.sql", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';");
    platform.register(&empty).await.ready();
    register(platform.name(), Some("other"), &empty).await.ready();
    let states = empty
        .file("tables/states.sql", "CREATE TABLE states (code text PRIMARY KEY, name text);")
        .file(
            "migrations/001.sql",
            "CREATE TABLE states (code text PRIMARY KEY, name text); INSERT INTO states VALUES ('b', 'Bee');",
        )
        .file(
            "seeders/states.sql",
            "INSERT INTO states VALUES ('a', 'Ay'), ('b', 'B');\nUPDATE states SET name = upper(name);",
        );
    let answers = [platform.register(&states).await, platform.migrate(&states, &[]).await];
    for (database, answer) in [platform.main(), platform.database("other")].into_iter().zip(answers) {
        assert_eq!(answer.status, 200, "{answer}");
        assert_warned(&answer, &["seeders/states.sql, line 1", "'Bee'", "'B'"]);
        assert_warned(&answer, &["seeders/states.sql, line 2", "states"]);
        let sql = Sql::connect(&database).await;
        assert_eq!(sql.column("SELECT name FROM states ORDER BY code").await, ["Ay", "Bee"]);
    }
}

#[tokio::test]
async fn a_table_that_a_migration_swapped_or_renamed_is_not_new() {
    let platform = Platform::new();
    let old = bundle()
        .file("tables/x.sql", "CREATE TABLE x (id int PRIMARY KEY, name text);")
        .file("tables/was.sql", "CREATE TABLE was (id int PRIMARY KEY);")
        .file("seeders/x.sql", "INSERT INTO x VALUES (1, 'a'), (2, 'b');\nUPDATE x SET name = 'seeded';");
    platform.register(&old).await.ready();
    let sql = platform.sql().await;
    sql.run("UPDATE x SET name = 'mine'").await;
    let swapped = old
        .without("tables/was.sql")
        .file("tables/now.sql", "CREATE TABLE now_is (id int PRIMARY KEY);")
        .file(
            "migrations/001.sql",
            "CREATE TABLE new_x (LIKE x INCLUDING ALL); INSERT INTO new_x SELECT * FROM x;
             ALTER TABLE x RENAME TO old_x; ALTER TABLE new_x RENAME TO x; DROP TABLE old_x;
             ALTER INDEX new_x_pkey RENAME TO x_pkey; ALTER TABLE was RENAME TO now_is;
             ALTER INDEX was_pkey RENAME TO now_is_pkey;",
        )
        .file("seeders/now.sql", "INSERT INTO now_is VALUES (1);");
    let refused = platform.migrate(&swapped, &[("force", "true")]).await;
    refused.refused(409, "migration_failed").says("now_is");
    assert_eq!(refused.body["seeder_validations"][1]["found"], 2, "every table is listed: {refused}");
    let answer = platform.migrate(&swapped.without("seeders/now.sql"), &[("force", "true")]).await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(sql.column("SELECT DISTINCT name FROM x").await, ["mine"]);
}

#[tokio::test]
async fn a_start_leaves_a_table_with_rows_alone() {
    let platform = Platform::new();
    let roles = bundle().file("tables/roles.sql", "CREATE TABLE roles (id int PRIMARY KEY, name text UNIQUE);");
    platform.register(&roles).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO roles VALUES (7, 'owner')").await;
    let seeded = roles.file(
        "seeders/roles.sql",
        "\nINSERT INTO roles VALUES (1, 'owner'), (7, 'other'), (2, 'guest')
        ON CONFLICT (id) DO UPDATE SET name = excluded.name;",
    );
    let answer = platform.register(&seeded).await;
    answer.ready();
    assert_warned(&answer, &["seeders/roles.sql, line 2", "2 of"]);
    assert_eq!(sql.column("SELECT name FROM roles").await, ["owner"]);
    let refused = platform.migrate(&function(seeded, 1), &[]).await;
    refused.refused(409, "migration_failed").says("migration");
    assert_eq!(
        refused.body["seeder_validations"],
        json!([{"table": "roles", "expected": 3, "found": 1, "missing": [{"id": "1"}, {"id": "2"}]}]),
        "{refused}"
    );
}

#[tokio::test]
async fn tables_of_an_interrupted_deployment_are_new_to_the_next() {
    let platform = Platform::new();
    let old = bundle().file("tables/old.sql", "CREATE TABLE old (id int PRIMARY KEY, name text);");
    platform.register(&old).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO old VALUES (1, 'a'), (2, '')").await;
    let next = old
        .file("tables/fresh.sql", "CREATE TABLE fresh (id int PRIMARY KEY);")
        .file("migrations/001.sql", "CREATE TABLE fresh (id int PRIMARY KEY);")
        .file("migrations/002.sql", "CREATE UNIQUE INDEX CONCURRENTLY old_name ON old ((60 / length(name)));")
        .file("seeders/fresh.sql", "INSERT INTO fresh VALUES (1), (2);");
    platform.migrate(&next, &[]).await.refused(409, "migration_failed").sqlstate("22012");
    assert_eq!(sql.value("SELECT count(*) FROM fresh").await, "0");
    sql.run("DELETE FROM old WHERE id = 2").await;
    let answer = platform.migrate(&next, &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(sql.value("SELECT count(*) FROM fresh").await, "2");
    assert_eq!(sql.value("SELECT count(*) FROM _stonescriptdb_gateway_seeds").await, "0");
}

/// A trigger gives rows another key, or puts them elsewhere, from the first release on, or from a later one on, or until one.
#[tokio::test]
async fn rows_that_a_trigger_moves_elsewhere_are_known_in_later_releases() {
    const TABLES: &str =
        "CREATE TABLE codes (id int PRIMARY KEY, name text); CREATE TABLE archive (id int, name text);";
    const TRIGGER: &str = "CREATE TRIGGER move BEFORE INSERT ON codes FOR EACH ROW EXECUTE FUNCTION move();";
    const MOVE: &str = "CREATE FUNCTION move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.id = 3 THEN INSERT INTO archive VALUES (NEW.id, NEW.name); RETURN NULL; END IF;
        NEW.id := NEW.id + 100; RETURN NEW; END $$;";
    let plain = bundle()
        .file("tables/codes.sql", TABLES)
        .file("functions/move.sql", MOVE)
        .file("seeders/codes.sql", "INSERT INTO codes VALUES (1, 'a'), (2, 'b'), (3, 'c');");
    let moving = plain.clone().file("tables/trigger.sql", TRIGGER);
    let platform = check_goes_on(&moving, 2).await;
    let sql = platform.sql().await;
    assert_eq!(sql.column("SELECT id FROM codes UNION ALL SELECT id FROM archive").await, ["101", "102", "3"]);
    // A customer's own changes, and a start, change nothing of that.
    sql.run("UPDATE codes SET name = 'mine' WHERE id = 101").await;
    check_released(&platform, &moving, 4, 2).await;
    platform.register(&function(moving.clone(), 5)).await.ready();
    assert_eq!(sql.value("SELECT count(*) FROM codes").await, "2");
    // Without the trigger a new database has the third row, so this one has to get it.
    platform.migrate(&function(plain.clone(), 6), &[]).await.refused(409, "migration_failed").says("codes");
    // Migrations run before the trigger goes by itself.
    let brought = function(plain.clone(), 6)
        .file("migrations/1.sql", "DROP TRIGGER IF EXISTS move ON codes; INSERT INTO codes VALUES (3, 'c');");
    check_released(&platform, &brought, 7, 3).await;
    // The other way round: the rows are where they were said to be when they came.
    let platform = check_goes_on(&plain, 3).await;
    check_released(&platform, &moving, 4, 3).await;
    platform.sql().await.run("DELETE FROM codes WHERE id = 3").await;
    check_released(&platform, &moving, 5, 2).await;
    platform.sql().await.run("DELETE FROM codes WHERE id = 1").await;
    platform.migrate(&function(moving, 6), &[]).await.refused(409, "migration_failed").says("codes");
}
