//! The settings that every session of the gateway's starts with, whatever the server, the database and the role have as
//! their defaults: each that changes what the gateway's statements mean, or what it reads in their answers. No I/O.
//!
//! A role sets the defaults of its own sessions (`ALTER ROLE … SET`), and the owner of a database those of all sessions in
//! it. What a session says when it starts goes before both, and is what `RESET ALL` returns to. Uploaded code may set
//! anything for itself afterwards; what a call has set is taken back behind it, what a migration has set when it ends.
//!
//! `search_path` is not among these: it belongs to uploaded code, which runs under the path that its role has in the
//! database. [`OWN_PATH`] is what the gateway's own statements run under.

use super::run_as::RunAs;
use super::server::Purpose;

/// The path of the gateway's own statements in a platform's database: nothing is found by a bare name but PostgreSQL's
/// own. `pg_temp` comes last by being named; it would come first otherwise.
pub const OWN_PATH: &str = "pg_catalog, pg_temp";

/// By name: the value that every session starts with. A test goes through all settings that a role may change, and asks of
/// each that it is here or changes nothing of what the gateway says (`tests/isolation/settings.rs`).
pub const PINNED: &[(&str, &str)] = &[
    // How texts are read.
    ("standard_conforming_strings", "on"),
    ("backslash_quote", "safe_encoding"),
    ("array_nulls", "on"),
    ("transform_null_equals", "off"),
    ("xmloption", "content"),
    // How answers are written.
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO"),
    ("IntervalStyle", "postgres"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
    ("xmlbinary", "base64"),
    ("quote_all_identifiers", "off"),
    // What a statement does.
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("default_transaction_deferrable", "off"),
    ("row_security", "on"),
    ("check_function_bodies", "on"),
    // Whether a session lasts.
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("exit_on_error", "off"),
    // What else is loaded, and what is told: values of parameters stay out of the server's log and out of error texts.
    ("local_preload_libraries", ""),
    ("client_min_messages", "notice"),
    ("log_parameter_max_length_on_error", "0"),
];

/// The same of settings that older servers do not know and refuse: from which major version on, name, value.
pub const PINNED_SINCE: &[(u32, &str, &str)] = &[(17, "transaction_timeout", "0")];

/// Those of them that a server of that major version knows.
pub(super) fn newer(version: u32) -> String {
    PINNED_SINCE.iter().filter(|(since, ..)| *since <= version).map(|(_, name, value)| option(name, value)).collect()
}

/// What a session starts with besides: `options` of the connection.
pub(super) fn options(purpose: Purpose<'_>, run_as: &RunAs, call_timeout_ms: u128, lock_timeout_ms: u128) -> String {
    let mut options: String = PINNED.iter().map(|(name, value)| option(name, value)).collect();
    match purpose {
        Purpose::Calls => options += &option("statement_timeout", &call_timeout_ms.max(1).to_string()),
        Purpose::Control | Purpose::Deployment | Purpose::Inside(_) => {
            options += &option("statement_timeout", "0");
            options += &option("lock_timeout", &lock_timeout_ms.to_string());
        }
    }
    if purpose == Purpose::Control {
        // The gateway's own database, whose tables are in `public`.
        options += &option("search_path", "public");
    }
    match (purpose, run_as) {
        (Purpose::Inside(path), _) => options += &(option("search_path", path) + &option("role", "none")),
        // A role that stands for another one by its defaults is not what was decided.
        (_, RunAs::Platform(_)) => options += &option("role", "none"),
        // The gateway's own defaults are the operator's.
        (_, RunAs::Gateway) => {}
    }
    options
}

/// `-c name=value`, with what would end it escaped.
pub(super) fn option(name: &str, value: &str) -> String {
    let mut option = format!(" -c {name}=");
    for character in value.chars() {
        // What the server takes for white space: the path may hold any name.
        if character.is_ascii_whitespace() || character == '\x0B' || character == '\\' {
            option.push('\\');
        }
        option.push(character);
    }
    option
}

/// What the connection that ends backends starts with.
pub(super) fn supervising() -> String {
    // Whoever has locked a catalog is not waited for: there are other ways to end him.
    as_oneself() + &option("statement_timeout", "5000") + &option("lock_timeout", "400")
}

/// What everything starts with that brings databases from one cluster to another, programs of PostgreSQL's among it.
pub fn upgrading() -> String {
    as_oneself() + &option("statement_timeout", "0") + &option("lock_timeout", "0")
}

fn as_oneself() -> String {
    let mut options: String = PINNED.iter().map(|(name, value)| option(name, value)).collect();
    options += &(option("search_path", OWN_PATH) + &option("role", "none"));
    options
}
