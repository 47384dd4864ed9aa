//! `ALLOWED_EXTENSIONS`: the extensions that a platform may have although they are not *trusted*, so that a superuser has
//! to install them. Their scripts run as one, and what they bring is C that reaches further than a database.

use std::collections::BTreeSet;
use std::fmt;

use super::ConfigError;
use super::read::{Reader, invalid};

/// What is allowed where the operator says nothing: extensions that compute and store, and reach nothing outside the
/// database.
pub(super) const DEFAULT: &str = "postgis,postgis_raster,postgis_topology,postgis_sfcgal,postgis_tiger_geocoder,\
                                  address_standardizer,address_standardizer_data_us,vector,pgrouting,moddatetime,\
                                  dict_xsyn,bloom";

/// `ALLOWED_EXTENSIONS`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedExtensions {
    /// `*`
    All,
    /// By their own names.
    Named {
        /// All that are allowed.
        allowed: BTreeSet<String>,
        /// Those that the operator has named.
        by_operator: BTreeSet<String>,
    },
}

impl AllowedExtensions {
    /// Whether an extension that is not trusted may be installed.
    pub fn allows(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named { allowed, .. } => allowed.contains(name),
        }
    }

    /// Whether the operator has said so: what is only allowed by default is kept from taking the server down.
    pub fn is_named(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named { by_operator, .. } => by_operator.contains(name),
        }
    }
}

impl Default for AllowedExtensions {
    fn default() -> Self {
        let allowed = DEFAULT.split(',').map(str::to_owned).collect();
        Self::Named { allowed, by_operator: BTreeSet::new() }
    }
}

impl fmt::Display for AllowedExtensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Named { allowed, .. } => {
                f.write_str(&allowed.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// Names separated by commas; each with a `+` before it adds to the default, `*` alone is all of them.
pub(super) fn read<F: Fn(&str) -> Option<String>>(
    env: &Reader<F>,
    variable: &'static str,
) -> Result<AllowedExtensions, ConfigError> {
    let Some(value) = env.text(variable) else { return Ok(AllowedExtensions::default()) };
    parse(&value).ok_or_else(|| {
        invalid(
            variable,
            &value,
            "names of extensions separated by commas, or the same with a + before each to add them to the default, or *",
        )
    })
}

fn parse(value: &str) -> Option<AllowedExtensions> {
    if value == "*" {
        return Some(AllowedExtensions::All);
    }
    let words: Vec<&str> = value.split(',').map(str::trim).collect();
    let added: Vec<&str> = words.iter().filter_map(|word| word.strip_prefix('+').map(str::trim)).collect();
    let mut by_operator = BTreeSet::new();
    let mut allowed: BTreeSet<String> = match added.len() {
        0 => BTreeSet::new(),
        // Some with and some without would leave open whether the default counts.
        some if some < words.len() => return None,
        _ => DEFAULT.split(',').map(str::to_owned).collect(),
    };
    for name in if added.is_empty() { words } else { added } {
        let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
        if name.is_empty() || name.len() > 63 || !name.chars().all(fits) {
            return None;
        }
        allowed.insert(name.to_owned());
        by_operator.insert(name.to_owned());
    }
    let parsed = AllowedExtensions::Named { allowed, by_operator };
    // The default written out, as the example of the settings has it, opens nothing.
    let is_default = !value.contains('+') && parsed.to_string() == AllowedExtensions::default().to_string();
    Some(if is_default { AllowedExtensions::default() } else { parsed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, allowed: &[&str], refused: &[&str]) {
        let read = parse(value).expect("a value that is allowed");
        assert!(allowed.iter().all(|name| read.allows(name)), "{value}: {read:?}");
        assert!(!refused.iter().any(|name| read.allows(name)), "{value}: {read:?}");
    }

    #[test]
    fn names_replace_the_default_and_a_plus_adds_to_it() {
        check("dblink, file_fdw", &["dblink", "file_fdw"], &["postgis", "vector"]);
        check("+dblink,+ file_fdw", &["dblink", "file_fdw", "postgis", "vector"], &["postgres_fdw"]);
        check("*", &["dblink", "anything-at-all"], &[]);
        check(DEFAULT, &["postgis_tiger_geocoder", "bloom"], &["dblink"]);
        assert_eq!(parse(DEFAULT).map(|read| read.to_string()), Some(AllowedExtensions::default().to_string()));
    }

    #[test]
    fn the_default_is_nothing_that_the_operator_has_named() {
        let named = |value: &str, name: &str| parse(value).is_some_and(|read| read.is_named(name));
        assert!(!AllowedExtensions::default().is_named("postgis"));
        assert!(named("postgis", "postgis") && named("+dblink", "dblink") && named("*", "postgis"));
        assert!(!named("+dblink", "postgis"));
    }

    #[test]
    fn what_is_no_list_of_names_is_refused() {
        for value in ["dblink,", "+", ",", "+dblink,vector", "dblink *", "*,vector", "a b", "a;b", "**"] {
            assert_eq!(parse(value), None, "{value}");
        }
    }
}
