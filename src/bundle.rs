//! `tar.gz` → [`Bundle`], in memory, within limits. Knows no database and does no I/O.

pub mod archive;
pub mod cost;
mod down;
pub mod extension;
mod files;
mod lexer;
pub mod order;
pub mod sql;
mod text;

pub use self::text::Text;

use std::sync::Arc;

/// What a folder of the bundle holds, in the order in which they are deployed where nothing is referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `extensions/`: one file is one extension.
    Extensions,
    /// `types/`: ENUM, composite, domain, collation.
    Types,
    /// `tables/`: declared tables, the final state.
    Tables,
    /// `migrations/`: run once per database.
    Migrations,
    /// `views/`
    Views,
    /// `functions/`
    Functions,
    /// `seeders/`: reference rows.
    Seeders,
}

impl Kind {
    /// Every kind, in order.
    pub const ALL: [Self; 7] =
        [Self::Extensions, Self::Types, Self::Tables, Self::Migrations, Self::Views, Self::Functions, Self::Seeders];

    /// The folder's name.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Extensions => "extensions",
            Self::Types => "types",
            Self::Tables => "tables",
            Self::Migrations => "migrations",
            Self::Views => "views",
            Self::Functions => "functions",
            Self::Seeders => "seeders",
        }
    }

    /// Whether its files say what there is in the end, before any migration: in a new database they come first.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Types | Self::Tables)
    }

    /// The kind whose folder has this name.
    pub fn of_folder(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.folder() == name)
    }
}

/// One SQL file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The folder it came from.
    pub kind: Kind,
    /// Its path from the kind's folder on, e.g. `functions/auth/login.pssql`: what errors name.
    pub path: String,
    /// Its text, UTF-8, without a byte order mark, without NUL.
    pub text: Text,
}

impl SourceFile {
    /// Its path below the kind's folder.
    pub fn below_folder(&self) -> &str {
        let below = self.path.strip_prefix(self.kind.folder()).and_then(|rest| rest.strip_prefix('/'));
        below.unwrap_or(&self.path)
    }
}

/// What a platform uploaded: its `postgresql/` folder.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Sorted by kind, then path (bytes).
    pub files: Vec<SourceFile>,
    /// SHA-256 over kind, path and text of every file, hexadecimal: the same files give the same checksum, whatever the
    /// wrapper folder, the archive's order, its timestamps or its compression.
    pub checksum: String,
    /// What was ignored, a sentence each, for the answer's `warnings`.
    pub warnings: Vec<String>,
    /// As what it is read.
    pub rules: Rules,
    /// The right to the memory that it takes, and that its deployment will take.
    pub memory: Option<Held>,
}

/// By which rules a bundle's statements are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rules {
    /// Those of this version, which every upload has to keep.
    #[default]
    Current,
    /// Stored by a version that did not refuse what this one does: it goes on as it was taken, until the next upload.
    Earlier,
}

/// Something that is held until the last of those lets go who share it.
#[derive(Clone)]
pub struct Held(pub Arc<dyn Send + Sync>);

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held(…)")
    }
}
