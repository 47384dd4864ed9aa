//! Names and modes; what comes of them with a server is in `tests/call/tls.rs`.

use super::verification::is_name_of;
use super::*;

#[test]
fn a_common_name_is_the_hosts_or_stands_for_one_label() {
    for (name, host, expected) in [
        ("db.example.com", "DB.example.com", true),
        ("db.example.com", "example.com", false),
        ("*.example.com", "db.example.com", true),
        ("*.example.com", "a.db.example.com", false),
        ("*.example.com", "example.com", false),
        ("*.com", "example.com", false),
        ("*", "db", false),
        ("*.0.0.1", "127.0.0.1", false),
        ("127.0.0.1", "127.0.0.1", true),
    ] {
        assert_eq!(is_name_of(name, host), expected, "{name} {host}");
    }
}

#[test]
fn modes_ask_for_more_and_more() {
    assert!(TlsMode::ALL.windows(2).all(|two| two[0].1 < two[1].1));
    assert_eq!(TlsMode::VerifyCa.to_string(), "verify-ca");
}
