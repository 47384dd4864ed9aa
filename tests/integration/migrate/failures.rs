//! A database that fails is left as it was and stops those that have not begun; running it again resumes.

use serde_json::json;

use super::{each, names, three_databases, version_1, version_2};
use crate::support::pg_dump::pg_dump;
use crate::support::{Sql, register};

#[tokio::test]
async fn one_that_fails_is_as_it_was_and_running_again_resumes() {
    let platform = three_databases(&version_1()).await;
    register(platform.name(), Some("c"), &version_1()).await.ready();
    // The rehearsal sees no rows: only this tenant's own stand in the way of the constraint.
    let unlucky = Sql::connect(&platform.database("b")).await;
    unlucky.run("INSERT INTO users (id, email) VALUES (2, 'Ada@Example.com')").await;
    let before = pg_dump(&platform.database("b")).await;
    let unique = version_2()
        .file("tables/users.sql", "CREATE TABLE users (id int PRIMARY KEY, email varchar(100) UNIQUE, age int);");
    let answer = platform.migrate(&unique, &[]).await;
    answer.refused(409, "migration_failed").sqlstate("23505");
    let failed = answer.body["databases_failed"].as_array().expect("a list");
    assert_eq!(failed.len(), 1, "{answer}");
    assert_eq!(failed[0]["database"], platform.database("b"));
    assert!(
        failed[0]["cause"].as_str().is_some_and(|cause| cause.contains("could not create unique index")),
        "{answer}"
    );
    assert_eq!((&failed[0]["sqlstate"], &failed[0]["file"]), (&json!("23505"), &json!("tables/users.sql")), "{answer}");
    assert!(failed[0]["detail"].as_str().is_some_and(|detail| detail.contains("is duplicated")), "{answer}");
    let list = |field: &str| answer.body[field].as_array().expect("a list").len();
    assert_eq!(list("databases_updated") + list("databases_failed") + list("databases_pending"), 4, "{answer}");
    assert!(
        answer.body["databases_updated"].as_array().is_some_and(|list| list.contains(&json!(platform.database("a"))))
    );
    assert_eq!(before, pg_dump(&platform.database("b")).await);
    assert_eq!(unlucky.value("SELECT string_agg(email, ' ') FROM users").await, "Ada@Example.com Ada@Example.com");
    unlucky.run("DELETE FROM users WHERE id = 2").await;
    let again = platform.migrate(&unique, &[]).await;
    assert_eq!(again.status, 200, "{again}");
    assert_eq!(each(&again.body, "status")[0], "unchanged");
    assert_eq!(again.body["databases_updated"].as_array().map(Vec::len), Some(4));
}

#[tokio::test]
async fn one_that_fails_says_where_in_the_bundle() {
    let platform = three_databases(&version_1()).await;
    let odd = Sql::connect(&platform.database("b")).await;
    odd.run("INSERT INTO users (id, email) VALUES (2, 'Ada@Example.com')").await;
    let migration = "-- the first line\nCREATE UNIQUE INDEX users_email ON users (email);";
    let answer = platform.migrate(&version_1().file("migrations/900_unique.sql", migration), &[]).await;
    answer.refused(409, "migration_failed");
    let failed = &answer.body["databases_failed"][0];
    assert_eq!(failed["database"], platform.database("b"), "{answer}");
    let place = (&failed["file"], &failed["line"], &failed["sqlstate"]);
    assert_eq!(place, (&json!("migrations/900_unique.sql"), &json!(2), &json!("23505")), "{answer}");
    assert!(failed["detail"].as_str().is_some_and(|detail| detail.contains("is duplicated")), "{answer}");
}

#[tokio::test]
async fn the_first_alone_keeps_the_others_from_harm() {
    let platform = three_databases(&version_1()).await;
    let first = Sql::connect(&platform.database("a")).await;
    first.run("INSERT INTO users (id, email) VALUES (2, NULL)").await;
    let strict = version_2().file(
        "tables/users.sql",
        "CREATE TABLE users (id int PRIMARY KEY, email varchar(100) CHECK (email IS NOT NULL), age int);",
    );
    let answer = platform.migrate(&strict, &[]).await;
    answer.refused(409, "migration_failed").sqlstate("23514");
    assert_eq!(answer.body["databases_updated"], json!([]));
    assert_eq!(answer.body["databases_pending"], json!(names(&platform)[1..]));
    for database in names(&platform) {
        assert_eq!(Sql::connect(&database).await.value("SELECT version_of()").await, "1");
    }
}

#[tokio::test]
async fn a_statement_that_no_shape_can_run_is_refused_before_any_is_touched() {
    let platform = three_databases(&version_1()).await;
    // In a new database the declaration has the column, so only an existing one shows the mistake.
    let wrong = version_2().file("migrations/003.sql", "SELECT 1;\nUPDATE users SET age = 1 / (SELECT 0);");
    let answer = platform.migrate(&wrong, &[]).await;
    answer.refused(409, "migration_failed");
    for database in names(&platform) {
        assert_eq!(Sql::connect(&database).await.value("SELECT version_of()").await, "1");
    }
}

#[tokio::test]
async fn rows_that_seeders_name_have_to_be_there() {
    let seeder = ("seeders/users.sql", "INSERT INTO users (id, email) VALUES (1, 'ada'), (7, 'grace');");
    let platform = three_databases(&version_1()).await;
    let seeded = version_2().file(seeder.0, seeder.1);
    let answer = platform.migrate(&seeded, &[]).await;
    answer.refused(409, "migration_failed");
    let validations = &answer.body["seeder_validations"];
    assert_eq!(validations[0]["table"], "users", "{answer}");
    assert_eq!((&validations[0]["expected"], &validations[0]["found"]), (&json!(2), &json!(1)), "{answer}");
    assert_eq!(Sql::connect(&platform.main()).await.value("SELECT version_of()").await, "1");
}

#[tokio::test]
async fn an_edited_migration_is_refused_and_nothing_run() {
    let platform = three_databases(&version_2()).await;
    let edited = version_2().file("migrations/002.sql", "UPDATE users SET email = upper(email);");
    let answer = platform.migrate(&edited, &[]).await;
    answer.refused(409, "migration_failed").says("002.sql");
    let sql = Sql::connect(&platform.main()).await;
    assert_eq!(sql.value("SELECT email FROM users").await, "Ada@Example.com");
}

#[tokio::test]
async fn a_database_dropped_by_hand_is_a_warning_for_the_others() {
    let platform = three_databases(&version_1()).await;
    Sql::connect("postgres").await.run(&format!("DROP DATABASE {} WITH (FORCE)", platform.database("b"))).await;
    let answer = platform.migrate(&version_2(), &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(answer.body["databases_updated"], json!([platform.database("a"), platform.main()]));
    platform.migrate(&version_2(), &[("tenant_id", "b")]).await.refused(404, "database_not_found");
}
