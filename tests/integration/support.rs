//! What the tests stand on: one gateway for the whole run, bundles built in memory, requests over HTTP, and a look into
//! the databases behind the gateway's back. Holds no expectations of its own except those that every deployment must
//! meet ([`check`]).

pub(crate) mod answer;
pub(crate) mod bundle;
pub(crate) mod catalog;
pub(crate) mod check;
pub(crate) mod gateway;
pub(crate) mod hostile;
mod openapi;
pub(crate) mod pg_dump;
pub(crate) mod platform;
pub(crate) mod random;
pub(crate) mod reference;
pub(crate) mod sql;

pub(crate) use answer::Answer;
pub(crate) use bundle::{BundleBuilder, bundle};
pub(crate) use check::{check_deploys_and_is_stable, check_deploys_as_psql_would};
pub(crate) use gateway::gateway;
pub(crate) use hostile::calls_what_is_planted;
pub(crate) use platform::{Platform, call, get, migrate, post_bytes, post_json, register};
pub(crate) use sql::Sql;
