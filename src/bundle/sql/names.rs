//! Names without a schema, where a file has set its `search_path`: what the statement makes or is about gets the schema
//! that PostgreSQL will find for it. Only the tree is changed; the statement itself runs under that path. Pure.

use std::collections::HashMap;

use pg_query::protobuf::{ObjectType, ObjectWithArgs, RangeVar, TypeName};
use pg_query::{Node, NodeEnum};

use super::facts::table_of_key;
use super::{Class, Object, Reference, Wanted};

/// Where names lead under one path.
#[derive(Debug, Default)]
pub struct Names {
    /// The schema in which things are made.
    target: Option<String>,
    /// What the bundle makes in the schemas of the path: the schema that comes first.
    made: HashMap<(Class, String), String>,
}

impl Names {
    /// `made`: in whatever schema.
    pub(in crate::bundle) fn new<'a>(
        path: &[String],
        target: Option<&String>,
        made: impl Iterator<Item = &'a Object>,
    ) -> Self {
        let mut found: HashMap<(Class, String), usize> = HashMap::new();
        for object in made {
            if let Some(place) = path.iter().position(|schema| *schema == object.schema) {
                let known = found.entry((object.class, object.name.clone())).or_insert(place);
                *known = place.min(*known);
            }
        }
        let made = found.into_iter().map(|(name, place)| (name, path[place].clone())).collect();
        Self { target: target.cloned(), made }
    }

    fn schema_of(&self, wanted: Wanted, name: &str) -> Option<&String> {
        let known = |name: &str| {
            let mut classes = wanted.classes().iter();
            classes.find_map(|class| self.made.get(&(*class, name.to_owned())))
        };
        let relation = |name: &str| self.made.get(&(Class::Relation, name.to_owned()));
        match wanted {
            Wanted::Part => {
                let dots = name.match_indices('.').map(|(at, _)| &name[..at]);
                dots.into_iter().find_map(relation)
            }
            Wanted::Key => relation(table_of_key(name)),
            Wanted::Details => relation(name),
            _ => known(name),
        }
    }

    /// Of references that say no schema.
    pub(super) fn complete(&self, references: &mut [Reference]) {
        for one in references.iter_mut().filter(|one| one.schema.is_none()) {
            one.schema = self.schema_of(one.wanted, &one.name).cloned();
        }
    }

    /// Of something that the bundle makes elsewhere, else of what is there: it is looked for where things are made.
    fn known(&self, wanted: Wanted, name: &str) -> Option<&String> {
        self.schema_of(wanted, name).or(self.target.as_ref())
    }

    fn new_relation(&self, relation: &mut RangeVar) {
        if relation.schemaname.is_empty() && relation.relpersistence != "t" {
            relation.schemaname = self.target.clone().unwrap_or_default();
        }
    }

    fn relation(&self, relation: &mut RangeVar) {
        if relation.schemaname.is_empty() {
            relation.schemaname = self.known(Wanted::Type, &relation.relname).cloned().unwrap_or_default();
        }
    }

    fn new_name(&self, names: &mut Vec<Node>) {
        if let ([_], Some(target)) = (&names[..], &self.target) {
            names.insert(0, word(target));
        }
    }

    /// `parts`: how many words belong to the object itself, a column's to its table.
    fn name(&self, wanted: Wanted, names: &mut Vec<Node>, parts: usize) {
        let Some(Node { node: Some(NodeEnum::String(first)) }) = names.first() else { return };
        if names.len() == parts
            && let Some(schema) = self.known(wanted, &first.sval)
        {
            names.insert(0, word(schema));
        }
    }

    /// Only what the bundle makes: other types are PostgreSQL's own, mostly.
    fn type_name(&self, name: &mut TypeName) {
        if let [Node { node: Some(NodeEnum::String(only)) }] = &name.names[..]
            && !name.pct_type
            && let Some(schema) = self.schema_of(Wanted::Type, &only.sval)
        {
            name.names.insert(0, word(schema));
        }
    }

    fn routine(&self, object: &mut ObjectWithArgs) {
        self.name(Wanted::Routine, &mut object.objname, 1);
        for node in object.objargs.iter_mut().filter_map(|node| node.node.as_mut()) {
            if let NodeEnum::TypeName(name) = node {
                self.type_name(name);
            }
        }
    }
}

fn word(name: &str) -> Node {
    Node { node: Some(NodeEnum::String(pg_query::protobuf::String { sval: name.to_owned() })) }
}

/// Gives what the statement makes, or is about, its schema.
pub(super) fn qualify(tree: &mut NodeEnum, names: &Names) {
    make(tree, names);
    concern(tree, names);
}

fn make(tree: &mut NodeEnum, names: &Names) {
    let relation = match tree {
        NodeEnum::CreateStmt(create) => &mut create.relation,
        NodeEnum::CreateForeignTableStmt(create) => match &mut create.base_stmt {
            Some(create) => &mut create.relation,
            None => return,
        },
        NodeEnum::ViewStmt(create) => &mut create.view,
        NodeEnum::CreateTableAsStmt(create) => match &mut create.into {
            Some(into) => &mut into.rel,
            None => return,
        },
        NodeEnum::SelectStmt(select) => match &mut select.into_clause {
            Some(into) => &mut into.rel,
            None => return,
        },
        NodeEnum::CreateSeqStmt(create) => &mut create.sequence,
        NodeEnum::CompositeTypeStmt(create) => &mut create.typevar,
        _ => return make_named(tree, names),
    };
    relation.iter_mut().for_each(|relation| names.new_relation(relation));
}

fn make_named(tree: &mut NodeEnum, names: &Names) {
    names.new_name(match tree {
        NodeEnum::CreateEnumStmt(create) => &mut create.type_name,
        NodeEnum::CreateRangeStmt(create) => &mut create.type_name,
        NodeEnum::CreateDomainStmt(create) => &mut create.domainname,
        NodeEnum::DefineStmt(create) => &mut create.defnames,
        NodeEnum::CreateOpClassStmt(create) => &mut create.opclassname,
        NodeEnum::CreateOpFamilyStmt(create) => &mut create.opfamilyname,
        NodeEnum::CreateConversionStmt(create) => &mut create.conversion_name,
        NodeEnum::CreateStatsStmt(create) => {
            create.relations.iter_mut().for_each(|node| concern_node(node, names));
            &mut create.defnames
        }
        NodeEnum::CreateFunctionStmt(create) => {
            let types = create.parameters.iter_mut().filter_map(|node| match &mut node.node {
                Some(NodeEnum::FunctionParameter(parameter)) => parameter.arg_type.as_mut(),
                _ => None,
            });
            types.chain(&mut create.return_type).for_each(|name| names.type_name(name));
            &mut create.funcname
        }
        _ => return,
    });
}

fn concern(tree: &mut NodeEnum, names: &Names) {
    let relation = match tree {
        NodeEnum::IndexStmt(one) => &mut one.relation,
        NodeEnum::CreateTrigStmt(one) => &mut one.relation,
        NodeEnum::CreatePolicyStmt(one) => &mut one.table,
        NodeEnum::AlterPolicyStmt(one) => &mut one.table,
        NodeEnum::RuleStmt(one) => &mut one.relation,
        NodeEnum::AlterTableStmt(one) => &mut one.relation,
        NodeEnum::AlterSeqStmt(one) => &mut one.sequence,
        NodeEnum::InsertStmt(one) => &mut one.relation,
        NodeEnum::UpdateStmt(one) => &mut one.relation,
        NodeEnum::DeleteStmt(one) => &mut one.relation,
        NodeEnum::MergeStmt(one) => &mut one.relation,
        NodeEnum::CopyStmt(one) => &mut one.relation,
        NodeEnum::ClusterStmt(one) => &mut one.relation,
        NodeEnum::RefreshMatViewStmt(one) => &mut one.relation,
        NodeEnum::RenameStmt(one) => {
            concern_object(one.rename_type, one.object.as_deref_mut(), names);
            &mut one.relation
        }
        NodeEnum::AlterObjectSchemaStmt(one) => {
            concern_object(one.object_type, one.object.as_deref_mut(), names);
            &mut one.relation
        }
        _ => return concern_named(tree, names),
    };
    relation.iter_mut().for_each(|relation| names.relation(relation));
}

fn concern_named(tree: &mut NodeEnum, names: &Names) {
    match tree {
        NodeEnum::AlterEnumStmt(one) => names.name(Wanted::Type, &mut one.type_name, 1),
        NodeEnum::AlterDomainStmt(one) => names.name(Wanted::Type, &mut one.type_name, 1),
        NodeEnum::AlterFunctionStmt(one) => one.func.iter_mut().for_each(|routine| names.routine(routine)),
        NodeEnum::CommentStmt(one) => concern_object(one.objtype, one.object.as_deref_mut(), names),
        NodeEnum::TruncateStmt(one) => one.relations.iter_mut().for_each(|node| concern_node(node, names)),
        NodeEnum::GrantStmt(one) => one.objects.iter_mut().for_each(|node| concern_node(node, names)),
        NodeEnum::DropStmt(one) => {
            one.objects.iter_mut().for_each(|object| concern_object(one.remove_type, Some(object), names));
        }
        _ => {}
    }
}

fn concern_node(node: &mut Node, names: &Names) {
    match &mut node.node {
        Some(NodeEnum::RangeVar(relation)) => names.relation(relation),
        Some(NodeEnum::ObjectWithArgs(routine)) => names.routine(routine),
        _ => {}
    }
}

/// An object that statements on any kind of object name, in one of the grammar's ways.
fn concern_object(kind: i32, object: Option<&mut Node>, names: &Names) {
    use ObjectType as Kind;
    let Ok(kind) = ObjectType::try_from(kind) else { return };
    match object.and_then(|object| object.node.as_mut()) {
        Some(NodeEnum::TypeName(name)) => names.type_name(name),
        Some(NodeEnum::ObjectWithArgs(routine)) if kind != Kind::ObjectOperator => names.routine(routine),
        Some(NodeEnum::List(list)) => match kind {
            Kind::ObjectTable
            | Kind::ObjectView
            | Kind::ObjectMatview
            | Kind::ObjectSequence
            | Kind::ObjectIndex
            | Kind::ObjectForeignTable => names.name(Wanted::Relation, &mut list.items, 1),
            Kind::ObjectColumn
            | Kind::ObjectTrigger
            | Kind::ObjectPolicy
            | Kind::ObjectRule
            | Kind::ObjectTabconstraint => names.name(Wanted::Relation, &mut list.items, 2),
            Kind::ObjectType | Kind::ObjectDomain => names.name(Wanted::Type, &mut list.items, 1),
            Kind::ObjectStatisticExt => names.new_name(&mut list.items),
            _ => {}
        },
        _ => {}
    }
}
