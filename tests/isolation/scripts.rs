//! What the scripts of extensions find around them when the gateway runs them as a superuser: no setting of the platform's,
//! and a path on which nothing of the platform's is.

use serde_json::json;

use crate::extensions::{IS_SUPER, TOLD, assert_refused, register};
use crate::place::{Place, Who};
use crate::web::Web;

async fn has_postgis(place: &Place) -> bool {
    let query =
        "SELECT count(*) FROM pg_available_extensions WHERE name IN ('postgis_topology', 'postgis_tiger_geocoder')";
    place.connect().await.query_one(query, &[]).await.unwrap().get::<_, i64>(0) == 2
}

/// A path that is one name to PostgreSQL's check and several statements to a script that pastes it.
const PATH: &str = r#"public,x;ALTER/**/ROLE/**/"stonescriptdb-a"/**/SUPERUSER;SET/**/search_path=tiger"#;

#[tokio::test(flavor = "multi_thread")]
async fn no_extensions_script_pastes_a_setting_of_the_owners_into_a_statement() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    if !has_postgis(&place).await {
        return;
    }
    let web = Web::new(gateway.address());
    let set = format!(
        "DO $x$ BEGIN PERFORM set_config('search_path', $y${PATH}$y$, false); ALTER DATABASE a_main SET search_path FROM CURRENT;
         ALTER ROLE CURRENT_USER SET search_path = public; END $x$"
    );
    let set =
        format!("CREATE FUNCTION set_it() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN EXECUTE $z${set}$z$; END $f$;");
    let files = [IS_SUPER, TOLD, ("functions/set_it.sql", set.as_str())];
    web.register("a", &files).await;
    web.value("a", "set_it", json!([])).await;
    let settings = "SELECT s.setconfig::text FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
                    WHERE d.datname = 'a_main'";
    let before = web.value("a", "told", json!([settings])).await;
    assert!(before.as_str().is_some_and(|text| text.contains("ALTER/**/ROLE")), "{before}");
    let tiger = "-- schema: tiger";
    let geocoder = ["postgis", "fuzzystrmatch", "postgis_tiger_geocoder"].map(|name| format!("extensions/{name}.sql"));
    let geocoder: Vec<(&str, &str)> =
        files.into_iter().chain(geocoder.iter().map(|path| (path.as_str(), tiger))).collect();
    assert_refused(&register(&web, "a", &geocoder).await, "own to install");
    assert_eq!(web.value("a", "am_i_super", json!([])).await, json!(false));
    // Nor is anything else of its settings there while a script runs, or changed by it.
    let topology = [("extensions/postgis.sql", "-- schema: geo"), ("extensions/postgis_topology.sql", "")];
    let topology: Vec<(&str, &str)> = files.into_iter().chain(topology).collect();
    let (status, body) = register(&web, "a", &topology).await;
    assert_eq!((status, &body["extensions_installed"]), (200, &json!(2)), "{body}");
    assert_eq!(web.value("a", "am_i_super", json!([])).await, json!(false));
    assert_eq!(web.value("a", "told", json!([settings])).await, before);
    drop(gateway);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_leaves_its_path_finds_what_it_needs_and_leaves_the_databases_path_alone() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    if !has_postgis(&place).await {
        return;
    }
    let web = Web::new(gateway.address());
    let table = ("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, at geometry);");
    for (platform, schema) in [("new", ""), ("apart", "-- schema: geo")] {
        let table = if schema.is_empty() { table } else { ("tables/t.sql", "CREATE TABLE t (at geo.geometry);") };
        let gis = [TOLD, table, ("extensions/postgis.sql", schema), ("extensions/postgis_topology.sql", "")];
        let body = web.register(platform, &gis).await;
        assert_eq!(body["extensions_installed"], 2, "{body}");
        assert_eq!(web.value(platform, "told", json!(["SHOW search_path"])).await, json!(r#""$user", public"#));
    }
    // The gateway installs what the platform could where that stands together with what only a superuser may.
    let tiger = "-- schema: tiger";
    let geocoder = [
        ("extensions/postgis.sql", tiger),
        ("extensions/fuzzystrmatch.sql", tiger),
        ("extensions/postgis_tiger_geocoder.sql", tiger),
        ("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY);"),
        TOLD,
    ];
    assert_eq!(web.register("geocoder", &geocoder).await["extensions_installed"], 3);
    drop(gateway);
}
