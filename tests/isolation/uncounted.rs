//! Rows that the platform's role cannot count are not told as none: `rows_at_risk` is null.

use serde_json::{Value, json};

use crate::place::{Place, Who};
use crate::web::Web;

const KEPT: (&str, &str) = ("tables/kept.sql", "CREATE TABLE kept (id int PRIMARY KEY);");

const T: (&str, &str) = ("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, n int);");

/// Each hides the rows of its table from a count by the table's owner.
const HIDDEN: [(&str, &str); 3] = [
    ("policy", "ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"),
    (
        "setting",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
         CREATE POLICY own ON t USING (n = current_setting('app.tenant')::int)",
    ),
    ("revoked", "REVOKE SELECT ON t FROM \"stonescriptdb-revoked\""),
];

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_counted_are_not_told_as_none() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    for (platform, hides) in HIDDEN {
        web.register(platform, &[KEPT, T]).await;
        let sql = place.connect_to(&format!("{platform}_main")).await;
        sql.batch_execute(&format!("INSERT INTO t VALUES (1, 7); {hides}")).await.unwrap();
        for path in ["/register", "/migrate"] {
            let (status, body) = web.upload(path, &[("platform", platform)], &[KEPT]).await;
            assert_eq!(status, 409, "{platform}: {body}");
            let change = &body["schema_validation"]["dataloss_changes"][0];
            let told = (&change["change_type"], &change["table"], &change["rows_at_risk"]);
            assert_eq!(told, (&json!("DropTable"), &json!("t"), &Value::Null), "{platform}: {body}");
            assert!(change["reason"].as_str().is_some_and(|reason| reason.contains("could not be counted")), "{body}");
        }
    }
    let log = gateway.stop(nix::sys::signal::Signal::SIGTERM);
    assert!(log.contains("the rows at risk could not be counted") && log.contains("42501"), "{log}");
}
