//! Logging in over a connection that is encrypted already, or that is to stay as it is: tokio-postgres is told that it begins
//! with TLS, and what it is given for that is the socket itself.

use std::convert::Infallible;
use std::future::{Ready, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{TlsConnect, TlsStream};
use tokio_postgres::{Client, Config, Connection, Error};

/// Has nothing to do.
pub(super) struct AsItIs;

impl<S: TlsStream + Unpin> TlsConnect<S> for AsItIs {
    type Stream = S;
    type Error = Infallible;
    type Future = Ready<Result<S, Infallible>>;

    fn connect(self, stream: S) -> Self::Future {
        ready(Ok(stream))
    }
}

/// Logs in. What [`Config`] says of TLS was for whoever opened `stream`.
pub(super) async fn log_in<S>(config: &Config, stream: S) -> Result<(Client, Connection<S, S>), Error>
where
    S: AsyncRead + AsyncWrite + TlsStream + Unpin,
{
    let mut config = config.clone();
    // With `Direct` it asks the server nothing.
    config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
    config.connect_raw(stream, AsItIs).await
}

/// Whether `pg_hba.conf` has no rule for such a login, or one that refuses it: with TLS, it may have another one for those
/// without.
pub(super) fn is_refused_as_it_is(error: &Error) -> bool {
    error.as_db_error().is_some_and(|error| {
        *error.code() == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            && error.routine() == Some("ClientAuthentication")
    })
}
