//! Whole schemas of the kind that applications have, below `tests/schemas/`: a forum, a shop, and the books of a group of
//! companies. Each must come out as PostgreSQL makes it of the same statements, and work.

use serde_json::json;

use crate::support::{BundleBuilder, Platform, calls_what_is_planted, check_deploys_as_psql_would};

#[tokio::test]
async fn a_forum_deploys_and_works() {
    if calls_what_is_planted() {
        return;
    }
    let platform = Platform::new();
    let answer = check_deploys_as_psql_would(&platform, &BundleBuilder::of_schema("forum")).await;
    answer.counts(&[("types_deployed", 9), ("tables_created", 54), ("functions_deployed", 67)]);
    assert_eq!(answer.seeded("badges"), (3, 0));
    let paths = platform.sql().await.column("SELECT path FROM spaces ORDER BY space_id").await;
    assert_eq!(paths, ["about", "staff", "about/news", "about/rules"]);

    let made = platform.call("create_account", json!(["Ada_L", "Ada Lovelace", "ada@example.org"])).await;
    assert_eq!(made.body["rows"][0]["handle"], json!("ada_l"), "{made}");
    let ada = made.body["rows"][0]["account_id"].clone();
    platform.value_of("activate_account", json!([ada])).await;
    let thread =
        platform.call("open_thread", json!([11, ada, "Hello & welcome", "**Hi** @system", "news", "First"])).await;
    assert_eq!(thread.body["rows"][0]["slug"], json!("hello-welcome"), "{thread}");
    let found = platform.call("search_posts", json!({"p_query": "hi"})).await;
    assert_eq!(found.body["row_count"], json!(1), "{found}");
    let seen =
        platform.sql().await.value("SELECT kind || (payload ->> 'post') FROM notices WHERE account_id = 1").await;
    assert_eq!(seen, "mention1");
}

#[tokio::test]
async fn a_shop_deploys_and_works() {
    if calls_what_is_planted() {
        return;
    }
    let platform = Platform::new();
    let answer = check_deploys_as_psql_would(&platform, &BundleBuilder::of_schema("shop")).await;
    answer.counts(&[("types_deployed", 15), ("tables_created", 91), ("functions_deployed", 77)]);
    assert_eq!(answer.seeded("categories"), (3, 0));

    let sql = platform.sql().await;
    sql.run(
        "INSERT INTO products (product_id, name, category_id) VALUES (1, 'Blue mug', 3);
         INSERT INTO variants (sku, product_id, ean, size) VALUES ('MU-0001', 1, '4006381333931', ROW(80, 80, 100, 350));
         INSERT INTO prices (price_list, sku, price) VALUES ('retail', 'MU-0001', 11.90);",
    )
    .await;
    platform.value_of("receive", json!(["MU-0001", "BER", "A-01", 5])).await;
    let address =
        json!({"recipient": "Ada", "street": "Elm St", "house": "1", "postcode": "1", "city": "Bonn", "country": "DE"});
    let added = platform.call("add_customer", json!(["Ada", "ada@example.org", address])).await;
    let customer = added.body["rows"][0]["customer_id"].clone();
    let cart = platform.value_of("new_cart", json!([customer])).await;
    let contents = platform.call("add_to_cart", json!([cart, "MU-0001", 2])).await;
    assert_eq!(contents.body["rows"][0]["in_stock"], json!(true), "{contents}");
    let order = platform.value_of("place_order", json!([cart])).await;
    let paid = platform.value_of("pay", json!([order, "card", {"value": 23.80, "currency": "EUR"}])).await;
    assert_eq!(paid, json!("paid"));
    assert_eq!(sql.value("SELECT net || ' ' || tax FROM orders").await, "20.00 3.80");
    assert_eq!(sql.column("SELECT became FROM order_events ORDER BY at").await, ["placed", "paid"]);
    assert_eq!(sql.value("SELECT count(*) FROM audit_log WHERE relation = 'prices'").await, "1");
}

#[tokio::test]
async fn a_dump_and_thirty_migrations_after_it_deploy_and_work() {
    let platform = Platform::new();
    let answer = check_deploys_as_psql_would(&platform, &BundleBuilder::of_schema("books")).await;
    answer.counts(&[("migrations_applied", 31), ("tables_created", 0), ("functions_deployed", 17)]);

    let company = platform.value_of("add_company", json!({"p_name": "Works", "p_parent": "Holding"})).await;
    let hired = platform.call("hr.hire", json!([company, "Ada", 5000.5, "2024-01-01"])).await;
    assert_eq!(hired.body["rows"][0]["name"], json!("Ada"), "{hired}");
    assert_eq!(platform.value_of("hr.pay_month", json!([company, "2024-02-01"])).await, json!(1));
    let sold = json!([{"account": "1400", "debit": 120}, {"account": "4000", "credit": 120}]);
    platform.value_of("books.book", json!({"p_company": company, "p_lines": sold})).await;
    let balance = platform.sql().await.rows("SELECT code, balance FROM books.trial_balance ORDER BY code").await;
    assert_eq!(balance, [["1200", "-5000.50"], ["1400", "120.00"], ["4000", "-120.00"], ["6000", "5000.50"]]);
    assert_eq!(platform.sql().await.value("SELECT count(*) FROM changes WHERE relation = 'books.moves'").await, "4");
}
