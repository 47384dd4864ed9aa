//! The body of `POST /call`, taken apart. No I/O.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::CallError;
use super::trace::TraceId;
use crate::databases::name::{Address, DatabaseName, Id, Which};

/// PostgreSQL's limit of a name, in bytes.
const MAX_NAME_BYTES: usize = 63;

/// What a client asks for.
#[derive(Debug)]
pub struct CallRequest {
    pub(super) address: Address,
    pub(super) function: FunctionName,
    /// An array or an object; values keep every digit that was sent.
    pub(super) params: Option<Box<RawValue>>,
    /// The trace that it belongs to, which PostgreSQL is told.
    pub(super) trace: Option<TraceId>,
}

impl CallRequest {
    /// The same, as part of a trace.
    #[must_use]
    pub fn traced(self, trace: Option<TraceId>) -> Self {
        Self { trace, ..self }
    }

    /// The platform that asks.
    pub fn platform(&self) -> &Id {
        self.address.platform()
    }

    /// The database that is asked for.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The function, as errors and the log tell it.
    pub fn function_name(&self) -> String {
        self.function.to_string()
    }

    /// The database that the ids name. One made from a stored schema may be meant by an id alone; the answer knows.
    pub fn database_name(&self) -> &DatabaseName {
        self.address.name()
    }
}

/// The name of a function, `schema.name` or `name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct FunctionName {
    pub(super) schema: Option<String>,
    pub(super) name: String,
}

impl FunctionName {
    fn parse(given: &str) -> Result<Self, CallError> {
        let (schema, name) = match given.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, given),
        };
        if schema.into_iter().chain([name]).all(is_name) {
            return Ok(Self { schema: schema.map(str::to_owned), name: name.to_owned() });
        }
        let shown: String = given.chars().take(80).collect();
        Err(CallError::Request(format!(
            "function {shown:?} is no name of a function: write name or schema.name, each of a-z, 0-9 and _, not \
             beginning with a digit, at most {MAX_NAME_BYTES} long"
        )))
    }
}

impl std::fmt::Display for FunctionName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name.bytes().all(allowed)
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// The fields that count. Each is read as it is first, so that an error can name the field.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    platform: Option<&'a RawValue>,
    #[serde(borrow)]
    tenant_id: Option<&'a RawValue>,
    #[serde(borrow)]
    schema_name: Option<&'a RawValue>,
    #[serde(borrow)]
    database_id: Option<&'a RawValue>,
    /// `database_id` in the words of other clients (contract §6, "Ids in JSON bodies").
    #[serde(borrow)]
    uuid: Option<&'a RawValue>,
    #[serde(borrow)]
    function: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// Takes the body apart; what does not depend on a database is checked.
pub fn parse_request(body: &[u8]) -> Result<CallRequest, CallError> {
    // What Windows programs put before a text; RFC 8259 lets a reader pass over it.
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let text = std::str::from_utf8(body).map_err(|error| {
        CallError::Request(format!("the body is not UTF-8: the bytes from {} on are no character", error.valid_up_to()))
    })?;
    if !text.trim_ascii_start().starts_with('{') {
        return Err(CallError::Request("the body must be a JSON object with platform and function".to_owned()));
    }
    let body: Body<'_> =
        serde_json::from_str(text).map_err(|error| CallError::Request(format!("the body is malformed: {error}")))?;
    let address = parse_address(&body)?;
    let function = FunctionName::parse(&required("function", body.function)?)?;
    let params = body.params.map(|params| match params.get().as_bytes().first() {
        Some(b'[' | b'{') => Ok(params.to_owned()),
        _ => Err(CallError::Request(
            "params must be an array (by position), an object (by name), null or absent".to_owned(),
        )),
    });
    Ok(CallRequest { address, function, params: params.transpose()?, trace: None })
}

fn parse_address(body: &Body<'_>) -> Result<Address, CallError> {
    let platform = Id::parse("platform", &required("platform", body.platform)?)?;
    let tenant = optional("tenant_id", body.tenant_id)?;
    let schema = optional("schema_name", body.schema_name)?;
    let database = one_of(optional("database_id", body.database_id)?, optional("uuid", body.uuid)?)?;
    let which = match (tenant, schema, database) {
        (None, None, None) => Which::Main,
        (Some(tenant), None, None) => Which::Tenant(Id::parse("tenant_id", &tenant)?),
        (None, Some(schema), Some(database)) => {
            Which::Stored { schema: Id::parse("schema_name", &schema)?, database: Id::parse("database_id", &database)? }
        }
        (None, Some(_), None) => {
            return Err(CallError::Request("schema_name without database_id; give both or neither".to_owned()));
        }
        (None, None, Some(_)) => {
            return Err(CallError::Request("database_id without schema_name; give both or neither".to_owned()));
        }
        (Some(_), _, _) => {
            let reason = "tenant_id beside schema_name or database_id; give the tenant, or the schema and the database";
            return Err(CallError::Request(reason.to_owned()));
        }
    };
    Ok(Address::new(platform, which)?)
}

fn one_of<'a>(
    database_id: Option<Cow<'a, str>>,
    uuid: Option<Cow<'a, str>>,
) -> Result<Option<Cow<'a, str>>, CallError> {
    match (database_id, uuid) {
        (Some(one), Some(other)) if one != other => Err(CallError::Request(format!(
            "database_id {one:?} and uuid {other:?} mean the same and say different things; send one of them"
        ))),
        (Some(id), _) | (None, Some(id)) => Ok(Some(id)),
        (None, None) => Ok(None),
    }
}

fn required<'a>(field: &'static str, value: Option<&'a RawValue>) -> Result<Cow<'a, str>, CallError> {
    let Some(value) = value else { return Err(CallError::Request(format!("{field} is missing"))) };
    string(field, value)
}

/// `null`, an empty string and nothing at all are the same.
fn optional<'a>(field: &'static str, value: Option<&'a RawValue>) -> Result<Option<Cow<'a, str>>, CallError> {
    let Some(value) = value else { return Ok(None) };
    Ok(Some(string(field, value)?).filter(|text| !text.is_empty()))
}

fn string<'a>(field: &'static str, value: &'a RawValue) -> Result<Cow<'a, str>, CallError> {
    // Not simply a `Cow`, which serde would always fill with a copy.
    if let Ok(text) = serde_json::from_str::<&str>(value.get()) {
        return Ok(Cow::Borrowed(text));
    }
    match serde_json::from_str::<String>(value.get()) {
        Ok(text) => Ok(Cow::Owned(text)),
        Err(_) => Err(CallError::Request(format!("{field} must be a string"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> CallRequest {
        parse_request(body.as_bytes()).unwrap()
    }

    fn error(body: impl AsRef<[u8]>) -> String {
        parse_request(body.as_ref()).unwrap_err().to_string()
    }

    #[test]
    fn the_ids_name_a_database() {
        for (fields, name) in [
            ("", "my_main"),
            (r#","tenant_id":null"#, "my_main"),
            (r#","tenant_id":"","schema_name":null"#, "my_main"),
            (r#","tenant_id":"T-1""#, "my_t_1"),
            (r#","tenant_id":"\u0041""#, "my_a"),
            (r#","schema_name":"s","database_id":"d""#, "my_s_d"),
            (r#","schema_name":"s","uuid":"d""#, "my_s_d"),
            (r#","schema_name":"s","uuid":"d","database_id":"d""#, "my_s_d"),
            (r#","schema_name":"s","uuid":null,"database_id":"d""#, "my_s_d"),
            (r#","schema_name":"s","uuid":"d","database_id":"""#, "my_s_d"),
        ] {
            let request = parse(&format!(r#"{{"platform":"my","function":"f"{fields}}}"#));
            assert_eq!(request.database_name().as_str(), name, "{fields}");
        }
    }

    #[test]
    fn unknown_fields_are_ignored_and_params_kept_as_sent() {
        let request = parse(r#" {"x":[[[]]],"platform":"p","function":"a.b_1","params":[1.10, 1e400],"y":{}} "#);
        assert_eq!(request.function.to_string(), "a.b_1");
        assert_eq!(request.params.unwrap().get(), "[1.10, 1e400]");
        assert!(parse(r#"{"platform":"p","function":"f","params":null}"#).params.is_none());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, part) in [
            ("", "must be a JSON object"),
            ("[1]", "must be a JSON object"),
            ("null", "must be a JSON object"),
            ("{", "malformed"),
            (r#"{"platform":"p","function":"f"}x"#, "malformed"),
            (r#"{"platform":"p","platform":"q","function":"f"}"#, "duplicate field `platform`"),
            (r#"{"function":"f"}"#, "platform is missing"),
            (r#"{"platform":null,"function":"f"}"#, "platform is missing"),
            (r#"{"platform":"","function":"f"}"#, "platform is empty"),
            (r#"{"platform":1,"function":"f"}"#, "platform must be a string"),
            (r#"{"platform":"p"}"#, "function is missing"),
            (r#"{"platform":"a\u0000b","function":"f"}"#, "platform"),
            (r#"{"platform":"p","function":"f","tenant_id":7}"#, "tenant_id must be a string"),
            (r#"{"platform":"p","function":"f","tenant_id":"a/b"}"#, "tenant_id"),
            (r#"{"platform":"p","function":"f","params":"x"}"#, "params must be"),
            (r#"{"platform":"p","function":"f","params":7}"#, "params must be"),
            (r#"{"platform":"p","function":"f","schema_name":"s"}"#, "schema_name without database_id"),
            (r#"{"platform":"p","function":"f","database_id":"s"}"#, "database_id without schema_name"),
            (r#"{"platform":"p","function":"f","uuid":"s"}"#, "database_id without schema_name"),
            (r#"{"platform":"p","function":"f","schema_name":"s","uuid":"a","database_id":"A"}"#, "different things"),
            (r#"{"platform":"p","function":"f","tenant_id":"t","database_id":"s"}"#, "tenant_id beside"),
        ] {
            assert!(error(body).contains(part), "{body}: {}", error(body));
        }
        assert!(error(b"{\"platform\":\"\xff\"}").contains("not UTF-8"));
    }

    #[test]
    fn only_plain_names_are_functions() {
        let too_long = "x".repeat(64);
        for bad in ["", "F", "1f", "a b", "a;b", "a\"", "a.b.c", ".a", "a.", "é", "a\\u0000", "f(1)", &too_long] {
            let body = format!(r#"{{"platform":"p","function":"{}"}}"#, bad.replace('"', "\\\""));
            assert!(error(&body).contains("no name of a function"), "{bad}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert_eq!(parse("\u{feff}{\"platform\":\"my\",\"function\":\"f\"}").database_name().as_str(), "my_main");
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let body = format!(r#"{{"platform":"p","function":"f","params":{deep},"more":{deep}}}"#);
        assert!(parse(&body).params.is_some());
    }
}
