//! An open connection for calls, with what it takes to cancel and to close it.

use std::ops::{Deref, DerefMut};

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::AsyncWriteExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_postgres::CancelToken;

use super::error::DatabaseError;
use super::lent::{Lender, Lent};
use super::server::{CLOSE_TIMEOUT, CONNECT_TIMEOUT, Connected, cancel};
use super::socket::{Endpoint, Socket};
use super::wire::Wire;

/// A connection for calls. Dropped, it is closed; its permit is free when the server has closed it too.
pub(super) struct CallLink {
    wire: Option<Wire>,
    permit: Option<OwnedSemaphorePermit>,
    /// Where to send a cancel request, and for what.
    endpoint: Endpoint,
    token: CancelToken,
}

impl CallLink {
    /// Takes a connection over from tokio-postgres, which has logged in over a socket of `lender`.
    pub(super) async fn take_over(
        connected: Connected<Lent>,
        lender: &Lender,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, DatabaseError> {
        let Connected { client, connection, endpoint } = connected;
        let token = client.cancel_token();
        // Nothing was asked, so nothing is on its way; what the server said of itself while it let us in was read.
        drop((client, connection));
        let lost = |cause| DatabaseError::Unreachable { cause };
        let socket = lender.take().ok_or_else(|| lost("the socket was lost while logging in".to_owned()))?;
        // From here on its end is an orderly one, whatever happens.
        let mut link = Self { wire: Some(Wire::new(socket)), permit: Some(permit), endpoint, token };
        match timeout(CONNECT_TIMEOUT, link.set_up()).await {
            Ok(Ok(())) => Ok(link),
            Ok(Err(error)) => Err(lost(format!("preparing the connection: {error}"))),
            Err(_) => Err(lost("the server let the gateway in but did not answer".to_owned())),
        }
    }

    /// Asks the server to stop what it runs, then closes.
    pub(super) async fn cancel(self) {
        cancel(&self.token, &self.endpoint).await;
    }
}

impl Deref for CallLink {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        self.wire.as_ref().expect("only dropping takes it")
    }
}

impl DerefMut for CallLink {
    fn deref_mut(&mut self) -> &mut Wire {
        self.wire.as_mut().expect("only dropping takes it")
    }
}

impl Drop for CallLink {
    fn drop(&mut self) {
        let (Some(wire), Some(permit)) = (self.wire.take(), self.permit.take()) else { return };
        // Without a runtime the process is ending, and the server notices that by itself.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(close(wire.into_socket(), permit));
        }
    }
}

async fn close(mut socket: Socket, permit: OwnedSemaphorePermit) {
    let mut goodbye = BytesMut::new();
    frontend::terminate(&mut goodbye);
    let closing = async {
        // One that cannot be told is closed all the same.
        let _ = socket.write_all(&goodbye).await;
        let _ = socket.shutdown().await;
    };
    if timeout(CLOSE_TIMEOUT, closing).await.is_err() {
        tracing::warn!("a server connection did not close by itself");
    }
    drop(socket);
    drop(permit);
}
