//! What is asked of a server's certificate. rustls follows chains of certificates; libpq also takes a root certificate that the
//! server shows itself, and a common name where there is no list of names: both are how PostgreSQL's manual makes certificates.

use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use tokio_rustls::rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, RootCertStore, SignatureScheme,
};

use super::certificate::Certificate;
use super::{RootCertificates, TlsMode, TlsSettings};

/// What is asked.
#[derive(Debug)]
pub(super) struct Verification {
    /// Who has to vouch for it, and the roots as they are written; not there: nobody.
    roots: Option<(RootCertStore, Vec<CertificateDer<'static>>)>,
    /// Whether it has to be for the host's name.
    name: bool,
    /// Whether a common name will do where there is no list of names: not where any of the world's authorities may have vouched for it,
    /// whose limits are for lists.
    takes_common_name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verification {
    pub(super) fn new(
        settings: &TlsSettings,
        roots: Option<(RootCertStore, Vec<CertificateDer<'static>>)>,
        provider: &Arc<CryptoProvider>,
    ) -> Self {
        let name = settings.mode == TlsMode::VerifyFull;
        let takes_common_name = !matches!(settings.roots, Some(RootCertificates::System));
        Self { roots, name, takes_common_name, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Verification {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some((roots, written)) = &self.roots else { return Ok(ServerCertVerified::assertion()) };
        let certificate = Certificate::read(shown).ok_or(CertificateError::BadEncoding)?;
        if written.iter().any(|root| root == shown) {
            check_validity(&certificate, now)?;
        } else if certificate.is_version_3() {
            let parsed = ParsedCertificate::try_from(shown)?;
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, self.algorithms.all)?;
        } else {
            return Err(Error::General("it is of X.509's version 1, and has to be of version 3".to_owned()));
        }
        if self.name {
            match self.takes_common_name {
                true => check_name(shown, &certificate, host)?,
                false => verify_server_name(&ParsedCertificate::try_from(shown)?, host)?,
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    /// Whoever shows a certificate has its key: without that a login bound to it would prove nothing. Not rustls' own way, which
    /// takes no certificate of version 1.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let certificate = Certificate::read(shown).ok_or(CertificateError::BadEncoding)?;
        let (algorithm, key) = certificate.bare_key().ok_or(CertificateError::BadEncoding)?;
        let usual = self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
        let (_, usual) = usual.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        let mut fitting = usual.iter().filter(|one| *one.public_key_alg_id() == *algorithm);
        match fitting.any(|one| one.verify_signature(key, message, signed.signature()).is_ok()) {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(CertificateError::BadSignature.into()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = Certificate::read(shown).and_then(|certificate| certificate.key());
        let key = key.ok_or(CertificateError::BadEncoding)?;
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn check_validity(certificate: &Certificate, now: UnixTime) -> Result<(), Error> {
    let (from, to) = certificate.validity();
    match now.as_secs() {
        now if now < from.as_secs() => Err(CertificateError::NotValidYet.into()),
        now if now > to.as_secs() => Err(CertificateError::Expired.into()),
        _ => Ok(()),
    }
}

fn check_name(shown: &CertificateDer<'_>, certificate: &Certificate, host: &ServerName<'_>) -> Result<(), Error> {
    match certificate.name_without_list() {
        Some(name) if is_name_of(&name, &host.to_str()) => Ok(()),
        Some(name) => Err(Error::General(format!("it is for the name {name:?}"))),
        None => verify_server_name(&ParsedCertificate::try_from(shown)?, host),
    }
}

/// Whether a host has this name, in which `*.` stands for one label.
pub(super) fn is_name_of(name: &str, host: &str) -> bool {
    if name.eq_ignore_ascii_case(host) {
        return true;
    }
    let (Some(below), Some((label, rest))) = (name.strip_prefix("*."), host.split_once('.')) else { return false };
    !label.is_empty()
        && below.contains('.')
        && below.eq_ignore_ascii_case(rest)
        && host.parse::<std::net::IpAddr>().is_err()
}
