//! The files that settings name → what rustls takes.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::verification::Verification;
use super::{RootCertificates, TlsMode, TlsSettings};

/// What PostgreSQL calls its protocol where TLS asks for that; direct negotiation needs it.
const PROTOCOL: &[u8] = b"postgresql";

/// Which one is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateFile {
    /// `DB_SSLROOTCERT`
    Roots,
    /// `DB_SSLCERT`
    Client,
    /// `DB_SSLKEY`
    Key,
}

/// Why a file is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FileError {
    /// Which one.
    pub file: CertificateFile,
    /// What it should be, and what it is.
    pub reason: String,
}

pub(super) fn load(settings: &TlsSettings) -> Result<Option<Arc<ClientConfig>>, FileError> {
    if settings.mode == TlsMode::Disable {
        return Ok(None);
    }
    let provider = Arc::new(ring::default_provider());
    let roots = settings.roots.as_ref().map(read_roots).transpose()?;
    let verification = Verification::new(settings, roots, &provider);
    let versions = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let broken = |file| move |error: &dyn std::fmt::Display| FileError { file, reason: error.to_string() };
    let builder = versions.map_err(|error| broken(CertificateFile::Roots)(&error))?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verification));
    let mut config = match &settings.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = read_chain(certificate, CertificateFile::Client)?;
            let key = read_key(key, &provider)?;
            let fits = |error: tokio_rustls::rustls::Error| {
                broken(CertificateFile::Key)(&format_args!("the key of the certificate in DB_SSLCERT: {error}"))
            };
            builder.with_client_auth_cert(chain, key).map_err(fits)?
        }
    };
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(Some(Arc::new(config)))
}

/// The roots, and each as it is written, for a server whose certificate is one of them.
fn read_roots(from: &RootCertificates) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), FileError> {
    let error = |reason| FileError { file: CertificateFile::Roots, reason };
    let certificates = match from {
        RootCertificates::File(path) => read_chain(path, CertificateFile::Roots)?,
        RootCertificates::System => rustls_native_certs::load_native_certs().certs,
    };
    let mut store = RootCertStore::empty();
    let (_, refused) = store.add_parsable_certificates(certificates.iter().cloned());
    match from {
        RootCertificates::System if store.is_empty() => Err(error(
            "a system with root certificates (on Debian: the package ca-certificates); there are none".into(),
        )),
        RootCertificates::File(_) if refused > 0 => {
            Err(error(format!("a PEM file with X.509 certificates; {refused} of them cannot be read")))
        }
        _ => Ok((store, certificates)),
    }
}

fn read_chain(path: &Path, file: CertificateFile) -> Result<Vec<CertificateDer<'static>>, FileError> {
    const EXPECTED: &str = "a PEM file with certificates (-----BEGIN CERTIFICATE-----)";
    let error = |cause: &dyn std::fmt::Display| FileError { file, reason: format!("{EXPECTED}; {cause}") };
    let read =
        CertificateDer::pem_reader_iter(open(path).map_err(|cause| error(&cause))?).collect::<Result<Vec<_>, _>>();
    match read {
        Ok(certificates) if certificates.is_empty() => Err(error(&"there are none in it")),
        Ok(certificates) => Ok(certificates),
        Err(cause) => Err(error(&words(&cause))),
    }
}

fn read_key(path: &Path, provider: &CryptoProvider) -> Result<PrivateKeyDer<'static>, FileError> {
    const EXPECTED: &str = "a PEM file with a private key that is not encrypted (-----BEGIN PRIVATE KEY-----)";
    let error = |cause: &dyn std::fmt::Display| FileError {
        file: CertificateFile::Key,
        reason: format!("{EXPECTED}; {cause}"),
    };
    let file = open(path).map_err(|cause| error(&cause))?;
    if is_open_to_others(&file).map_err(|cause| error(&cause))? {
        return Err(error(&"others may read it: give it the mode 0600, or 0640 where it is root's"));
    }
    let key = PrivateKeyDer::from_pem_reader(file).map_err(|cause| error(&words(&cause)))?;
    provider.key_provider.load_private_key(key.clone_key()).map_err(|cause| error(&cause))?;
    Ok(key)
}

fn open(path: &Path) -> io::Result<io::BufReader<File>> {
    // A folder can be opened, and says only later that it is one.
    if fs::metadata(path)?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    File::open(path).map(io::BufReader::new)
}

/// libpq's rule.
fn is_open_to_others(file: &io::BufReader<File>) -> io::Result<bool> {
    let metadata = file.get_ref().metadata()?;
    let allowed = if metadata.uid() == 0 { 0o740 } else { 0o700 };
    Ok(metadata.mode() & 0o777 & !allowed != 0)
}

fn words(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "there is none in it".to_owned(),
        pem::Error::Io(cause) => cause.to_string(),
        other => format!("{other:?}"),
    }
}
