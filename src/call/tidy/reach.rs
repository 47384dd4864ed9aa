//! What running something may leave in its session: a scale, and where PostgreSQL's own functions stand on it. No I/O.

use crate::databases::wire::extensions::{Nature, nature};

/// What may be left, in the order of what it takes to take it back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Leaves {
    /// Nothing.
    #[default]
    Nothing,
    /// Settings, advisory locks, a seed, a role.
    Settings,
    /// Also temporary objects, cursors, positions in sequences, channels that are listened to.
    Objects,
    /// Also prepared statements.
    Statements,
    /// What nothing takes back.
    Anything,
}

/// What is known of something that runs without asking what else it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) leaves: Leaves,
    /// It runs what it is given, or what it makes up: anything that there is.
    pub(super) runs_text: bool,
}

impl Own {
    pub(super) fn leaves(leaves: Leaves) -> Self {
        Self { leaves, runs_text: false }
    }

    pub(super) fn runs_text() -> Self {
        Self { leaves: Leaves::Statements, runs_text: true }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { leaves: self.leaves.max(other.leaves), runs_text: self.runs_text || other.runs_text }
    }
}

/// Volatile functions of PostgreSQL's own that leave no more than [`Leaves::Settings`]: by the beginning of their names.
const SETTINGS: [&str; 23] = [
    "currval",
    "lastval",
    "pg_advisory_",
    "pg_backend_",
    "pg_blocking_pids",
    "pg_current_",
    "pg_database_size",
    "pg_indexes_size",
    "pg_is_in_recovery",
    "pg_last_",
    "pg_lock_status",
    "pg_notification_queue_usage",
    "pg_notify",
    "pg_relation_size",
    "pg_sequence_last_value",
    "pg_sleep",
    "pg_stat_",
    "pg_table_size",
    "pg_tablespace_size",
    "pg_total_relation_size",
    "pg_try_advisory_",
    "pg_xact_",
    "set",
];

/// Those that keep something where nothing takes it back: origins, slots and backups of replication.
const ANYTHING: [&str; 5] =
    ["pg_backup_", "pg_copy_", "pg_create_", "pg_replication_origin_session_setup", "pg_start_backup"];

/// What a function of PostgreSQL's own leaves that is not known to leave nothing.
pub(super) fn of_postgresql(name: &str) -> Own {
    let begins = |with: &[&str]| with.iter().any(|beginning| name.starts_with(beginning));
    if name.contains("_to_xml") || matches!(name, "ts_stat" | "ts_rewrite") {
        Own::runs_text()
    } else if begins(&ANYTHING) {
        Own::leaves(Leaves::Anything)
    } else if begins(&SETTINGS) && name != "setval" {
        Own::leaves(Leaves::Settings)
    } else {
        Own::leaves(Leaves::Objects)
    }
}

/// What a function in C leaves. `bound`: it is not volatile.
pub(super) fn of_c(name: &str, extension: Option<&str>, bound: bool) -> Own {
    match (extension, extension.and_then(nature)) {
        (_, Some(Nature::Computes)) if bound => Own::leaves(Leaves::Nothing),
        (_, Some(Nature::Computes | Nature::Harmless)) => Own::leaves(Leaves::Settings),
        (_, Some(Nature::RunsText)) => Own::runs_text(),
        // One of its functions turns a switch in the process; the others compute.
        (Some("isn"), None) if name != "isn_weak" => Own::leaves(Leaves::Settings),
        (_, None) => Own::leaves(Leaves::Anything),
    }
}

#[cfg(test)]
mod tests {
    use super::{Leaves, Own, of_c, of_postgresql};

    #[test]
    fn functions_of_postgresql_stand_where_they_belong() {
        for (name, expected) in [
            ("set_config", Own::leaves(Leaves::Settings)),
            ("setseed", Own::leaves(Leaves::Settings)),
            ("pg_try_advisory_lock", Own::leaves(Leaves::Settings)),
            ("setval", Own::leaves(Leaves::Objects)),
            ("nextval", Own::leaves(Leaves::Objects)),
            ("lo_create", Own::leaves(Leaves::Objects)),
            ("query_to_xmlschema", Own::runs_text()),
            ("ts_stat", Own::runs_text()),
            ("pg_replication_origin_session_setup", Own::leaves(Leaves::Anything)),
        ] {
            assert_eq!(of_postgresql(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_not_known_to_keep_nothing_may_keep_anything() {
        for (name, extension, bound, expected) in [
            ("similarity", Some("pg_trgm"), true, Own::leaves(Leaves::Nothing)),
            ("set_limit", Some("pg_trgm"), false, Own::leaves(Leaves::Settings)),
            ("st_area", Some("postgis"), true, Own::leaves(Leaves::Settings)),
            ("crosstab", Some("tablefunc"), true, Own::runs_text()),
            ("isbn", Some("isn"), true, Own::leaves(Leaves::Settings)),
            ("isn_weak", Some("isn"), false, Own::leaves(Leaves::Anything)),
            ("dblink_connect", Some("dblink"), false, Own::leaves(Leaves::Anything)),
            ("anything", Some("new"), true, Own::leaves(Leaves::Anything)),
            ("anything", None, true, Own::leaves(Leaves::Anything)),
        ] {
            assert_eq!(of_c(name, extension, bound), expected, "{name}");
        }
    }
}
