//! A way to PostgreSQL that breaks: it watches what the gateway sends, and cuts the connection at a word, or lets nobody in.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// When to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// What holds the word does not arrive.
    Before,
    /// It arrives, the answer does not.
    After,
}

/// Listens in a folder of its own.
pub(crate) struct Proxy {
    pub(crate) folder: PathBuf,
    /// The word, and when; taken by the first connection of a deployment to a platform's database that says it.
    next: Arc<Mutex<Option<(String, Cut)>>>,
    full: Arc<AtomicBool>,
}

/// What a backend says that finds the disk full as it starts.
const FULL: &str = "SFATAL\0VFATAL\0C53100\0Mcould not write file: No space left on device\0\0";

impl Proxy {
    pub(crate) fn start(folder: &Path, server: &Path, port: u16) -> Self {
        let folder = folder.join("proxy");
        std::fs::create_dir(&folder).expect("a folder");
        let name = format!(".s.PGSQL.{port}");
        let listener = UnixListener::bind(folder.join(&name)).expect("a socket");
        let (next, full, server) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)), server.join(name));
        let (shared, shared_full) = (next.clone(), full.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                match shared_full.load(Ordering::Relaxed) {
                    true => drop(tokio::spawn(refuse(client, server.clone(), shared.clone()))),
                    false => drop(tokio::spawn(pass(client, server.clone(), shared.clone(), Vec::new()))),
                }
            }
        });
        Self { folder, next, full }
    }

    /// Whether new sessions in `x_main` find the disk full.
    pub(crate) fn fill(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    pub(crate) fn cut(&self, word: &str, when: Cut) {
        *self.next.lock().expect("no panic inside") = Some((word.to_owned(), when));
    }

    /// Whether the last cut was made.
    pub(crate) fn has_cut(&self) -> bool {
        self.next.lock().expect("no panic inside").is_none()
    }
}

async fn refuse(mut client: UnixStream, server: PathBuf, next: Arc<Mutex<Option<(String, Cut)>>>) {
    let mut startup = vec![0; 1 << 16];
    let read = client.read(&mut startup).await.unwrap_or(0);
    startup.truncate(read);
    if String::from_utf8_lossy(&startup).contains("\0x_main\0") {
        let length = u32::try_from(FULL.len() + 4).expect("short").to_be_bytes();
        client.write_all(&[b"E", &length[..], FULL.as_bytes()].concat()).await.ok();
    } else {
        pass(client, server, next, startup).await;
    }
}

/// Ends, and with it both connections, when either side does or the word comes. `begun`: what has been read already.
async fn pass(client: UnixStream, server: PathBuf, next: Arc<Mutex<Option<(String, Cut)>>>, begun: Vec<u8>) {
    let Ok(mut server) = UnixStream::connect(server).await else { return };
    if server.write_all(&begun).await.is_err() {
        return;
    }
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut buffer = vec![0; 1 << 16];
    let mut is_deployment = None;
    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
        let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
        let wanted = *is_deployment.get_or_insert(text.contains("gateway deployment") && text.contains("\0x_main\0"));
        let cut = if wanted { take(&next, &text) } else { None };
        match cut {
            Some(Cut::Before) => break,
            Some(Cut::After) => {
                answers.abort();
                to_server.write_all(&buffer[..read]).await.ok();
                // Long enough for PostgreSQL to read it.
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
                break;
            }
            None => {
                if to_server.write_all(&buffer[..read]).await.is_err() {
                    break;
                }
            }
        }
    }
    answers.abort();
}

fn take(next: &Mutex<Option<(String, Cut)>>, text: &str) -> Option<Cut> {
    let mut next = next.lock().expect("no panic inside");
    let said = next.as_ref().is_some_and(|(word, _)| text.contains(word.as_str()));
    if said { next.take().map(|(_, cut)| cut) } else { None }
}
