//! `views/`: over tables, functions and each other.

use crate::support::{Platform, bundle, check_deploys_as_psql_would};

#[tokio::test]
async fn views_over_views_over_functions_deploy_against_the_order_of_files() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "views/a_summary.sql",
            "CREATE VIEW summary AS SELECT day, sum(gross) AS gross FROM b_detail GROUP BY day;",
        )
        .file(
            "views/b_detail.sql",
            "CREATE OR REPLACE VIEW b_detail AS SELECT s.*, with_tax(s.net) AS gross
             FROM c_recent s;
             COMMENT ON VIEW b_detail IS 'net; gross';",
        )
        .file("views/c_recent.sql", "CREATE VIEW c_recent (day, net) AS SELECT * FROM sales_since('2024-01-01');")
        .file(
            "views/d_totals.sql",
            "CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS days, max(gross) AS best
             FROM summary WITH NO DATA;
             CREATE UNIQUE INDEX totals_by_days ON totals (days);",
        )
        .file(
            "views/e_top.sql",
            "CREATE RECURSIVE VIEW counting (n) AS SELECT 1 UNION ALL SELECT n + 1
             FROM counting WHERE n < (SELECT coalesce(max(days), 3) FROM d_none);
             CREATE VIEW d_none AS SELECT NULL::bigint AS days;",
        )
        .file(
            "functions/sales_since.sql",
            "CREATE FUNCTION sales_since(date) RETURNS TABLE (day date, net numeric)
             LANGUAGE sql STABLE
             AS $$ SELECT s.day, s.net FROM sales s WHERE s.day >= $1 $$;",
        )
        .file(
            "functions/with_tax.sql",
            "CREATE FUNCTION with_tax(numeric) RETURNS numeric LANGUAGE sql STABLE AS $$
             SELECT $1 * (1 + rate) FROM rates LIMIT 1 $$;",
        )
        .file(
            "functions/best_day.sql",
            "CREATE FUNCTION best_day() RETURNS SETOF summary LANGUAGE sql AS 'SELECT *
             FROM summary ORDER BY gross DESC LIMIT 1';",
        )
        .file("tables/sales.sql", "CREATE TABLE sales (day date, net numeric); CREATE TABLE rates (rate numeric);");
    check_deploys_as_psql_would(&platform, &bundle).await.counts(&[("functions_deployed", 3)]);
    let sql = platform.sql().await;
    sql.run("INSERT INTO rates VALUES (0.5); INSERT INTO sales VALUES ('2024-05-05', 10), ('2023-01-01', 99)").await;
    assert_eq!(sql.rows("SELECT * FROM best_day()").await, [["2024-05-05", "15.0"]]);
    assert_eq!(sql.column("SELECT * FROM counting").await, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_table_may_have_a_function_that_reads_a_view_over_another_table() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/a_orders.sql",
            "CREATE TABLE orders (id int PRIMARY KEY, rate numeric NOT NULL DEFAULT current_rate());",
        )
        .file("tables/b_rates.sql", "CREATE TABLE rates (day date PRIMARY KEY, rate numeric);")
        .file("views/latest.sql", "CREATE VIEW latest_rate AS SELECT rate FROM rates ORDER BY day DESC LIMIT 1;")
        .file(
            "functions/current_rate.sql",
            "CREATE FUNCTION current_rate() RETURNS numeric LANGUAGE sql STABLE AS 'SELECT rate FROM latest_rate';",
        );
    check_deploys_as_psql_would(&platform, &bundle).await;
}

#[tokio::test]
async fn views_that_can_be_written_through_deploy_with_their_triggers_and_rules() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/t.sql",
            "CREATE TABLE people (id int PRIMARY KEY, name text, gone boolean NOT NULL DEFAULT false);",
        )
        .file(
            "views/present.sql",
            "CREATE VIEW present WITH (security_barrier) AS SELECT id, name
             FROM people WHERE NOT gone WITH LOCAL CHECK OPTION;
             ALTER VIEW present ALTER COLUMN name SET DEFAULT 'nobody';
             GRANT SELECT ON present TO PUBLIC;",
        )
        .file(
            "views/leave.sql",
            "CREATE VIEW leaving AS SELECT id FROM present;
             CREATE TRIGGER leave INSTEAD OF DELETE ON leaving FOR EACH ROW EXECUTE FUNCTION leave();",
        )
        .file(
            "functions/leave.sql",
            "CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN UPDATE people SET gone = true WHERE id = OLD.id; RETURN OLD; END $$;",
        );
    check_deploys_as_psql_would(&platform, &bundle).await;
    let sql = platform.sql().await;
    sql.run("INSERT INTO present (id) VALUES (1), (2); DELETE FROM leaving WHERE id = 1").await;
    assert_eq!(sql.rows("SELECT * FROM present").await, [["2", "nobody"]]);
}
