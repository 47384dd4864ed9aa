//! Foreign keys: in any order of files, to oneself, and in circles of two and of four, in every way to write them.

use crate::support::{BundleBuilder, Platform, Sql, bundle, check_deploys_and_is_stable, check_deploys_as_psql_would};

/// `table.columns -> table name` of every foreign key.
async fn keys(sql: &Sql) -> Vec<String> {
    sql.column(
        "SELECT format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) \
         FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 ORDER BY 1",
    )
    .await
}

async fn check_keys(bundle: &BundleBuilder, expected: &[&str]) {
    let platform = Platform::new();
    check_deploys_and_is_stable(&platform, bundle).await;
    assert_eq!(keys(&platform.sql().await).await, expected);
}

#[tokio::test]
async fn two_tables_that_refer_to_each_other_inline_deploy() {
    let bundle = bundle()
        .file("tables/a.sql", "CREATE TABLE teams (id int PRIMARY KEY, captain_id int REFERENCES players);")
        .file("tables/b.sql", "CREATE TABLE players (id int PRIMARY KEY, team_id int NOT NULL REFERENCES teams (id));");
    let expected = [
        "players players_team_id_fkey FOREIGN KEY (team_id) REFERENCES teams(id)",
        "teams teams_captain_id_fkey FOREIGN KEY (captain_id) REFERENCES players(id)",
    ];
    check_keys(&bundle, &expected).await;
}

#[tokio::test]
async fn two_tables_that_refer_to_each_other_at_table_level_deploy() {
    let bundle = bundle()
        .file(
            "tables/a.sql",
            "CREATE TABLE teams (
                 id int, region text, captain_id int, captain_region text,
                 PRIMARY KEY (id, region),
                 FOREIGN KEY (captain_id, captain_region) REFERENCES players (id, region)
                     MATCH FULL ON DELETE SET NULL ON UPDATE CASCADE
             );",
        )
        .file(
            "tables/b.sql",
            "CREATE TABLE players (
                 id int, region text, team_id int,
                 PRIMARY KEY (id, region),
                 CONSTRAINT plays_for FOREIGN KEY (team_id, region) REFERENCES teams DEFERRABLE INITIALLY DEFERRED
             );",
        );
    let expected = [
        "players plays_for FOREIGN KEY (team_id, region) REFERENCES teams(id, region) DEFERRABLE INITIALLY DEFERRED",
        "teams teams_captain_id_captain_region_fkey FOREIGN KEY (captain_id, captain_region) \
         REFERENCES players(id, region) MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL",
    ];
    check_keys(&bundle, &expected).await;
}

#[tokio::test]
async fn a_circle_of_four_in_mixed_spellings_deploys() {
    let bundle = bundle()
        .file(
            "tables/a.sql",
            "CREATE TABLE a (id int PRIMARY KEY, next int CONSTRAINT a_to_b REFERENCES b ON DELETE CASCADE);",
        )
        .file("tables/b.sql", "CREATE TABLE b (id int PRIMARY KEY, next int, FOREIGN KEY (next) REFERENCES c);")
        .file("tables/c.sql", "CREATE TABLE c (id int PRIMARY KEY, next int REFERENCES public.d NOT NULL UNIQUE);")
        .file(
            "tables/d.sql",
            "CREATE TABLE d (id int PRIMARY KEY, next int);
             ALTER TABLE ONLY d ADD CONSTRAINT d_to_a FOREIGN KEY (next) REFERENCES a(id);",
        );
    let expected = [
        "a a_to_b FOREIGN KEY (next) REFERENCES b(id) ON DELETE CASCADE",
        "b b_next_fkey FOREIGN KEY (next) REFERENCES c(id)",
        "c c_next_fkey FOREIGN KEY (next) REFERENCES d(id)",
        "d d_to_a FOREIGN KEY (next) REFERENCES a(id)",
    ];
    check_keys(&bundle, &expected).await;
}

#[tokio::test]
async fn two_circles_that_share_a_table_with_chords_deploy() {
    let bundle = bundle()
        .file(
            "tables/1.sql",
            "CREATE TABLE hub (id int PRIMARY KEY, l int REFERENCES left_1, r int REFERENCES right_1);",
        )
        .file(
            "tables/2.sql",
            "CREATE TABLE left_1 (id int PRIMARY KEY, n int REFERENCES left_2, h int REFERENCES hub);",
        )
        .file(
            "tables/3.sql",
            "CREATE TABLE left_2 (id int PRIMARY KEY, h int REFERENCES hub, o int REFERENCES right_1);",
        )
        .file(
            "tables/4.sql",
            "CREATE TABLE right_1 (id int PRIMARY KEY, h int REFERENCES hub, self int REFERENCES right_1);",
        );
    let platform = Platform::new();
    check_deploys_and_is_stable(&platform, &bundle).await.counts(&[("tables_created", 4)]);
    assert_eq!(keys(&platform.sql().await).await.len(), 8);
}

#[tokio::test]
async fn a_circle_in_one_file_deploys() {
    let bundle = bundle().file(
        "tables/all.sql",
        "CREATE TABLE invoices (id int PRIMARY KEY, last_payment_id int REFERENCES payments);
         CREATE TABLE payments (id int PRIMARY KEY, invoice_id int NOT NULL REFERENCES invoices);",
    );
    let expected = [
        "invoices invoices_last_payment_id_fkey FOREIGN KEY (last_payment_id) REFERENCES payments(id)",
        "payments payments_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoices(id)",
    ];
    check_keys(&bundle, &expected).await;
}

#[tokio::test]
async fn tables_that_refer_to_themselves_deploy() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/categories.sql",
            "CREATE TABLE categories (id int PRIMARY KEY, parent_id int REFERENCES categories);",
        )
        .file(
            "tables/accounts.sql",
            "CREATE TABLE accounts (
                 company int, code text, parent text,
                 PRIMARY KEY (company, code),
                 CONSTRAINT parent_of_the_company FOREIGN KEY (company, parent) REFERENCES accounts (company, code)
             );",
        )
        .file(
            "tables/nodes.sql",
            "CREATE TABLE nodes (id int PRIMARY KEY, up int); ALTER TABLE nodes ADD FOREIGN KEY (up) REFERENCES nodes;",
        );
    check_deploys_as_psql_would(&platform, &bundle).await;
}

#[tokio::test]
async fn a_key_to_a_unique_constraint_or_index_that_is_made_elsewhere_deploys() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/a_orders.sql",
            "CREATE TABLE orders (id int PRIMARY KEY, customer_code text REFERENCES customers (code));",
        )
        .file("tables/b_customers.sql", "CREATE TABLE customers (id int PRIMARY KEY, code text NOT NULL, mail text);")
        .file("tables/c_unique.sql", "CREATE UNIQUE INDEX customers_by_code ON customers (code);")
        .file("tables/d_mails.sql", "CREATE TABLE mails (id int PRIMARY KEY, sender text REFERENCES customers (mail));")
        .file("tables/e_unique.sql", "ALTER TABLE customers ADD CONSTRAINT one_mail UNIQUE (mail);");
    check_deploys_as_psql_would(&platform, &bundle).await;
}

#[tokio::test]
async fn a_primary_key_that_is_added_by_its_own_statement_comes_before_the_keys_to_it() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/a.sql",
            "CREATE TABLE a (id int NOT NULL, b_id int); ALTER TABLE a ADD FOREIGN KEY (b_id) REFERENCES b (id);",
        )
        .file(
            "tables/b.sql",
            "CREATE TABLE b (id int NOT NULL, a_id int); ALTER TABLE b ADD FOREIGN KEY (a_id) REFERENCES a (id);",
        )
        .file(
            "tables/z.sql",
            "ALTER TABLE ONLY a ADD PRIMARY KEY (id); ALTER TABLE ONLY b ADD CONSTRAINT b_key PRIMARY KEY (id);",
        );
    check_deploys_as_psql_would(&platform, &bundle).await;
}

#[tokio::test]
async fn a_circle_over_a_table_of_a_migration_deploys() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY);")
        .file("migrations/001.sql", "CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a);")
        .file(
            "migrations/002.sql",
            "CREATE TABLE a_of_b (a_id int REFERENCES a, b_id int REFERENCES b, PRIMARY KEY (a_id, b_id));",
        );
    check_deploys_as_psql_would(&platform, &bundle).await.counts(&[("tables_created", 1), ("migrations_applied", 2)]);
}

#[tokio::test]
async fn a_column_of_another_tables_row_type_and_a_key_back_deploy() {
    let bundle = bundle()
        .file("tables/a.sql", "CREATE TABLE offers (id int PRIMARY KEY, accepted_by buyers);")
        .file("tables/b.sql", "CREATE TABLE buyers (id int PRIMARY KEY, offer_id int REFERENCES offers);");
    check_keys(&bundle, &["buyers buyers_offer_id_fkey FOREIGN KEY (offer_id) REFERENCES offers(id)"]).await;
}
