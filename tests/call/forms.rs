//! What procedures return of types that PostgreSQL cannot send in binary, or not read back: it is what the server's `to_json`
//! makes of it, whatever is around it and whatever the procedure has set.

use crate::support::*;

const SQL: &str = "CREATE DOMAIN acl AS aclitem;
    CREATE TYPE held AS (d date, i interval, t timestamptz, a acl, b bytea, f float8);
    CREATE TYPE outer_held AS (n int, many held[]);
    CREATE FUNCTION one() RETURNS aclitem LANGUAGE sql AS $$ SELECT format('%s=r/%s', session_user, session_user)::aclitem $$;
    CREATE FUNCTION held() RETURNS held LANGUAGE sql AS $$
        SELECT ROW('2026-02-01', '1 day 02:03:04', '2026-02-01 12:00+00', one(), '\\x00ff', 0.1::float8 + 0.2)::held $$;
    CREATE PROCEDURE p_item(INOUT v aclitem, INOUT n int) LANGUAGE plpgsql AS $$ BEGIN v := one(); n := n + 1; END $$;
    CREATE PROCEDURE p_domain(INOUT v acl) LANGUAGE plpgsql AS $$ BEGIN v := one(); END $$;
    CREATE PROCEDURE p_array(INOUT v aclitem[]) LANGUAGE plpgsql AS $$ BEGIN v := ARRAY[one(), NULL]; END $$;
    CREATE PROCEDURE p_mixed(INOUT d date, INOUT i interval, OUT v held, INOUT u numeric[], INOUT w int4range)
        LANGUAGE plpgsql AS $$ BEGIN
        d := '2026-02-01'; i := '1 day'; v := held(); u := ARRAY[1.50]; w := '[1,3)'; COMMIT; END $$;
    CREATE PROCEDURE p_set(INOUT v outer_held) LANGUAGE plpgsql AS $$ BEGIN
        v := ROW(1, ARRAY[held(), NULL]);
        SET DateStyle = 'SQL, DMY'; SET LOCAL IntervalStyle = 'sql_standard'; SET TIME ZONE 'Asia/Tokyo';
        SET bytea_output = 'escape'; END $$;
    CREATE PROCEDURE p_null(INOUT v held, INOUT a aclitem[]) LANGUAGE plpgsql AS $$ BEGIN END $$;";

#[tokio::test]
async fn what_has_no_binary_form_is_answered_all_the_same() {
    let platform = Platform::with(SQL).await;
    let client = platform.client().await;
    client.batch_execute("SET TIME ZONE 'UTC'").await.unwrap();
    let row = client.query_one("SELECT to_json(one())::text, to_json(held())::text", &[]).await.unwrap();
    let (one, held): (String, String) = (row.get(0), row.get(1));
    let half = r#"[{"v":{"d":"2026-02-01","i":null,"t":null,"a":null,"b":null,"f":null},"a":[]}]"#;
    for (procedure, params, expected) in [
        ("p_item", "[null,1]", format!(r#"[{{"v":{one},"n":2}}]"#)),
        ("p_domain", "[null]", format!(r#"[{{"v":{one}}}]"#)),
        ("p_array", "[null]", format!(r#"[{{"v":[{one},null]}}]"#)),
        (
            "p_mixed",
            "[null,null,null,null]",
            format!(r#"[{{"d":"2026-02-01","i":"1 day","v":{held},"u":[1.50],"w":"[1,3)"}}]"#),
        ),
        ("p_set", "[null]", format!(r#"[{{"v":{{"n":1,"many":[{held},null]}}}}]"#)),
        ("p_null", "[null,null]", r#"[{"v":null,"a":null}]"#.to_owned()),
        ("p_null", r#"[{"d":"2026-02-01"},[]]"#, half.to_owned()),
    ] {
        // The second time by what is known.
        for _ in 0..2 {
            assert_eq!(platform.rows(procedure, params).await, expected, "{procedure}");
        }
    }
}
