//! Why an archive is refused, named for what happened. No status codes here: `error::bundle` knows them.

use std::fmt;

use crate::bundle::cost::OverLimit;

/// How a bundle is made; part of the messages to somebody who sent something else.
const HOW_TO: &str = "make the archive with: tar -czf bundle.tar.gz postgresql";

/// The gateway read none, or not all, of an uploaded archive. Every variant refuses it whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// No bytes at all.
    #[error("the uploaded archive is empty (0 bytes); {HOW_TO}")]
    Empty,
    /// The upload does not begin as gzip does.
    #[error("the upload is not gzip: it {looks_like}; {HOW_TO}")]
    NotGzip {
        /// What it seems to be.
        looks_like: LooksLike,
    },
    /// It begins as gzip and breaks: cut off, or changed on its way.
    #[error("the gzip data is damaged or cut off ({reason}); upload the archive again")]
    GzipDamaged {
        /// The decoder's words.
        reason: String,
    },
    /// Something that is neither gzip nor padding follows the gzip data.
    #[error("{bytes} bytes that are not gzip follow the end of the gzip data; {HOW_TO}")]
    TrailingBytes {
        /// How many.
        bytes: usize,
    },
    /// More gzip members than any archiver makes of so much.
    #[error("the gzip data are more than {limit} members one after another; {HOW_TO}")]
    TooManyMembers {
        /// What is allowed.
        limit: usize,
    },
    /// The gzip holds something else than a tar.
    #[error("the gzip holds no tar archive ({reason}); {HOW_TO}")]
    NotTar {
        /// What was wrong with the first header.
        reason: String,
    },
    /// A tar that breaks after its first entry.
    #[error("the tar archive is damaged or cut off after {after:?} ({reason})")]
    TarDamaged {
        /// The last entry that was read.
        after: String,
        /// What was wrong.
        reason: String,
    },
    /// A link, a device, a fifo, a sparse file: only plain files and folders are taken.
    #[error("{entry:?} is a {what}; an archive may hold plain files and folders only")]
    Special {
        /// The entry's name.
        entry: String,
        /// What it is, e.g. `symbolic link`.
        what: &'static str,
    },
    /// A tar entry of a type that nobody needs for a bundle.
    #[error("{entry:?} is a tar entry of type {letter:?}; an archive may hold plain files and folders only")]
    UnknownType {
        /// The entry's name.
        entry: String,
        /// The type flag in its header.
        letter: char,
    },
    /// Its name begins with `/`.
    #[error("{entry:?} is an absolute path; name the entries from the bundle's folder on")]
    AbsolutePath {
        /// The entry's name.
        entry: String,
    },
    /// Its name climbs with `..`.
    #[error("{entry:?} climbs out of its folder with \"..\"")]
    ParentPath {
        /// The entry's name.
        entry: String,
    },
    /// Two entries are the same file (`a.sql` and `./a.sql` are).
    #[error("{entry:?} is in the archive twice")]
    Twice {
        /// The path, without `./`.
        entry: String,
    },
    /// A path that is a file in one entry and a folder in another.
    #[error("{entry:?} is in the archive as a file and as a folder")]
    FileAndFolder {
        /// The path, without `./`.
        entry: String,
    },
    /// A name that is not UTF-8.
    #[error("the name of the entry {entry:?} is not UTF-8; rename the file")]
    NameNotUtf8 {
        /// The name, with replacement characters.
        entry: String,
    },
    /// A name with a NUL in it.
    #[error("the name of the entry {entry:?} holds a NUL byte")]
    NameWithNul {
        /// The name.
        entry: String,
    },
    /// A name that no file system takes.
    #[error("the name of the entry {entry:?}… has {bytes} bytes; at most {limit} are allowed")]
    NameTooLong {
        /// Its beginning.
        entry: String,
        /// Its length, or that of its longest part.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A SQL file that is not UTF-8.
    #[error("{file}, line {line}: not UTF-8 at byte {offset}; save the file as UTF-8")]
    NotUtf8 {
        /// The file.
        file: String,
        /// Offset of the first bad byte, from 0.
        offset: usize,
        /// Its line, from 1.
        line: usize,
    },
    /// A SQL file in UTF-16, which editors on Windows like to write.
    #[error("{file} is UTF-16; save the file as UTF-8")]
    Utf16 {
        /// The file.
        file: String,
    },
    /// PostgreSQL takes no NUL in a text.
    #[error("{file}, line {line}: a NUL byte at byte {offset}; PostgreSQL takes none in SQL")]
    NulByte {
        /// The file.
        file: String,
        /// Its offset, from 0.
        offset: usize,
        /// Its line, from 1.
        line: usize,
    },
    /// Not one of the bundle's folders is in it.
    #[error(
        "nothing of a bundle is in the archive{}: expected is postgresql/ with some of the folders extensions/, types/, \
         tables/, migrations/, views/, functions/, seeders/ in it; {HOW_TO}",
        too_deep(.deeper.as_deref())
    )]
    NothingRecognised {
        /// A folder with the right name that lies too deep.
        deeper: Option<String>,
    },
    /// Two top folders could be the bundle.
    #[error("{first:?} and {second:?} both hold folders of a bundle; send one of them: {HOW_TO}")]
    TwoBundles {
        /// One top folder.
        first: String,
        /// The other.
        second: String,
    },
    /// It inflates to more than is allowed.
    #[error("the archive unpacks to more than {limit} bytes (MAX_UNPACKED_BYTES)")]
    UnpackedTooLarge {
        /// Bytes.
        limit: usize,
    },
    /// More members than are allowed.
    #[error("the archive has more than {limit} entries; {entry:?} is the first one over the limit")]
    TooManyEntries {
        /// The first one too many.
        entry: String,
        /// How many are allowed.
        limit: usize,
    },
    /// Long names, and many of them.
    #[error(
        "the names of the archive's entries have more than {limit} bytes together; {entry:?} is the first one over it"
    )]
    NamesTooLong {
        /// The first one too many.
        entry: String,
        /// Bytes.
        limit: usize,
    },
    /// More SQL than is allowed.
    #[error(transparent)]
    SqlOverLimit(#[from] OverLimit),
    /// Nobody waits for it any more.
    #[error("the client hung up; the archive was not read")]
    Abandoned,
}

impl ArchiveError {
    /// The entry at fault and the line in it (from 1), for the answer's `file` and `line`.
    pub fn place(&self) -> (Option<&str>, Option<usize>) {
        match self {
            Self::NotUtf8 { file, line, .. } | Self::NulByte { file, line, .. } => (Some(file), Some(*line)),
            Self::Special { entry, .. }
            | Self::UnknownType { entry, .. }
            | Self::AbsolutePath { entry }
            | Self::ParentPath { entry }
            | Self::Twice { entry }
            | Self::FileAndFolder { entry }
            | Self::NameNotUtf8 { entry }
            | Self::NameWithNul { entry }
            | Self::NameTooLong { entry, .. }
            | Self::TooManyEntries { entry, .. }
            | Self::NamesTooLong { entry, .. }
            | Self::Utf16 { file: entry } => (Some(entry), None),
            Self::SqlOverLimit(over) => {
                let (file, line) = over.place();
                (Some(file), line)
            }
            Self::Empty
            | Self::Abandoned
            | Self::NotGzip { .. }
            | Self::GzipDamaged { .. }
            | Self::TrailingBytes { .. }
            | Self::TooManyMembers { .. }
            | Self::NotTar { .. }
            | Self::TarDamaged { .. }
            | Self::NothingRecognised { .. }
            | Self::TwoBundles { .. }
            | Self::UnpackedTooLarge { .. } => (None, None),
        }
    }
}

/// The words on a bundle that lies under more than one folder.
fn too_deep(deeper: Option<&str>) -> String {
    match deeper {
        Some(path) => format!(" ({path:?} lies too deep: above it there may be one folder)"),
        None => String::new(),
    }
}

/// What an upload that is not gzip seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LooksLike {
    /// A zip.
    Zip,
    /// A tar that was not compressed.
    PlainTar,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
    /// The name of a file: curl's `-F schema=bundle.tar.gz`, which lacks an `@`.
    FileName,
    /// None of these.
    Unknown,
}

impl fmt::Display for LooksLike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zip => "looks like a zip",
            Self::PlainTar => "looks like a tar that was not compressed",
            Self::Bzip2 => "looks like bzip2",
            Self::Xz => "looks like xz",
            Self::Zstd => "looks like zstd",
            Self::FileName => "looks like a file's name (curl sends the file itself with -F schema=@bundle.tar.gz)",
            Self::Unknown => "begins with other bytes",
        })
    }
}
