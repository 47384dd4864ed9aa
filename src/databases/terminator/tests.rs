//! The connection that ends backends, before a real server.

use tempfile::TempDir;
use tokio_postgres::NoTls;
use tokio_postgres::config::Host;

use super::*;
use crate::embedded::{self, EmbeddedOptions, EmbeddedPostgres};

/// A server of the test's own.
struct Stage {
    server: EmbeddedPostgres,
    config: Config,
    endpoint: Endpoint,
    _folder: TempDir,
}

impl Stage {
    async fn set(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("ssdb-terminator-").tempdir_in("/tmp").expect("a folder");
        // PostgreSQL may run as another user.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("our folder");
        let server = embedded::start(EmbeddedOptions {
            bin_dir: std::env::var_os("PG_BIN_DIR").map(Into::into),
            die_with_parent: true,
            settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..EmbeddedOptions::new(folder.path().join("server"))
        });
        let server = server.await.expect("a server");
        let mut config = server.connection().clone();
        config.dbname("postgres");
        let Some(Host::Unix(socket)) = config.get_hosts().first() else { panic!("a socket") };
        let endpoint = Endpoint::Unix(socket.join(format!(".s.PGSQL.{}", config.get_ports().first().unwrap_or(&5432))));
        Self { server, config, endpoint, _folder: folder }
    }
}

/// Process numbers are used again: whoever has the number now is left alone unless it is the backend that was meant.
#[tokio::test]
async fn a_backend_with_the_number_of_one_that_is_gone_is_left_alone() {
    let Stage { server, config, endpoint, _folder } = Stage::set(&[]).await;
    let (client, connection) = config.connect(NoTls).await.expect("it answers");
    let connection = tokio::spawn(connection);
    let backend = Backend::of(&client).await.expect("an answer").expect("a superuser is told");

    let terminator = Terminator::new(config.clone(), Tls::none().into(), vec!["postgres".to_owned()]);
    let before = Backend { started: "2026-01-01 00:00:00.000001+00".to_owned(), ..backend.clone() };
    assert_eq!(terminator.terminate(&endpoint, &before).await.expect("an answer"), Outcome::Gone);
    client.batch_execute("SELECT 1").await.expect("it goes on");
    assert_eq!(terminator.terminate(&endpoint, &backend).await.expect("an answer"), Outcome::Signalled);
    assert!(timeout(ANSWER_TIMEOUT, connection).await.is_ok(), "the one that was meant has ended");
    server.stop().await.expect("it stops");
}

#[tokio::test]
async fn who_waits_for_a_lock_on_what_all_databases_share_is_ended() {
    let Stage { server, config, endpoint, _folder } = Stage::set(&[]).await;
    let (own, connection) = config.connect(NoTls).await.expect("it answers");
    tokio::spawn(connection);
    let made = "CREATE ROLE platform LOGIN PASSWORD 'p'; CREATE DATABASE theirs OWNER platform";
    for statement in made.split(';') {
        own.batch_execute(statement).await.expect("a superuser may");
    }
    let mut theirs = config.clone();
    theirs.user("platform").password("p").dbname("theirs");
    let statements = [
        "CREATE RULE r AS ON INSERT TO pg_catalog.pg_database DO NOTHING",
        "CREATE TRIGGER t BEFORE INSERT ON pg_catalog.pg_authid FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "ALTER DATABASE template1 RENAME TO another",
    ];
    let terminator = Terminator::new(config.clone(), Tls::none().into(), vec!["postgres".to_owned()]);
    for statement in statements {
        let (holder, connection) = theirs.connect(NoTls).await.expect("it answers");
        tokio::spawn(connection);
        let (waiter, connection) = theirs.connect(NoTls).await.expect("it answers");
        tokio::spawn(connection);
        for client in [&holder, &waiter] {
            let backend = Backend::of(client).await.expect("an answer").expect("it is told");
            terminator.register(&endpoint, Some(&backend));
        }
        // The connection is open by then, as between any two seconds.
        terminator.end_holders().await;
        let hold = "BEGIN; SELECT FROM pg_database; SELECT FROM pg_roles; ALTER ROLE CURRENT_USER IN DATABASE template1 SET work_mem = '1MB'";
        // Not every version lets everybody say the last.
        if holder.batch_execute(hold).await.is_err() {
            holder
                .batch_execute("ROLLBACK; BEGIN; SELECT FROM pg_database; SELECT FROM pg_roles")
                .await
                .expect("it reads");
        }
        let waiting = tokio::spawn(async move { waiter.batch_execute(statement).await });
        for _ in 0..3 {
            tokio::time::sleep(shared_locks::LOOK_EVERY).await;
            terminator.end_holders().await;
        }
        let ended = timeout(ANSWER_TIMEOUT, waiting).await.expect("it has ended").expect("no panic");
        assert!(ended.is_err(), "{statement}");
        let (_, connection) =
            timeout(ANSWER_TIMEOUT, config.connect(NoTls)).await.expect("in time").expect("it answers");
        drop(connection);
        holder.batch_execute("SELECT 1; COMMIT").await.expect("nobody else was ended");
    }
    server.stop().await.expect("it stops");
}

/// In a database of a platform's: autovacuum analyzes its table, and calls its function for the index.
const BAIT: &str = "
    CREATE SEQUENCE tries;
    CREATE FUNCTION stays(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
        LOOP BEGIN PERFORM pg_sleep(1000); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;
    CREATE DOMAIN slow AS int CHECK (public.stays(VALUE));
    CREATE TYPE holding AS (a slow);
    CREATE FUNCTION grabs() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        IF session_user <> current_user THEN
            PERFORM nextval('public.tries');
            EXECUTE 'CREATE RULE r AS ON INSERT TO pg_catalog.pg_database WHERE ''(1)''::public.holding IS NOT NULL DO NOTHING';
        END IF;
        RETURN 1; END $$;
    CREATE FUNCTION grab(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN public.grabs(); END';
    CREATE TABLE bait (a int) WITH (autovacuum_analyze_threshold = 1, autovacuum_analyze_scale_factor = 0);
    CREATE INDEX ON bait ((public.grab(a)));
    INSERT INTO bait SELECT generate_series(1, 100)";

#[tokio::test]
async fn a_worker_of_autovacuum_that_has_a_lock_on_what_all_databases_share_is_ended() {
    let Stage { server, config, endpoint, _folder } = Stage::set(&[("autovacuum_naptime", "1s")]).await;
    let (own, connection) = config.connect(NoTls).await.expect("it answers");
    tokio::spawn(connection);
    for statement in ["CREATE ROLE platform LOGIN PASSWORD 'p'", "CREATE DATABASE theirs OWNER platform"] {
        own.batch_execute(statement).await.expect("a superuser may");
    }
    let mut theirs = config.clone();
    theirs.user("platform").password("p").dbname("theirs");
    let (theirs, connection) = theirs.connect(NoTls).await.expect("it answers");
    tokio::spawn(connection);
    let terminator = Terminator::new(config.clone(), Tls::none().into(), vec!["postgres".to_owned()]);
    // No session of a platform's that is the gateway's is open.
    let backend = Backend::of(&own).await.expect("an answer").expect("it is told");
    terminator.register(&endpoint, Some(&backend));
    terminator.end_holders().await;
    theirs.batch_execute(BAIT).await.expect("an owner may");
    let since = Instant::now();
    // The second worker comes when the first has ended.
    while theirs.query_one("SELECT last_value FROM tries", &[]).await.expect("it reads").get::<_, i64>(0) < 2 {
        assert!(since.elapsed() < Duration::from_secs(60), "a worker stays");
        tokio::time::sleep(shared_locks::LOOK_EVERY).await;
        terminator.end_holders().await;
    }
    let dropping = tokio::spawn(async move { theirs.batch_execute("DROP TABLE bait").await });
    while !dropping.is_finished() {
        assert!(since.elapsed() < Duration::from_secs(90), "a worker stays");
        tokio::time::sleep(shared_locks::LOOK_EVERY).await;
        terminator.end_holders().await;
    }
    dropping.await.expect("no panic").expect("an owner may");
    let (_, connection) = timeout(ANSWER_TIMEOUT, config.connect(NoTls)).await.expect("in time").expect("it answers");
    drop(connection);
    server.stop().await.expect("it stops");
}
