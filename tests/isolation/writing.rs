//! What a platform's role can have written to the server's disk outside of the room watcher's sight: nothing, on the gateway's own
//! server. Who has a transaction's number, a temporary file, or waits for the log is seen (`tests/faults/room.rs`); these had none.

use serde_json::json;

use crate::place::{Place, Who};
use crate::web::Web;

const RUN: (&str, &str) = (
    "functions/run.sql",
    "CREATE FUNCTION run(p_sql text) RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN one(p_sql); END $$;
     CREATE FUNCTION one(p_sql text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE p_sql; RETURN 'ran'; END $$;",
);

const MORE: (&str, &str) = ("functions/more.sql", "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'");

/// One call, and as many as one transaction has time for.
const WRITING: &[&str] = &[
    "SELECT pg_export_snapshot()",
    "DO $$ BEGIN FOR i IN 1..100000 LOOP PERFORM pg_export_snapshot(); END LOOP; END $$",
    "SELECT pg_logical_emit_message(false, 'a', repeat('x', 1000000))",
    "SELECT pg_logical_emit_message(true, 'a', '\\x00'::bytea)",
];

async fn is_closed(web: &Web, platform: &str) {
    for sql in WRITING {
        let (status, body) = web.call(platform, "run", json!([sql])).await;
        assert_eq!((status, &body["sqlstate"]), (403, &json!("42501")), "{platform} {sql}: {body}");
    }
    for way_around in [
        "GRANT EXECUTE ON FUNCTION pg_catalog.pg_export_snapshot() TO CURRENT_USER",
        "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pg_catalog TO PUBLIC",
        "ALTER FUNCTION pg_catalog.pg_export_snapshot() OWNER TO CURRENT_USER",
        "CREATE FUNCTION mine() RETURNS text LANGUAGE internal AS 'pg_export_snapshot'",
    ] {
        // A grant of what one does not have is a warning.
        web.call(platform, "run", json!([way_around])).await;
        let (status, body) = web.call(platform, "run", json!([WRITING[0]])).await;
        assert_eq!((status, &body["sqlstate"]), (403, &json!("42501")), "{platform} {way_around}: {body}");
    }
}

/// pg_dump writes down whose rights on PostgreSQL's own objects are others than the recorded initial ones, and a later version may
/// not have these as they are here: nothing that the gateway does to them may be in a dump.
async fn no_dump_names_it(client: &tokio_postgres::Client) {
    let differing = "SELECT o.name FROM (
            SELECT 'pg_proc'::regclass, oid, oid::regprocedure::text, proacl FROM pg_proc
            WHERE pronamespace = 'pg_catalog'::regnamespace
            UNION ALL SELECT 'pg_class'::regclass, oid, oid::regclass::text, relacl FROM pg_class
            WHERE relnamespace = 'pg_catalog'::regnamespace
            UNION ALL SELECT 'pg_type'::regclass, oid, oid::regtype::text, typacl FROM pg_type
            WHERE typnamespace = 'pg_catalog'::regnamespace
            UNION ALL SELECT 'pg_language'::regclass, oid, lanname::text, lanacl FROM pg_language
            UNION ALL SELECT 'pg_namespace'::regclass, oid, nspname::text, nspacl FROM pg_namespace WHERE nspname = 'pg_catalog'
        ) AS o (class, oid, name, acl)
        LEFT JOIN pg_init_privs AS i ON (i.classoid, i.objoid, i.objsubid) = (o.class, o.oid, 0)
        WHERE o.acl IS DISTINCT FROM i.initprivs";
    let rows = client.query(differing, &[]).await.unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    assert!(names.is_empty(), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_write_past_all_limits_are_closed_in_every_database() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    web.register("fresh", &[RUN]).await;
    is_closed(&web, "fresh").await;
    no_dump_names_it(&place.connect_to("fresh_main").await).await;
    // In one that an earlier version has left: with the next deployment, else with the next start.
    web.register("old", &[RUN]).await;
    let reopen = "GRANT EXECUTE ON FUNCTION pg_export_snapshot() TO PUBLIC;
                  DO $$ DECLARE f regprocedure; BEGIN
                      FOR f IN SELECT oid FROM pg_proc WHERE proname = 'pg_logical_emit_message' LOOP
                          EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', f);
                      END LOOP;
                  END $$;
                  DELETE FROM pg_init_privs
                  WHERE objoid IN (SELECT oid FROM pg_proc WHERE proname IN ('pg_export_snapshot', 'pg_logical_emit_message'))";
    for database in ["old_main", "fresh_main"] {
        place.connect_to(database).await.batch_execute(reopen).await.unwrap();
    }
    assert_eq!(web.call("old", "run", json!([WRITING[0]])).await.0, 200);
    web.register("old", &[RUN, MORE]).await;
    is_closed(&web, "old").await;
    no_dump_names_it(&place.connect_to("old_main").await).await;
    drop(gateway);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    let is_open = "SELECT has_function_privilege('public', 'pg_export_snapshot()', 'EXECUTE')";
    let fresh = place.connect_to("fresh_main").await;
    let begun = std::time::Instant::now();
    while fresh.query_one(is_open, &[]).await.unwrap().get(0) {
        assert!(begun.elapsed().as_secs() < 20, "still open");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    is_closed(&web, "fresh").await;
    no_dump_names_it(&fresh).await;
    // An operator's pg_dump in parallel needs it.
    let exported = fresh.query_one("SELECT pg_export_snapshot()", &[]).await.unwrap();
    assert!(!exported.get::<_, String>(0).is_empty());
}

/// Each with why it fills no disk: the beginnings of the names of PostgreSQL's own functions that may write and that everybody may run.
const HARMLESS: &[(&str, &[&str])] = &[
    ("what it changes has a transaction's number, by which it is seen", &["lo_", "lowrite", "nextval", "setval"]),
    ("the same, and only what one owns", &["pg_clear_", "pg_restore_", "pg_extension_config_dump"]),
    ("no more than the index of one's own has in store", &["brin_", "gin_clean_pending_list"]),
    ("PostgreSQL's queue of notifications has a size of its own, docs/security.md", &["pg_notify"]),
    (
        "a right that no platform's role has",
        &[
            "binary_upgrade_",
            "pg_copy_",
            "pg_create_",
            "pg_drop_replication_slot",
            "pg_logical_slot_",
            "pg_replication_slot_",
            "pg_sync_replication_slots",
            "pg_import_system_collations",
            "pg_nextoid",
            "pg_stop_making_pinned_objects",
            "pg_read_file_old",
            "pg_rotate_logfile_old",
        ],
    ),
    (
        "it sets what the session has in memory",
        &[
            "set_config",
            "setseed",
            "pg_advisory_",
            "pg_try_advisory_",
            "pg_stat_clear_snapshot",
            "pg_stat_force_next_flush",
        ],
    ),
    (
        "it only answers",
        &[
            "amvalidate",
            "array_",
            "bernoulli",
            "clock_timestamp",
            "current_query",
            "currtid2",
            "currval",
            "cursor_to_",
            "gen_random_uuid",
            "lastval",
            "loread",
            "pg_available_wal_summaries",
            "pg_blocking_pids",
            "pg_collation_",
            "pg_control_",
            "pg_current_",
            "pg_database_",
            "pg_get_",
            "pg_indexes_size",
            "pg_is_",
            "pg_isolation_",
            "pg_jit_",
            "pg_last_",
            "pg_lock_status",
            "pg_notification_queue_usage",
            "pg_partition_",
            "pg_prepared_xact",
            "pg_relation_size",
            "pg_safe_",
            "pg_sequence_",
            "pg_stat_get_",
            "pg_table_size",
            "pg_tablespace_size",
            "pg_total_",
            "pg_wal_",
            "pg_xact_",
            "query_to_",
            "random",
            "system",
            "timeofday",
            "ts_",
            "txid_",
            "uuidv",
        ],
    ),
    ("it waits, or ends what is its caller's", &["pg_sleep", "pg_cancel_backend", "pg_terminate_backend"]),
    (
        "PostgreSQL itself calls it",
        &[
            "dsnowball_",
            "heap_tableam_handler",
            "plpgsql_",
            "RI_FKey_",
            "brinhandler",
            "bthandler",
            "ginhandler",
            "gisthandler",
            "hashhandler",
            "spghandler",
            "suppress_redundant_",
            "tsvector_update_",
            "unique_key_recheck",
        ],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_function_of_postgresqls_own_that_may_write_is_closed_or_known_to_fill_no_disk() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    Web::new(gateway.address()).register("any", &[RUN]).await;
    let client = place.connect_to("any_main").await;
    let open = "SELECT DISTINCT proname::text FROM pg_proc
                WHERE pronamespace = 'pg_catalog'::regnamespace AND provolatile = 'v'
                  AND has_function_privilege('public', oid, 'EXECUTE') ORDER BY 1";
    let rows = client.query(open, &[]).await.unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    assert!(names.len() > 100, "{names:?}");
    let is_known = |name: &str| HARMLESS.iter().any(|(_, all)| all.iter().any(|one| name.starts_with(one)));
    let unknown: Vec<&&str> = names.iter().filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty(), "neither closed nor known to fill no disk: {unknown:?}");
}
