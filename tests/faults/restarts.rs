//! Restarts of the service while clients call: the socket is kept by whoever started it, here the test in systemd's place.

use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::support::{LIMIT, Server};

const CLIENTS: usize = 64;
const RESTARTS: usize = 10;
const BUNDLE: &[(&str, &str)] =
    &[("functions/one.sql", "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(0.02)';")];

/// Starts the gateway as systemd does: with a socket to be told through, and what was kept.
struct Service {
    told: UnixDatagram,
    folder: PathBuf,
    settings: Vec<(&'static str, String)>,
    kept: Option<OwnedFd>,
    child: Option<Child>,
}

impl Service {
    fn new(server: &Server, port: u16) -> Self {
        let folder = server.new_folder();
        let told = UnixDatagram::bind(folder.join("notify")).expect("a socket");
        told.set_read_timeout(Some(LIMIT)).expect("a limit");
        let mut settings = server.settings().to_vec();
        settings.push(("GATEWAY_PORT", port.to_string()));
        Self { told, folder, settings, kept: None, child: None }
    }

    fn start(&mut self) {
        // In the middle: only the new process knows its id, and the descriptor has to be the third.
        let script = "exec 3<&0 0</dev/null; export LISTEN_PID=$$; exec \"$0\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_stonescriptdb-gateway")]).env_clear();
        command.envs(self.settings.iter().map(|(name, value)| (*name, value)));
        command.env("NOTIFY_SOCKET", self.folder.join("notify")).stdin(Stdio::null());
        if let Some(kept) = &self.kept {
            command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "stonescriptdb-http");
            command.stdin(kept.try_clone().expect("a descriptor"));
        }
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("DATA_DIR", &self.folder);
        command.current_dir(&self.folder).stdout(Stdio::null());
        self.child = Some(command.spawn().expect("the gateway is built"));
    }

    /// Hears until something is said; takes what is to be kept.
    fn wait_for(&mut self, wanted: &str) {
        let begin = Instant::now();
        while begin.elapsed() < LIMIT {
            let (mut text, mut space) = ([0; 4096], [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))]);
            let mut given = RecvAncillaryBuffer::new(&mut space);
            // Not for what other tests start meanwhile.
            let flags = RecvFlags::CMSG_CLOEXEC;
            let heard = recvmsg(&self.told, &mut [IoSliceMut::new(&mut text)], &mut given, flags).expect("a message");
            for message in given.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    assert!(self.kept.is_none(), "only one is kept");
                    self.kept = descriptors.into_iter().next();
                }
            }
            let bytes = heard.bytes;
            let text = String::from_utf8_lossy(&text[..bytes]).into_owned();
            if text.contains("FDSTOREREMOVE=1\nFDNAME=stonescriptdb-http") {
                drop(self.kept.take().expect("it was kept"));
            }
            if text.contains(wanted) {
                return;
            }
        }
        panic!("never heard {wanted:?}");
    }

    fn stop(&mut self) {
        let mut child = self.child.take().expect("it was started");
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).expect("it runs");
        assert!(child.wait().expect("it ends").success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// Calls, one connection after the other with several calls each, until told to end. `Err` is what went wrong.
fn call_on(address: SocketAddr, end: &AtomicBool, calls: &AtomicUsize) -> Result<(), String> {
    let body = r#"{"platform":"x","function":"one","params":[]}"#;
    let request = format!(
        "POST /call HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    while !end.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect(address).map_err(|error| format!("connecting: {error}"))?;
        stream.set_read_timeout(Some(LIMIT)).map_err(|error| error.to_string())?;
        for number in 0..20 {
            // Between two calls the server may close: only the first one of a connection is sure to be taken.
            let sent = stream.write_all(request.as_bytes());
            let mut answer = vec![0; 8192];
            match sent.and_then(|()| stream.read(&mut answer)) {
                Ok(0) if number > 0 => break,
                Err(error) if number > 0 && error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(error) if number > 0 && error.kind() == std::io::ErrorKind::BrokenPipe => break,
                Ok(bytes) if answer.starts_with(b"HTTP/1.1 200 ") => {
                    calls.fetch_add(1, Ordering::Relaxed);
                    if String::from_utf8_lossy(&answer[..bytes]).to_lowercase().contains("connection: close") {
                        break;
                    }
                }
                Ok(bytes) => return Err(format!("call {number}: {}", String::from_utf8_lossy(&answer[..bytes]))),
                Err(error) => return Err(format!("call {number}: {error}")),
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_reconnect_notice_ten_restarts_by_nothing_but_a_wait() {
    let server = Server::start().await;
    server.gateway().ready(BUNDLE).await;
    let port = free_port();
    let mut service = Service::new(&server, port);
    tokio::task::spawn_blocking(move || {
        service.start();
        service.wait_for("READY=1");
        let (end, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (end, calls) = (end.clone(), calls.clone());
                std::thread::spawn(move || call_on(SocketAddr::from(([127, 0, 0, 1], port)), &end, &calls))
            })
            .collect();
        for _ in 0..RESTARTS {
            std::thread::sleep(Duration::from_millis(300));
            service.stop();
            service.start();
            service.wait_for("READY=1");
        }
        std::thread::sleep(Duration::from_millis(300));
        end.store(true, Ordering::Relaxed);
        let failures: Vec<_> =
            clients.into_iter().filter_map(|client| client.join().expect("no panic").err()).collect();
        assert!(failures.is_empty(), "{failures:#?}");
        assert!(calls.load(Ordering::Relaxed) > CLIENTS * RESTARTS, "{calls:?}");
        service.stop();
    })
    .await
    .expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_was_kept_for_another_port_is_let_go() {
    let server = Server::start().await;
    let (before, after) = (free_port(), free_port());
    let mut service = Service::new(&server, before);
    tokio::task::spawn_blocking(move || {
        service.start();
        service.wait_for("READY=1");
        service.stop();
        assert!(TcpStream::connect(("127.0.0.1", before)).is_ok(), "it is kept");
        service.settings.push(("GATEWAY_PORT", after.to_string()));
        service.start();
        service.wait_for("READY=1");
        assert!(TcpStream::connect(("127.0.0.1", after)).is_ok());
        assert!(TcpStream::connect(("127.0.0.1", before)).is_err(), "nobody answers there");
        service.stop();
        assert!(TcpStream::connect(("127.0.0.1", after)).is_ok(), "the new one is kept");
    })
    .await
    .expect("no panic");
}
