//! Functions of extensions that reach the server: those that start processes of its own, which no call's end would end, and
//! those that take it down.

use serde_json::json;

use crate::place::{Place, Who};
use crate::web::Web;

const PREWARM: (&str, &str) = ("extensions/pg_prewarm.sql", "");

const RUN: (&str, &str) = (
    "functions/run.sql",
    "CREATE FUNCTION run(p_sql text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE p_sql; RETURN 'ran'; END $$;
     CREATE FUNCTION warm() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN pg_prewarm('pg_class'); END $$;",
);

const MORE: (&str, &str) = ("functions/more.sql", "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'");

async fn is_closed(web: &Web, platform: &str) {
    for function in ["autoprewarm_start_worker", "autoprewarm_dump_now"] {
        let (status, body) = web.call(platform, "run", json!([format!("SELECT public.{function}()")])).await;
        assert_eq!((status, &body["sqlstate"]), (403, &json!("42501")), "{platform} {function}: {body}");
    }
    for way_around in [
        "GRANT EXECUTE ON FUNCTION public.autoprewarm_start_worker() TO CURRENT_USER",
        "ALTER EXTENSION pg_prewarm UPDATE",
        "DROP EXTENSION pg_prewarm",
        "ALTER FUNCTION public.autoprewarm_start_worker() OWNER TO CURRENT_USER",
        "CREATE OR REPLACE FUNCTION public.autoprewarm_start_worker() RETURNS void LANGUAGE sql AS ''",
        "CREATE FUNCTION mine() RETURNS void LANGUAGE c AS '$libdir/pg_prewarm', 'autoprewarm_start_worker'",
    ] {
        // A grant of what one does not have is a warning.
        web.call(platform, "run", json!([way_around])).await;
        let (status, body) = web.call(platform, "run", json!(["SELECT public.autoprewarm_start_worker()"])).await;
        assert_eq!((status, &body["sqlstate"]), (403, &json!("42501")), "{platform} {way_around}: {body}");
    }
    assert!(web.value(platform, "warm", json!([])).await.is_number(), "what it is for works");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_of_pg_prewarm_is_out_of_a_platforms_reach() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[("ALLOWED_EXTENSIONS", "+pg_prewarm")]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    // In a new database; in one that is there; in one where it was installed before the gateway looked at this.
    web.register("fresh", &[PREWARM, RUN]).await;
    is_closed(&web, "fresh").await;
    web.register("later", &[RUN]).await;
    web.register("later", &[PREWARM, RUN]).await;
    is_closed(&web, "later").await;
    web.register("old", &[PREWARM, RUN]).await;
    let old = place.connect_to("old_main").await;
    old.batch_execute("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC").await.unwrap();
    web.register("old", &[PREWARM, RUN, MORE]).await;
    is_closed(&web, "old").await;
    let workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'autoprewarm%'";
    assert_eq!(old.query_one(workers, &[]).await.unwrap().get::<_, i64>(0), 0);
}

const STANDARDIZE: &str = "SELECT standardize_address('lex', 'gaz', 'rules', '1 main st, boston ma')";

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_the_server_down_is_the_operators_to_open() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let query = "SELECT count(*) FROM pg_available_extensions WHERE name = 'address_standardizer'";
    if place.connect().await.query_one(query, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        return;
    }
    let web = Web::new(gateway.address());
    let run = ("functions/run.sql", RUN.1.split_once("CREATE FUNCTION warm").unwrap().0);
    // A word of a kind that there is not: the server goes down with everybody's sessions.
    let words = "CREATE TABLE lex (id serial PRIMARY KEY, seq int, word text, stdword text, token int);
                 CREATE TABLE gaz (LIKE lex); CREATE TABLE rules (id serial PRIMARY KEY, rule text);";
    let rows = "INSERT INTO lex (seq, word, stdword, token) VALUES (1, 'x', 'x', 99999);
                INSERT INTO gaz (id, seq, word, stdword, token) VALUES (1, 1, 'x', 'x', 99999);
                INSERT INTO rules (rule) VALUES ('');";
    let address = ("extensions/address_standardizer.sql", "");
    let files = [run, ("tables/words.sql", words), ("seeders/words.sql", rows)];
    for platform in ["fresh", "later"] {
        if platform == "later" {
            web.register(platform, &files).await;
        }
        let files: Vec<_> = files.iter().copied().chain([address]).collect();
        web.register(platform, &files).await;
        let (status, body) = web.call(platform, "run", json!([STANDARDIZE])).await;
        assert_eq!((status, &body["sqlstate"]), (403, &json!("42501")), "{platform}: {body}");
        let parse = "SELECT parse_address('1 main st, boston ma')";
        assert_eq!(web.call(platform, "run", json!([parse])).await.0, 200);
    }
    gateway.stop(nix::sys::signal::Signal::SIGTERM);
    let gateway = place.start(&[("ALLOWED_EXTENSIONS", "+address_standardizer")]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    web.register("trusted", &[run, address]).await;
    let right = "SELECT has_function_privilege('public.standardize_address(text, text, text, text)', 'EXECUTE')";
    let right = format!("DO $x$ BEGIN IF NOT ({right}) THEN RAISE 'closed'; END IF; END $x$");
    assert_eq!(web.call("trusted", "run", json!([right])).await.0, 200);
    drop(gateway);
}

/// Bytes, nestings and shapes that PostGIS takes as they are, down to the end of the server.
const CRASHING: &[(&str, &str)] = &[
    ("postgis", "SELECT ST_NPoints(ST_GeomFromTWKB(decode(repeat('070001', 10000000) || '01000202', 'hex')))"),
    ("postgis", "SELECT count(*) FROM ST_FromFlatGeobuf(null::pg_am, ''::bytea)"),
    ("postgis", "SELECT ST_FromFlatGeobufToTable('public', 'made', ''::bytea)"),
    ("postgis_sfcgal", "SELECT ST_OptimalAlphaShape('MULTIPOINT(0 0, 0 0, 0 0, 0 0)')"),
];

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_postgis_that_take_the_server_down_are_the_operators_to_open() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let query =
        "SELECT ARRAY(SELECT name::text FROM pg_available_extensions WHERE name IN ('postgis', 'postgis_sfcgal'))";
    let there: Vec<String> = place.connect().await.query_one(query, &[]).await.unwrap().get(0);
    if there.is_empty() {
        return;
    }
    let run = ("functions/run.sql", RUN.1.split_once("CREATE FUNCTION warm").unwrap().0);
    let files: Vec<String> = there.iter().map(|name| format!("extensions/{name}.sql")).collect();
    let files: Vec<_> = files.iter().map(|file| (file.as_str(), "")).chain([run]).collect();
    let web = Web::new(gateway.address());
    // In a new database, and in one that is there.
    web.register("later", &[run]).await;
    for platform in ["fresh", "later"] {
        let mut files = files.clone();
        if platform == "later" {
            files
                .iter_mut()
                .filter(|file| file.0.starts_with("extensions/"))
                .for_each(|file| file.1 = "-- schema: geo");
        }
        web.register(platform, &files).await;
        for (_, crashing) in CRASHING.iter().filter(|(extension, _)| there.iter().any(|one| one == extension)) {
            let found = format!("SET LOCAL search_path = public, geo; {crashing}");
            let (status, body) = web.call(platform, "run", json!([found])).await;
            assert_eq!((status, &body["sqlstate"]), (403, &json!("42501")), "{platform} {crashing}: {body}");
        }
        let works = "SET LOCAL search_path = public, geo; SELECT ST_AsText(ST_Point(1, 2))";
        assert_eq!(web.call(platform, "run", json!([works])).await.0, 200);
    }
    drop(gateway);
}

/// Levels of collections in collections, one for each call of PostGIS's own.
const NEST: (&str, &str) = (
    "functions/nest.sql",
    "CREATE FUNCTION nest(n int) RETURNS int LANGUAGE plpgsql AS $$ DECLARE g geometry := ST_Point(1, 1); BEGIN
         FOR i IN 1..n LOOP g := ST_Collect(ARRAY[g]); END LOOP; RETURN ST_NPoints(g); END $$;",
);

#[tokio::test(flavor = "multi_thread")]
async fn the_private_postgresql_has_stack_for_what_never_looks_at_it() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", place.postmaster().unwrap())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max stack size")).unwrap();
    let [soft, hard]: [&str; 2] = line.split_whitespace().skip(3).take(2).collect::<Vec<_>>().try_into().unwrap();
    let of = |limit: &str| limit.parse().unwrap_or(u64::MAX);
    assert!(of(soft) >= of(hard).min(1 << 30), "{line}");
    // What PostgreSQL itself looks at is as it was.
    let client = place.connect().await;
    let depth: String = client.query_one("SELECT current_setting('max_stack_depth')", &[]).await.unwrap().get(0);
    assert_eq!(depth, "2MB");
    let query = "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis'";
    if client.query_one(query, &[]).await.unwrap().get::<_, i64>(0) == 1 {
        let web = Web::new(gateway.address());
        web.register("nested", &[("extensions/postgis.sql", ""), NEST]).await;
        assert_eq!(web.value("nested", "nest", json!([5000])).await, json!(1));
    }
}
