//! What values look like: always as the server's own `to_json` writes them.

use crate::support::*;

/// Types with values of them, as SQL literals.
const VALUES: &[(&str, &[&str])] = &[
    ("bool", &["true", "false"]),
    ("int2", &["0", "-32768", "32767"]),
    ("int4", &["-2147483648", "2147483647", "42"]),
    ("int8", &["-9223372036854775808", "9223372036854775807"]),
    ("oid", &["0", "4294967295"]),
    (
        "float4",
        &[
            "0",
            "-0",
            "1",
            "1.5",
            "100000",
            "999999",
            "1e6",
            "1234567",
            "1e-4",
            "0.00012345",
            "1e-5",
            "3.4028235e38",
            "1e-45",
            "16777216",
            "0.1",
            "NaN",
            "Infinity",
            "-Infinity",
            "-1.25e-7",
        ],
    ),
    (
        "float8",
        &[
            "0",
            "-0",
            "1",
            "-1.5",
            "0.1",
            "1e14",
            "999999999999999",
            "1e15",
            "123456789012345678",
            "1e20",
            "1e23",
            "9007199254740993",
            "0.0001",
            "0.00001",
            "1.7976931348623157e308",
            "5e-324",
            "2.2250738585072014e-308",
            "NaN",
            "Infinity",
            "-Infinity",
            "3.141592653589793",
            "1e100",
        ],
    ),
    (
        "numeric",
        &[
            "0",
            "0.00",
            "-0.5",
            "1.10",
            "100",
            "10000",
            "100000000.0001",
            "0.0001",
            "0.00001",
            "0.000000000010",
            "1234567890123456789012345678901234567890.123456789",
            "1e40",
            "1e-30",
            "-99999.9999",
            "NaN",
            "Infinity",
            "-Infinity",
            "10000000000000000",
            "0.10000",
        ],
    ),
    ("numeric(10,3)", &["1.5", "0", "-1234567.891"]),
    ("text", &["", "plain", "q\" b\\ /", "\n\r\t\u{8}\u{c}\u{1}\u{1f}\u{7f}", "ä€😀\u{2028}", "null"]),
    ("varchar(20)", &["abc"]),
    ("char(5)", &["ab"]),
    ("name", &["a_name"]),
    ("\"char\"", &["x", ""]),
    ("uuid", &["00112233-4455-6677-8899-AABBCCDDEEFF"]),
    ("json", &["{\"a\":  [1, 2.50]\n}", "null", "\"x\"", "1e5"]),
    ("jsonb", &["{\"b\":1,\"a\":{\"c\":[null,true]}}", "null", "1.10", "\"\\u00e4\""]),
    (
        "date",
        &[
            "2000-01-01",
            "1999-12-31",
            "2024-02-29",
            "1970-01-01",
            "0001-01-01",
            "0001-12-31 BC",
            "0044-03-15 BC",
            "4713-01-01 BC",
            "9999-12-31",
            "10000-01-01",
            "5874897-12-31",
            "infinity",
            "-infinity",
            "1900-02-28",
        ],
    ),
    ("time", &["00:00", "23:59:59.999999", "24:00:00", "12:34:56.7", "01:02:03.000100"]),
    (
        "timestamp",
        &[
            "2000-01-01 00:00:00",
            "1999-12-31 23:59:59.999999",
            "2024-02-29 12:34:56.7",
            "0001-01-01 00:00:00 BC",
            "4713-01-01 00:00:00 BC",
            "294276-12-31 23:59:59.999999",
            "infinity",
            "-infinity",
            "2024-01-01 00:00:00.1000",
        ],
    ),
    (
        "timestamptz",
        &[
            "2000-01-01 00:00:00+00",
            "2024-06-01 12:00:00+05:30",
            "1850-01-01 00:00:00+00",
            "infinity",
            "-infinity",
            "0044-03-15 10:00:00+00 BC",
            "20000-01-01 00:00:00.000001+00",
        ],
    ),
    ("timetz", &["12:00:00+02", "23:59:59.5-11"]),
    ("interval", &["1 year 2 months 3 days 04:05:06.7", "-1 day", "0"]),
    ("bytea", &["\\x00ff", ""]),
    ("inet", &["10.0.0.1/8", "::1"]),
    ("cidr", &["10.0.0.0/8"]),
    ("macaddr", &["08:00:2b:01:02:03"]),
    ("money", &["1234.50"]),
    ("bit(4)", &["1010"]),
    ("varbit", &["101"]),
    ("point", &["(1,2.5)"]),
    ("box", &["(1,1),(0,0)"]),
    ("int4range", &["[1,10)", "empty"]),
    ("int4multirange", &["{[1,2),[5,7)}"]),
    ("tsvector", &["'a':1 'b':2"]),
    ("xml", &["<a b=\"c\"/>"]),
    ("regclass", &["pg_class"]),
    ("pg_lsn", &["16/B374D848"]),
    ("int4[]", &["{}", "{1,NULL,3}", "{{1,2},{3,4}}", "[0:1]={5,6}"]),
    ("text[]", &["{a,\"b,c\",NULL,\"null\",\"\\\"\"}"]),
    ("float8[]", &["{NaN,1e20,-Infinity}"]),
    ("timestamptz[]", &["{2024-01-01 00:00:00+00,infinity}"]),
    ("jsonb[]", &["{\"{\\\"a\\\":1}\"}"]),
    ("mood", &["happy", "it's \"so\""]),
    ("mood[]", &["{happy,NULL}"]),
    ("positive", &["7"]),
    ("positive[]", &["{7,8}"]),
    ("short", &["x\"y"]),
    ("pair", &["(1,\"a \"\"b\")", "(,)"]),
    ("pair[]", &["{\"(1,a)\",NULL}"]),
    ("nested", &["(\"(1,x)\",\"{1,2}\",2024-01-01)"]),
    ("hstore", &["a=>1, b=>NULL"]),
    ("citext", &["MiXed"]),
    ("ltree", &["a.b.c"]),
    ("cube", &["(1,2),(3,4)"]),
    ("seg", &["1.5 .. 2"]),
];

const TYPES: &str = "
    CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree; CREATE EXTENSION cube; CREATE EXTENSION seg;
    CREATE TYPE mood AS ENUM ('happy', 'it''s \"so\"');
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE DOMAIN short AS varchar(5);
    CREATE TYPE pair AS (a int, b text);
    CREATE TYPE nested AS (p pair, n numeric[], d date);";

fn literal(value: &str) -> String {
    stonescriptdb_gateway::databases::quote_literal(value)
}

#[tokio::test]
async fn every_value_is_written_as_the_server_writes_it() {
    let mut sql = TYPES.to_owned();
    for (index, (name, values)) in VALUES.iter().enumerate() {
        let rows: Vec<String> = values.iter().map(|value| format!("({}::{name})", literal(value))).collect();
        let rows = format!("VALUES {}, (NULL)", rows.join(", "));
        sql.push_str(&format!("CREATE FUNCTION f{index}() RETURNS SETOF {name} LANGUAGE sql AS {};", literal(&rows)));
        // Beside another column it is written by the same hands.
        let rows = format!("SELECT 1, v.x, v.x FROM ({rows}) AS v(x)");
        sql.push_str(&format!(
            "CREATE FUNCTION t{index}() RETURNS TABLE (n int, v {name}, w {name}) LANGUAGE sql AS {};",
            literal(&rows)
        ));
    }
    let platform = Platform::with(&sql).await;
    let client = platform.client().await;
    client.batch_execute("SET TimeZone = 'UTC'").await.unwrap();
    for (index, (name, _)) in VALUES.iter().enumerate() {
        let expected = async |query: String| {
            let rows = client.query(&query, &[]).await.unwrap();
            let texts: Vec<String> =
                rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or("null".into())).collect();
            texts
        };
        let scalar: Vec<String> = expected(format!("SELECT to_json(f)::text FROM (SELECT f{index}() AS f) AS x"))
            .await
            .into_iter()
            .map(|value| format!("{{\"f{index}\":{value}}}"))
            .collect();
        // A function that returns a composite returns its columns.
        if !matches!(*name, "pair" | "nested") {
            assert_eq!(platform.rows(&format!("f{index}"), "").await, format!("[{}]", scalar.join(",")), "{name}");
        }
        let table: Vec<String> = expected(format!("SELECT to_json(v)::text FROM t{index}()"))
            .await
            .into_iter()
            .map(|value| format!("{{\"n\":1,\"v\":{value},\"w\":{value}}}"))
            .collect();
        assert_eq!(platform.rows(&format!("t{index}"), "").await, format!("[{}]", table.join(",")), "{name}");
    }
}

#[tokio::test]
async fn floats_dates_and_numerics_agree_with_the_server_at_random() {
    let sql = "
        CREATE FUNCTION many(p_seed float8) RETURNS TABLE (d float8, r float4, n numeric, t timestamp, day date)
        LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM setseed(p_seed);
            RETURN QUERY
                SELECT
                    (random() * 2 - 1) * 10::float8 ^ (random() * 600 - 300),
                    ((random() * 2 - 1) * 10::float8 ^ (random() * 74 - 37))::float4,
                    round(((random() * 2 - 1) * 10::float8 ^ (random() * 40 - 20))::numeric, (random() * 30)::int),
                    '4000-01-01 BC'::timestamp + random() * interval '14000 years',
                    '4000-01-01 BC'::date + (random() * 5000000)::int
                FROM generate_series(1, 20000);
            RETURN QUERY
                SELECT i::float8 * 2::float8 ^ e, (i * 2::float8 ^ (e / 10))::float4, 0::numeric, NULL::timestamp, NULL::date
                FROM generate_series(1, 9, 2) AS i, generate_series(-1000, 900) AS e;
            RETURN QUERY
                SELECT (2::float8 ^ 53 + i) * 4 ^ k, (2::float8 ^ 24 + i)::float4, i::numeric, NULL::timestamp, NULL::date
                FROM generate_series(-50, 50) AS i, generate_series(0, 5) AS k;
            RETURN QUERY
                SELECT 2::float8 ^ (30 + k % 24) * (1 + random()) + round(random() * 64) / 64,
                       (2::float8 ^ (k % 30) * (1 + random()))::float4, 0.1, NULL::timestamp, NULL::date
                FROM generate_series(1, 50000) AS k;
        END $$;";
    let platform = Platform::with(sql).await;
    let client = platform.client().await;
    for seed in [0.1, 0.7] {
        let expected = client
            .query_one("SELECT json_agg(to_json(m))::text FROM many($1) AS m", &[&seed])
            .await
            .unwrap()
            .get::<_, String>(0);
        let expected = expected.replace(", \n ", ",").replace("}, {", "},{");
        let answered = platform.rows("many", &format!("[{seed}]")).await;
        if answered != expected {
            let pairs = answered.split("},{").zip(expected.split("},{"));
            let different: Vec<_> = pairs.filter(|(ours, theirs)| ours != theirs).take(5).collect();
            panic!("{different:#?}");
        }
    }
}

#[tokio::test]
async fn rows_have_the_functions_columns_in_order() {
    let platform = Platform::with(
        "CREATE TABLE item (id int, name text, tags text[]);
         INSERT INTO item VALUES (1, 'a', '{x}'), (2, NULL, NULL);
         CREATE FUNCTION items() RETURNS SETOF item LANGUAGE sql AS 'SELECT * FROM item ORDER BY id';
         CREATE FUNCTION one_item() RETURNS item LANGUAGE sql AS 'SELECT * FROM item WHERE id = 1';
         CREATE FUNCTION no_item() RETURNS item LANGUAGE sql AS 'SELECT * FROM item WHERE false';
         CREATE FUNCTION no_items() RETURNS SETOF item LANGUAGE sql AS 'SELECT * FROM item WHERE false';
         CREATE FUNCTION quoted() RETURNS TABLE (\"Order Item\" int, \"a\"\"b\" text, \"select\" int[]) LANGUAGE sql AS 'SELECT 1, ''x'', ''{1}''::int[]';
         CREATE FUNCTION nothing() RETURNS void LANGUAGE sql AS '';
         CREATE FUNCTION outs(OUT zebra int, INOUT apple text, OUT day date) LANGUAGE sql AS 'SELECT 1, $1, ''2024-01-01''::date';
         CREATE FUNCTION one_out(OUT x int) LANGUAGE sql AS 'SELECT 5';
         CREATE FUNCTION one_out_array(OUT x int[]) LANGUAGE sql AS 'SELECT ''{5}''::int[]';
         CREATE FUNCTION bare() RETURNS record LANGUAGE sql AS 'SELECT 1 AS a, ''x''::text AS b';
         CREATE FUNCTION bares() RETURNS SETOF record LANGUAGE sql AS 'SELECT 1 AS a, now() > ''2000-01-01'' AS b';
         CREATE FUNCTION any_of(p anyelement) RETURNS anyelement LANGUAGE sql AS 'SELECT p';
         CREATE FUNCTION same(same int) RETURNS int LANGUAGE sql AS 'SELECT same';
         CREATE FUNCTION arr(same int) RETURNS int[] LANGUAGE sql AS 'SELECT ARRAY[same]';
         CREATE TYPE empty AS (); CREATE FUNCTION empty() RETURNS empty LANGUAGE sql AS 'SELECT ROW()::empty';
         CREATE FUNCTION cursor() RETURNS refcursor LANGUAGE plpgsql AS 'DECLARE c refcursor := ''c1''; BEGIN OPEN c FOR SELECT 1; RETURN c; END';",
    )
    .await;
    for (function, params, rows) in [
        ("items", "", r#"[{"id":1,"name":"a","tags":["x"]},{"id":2,"name":null,"tags":null}]"#),
        ("one_item", "", r#"[{"id":1,"name":"a","tags":["x"]}]"#),
        ("no_item", "", r#"[{"id":null,"name":null,"tags":null}]"#),
        ("no_items", "", "[]"),
        ("quoted", "", r#"[{"Order Item":1,"a\"b":"x","select":[1]}]"#),
        ("nothing", "", r#"[{"nothing":null}]"#),
        ("outs", r#"["red"]"#, r#"[{"zebra":1,"apple":"red","day":"2024-01-01"}]"#),
        ("one_out", "", r#"[{"x":5}]"#),
        ("one_out_array", "", r#"[{"x":[5]}]"#),
        ("bare", "", r#"[{"bare":{"a":1,"b":"x"}}]"#),
        ("bares", "", r#"[{"bares":{"a":1,"b":true}}]"#),
        ("any_of", "[7]", r#"[{"any_of":7}]"#),
        ("any_of", "[[1,2]]", r#"[{"any_of":[1,2]}]"#),
        ("same", "[3]", r#"[{"same":3}]"#),
        ("arr", "[3]", r#"[{"arr":[3]}]"#),
        ("empty", "", "[{}]"),
        ("cursor", "", r#"[{"cursor":"c1"}]"#),
    ] {
        assert_eq!(platform.rows(function, params).await, rows, "{function}");
        // Again, with what was prepared.
        assert_eq!(platform.rows(function, params).await, rows, "{function}, the second time");
    }
}
