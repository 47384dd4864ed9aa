//! Columns said by name, statement by statement.

use super::*;

/// In every statement `t` and `s.u` have (a, c, b) where (a, b, c) is declared; `copy` is as declared.
#[track_caller]
fn check(sql: &str, expected: Result<Option<&str>, &str>) {
    let words = |names: [&str; 3]| names.map(|name| format!("\"{name}\"")).to_vec();
    let order = Order { declared: words(["a", "b", "C"]), stored: words(["a", "C", "b"]) };
    let orders = |schema: Option<&str>, name: &str| {
        [(None, "t"), (Some("s"), "u"), (None, "T x")].contains(&(schema, name)).then_some(&order)
    };
    let found = named(sql, &orders);
    let found = found.as_ref().map(|text| text.as_deref()).map_err(|unnamed| unnamed.1.as_str());
    assert_eq!(found, expected, "{sql}");
}

#[test]
fn an_insert_without_a_list_gets_one_as_long_as_its_rows() {
    for (sql, expected) in [
        ("INSERT INTO t VALUES (1, 2, 3), (4, 5, 6)", r#"INSERT INTO t ("a", "b", "C") VALUES (1, 2, 3), (4, 5, 6)"#),
        ("INSERT INTO s . u VALUES (1, DEFAULT)", r#"INSERT INTO s . u ("a", "b") VALUES (1, DEFAULT)"#),
        (
            "INSERT INTO t /* t */ AS x OVERRIDING SYSTEM VALUE VALUES (1, 'é') RETURNING *",
            r#"INSERT INTO t /* t */ AS x ("a", "b") OVERRIDING SYSTEM VALUE VALUES (1, 'é') RETURNING *"#,
        ),
        ("INSERT INTO \"T x\"SELECT 1, 2", r#"INSERT INTO "T x" ("a", "b")SELECT 1, 2"#),
        ("INSERT INTO t (SELECT 1 UNION SELECT 2)", r#"INSERT INTO t ("a") (SELECT 1 UNION SELECT 2)"#),
        ("INSERT INTO t SELECT count(*), 1 FROM copy", r#"INSERT INTO t ("a", "b") SELECT count(*), 1 FROM copy"#),
        (
            "WITH n AS (INSERT INTO t VALUES (1, 2) RETURNING a) INSERT INTO copy SELECT a FROM n",
            r#"WITH n AS (INSERT INTO t ("a", "b") VALUES (1, 2) RETURNING a) INSERT INTO copy SELECT a FROM n"#,
        ),
        (
            "MERGE INTO t USING copy c ON t.a = c.a WHEN NOT MATCHED AND c.a > 1 THEN INSERT VALUES (1, 2) WHEN NOT MATCHED THEN INSERT OVERRIDING USER VALUE VALUES (3)",
            r#"MERGE INTO t USING copy c ON t.a = c.a WHEN NOT MATCHED AND c.a > 1 THEN INSERT ("a", "b") VALUES (1, 2) WHEN NOT MATCHED THEN INSERT ("a") OVERRIDING USER VALUE VALUES (3)"#,
        ),
    ] {
        check(sql, Ok(Some(expected)));
    }
}

#[test]
fn what_is_read_with_a_star_gives_its_columns_in_the_order_that_is_meant() {
    for (sql, expected) in [
        (
            "INSERT INTO copy SELECT * FROM t WHERE t.a > 1",
            r#"INSERT INTO copy SELECT * FROM (SELECT "a", "b", "C" FROM t) AS t WHERE t.a > 1"#,
        ),
        ("INSERT INTO copy TABLE t", r#"INSERT INTO copy SELECT "a", "b", "C" FROM t"#),
        (
            "INSERT INTO copy SELECT x.* FROM s.u x, t y (p, q, r)",
            r#"INSERT INTO copy SELECT x.* FROM (SELECT "a", "b", "C" FROM s.u) x, (SELECT "a", "b", "C" FROM t) y (p, q, r)"#,
        ),
    ] {
        check(sql, Ok(Some(expected)));
    }
}

#[test]
fn what_names_its_columns_stays_as_it_is() {
    for sql in [
        "INSERT INTO t (b) VALUES (1)",
        "INSERT INTO t DEFAULT VALUES",
        "INSERT INTO copy VALUES (1, 2)",
        "INSERT INTO public.t VALUES (1, 2)",
        "INSERT INTO copy SELECT a FROM t",
        "INSERT INTO copy WITH t AS (SELECT 1) SELECT * FROM t",
        "UPDATE t SET a = 1",
        "DELETE FROM t RETURNING *",
        "MERGE INTO t USING copy c ON t.a = c.a WHEN NOT MATCHED THEN INSERT (b) VALUES (1)",
        "not SQL",
        "",
    ] {
        check(sql, Ok(None));
    }
}

#[test]
fn what_cannot_be_named_is_told() {
    for sql in [
        "INSERT INTO t SELECT * FROM copy",
        "INSERT INTO t VALUES ((f()).*)",
        "INSERT INTO copy SELECT * FROM ONLY t",
        "INSERT INTO copy SELECT * FROM t TABLESAMPLE system (1)",
        "WITH n AS (DELETE FROM t RETURNING *) INSERT INTO copy SELECT * FROM n",
    ] {
        check(sql, Err("t"));
    }
}

#[test]
fn a_view_has_the_names_of_its_first_query() {
    let check = |definition: &str, expected: Option<&[&str]>| {
        let found = columns_of_view(definition);
        let found: Option<Vec<&str>> = found.as_ref().map(|names| names.iter().map(String::as_str).collect());
        assert_eq!(found.as_deref(), expected, "{definition}");
    };
    check(" SELECT t.id,\n    t.b AS \"Bee\",\n    1 AS one\n   FROM t;", Some(&["id", "Bee", "one"]));
    check(" SELECT a FROM t UNION SELECT b FROM t UNION ALL SELECT c FROM t;", Some(&["a"]));
    check(" VALUES (1, 2);", None);
}
