//! The types of parameters, as far as the gateway has to know them to write a JSON value as PostgreSQL's text. No I/O.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;

/// The type of a parameter, an element or an attribute.
#[derive(Debug)]
pub(super) struct ParamType {
    /// Its quoted name, for a cast.
    pub(super) sql: String,
    /// Its name, for choosing among overloads.
    pub(super) name: String,
    /// `pg_type.typcategory`, that of the base type for a domain.
    pub(super) category: char,
    /// Whether PostgreSQL prefers it within its category.
    pub(super) preferred: bool,
    pub(super) structure: Structure,
}

/// How a JSON value becomes its text.
#[derive(Debug)]
pub(super) enum Structure {
    /// As it stands.
    Plain,
    /// `1.0` and `1e3` are integers too.
    Integer,
    /// JSON stays JSON.
    Json,
    /// The extension's: `"key"=>"value"`, where an object is given.
    Hstore,
    /// `{…}`
    Array { element: Arc<ParamType>, delimiter: char },
    /// `(…)`
    Composite(Vec<(String, Arc<ParamType>)>),
    /// `anyelement` and its like: what is given decides.
    Any(AnyOf),
}

/// What a polymorphic type stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnyOf {
    Element,
    Array,
}

/// A row of `signature.sql`.
#[derive(Deserialize)]
pub(super) struct TypeRow {
    oid: u32,
    sql: String,
    name: String,
    #[serde(rename = "type")]
    kind: char,
    category: char,
    preferred: bool,
    element: Option<u32>,
    delimiter: Option<char>,
    base: Option<u32>,
    is_hstore: bool,
    attributes: Option<Vec<AttributeRow>>,
}

#[derive(Deserialize)]
struct AttributeRow {
    name: String,
    #[serde(rename = "type")]
    of: u32,
}

impl ParamType {
    fn plain(sql: &str, category: char, structure: Structure) -> Arc<Self> {
        let name = sql.to_owned();
        Arc::new(Self { sql: format!("pg_catalog.{sql}"), name, category, preferred: false, structure })
    }

    /// For a type that vanished while it was looked up.
    pub(super) fn unknown() -> Self {
        Self {
            sql: "pg_catalog.text".to_owned(),
            name: "text".to_owned(),
            category: 'X',
            preferred: false,
            structure: Structure::Plain,
        }
    }
}

/// The types by oid, with what they are made of.
pub(super) fn build_types(rows: Vec<TypeRow>) -> HashMap<u32, Arc<ParamType>> {
    let rows: HashMap<u32, TypeRow> = rows.into_iter().map(|row| (row.oid, row)).collect();
    let mut built = HashMap::new();
    for oid in rows.keys() {
        build(*oid, &rows, &mut built);
    }
    built
}

fn build(oid: u32, rows: &HashMap<u32, TypeRow>, built: &mut HashMap<u32, Arc<ParamType>>) -> Arc<ParamType> {
    if let Some(known) = built.get(&oid) {
        return known.clone();
    }
    let Some(row) = rows.get(&oid) else { return Arc::new(ParamType::unknown()) };
    // PostgreSQL lets no type contain itself, so this ends.
    let structure = match (row.base, row.element, &row.attributes) {
        (Some(base), _, _) => share_structure(&build(base, rows, built)),
        (_, Some(element), _) => {
            Structure::Array { element: build(element, rows, built), delimiter: row.delimiter.unwrap_or(',') }
        }
        (_, _, Some(attributes)) => Structure::Composite(
            attributes.iter().map(|attribute| (attribute.name.clone(), build(attribute.of, rows, built))).collect(),
        ),
        (None, None, None) => structure_of(row),
    };
    let of = Arc::new(ParamType {
        sql: row.sql.clone(),
        name: row.name.clone(),
        category: row.category,
        preferred: row.preferred,
        structure,
    });
    built.insert(oid, of.clone());
    of
}

/// A domain is written like what it is made from.
fn share_structure(base: &ParamType) -> Structure {
    match &base.structure {
        Structure::Plain => Structure::Plain,
        Structure::Integer => Structure::Integer,
        Structure::Json => Structure::Json,
        Structure::Hstore => Structure::Hstore,
        Structure::Array { element, delimiter } => Structure::Array { element: element.clone(), delimiter: *delimiter },
        Structure::Composite(attributes) => Structure::Composite(attributes.clone()),
        Structure::Any(of) => Structure::Any(*of),
    }
}

fn structure_of(row: &TypeRow) -> Structure {
    match row.name.as_str() {
        _ if row.is_hstore => Structure::Hstore,
        _ if row.kind == 'p' => match row.name.as_str() {
            "anyarray" | "anycompatiblearray" => Structure::Any(AnyOf::Array),
            "anyelement" | "anycompatible" | "anynonarray" | "anycompatiblenonarray" | "any" => {
                Structure::Any(AnyOf::Element)
            }
            _ => Structure::Plain,
        },
        "json" | "jsonb" if row.sql.starts_with("pg_catalog.") => Structure::Json,
        "int2" | "int4" | "int8" | "oid" if row.sql.starts_with("pg_catalog.") => Structure::Integer,
        _ => Structure::Plain,
    }
}

/// What a value given for a polymorphic parameter is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Guess {
    Text,
    Bool,
    Int4,
    Int8,
    Numeric,
    Jsonb,
    Texts,
    Bools,
    Int4s,
    Int8s,
    Numerics,
    Jsonbs,
}

impl Guess {
    /// The array whose elements are these.
    pub(super) fn array(self) -> Self {
        match self {
            Self::Text | Self::Texts => Self::Texts,
            Self::Bool | Self::Bools => Self::Bools,
            Self::Int4 | Self::Int4s => Self::Int4s,
            Self::Int8 | Self::Int8s => Self::Int8s,
            Self::Numeric | Self::Numerics => Self::Numerics,
            Self::Jsonb | Self::Jsonbs => Self::Jsonbs,
        }
    }

    /// What an array of these holds; all dimensions of an array are one type.
    pub(super) fn element(self) -> Self {
        match self {
            Self::Text | Self::Texts => Self::Text,
            Self::Bool | Self::Bools => Self::Bool,
            Self::Int4 | Self::Int4s => Self::Int4,
            Self::Int8 | Self::Int8s => Self::Int8,
            Self::Numeric | Self::Numerics => Self::Numeric,
            Self::Jsonb | Self::Jsonbs => Self::Jsonb,
        }
    }

    /// One that holds both.
    pub(super) fn widen(self, other: Self) -> Self {
        if self == other {
            return self;
        }
        match (self, other) {
            (Self::Int4, Self::Int8) | (Self::Int8, Self::Int4) => Self::Int8,
            (Self::Int4 | Self::Int8, Self::Numeric) | (Self::Numeric, Self::Int4 | Self::Int8) => Self::Numeric,
            _ => Self::Jsonb,
        }
    }

    /// The type itself.
    pub(super) fn param_type(self) -> Arc<ParamType> {
        static TYPES: LazyLock<HashMap<Guess, Arc<ParamType>>> = LazyLock::new(|| {
            let singles = [
                (Guess::Text, "text", 'S', Structure::Plain),
                (Guess::Bool, "bool", 'B', Structure::Plain),
                (Guess::Int4, "int4", 'N', Structure::Integer),
                (Guess::Int8, "int8", 'N', Structure::Integer),
                (Guess::Numeric, "numeric", 'N', Structure::Plain),
                (Guess::Jsonb, "jsonb", 'U', Structure::Json),
            ];
            let mut types = HashMap::new();
            for (guess, sql, category, structure) in singles {
                let element = ParamType::plain(sql, category, structure);
                let structure = Structure::Array { element: element.clone(), delimiter: ',' };
                types.insert(guess.array(), ParamType::plain(&format!("_{sql}"), 'A', structure));
                types.insert(guess, element);
            }
            types
        });
        TYPES.get(&self).expect("every guess is in the table").clone()
    }
}
