//! Text in, facts out.

use super::*;

fn read(file: &SourceFile) -> Result<FileFacts, SqlError> {
    super::read(file, Rules::Current)
}

fn statements(kind: Kind, text: &str) -> Vec<Statement> {
    let path = format!("{}/file.sql", kind.folder());
    read(&SourceFile { kind, path, text: text.into() }).unwrap().statements
}

fn needs(text: &str) -> Vec<String> {
    let statement = statements(Kind::Tables, text).remove(0);
    statement
        .needs
        .iter()
        .filter(|reference| reference.wanted != Wanted::Schema && reference.wanted != Wanted::Operator)
        .filter(|reference| reference.schema.as_deref() != Some("pg_catalog") && reference.wanted != Wanted::Cast)
        .map(|reference| match &reference.schema {
            Some(schema) => format!("{:?} {schema}.{}", reference.wanted, reference.name),
            None => format!("{:?} {}", reference.wanted, reference.name),
        })
        .collect()
}

fn makes(text: &str) -> Vec<String> {
    let statement = statements(Kind::Tables, text).remove(0);
    statement.makes.iter().map(|made| format!("{:?} {}.{}", made.class, made.schema, made.name)).collect()
}

#[test]
fn references_are_found_wherever_they_hide() {
    let table = "CREATE TABLE orders (
        id bigint DEFAULT nextval('shop.\"Order Seq\"'::regclass),
        state mood NOT NULL DEFAULT initial_state(),
        customer int REFERENCES customers (id),
        total numeric GENERATED ALWAYS AS (add_tax(1)) STORED,
        CHECK (is_known((SELECT code FROM codes LIMIT 1))),
        LIKE template
    ) INHERITS (base)";
    let found = needs(table);
    for expected in [
        "Relation shop.Order Seq",
        "Type mood",
        "Routine initial_state",
        "Relation customers",
        "Key customers\0id",
        "Routine add_tax",
        "Routine is_known",
        "Relation codes",
        "Relation template",
        "Relation base",
    ] {
        assert!(found.iter().any(|one| one == expected), "{expected} is not in {found:#?}");
    }
}

#[test]
fn a_row_type_in_a_signature_is_a_reference() {
    let found = needs("CREATE FUNCTION f(o orders, e users.email%TYPE) RETURNS SETOF lines LANGUAGE plpgsql AS $$x$$");
    assert!(found.contains(&"Type orders".to_owned()), "{found:?}");
    assert!(found.contains(&"Type lines".to_owned()), "{found:?}");
    assert!(found.contains(&"Relation users".to_owned()), "{found:?}");
}

#[test]
fn triggers_comments_and_sequences_refer_to_their_objects() {
    let trigger = "CREATE TRIGGER t BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION touch()";
    assert_eq!(needs(trigger), ["Relation a", "Routine touch"]);
    assert_eq!(makes(trigger), ["Part public.a.t"]);
    assert_eq!(needs("COMMENT ON COLUMN s.a.x IS 'x'"), ["Part s.a.x", "Relation s.a"]);
    assert_eq!(needs("COMMENT ON FUNCTION f(int) IS 'x'").first().unwrap(), "Routine f");
    assert!(needs("ALTER SEQUENCE q OWNED BY s.a.x").contains(&"Relation s.a".to_owned()));
    assert!(needs("CREATE AGGREGATE m(int) (sfunc = step, stype = int)").contains(&"Routine step".to_owned()));
}

#[test]
fn what_a_statement_makes_is_known() {
    assert_eq!(
        makes("CREATE TABLE \"Order Item\" (id serial)"),
        ["Relation public.Order Item", "Relation public.Order Item_id_seq"]
    );
    assert_eq!(makes("CREATE TYPE s.mood AS ENUM ('a')"), ["Type s.mood"]);
    assert_eq!(makes("CREATE UNIQUE INDEX i ON a (x)"), ["Relation public.i", "Key public.a\0x", "Details public.a"]);
    assert_eq!(
        makes("ALTER TABLE a ADD CONSTRAINT a_pkey PRIMARY KEY (id)"),
        ["Details public.a", "Key public.a\0id", "Key public.a\0", "Part public.a.a_pkey"]
    );
    assert_eq!(makes("CREATE PROCEDURE p() LANGUAGE sql AS ''"), ["Routine public.p"]);
}

#[test]
fn dropping_an_object_does_not_need_it_made_first() {
    assert!(needs("DROP FUNCTION f(int)").is_empty());
}

#[test]
fn statements_know_their_lines() {
    let found = statements(Kind::Tables, "-- head\n\nCREATE TABLE a();\n\n/* x */ CREATE TABLE b(\n é int);\n");
    assert_eq!(found.iter().map(|statement| statement.line).collect::<Vec<_>>(), [3, 5]);
    assert_eq!(found[1].text, "CREATE TABLE b(\n é int)");
    assert_eq!(found[1].line_of(19), 6);
}

#[test]
fn an_outer_pair_is_ignored_in_migrations_and_all_else_refused() {
    let read = |kind: Kind, text: &str| {
        read(&SourceFile { kind, path: "m.sql".to_owned(), text: text.into() })
            .map(|facts| facts.statements.len())
            .map_err(|error| match error {
                SqlError::TransactionControl { line, .. } => line,
                other => panic!("{other}"),
            })
    };
    assert_eq!(read(Kind::Migrations, "BEGIN; SELECT 1; COMMIT;"), Ok(1));
    assert_eq!(read(Kind::Migrations, "START TRANSACTION; SELECT 1;\nSELECT 2; END"), Ok(2));
    assert_eq!(read(Kind::Migrations, "SELECT 1;\nCOMMIT;\nSELECT 2;"), Err(2));
    assert_eq!(read(Kind::Migrations, "SELECT 1;\nROLLBACK"), Err(2));
    assert_eq!(read(Kind::Migrations, "BEGIN;\nSELECT 1"), Err(1));
    assert_eq!(read(Kind::Migrations, "SELECT 1;\nCOMMIT"), Err(1));
    assert_eq!(read(Kind::Tables, "BEGIN; CREATE TABLE a(); COMMIT"), Err(1));
    assert_eq!(read(Kind::Migrations, "\nSAVEPOINT a"), Err(2));
}

#[test]
fn a_search_path_holds_for_its_file_and_what_is_left_out_is_told_of() {
    let text = "SET search_path = x;\nSET ROLE other;\nCREATE VIEW b AS SELECT 1;\nSELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE a();";
    let file = SourceFile { kind: Kind::Tables, path: "tables/a.sql".to_owned(), text: text.into() };
    let facts = read(&file).unwrap();
    assert_eq!(facts.warnings, ["tables/a.sql, line 2: setting role has no effect here and was left out"]);
    let paths: Vec<_> = facts.statements.iter().map(|one| one.settings.path.clone()).collect();
    assert_eq!(paths, [Some(vec!["x".to_owned()]), Some(Vec::new())]);
    assert_eq!(statements(Kind::Migrations, text).len(), 5);
    let earlier = super::read(&file, Rules::Earlier).unwrap();
    assert_eq!((earlier.statements.len(), earlier.warnings.len()), (2, 3));
    assert!(earlier.statements.iter().all(|one| *one.settings == Settings::default()));
}

#[test]
fn a_syntax_error_names_its_line() {
    let file = |text: &str| SourceFile { kind: Kind::Tables, path: "tables/a.sql".to_owned(), text: text.into() };
    let error = read(&file("CREATE TABLE a(\n  x int,\n  y itn NUL\n);")).unwrap_err();
    assert_eq!(error.to_string(), "reading tables/a.sql, line 3: syntax error at or near \"NUL\"");
    let error = read(&file("SELECT 1;\n\n\\connect other\n")).unwrap_err();
    assert!(matches!(error, SqlError::PsqlCommand { line: 3, .. }), "{error}");
}

#[test]
fn what_postgresql_refuses_in_a_transaction_is_recognised() {
    for (sql, expected) in [
        ("CREATE INDEX CONCURRENTLY i ON a (x)", true),
        ("CREATE INDEX i ON a (x)", false),
        ("DROP INDEX CONCURRENTLY i", true),
        ("REINDEX TABLE CONCURRENTLY a", true),
        ("REINDEX TABLE a", false),
        ("VACUUM a", true),
        ("ANALYZE a", false),
        ("ALTER TABLE a DETACH PARTITION b CONCURRENTLY", true),
        ("ALTER TYPE t ADD VALUE 'x'", false),
    ] {
        assert_eq!(statements(Kind::Migrations, sql)[0].refuses_transaction(), expected, "{sql}");
    }
}

#[test]
fn a_concurrent_statement_has_a_twin_for_a_transaction() {
    for (sql, expected) in [
        ("CREATE INDEX CONCURRENTLY i ON a (x)", Some("CREATE INDEX              i ON a (x)")),
        (
            "create /* concurrently */ unique index concurrently if not exists \"concurrently\" on a (x)",
            Some("create /* concurrently */ unique index              if not exists \"concurrently\" on a (x)"),
        ),
        ("DROP INDEX CONCURRENTLY i", Some("DROP INDEX              i")),
        ("CREATE INDEX i ON a (x)", None),
        ("REINDEX TABLE CONCURRENTLY a", None),
        ("VACUUM a", None),
    ] {
        let twin = statements(Kind::Migrations, sql)[0].without_concurrently();
        assert!(twin.as_ref().is_none_or(|twin| !twin.refuses_transaction()), "{sql}");
        assert_eq!(twin.map(|twin| twin.text).as_deref(), expected, "{sql}");
    }
}

#[test]
fn the_gateways_own_tables_are_not_a_bundles_to_change() {
    let t = "_stonescriptdb_gateway_migrations";
    for sql in [
        format!("CREATE TABLE {t} (id int)"),
        format!("CREATE TABLE public.\"{t}\" (id int)"),
        format!("CREATE VIEW {t} AS SELECT 1"),
        format!("CREATE INDEX ON {t} (checksum)"),
        "CREATE INDEX _stonescriptdb_gateway_i ON a (x)".to_owned(),
        format!("CREATE TRIGGER x BEFORE INSERT ON {t} EXECUTE FUNCTION f()"),
        format!("CREATE TABLE a (x text REFERENCES {t})"),
        format!("CREATE TABLE a () INHERITS ({t})"),
        format!("ALTER TABLE PUBLIC.{} ADD COLUMN x int", t.to_uppercase()),
        format!("ALTER TABLE a RENAME TO {t}"),
        format!("ALTER TABLE {t} RENAME TO a"),
        format!("DROP TABLE IF EXISTS a, public.{t}"),
        format!("DROP TRIGGER x ON {t}"),
        format!("TRUNCATE {t}"),
        format!("INSERT INTO {t} VALUES ('x')"),
        format!("UPDATE \"public\".\"{t}\" SET checksum = ''"),
        format!("DELETE FROM {t}"),
        format!("MERGE INTO {t} USING a ON true WHEN MATCHED THEN DELETE"),
        format!("WITH gone AS (DELETE FROM {t} RETURNING 1) SELECT * FROM gone"),
        format!("SELECT 1 AS x INTO {t}"),
        format!("COPY {t} FROM '/tmp/x'"),
        format!("COMMENT ON TABLE {t} IS 'x'"),
        format!("GRANT ALL ON {t} TO public"),
        format!("LOCK {t}"),
        format!("EXPLAIN ANALYZE DELETE FROM {t}"),
    ] {
        let file =
            SourceFile { kind: Kind::Migrations, path: "migrations/a.sql".to_owned(), text: sql.as_str().into() };
        assert!(matches!(read(&file), Err(SqlError::GatewayTable { line: 1, .. })), "{sql}: {:?}", read(&file));
    }
    for sql in [
        format!("CREATE VIEW v AS SELECT {t}.checksum FROM public.{t} WHERE true"),
        format!("INSERT INTO a SELECT checksum FROM {t}"),
        format!("DELETE FROM a USING {t} AS t WHERE t.checksum = a.x"),
        format!("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM {t}'"),
        format!("CREATE FUNCTION f() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM {t}; END"),
        format!("DO '{t}'"),
        format!("COMMENT ON TABLE a IS '{t}'"),
        format!("SELECT '{t}'"),
        format!("CREATE TABLE \"{}\" (id int)", t.to_uppercase()),
    ] {
        assert_eq!(statements(Kind::Migrations, &sql).len(), 1, "{sql}");
    }
}

#[test]
fn nesting_is_bounded_by_an_error_not_by_a_crash() {
    let sql = |depth: usize| format!("SELECT {}1", "1||".repeat(depth));
    let (shallow, deep) = on_deep_stack(|| {
        let file =
            SourceFile { kind: Kind::Migrations, path: "migrations/a.sql".to_owned(), text: sql(100_000).into() };
        (statements(Kind::Migrations, &sql(600)).len(), read(&file))
    })
    .unwrap();
    assert_eq!(shallow, 1);
    assert!(matches!(deep, Err(SqlError::Syntax { .. })), "{deep:?}");
}

#[test]
fn empty_files_and_comments_hold_no_statement() {
    for text in ["", "  \n", "-- nothing", "/* a */ ; ;;"] {
        assert!(statements(Kind::Functions, text).is_empty(), "{text:?}");
    }
}

#[test]
fn the_beginning_of_a_query_tells_no_values() {
    for (query, beginning) in [
        (
            "UPDATE accounts SET iban = 'DE12', n = 4711 WHERE id = 5 /* secret */",
            "UPDATE accounts SET iban = ?, n = ? WHERE id = ?",
        ),
        ("DO $$ BEGIN PERFORM f('secret'); END $$", "DO ?"),
        ("SELECT 'cut short by the ser", "SELECT"),
        ("", ""),
    ] {
        assert_eq!(super::beginning_without_values(query), beginning, "{query}");
    }
}
