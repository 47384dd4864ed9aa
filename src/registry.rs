//! Platforms and their stored schemas, on disk (contract §8, "Storage"). [`Registry`] is the way in.
//!
//! ```text
//! {DATA_DIR}/{platform}/platform.json            0600: may hold a password
//! {DATA_DIR}/{platform}/{schema}/schema.json     name, checksum, what is in it
//! {DATA_DIR}/{platform}/{schema}/tables/…        the bundle's files, as they were uploaded
//! ```
//!
//! The disk is the only owner: nothing is kept in memory, so another gateway on the same folder, or an operator, is seen
//! at once. What is replaced is written beside, made durable, and takes the old one's place in one step; a process that
//! is killed at any moment leaves the old or the new. Folders bear the normal form of their names ([`Id::normal`]):
//! letters, digits and `_`, so no name of a client reaches the file system as anything else.
//!
//! | file       | what it owns                                                       |
//! | ---------- | ------------------------------------------------------------------ |
//! | `platform` | `platform.json`                                                    |
//! | `schema`   | a stored schema's folder                                           |
//! | `replace`  | writing so that a kill or a full disk leaves what was there        |
//! | `error`    | what goes wrong                                                    |

mod error;
mod platform;
mod replace;
mod schema;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

pub use self::error::RegistryError;
pub use self::platform::{Credentials, PlatformRecord};
pub use self::schema::SchemaRecord;

use crate::bundle::Bundle;
use crate::bundle::cost::Measured;
use crate::databases::name::Id;
use crate::uploads;

#[cfg(test)]
mod tests;

/// The embedded cluster's folder in `DATA_DIR`.
const RESERVED: &str = "postgres";

/// The registry of one `DATA_DIR`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registry {
    root: PathBuf,
    writers: Arc<Mutex<HashMap<String, Weak<AsyncMutex<()>>>>>,
}

/// The right to change one platform's folder, in this gateway and in others on the same disk.
#[derive(Debug)]
pub struct Writer {
    _here: OwnedMutexGuard<()>,
    _everywhere: replace::FolderLock,
}

impl Registry {
    /// Opens the folder; makes it when the first platform comes.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), writers: Arc::default() }
    }

    /// Looks through everything once, removes what a killed gateway left half written, and names what is damaged.
    pub async fn check(&self) -> Result<Vec<RegistryError>, RegistryError> {
        self.blocking(|root| {
            let mut damaged = Vec::new();
            for name in replace::folders(&root)? {
                if name == RESERVED || !is_folder_name(&name) {
                    continue;
                }
                let folder = root.join(&name);
                // Somebody else's folder, or one that was being made.
                if !folder.join(platform::FILE).exists() {
                    continue;
                }
                damaged.extend(platform::read(&folder).err());
                damaged.extend(replace::sweep(&folder).err());
                for schema in replace::folders(&folder)? {
                    damaged.extend(schema::read_record(&folder.join(schema)).err());
                }
            }
            Ok(damaged)
        })
        .await
    }

    /// Removes what killed gateways left half written, also of platforms that were never whole; what could not be removed.
    pub async fn sweep(&self) -> Result<Vec<RegistryError>, RegistryError> {
        self.blocking(|root| {
            let mut left = Vec::new();
            for name in replace::folders(&root)? {
                if name == RESERVED || !is_folder_name(&name) {
                    continue;
                }
                let folder = root.join(&name);
                let swept = match folder.join(platform::FILE).exists() {
                    true => replace::sweep(&folder),
                    false => replace::sweep_unborn(&folder, platform::FILE),
                };
                left.extend(swept.err());
            }
            Ok(left)
        })
        .await
    }

    /// Waits until nobody else writes to the platform's folder.
    pub async fn writer(&self, platform: &Id) -> Result<Writer, RegistryError> {
        let folder = self.folder(platform)?;
        let here = self.local(platform.normal()).lock_owned().await;
        let everywhere = self.blocking(move |_| replace::FolderLock::take(&folder)).await?;
        Ok(Writer { _here: here, _everywhere: everywhere })
    }

    /// Every platform, by name; a damaged one is left out here and named by [`Registry::check`].
    pub async fn platforms(&self) -> Result<Vec<PlatformRecord>, RegistryError> {
        self.blocking(|root| {
            let mut records = Vec::new();
            for name in replace::folders(&root)? {
                if name != RESERVED && is_folder_name(&name) {
                    match platform::read(&root.join(&name)) {
                        Ok(record) => records.extend(record),
                        Err(error) => tracing::error!(%error, "a platform is passed over"),
                    }
                }
            }
            Ok(records)
        })
        .await
    }

    /// One platform, where it is registered.
    pub async fn platform(&self, platform: &Id) -> Result<Option<PlatformRecord>, RegistryError> {
        let folder = self.folder(platform)?;
        self.blocking(move |_| platform::read(&folder)).await
    }

    /// Writes a platform's record, new or in place of the old one.
    pub async fn write_platform(&self, _held: &Writer, record: PlatformRecord) -> Result<(), RegistryError> {
        let folder = self.folder(&record.id()?)?;
        self.blocking(move |_| platform::write(&folder, &record)).await
    }

    /// A platform's stored schemas, by name.
    pub async fn schemas(&self, platform: &Id) -> Result<Vec<SchemaRecord>, RegistryError> {
        let folder = self.folder(platform)?;
        self.blocking(move |_| {
            let mut records = Vec::new();
            for name in replace::folders(&folder)? {
                match schema::read_record(&folder.join(name)) {
                    Ok(record) => records.extend(record),
                    Err(error) => tracing::error!(%error, "a stored schema is passed over"),
                }
            }
            Ok(records)
        })
        .await
    }

    /// One stored schema.
    pub async fn schema(&self, platform: &Id, schema: &Id) -> Result<Option<SchemaRecord>, RegistryError> {
        let folder = self.folder(platform)?.join(schema.normal());
        self.blocking(move |_| schema::read_record(&folder)).await
    }

    /// Stores a bundle as the schema of this name, in the place of an earlier version.
    pub async fn write_schema(
        &self,
        _held: &Writer,
        platform: &Id,
        schema: &Id,
        bundle: Bundle,
    ) -> Result<SchemaRecord, RegistryError> {
        let folder = self.folder(platform)?.join(schema.normal());
        let record = SchemaRecord::of(schema, &bundle);
        self.blocking(move |_| schema::write(&folder, &record, &bundle).map(|()| record)).await
    }

    /// What the bundle of a stored schema takes of memory, without a look at whether it is sound.
    pub async fn measure(&self, platform: &Id, schema: &Id) -> Result<Option<Measured>, RegistryError> {
        let folder = self.folder(platform)?.join(schema.normal());
        let measured = uploads::read(move || schema::measure(&folder)).await?;
        measured.unwrap_or_else(|| Err(RegistryError::Stopped { cause: "the reader stopped".to_owned() }))
    }

    /// The bundle of a stored schema, checked against its checksum.
    pub async fn bundle(&self, platform: &Id, schema: &Id) -> Result<Option<Bundle>, RegistryError> {
        let folder = self.folder(platform)?.join(schema.normal());
        self.blocking(move |_| schema::read_bundle(&folder)).await
    }

    fn folder(&self, platform: &Id) -> Result<PathBuf, RegistryError> {
        if platform.normal() == RESERVED {
            return Err(RegistryError::Reserved { platform: platform.given().to_owned() });
        }
        Ok(self.root.join(platform.normal()))
    }

    fn local(&self, name: &str) -> Arc<AsyncMutex<()>> {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = writers.get(name).and_then(Weak::upgrade) {
            return lock;
        }
        writers.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(AsyncMutex::new(()));
        writers.insert(name.to_owned(), Arc::downgrade(&lock));
        lock
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(PathBuf) -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let root = self.root.clone();
        let done = tokio::task::spawn_blocking(move || work(root)).await;
        done.unwrap_or_else(|error| Err(RegistryError::Stopped { cause: error.to_string() }))
    }
}

/// Whether a folder can be a platform's: others in `DATA_DIR` are none of the registry's business.
fn is_folder_name(name: &str) -> bool {
    Id::parse("platform", name).is_ok_and(|id| id.normal() == name)
}
