//! A SQL file's bytes → its text: UTF-8 without a byte order mark, without NUL; line ends stay as they are.

use super::error::ArchiveError;
use crate::bundle::Text;

const MARK: char = '\u{feff}';
const UTF16_MARKS: [&[u8]; 2] = [&[0xff, 0xfe], &[0xfe, 0xff]];

/// The text of `file`, or where it is none. Offsets count from the file's first byte, the mark included.
pub(super) fn decode(file: &str, content: Vec<u8>) -> Result<Text, ArchiveError> {
    if UTF16_MARKS.iter().any(|mark| content.starts_with(mark)) {
        return Err(ArchiveError::Utf16 { file: file.to_owned() });
    }
    if let Some(offset) = content.iter().position(|byte| *byte == 0) {
        return Err(ArchiveError::NulByte { file: file.to_owned(), offset, line: line_of(&content, offset) });
    }
    match String::from_utf8(content) {
        Ok(text) => {
            let start = if text.starts_with(MARK) { MARK.len_utf8() } else { 0 };
            let text = Text::from(text);
            // Behind its mark, a text is a text.
            Ok(text.part(start..text.len()).unwrap_or_default())
        }
        Err(error) => {
            let offset = error.utf8_error().valid_up_to();
            Err(ArchiveError::NotUtf8 { file: file.to_owned(), offset, line: line_of(error.as_bytes(), offset) })
        }
    }
}

/// The line, from 1, in which the byte at `offset` stands.
fn line_of(content: &[u8], offset: usize) -> usize {
    1 + content.iter().take(offset).filter(|byte| **byte == b'\n').count()
}
