//! Which objects a piece of PostgreSQL's parse tree refers to, wherever in it they stand. Called by [`super::facts`].
//!
//! The tree has some 270 kinds of node, and a reference may hide in any of them: a type in a cast in a default, a table
//! in a sub-select of a policy. Instead of naming each way down, the walk is a [`serde::Serializer`]: the tree's types
//! know how to serialize themselves and tell their names on the way, so nothing is passed over, in future grammars too.

use serde::ser::{self, Serialize};

use super::{Reference, Wanted};

/// Everything that `tree` refers to, in the order in which it is written, duplicates included.
pub(super) fn references(tree: &impl Serialize) -> Vec<Reference> {
    let mut walk = Walk::default();
    // The walk has no way to fail: it writes nothing and accepts every shape.
    let _ = tree.serialize(&mut walk);
    walk.found
}

/// What the names of the gateway's own tables begin with, in every database.
const OWN: &str = "_stonescriptdb_gateway_";

/// Whether `tree` has a name of the gateway's own in it, other than to read from it. Bodies of functions are not looked
/// into.
pub(super) fn touches_own(tree: &impl Serialize) -> bool {
    let mut walk = Walk::default();
    let _ = tree.serialize(&mut walk);
    walk.touches_own
}

/// Whether the names in a field of a node are only read from, or are no names.
fn is_harmless(node: &str, field: &str) -> bool {
    match node {
        "AConst" | "ColumnRef" | "TableLikeClause" => true,
        "CreateFunctionStmt" => matches!(field, "options" | "sql_body"),
        "DoStmt" => field == "args",
        "CommentStmt" => field == "comment",
        _ => matches!(field, "from_clause" | "using_clause" | "source_relation"),
    }
}

/// A qualified name as the grammar spells it, `[schema,] name`, out of a list of `String` nodes.
pub fn name_parts(names: &[pg_query::Node]) -> Vec<String> {
    names
        .iter()
        .filter_map(|node| match &node.node {
            Some(pg_query::NodeEnum::String(part)) => Some(part.sval.clone()),
            _ => None,
        })
        .collect()
}

#[derive(Default)]
struct Walk {
    found: Vec<Reference>,
    /// How many fields deep it is in what [`is_harmless`].
    harmless: usize,
    touches_own: bool,
}

/// What a part of the tree was, for the node above it: only texts and lists of them matter.
#[derive(Default)]
enum Seen {
    #[default]
    Nothing,
    True,
    Text(String),
    List(Vec<Seen>),
    /// A constant string, `'like this'`.
    Constant(String),
}

impl Seen {
    fn texts(self) -> Vec<String> {
        match self {
            Self::List(items) => items
                .into_iter()
                .filter_map(|item| match item {
                    Self::Text(text) => Some(text),
                    _ => None,
                })
                .collect(),
            Self::Text(text) => vec![text],
            Self::Nothing | Self::True | Self::Constant(_) => Vec::new(),
        }
    }

    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            _ => String::new(),
        }
    }

    fn constant(&self) -> Option<&str> {
        match self {
            Self::Constant(text) => Some(text),
            Self::List(items) => items.first().and_then(Self::constant),
            Self::Nothing | Self::True | Self::Text(_) => None,
        }
    }
}

impl Walk {
    fn push(&mut self, wanted: Wanted, mut parts: Vec<String>) {
        let Some(name) = parts.pop() else { return };
        let schema = parts.pop().filter(|schema| !schema.is_empty());
        if !name.is_empty() {
            self.found.push(Reference { wanted, schema, name });
        }
    }

    /// `'public."Order Item"'` in `nextval('…')` or `'…'::regclass`: a name inside a string, read by the same scanner.
    fn push_quoted(&mut self, wanted: Wanted, text: &str) {
        // Anything the scanner takes for a call with this name; what is no name refers to nothing.
        let Ok(statements) = super::grammar::parse(&format!("TABLE {text}")) else { return };
        let mut inner = Walk::default();
        let _ = statements.serialize(&mut inner);
        if let Some(first) = inner.found.into_iter().next() {
            self.found.push(Reference { wanted, ..first });
        }
    }
}

/// The fields of a struct that are looked at; the others are walked through all the same.
struct Fields<'a> {
    walk: &'a mut Walk,
    name: &'static str,
    texts: Vec<(&'static str, Seen)>,
}

impl Fields<'_> {
    fn take(&mut self, key: &str) -> Seen {
        self.texts.iter().position(|(name, _)| *name == key).map(|at| self.texts.swap_remove(at).1).unwrap_or_default()
    }

    fn finish(mut self) -> Seen {
        match self.name {
            "String" => return Seen::Text(self.take("sval").text()),
            "AConst" => {
                // The value sits in an enum of its own, so it arrives as the text of a `String` node.
                if let Seen::Text(text) = self.take("val") {
                    return Seen::Constant(text);
                }
            }
            "Node" => return self.take("node"),
            "List" => return self.take("items"),
            "RangeVar" => {
                let parts = vec![self.take("schemaname").text(), self.take("relname").text()];
                self.walk.push(Wanted::Relation, parts.clone());
                return Seen::List(parts.into_iter().map(Seen::Text).collect());
            }
            "TableLikeClause" => {
                let parts = self.take("relation").texts();
                self.walk.push(Wanted::Details, parts);
            }
            "TypeName" => return self.type_name(),
            "TypeCast" => self.type_cast(),
            "FuncCall" => self.function_call(),
            "ObjectWithArgs" => {
                let parts = self.take("objname").texts();
                self.walk.push(Wanted::Routine, parts);
            }
            "CreateTrigStmt" | "CreateEventTrigStmt" => {
                let parts = self.take("funcname").texts();
                self.walk.push(Wanted::Routine, parts);
            }
            "AExpr" => {
                let parts = self.take("name").texts();
                self.walk.push(Wanted::Operator, parts);
            }
            "CollateClause" => {
                let parts = self.take("collname").texts();
                self.walk.push(Wanted::Collation, parts);
            }
            "IndexElem" => {
                let collation = self.take("collation").texts();
                self.walk.push(Wanted::Collation, collation);
                let class = self.take("opclass").texts();
                self.walk.push(Wanted::OperatorClass, class);
            }
            _ => {}
        }
        Seen::Nothing
    }

    fn type_name(&mut self) -> Seen {
        let mut parts = self.take("names").texts();
        if matches!(self.take("pct_type"), Seen::True) {
            // `users.email%TYPE`: the relation is what has to be there.
            parts.pop();
            self.walk.push(Wanted::Relation, parts);
            return Seen::Nothing;
        }
        self.walk.push(Wanted::Type, parts.clone());
        Seen::List(parts.into_iter().map(Seen::Text).collect())
    }

    /// `'users_id_seq'::regclass` names an object in a string.
    fn type_cast(&mut self) {
        let parts = self.take("type_name").texts();
        let target = parts.last().cloned();
        self.walk.push(Wanted::Cast, parts);
        let wanted = match target.as_deref() {
            Some("regclass") => Wanted::Relation,
            Some("regtype") => Wanted::Type,
            Some("regproc" | "regprocedure") => Wanted::Routine,
            _ => return,
        };
        if let Some(text) = self.take("arg").constant() {
            let text = text.split('(').next().unwrap_or_default().to_owned();
            self.walk.push_quoted(wanted, &text);
        }
    }

    fn function_call(&mut self) {
        let parts = self.take("funcname").texts();
        let sequence = matches!(parts.last().map(String::as_str), Some("nextval" | "currval" | "setval" | "lastval"));
        if sequence && let Some(text) = self.take("args").constant() {
            let text = text.to_owned();
            self.walk.push_quoted(Wanted::Relation, &text);
        }
        self.walk.push(Wanted::Routine, parts);
    }
}

/// The walk cannot fail; the trait wants a type that says how it would.
#[derive(Debug)]
pub(super) struct Never;

impl std::fmt::Display for Never {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the walk over a parse tree does not fail")
    }
}

impl std::error::Error for Never {}

impl ser::Error for Never {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

macro_rules! nothing {
    ($($method:ident($kind:ty)),* $(,)?) => {
        $(fn $method(self, _: $kind) -> Result<Seen, Never> { Ok(Seen::Nothing) })*
    };
}

impl<'a> ser::Serializer for &'a mut Walk {
    type Ok = Seen;
    type Error = Never;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Items<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Fields<'a>;

    nothing!(
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_f32(f32),
        serialize_f64(f64),
        serialize_char(char),
        serialize_bytes(&[u8]),
        serialize_unit_struct(&'static str),
    );

    fn serialize_bool(self, value: bool) -> Result<Seen, Never> {
        Ok(if value { Seen::True } else { Seen::Nothing })
    }

    fn serialize_str(self, text: &str) -> Result<Seen, Never> {
        self.touches_own |= self.harmless == 0 && text.starts_with(OWN);
        Ok(Seen::Text(text.to_owned()))
    }

    fn serialize_none(self) -> Result<Seen, Never> {
        Ok(Seen::Nothing)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Seen, Never> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Seen, Never> {
        Ok(Seen::Nothing)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<Seen, Never> {
        Ok(Seen::Nothing)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Seen, Never> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<Seen, Never> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>, Never> {
        Ok(Items { walk: self, seen: Vec::new() })
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'a>, Never> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'a>, Never> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Items<'a>, Never> {
        self.serialize_seq(None)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Items<'a>, Never> {
        self.serialize_seq(None)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields<'a>, Never> {
        Ok(Fields { walk: self, name, texts: Vec::new() })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Fields<'a>, Never> {
        self.serialize_struct(name, 0)
    }
}

/// The items of a list, a tuple or a map.
struct Items<'a> {
    walk: &'a mut Walk,
    seen: Vec<Seen>,
}

impl Items<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
        match value.serialize(&mut *self.walk)? {
            Seen::Nothing | Seen::True => {}
            seen => self.seen.push(seen),
        }
        Ok(())
    }
}

macro_rules! items {
    ($($name:ident::$method:ident),* $(,)?) => {$(
        impl ser::$name for Items<'_> {
            type Ok = Seen;
            type Error = Never;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
                self.item(value)
            }

            fn end(self) -> Result<Seen, Never> {
                Ok(Seen::List(self.seen))
            }
        }
    )*};
}

items!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
);

impl ser::SerializeMap for Items<'_> {
    type Ok = Seen;
    type Error = Never;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Result<(), Never> {
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
        self.item(value)
    }

    fn end(self) -> Result<Seen, Never> {
        Ok(Seen::List(self.seen))
    }
}

macro_rules! fields {
    ($($name:ident),*) => {$(
        impl ser::$name for Fields<'_> {
            type Ok = Seen;
            type Error = Never;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Never> {
                let harmless = usize::from(is_harmless(self.name, key));
                self.walk.harmless += harmless;
                let seen = value.serialize(&mut *self.walk)?;
                self.walk.harmless -= harmless;
                if !matches!(seen, Seen::Nothing) {
                    self.texts.push((key, seen));
                }
                Ok(())
            }

            fn end(self) -> Result<Seen, Never> {
                Ok(self.finish())
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);
