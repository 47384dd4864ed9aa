//! PostgreSQL's own log, `postgres.log`. Whatever writes there (uploaded code may, as much as it likes: `RAISE LOG`), it takes only so
//! much of the disk.

use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;
use tracing::warn;

/// A log over this size is put aside at the next start.
const ASIDE_BYTES: u64 = 10 << 20;

/// One over this size is cut while PostgreSQL runs.
const MOST_BYTES: u64 = 64 << 20;

/// What is kept of one that is cut: its end.
const KEPT_BYTES: u64 = 1 << 20;

/// How often is looked: a backend writes some hundred megabytes in a second.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// PostgreSQL gets the open file, so that its account needs no right to the folder. Also how long the log is by now.
pub(super) fn open(log: &Path) -> io::Result<(File, u64)> {
    if length(log) > ASIDE_BYTES {
        fs::rename(log, older(log))?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o640).open(log)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

pub(super) fn length(log: &Path) -> u64 {
    fs::metadata(log).map_or(0, |metadata| metadata.len())
}

/// Cuts the log whenever it has become too long; never ready.
pub(super) async fn keep_short(log: PathBuf) -> Infallible {
    loop {
        sleep(LOOK_EVERY).await;
        let bytes = length(&log);
        if bytes <= MOST_BYTES {
            continue;
        }
        match cut(&log, bytes) {
            Ok(()) => {
                warn!(bytes, log = %log.display(), "PostgreSQL's log was cut; its end is in the older one beside it")
            }
            Err(error) => warn!(bytes, log = %log.display(), %error, "PostgreSQL's log could not be cut"),
        }
    }
}

/// PostgreSQL has the file open and writes to its end, wherever that is: so it is emptied, and its end put aside.
fn cut(log: &Path, bytes: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(log)?;
    file.seek(SeekFrom::Start(bytes.saturating_sub(KEPT_BYTES)))?;
    let mut end = Vec::new();
    let kept = Read::by_ref(&mut file).take(KEPT_BYTES).read_to_end(&mut end).and_then(|_| write(&older(log), &end));
    // A disk that is full has no room for the end.
    file.set_len(0)?;
    kept
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(path)?;
    file.write_all(bytes)
}

fn older(log: &Path) -> PathBuf {
    let mut older = log.to_owned().into_os_string();
    older.push(".1");
    older.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_cut_is_written_on_and_its_end_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("postgres.log");
        let (mut file, before) = open(&log).unwrap();
        assert_eq!(before, 0);
        file.write_all(&vec![b'a'; 1 << 20]).unwrap();
        file.write_all(&vec![b'b'; 1 << 20]).unwrap();
        cut(&log, length(&log)).unwrap();
        assert_eq!((length(&log), fs::read(older(&log)).unwrap()), (0, vec![b'b'; 1 << 20]));
        file.write_all(b"on").unwrap();
        assert_eq!(fs::read(&log).unwrap(), b"on");
        cut(&log, length(&log)).unwrap();
        assert_eq!((length(&log), fs::read(older(&log)).unwrap()), (0, b"on".to_vec()));
    }
}
