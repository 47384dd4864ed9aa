//! Names of PostgreSQL's own, planted where a role's path finds them first: they reach nothing outside the platform's own
//! database, and do not change what the gateway's statements there mean.

use serde_json::json;

use crate::place::{Place, Who};
use crate::web::Web;

/// Written so that it means the same under any path.
const DONE: (&str, &str) = (
    "functions/done.sql",
    "CREATE FUNCTION public.done(p_sql pg_catalog.text) RETURNS pg_catalog.void LANGUAGE plpgsql AS $$
     BEGIN EXECUTE p_sql; END $$;",
);

const PLAIN: &[(&str, &str)] = &[
    DONE,
    ("types/mood.sql", "CREATE TYPE public.mood AS ENUM ('good', 'bad');"),
    (
        "tables/people.sql",
        "CREATE TABLE public.people (id pg_catalog.int4 PRIMARY KEY, name pg_catalog.text NOT NULL, m public.mood,
                                     CONSTRAINT named CHECK (pg_catalog.length(name) OPERATOR(pg_catalog.>) 0));
         CREATE INDEX people_by_name ON public.people (name);",
    ),
    ("seeders/people.sql", "INSERT INTO public.people VALUES (1, 'Ann', 'good'), (2, 'Bob', 'bad');"),
    ("views/names.sql", "CREATE VIEW public.names AS SELECT name FROM public.people;"),
    (
        "functions/name_of.sql",
        "CREATE FUNCTION public.name_of(p_id pg_catalog.int4) RETURNS pg_catalog.text LANGUAGE sql STABLE AS $$
         SELECT name FROM public.people WHERE id OPERATOR(pg_catalog.=) p_id $$;",
    ),
];

/// Makes, in `public`, a function, an aggregate's name, an operator and a type for nearly everything in `pg_catalog`: with
/// the very same parameters, and raising an error when it is called. What makes it is itself written in full.
const PLANT: &str = r#"
DO $do$ DECLARE one pg_catalog.record; BEGIN
    FOR one IN
        SELECT pg_catalog.format('CREATE FUNCTION public.%I(%s) RETURNS %s LANGUAGE plpgsql AS $f$ BEGIN RAISE EXCEPTION ''planted: %I was called''; END $f$',
                   p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid), pg_catalog.format_type(p.prorettype, NULL), p.proname) AS sql
        FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace
          AND p.prokind OPERATOR(pg_catalog.=) ANY ('{f,a,w}'::pg_catalog."char"[])
          AND NOT p.proretset
          AND p.proname OPERATOR(pg_catalog.~) '^(current_|pg_|to_|json|has_|quote_|format|array_|coalesce|count|sum|max|min|string_agg|concat|replace|md5|set_config|bool_|unnest|starts_with|substr|split_part|host|now|clock|hashtext|obj_|col_|text|name|int4|int8|aclexplode|acldefault|nextval|setval|lower|left|length|row_to|strpos|rtrim)'
          AND pg_catalog.format_type(p.prorettype, NULL) OPERATOR(pg_catalog.!~~) 'any%'
    LOOP
        BEGIN EXECUTE one.sql; EXCEPTION WHEN OTHERS THEN NULL; END;
    END LOOP;
    FOR one IN
        SELECT pg_catalog.format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.planted_%s)',
                   o.oprname, pg_catalog.format_type(o.oprleft, NULL), pg_catalog.format_type(o.oprright, NULL), o.oid) AS sql,
               pg_catalog.format('CREATE FUNCTION public.planted_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS $f$ BEGIN RAISE EXCEPTION ''planted: operator %s was called''; END $f$',
                   o.oid, pg_catalog.format_type(o.oprleft, NULL), pg_catalog.format_type(o.oprright, NULL), pg_catalog.format_type(o.oprresult, NULL), pg_catalog.replace(o.oprname, '%', '%%')) AS function
        FROM pg_catalog.pg_operator AS o
        WHERE o.oprnamespace OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace AND o.oprleft OPERATOR(pg_catalog.<>) 0
          AND o.oprname OPERATOR(pg_catalog.=) ANY ('{=,<>,<,>,<=,>=,~,!~,||,~~,!~~,->>,->,@>}'::pg_catalog.name[])
    LOOP
        BEGIN EXECUTE one.function; EXECUTE one.sql; EXCEPTION WHEN OTHERS THEN NULL; END;
    END LOOP;
    FOR one IN
        SELECT pg_catalog.format('CREATE DOMAIN public.%I AS pg_catalog.bool CHECK (false)', t.typname) AS sql
        FROM pg_catalog.pg_type AS t
        WHERE t.typnamespace OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace
          AND t.typtype OPERATOR(pg_catalog.=) 'b' AND t.typname OPERATOR(pg_catalog.!~) '^_'
    LOOP
        BEGIN EXECUTE one.sql; EXCEPTION WHEN OTHERS THEN NULL; END;
    END LOOP;
END $do$;
CREATE VIEW public.pg_class AS SELECT 1 AS x;
CREATE VIEW public.pg_namespace AS SELECT 1 AS x;
CREATE VIEW public.pg_extension AS SELECT 1 AS x;
CREATE VIEW public.pg_settings AS SELECT 1 AS x;"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_current_database_leads_into_no_other_database() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[("ALLOWED_EXTENSIONS", "+dblink")]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    web.register("b", &[DONE]).await;
    web.register("a", &[DONE]).await;
    for target in ["b_main", "postgres", "template1", "stonescriptdb-gateway"] {
        let plant = format!(
            "CREATE OR REPLACE FUNCTION public.current_database() RETURNS name LANGUAGE sql AS $$ SELECT '{target}'::name $$;
             CREATE OR REPLACE FUNCTION public.session_user() RETURNS name LANGUAGE sql AS $$ SELECT 'stonescriptdb'::name $$;
             ALTER ROLE CURRENT_USER SET search_path = public, pg_catalog"
        );
        let (status, body) = web.call("a", "done", json!([plant])).await;
        assert_eq!(status, 200, "{body}");
        let schema = format!("-- schema: planted_for_{}", target.replace('-', "_"));
        let files = [DONE, ("extensions/dblink.sql", schema.as_str())];
        web.upload("/register", &[("platform", "a")], &files).await;
    }
    for database in ["b_main", "postgres", "template1", "stonescriptdb-gateway"] {
        let client = place.connect_to(database).await;
        let query = "SELECT (SELECT count(*) FROM pg_extension WHERE extname = 'dblink')
                            + (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'planted%')";
        assert_eq!(client.query_one(query, &[]).await.unwrap().get::<_, i64>(0), 0, "{database}");
    }
    let client = place.connect_to("a_main").await;
    let query = "SELECT count(*) FROM pg_extension WHERE extname = 'dblink'";
    assert_eq!(client.query_one(query, &[]).await.unwrap().get::<_, i64>(0), 1, "where it was asked for");
    drop(gateway);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_of_postgresqls_planted_first_on_the_path_changes_nothing() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    web.register("a", PLAIN).await;
    for sql in [PLANT, "ALTER ROLE CURRENT_USER SET search_path = public, pg_catalog"] {
        let (status, body) = web.call("a", "done", json!([sql])).await;
        assert_eq!(status, 200, "{body}");
    }
    let client = place.connect_to("a_main").await;
    let planted = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace";
    assert!(client.query_one(planted, &[]).await.unwrap().get::<_, i64>(0) > 1000);
    // Sessions from now on have that path.
    gateway.stop(nix::sys::signal::Signal::SIGTERM);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    assert_eq!(web.value("a", "name_of", json!([1])).await, json!("Ann"));
    let named = json!({ "platform": "a", "function": "name_of", "params": { "p_id": 2 } });
    assert_eq!(web.post("/call", named).await.1["rows"], json!([{ "name_of": "Bob" }]));

    // A release of everything that a deployment does to an existing database.
    let next: Vec<(&str, &str)> = PLAIN
        .iter()
        .copied()
        .filter(|(path, _)| !path.starts_with("tables") && !path.starts_with("types") && !path.contains("name_of"))
        .chain([
            ("types/mood.sql", "CREATE TYPE public.mood AS ENUM ('good', 'fair', 'bad');"),
            (
                "tables/people.sql",
                "CREATE TABLE public.people (id pg_catalog.int8 PRIMARY KEY, name pg_catalog.text NOT NULL, m public.mood,
                                             nick pg_catalog.text DEFAULT 'none',
                                             CONSTRAINT named CHECK (pg_catalog.length(name) OPERATOR(pg_catalog.>) 0));
                 CREATE INDEX people_by_nick ON public.people (nick);",
            ),
            (
                "functions/name_of.sql",
                "CREATE FUNCTION public.name_of(p_id pg_catalog.int8) RETURNS pg_catalog.text LANGUAGE sql STABLE AS $$
                 SELECT name FROM public.people WHERE id OPERATOR(pg_catalog.=) p_id $$;",
            ),
            (
                "migrations/001.sql",
                "ALTER TABLE public.people ADD COLUMN seen pg_catalog.bool; ALTER TABLE public.people DROP COLUMN seen;",
            ),
            ("extensions/citext.sql", "-- schema: words"),
        ])
        .collect();
    let (status, body) = web.upload("/migrate", &[("platform", "a"), ("dry_run", "true")], &next).await;
    assert_eq!((status, &body["status"]), (200, &json!("planned")), "{body}");
    let (status, body) = web.upload("/migrate", &[("platform", "a")], &next).await;
    assert_eq!((status, &body["databases"][0]["status"]), (200, &json!("completed")), "{body}");
    assert_eq!(body["migrations_applied"], 1, "{body}");
    assert_eq!(web.value("a", "name_of", json!([2])).await, json!("Bob"));
    let (status, body) = web.upload("/migrate", &[("platform", "a")], &next).await;
    assert_eq!((status, &body["databases"][0]["status"]), (200, &json!("unchanged")), "{body}");
    // And back again, which loses what was added.
    let fields = [("platform", "a"), ("force", "true")];
    let back: Vec<(&str, &str)> = PLAIN.iter().copied().filter(|(path, _)| !path.starts_with("types")).collect();
    let (status, body) = web.upload("/migrate", &fields, &back).await;
    assert!(status == 200 || status == 409, "{body}");
    assert!(!body.to_string().contains("planted"), "{body}");
    // Rows of seeders that are gone are missed.
    drop(client);
    let client = place.connect_to("a_main").await;
    client.batch_execute("DELETE FROM public.people WHERE id = 2").await.unwrap();
    let seeded: Vec<(&str, &str)> = next
        .iter()
        .copied()
        .chain([(
            "functions/x.sql",
            "CREATE FUNCTION public.x() RETURNS pg_catalog.int4 LANGUAGE sql AS $$ SELECT 1 $$;",
        )])
        .collect();
    let (status, body) = web.upload("/migrate", &[("platform", "a")], &seeded).await;
    assert_eq!(status, 409, "{body}");
    assert!(body["message"].as_str().is_some_and(|text| text.contains("missing")), "{body}");
    drop(gateway);
}
