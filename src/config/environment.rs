//! The process's environment and a file: `.env` in the working folder, over which the environment wins, also with an empty value; or the
//! one that `ENV_FILE` names, which wins over the environment, because the environment of a process that runs stays as it was, and the file
//! is what an operator changes. Nothing is written into the process's environment, so no child inherits a password from `.env`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{ConfigError, VARIABLES, Variable};

/// Names the file; is not looked for in it.
pub(super) const ENV_FILE: &str = "ENV_FILE";

/// The gateway's variables as they are set.
#[derive(Clone, Default)]
pub struct Environment {
    file: PathBuf,
    was_there: bool,
    values: HashMap<String, String>,
}

impl Environment {
    /// Reads the environment of this process, and the file that it names, which has to be there; else `env_file`, if that is there.
    pub fn load(env_file: &Path) -> Result<Self, ConfigError> {
        let own = read_own()?;
        match own.get(ENV_FILE).filter(|file| !file.is_empty()).map(PathBuf::from) {
            Some(file) => {
                let written = read_env_file(&file)?.ok_or_else(|| refuse(&file, "there is no such file".to_owned()))?;
                let mut values = own;
                values.extend(written.into_iter().filter(|(name, _)| name != ENV_FILE));
                Ok(Self { file, was_there: true, values })
            }
            None => {
                let written = read_env_file(env_file)?;
                let was_there = written.is_some();
                let mut values = written.unwrap_or_default();
                values.extend(own);
                Ok(Self { file: env_file.to_owned(), was_there, values })
            }
        }
    }

    /// The same read again. A file that is gone meanwhile is a mistake: nothing would be left of what it said.
    pub fn load_again(&self) -> Result<Self, ConfigError> {
        let again = Self::load(&self.file)?;
        match self.was_there && !again.was_there {
            true => Err(refuse(&self.file, "the file is gone".to_owned())),
            false => Ok(again),
        }
    }

    /// The variables whose values differ from those of `other`.
    pub fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'static Variable> + 'a {
        // An empty value counts as unset.
        let value = |of: &'a Self, name| of.values.get(name).map(String::as_str).filter(|value| !value.is_empty());
        VARIABLES.iter().filter(move |variable| value(self, variable.name) != value(other, variable.name))
    }

    /// A variable's value, if it is set.
    pub fn get(&self, variable: &str) -> Option<String> {
        self.values.get(variable).cloned()
    }
}

fn read_own() -> Result<HashMap<String, String>, ConfigError> {
    let mut values = HashMap::new();
    for variable in VARIABLES {
        let Some(value) = std::env::var_os(variable.name) else { continue };
        let value = value.into_string().map_err(|_| ConfigError::NotUnicode { variable: variable.name })?;
        values.insert(variable.name.to_owned(), value);
    }
    Ok(values)
}

fn refuse(path: &Path, reason: String) -> ConfigError {
    ConfigError::EnvFile { path: path.display().to_string(), reason }
}

/// `None`: it is not there.
fn read_env_file(path: &Path) -> Result<Option<HashMap<String, String>>, ConfigError> {
    let refuse = |reason| refuse(path, reason);
    let mut last_name = None;
    let mut values = HashMap::new();
    let lines = match dotenvy::from_path_iter(path) {
        Ok(lines) => lines,
        Err(error) if error.not_found() => return Ok(None),
        Err(error) => return Err(refuse(explain(&error, None))),
    };
    for line in lines {
        let (name, value) = line.map_err(|error| refuse(explain(&error, last_name.as_deref())))?;
        last_name = Some(name.clone());
        // The first of two wins, as in every other reader of such files.
        values.entry(name).or_insert(value);
    }
    Ok(Some(values))
}

/// dotenvy's own words repeat the line, which may hold a password: only where it stands is told.
fn explain(error: &dotenvy::Error, last_name: Option<&str>) -> String {
    match error {
        dotenvy::Error::Io(error) => error.to_string(),
        // What else there is concerns the text; the type may grow.
        _ => {
            let place = match last_name {
                Some(name) => format!("the line after {name}"),
                None => "the first line that is no comment".to_owned(),
            };
            format!("{place} cannot be read: write NAME=value, a value with blanks, quotes, # or $ in single quotes")
        }
    }
}
