//! What a client of one platform sends over HTTP: names that read like another's, and functions that are nobody's.

use serde_json::{Value, json};

/// A request that must be answered with one of these statuses.
pub(super) struct Request {
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    pub(super) body: Value,
    pub(super) statuses: &'static [u16],
}

/// Requests without an upload.
pub(super) fn requests() -> Vec<Request> {
    let request = |name, path, body, statuses| Request { name, path, body, statuses };
    let call = |name, body: Value, statuses| Request { name, path: "/call", body, statuses };
    let mut all = vec![
        call("a tenant that reads like another platform's", at("b_t", "1"), &[403, 404]),
        call("a platform that reads like another's tenant", at("b_t1", "main"), &[403, 404]),
        call(
            "a main database that reads like another's tenant",
            json!({ "platform": "b_stock", "tenant_id": "x1", "function": "tell" }),
            &[403, 404],
        ),
        call(
            "a schema that reads like a tenant",
            json!({ "platform": "b", "schema_name": "t1", "database_id": "x", "function": "tell" }),
            &[404],
        ),
        call(
            "two ids that read like one",
            json!({ "platform": "b_stock", "schema_name": "x", "database_id": "1", "function": "tell" }),
            &[403, 404],
        ),
        call("the gateway's own database", at("stonescriptdb", "gateway"), &[404]),
        call("a blueprint", at("stonescriptdb", "blueprint"), &[404]),
        call("the first database", at("postgres", ""), &[404]),
        call("a folder above", at("../b", ""), &[400]),
        call("a folder above, encoded", at("..%2fb", ""), &[400]),
        call("a name with a quote", at("b\" ; DROP DATABASE b_main; --", ""), &[400]),
        call("a name with a zero", at("b\u{0}", ""), &[400]),
        call("a name in other letters", at("b\u{fe00}", ""), &[400]),
        call("a tenant with a slash", at("b", "../t1"), &[400]),
        call(
            "a name that is too long",
            at("b", "x123456789x123456789x123456789x123456789x123456789x123456789x123"),
            &[400],
        ),
        request(
            "a tenant where another has its database",
            "/admin/create-tenant",
            json!({ "platform": "b_t1", "tenant_id": "main" }),
            &[201, 400, 403],
        ),
        request(
            "another's tenant as one's own",
            "/admin/create-tenant",
            json!({ "platform": "b_stock", "tenant_id": "x1" }),
            &[400, 403],
        ),
        request(
            "another's database from a schema",
            "/database/create",
            json!({ "platform": "b_stock", "schema_name": "x", "database_id": "1" }),
            &[400, 403, 404],
        ),
        request(
            "a superuser as a platform's role",
            "/platform/register",
            json!({ "platform": "c", "db_user": "{gateway}", "db_password": "x" }),
            &[400],
        ),
        request(
            "another's role as a platform's role",
            "/platform/register",
            json!({ "platform": "c", "db_user": "{other}", "db_password": "x" }),
            &[400],
        ),
        request(
            "a role of PostgreSQL's",
            "/platform/register",
            json!({ "platform": "c", "db_user": "pg_read_all_data", "db_password": "x" }),
            &[400],
        ),
    ];
    for (name, function) in FUNCTIONS {
        let body = json!({ "platform": "a", "function": function, "params": ["/etc/passwd"] });
        all.push(call(name, body, &[400, 404]));
    }
    all
}

fn at(platform: &str, tenant: &str) -> Value {
    json!({ "platform": platform, "tenant_id": tenant, "function": "tell" })
}

/// Functions that are there, and are nobody's to call.
const FUNCTIONS: &[(&str, &str)] = &[
    ("PostgreSQL's function", "pg_read_file"),
    ("PostgreSQL's function by its schema", "pg_catalog.pg_read_file"),
    ("PostgreSQL's function in capitals", "PG_CATALOG.PG_READ_FILE"),
    ("PostgreSQL's function that runs a query", "query_to_xml"),
    ("an extension's function", "dblink"),
    ("an extension's function by its schema", "public.dblink_connect"),
    ("a function of the information schema", "information_schema._pg_truetypid"),
    ("a function with more behind it", "attempt(text); DROP TABLE t"),
    ("a function in quotes", "\"attempt\""),
    ("a function of another database", "b_main.public.tell"),
    ("a function with a comment", "attempt--"),
    ("a type's input", "regclassin"),
    ("a temporary schema's function", "pg_temp.evil"),
    ("nothing", ""),
];
