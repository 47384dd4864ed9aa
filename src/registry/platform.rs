//! `platform.json`: who a platform is, and the role that its databases belong to.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::RegistryError;
use super::replace;
use crate::databases::name::Id;

/// The file's name.
pub(super) const FILE: &str = "platform.json";

/// A platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformRecord {
    /// As it was given.
    pub name: String,
    /// False where only `/register` has met it: then `/platform/register` is not too late.
    pub registered: bool,
    /// The role that owns its databases; none: the gateway's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
}

/// A role and its password. Only the file ever sees the password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// `db_user`
    pub user: String,
    /// `db_password`
    pub password: String,
    /// Whether the gateway made both up.
    #[serde(default)]
    pub generated: bool,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl PlatformRecord {
    /// The platform's name, checked.
    pub fn id(&self) -> Result<Id, RegistryError> {
        Id::parse("platform", &self.name)
            .map_err(|error| RegistryError::Damaged { path: FILE.into(), cause: error.to_string() })
    }
}

/// `None` where there is no such file.
pub(super) fn read(folder: &Path) -> Result<Option<PlatformRecord>, RegistryError> {
    let path = folder.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(RegistryError::Damaged { path, cause: "it is not UTF-8".to_owned() });
        }
        Err(error) => return Err(RegistryError::io("reading", &path)(error)),
    };
    let damaged = |cause: String| RegistryError::Damaged { path: path.clone(), cause };
    let record: PlatformRecord = serde_json::from_str(&text).map_err(|error| damaged(without_text(&error)))?;
    let id = record.id().map_err(|_| damaged(format!("its name {:?} cannot be a platform's", record.name)))?;
    if folder.file_name().is_none_or(|name| name != id.normal()) {
        return Err(damaged(format!("it says that it is the platform {:?}'s", record.name)));
    }
    Ok(Some(record))
}

pub(super) fn write(folder: &Path, record: &PlatformRecord) -> Result<(), RegistryError> {
    let text = serde_json::to_vec_pretty(record).unwrap_or_default();
    replace::file(&folder.join(FILE), &text)
}

/// Where it is wrong, but not what stands there: it may be a password.
fn without_text(error: &serde_json::Error) -> String {
    let kind = if error.is_eof() { "it ends too early" } else { "it is no JSON of a platform" };
    format!("{kind}, line {} column {}", error.line(), error.column())
}
