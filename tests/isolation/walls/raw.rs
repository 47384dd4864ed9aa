//! What a session of the role's own may send: statements that no function may hold, and other databases. With the password
//! that it can give itself and `dblink` a platform gets such a session.

use super::attempt::{Attempt, denied, fails, harmless};

/// In the platform's own database.
pub(super) const OWN: &[Attempt] = &[
    denied("a database", "CREATE DATABASE evil"),
    denied("a copy of the other's database", "CREATE DATABASE evil TEMPLATE \"{b}\""),
    denied("a copy of the gateway's database", "CREATE DATABASE evil TEMPLATE \"stonescriptdb-gateway\""),
    denied("a copy of my database", "CREATE DATABASE evil TEMPLATE \"{mine}\""),
    denied("drop the other's database", "DROP DATABASE \"{b}\""),
    denied("drop it with its sessions", "DROP DATABASE \"{b}\" WITH (FORCE)"),
    denied("drop the gateway's database", "DROP DATABASE \"stonescriptdb-gateway\" WITH (FORCE)"),
    denied("drop a template", "DROP DATABASE template1"),
    denied("my blueprint is open", "ALTER DATABASE \"{blueprint}\" ALLOW_CONNECTIONS true"),
    denied("my blueprint has another name", "ALTER DATABASE \"{blueprint}\" RENAME TO mine"),
    denied("my blueprint is mine", "ALTER DATABASE \"{blueprint}\" OWNER TO CURRENT_USER"),
    denied("my blueprint has settings", "ALTER DATABASE \"{blueprint}\" SET search_path = evil"),
    denied("my blueprint is gone", "DROP DATABASE \"{blueprint}\""),
    denied("words about my blueprint", "COMMENT ON DATABASE \"{blueprint}\" IS 'mine'"),
    denied("the other's blueprint is open", "ALTER DATABASE \"{their_blueprint}\" ALLOW_CONNECTIONS true"),
    denied("the right to the other's blueprint", "GRANT CONNECT ON DATABASE \"{their_blueprint}\" TO CURRENT_USER"),
    denied("the other tenant's database bears the other's name", "ALTER DATABASE \"{tenant}\" RENAME TO b_t9"),
    denied("the other tenant's database is the other's", "ALTER DATABASE \"{tenant}\" OWNER TO \"{other}\""),
    denied("the server's settings", "ALTER SYSTEM SET work_mem = '1MB'"),
    denied("the server's program for old WAL", "ALTER SYSTEM SET archive_command = 'id'"),
    denied("a folder", "CREATE TABLESPACE evil LOCATION '/tmp'"),
    denied("a subscription", "CREATE SUBSCRIPTION evil CONNECTION 'dbname={b}' PUBLICATION p WITH (connect = false)"),
    fails("the other's index", "REINDEX DATABASE \"{b}\"", &["0A000", "42501"]),
    fails(
        "a transaction that outlives its session",
        "BEGIN; CREATE TABLE kept (id int); PREPARE TRANSACTION 'evil'",
        &["55000"],
    ),
    fails("a transaction of somebody else", "ROLLBACK PREPARED 'evil'", &["42704"]),
    harmless("vacuum everything", "VACUUM"),
    harmless("another time zone for me", "ALTER ROLE CURRENT_USER SET timezone = 'Asia/Tokyo'"),
    harmless("everybody may see my table", "CREATE TABLE seen_by_all (id int); GRANT ALL ON seen_by_all TO PUBLIC"),
];

/// Databases that the role tries to enter.
pub(super) const OTHERS: &[(&str, &str)] = &[
    ("the other's database", "{b}"),
    ("the other's tenant's database", "{their_tenant}"),
    ("the gateway's database", "stonescriptdb-gateway"),
    ("the first database", "postgres"),
    ("the template", "template1"),
    ("the template of the template", "template0"),
    ("its own blueprint", "{blueprint}"),
    ("the other's blueprint", "{their_blueprint}"),
];
