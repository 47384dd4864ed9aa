//! The process's environment and `.env` in the working folder, read once. What is in the environment, even if empty,
//! wins over `.env`. Nothing is written into the process's environment, so no child inherits a password from `.env`.

use std::collections::HashMap;
use std::path::Path;

use super::{ConfigError, VARIABLES};

/// The gateway's variables as they are set.
#[derive(Default)]
pub struct Environment {
    values: HashMap<String, String>,
}

impl Environment {
    /// Reads `env_file`, if it is there, and the environment of this process.
    pub fn load(env_file: &Path) -> Result<Self, ConfigError> {
        let mut values = read_env_file(env_file)?;
        for variable in VARIABLES {
            let Some(value) = std::env::var_os(variable.name) else { continue };
            let value = value.into_string().map_err(|_| ConfigError::NotUnicode { variable: variable.name })?;
            values.insert(variable.name.to_owned(), value);
        }
        Ok(Self { values })
    }

    /// A variable's value, if it is set.
    pub fn get(&self, variable: &str) -> Option<String> {
        self.values.get(variable).cloned()
    }
}

fn read_env_file(path: &Path) -> Result<HashMap<String, String>, ConfigError> {
    let refuse = |reason| ConfigError::EnvFile { path: path.display().to_string(), reason };
    let mut last_name = None;
    let mut values = HashMap::new();
    let lines = match dotenvy::from_path_iter(path) {
        Ok(lines) => lines,
        Err(error) if error.not_found() => return Ok(values),
        Err(error) => return Err(refuse(explain(&error, None))),
    };
    for line in lines {
        let (name, value) = line.map_err(|error| refuse(explain(&error, last_name.as_deref())))?;
        last_name = Some(name.clone());
        // The first of two wins, as in every other reader of such files.
        values.entry(name).or_insert(value);
    }
    Ok(values)
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
