//! `serve(listener, app, shutdown)`: HTTP/1.1 connections in, until told to stop; then the requests in flight end.
//!
//! Owns the limits of a connection. Knows no route and no database; `main` calls it, and so does every test that wants a
//! real socket. Built on hyper itself, because `axum::serve` sets no limit to the time a client takes for its headers
//! and cannot be told to give up on a request after a stop.

mod signals;
#[cfg(test)]
mod tests;
mod unhurried;

pub use signals::StopSignals;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use self::unhurried::Unhurried;

/// A request that was sent before a stop and is on its way in gets this long to be read, and then counts as in flight.
const ARRIVING: Duration = Duration::from_millis(50);
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
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self { next_headers: Duration::from_secs(75), drain: Duration::from_secs(30) }
    }
}

/// What answers requests.
pub trait Answer: Clone + Send + Sync + 'static {
    /// The answer to a request from that address. Dropped when the client hangs up.
    fn answer(&self, peer: SocketAddr, request: Request) -> impl Future<Output = Response> + Send;
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
    let mut connections = JoinSet::new();
    let drain = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(Unhurried::new(serve_connection(limits, stream, peer, app.clone(), drain.watcher())));
                }
                Err(error) => recover_from(error).await,
            },
            // Only to forget the connections that have ended.
            Some(_) = connections.join_next() => {}
        }
    }
    for (stream, peer) in close_port(listener)? {
        connections.spawn(Unhurried::new(serve_connection(limits, stream, peer, app.clone(), drain.watcher())));
    }
    sleep(ARRIVING).await;
    finish(limits.drain, drain, connections).await;
    Ok(())
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

async fn finish(limit: Duration, drain: GracefulShutdown, mut connections: JoinSet<()>) {
    let open = drain.count();
    if open > 0 {
        info!(connections = open, "letting the requests in flight end");
    }
    if timeout(limit, drain.shutdown()).await.is_err() {
        warn!(seconds = limit.as_secs(), "cutting off the requests that have not ended");
    }
    connections.shutdown().await;
}

async fn serve_connection(limits: ServerLimits, stream: TcpStream, peer: SocketAddr, app: impl Answer, drain: Watcher) {
    // An answer is written as a whole: waiting for more to send would only delay it.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%peer, %error, "TCP_NODELAY");
    }
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let app = app.clone();
        async move { Ok::<_, Infallible>(app.answer(peer, request.map(Body::new)).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.next_headers)
        .serve_connection(TokioIo::new(stream), service);
    // Clients that hang up or never say anything are no event.
    if let Err(error) = drain.watch(connection).await {
        debug!(%peer, %error, "connection ended");
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
