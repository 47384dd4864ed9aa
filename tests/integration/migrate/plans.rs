//! What is found out before a database is touched: dry runs, blocked changes, shapes.

use serde_json::{Value, json};

use super::{dumps, each, names, three_databases, version_1, version_2};
use crate::support::platform::assert_no_rehearsal_is_left;
use crate::support::{Platform, Sql, bundle, register};

#[tokio::test]
async fn a_dry_run_tells_the_statements_and_changes_nothing() {
    let platform = three_databases(&version_1()).await;
    let before = dumps(&platform).await;
    let answer = platform.migrate(&version_2(), &[("dry_run", "true")]).await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(answer.text("status"), "planned");
    assert_eq!(answer.body["databases_updated"], json!([]));
    assert_eq!(each(&answer.body, "status"), ["planned"; 3]);
    assert_eq!(each(&answer.body, "database"), names(&platform).each_ref());
    for statements in each(&answer.body, "statements") {
        let statements: Vec<&str> = statements.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        let position = |words: &str| {
            statements
                .iter()
                .position(|statement| statement.contains(words))
                .unwrap_or_else(|| panic!("{statements:?}"))
        };
        let migration = position("UPDATE users SET email = lower(email)");
        assert!(migration < position("ALTER TABLE users ADD COLUMN age integer"));
        assert!(position("TYPE character varying(100)") < position("SELECT 2"));
        assert_eq!(statements.len(), 4, "nothing unchanged is among them: {statements:?}");
    }
    answer.counts(&[("migrations_applied", 3), ("functions_updated", 3)]);
    assert_eq!(before, dumps(&platform).await);
    let emails = Sql::connect(&platform.database("a")).await.value("SELECT email FROM users").await;
    assert_eq!(emails, "Ada@Example.com");
    let current = platform.migrate(&version_1(), &[("dry_run", "true")]).await;
    assert_eq!(each(&current.body, "status"), ["unchanged"; 3]);
    assert_eq!(each(&current.body, "statements"), [&json!([]); 3]);
    assert_eq!(current.text("status"), "planned", "a dry run completes nothing: {current}");
}

#[tokio::test]
async fn a_dry_run_of_a_loss_is_blocked_with_200_and_tells_what_force_would_run() {
    let platform = three_databases(&version_2()).await;
    let before = dumps(&platform).await;
    Sql::connect(&platform.database("a")).await.run("UPDATE users SET age = 7").await;
    let answer = platform.migrate(&version_1(), &[("dry_run", "true")]).await;
    assert_eq!((answer.status, answer.text("status")), (200, "blocked"), "{answer}");
    let losses = answer.body["schema_validation"]["dataloss_changes"].as_array().expect("a list");
    assert_eq!(losses.len(), 2, "{answer}");
    let age = losses.iter().find(|change| change["column"] == "age").expect("the column");
    assert_eq!(age["rows_at_risk"], 1, "one value in all three databases: {answer}");
    for statements in each(&answer.body, "statements") {
        assert!(statements.to_string().contains("DROP COLUMN age"), "{answer}");
    }
    assert_eq!(before, dumps(&platform).await);
}

#[tokio::test]
async fn a_loss_is_blocked_in_every_database_before_the_first_is_touched() {
    let platform = three_databases(&version_2()).await;
    // One has a shape of its own, in which the same change is one more thing.
    Sql::connect(&platform.database("b")).await.run("CREATE INDEX by_hand ON users (email)").await;
    let before = dumps(&platform).await;
    let smaller = version_2().file("tables/users.sql", "CREATE TABLE users (id int PRIMARY KEY, email varchar(100));");
    let answer = platform.migrate(&smaller, &[]).await;
    answer.refused(409, "migration_failed");
    let losses = &answer.body["schema_validation"]["dataloss_changes"];
    assert_eq!(losses.as_array().map(Vec::len), Some(1), "once, not once for each shape: {answer}");
    assert_eq!((&losses[0]["change_type"], &losses[0]["table"]), (&json!("DropColumn"), &json!("users")));
    assert_eq!((&losses[0]["databases"], &losses[0]["database_count"]), (&json!(names(&platform)), &json!(3)));
    answer.says(&format!("in 3 databases, {} among them", names(&platform)[0]));
    assert_eq!(before, dumps(&platform).await);
    let forced = platform.migrate(&smaller, &[("force", "true")]).await;
    assert_eq!(forced.status, 200, "{forced}");
    forced.counts(&[("shapes", 2)]);
    for database in names(&platform) {
        let columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'age'";
        assert_eq!(Sql::connect(&database).await.value(columns).await, "0");
    }
    let by_hand = "SELECT count(*) FROM pg_class WHERE relname = 'by_hand'";
    assert_eq!(Sql::connect(&platform.database("b")).await.value(by_hand).await, "1");
}

#[tokio::test]
async fn databases_of_several_versions_come_to_one() {
    let platform = three_databases(&version_1()).await;
    register(platform.name(), Some("b"), &version_2()).await.ready();
    let third = version_2().file("tables/tags.sql", "CREATE TABLE tags (id int PRIMARY KEY);");
    register(platform.name(), Some("c"), &third).await.ready();
    let answer = platform.migrate(&third, &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    answer.counts(&[("shapes", 2), ("migrations_applied", 2)]);
    assert_eq!(each(&answer.body, "status"), ["completed", "completed", "unchanged", "completed"]);
    let dumps = dumps(&platform).await;
    assert_eq!(dumps[0], dumps[2]);
}

#[tokio::test]
async fn what_was_changed_by_hand_is_found_and_brought_back() {
    let platform = three_databases(&version_2()).await;
    let sql = Sql::connect(&platform.database("a")).await;
    sql.run("ALTER TABLE users DROP COLUMN age").await;
    let answer = platform.migrate(&version_2(), &[]).await;
    assert_eq!(each(&answer.body, "status"), ["completed", "unchanged", "unchanged"]);
    assert_eq!(sql.value("SELECT count(age) FROM users").await, "0");
    sql.run("DROP FUNCTION version_of()").await;
    assert_eq!(platform.migrate(&version_2(), &[]).await.count("functions_updated"), 1);
    assert_eq!(sql.value("SELECT version_of()").await, "2");
    // What calls do all day is no change by hand.
    sql.run("CREATE TEMP TABLE scratch (id int); INSERT INTO notes (body) VALUES ('x'); ANALYZE").await;
    let answer = platform.migrate(&version_2(), &[]).await;
    assert_eq!(each(&answer.body, "status"), ["unchanged"; 3]);
}

#[tokio::test]
async fn a_statement_that_refuses_a_transaction_is_rehearsed_on_a_copy_and_run_everywhere() {
    let platform = three_databases(&version_1()).await;
    let concurrent = version_1().file("migrations/002.sql", "CREATE INDEX CONCURRENTLY by_email ON users (email);");
    let dry = platform.migrate(&concurrent, &[("dry_run", "1")]).await;
    assert!(each(&dry.body, "statements")[0].to_string().contains("CONCURRENTLY"), "{dry}");
    let index = "SELECT coalesce(bool_and(indisvalid), false) FROM pg_index WHERE indexrelid = to_regclass('by_email')";
    for database in names(&platform) {
        assert_eq!(Sql::connect(&database).await.value(index).await, "f");
    }
    // One database equals no blueprint, so that its rehearsal cannot run the statement.
    Sql::connect(&platform.database("b")).await.run("CREATE TABLE by_hand (id int)").await;
    platform.migrate(&concurrent, &[("dry_run", "1")]).await.counts(&[("shapes", 2)]);
    Sql::connect(&platform.database("b")).await.run("DROP TABLE by_hand; CREATE INDEX by_hand ON users (email)").await;
    let answer = platform.migrate(&concurrent, &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    for database in names(&platform) {
        assert_eq!(Sql::connect(&database).await.value(index).await, "t");
    }
    assert_no_rehearsal_is_left().await;
}

#[tokio::test]
async fn an_empty_database_gets_everything() {
    let platform = three_databases(&version_1()).await;
    let body = json!({"platform": platform.name(), "tenant_id": "fresh"});
    let created = crate::support::post_json("/admin/create-tenant", body).await;
    assert_eq!(created.status, 201, "{created}");
    let seeded =
        version_1().file("seeders/users.sql", "INSERT INTO users (id, email) VALUES (1, 'x') ON CONFLICT DO NOTHING;");
    let answer = platform.migrate(&seeded, &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    let fresh = Sql::connect(&platform.database("fresh")).await;
    assert_eq!(fresh.value("SELECT count(*) FROM users").await, "1");
    let nothing = platform
        .migrate(
            &bundle().file("functions/f.sql", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';"),
            &[("dry_run", "true")],
        )
        .await;
    assert_eq!(nothing.status, 200, "{nothing}");
}

#[tokio::test]
async fn a_refusal_names_twenty_databases_and_counts_the_rest() {
    let platform = Platform::new();
    platform.register(&version_2()).await.ready();
    for number in 1..=22 {
        register(platform.name(), Some(&format!("n{number:02}")), &version_2()).await.ready();
    }
    // Two shapes, whose databases are told of together, in the order of their names.
    Sql::connect(&platform.database("n05")).await.run("CREATE INDEX by_hand ON users (email)").await;
    let smaller = version_2().file("tables/users.sql", "CREATE TABLE users (id int PRIMARY KEY, email varchar(100));");
    let answer = platform.migrate(&smaller, &[]).await;
    answer.refused(409, "migration_failed");
    let losses = answer.body["schema_validation"]["dataloss_changes"].as_array().expect("a list");
    assert_eq!(losses.len(), 1, "{answer}");
    let tenants = (1..=19).map(|number| platform.database(&format!("n{number:02}")));
    let first: Vec<String> = [platform.main()].into_iter().chain(tenants).collect();
    assert_eq!((&losses[0]["databases"], &losses[0]["database_count"]), (&json!(first), &json!(23)));
    answer.says("in 23 databases");
}
