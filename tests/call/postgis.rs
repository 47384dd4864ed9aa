//! PostGIS in answers: whatever a function returns is written as the server's `to_json` writes it, in each form of result, and
//! never as null. Where the server has no PostGIS there is nothing to try.

use crate::support::*;

/// Values, as SQL; NULL stays null.
const VALUES: [(&str, &str); 9] = [
    ("geometry", "ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))', 3857)"),
    ("geometry", "ST_GeomFromText('POINT EMPTY')"),
    ("geometry(PointZ, 4326)", "ST_SetSRID(ST_MakePoint(1, 2, 3), 4326)"),
    ("geography", "ST_MakePoint(1, 2)::geography"),
    ("box2d", "'BOX(0 0,1 1)'::box2d"),
    ("box3d", "'BOX3D(0 0 0,1 1 1)'::box3d"),
    ("raster", "ST_AddBand(ST_MakeEmptyRaster(2, 2, 0, 0, 1), '8BUI'::text, 7)"),
    ("geometry[]", "ARRAY[ST_MakePoint(1, 2), NULL]"),
    ("box3d[]", "ARRAY['BOX3D(0 0 0,1 1 1)'::box3d, NULL]"),
];

/// With their numbers.
fn tried(raster: bool) -> impl Iterator<Item = (usize, &'static (&'static str, &'static str))> {
    VALUES.iter().enumerate().filter(move |(_, (name, _))| raster || *name != "raster")
}

fn functions(raster: bool) -> String {
    let one = |(index, (name, value)): (usize, &(&str, &str))| {
        format!(
            "CREATE FUNCTION scalar{index}() RETURNS {name} LANGUAGE sql AS $$ SELECT {value} $$;
             CREATE FUNCTION set{index}() RETURNS SETOF {name} LANGUAGE sql AS $$ SELECT {value} UNION ALL SELECT NULL $$;
             CREATE FUNCTION table{index}() RETURNS TABLE (n int, v {name}) LANGUAGE sql AS $$ SELECT 1, {value} $$;
             CREATE TYPE pair{index} AS (n int, v {name});
             CREATE FUNCTION nested{index}() RETURNS TABLE (n int, v pair{index}) LANGUAGE sql
                 AS $$ SELECT 1, ROW(1, {value})::pair{index} $$;
             CREATE FUNCTION record{index}() RETURNS record LANGUAGE sql AS $$ SELECT 1 AS n, {value} AS v $$;
             CREATE PROCEDURE inout{index}(INOUT v {name}) LANGUAGE plpgsql AS $$ BEGIN v := {value}; END $$;"
        )
    };
    tried(raster).map(one).collect()
}

#[tokio::test]
async fn values_of_postgis_are_written_as_the_server_writes_them() {
    let server = connect("postgres").await;
    let query = "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis_raster'";
    if server.query_one(query, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        return;
    }
    // Rasters take as long to install as all the rest.
    for (schema, raster) in [("public", ""), ("gis", "CREATE EXTENSION postgis_raster SCHEMA gis;")] {
        let sql = format!(
            "CREATE SCHEMA IF NOT EXISTS {schema};
             DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, gis', current_database()); END $$;
             SET search_path = public, gis;
             CREATE EXTENSION postgis SCHEMA {schema}; {raster} {}",
            functions(!raster.is_empty())
        );
        let platform = Platform::with(&sql).await;
        let client = platform.client().await;
        for (index, (name, value)) in tried(!raster.is_empty()) {
            let query = format!(
                "SELECT to_json(x.v)::text, to_json(ROW(1, x.v)::pair{index})::text FROM (SELECT {value} AS v) AS x"
            );
            let row = client.query_one(&query, &[]).await.unwrap();
            let (json, pair): (String, String) = (row.get(0), row.get(1));
            assert!(!json.is_empty() && json != "null", "{name}");
            for (function, params, expected) in [
                (format!("scalar{index}"), "", format!(r#"[{{"scalar{index}":{json}}}]"#)),
                (format!("set{index}"), "", format!(r#"[{{"set{index}":{json}}},{{"set{index}":null}}]"#)),
                (format!("table{index}"), "", format!(r#"[{{"n":1,"v":{json}}}]"#)),
                (format!("nested{index}"), "", format!(r#"[{{"n":1,"v":{pair}}}]"#)),
                (format!("record{index}"), "", format!(r#"[{{"record{index}":{{"n":1,"v":{json}}}}}]"#)),
                (format!("inout{index}"), "[null]", format!(r#"[{{"v":{json}}}]"#)),
            ] {
                let rows = platform.rows(&function, params).await;
                assert_eq!(rows, expected, "{schema}: {function} {name} {value}");
            }
        }
    }
}
