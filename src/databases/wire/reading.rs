//! What makes a call read only: a statement in front of it, in its transaction. No I/O.

use bytes::BytesMut;
use postgres_protocol::message::frontend;

use super::TEXT;
use super::cleaning::bind_nothing;
use super::script::{ONE_ROW, Step};

/// Until the transaction ends. PostgreSQL lets nobody take it back once a query runs in it (manual, "SET TRANSACTION"), but a
/// procedure that ends its transaction begins another one: procedures are not for this.
const READ_ONLY: &str = "SELECT pg_catalog.set_config('transaction_read_only', 'on', true)";

const STEPS: [Step; 4] = [Step::Parsed, Step::BoundBefore, Step::Row, Step::Done(ONE_ROW)];

/// The messages; without a Sync.
pub(super) fn queue(out: &mut BytesMut) -> &'static [Step] {
    frontend::parse("", READ_ONLY, [], out).expect("a constant text without NUL");
    bind_nothing("", TEXT, out);
    &STEPS
}
