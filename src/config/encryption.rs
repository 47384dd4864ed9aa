//! `DB_SSLMODE` and its files, or what `DATABASE_URL` says of them → [`Tls`]. What contradicts is refused: whoever asks for a
//! certificate to be looked at does not get a connection where nobody does.

use std::path::PathBuf;

use super::ConfigError;
use super::read::{Reader, invalid, not_shown};
use crate::tls::{CertificateFile, RootCertificates, Tls, TlsMode, TlsSettings};

/// A setting by libpq's name and by the gateway's.
const NAMES: [(&str, &str); 4] = [("sslmode", MODE), ("sslrootcert", ROOTS), ("sslcert", CERTIFICATE), ("sslkey", KEY)];
const MODE: &str = "DB_SSLMODE";
const ROOTS: &str = "DB_SSLROOTCERT";
const CERTIFICATE: &str = "DB_SSLCERT";
const KEY: &str = "DB_SSLKEY";
const URL: &str = "DATABASE_URL";

/// What was said of TLS, and where.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    /// In the order of [`NAMES`], with the variable that has it.
    values: [Option<(&'static str, String)>; 4],
    /// `sslnegotiation=direct`
    pub(super) direct: bool,
}

impl Given {
    /// Whether libpq's option `name` is one of these; then it is kept.
    pub(super) fn take(&mut self, name: &str, value: &str) -> bool {
        let Some(at) = NAMES.iter().position(|(option, _)| *option == name) else { return false };
        self.values[at] = Some((URL, value.to_owned())).filter(|_| !value.is_empty());
        true
    }

    /// What the variables say, beside what was said here.
    pub(super) fn with_variables<F: Fn(&str) -> Option<String>>(self, env: &Reader<F>) -> Result<Self, ConfigError> {
        let mut values = self.values;
        for ((option, variable), value) in NAMES.iter().zip(&mut values) {
            let Some(given) = env.text(variable) else { continue };
            match value {
                Some((_, told)) if *told != given => {
                    let allowed = format!("the same as {option} in DATABASE_URL, or only one of them");
                    return Err(invalid(variable, &given, allowed));
                }
                _ => *value = Some((variable, given)),
            }
        }
        Ok(Self { values, ..self })
    }

    fn value(&self, variable: &str) -> Option<&(&'static str, String)> {
        NAMES.iter().zip(&self.values).find(|((_, name), _)| *name == variable).and_then(|(_, value)| value.as_ref())
    }

    /// A refusal of what was given for `variable`, wherever that was.
    fn refuse(&self, variable: &'static str, allowed: &str) -> ConfigError {
        match self.value(variable) {
            Some((URL, _)) => {
                let option = NAMES.iter().find(|(_, name)| *name == variable).map_or("", |(option, _)| option);
                not_shown(URL, format!("{option} to be {allowed}"))
            }
            Some((_, value)) => invalid(variable, value, allowed),
            None => invalid(variable, "", allowed),
        }
    }

    /// Checks it and reads the files.
    pub(super) fn load(&self) -> Result<Tls, ConfigError> {
        let settings = self.settings()?;
        Tls::load(settings).map_err(|error| {
            let variable = match error.file {
                CertificateFile::Roots => ROOTS,
                CertificateFile::Client => CERTIFICATE,
                CertificateFile::Key => KEY,
            };
            self.refuse(variable, &error.reason)
        })
    }

    fn settings(&self) -> Result<TlsSettings, ConfigError> {
        let path = |variable| self.value(variable).map(|(_, value)| PathBuf::from(value));
        let roots = path(ROOTS).map(|path| match path.as_os_str() == "system" {
            true => RootCertificates::System,
            false => RootCertificates::File(path),
        });
        let by_system = roots == Some(RootCertificates::System);
        let mode = match self.value(MODE) {
            Some((_, word)) => match TlsMode::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
                Some((_, mode)) => *mode,
                None => {
                    let words = TlsMode::ALL.map(|(name, _)| name).join(", ");
                    return Err(self.refuse(MODE, &format!("one of {words}")));
                }
            },
            // What everybody's authorities vouch for is anybody's without its name: as libpq has it.
            None if by_system => TlsMode::VerifyFull,
            None => TlsMode::default(),
        };
        if by_system && mode < TlsMode::VerifyFull {
            return Err(self.refuse(MODE, "verify-full, which DB_SSLROOTCERT=system needs"));
        }
        if mode >= TlsMode::VerifyCa && roots.is_none() {
            return Err(self.refuse(MODE, "DB_SSLROOTCERT to be set beside it: a file of root certificates, or system"));
        }
        if self.direct && mode < TlsMode::Require {
            return Err(self.refuse(MODE, "require or more, which sslnegotiation=direct needs"));
        }
        if mode == TlsMode::Disable
            && let Some(variable) =
                [ROOTS, CERTIFICATE, KEY].into_iter().find(|variable| self.value(variable).is_some())
        {
            return Err(self.refuse(MODE, &format!("another mode, or no {variable}, which is only for TLS")));
        }
        let client = match (path(CERTIFICATE), path(KEY)) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err(self.refuse(CERTIFICATE, "DB_SSLKEY to be set beside it")),
            (None, Some(_)) => return Err(self.refuse(KEY, "DB_SSLCERT to be set beside it")),
        };
        Ok(TlsSettings { mode, roots, client, direct: self.direct })
    }
}

/// Takes what libpq's options say of TLS out of a connection string, which tokio-postgres knows only a part of.
pub(super) fn take_out(text: &str) -> (String, Given) {
    let mut given = Given::default();
    let is_url = ["postgresql://", "postgres://"].iter().any(|scheme| text.starts_with(scheme));
    let rest = if is_url { out_of_url(text, &mut given) } else { out_of_words(text, &mut given) };
    (rest, given)
}

fn out_of_url(url: &str, given: &mut Given) -> String {
    // Not the `?` of a password, which tokio-postgres ends at the first `@`.
    let after_password = url.find('@').map_or(0, |at| at + 1);
    let Some(begin) = url[after_password..].find('?').map(|at| after_password + at) else { return url.to_owned() };
    let kept: Vec<&str> = url[begin + 1..]
        .split('&')
        .filter(|pair| !pair.split_once('=').is_some_and(|(name, value)| given.take(&decoded(name), &decoded(value))))
        .collect();
    match kept.is_empty() {
        true => url[..begin].to_owned(),
        false => format!("{}?{}", &url[..begin], kept.join("&")),
    }
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| byte == b'%') {
            Some(decoded_byte) => {
                decoded.push(decoded_byte);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// `name=value name='value with \' blanks'`
fn out_of_words(text: &str, given: &mut Given) -> String {
    let mut kept = String::new();
    let mut rest = text;
    loop {
        let pair = rest.trim_start();
        let Some((name, after)) = pair.split_once('=') else {
            // What is no pair is for the next parser to refuse.
            kept.push_str(rest);
            return kept;
        };
        let after = after.trim_start();
        let (value, length) = word(after);
        let end = after.len() - length;
        if !given.take(name.trim(), &value) {
            kept.push_str(&pair[..pair.len() - end]);
            kept.push(' ');
        }
        rest = &after[length..];
    }
}

/// The value at the beginning, and how long it is as it is written.
fn word(text: &str) -> (String, usize) {
    let quoted = text.starts_with('\'');
    let (mut value, mut escaped) = (String::new(), false);
    for (at, character) in text.char_indices().skip(usize::from(quoted)) {
        match character {
            _ if escaped => {
                value.push(character);
                escaped = false;
            }
            '\\' => escaped = true,
            '\'' if quoted => return (value, at + 1),
            blank if !quoted && blank.is_whitespace() => return (value, at),
            other => value.push(other),
        }
    }
    (value, text.len())
}

#[cfg(test)]
mod tests;
