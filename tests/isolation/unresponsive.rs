//! Backends that never look whether they are to end: neither a cancel nor a termination reaches them. On the gateway's own server
//! they go with a start of PostgreSQL again; whose code it was is kept out for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::place::{Place, Who};
use crate::web::Web;

/// What others wait for at most, on a machine that has much else to do.
const SOON: Duration = Duration::from_secs(20);

/// PostgreSQL's scanner reads the rest of a row of signs again at each sign, for hours here, and looks at nothing else.
/// `grab` does that while it has a lock on `pg_database`.
const GRAB: (&str, &str) = (
    "functions/grab.sql",
    "CREATE FUNCTION deaf() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
        EXECUTE repeat('/*', 1000000) || repeat('*/', 1000000) || ' select 1'; RETURN true;
     END $$;
     CREATE FUNCTION grab() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        EXECUTE $q$CREATE RULE r AS ON INSERT TO pg_catalog.pg_database WHERE '(1)'::public.holding IS NOT NULL DO NOTHING$q$;
     END $$;",
);

const TYPES: (&str, &str) = (
    "migrations/001_types.sql",
    "CREATE FUNCTION hears(int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RETURN deaf(); END $$;
     CREATE DOMAIN holds AS int CHECK (hears(VALUE)); CREATE TYPE holding AS (a holds);",
);

/// An index calls this while it holds a page, and PostgreSQL looks at nothing meanwhile; no checkpoint ends either.
const NAP: (&str, &str) = (
    "migrations/001_nap.sql",
    "CREATE FUNCTION mydiff(a float8, b float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
        IF current_setting('app.nap', true) = 'on' THEN PERFORM pg_sleep(1000000); END IF; RETURN a - b;
     END $$;
     CREATE TYPE fr AS RANGE (subtype = float8, subtype_diff = mydiff);",
);

const NAPS: (&str, &str) = (
    "functions/nap.sql",
    "CREATE FUNCTION nap(p_table text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        EXECUTE format('CREATE TABLE %I (r fr)', p_table); EXECUTE format('CREATE INDEX ON %I USING gist (r)', p_table);
        PERFORM set_config('app.nap', 'on', true);
        EXECUTE format('INSERT INTO %I SELECT fr(i, i + 1) FROM generate_series(1, 1000) i', p_table);
     END $$;",
);

const ONE: (&str, &str) = ("functions/one.sql", "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'");

/// Until it is called with success; in between PostgreSQL starts again.
async fn goes_on(web: &Web, platform: &str) {
    let since = Instant::now();
    loop {
        let (status, body) = web.call(platform, "one", json!([])).await;
        if status == 200 {
            return;
        }
        assert!(since.elapsed() < SOON, "{platform}: {body}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_never_looks_whether_it_is_to_end_goes_with_a_start_of_postgresql() {
    let place = Place::new(Who::possible()[0]);
    let limits = [("CALL_TIMEOUT_SECS", "2"), ("MAX_TOTAL_CONNECTIONS", "8"), ("MAX_CONNECTIONS_PER_POOL", "2")];
    let gateway = place.start(&limits);
    gateway.wait_until_healthy();
    let web = Arc::new(Web::new(gateway.address()));
    web.register("a", &[GRAB, TYPES]).await;
    web.register("b", &[NAP, NAPS, ONE]).await;
    web.register("v", &[ONE]).await;

    let (grabbing, attacker) = (web.clone(), Instant::now());
    let grabbed = tokio::spawn(async move { grabbing.call("a", "grab", json!([])).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    goes_on(&web, "v").await;
    // Its role is kept out for ten seconds; on a machine that has much else to do, the first may not have begun yet.
    let mut again = web.call("a", "grab", json!([])).await;
    if again.1["error"] == json!("connection_failed") {
        again = web.call("a", "grab", json!([])).await;
    }
    let (status, body) = again;
    assert_eq!((status, &body["error"]), (503, &json!("pool_exhausted")), "{body}");
    assert!(body["message"].as_str().unwrap().contains("did not end when it was told to"), "{body}");
    web.register("new", &[ONE]).await;
    assert!(attacker.elapsed() < SOON, "{:?}", attacker.elapsed());
    assert!(grabbed.await.unwrap().0 >= 500);

    // A quarter of all connections; the one who holds no lock is given longer.
    let napping = [0, 1].map(|number| {
        let web = web.clone();
        tokio::spawn(async move { web.call("b", "nap", json!([format!("fresh{number}")])).await })
    });
    for call in napping {
        let (status, body) = call.await.unwrap();
        assert_eq!(status, 504, "{body}");
    }
    let superuser = place.connect().await;
    let gone = tokio::time::timeout(SOON, superuser.batch_execute("CHECKPOINT")).await;
    assert!(gone.is_ok_and(|ended| ended.is_err()), "this session, too, ends when PostgreSQL starts again");
    goes_on(&web, "v").await;
    tokio::time::timeout(SOON, place.connect().await.batch_execute("CHECKPOINT")).await.unwrap().unwrap();
    goes_on(&web, "b").await;
    assert_eq!(gateway.health(), 200);
    let log = gateway.stop(Signal::SIGTERM);
    assert!(log.matches("a backend does not end: PostgreSQL is made to start again").count() >= 2, "{log}");
}

/// Autovacuum analyzes the table and calls its function for the index: as the owner, in a session that is a superuser's.
const BAIT: (&str, &str) = (
    "functions/bait.sql",
    "CREATE FUNCTION grabs() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        IF session_user <> current_user THEN
            EXECUTE $q$CREATE RULE r AS ON INSERT TO pg_catalog.pg_database WHERE '(1)'::public.holding IS NOT NULL DO NOTHING$q$;
        END IF;
        RETURN 1;
     END $$;
     CREATE FUNCTION grab_all(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN public.grabs(); END';",
);

const DECLARED: (&str, &str) = (
    "tables/bait.sql",
    "CREATE TABLE bait (a int) WITH (autovacuum_analyze_threshold = 1, autovacuum_analyze_scale_factor = 0);
     CREATE INDEX bait_index ON bait ((public.grab_all(a)));",
);

const HEARS: (&str, &str) = (
    "migrations/001_types.sql",
    "CREATE FUNCTION hears(int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
        EXECUTE repeat('/*', 1000000) || repeat('*/', 1000000) || ' select 1'; RETURN true;
     END $$;
     CREATE DOMAIN holds AS int CHECK (public.hears(VALUE)); CREATE TYPE holding AS (a holds);
     CREATE FUNCTION mine(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
     CREATE TABLE off (a int) WITH (autovacuum_enabled = off, autovacuum_freeze_max_age = 100000);
     CREATE INDEX ON off USING brin (public.mine(a));
     CREATE TABLE member (a int) WITH (autovacuum_freeze_max_age = 100000);
     CREATE INDEX ON member USING brin (a) WHERE public.mine(a) = 1;
     CREATE TABLE parts (a int) PARTITION BY RANGE (a);
     CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (10);
     CREATE INDEX ON parts USING brin (public.mine(a));
     CREATE EXTENSION hstore;
     ALTER EXTENSION hstore ADD TABLE member;",
);

/// Tables in which autovacuum would run code of a platform's whatever is turned off: to freeze them, it summarizes BRIN indexes.
const STILL_RUN: &str = "
    SELECT count(*) FROM pg_class AS c
    WHERE c.reloptions::text LIKE '%freeze_max_age%'
       OR EXISTS (SELECT FROM pg_index AS i WHERE i.indexrelid = c.oid AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
                      AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'brin'))";

/// What an operator sees of it: rows come, from wherever.
async fn insert(place: &Place, database: &str) -> bool {
    let mut config = place.superuser();
    config.dbname(database).connect_timeout(Duration::from_secs(2));
    let connecting = tokio::time::timeout(Duration::from_secs(2), config.connect(tokio_postgres::NoTls));
    let Ok(Ok((client, connection))) = connecting.await else { return false };
    tokio::spawn(connection);
    let rows = client.batch_execute("INSERT INTO public.bait SELECT generate_series(1, 100)");
    matches!(tokio::time::timeout(Duration::from_secs(2), rows).await, Ok(Ok(())))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_autovacuum_that_never_ends_does_not_come_again_and_its_role_is_kept_out() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    let files = [HEARS, BAIT, DECLARED, ONE];
    web.register("w", &files).await;
    for tenant in ["t1", "t2"] {
        let fields = [("platform", "w"), ("tenant_id", tenant)];
        let (status, body) = web.upload("/register", &fields, &files).await;
        assert_eq!(status, 200, "{body}");
    }
    web.register("v", &[ONE]).await;
    let superuser = place.connect().await;
    for sql in ["ALTER SYSTEM SET autovacuum_naptime = '1s'", "SELECT pg_reload_conf()"] {
        superuser.batch_execute(sql).await.unwrap();
    }
    let databases = ["w_main", "w_t1", "w_t2"];
    let (since, mut kept_out, mut answered) = (Instant::now(), false, Instant::now());
    while since.elapsed() < Duration::from_secs(40) {
        for database in databases {
            insert(&place, database).await;
        }
        let (status, body) = web.call("w", "one", json!([])).await;
        kept_out |= status == 503 && body["message"].to_string().contains("did not end when it was told to");
        if web.call("v", "one", json!([])).await.0 == 200 {
            answered = Instant::now();
        }
        assert!(answered.elapsed() < SOON, "nobody gets in any more");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(kept_out, "its role gets in");
    assert!(place.connect_to("w_main").await.query_one("SELECT 'bait_index'::regclass::text", &[]).await.is_ok());
    let options = "SELECT reloptions::text FROM pg_class WHERE relname = 'bait'";
    for database in databases {
        assert!(insert(&place, database).await, "{database}");
        let row = place.connect_to(database).await.query_one(options, &[]).await.unwrap();
        assert!(row.get::<_, String>(0).contains("autovacuum_enabled=off"), "{database}");
        let left: i64 = place.connect_to(database).await.query_one(STILL_RUN, &[]).await.unwrap().get(0);
        assert_eq!(left, 0, "{database}");
    }
    // What its next deployment declares holds.
    let more = ("functions/more.sql", "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    let mut next = files.to_vec();
    next.push(more);
    let begun = Instant::now();
    loop {
        let (status, body) = web.upload("/register", &[("platform", "w")], &next).await;
        if status == 200 {
            break;
        }
        assert!(status == 503 && begun.elapsed() < Duration::from_secs(60), "{body}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let row = place.connect_to("w_main").await.query_one(options, &[]).await.unwrap();
    assert!(!row.get::<_, String>(0).contains("autovacuum_enabled"), "it is as declared");
    let log = gateway.stop(Signal::SIGTERM);
    let starts = log.matches("a worker of autovacuum does not end: PostgreSQL is made to start again").count();
    // Without an end there would be one every few seconds; of three databases, each may have its turn once.
    let told: Vec<&str> = log.lines().filter(|line| line.contains("autovacuum")).collect();
    assert!((1..=4).contains(&starts), "{starts}: {told:#?}");
}

/// Keeps nothing that anybody waits for, but a `DROP DATABASE` waits for every process.
const DEAF: [(&str, &str); 2] = [
    (
        "functions/deaf.sql",
        "CREATE FUNCTION deaf() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
            IF session_user <> current_user THEN
                EXECUTE repeat('/*', 4000000) || repeat('*/', 4000000) || ' select 1';
            END IF;
            RETURN 1;
         END $$;
         CREATE FUNCTION deaf_to_all(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN public.deaf(); END';",
    ),
    (
        "tables/bait.sql",
        "CREATE TABLE bait (a int) WITH (autovacuum_analyze_threshold = 1, autovacuum_analyze_scale_factor = 0);
         CREATE INDEX bait_index ON bait ((public.deaf_to_all(a)));",
    ),
];

async fn left_behind(superuser: &tokio_postgres::Client) -> Vec<String> {
    let rows =
        superuser.query("SELECT datname::text FROM pg_database WHERE datname LIKE 'stonescriptdb-new-%'", &[]).await;
    rows.map(|rows| rows.iter().map(|row| row.get(0)).collect()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_of_autovacuum_that_keep_databases_from_being_dropped_go() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    let files = [DEAF[0], DEAF[1], ONE];
    web.register("w", &files).await;
    web.register("v", &[ONE]).await;
    let superuser = place.connect().await;
    for sql in ["ALTER SYSTEM SET autovacuum_naptime = '1s'", "SELECT pg_reload_conf()"] {
        superuser.batch_execute(sql).await.unwrap();
    }
    let workers =
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND datname = 'w_main'
                     AND backend_start < now() - interval '3 s'";
    let since = Instant::now();
    while superuser.query_one(workers, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(since.elapsed() < Duration::from_secs(60), "no worker came");
        insert(&place, "w_main").await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // Refused, so that what was begun for it has to be dropped. That is told at once, whatever it waits for.
    let refused = [ONE, ("functions/two.sql", "CREATE FUNCTION two() RETURNS int LANGUAGE sql AS 'SELECT nothing'")];
    let since = Instant::now();
    let (status, body) = web.upload("/register", &[("platform", "v")], &refused).await;
    assert_eq!(status, 409, "{body}");
    assert!(since.elapsed() < 2 * SOON, "{:?}", since.elapsed());
    assert!(!left_behind(&superuser).await.is_empty(), "it waits for the worker");
    // Cancelled after five seconds, told to end after ten, and half a minute later still there: PostgreSQL starts again.
    goes_on(&web, "v").await;
    while superuser.simple_query("SELECT 1").await.is_ok() {
        assert!(since.elapsed() < Duration::from_secs(90), "the worker stays");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(since.elapsed() > Duration::from_secs(35), "{:?}: it had no time to end", since.elapsed());
    goes_on(&web, "v").await;
    let superuser = place.connect().await;
    let begun = Instant::now();
    superuser.batch_execute("CREATE DATABASE passing").await.unwrap();
    let dropped = tokio::time::timeout(SOON, superuser.batch_execute("DROP DATABASE passing")).await;
    assert!(dropped.is_ok_and(|ended| ended.is_ok()), "after {:?}", begun.elapsed());
    while !left_behind(&superuser).await.is_empty() {
        assert!(begun.elapsed() < SOON, "what was put aside stays");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let options = "SELECT reloptions::text FROM pg_class WHERE relname = 'bait'";
    let row = place.connect_to("w_main").await.query_one(options, &[]).await.unwrap();
    assert!(row.get::<_, String>(0).contains("autovacuum_enabled=off"));
    let log = gateway.stop(Signal::SIGTERM);
    let told: Vec<&str> = log.lines().filter(|line| line.contains("DROP DATABASE waits for")).collect();
    assert!(told.len() >= 2 && told[0].contains("cancelled") && told[1].contains("told to end"), "{told:#?}");
    assert!(told.iter().all(|line| line.contains("w_main") && line.contains("autovacuum worker")), "{told:#?}");
}
