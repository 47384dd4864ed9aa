//! The fingerprint of a catalog: equal in databases that hold the same, whatever their oids. A deployment does the same
//! to databases of one shape.

use super::catalog::Catalog;
use super::verify;
use crate::bundle::sql::tokens::checksum_bytes;

/// A hexadecimal text.
pub fn of(catalog: &Catalog) -> String {
    let mut text = String::new();
    for (name, words) in verify::words(catalog) {
        text.push_str(name);
        text.push('\0');
        text.push_str(words);
        text.push('\0');
    }
    checksum_bytes(text.as_bytes())
}
