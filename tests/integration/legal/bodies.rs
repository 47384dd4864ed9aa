//! Bodies of functions that name their own settings are checked under these, as `CREATE FUNCTION` does.

use super::Release;
use crate::support::{Platform, bundle};

const TABLE: &str = "CREATE SCHEMA app; CREATE TABLE app.invoices (id int, note text);";

#[tokio::test]
async fn bodies_are_checked_under_the_functions_own_settings() {
    let release = Release {
        name: "functions with SET clauses",
        before: &[("tables/t.sql", TABLE)],
        rows: "INSERT INTO app.invoices VALUES (1, 'a')",
        after: &[
            ("tables/t.sql", TABLE),
            ("extensions/citext.sql", "-- schema: extensions"),
            (
                "functions/in_app.sql",
                "CREATE FUNCTION in_app() RETURNS bigint LANGUAGE sql SET search_path = app
                 AS 'SELECT count(*) FROM invoices';",
            ),
            (
                "functions/row_of.sql",
                "CREATE FUNCTION row_of() RETURNS text LANGUAGE plpgsql SET search_path TO app, public AS $$
                 DECLARE r invoices; i invoices.id%TYPE; s invoices[];
                 BEGIN SELECT * INTO r FROM invoices; RETURN r.note; END $$;",
            ),
            (
                "functions/later.sql",
                "CREATE PROCEDURE later() LANGUAGE plpgsql AS $$ DECLARE r invoices%ROWTYPE; BEGIN NULL; END $$;
                 ALTER PROCEDURE later() SET search_path = app;",
            ),
            (
                "functions/of_extension.sql",
                "CREATE FUNCTION of_extension(p text) RETURNS bool LANGUAGE sql SET search_path = extensions
                 AS $$ SELECT p::citext = 'A' $$;",
            ),
            (
                "functions/quoting.sql",
                r"CREATE FUNCTION quoting() RETURNS text LANGUAGE sql SET standard_conforming_strings = off
                 SET escape_string_warning = off AS $$ SELECT 'it\'s' $$;",
            ),
            (
                "functions/german.sql",
                "CREATE FUNCTION german() RETURNS date LANGUAGE sql SET datestyle = 'German, DMY'
                 AS $$ SELECT '31.12.2026'::date $$;",
            ),
        ],
        force: false,
        expect: &[
            ("SELECT in_app()", "1"),
            ("SELECT row_of()", "a"),
            ("SELECT of_extension('a')::text", "true"),
            ("SELECT quoting()", "it's"),
            ("SELECT to_char(german(), 'YYYY-MM-DD')", "2026-12-31"),
        ],
    };
    release.check().await;
}

#[tokio::test]
async fn a_setting_of_one_function_is_none_of_the_next_ones() {
    let platform = Platform::new();
    // Also a role that the session may not have, and a wish not to be checked, change nothing about the check.
    for (path, settings) in [("a", "search_path = app"), ("b", "check_function_bodies = off SET role = postgres")] {
        let bundle = bundle()
            .file("tables/t.sql", TABLE)
            .file(
                &format!("functions/{path}.sql"),
                format!("CREATE FUNCTION {path}() RETURNS int LANGUAGE sql SET {settings} AS 'SELECT 1';"),
            )
            .file(
                "functions/z.sql",
                "CREATE FUNCTION z() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM invoices';",
            );
        platform
            .register_refused(&bundle)
            .await
            .refused(409, "function_deploy_failed")
            .at("functions/z.sql", 1)
            .sqlstate("42P01");
    }
    let bundle = bundle().file(
        "functions/f.sql",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET check_function_bodies = off AS 'SELECT nothing';",
    );
    platform.register_refused(&bundle).await.at("functions/f.sql", 1).sqlstate("42703");
}
