//! Tables that need functions that need tables: defaults, checks, generated columns, indexes, policies, triggers.

use serde_json::json;

use crate::support::{Platform, bundle, check_deploys_and_is_stable, check_deploys_as_psql_would};

#[tokio::test]
async fn a_default_may_call_a_function_that_needs_a_sequence() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/orders.sql",
            "CREATE TABLE orders (id int PRIMARY KEY, number text NOT NULL DEFAULT next_number('A'));",
        )
        .file("tables/zz_sequences.sql", "CREATE SEQUENCE order_numbers START 100 INCREMENT 5;")
        .file(
            "functions/next_number.sql",
            "CREATE FUNCTION next_number(p_series text) RETURNS text LANGUAGE sql
             AS $$ SELECT p_series || '-' || nextval('order_numbers') $$;",
        );
    check_deploys_as_psql_would(&platform, &bundle).await;
    let sql = platform.sql().await;
    sql.run("INSERT INTO orders (id) VALUES (1), (2)").await;
    assert_eq!(sql.column("SELECT number FROM orders ORDER BY id").await, ["A-100", "A-105"]);
}

#[tokio::test]
async fn a_sequence_may_stand_in_a_function_file_and_belong_to_a_column() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/tickets.sql",
            "CREATE TABLE tickets (id bigint PRIMARY KEY DEFAULT nextval('ticket_ids'::regclass), tag text
             DEFAULT next_tag());",
        )
        .file(
            "functions/next_tag.sql",
            "-- Both numberings of the help desk.
             CREATE SEQUENCE IF NOT EXISTS ticket_ids;
             ALTER SEQUENCE ticket_ids OWNED BY tickets.id;
             CREATE SEQUENCE ticket_tags AS smallint;
             CREATE OR REPLACE FUNCTION next_tag() RETURNS text LANGUAGE plpgsql AS $body$
             BEGIN
                 RETURN 'T' || nextval('ticket_tags');
             END $body$;
             COMMENT ON SEQUENCE ticket_tags IS 'never reused';",
        );
    check_deploys_and_is_stable(&platform, &bundle).await;
    let sql = platform.sql().await;
    sql.run("INSERT INTO tickets DEFAULT VALUES").await;
    assert_eq!(sql.value("SELECT id || tag FROM tickets").await, "1T1");
    assert_eq!(sql.value("SELECT pg_get_serial_sequence('tickets', 'id')").await, "public.ticket_ids");
}

#[tokio::test]
async fn a_check_may_call_a_function_that_takes_another_tables_row() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/bookings.sql",
            "CREATE TABLE bookings (
                 id int PRIMARY KEY,
                 booked_in periods,
                 day date,
                 CONSTRAINT in_an_open_period CHECK (is_open(booked_in, day))
             );",
        )
        .file("tables/periods.sql", "CREATE TABLE periods (id int PRIMARY KEY, first date, last date, closed boolean);")
        .file(
            "functions/is_open.sql",
            "CREATE FUNCTION is_open(p periods, p_day date) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
                 SELECT NOT p.closed AND p_day BETWEEN p.first AND p.last
             $$;",
        );
    check_deploys_as_psql_would(&platform, &bundle).await;
    let sql = platform.sql().await;
    sql.run("INSERT INTO bookings VALUES (1, ROW(1, '2024-01-01', '2024-12-31', false), '2024-05-01')").await;
    let closed = "INSERT INTO bookings VALUES (2, ROW(1, '2024-01-01', '2024-12-31', true), '2024-05-01')";
    assert!(sql.try_run(closed).await.is_err());
}

#[tokio::test]
async fn a_check_may_call_a_function_that_reads_a_table_that_refers_back() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/a_loans.sql",
            "CREATE TABLE loans (id int PRIMARY KEY, book_id int NOT NULL, CHECK (copies_of(book_id) > 0));",
        )
        .file(
            "tables/b_copies.sql",
            "CREATE TABLE copies (id int PRIMARY KEY, book_id int NOT NULL, last_loan_id int REFERENCES loans);",
        )
        .file(
            "functions/copies_of.sql",
            "CREATE FUNCTION copies_of(p_book int) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
             BEGIN
                 RETURN (SELECT count(*) FROM copies WHERE book_id = p_book);
             END $$;",
        );
    check_deploys_as_psql_would(&platform, &bundle).await;
}

#[tokio::test]
async fn a_check_may_call_an_sql_function_that_reads_a_table_that_refers_back() {
    let platform = Platform::new();
    // PostgreSQL checks the function's body when it is made: the order is copies without its key, copies_of, loans, the key.
    let bundle = bundle()
        .file(
            "tables/a_loans.sql",
            "CREATE TABLE loans (id int PRIMARY KEY, book_id int, CHECK (copies_of(book_id) > 0));",
        )
        .file(
            "tables/b_copies.sql",
            "CREATE TABLE copies (id int PRIMARY KEY, book_id int, last_loan_id int REFERENCES loans);",
        )
        .file(
            "functions/copies_of.sql",
            "CREATE FUNCTION copies_of(p_book int) RETURNS bigint LANGUAGE sql STABLE AS
             'SELECT count(*) FROM copies WHERE book_id = p_book';",
        );
    check_deploys_and_is_stable(&platform, &bundle).await.counts(&[("tables_created", 2), ("functions_deployed", 1)]);
    let key = "SELECT conname FROM pg_constraint WHERE contype = 'f'";
    assert_eq!(platform.sql().await.column(key).await, ["copies_last_loan_id_fkey"]);
}

#[tokio::test]
async fn generated_columns_and_indexes_over_functions_deploy() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/articles.sql",
            "CREATE TABLE articles (
                 id int GENERATED ALWAYS AS IDENTITY (START 10) PRIMARY KEY,
                 title text NOT NULL,
                 slug text GENERATED ALWAYS AS (slug_of(title)) STORED UNIQUE,
                 words tsvector GENERATED ALWAYS AS (to_tsvector('english', coalesce(title, ''))) STORED
             );
             CREATE INDEX articles_by_length ON articles (length_of(slug) DESC, lower(title)) WHERE is_long(title);
             CREATE INDEX ON articles USING gin (words);
             CREATE STATISTICS articles_stats ON title, slug FROM articles;",
        )
        .file(
            "functions/is_long.sql",
            "CREATE FUNCTION is_long(text) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN length_of($1) > 40;",
        )
        .file(
            "functions/length_of.sql",
            "CREATE FUNCTION length_of(text) RETURNS int LANGUAGE sql IMMUTABLE RETURN length($1);",
        )
        .file(
            "functions/slug_of.sql",
            r"CREATE FUNCTION slug_of(p_title text) RETURNS text LANGUAGE sql IMMUTABLE
              RETURN lower(regexp_replace(p_title, '\W+', '-', 'g'));",
        );
    check_deploys_as_psql_would(&platform, &bundle).await;
    let sql = platform.sql().await;
    sql.run("INSERT INTO articles (title) VALUES ('Order; and Chaos')").await;
    assert_eq!(sql.value("SELECT id || slug FROM articles").await, "10order-and-chaos");
}

#[tokio::test]
async fn row_security_with_policies_that_call_functions_deploys() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/documents.sql",
            "CREATE TABLE documents (id int PRIMARY KEY, owner_id int NOT NULL DEFAULT current_member(), body text);
             ALTER TABLE documents ENABLE ROW LEVEL SECURITY;
             ALTER TABLE documents FORCE ROW LEVEL SECURITY;
             CREATE POLICY own ON documents USING (owner_id = current_member()) WITH CHECK (may_write(documents));
             CREATE POLICY shared ON documents FOR SELECT
                 USING (EXISTS (SELECT FROM shares WHERE document_id = documents.id AND member_id = current_member()));
             COMMENT ON POLICY own ON documents IS 'what is mine';",
        )
        .file("tables/shares.sql", "CREATE TABLE shares (document_id int REFERENCES documents, member_id int);")
        .file(
            "functions/current_member.sql",
            "CREATE FUNCTION current_member() RETURNS int LANGUAGE sql STABLE
             AS $$ SELECT nullif(current_setting('app.member', true), '')::int $$;",
        )
        .file(
            "functions/may_write.sql",
            "CREATE FUNCTION may_write(d documents) RETURNS boolean LANGUAGE sql STABLE AS $$
             SELECT d.owner_id = current_member() $$;",
        );
    check_deploys_as_psql_would(&platform, &bundle).await;
}

#[tokio::test]
async fn triggers_in_table_files_find_their_functions() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/pages.sql",
            "CREATE TABLE pages (id int PRIMARY KEY, body text, changed_at timestamptz, version int DEFAULT 1);
             CREATE TRIGGER a_touch BEFORE UPDATE OF body ON pages
                 FOR EACH ROW WHEN (OLD.body IS DISTINCT FROM NEW.body) EXECUTE FUNCTION touch();
             CREATE TRIGGER b_history AFTER UPDATE ON pages REFERENCING OLD TABLE AS old_pages
                 FOR EACH STATEMENT EXECUTE PROCEDURE keep_history('pages', '2 years');
             CREATE CONSTRAINT TRIGGER c_late AFTER INSERT ON pages DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION touch();
             COMMENT ON TRIGGER a_touch ON pages IS 'who; when';",
        )
        .file("tables/zz_page_history.sql", "CREATE TABLE page_history (id int, body text);")
        .file(
            "functions/history.sql",
            "CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 INSERT INTO page_history SELECT id, body FROM old_pages;
                 RETURN NULL;
             END $$;",
        )
        .file(
            "functions/touch.sql",
            "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN NEW.changed_at := now(); NEW.version := NEW.version + 1; RETURN NEW; END';",
        );
    check_deploys_as_psql_would(&platform, &bundle).await;
    let sql = platform.sql().await;
    sql.run("INSERT INTO pages VALUES (1, 'one'); UPDATE pages SET body = 'two'").await;
    assert_eq!(sql.value("SELECT h.body || p.version FROM pages p, page_history h").await, "one2");
}

#[tokio::test]
async fn defaults_that_look_up_other_tables_deploy_and_answer() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/a_users.sql",
            "CREATE TABLE users (id int PRIMARY KEY, language text
             DEFAULT default_of('language'), plan int DEFAULT cheapest_plan() REFERENCES plans);",
        )
        .file("tables/b_settings.sql", "CREATE TABLE settings (key text PRIMARY KEY, value text);")
        .file("tables/c_plans.sql", "CREATE TABLE plans (id int PRIMARY KEY, price numeric);")
        .file(
            "functions/default_of.sql",
            "CREATE FUNCTION default_of(text) RETURNS text LANGUAGE sql STABLE AS $$
             SELECT value FROM settings WHERE key = $1 $$;",
        )
        .file(
            "functions/cheapest_plan.sql",
            "CREATE FUNCTION cheapest_plan() RETURNS int
             LANGUAGE sql STABLE BEGIN ATOMIC SELECT id FROM plans ORDER BY price LIMIT 1; END;",
        )
        .file(
            "functions/add_user.sql",
            "CREATE FUNCTION add_user(p_id int) RETURNS users LANGUAGE sql AS $$
             INSERT INTO users (id) VALUES (p_id) RETURNING * $$;",
        )
        .file("seeders/settings.sql", "INSERT INTO settings (key, value) VALUES ('language', 'eo');")
        .file("seeders/plans.sql", "INSERT INTO plans (id, price) VALUES (1, 9.90), (2, 0.00);");
    check_deploys_as_psql_would(&platform, &bundle).await;
    let added = platform.call("add_user", json!([5])).await;
    assert_eq!(added.body["rows"][0]["plan"], json!(2), "{added}");
    assert_eq!(added.body["rows"][0]["language"], json!("eo"), "{added}");
}
