//! The settings that a file has for its statements: each runs under them, and the session has none of them before and after.
//! Part of [`super::Runner`]. Migrations set their session themselves.

use super::paths::Paths;
use crate::bundle::Kind;
use crate::bundle::sql::{Settings, Statement};
use crate::databases::{quote_ident, quote_literal, set_path};

/// The settings of a statement's file.
pub(super) struct OfFile<'a>(&'a Settings);

/// `None` where there are none.
pub(super) fn settings(statement: &Statement) -> Option<OfFile<'_>> {
    let settings = &*statement.settings;
    let are_some = settings.path.is_some() || !settings.others.is_empty();
    // A migration's statement that runs before its turn runs before what sets the session.
    (are_some && (statement.kind != Kind::Migrations || statement.early)).then_some(OfFile(settings))
}

/// The path that a migration has set in its text before a statement, as PostgreSQL prints it.
pub(super) fn path_in_text(statement: &Statement) -> Option<String> {
    OfFile(&statement.settings).path()
}

impl OfFile<'_> {
    /// As PostgreSQL prints a path.
    pub(super) fn path(&self) -> Option<String> {
        let names = self.0.path.as_ref()?.iter().map(|name| quote_ident(name));
        Some(names.collect::<Vec<_>>().join(", "))
    }

    /// What gives the session these settings, and how many rows that answers.
    pub(super) fn enter(&self, paths: &Paths) -> (String, u64) {
        let (mut sql, rows) = match self.path() {
            Some(path) => (set_path(&path) + ";", 1),
            None => paths.enter(),
        };
        for (name, value) in &self.0.others {
            sql += &format!("SET {} TO {};", quote_ident(name), quote_literal(value));
        }
        (sql, rows)
    }

    /// What takes them back; the path is the gateway's own from there on anyway.
    pub(super) fn leave(&self) -> String {
        self.0.others.keys().map(|name| format!("RESET {};", quote_ident(name))).collect()
    }
}
