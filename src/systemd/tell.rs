//! `STATUS=`, which `systemctl status` shows, and what goes with it: ready, stopping, more time.

use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use super::Notifier;

/// How often it is looked how things are.
const GLANCE: Duration = Duration::from_secs(2);
/// How often more time is asked for, and how much each time: what comes to a stand is not waited for much longer.
const STEP: Duration = Duration::from_secs(1);
const MORE_TIME: &str = "EXTEND_TIMEOUT_USEC=30000000";

/// Tells something again and again until it is dropped.
#[derive(Debug, Default)]
#[must_use]
pub struct Told(Option<AbortHandle>);

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl Told {
    fn by(notifier: &Notifier, task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(notifier.is_there().then(|| tokio::spawn(task).abort_handle()))
    }
}

/// Until dropped, `doing` takes as long as it takes: a PostgreSQL that recovers from a crash is not to be killed for it.
pub fn starting(notifier: &Notifier, doing: &'static str) -> Told {
    let sender = notifier.clone();
    Told::by(notifier, async move {
        loop {
            sender.send(&format!("{MORE_TIME}\nSTATUS={doing}"));
            sleep(STEP).await;
        }
    })
}

/// That the gateway serves, from the first answer of `is_postgres_there` on, whichever that is, and how it goes on.
pub fn tell_state<F>(notifier: &Notifier, is_postgres_there: impl Fn() -> F + Send + 'static) -> Told
where
    F: Future<Output = bool> + Send,
{
    let sender = notifier.clone();
    Told::by(notifier, async move {
        let (mut last, mut ready) = (None, "READY=1\n");
        loop {
            let is_there = is_postgres_there().await;
            if last.replace(is_there) != Some(is_there) {
                let status = match is_there {
                    true => "serving; PostgreSQL answers".to_owned(),
                    false => format!("serving; PostgreSQL away since {}", now()),
                };
                sender.send(&format!("{ready}STATUS={status}"));
                ready = "";
            }
            sleep(GLANCE).await;
        }
    })
}

/// That the settings are read again, until [`reloaded`].
pub fn reloading(notifier: &Notifier) {
    // systemd of version 253 compares it with its own clock.
    let usec = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| Duration::from(now).as_micros());
    notifier.send(&format!("RELOADING=1\nMONOTONIC_USEC={usec}"));
}

/// The settings were read again.
pub fn reloaded(notifier: &Notifier) {
    notifier.send("READY=1");
}

/// That the gateway stops, and what it still waits for. What it waits for has a limit of its own.
pub fn stopping(notifier: &Notifier, deployments: impl Fn() -> usize + Send + 'static) -> Told {
    let sender = notifier.clone();
    notifier.send("STOPPING=1");
    Told::by(notifier, async move {
        loop {
            let status = match deployments() {
                0 => "stopping".to_owned(),
                1 => "stopping: 1 deployment has not ended".to_owned(),
                several => format!("stopping: {several} deployments have not ended"),
            };
            sender.send(&format!("{MORE_TIME}\nSTATUS={status}"));
            sleep(STEP).await;
        }
    })
}

/// In the log's form, to whole seconds.
fn now() -> String {
    let mut text = String::new();
    if tracing_subscriber::fmt::time::SystemTime.format_time(&mut Writer::new(&mut text)).is_err() {
        return format!("{:?}", SystemTime::now());
    }
    text.split('.').next().map_or(String::new(), |seconds| format!("{seconds}Z"))
}
