//! The end of a history as a bundle declares it: `types/`, `tables/`, `functions/`, `views/`.

use super::model::{Model, Origin, Table};
use crate::support::BundleBuilder;

/// Adds the files that declare what the model has come to.
pub(super) fn declare(model: &Model, bundle: BundleBuilder) -> BundleBuilder {
    let as_written = model;
    let mut model = model.clone();
    model.names.qualified = false;
    let mut bundle = bundle;
    for one in &model.enums {
        bundle = bundle.file(&format!("types/{}.sql", one.name), format!("{};\n", model.enum_text(one)));
    }
    for (number, domain) in model.domains.iter().enumerate() {
        bundle = bundle.file(&format!("types/domain_{number}.sql"), format!("{domain};\n"));
    }
    for (name, start) in &model.sequences {
        let text = format!("CREATE SEQUENCE {} START {start};\n", model.ident(name));
        bundle = bundle.file(&format!("tables/sequences/{name}.sql"), text);
    }
    for table in &model.tables {
        bundle = bundle.file(&format!("tables/{}.sql", table.name), table_file(&model, table));
    }
    for function in &model.functions {
        // A body is text: as the migration has it.
        let text = format!("{};\n", as_written.function_text(function, "OR REPLACE "));
        bundle = bundle.file(&format!("functions/{}.sql", function.name), text);
    }
    for view in &model.views {
        let mut text = format!("{};\n", model.view_text(view));
        for (_, index) in &view.indexes {
            text.push_str(&format!("{index};\n"));
        }
        bundle = bundle.file(&format!("views/{}.sql", view.name), text);
    }
    bundle
}

fn table_file(model: &Model, table: &Table) -> String {
    let name = model.full(&table.name);
    let mut before = Vec::new();
    let mut after = Vec::new();
    for column in &table.columns {
        if let Origin::Serial(sequence, ty) = &column.origin {
            let sequence = model.ident(sequence);
            before.push(format!("CREATE SEQUENCE {sequence} AS {ty}"));
            after.push(format!("ALTER SEQUENCE {sequence} OWNED BY {name}.{}", model.ident(&column.name)));
        }
        if let Some(comment) = &column.comment {
            after.push(format!("COMMENT ON COLUMN {name}.{} IS '{comment}'", model.ident(&column.name)));
        }
    }
    let partitions = table.partitions.iter().flat_map(|(_, partitions)| partitions);
    after.extend(partitions.map(|partition| model.partition_text(table, partition)));
    after.extend(table.indexes.iter().map(|index| model.index_text(table, index, "")));
    after.extend(table.triggers.iter().map(|trigger| model.trigger_text(table, trigger)));
    if table.row_security {
        after.push(format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"));
    }
    let policies = table.policies.iter();
    after.extend(policies.map(|(policy, text)| format!("CREATE POLICY {policy} ON {name} {}", model.fill(text))));
    after.extend(table.comment.iter().map(|comment| format!("COMMENT ON TABLE {name} IS '{comment}'")));
    if table.readable_by_all {
        after.push(format!("GRANT SELECT ON {name} TO PUBLIC"));
    }
    before.push(model.table_text(table, &table.constraints, false));
    before.extend(after);
    before.join(";\n") + ";\n"
}
