//! An upload as it came: pieces of memory one after another, so that receiving it never copies what is there already.

use std::io::{self, BufRead, Read};

/// The bytes of an archive.
#[derive(Debug, Default)]
pub struct Packed {
    pieces: Vec<Vec<u8>>,
    bytes: usize,
}

/// How large a piece is at most, and the first one.
const PIECE_BYTES: usize = 256 * 1024;
const FIRST_PIECE_BYTES: usize = 16 * 1024;

impl Packed {
    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Adds to the end.
    pub fn push(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len();
        while !bytes.is_empty() {
            let room = self.pieces.last().map_or(0, |piece| piece.capacity() - piece.len());
            if room == 0 {
                // Twice as large each time, so that small uploads stay small.
                let last = self.pieces.last().map_or(FIRST_PIECE_BYTES / 2, Vec::capacity);
                self.pieces.push(Vec::with_capacity((2 * last).min(PIECE_BYTES)));
            }
            let Some(piece) = self.pieces.last_mut() else { return };
            let (now, later) = bytes.split_at(bytes.len().min(piece.capacity() - piece.len()));
            piece.extend_from_slice(now);
            bytes = later;
        }
    }

    /// The first bytes, at most so many.
    pub(super) fn first(&self, most: usize) -> Vec<u8> {
        self.pieces.iter().flatten().take(most).copied().collect()
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { pieces: &self.pieces, offset: 0, remaining: self.bytes }
    }
}

impl From<&[u8]> for Packed {
    fn from(bytes: &[u8]) -> Self {
        let mut packed = Self::default();
        packed.push(bytes);
        packed
    }
}

/// Reads a [`Packed`] from its beginning.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    pieces: &'a [Vec<u8>],
    /// In the first of them.
    offset: usize,
    remaining: usize,
}

impl Reader<'_> {
    pub(super) fn remaining(&self) -> usize {
        self.remaining
    }

    pub(super) fn starts_with(&self, wanted: &[u8]) -> bool {
        self.pieces.iter().flatten().skip(self.offset).take(wanted.len()).eq(wanted)
    }

    pub(super) fn all_zero(mut self) -> bool {
        loop {
            match self.fill_buf() {
                Ok([]) | Err(_) => return true,
                Ok(bytes) if bytes.iter().any(|byte| *byte != 0) => return false,
                Ok(bytes) => {
                    let read = bytes.len();
                    self.consume(read);
                }
            }
        }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let read = bytes.len().min(buffer.len());
        buffer[..read].copy_from_slice(&bytes[..read]);
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Reader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while let [piece, rest @ ..] = self.pieces
            && self.offset == piece.len()
        {
            (self.pieces, self.offset) = (rest, 0);
        }
        Ok(self.pieces.first().map_or(&[], |piece| &piece[self.offset..]))
    }

    fn consume(&mut self, bytes: usize) {
        self.offset += bytes;
        self.remaining = self.remaining.saturating_sub(bytes);
    }
}
