//! `functions/`: everything such files may hold, in any order.

use serde_json::json;

use crate::support::{
    Platform, bundle, calls_what_is_planted, check_deploys_and_is_stable, check_deploys_as_psql_would,
};

#[tokio::test]
async fn sql_functions_that_call_each_other_against_the_order_of_files_deploy() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("functions/a.sql", "CREATE FUNCTION a(int) RETURNS int LANGUAGE sql AS $$ SELECT b($1) + c($1, 1) $$;")
        .file("functions/b.sql", "CREATE FUNCTION b(int) RETURNS int LANGUAGE sql RETURN c($1, 2) * 2;")
        .file(
            "functions/c.sql",
            "CREATE FUNCTION c(int, int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT n
             FROM d($1) AS d (n) LIMIT $2; END;",
        )
        .file(
            "functions/d.sql",
            "CREATE FUNCTION d(int) RETURNS SETOF int LANGUAGE sql AS $$ SELECT e($1)
             FROM generate_series(1, 3) $$;",
        )
        .file("functions/e.sql", "CREATE FUNCTION e(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 1';");
    check_deploys_as_psql_would(&platform, &bundle).await.counts(&[("functions_deployed", 5)]);
    assert_eq!(platform.value_of("a", json!([1])).await, json!(6));
}

#[tokio::test]
async fn functions_that_need_each_other_deploy() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "functions/is_even.sql",
            "CREATE FUNCTION is_even(n int) RETURNS boolean LANGUAGE plpgsql AS $$
             BEGIN RETURN n = 0 OR is_odd(n - 1); END $$;",
        )
        .file(
            "functions/is_odd.sql",
            "CREATE FUNCTION is_odd(n int) RETURNS boolean LANGUAGE plpgsql AS $$
             BEGIN RETURN n <> 0 AND is_even(n - 1); END $$;",
        );
    check_deploys_as_psql_would(&platform, &bundle).await;
    assert_eq!(platform.value_of("is_even", json!([10])).await, json!(true));
}

#[tokio::test]
async fn sql_functions_that_need_each_other_deploy() {
    let platform = Platform::new();
    // PostgreSQL would refuse either of them first, were it asked to check the bodies at once.
    let bundle = bundle()
        .file(
            "functions/down.sql",
            "CREATE FUNCTION down(n int) RETURNS int LANGUAGE sql AS $$
             SELECT CASE WHEN n <= 0 THEN 0 ELSE further(n - 1) END $$;",
        )
        .file(
            "functions/further.sql",
            "CREATE FUNCTION further(n int) RETURNS int LANGUAGE sql AS $$
             SELECT down(n) + 1 $$;",
        )
        .file(
            "functions/alone.sql",
            "CREATE FUNCTION alone(n int) RETURNS int LANGUAGE sql AS $$
             SELECT CASE WHEN n > 1 THEN alone(n - 1) ELSE n END $$;",
        );
    check_deploys_as_psql_would(&platform, &bundle).await.counts(&[("functions_deployed", 3)]);
    assert_eq!(platform.value_of("down", json!([3])).await, json!(3));
}

#[tokio::test]
async fn overloads_stay_apart() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "functions/area.sql",
            "CREATE FUNCTION area(side int) RETURNS int LANGUAGE sql AS $$ SELECT area(side, side) $$;
             CREATE FUNCTION area(width int, height int) RETURNS int LANGUAGE sql AS $$ SELECT width * height $$;
             COMMENT ON FUNCTION area(int) IS 'of a square';
             COMMENT ON FUNCTION area(int, int) IS 'of a rectangle';",
        )
        .file(
            "functions/area_of_text.sql",
            "CREATE FUNCTION area(description text) RETURNS text LANGUAGE sql AS $$ SELECT 'about ' || description $$;",
        );
    check_deploys_as_psql_would(&platform, &bundle).await.counts(&[("functions_deployed", 3)]);
    assert_eq!(platform.value_of("area", json!([4, 5])).await, json!(20));
    let comments = "SELECT string_agg(obj_description(oid), ', ' ORDER BY pronargs) FROM pg_proc \
        WHERE proname = 'area' AND pronamespace = 'public'::regnamespace";
    assert_eq!(platform.sql().await.value(comments).await, "of a square, of a rectangle");
}

#[tokio::test]
async fn a_function_file_may_hold_all_that_belongs_to_the_function() {
    if calls_what_is_planted() {
        return;
    }
    let platform = Platform::new();
    let bundle = bundle()
        .file("tables/accounts.sql", "CREATE TABLE accounts (id int PRIMARY KEY, balance numeric NOT NULL DEFAULT 0);")
        .file(
            "tables/audit.sql",
            "CREATE TABLE audit (number int DEFAULT nextval('audit_numbers'), account_id int, delta numeric);",
        )
        .file(
            "functions/audit.pssql",
            "/* Keeps book of every change; see accounts. */
             CREATE SEQUENCE audit_numbers;

             CREATE OR REPLACE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
             SET search_path = public AS $fn$
             BEGIN
                 -- a semicolon; in a comment, and a $$ that ends nothing
                 INSERT INTO audit (account_id, delta) VALUES (NEW.id, NEW.balance - OLD.balance);
                 RETURN NULL;
             END;
             $fn$;

             CREATE TRIGGER accounts_audit AFTER UPDATE OF balance ON accounts
                 FOR EACH ROW EXECUTE FUNCTION note_change();
             ALTER TABLE accounts ENABLE ALWAYS TRIGGER accounts_audit;

             COMMENT ON FUNCTION note_change() IS 'writes to audit; never fails';
             COMMENT ON TRIGGER accounts_audit ON accounts IS $c$one row for each change$c$;
             REVOKE ALL ON FUNCTION note_change() FROM PUBLIC;",
        )
        .file(
            "functions/transfer.sql",
            "CREATE PROCEDURE transfer(p_from int, p_to int, p_amount numeric) LANGUAGE sql BEGIN ATOMIC
                 UPDATE accounts SET balance = balance - p_amount WHERE id = p_from;
                 UPDATE accounts SET balance = balance + p_amount WHERE id = p_to;
             END;
             COMMENT ON PROCEDURE transfer IS 'both or none';",
        );
    check_deploys_as_psql_would(&platform, &bundle).await.counts(&[("functions_deployed", 2)]);
    let sql = platform.sql().await;
    sql.run("INSERT INTO accounts VALUES (1, 10), (2, 0); CALL transfer(1, 2, 4)").await;
    assert_eq!(
        sql.value("SELECT string_agg(number || ':' || delta, ' ' ORDER BY number) FROM audit").await,
        "1:-4 2:4"
    );
}

#[tokio::test]
async fn aggregates_operators_and_casts_deploy() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "functions/a_aggregate.sql",
            "CREATE AGGREGATE product(numeric) (SFUNC = multiply, STYPE = numeric, INITCOND = '1');
             COMMENT ON AGGREGATE product(numeric) IS 'all of them, multiplied';
             CREATE OR REPLACE AGGREGATE last_of(anyelement) (SFUNC = take_last, STYPE = anyelement);",
        )
        .file(
            "functions/b_operator.sql",
            "CREATE OPERATOR +% (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = add_percent);
             CREATE OPERATOR @@> (LEFTARG = span, RIGHTARG = int, PROCEDURE = covers);",
        )
        .file("functions/c_cast.sql", "CREATE CAST (text AS span) WITH FUNCTION span_of(text) AS ASSIGNMENT;")
        .file(
            "functions/d_parts.sql",
            "CREATE FUNCTION multiply(numeric, numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * $2';
             CREATE FUNCTION take_last(anyelement, anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT $2';
             CREATE FUNCTION add_percent(numeric, numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * (1 + $2 / 100)';
             CREATE FUNCTION covers(span, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $2 BETWEEN ($1).low AND ($1).high';
             CREATE FUNCTION span_of(text) RETURNS span LANGUAGE sql IMMUTABLE
                 AS $$ SELECT ROW(split_part($1, '-', 1)::int, split_part($1, '-', 2)::int)::span $$;",
        )
        .file("functions/e_uses.sql", "CREATE FUNCTION growth() RETURNS numeric LANGUAGE sql AS $$
             SELECT product(n) +% 10 FROM (VALUES (2.0), (5.0)) v (n) $$;")
        .file("types/span.sql", "CREATE TYPE span AS (low int, high int);")
        .file("views/covered.sql", "CREATE VIEW covered AS SELECT '1-5'::text::span @@> 3 AS yes,
             product(n::numeric) FROM generate_series(1, 4) n;");
    check_deploys_as_psql_would(&platform, &bundle).await;
    assert_eq!(platform.sql().await.rows("SELECT * FROM covered").await, [["t", "24"]]);
    assert_eq!(platform.sql().await.value("SELECT growth()::numeric(5, 1)").await, "11.0");
}

#[tokio::test]
async fn functions_over_tables_views_and_types_of_every_folder_deploy() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("functions/a.sql", "CREATE FUNCTION rich() RETURNS SETOF rich_people LANGUAGE sql STABLE
             AS 'TABLE rich_people';")
        .file("functions/b.sql", "CREATE FUNCTION person(p_id people.id%TYPE) RETURNS people LANGUAGE sql STABLE
             AS 'SELECT * FROM people WHERE id = p_id';")
        .file("functions/c.sql", "CREATE FUNCTION names(VARIADIC people[]) RETURNS text[] LANGUAGE sql
             AS 'SELECT array_agg(name ORDER BY name) FROM unnest($1)';")
        .file(
            "functions/d.sql",
            "CREATE FUNCTION report(OUT total bigint, OUT top wealth, INOUT p_limit int DEFAULT 3) LANGUAGE plpgsql AS $$
             DECLARE
                 current people%ROWTYPE;
                 named rich_people.name%TYPE;
             BEGIN
                 SELECT count(*) INTO total FROM people;
                 top := 'high';
             END $$;",
        )
        .file("functions/e.sql", "CREATE FUNCTION wealth_of(p people) RETURNS wealth LANGUAGE sql IMMUTABLE AS $$
             SELECT CASE WHEN p.money > 1000 THEN 'high' ELSE 'low' END::wealth $$;")
        .file("functions/f.sql", "CREATE FUNCTION listed() RETURNS TABLE (id int, wealth wealth) LANGUAGE sql
             AS 'SELECT p.id, p.wealth_of FROM people p';")
        .file("tables/people.sql", "CREATE TABLE people (id int PRIMARY KEY, name text, money numeric);")
        .file("types/wealth.sql", "CREATE TYPE wealth AS ENUM ('low', 'high');")
        .file("views/rich.sql", "CREATE VIEW rich_people AS SELECT id, name FROM people p WHERE wealth_of(p) = 'high';");
    check_deploys_as_psql_would(&platform, &bundle).await.counts(&[("functions_deployed", 6)]);
    platform.sql().await.run("INSERT INTO people VALUES (1, 'Scrooge', 1e12), (2, 'Donald', 0.5)").await;
    let rich = platform.call("rich", json!([])).await;
    assert_eq!(rich.body["rows"], json!([{"id": 1, "name": "Scrooge"}]), "{rich}");
}

#[tokio::test]
async fn bodies_with_anything_in_them_deploy() {
    if calls_what_is_planted() {
        return;
    }
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "functions/strange.sql",
            "-- CREATE FUNCTION not_this() RETURNS int AS 'SELECT 1';\n\
             /* nor /* nested */ ; CREATE TABLE nor_this (id int); */\n\
             CREATE FUNCTION strange() RETURNS text LANGUAGE plpgsql AS $outer$\n\
             DECLARE v text := 'it''s; $$ -- no comment'; w text := E'a\\'b;\\n';\n\
             BEGIN\n\
                 EXECUTE $inner$ SELECT 'CREATE TABLE never (id int);' $inner$ INTO w;\n\
                 EXECUTE format('SELECT %L', v) INTO v; -- COMMIT;\n\
                 RETURN v || U&'\\00e4' || \"substring\"('xyz', 2, 1) || /* ; */ w;\n\
             END\n\
             $outer$;",
        )
        .file(
            "functions/quoted_body.sql",
            "CREATE FUNCTION quoted() RETURNS text LANGUAGE 'sql' AS 'SELECT ''it''''s''::text; ';",
        )
        .file(
            "functions/crlf.sql",
            "CREATE FUNCTION crlf()\r\nRETURNS int\r\nLANGUAGE plpgsql AS $$\r\nBEGIN\r\n  RETURN 1;\r\nEND $$;\r\n",
        )
        .file("functions/bom.sql", "\u{feff}CREATE FUNCTION bom() RETURNS int LANGUAGE sql AS 'SELECT 2'")
        .file("functions/comment_only.sql", "-- moved to strange.sql\n")
        .file("functions/nothing.sql", "");
    let answer = check_deploys_and_is_stable(&platform, &bundle).await;
    answer.counts(&[("functions_deployed", 4)]);
    let text = platform.value_of("strange", json!([])).await;
    assert_eq!(text, json!("it's; $$ -- no commentäyCREATE TABLE never (id int);"));
    assert_eq!(platform.value_of("quoted", json!([])).await, json!("it's"));
    assert_eq!(platform.value_of("crlf", json!([])).await, json!(1));
    assert_eq!(platform.value_of("bom", json!([])).await, json!(2));
}

#[tokio::test]
async fn plpgsql_that_needs_what_is_not_yet_there_only_when_it_runs_deploys() {
    let platform = Platform::new();
    let bundle = bundle().file(
        "functions/import.sql",
        "CREATE FUNCTION import() RETURNS int LANGUAGE plpgsql AS $$
         DECLARE n int;
         BEGIN
             CREATE TEMP TABLE incoming (id int) ON COMMIT DROP;
             INSERT INTO incoming SELECT generate_series(1, 3);
             SELECT count(*) INTO n FROM incoming;
             RETURN n;
         END $$;",
    );
    check_deploys_as_psql_would(&platform, &bundle).await;
    assert_eq!(platform.value_of("import", json!([])).await, json!(3));
}

#[tokio::test]
async fn rules_grants_and_settings_of_a_table_deploy() {
    let platform = Platform::new();
    let bundle = bundle().file(
        "tables/logs.sql",
        "CREATE UNLOGGED TABLE logs (id int PRIMARY KEY, line text) WITH (fillfactor = 70);
             CREATE RULE no_delete AS ON DELETE TO logs DO INSTEAD NOTHING;
             GRANT SELECT ON logs TO PUBLIC;
             ALTER TABLE logs ALTER COLUMN line SET STATISTICS 500;
             ALTER TABLE logs REPLICA IDENTITY FULL;
             COMMENT ON COLUMN logs.line IS 'as written; unparsed';
             COMMENT ON CONSTRAINT logs_pkey ON logs IS 'by number';",
    );
    check_deploys_as_psql_would(&platform, &bundle).await;
}

#[tokio::test]
async fn an_overload_that_takes_a_columns_type_is_tracked() {
    let table = bundle().file("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY);");
    let both = table.clone().file(
        "functions/f.sql",
        "CREATE FUNCTION f(a t.id%TYPE) RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE FUNCTION f(a text) RETURNS int LANGUAGE sql AS 'SELECT 2';",
    );
    let platform = Platform::new();
    platform.register(&both).await.ready().counts(&[("functions_deployed", 2)]);
    platform.register(&table).await.ready();
    assert_eq!(platform.sql().await.value("SELECT count(*) FROM pg_proc WHERE proname = 'f'").await, "0");
}
