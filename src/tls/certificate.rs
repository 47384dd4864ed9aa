//! What of a certificate has to be known beside what rustls looks at.

use std::time::Duration;

use tokio_rustls::rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use x509_cert::certificate::Version;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};

/// `subjectAltName`
const ALTERNATIVE_NAMES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// A server's certificate.
pub(super) struct Certificate(x509_cert::Certificate);

impl Certificate {
    /// `None`: it is none.
    pub(super) fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        x509_cert::Certificate::from_der(certificate).ok().map(Self)
    }

    /// Whether it has extensions at all, without which rustls follows none.
    pub(super) fn is_version_3(&self) -> bool {
        self.0.tbs_certificate().version() == Version::V3
    }

    /// What it was signed with.
    pub(super) fn signature_algorithm(&self) -> ObjectIdentifier {
        self.0.signature_algorithm().oid
    }

    /// Its key.
    pub(super) fn key(&self) -> Option<SubjectPublicKeyInfoDer<'static>> {
        self.0.tbs_certificate().subject_public_key_info().to_der().ok().map(Into::into)
    }

    /// The key's algorithm, without the header around it, and the key.
    pub(super) fn bare_key(&self) -> Option<(Vec<u8>, &[u8])> {
        let info = self.0.tbs_certificate().subject_public_key_info();
        // Two bytes: it is short.
        let algorithm = info.algorithm.to_der().ok()?.get(2..)?.to_vec();
        Some((algorithm, info.subject_public_key.raw_bytes()))
    }

    /// From when to when it is valid, as time since 1970.
    pub(super) fn validity(&self) -> (Duration, Duration) {
        let validity = self.0.tbs_certificate().validity();
        (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration())
    }

    /// Its common name, where it has no list of names: then that is what it is for.
    pub(super) fn name_without_list(&self) -> Option<String> {
        let certificate = self.0.tbs_certificate();
        let has_list =
            certificate.extensions().is_some_and(|all| all.iter().any(|one| one.extn_id == ALTERNATIVE_NAMES));
        if has_list {
            return None;
        }
        certificate.subject().common_name().ok().flatten().map(|name| name.value().into_owned())
    }
}
