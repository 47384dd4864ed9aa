//! A row as it lies in the buffer. No I/O.

/// The body of a DataRow message: a count of 16 bits, then for each column its length in 32 bits, -1 for NULL, and its
/// bytes (PostgreSQL manual, "Message Formats").
#[derive(Clone, Copy)]
pub struct Row<'a>(pub(super) &'a [u8]);

/// A row that ends before its last column: a bug in the server or here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a row is cut off")]
pub struct CutOff;

/// The columns of a row, in their order; `None` is NULL.
pub struct Columns<'a> {
    left: u16,
    bytes: &'a [u8],
}

impl<'a> Row<'a> {
    /// Its columns. One that is cut off has an error for the first that is missing, and no more.
    pub fn columns(self) -> Columns<'a> {
        match self.0.split_first_chunk() {
            Some((count, bytes)) => Columns { left: u16::from_be_bytes(*count), bytes },
            None => Columns { left: 1, bytes: &[] },
        }
    }
}

impl<'a> Row<'a> {
    /// The first column, and the bytes of all others.
    pub(super) fn split_first(self) -> (Option<&'a [u8]>, &'a [u8]) {
        let mut columns = self.columns();
        let first = columns.next().and_then(Result::ok).flatten();
        (first, columns.bytes)
    }
}

impl<'a> Columns<'a> {
    fn column(&mut self) -> Result<Option<&'a [u8]>, CutOff> {
        let (length, rest) = self.bytes.split_first_chunk().ok_or(CutOff)?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            self.bytes = rest;
            return Ok(None);
        };
        let (value, rest) = rest.split_at_checked(length).ok_or(CutOff)?;
        self.bytes = rest;
        Ok(Some(value))
    }
}

impl<'a> Iterator for Columns<'a> {
    type Item = Result<Option<&'a [u8]>, CutOff>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let column = self.column();
        if column.is_err() {
            self.left = 0;
        }
        Some(column)
    }
}

#[cfg(test)]
mod tests {
    use super::{CutOff, Row};

    fn columns(bytes: &[u8]) -> Vec<Result<Option<&[u8]>, CutOff>> {
        Row(bytes).columns().collect()
    }

    #[test]
    fn columns_come_in_order_and_null_is_told_from_empty() {
        let row = [0, 3, 0, 0, 0, 2, b'a', b'b', 255, 255, 255, 255, 0, 0, 0, 0];
        assert_eq!(columns(&row), [Ok(Some(&b"ab"[..])), Ok(None), Ok(Some(&b""[..]))]);
        assert_eq!(columns(&[0, 0]), []);
    }

    #[test]
    fn a_row_that_is_cut_off_says_so_once() {
        let row = [0, 2, 0, 0, 0, 2, b'a', b'b', 0, 0, 0, 9, b'c'];
        assert_eq!(columns(&row), [Ok(Some(&b"ab"[..])), Err(CutOff)]);
        for length in 0..row.len() {
            assert_eq!(columns(&row[..length]).iter().filter(|column| column.is_err()).count(), 1, "{length}");
        }
    }
}
