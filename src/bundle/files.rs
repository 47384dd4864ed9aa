//! Files → [`Bundle`]: their order and the checksum that tells bundles apart. The only place where a bundle is made,
//! whether its files came from an upload or from a store.

use sha2::{Digest, Sha256};

use super::{Bundle, SourceFile};

impl Bundle {
    /// Sorts `files` by kind, then path (bytes), and computes the checksum.
    pub fn from_files(mut files: Vec<SourceFile>, warnings: Vec<String>) -> Self {
        files.sort_by(|a, b| (a.kind, a.path.as_bytes()).cmp(&(b.kind, b.path.as_bytes())));
        let checksum = checksum_of(&files);
        Self { files, checksum, warnings, memory: None }
    }
}

/// SHA-256, hexadecimal, over each file's folder, path and text, each followed by a NUL: neither holds one, so no two
/// different sets of files read alike.
fn checksum_of(files: &[SourceFile]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        for part in [file.kind.folder(), file.path.as_str(), file.text.as_str()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
