//! Functions and procedures: which one a statement made, whether its body holds, and those that nobody declares any more.

mod bodies;

use std::collections::{HashMap, HashSet};

use pg_query::NodeEnum;
use pg_query::protobuf::{CreateFunctionStmt, FunctionParameterMode, TypeName};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

pub use self::bodies::validate;
use super::dependants::{self, Fate, Left};
use super::error::{DeployError, StatementError};
use super::runner::{FailedIn, Failure, Refused, Runner};
use super::tracking::{TrackedFunction, altered};
use crate::bundle::sql::Statement;
use crate::bundle::sql::tokens::checksum_bytes;
use crate::databases::{SaidBy, Under, ask, own_path, quote_ident, under};

/// A function as `pg_proc` has it.
#[derive(Clone, Debug)]
pub struct CatalogFunction {
    /// `pg_proc.oid`
    pub oid: u32,
    /// Its schema and name, unquoted.
    pub name: (String, String),
    /// `regprocedure`
    pub signature: String,
    /// Input types, as `format_type` prints them.
    pub param_types: Vec<String>,
    /// Empty for a procedure.
    pub return_type: String,
    /// The validator of its language, if it has one.
    pub validator: Option<String>,
    /// Its `SET` clauses, each as `name=value`.
    pub settings: Vec<String>,
    /// Of its body, SHA-256.
    pub body: String,
}

impl CatalogFunction {
    /// Whether its body is another one than the statement's, as far as the statement's text tells.
    pub fn has_another_body(&self, statement: &Statement) -> bool {
        statement.body().is_some_and(|body| checksum_bytes(body.as_bytes()) != self.body)
    }
}

/// `(schema, name)` that a `CREATE FUNCTION` makes.
pub fn name_of(statement: &Statement) -> Option<(String, String)> {
    statement.object().map(|object| (object.schema.clone(), object.name.clone()))
}

/// Makes a function or replaces it. Where PostgreSQL refuses to replace (another return type, other names of
/// parameters), the old one is dropped first, and what depends on it taken off and put back. Whether it was.
pub async fn create_or_replace(runner: &Runner<'_>, statement: &Statement) -> Result<bool, Failure> {
    let replaces = matches!(statement.tree.as_ref(), NodeEnum::CreateFunctionStmt(create) if create.replace);
    let result = match statement.text.get(CREATE.len()..) {
        Some(rest) if !replaces => {
            runner.run_as(statement, &format!("{CREATE}{OR_REPLACE}{rest}"), OR_REPLACE.len()).await
        }
        _ => runner.run(statement).await,
    };
    let refused = [SqlState::INVALID_FUNCTION_DEFINITION, SqlState::WRONG_OBJECT_TYPE];
    let failure = match result {
        Ok(_) => return Ok(false),
        Err(failure) => failure,
    };
    let Some(signature) = written_signature(statement).filter(|_| failure.is_one_of(&refused)) else {
        return Err(failure);
    };
    let failed = |error: tokio_postgres::Error| Failure::new(statement, &error, 0);
    let roots = dependants::routine(runner.client, Under::Path(&runner.path(statement)), &signature, Fate::Replaced)
        .await
        .map_err(failed)?;
    if roots.is_empty() {
        return Err(failure);
    }
    runner.run_in_place_of(statement, &roots).await.map(|_| true)
}

/// The functions of the statement's name that an earlier bundle deployed and none of `declared`, the statements of that
/// name, declares any more. They have to go before the new one comes: side by side, calls of either may be ambiguous.
pub async fn superseded<'t>(
    client: &Client,
    declared: &[&Statement],
    tracked: &'t [TrackedFunction],
) -> Result<Vec<&'t TrackedFunction>, tokio_postgres::Error> {
    let Some(name) = declared.first().and_then(|statement| name_of(statement)) else { return Ok(Vec::new()) };
    let of_name: Vec<&TrackedFunction> = tracked.iter().filter(|function| function.name == name.1).collect();
    let mut types = Vec::new();
    for statement in declared {
        // `%TYPE` tells nothing before the function is made; then it is only found in the end.
        let Some(written) = written_types(statement) else { return Ok(Vec::new()) };
        types.push(written);
    }
    let is_declared = |function: &&TrackedFunction| {
        let printed = |written: &String| printed(written);
        types.iter().any(|types| function.param_types.iter().cloned().map(Some).eq(types.iter().map(printed)))
    };
    if of_name.iter().all(is_declared) {
        return Ok(Vec::new());
    }
    let signatures: Vec<&str> = of_name.iter().map(|function| function.signature.as_str()).collect();
    let written: Vec<String> = types.iter().map(|types| serde_json::json!(types).to_string()).collect();
    let query = "
        SELECT signature FROM unnest($1::text[]) AS signature
        JOIN pg_proc p ON p.oid = to_regprocedure(signature)
        JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = $2::text
        WHERE NOT EXISTS (
            SELECT FROM unnest($3::text[]) AS written
            WHERE ARRAY(SELECT to_regtype(name)::oid FROM json_array_elements_text(written::json) WITH ORDINALITY AS t (name, place)
                        ORDER BY place)
                  IS NOT DISTINCT FROM ARRAY(SELECT type FROM unnest(p.proargtypes) WITH ORDINALITY AS t (type, place) ORDER BY place))";
    let array = Type::TEXT_ARRAY;
    let params: [(&(dyn ToSql + Sync), Type); 3] =
        [(&signatures, array.clone()), (&name.0, Type::TEXT), (&written, array)];
    let rows = ask(client, &under(Under::Database, query), &params).await?;
    let gone: HashSet<String> = rows.iter().map(|row| row.get(0)).collect();
    Ok(of_name.into_iter().filter(|function| gone.contains(&function.signature)).collect())
}

/// Makes a function in the place of the only one that it supersedes, whose grants, comment and dependants it gets; one that
/// stands already, beside the one that goes, keeps its own.
pub async fn create_in_place_of(
    runner: &Runner<'_>,
    statement: &Statement,
    old: &TrackedFunction,
) -> Result<(), Failure> {
    let failed = |error: tokio_postgres::Error| Failure::new(statement, &error, 0);
    let roots =
        dependants::routine(runner.client, Under::Database, &old.signature, Fate::Replaced).await.map_err(failed)?;
    let Some(signature) = written_signature(statement).filter(|_| !roots.is_empty()) else {
        return create_or_replace(runner, statement).await.map(drop);
    };
    let path = runner.path(statement);
    let itself = dependants::routine(runner.client, Under::Path(&path), &signature, Fate::Replaced).await;
    if itself.map_err(failed)?.is_empty() {
        return runner.run_as_heir(statement, &roots, &signature).await.map(drop);
    }
    drop_superseded(runner, statement, std::slice::from_ref(old)).await?;
    create_or_replace(runner, statement).await.map(drop)
}

/// Several overloads that nobody declares any more go together; no new one is the heir of any.
pub async fn drop_superseded(
    runner: &Runner<'_>,
    statement: &Statement,
    old: &[TrackedFunction],
) -> Result<(), Failure> {
    let old: Vec<&TrackedFunction> = old.iter().collect();
    match drop_orphans(runner, &old).await {
        Ok(()) => Ok(()),
        Err(DeployError::Statement(error)) => {
            let sqlstate = Some(SqlState::DEPENDENT_OBJECTS_STILL_EXIST);
            Err(Failure { sqlstate, error: *error, routine: None, failed_in: FailedIn::Statement, broken: None })
        }
        Err(other) => {
            let state = SqlState::DEPENDENT_OBJECTS_STILL_EXIST;
            Err(Failure {
                error: StatementError::of(statement, state.code(), other.to_string()),
                sqlstate: Some(state),
                routine: None,
                failed_in: FailedIn::Statement,
                broken: None,
            })
        }
    }
}

const OR_REPLACE: &str = " OR REPLACE";
const CREATE: &str = "CREATE";

/// For each of `statements` the function that it defines, where PostgreSQL has it.
pub async fn identify(client: &Client, statements: &[&Statement]) -> Result<Vec<Option<CatalogFunction>>, DeployError> {
    let failed = DeployError::own("reading which functions were made");
    let mut by_name: HashMap<(String, String), Vec<CatalogFunction>> = HashMap::new();
    for function in read_catalog(client, statements).await.map_err(&failed)? {
        by_name.entry(function.name.clone()).or_default().push(function);
    }
    // Only where a name has overloads does the signature have to be worked out.
    let candidates = |statement: &Statement| name_of(statement).and_then(|name| by_name.get(&name));
    let overloaded: Vec<String> = statements
        .iter()
        .filter(|statement| candidates(statement).is_some_and(|found| found.len() > 1))
        .filter_map(|statement| written_signature(statement))
        .collect();
    let resolved = resolve(client, overloaded).await.map_err(&failed)?;
    let claimed: HashSet<u32> = resolved.values().copied().collect();
    let find = |statement: &&Statement| match candidates(statement).map(Vec::as_slice) {
        Some([only]) => Some(only.clone()),
        Some(several) => match written_signature(statement) {
            Some(signature) => {
                let oid = resolved.get(&signature)?;
                several.iter().find(|function| function.oid == *oid).cloned()
            }
            // `f(t.id%TYPE)`: the one that no other statement names.
            None => {
                let mut others = several.iter().filter(|function| !claimed.contains(&function.oid));
                others.next().filter(|_| others.next().is_none()).cloned()
            }
        },
        None => None,
    };
    Ok(statements.iter().map(find).collect())
}

async fn read_catalog(
    client: &Client,
    statements: &[&Statement],
) -> Result<Vec<CatalogFunction>, tokio_postgres::Error> {
    let (schemas, names): (Vec<_>, Vec<_>) = statements.iter().filter_map(|statement| name_of(statement)).unzip();
    let query = "SELECT p.oid, n.nspname::text, p.proname::text, p.oid::regprocedure::text,
                        ARRAY(SELECT format_type(type, NULL) FROM unnest(p.proargtypes) AS type),
                        coalesce(pg_get_function_result(p.oid), ''),
                        CASE WHEN l.lanvalidator <> 0 THEN (SELECT format('%I.%I', s.nspname, v.proname) FROM pg_proc v
                             JOIN pg_namespace s ON s.oid = v.pronamespace WHERE v.oid = l.lanvalidator) END,
                        coalesce(p.proconfig, '{}'), encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex')
                 FROM pg_proc p
                 JOIN pg_namespace n ON n.oid = p.pronamespace
                 JOIN pg_language l ON l.oid = p.prolang
                 WHERE (n.nspname, p.proname) IN (SELECT * FROM unnest($1::text[], $2::text[])) AND p.prokind <> 'a'";
    let types = Type::TEXT_ARRAY;
    let params: [(&(dyn ToSql + Sync), Type); 2] = [(&schemas, types.clone()), (&names, types)];
    let rows = ask(client, &under(Under::Database, query), &params).await?;
    let function = |row: &tokio_postgres::Row| CatalogFunction {
        oid: row.get(0),
        name: (row.get(1), row.get(2)),
        signature: row.get(3),
        param_types: row.get(4),
        return_type: row.get(5),
        validator: row.get(6),
        settings: row.get(7),
        body: row.get(8),
    };
    Ok(rows.iter().map(function).collect())
}

async fn resolve(client: &Client, signatures: Vec<String>) -> Result<HashMap<String, u32>, tokio_postgres::Error> {
    if signatures.is_empty() {
        return Ok(HashMap::new());
    }
    let query = "SELECT signature, to_regprocedure(signature)::oid FROM unnest($1::text[]) AS signature";
    let rows = ask(client, &under(Under::Database, query), &[(&signatures, Type::TEXT_ARRAY)]).await?;
    Ok(rows.iter().filter_map(|row| Some((row.get(0), row.get::<_, Option<u32>>(1)?))).collect())
}

/// `schema.name(type, type)` as the statement writes it, for `to_regprocedure`; `None` where it says `%TYPE`.
pub fn written_signature(statement: &Statement) -> Option<String> {
    let NodeEnum::CreateFunctionStmt(create) = statement.tree.as_ref() else { return None };
    let (schema, name) = name_of(statement)?;
    let types: Option<Vec<String>> = input_types(create).map(type_text).collect();
    Some(format!("{}.{}({})", quote_ident(&schema), quote_ident(&name), types?.join(",")))
}

fn written_types(statement: &Statement) -> Option<Vec<String>> {
    let NodeEnum::CreateFunctionStmt(create) = statement.tree.as_ref() else { return None };
    input_types(create).map(type_text).collect()
}

fn input_types(create: &CreateFunctionStmt) -> impl Iterator<Item = &TypeName> {
    let output = [FunctionParameterMode::FuncParamOut as i32, FunctionParameterMode::FuncParamTable as i32];
    create
        .parameters
        .iter()
        .filter_map(|node| match &node.node {
            Some(NodeEnum::FunctionParameter(parameter)) => Some(parameter),
            _ => None,
        })
        .filter(move |parameter| !output.contains(&parameter.mode))
        .filter_map(|parameter| parameter.arg_type.as_ref())
}

/// A type's name as a statement writes it, for `to_regprocedure`; `None` for `%TYPE`.
pub fn type_text(name: &TypeName) -> Option<String> {
    if name.pct_type {
        return None;
    }
    let parts = name.names.iter().filter_map(|part| match &part.node {
        Some(NodeEnum::String(part)) => Some(quote_ident(&part.sval)),
        _ => None,
    });
    Some(format!("{}{}", parts.collect::<Vec<_>>().join("."), "[]".repeat(name.array_bounds.len().min(1))))
}

/// What `format_type` prints for a type that is written so ([`type_text`]), where that can be told without asking.
fn printed(written: &str) -> Option<String> {
    let (element, array) = written.strip_suffix("[]").map_or((written, ""), |element| (element, "[]"));
    let name = element.strip_prefix(r#""pg_catalog"."#).unwrap_or(element).strip_prefix('"')?.strip_suffix('"')?;
    let name = match name {
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "bool" => "boolean",
        "float8" => "double precision",
        "timestamptz" => "timestamp with time zone",
        "varchar" => "character varying",
        "text" | "numeric" | "date" | "uuid" | "json" | "jsonb" | "bytea" => name,
        _ => return None,
    };
    Some(format!("{name}{array}"))
}

/// The triggers that an earlier bundle made and that call a function which goes: each with the statement that drops it.
/// A trigger of the bundle's own would have been refused for want of the function.
pub async fn triggers_of_orphans(
    runner: &Runner<'_>,
    orphans: &[&TrackedFunction],
) -> Result<Vec<(String, String)>, DeployError> {
    let signatures: Vec<&str> = orphans.iter().map(|orphan| orphan.signature.as_str()).collect();
    // The changelog has the names as statements of a bundle write them, always quoted, with or without the schema.
    let query = r#"
        WITH of_orphan AS (
            SELECT t.tgname, n.nspname, c.relname FROM pg_trigger t
            JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE t.tgfoid IN (SELECT to_regprocedure(signature) FROM unnest($1::text[]) AS signature)
              AND NOT t.tgisinternal AND t.tgparentid = 0),
        quoted AS (
            SELECT *, '"' || replace(tgname, '"', '""') || '" ON ' AS trigger_on,
                   '"' || replace(nspname, '"', '""') || '".' AS in_schema,
                   '"' || replace(relname, '"', '""') || '"' AS relation FROM of_orphan)
        SELECT trigger_on || relation, format('DROP TRIGGER %I ON %I.%I', tgname, nspname, relname) FROM quoted
        WHERE EXISTS (SELECT FROM public._stonescriptdb_gateway_changelog
                      WHERE change_type = 'CreateTrigger'
                        AND object_name IN (trigger_on || relation, trigger_on || in_schema || relation))"#;
    let query = under(Under::Database, query);
    let rows = ask(runner.client, &query, &[(&signatures, Type::TEXT_ARRAY)]).await;
    let rows = rows.map_err(altered::failed("looking for triggers of functions that are gone", "changelog"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Drops what an earlier bundle declared and this one does not. What was renamed or dropped by hand is no matter. What
/// depends on them is put back, which works where a function of the bundle takes their place.
pub async fn drop_orphans(runner: &Runner<'_>, orphans: &[&TrackedFunction]) -> Result<(), DeployError> {
    let mut roots = Vec::new();
    for orphan in orphans {
        let found = dependants::routine(runner.client, Under::Database, &orphan.signature, Fate::Dropped).await;
        roots.extend(found.map_err(DeployError::own("looking for functions that are gone"))?);
    }
    let signatures: Vec<&str> = orphans.iter().map(|orphan| orphan.signature.as_str()).collect();
    // All in one statement: they may depend on each other. The signatures are as `regprocedure` prints them: quoted,
    // and readable again.
    let sql = format!("DROP ROUTINE IF EXISTS {}", signatures.join(", "));
    let because = format!("{}, which the bundle no longer has", signatures.join(", "));
    let in_its_path = format!("RESET search_path;{sql};{}", own_path());
    let dropped = runner.dropping(&in_its_path, &sql, &roots, &because).await;
    dropped.map_err(|refused| match (refused, orphans) {
        (Refused::Standing(dependants), [orphan, ..]) => {
            DeployError::Statement(Box::new(standing_error(orphan, &because, &dependants)))
        }
        (Refused::Standing(dependants), []) => DeployError::Dependants {
            left: dependants
                .into_iter()
                .map(|description| Left {
                    description,
                    because: because.clone(),
                    refusal: String::new(),
                    for_function: true,
                })
                .collect(),
        },
        (Refused::Postgres(error), _) => {
            DeployError::Generated { statement: sql.clone(), source: error, declared_at: None }
        }
    })
}

fn standing_error(orphan: &TrackedFunction, because: &str, dependants: &[String]) -> StatementError {
    StatementError {
        step: format!("dropping {because}"),
        kind: crate::bundle::Kind::Functions,
        path: orphan.source_file.clone(),
        line: 1,
        sqlstate: Some(SqlState::DEPENDENT_OBJECTS_STILL_EXIST.code().to_owned()),
        said_by: SaidBy::Server,
        cause: format!("{} depend on it and cannot be made again", dependants.join(", ")),
        detail: Some(dependants.join("; ")),
        hint: Some(dependants::HINT.to_owned()),
        without_value: None,
    }
}
