//! Function + parameters → rows as JSON: `POST /call` without HTTP.
//!
//! | file        | what it owns                                                                   |
//! | ----------- | ------------------------------------------------------------------------------ |
//! | `request`   | the body, taken apart                                                          |
//! | `run`       | a call from beginning to end                                                   |
//! | `signature` | what the functions of a name take: one catalog query, kept until a deployment  |
//! | `describe`  | all functions of a database, for those who write clients                       |
//! | `types`     | the types of parameters                                                        |
//! | `params`    | parameters as they were sent                                                   |
//! | `choose`    | which of several functions is meant                                            |
//! | `tidy`      | which functions leave nothing behind that has to be cleaned                    |
//! | `shape`     | one way to call a function: its SQL text                                       |
//! | `value`     | one bound parameter                                                            |
//! | `text`      | JSON → the text that PostgreSQL reads                                          |
//! | `running`   | a connection while a call uses it                                              |
//! | `rows`      | rows → JSON objects                                                            |
//! | `json`      | PostgreSQL's binary values → JSON                                              |
//! | `answer`    | the body of the answer                                                         |
//! | `stream`    | an answer too large to hold                                                    |
//! | `failure`   | what PostgreSQL's refusal means                                                |

mod answer;
mod choose;
mod describe;
mod error;
mod failure;
mod forms;
mod json;
mod params;
mod request;
mod rows;
mod run;
mod running;
mod shape;
mod signature;
mod stream;
mod text;
mod tidy;
mod timing;
mod trace;
mod types;
mod value;

pub use self::answer::{Answer, AnswerBody};
pub use self::describe::{Function, Functions, MOST, Type, describe};
pub use self::error::CallError;
pub use self::request::{CallRequest, parse_request};
pub use self::run::run;
pub use self::timing::Timing;
pub use self::trace::TraceId;
