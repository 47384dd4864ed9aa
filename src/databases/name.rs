//! Names of platforms, tenants and databases (contract §2), checked where they are made. No I/O.

use std::fmt;

use sha2::{Digest, Sha256};

/// PostgreSQL's limit of a name, in bytes (`NAMEDATALEN - 1`).
const MAX_DATABASE_NAME_BYTES: usize = 63;

/// Why a name was refused: 400 `invalid_request`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing in it.
    #[error("{field} is empty; give it letters, digits, '_' or '-'")]
    Empty {
        /// The request's field.
        field: &'static str,
    },
    /// A character that no name may hold.
    #[error("{field} {given:?} holds {character:?}; allowed are letters, digits, '_' and '-'")]
    Character {
        /// The request's field.
        field: &'static str,
        /// The value as sent.
        given: String,
        /// The first such character.
        character: char,
    },
    /// Over PostgreSQL's limit; never cut short.
    #[error(
        "the database name {name:?} has {bytes} bytes; PostgreSQL allows {MAX_DATABASE_NAME_BYTES}, so shorten the ids"
    )]
    TooLong {
        /// What the name would be.
        name: String,
        /// Its length.
        bytes: usize,
    },
}

/// A platform, tenant, schema or database id: as it was given, and as it reads in a database's name.
#[derive(Clone, Debug)]
pub struct Id {
    given: String,
    normal: String,
}

impl Id {
    /// Checks `given`, the value of the request's `field`.
    pub fn parse(field: &'static str, given: &str) -> Result<Self, NameError> {
        if given.is_empty() {
            return Err(NameError::Empty { field });
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if let Some(character) = given.chars().find(|c| !allowed(*c)) {
            // A name may be megabytes long; the answer repeats only its beginning.
            let given = given.chars().take(80).collect();
            return Err(NameError::Character { field, given, character });
        }
        let normal = given.to_ascii_lowercase().replace('-', "_");
        if normal.len() > MAX_DATABASE_NAME_BYTES {
            let bytes = normal.len();
            let name = normal.chars().take(80).collect();
            return Err(NameError::TooLong { name, bytes });
        }
        Ok(Self { given: given.to_owned(), normal })
    }

    /// As the client wrote it.
    pub fn given(&self) -> &str {
        &self.given
    }

    /// Lowered, `-` as `_`.
    pub fn normal(&self) -> &str {
        &self.normal
    }
}

/// Two spellings of one name are the same platform, so equality is that of [`Id::normal`].
impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.normal == other.normal
    }
}

impl Eq for Id {}

/// Which of a platform's databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// v1: the one without a tenant.
    Main,
    /// v1: a tenant's.
    Tenant(Id),
    /// v2: made from a stored schema.
    Stored {
        /// `schema_name`
        schema: Id,
        /// `database_id`
        database: Id,
    },
}

impl Which {
    /// Whether both are of one kind with ids that are written alike. Two that differ may still read the same in a name:
    /// `==` cannot tell `a-b` from `a_b`.
    pub fn is_written_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Main, Self::Main) => true,
            (Self::Tenant(one), Self::Tenant(other)) => one.given == other.given,
            (Self::Stored { schema, database }, Self::Stored { schema: other_schema, database: other_database }) => {
                schema.given == other_schema.given && database.given == other_database.given
            }
            (Self::Main | Self::Tenant(_) | Self::Stored { .. }, _) => false,
        }
    }

    /// The ids, as a request writes them.
    pub fn sentence(&self) -> String {
        match self {
            Self::Main => "the main database, without tenant_id".to_owned(),
            Self::Tenant(tenant) => format!("tenant_id {:?}", tenant.given),
            Self::Stored { schema, database } => {
                format!("schema_name {:?}, database_id {:?}", schema.given, database.given)
            }
        }
    }
}

/// A database as the API addresses it: platform, ids, and the name that follows from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    platform: Id,
    which: Which,
    name: DatabaseName,
}

impl Address {
    /// The database's name by the patterns of contract §2.
    pub fn new(platform: Id, which: Which) -> Result<Self, NameError> {
        let name = match &which {
            Which::Main => format!("{}_main", platform.normal),
            Which::Tenant(tenant) => format!("{}_{}", platform.normal, tenant.normal),
            Which::Stored { schema, database } => {
                format!("{}_{}_{}", platform.normal, schema.normal, database.normal)
            }
        };
        if name.len() > MAX_DATABASE_NAME_BYTES {
            let bytes = name.len();
            return Err(NameError::TooLong { name, bytes });
        }
        Ok(Self { platform, which, name: DatabaseName(name) })
    }

    /// The platform that asks.
    pub fn platform(&self) -> &Id {
        &self.platform
    }

    /// Which of its databases.
    pub fn which(&self) -> &Which {
        &self.which
    }

    /// The database's name.
    pub fn name(&self) -> &DatabaseName {
        &self.name
    }
}

/// The name of a database on the server, of a platform or of the gateway itself.
///
/// The gateway's own names hold a `-`, which no platform's name can: neither is ever taken for the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatabaseName(String);

impl DatabaseName {
    /// The database in which the gateway keeps its records.
    pub fn gateway() -> Self {
        Self("stonescriptdb-gateway".to_owned())
    }

    /// A blueprint's name; `digest` is hexadecimal.
    pub fn blueprint(digest: &str) -> Self {
        Self(format!("stonescriptdb-blueprint-{}", &digest[..digest.len().min(32)]))
    }

    /// What the database of this name is called while it is being made.
    pub fn unfinished(&self) -> Self {
        Self(format!("stonescriptdb-new-{}", digest_of(&self.0)))
    }

    /// What it is called when it is to be dropped and cannot be yet; the sweep finds it as well. `moment` tells it from others.
    pub fn aside(&self, moment: u128) -> Self {
        Self(format!("stonescriptdb-new-{}", digest_of(&format!("{} {moment}", self.0))))
    }

    /// The copy of one blueprint on which the way to another one is rehearsed.
    pub fn rehearsal(from: &str, to: &str) -> Self {
        let digest = |name: &'_ str| name.rsplit('-').next().unwrap_or_default().chars().take(16).collect::<String>();
        Self(format!("stonescriptdb-rehearsal-{}{}", digest(from), digest(to)))
    }

    /// A name that was read from the server or from the gateway's records.
    pub fn recorded(name: String) -> Self {
        Self(name)
    }

    /// The name, unquoted.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn digest_of(text: &str) -> String {
    Sha256::digest(text.as_bytes())[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(platform: &str, which: Which) -> String {
        Address::new(Id::parse("platform", platform).unwrap(), which).unwrap().name().to_string()
    }

    fn id(given: &str) -> Id {
        Id::parse("id", given).unwrap()
    }

    #[test]
    fn names_follow_the_patterns_of_the_contract() {
        assert_eq!(name("myapp", Which::Main), "myapp_main");
        assert_eq!(name("todos-app", Which::Main), "todos_app_main");
        assert_eq!(name("MyApp", Which::Tenant(id("tenant_001"))), "myapp_tenant_001");
        let stored = Which::Stored { schema: id("tenant_db"), database: id("store_001") };
        assert_eq!(name("myapp", stored), "myapp_tenant_db_store_001");
    }

    #[test]
    fn names_with_other_characters_are_refused_not_mended() {
        for bad in ["my app", "a/b", "../etc", "ä", "a.b", "a\0b", "a;b", "a\"b", "%2e"] {
            assert!(matches!(Id::parse("platform", bad), Err(NameError::Character { .. })), "{bad:?}");
        }
        assert_eq!(Id::parse("platform", ""), Err(NameError::Empty { field: "platform" }));
    }

    #[test]
    fn a_name_over_63_bytes_is_refused_not_cut() {
        let platform = id(&"p".repeat(58));
        assert!(Address::new(platform.clone(), Which::Main).is_ok());
        let tenant = Which::Tenant(id("toolong"));
        assert!(matches!(Address::new(platform, tenant), Err(NameError::TooLong { bytes: 66, .. })));
        assert!(Id::parse("platform", &"x".repeat(64)).is_err());
    }

    #[test]
    fn kind_and_ids_tell_databases_apart_whose_names_read_the_same() {
        let stored = |schema, database| Which::Stored { schema: id(schema), database: id(database) };
        let all = [
            Which::Main,
            Which::Tenant(id("main")),
            Which::Tenant(id("Main")),
            Which::Tenant(id("a-b")),
            Which::Tenant(id("a_b")),
            stored("a", "b"),
            stored("A", "b"),
            stored("a", "B"),
            stored("a_b", "c"),
            stored("a", "b_c"),
        ];
        for (at, one) in all.iter().enumerate() {
            for (other_at, other) in all.iter().enumerate() {
                assert_eq!(one.is_written_like(other), at == other_at, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn two_spellings_are_one_platform() {
        assert_eq!(id("Todos-App"), id("todos_app"));
    }
}
