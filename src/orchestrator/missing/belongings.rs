//! Privileges and comments that came along to what a deployment has made, and that a new database has not: of a default
//! privilege that the bundle sets only later, or taken over from an older form of the thing. What somebody gave by hand
//! stays. Pure; called by [`super::super::deployment`].

use std::collections::HashSet;

use super::{Missing, drop_of};
use crate::orchestrator::catalog::Catalog;
use crate::orchestrator::catalog::things::{Kind, Thing};
use crate::orchestrator::standing::Standing;

/// How the name of what `ALTER DEFAULT PRIVILEGES` says begins.
pub(super) const BY_DEFAULT: &str = "default privilege ";

/// What there is, and what there should be.
pub struct Made<'a> {
    /// The database as it is now.
    pub found: &'a Catalog,
    /// As it was at the start.
    pub before: &'a Catalog,
    /// Everything that the declaration has, also what only its migrations make.
    pub declared: &'a Catalog,
    /// What its files declare.
    pub wanted: &'a [&'a Thing],
    /// Identities of what an earlier deployment left.
    pub known: &'a HashSet<String>,
    /// What of it is new.
    pub standing: &'a Standing,
}

/// The statements that take it back.
pub fn undeclared(all: &Made<'_>) -> Vec<Missing> {
    let declared: HashSet<&str> = all.declared.things().iter().map(|thing| thing.name.as_str()).collect();
    let objects: HashSet<String> = all.wanted.iter().filter_map(|thing| called(thing)).collect();
    let mut extra = all.found.things().iter().filter(|thing| !declared.contains(thing.name.as_str()));
    let belongings: Vec<(&Thing, Belonging)> = extra
        .by_ref()
        .filter_map(|thing| Some((thing, Belonging::of(thing)?)))
        .filter(|(_, one)| {
            all.standing.is_new(one.kind, one.oid) && one.whose.iter().any(|whose| objects.contains(whose))
        })
        .collect();
    if belongings.is_empty() {
        return Vec::new();
    }
    // What is set by hand for all that is to come is meant for this, too.
    let by_default: Vec<String> = all
        .found
        .things()
        .iter()
        .filter(|one| !declared.contains(one.name.as_str()))
        .filter_map(given_to_all)
        .collect();
    let by_hand: HashSet<&str> = all
        .before
        .things()
        .iter()
        .filter(|thing| matches!(thing.kind, Kind::Privilege | Kind::Comment) && !all.known.contains(&thing.identity))
        .map(|thing| thing.identity.as_str())
        .collect();
    let is_handed_on = |one: &Belonging| {
        let predecessor = all.standing.predecessor(one.oid);
        predecessor.is_some_and(|oid| by_hand.contains(one.identity_with(oid).as_str()))
    };
    belongings
        .into_iter()
        .filter(|(_, one)| !is_handed_on(one) && !one.given.as_ref().is_some_and(|given| by_default.contains(given)))
        .filter_map(|(thing, _)| drop_of(thing))
        .collect()
}

/// A privilege on, or a comment about, one object.
struct Belonging {
    /// See [`Standing::is_new`].
    kind: char,
    oid: u32,
    /// Its identity before and behind the oid.
    around: (String, String),
    /// Of what it may be, as [`called`] says it.
    whose: Vec<String>,
    /// Of a privilege, as [`given_to_all`] says it.
    given: Option<String>,
}

impl Belonging {
    fn of(thing: &Thing) -> Option<Self> {
        let (start, kind, rest) = match thing.kind {
            Kind::Privilege => {
                let rest = thing.identity.strip_prefix("detail ")?;
                let (kind, rest) = rest.split_once(' ')?;
                (format!("detail {kind}"), kind.chars().next()?, rest)
            }
            Kind::Comment => {
                let rest = thing.identity.strip_prefix("comment ")?;
                let (class, rest) = rest.split_once(' ')?;
                (format!("comment {class}"), kind_of_class(class)?, rest)
            }
            _ => return None,
        };
        let (oid, rest) = rest.split_once(' ')?;
        let (whose, given) = match thing.kind {
            Kind::Privilege => {
                let (privilege, what, who) = parts_of_privilege(thing)?;
                let noun = what.split_once(' ')?.0;
                (vec![what.to_owned()], Some(format!("{privilege} on {noun}S of {who}")))
            }
            _ => (commented(&thing.object), None),
        };
        Some(Self { kind, oid: oid.parse().ok()?, around: (start, rest.to_owned()), whose, given })
    }

    fn identity_with(&self, oid: u32) -> String {
        format!("{} {oid} {}", self.around.0, self.around.1)
    }
}

/// `pg_class`, `pg_type`, `pg_proc`, `pg_namespace`, by their oids, which are the same everywhere.
fn kind_of_class(class: &str) -> Option<char> {
    Some(match class {
        "1259" => 'r',
        "1247" => 't',
        "1255" => 'f',
        "2615" => 'n',
        _ => return None,
    })
}

/// `SELECT`, `TABLE t` and `PUBLIC` of `privilege SELECT (a) on TABLE t of PUBLIC`.
fn parts_of_privilege(thing: &Thing) -> Option<(&str, &str, &str)> {
    let (privilege, rest) = thing.name.strip_prefix("privilege ")?.split_once(' ')?;
    let (what, who) = rest.rsplit_once(" of ")?;
    // A column's name may say anything, its table's is known.
    let what = match &thing.table {
        Some(table) => what.get(what.len().checked_sub("TABLE ".len() + table.len())?..)?,
        None => what.strip_prefix("on ")?,
    };
    Some((privilege, what, who))
}

/// `SELECT on TABLES of PUBLIC`, of what a default privilege gives or takes.
fn given_to_all(thing: &Thing) -> Option<String> {
    let rest = thing.name.strip_prefix(BY_DEFAULT).filter(|_| thing.kind == Kind::Privilege)?;
    Some(rest.split_once(':').map_or(rest, |(given, _)| given).to_owned())
}

/// What `GRANT` calls it.
fn called(thing: &Thing) -> Option<String> {
    let (noun, name) = match thing.kind {
        Kind::Table | Kind::View => ("TABLE", thing.object.as_str()),
        Kind::Sequence => ("SEQUENCE", thing.object.as_str()),
        Kind::Routine => ("ROUTINE", thing.object.as_str()),
        Kind::Type => ("TYPE", thing.object.as_str()),
        Kind::Schema => ("SCHEMA", thing.object.strip_prefix("schema ")?),
        _ => return None,
    };
    Some(format!("{noun} {name}"))
}

/// What `GRANT` calls what `COMMENT ON` calls `what`. Of a column's table the name may end at any dot.
fn commented(what: &str) -> Vec<String> {
    const NOUNS: [(&str, &str); 11] = [
        ("MATERIALIZED VIEW ", "TABLE"),
        ("FOREIGN TABLE ", "TABLE"),
        ("TABLE ", "TABLE"),
        ("VIEW ", "TABLE"),
        ("SEQUENCE ", "SEQUENCE"),
        ("FUNCTION ", "ROUTINE"),
        ("PROCEDURE ", "ROUTINE"),
        ("AGGREGATE ", "ROUTINE"),
        ("TYPE ", "TYPE"),
        ("DOMAIN ", "TYPE"),
        ("SCHEMA ", "SCHEMA"),
    ];
    if let Some(column) = what.strip_prefix("COLUMN ") {
        let tables = column.match_indices('.').map(|(at, _)| &column[..at]);
        return tables.flat_map(|table| [format!("TABLE {table}"), format!("TYPE {table}")]).collect();
    }
    let named = NOUNS.iter().find_map(|(noun, word)| Some(format!("{word} {}", what.strip_prefix(noun)?)));
    named.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thing(kind: Kind, identity: &str, name: &str, table: Option<&str>) -> Thing {
        Thing {
            kind,
            identity: identity.to_owned(),
            name: name.to_owned(),
            object: name.strip_prefix("comment on ").unwrap_or(name).to_owned(),
            table: table.map(str::to_owned),
            words: String::new(),
            make: None,
            drop: None,
        }
    }

    #[test]
    fn a_belonging_tells_whose_it_is() {
        for (thing, kind, whose, given) in [
            (
                thing(
                    Kind::Privilege,
                    "detail r 20 1 0 SELECT",
                    "privilege SELECT (\"x on TABLE y of z\") on TABLE \"a of b\" of PUBLIC",
                    Some("\"a of b\""),
                ),
                'r',
                "TABLE \"a of b\"",
                Some("SELECT on TABLES of PUBLIC"),
            ),
            (
                thing(
                    Kind::Privilege,
                    "detail f 20 0 0 EXECUTE",
                    "privilege EXECUTE on ROUTINE s.f(integer) of its owner",
                    None,
                ),
                'f',
                "ROUTINE s.f(integer)",
                Some("EXECUTE on ROUTINES of its owner"),
            ),
            (
                thing(Kind::Comment, "comment 1259 20 3", "comment on COLUMN s.t.\"c.d\"", None),
                'r',
                "TABLE s TYPE s TABLE s.t TYPE s.t TABLE s.t.\"c TYPE s.t.\"c",
                None,
            ),
            (
                thing(Kind::Comment, "comment 1255 20 0", "comment on FUNCTION f(a, b)", None),
                'f',
                "ROUTINE f(a, b)",
                None,
            ),
        ] {
            let one = Belonging::of(&thing).expect("a belonging");
            assert_eq!((one.kind, one.oid, one.whose.join(" ").as_str()), (kind, 20, whose));
            assert_eq!(one.given.as_deref(), given);
            assert_eq!(one.identity_with(20), thing.identity);
        }
        let by_default = "default privilege SELECT on TABLES of PUBLIC: IN SCHEMA s";
        let by_default = thing(Kind::Privilege, "detail d 20 0 SELECT", by_default, None);
        assert!(Belonging::of(&by_default).is_none_or(|one| one.kind == 'd'));
        assert_eq!(given_to_all(&by_default).as_deref(), Some("SELECT on TABLES of PUBLIC"));
    }
}
