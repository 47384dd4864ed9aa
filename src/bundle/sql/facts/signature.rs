//! Which of several overloads a statement makes, as far as its text tells.

use pg_query::protobuf::{DefineStmt, FunctionParameter, FunctionParameterMode, ObjectType, ObjectWithArgs, TypeName};
use pg_query::{Node, NodeEnum};

use super::words;

/// The input types of the function, procedure or aggregate that a statement makes, each by its last word; `None` where it
/// makes none, or its text does not tell.
pub fn input_types(tree: &NodeEnum) -> Option<Vec<String>> {
    match tree {
        NodeEnum::CreateFunctionStmt(create) => of_parameters(&create.parameters),
        NodeEnum::DefineStmt(define) if define.kind == ObjectType::ObjectAggregate as i32 => of_aggregate(define),
        _ => None,
    }
}

/// The same of a routine that a statement names; `None` where it names no types, or its text does not tell.
pub fn types_of_named(routine: &ObjectWithArgs) -> Option<Vec<String>> {
    if routine.args_unspecified {
        return None;
    }
    let word = |node: &Node| match &node.node {
        Some(NodeEnum::TypeName(name)) => type_word(name),
        _ => None,
    };
    routine.objargs.iter().map(word).collect()
}

fn of_aggregate(define: &DefineStmt) -> Option<Vec<String>> {
    // Behind the parameters stands how many of them are direct ones.
    match define.args.first().map(|first| &first.node) {
        Some(Some(NodeEnum::List(list))) => of_parameters(&list.items),
        Some(None) => Some(Vec::new()),
        _ => None,
    }
}

fn of_parameters(parameters: &[Node]) -> Option<Vec<String>> {
    let parameters = parameters.iter().filter_map(|node| match &node.node {
        Some(NodeEnum::FunctionParameter(parameter)) if is_input(parameter) => Some(parameter),
        _ => None,
    });
    parameters.map(|parameter| parameter.arg_type.as_ref().and_then(type_word)).collect()
}

fn is_input(parameter: &FunctionParameter) -> bool {
    let output = [FunctionParameterMode::FuncParamOut as i32, FunctionParameterMode::FuncParamTable as i32];
    !output.contains(&parameter.mode)
}

fn type_word(name: &TypeName) -> Option<String> {
    let word = words(&name.names).pop().filter(|_| !name.pct_type)?;
    Some(word + if name.array_bounds.is_empty() { "" } else { "[]" })
}
