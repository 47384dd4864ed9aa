//! Binds a login to the certificate that the server has shown (SCRAM-SHA-256-PLUS): who only passes on what it hears shows
//! another one.

use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::certificate::Certificate;

/// The hash that `tls-server-end-point` (RFC 5929) is. `None`: the certificate's signature names none, and there is no binding.
pub(crate) fn end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let algorithm = Certificate::read(certificate)?.signature_algorithm().to_string();
    Some(match algorithm.as_str() {
        "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" => Sha256::digest(certificate).to_vec(),
        // For MD5 and SHA-1 with RSA, and SHA-1 with ECDSA, it is SHA-256, too.
        "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" => Sha256::digest(certificate).to_vec(),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Sha384::digest(certificate).to_vec(),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Sha512::digest(certificate).to_vec(),
        _ => return None,
    })
}
