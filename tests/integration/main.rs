//! `/register` as a client sees it: bundles go in over HTTP, and the databases that come out are looked at from behind.
//! One gateway with one throw-away PostgreSQL serves the whole run; each test has a platform of its own.

#![expect(clippy::panic, reason = "a helper of a test fails like an assertion: with a message, at once")]

mod archive;
mod bad_calls;
mod both;
mod by_migrations;
mod changes;
mod crash;
mod dependants;
mod down;
mod dumps;
mod evolutions;
mod extensions;
mod folders;
mod foreign_keys;
mod functions;
mod histories;
mod ids;
mod inheritance;
mod large_schemas;
mod left_overs;
mod legal;
mod listeners;
mod locks;
mod long_histories;
mod lost;
mod made_with_rows;
mod metrics;
mod migrate;
mod migrations;
mod names;
mod openapi;
mod owners;
mod partitions;
mod refusals;
mod rows_of_their_time;
mod seeders;
mod size;
mod statements;
mod support;
mod table_functions;
mod traces;
mod tracking;
mod types;
mod unknown_fields;
mod updates;
mod v2;
mod views;
mod waiting_migrations;
