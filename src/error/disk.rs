//! A full disk, as the client sees it: 507 `disk_full`, wherever it was noticed, with which disk it is and what to do.

use super::{ApiError, ErrorCode};

/// PostgreSQL's `disk_full`: no space left on the device of its data folder, of a tablespace or of its log of changes.
pub(super) const DISK_FULL: &str = "53100";

impl ApiError {
    /// PostgreSQL's disk. `cause`: its own words.
    pub(super) fn postgres_disk_full(cause: &str) -> Self {
        Self::new(
            ErrorCode::DiskFull,
            "PostgreSQL's disk is full, so this was taken back; make room where PostgreSQL keeps its data, then send it again",
        )
        .with("sqlstate", DISK_FULL)
        .with("cause", cause)
        .logging(cause)
    }

    /// The disk of `DATA_DIR`.
    pub(super) fn data_dir_full() -> Self {
        Self::new(
            ErrorCode::DiskFull,
            "the disk of the gateway's DATA_DIR is full; nothing was changed there, make room on it, then send it again",
        )
    }

    /// The same error, told as what a full disk caused: with the place in the bundle and PostgreSQL's words.
    pub(super) fn caused_by_full_disk(mut self, cause: Option<String>) -> Self {
        let told = self.details.remove("cause").and_then(|told| told.as_str().map(str::to_owned)).or(cause);
        let mut full = Self::postgres_disk_full(&told.unwrap_or_else(|| "no space left on the device".to_owned()));
        full.log_cause = self.log_cause.take().or(full.log_cause);
        for (field, value) in self.details {
            // What PostgreSQL advises about its disk is no more than what the message says.
            if field != "sqlstate" && field != "hint" {
                full.details.insert(field, value);
            }
        }
        full
    }
}
