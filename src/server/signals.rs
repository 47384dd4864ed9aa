//! SIGTERM, Ctrl-C and a closed terminal, counted: the first asks for a stop, the second insists. Where there is no terminal, as
//! under systemd, SIGHUP is what operators and log rotation send to have settings read again: that is no reason to stop.

use std::io;

use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The signals that this process has got since [`StopSignals::listen`].
#[derive(Clone, Debug)]
pub struct StopSignals {
    count: watch::Receiver<usize>,
    hangups: watch::Receiver<usize>,
}

impl StopSignals {
    /// From now on these signals do not end the process any more.
    pub fn listen() -> io::Result<Self> {
        let (sender, count) = watch::channel(0);
        let (hung_up, hangups) = watch::channel(0);
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        // Under nohup the terminal may close without ending us.
        if !is_ignored(Signal::SIGHUP) {
            match has_terminal() {
                true => kinds.push(SignalKind::hangup()),
                false => count_on(SignalKind::hangup(), &hung_up)?,
            }
        }
        for kind in kinds {
            count_on(kind, &sender)?;
        }
        Ok(Self { count, hangups })
    }

    /// Ready with each SIGHUP that asks for the settings to be read again: the first time with one that has come before, too.
    pub fn reload_requests(&self) -> ReloadRequests {
        ReloadRequests(self.hangups.clone())
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

fn count_on(kind: SignalKind, counter: &watch::Sender<usize>) -> io::Result<()> {
    let (mut stream, counter) = (signal(kind)?, counter.clone());
    tokio::spawn(async move {
        while stream.recv().await.is_some() {
            counter.send_modify(|count| *count += 1);
        }
    });
    Ok(())
}

/// Where SIGHUP asks for settings, one after the other.
#[derive(Debug)]
pub struct ReloadRequests(watch::Receiver<usize>);

impl ReloadRequests {
    /// The next one; several that came meanwhile are one.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
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
