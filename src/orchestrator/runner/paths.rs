//! Which path uploaded code runs under, which what the gateway has printed of the catalog, and how a session gets from its
//! own to these and back. Part of [`super::Runner`].

use std::sync::{Mutex, PoisonError};

use crate::databases::{own_path, set_path, set_printed_path};

/// The paths of one session.
pub(super) struct Paths {
    /// What the session began with.
    first: String,
    /// What uploaded code has set since.
    set: Mutex<Option<String>>,
}

impl Paths {
    pub(super) fn new(first: String) -> Self {
        Self { first, set: Mutex::new(None) }
    }

    pub(super) fn first(&self) -> &str {
        &self.first
    }

    /// As uploaded code has it now.
    pub(super) fn current(&self) -> String {
        self.lock().clone().unwrap_or_else(|| self.first.clone())
    }

    /// Before a statement of uploaded code: what gives it its path, and how many rows that answers.
    pub(super) fn enter(&self) -> (String, u64) {
        match self.lock().as_deref() {
            None => ("RESET search_path;".to_owned(), 0),
            Some(path) => (set_path(path) + ";", 1),
        }
    }

    /// After it: what it left.
    pub(super) fn set(&self, path: String) {
        *self.lock() = (path != self.first).then_some(path);
    }

    /// From now on it is the one that the session began with; what it was, if another one.
    pub(super) fn reset(&self) -> Option<String> {
        self.lock().take()
    }

    /// What comes after the schemas in which names were printed: the rest of uploaded code's path, for the functions that
    /// such a statement runs. `pg_catalog` comes before all of it by not being named.
    pub(super) fn behind_printed(&self) -> String {
        let is_named = |name: &&str| !["pg_catalog", "\"pg_catalog\"", ""].contains(name);
        elements(&self.first).into_iter().filter(is_named).collect::<Vec<_>>().join(", ")
    }

    /// A statement that was put together from what the catalog prints.
    pub(super) fn printed(&self, sql: &str) -> String {
        format!("{};{sql}\n;{}", set_printed_path(&self.behind_printed()), own_path())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The schemas of a path as PostgreSQL prints it, each as it stands there.
fn elements(path: &str) -> Vec<&str> {
    let mut quoted = false;
    let parts = path.split(|character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    });
    parts.map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(first: &str, behind: &str) {
        assert_eq!(Paths::new(first.to_owned()).behind_printed(), behind);
    }

    #[test]
    fn postgresqls_own_comes_first_by_not_being_named() {
        check("\"$user\", public", "\"$user\", public");
        check("planted, pg_catalog, public", "planted, public");
        check("\"a, pg_catalog\", \"pg_catalog\"", "\"a, pg_catalog\"");
        check("", "");
        check("\"a\"\"b, c\", d", "\"a\"\"b, c\", d");
    }

    #[test]
    fn uploaded_code_finds_the_path_that_it_left() {
        let paths = Paths::new("public".to_owned());
        assert_eq!(paths.enter(), ("RESET search_path;".to_owned(), 0));
        paths.set("it's".to_owned());
        assert_eq!(paths.enter().0, "SELECT pg_catalog.set_config('search_path', 'it''s', false);");
        assert_eq!(paths.reset(), Some("it's".to_owned()));
        paths.set("public".to_owned());
        assert_eq!((paths.current().as_str(), paths.enter().1), ("public", 0));
    }
}
