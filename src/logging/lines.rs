//! Log lines on their way out, written by a thread of their own: together, and not one by one.
//!
//! To wake a thread costs more than to write the line that it is woken for, and takes a processor from PostgreSQL while
//! a call waits. So the thread is woken only for the first line after a pause, and then looks again every
//! [`PAUSE`].

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long lines wait for others to come.
const PAUSE: Duration = Duration::from_millis(20);

/// What may wait while nobody takes what is written. Further lines are dropped, and counted.
const MAX_WAITING_BYTES: usize = 32 * 1024 * 1024;

/// What the buffers keep between two times of writing.
const KEPT_BYTES: usize = 256 * 1024;

/// Where lines are put; each clone leads to the same thread.
#[derive(Clone, Debug)]
pub(super) struct Lines(Arc<Shared>);

/// How long the end waits for a reader who stands still.
const MAX_ENDING: Duration = Duration::from_secs(1);

/// Dropped, everything that waits is written and the thread ends.
#[derive(Debug)]
pub(super) struct LineWriter(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
    /// The thread sleeps until it is told.
    asleep: bool,
    ending: bool,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts a thread that writes to `out`.
pub(super) fn write_lines_to(out: impl Write + Send + 'static) -> io::Result<(Lines, LineWriter)> {
    let shared = Arc::<Shared>::default();
    let taken = shared.clone();
    std::thread::Builder::new().name("log".to_owned()).spawn(move || {
        write_on(&taken, out);
        taken.lock().ended = true;
        taken.news.notify_all();
    })?;
    Ok((Lines(shared.clone()), LineWriter(shared)))
}

impl Write for Lines {
    /// Takes a whole line at once, as `tracing_subscriber::fmt` gives them.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.lock();
        if waiting.lines.len() + line.len() > MAX_WAITING_BYTES {
            waiting.dropped += 1;
        } else {
            waiting.lines.extend_from_slice(line);
        }
        if std::mem::take(&mut waiting.asleep) {
            self.0.news.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.ending = true;
        self.0.news.notify_all();
        drop(self.0.news.wait_timeout_while(waiting, MAX_ENDING, |waiting| !waiting.ended));
    }
}

fn write_on(shared: &Shared, mut out: impl Write) {
    let mut batch = Vec::new();
    let mut lost = 0;
    loop {
        let mut waiting = shared.lock();
        while waiting.lines.is_empty() && waiting.dropped == 0 {
            if waiting.ending {
                return;
            }
            waiting.asleep = true;
            waiting = shared.news.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.asleep = false;
        std::mem::swap(&mut batch, &mut waiting.lines);
        let dropped = std::mem::take(&mut waiting.dropped);
        drop(waiting);
        if lost > 0 && writeln!(out, "{lost} log lines were lost: they could not be written").is_ok() {
            lost = 0;
        }
        // A full disk: told as soon as there is room again. Where nobody reads any more there is nobody to tell.
        if out.write_all(&batch).is_err() {
            lost += batch.iter().filter(|byte| **byte == b'\n').count();
        }
        if dropped > 0 {
            let _ = writeln!(out, "{dropped} log lines were dropped: nobody took them fast enough");
        }
        let _ = out.flush();
        batch.clear();
        batch.shrink_to(KEPT_BYTES);
        let waiting = shared.lock();
        // Told of the end only: lines that come meanwhile wait.
        drop(shared.news.wait_timeout_while(waiting, PAUSE, |waiting| !waiting.ending));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::mpsc::{self, Receiver, Sender};
    use std::time::Duration;

    use super::{MAX_WAITING_BYTES, write_lines_to};

    /// Hands over what is written, and stands still for as long as its reader does.
    struct Pipe(mpsc::SyncSender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn pipe() -> (Pipe, Receiver<Vec<u8>>) {
        let (sender, receiver) = mpsc::sync_channel(0);
        (Pipe(sender), receiver)
    }

    #[test]
    fn a_line_is_written_without_another_one() {
        let (pipe, reader) = pipe();
        let (mut lines, writer) = write_lines_to(pipe).unwrap();
        for line in ["first\n", "second\n"] {
            lines.write_all(line.as_bytes()).unwrap();
            assert_eq!(reader.recv_timeout(Duration::from_secs(10)).unwrap(), line.as_bytes());
        }
        drop(writer);
    }

    #[test]
    fn the_end_writes_what_waits_in_its_order() {
        let (sender, receiver): (Sender<Vec<u8>>, _) = mpsc::channel();
        struct All(Sender<Vec<u8>>);
        impl Write for All {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (mut lines, writer) = write_lines_to(All(sender)).unwrap();
        let expected: String = (0..1000).map(|number| format!("line {number}\n")).collect();
        expected.split_inclusive('\n').for_each(|line| lines.write_all(line.as_bytes()).unwrap());
        drop(writer);
        let written: Vec<u8> = receiver.try_iter().flatten().collect();
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn lines_that_find_a_full_disk_are_counted_and_told_of_when_there_is_room() {
        struct Disk(Sender<Vec<u8>>, u32);
        impl Write for Disk {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 += 1;
                if self.1 <= 2 {
                    self.0.send(b"full".to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
                    return Err(io::ErrorKind::StorageFull.into());
                }
                self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (sender, disk) = mpsc::channel();
        let (mut lines, writer) = write_lines_to(Disk(sender, 0)).unwrap();
        let mut next = |line: &[u8]| {
            lines.write_all(line).unwrap();
            disk.recv_timeout(Duration::from_secs(10)).unwrap()
        };
        assert_eq!(next(b"one\ntwo\n"), b"full");
        // First that some were lost is to be told, then the line itself.
        assert_eq!(next(b"three\n"), b"full");
        assert_eq!(disk.recv_timeout(Duration::from_secs(10)).unwrap(), b"three\n");
        lines.write_all(b"four\n").unwrap();
        drop(writer);
        let written: Vec<u8> = disk.try_iter().flatten().collect();
        assert_eq!(String::from_utf8(written).unwrap(), "2 log lines were lost: they could not be written\nfour\n");
    }

    #[test]
    fn a_reader_who_stands_still_holds_nobody_up_and_is_told_what_was_dropped() {
        let (pipe, reader) = pipe();
        let (mut lines, writer) = write_lines_to(pipe).unwrap();
        let line = vec![b'x'; 1024 * 1024];
        // As many as may wait can be on their way already when as many again fill what there is.
        for _ in 0..2 * MAX_WAITING_BYTES / line.len() + 3 {
            lines.write_all(&line).unwrap();
        }
        let ending = std::thread::spawn(move || drop(writer));
        let written: Vec<u8> = reader.iter().flatten().collect();
        ending.join().unwrap();
        let text = String::from_utf8(written).unwrap();
        let last = text.trim_end_matches('x').trim_start_matches('x');
        assert!(last.ends_with("log lines were dropped: nobody took them fast enough\n"), "{last}");
        assert!(text.len() <= 2 * MAX_WAITING_BYTES + line.len(), "{}", text.len());
    }
}
