//! What a role has as its defaults must not change what the gateway's own statements mean.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stonescriptdb_gateway::databases::{OWN_PATH, PINNED, PINNED_SINCE};

use crate::place::{Place, Who};
use crate::web::Web;

const TOLD: (&str, &str) = (
    "functions/told.sql",
    "CREATE FUNCTION told(p_sql text) RETURNS text LANGUAGE plpgsql AS $$
     DECLARE result text; BEGIN EXECUTE p_sql INTO result; RETURN result; END $$;",
);

const DONE: (&str, &str) = (
    "functions/done.sql",
    "CREATE FUNCTION done(p_sql text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE p_sql; END $$;",
);

/// Settings that every session has otherwise than by [`PINNED`], and where from.
const ELSEWHERE: &[(&str, &str)] = &[
    ("search_path", "uploaded code's own; the gateway's statements run under a path of theirs"),
    ("client_encoding", "said when the connection is opened"),
    ("application_name", "said when the connection is opened"),
    ("statement_timeout", "by what the session is for"),
    ("lock_timeout", "by what the session is for; of calls it is the role's own"),
];

/// Settings that a role may have as it likes: beginnings of names, and why they change nothing of what is said.
const HARMLESS: &[(&str, &[&str])] = &[
    (
        "how fast, not what: the planner's, the executor's and the compiler's choices",
        &[
            "enable_",
            "cpu_",
            "jit",
            "geqo",
            "parallel_",
            "min_parallel_",
            "max_parallel_",
            "force_parallel_mode",
            "debug_parallel_query",
            "seq_page_cost",
            "random_page_cost",
            "effective_",
            "constraint_exclusion",
            "cursor_tuple_fraction",
            "from_collapse_limit",
            "join_collapse_limit",
            "recursive_worktable_factor",
            "plan_cache_mode",
            "default_statistics_target",
            "io_",
            "synchronize_seqscans",
        ],
    ),
    (
        "how much memory and how much is written when, of the role's own sessions",
        &[
            "work_mem",
            "hash_mem_multiplier",
            "temp_buffers",
            "maintenance_",
            "logical_decoding_work_mem",
            "backend_flush_after",
            "commit_siblings",
            "wal_",
            "vacuum_",
            "gin_pending_list_limit",
            "synchronous_commit",
            "file_copy_method",
            "file_extend_method",
            "stats_fetch_consistency",
        ],
    ),
    (
        "where and how new tables are kept, which the owner of a database decides",
        // The gateway's own tables are made without these; a file that may not use them is told so by name.
        &["default_tablespace", "temp_tablespaces", "default_table_access_method", "default_toast_compression"],
    ),
    (
        "read by functions that the gateway does not call",
        &[
            "default_text_search_config",
            "lc_",
            "gin_fuzzy_search_limit",
            "timezone_abbreviations",
            "icu_validation_level",
            "seed",
        ],
    ),
    (
        "about making roles and replication, which a platform's role may not",
        &[
            "password_encryption",
            "md5_password_warnings",
            "scram_iterations",
            "createrole_self_grant",
            "debug_logical_replication_streaming",
            "debug_discard_caches",
        ],
    ),
    (
        "ends or refuses the role's own statements and sessions earlier than otherwise",
        &["restrict_nonsystem_relation_kind", "tcp_", "client_connection_check_interval"],
    ),
    (
        "of the transaction at hand, which begins with the default that is pinned",
        &["transaction_isolation", "transaction_read_only", "transaction_deferrable"],
    ),
    (
        "only more lines in the server's log or in notices, which the gateway drops",
        &["debug_p", "trace_", "escape_string_warning", "debug_print"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_setting_that_a_role_may_change_is_pinned_or_harmless() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let client = place.connect().await;
    let rows = client.query("SELECT name FROM pg_settings WHERE context = 'user' ORDER BY 1", &[]).await.unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    assert!(names.len() > 100, "{names:?}");
    let is_known = |name: &&str| {
        PINNED.iter().any(|(pinned, _)| pinned == name)
            || PINNED_SINCE.iter().any(|(_, pinned, _)| pinned == name)
            || ELSEWHERE.iter().any(|(elsewhere, _)| elsewhere == name)
            || HARMLESS.iter().any(|(_, beginnings)| beginnings.iter().any(|one| name.starts_with(one)))
    };
    let unknown: Vec<&&str> = names.iter().filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty(), "neither pinned nor known to be harmless: {unknown:?}");
    // And none of the pinned ones is a name of yesterday's.
    let gone: Vec<&str> = PINNED.iter().map(|(name, _)| *name).filter(|name| !names.contains(name)).collect();
    assert!(gone.is_empty(), "pinned, but no such setting: {gone:?}");
    let row = client.query_one("SELECT current_setting('server_version_num')::int / 10000", &[]).await.unwrap();
    let version = u32::try_from(row.get::<_, i32>(0)).unwrap();
    for (since, name, _) in PINNED_SINCE {
        assert_eq!(names.contains(name), version >= *since, "{name} on PostgreSQL {version}");
    }
    drop(gateway);
}

/// Another value of each pinned setting.
fn hostile(name: &str) -> &'static str {
    match name {
        "backslash_quote" => "on",
        "xmloption" => "document",
        "TimeZone" => "Asia/Tokyo",
        "DateStyle" => "SQL, DMY",
        "IntervalStyle" => "iso_8601",
        "extra_float_digits" => "-15",
        "bytea_output" => "escape",
        "xmlbinary" => "hex",
        "default_transaction_isolation" => "serializable",
        "idle_in_transaction_session_timeout" | "idle_session_timeout" | "transaction_timeout" => "1",
        "client_min_messages" => "error",
        "log_parameter_max_length_on_error" => "100",
        "standard_conforming_strings" | "array_nulls" | "row_security" | "check_function_bodies" => "off",
        _ => "on",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_default_of_the_role_or_the_database_reaches_the_gateways_sessions() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    web.register("a", &[TOLD, DONE]).await;
    let superuser = place.connect().await;
    let rows = superuser.query("SELECT name FROM pg_settings", &[]).await.unwrap();
    let known: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let newer = PINNED_SINCE.iter().filter(|(_, name, _)| known.iter().any(|one| one == name));
    let newer: Vec<(&str, &str)> = newer.map(|(_, name, value)| (*name, *value)).collect();
    let pinned = || PINNED.iter().chain(&newer).filter(|(name, _)| *name != "local_preload_libraries");
    for (at, (name, _)) in pinned().enumerate() {
        let whose = ["ROLE CURRENT_USER", "ROLE CURRENT_USER IN DATABASE a_main", "DATABASE a_main"][at % 3];
        let sql = format!("ALTER {whose} SET {name} = '{}'", hostile(name));
        let (status, body) = web.call("a", "done", json!([sql])).await;
        assert_eq!(status, 200, "{sql}: {body}");
    }
    // Only sessions opened from now on have them.
    gateway.stop(nix::sys::signal::Signal::SIGTERM);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    let all = "SELECT json_object_agg(name, setting) FROM pg_settings";
    let check = |found: &Value, whose: &str| {
        let found: BTreeMap<String, String> = serde_json::from_str(found.as_str().unwrap()).unwrap();
        for (name, value) in pinned() {
            // Runs with `check_function_bodies = off` of the gateway's own.
            let is_own = whose == "deployment" && *name == "check_function_bodies";
            let value = if is_own { "off" } else { value };
            let shown = if *name == "DateStyle" { "ISO" } else { value };
            assert!(found[*name].starts_with(shown), "{whose}: {name} is {}", found[*name]);
        }
    };
    check(&web.value("a", "told", json!([all])).await, "call");
    let seen = format!("CREATE TABLE seen (settings text); INSERT INTO seen {all};");
    web.register("a", &[TOLD, DONE, ("migrations/001.sql", seen.as_str())]).await;
    check(&web.value("a", "told", json!(["SELECT settings FROM seen"])).await, "deployment");
    assert_eq!(OWN_PATH, "pg_catalog, pg_temp");
    drop(gateway);
}

/// Where the role has its tables made and how they are kept is its own affair: what it may not use is told with the file.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_for_tables_that_the_role_may_not_use_is_named() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    web.register("a", &[TOLD]).await;
    let superuser = place.connect().await;
    let version = superuser.query_one("SELECT current_setting('server_version_num')::int", &[]).await.unwrap();
    // Before that, a tablespace needs a folder.
    if version.get::<_, i32>(0) < 150_000 {
        return;
    }
    superuser.batch_execute("SET allow_in_place_tablespaces = on").await.unwrap();
    superuser.batch_execute("CREATE TABLESPACE closed LOCATION ''").await.unwrap();
    let set = "ALTER ROLE \"stonescriptdb-a\" SET default_tablespace = closed";
    superuser.batch_execute(set).await.unwrap();
    // The gateway's own tables are not there: in a new database, and in the one that is there.
    let function = ("functions/f.sql", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';");
    for tenant in [None, Some("new")] {
        let fields: Vec<_> =
            [("platform", "a")].into_iter().chain(tenant.map(|tenant| ("tenant_id", tenant))).collect();
        let (status, body) = web.upload("/register", &fields, &[TOLD, function]).await;
        assert_eq!(status, 200, "{body}");
        let table = ("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY);");
        let (status, body) = web.upload("/register", &fields, &[TOLD, table]).await;
        assert_eq!((status, &body["file"], &body["line"]), (409, &json!("tables/t.sql"), &json!(1)), "{body}");
        assert!(body["cause"].as_str().is_some_and(|cause| cause.contains("closed")), "{body}");
    }
    drop(gateway);
}
