//! A platform's role that may do more than an ordinary one, however it came to that: nothing of the platform's runs as it.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::place::{DEADLINE, Place, Who};
use crate::web::{Answer, Web};

const WHO: (&str, &str) =
    ("functions/who.sql", "CREATE FUNCTION who() RETURNS text LANGUAGE sql AS $$ SELECT session_user::text $$;");

/// Platform and role: one that the gateway made up, one that the client named.
const PLATFORMS: [(&str, &str); 2] = [("a", "stonescriptdb-a"), ("b", "named")];

/// What gives a role more, what takes it away, and a word of the refusal.
const POWERS: [[&str; 3]; 7] = [
    ["ALTER ROLE {} SUPERUSER", "ALTER ROLE {} NOSUPERUSER", "a superuser"],
    ["ALTER ROLE {} CREATEROLE", "ALTER ROLE {} NOCREATEROLE", "CREATEROLE"],
    ["ALTER ROLE {} CREATEDB", "ALTER ROLE {} NOCREATEDB", "CREATEDB"],
    ["ALTER ROLE {} REPLICATION", "ALTER ROLE {} NOREPLICATION", "REPLICATION"],
    ["ALTER ROLE {} BYPASSRLS", "ALTER ROLE {} NOBYPASSRLS", "BYPASSRLS"],
    ["GRANT pg_read_all_data TO {}", "REVOKE pg_read_all_data FROM {}", "a member of pg_read_all_data"],
    ["GRANT deputy TO {}", "REVOKE deputy FROM {}", "a member of root"],
];

fn assert_refused((status, body): &Answer, role: &str, word: &str) {
    assert_eq!((*status, &body["error"]), (400, &json!("invalid_request")), "{role}, {word}: {body}");
    let message = body["message"].as_str().unwrap();
    assert!(message.contains(role) && message.contains(word) && message.contains("takes it away"), "{word}: {body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_more_than_an_ordinary_one_is_used_no_longer() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    let named = json!({ "platform": "b", "db_user": "named", "db_password": "named-password" });
    assert_eq!(web.post("/platform/register", named).await.0, 201);
    let superuser = place.connect().await;
    superuser.batch_execute("CREATE ROLE root SUPERUSER; CREATE ROLE deputy IN ROLE root").await.unwrap();
    let sessions = async |role: &str| -> i64 {
        let sql = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE usename = $1";
        superuser.query_one(sql, &[&role]).await.unwrap().get(0)
    };
    for (platform, role) in PLATFORMS {
        web.register(platform, &[WHO]).await;
        for [give, take, word] in POWERS.map(|words| words.map(|word| word.replace("{}", &format!("\"{role}\"")))) {
            superuser.batch_execute(&give).await.unwrap();
            // The next session that opens is the one that is looked at.
            sessions(role).await;
            assert_refused(&web.call(platform, "who", json!([])).await, role, &word);
            superuser.batch_execute(&take).await.unwrap();
            assert_eq!(web.value(platform, "who", json!([])).await, role, "{take}");
        }
        // Sessions that are open go with the first who notices.
        superuser.batch_execute(&format!("ALTER ROLE \"{role}\" SUPERUSER")).await.unwrap();
        let refused = web.upload("/register", &[("platform", platform)], &[WHO]).await;
        assert_refused(&refused, role, "a superuser");
        let calls = (0..12).map(|_| web.call(platform, "who", json!([])));
        for answer in futures_util::future::join_all(calls).await {
            assert_refused(&answer, role, "a superuser");
        }
        let open = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1";
        let begun = std::time::Instant::now();
        while superuser.query_one(open, &[&role]).await.unwrap().get::<_, i64>(0) > 0 {
            assert!(begun.elapsed() < DEADLINE, "a session of {role} stays");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    drop(superuser);
    gateway.stop(Signal::SIGTERM);

    // Whatever happened while no gateway ran.
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    for (platform, role) in PLATFORMS {
        assert_refused(&web.call(platform, "who", json!([])).await, role, "a superuser");
    }
    let superuser = place.connect().await;
    superuser.batch_execute("ALTER ROLE named NOSUPERUSER; ALTER ROLE \"stonescriptdb-a\" NOSUPERUSER").await.unwrap();
    // What another platform may do before PostgreSQL 16 shuts nobody out.
    superuser.batch_execute("GRANT named TO \"stonescriptdb-a\"").await.unwrap();
    for (platform, role) in PLATFORMS {
        assert_eq!(web.value(platform, "who", json!([])).await, role);
        web.register(platform, &[WHO]).await;
    }
    let output = gateway.stop(Signal::SIGTERM);
    for (_, role) in PLATFORMS {
        let line = output.lines().find(|line| line.contains("a platform's role is not used") && line.contains(role));
        assert!(line.is_some_and(|line| line.contains("ERROR")), "{role}: {output}");
    }
}
