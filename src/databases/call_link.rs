//! An open connection for calls, with what it takes to cancel and to close it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::AsyncWriteExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::backend::{BackendHandle, Ending};
use super::budget::Ticket;
use super::error::DatabaseError;
use super::server::{CONNECT_TIMEOUT, Connected};
use super::socket::Socket;
use super::terminator::Terminator;
use super::wire::Wire;

/// A connection for calls. Dropped, it is closed; its permit is free when its backend is gone.
pub(super) struct CallLink {
    wire: Option<Wire>,
    held: Option<Held>,
}

/// What is kept until the backend is gone.
struct Held {
    handle: BackendHandle,
    permit: OwnedSemaphorePermit,
}

impl CallLink {
    /// Takes a connection over from tokio-postgres, which has logged in.
    pub(super) async fn take_over(
        connected: Connected,
        terminator: Arc<Terminator>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, DatabaseError> {
        let Connected { client, connection, lender, endpoint, backend, .. } = connected;
        let handle = BackendHandle::new(endpoint, client.cancel_token(), backend, terminator);
        // What was asked is answered, so nothing is on its way; what the server said of itself while it let us in was read.
        drop((client, connection));
        let lost = |cause| DatabaseError::Unreachable { cause };
        let socket = lender.take().ok_or_else(|| lost("the socket was lost while logging in".to_owned()))?;
        // From here on its end is an orderly one, whatever happens.
        let mut link = Self { wire: Some(Wire::new(socket)), held: Some(Held { handle, permit }) };
        match timeout(CONNECT_TIMEOUT, link.set_up()).await {
            Ok(Ok(())) => Ok(link),
            Ok(Err(error)) => Err(lost(format!("preparing the connection: {error}"))),
            Err(_) => Err(lost("the server let the gateway in but did not answer".to_owned())),
        }
    }

    /// Closes it, and has stopped what it runs. Until the backend is gone, nobody gets `ticket`.
    pub(super) fn end(mut self, ticket: Option<Ticket>) {
        self.part(ticket);
    }

    /// Whether its backend was ended because there is no room on PostgreSQL's disk.
    pub(super) fn made_room(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.handle.made_room().load(Ordering::Acquire))
    }

    fn part(&mut self, ticket: Option<Ticket>) {
        let (Some(wire), Some(held)) = (self.wire.take(), self.held.take()) else { return };
        let ending = if wire.is_busy() || wire.is_broken() { Ending::Interrupted } else { Ending::Orderly };
        // Where nothing runs, its place is free at once: others find the connection closing.
        let ticket = ticket.filter(|_| ending == Ending::Interrupted);
        // Without a runtime the process is ending, and the server notices that by itself.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let Held { handle, permit } = held;
                handle.see_out(close(wire.into_socket()), ending).await;
                drop((ticket, permit));
            });
        }
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
        self.part(None);
    }
}

async fn close(mut socket: Socket) -> std::io::Result<()> {
    let mut goodbye = BytesMut::new();
    frontend::terminate(&mut goodbye);
    // One that cannot be told is closed all the same.
    let _ = socket.write_all(&goodbye).await;
    socket.shutdown().await
}
