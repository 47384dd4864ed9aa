//! Files → [`Bundle`]: their order and the checksum that tells bundles apart. The only place where a bundle is made,
//! whether its files came from an upload or from a store.

use sha2::{Digest, Sha256};

use super::sql::tokens::hexadecimal;
use super::{Bundle, Kind, Rules, SourceFile, down};

impl Bundle {
    /// Sorts `files` by kind, then path (bytes), and computes the checksum.
    pub fn from_files(mut files: Vec<SourceFile>, warnings: Vec<String>) -> Self {
        files.sort_by(|a, b| (a.kind, a.path.as_bytes()).cmp(&(b.kind, b.path.as_bytes())));
        let checksum = checksum_of(&files);
        Self { files, checksum, warnings, rules: Rules::Current, memory: None }
    }

    /// Its migrations as they are tracked: by their paths below `migrations/`.
    pub fn migrations(&self) -> impl Iterator<Item = &str> {
        let counted = self.files.iter().filter(|file| file.kind == Kind::Migrations && !down::is_down(&file.path));
        counted.map(SourceFile::below_folder)
    }

    /// Whether a record means this bundle: by its checksum, or by the one of earlier versions, which counted what takes
    /// migrations back.
    pub fn is_recorded_as(&self, checksum: &str) -> bool {
        self.checksum == checksum
            || checksum_of_texts(self.files.iter().map(|file| (file, vec![&*file.text]))) == checksum
    }
}

/// SHA-256, hexadecimal, over each file's folder, path and text, each followed by a NUL: neither holds one, so no two
/// different sets of files read alike. What takes migrations back does not count.
fn checksum_of(files: &[SourceFile]) -> String {
    let counted = files.iter().filter_map(|file| Some((file, down::counted(file)?)));
    checksum_of_texts(counted)
}

fn checksum_of_texts<'a>(files: impl Iterator<Item = (&'a SourceFile, Vec<&'a str>)>) -> String {
    let mut hash = Sha256::new();
    for (file, text) in files {
        for part in [vec![file.kind.folder()], vec![&*file.path], text] {
            part.iter().for_each(|piece| hash.update(piece.as_bytes()));
            hash.update([0]);
        }
    }
    hexadecimal(&hash.finalize())
}
