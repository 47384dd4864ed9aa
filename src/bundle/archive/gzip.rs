//! gzip → bytes, in small pieces and within a limit: a bomb is stopped at the limit, and nothing is kept of it.

use std::io::Read;

use flate2::bufread::GzDecoder;

use super::error::{ArchiveError, LooksLike};
use super::packed::Reader;
use super::{ArchiveLimits, Packed};

const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Where a tar header of today keeps its magic word.
const USTAR_OFFSET: usize = 257;

/// `bgzip` makes one of each 64 KiB. Each costs the making of a decoder, which empty ones by the million would pay for an hour.
const MOST_MEMBERS: usize = 20_000;

/// What is looked at of an upload that is no gzip.
const LOOKED_AT_BYTES: usize = 1024;

/// Inflates an upload, which may be several gzip members one after another (as `pigz` and `cat a.gz b.gz` make them).
/// Zero bytes after the last are padding; anything else is refused.
pub(super) struct Inflater<'a> {
    /// `None` at the end of the last.
    member: Option<GzDecoder<Reader<'a>>>,
    limits: &'a ArchiveLimits,
    unpacked_bytes: usize,
    /// How many have begun.
    members: usize,
}

impl<'a> Inflater<'a> {
    pub(super) fn new(packed: &'a Packed, limits: &'a ArchiveLimits) -> Result<Self, ArchiveError> {
        let reader = packed.reader();
        if reader.remaining() == 0 {
            return Err(ArchiveError::Empty);
        }
        if !reader.starts_with(&MAGIC) {
            return Err(ArchiveError::NotGzip { looks_like: look_at(&packed.first(LOOKED_AT_BYTES)) });
        }
        Ok(Self { member: Some(GzDecoder::new(reader)), limits, unpacked_bytes: 0, members: 1 })
    }

    /// Fills `buffer` from the front; 0 at the end, where the checksums of everything before have been compared.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        while let Some(member) = &mut self.member {
            // Of an empty member nothing comes.
            if self.limits.is_abandoned() {
                return Err(ArchiveError::Abandoned);
            }
            let read = member.read(buffer);
            let read = read.map_err(|error| ArchiveError::GzipDamaged { reason: error.to_string() })?;
            self.unpacked_bytes += read;
            if self.unpacked_bytes > self.limits.max_unpacked_bytes {
                return Err(ArchiveError::UnpackedTooLarge { limit: self.limits.max_unpacked_bytes });
            }
            if read > 0 {
                return Ok(read);
            }
            self.member = match self.member.take() {
                Some(member) => next_member(member.into_inner())?,
                None => None,
            };
            self.members += 1;
            if self.members > MOST_MEMBERS {
                return Err(ArchiveError::TooManyMembers { limit: MOST_MEMBERS });
            }
        }
        Ok(0)
    }

    /// Reads over what is left.
    pub(super) fn drain(&mut self) -> Result<(), ArchiveError> {
        let mut buffer = [0; 8192];
        while self.read(&mut buffer)? > 0 {}
        Ok(())
    }
}

fn next_member(rest: Reader<'_>) -> Result<Option<GzDecoder<Reader<'_>>>, ArchiveError> {
    if rest.clone().all_zero() {
        return Ok(None);
    }
    if !rest.starts_with(&MAGIC) {
        return Err(ArchiveError::TrailingBytes { bytes: rest.remaining() });
    }
    Ok(Some(GzDecoder::new(rest)))
}

/// Guesses what was sent instead of gzip, so that the answer can say it.
fn look_at(upload: &[u8]) -> LooksLike {
    let magics: [(&[u8], LooksLike); 4] = [
        (b"PK", LooksLike::Zip),
        (b"BZh", LooksLike::Bzip2),
        (&[0xfd, b'7', b'z', b'X', b'Z'], LooksLike::Xz),
        (&[0x28, 0xb5, 0x2f, 0xfd], LooksLike::Zstd),
    ];
    if let Some((_, looks_like)) = magics.into_iter().find(|(magic, _)| upload.starts_with(magic)) {
        return looks_like;
    }
    if upload.get(USTAR_OFFSET..).is_some_and(|from| from.starts_with(b"ustar")) {
        return LooksLike::PlainTar;
    }
    let name = std::str::from_utf8(upload).map(str::trim_end).unwrap_or_default();
    if name.len() < 1024 && (name.ends_with(".gz") || name.ends_with(".tgz")) {
        return LooksLike::FileName;
    }
    LooksLike::Unknown
}
