//! What is promised, in words for people.

use std::fmt;

use super::{Name, Promise};

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(name) => write!(f, "the table {}", shown(name)),
            Self::View(name) => write!(f, "the view {}", shown(name)),
            Self::Sequence(name) => write!(f, "the sequence {}", shown(name)),
            Self::Type(name) => write!(f, "the type {}", shown(name)),
            Self::Routine(name) => write!(f, "the function {}", shown(name)),
            Self::Schema(name) => write!(f, "the schema {name}"),
            Self::Subject((noun, name)) => f.write_str(format!("the {} {name}", noun.to_lowercase()).trim_end()),
            Self::Label(name, label) => write!(f, "the value '{label}' of the type {}", shown(name)),
            Self::Column(name, column) => write!(f, "the column {}.{column}", shown(name)),
            Self::Default(name, column) => write!(f, "the default of the column {}.{column}", shown(name)),
            Self::NotNull(name, column) => write!(f, "the NOT NULL of the column {}.{column}", shown(name)),
            Self::Constraint(name, constraint) => write!(f, "the constraint {constraint} of {}", shown(name)),
            Self::Unnamed(name, kind, text) => write!(f, "the {} of {}", constraint(*kind, text), shown(name)),
            Self::Index(name, index) => write!(f, "the index {index} of {}", shown(name)),
            Self::UnnamedIndex(name, _) => write!(f, "the index of {}", shown(name)),
            Self::Part(name, kind, part) => write!(f, "the {} {part} of {}", part_of(*kind), shown(name)),
            Self::RowSecurity(name, false) => write!(f, "the row level security of {}", shown(name)),
            Self::RowSecurity(name, true) => write!(f, "the forced row level security of {}", shown(name)),
        }
    }
}

fn shown((schema, name): &Name) -> String {
    if schema.is_empty() { name.clone() } else { format!("{schema}.{name}") }
}

fn constraint(kind: char, text: &str) -> String {
    const LONGEST: usize = 120;
    match (kind, text.is_empty()) {
        (_, false) => text.chars().take(LONGEST).collect(),
        ('c', _) => "check".to_owned(),
        ('f', _) => "foreign key".to_owned(),
        ('p', _) => "primary key".to_owned(),
        ('u', _) => "unique constraint".to_owned(),
        _ => "exclusion constraint".to_owned(),
    }
}

fn part_of(kind: char) -> &'static str {
    match kind {
        't' => "trigger",
        'p' => "policy",
        'R' => "restrictive policy",
        'r' => "rule",
        _ => "statistics",
    }
}
