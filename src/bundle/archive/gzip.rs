//! gzip → bytes, within a limit. Reads to the very end, so that the checksum at the end has been compared before a
//! single entry is believed; a bomb is stopped at the limit.

use std::io::Read;

use flate2::bufread::GzDecoder;

use super::error::{ArchiveError, LooksLike};

const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Where a tar header of today keeps its magic word.
const USTAR_OFFSET: usize = 257;

/// Inflates `upload`, which may be several gzip members one after another (as `pigz` and `cat a.gz b.gz` make them).
/// Zero bytes after the last are padding; anything else is refused.
pub(super) fn inflate(upload: &[u8], limit: usize) -> Result<Vec<u8>, ArchiveError> {
    if upload.is_empty() {
        return Err(ArchiveError::Empty);
    }
    if !upload.starts_with(&MAGIC) {
        return Err(ArchiveError::NotGzip { looks_like: look_at(upload) });
    }
    let mut unpacked = Vec::new();
    let mut rest = upload;
    loop {
        rest = inflate_member(rest, &mut unpacked, limit)?;
        if rest.iter().all(|byte| *byte == 0) {
            return Ok(unpacked);
        }
        if !rest.starts_with(&MAGIC) {
            return Err(ArchiveError::TrailingBytes { bytes: rest.len() });
        }
    }
}

/// Appends one member to `unpacked`; what follows it comes back.
fn inflate_member<'a>(member: &'a [u8], unpacked: &mut Vec<u8>, limit: usize) -> Result<&'a [u8], ArchiveError> {
    let mut decoder = GzDecoder::new(member);
    // One byte more than there is room for: it tells "exactly full" from "too much".
    let room = limit.saturating_sub(unpacked.len()) as u64 + 1;
    let read = decoder.by_ref().take(room).read_to_end(unpacked);
    read.map_err(|error| ArchiveError::GzipDamaged { reason: error.to_string() })?;
    if unpacked.len() > limit {
        return Err(ArchiveError::UnpackedTooLarge { limit });
    }
    Ok(decoder.into_inner())
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
