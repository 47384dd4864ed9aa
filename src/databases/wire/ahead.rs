//! What is asked in front of a call, in its transaction: that it reads only, and whose it is. No I/O.

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

use super::cleaning::bind_nothing;
use super::script::{ONE_ROW, Step};
use super::{Access, TEXT};

/// Until the transaction ends. PostgreSQL lets nobody take it back once a query runs in it (manual, "SET TRANSACTION"), but a
/// procedure that ends its transaction begins another one: procedures are not for this.
const READ_ONLY: &str = "SELECT pg_catalog.set_config('transaction_read_only', 'on', true)";

/// Shown by `pg_stat_activity`, and in PostgreSQL's own log where `log_line_prefix` has `%a`; at most 63 bytes.
const APPLICATION: &str = "SELECT pg_catalog.set_config('application_name', 'stonescriptdb-gateway trace=' OPERATOR(pg_catalog.||) $1::pg_catalog.text, true)";

const STEPS: [Step; 4] = [Step::Parsed, Step::BoundBefore, Step::Row, Step::Done(ONE_ROW)];

/// The messages, without a Sync, and their answers. `trace`: the id of the trace that the call belongs to.
pub(super) fn queue(access: Access, trace: Option<&str>, out: &mut BytesMut) -> [&'static [Step]; 2] {
    let mut steps: [&[Step]; 2] = [&[], &[]];
    if let Some(trace) = trace {
        frontend::parse("", APPLICATION, [], out).expect("a constant text without NUL");
        let write = |trace: &str, out: &mut BytesMut| {
            out.extend_from_slice(trace.as_bytes());
            Ok(IsNull::No)
        };
        let bound = frontend::bind("", "", [TEXT], [trace], write, [TEXT], out);
        assert!(bound.is_ok(), "a short text");
        frontend::execute("", 0, out).expect("a portal without a name");
        steps[0] = &STEPS;
    }
    if access == Access::Reads {
        frontend::parse("", READ_ONLY, [], out).expect("a constant text without NUL");
        bind_nothing("", TEXT, out);
        steps[1] = &STEPS;
    }
    steps
}
