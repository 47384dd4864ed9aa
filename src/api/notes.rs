//! What a handler tells the request's log line: whom it was about. Names only, never a value.

use std::borrow::Cow;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::request::Parts;

use crate::call::TraceId;
use crate::databases::name::{Address, Id};
use crate::metrics::calls::Counted;

/// Shared by the handler and the log line, which is also written when the client hangs up and the handler never ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(Arc<Mutex<Noted>>);

/// What was told so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Noted {
    pub(super) request_id: Option<HeaderValue>,
    pub(super) trace: Option<TraceId>,
    pub(super) route: Option<Cow<'static, str>>,
    pub(super) client: Option<IpAddr>,
    pub(super) platform: Option<String>,
    pub(super) database: Option<String>,
    pub(super) call: Option<NotedCall>,
}

/// What is told of a call beside its database.
#[derive(Clone, Debug)]
pub(super) struct NotedCall {
    /// Its name as the client wrote it.
    pub(super) function: String,
    /// Where it counts.
    pub(super) counted: Arc<Counted>,
    /// None where they were still being sent when it was known how many.
    pub(super) rows: Option<u64>,
    /// How long it waited for its connection, and how long it took from then on.
    pub(super) took: Option<(Duration, Duration)>,
}

impl Noted {
    pub(super) fn request_id(&self) -> &str {
        self.request_id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default()
    }
}

impl Notes {
    /// Nothing but the request's id, and the trace that it belongs to.
    pub(super) fn new(request_id: HeaderValue, trace: Option<TraceId>) -> Self {
        let noted = Noted { request_id: Some(request_id), trace, ..Noted::default() };
        Self(Arc::new(Mutex::new(noted)))
    }

    /// The trace that the request belongs to.
    pub(super) fn trace(&self) -> Option<TraceId> {
        self.read(|noted| noted.trace.clone())
    }

    /// The route that serves the request.
    pub(crate) fn note_route(&self, route: impl Into<Cow<'static, str>>) {
        let route = route.into();
        self.change(|noted| noted.route = Some(route));
    }

    /// The client's address, as the access rules understood it.
    pub(super) fn note_client(&self, address: IpAddr) {
        self.change(|noted| noted.client = Some(address));
    }

    /// The platform that asks.
    pub(super) fn note_platform(&self, platform: &Id) {
        self.change(|noted| noted.platform = Some(platform.given().to_owned()));
    }

    /// The database that is asked for, and its platform.
    pub(super) fn note_address(&self, address: &Address) {
        self.note_platform(address.platform());
        self.note_database(address.name().as_str());
    }

    /// The database that is asked for.
    pub(super) fn note_database(&self, name: &str) {
        self.change(|noted| {
            // A call asks for the database that serves it, nearly always.
            if noted.database.as_deref() != Some(name) {
                noted.database = Some(name.to_owned());
            }
        });
    }

    /// The function that is called; again when more is known of it.
    pub(super) fn note_call(&self, call: NotedCall) {
        self.change(|noted| noted.call = Some(call));
    }

    /// For work that logs on its own, so that its lines bear the request's id and names.
    pub(super) fn span(&self) -> tracing::Span {
        self.read(|noted| {
            let Noted { platform, database, .. } = noted;
            tracing::info_span!("request", request_id = noted.request_id(), platform, database)
        })
    }

    /// Looks at what was told; nobody waits for the lock, because the handler has ended.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Noted) -> T) -> T {
        look(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Noted)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl<S: Sync> FromRequestParts<S> for Notes {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
