//! Files → [`Bundle`]: their order and the checksum that tells bundles apart. The only place where a bundle is made,
//! whether its files came from an upload or from a store.

use std::borrow::{Borrow, Cow};

use sha2::{Digest, Sha256};

use super::down::{self, Migration};
use super::{Bundle, SourceFile};

impl Bundle {
    /// Sorts `files` by kind, then path (bytes), and computes the checksum.
    pub fn from_files(mut files: Vec<SourceFile>, warnings: Vec<String>) -> Self {
        files.sort_by(|a, b| (a.kind, a.path.as_bytes()).cmp(&(b.kind, b.path.as_bytes())));
        let checksum = checksum_of(&files);
        Self { files, checksum, warnings, memory: None }
    }

    /// Whether a record means this bundle: by its checksum, or by the one of earlier versions, which counted what takes
    /// migrations back.
    pub fn is_recorded_as(&self, checksum: &str) -> bool {
        self.checksum == checksum || checksum_of_texts(self.files.iter()) == checksum
    }
}

/// SHA-256, hexadecimal, over each file's folder, path and text, each followed by a NUL: neither holds one, so no two
/// different sets of files read alike.
fn checksum_of(files: &[SourceFile]) -> String {
    let counted = files.iter().filter_map(|file| match down::read(file) {
        Migration::Whole => Some(Cow::Borrowed(file)),
        Migration::Masked(file, _) => Some(Cow::Owned(file)),
        Migration::Down => None,
    });
    checksum_of_texts(counted)
}

fn checksum_of_texts<F: Borrow<SourceFile>>(files: impl Iterator<Item = F>) -> String {
    let mut hash = Sha256::new();
    for file in files {
        let file = file.borrow();
        for part in [file.kind.folder(), file.path.as_str(), file.text.as_str()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
