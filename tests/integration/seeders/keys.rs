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
