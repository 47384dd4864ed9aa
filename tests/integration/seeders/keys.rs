//! Keys are compared as their indexes do, whatever a search path finds.

use super::function;
use crate::support::{Platform, bundle};

#[tokio::test]
async fn rows_are_found_by_keys_of_every_type() {
    let keyed = bundle()
        .file("extensions/ltree.sql", "-- schema: extensions")
        .file("extensions/citext.sql", "-- schema: extensions")
        .file("types/mood.sql", "CREATE TYPE mood AS ENUM ('calm', 'cross');")
        .file("types/pair.sql", "CREATE TYPE pair AS (a int, b extensions.ltree);")
        .file("types/trail.sql", "CREATE DOMAIN trail AS extensions.ltree;")
        .file(
            "tables/keys.sql",
            "CREATE TABLE trees (path extensions.ltree PRIMARY KEY, name text);
             CREATE TABLE paths (path trail PRIMARY KEY);
             CREATE TABLE codes (part int, code extensions.citext, PRIMARY KEY (code, part));
             CREATE TABLE moods (mood mood PRIMARY KEY);
             CREATE TABLE pairs (pair pair PRIMARY KEY, moods mood[] UNIQUE);
             CREATE TABLE listed (id serial PRIMARY KEY, path extensions.ltree UNIQUE, name text);",
        )
        .file(
            "seeders/keys.sql",
            "INSERT INTO trees VALUES ('a.b', 'x'), ('a.c'::extensions.ltree, 'y');
             INSERT INTO paths VALUES ('a.b');
             INSERT INTO codes VALUES (1, 'DE');
             INSERT INTO moods VALUES ('calm'), ('cross'::mood);
             INSERT INTO pairs VALUES (ROW(1, 'a.b'), '{calm,cross}'), ('(2,a.c)', ARRAY['calm']::mood[]);
             INSERT INTO listed (path, name) VALUES ('a.b', 'x');",
        );
    let platform = Platform::new();
    platform.register(&keyed).await.ready();
    let sql = platform.sql().await;
    // citext takes this for the same; and operators that fit better than those of the indexes may have been planted.
    sql.run(
        "UPDATE codes SET code = 'de';
         DROP TABLE _stonescriptdb_gateway_seeds;
         CREATE FUNCTION never(anyelement, anyelement) RETURNS boolean LANGUAGE sql AS 'SELECT false';
         CREATE FUNCTION never(mood, mood) RETURNS boolean LANGUAGE sql AS 'SELECT false';
         CREATE FUNCTION never(trail, trail) RETURNS boolean LANGUAGE sql AS 'SELECT false';
         CREATE OPERATOR = (LEFTARG = mood, RIGHTARG = mood, FUNCTION = never);
         CREATE OPERATOR = (LEFTARG = trail, RIGHTARG = trail, FUNCTION = never);",
    )
    .await;
    for release in [1, 2] {
        let answer = platform.migrate(&function(keyed.clone(), release), &[]).await;
        assert_eq!(answer.status, 200, "{answer}");
        let found = answer.body["seeder_validations"].as_array().into_iter().flatten();
        let found: Vec<_> = found.map(|one| (one["expected"].as_u64(), one["found"].as_u64())).collect();
        let one = |rows| (Some(rows), Some(rows));
        assert_eq!(found, [one(1), one(1), one(2), one(2), one(1), one(2)], "{answer}");
    }
    sql.run("DELETE FROM trees WHERE path::text = 'a.c'; DELETE FROM codes").await;
    let refused = platform.migrate(&function(keyed, 3), &[]).await;
    refused.refused(409, "migration_failed").says("trees").says("codes");
}

#[tokio::test]
async fn many_rows_without_a_key_are_found_by_what_they_say() {
    if crate::support::calls_what_is_planted() {
        return;
    }
    let rows: Vec<String> = (0..5_400)
        .map(|n| match n % 4 {
            0 => format!("({n}, 'a{n}', NULL, '1.{n}0')"),
            1 => format!("({n}, NULL, 'b''{n}', '1.{n}0')"),
            2 => "(NULL, NULL, NULL, NULL)".to_owned(),
            _ => "(-1, E'same\\n', '', 'NaN')".to_owned(),
        })
        .collect();
    let seeds = bundle()
        // Names as the gateway would give, and what it may take for its own.
        .file(
            "tables/t.sql",
            r#"CREATE TABLE w0x (w0x int, w0x_1 varchar(9), "w1x""" char(9), numbers numeric);
            CREATE TABLE w1x_there (id serial PRIMARY KEY, w0x int, word text, at timestamptz DEFAULT now());"#,
        )
        .file("seeders/t.sql", format!("INSERT INTO w0x VALUES\n{};", rows.join(",\n")))
        .file(
            "seeders/u.sql",
            "INSERT INTO w1x_there (w0x, word) VALUES (1, 'one'), (2, NULL), (1, 'one'), (3, 'three');
             SELECT setval('w1x_there_id_seq', 10);",
        );
    let platform = Platform::new();
    let answer = platform.register(&seeds).await;
    assert_eq!(answer.status, 200, "{answer}");
    let sql = platform.sql().await;
    sql.run("DELETE FROM _stonescriptdb_gateway_seeds").await;
    let answer = platform.migrate(&function(seeds.clone(), 1), &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    // What was found is on record: the serial keys, for rows that somebody changes later.
    sql.run("UPDATE w1x_there SET word = 'three and more' WHERE w0x = 3").await;
    let answer = platform.migrate(&function(seeds.clone(), 2), &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    sql.run("DELETE FROM w0x WHERE w0x IN (5396, 5) OR w0x IS NULL").await;
    let refused = platform.migrate(&function(seeds, 3), &[]).await;
    refused.refused(409, "migration_failed");
    let found: Vec<_> = refused.body["seeder_validations"].as_array().into_iter().flatten().collect();
    assert_eq!((&found[0]["expected"], &found[0]["found"]), (&5_400.into(), &4_048.into()), "{refused}");
    assert_eq!((&found[1]["expected"], &found[1]["found"]), (&4.into(), &4.into()), "{refused}");
}
