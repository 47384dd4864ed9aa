//! Databases that were made while roles were off, or by hand.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::place::{Place, Who};
use crate::web::Web;

/// One object of each kind that has an owner.
const EVERYTHING: &[(&str, &str)] = &[
    ("types/kinds.sql", "CREATE TYPE mood AS ENUM ('a'); CREATE TYPE pair AS (x int, y int); CREATE DOMAIN small AS int CHECK (VALUE < 9);
                         CREATE TYPE span AS RANGE (subtype = float8);"),
    ("tables/t.sql", "CREATE TABLE t (id serial PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, m mood);
                      CREATE SEQUENCE free_one; CREATE STATISTICS s ON id, n FROM t;"),
    ("views/v.sql", "CREATE VIEW v AS SELECT id FROM t; CREATE MATERIALIZED VIEW mv AS SELECT id FROM t;"),
    ("functions/who.sql", "CREATE FUNCTION who() RETURNS text LANGUAGE sql AS $$ SELECT session_user::text $$;"),
    ("functions/definer.sql", "CREATE FUNCTION definer() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT current_user::text $$;"),
    ("functions/proc.sql", "CREATE PROCEDURE proc() LANGUAGE sql AS $$ SELECT 1 $$;
                            CREATE AGGREGATE total(int) (sfunc = int4pl, stype = int);
                            CREATE FUNCTION plus(pair, pair) RETURNS int LANGUAGE sql AS $$ SELECT $1.x + $2.x $$;
                            CREATE OPERATOR <+> (leftarg = pair, rightarg = pair, function = plus);"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_the_time_without_roles_is_its_platforms_with_all_that_is_in_it() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[("PLATFORM_ROLES", "off")]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    web.register("a", EVERYTHING).await;
    assert_eq!(web.value("a", "definer", json!([])).await, "stonescriptdb");
    let output = gateway.stop(Signal::SIGTERM);
    assert!(output.contains("PLATFORM_ROLES=off and the gateway's role is a superuser"), "{output}");

    let gateway = place.start(&[("LOCK_TIMEOUT_SECS", "1")]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    assert_eq!(web.value("a", "who", json!([])).await, "stonescriptdb-a");
    assert_eq!(web.value("a", "definer", json!([])).await, "stonescriptdb-a");
    let others = "SELECT coalesce(string_agg(x, ', '), 'none') FROM (
        SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relowner::regrole::text NOT LIKE '%-a\"'
        UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proowner::regrole::text NOT LIKE '%-a\"'
        UNION ALL SELECT typname FROM pg_type WHERE typtype <> 'm' AND typname NOT LIKE '%multirange' AND typnamespace = 'public'::regnamespace AND typowner::regrole::text NOT LIKE '%-a\"'
        UNION ALL SELECT oprname FROM pg_operator WHERE oprnamespace = 'public'::regnamespace AND oprowner::regrole::text NOT LIKE '%-a\"'
        UNION ALL SELECT stxname FROM pg_statistic_ext WHERE stxowner::regrole::text NOT LIKE '%-a\"') AS left_over (x)";
    let look = format!("CREATE FUNCTION left_over() RETURNS text LANGUAGE sql AS $look$ {others} $look$;");
    let files: Vec<_> = EVERYTHING.iter().copied().chain([("functions/left_over.sql", look.as_str())]).collect();
    let (status, body) = web.upload("/migrate", &[("platform", "a")], &files).await;
    assert_eq!((status, &body["databases"][0]["status"]), (200, &json!("completed")), "{body}");
    assert_eq!(web.value("a", "left_over", json!([])).await, "none");

    // Made by hand, by the superuser: the first to register has it, as soon as nobody stands in the way.
    let client = place.connect().await;
    client.batch_execute("CREATE DATABASE hand_main").await.unwrap();
    let busy = place.connect_to("hand_main").await;
    busy.batch_execute("CREATE TABLE kept (id int)").await.unwrap();
    busy.batch_execute("BEGIN; LOCK TABLE kept").await.unwrap();
    let (status, body) = web.upload("/register", &[("platform", "hand")], EVERYTHING).await;
    assert_eq!(
        (status, &body["error"], &body["sqlstate"]),
        (409, &json!("migration_failed"), &json!("55P03")),
        "{body}"
    );
    busy.batch_execute("COMMIT; DROP TABLE kept").await.unwrap();
    web.register("hand", EVERYTHING).await;
    assert_eq!(web.value("hand", "who", json!([])).await, "stonescriptdb-hand");

    // Another program's, whose name reads like a platform's and its tenant's.
    client.batch_execute("CREATE ROLE cms LOGIN; CREATE ROLE \"stonescriptdb-gone\" LOGIN").await.unwrap();
    for (owner, platform) in [("cms", "cms"), ("stonescriptdb-gone", "gone_and")] {
        let database = format!("{platform}_prod");
        client.batch_execute(&format!("CREATE DATABASE {database} OWNER \"{owner}\"")).await.unwrap();
        let of_tenant = [("platform", platform), ("tenant_id", "prod")];
        let (status, body) = web.upload("/register", &of_tenant, EVERYTHING).await;
        assert_eq!((status, &body["error"]), (403, &json!("platform_isolation_violation")), "{body}");
        assert!(body["message"].as_str().unwrap().contains(owner), "{body}");
        let whose = "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = $1";
        let whose: String = client.query_one(whose, &[&database]).await.unwrap().get(0);
        assert_eq!(whose, owner);
        client.batch_execute(&format!("ALTER DATABASE {database} OWNER TO stonescriptdb")).await.unwrap();
        assert_eq!(web.upload("/register", &of_tenant, EVERYTHING).await.0, 200);
    }
}
