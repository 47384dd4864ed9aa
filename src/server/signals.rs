//! SIGTERM, Ctrl-C and a closed terminal, counted: the first asks for a stop, the second insists. SIGHUP to a service, which has
//! no terminal that could have closed, asks daemons to read their settings again: it stops nothing.

use std::io;

use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

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
                false => say_that_nothing_is_read_again()?,
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

/// Whether this process has a terminal, which may close.
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

fn say_that_nothing_is_read_again() -> io::Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            tracing::info!(
                "SIGHUP changes nothing: settings are read at the start, so restart the gateway for new ones"
            );
        }
    });
    Ok(())
}

/// Whether whoever started this process has it ignore a signal. Linux says so in `/proc`; elsewhere: no.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal as i32 - 1) & 1 == 1
}
