//! What takes back what a call may have done to its session, and how that is told to be enough. No I/O.

use std::sync::LazyLock;

use bytes::BytesMut;
use postgres_protocol::message::frontend;

/// Tells what a session has become, and gives its advisory locks back. It is to give the answer that a new session gives:
/// another one means that there is more to take back, see [`EVERYTHING`].
///
/// These are the cheap signs of what is dear to take back: another role (`SET SESSION AUTHORIZATION DEFAULT`), and, where
/// it is asked inside the call's own transaction, that it wrote something, be it a temporary table in the catalog.
const LOOK: Prepared = Prepared {
    name: "_stonescriptdb_gateway_look",
    sql: "SELECT pg_catalog.pg_advisory_unlock_all(), session_user, current_user, \
          pg_catalog.pg_current_xact_id_if_assigned() IS NULL",
};

/// Returns to the settings that the connection started with; leaves the role.
const RESET: Prepared = Prepared { name: "_stonescriptdb_gateway_reset", sql: "RESET ALL" };

/// What outlives a transaction and is made by utility statements, and by `nextval`. PostgreSQL refuses such statements in a
/// function that is declared to have no effect ("is not allowed in a non-volatile function"), though not in a volatile one
/// that it calls.
const REST: [Prepared; 4] = [
    Prepared { name: "_stonescriptdb_gateway_temporary", sql: "DISCARD TEMP" },
    Prepared { name: "_stonescriptdb_gateway_close", sql: "CLOSE ALL" },
    Prepared { name: "_stonescriptdb_gateway_unlisten", sql: "UNLISTEN *" },
    Prepared { name: "_stonescriptdb_gateway_sequences", sql: "DISCARD SEQUENCES" },
];

struct Prepared {
    name: &'static str,
    sql: &'static str,
}

/// What takes back everything. `DISCARD ALL` would, too, but throws the prepared statements of the calls away.
pub(super) const EVERYTHING: &str = "SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;DISCARD TEMP;\
                                     DISCARD SEQUENCES;SELECT pg_catalog.pg_advisory_unlock_all()";

/// The messages that prepare the statements; without a Sync.
pub(super) fn prepare(out: &mut BytesMut) {
    for Prepared { name, sql } in [&RESET, &LOOK].into_iter().chain(&REST) {
        frontend::parse(name, sql, [], out).expect("constant texts without NUL");
    }
}

/// The messages that clean behind a function that may do anything; without a Sync.
pub(super) fn behind_anything(out: &mut BytesMut) {
    static MESSAGES: LazyLock<Vec<u8>> = LazyLock::new(|| messages([&RESET].into_iter().chain(&REST).chain([&LOOK])));
    out.extend_from_slice(&MESSAGES);
}

/// The messages that clean behind a function that is declared to have no effect; without a Sync.
pub(super) fn behind_a_reader(out: &mut BytesMut) {
    static MESSAGES: LazyLock<Vec<u8>> = LazyLock::new(|| messages([&RESET, &LOOK].into_iter()));
    out.extend_from_slice(&MESSAGES);
}

fn messages<'p>(statements: impl Iterator<Item = &'p Prepared>) -> Vec<u8> {
    let mut out = BytesMut::new();
    for statement in statements {
        super::run_statement(statement.name, &mut out);
    }
    out.to_vec()
}
