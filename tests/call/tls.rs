//! TLS to a PostgreSQL that has it, that has it not, and that shows the wrong certificate.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use stonescriptdb_gateway::call::{Timing, parse_request, run};
use stonescriptdb_gateway::config::Destination;
use stonescriptdb_gateway::databases::{Databases, RunAs};
use stonescriptdb_gateway::tls::{RootCertificates, Tls, TlsMode, TlsSettings};
use tokio_postgres::config::ChannelBinding;

use crate::server;
use crate::support::{call, eventually, main_of, make, platform, wide_pools};
use certificates::{Authority, Valid};
use stage::{EITHER, KNOWN, PASSWORD, Stage, WITH, WITHOUT};

mod certificates;
mod stage;

impl Stage {
    fn destination(&self, host: &str, settings: TlsSettings) -> Destination {
        let mut connection = tokio_postgres::Config::new();
        connection.host(host).port(self.port).user("postgres").password(PASSWORD).dbname("postgres");
        Destination { connection, tls: Arc::new(Tls::load(settings).unwrap()) }
    }

    /// `Ok`: whether the connection is encrypted.
    async fn try_out(&self, destination: Destination) -> Result<bool, String> {
        let databases = start(destination);
        let control = databases.control().await.map_err(|error| error.to_string())?;
        let row = control.query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).await.unwrap();
        drop(control);
        databases.close().await;
        Ok(row.get(0))
    }
}

fn start(destination: Destination) -> Databases {
    Databases::start(destination, &wide_pools(), Duration::from_secs(20), Duration::from_secs(5)).unwrap()
}

fn with(mode: TlsMode, roots: Option<&Path>) -> TlsSettings {
    let roots = roots.map(|path| RootCertificates::File(path.to_owned()));
    TlsSettings { mode, roots, ..TlsSettings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_with_each_server() {
    use TlsMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
    let stage = Stage::new().await;
    let strangers = Authority::new("strangers");
    let good = stage.authority.issue("localhost", Valid::Now);
    let by_name = certificates::by_itself("localhost");
    std::fs::write(stage.file("by_name.pem"), &by_name.0).unwrap();
    let (ours, by_name_file) = (stage.file("roots.pem"), stage.file("by_name.pem"));
    let (ours, by_name_file) = (Some(ours.as_path()), Some(by_name_file.as_path()));
    const PLAIN: Result<bool, &str> = Ok(false);
    const ENCRYPTED: Result<bool, &str> = Ok(true);
    type Tried<'a> = (TlsMode, Option<&'a Path>, Result<bool, &'a str>);
    type Served<'a> = (&'a str, Option<(String, String)>, &'a str, &'a [Tried<'a>]);
    let servers: [Served<'_>; 8] = [
        (
            "no TLS",
            None,
            EITHER,
            &[
                (Disable, None, PLAIN),
                (Prefer, None, PLAIN),
                (
                    Require,
                    None,
                    Err("the server has no TLS (its setting ssl is off), and DB_SSLMODE=require asks for it"),
                ),
                (VerifyFull, ours, Err("DB_SSLMODE=verify-full asks for it")),
            ],
        ),
        (
            "TLS",
            Some(good.clone()),
            WITH,
            &[
                (Disable, None, Err("no pg_hba.conf entry for host")),
                (Disable, None, Err("DB_SSLMODE=disable, so that was without TLS")),
                (Prefer, None, ENCRYPTED),
                (Require, None, ENCRYPTED),
                (Require, ours, ENCRYPTED),
                (VerifyCa, ours, ENCRYPTED),
                (VerifyFull, ours, ENCRYPTED),
            ],
        ),
        (
            "no TLS wanted",
            Some(good.clone()),
            WITHOUT,
            &[(Disable, None, PLAIN), (Prefer, None, PLAIN), (Require, None, Err("no pg_hba.conf entry for host"))],
        ),
        (
            "another's",
            Some(strangers.issue("localhost", Valid::Now)),
            EITHER,
            &[
                (Prefer, None, ENCRYPTED),
                (Prefer, ours, PLAIN),
                (Require, None, ENCRYPTED),
                (Require, ours, Err("nobody in DB_SSLROOTCERT=")),
                (VerifyCa, ours, Err("DB_SSLMODE=verify-ca")),
                (VerifyFull, ours, Err("nobody in DB_SSLROOTCERT=")),
            ],
        ),
        (
            "expired",
            Some(stage.authority.issue("localhost", Valid::Before)),
            WITH,
            &[
                (Require, None, ENCRYPTED),
                (VerifyCa, ours, Err("it has expired")),
                (VerifyFull, ours, Err("it has expired")),
            ],
        ),
        (
            "another host's",
            Some(stage.authority.issue("db.example.com", Valid::Now)),
            WITH,
            &[
                (Require, ours, ENCRYPTED),
                (VerifyCa, ours, ENCRYPTED),
                (VerifyFull, ours, Err("it is not for the host \"localhost\"")),
            ],
        ),
        (
            "as the manual makes one",
            Some(by_name),
            WITH,
            &[
                (Require, None, ENCRYPTED),
                (VerifyCa, by_name_file, ENCRYPTED),
                (VerifyFull, by_name_file, ENCRYPTED),
                (VerifyCa, ours, Err("the server's certificate is refused")),
            ],
        ),
        (
            "for those it knows",
            Some(good),
            KNOWN,
            &[
                (Prefer, None, Err("valid client certificate")),
                (Require, None, Err("DB_SSLCERT and DB_SSLKEY are not set")),
            ],
        ),
    ];
    for (what, certificate, rule, tried) in servers {
        stage.serve(certificate, rule).await;
        for (mode, roots, expected) in tried {
            let became = stage.try_out(stage.destination("localhost", with(*mode, *roots))).await;
            match (&became, expected) {
                (Ok(encrypted), Ok(expected)) => assert_eq!(encrypted, expected, "{what}, {mode}"),
                (Err(error), Err(words)) => assert!(error.contains(words), "{what}, {mode}: {error}"),
                _ => panic!("{what}, {mode}, {roots:?}: {became:?}, not {expected:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_bound_to_the_certificate() {
    let stage = Stage::new().await;
    let bound = |settings| {
        let mut destination = stage.destination("localhost", settings);
        destination.connection.channel_binding(ChannelBinding::Require);
        destination
    };
    stage.serve(Some(stage.authority.issue("localhost", Valid::Now)), EITHER).await;
    assert_eq!(stage.try_out(bound(with(TlsMode::Require, None))).await, Ok(true));
    let error = stage.try_out(bound(with(TlsMode::Disable, None))).await.unwrap_err();
    assert!(error.contains("channel binding"), "{error}");
}

/// Certificates as old programs make them, with the TLS of old servers; and with the one that only new ones have.
#[tokio::test(flavor = "multi_thread")]
async fn old_certificates_old_tls_and_new_negotiation() {
    let stage = Stage::new().await;
    let mut tried = vec![(stage.authority.issue("localhost", Valid::Now), "roots.pem")];
    if let Some(old) = certificates::of_version_1("localhost") {
        std::fs::write(stage.file("old.pem"), &old.0).unwrap();
        tried.push((old, "old.pem"));
    }
    for most in ["TLSv1.2", "TLSv1.3"] {
        stage.superuser(&format!("ALTER SYSTEM SET ssl_max_protocol_version = '{most}'")).await;
        for (certificate, roots) in &tried {
            stage.serve(Some(certificate.clone()), WITH).await;
            for settings in [with(TlsMode::Require, None), with(TlsMode::VerifyFull, Some(&stage.file(roots)))] {
                let mut destination = stage.destination("localhost", settings.clone());
                destination.connection.channel_binding(ChannelBinding::Require);
                assert_eq!(stage.try_out(destination).await, Ok(true), "{most}, {roots}, {settings:?}");
            }
        }
    }
    let direct = TlsSettings { direct: true, ..with(TlsMode::Require, None) };
    let became = stage.try_out(stage.destination("localhost", direct)).await;
    match stage.version().await {
        ..17 => assert!(became.as_ref().is_err_and(|error| error.contains("TLS with the server failed")), "{became:?}"),
        _ => assert_eq!(became, Ok(true)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_verified_like_a_name() {
    let stage = Stage::new().await;
    let full = || with(TlsMode::VerifyFull, Some(&stage.file("roots.pem")));
    stage.serve(Some(stage.authority.issue("127.0.0.1", Valid::Now)), WITH).await;
    assert_eq!(stage.try_out(stage.destination("127.0.0.1", full())).await, Ok(true));
    let error = stage.try_out(stage.destination("localhost", full())).await.unwrap_err();
    assert!(error.contains("it is not for the host \"localhost\""), "{error}");
    // The address is where, the host is who.
    let mut both = stage.destination("db.example.com", full());
    both.connection.hostaddr([127, 0, 0, 1].into());
    let error = stage.try_out(both.clone()).await.unwrap_err();
    assert!(error.contains("it is not for the host \"db.example.com\""), "{error}");
    stage.serve(Some(stage.authority.issue("db.example.com", Valid::Now)), WITH).await;
    assert_eq!(stage.try_out(both).await, Ok(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_the_gateways_are_shown_and_renewed() {
    let stage = Stage::new().await;
    stage.serve(Some(stage.authority.issue("localhost", Valid::Now)), KNOWN).await;
    let (certificate, key) = Authority::new("strangers").issue("postgres", Valid::Now);
    let paths = (stage.secret("client.pem", &certificate), stage.secret("client.key", &key));
    let settings =
        TlsSettings { client: Some(paths.clone()), ..with(TlsMode::VerifyFull, Some(&stage.file("roots.pem"))) };
    let databases = start(stage.destination("localhost", settings.clone()));
    let Err(error) = databases.control().await else { panic!("a stranger is let in") };
    let error = error.to_string();
    assert!(error.contains("the server refuses the gateway's certificate (DB_SSLCERT, DB_SSLKEY)"), "{error}");
    let (certificate, key) = stage.authority.issue("postgres", Valid::Now);
    stage.secret("client.pem", &certificate);
    stage.secret("client.key", &key);
    databases.renew_certificates(&Tls::load(settings).unwrap());
    databases.control().await.unwrap();
    databases.close().await;
}

/// Databases are made, called and left in the middle of a call; the server finds nothing to complain of.
#[tokio::test(flavor = "multi_thread")]
async fn calls_and_what_interrupts_them() {
    let stage = Stage::new().await;
    stage.serve(Some(stage.authority.issue("localhost", Valid::Now)), WITH).await;
    let databases = start(stage.destination("localhost", with(TlsMode::VerifyFull, Some(&stage.file("roots.pem")))));
    let (platform, beside) = (platform(), stage.connect().await);
    let address = main_of(&platform);
    let functions = "CREATE FUNCTION many(n int) RETURNS SETOF text LANGUAGE sql AS $$
            SELECT repeat(i::text, 100) FROM generate_series(1, n) AS i $$;
        CREATE FUNCTION long(t text) RETURNS int LANGUAGE sql AS $$ SELECT length(t) $$;
        CREATE FUNCTION sleep() RETURNS void LANGUAGE sql AS $$ SELECT pg_sleep(600) $$;";
    make(&databases, &address, functions).await;
    let request = |function: &str, params: &str| {
        format!(r#"{{"platform": "{platform}", "function": "{function}", "params": {params}}}"#)
    };
    // More than a socket, a record of TLS and a buffer take, to and fro.
    let answer = call(&databases, &request("many", "[30000]")).await.unwrap();
    assert!(answer.len() > 10_000_000 && answer.contains(&"30000".repeat(100)), "{}", answer.len());
    let text = "x".repeat(5_000_000);
    let answer = call(&databases, &request("long", &format!("[\"{text}\"]"))).await.unwrap();
    assert!(answer.contains("5000000"), "{answer}");
    for _ in 0..20 {
        call(&databases, &request("long", "[\"ab\"]")).await.unwrap();
    }
    let plain = "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
        WHERE application_name LIKE 'stonescriptdb%' AND NOT ssl";
    assert_eq!(beside.query_one(plain, &[]).await.unwrap().get::<_, i64>(0), 0);
    let interrupted = {
        let (databases, request) = (databases.clone(), request("sleep", "[]"));
        tokio::spawn(async move {
            let request = parse_request(request.as_bytes()).unwrap();
            run(&databases, &request, &RunAs::Gateway, &Timing::default()).await.is_ok()
        })
    };
    let sleeping = async || {
        let asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        beside.query_one(asked, &[]).await.unwrap().get::<_, i64>(0)
    };
    eventually("it sleeps", async || sleeping().await == 1).await;
    let begin = std::time::Instant::now();
    interrupted.abort();
    eventually("it was cancelled", async || sleeping().await == 0).await;
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    databases.close().await;
    assert_eq!(databases.figures().terminated, 0, "what is cancelled ends");
    // With it goes the connection that ends backends.
    drop(databases);
    let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'stonescriptdb%'";
    eventually("all are closed", async || beside.query_one(left, &[]).await.unwrap().get::<_, i64>(0) == 0).await;
    let log = std::fs::read_to_string(stage.server.folder.join("log")).unwrap();
    assert!(!log.contains("SSL error") && !log.contains("receive data"), "{log}");
}
