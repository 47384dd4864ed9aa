//! TLS to PostgreSQL, with libpq's meaning of `sslmode`: which files it takes ([`TlsSettings`]), how a connection comes to be
//! encrypted (`negotiation`), and what is asked of the server's certificate (`verification`).

mod binding;
mod certificate;
mod explain;
mod files;
mod negotiation;
#[cfg(test)]
mod tests;
mod verification;

pub(crate) use binding::end_point;
pub(crate) use explain::{TlsError, explain};
pub use files::{CertificateFile, FileError};
pub(crate) use negotiation::Negotiated;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio_rustls::rustls::ClientConfig;

/// `DB_SSLMODE`, as libpq's `sslmode`, without its `allow`. In this order each one asks for more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// Never.
    Disable,
    /// Where the server has it, and takes the gateway with it; else without.
    #[default]
    Prefer,
    /// Always, whoever the server is; with root certificates as [`TlsMode::VerifyCa`].
    Require,
    /// Always, and a root certificate vouches for the server's.
    VerifyCa,
    /// Also, the certificate is for the host name.
    VerifyFull,
}

impl TlsMode {
    /// As it stands in settings.
    pub const ALL: [(&'static str, Self); 5] = [
        ("disable", Self::Disable),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];
}

impl fmt::Display for TlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, mode)| mode == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

/// Who vouches for the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootCertificates {
    /// Those of a file.
    File(PathBuf),
    /// Those that this system trusts.
    System,
}

/// What an operator has said of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// `DB_SSLMODE`
    pub mode: TlsMode,
    /// `DB_SSLROOTCERT`
    pub roots: Option<RootCertificates>,
    /// `DB_SSLCERT` and `DB_SSLKEY`: what the gateway shows to a server that asks.
    pub client: Option<(PathBuf, PathBuf)>,
    /// `sslnegotiation=direct`: TLS from the first byte, which PostgreSQL knows from version 17 on.
    pub direct: bool,
}

/// How connections are encrypted, with the certificates that were read.
pub struct Tls {
    settings: TlsSettings,
    /// Not there: never.
    client: RwLock<Option<Arc<ClientConfig>>>,
    told: Mutex<Option<Instant>>,
}

/// That TLS fails and is done without is told this often at most.
const PAUSE: Duration = Duration::from_secs(60);

/// One way to try, of those that a mode allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Without TLS.
    Plain,
    /// With TLS if the server has it.
    IfOffered,
    /// With TLS.
    Encrypted,
}

impl Tls {
    /// Reads the files.
    pub fn load(settings: TlsSettings) -> Result<Self, FileError> {
        let client = files::load(&settings)?;
        Ok(Self { settings, client: RwLock::new(client), told: Mutex::default() })
    }

    /// None, as for a server that is reached without a network.
    pub fn none() -> Self {
        let settings = TlsSettings { mode: TlsMode::Disable, ..TlsSettings::default() };
        Self { settings, client: RwLock::default(), told: Mutex::default() }
    }

    /// What it was made from.
    pub fn settings(&self) -> &TlsSettings {
        &self.settings
    }

    /// From now on with the certificates of `other`, if they come from the same settings: files may have been renewed.
    pub fn renew(&self, other: &Self) {
        if self.settings == other.settings {
            let renewed = other.client.read().unwrap_or_else(PoisonError::into_inner).clone();
            *self.client.write().unwrap_or_else(PoisonError::into_inner) = renewed;
        }
    }

    /// What to try first.
    pub(crate) fn first(&self) -> Way {
        match self.settings.mode {
            TlsMode::Disable => Way::Plain,
            TlsMode::Prefer => Way::IfOffered,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => Way::Encrypted,
        }
    }

    /// TLS has failed, and [`TlsMode::Prefer`] lets the gateway try without: that is said, or whoever reads the log wonders.
    pub(crate) fn tell_of_plain(&self, cause: &dyn fmt::Display) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|when| when.elapsed() >= PAUSE) {
            *told = Some(Instant::now());
            tracing::warn!(%cause, "with TLS PostgreSQL does not let the gateway in; DB_SSLMODE=prefer tries without");
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.settings).finish()
    }
}
