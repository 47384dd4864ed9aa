//! `LISTEN` in a deployment. The server has one queue of notifications, which is not cut while a session listens and is busy:
//! so none of a deployment's does, from the first commit inside it on.

use serde_json::json;

use crate::support::{BundleBuilder, Platform, bundle};

/// Where the gateway itself writes, a trigger may listen, too.
const PLANT: &str = "
    CREATE FUNCTION listens() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        EXECUTE 'LISTEN ' || TG_TABLE_NAME; INSERT INTO public.fired VALUES (TG_TABLE_NAME); RETURN NULL; END $$;
    CREATE FUNCTION plant() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        EXECUTE 'CREATE TRIGGER one AFTER UPDATE ON _stonescriptdb_gateway_progress FOR EACH ROW EXECUTE FUNCTION listens()';
        EXECUTE 'CREATE TRIGGER one AFTER INSERT ON _stonescriptdb_gateway_values FOR EACH ROW EXECUTE FUNCTION listens()'; END $$;";

const HEARS: &str = "INSERT INTO heard SELECT pg_listening_channels();";

fn release(labels: &str) -> BundleBuilder {
    bundle()
        .file("types/mood.sql", format!("CREATE TYPE mood AS ENUM ({labels});"))
        .file("tables/t.sql", "CREATE TABLE t (a int, m mood); CREATE INDEX i ON t (a);")
        .file("tables/heard.sql", "CREATE TABLE heard (channel text);")
        .file("tables/fired.sql", "CREATE TABLE fired (by text);")
        .file("functions/plant.sql", PLANT)
}

#[tokio::test]
async fn no_session_of_a_deployment_listens_after_a_commit_inside_it() {
    let platform = Platform::new();
    platform.register(&release("'a'")).await.ready();
    platform.value_of("plant", json!([])).await;
    let next = release("'a', 'b'")
        .file("migrations/1_after_the_new_value.sql", HEARS)
        .file("migrations/2_listen.sql", "LISTEN a; DO $$ BEGIN EXECUTE 'LISTEN b'; END $$;")
        .file("migrations/3_commits.sql", "DROP INDEX i; CREATE INDEX CONCURRENTLY i ON t (a);")
        .file("migrations/4_hears.sql", HEARS);
    platform.register(&next).await.ready();
    let sql = platform.sql().await;
    assert_eq!(
        sql.column("SELECT DISTINCT by FROM fired ORDER BY by").await,
        ["_stonescriptdb_gateway_progress", "_stonescriptdb_gateway_values"]
    );
    assert_eq!(sql.column("SELECT channel FROM heard").await, [""; 0]);
}
