//! One file of `extensions/`: which extension, which version, in which schema (contract §3, "Extensions").

use pg_query::NodeEnum;
use pg_query::protobuf::Token;

use super::SourceFile;
use super::sql::grammar;

/// An extension that a bundle asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its real name, e.g. `vector`.
    pub name: String,
    /// The version asked for.
    pub version: Option<String>,
    /// The schema to install it into, made if missing.
    pub schema: Option<String>,
    /// The file, e.g. `extensions/pgvector.sql`.
    pub path: String,
}

/// File names in use that differ from the extension's own.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("pgvector", "vector"),
    ("pg_vector", "vector"),
    ("pgtrgm", "pg_trgm"),
    ("trgm", "pg_trgm"),
    ("uuid", "uuid-ossp"),
    ("uuid_ossp", "uuid-ossp"),
    ("timescale", "timescaledb"),
    ("pgcron", "pg_cron"),
];

/// Reads the file's name, its `-- version:` and `-- schema:` comments, and a `CREATE EXTENSION` that it may hold, whose
/// word goes before theirs.
pub fn read(file: &SourceFile) -> Extension {
    let stem = file.path.rsplit('/').next().unwrap_or(&file.path);
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    let lowered = stem.to_ascii_lowercase();
    let other = OTHER_NAMES.iter().find(|(name, _)| *name == lowered).map(|(_, real)| *real);
    let name = other.unwrap_or(&lowered).to_owned();
    let mut extension = Extension { name, version: None, schema: None, path: file.path.clone() };
    for comment in comments(&file.text) {
        let setting = |key: &str| {
            let (name, value) = comment.split_once(':')?;
            name.trim().eq_ignore_ascii_case(key).then(|| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        extension.version = setting("version").or(extension.version);
        extension.schema = setting("schema").or(extension.schema);
    }
    create_statement(&file.text, &mut extension);
    extension
}

fn comments(text: &str) -> Vec<&str> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    // A file of notes need not be SQL; what cannot be scanned has no comments.
    let tokens = grammar::scan(text).unwrap_or_default();
    tokens
        .iter()
        .filter(|token| token.token == Token::SqlComment as i32)
        .filter_map(|token| text.get(usize::try_from(token.start).ok()?..usize::try_from(token.end).ok()?))
        .map(|comment| comment.trim_start_matches('-').trim())
        .collect()
}

fn create_statement(text: &str, extension: &mut Extension) {
    let Ok(statements) = grammar::parse(text) else { return };
    for statement in statements {
        let Some(NodeEnum::CreateExtensionStmt(create)) = statement.stmt.and_then(|node| node.node) else { continue };
        extension.name = create.extname;
        for option in create.options {
            let Some(NodeEnum::DefElem(option)) = option.node else { continue };
            let Some(NodeEnum::String(value)) = option.arg.and_then(|arg| arg.node) else { continue };
            match option.defname.as_str() {
                "new_version" => extension.version = Some(value.sval),
                "schema" => extension.schema = Some(value.sval),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Kind;

    fn check(path: &str, text: &str, expected: (&str, Option<&str>, Option<&str>)) {
        let file = SourceFile { kind: Kind::Extensions, path: path.to_owned(), text: text.into() };
        let found = read(&file);
        assert_eq!((found.name.as_str(), found.version.as_deref(), found.schema.as_deref()), expected, "{path}");
    }

    #[test]
    fn the_files_name_is_the_extensions() {
        check("extensions/postgis.sql", "", ("postgis", None, None));
        check(
            "extensions/pgvector.pssql",
            "-- version: 0.5.0\n-- schema: extensions\n",
            ("vector", Some("0.5.0"), Some("extensions")),
        );
        check("extensions/uuid-ossp.sql", "-- anything", ("uuid-ossp", None, None));
        check("extensions/deep/PgCrypto.sql", "-- Version : 1.3", ("pgcrypto", Some("1.3"), None));
    }

    #[test]
    fn a_create_extension_in_the_file_goes_before() {
        let text = "CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\" WITH SCHEMA ext VERSION '1.1';";
        check("extensions/ids.sql", text, ("uuid-ossp", Some("1.1"), Some("ext")));
    }

    #[test]
    fn notes_that_are_no_sql_do_no_harm() {
        check("extensions/citext.sql", "don't", ("citext", None, None));
    }
}
