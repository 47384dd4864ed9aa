//! What takes back what a call may have done to its session, and how that is told to be enough. No I/O.

use std::sync::LazyLock;

use bytes::BytesMut;
use postgres_protocol::message::frontend;

/// Tells what a session has become, and gives its advisory locks back. It begins with the answer that a new session
/// gives: another one means that there is more to take back, see [`EVERYTHING`].
///
/// These are the cheap signs of what is dear to take back: a role (`SET SESSION AUTHORIZATION DEFAULT`), a schema for
/// temporary tables (`DISCARD TEMP`), and, where it is asked inside the call's own transaction, a write.
const LOOK: &str = "SELECT pg_catalog.pg_advisory_unlock_all(), pg_catalog.current_setting('role'), \
                    pg_catalog.current_setting('session_authorization'), pg_catalog.pg_my_temp_schema(), \
                    pg_catalog.pg_current_xact_id_if_assigned() IS NULL";

/// After every call, in this order. `RESET ALL` returns to what the connection started with, and leaves the role.
const STATEMENTS: [(&str, &str); 5] = [
    ("_stonescriptdb_gateway_reset", "RESET ALL"),
    ("_stonescriptdb_gateway_close", "CLOSE ALL"),
    ("_stonescriptdb_gateway_unlisten", "UNLISTEN *"),
    ("_stonescriptdb_gateway_sequences", "DISCARD SEQUENCES"),
    ("_stonescriptdb_gateway_look", LOOK),
];

/// What takes back everything. `DISCARD ALL` would, too, but throws the prepared statements of the calls away.
pub(super) const EVERYTHING: &str = "SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;DISCARD TEMP;\
                                     DISCARD SEQUENCES;SELECT pg_catalog.pg_advisory_unlock_all()";

/// The messages that prepare the statements; without a Sync.
pub(super) fn prepare(out: &mut BytesMut) {
    for (name, sql) in STATEMENTS {
        frontend::parse(name, sql, [], out).expect("constant texts without NUL");
    }
}

/// The messages that run them; without a Sync.
pub(super) fn run(out: &mut BytesMut) {
    static MESSAGES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut out = BytesMut::new();
        for (name, _) in STATEMENTS {
            super::run_statement(name, &mut out);
        }
        out.to_vec()
    });
    out.extend_from_slice(&MESSAGES);
}
