//! StoneScriptDB Gateway: a platform's `postgresql/` folder goes in, one database per tenant comes out, and its
//! functions answer over HTTP.
//!
//! The modules in the order that data flows (`HLD.md` is the long form):
//!
//! ```text
//! upload ──► bundle ──► order ──► blueprint ──► deployment ──► tracking rows
//! call ────► name, owner ──► pool ──► prepared statement ──► rows as JSON
//! ```
//!
//! | module           | what it owns                                                         |
//! | ---------------- | -------------------------------------------------------------------- |
//! | [`command_line`] | what the program is asked for, and its help                          |
//! | [`config`]       | environment → [`config::Config`], checked once at the start          |
//! | [`error`]        | [`error::ApiError`]: the only place that knows codes and statuses     |
//! | [`server`]       | `serve(listener, app, shutdown)`                                     |
//! | [`router`]       | every route, and what goes around them, on one screen                |
//! | [`access`]       | IP allowlist, trusted proxies, admin token                           |
//! | [`api`]          | one file per family of endpoints; no SQL                             |
//! | [`bundle`]       | `tar.gz` → [`bundle::Bundle`]: files, facts about their SQL, order   |
//! | [`orchestrator`] | bundle + database → deployment                                       |
//! | [`registry`]     | platforms and stored schemas on disk                                 |
//! | [`platforms`]    | registry, blueprints and databases together: v2 of the API           |
//! | [`tls`]          | TLS to PostgreSQL: modes, files, certificates                        |
//! | [`databases`]    | names, owners, pools, the connection budget                          |
//! | [`call`]         | function + parameters → rows as JSON                                 |
//! | [`uploads`]      | the memory that uploads share, and who reads them                    |
//! | [`embedded`]     | the private PostgreSQL of the default set-up                         |
//! | [`metrics`]      | what is counted for `GET /metrics`                                   |
//! | [`logging`]      | log lines, and when they are written                                 |
//! | [`systemd`]      | readiness, status, watchdog, and the socket that outlives a restart   |
//! | [`reload`]       | the settings read again on SIGHUP                                    |
//! | [`scheduling`]   | how the system shares its processors between all of these            |
//!
//! Arrows point one way: `api` knows the rest and nothing knows `api`; `bundle` knows no database.

pub mod access;
pub mod api;
pub mod bundle;
pub mod call;
pub mod call_memory;
pub mod command_line;
pub mod config;
pub mod databases;
pub mod embedded;
pub mod error;
pub mod logging;
pub mod metrics;
pub mod orchestrator;
pub mod platforms;
pub mod registry;
pub mod reload;
pub mod room;
pub mod router;
pub mod scheduling;
pub mod server;
pub mod systemd;
pub mod tls;
pub mod uploads;
