//! Paths and methods that are not there.

use axum::extract::MatchedPath;
use axum::http::{Method, Uri};

use crate::error::{ApiError, ErrorCode};

/// 404: nobody serves this path.
pub(crate) async fn no_such_path(uri: Uri) -> ApiError {
    let path = uri.path();
    let message = match path.trim_end_matches('/') {
        "" => "this is StoneScriptDB Gateway; there is nothing at /, GET /health tells how it is".to_owned(),
        trimmed if trimmed != path => format!("there is no {}; leave out the slash at its end", shown(path)),
        _ => format!("there is no {}; the paths are those of the API's documentation", shown(path)),
    };
    ApiError::new(ErrorCode::NotFound, message)
}

/// 405: the path is there, the method is not. The `Allow` header is axum's.
pub(crate) async fn no_such_method(method: Method, path: MatchedPath) -> ApiError {
    let message = format!("{} takes no {method}; the Allow header says what it takes", path.as_str());
    ApiError::new(ErrorCode::MethodNotAllowed, message)
}

/// A path for an answer: no longer than what a person reads.
fn shown(path: &str) -> String {
    const SHOWN_CHARS: usize = 200;
    path.chars().take(SHOWN_CHARS).collect()
}
