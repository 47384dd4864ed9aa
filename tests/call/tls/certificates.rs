//! Certificates for tests.

use std::process::{Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};

/// Who signs.
pub(crate) struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// When a certificate is valid.
#[derive(Clone, Copy)]
pub(crate) enum Valid {
    Now,
    Before,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// PEM
    pub(crate) fn certificate(&self) -> String {
        self.certificate.clone()
    }

    /// A certificate for a host or an address, and its key.
    pub(crate) fn issue(&self, name: &str, valid: Valid) -> (String, String) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        if matches!(valid, Valid::Before) {
            (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
        }
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// A certificate that vouches for itself, has a common name and no list of names: `openssl req -new -x509 -subj /CN=…`.
pub(crate) fn by_itself(name: &str) -> (String, String) {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// The same of X.509's version 1, with RSA, as `openssl x509 -req` makes it up to 3.1. `None`: there is no such program.
pub(crate) fn of_version_1(name: &str) -> Option<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        command.args(arguments).current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let subject = format!("/CN={name}");
    let made =
        openssl(&["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "csr", "-subj", &subject])
            && openssl(&["x509", "-req", "-in", "csr", "-signkey", "key", "-days", "2", "-sha384", "-out", "crt"]);
    let read = |file: &str| std::fs::read_to_string(folder.path().join(file)).unwrap();
    made.then(|| (read("crt"), read("key")))
}
