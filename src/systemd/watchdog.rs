//! The watchdog (`WatchdogSec=`): systemd kills and starts again a gateway from which it has heard nothing for that long. It hears from
//! the runtime that serves requests, and only while that takes up new tasks: a thread of its own would go on saying that all is
//! well after every thread that serves has come to a stand.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Notifier;

/// Tells until the process ends; does nothing where systemd watches nobody, or somebody else.
pub fn keep_alive(notifier: &Notifier) {
    let told = |name| std::env::var(name).ok();
    let limit = limit(told("WATCHDOG_USEC").as_deref(), told("WATCHDOG_PID").as_deref(), std::process::id());
    if let Some(limit) = limit.filter(|_| notifier.is_there()) {
        drop(turn_and_tell(notifier.clone(), limit / 2));
    }
}

fn turn_and_tell(notifier: Notifier, pause: Duration) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            // A new task goes through the runtime's queue, behind what waits there.
            if tokio::spawn(async {}).await.is_err() {
                return;
            }
            notifier.send("WATCHDOG=1");
            sleep(pause).await;
        }
    })
}

/// After what silence systemd acts.
fn limit(usec: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    let is_ours = pid.is_none_or(|pid| pid.parse() == Ok(own));
    let usec = usec?.parse().ok().filter(|usec| *usec > 0 && is_ours)?;
    Some(Duration::from_micros(usec))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_meant_for_this_process_counts() {
        let two = Some(Duration::from_secs(2));
        for (usec, pid, expected) in [
            (Some("2000000"), None, two),
            (Some("2000000"), Some("7"), two),
            (Some("2000000"), Some("8"), None),
            (Some("2000000"), Some("x"), None),
            (Some("0"), None, None),
            (Some(""), Some("7"), None),
            (Some("-1"), None, None),
            (None, Some("7"), None),
        ] {
            assert_eq!(limit(usec, pid, 7), expected, "{usec:?} {pid:?}");
        }
    }
}
