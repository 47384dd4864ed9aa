//! Partitioned tables, whose parts are tables with keys of their own.

use crate::support::{Platform, bundle, check_deploys_and_is_stable, check_deploys_as_psql_would};

#[tokio::test]
async fn partitions_by_range_list_and_hash_deploy_before_their_parents_by_name() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/a_events_2024.sql",
            "CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');",
        )
        .file("tables/b_events_rest.sql", "CREATE TABLE events_rest PARTITION OF events DEFAULT;")
        .file(
            "tables/c_events.sql",
            "CREATE TABLE events (id bigint, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);",
        )
        .file("tables/d_eu.sql", "CREATE TABLE sales_eu PARTITION OF sales FOR VALUES IN ('DE', 'FR');")
        .file(
            "tables/e_sales.sql",
            "CREATE TABLE sales (country text, amount int CHECK (amount > 0)) PARTITION BY LIST (country);",
        )
        .file(
            "tables/f_h0.sql",
            "CREATE TABLE sessions_0 PARTITION OF sessions FOR VALUES WITH (MODULUS 2, REMAINDER 0);",
        )
        .file(
            "tables/g_h1.sql",
            "CREATE TABLE sessions_1 PARTITION OF sessions FOR VALUES WITH (MODULUS 2, REMAINDER 1);",
        )
        .file(
            "tables/h_sessions.sql",
            "CREATE TABLE sessions (id uuid PRIMARY KEY, data jsonb) PARTITION BY HASH (id);",
        )
        .file("tables/i_index.sql", "CREATE INDEX ON events (at); CREATE INDEX eu_amount ON sales_eu (amount);");
    check_deploys_as_psql_would(&platform, &bundle).await;
    let sql = platform.sql().await;
    sql.run("INSERT INTO events VALUES (1, '2024-05-05'), (2, '2030-01-01')").await;
    assert_eq!(sql.column("SELECT tableoid::regclass FROM events ORDER BY id").await, ["events_2024", "events_rest"]);
}

#[tokio::test]
async fn sub_partitions_over_expressions_and_functions_deploy() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/logs.sql",
            "CREATE TABLE logs (at timestamptz NOT NULL, level text NOT NULL, host text)
             PARTITION BY LIST (bucket_of(level));",
        )
        .file("tables/logs_1_hosts.sql", "CREATE TABLE logs_1_a PARTITION OF logs_1 FOR VALUES FROM ('a') TO ('n');")
        .file("tables/logs_1_rest.sql", "CREATE TABLE logs_1_rest PARTITION OF logs_1 DEFAULT PARTITION BY HASH (at);")
        .file(
            "tables/logs_1_rest_0.sql",
            "CREATE TABLE logs_1_rest_0 PARTITION OF logs_1_rest FOR
             VALUES WITH (MODULUS 1, REMAINDER 0);",
        )
        .file("tables/logs_0.sql", "CREATE TABLE logs_0 PARTITION OF logs FOR VALUES IN (0);")
        .file(
            "tables/logs_1.sql",
            "CREATE TABLE logs_1 PARTITION OF logs FOR VALUES IN (1)
             PARTITION BY RANGE (lower(host));",
        )
        .file(
            "functions/bucket_of.sql",
            "CREATE FUNCTION bucket_of(text) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT ($1 = 'error')::int $$;",
        );
    check_deploys_as_psql_would(&platform, &bundle).await;
    let sql = platform.sql().await;
    sql.run("INSERT INTO logs VALUES (now(), 'error', 'zeus'), (now(), 'error', 'apollo'), (now(), 'info', 'zeus')")
        .await;
    let parts = "SELECT tableoid::regclass FROM logs ORDER BY 1::text";
    assert_eq!(sql.column(parts).await, ["logs_0", "logs_1_a", "logs_1_rest_0"]);
}

#[tokio::test]
async fn partitions_with_keys_checks_and_defaults_of_their_own_deploy() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/a_parts.sql",
            "CREATE TABLE orders_old PARTITION OF orders (
                 archived_by DEFAULT 'nobody',
                 CONSTRAINT old_is_closed CHECK (closed),
                 CONSTRAINT one_number UNIQUE (number)
             ) FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
             CREATE TABLE orders_new PARTITION OF orders (PRIMARY KEY (id), FOREIGN KEY (seller_id) REFERENCES sellers)
                 FOR VALUES FROM ('2020-01-01') TO (MAXVALUE);",
        )
        .file(
            "tables/b_orders.sql",
            "CREATE TABLE orders (
                 id bigint NOT NULL, number text NOT NULL, day date NOT NULL, closed boolean NOT NULL DEFAULT false,
                 archived_by text, seller_id int
             ) PARTITION BY RANGE (day);",
        )
        .file("tables/c_sellers.sql", "CREATE TABLE sellers (id int PRIMARY KEY);");
    check_deploys_as_psql_would(&platform, &bundle).await;
}

#[tokio::test]
async fn foreign_keys_from_and_to_partitioned_tables_deploy() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/1_invoices.sql",
            "CREATE TABLE invoices (
                 id bigint, year int, customer_id int NOT NULL REFERENCES customers ON DELETE CASCADE,
                 correction_of bigint, correction_year int,
                 PRIMARY KEY (id, year),
                 FOREIGN KEY (correction_of, correction_year) REFERENCES invoices (id, year)
             ) PARTITION BY RANGE (year);",
        )
        .file(
            "tables/0_lines.sql",
            "CREATE TABLE invoice_lines (
                 invoice_id bigint, year int, line int, PRIMARY KEY (invoice_id, year, line),
                 CONSTRAINT of_invoice FOREIGN KEY (invoice_id, year) REFERENCES invoices
             ) PARTITION BY LIST (year);",
        )
        .file("tables/2_customers.sql", "CREATE TABLE customers (id int PRIMARY KEY);")
        .file(
            "tables/3_parts.sql",
            "
             CREATE TABLE lines_2024 PARTITION OF invoice_lines FOR VALUES IN (2024);
             CREATE TABLE lines_rest PARTITION OF invoice_lines DEFAULT;
             CREATE TABLE invoices_2024 PARTITION OF invoices FOR VALUES FROM (2024) TO (2025);
             CREATE TABLE invoices_2025 PARTITION OF invoices FOR VALUES FROM (2025) TO (2026);",
        )
        .file(
            "tables/4_reminders.sql",
            "CREATE TABLE reminders (id int PRIMARY KEY, part_id bigint, part_year int,
             FOREIGN KEY (part_id, part_year) REFERENCES invoices_2024 (id, year));",
        );
    check_deploys_as_psql_would(&platform, &bundle).await;
    let sql = platform.sql().await;
    sql.run(
        "INSERT INTO customers VALUES (1); INSERT INTO invoices VALUES (1, 2024, 1, NULL, NULL), (1, 2025, 1, 1, 2024)",
    )
    .await;
    assert!(sql.try_run("INSERT INTO invoice_lines VALUES (7, 2024, 1)").await.is_err());
}

#[tokio::test]
async fn a_circle_of_foreign_keys_over_a_partitioned_table_deploys() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/a.sql",
            "CREATE TABLE threads (id int PRIMARY KEY, last_post bigint, last_year int,
             FOREIGN KEY (last_post, last_year) REFERENCES posts);",
        )
        .file(
            "tables/b.sql",
            "CREATE TABLE posts (id bigint, year int, thread_id int NOT NULL REFERENCES threads,
             PRIMARY KEY (id, year)) PARTITION BY LIST (year);",
        )
        .file(
            "tables/c.sql",
            "CREATE TABLE posts_now PARTITION OF posts FOR VALUES IN (2025);
             CREATE TABLE posts_else PARTITION OF posts DEFAULT;",
        );
    check_deploys_and_is_stable(&platform, &bundle).await.counts(&[("tables_created", 4)]);
    let keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conparentid = 0";
    assert_eq!(platform.sql().await.value(keys).await, "2");
}

#[tokio::test]
async fn attached_partitions_and_triggers_on_partitioned_tables_deploy() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/metrics.sql",
            "
             CREATE TABLE metrics (at date NOT NULL, value float8) PARTITION BY RANGE (at);
             CREATE TABLE metrics_2023 (at date NOT NULL, value float8);
             ALTER TABLE metrics ATTACH PARTITION metrics_2023 FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
             CREATE TRIGGER on_metric BEFORE INSERT ON metrics FOR EACH ROW EXECUTE FUNCTION round_value();
             CREATE INDEX metrics_at ON ONLY metrics (at);
             CREATE INDEX metrics_2023_at ON metrics_2023 (at);
             ALTER INDEX metrics_at ATTACH PARTITION metrics_2023_at;",
        )
        .file(
            "tables/metrics_2024.sql",
            "CREATE TABLE metrics_2024 PARTITION OF metrics FOR VALUES
             FROM ('2024-01-01') TO ('2025-01-01');",
        )
        .file(
            "functions/round_value.sql",
            "CREATE FUNCTION round_value() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN NEW.value := round(NEW.value); RETURN NEW; END $$;",
        );
    check_deploys_as_psql_would(&platform, &bundle).await;
    let sql = platform.sql().await;
    sql.run("INSERT INTO metrics VALUES ('2023-06-01', 1.6), ('2024-06-01', 2.4)").await;
    assert_eq!(sql.column("SELECT value FROM metrics ORDER BY at").await, ["2", "2"]);
}
