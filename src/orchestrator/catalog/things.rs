//! A catalog as a list of things: each with its identity, a name, what it is in PostgreSQL's words, and, where that is
//! simple, the statements that make and drop it. What a verification compares, what a deployment records of its
//! declaration, and what goes when a later declaration no longer has it. Pure.

use super::{Catalog, Column, Definition, Domain, Relation, View, lists};
use crate::databases::quote_literal;

/// What kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Also partitioned and foreign ones.
    Table,
    /// Of a table, or an attribute of a composite type.
    Column,
    /// Of a table or a domain.
    Constraint,
    /// One that belongs to no constraint.
    Index,
    /// Of a table or a view.
    Trigger,
    /// Of row level security.
    Policy,
    /// But for that which makes a view.
    Rule,
    /// Extended ones.
    Statistics,
    /// Also materialized ones.
    View,
    /// Also one that belongs to a column.
    Sequence,
    /// Enum, domain, composite, range.
    Type,
    /// A collation.
    Collation,
    /// Function, procedure, aggregate.
    Routine,
    /// On any of these.
    Comment,
    /// That it is enabled for a table.
    RowSecurity,
    /// Storage parameters.
    Options,
    /// That somebody may, or may not, do something with one of these.
    Privilege,
    /// What is said of a part of a table, or of something else, by a statement of its own: whether a trigger is switched on.
    State,
    /// The index of a partition that is part of its parent's.
    PartitionIndex,
    /// A schema.
    Schema,
    /// Publication, operator, cast, dictionary and the like.
    Object,
    /// Of operators; goes after its classes.
    Family,
}

/// One thing of a catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    /// What kind.
    pub kind: Kind,
    /// The same in every snapshot of one database, whatever it is called.
    pub identity: String,
    /// E.g. `index users_by_mail of users`: the same in every database of one bundle.
    pub name: String,
    /// What PostgreSQL prints it as, without its kind.
    pub object: String,
    /// The table that it is part of, as PostgreSQL prints it.
    pub table: Option<String>,
    /// What it is.
    pub words: String,
    /// The statement that makes it.
    pub make: Option<String>,
    /// The statement that drops it, without what depends on it.
    pub drop: Option<String>,
}

impl Thing {
    fn new(kind: Kind, identity: String, noun: &str, object: &str, words: String) -> Self {
        Self {
            kind,
            identity,
            name: format!("{noun} {object}"),
            object: object.to_owned(),
            table: None,
            words,
            make: None,
            drop: None,
        }
    }

    fn part_of(mut self, table: &str) -> Self {
        self.table = Some(table.to_owned());
        self
    }

    fn of(mut self, table: &str) -> Self {
        self.name = format!("{} of {table}", self.name);
        self.part_of(table)
    }

    fn dropped_by(mut self, statement: String) -> Self {
        self.drop = Some(statement);
        self
    }

    fn made_by(mut self, statement: String) -> Self {
        self.make = Some(statement);
        self
    }
}

/// Everything in a catalog.
pub(super) fn of(catalog: &Catalog) -> Vec<Thing> {
    let mut things = Vec::new();
    for (oid, relation) in &catalog.relations {
        relation_things(*oid, relation, &mut things);
    }
    for (oid, view) in &catalog.views {
        view_things(*oid, view, &mut things);
    }
    for (oid, sequence) in &catalog.sequences {
        let owner = sequence.owner.as_ref();
        let owned = owner.map(|owner| format!(" OWNED BY {}.{}", owner.table, owner.column)).unwrap_or_default();
        let words = format!("{}{owned}", sequence.options);
        let mut thing = Thing::new(Kind::Sequence, format!("sequence {oid}"), "sequence", &sequence.name, words);
        match owner {
            // It comes and goes with its column.
            Some(owner) => thing = thing.part_of(&owner.table),
            None => thing = thing.dropped_by(format!("DROP SEQUENCE {}", sequence.name)),
        }
        things.push(thing);
    }
    for (oid, one) in &catalog.enums {
        let words = format!("({})", one.values.join(", "));
        things.push(type_thing(*oid, "enum", &one.name, words, "TYPE"));
    }
    for (oid, domain) in &catalog.domains {
        things.push(type_thing(*oid, "domain", &domain.name, domain_words(domain), "DOMAIN"));
        if let Some(one) = domain.requirement.as_ref().filter(|one| one.named) {
            let identity = format!("requirement {oid}");
            let thing = Thing::new(Kind::Constraint, identity, "constraint", &one.name, "NOT NULL".to_owned());
            things.push(thing.of(&format!("domain {}", domain.name)));
        }
        for (name, definition) in &domain.constraints {
            let on = format!("domain {}", domain.name);
            let identity = format!("domain {oid} {name}");
            let thing = Thing::new(Kind::Constraint, identity, "constraint", name, definition.clone()).of(&on);
            things.push(thing.dropped_by(format!("ALTER DOMAIN {} DROP CONSTRAINT {name}", domain.name)));
        }
    }
    for (key, other) in &catalog.others {
        let (kind, noun, drop) = match other.kind {
            'g' => (Kind::Type, "range", "TYPE"),
            _ => (Kind::Collation, "collation", "COLLATION"),
        };
        let thing = Thing::new(kind, format!("{noun} {key}"), noun, &other.name, other.definition.clone());
        things.push(thing.dropped_by(format!("DROP {drop} {}", other.name)));
    }
    for (oid, routine) in &catalog.routines {
        let noun = match routine.kind {
            'p' => "procedure",
            'a' => "aggregate",
            _ => "function",
        };
        let thing =
            Thing::new(Kind::Routine, format!("routine {oid}"), noun, &routine.name, routine.definition.clone());
        let drop = format!("DROP AGGREGATE {}", routine.name);
        things.push(if routine.kind == 'a' { thing.dropped_by(drop) } else { thing });
    }
    things.extend(catalog.details.iter().map(super::Detail::thing));
    // Last: what is made anew by then has lost its comment.
    for (key, comment) in &catalog.comments {
        let words = comment.text.clone();
        let thing = Thing::new(Kind::Comment, format!("comment {key}"), "comment on", &comment.what, words);
        let made = format!("COMMENT ON {} IS {}", comment.what, quote_literal(&comment.text));
        // PostgreSQL's own, which a new database has.
        let without = if comment.what == "SCHEMA public" { "'standard public schema'" } else { "NULL" };
        things.push(thing.made_by(made).dropped_by(format!("COMMENT ON {} IS {without}", comment.what)));
    }
    things
}

fn type_thing(oid: u32, noun: &str, name: &str, words: String, drop: &str) -> Thing {
    Thing::new(Kind::Type, format!("type {oid}"), noun, name, words).dropped_by(format!("DROP {drop} {name}"))
}

fn domain_words(domain: &Domain) -> String {
    let mut text = domain.base_type.clone();
    text += if domain.not_null { " NOT NULL" } else { "" };
    text += &domain.default.as_ref().map(|default| format!(" DEFAULT {default}")).unwrap_or_default();
    text
}

fn relation_things(oid: u32, relation: &Relation, things: &mut Vec<Thing>) {
    let name = relation.name.as_str();
    let (kind, noun, part) = match relation.kind {
        'c' => (Kind::Type, "type", "attribute"),
        _ => (Kind::Table, "table", "column"),
    };
    let mut thing = Thing::new(kind, format!("relation {oid}"), noun, name, relation_words(relation));
    if kind == Kind::Type {
        thing = thing.dropped_by(format!("DROP TYPE {name}"));
    }
    things.push(thing);
    for (number, column) in &relation.columns {
        let object = format!("{name}.{}", column.name);
        let identity = format!("relation {oid} {number}");
        things.push(Thing::new(Kind::Column, identity, part, &object, column_words(column)).part_of(name));
        // The name of a NOT NULL is not compared but where it is declared. It goes with what the column's words say.
        if let Some(one) = column.requirement.as_ref().filter(|one| one.local && one.named) {
            let identity = format!("requirement {oid} {number}");
            let words = format!("NOT NULL {}", column.name);
            things.push(Thing::new(Kind::Constraint, identity, "constraint", &one.name, words).of(name));
        }
    }
    for (oid, one) in &relation.constraints {
        let thing =
            Thing::new(Kind::Constraint, format!("constraint {oid}"), "constraint", &one.name, one.definition.clone());
        let drop = format!("ALTER TABLE {name} DROP CONSTRAINT {}", one.name);
        things.push(thing.of(name).dropped_by(drop));
    }
    index_things(name, relation.indexes.iter(), things);
    for (key, part) in &relation.parts {
        things.push(part_thing(key, name, part));
    }
    if relation.row_security {
        let words = if relation.force_row_security { "enabled, forced" } else { "enabled" };
        let force = if relation.force_row_security { "" } else { "NO " };
        let identity = format!("security {oid}");
        let thing = Thing::new(Kind::RowSecurity, identity, "row security of", name, words.to_owned()).part_of(name);
        let alter = format!("ALTER TABLE {name}");
        let make = format!("{alter} ENABLE ROW LEVEL SECURITY, {force}FORCE ROW LEVEL SECURITY");
        let drop = format!("{alter} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY");
        things.push(thing.made_by(make).dropped_by(drop));
    }
    if !relation.options.is_empty() && relation.kind != 'c' {
        things.push(options_thing(oid, "TABLE", name, &relation.options));
    }
}

fn options_thing(oid: u32, noun: &str, name: &str, options: &[String]) -> Thing {
    let names: Vec<&str> = options.iter().filter_map(|option| option.split_once('=')).map(|(name, _)| name).collect();
    let values: Vec<String> = options
        .iter()
        .filter_map(|option| option.split_once('='))
        .map(|(name, value)| format!("{name} = {}", quote_literal(value)))
        .collect();
    let mut sorted = options.to_vec();
    sorted.sort();
    Thing::new(Kind::Options, format!("options {oid}"), "options of", name, sorted.join(", "))
        .part_of(name)
        .made_by(format!("ALTER {noun} {name} SET ({})", values.join(", ")))
        .dropped_by(format!("ALTER {noun} {name} RESET ({})", names.join(", ")))
}

fn index_things<'a>(table: &str, indexes: impl Iterator<Item = (&'a u32, &'a Definition)>, things: &mut Vec<Thing>) {
    for (oid, one) in indexes {
        let thing = Thing::new(Kind::Index, format!("index {oid}"), "index", &one.name, one.definition.clone());
        let drop = format!("DROP INDEX {}{}", schema_prefix(table), one.name);
        things.push(thing.of(table).made_by(index_statement(one)).dropped_by(drop));
    }
}

/// How the snapshot marks an index that queries may not use: one of a partitioned table that some partition lacks, or one
/// that an interrupted `CREATE INDEX CONCURRENTLY` left.
pub const INVALID: &str = " INVALID";

/// The statement that makes an index. PostgreSQL prints that of a partitioned table `ON ONLY` it, which leaves the
/// partitions without; only one that is declared so, and is invalid in the blueprint too, is made so.
pub fn index_statement(one: &Definition) -> String {
    let is_whole = one.definition.strip_suffix(INVALID);
    let statement = is_whole.unwrap_or(&one.definition);
    let unique = if statement.starts_with("CREATE UNIQUE ") { "UNIQUE " } else { "" };
    let start = format!("CREATE {unique}INDEX {} ON ", one.name);
    match statement.strip_prefix(&start).and_then(|rest| rest.strip_prefix("ONLY ")) {
        Some(rest) if is_whole.is_none() => format!("{start}{rest}"),
        _ => statement.to_owned(),
    }
}

/// What `ADD CONSTRAINT` takes. A key of a partitioned table whose partitions lack it is marked like such an index.
pub fn constraint_text(one: &Definition) -> &str {
    one.definition.strip_suffix(INVALID).unwrap_or(&one.definition)
}

/// `shop.` of `shop.orders`, where what has no schema of its own in its name lives.
pub fn schema_prefix(printed: &str) -> String {
    let mut quoted = false;
    let dot = printed.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        *c == '.' && !quoted
    });
    dot.map(|(at, _)| printed[..=at].to_owned()).unwrap_or_default()
}

/// Schema and name, unquoted, of a name as PostgreSQL prints it.
pub fn parts_of_name(printed: &str) -> (String, String) {
    let prefix = schema_prefix(printed);
    let bare = |part: &str| match part.strip_prefix('"').and_then(|part| part.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => part.to_owned(),
    };
    let schema = prefix.strip_suffix('.').map_or_else(|| "public".to_owned(), bare);
    (schema, bare(&printed[prefix.len()..]))
}

fn part_thing(key: &str, table: &str, part: &Definition) -> Thing {
    let (kind, noun) = match part.kind {
        't' => (Kind::Trigger, "trigger"),
        'p' => (Kind::Policy, "policy"),
        'r' => (Kind::Rule, "rule"),
        _ => (Kind::Statistics, "statistics"),
    };
    let words = match part.kind {
        'r' => in_any_column_order(&part.definition),
        's' => lists::sorted_behind(" ON ", Some(" FROM "), &part.definition),
        _ => part.definition.clone(),
    };
    let name = &part.name;
    let thing = Thing::new(kind, format!("part {key}"), noun, name, words).of(table);
    let (make, drop) = match part.kind {
        't' => (part.definition.clone(), format!("DROP TRIGGER {name} ON {table}")),
        'p' => {
            let make = format!("CREATE POLICY {name} ON {table} {}", part.definition);
            (make, format!("DROP POLICY {name} ON {table}"))
        }
        'r' => (part.definition.clone(), format!("DROP RULE {name} ON {table}")),
        _ => (part.definition.clone(), format!("DROP STATISTICS {}{name}", schema_prefix(table))),
    };
    thing.made_by(make).dropped_by(drop)
}

fn view_things(oid: u32, view: &View, things: &mut Vec<Thing>) {
    let (noun, sql) = if view.materialized { ("materialized view", "MATERIALIZED VIEW") } else { ("view", "VIEW") };
    let name = view.name.as_str();
    let words = in_any_column_order(&view.definition);
    let thing = Thing::new(Kind::View, format!("relation {oid}"), noun, name, words);
    things.push(thing.dropped_by(format!("DROP {sql} {name}")));
    index_things(name, view.indexes.iter(), things);
    for (key, part) in &view.parts {
        things.push(part_thing(key, name, part));
    }
    if !view.options.is_empty() {
        things.push(options_thing(oid, sql, name, &view.options));
    }
}

/// `SELECT *` is deparsed as the columns in their order, which depends on when each came to its table. So the lines of a
/// query are compared as a set; PostgreSQL prints each output column on one of its own.
pub fn in_any_column_order(definition: &str) -> String {
    let line = |line: &str| {
        let line = line.trim().trim_end_matches([',', ';']);
        let line = line.strip_prefix("SELECT ").unwrap_or(line).trim();
        // So do the columns that a NATURAL JOIN joins by.
        lists::sorted_within(" USING (", line)
    };
    let mut lines: Vec<String> = definition.lines().map(line).collect();
    lines.sort();
    lines.join("\n")
}

fn relation_words(relation: &Relation) -> String {
    let parents = relation.parents.join(", ");
    let mut words = match (parents.as_str(), relation.bounds.as_deref()) {
        ("", _) => "there".to_owned(),
        (parents, None) => format!("there, inheriting from {parents}"),
        (parents, Some(bounds)) => format!("there, a partition of {parents} {bounds}"),
    };
    if let Some(key) = &relation.partitioned_by {
        words += &format!(", partitioned by {key}");
    }
    words += if relation.unlogged { ", unlogged" } else { "" };
    words
}

fn column_words(column: &Column) -> String {
    let mut text = column.data_type.clone();
    text += &column.collation.as_ref().map(|name| format!(" COLLATE {name}")).unwrap_or_default();
    text += requirement_words(column);
    text += match column.identity.as_str() {
        "a" => " GENERATED ALWAYS AS IDENTITY",
        "d" => " GENERATED BY DEFAULT AS IDENTITY",
        _ => "",
    };
    if let Some(default) = &column.default {
        text += &match column.generated.as_str() {
            "" => format!(" DEFAULT {default}"),
            "v" => format!(" GENERATED ALWAYS AS ({default}) VIRTUAL"),
            _ => format!(" GENERATED ALWAYS AS ({default}) STORED"),
        };
    }
    text += &column.storage.map(|storage| format!(" STORAGE {}", storage_word(storage))).unwrap_or_default();
    text
}

/// What is said of NULL. A child's own says nothing of whether it is valid while the parent's is not.
fn requirement_words(column: &Column) -> &'static str {
    let inherits = column.requirement.as_ref().is_none_or(|one| one.inherits);
    let is_declared = column.requirement.as_ref().is_some_and(|one| one.local);
    match (column.not_null, inherits) {
        (true, true) => " NOT NULL",
        (true, false) => " NOT NULL NO INHERIT",
        (false, _) if !is_declared => "",
        (false, true) => " NOT NULL NOT VALID",
        (false, false) => " NOT NULL NO INHERIT NOT VALID",
    }
}

/// `pg_attribute.attstorage` as `ALTER TABLE` says it.
pub fn storage_word(storage: char) -> &'static str {
    match storage {
        'p' => "PLAIN",
        'e' => "EXTERNAL",
        'm' => "MAIN",
        _ => "EXTENDED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_what_stands_before_the_dot_outside_of_quotes() {
        for (printed, schema) in [
            ("users", ""),
            ("shop.users", "shop."),
            ("\"a.b\"", ""),
            ("\"a.b\".\"c.d\"", "\"a.b\"."),
            ("x.\"c.d\"", "x."),
        ] {
            assert_eq!(schema_prefix(printed), schema, "{printed}");
        }
    }

    #[test]
    fn an_index_of_a_partitioned_table_is_made_for_its_partitions_too() {
        for (name, definition, statement) in [
            ("i", "CREATE INDEX i ON ONLY public.t USING btree (n)", "CREATE INDEX i ON public.t USING btree (n)"),
            (
                "\"a ON ONLY b\"",
                "CREATE UNIQUE INDEX \"a ON ONLY b\" ON ONLY s.\"ONLY t\" USING btree (n)",
                "CREATE UNIQUE INDEX \"a ON ONLY b\" ON s.\"ONLY t\" USING btree (n)",
            ),
            ("i", "CREATE INDEX i ON ONLY t USING btree (n) INVALID", "CREATE INDEX i ON ONLY t USING btree (n)"),
            ("i", "CREATE INDEX i ON \"ONLY x\" USING btree (n)", "CREATE INDEX i ON \"ONLY x\" USING btree (n)"),
            ("i", "CREATE INDEX i ON t USING btree (n) INVALID", "CREATE INDEX i ON t USING btree (n)"),
        ] {
            let one = Definition { name: name.to_owned(), definition: definition.to_owned(), kind: 'i' };
            assert_eq!(index_statement(&one), statement);
        }
    }

    #[test]
    fn the_order_of_a_views_columns_is_no_difference() {
        let one = " SELECT t.id,\n    t.n\n   FROM t;";
        let other = " SELECT t.n,\n    t.id\n   FROM t;";
        assert_eq!(in_any_column_order(one), in_any_column_order(other));
        assert_ne!(in_any_column_order(one), in_any_column_order(" SELECT t.id\n   FROM t;"));
        let joined =
            |columns: &str| in_any_column_order(&format!(" SELECT id\n   FROM (t\n     JOIN l USING ({columns}));"));
        assert_eq!(joined("id, b, a"), joined("id, a, b"));
        assert_ne!(joined("id, b"), joined("id, a"));
    }
}
