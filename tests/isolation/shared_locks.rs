//! Locks on what all databases share, which PostgreSQL takes before it looks at privileges: whatever one platform's sessions do
//! with them, the others' new connections, `/register` and `/health` go on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use nix::sys::signal::Signal;
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use crate::outside::Outside;
use crate::place::{Place, Who};
use crate::web::{Answer, Web};

/// What others wait for at most, on a machine that has much else to do. Undisturbed it is some hundredths of it.
const SOON: Duration = Duration::from_secs(12);

/// Swallows every error, cancels among them, and turns off what would end it. `want` again and again asks for a lock; `hold` has
/// weak ones on all that it may; `stay` is what a domain checks with, while PostgreSQL holds the strong one.
const ATTACK: (&str, &str) = (
    "functions/attack.sql",
    "CREATE FUNCTION deaf() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        PERFORM set_config('client_connection_check_interval', '0', false), set_config('statement_timeout', '0', false);
        LOOP BEGIN PERFORM pg_sleep(1000); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;
     END $$;
     CREATE FUNCTION stay(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM deaf(); RETURN true; END $$;
     CREATE FUNCTION nap() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.5); END $$;
     CREATE FUNCTION want(p_sql text, p_limit text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        PERFORM set_config('client_connection_check_interval', '0', false), set_config('statement_timeout', '0', false),
                set_config('lock_timeout', p_limit, false);
        LOOP BEGIN EXECUTE p_sql; EXCEPTION WHEN query_canceled OR lock_not_available THEN NULL;
             WHEN OTHERS THEN PERFORM pg_sleep(0.02); END; END LOOP;
     END $$;
     CREATE FUNCTION hold() RETURNS void LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN
        PERFORM FROM pg_catalog.pg_roles;
        FOR r IN SELECT oid::regclass AS name FROM pg_catalog.pg_class WHERE relisshared AND relkind = 'r' LOOP
            BEGIN EXECUTE format('SELECT oid FROM %s', r.name);
            EXCEPTION WHEN OTHERS THEN
                BEGIN EXECUTE format('SELECT FROM %s', r.name); EXCEPTION WHEN OTHERS THEN NULL; END;
            END;
        END LOOP;
        FOR r IN SELECT datname AS name FROM pg_catalog.pg_database LOOP
            BEGIN EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET work_mem = 5000', r.name);
            EXCEPTION WHEN OTHERS THEN NULL; END;
        END LOOP;
        PERFORM deaf();
     END $$;",
);

const TYPES: (&str, &str) = (
    "migrations/001_types.sql",
    "CREATE FUNCTION stays(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN stay($1); END $$;
     CREATE DOMAIN slow AS int CHECK (stays(VALUE)); CREATE TYPE holding AS (a slow);",
);

const ONE: (&str, &str) = ("functions/one.sql", "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'");

/// On each catalog that all databases share.
const ON_CATALOGS: &[&str] = &[
    "CREATE RULE r AS ON INSERT TO {} DO NOTHING",
    "CREATE TRIGGER t BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
];

/// On one of them, or on another's database as an object; and what asks first, or asks for less.
const OTHERS: &[&str] = &[
    "CREATE RULE r AS ON INSERT TO pg_catalog.pg_database_oid_index DO NOTHING",
    "CREATE TABLE k (a oid, FOREIGN KEY (a) REFERENCES pg_catalog.pg_authid (oid))",
    "ALTER DATABASE v0_main RENAME TO another",
    "ALTER DATABASE v1_main RENAME TO another",
    "ALTER DATABASE v0_main OWNER TO CURRENT_USER",
    "ALTER DATABASE v0_main SET work_mem = 5000",
    "COMMENT ON DATABASE v0_main IS 'x'",
    "COMMENT ON TABLESPACE pg_default IS 'x'",
    "GRANT CONNECT ON DATABASE v0_main TO CURRENT_USER",
    "CREATE STATISTICS s ON oid, datdba FROM pg_catalog.pg_database",
    "CREATE INDEX ON pg_catalog.pg_database (datdba)",
    "CREATE POLICY p ON pg_catalog.pg_database",
    "ALTER TABLE pg_catalog.pg_database ENABLE ROW LEVEL SECURITY",
    "LOCK TABLE pg_catalog.pg_database IN ACCESS EXCLUSIVE MODE",
    "TRUNCATE pg_catalog.pg_database",
    "DROP TABLE pg_catalog.pg_database",
    "REINDEX TABLE pg_catalog.pg_database",
    "CREATE PUBLICATION p FOR TABLE pg_catalog.pg_database",
];

/// Gets the strong lock, and keeps it.
const HAVING: &[&str] = &[
    "CREATE RULE r AS ON INSERT TO pg_catalog.pg_database WHERE '(1)'::public.holding IS NOT NULL DO NOTHING",
    "CREATE RULE r AS ON INSERT TO pg_catalog.pg_authid WHERE '(1)'::public.holding IS NOT NULL DO NOTHING",
    "CREATE RULE r AS ON INSERT TO pg_catalog.pg_auth_members WHERE '(1)'::public.holding IS NOT NULL DO NOTHING",
];

/// A gateway, its attacker `a`, and victims `v0`… that nobody has called yet.
struct Scene {
    web: Arc<Web>,
    superuser: Client,
    calls: Vec<JoinHandle<Answer>>,
    next: usize,
}

impl Scene {
    async fn set(address: SocketAddr, mut superuser: tokio_postgres::Config, victims: usize) -> Self {
        let (superuser, connection) = superuser.dbname("postgres").connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        let web = Arc::new(Web::new(address));
        web.register("a", &[ATTACK, TYPES]).await;
        for victim in 0..victims {
            web.register(&format!("v{victim}"), &[ONE]).await;
        }
        Self { web, superuser, calls: Vec::new(), next: 0 }
    }

    fn call(&mut self, function: &'static str, params: serde_json::Value) {
        let web = self.web.clone();
        self.calls.push(tokio::spawn(async move { web.call("a", function, params).await }));
    }

    /// So that the attackers need no new connections, which they would keep each other from.
    async fn open_sessions(&self, number: usize) {
        join_all((0..number).map(|_| self.web.call("a", "nap", json!([])))).await;
    }

    /// Once the attack stands.
    async fn others_go_on(&mut self, during: &str) {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let victim = self.next;
        self.next += 1;
        let since = Instant::now();
        let called = self.web.call(&format!("v{victim}"), "one", json!([])).await;
        assert_eq!(called.0, 200, "{during}: {} after {:?}", called.1, since.elapsed());
        let new = self.web.upload("/register", &[("platform", &format!("new{victim}"))], &[ONE]).await;
        assert_eq!(new.0, 200, "{during}: {} after {:?}", new.1, since.elapsed());
        assert!(since.elapsed() < SOON, "{during}: {:?}", since.elapsed());
    }

    /// None of the attackers got what it wanted, and none stays.
    async fn is_over(&mut self, during: &str) {
        for call in self.calls.drain(..) {
            let (status, body) = call.await.unwrap();
            assert!(status >= 400, "{during}: {body}");
        }
        let sql =
            "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE '%a' AND state = 'active' AND datname = 'a_main'";
        let since = Instant::now();
        while self.superuser.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            assert!(since.elapsed() < Duration::from_secs(20), "{during}: a backend stays");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn waiting_for_everything(&mut self) {
        let sql = "SELECT oid::regclass::text FROM pg_class WHERE relisshared AND relkind = 'r'";
        let rows = self.superuser.query(sql, &[]).await.unwrap();
        let catalogs: Vec<String> = rows.iter().map(|row| format!("pg_catalog.{}", row.get::<_, &str>(0))).collect();
        assert!(catalogs.len() >= 10, "{catalogs:?}");
        let on = |catalog: &String| ON_CATALOGS.iter().map(|statement| statement.replace("{}", catalog)).collect();
        let mut all: Vec<String> = catalogs.iter().flat_map(|catalog| -> Vec<String> { on(catalog) }).collect();
        all.extend(OTHERS.iter().map(|statement| (*statement).to_owned()));
        self.open_sessions(all.len() + 1).await;
        self.call("hold", json!([]));
        tokio::time::sleep(Duration::from_millis(300)).await;
        for statement in all {
            self.call("want", json!([statement, "0"]));
        }
        self.others_go_on("all at once").await;
        self.is_over("all at once").await;
    }

    async fn having_it(&mut self) {
        for statement in HAVING {
            self.open_sessions(2).await;
            self.call("want", json!([statement, "0"]));
            self.others_go_on(statement).await;
            self.is_over(statement).await;
        }
    }

    /// No single wait is long.
    async fn in_short_turns(&mut self) {
        self.open_sessions(7).await;
        self.call("hold", json!([]));
        tokio::time::sleep(Duration::from_millis(300)).await;
        for limit in ["150ms", "170ms", "190ms", "210ms", "800ms", "900ms"] {
            self.call("want", json!([ON_CATALOGS[0].replace("{}", "pg_catalog.pg_database"), limit]));
        }
        self.others_go_on("in short turns").await;
        self.is_over("in short turns").await;
    }

    /// Where no time limit of a call ends it.
    async fn in_a_deployment(&mut self, statement: &'static str) {
        self.call("hold", json!([]));
        tokio::time::sleep(Duration::from_millis(300)).await;
        let web = self.web.clone();
        let deploying = tokio::spawn(async move {
            web.upload("/register", &[("platform", "a")], &[ATTACK, TYPES, ("migrations/002.sql", statement)]).await
        });
        self.others_go_on(statement).await;
        let (status, body) = deploying.await.unwrap();
        assert!(status >= 400, "{statement}: {body}");
        self.is_over(statement).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_lock_on_what_all_databases_share_keeps_anybody_out() {
    let place = Place::new(Who::possible()[0]);
    let limits = [("CALL_TIMEOUT_SECS", "6"), ("MAX_CONNECTIONS_PER_POOL", "60"), ("MAX_TOTAL_CONNECTIONS", "120")];
    let gateway = place.start(&limits);
    gateway.wait_until_healthy();
    let mut scene = Scene::set(gateway.address(), place.superuser(), 8).await;
    scene.waiting_for_everything().await;
    scene.having_it().await;
    scene.in_short_turns().await;
    scene.in_a_deployment("SELECT want('CREATE RULE r AS ON INSERT TO pg_catalog.pg_authid DO NOTHING', '0');").await;
    scene.in_a_deployment("DO $$ BEGIN EXECUTE 'ALTER DATABASE v6_main RENAME TO foo'; END $$;").await;
    assert_eq!(gateway.health(), 200);
    let log = gateway.stop(Signal::SIGTERM);
    assert!(log.contains("held up what all databases share"), "{log}");
}

/// Forwards to the socket: the gateway is to take the server for one of another machine.
async fn far_away(socket: std::path::PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let Ok(mut far) = UnixStream::connect(&socket).await else { continue };
            tokio::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
        }
    });
    address
}

/// Here no signal can be sent to PostgreSQL's processes: it is asked to end them.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_on_a_server_of_another_machine_where_the_gateway_is_no_superuser() {
    let place = Place::new(Who::possible()[0]);
    let outside = Outside::start().await;
    let mut settings = outside.settings();
    let address = far_away(std::path::Path::new(&settings[0].1).join(format!(".s.PGSQL.{}", settings[1].1))).await;
    (settings[0].1, settings[1].1) = (address.ip().to_string(), address.port().to_string());
    let mut variables: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    variables.extend([("CALL_TIMEOUT_SECS", "6"), ("MAX_CONNECTIONS_PER_POOL", "60"), ("MAX_TOTAL_CONNECTIONS", "80")]);
    let gateway = place.start(&variables);
    gateway.wait_until_healthy();
    let mut scene = Scene::set(gateway.address(), outside.superuser(), 5).await;
    scene.waiting_for_everything().await;
    scene.having_it().await;
    drop(gateway);
    outside.stop().await;
}
