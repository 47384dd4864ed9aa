//! SIGTERM, Ctrl-C and a closed terminal, counted: the first asks for a stop, the second insists. Where there is no terminal, as
//! under systemd, SIGHUP is what operators and log rotation send to have settings read again: that is no reason to stop.

use std::io;

use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::info;

/// The signals that this process has got since [`StopSignals::listen`].
#[derive(Clone, Debug)]
pub struct StopSignals {
    count: watch::Receiver<usize>,
}

impl StopSignals {
    /// From now on these signals do not end the process any more.
    pub fn listen() -> io::Result<Self> {
        let (sender, count) = watch::channel(0);
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        // Under nohup the terminal may close without ending us.
        if !is_ignored(Signal::SIGHUP) {
            match has_terminal() {
                true => kinds.push(SignalKind::hangup()),
                false => tell_of_hangups()?,
            }
        }
        for kind in kinds {
            let mut stream = signal(kind)?;
            let sender = sender.clone();
            tokio::spawn(async move {
                while stream.recv().await.is_some() {
                    sender.send_modify(|count| *count += 1);
                }
            });
        }
        Ok(Self { count })
    }

    /// Ready with the first signal: end what has begun, then stop.
    pub async fn requested(&self) {
        self.reached(1).await;
    }

    /// Ready with the second: stop at once.
    pub async fn insisted(&self) {
        self.reached(2).await;
    }

    async fn reached(&self, wanted: usize) {
        // The senders live as long as the runtime; should they go, nobody can ask for a stop any more.
        if self.count.clone().wait_for(|count| *count >= wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Settings are read at the start alone.
fn tell_of_hangups() -> io::Result<()> {
    let mut stream = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while stream.recv().await.is_some() {
            info!("SIGHUP: nothing is read again while the gateway runs; restart it for other settings");
        }
    });
    Ok(())
}

/// Whether this process would get SIGHUP from a terminal that closes: Linux tells the controlling terminal in `/proc`, as the
/// seventh field, behind a name that may hold anything but a last `)`. Elsewhere: yes.
fn has_terminal() -> bool {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return true };
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_whitespace().nth(4) != Some("0")
}

/// Whether whoever started this process has it ignore a signal. Linux says so in `/proc`; elsewhere: no.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal as i32 - 1) & 1 == 1
}
