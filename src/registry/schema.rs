//! The folder of a stored schema: the bundle's files as they were uploaded, and `schema.json` beside them.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::RegistryError;
use super::replace;
use crate::bundle::{Bundle, Kind, SourceFile};
use crate::databases::name::Id;

/// No folder of a bundle bears this name.
const FILE: &str = "schema.json";

/// A stored schema, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the contract's fields")]
pub struct SchemaRecord {
    /// As it was given.
    pub name: String,
    /// Whether `tables/` holds anything.
    pub has_tables: bool,
    /// Whether `functions/` does.
    pub has_functions: bool,
    /// Whether `migrations/` does.
    pub has_migrations: bool,
    /// Whether `seeders/` does.
    pub has_seeders: bool,
    /// [`Bundle::checksum`]
    pub checksum: String,
}

impl SchemaRecord {
    /// What is to be said of a bundle.
    pub fn of(name: &Id, bundle: &Bundle) -> Self {
        let has = |kind| bundle.files.iter().any(|file| file.kind == kind);
        Self {
            name: name.given().to_owned(),
            has_tables: has(Kind::Tables),
            has_functions: has(Kind::Functions),
            has_migrations: has(Kind::Migrations),
            has_seeders: has(Kind::Seeders),
            checksum: bundle.checksum.clone(),
        }
    }
}

/// `None` where there is no such schema.
pub(super) fn read_record(folder: &Path) -> Result<Option<SchemaRecord>, RegistryError> {
    let path = folder.join(FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.exists() => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(RegistryError::Damaged { path, cause: "it is missing".to_owned() });
        }
        Err(error) => return Err(RegistryError::io("reading", &path)(error)),
    };
    let damaged = |cause: String| RegistryError::Damaged { path: path.clone(), cause };
    let record: SchemaRecord = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    let fits = Id::parse("schema_name", &record.name)
        .is_ok_and(|id| folder.file_name().is_some_and(|name| name == id.normal()));
    if !fits {
        return Err(damaged(format!("it says that it is the schema {:?}", record.name)));
    }
    Ok(Some(record))
}

/// The bundle, as long as it is what was stored.
pub(super) fn read_bundle(folder: &Path) -> Result<Option<Bundle>, RegistryError> {
    let Some(record) = read_record(folder)? else { return Ok(None) };
    let mut files = Vec::new();
    for kind in Kind::ALL {
        let path = folder.join(kind.folder());
        if path.exists() {
            read_files(kind, kind.folder(), &path, &mut files)?;
        }
    }
    let bundle = Bundle::from_files(files, Vec::new());
    if bundle.checksum != record.checksum {
        let cause = "its files are not those that were uploaded; upload the schema again".to_owned();
        return Err(RegistryError::Damaged { path: folder.to_owned(), cause });
    }
    Ok(Some(bundle))
}

fn read_files(kind: Kind, prefix: &str, folder: &Path, files: &mut Vec<SourceFile>) -> Result<(), RegistryError> {
    let reading = RegistryError::io("reading", folder);
    for entry in fs::read_dir(folder).map_err(&reading)? {
        let entry = entry.map_err(&reading)?;
        let path = entry.path();
        let damaged = |cause: &str| RegistryError::Damaged { path: path.clone(), cause: cause.to_owned() };
        let name = entry.file_name().into_string().map_err(|_| damaged("its name is not UTF-8"))?;
        let below = format!("{prefix}/{name}");
        // Not followed: a link may lead anywhere.
        if entry.file_type().map_err(&reading)?.is_dir() {
            read_files(kind, &below, &path, files)?;
        } else {
            let text = fs::read_to_string(&path).map_err(RegistryError::io("reading", &path))?;
            files.push(SourceFile { kind, path: below, text });
        }
    }
    Ok(())
}

pub(super) fn write(folder: &Path, record: &SchemaRecord, bundle: &Bundle) -> Result<(), RegistryError> {
    let record = serde_json::to_vec_pretty(record).unwrap_or_default();
    let files = bundle.files.iter().map(|file| (file.path.as_str(), file.text.as_bytes()));
    replace::folder(folder, files.chain([(FILE, record.as_slice())]))
}
