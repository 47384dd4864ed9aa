//! systemd's journal: it tells the time of each line itself, and takes the priority of one from a number in angle brackets at its beginning
//! (`sd-daemon(3)`, `SyslogLevelPrefix=` in `systemd.exec(5)`).

use std::fmt;
use std::fs::File;
use std::os::fd::AsFd;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Whether standard output leads to the journal: systemd says with which device and file it would.
pub(super) fn is_journal(stdout: impl AsFd, told: Option<&str>) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Some((device, inode)) = told.and_then(|told| told.split_once(':')) else { return false };
    let Ok(duplicate) = stdout.as_fd().try_clone_to_owned() else { return false };
    let Ok(there) = File::from(duplicate).metadata() else { return false };
    (device.parse(), inode.parse()) == (Ok(there.dev()), Ok(there.ino()))
}

/// Lines of another format, with the priority of each before it.
pub(super) struct Prioritized<F>(pub(super) F);

impl<S, N, F> FormatEvent<S, N> for Prioritized<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        writer.write_str(match *event.metadata().level() {
            Level::ERROR => "<3>",
            Level::WARN => "<4>",
            Level::INFO => "<6>",
            Level::DEBUG | Level::TRACE => "<7>",
        })?;
        self.0.format_event(ctx, writer, event)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn only_the_file_that_systemd_has_told_of_is_the_journal() {
        let file = tempfile::tempfile().unwrap();
        let there = file.metadata().unwrap();
        assert!(is_journal(&file, Some(&format!("{}:{}", there.dev(), there.ino()))));
        for told in [None, Some(""), Some("1"), Some("1:x"), Some(&*format!("{}:{}", there.dev(), there.ino() + 1))] {
            assert!(!is_journal(&file, told), "{told:?}");
        }
    }
}
