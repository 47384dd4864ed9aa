//! `HOSTILE_NAMES=1`: every test runs where functions and operators are named like all that the gateway calls, on the path of
//! its role, and fit the parameters that it gives better than PostgreSQL's own do. Each raises an error, so whatever of the
//! gateway's calls one fails.
//!
//! The names are those in the gateway's own SQL, read from the source tree with PostgreSQL's scanner: the list keeps itself.
//! They are planted in `template0`, of which every database here is made, as members of an extension, so that they are no
//! part of what a bundle declares. What stands in the way of exact names of PostgreSQL's own is in `tests/isolation`.

use std::collections::BTreeSet;
use std::path::Path;

use pg_query::protobuf::Token;
use tokio_postgres::{Config, NoTls};

/// Whether it is on.
pub(crate) fn is_on() -> bool {
    std::env::var_os("HOSTILE_NAMES").is_some_and(|value| !value.is_empty())
}

/// For a test whose bundle itself calls by bare names what is planted (`nextval`, `unnest`, `format`, `text || integer`). It
/// rightly finds that and fails, which says nothing of the gateway: such a test has nothing to tell where this is on.
pub(crate) fn calls_what_is_planted() -> bool {
    if is_on() {
        eprintln!("left out with HOSTILE_NAMES: its bundle calls planted names itself");
    }
    is_on()
}

/// What the tests' own connections say, which are not the ones that are tested.
pub(crate) const OWN_OPTIONS: &str = " -c search_path=\"$user\",public";

/// Types of PostgreSQL's catalog, which uploaded code hardly passes to anything.
const TYPES: &str = "{name,oid,\"char\",regclass,regproc,regtype,int2vector,oidvector,name[],oid[],xid}";

const PLANT: &str = r#"
CREATE SCHEMA planted;
DO $do$ DECLARE one record; BEGIN
    FOR one IN
        WITH known AS (
            SELECT DISTINCT p.proname, p.pronargs::int AS arity FROM pg_proc p
            WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.pronargs BETWEEN 1 AND 3
              AND p.proname = ANY (current_setting('hostile.functions')::text[])),
        planted AS (
            SELECT k.proname, array_fill(t, ARRAY[k.arity]) AS args FROM known k, unnest(current_setting('hostile.types')::text[]) t
            UNION SELECT k.proname, ARRAY[t, 'text'] FROM known k, unnest(current_setting('hostile.types')::text[]) t WHERE k.arity = 2
            UNION SELECT k.proname, ARRAY['text', t] FROM known k, unnest(current_setting('hostile.types')::text[]) t WHERE k.arity = 2)
        SELECT format('%I', proname) AS name, proname, array_to_string(args, ', ') AS args FROM planted
        WHERE to_regprocedure(format('pg_catalog.%I(%s)', proname, array_to_string(args, ','))) IS NULL
    LOOP
        EXECUTE format('CREATE FUNCTION planted.%s(%s) RETURNS text LANGUAGE plpgsql AS %L', one.name, one.args,
                       format('BEGIN RAISE EXCEPTION ''planted: %s(%s) was called''; END', one.proname, one.args));
        EXECUTE format('ALTER EXTENSION plpgsql ADD FUNCTION planted.%s(%s)', one.name, one.args);
    END LOOP;
    FOR one IN
        SELECT o AS name, l, r, 'planted.op_' || row_number() OVER () AS function
        FROM unnest(current_setting('hostile.operators')::text[]) o,
             unnest(current_setting('hostile.types')::text[] || '{text}') l, unnest(current_setting('hostile.types')::text[] || '{text}') r
        WHERE NOT (l = 'text' AND r = 'text') AND to_regoperator(format('pg_catalog.%s (%s, %s)', o, l, r)) IS NULL
    LOOP
        EXECUTE format('CREATE FUNCTION %s(%s, %s) RETURNS boolean LANGUAGE plpgsql AS %L', one.function, one.l, one.r,
                       format('BEGIN RAISE EXCEPTION ''planted: %s %s %s was called''; END', one.l, replace(one.name, '%', '%%'), one.r));
        EXECUTE format('CREATE OPERATOR planted.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = %s)', one.name, one.l, one.r, one.function);
        EXECUTE format('ALTER EXTENSION plpgsql ADD FUNCTION %s(%s, %s)', one.function, one.l, one.r);
        EXECUTE format('ALTER EXTENSION plpgsql ADD OPERATOR planted.%s (%s, %s)', one.name, one.l, one.r);
    END LOOP;
END $do$;
GRANT USAGE ON SCHEMA planted TO PUBLIC;
ALTER EXTENSION plpgsql ADD SCHEMA planted;"#;

/// Plants them, where that is on.
pub(crate) async fn plant(superuser: &Config) -> Result<(), tokio_postgres::Error> {
    if !is_on() {
        return Ok(());
    }
    let (functions, operators) = names();
    let server = connect(superuser, "postgres").await?;
    server.batch_execute("ALTER DATABASE template0 WITH ALLOW_CONNECTIONS true").await?;
    let template = connect(superuser, "template0").await?;
    for (name, value) in [
        ("hostile.functions", array(&functions)),
        ("hostile.operators", array(&operators)),
        ("hostile.types", TYPES.replace("\"char\"", r#""\"char\"""#)),
    ] {
        template.query("SELECT set_config($1, $2, false)", &[&name, &value]).await?;
    }
    template.batch_execute(PLANT).await?;
    drop(template);
    // The role's sessions find them; the last place is as good as the first for whatever fits better.
    let set = format!(
        "ALTER DATABASE template0 WITH ALLOW_CONNECTIONS false;
         ALTER ROLE {} SET search_path = \"$user\", public, planted",
        superuser.get_user().unwrap_or("postgres")
    );
    server.batch_execute(&set).await
}

async fn connect(config: &Config, database: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let (client, connection) = config.clone().dbname(database).connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn array(words: &BTreeSet<String>) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("\"{}\"", word.replace('\\', "\\\\"))).collect();
    format!("{{{}}}", words.join(","))
}

/// The functions and operators in the gateway's SQL.
fn names() -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut functions, mut operators) = (BTreeSet::new(), BTreeSet::new());
    for text in texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let Ok(scanned) = pg_query::scan(&text) else { continue };
        let word = |token: &pg_query::protobuf::ScanToken| {
            text.get(usize::try_from(token.start).ok()?..usize::try_from(token.end).ok()?)
        };
        for pair in scanned.tokens.windows(2) {
            let (Some(first), Some(second)) = (word(&pair[0]), word(&pair[1])) else { continue };
            if second == "(" && first.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_')
            {
                functions.insert(first.to_owned());
            }
            let is_operator = pair[0].token == Token::Op as i32
                || ["=", "<", ">", "<=", ">=", "<>", "+", "-", "*", "/"].contains(&first);
            if is_operator {
                operators.insert(first.replace("!=", "<>"));
            }
        }
    }
    assert!(functions.contains("format_type") && operators.contains("!~"), "{functions:?} {operators:?}");
    (functions, operators)
}

/// SQL files, and the string literals of the code that read like SQL.
fn texts(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the source tree can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            texts.extend(self::texts(&path));
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("sql") => texts.push(text),
            Some("rs") => texts.extend(literals(&text)),
            _ => {}
        }
    }
    texts
}

fn literals(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find('"') {
        let raw = rest[..at].ends_with("r#");
        let body = &rest[at + 1..];
        let end = if raw { body.find("\"#") } else { end_of_literal(body) };
        let Some(end) = end else { break };
        let text = body[..end].replace("\\\n", "\n").replace("\\\"", "\"").replace("\\n", "\n");
        if ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "].iter().any(|word| text.contains(word)) {
            found.push(text);
        }
        rest = &body[end + 1..];
    }
    found
}

fn end_of_literal(body: &str) -> Option<usize> {
    let mut escaped = false;
    body.char_indices()
        .find(|(_, character)| {
            let ends = *character == '"' && !escaped;
            escaped = *character == '\\' && !escaped;
            ends
        })
        .map(|(at, _)| at)
}
