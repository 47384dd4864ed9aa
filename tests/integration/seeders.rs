//! `seeders/`: reference rows of a new database; in `columns`, `others` and `rows` those of an existing one.

mod columns;
mod keys;
mod others;
mod own;
mod rows;

use serde_json::json;

use crate::support::{
    Answer, BundleBuilder, Platform, bundle, check_deploys_and_is_stable, check_deploys_as_psql_would,
};

/// What an answer warns of.
fn warnings(answer: &Answer) -> Vec<&str> {
    let list = answer.body["warnings"].as_array().unwrap_or_else(|| panic!("no warnings in {answer}"));
    list.iter().filter_map(|warning| warning.as_str()).collect()
}

/// One of the warnings has all of these words.
#[track_caller]
fn assert_warned(answer: &Answer, words: &[&str]) {
    let has_all = |warning: &&str| words.iter().all(|word| warning.contains(word));
    assert!(warnings(answer).iter().any(has_all), "no warning with {words:?} in {answer}");
}

/// The bundle with a function more: another release.
fn function(bundle: BundleBuilder, release: u32) -> BundleBuilder {
    bundle.file(
        "functions/release.sql",
        format!("CREATE FUNCTION release() RETURNS int LANGUAGE sql AS 'SELECT {release}';"),
    )
}

fn roles() -> BundleBuilder {
    bundle().file("tables/roles.sql", "CREATE TABLE roles (id int PRIMARY KEY, name text NOT NULL UNIQUE, note text);")
}

#[tokio::test]
async fn each_table_is_reported_with_what_was_inserted() {
    let platform = Platform::new();
    let bundle = roles()
        .file(
            "tables/grants.sql",
            "CREATE TABLE grants (role_id int REFERENCES roles, what text, PRIMARY KEY (role_id, what));",
        )
        .file("seeders/grants.sql", "INSERT INTO grants (role_id, what) VALUES (1, 'read'), (1, 'write'), (2, 'read');")
        .file("seeders/roles.sql", "INSERT INTO roles (id, name) VALUES (1, 'owner'), (2, 'guest');");
    let answer = check_deploys_as_psql_would(&platform, &bundle).await;
    let mut reports = answer.body["seeders"].as_array().expect("a list").clone();
    reports.sort_by_key(|report| report["table"].as_str().map(str::to_owned));
    assert_eq!(
        json!(reports),
        json!([{"table": "grants", "inserted": 3, "skipped": 0}, {"table": "roles", "inserted": 2, "skipped": 0}])
    );
}

#[tokio::test]
async fn several_statements_and_files_for_one_table_are_one_sum() {
    let platform = Platform::new();
    let bundle = roles()
        .file(
            "seeders/a.sql",
            "INSERT INTO roles (id, name) VALUES (1, 'owner');\nINSERT INTO roles VALUES (2, 'guest', NULL);",
        )
        .file("seeders/b.sql", "INSERT INTO roles (name, id) VALUES ('clerk', 3);");
    let answer = check_deploys_and_is_stable(&platform, &bundle).await;
    assert_eq!(answer.seeded("roles"), (3, 0));
}

#[tokio::test]
async fn a_row_that_yields_to_a_conflict_is_skipped() {
    let platform = Platform::new();
    let bundle = roles().file(
        "seeders/roles.sql",
        "INSERT INTO roles (id, name) VALUES (1, 'owner'), (1, 'owner'), (2, 'guest') ON CONFLICT DO NOTHING;",
    );
    let answer = check_deploys_and_is_stable(&platform, &bundle).await;
    assert_eq!(answer.seeded("roles"), (2, 1));
}

#[tokio::test]
async fn rows_that_a_migration_brought_are_not_inserted_twice() {
    let platform = Platform::new();
    let bundle = roles()
        .file("migrations/001.sql", "INSERT INTO roles (id, name) VALUES (1, 'owner'), (2, 'guest');")
        .file("seeders/roles.sql", "INSERT INTO roles (id, name) VALUES (1, 'owner');");
    let answer = check_deploys_and_is_stable(&platform, &bundle).await;
    assert_eq!(answer.seeded("roles").0, 0, "{answer}");
    assert_eq!(platform.sql().await.value("SELECT count(*) FROM roles").await, "2");
}

#[tokio::test]
async fn values_of_every_kind_are_inserted_and_found_again() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/samples.sql",
            "CREATE TABLE samples (
                 id serial PRIMARY KEY, code char(5), price numeric(10, 3), ratio float8, big bigint, day date,
                 moment timestamptz, data json, more jsonb, tags text[], place point, span int4range, raw bytea,
                 mood mood, pair pair, on_time boolean DEFAULT true, made timestamptz NOT NULL DEFAULT now(),
                 bits bit(3), host inet, pause interval, half bigint GENERATED ALWAYS AS (big / 2) STORED
             );",
        )
        .file("types/mood.sql", "CREATE TYPE mood AS ENUM ('calm', 'it''s \"odd\"');")
        .file("types/pair.sql", "CREATE TYPE pair AS (a int, b text);")
        .file(
            "seeders/samples.sql",
            r#"INSERT INTO samples (code, price, ratio, big, day, moment,
               data, more, tags, place, span, raw, mood, pair, on_time, bits, host, pause)
               VALUES
               ('ab', 1.5, 0.1, -9223372036854775808, '2024-02-29', '2024-01-01 12:00:00+05', '{"a": [1, null]}', '{"b": "it''s; fine"}',
                ARRAY['x', 'y"z', NULL], point(1, 2), '[1,5)', '\x00ff', 'it''s "odd"', ROW(1, 'x,y'), DEFAULT, B'101', '10.0.0.1/8', '1 day 2 hours'),
               (NULL, NULL, 'NaN', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
               (E'a\tb', -1e-3, '-Infinity', 0, 'infinity', now(), 'null', 'null', '{}', '(0,0)', 'empty', 'abc', 'calm', '(,)', false, B'000', '::1', '-00:00:01'),
               (U&'\00e4', (SELECT 1 + 1), -.5, 1::bigint, current_date, '2024-01-01T00:00:00Z'::timestamptz, '"$$"'::json, '[]', '{a,NULL}',
                NULL, int4range(1, 3), decode('00', 'hex'), 'calm'::mood, (2, NULL)::pair, not true, '111', 'fe80::1', interval '1' year);
            "#,
        );
    let bundle = bundle.file("seeders/zz_nothing.sql", "-- none yet\n");
    let answer = check_deploys_as_psql_would(&platform, &bundle).await;
    assert_eq!(answer.seeded("samples"), (4, 0));
}

#[tokio::test]
async fn rows_without_a_key_of_their_own_are_found_by_their_constants() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/words.sql",
            "CREATE TABLE words (id serial PRIMARY KEY, word text, lang text,
             added timestamptz, token uuid DEFAULT gen_random_uuid());",
        )
        .file(
            "seeders/words.sql",
            "INSERT INTO words (word, lang, added)
             VALUES ('ja', 'de', now()), ('yes', 'en', now()), ('yes', NULL, clock_timestamp());",
        );
    let answer = check_deploys_and_is_stable(&platform, &bundle).await;
    assert_eq!(answer.seeded("words"), (3, 0));
}

#[tokio::test]
async fn rows_of_a_table_that_refer_to_later_ones_are_inserted() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("tables/staff.sql", "CREATE TABLE staff (id int PRIMARY KEY, name text, boss_id int REFERENCES staff);")
        .file(
            "seeders/staff.sql",
            "INSERT INTO staff (id, name, boss_id) VALUES (4, 'Dee', 3);
             INSERT INTO staff (id, name, boss_id) VALUES (3, 'Cy', 2), (5, 'Ed', 2);
             INSERT INTO staff (id, name, boss_id) VALUES (2, 'Bo', 1);
             INSERT INTO staff (id, name) VALUES (1, 'Al');",
        );
    let answer = check_deploys_as_psql_would(&platform, &bundle).await;
    assert_eq!(answer.seeded("staff"), (5, 0));
}

#[tokio::test]
async fn rows_in_a_circle_of_deferred_keys_are_inserted() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/a.sql",
            "CREATE TABLE teams (id int PRIMARY KEY, captain_id int NOT NULL
             REFERENCES players DEFERRABLE INITIALLY DEFERRED);",
        )
        .file(
            "tables/b.sql",
            "CREATE TABLE players (id int PRIMARY KEY, team_id int NOT NULL
             REFERENCES teams DEFERRABLE INITIALLY DEFERRED);",
        )
        .file("seeders/players.sql", "INSERT INTO players (id, team_id) VALUES (10, 1), (20, 2);")
        .file(
            "seeders/teams.sql",
            "INSERT INTO teams (id, captain_id) VALUES (1, 10);
             INSERT INTO teams (id, captain_id) VALUES (2, 20);",
        );
    let answer = check_deploys_and_is_stable(&platform, &bundle).await;
    assert_eq!((answer.seeded("teams"), answer.seeded("players")), ((2, 0), (2, 0)));
}

#[tokio::test]
async fn rows_in_a_circle_of_keys_that_can_be_deferred_are_inserted() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/a.sql",
            "CREATE TABLE teams (id int PRIMARY KEY, captain_id int NOT NULL
             REFERENCES players DEFERRABLE);",
        )
        .file(
            "tables/b.sql",
            "CREATE TABLE players (id int PRIMARY KEY, team_id int NOT NULL
             REFERENCES teams DEFERRABLE INITIALLY IMMEDIATE);",
        )
        .file("seeders/players.sql", "INSERT INTO players (id, team_id) VALUES (10, 1);")
        .file("seeders/teams.sql", "INSERT INTO teams (id, captain_id) VALUES (1, 10);");
    let answer = check_deploys_and_is_stable(&platform, &bundle).await;
    assert_eq!((answer.seeded("teams"), answer.seeded("players")), ((1, 0), (1, 0)));
}

#[tokio::test]
async fn seeders_pass_through_defaults_triggers_views_and_identity_columns() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("tables/tags.sql", "CREATE TABLE tags (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
             name text, slug text);
             CREATE TRIGGER slug BEFORE INSERT ON tags FOR EACH ROW EXECUTE FUNCTION set_slug();")
        .file("functions/set_slug.sql", "CREATE FUNCTION set_slug() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN NEW.slug := lower(NEW.name); RETURN NEW; END $$;")
        .file("seeders/tags.sql", "INSERT INTO public.tags (name) VALUES ('Red'), ('Green');\nINSERT INTO tags (id, name) OVERRIDING SYSTEM VALUE VALUES (100, 'Blue');");
    let answer = check_deploys_and_is_stable(&platform, &bundle).await;
    assert_eq!(answer.body["seeders"].as_array().map(Vec::len), Some(1), "{answer}");
    assert_eq!(platform.sql().await.column("SELECT slug FROM tags ORDER BY id").await, ["red", "green", "blue"]);
}
