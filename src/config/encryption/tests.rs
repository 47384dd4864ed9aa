//! What settings and URLs say of TLS, good and bad.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::config::{Config, PostgresSource};

type Variables<'a> = &'a [(&'a str, &'a str)];

/// An authority's certificate, one of the gateway's with its key, and what is none of them.
fn files() -> (tempfile::TempDir, impl Fn(&str) -> String) {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    let other = rcgen::KeyPair::generate().unwrap();
    for (name, text, mode) in [
        ("cert.pem", certificate.as_str(), 0o644),
        ("key.pem", &key.serialize_pem(), 0o600),
        ("others.pem", &other.serialize_pem(), 0o600),
        ("open.pem", &key.serialize_pem(), 0o644),
        ("text.pem", "hello", 0o600),
        ("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 0o600),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let root = folder.path().to_str().unwrap().to_owned();
    (folder, move |text: &str| text.replace('~', &format!("{root}/")))
}

fn read(vars: &[(&str, String)]) -> Result<TlsSettings, String> {
    let vars: HashMap<&str, &str> = vars.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let config = Config::from_env(|name| vars.get(name).map(|value| (*value).to_owned()));
    match config.map_err(|error| error.to_string())?.postgres {
        PostgresSource::External(destination) => Ok(destination.tls.settings().clone()),
        PostgresSource::Embedded => Ok(TlsSettings::default()),
    }
}

#[test]
fn what_the_variables_and_a_url_say_is_one() {
    let (_folder, full) = files();
    let host = ("DB_HOST", "h");
    let cases: &[(Variables<'_>, &str)] = &[
        (&[host], "prefer"),
        (&[host, ("DB_SSLMODE", "Disable")], "disable"),
        (&[host, ("DB_SSLMODE", "verify-ca"), ("DB_SSLROOTCERT", "~cert.pem")], "verify-ca roots"),
        (&[host, ("DB_SSLROOTCERT", "~cert.pem")], "prefer roots"),
        (&[host, ("DB_SSLCERT", "~cert.pem"), ("DB_SSLKEY", "~key.pem")], "prefer client"),
        // What is for another server is not for this one.
        (&[host, ("DATABASE_URL", "postgres://h/d?sslmode=require")], "prefer"),
        (&[("DATABASE_URL", "postgres://h/d?sslmode=require")], "require"),
        (&[("DATABASE_URL", "postgres://h/d?sslmode=require"), ("DB_SSLMODE", "require")], "require"),
        (&[("DATABASE_URL", "postgres://h/d?sslmode=require&sslnegotiation=direct")], "require direct"),
        (&[("DATABASE_URL", "postgres://h/d"), ("DB_SSLMODE", "require")], "require"),
        (
            &[("DATABASE_URL", "postgres://u:p?w@h/d?sslmode=verify%2Dfull&connect_timeout=3&sslrootcert=~cert.pem")],
            "verify-full roots",
        ),
        (&[("DATABASE_URL", "postgres://h?sslmode=verify-full"), ("DB_SSLROOTCERT", "~cert.pem")], "verify-full roots"),
        (&[("DATABASE_URL", "host=h sslmode = 'verify-ca' sslrootcert='~cert.pem' user=u")], "verify-ca roots"),
        (&[("DATABASE_URL", "host=h password='a\\' sslmode=disable' user=u")], "prefer"),
    ];
    for (vars, expected) in cases {
        let vars: Vec<_> = vars.iter().map(|(name, value)| (*name, full(value))).collect();
        let settings = read(&vars).unwrap_or_else(|error| panic!("{vars:?}: {error}"));
        let mut found = settings.mode.to_string();
        for (is_there, word) in
            [(settings.roots.is_some(), " roots"), (settings.client.is_some(), " client"), (settings.direct, " direct")]
        {
            found.push_str(if is_there { word } else { "" });
        }
        assert_eq!(found, *expected, "{vars:?}");
    }
}

#[test]
fn what_contradicts_or_cannot_be_read_is_refused_by_name() {
    let (_folder, full) = files();
    let host = ("DB_HOST", "h");
    let cases: &[(Variables<'_>, &str, &str)] = &[
        (&[("DB_SSLMODE", "on")], "DB_SSLMODE=", "one of disable, prefer, require, verify-ca, verify-full"),
        (&[host, ("DB_SSLMODE", "verify-full")], "DB_SSLMODE=", "DB_SSLROOTCERT to be set beside it"),
        (&[host, ("DB_SSLMODE", "require"), ("DB_SSLROOTCERT", "system")], "DB_SSLMODE=", "verify-full"),
        (&[host, ("DB_SSLMODE", "disable"), ("DB_SSLROOTCERT", "~cert.pem")], "DB_SSLMODE=", "no DB_SSLROOTCERT"),
        (&[host, ("DB_SSLCERT", "~cert.pem")], "DB_SSLCERT=", "DB_SSLKEY to be set"),
        (&[host, ("DB_SSLKEY", "~key.pem")], "DB_SSLKEY=", "DB_SSLCERT to be set"),
        (&[host, ("DB_SSLROOTCERT", "~none.pem")], "DB_SSLROOTCERT=", "No such file"),
        (&[host, ("DB_SSLROOTCERT", "~")], "DB_SSLROOTCERT=", "is a directory"),
        (&[host, ("DB_SSLROOTCERT", "~text.pem")], "DB_SSLROOTCERT=", "there are none in it"),
        (&[host, ("DB_SSLROOTCERT", "~broken.pem")], "DB_SSLROOTCERT=", "1 of them cannot be read"),
        (&[host, ("DB_SSLCERT", "~text.pem"), ("DB_SSLKEY", "~key.pem")], "DB_SSLCERT=", "there are none in it"),
        (&[host, ("DB_SSLCERT", "~cert.pem"), ("DB_SSLKEY", "~cert.pem")], "DB_SSLKEY=", "others may read it"),
        (&[host, ("DB_SSLCERT", "~cert.pem"), ("DB_SSLKEY", "~open.pem")], "DB_SSLKEY=", "others may read it"),
        (&[host, ("DB_SSLCERT", "~cert.pem"), ("DB_SSLKEY", "~text.pem")], "DB_SSLKEY=", "there is none in it"),
        (
            &[host, ("DB_SSLCERT", "~cert.pem"), ("DB_SSLKEY", "~others.pem")],
            "DB_SSLKEY=",
            "the key of the certificate",
        ),
        // A file is looked at where it is not used, too.
        (&[("DB_SSLROOTCERT", "~none.pem")], "DB_SSLROOTCERT=", "No such file"),
        (
            &[("DATABASE_URL", "postgres://h/d?sslmode=require"), ("DB_SSLMODE", "prefer")],
            "DB_SSLMODE=",
            "the same as sslmode in DATABASE_URL",
        ),
        (&[("DATABASE_URL", "postgres://h/d?sslrootcert=~none.pem")], "DATABASE_URL=", "sslrootcert to be a PEM file"),
        (&[("DATABASE_URL", "postgres://h/d?sslnegotiation=direct")], "DB_SSLMODE=", "sslnegotiation=direct"),
    ];
    for (vars, name, words) in cases {
        let vars: Vec<_> = vars.iter().map(|(name, value)| (*name, full(value))).collect();
        let Err(error) = read(&vars) else { panic!("{vars:?} is taken") };
        assert!(error.starts_with(name) && error.contains(words) && !error.contains('\n'), "{vars:?}: {error}");
    }
}
