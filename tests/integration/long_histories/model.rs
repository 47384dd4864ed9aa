//! What a history has come to: tables with their columns, keys and all that hangs on them, types, functions and views.
//! Expressions name a table as `{t3}` and a column as `{c12}`, so that a rename is a rename everywhere PostgreSQL follows it.

use std::fmt::Write;

/// Its name, and where its range begins and ends.
pub(super) type Partition = (String, usize, usize);

/// How the tool writes names.
#[derive(Clone, Copy, Default)]
pub(super) struct Names {
    /// `"User3"` instead of `user_3`.
    pub(super) quoted: bool,
    /// `public.` before tables.
    pub(super) qualified: bool,
}

#[derive(Clone, Default)]
pub(super) struct Model {
    pub(super) names: Names,
    pub(super) tables: Vec<Table>,
    pub(super) enums: Vec<Enum>,
    pub(super) domains: Vec<String>,
    pub(super) functions: Vec<Function>,
    pub(super) views: Vec<View>,
    pub(super) sequences: Vec<(String, i64)>,
    /// For numbers that no two things share.
    pub(super) last: usize,
}

#[derive(Clone)]
pub(super) struct Table {
    pub(super) id: usize,
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    pub(super) constraints: Vec<Constraint>,
    pub(super) indexes: Vec<Index>,
    pub(super) triggers: Vec<Trigger>,
    /// Name and what follows `CREATE POLICY name ON table`.
    pub(super) policies: Vec<(String, String)>,
    pub(super) row_security: bool,
    pub(super) comment: Option<String>,
    pub(super) readable_by_all: bool,
    /// The column of `PARTITION BY RANGE`, and the partitions: name, from, to.
    pub(super) partitions: Option<(usize, Vec<Partition>)>,
    /// Whether it ever had rows, and whether it surely has some.
    pub(super) had_rows: bool,
    pub(super) has_rows: bool,
}

#[derive(Clone)]
pub(super) struct Column {
    pub(super) id: usize,
    pub(super) name: String,
    pub(super) ty: Type,
    pub(super) not_null: bool,
    pub(super) default: Option<String>,
    pub(super) generated: Option<String>,
    pub(super) origin: Origin,
    pub(super) comment: Option<String>,
    /// No two rows have the same value.
    pub(super) distinct: bool,
    /// Its values are of the moment: nobody compares them.
    pub(super) of_the_moment: bool,
}

#[derive(Clone, PartialEq)]
pub(super) enum Origin {
    Written,
    /// The name of its sequence.
    Identity(String),
    /// A sequence of its own, and that one's type.
    Serial(String, &'static str),
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Type {
    Plain(&'static str),
    Enum(usize),
}

#[derive(Clone)]
pub(super) struct Constraint {
    pub(super) name: String,
    pub(super) what: Rule,
}

#[derive(Clone)]
pub(super) enum Rule {
    Primary(Vec<usize>),
    Unique(Vec<usize>),
    /// Column, table and column that it refers to, and what follows.
    Foreign(usize, usize, usize, String),
    Check(String),
}

#[derive(Clone)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) unique: bool,
    /// From `(` on: `({c3}) WHERE {c4} IS NULL`.
    pub(super) on: String,
}

#[derive(Clone)]
pub(super) struct Trigger {
    pub(super) name: String,
    pub(super) function: usize,
}

#[derive(Clone)]
pub(super) struct Enum {
    pub(super) id: usize,
    pub(super) name: String,
    pub(super) labels: Vec<String>,
}

#[derive(Clone)]
pub(super) struct Function {
    pub(super) id: usize,
    pub(super) name: String,
    /// From `(` on, with tables and columns as placeholders. Its text is no more than text: renames do not reach it.
    pub(super) text: String,
    pub(super) arguments: &'static str,
}

#[derive(Clone)]
pub(super) struct View {
    pub(super) name: String,
    pub(super) materialized: bool,
    pub(super) query: String,
    /// Indexes of a materialized one.
    pub(super) indexes: Vec<(String, String)>,
}

impl Model {
    pub(super) fn next(&mut self) -> usize {
        self.last += 1;
        self.last
    }

    /// A new name out of a word: `user_3`, or `User3`.
    pub(super) fn name(&mut self, word: &str) -> String {
        let number = self.next();
        match self.names.quoted {
            true => format!("{}{}{number}", word[..1].to_uppercase(), &word[1..]),
            false => format!("{word}_{number}"),
        }
    }

    /// A name as it is written.
    pub(super) fn ident(&self, name: &str) -> String {
        if self.names.quoted { format!("\"{name}\"") } else { name.to_owned() }
    }

    /// A name with its schema, where the tool writes one.
    pub(super) fn full(&self, name: &str) -> String {
        if self.names.qualified { format!("public.{}", self.ident(name)) } else { self.ident(name) }
    }

    /// Fills in the names of tables (`{t3}`) and columns (`{c12}`).
    pub(super) fn fill(&self, template: &str) -> String {
        let mut parts = template.split('{');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let known = part.split_once('}').and_then(|(place, rest)| {
                let id = place.get(1..)?.parse::<usize>().ok()?;
                let name = if place.starts_with('t') { self.full(&self.table(id).name) } else { self.column_ident(id) };
                Some((name, rest))
            });
            match known {
                Some((name, rest)) => text.extend([name.as_str(), rest]),
                None => text.extend(["{", part]),
            }
        }
        text
    }

    pub(super) fn table(&self, id: usize) -> &Table {
        self.tables.iter().find(|table| table.id == id).expect("a table of the model")
    }

    pub(super) fn table_mut(&mut self, id: usize) -> &mut Table {
        self.tables.iter_mut().find(|table| table.id == id).expect("a table of the model")
    }

    fn column_ident(&self, id: usize) -> String {
        let column = self.tables.iter().flat_map(|table| &table.columns).find(|column| column.id == id);
        self.ident(&column.expect("a column of the model").name)
    }

    pub(super) fn idents(&self, columns: &[usize]) -> String {
        columns.iter().map(|id| self.column_ident(*id)).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn enumeration(&self, id: usize) -> &Enum {
        self.enums.iter().find(|one| one.id == id).expect("an enum of the model")
    }

    pub(super) fn type_name(&self, ty: Type) -> String {
        match ty {
            Type::Plain(name) => name.to_owned(),
            Type::Enum(id) => self.full(&self.enumeration(id).name),
        }
    }

    /// Whether a view, function, policy, trigger or generated column would notice that it goes or changes.
    pub(super) fn is_read(&self, place: &str) -> bool {
        let views = self.views.iter().map(|view| &view.query);
        let functions = self.functions.iter().map(|function| &function.text);
        let of_tables = self.tables.iter().flat_map(|table| {
            let generated = table.columns.iter().filter_map(|column| column.generated.as_ref());
            generated.chain(table.policies.iter().map(|(_, text)| text))
        });
        views.chain(functions).chain(of_tables).any(|text| text.contains(place))
    }

    /// Whether another table refers to it.
    pub(super) fn is_referenced(&self, table: usize) -> bool {
        self.tables
            .iter()
            .flat_map(|table| &table.constraints)
            .any(|constraint| matches!(&constraint.what, Rule::Foreign(_, other, _, _) if *other == table))
    }

    /// Whether a key, index or check of its table is about it, or a reference.
    pub(super) fn is_in_a_rule(&self, table: usize, column: usize) -> bool {
        let place = format!("{{c{column}}}");
        let of = self.table(table);
        let is_key = self.tables.iter().flat_map(|table| &table.constraints).any(|constraint| match &constraint.what {
            Rule::Primary(columns) | Rule::Unique(columns) => columns.contains(&column),
            Rule::Foreign(own, _, other, _) => *own == column || *other == column,
            Rule::Check(text) => text.contains(&place),
        });
        is_key || of.indexes.iter().any(|index| index.on.contains(&place)) || of.partitions.is_some()
    }

    /// A column as `CREATE TABLE` and `ADD COLUMN` have it; `fresh`: a serial one makes its sequence.
    pub(super) fn column_text(&self, column: &Column, fresh: bool) -> String {
        if let (Origin::Serial(_, ty), true) = (&column.origin, fresh) {
            let serial = if *ty == "bigint" { "bigserial" } else { "serial" };
            return format!("{} {serial} NOT NULL", self.ident(&column.name));
        }
        let mut text = format!("{} {}", self.ident(&column.name), self.type_name(column.ty));
        if let Some(generated) = &column.generated {
            write!(text, " GENERATED ALWAYS AS ({}) STORED", self.fill(generated)).expect("a text grows");
        }
        if let Origin::Identity(sequence) = &column.origin {
            text.push_str(" GENERATED BY DEFAULT AS IDENTITY");
            if !fresh {
                write!(text, " (SEQUENCE NAME {})", self.ident(sequence)).expect("a text grows");
            }
        }
        if let Some(default) = &column.default {
            write!(text, " DEFAULT {default}").expect("a text grows");
        }
        if column.not_null && !matches!(column.origin, Origin::Identity(_)) {
            text.push_str(" NOT NULL");
        }
        text
    }

    pub(super) fn rule_text(&self, rule: &Rule) -> String {
        match rule {
            Rule::Primary(columns) => format!("PRIMARY KEY ({})", self.idents(columns)),
            Rule::Unique(columns) => format!("UNIQUE ({})", self.idents(columns)),
            Rule::Foreign(column, table, other, more) => {
                let (column, other) = (self.idents(&[*column]), self.idents(&[*other]));
                format!("FOREIGN KEY ({column}) REFERENCES {} ({other}){more}", self.full(&self.table(*table).name))
            }
            Rule::Check(text) => format!("CHECK ({})", self.fill(text)),
        }
    }

    pub(super) fn constraint_text(&self, constraint: &Constraint) -> String {
        format!("CONSTRAINT {} {}", self.ident(&constraint.name), self.rule_text(&constraint.what))
    }

    pub(super) fn index_text(&self, table: &Table, index: &Index, how: &str) -> String {
        let unique = if index.unique { "UNIQUE " } else { "" };
        let (name, on) = (self.ident(&index.name), self.fill(&index.on));
        format!("CREATE {unique}INDEX {how}{name} ON {} {on}", self.full(&table.name))
    }

    pub(super) fn trigger_text(&self, table: &Table, trigger: &Trigger) -> String {
        let function = self.functions.iter().find(|one| one.id == trigger.function).expect("a function of the model");
        format!(
            "CREATE TRIGGER {} BEFORE UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION {}()",
            self.ident(&trigger.name),
            self.full(&table.name),
            self.full(&function.name)
        )
    }

    pub(super) fn function_text(&self, function: &Function, how: &str) -> String {
        format!("CREATE {how}FUNCTION {}{}", self.full(&function.name), self.fill(&function.text))
    }

    pub(super) fn view_text(&self, view: &View) -> String {
        let kind = if view.materialized { "MATERIALIZED VIEW" } else { "VIEW" };
        format!("CREATE {kind} {} AS {}", self.full(&view.name), self.fill(&view.query))
    }

    pub(super) fn enum_text(&self, one: &Enum) -> String {
        format!("CREATE TYPE {} AS ENUM ({})", self.full(&one.name), labels(&one.labels))
    }

    /// A table with its columns and these constraints.
    pub(super) fn table_text(&self, table: &Table, constraints: &[Constraint], fresh: bool) -> String {
        let mut lines: Vec<String> = table.columns.iter().map(|column| self.column_text(column, fresh)).collect();
        lines.extend(constraints.iter().map(|constraint| self.constraint_text(constraint)));
        let partitions =
            table.partitions.as_ref().map(|(column, _)| format!(" PARTITION BY RANGE ({})", self.idents(&[*column])));
        let body = lines.join(",\n    ");
        format!("CREATE TABLE {} (\n    {body}\n){}", self.full(&table.name), partitions.unwrap_or_default())
    }

    pub(super) fn partition_text(&self, table: &Table, (name, from, to): &(String, usize, usize)) -> String {
        let (name, of) = (self.full(name), self.full(&table.name));
        format!("CREATE TABLE {name} PARTITION OF {of} FOR VALUES FROM ({from}) TO ({to})")
    }
}

pub(super) fn labels(labels: &[String]) -> String {
    labels.iter().map(|label| format!("'{label}'")).collect::<Vec<_>>().join(", ")
}

impl Table {
    pub(super) fn column(&self, id: usize) -> &Column {
        self.columns.iter().find(|column| column.id == id).expect("a column of the table")
    }

    pub(super) fn column_mut(&mut self, id: usize) -> &mut Column {
        self.columns.iter_mut().find(|column| column.id == id).expect("a column of the table")
    }

    /// Whether a sequence fills it, or it refers to another table, or is generated from such a column.
    pub(super) fn is_key_or_reference(&self, column: &Column) -> bool {
        let refers = |one: &Constraint| matches!(one.what, Rule::Foreign(own, ..) if own == column.id);
        let is_from = |text: &String, one: &&Column| text.contains(&format!("{{c{}}}", one.id));
        let from_one = |text: &String| {
            self.columns.iter().filter(|one| is_from(text, one)).any(|one| self.is_key_or_reference(one))
        };
        column.origin != Origin::Written
            || self.constraints.iter().any(refers)
            || column.generated.as_ref().is_some_and(from_one)
    }

    /// The column that others refer to.
    pub(super) fn key(&self) -> Option<usize> {
        self.constraints.iter().find_map(|constraint| match &constraint.what {
            Rule::Primary(columns) if columns.len() == 1 => columns.first().copied(),
            _ => None,
        })
    }
}
