//! How much stack PostgreSQL's processes may take.
//!
//! PostgreSQL itself looks how deep it is (`max_stack_depth`), and says so where that is too deep. Extensions in C do not all:
//! PostGIS goes through collections in collections as deep as they are, a platform can nest them by the ten thousand, and
//! whoever comes to the end of the stack takes the server down with everybody's sessions. The system's usual 8 MiB are a minute's
//! work. What a level more costs grows with the levels, so a hundred times the stack is ten thousand times the work.

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// Only what is used of it takes memory.
const BYTES: u64 = 1 << 30;

/// Raises this process's limit, which what it starts from now on inherits. Its own threads have stacks of their own size.
pub(super) fn raise_limit() {
    match raise() {
        Ok(bytes) if bytes < BYTES => {
            warn!(
                bytes,
                "PostgreSQL's processes cannot get the stack that extensions may need: raise it (LimitSTACK=)"
            );
        }
        Ok(_) => {}
        Err(error) => warn!(%error, "the limit of PostgreSQL's stacks could not be raised"),
    }
}

/// The limit from now on.
fn raise() -> Result<u64, Errno> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_STACK)?;
    let wanted = BYTES.min(hard);
    if soft < wanted {
        setrlimit(Resource::RLIMIT_STACK, wanted, hard)?;
    }
    Ok(soft.max(wanted))
}
