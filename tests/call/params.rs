//! What goes in: by position, by name, absent; converted by PostgreSQL; overloads, defaults, VARIADIC, procedures.

use crate::support::*;

/// For each type a function that gives back what it got.
fn echoes(types: &[(&str, &str)]) -> String {
    let echo = |(name, of): &(&str, &str)| {
        format!("CREATE FUNCTION e_{name}(p_v {of}) RETURNS TABLE (v {of}) LANGUAGE sql AS 'SELECT $1';")
    };
    types.iter().map(echo).collect()
}

#[tokio::test]
async fn values_are_converted_by_postgresql() {
    let types = [
        ("int", "int"),
        ("big", "bigint"),
        ("small", "smallint"),
        ("num", "numeric"),
        ("real", "real"),
        ("double", "double precision"),
        ("bool", "boolean"),
        ("text", "text"),
        ("char", "char(4)"),
        ("uuid", "uuid"),
        ("date", "date"),
        ("ts", "timestamptz"),
        ("interval", "interval"),
        ("inet", "inet"),
        ("bytea", "bytea"),
        ("json", "json"),
        ("jsonb", "jsonb"),
        ("mood", "mood"),
        ("positive", "positive"),
        ("ints", "int[]"),
        ("texts", "text[]"),
        ("jsons", "jsonb[]"),
        ("moods", "mood[]"),
        ("positives", "positive[]"),
        ("list", "list"),
        ("pairs", "pair[]"),
        ("range", "int4range"),
        ("hstore", "hstore"),
        ("point", "point"),
        ("boxes", "box[]"),
    ];
    let sql = format!(
        "CREATE EXTENSION hstore; CREATE TYPE mood AS ENUM ('happy', 'sad'); CREATE DOMAIN positive AS int CHECK (VALUE > 0);
         CREATE TYPE pair AS (a int, b text, c jsonb, d int[]); CREATE DOMAIN list AS int[];
         CREATE FUNCTION e_pair(p_v pair) RETURNS pair LANGUAGE sql AS 'SELECT $1'; {}",
        echoes(&types)
    );
    let platform = Platform::with(&sql).await;
    for (function, sent, shown) in [
        ("e_int", "7", "7"),
        ("e_int", "\"7\"", "7"),
        ("e_int", "1.0", "1"),
        ("e_int", "1e3", "1000"),
        ("e_int", "null", "null"),
        ("e_big", "9223372036854775807", "9223372036854775807"),
        ("e_big", "-9223372036854775808", "-9223372036854775808"),
        ("e_big", "9007199254740993.0", "9007199254740993"),
        ("e_small", "-32768", "-32768"),
        (
            "e_num",
            "1234567890123456789012345678901234567890.12345678901234567890",
            "1234567890123456789012345678901234567890.12345678901234567890",
        ),
        ("e_num", "1.10", "1.10"),
        ("e_num", "1e3", "1000"),
        ("e_num", "\"NaN\"", "\"NaN\""),
        ("e_real", "1.5", "1.5"),
        ("e_double", "1e308", "1e+308"),
        ("e_double", "\"Infinity\"", "\"Infinity\""),
        ("e_bool", "true", "true"),
        ("e_bool", "\"f\"", "false"),
        ("e_bool", "1", "true"),
        ("e_text", "\"\"", "\"\""),
        ("e_text", "\"it's \\\"q\\\" \\\\ $1 -- ;\\n\\u00e4\"", "\"it's \\\"q\\\" \\\\ $1 -- ;\\nä\""),
        ("e_text", "12.50", "\"12.50\""),
        ("e_text", "true", "\"true\""),
        ("e_text", "{\"a\":1}", "\"{\\\"a\\\":1}\""),
        ("e_char", "\"ab\"", "\"ab\""),
        ("e_uuid", "\"00112233445566778899AABBCCDDEEFF\"", "\"00112233-4455-6677-8899-aabbccddeeff\""),
        ("e_date", "\"2024-02-29\"", "\"2024-02-29\""),
        ("e_ts", "\"2024-06-01T12:00:00+02:00\"", "\"2024-06-01T10:00:00+00:00\""),
        ("e_ts", "\"2024-06-01 12:00\"", "\"2024-06-01T12:00:00+00:00\""),
        ("e_interval", "\"PT36H\"", "\"36:00:00\""),
        ("e_inet", "\"10.0.0.1\"", "\"10.0.0.1\""),
        ("e_bytea", "\"\\\\x00ff\"", "\"\\\\x00ff\""),
        ("e_json", "{\"b\": 1.10, \"a\": [1]}", "{\"b\": 1.10, \"a\": [1]}"),
        ("e_jsonb", "{\"b\":1.10,\"a\":[1]}", "{\"a\": [1], \"b\": 1.10}"),
        ("e_jsonb", "\"{\\\"a\\\":1}\"", "{\"a\": 1}"),
        ("e_jsonb", "\"\\\"text\\\"\"", "\"text\""),
        ("e_jsonb", "7", "7"),
        ("e_jsonb", "true", "true"),
        ("e_jsonb", "[]", "[]"),
        ("e_jsonb", "null", "null"),
        ("e_mood", "\"sad\"", "\"sad\""),
        ("e_positive", "5", "5"),
        ("e_positive", "5.0", "5"),
        ("e_ints", "[1,null,3]", "[1,null,3]"),
        ("e_ints", "[]", "[]"),
        ("e_ints", "[[1,2],[3,4]]", "[[1,2],[3,4]]"),
        ("e_ints", "\"{1,2}\"", "[1,2]"),
        (
            "e_texts",
            "[\"a,b\",\"\\\"q\\\"\",null,\"null\",\"{}\",\"\\\\\",\"\"]",
            "[\"a,b\",\"\\\"q\\\"\",null,\"null\",\"{}\",\"\\\\\",\"\"]",
        ),
        ("e_jsons", "[{\"a\":[1]},[1,2],\"7\",null]", "[{\"a\": [1]},[1, 2],7,null]"),
        ("e_moods", "[\"happy\",null]", "[\"happy\",null]"),
        ("e_positives", "[1,2.0]", "[1,2]"),
        ("e_list", "[4,5]", "[4,5]"),
        (
            "e_pairs",
            "[{\"a\":1,\"b\":\"x,\\\"y\\\"\",\"c\":{\"k\":[1]},\"d\":[1,2]},null,{}]",
            "[{\"a\":1,\"b\":\"x,\\\"y\\\"\",\"c\":{\"k\": [1]},\"d\":[1,2]},null,{\"a\":null,\"b\":null,\"c\":null,\"d\":null}]",
        ),
        ("e_range", "\"[1,5)\"", "\"[1,5)\""),
        ("e_hstore", "\"a=>1\"", "{\"a\": \"1\"}"),
        ("e_point", "\"(1,2)\"", "\"(1,2)\""),
        ("e_boxes", "[\"(1,1),(0,0)\",\"(2,2),(1,1)\"]", "[\"(1,1),(0,0)\",\"(2,2),(1,1)\"]"),
    ] {
        let rows = format!("[{{\"v\":{shown}}}]");
        assert_eq!(platform.rows(function, &format!("[{sent}]")).await, rows, "{function} {sent}");
        assert_eq!(platform.rows(function, &format!("{{\"p_v\":{sent}}}")).await, rows, "{function} {sent}, by name");
    }
    for sent in [r#"[{"a":1,"b":"x","c":{"k":"v"},"d":[1]}]"#, r#"[[1,"x",{"k":"v"},[1]]]"#] {
        assert_eq!(platform.rows("e_pair", sent).await, r#"[{"a":1,"b":"x","c":{"k": "v"},"d":[1]}]"#);
    }
}

#[tokio::test]
async fn a_value_that_does_not_convert_is_a_bad_request() {
    let platform = Platform::with(
        "CREATE TYPE mood AS ENUM ('happy'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN positive AS int CHECK (VALUE > 0);
         CREATE FUNCTION many(i int, n numeric, u uuid, d date, j jsonb, m mood, a int[], p pair, t text, o positive)
             RETURNS int LANGUAGE sql AS 'SELECT 1';",
    )
    .await;
    for (name, sent, sqlstate, words) in [
        ("i", "\"x\"", "22P02", "invalid input syntax for type integer"),
        ("i", "2147483648", "22003", "out of range"),
        ("i", "1.5", "22P02", "1.5"),
        ("i", "true", "22P02", "true"),
        ("i", "1e999999999", "22P02", "1e999999999"),
        ("i", "{}", "22P02", "{}"),
        ("n", "\"x\"", "22P02", "numeric"),
        ("u", "\"x\"", "22P02", "uuid"),
        ("d", "\"2024-02-30\"", "22008", "2024-02-30"),
        ("d", "\"never\"", "22007", "never"),
        ("j", "\"{\"", "22P02", "json"),
        ("m", "\"angry\"", "22P02", "angry"),
        ("a", "[1,\"x\"]", "22P02", "integer"),
        ("a", "[[1],[2,3]]", "22P02", "array"),
        ("a", "7", "22P02", "array"),
        ("p", "[\"x\",\"y\"]", "22P02", "integer"),
    ] {
        let (status, body) = platform.error("many", &object(name, sent)).await;
        assert_eq!((status, body["error"].as_str()), (400, Some("invalid_request")), "{name} {sent}: {body}");
        assert_eq!(body["sqlstate"], sqlstate, "{name} {sent}: {body}");
        assert!(body["cause"].as_str().unwrap().contains(words), "{name} {sent}: {body}");
    }
    for (name, sent, words) in [
        ("t", "\"a\\u0000b\"", "NUL"),
        ("t", "\"\\ud800\"", "no character"),
        ("p", "{\"z\":1}", "has \"z\", which pair has not; it has a, b"),
        ("p", "{\"a\":1,\"a\":2}", "twice"),
        ("p", "[1]", "1 values for the 2 attributes"),
    ] {
        let (status, body) = platform.error("many", &object(name, sent)).await;
        let message = body["message"].as_str().unwrap();
        assert_eq!(status, 400, "{body}");
        assert!(message.contains(words) && message.contains(&format!("({name})")), "{message}");
    }
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let (status, body) = platform.error("many", &object("a", &deep)).await;
    assert!(status == 400 && body["message"].as_str().unwrap().contains("too deep"), "{body}");
    // A domain's CHECK is a constraint.
    assert_eq!(platform.error("many", &object("o", "0")).await.0, 409);
    // JSON may be as deep as PostgreSQL likes.
    assert_eq!(platform.rows("many", &object("j", &deep)).await, r#"[{"many":1}]"#);
    assert_eq!(platform.error("many", &object("j", &"[".repeat(7))).await.0, 400);
    let deepest = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(platform.error("many", &object("j", &deepest)).await.0, 400);
    // The connection is as good as before.
    assert_eq!(platform.rows("many", &object("i", "1")).await, r#"[{"many":1}]"#);

    fn object(name: &str, value: &str) -> String {
        let names = ["i", "n", "u", "d", "j", "m", "a", "p", "t", "o"];
        let pairs = names.map(|other| format!("\"{other}\":{}", if other == name { value } else { "null" }));
        format!("{{{}}}", pairs.join(","))
    }
}

#[tokio::test]
async fn parameters_are_given_by_position_by_name_or_not_at_all() {
    let platform = Platform::with(
        "CREATE FUNCTION \"none\"() RETURNS text LANGUAGE sql AS $$SELECT 'none'$$;
         CREATE FUNCTION three(p_a int, p_b text DEFAULT 'b', \"P C\" int DEFAULT 3) RETURNS text LANGUAGE sql
             AS $$SELECT concat_ws(',', $1, $2, $3)$$;
         CREATE FUNCTION unnamed(int, text) RETURNS text LANGUAGE sql AS $$SELECT concat_ws(',', $1, $2)$$;
         CREATE FUNCTION all_default(p_a int DEFAULT 1, p_b int DEFAULT 2) RETURNS text LANGUAGE sql AS $$SELECT concat_ws(',', $1, $2)$$;
         CREATE FUNCTION \"inout\"(INOUT p_x int, OUT y int) LANGUAGE sql AS $$SELECT p_x + 1, p_x * 2$$;",
    )
    .await;
    for (function, params, shown) in [
        ("none", "", "none"),
        ("none", "null", "none"),
        ("none", "[]", "none"),
        ("none", "{}", "none"),
        ("three", "[1]", "1,b,3"),
        ("three", "[1,\"x\"]", "1,x,3"),
        ("three", "[1,\"x\",9]", "1,x,9"),
        ("three", "{\"p_a\":1}", "1,b,3"),
        ("three", "{\"P C\":9,\"p_a\":1}", "1,b,9"),
        ("three", "{\"P C\":9,\"p_b\":null,\"p_a\":1}", "1,9"),
        ("unnamed", "[1,\"x\"]", "1,x"),
        ("all_default", "[]", "1,2"),
        ("all_default", "{}", "1,2"),
        ("all_default", "{\"p_b\":5}", "1,5"),
    ] {
        let rows = format!("[{{\"{function}\":\"{shown}\"}}]");
        assert_eq!(platform.rows(function, params).await, rows, "{function} {params}");
        assert_eq!(platform.rows(function, params).await, rows, "{function} {params}, again");
    }
    assert_eq!(platform.rows("inout", "[4]").await, r#"[{"p_x":5,"y":8}]"#);
    for (function, params, words) in [
        ("none", "[1]", "takes 1 parameter (a number)"),
        ("three", "[]", "takes no parameters"),
        ("three", "[1,2,3,4]", "takes 4 parameters"),
        ("three", "{\"p_b\":\"x\"}", "the parameters p_b: a string"),
        ("three", "{\"p_a\":1,\"p_z\":2}", "no parameter \"p_z\""),
        ("three", "{\"p_a\":1,\"p_a\":2}", "\"p_a\" is given twice"),
        ("unnamed", "{\"a\":1}", "no parameter \"a\""),
        ("inout", "{\"p_x\":1,\"y\":2}", "no parameter \"y\""),
    ] {
        let (status, body) = platform.error(function, params).await;
        let message = body["message"].as_str().unwrap();
        assert_eq!((status, body["error"].as_str()), (400, Some("invalid_request")), "{body}");
        assert!(message.contains(words) && message.contains("what exists: "), "{message}");
    }
    let (_, body) = platform.error("three", "[]").await;
    assert!(
        body["message"]
            .as_str()
            .unwrap()
            .contains("three(p_a integer, p_b text DEFAULT 'b'::text, \"P C\" integer DEFAULT 3)")
    );
    let many = format!("[{}]", vec!["1"; 10_000].join(","));
    assert_eq!(platform.error("three", &many).await.0, 400);
}

#[tokio::test]
async fn overloads_are_chosen_by_number_names_and_types() {
    let platform = Platform::with(
        "CREATE FUNCTION f(a int) RETURNS text LANGUAGE sql AS $$SELECT 'int'$$;
         CREATE FUNCTION f(a text) RETURNS text LANGUAGE sql AS $$SELECT 'text'$$;
         CREATE FUNCTION f(a boolean) RETURNS text LANGUAGE sql AS $$SELECT 'bool'$$;
         CREATE FUNCTION f(a jsonb) RETURNS text LANGUAGE sql AS $$SELECT 'jsonb'$$;
         CREATE FUNCTION f(a int[]) RETURNS text LANGUAGE sql AS $$SELECT 'int[]'$$;
         CREATE FUNCTION f(a int, b int) RETURNS text LANGUAGE sql AS $$SELECT 'int,int'$$;",
    )
    .await;
    let client = platform.client().await;
    client
        .batch_execute(
            "CREATE FUNCTION g(a int, b int DEFAULT 0) RETURNS text LANGUAGE sql AS $$SELECT 'default'$$;
             CREATE FUNCTION g(a int) RETURNS text LANGUAGE sql AS $$SELECT 'exact'$$;
             CREATE FUNCTION g(VARIADIC a int[]) RETURNS text LANGUAGE sql AS $$SELECT 'variadic'$$;
             CREATE FUNCTION h(x date) RETURNS text LANGUAGE sql AS $$SELECT 'date'$$;
             CREATE FUNCTION h(x uuid) RETURNS text LANGUAGE sql AS $$SELECT 'uuid'$$;
             CREATE FUNCTION k(first int) RETURNS text LANGUAGE sql AS $$SELECT 'first'$$;
             CREATE FUNCTION k(second text) RETURNS text LANGUAGE sql AS $$SELECT 'second'$$;
             CREATE FUNCTION m(x numeric) RETURNS text LANGUAGE sql AS $$SELECT 'numeric'$$;
             CREATE FUNCTION m(x bigint) RETURNS text LANGUAGE sql AS $$SELECT 'bigint'$$;",
        )
        .await
        .unwrap();
    for (function, params, shown) in [
        ("f", "[1]", "int"),
        ("f", "[\"1\"]", "text"),
        ("f", "[true]", "bool"),
        ("f", "[{\"a\":1}]", "jsonb"),
        ("f", "[[1,2]]", "int[]"),
        ("f", "[1,2]", "int,int"),
        ("f", "{\"b\":2,\"a\":1}", "int,int"),
        ("g", "[1,2]", "default"),
        ("g", "[1,2,3]", "variadic"),
        ("k", "{\"first\":\"1\"}", "first"),
        ("k", "{\"second\":1}", "second"),
        ("m", "[1]", "bigint"),
        ("m", "[1.5]", "numeric"),
    ] {
        assert_eq!(
            platform.rows(function, params).await,
            format!("[{{\"{function}\":\"{shown}\"}}]"),
            "{function} {params}"
        );
    }
    // Of the first PostgreSQL itself says that it cannot be called with one parameter.
    for (function, params, exists) in [
        ("g", "[1]", ["g(a integer)", "g(a integer, b integer DEFAULT 0)"]),
        ("h", "[\"x\"]", ["h(x date)", "h(x uuid)"]),
    ] {
        let (status, body) = platform.error(function, params).await;
        let message = body["message"].as_str().unwrap();
        assert!(status == 400 && exists.iter().all(|one| message.contains(one)), "{message}");
    }
}

#[tokio::test]
async fn values_at_the_end_are_collected() {
    let platform = Platform::with(
        "CREATE TYPE pair AS (a int, b text);
         CREATE FUNCTION v(p_first text, VARIADIC p_rest int[]) RETURNS text LANGUAGE sql AS $$SELECT p_first || p_rest::text$$;
         CREATE FUNCTION vj(VARIADIC p_rest jsonb[]) RETURNS text LANGUAGE sql AS $$SELECT p_rest::text$$;
         CREATE FUNCTION vp(VARIADIC p_rest pair[]) RETURNS text LANGUAGE sql AS $$SELECT p_rest::text$$;
         CREATE FUNCTION va(VARIADIC p_rest anyarray) RETURNS text LANGUAGE sql AS $$SELECT pg_typeof(p_rest)::text || p_rest::text$$;
         CREATE FUNCTION vd(VARIADIC p_rest int[] DEFAULT '{7}') RETURNS text LANGUAGE sql AS $$SELECT p_rest::text$$;
         CREATE FUNCTION vany(VARIADIC \"any\") RETURNS text LANGUAGE internal IMMUTABLE AS 'text_concat';",
    )
    .await;
    for (function, params, shown) in [
        ("v", "[\"x\",1,2.0,null]", "x{1,2,NULL}"),
        ("v", "[\"x\",1]", "x{1}"),
        ("v", "[\"x\"]", "x{}"),
        ("v", "[\"x\",[1,2]]", "x{1,2}"),
        ("v", "{\"p_first\":\"x\",\"p_rest\":[1,2]}", "x{1,2}"),
        ("v", "{\"p_first\":\"x\",\"p_rest\":5}", "x{5}"),
        ("v", "{\"p_first\":\"x\"}", "x{}"),
        ("vj", "[[1],{\"a\":2}]", "{[1],\"{\\\"a\\\": 2}\"}"),
        ("vp", "[{\"a\":1,\"b\":\"x\"},{\"a\":2}]", "{\"(1,x)\",\"(2,)\"}"),
        ("va", "[1,2]", "integer[]{1,2}"),
        ("va", "[1,2.5]", "numeric[]{1,2.5}"),
        ("va", "[\"a\",\"b\"]", "text[]{a,b}"),
        ("vd", "[]", "{7}"),
        ("vd", "[1]", "{1}"),
    ] {
        let rows = format!("[{{\"{function}\":{}}}]", serde_json::to_string(shown).unwrap());
        assert_eq!(platform.rows(function, params).await, rows, "{function} {params}");
    }
    let many = (0..10_000).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(platform.rows("v", &format!("[\"x\",{many}]")).await, format!("[{{\"v\":\"x{{{many}}}\"}}]"));
    assert_eq!(platform.rows("vany", "[\"a\",1,true]").await, r#"[{"vany":"a1t"}]"#);
    // These are passed one by one, and PostgreSQL takes no more than a hundred.
    for count in [200, 70_000] {
        let many = format!("[{}]", vec!["\"x\""; count].join(","));
        assert_eq!(platform.error("vany", &many).await.0, 400, "{count}");
    }
}

#[tokio::test]
async fn polymorphic_parameters_take_what_they_are_given() {
    let platform = Platform::with(
        "CREATE FUNCTION kind(p anyelement) RETURNS text LANGUAGE sql AS $$SELECT pg_typeof(p)::text$$;
         CREATE FUNCTION kinds(p anyarray) RETURNS text LANGUAGE sql AS $$SELECT pg_typeof(p)::text$$;
         CREATE FUNCTION same(a anyelement, b anyelement) RETURNS anyelement LANGUAGE sql AS $$SELECT b$$;
         CREATE FUNCTION fits(a anycompatible, b anycompatible) RETURNS anycompatible LANGUAGE sql AS $$SELECT b$$;",
    )
    .await;
    for (function, params, shown) in [
        ("kind", "[1]", "\"integer\""),
        ("kind", "[3000000000]", "\"bigint\""),
        ("kind", "[1.5]", "\"numeric\""),
        ("kind", "[99999999999999999999]", "\"numeric\""),
        ("kind", "[\"x\"]", "\"text\""),
        ("kind", "[true]", "\"boolean\""),
        ("kind", "[{\"a\":1}]", "\"jsonb\""),
        ("kind", "[[1]]", "\"integer[]\""),
        ("kinds", "[[1,3000000000]]", "\"bigint[]\""),
        ("kinds", "[[\"a\",null]]", "\"text[]\""),
        ("kinds", "[[{\"a\":1},{}]]", "\"jsonb[]\""),
        ("kinds", "[[[1,2],[3,4]]]", "\"integer[]\""),
        ("same", "[1,2]", "2"),
        ("same", "[\"a\",\"b\"]", "\"b\""),
        ("fits", "[1,2.5]", "2.5"),
    ] {
        assert_eq!(
            platform.rows(function, params).await,
            format!("[{{\"{function}\":{shown}}}]"),
            "{function} {params}"
        );
    }
    let (status, body) = platform.error("same", "[1,\"b\"]").await;
    assert!(status == 400 && body["message"].as_str().unwrap().contains("same(a anyelement, b anyelement)"), "{body}");
    let deep = format!("[{}{}]", "[".repeat(50_000), "]".repeat(50_000));
    assert_eq!(platform.error("kind", &deep).await.0, 400);
}

#[tokio::test]
async fn procedures_are_called_and_answer_their_inout_values() {
    let platform = Platform::with(
        "CREATE TYPE mood AS ENUM ('happy'); CREATE TYPE pair AS (a int, b text);
         CREATE TABLE log (n int);
         CREATE PROCEDURE quiet(p_n int) LANGUAGE sql AS 'INSERT INTO log VALUES (p_n)';
         CREATE PROCEDURE outs(p_in int, INOUT p_x int, OUT p_y text, INOUT p_t timestamptz DEFAULT NULL)
             LANGUAGE plpgsql AS $$BEGIN p_x := p_x + p_in; p_y := 'y'; END$$;
         CREATE PROCEDURE odd(INOUT m mood, INOUT p pair, INOUT a numeric[], INOUT i int4range, INOUT n int)
             LANGUAGE plpgsql AS $$BEGIN n := n + 1; END$$;
         CREATE PROCEDURE commits(p_count int) LANGUAGE plpgsql AS $$
             BEGIN FOR i IN 1..p_count LOOP INSERT INTO log VALUES (i); COMMIT; END LOOP; RAISE EXCEPTION 'at the end'; END$$;
         CREATE PROCEDURE over(INOUT x int) LANGUAGE plpgsql AS $$BEGIN x := 1; END$$;
         CREATE PROCEDURE over(INOUT x text) LANGUAGE plpgsql AS $$BEGIN x := 'text'; END$$;",
    )
    .await;
    assert_eq!(platform.rows("quiet", "[5]").await, "[]");
    for (function, params, rows) in [
        ("outs", "[1,2]", r#"[{"p_x":3,"p_y":"y","p_t":null}]"#),
        ("outs", r#"[1,2,"2024-01-01"]"#, r#"[{"p_x":3,"p_y":"y","p_t":"2024-01-01T00:00:00+00:00"}]"#),
        ("outs", r#"{"p_x":2,"p_in":1}"#, r#"[{"p_x":3,"p_y":"y","p_t":null}]"#),
        (
            "odd",
            r#"["happy",{"a":1,"b":"q\""},[1.50,null],"[1,5)",7]"#,
            r#"[{"m":"happy","p":{"a":1,"b":"q\""},"a":[1.50,null],"i":"[1,5)","n":8}]"#,
        ),
        ("odd", "[null,null,null,null,7]", r#"[{"m":null,"p":null,"a":null,"i":null,"n":8}]"#),
        ("over", "[0]", r#"[{"x":1}]"#),
        ("over", r#"["x"]"#, r#"[{"x":"text"}]"#),
    ] {
        assert_eq!(platform.rows(function, params).await, rows, "{function} {params}");
        assert_eq!(platform.rows(function, params).await, rows, "{function} {params}, again");
    }
    // Outside any transaction block, so that it can commit; what it committed stays.
    let (status, body) = platform.error("commits", "[3]").await;
    assert_eq!((status, body["cause"].as_str()), (400, Some("at the end")));
    let client = platform.client().await;
    assert_eq!(client.query_one("SELECT count(*) FROM log", &[]).await.unwrap().get::<_, i64>(0), 4);
}

#[tokio::test]
async fn large_values_pass() {
    let platform =
        Platform::with("CREATE FUNCTION size(p text) RETURNS int LANGUAGE sql AS 'SELECT octet_length($1)'").await;
    let text = "ä".repeat(10 * 1024 * 1024);
    assert_eq!(platform.rows("size", &format!("[\"{text}\"]")).await, r#"[{"size":20971520}]"#);
}
