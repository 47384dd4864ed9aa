//! Functions that leave their session as it was are not cleaned behind once they are called a lot; all others are, always.

use std::time::{Duration, Instant};

use stonescriptdb_gateway::config::PoolConfig;

use crate::support::*;

/// One connection, so that every call follows the other on it.
async fn platform_with(sql: &str) -> Platform {
    Platform::on(databases(&PoolConfig { max_connections_per_pool: 1, ..wide_pools() }), sql).await
}

/// What every platform here has: what a session tells of itself, and a way to change that.
const STATE_AND_LEAK: &str = "
    CREATE FUNCTION state() RETURNS TABLE (zone text, own text, locks bigint) LANGUAGE sql AS $$
        SELECT current_setting('TimeZone'), COALESCE(current_setting('app.user', true), ''),
               (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())$$;
    CREATE FUNCTION leak(given int) RETURNS boolean LANGUAGE sql AS $$
        SELECT set_config('app.user', 'somebody', false) IS NOT NULL$$;
    CREATE TABLE item (id int);
    INSERT INTO item VALUES (1), (2);";

/// Calls it so often that the gateway looks whether it is tidy, and uses what it has found.
async fn call_a_lot(platform: &Platform, function: &str) {
    for _ in 0..130 {
        platform.rows(function, "").await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    platform.rows(function, "").await;
}

/// The last statement that the calls' connection has run.
async fn last_statement(platform: &Platform) -> Option<String> {
    let sql = "SELECT query FROM pg_stat_activity WHERE datname = $1 AND application_name <> 'test'
               ORDER BY backend_start DESC LIMIT 1";
    let row = platform.client().await.query_opt(sql, &[&platform.address.name().as_str()]).await;
    row.unwrap().map(|row| row.get(0))
}

/// Where calls are so slow that there is no look in time, there are more of them.
async fn is_spared(platform: &Platform, function: &str) {
    eventually(&format!("nothing is cleaned behind {function}"), async || {
        call_a_lot(platform, function).await;
        !is_cleaned(platform, function).await
    })
    .await;
}

async fn is_cleaned(platform: &Platform, function: &str) -> bool {
    for _ in 0..100 {
        platform.rows(function, "").await;
        // What was changed meanwhile has the connection closed.
        let Some(last) = last_statement(platform).await else { continue };
        if last.contains("pg_advisory_unlock_all") {
            return true;
        }
        if last.contains(&format!("\"{function}\"")) {
            return false;
        }
        // The gateway's look came in between.
        let is_look = ["temporary", "lock_timeout", "search_path"].iter().any(|word| last.contains(word));
        assert!(is_look, "{last}");
    }
    panic!("the last statement is never that of {function}");
}

#[tokio::test]
async fn behind_a_tidy_function_nothing_is_cleaned_once_it_is_called_a_lot() {
    let platform = platform_with(&format!(
        "{STATE_AND_LEAK}
         CREATE VIEW last_item AS SELECT max(id) AS id FROM item;
         CREATE FUNCTION helper(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT x + 1';
         CREATE FUNCTION simple() RETURNS SETOF item LANGUAGE sql STABLE AS 'SELECT * FROM item';
         CREATE FUNCTION longer() RETURNS SETOF int LANGUAGE plpgsql STABLE AS $$
             DECLARE i item; BEGIN FOR i IN SELECT * FROM item LOOP RETURN NEXT helper(i.id) + (SELECT id FROM last_item); END LOOP; END$$;
         CREATE FUNCTION modern() RETURNS int LANGUAGE sql STABLE BEGIN ATOMIC SELECT helper(id) FROM last_item; END;
         CREATE FUNCTION failing() RETURNS int LANGUAGE plpgsql STABLE AS $$BEGIN RAISE EXCEPTION 'no'; END$$;"
    ))
    .await;
    for function in ["simple", "longer", "modern"] {
        is_spared(&platform, function).await;
    }
    assert_eq!(platform.rows("longer", "").await, r#"[{"longer":4},{"longer":5}]"#);
    for _ in 0..3 {
        assert_eq!(platform.error("failing", "").await.1["cause"], "no");
        assert_eq!(platform.rows("modern", "").await, r#"[{"modern":3}]"#);
    }
    // Of what this gateway deploys it knows.
    let deploying = platform.databases.deploying(platform.address.name());
    assert!(is_cleaned(&platform, "simple").await, "a deployment may be about to change it");
    drop(deploying);
    assert!(is_cleaned(&platform, "simple").await, "a deployment may have changed it");
}

/// Each of them is declared to have no effect, and has one all the same.
#[tokio::test]
async fn behind_all_others_the_session_is_cleaned_however_often_they_are_called() {
    let platform = platform_with(&format!(
        "{STATE_AND_LEAK}
         CREATE VIEW leaking AS SELECT leak(id) AS leaks FROM item;
         CREATE VIEW behind AS SELECT * FROM leaking;
         CREATE FUNCTION leaks(i item) RETURNS boolean LANGUAGE sql AS 'SELECT leak(i.id)';
         CREATE FUNCTION step(sum int, x int) RETURNS int LANGUAGE sql STABLE AS 'SELECT CASE WHEN leak(x) THEN sum + x END';
         CREATE AGGREGATE total(int) (SFUNC = step, STYPE = int, INITCOND = '0');
         CREATE AGGREGATE setting(text, boolean) (SFUNC = set_config, STYPE = text, INITCOND = 'app.user');
         CREATE FUNCTION collects() RETURNS text LANGUAGE sql STABLE AS $$SELECT setting('somebody', false)$$;
         CREATE FUNCTION sets() RETURNS text LANGUAGE sql STABLE AS $$SELECT pg_catalog.\"set_config\"('TimeZone', 'Asia/Tokyo', false)$$;
         CREATE FUNCTION performs() RETURNS void LANGUAGE plpgsql STABLE AS $$BEGIN PERFORM SET_CONFIG('app.user', 'x', false); END$$;
         CREATE FUNCTION locks() RETURNS void LANGUAGE sql STABLE AS 'SELECT pg_advisory_lock(1)';
         CREATE FUNCTION helps() RETURNS boolean LANGUAGE sql STABLE AS 'SELECT leak(1)';
         CREATE FUNCTION looks() RETURNS SETOF behind LANGUAGE sql STABLE AS 'SELECT * FROM behind';
         CREATE FUNCTION builds() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
             DECLARE r boolean; BEGIN EXECUTE 'SELECT le' || 'ak(1)' INTO r; RETURN r; END$$;
         CREATE FUNCTION defaults(x boolean DEFAULT leak(1)) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT x';
         CREATE FUNCTION sums() RETURNS int LANGUAGE sql STABLE AS 'SELECT total(id) FROM item';
         CREATE FUNCTION attribute() RETURNS boolean LANGUAGE sql STABLE AS 'SELECT i.leaks FROM item AS i LIMIT 1';
         CREATE FUNCTION modern() RETURNS boolean LANGUAGE sql STABLE BEGIN ATOMIC SELECT leak(1); END;
         CREATE FUNCTION exports() RETURNS xml LANGUAGE sql STABLE AS $$SELECT table_to_xml('behind', false, false, '')$$;
         CREATE FUNCTION tidy() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM item';"
    ))
    .await;
    let clean = platform.rows("state", "").await;
    for function in [
        "sets",
        "performs",
        "locks",
        "helps",
        "looks",
        "builds",
        "defaults",
        "sums",
        "collects",
        "attribute",
        "modern",
        "exports",
    ] {
        call_a_lot(&platform, function).await;
        for _ in 0..3 {
            platform.rows(function, "").await;
            assert_eq!(platform.rows("state", "").await, clean, "after {function}");
        }
    }
    // The gateway has looked all the while.
    is_spared(&platform, "tidy").await;
}

/// What is run without being named makes every function of the database one to clean behind.
#[tokio::test]
async fn what_is_behind_operators_casts_and_domains_counts() {
    for (what, sql) in [
        (
            "an operator",
            "CREATE FUNCTION beside(a int, b int) RETURNS boolean LANGUAGE sql AS 'SELECT leak(a)';
             CREATE OPERATOR ### (LEFTARG = int, RIGHTARG = int, FUNCTION = beside);
             CREATE FUNCTION reads() RETURNS boolean LANGUAGE sql STABLE AS 'SELECT 1 ### 2'",
        ),
        (
            "a cast",
            "CREATE TYPE pair AS (a int, b int);
             CREATE FUNCTION in_words(given pair) RETURNS text LANGUAGE sql AS $$SELECT CASE WHEN leak(given.a) THEN 'pair' END$$;
             CREATE CAST (pair AS text) WITH FUNCTION in_words(pair) AS ASSIGNMENT;
             CREATE FUNCTION reads() RETURNS text LANGUAGE sql STABLE AS 'SELECT ROW(1, 2)::pair::text'",
        ),
        (
            "JSON's cast",
            "CREATE TYPE mood AS ENUM ('fine');
             CREATE FUNCTION in_json(given mood) RETURNS json LANGUAGE sql AS $$SELECT CASE WHEN leak(1) THEN '{}'::json END$$;
             CREATE CAST (mood AS json) WITH FUNCTION in_json(mood);
             CREATE FUNCTION reads() RETURNS TABLE (m mood) LANGUAGE sql STABLE AS $$SELECT 'fine'::mood$$",
        ),
        (
            "an operator over a function of PostgreSQL's own",
            "CREATE OPERATOR !# (RIGHTARG = bigint, FUNCTION = pg_try_advisory_lock);
             CREATE FUNCTION reads() RETURNS boolean LANGUAGE sql STABLE AS 'SELECT !# 5::bigint'",
        ),
        (
            "an index, whose constants the planner works out",
            "CREATE FUNCTION constant() RETURNS int LANGUAGE sql IMMUTABLE AS $$SELECT length(set_config('app.user', 'x', false))$$;
             CREATE INDEX ON item ((id + constant()));
             CREATE FUNCTION reads() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM item'",
        ),
        (
            "a setting that makes the server read words otherwise",
            "CREATE FUNCTION strange() RETURNS text LANGUAGE sql STABLE SET standard_conforming_strings = off
             AS $$SELECT '\\'' || set_config($a$app.user$a$, $b$x$b$, false) --'$$;
             CREATE FUNCTION reads() RETURNS text LANGUAGE sql STABLE AS 'SELECT strange()'",
        ),
        (
            "a domain",
            "CREATE DOMAIN checked AS int CHECK (leak(VALUE));
             CREATE FUNCTION reads() RETURNS checked LANGUAGE sql STABLE AS 'SELECT id::checked FROM item LIMIT 1'",
        ),
    ] {
        let platform = platform_with(&format!("{STATE_AND_LEAK}{sql}")).await;
        let clean = platform.rows("state", "").await;
        call_a_lot(&platform, "reads").await;
        for _ in 0..3 {
            platform.rows("reads", "").await;
            assert_eq!(platform.rows("state", "").await, clean, "{what}");
        }
        assert!(is_cleaned(&platform, "reads").await, "{what}");
    }
}

/// Nobody names it, and it leaves a statement behind.
#[tokio::test]
async fn what_the_condition_of_a_trigger_does_counts() {
    let platform = platform_with(&format!(
        "{STATE_AND_LEAK}
         CREATE FUNCTION prepares(given int) RETURNS boolean LANGUAGE plpgsql AS $$
             BEGIN EXECUTE 'PREPARE left_over AS SELECT 1'; RETURN true; EXCEPTION WHEN OTHERS THEN RETURN true; END$$;
         CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER hidden BEFORE INSERT ON item FOR EACH ROW WHEN (prepares(NEW.id)) EXECUTE FUNCTION nothing();
         CREATE FUNCTION writes() RETURNS void LANGUAGE sql AS 'INSERT INTO item VALUES (3)';
         CREATE FUNCTION statements() RETURNS bigint LANGUAGE sql STABLE AS
             'SELECT count(*) FROM pg_prepared_statements WHERE from_sql';"
    ))
    .await;
    call_a_lot(&platform, "writes").await;
    for _ in 0..3 {
        platform.rows("writes", "").await;
        assert_eq!(platform.rows("statements", "").await, r#"[{"statements":0}]"#);
    }
}

/// PL/pgSQL keeps what it read in a session, under the settings of that moment.
#[tokio::test]
async fn a_text_that_ends_elsewhere_under_another_setting_is_no_text() {
    let platform = platform_with(&format!(
        r"{STATE_AND_LEAK}
         CREATE FUNCTION reads() RETURNS text LANGUAGE plpgsql STABLE AS $$
             BEGIN RETURN concat('\', ', leak(1), $a$x$a$); --');
             END$$;
         CREATE FUNCTION poisons() RETURNS text LANGUAGE plpgsql AS $$
             BEGIN PERFORM set_config('standard' || '_conforming_strings', 'off', true); RETURN reads(); END$$;"
    ))
    .await;
    let clean = platform.rows("state", "").await;
    platform.rows("poisons", "").await;
    call_a_lot(&platform, "reads").await;
    for _ in 0..3 {
        platform.rows("reads", "").await;
        assert_eq!(platform.rows("state", "").await, clean);
    }
}

const HARMLESS: &str = "SELECT 'harmless'::text";
const LEAKING: &str = "SELECT set_config('app.user', 'somebody', false)";

/// Makes the function, or makes it anew, that `reads` calls.
fn helper(body: &str) -> String {
    format!("CREATE OR REPLACE FUNCTION helper() RETURNS text LANGUAGE sql STABLE AS $${body}$$")
}

async fn platform_with_helper() -> Platform {
    let reads = "CREATE FUNCTION reads() RETURNS text LANGUAGE plpgsql STABLE AS $$BEGIN RETURN helper(); END$$";
    platform_with(&format!("{STATE_AND_LEAK}{};{reads}", helper(HARMLESS))).await
}

#[tokio::test]
async fn what_somebody_changes_by_hand_is_noticed_and_taken_back() {
    let platform = platform_with_helper().await;
    let clean = platform.rows("state", "").await;
    is_spared(&platform, "reads").await;
    let client = platform.client().await;
    client.batch_execute(&helper(LEAKING)).await.unwrap();
    let changed = Instant::now();
    eventually("it is cleaned behind again", async || is_cleaned(&platform, "reads").await).await;
    assert!(changed.elapsed() < Duration::from_secs(4), "{:?}", changed.elapsed());
    for _ in 0..50 {
        assert_eq!(platform.rows("state", "").await, clean);
        assert_eq!(platform.rows("reads", "").await, r#"[{"reads":"somebody"}]"#);
    }
}

#[tokio::test]
async fn what_was_changed_by_hand_and_left_something_is_taken_back_though_nobody_looks_again() {
    let platform = platform_with_helper().await;
    let clean = platform.rows("state", "").await;
    is_spared(&platform, "reads").await;
    let client = platform.client().await;
    client.batch_execute(&helper(LEAKING)).await.unwrap();
    // Too few calls for a look.
    assert_eq!(platform.rows("reads", "").await, r#"[{"reads":"somebody"}]"#);
    client.batch_execute(&helper(HARMLESS)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2600)).await;
    assert_eq!(platform.rows("state", "").await, clean);
}

#[tokio::test]
async fn temporary_objects_of_others_change_nothing() {
    let platform = platform_with(&format!(
        "{STATE_AND_LEAK}
         CREATE FUNCTION reads() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM item';"
    ))
    .await;
    let beside = platform.client().await;
    beside.batch_execute("CREATE TEMP VIEW scratch AS SELECT leak(1) AS item").await.unwrap();
    beside
        .batch_execute("CREATE FUNCTION pg_temp.count() RETURNS int LANGUAGE sql AS 'SELECT 1 WHERE leak(1)'")
        .await
        .unwrap();
    is_spared(&platform, "reads").await;
}
