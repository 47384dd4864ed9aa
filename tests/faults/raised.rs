//! What uploaded code raises in a deployment is its own word, whatever code it gives it: the answer is that of any other error
//! of the step, and nothing about the disk, the server or a lock (contract §7). What PostgreSQL itself finds stays what it is.

use serde_json::Value;

use crate::support::{Gateway, Server, upload, value};

/// Disk full, out of memory, too many connections, shut down, connection lost, lock not available, deadlock.
const CODES: [&str; 7] = ["53100", "53200", "53300", "57P01", "08006", "55P03", "40P01"];

/// More than fits into memory, and more on disk than `temp_file_limit` allows: 53400.
const SORTS: &str =
    "PERFORM count(*) FROM (SELECT i FROM generate_series(1, 300000) i ORDER BY md5(i::text) OFFSET 0) x";

/// What is deployed, with `{}` for what its code does.
struct Step {
    name: &'static str,
    /// There before, with a row in `a`.
    before: &'static [(&'static str, &'static str)],
    files: &'static [(&'static str, &'static str)],
    error: &'static str,
    /// Where the answer says that it was; empty: that does not matter.
    file: &'static str,
}

const A: (&str, &str) = ("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY);");

const AT_COMMIT: (&str, &str) = (
    "tables/a.sql",
    "CREATE TABLE a (id int PRIMARY KEY);
     CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON a DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION t();",
);
const QUIET: &str = "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;";
const AT_ONCE: &str =
    "CREATE OR REPLACE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {}; RETURN new; END $$;
     UPDATE a SET id = id + 1;";
const LOUD: &str = "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {}; RETURN new; END $$;";

const STEPS: [Step; 6] = [
    Step {
        name: "migration",
        before: &[A],
        files: &[A, ("migrations/1.sql", "DO $$ BEGIN {}; END $$;")],
        error: "migration_failed",
        file: "migrations/1.sql",
    },
    Step {
        name: "function",
        before: &[A],
        files: &[
            A,
            (
                "functions/f.sql",
                "CREATE FUNCTION bad(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN {}; RETURN 1; END $$;
                 CREATE DOMAIN d AS int DEFAULT 1 CHECK (bad(VALUE) = 1);
                 CREATE FUNCTION f(a d DEFAULT 5::d) RETURNS int LANGUAGE sql AS 'SELECT 1'; DO $$ BEGIN PERFORM 5::d; END $$;",
            ),
        ],
        error: "function_deploy_failed",
        file: "functions/f.sql",
    },
    Step {
        name: "seeder",
        before: &[A],
        files: &[
            A,
            (
                "tables/b.sql",
                "CREATE TABLE b (id int PRIMARY KEY); CREATE TRIGGER t BEFORE INSERT ON b FOR EACH ROW EXECUTE FUNCTION t();",
            ),
            ("functions/t.sql", LOUD),
            ("seeders/b.sql", "INSERT INTO b (id) VALUES (7);"),
        ],
        error: "migration_failed",
        file: "seeders/b.sql",
    },
    Step {
        name: "default",
        before: &[A],
        files: &[
            ("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY, b int NOT NULL DEFAULT bad());"),
            ("functions/f.sql", "CREATE FUNCTION bad() RETURNS int LANGUAGE plpgsql AS $$ BEGIN {}; RETURN 1; END $$;"),
        ],
        error: "migration_failed",
        file: "tables/a.sql",
    },
    Step {
        name: "commit",
        before: &[AT_COMMIT, ("functions/t.sql", QUIET)],
        files: &[AT_COMMIT, ("functions/t.sql", LOUD), ("migrations/1.sql", AT_ONCE)],
        error: "migration_failed",
        file: "",
    },
    Step {
        name: "handed on",
        before: &[A],
        files: &[A, ("migrations/1.sql", "DO $$ BEGIN {}; EXCEPTION WHEN OTHERS THEN RAISE; END $$;")],
        error: "migration_failed",
        file: "migrations/1.sql",
    },
];

async fn deploy(gateway: &Gateway, server: &Server, step: &Step, platform: &str, code: &str) -> (u16, Value) {
    let fields = [("platform", platform)];
    let (status, body) = upload(gateway, "/register", &fields, step.before).await;
    assert_eq!(status, 200, "{body:#}");
    let database = server.connect(&format!("{platform}_main")).await;
    if value(&database, "SELECT count(*) FROM a").await == "0" {
        database.batch_execute("INSERT INTO a VALUES (1)").await.expect("a row");
    }
    let files: Vec<(&str, String)> = step.files.iter().map(|(path, text)| (*path, text.replace("{}", code))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    upload(gateway, "/register", &fields, &files).await
}

#[tokio::test]
async fn what_code_raises_in_a_deployment_is_its_own_word_whatever_code_it_gives_it() {
    let server = Server::start().await;
    let gateway = server.gateway();
    for (number, step) in STEPS.iter().enumerate() {
        for sqlstate in CODES {
            let code = format!(
                "IF EXISTS (SELECT FROM public.a WHERE id > 0) THEN RAISE EXCEPTION 'mine' USING ERRCODE = '{sqlstate}'; END IF"
            );
            let (status, body) = deploy(&gateway, &server, step, &format!("r{number}"), &code).await;
            let what = format!("{} {sqlstate}: {status} {body:#}", step.name);
            assert_eq!((status, body["error"].as_str()), (409, Some(step.error)), "{what}");
            assert_eq!((body["sqlstate"].as_str(), body["cause"].as_str()), (Some(sqlstate), Some("mine")), "{what}");
            assert!(step.file.is_empty() || body["file"] == step.file, "{what}");
            assert!(body["blocked_by"].is_null(), "{what}");
        }
    }
}

#[tokio::test]
async fn what_postgresql_finds_in_code_of_a_deployment_stays_what_it_is() {
    let server = Server::start().await;
    let admin = server.connect("postgres").await;
    for setting in ["ALTER SYSTEM SET temp_file_limit = '64kB'", "SELECT pg_reload_conf()"] {
        admin.batch_execute(setting).await.expect("a setting");
    }
    let gateway = server.gateway();
    for (number, step) in STEPS.iter().enumerate() {
        let code = format!("IF EXISTS (SELECT FROM public.a WHERE id > 0) THEN {SORTS}; END IF");
        let (status, body) = deploy(&gateway, &server, step, &format!("p{number}"), &code).await;
        let what = format!("{}: {status} {body:#}", step.name);
        assert_eq!((status, body["sqlstate"].as_str()), (409, Some("53400")), "{what}");
        assert_eq!(body["error"].as_str(), Some(step.error), "{what}");
    }
}
