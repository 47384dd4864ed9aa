//! What uploaded code raises, selects, or has the catalog hold, whatever its size, is read in bounded memory, and told in words.

use serde_json::{Value, json};

use crate::place::{Place, Who};
use crate::web::Web;

/// Makes what a later deployment reads.
const MAKERS: (&str, &str) = (
    "functions/makers.sql",
    "CREATE FUNCTION comments(n int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..n LOOP
         EXECUTE format('CREATE TABLE c%s (a int); COMMENT ON TABLE c%s IS %L', i, i, repeat('x', 70000000)); END LOOP; END $$;
     CREATE FUNCTION overloads(n int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..n LOOP
         EXECUTE format('CREATE TYPE e%s AS ENUM (''a''); CREATE FUNCTION f(a e%s) RETURNS int LANGUAGE plpgsql AS %L', i, i,
                        'BEGIN RETURN 1; /*' || repeat('x', 1000000) || '*/ END'); END LOOP; END $$;
     CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
     CREATE FUNCTION complain() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE EXCEPTION '%', repeat('i', 30000000); END $$;
     CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         RAISE EXCEPTION '%', repeat('l', 20000000) USING HINT = repeat('h', 20000000); END $$;",
);

const TABLE: (&str, &str) = ("tables/t.sql", "CREATE TABLE t (a int PRIMARY KEY, b text);");

/// Resident at most beyond what it has at rest, in MiB. Each of these has more.
const MOST: u64 = 48;

struct Case {
    name: &'static str,
    /// Called before.
    made: Option<(&'static str, i32)>,
    /// In the second bundle.
    file: (&'static str, &'static str),
    /// Of the answer that it gives: status, file, and what is in the cause and in the message.
    refused: Option<(u16, &'static str, &'static str)>,
}

const CASES: &[Case] = &[
    Case {
        name: "error",
        made: None,
        file: (
            "migrations/001.sql",
            "DO $$ BEGIN RAISE EXCEPTION '%', repeat('x', 20000000) USING DETAIL = repeat('y', 20000000); END $$;",
        ),
        refused: Some((409, "migrations/001.sql", "xxx… (cut here: PostgreSQL sends an error of 4000")),
    },
    Case {
        name: "deferred",
        made: None,
        file: (
            "migrations/001.sql",
            "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
             INSERT INTO t VALUES (1);",
        ),
        refused: Some((409, "migrations/001.sql", "lll… (cut here: PostgreSQL sends an error of 4000")),
    },
    Case {
        name: "index",
        made: None,
        file: ("tables/u.sql", "CREATE TABLE u (a int); CREATE INDEX u_a ON u ((a + complain()));"),
        refused: Some((409, "tables/u.sql", "iii… (cut here: PostgreSQL sends an error of 3000")),
    },
    Case {
        name: "seeder",
        made: None,
        file: ("seeders/t.sql", "INSERT INTO t VALUES (complain(), 'x');"),
        refused: Some((409, "seeders/t.sql", "iii… (cut here: PostgreSQL sends an error of 3000")),
    },
    Case {
        name: "notices",
        made: None,
        file: (
            "migrations/001.sql",
            "DO $$ BEGIN RAISE NOTICE '%', repeat('x', 70000000);
                         FOR i IN 1..20 LOOP RAISE WARNING '%', repeat('x', 1000000); END LOOP; END $$;",
        ),
        refused: None,
    },
    Case {
        name: "rows",
        made: None,
        file: (
            "migrations/001.sql",
            "SELECT repeat('x', 1000000) FROM generate_series(1, 150); SELECT i, i FROM generate_series(1, 100000) AS i;
             SELECT repeat('x', 70000000); INSERT INTO t VALUES (7, 'x') RETURNING repeat(b, 70000000);",
        ),
        refused: None,
    },
    Case {
        name: "comment",
        made: Some(("comments", 1)),
        file: ("migrations/001.sql", "SELECT 1;"),
        refused: Some((409, "", "at most 67108864 are read")),
    },
    Case {
        name: "overloads",
        made: Some(("overloads", 100)),
        file: ("seeders/t.sql", "INSERT INTO t VALUES (f(), 'x');"),
        refused: None,
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn what_uploaded_code_has_a_deployment_read_is_bounded_and_told_in_words() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    let mut wrong = Vec::new();
    for case in CASES {
        // What is refused leaves nothing behind.
        let platform = if case.refused.is_some() && case.made.is_none() { "refused" } else { case.name };
        if platform == case.name || case.name == CASES[0].name {
            web.register(platform, &[TABLE, MAKERS]).await;
        }
        if let Some((function, number)) = case.made {
            assert_eq!(web.call(case.name, function, json!([number])).await.0, 200, "{}", case.name);
        }
        let before = resident(gateway.pid());
        let began = std::time::Instant::now();
        let answer = web.upload("/register", &[("platform", platform)], &[TABLE, MAKERS, case.file]).await;
        let peak = resident(gateway.pid()).1;
        eprintln!("{} {} {} {:?}", case.name, before.0 >> 10, peak >> 10, began.elapsed());
        // The kernel counts in batches.
        if peak.saturating_sub(before.0) >> 10 > MOST {
            wrong.push(format!("{}: {} MiB after {} MiB", case.name, peak >> 10, before.0 >> 10));
        }
        wrong.extend(check(case, &answer));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    gateway.stop(nix::sys::signal::Signal::SIGTERM);
}

fn check(case: &Case, (status, body): &(u16, Value)) -> Option<String> {
    let told = |name: &str| body[name].as_str().unwrap_or_default();
    let is_right = match case.refused {
        None => *status == 200,
        Some((wanted, file, words)) => {
            *status == wanted
                && told("file") == file
                && told("cause").contains(words)
                && told("message").contains(words)
        }
    };
    (!is_right).then(|| format!("{}: {status} {:.500} … {:.500}", case.name, body["message"], body["hint"]))
}

/// KiB that a process has in memory, and the most that it had since this was asked last.
fn resident(pid: i32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    // Manual page proc(5): the most is counted from here on.
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    (of("VmRSS:"), of("VmHWM:"))
}

const NOISE: (&str, &str) = (
    "functions/noise.sql",
    "CREATE FUNCTION noise(n int, bytes int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
         FOR i IN 1..n LOOP RAISE LOG '%', repeat('x', bytes); END LOOP; END $$;",
);

/// A minute of this would be more than most disks have left.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_the_private_postgresql_takes_only_so_much_of_the_disk() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    web.register("loud", &[NOISE]).await;
    let length = |name: &str| std::fs::metadata(place.data_dir().join(name)).map_or(0, |metadata| metadata.len() >> 20);
    assert_eq!(web.call("loud", "noise", json!([100, 1_000_000])).await.0, 200);
    let since = std::time::Instant::now();
    while length("postgres.log") > 64 && since.elapsed().as_secs() < 10 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(length("postgres.log") <= 64 && length("postgres.log.1") == 1, "{} MiB", length("postgres.log"));
    // It is written on.
    assert_eq!(web.call("loud", "noise", json!([1, 3_000_000])).await.0, 200);
    assert!((2..=67).contains(&length("postgres.log")), "{} MiB", length("postgres.log"));
    gateway.stop(nix::sys::signal::Signal::SIGTERM);
}
