//! A way to PostgreSQL that disturbs what the server sends, by a seed: it splits, delays and cuts, and injects messages that
//! may come at any time (notices, reports, notifications) and some that may not (a premature ReadyForQuery, a surplus
//! CommandComplete). It forges no rows, and of those that may not come no two within one answer: together they could pass for the
//! end of a call before its last row.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};

/// One in so many messages is disturbed.
const RARE: u32 = 120;

/// How often each was done.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) splits: AtomicU64,
    pub(crate) delays: AtomicU64,
    pub(crate) cuts: AtomicU64,
    pub(crate) legal: AtomicU64,
    pub(crate) illegal: AtomicU64,
    pub(crate) connections: AtomicU64,
}

/// Listens in `folder` for what is meant for the server whose socket is in `server`.
pub(crate) fn start(folder: &Path, server: &Path, port: u16, seed: u64) -> Arc<Done> {
    let name = format!(".s.PGSQL.{port}");
    let listener = UnixListener::bind(folder.join(&name)).unwrap();
    let (server, done) = (server.join(name), Arc::new(Done::default()));
    let counted = done.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let number = counted.connections.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(pass(client, server.clone(), StdRng::seed_from_u64(seed ^ number), counted.clone()));
        }
    });
    done
}

/// Ends, and with it both connections, when either side does.
async fn pass(client: UnixStream, server: PathBuf, random: StdRng, done: Arc<Done>) {
    let Ok(server) = UnixStream::connect(server).await else { return };
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let mut startup = vec![0; 4096];
    let Ok(read @ 1..) = from_client.read(&mut startup).await else { return };
    // Deployments and the gateway's own questions pass as they are; so does a request to cancel.
    let disturbed = String::from_utf8_lossy(&startup[..read]).contains("application_name\0stonescriptdb-gateway\0");
    if to_server.write_all(&startup[..read]).await.is_err() {
        return;
    }
    let answers = async move {
        match disturbed {
            true => disturb(from_server, to_client, random, &done).await,
            false => {
                let (mut from_server, mut to_client) = (from_server, to_client);
                tokio::io::copy(&mut from_server, &mut to_client).await.map(drop)
            }
        }
    };
    let questions = async move { tokio::io::copy(&mut from_client, &mut to_server).await };
    tokio::select! {
        _ = answers => {}
        _ = questions => {}
    }
}

async fn disturb(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut random: StdRng,
    done: &Done,
) -> std::io::Result<()> {
    let (mut inbox, mut outbox) = (Vec::new(), Vec::new());
    let mut buffer = vec![0; 1 << 16];
    // While the client logs in and asks who it is, nothing is disturbed.
    let (mut ready, mut illegal) = (0, false);
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        inbox.extend_from_slice(&buffer[..read]);
        while let Some(length) = whole(&inbox) {
            let message: Vec<u8> = inbox.drain(..length).collect();
            if ready > 2 && random.random_ratio(1, RARE) {
                match random.random_range(0..10) {
                    0 => {
                        done.cuts.fetch_add(1, Ordering::Relaxed);
                        to.write_all(&outbox).await?;
                        return Ok(());
                    }
                    1 | 2 => {
                        done.delays.fetch_add(1, Ordering::Relaxed);
                        to.write_all(&outbox).await?;
                        outbox.clear();
                        tokio::time::sleep(Duration::from_micros(random.random_range(0..4000))).await;
                    }
                    3..7 => {
                        done.legal.fetch_add(1, Ordering::Relaxed);
                        outbox.extend_from_slice(&legal(&mut random));
                    }
                    _ if !illegal => {
                        done.illegal.fetch_add(1, Ordering::Relaxed);
                        outbox.extend_from_slice(&not_legal(&mut random));
                        illegal = true;
                        // As if it came by itself.
                        if random.random_bool(0.5) {
                            to.write_all(&outbox).await?;
                            outbox.clear();
                            tokio::time::sleep(Duration::from_micros(random.random_range(0..2000))).await;
                        }
                    }
                    _ => {}
                }
            }
            if message[0] == b'Z' {
                ready += 1;
                illegal = false;
            }
            outbox.extend_from_slice(&message);
        }
        if ready > 2 && random.random_ratio(1, RARE / 4) && outbox.len() > 1 {
            done.splits.fetch_add(1, Ordering::Relaxed);
            let at = random.random_range(1..outbox.len());
            to.write_all(&outbox[..at]).await?;
            tokio::time::sleep(Duration::from_micros(random.random_range(0..1000))).await;
            outbox.drain(..at);
        }
        to.write_all(&outbox).await?;
        outbox.clear();
    }
}

/// The length of the message at the beginning, once all of it is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_be_bytes(bytes.get(1..5)?.try_into().ok()?) as usize + 1;
    (bytes.len() >= length).then_some(length)
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag][..], &length.to_be_bytes(), body].concat()
}

/// One that the server may send at any time.
fn legal(random: &mut StdRng) -> Vec<u8> {
    match random.random_range(0..6) {
        0 | 1 => message(b'N', b"SNOTICE\0VNOTICE\0C00000\0Minjected\0\0"),
        2 => message(b'S', b"TimeZone\0Asia/Tokyo\0"),
        3 => message(b'S', b"client_encoding\0LATIN1\0"),
        4 => message(b'S', b"standard_conforming_strings\0off\0"),
        _ => message(b'A', b"\0\0\0\x01events\0\0"),
    }
}

/// One that comes only where it belongs.
fn not_legal(random: &mut StdRng) -> Vec<u8> {
    match random.random_range(0..5) {
        0 | 1 => message(b'Z', b"I"),
        2 => message(b'C', b"SELECT 0\0"),
        3 => message(b'C', b"RESET\0"),
        _ => message(b'C', b"SELECT 1\0"),
    }
}
