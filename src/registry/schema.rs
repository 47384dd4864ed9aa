//! The folder of a stored schema: the bundle's files as they were uploaded, and `schema.json` beside them.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::RegistryError;
use super::replace;
use crate::bundle::cost::{Limits, Measured, Meter, OverLimit};
use crate::bundle::{Bundle, Kind, Rules, SourceFile};
use crate::databases::name::Id;

/// No folder of a bundle bears this name.
const FILE: &str = "schema.json";

/// A stored schema, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// What the file beside the bundle's has to say that lists do not show.
#[derive(Default, Deserialize)]
struct Taken {
    /// By which rules the bundle was taken; versions that knew of no others wrote none.
    #[serde(default)]
    rules: u32,
}

/// The rules of this version: 1 refuses what a declaration has no place for (`DROP`, `RENAME`), and lets settings hold for
/// their file.
const RULES: u32 = 1;

/// The file as it is written.
#[derive(Serialize)]
struct OnDisk<'a> {
    #[serde(flatten)]
    record: &'a SchemaRecord,
    rules: u32,
}

fn rules_of(folder: &Path) -> Result<Rules, RegistryError> {
    let path = folder.join(FILE);
    let text = fs::read(&path).map_err(RegistryError::io("reading", &path))?;
    let taken: Taken = serde_json::from_slice(&text).unwrap_or_default();
    Ok(if taken.rules < RULES { Rules::Earlier } else { Rules::Current })
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

/// How much of a file is read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// What the bundle takes of memory. What was stored once is within the limits of then.
pub(super) fn measure(folder: &Path) -> Result<Option<Measured>, RegistryError> {
    if read_record(folder)?.is_none() {
        return Ok(None);
    }
    let mut meter = Meter::new(Limits { max_bytes: usize::MAX, max_statements: usize::MAX });
    for kind in Kind::ALL {
        let path = folder.join(kind.folder());
        if path.exists() {
            walk(kind.folder(), &path, &mut |below, path| measure_file(&mut meter, below, path))?;
        }
    }
    Ok(Some(meter.finish()))
}

fn measure_file(meter: &mut Meter, below: &str, path: &Path) -> Result<(), RegistryError> {
    let reading = RegistryError::io("reading", path);
    let over = |error: OverLimit| RegistryError::Damaged { path: path.to_owned(), cause: error.to_string() };
    let mut file = fs::File::open(path).map_err(&reading)?;
    let mut buffer = vec![0; PIECE_BYTES];
    meter.begin_file(below, 0).map_err(over)?;
    loop {
        match file.read(&mut buffer).map_err(&reading)? {
            0 => return meter.end_file(below).map_err(over),
            read => meter.feed(below, &buffer[..read]).map_err(over)?,
        }
    }
}

/// The bundle, as long as it is what was stored.
pub(super) fn read_bundle(folder: &Path) -> Result<Option<Bundle>, RegistryError> {
    let Some(record) = read_record(folder)? else { return Ok(None) };
    let mut files = Vec::new();
    for kind in Kind::ALL {
        let path = folder.join(kind.folder());
        if path.exists() {
            walk(kind.folder(), &path, &mut |below, path| {
                let text = fs::read_to_string(path).map_err(RegistryError::io("reading", path))?;
                files.push(SourceFile { kind, path: below.to_owned(), text: text.into() });
                Ok(())
            })?;
        }
    }
    let bundle = Bundle::from_files(files, Vec::new());
    if !bundle.is_recorded_as(&record.checksum) {
        let cause = "its files are not those that were uploaded; upload the schema again".to_owned();
        return Err(RegistryError::Damaged { path: folder.to_owned(), cause });
    }
    Ok(Some(Bundle { rules: rules_of(folder)?, ..bundle }))
}

/// Every file below `folder`, by its path from the kind's folder on and on the disk.
fn walk(
    prefix: &str,
    folder: &Path,
    take: &mut impl FnMut(&str, &Path) -> Result<(), RegistryError>,
) -> Result<(), RegistryError> {
    let reading = RegistryError::io("reading", folder);
    for entry in fs::read_dir(folder).map_err(&reading)? {
        let entry = entry.map_err(&reading)?;
        let path = entry.path();
        let damaged = |cause: &str| RegistryError::Damaged { path: path.clone(), cause: cause.to_owned() };
        let name = entry.file_name().into_string().map_err(|_| damaged("its name is not UTF-8"))?;
        let below = format!("{prefix}/{name}");
        // Not followed: a link may lead anywhere.
        if entry.file_type().map_err(&reading)?.is_dir() {
            walk(&below, &path, take)?;
        } else {
            take(&below, &path)?;
        }
    }
    Ok(())
}

pub(super) fn write(folder: &Path, record: &SchemaRecord, bundle: &Bundle) -> Result<(), RegistryError> {
    let record = serde_json::to_vec_pretty(&OnDisk { record, rules: RULES }).unwrap_or_default();
    let files = bundle.files.iter().map(|file| (file.path.as_str(), file.text.as_bytes()));
    replace::folder(folder, files.chain([(FILE, record.as_slice())]))
}
