//! HTTP → the rest of the gateway → HTTP: one file per family of endpoints, each takes a request apart, asks, and
//! answers. No SQL here, and no rule that is not about HTTP. The only modules that know axum are this one, `router` and
//! `server`.
//!
//! | file         | what it owns                                                                    |
//! | ------------ | ------------------------------------------------------------------------------- |
//! | [`state`]    | what every handler gets: configuration, databases                               |
//! | `observe`    | around every request: id, log line, panics, `CONFLICT_STATUS`                   |
//! | `notes`      | what a handler tells the log line                                               |
//! | `leftover`   | a body that nobody read, so that the client reads the answer                    |
//! | `guard`      | the allowlist and the admin token                                               |
//! | `answer`     | [`crate::error::ApiError`] → a response                                         |
//! | `body`       | sizes and content types                                                         |
//! | `json`       | JSON bodies                                                                     |
//! | `flags`      | yes or no                                                                       |
//! | `parts`      | multipart bodies part by part                                                   |
//! | `upload`     | what uploads hold                                                               |
//! | [`openapi`]  | what all endpoints take and answer, as a document                                |
//! | `unknown`    | paths and methods that are not there                                            |
//! | the others   | the endpoints of contract §6                                                    |

pub(crate) mod admin;
mod answer;
mod body;
pub(crate) mod call;
pub(crate) mod database;
mod flags;
pub(crate) mod guard;
pub(crate) mod health;
mod json;
pub(crate) mod leftover;
pub(crate) mod metrics;
pub(crate) mod migrate;
mod notes;
pub(crate) mod observe;
pub mod openapi;
mod parts;
pub(crate) mod platform;
pub(crate) mod register;
pub(crate) mod room;
mod settings;
pub mod state;
pub(crate) mod unknown;
mod upload;

#[cfg(test)]
mod tests;
