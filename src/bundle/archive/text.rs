//! A SQL file's bytes → its text: UTF-8 without a byte order mark, without NUL; line ends stay as they are.

use super::error::ArchiveError;

const MARK: char = '\u{feff}';
const UTF16_MARKS: [&[u8]; 2] = [&[0xff, 0xfe], &[0xfe, 0xff]];

/// The text of `file`, or where it is none. Offsets count from the file's first byte, the mark included.
pub(super) fn decode(file: &str, content: &[u8]) -> Result<String, ArchiveError> {
    if UTF16_MARKS.iter().any(|mark| content.starts_with(mark)) {
        return Err(ArchiveError::Utf16 { file: file.to_owned() });
    }
    if let Some(offset) = content.iter().position(|byte| *byte == 0) {
        return Err(ArchiveError::NulByte { file: file.to_owned(), offset, line: line_of(content, offset) });
    }
    match std::str::from_utf8(content) {
        Ok(text) => Ok(text.strip_prefix(MARK).unwrap_or(text).to_owned()),
        Err(error) => {
            let offset = error.valid_up_to();
            Err(ArchiveError::NotUtf8 { file: file.to_owned(), offset, line: line_of(content, offset) })
        }
    }
}

/// The line, from 1, in which the byte at `offset` stands.
fn line_of(content: &[u8], offset: usize) -> usize {
    1 + content.iter().take(offset).filter(|byte| **byte == b'\n').count()
}
