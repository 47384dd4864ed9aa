//! Holds every answer that a test gets against the document of all endpoints: its status, and its body.

use std::collections::HashMap;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value, json};
use stonescriptdb_gateway::api::openapi;

/// By path and status (`404`, or `4XX` where a function chooses).
type Replies = HashMap<(String, String), Validator>;

/// The schema of each answer. No path has two methods.
fn replies() -> &'static Replies {
    static REPLIES: OnceLock<Replies> = OnceLock::new();
    REPLIES.get_or_init(|| {
        let document = openapi::document();
        let paths = document["paths"].as_object().expect("paths");
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("methods").values();
            methods.map(move |operation| (path, operation["responses"].as_object().expect("responses")))
        });
        let replies = operations.flat_map(|(path, responses)| responses.iter().map(move |reply| (path, reply)));
        let json = replies.filter(|(_, (_, reply))| reply["content"].get("application/json").is_some());
        json.map(|(path, (status, reply))| {
            let schema = &reply["content"]["application/json"]["schema"];
            let schema = json!({"components": document["components"], "allOf": [schema]});
            let validator =
                jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{path} {status}: {error}"));
            ((path.clone(), status.clone()), validator)
        })
        .collect()
    })
}

/// Fails where the document does not say that this path answers so.
pub(crate) fn check(path: &str, status: u16, body: &Value) {
    let template = template(path);
    // A path that is not there, and a method that it does not have, are no operation's.
    let range = format!("{}XX", status / 100);
    let of = |status: &str| replies().get(&(template.clone(), status.to_owned()));
    if status == 405 || of("200").or_else(|| of("201")).is_none() {
        assert!(body["error"].is_string() && body["message"].is_string(), "{path}: {status} {body:#}");
        return;
    }
    let reply = of(&status.to_string()).into_iter().chain(of(&range)).collect::<Vec<_>>();
    assert!(!reply.is_empty(), "the document does not know that {template} answers {status}: {body:#}");
    if !reply.iter().any(|reply| reply.is_valid(body)) {
        let errors: Vec<_> =
            reply[0].iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect();
        panic!("the document knows {status} of {template} otherwise: {errors:#?}\n{body:#}");
    }
}

/// The path as the document has it.
fn template(path: &str) -> String {
    match path.strip_prefix("/platform/").and_then(|rest| rest.split_once('/')) {
        Some((_, rest)) => format!("/platform/{{platform}}/{rest}"),
        None => path.to_owned(),
    }
}
