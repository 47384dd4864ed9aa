//! tar → its members in order, each with its full name and its bytes. Nothing is judged here but whether it is a tar.
//!
//! The `tar` crate knows the fields of a header in all formats. Walking from header to header, and the extensions that
//! carry long names, are ours: everything is in memory, so a member's bytes are a slice, and the crate's own reader
//! looks for PAX records line by line, where a binary value (an extended attribute of macOS) hides the name after it.

use tar::{EntryType, Header};

const BLOCK_BYTES: usize = 512;

/// Where a header keeps its checksum; the sum counts these bytes as spaces.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// One member.
#[derive(Debug)]
pub(super) struct Member<'a> {
    /// Its name as the archive has it: any bytes.
    pub(super) name: Vec<u8>,
    /// What it is.
    pub(super) entry_type: EntryType,
    /// What it holds.
    pub(super) content: &'a [u8],
    /// Whether its bytes stand for a larger file with holes (PAX; GNU's own have an [`EntryType`]).
    pub(super) is_sparse: bool,
}

/// Walks through a tar.
pub(super) struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Members<'a> {
    /// At the archive's first header.
    pub(super) fn new(tar: &'a [u8]) -> Self {
        Self { rest: tar }
    }

    /// The next member with the names that stand in headers of their own before it; `None` at the archive's end. The
    /// error is the reason why this is no tar, or a damaged one.
    pub(super) fn next(&mut self) -> Result<Option<Member<'a>>, String> {
        let mut extension = Extension::default();
        while let Some((header, content)) = self.next_header()? {
            match header.entry_type() {
                // Of the whole archive: git's commit, a character set.
                EntryType::XGlobalHeader | EntryType::GNULongLink => {}
                EntryType::GNULongName => extension.read_gnu_name(content),
                EntryType::XHeader => extension.read_pax(content)?,
                _ => return extension.complete(header, content).map(Some),
            }
        }
        if extension.is_given { Err("it ends where a file was announced".to_owned()) } else { Ok(None) }
    }

    /// The next header and what follows it.
    fn next_header(&mut self) -> Result<Option<(&'a Header, &'a [u8])>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (block, rest) = self.rest.split_at_checked(BLOCK_BYTES).ok_or("it ends within a header")?;
        if block.iter().all(|byte| *byte == 0) {
            self.rest = &[];
            return match rest.iter().all(|byte| *byte == 0) {
                true => Ok(None),
                false => Err("it goes on after its end mark, as two archives joined".to_owned()),
            };
        }
        let header = Header::from_byte_slice(block);
        if header.cksum().ok() != Some(checksum_of(block)) {
            return Err("a header's checksum is wrong".to_owned());
        }
        let size = size_of(header)?;
        let content = rest.get(..size).ok_or("it ends within a file")?;
        self.rest = rest.get(size.next_multiple_of(BLOCK_BYTES)..).ok_or("it ends within a file")?;
        Ok(Some((header, content)))
    }
}

/// How many bytes follow the header. For what is not a file the field means something else, or nothing.
fn size_of(header: &Header) -> Result<usize, String> {
    match header.entry_type() {
        EntryType::Link
        | EntryType::Symlink
        | EntryType::Char
        | EntryType::Block
        | EntryType::Directory
        | EntryType::Fifo => Ok(0),
        _ => {
            let size = header.entry_size().map_err(|error| error.to_string())?;
            usize::try_from(size).map_err(|_| "a file's size is over what memory holds".to_owned())
        }
    }
}

fn checksum_of(block: &[u8]) -> u32 {
    let counted = |(offset, byte): (usize, &u8)| if CHECKSUM.contains(&offset) { b' ' } else { *byte };
    block.iter().enumerate().map(counted).map(u32::from).sum()
}

/// What stands in headers before a member's own.
#[derive(Default)]
struct Extension<'a> {
    is_given: bool,
    name: Option<&'a [u8]>,
    size: Option<&'a [u8]>,
    is_sparse: bool,
}

impl<'a> Extension<'a> {
    /// Takes in GNU's long name, which ends in a NUL.
    fn read_gnu_name(&mut self, content: &'a [u8]) {
        self.is_given = true;
        self.name = Some(content.strip_suffix(b"\0").unwrap_or(content));
    }

    /// Takes in a PAX header: records of `LENGTH KEY=VALUE\n`, where the length counts itself, and the value is any
    /// bytes.
    fn read_pax(&mut self, mut records: &'a [u8]) -> Result<(), String> {
        self.is_given = true;
        let malformed = "a PAX header is malformed";
        while !records.is_empty() {
            let space = records.iter().position(|byte| *byte == b' ').ok_or(malformed)?;
            let digits = std::str::from_utf8(&records[..space]).map_err(|_| malformed)?;
            let length = digits.parse::<usize>().map_err(|_| malformed)?;
            let record = records.get(space + 1..length).and_then(|record| record.strip_suffix(b"\n"));
            let record = record.ok_or(malformed)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or(malformed)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" => self.name = Some(value),
                b"size" => self.size = Some(value),
                _ => self.is_sparse |= key.starts_with(b"GNU.sparse."),
            }
            records = &records[length..];
        }
        Ok(())
    }

    /// The member that all this was about.
    fn complete(self, header: &Header, content: &'a [u8]) -> Result<Member<'a>, String> {
        // Two parsers that believe different sizes see different files: nobody needs the record below 8 GiB.
        if self.size.is_some_and(|size| size != content.len().to_string().as_bytes()) {
            return Err("a file has two different sizes".to_owned());
        }
        let name = self.name.map_or_else(|| header.path_bytes().into_owned(), <[u8]>::to_vec);
        Ok(Member { name, entry_type: header.entry_type(), content, is_sparse: self.is_sparse })
    }
}
