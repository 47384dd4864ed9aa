//! Relations that seeders make for themselves, which are there in new databases only.

use super::{assert_warned, function, warnings};
use crate::support::{BundleBuilder, Platform, Sql, bundle, register};

const SEEDER: &str = "CREATE TEMP TABLE raw (a int);
INSERT INTO raw VALUES (1), (2);
INSERT INTO items (a) SELECT a FROM raw;
CREATE TEMP TABLE notes (name text);
INSERT INTO notes VALUES ('none of the platform''s');
INSERT INTO lines SELECT 1 FROM notes;
INSERT INTO lines VALUES ((SELECT count(*) FROM notes));
INSERT INTO roles VALUES (1);
DO $$ BEGIN CREATE TEMP TABLE by_do (a int); END $$;
INSERT INTO by_do VALUES (3);
INSERT INTO pg_temp.by_do VALUES (4);
INSERT INTO items (a) SELECT a FROM by_do;
SELECT 5 AS a INTO TEMP by_into;
INSERT INTO items (a) VALUES ((SELECT a FROM by_into));
WITH nine AS (SELECT 9 AS id) INSERT INTO lines SELECT id FROM nine;";

fn seeded() -> BundleBuilder {
    bundle()
        .file(
            "tables/items.sql",
            "CREATE TABLE items (id serial PRIMARY KEY, a int);
             CREATE TABLE roles (id int PRIMARY KEY);
             CREATE TABLE lines (id int);",
        )
        .file("seeders/items.sql", SEEDER)
}

#[tokio::test]
async fn what_is_about_them_is_passed_over_where_there_is_a_database() {
    let platform = Platform::new();
    let answer = platform.register(&seeded()).await;
    let tables: Vec<&str> =
        answer.body["seeders"].as_array().into_iter().flatten().filter_map(|one| one["table"].as_str()).collect();
    assert_eq!(tables, ["items", "lines", "roles"], "{answer}");
    assert_eq!(answer.seeded("roles"), (1, 0), "{answer}");
    let sql = platform.sql().await;
    let held = "SELECT (SELECT string_agg(a::text, ' ' ORDER BY a) FROM items) || ', ' ||
                       (SELECT string_agg(id::text, ' ' ORDER BY id) FROM lines)";
    assert_eq!(sql.value(held).await, "1 2 3 4 5, 1 1 9");
    for (release, at_start) in [(1, true), (2, false)] {
        let next = function(seeded(), release);
        let answer = if at_start { platform.register(&next).await } else { platform.migrate(&next, &[]).await };
        assert_eq!(answer.status, 200, "{answer}");
        for line in [1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 15] {
            assert_warned(&answer, &[&format!("seeders/items.sql, line {line}:")]);
        }
        assert_eq!(warnings(&answer).len(), 12, "{answer}");
        assert_eq!(sql.value(held).await, "1 2 3 4 5, 1 1 9");
    }
}

#[tokio::test]
async fn new_tables_get_what_does_not_need_them() {
    let old = bundle().file("tables/old.sql", "CREATE TABLE old (id int PRIMARY KEY);");
    let platform = Platform::new();
    platform.register(&old).await.ready();
    register(platform.name(), Some("other"), &old).await.ready();
    let next = seeded().file("tables/old.sql", "CREATE TABLE old (id int PRIMARY KEY);");
    let answers = [platform.register(&next).await, platform.migrate(&next, &[]).await];
    for (database, answer) in [platform.main(), platform.database("other")].into_iter().zip(answers) {
        assert_eq!(answer.status, 200, "{answer}");
        assert_warned(&answer, &["seeders/items.sql, line 5:", "notes", "temporary"]);
        assert_warned(&answer, &["seeders/items.sql, line 12:", "by_do"]);
        assert_warned(&answer, &["seeders/items.sql, line 14:", "by_into"]);
        let sql = Sql::connect(&database).await;
        let held = "SELECT (SELECT count(*) FROM items) || ', ' || (SELECT string_agg(id::text, ' ') FROM lines) ||
                           ', ' || (SELECT string_agg(id::text, ' ') FROM roles)";
        assert_eq!(sql.value(held).await, "0, 9, 1");
    }
}
