//! The memory that all uploads share (`UPLOAD_MEMORY_BYTES`), and the threads that read them.
//!
//! A quarter is for archives that are being received, the rest for bundles that are unpacked, parsed and deployed. Each
//! takes what it needs of one share and then of the other, never more of what it holds part of already but while it is
//! received, so nobody waits for somebody who waits. What is not there is waited for in order, [`WAIT`] at most. One
//! platform's bundles have half of their share together, or one of its bundles the whole: an endless deployment leaves
//! others room.
//!
//! What is held is let go with the last value that needs it: a client that hangs up lets go of everything at once.

mod readers;
mod shares;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

pub use self::readers::read;
use self::shares::Shares;
use crate::bundle::Held;
use crate::bundle::cost::Measured;
use crate::databases::name::Id;

/// How long the gateway's own uploads wait for memory.
pub const WAIT: Duration = Duration::from_secs(30);

/// In what the shares are counted.
const UNIT_BYTES: usize = 4 * 1024;

/// What every upload takes while it is received: the connection's buffer, the other fields, an unfinished piece.
const RECEIVING_BYTES: usize = 256 * 1024;

/// Why an upload is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadsError {
    /// Others have it.
    #[error("the memory for uploads (UPLOAD_MEMORY_BYTES={total}) was in use for {} s; send it again", waited.as_secs())]
    Busy {
        /// `UPLOAD_MEMORY_BYTES`
        total: usize,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Others are being read.
    #[error("other bundles were being read for {} s, this platform's or everybody's; send it again", waited.as_secs())]
    NoReader {
        /// How long it was waited for.
        waited: Duration,
    },
    /// More than there is, also if nobody else has any.
    #[error(
        "the archive has more bytes than are received at once; at most {most} are, a quarter of UPLOAD_MEMORY_BYTES={total}"
    )]
    ArchiveTooLarge {
        /// The share.
        most: usize,
        /// `UPLOAD_MEMORY_BYTES`
        total: usize,
    },
    /// More than there is, also if nobody else has any.
    #[error(
        "the bundle needs up to {needed} bytes of memory to be read and deployed; at most {most} are given, three quarters of \
         UPLOAD_MEMORY_BYTES={total}{}",
        place_of(.dearest.as_ref())
    )]
    BundleTooLarge {
        /// What it needs.
        needed: usize,
        /// The share.
        most: usize,
        /// `UPLOAD_MEMORY_BYTES`
        total: usize,
        /// Its dearest statement: file and line.
        dearest: Option<(String, usize)>,
    },
}

fn place_of(place: Option<&(String, usize)>) -> String {
    match place {
        Some((file, line)) => format!("; its largest statement is in {file}, line {line}"),
        None => String::new(),
    }
}

/// The memory of all uploads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct UploadMemory {
    total: usize,
    wait: Duration,
    receiving: Share,
    working: Share,
    /// Those that have bundles now, each with its half.
    platforms: Arc<Shares>,
}

#[derive(Clone, Debug)]
struct Share {
    bytes: usize,
    free: Arc<Semaphore>,
}

/// The memory of an archive that is being received.
#[derive(Debug)]
pub struct Receiving {
    memory: UploadMemory,
    held: OwnedSemaphorePermit,
}

/// The memory of a bundle: the platform's part, and everybody's.
struct Claim {
    _of_platform: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl UploadMemory {
    /// `total`: `UPLOAD_MEMORY_BYTES`; `wait`: how long it is waited for.
    pub fn new(total: usize, wait: Duration) -> Self {
        let receiving = (total / 4).max(RECEIVING_BYTES);
        let working = total - total / 4;
        Self { total, wait, receiving: Share::new(receiving), working: Share::new(working), platforms: Arc::default() }
    }

    /// Bytes that are held at this moment, and how many may be.
    pub fn held(&self) -> (usize, usize) {
        let held =
            |share: &Share| share.bytes.saturating_sub(share.free.available_permits().saturating_mul(UNIT_BYTES));
        (held(&self.receiving) + held(&self.working), self.total)
    }

    /// The right to receive an archive; it grows with it.
    pub async fn receive(&self) -> Result<Receiving, UploadsError> {
        let held = self.take(&self.receiving.free, RECEIVING_BYTES, Instant::now() + self.wait).await?;
        Ok(Receiving { memory: self.clone(), held })
    }

    /// The right to unpack a bundle of the platform and to deploy it.
    pub async fn claim(&self, platform: &Id, measured: &Measured) -> Result<Held, UploadsError> {
        let (needed, most, total) = (measured.memory_bytes(), self.working.bytes, self.total);
        if needed > most {
            return Err(UploadsError::BundleTooLarge { needed, most, total, dearest: measured.dearest.clone() });
        }
        let deadline = Instant::now() + self.wait;
        let of_platform = self.platforms.of(platform.normal(), units(self.half()) as usize);
        let _of_platform = self.take(&of_platform, needed.min(self.half()), deadline).await?;
        let _of_all = self.take(&self.working.free, needed, deadline).await?;
        Ok(Held(Arc::new(Claim { _of_platform, _of_all })))
    }

    fn half(&self) -> usize {
        self.working.bytes / 2
    }

    async fn take(
        &self,
        from: &Arc<Semaphore>,
        bytes: usize,
        deadline: Instant,
    ) -> Result<OwnedSemaphorePermit, UploadsError> {
        match timeout_at(deadline, from.clone().acquire_many_owned(units(bytes))).await {
            Ok(Ok(held)) => Ok(held),
            Ok(Err(_)) | Err(_) => Err(UploadsError::Busy { total: self.total, waited: self.wait }),
        }
    }
}

impl Receiving {
    /// Sees to it that so many bytes of the archive can be kept.
    pub async fn grow_to(&mut self, bytes: usize) -> Result<(), UploadsError> {
        let (most, total) = (self.memory.receiving.bytes, self.memory.total);
        let needed = bytes.saturating_add(RECEIVING_BYTES);
        if bytes > most {
            return Err(UploadsError::ArchiveTooLarge { most, total });
        }
        let held = self.held.num_permits() * UNIT_BYTES;
        if needed.min(most) > held {
            // In steps, so that not each packet asks.
            let step = (needed - held).next_multiple_of(RECEIVING_BYTES).min(most - held);
            let more = self.memory.take(&self.memory.receiving.free, step, Instant::now() + self.memory.wait).await?;
            self.held.merge(more);
        }
        Ok(())
    }
}

impl Share {
    fn new(bytes: usize) -> Self {
        Self { bytes, free: Arc::new(Semaphore::new(units(bytes) as usize)) }
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
