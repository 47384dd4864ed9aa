//! A way to PostgreSQL that breaks: it watches what the gateway sends, and cuts the connection at a word.

use std::path::{Path, PathBuf};
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
}

impl Proxy {
    pub(crate) fn start(folder: &Path, server: &Path, port: u16) -> Self {
        let folder = folder.join("proxy");
        std::fs::create_dir(&folder).expect("a folder");
        let name = format!(".s.PGSQL.{port}");
        let listener = UnixListener::bind(folder.join(&name)).expect("a socket");
        let (next, server) = (Arc::new(Mutex::new(None)), server.join(name));
        let shared = next.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server.clone(), shared.clone()));
            }
        });
        Self { folder, next }
    }

    pub(crate) fn cut(&self, word: &str, when: Cut) {
        *self.next.lock().expect("no panic inside") = Some((word.to_owned(), when));
    }

    /// Whether the last cut was made.
    pub(crate) fn has_cut(&self) -> bool {
        self.next.lock().expect("no panic inside").is_none()
    }
}

/// Ends, and with it both connections, when either side does or the word comes.
async fn pass(client: UnixStream, server: PathBuf, next: Arc<Mutex<Option<(String, Cut)>>>) {
    let Ok(server) = UnixStream::connect(server).await else { return };
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
