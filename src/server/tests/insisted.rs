//! A server that is dropped instead of stopped, as by a second signal.

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::*;

/// Answers nobody; tells when it is asked, and when a request is dropped whether that was said before.
#[derive(Clone)]
struct App {
    told: UnboundedSender<Option<bool>>,
    is_cut: Arc<AtomicBool>,
}

struct Waiting(App);

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.told.send(Some(self.0.is_cut.load(Ordering::Relaxed)));
    }
}

impl Answer for App {
    async fn answer(&self, _peer: SocketAddr, _request: Request) -> Response {
        let _waiting = Waiting(self.clone());
        self.told.send(None).unwrap();
        pending().await
    }

    fn cuts_off(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_drops_the_server_is_to_blame_for_the_requests_that_go_with_it() {
    for is_stopping in [false, true] {
        let (told, mut tells) = unbounded_channel();
        let server = run_answer(App { told, is_cut: Arc::default() }, ServerLimits::default()).await;
        let mut clients = Vec::new();
        for _ in 0..5 {
            let mut client = server.connect().await;
            client.write_all(REQUEST).await.unwrap();
            clients.push(client);
            assert_eq!(timeout(GENEROUS, tells.recv()).await.unwrap(), Some(None));
        }
        if is_stopping {
            server.stop.send(()).unwrap();
            // The port is closed when it lets them end.
            let closed = async { while TcpStream::connect(server.address).await.is_ok() {} };
            timeout(GENEROUS, closed).await.unwrap();
        }
        server.server.abort();
        for _ in &clients {
            assert_eq!(timeout(GENEROUS, tells.recv()).await.unwrap(), Some(Some(true)), "stopping: {is_stopping}");
        }
    }
}
