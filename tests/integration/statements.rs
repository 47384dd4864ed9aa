//! What a deployment costs in statements, counted by PostgreSQL itself: its log names every one that reaches the database.

use std::fs;
use std::path::PathBuf;

use tokio::sync::Mutex;

use crate::support::{BundleBuilder, Platform, Sql, bundle};

/// The log is one for all databases, and only those of these tests write statements into it.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A table, and this many functions.
fn functions(count: usize) -> BundleBuilder {
    let declared = bundle().file("tables/users.sql", "CREATE TABLE users (id int PRIMARY KEY, name text);");
    (0..count).fold(declared, |bundle, number| with_function(bundle, number, "SELECT name FROM users WHERE id = p_id"))
}

fn with_function(bundle: BundleBuilder, number: usize, body: &str) -> BundleBuilder {
    let text = format!("CREATE FUNCTION name_{number}(p_id int) RETURNS text LANGUAGE sql AS $$ {body} $$;");
    bundle.file(&format!("functions/name_{number}.sql"), text)
}

/// A main database at the bundle, every statement to which PostgreSQL writes into its log from now on.
async fn watched(bundle: &BundleBuilder) -> Platform {
    let platform = Platform::new();
    platform.register(bundle).await.ready();
    let server = Sql::connect("postgres").await;
    server.run(&format!("ALTER DATABASE \"{}\" SET log_statement = 'all'", platform.main())).await;
    platform
}

/// The statements that reach the platform's database during one `/register` of the bundle.
async fn statements(platform: &Platform, bundle: &BundleBuilder) -> Vec<String> {
    let folder = Sql::connect("postgres").await.value("SHOW data_directory").await;
    let log = PathBuf::from(folder).with_extension("log");
    let read = || fs::read_to_string(&log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
    let before = read().len();
    platform.register(bundle).await.ready();
    let text = read();
    // `… LOG:  statement: BEGIN`, `… LOG:  execute s0: SELECT …`
    let statement = |line: &str| {
        let (_, logged) = line.split_once(" LOG:  ")?;
        let (kind, statement) = logged.split_once(": ")?;
        // Without oids, which differ from one database to the next.
        let words = statement.replace(|letter: char| letter.is_ascii_digit(), "");
        // An empty one is a sign of life, which takes its time by itself.
        (kind == "statement" || kind.starts_with("execute ")).then_some(words).filter(|words| !words.is_empty())
    };
    // Some are sent without waiting for each other, and arrive in any order.
    let mut statements: Vec<_> = text[before..].lines().filter_map(statement).collect();
    statements.sort();
    statements
}

#[tokio::test]
async fn the_same_bundle_again_costs_the_same_whatever_number_of_functions_it_has() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut costs = Vec::new();
    for count in [1, 75] {
        let platform = watched(&functions(count)).await;
        costs.push(statements(&platform, &functions(count)).await);
    }
    assert_eq!(costs[0], costs[1], "one function, 75 functions");
    assert!((1..=4).contains(&costs[0].len()), "{:#?}", costs[0]);
}

#[tokio::test]
async fn unchanged_functions_cost_no_statement_beside_one_that_changed() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut costs = Vec::new();
    for count in [1, 75] {
        let platform = watched(&functions(count)).await;
        let changed = with_function(functions(count), 0, "SELECT upper(name) FROM users WHERE id = p_id");
        let sent = statements(&platform, &changed).await;
        let created: Vec<_> = sent.iter().filter(|statement| statement.contains(" FUNCTION ")).collect();
        assert_eq!(created.len(), 1, "{created:#?}");
        assert!(created[0].contains("CREATE OR REPLACE FUNCTION name_("), "{created:#?}");
        costs.push(sent);

        let changelog = "SELECT change_type || ' ' || object_name FROM _stonescriptdb_gateway_changelog \
            WHERE schema_checksum = (SELECT bundle_checksum FROM _stonescriptdb_gateway_state)";
        assert_eq!(platform.sql().await.column(changelog).await, ["ReplaceFunction name_0(integer)"]);
    }
    assert_eq!(costs[0], costs[1], "one function, 75 functions");
}
