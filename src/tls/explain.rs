//! rustls' errors in an operator's words: the cause, and the setting that it hangs on.

use std::io;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

use super::{RootCertificates, TlsSettings};

/// Encrypting a connection failed; another one without TLS may do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TlsError(pub(super) String);

impl TlsError {
    /// Whether that is what an error is.
    pub(crate) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|cause| cause.is::<Self>())
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::other(error)
    }
}

/// An error of an encrypted connection that is in use.
pub(crate) fn explain(error: io::Error) -> io::Error {
    match of_rustls(&error).and_then(of_alert) {
        Some(words) => TlsError(words).into(),
        None => error,
    }
}

/// An error of a connection that was to be encrypted.
pub(super) fn of_handshake(error: &io::Error, settings: &TlsSettings, host: &str) -> TlsError {
    let mode = settings.mode;
    TlsError(match of_rustls(error) {
        Some(Error::InvalidCertificate(cause)) => {
            format!(
                "the server's certificate is refused (DB_SSLMODE={mode}): {}",
                of_certificate(cause, settings, host)
            )
        }
        Some(Error::General(cause)) => {
            format!("the server's certificate is refused for the host {host:?} (DB_SSLMODE={mode}): {cause}")
        }
        Some(cause) => match of_alert(cause) {
            Some(words) => words,
            None => format!("TLS with the server failed (DB_SSLMODE={mode}): {cause}"),
        },
        None => format!("TLS with the server failed (DB_SSLMODE={mode}): {error}"),
    })
}

fn of_rustls(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn of_certificate(error: &CertificateError, settings: &TlsSettings, host: &str) -> String {
    let roots = match &settings.roots {
        Some(RootCertificates::File(path)) => format!("DB_SSLROOTCERT={}", path.display()),
        Some(RootCertificates::System) => "DB_SSLROOTCERT=system".to_owned(),
        None => "DB_SSLROOTCERT".to_owned(),
    };
    match error {
        CertificateError::UnknownIssuer => format!("nobody in {roots} has signed it"),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => format!("it has expired: {error}"),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("it is not for the host {host:?}: {error}")
        }
        other => other.to_string(),
    }
}

/// What the server says against the gateway's certificate.
fn of_alert(error: &Error) -> Option<String> {
    let Error::AlertReceived(alert) = error else { return None };
    let is_of_ours = matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::DecryptError
            | AlertDescription::CertificateRequired
    );
    is_of_ours.then(|| format!("the server refuses the gateway's certificate (DB_SSLCERT, DB_SSLKEY): {alert:?}"))
}
