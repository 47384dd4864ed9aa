//! `serve(listener, app, shutdown)`: HTTP/1.1 connections in, until told to stop; then the requests in flight end.
//!
//! Owns the limits of a connection. Knows no route and no database; `main` calls it, and so does every test that wants a
//! real socket. Built on hyper itself, because `axum::serve` sets no limit to the time a client takes for its headers
//! and cannot be told to give up on a request after a stop.

mod client_stream;
mod connection;
mod crowd;
mod paced_body;
mod refusal;
mod signals;
mod stopping;
#[cfg(test)]
mod tests;
mod unhurried;

pub use paced_body::{BodyError, BodyPace};
pub use signals::{ReloadRequests, StopSignals};

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use self::client_stream::ConnectionState;
use self::crowd::MAX_CROWD;
use self::stopping::{Stop, Stopping};
use self::unhurried::Unhurried;

/// A request that was sent before a stop and is on its way in gets this long to be read, and then counts as in flight.
const ARRIVING: Duration = Duration::from_millis(50);
/// How long connections whose last answer is sent may take to close.
const PARTING: Duration = Duration::from_secs(1);
/// One of so many connections may be a stranger's.
const STRANGERS: usize = 10;
/// How many connections tokio lets the system hold for a listener.
const BACKLOG: usize = 1024;

/// How long things may take on a connection.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// From the end of one request, or from connecting, to the end of the next one's headers. Ends slow clients and
    /// idle connections; longer than the 60 s for which nginx keeps an idle connection, so that nginx closes first.
    pub next_headers: Duration,
    /// How long requests in flight may go on after a stop.
    pub drain: Duration,
    /// How fast the bodies of requests have to come.
    pub body: BodyPace,
    /// Connections at once.
    pub max_connections: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            next_headers: Duration::from_secs(75),
            drain: Duration::from_secs(30),
            body: BodyPace::default(),
            max_connections: 10_000,
        }
    }
}

/// What answers requests.
pub trait Answer: Clone + Send + Sync + 'static {
    /// The answer to a request from that address. Dropped when the client hangs up.
    fn answer(&self, peer: SocketAddr, request: Request) -> impl Future<Output = Response> + Send;

    /// Whether that address is nobody who will be served: all of them together get a tenth of the connections, so that they
    /// cannot take everybody else's.
    fn is_stranger(&self, _peer: SocketAddr) -> bool {
        false
    }

    /// Whether a path is answered also when there are too many connections.
    fn is_vital(&self, _path: &str) -> bool {
        false
    }

    /// How long after a stop requests may go on, where the server's own limit is `usual`. Asked again while they do: what is
    /// underway may be worth a longer wait.
    fn drain(&self, usual: Duration) -> Duration {
        usual
    }

    /// From now on answers are dropped because the server stops, and no client is to blame.
    fn cuts_off(&self) {}
}

/// Serves `app` until `shutdown` is ready. Then no connection is accepted any more, idle ones are closed, requests in
/// flight get their answers, and after the limit what is left is cut off, which cancels its queries.
pub async fn serve(listener: TcpListener, app: impl Answer, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    serve_within(ServerLimits::default(), listener, app, shutdown).await
}

/// [`serve`] with other limits.
pub async fn serve_within(
    limits: ServerLimits,
    listener: TcpListener,
    app: impl Answer,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let (stop, stopping) = Stop::new();
    let mut connections = Connections {
        end: End(app.clone()),
        limits,
        app,
        drain: GracefulShutdown::new(),
        stopping,
        tasks: JoinSet::new(),
        open: HashMap::new(),
        strangers: 0,
        crowd: JoinSet::new(),
        is_crowded: false,
    };
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept(), if connections.has_room() => match accepted {
                Ok(accepted) => connections.take(accepted),
                Err(error) => recover_from(error).await,
            },
            // To forget the connections that have ended.
            Some(ended) = connections.tasks.join_next_with_id() => connections.forget(&ended),
            Some(_) = connections.crowd.join_next() => {}
        }
    }
    stop.begin();
    for accepted in close_port(listener)? {
        connections.take(accepted);
    }
    sleep(ARRIVING).await;
    connections.finish().await;
    Ok(())
}

/// One that is open.
struct Open {
    task: AbortHandle,
    state: Arc<ConnectionState>,
    is_strangers: bool,
}

/// Says on drop that from now on answers are dropped because the server is: whoever drops `serve_within` in the middle cuts off what
/// is in flight.
struct End<A: Answer>(A);

impl<A: Answer> Drop for End<A> {
    fn drop(&mut self) {
        self.0.cuts_off();
    }
}

/// The connections that are open.
struct Connections<A: Answer> {
    /// Dropped before `tasks` are.
    end: End<A>,
    limits: ServerLimits,
    app: A,
    drain: GracefulShutdown,
    stopping: Stopping,
    tasks: JoinSet<()>,
    open: HashMap<Id, Open>,
    /// How many of them come from strangers.
    strangers: usize,
    /// Those above the limit.
    crowd: JoinSet<()>,
    is_crowded: bool,
}

/// Gives the connections that the system has made already: their clients may have sent a request. After this the port
/// answers nobody, and a successor can bind it.
fn close_port(listener: TcpListener) -> io::Result<Vec<(TcpStream, SocketAddr)>> {
    let listener = listener.into_std()?;
    let mut waiting = Vec::new();
    // An error, too, is the end: nobody waits, or nobody can be let in.
    while waiting.len() < BACKLOG
        && let Ok((stream, peer)) = listener.accept()
    {
        stream.set_nonblocking(true)?;
        waiting.push((TcpStream::from_std(stream)?, peer));
    }
    Ok(waiting)
}

impl<A: Answer> Connections<A> {
    fn has_room(&self) -> bool {
        self.open.len() < self.limits.max_connections || self.crowd.len() < MAX_CROWD
    }

    fn take(&mut self, (socket, peer): (TcpStream, SocketAddr)) {
        let is_strangers = self.app.is_stranger(peer);
        if is_strangers && self.strangers >= self.limits.max_connections.div_ceil(STRANGERS) {
            // Not accepting them would keep the others waiting behind them.
            if self.crowd.len() < MAX_CROWD {
                self.crowd.spawn(crowd::serve(socket, peer, self.app.clone()));
            }
            return;
        }
        if self.open.len() >= self.limits.max_connections {
            if !std::mem::replace(&mut self.is_crowded, true) {
                let connections = self.open.len();
                warn!(connections, "as many client connections as MAX_CLIENT_CONNECTIONS allows: more get 503");
            }
            self.crowd.spawn(crowd::serve(socket, peer, self.app.clone()));
            return;
        }
        let state = Arc::new(ConnectionState::new(self.stopping.clone()));
        let (app, drain) = (self.app.clone(), self.drain.watcher());
        let serving = connection::serve(self.limits, (socket, peer), state.clone(), app, drain);
        let task = self.tasks.spawn(Unhurried::new(serving));
        self.strangers += usize::from(is_strangers);
        self.open.insert(task.id(), Open { task, state, is_strangers });
    }

    fn forget(&mut self, ended: &Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        if let Some(Open { is_strangers: true, .. }) = self.open.remove(&id) {
            self.strangers -= 1;
        }
        // Not each time that one goes and another one comes.
        self.is_crowded &= self.open.len() >= self.limits.max_connections / 10 * 9;
    }

    /// Ends what is in flight, within the limit. A client whose request is not even there after a moment is not waited for.
    async fn finish(mut self) {
        let open = self.drain.count();
        if open > 0 {
            info!(connections = open, "letting the requests in flight end");
        }
        let begun = Instant::now();
        let (app, usual) = (&self.app, self.limits.drain);
        let end = async {
            while begun.elapsed() < app.drain(usual) {
                sleep(ARRIVING).await;
            }
        };
        let mut end = std::pin::pin!(end);
        let (late, mut late_by_far) = (self.limits.body.when_stopping, false);
        let mut draining = std::pin::pin!(self.drain.shutdown());
        let mut drained = tokio::select! {
            () = &mut draining => true,
            () = sleep(late) => false,
            () = &mut end => {
                late_by_far = true;
                false
            }
        };
        if !drained && !late_by_far {
            self.open.retain(|_, Open { task, state, .. }| {
                let is_idle = state.is_idle();
                if is_idle {
                    task.abort();
                }
                !is_idle
            });
            drained = tokio::select! {
                () = &mut draining => true,
                () = &mut end => false,
            };
        }
        if !drained {
            let connections = self.open.values().filter(|open| !open.task.is_finished()).count();
            warn!(connections, "cutting off the requests that have not ended");
            self.end.0.cuts_off();
        }
        if drained {
            // They have had their answer, and wait for their clients to read it.
            let _ = timeout(PARTING, async { while self.tasks.join_next().await.is_some() {} }).await;
        }
        self.tasks.shutdown().await;
        self.crowd.shutdown().await;
    }
}

/// A connection that broke before it was accepted is the client's matter. Anything else, such as no free file
/// descriptor, is for the log, and would fill it if tried again at once.
async fn recover_from(error: io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        warn!(%error, "could not accept a connection");
        sleep(Duration::from_millis(200)).await;
    }
}
