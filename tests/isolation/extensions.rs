//! Extensions that only a superuser may install: how a script that runs as one could be made to run something else, what
//! a platform gets, where it stands, and what the operator allows.

use serde_json::{Value, json};

use crate::place::{Place, Who};
use crate::web::{Answer, Web};

/// As the files of a platform that wants to become a superuser (`cases/extension-script.sql`): what the script of
/// `earthdistance` calls by bare names is there before it.
const PLANTED: &str = r#"
    DO $do$ BEGIN
    IF to_regtype('public.cube') IS NULL THEN
        CREATE SCHEMA IF NOT EXISTS ext;
        CREATE EXTENSION IF NOT EXISTS cube SCHEMA ext;
        EXECUTE $x$ CREATE FUNCTION public.evil(v text) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN
            IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
                EXECUTE 'ALTER ROLE "stonescriptdb-a" SUPERUSER';
            END IF;
            RETURN true; END $f$ $x$;
        EXECUTE 'CREATE DOMAIN public.bait AS text CHECK (public.evil(VALUE))';
        EXECUTE 'CREATE TYPE public.cube AS (x public.bait)';
        EXECUTE $x$ CREATE FUNCTION public.cube_is_point(c public.cube) RETURNS boolean LANGUAGE sql AS 'SELECT true' $x$;
        EXECUTE $x$ CREATE FUNCTION public.cube_dim(c public.cube) RETURNS int LANGUAGE sql AS 'SELECT 1' $x$;
        EXECUTE $x$ CREATE FUNCTION public.cube_distance(a public.cube, b public.cube) RETURNS float8 LANGUAGE sql AS 'SELECT 1.0::float8' $x$;
        EXECUTE $x$ CREATE FUNCTION public.cube(f float8) RETURNS public.cube LANGUAGE sql AS 'SELECT NULL::public.cube' $x$;
        EXECUTE $x$ CREATE FUNCTION public.cube(c public.cube, f float8) RETURNS public.cube LANGUAGE sql AS 'SELECT NULL::public.cube' $x$;
        EXECUTE $x$ CREATE FUNCTION public.cube_ll_coord(c public.cube, i int) RETURNS float8 LANGUAGE sql AS 'SELECT 1.0::float8' $x$;
        EXECUTE $x$ CREATE FUNCTION public.cube_enlarge(c public.cube, f float8, i int) RETURNS public.cube LANGUAGE sql AS 'SELECT NULL::public.cube' $x$;
    END IF; END $do$;"#;

pub const IS_SUPER: (&str, &str) = (
    "functions/am_i_super.sql",
    "CREATE FUNCTION am_i_super() RETURNS boolean LANGUAGE sql STABLE AS
     $f$ SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user $f$;",
);

pub const TOLD: (&str, &str) = (
    "functions/told.sql",
    "CREATE FUNCTION told(p_sql text) RETURNS text LANGUAGE plpgsql AS $$
     DECLARE result text; BEGIN EXECUTE p_sql INTO result; RETURN result; END $$;",
);

pub async fn register(web: &Web, platform: &str, files: &[(&str, &str)]) -> Answer {
    web.upload("/register", &[("platform", platform)], files).await
}

#[track_caller]
pub fn assert_refused((status, body): &Answer, words: &str) {
    assert_eq!((*status, &body["error"]), (409, &json!("extension_install_failed")), "{body}");
    assert!(body["message"].as_str().is_some_and(|text| text.contains(words)), "{words}: {body}");
}

async fn where_is(web: &Web, platform: &str, name: &str) -> Value {
    let query = format!("SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = '{name}'");
    web.value(platform, "told", json!([query])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_extensions_script_runs_what_a_platform_has_prepared() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[("ALLOWED_EXTENSIONS", "+dblink,+earthdistance,+tablefunc")]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    let migration = ("migrations/001.sql", PLANTED);
    web.register("a", &[migration, IS_SUPER, TOLD]).await;
    let earth = ("extensions/earthdistance.sql", "");
    assert_refused(&register(&web, "a", &[migration, IS_SUPER, TOLD, earth]).await, "needs cube");
    // A schema that is there and that somebody else may have prepared, whoever owns it.
    for schema in ["planted", "ext", "public"] {
        let own = format!("-- schema: {schema}");
        let made = ("migrations/002.sql", "CREATE SCHEMA IF NOT EXISTS planted;");
        web.register("a", &[migration, made, IS_SUPER, TOLD]).await;
        let files = [migration, made, IS_SUPER, TOLD, ("extensions/earthdistance.sql", own.as_str())];
        let answer = register(&web, "a", &files).await;
        assert_refused(&answer, "earthdistance");
        let (status, body) = web.upload("/migrate", &[("platform", "a")], &files).await;
        assert_eq!((status, &body["extension"]), (409, &json!("earthdistance")), "{body}");
    }
    assert_eq!(web.value("a", "am_i_super", json!([])).await, json!(false));
    // With nothing of the name in its way it comes with what it needs, although `public` is full of traps.
    let traps = PLANTED
        .replace("CREATE SCHEMA IF NOT EXISTS ext;", "")
        .replace("CREATE EXTENSION IF NOT EXISTS cube SCHEMA ext;", "");
    let traps =
        traps.replace("public.cube'", "public.cube_trap'").replace("TYPE public.cube ", "TYPE public.cube_trap ");
    let traps = traps.replace("public.cube)", "public.cube_trap)").replace("public.cube,", "public.cube_trap,");
    let traps = traps
        .replace("RETURNS public.cube ", "RETURNS public.cube_trap ")
        .replace("NULL::public.cube'", "NULL::public.cube_trap'");
    let traps = traps.replace("stonescriptdb-a", "stonescriptdb-b");
    web.register("b", &[("migrations/001.sql", &traps), IS_SUPER, TOLD]).await;
    let answer = register(&web, "b", &[("migrations/001.sql", &traps), IS_SUPER, TOLD, earth]).await;
    // The traps bear names of its members, so it cannot be moved beside them; nothing of them ran.
    assert!(answer.0 == 200 || answer.0 == 409, "{answer:?}");
    let named = ("extensions/earthdistance.sql", "-- schema: geo");
    let files = [("migrations/001.sql", traps.as_str()), IS_SUPER, TOLD, named];
    let answer = register(&web, "b", &files).await;
    assert_eq!(answer.0, 200, "{answer:?}");
    assert_eq!(where_is(&web, "b", "cube").await, json!("geo"));
    assert_eq!(web.value("b", "am_i_super", json!([])).await, json!(false));
    // Now that schema is the gateway's: nobody can plant anything there for the next one.
    let (status, body) =
        web.call("b", "told", json!(["CREATE FUNCTION geo.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"])).await;
    assert_eq!((status, &body["sqlstate"]), (403, &json!("42501")), "{body}");
    let next = ("extensions/dblink.sql", "-- schema: geo");
    let files = [("migrations/001.sql", traps.as_str()), IS_SUPER, TOLD, named, next];
    assert_eq!(register(&web, "b", &files).await.0, 200);
    assert_eq!(where_is(&web, "b", "dblink").await, json!("geo"));
    assert_eq!(web.value("b", "am_i_super", json!([])).await, json!(false));
    drop(gateway);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_an_existing_database_an_extension_stands_where_nobody_else_has_been() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[("ALLOWED_EXTENSIONS", "+dblink,+earthdistance")]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    web.register("a", &[TOLD]).await;
    // One that can be moved goes to `public`, and leaves no schema behind.
    let dblink = ("extensions/dblink.sql", "");
    let body = web.register("a", &[TOLD, dblink]).await;
    assert_eq!(body["extensions_installed"], 1, "{body}");
    assert_eq!(where_is(&web, "a", "dblink").await, json!("public"));
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'stonescriptdb-%'";
    assert_eq!(web.value("a", "told", json!([left])).await, json!("0"));
    let body = web.register("a", &[TOLD, dblink]).await;
    assert_eq!((&body["extensions_installed"], &body["migrations_applied"]), (&json!(0), &json!(0)), "{body}");

    // One of which another one needs, in whichever order: both come.
    let both = [TOLD, dblink, ("extensions/cube.sql", ""), ("extensions/earthdistance.sql", "")];
    let body = web.register("a", &both).await;
    assert_eq!(body["extensions_installed"], 2, "{body}");
    assert_eq!(where_is(&web, "a", "cube").await, json!("public"));
    assert_eq!(
        web.value("a", "told", json!(["SELECT earth_distance(ll_to_earth(0,0), ll_to_earth(0,0))"])).await,
        json!("0")
    );

    // Two with one new schema, one of them trusted.
    web.register("s", &[TOLD]).await;
    let shared = [TOLD, ("extensions/citext.sql", "-- schema: shared"), ("extensions/dblink.sql", "-- schema: shared")];
    let body = web.register("s", &shared).await;
    assert_eq!(body["extensions_installed"], 2, "{body}");
    assert_eq!(
        (where_is(&web, "s", "citext").await, where_is(&web, "s", "dblink").await),
        (json!("shared"), json!("shared"))
    );
    // Used by everybody, written by nobody.
    assert_eq!(web.value("s", "told", json!(["SELECT 'A'::shared.citext"])).await, json!("A"));

    // postgis cannot be moved.
    let superuser = place.connect().await;
    let has = superuser.query_one("SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis'", &[]).await;
    if has.unwrap().get::<_, i64>(0) == 1 {
        let refused = register(&web, "a", &[TOLD, ("extensions/postgis.sql", "")]).await;
        assert_refused(&refused, "-- schema:");
        let named = [TOLD, ("extensions/postgis.sql", "-- schema: gis")];
        let body = web.register("a", &named).await;
        assert_eq!(body["extensions_installed"], 1, "{body}");
        assert_eq!(where_is(&web, "a", "postgis").await, json!("gis"));
        // Where it stands is no difference.
        let body = web.register("a", &[TOLD, ("extensions/postgis.sql", "")]).await;
        assert_eq!(body["status"], "ready", "{body}");
        assert_eq!(where_is(&web, "a", "postgis").await, json!("gis"));
    }
    drop(gateway);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_platform_uses_the_types_of_its_extensions_by_their_names() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    let superuser = place.connect().await;
    let query = "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis'";
    let has_postgis = superuser.query_one(query, &[]).await.unwrap().get::<_, i64>(0) == 1;
    let place_type = if has_postgis { "geometry(Point, 4326)" } else { "text" };
    let table = format!(
        "CREATE TABLE places (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), name citext NOT NULL, at {place_type});
         CREATE INDEX places_by_name ON places (name);"
    );
    let mut files = vec![
        TOLD,
        ("extensions/uuid-ossp.sql", ""),
        ("extensions/citext.sql", ""),
        ("tables/places.sql", table.as_str()),
        (
            "seeders/places.sql",
            "INSERT INTO places (id, name) VALUES ('00000000-0000-0000-0000-000000000001', 'Here');",
        ),
    ];
    if has_postgis {
        files.push(("extensions/postgis.sql", ""));
    }
    let body = web.register("p", &files).await;
    assert_eq!(body["extensions_installed"], if has_postgis { 3 } else { 2 }, "{body}");
    let found = web.value("p", "told", json!(["SELECT count(*) FROM places WHERE name = 'hERE'"])).await;
    assert_eq!(found, json!("1"));
    if has_postgis {
        assert_eq!(where_is(&web, "p", "postgis").await, json!("public"));
        // Its members are the gateway's, the database is the platform's.
        let owners =
            "SELECT string_agg(DISTINCT pg_get_userbyid(proowner), ',') FROM pg_proc WHERE proname = 'st_area'";
        assert_eq!(web.value("p", "told", json!([owners])).await, json!("stonescriptdb"));
    }
    // Trusted ones are the platform's to install.
    let owners = "SELECT string_agg(DISTINCT pg_get_userbyid(extowner), ',') FROM pg_extension
                  WHERE extname IN ('uuid-ossp', 'citext')";
    assert_eq!(web.value("p", "told", json!([owners])).await, json!("stonescriptdb-p"));
    let owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'p_main'";
    assert_eq!(web.value("p", "told", json!([owner])).await, json!("stonescriptdb-p"));
    let (status, body) = web.upload("/migrate", &[("platform", "p")], &files).await;
    assert_eq!((status, &body["databases"][0]["status"]), (200, &json!("unchanged")), "{body}");
    drop(gateway);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_says_which_extensions_a_superuser_installs() {
    let place = Place::new(Who::possible()[0]);
    let allowing = place.start(&[("ALLOWED_EXTENSIONS", "*")]);
    allowing.wait_until_healthy();
    let web = Web::new(allowing.address());
    let dblink = ("extensions/dblink.sql", "");
    web.register("early", &[TOLD, dblink]).await;
    allowing.stop(nix::sys::signal::Signal::SIGTERM);

    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    assert_refused(&register(&web, "late", &[TOLD, dblink]).await, "ALLOWED_EXTENSIONS");
    web.register("late", &[TOLD]).await;
    assert_refused(&register(&web, "late", &[TOLD, dblink]).await, "ALLOWED_EXTENSIONS");
    // Trusted ones need nobody's leave; neither does what the platform has already.
    web.register("late", &[TOLD, ("extensions/hstore.sql", "")]).await;
    let fields = [("platform", "early"), ("tenant_id", "two")];
    let (status, body) = web.upload("/register", &fields, &[TOLD, dblink]).await;
    assert_eq!((status, &body["extensions_installed"]), (200, &json!(1)), "{body}");
    drop(gateway);
    let line = place.refusal(2, &[("ALLOWED_EXTENSIONS", "dblink;file_fdw")]);
    assert!(line.contains("ALLOWED_EXTENSIONS") && line.contains("dblink;file_fdw"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_extensions_is_never_handed_over() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[("PLATFORM_ROLES", "off")]);
    gateway.wait_until_healthy();
    let files = [
        TOLD,
        ("extensions/dblink.sql", "-- schema: ext"),
        ("extensions/citext.sql", "-- schema: mixed"),
        ("tables/t.sql", "CREATE TABLE mixed.t (id int PRIMARY KEY, name mixed.citext);"),
    ];
    // With roles off whatever the gateway's role may install is installed, as ever.
    Web::new(gateway.address()).register("a", &files).await;
    gateway.stop(nix::sys::signal::Signal::SIGTERM);
    let gateway = place.start(&[("ALLOWED_EXTENSIONS", "+dblink")]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    web.register("a", &files).await;
    let owner =
        |schema: &str| json!([format!("SELECT nspowner::regrole FROM pg_namespace WHERE nspname = '{schema}'")]);
    assert_eq!(web.value("a", "told", owner("ext")).await, json!("stonescriptdb"));
    assert_eq!(web.value("a", "told", owner("mixed")).await, json!("\"stonescriptdb-a\""));
    // It may be used as before.
    let used = web.value("a", "told", json!(["SELECT count(*) FROM ext.dblink_get_connections()"])).await;
    assert_eq!(used, json!("1"));
    let files: Vec<_> = files.into_iter().chain([("extensions/cube.sql", "-- schema: ext")]).collect();
    web.register("a", &files).await;
    assert_eq!(where_is(&web, "a", "cube").await, json!("ext"));
    drop(gateway);
}

/// What `POST /admin/create-tenant` has made is as good as new for as long as nothing is in it.
#[tokio::test(flavor = "multi_thread")]
async fn in_an_empty_database_of_the_gateways_an_extension_stands_as_in_a_new_one() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[("ALLOWED_EXTENSIONS", "+earthdistance")]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    let superuser = place.connect().await;
    let query = "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis'";
    let has_postgis = superuser.query_one(query, &[]).await.unwrap().get::<_, i64>(0) == 1;
    let extension = if has_postgis { "postgis" } else { "earthdistance" };
    let file = format!("extensions/{extension}.sql");
    let files = [TOLD, (file.as_str(), "")];
    let make = async |tenant: &str| {
        let body = json!({ "platform": "p", "tenant_id": tenant });
        let (status, body) = web.post("/admin/create-tenant", body).await;
        assert!(status == 200 || status == 201, "{body}");
    };
    let owner = async |database: &str| {
        let query = "SELECT pg_get_userbyid(datdba)::text, datallowconn FROM pg_database WHERE datname = $1";
        let row = superuser.query_one(query, &[&database]).await.unwrap();
        (row.get::<_, String>(0), row.get::<_, bool>(1))
    };
    web.register("p", &[TOLD]).await;
    make("one").await;
    let fields = [("platform", "p"), ("tenant_id", "one")];
    let (status, body) = web.upload("/register", &fields, &files).await;
    assert_eq!((status, &body["extensions_installed"]), (200, &json!(1)), "{body}");
    assert_eq!(owner("p_one").await, ("stonescriptdb-p".to_owned(), true));
    let one = place.connect_to("p_one").await;
    let installed =
        "SELECT extnamespace::regnamespace::text, pg_get_userbyid(extowner)::text FROM pg_extension WHERE extname = $1";
    let row = one.query_one(installed, &[&extension]).await.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("public", "stonescriptdb"));
    drop(one);

    // Also by a migration, and by its rehearsal.
    make("two").await;
    let fields = [("platform", "p"), ("tenant_id", "two")];
    for dry_run in ["true", "false"] {
        let fields = [fields[0], fields[1], ("dry_run", dry_run)];
        let (status, body) = web.upload("/migrate", &fields, &files).await;
        assert_eq!(status, 200, "dry run {dry_run}: {body}");
    }

    // With anything of the platform's in it, however small, or with somebody in it, it is not taken back.
    if has_postgis {
        for (tenant, prepared) in [
            ("f", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
            ("s", "CREATE SCHEMA s"),
            ("o", "CREATE OPERATOR #! (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)"),
            ("l", "SELECT lo_create(0)"),
            ("c", "CREATE CAST (point AS text) WITH INOUT"),
        ] {
            make(tenant).await;
            let inside = place.connect_to(&format!("p_{tenant}")).await;
            // A cast is its types' owner's to make.
            let role = if tenant == "c" { "" } else { "SET ROLE \"stonescriptdb-p\";" };
            inside.batch_execute(&format!("{role}{prepared}")).await.unwrap();
            drop(inside);
            let (status, body) = web.upload("/register", &[("platform", "p"), ("tenant_id", tenant)], &files).await;
            assert_refused(&(status, body), "-- schema:");
            assert_eq!(owner(&format!("p_{tenant}")).await, ("stonescriptdb-p".to_owned(), true));
        }
        make("busy").await;
        let inside = place.connect_to("p_busy").await;
        let fields = [("platform", "p"), ("tenant_id", "busy")];
        assert_refused(&web.upload("/register", &fields, &files).await, "-- schema:");
        assert_eq!(owner("p_busy").await, ("stonescriptdb-p".to_owned(), true));
        drop(inside);
    }
    drop(gateway);
}
