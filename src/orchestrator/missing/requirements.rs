//! `NOT NULL`: before PostgreSQL 18 a mark of the column, since then a constraint that may have a name, `NO INHERIT` and
//! `NOT VALID`. Pure; called by [`super::columns`] and [`super::generated`].

use super::columns::alter;
use super::{Missing, inheritance};
use crate::orchestrator::catalog::{Catalog, Column, Relation, Requirement};
use crate::orchestrator::diff::{Change, ChangeType};

/// What stands behind a column's type where it is added.
pub(super) fn words(column: &Column) -> String {
    match &column.requirement {
        _ if aside(column).is_some() => String::new(),
        Some(one) if column.not_null && one.named => format!(" {}", one.text("")),
        _ if column.not_null && !column.serial => " NOT NULL".to_owned(),
        _ => String::new(),
    }
}

/// The command that adds a constraint which cannot be said along with its column: PostgreSQL takes no `NOT VALID` there, and
/// marks the children's columns all the same where it says `NO INHERIT`.
pub(super) fn aside(column: &Column) -> Option<String> {
    let one = column.requirement.as_ref().filter(|one| one.local && !(column.not_null && one.inherits))?;
    let not_valid = if column.not_null { "" } else { " NOT VALID" };
    Some(format!("ADD {}{not_valid}", one.text(&column.name)))
}

impl Requirement {
    /// Whether there is more to it than `NOT NULL`.
    fn is_special(&self) -> bool {
        self.named || !self.inherits
    }

    fn text(&self, column: &str) -> String {
        let column = if column.is_empty() { String::new() } else { format!(" {column}") };
        let no_inherit = if self.inherits { "" } else { " NO INHERIT" };
        format!("CONSTRAINT {} NOT NULL{column}{no_inherit}", self.name)
    }
}

/// PostgreSQL makes a `NOT NULL` anew with the type of its column, and stumbles over a child that has its own under another
/// name: the parents' stand aside for that.
pub(super) fn around_retyping(found: &Catalog, relation: &Relation, column: &str, retype: String) -> String {
    let family = inheritance::family(found, &relation.name);
    let own = |relation: &&Relation| {
        let column = relation.columns.values().find(|one| one.name == column)?;
        column.requirement.clone().filter(|one| one.local).map(|one| (one, column.not_null))
    };
    let mut aside = Vec::new();
    for parent in &family {
        let Some((one, is_valid)) = own(parent).filter(|(one, _)| one.inherits) else { continue };
        let below = inheritance::family(found, &parent.name);
        if below.iter().any(|child| own(child).is_some_and(|(other, _)| other.name != one.name)) {
            let not_valid = if is_valid { "" } else { " NOT VALID" };
            let drop = alter(parent, &format!("ALTER COLUMN {column} DROP NOT NULL"));
            aside.push((drop, alter(parent, &format!("ADD {}{not_valid}", one.text(column)))));
        }
    }
    let (drops, adds): (Vec<_>, Vec<_>) = aside.into_iter().unzip();
    drops.into_iter().chain([retype]).chain(adds.into_iter().rev()).collect::<Vec<_>>().join("; ")
}

/// Whether [`statement`] has the statement for it. Other constraints have no change of their column.
pub(super) fn is_about(change: &Change) -> bool {
    use ChangeType::{AddConstraint, DropConstraint, DropNotNull, SetNotNull};
    matches!(change.change_type, SetNotNull | DropNotNull | AddConstraint | DropConstraint)
}

/// The statement for a column that gets a `NOT NULL` or loses it, or whose `NOT NULL` becomes valid, or is valid no longer.
/// `None` where the parent's is the child's too.
pub(super) fn statement(relation: &Relation, before: &Column, after: &Column) -> Option<String> {
    let name = &after.name;
    if after.requirement.as_ref().is_some_and(|one| !one.local) {
        return None;
    }
    let set = || format!("ALTER COLUMN {name} SET NOT NULL");
    let drop = || format!("ALTER COLUMN {name} DROP NOT NULL");
    let commands = match (after.not_null, &after.requirement) {
        // Makes a constraint that is there valid, too.
        (true, Some(one)) if before.requirement.is_none() && one.is_special() => {
            vec![format!("ADD {}", one.text(name))]
        }
        (true, _) => vec![set()],
        (false, _) => {
            let there = before.not_null || before.requirement.is_some();
            there.then(drop).into_iter().chain(aside(after)).collect()
        }
    };
    let mut statements: Vec<String> = commands.iter().map(|command| alter(relation, command)).collect();
    if after.not_null {
        statements.extend(inherited(relation, before, after));
    }
    Some(statements.join("; "))
}

/// What the contract has no word for: whether children have it too, and whether it stays when the parents' goes.
pub(super) fn of_no_word(relation: &Relation, before: &Column, after: &Column) -> Option<Missing> {
    let (old, new) = (before.requirement.as_ref()?, after.requirement.as_ref()?);
    if before.not_null != after.not_null || !new.local {
        return None;
    }
    let statement = match inherited(relation, before, after) {
        Some(statement) => statement,
        None if !old.local && after.not_null => alter(relation, &format!("ALTER COLUMN {} SET NOT NULL", after.name)),
        None => return None,
    };
    let object = format!("{}.{}", relation.name, after.name);
    Some(Missing::silent("AlterConstraint", &object, statement))
}

/// `ALTER CONSTRAINT … [NO] INHERIT`, and its name: as long as children have it too, theirs have to bear the same one.
fn inherited(relation: &Relation, before: &Column, after: &Column) -> Option<String> {
    let (old, new) = (before.requirement.as_ref()?, after.requirement.as_ref()?);
    if old.inherits == new.inherits {
        return None;
    }
    let rename =
        (old.name != new.name).then(|| alter(relation, &format!("RENAME CONSTRAINT {} TO {}", old.name, new.name)));
    let (word, name) = if new.inherits { ("INHERIT", &new.name) } else { ("NO INHERIT", &old.name) };
    let alter = alter(relation, &format!("ALTER CONSTRAINT {name} {word}"));
    let statements = if new.inherits { [rename, Some(alter)] } else { [Some(alter), rename] };
    Some(statements.into_iter().flatten().collect::<Vec<_>>().join("; "))
}
