//! Objects for `hstore`, wherever that stands: in `public`, in a schema of its own, in arrays, composites and domains. A type that
//! only has its name is read as PostgreSQL reads it.

use crate::support::*;

const SQL: &str = "CREATE DOMAIN labels AS hstore CHECK (VALUE ? 'a');
    CREATE TYPE tagged AS (n int, tags hstore);
    CREATE FUNCTION one(p hstore) RETURNS TABLE (v hstore) LANGUAGE sql AS 'SELECT $1';
    CREATE FUNCTION label(p labels) RETURNS TABLE (v labels) LANGUAGE sql AS 'SELECT $1';
    CREATE FUNCTION many(p hstore[]) RETURNS TABLE (v hstore[]) LANGUAGE sql AS 'SELECT $1';
    CREATE FUNCTION rest(VARIADIC p hstore[]) RETURNS TABLE (v hstore[]) LANGUAGE sql AS 'SELECT $1';
    CREATE FUNCTION inside(p tagged) RETURNS TABLE (v tagged[]) LANGUAGE sql AS 'SELECT ARRAY[$1]';
    CREATE PROCEDURE proceed(INOUT v hstore) LANGUAGE plpgsql AS $$ BEGIN v := v || 'z=>9'::hstore; END $$;
    CREATE SCHEMA fake; CREATE TYPE fake.hstore AS (a int);
    CREATE FUNCTION fake.faked(p fake.hstore) RETURNS TABLE (v fake.hstore[]) LANGUAGE sql AS 'SELECT ARRAY[$1]';
    CREATE FUNCTION either(p hstore) RETURNS TABLE (v text) LANGUAGE sql AS $$ SELECT 'hstore' $$;
    CREATE FUNCTION either(p jsonb) RETURNS TABLE (v text) LANGUAGE sql AS $$ SELECT 'jsonb' $$;
    CREATE FUNCTION either(p int) RETURNS TABLE (v text) LANGUAGE sql AS $$ SELECT 'int' $$;";

#[tokio::test]
async fn an_object_is_taken_for_an_hstore() {
    for schema in ["public", "ext"] {
        let extension = format!(
            "CREATE SCHEMA IF NOT EXISTS ext; SET search_path = public, ext;
             DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, ext', current_database()); END $$;
             CREATE EXTENSION hstore SCHEMA {schema};"
        );
        let platform = Platform::with(&(extension + SQL)).await;
        for (function, sent, shown) in [
            ("one", r#"{"a":"1"}"#, r#"{"a": "1"}"#),
            ("one", r#"{"a":null,"b":1.50,"c":"x\"y\\z, => ä"}"#, r#"{"a": null, "b": "1.50", "c": "x\"y\\z, => ä"}"#),
            ("one", r#"{"d":{"e":["f"]}}"#, r#"{"d": "{\"e\":[\"f\"]}"}"#),
            ("one", "{}", "{}"),
            ("one", "null", "null"),
            ("one", r#""a=>1""#, r#"{"a": "1"}"#),
            ("label", r#"{"a":"1"}"#, r#"{"a": "1"}"#),
            ("many", r#"[{"a":"1"},null,"b=>2",{}]"#, r#"[{"a": "1"},null,{"b": "2"},{}]"#),
            ("rest", r#"{"a":"1"}"#, r#"[{"a": "1"}]"#),
            ("inside", r#"{"n":1,"tags":{"a":"\"(,)"}}"#, r#"[{"n":1,"tags":{"a": "\"(,)"}}]"#),
            ("proceed", r#"{"a":"1"}"#, r#"{"a": "1", "z": "9"}"#),
            ("fake.faked", r#"{"a":1}"#, r#"[{"a":1}]"#),
            // As until now.
            ("either", r#"{"a":1}"#, r#""jsonb""#),
            ("either", r#""a=>1""#, r#""hstore""#),
        ] {
            let rows = platform.rows(function, &format!("[{sent}]")).await;
            assert_eq!(rows, format!("[{{\"v\":{shown}}}]"), "{schema}: {function} {sent}");
        }
        for (function, sent, words) in [
            ("one", r#"{"a":1,"a":2}"#, "twice"),
            ("one", r#"{"a":"\u0000"}"#, "NUL"),
            ("one", "[1]", "one: "),
            ("label", r#"{"b":"1"}"#, "labels_check"),
        ] {
            let (status, body) = platform.error(function, &format!("[{sent}]")).await;
            assert!(matches!(status, 400 | 409) && body.to_string().contains(words), "{sent}: {status} {body}");
        }
    }
}
