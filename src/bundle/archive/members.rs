//! tar → its members in order, each with its full name and, to who asks, its bytes in pieces. Nothing is judged here but
//! whether it is a tar.
//!
//! The `tar` crate knows the fields of a header in all formats. Walking from header to header, and the extensions that
//! carry long names, are ours: the crate's own reader looks for PAX records line by line, where a binary value (an
//! extended attribute of macOS) hides the name after it, and holds a header of any size in memory.

use tar::{EntryType, Header};

use super::error::ArchiveError;
use super::gzip::Inflater;

const BLOCK_BYTES: usize = 512;

/// The largest header that carries names: many times what macOS writes into one.
const MAX_EXTENSION_BYTES: usize = 1024 * 1024;

/// Where a header keeps its checksum; the sum counts these bytes as spaces.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// One member.
#[derive(Debug)]
pub(super) struct Member {
    /// Its name as the archive has it: any bytes.
    pub(super) name: Vec<u8>,
    /// What it is.
    pub(super) entry_type: EntryType,
    /// How many bytes it has.
    pub(super) size: usize,
    /// Whether its bytes stand for a larger file with holes (PAX; GNU's own have an [`EntryType`]).
    pub(super) is_sparse: bool,
}

/// Why a walk ends early.
#[derive(Debug)]
pub(super) enum Broken {
    /// No tar, or a damaged one: why.
    Tar(String),
    /// What holds it.
    Archive(ArchiveError),
}

impl From<&str> for Broken {
    fn from(reason: &str) -> Self {
        Self::Tar(reason.to_owned())
    }
}

impl From<String> for Broken {
    fn from(reason: String) -> Self {
        Self::Tar(reason)
    }
}

impl From<ArchiveError> for Broken {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

/// Walks through a tar.
pub(super) struct Members<'a> {
    tar: Inflater<'a>,
    /// Of the member at hand: bytes, and zeros after them, that nobody has read.
    unread: usize,
    padding: usize,
}

impl<'a> Members<'a> {
    /// At the archive's first header.
    pub(super) fn new(tar: Inflater<'a>) -> Self {
        Self { tar, unread: 0, padding: 0 }
    }

    /// The archive, for who wants to know whether it is sound to its end.
    pub(super) fn into_inner(self) -> Inflater<'a> {
        self.tar
    }

    /// The next member with the names that stand in headers of their own before it; `None` at the archive's end.
    pub(super) fn next(&mut self) -> Result<Option<Member>, Broken> {
        let mut extension = Extension::default();
        while let Some(header) = self.next_header()? {
            match header.entry_type() {
                // Of the whole archive: git's commit, a character set.
                EntryType::XGlobalHeader | EntryType::GNULongLink => {}
                EntryType::GNULongName => extension.read_gnu_name(self.extension()?),
                EntryType::XHeader => {
                    let records = self.extension()?;
                    extension.read_pax(&records)?;
                }
                _ => return Ok(Some(extension.complete(&header, self.unread)?)),
            }
        }
        if extension.is_given { Err("it ends where a file was announced".into()) } else { Ok(None) }
    }

    /// The next piece of the member at hand; empty at its end.
    pub(super) fn read<'b>(&mut self, buffer: &'b mut [u8]) -> Result<&'b [u8], Broken> {
        let room = self.unread.min(buffer.len());
        if room == 0 {
            return Ok(&[]);
        }
        let read = self.tar.read(&mut buffer[..room])?;
        if read == 0 {
            return Err("it ends within a file".into());
        }
        self.unread -= read;
        Ok(&buffer[..read])
    }

    /// The whole member at hand: a header that carries names.
    fn extension(&mut self) -> Result<Vec<u8>, Broken> {
        if self.unread > MAX_EXTENSION_BYTES {
            return Err(format!("a header of {} bytes; at most {MAX_EXTENSION_BYTES} are read", self.unread).into());
        }
        let mut content = Vec::new();
        let mut buffer = [0; BLOCK_BYTES];
        loop {
            match self.read(&mut buffer)? {
                [] => return Ok(content),
                bytes => content.extend_from_slice(bytes),
            }
        }
    }

    /// Over what nobody read of the member at hand.
    pub(super) fn skip(&mut self) -> Result<(), Broken> {
        let mut buffer = [0; 8192];
        while !self.read(&mut buffer)?.is_empty() {}
        self.unread = std::mem::take(&mut self.padding);
        while !self.read(&mut buffer)?.is_empty() {}
        Ok(())
    }

    fn next_header(&mut self) -> Result<Option<Header>, Broken> {
        self.skip()?;
        let mut header = Header::new_old();
        if !self.block(header.as_mut_bytes())? {
            return Ok(None);
        }
        let block = header.as_bytes();
        if block.iter().all(|byte| *byte == 0) {
            return self.zeros().map(|()| None);
        }
        if header.cksum().ok() != Some(checksum_of(block)) {
            return Err("a header's checksum is wrong".into());
        }
        self.unread = size_of(&header)?;
        self.padding = (BLOCK_BYTES - self.unread % BLOCK_BYTES) % BLOCK_BYTES;
        Ok(Some(header))
    }

    /// Whether there is another block, which is then in `block`.
    fn block(&mut self, block: &mut [u8]) -> Result<bool, Broken> {
        let mut filled = 0;
        while filled < block.len() {
            match self.tar.read(&mut block[filled..])? {
                0 if filled == 0 => return Ok(false),
                0 => return Err("it ends within a header".into()),
                read => filled += read,
            }
        }
        Ok(true)
    }

    /// After the end mark there is nothing but padding.
    fn zeros(&mut self) -> Result<(), Broken> {
        let mut buffer = [0; 8192];
        loop {
            match self.tar.read(&mut buffer)? {
                0 => return Ok(()),
                read if buffer[..read].iter().all(|byte| *byte == 0) => {}
                _ => return Err("it goes on after its end mark, as two archives joined".into()),
            }
        }
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
struct Extension {
    is_given: bool,
    name: Option<Vec<u8>>,
    size: Option<Vec<u8>>,
    is_sparse: bool,
}

impl Extension {
    /// Takes in GNU's long name, which ends in a NUL.
    fn read_gnu_name(&mut self, mut content: Vec<u8>) {
        self.is_given = true;
        if content.last() == Some(&0) {
            content.pop();
        }
        self.name = Some(content);
    }

    /// Takes in a PAX header: records of `LENGTH KEY=VALUE\n`, where the length counts itself, and the value is any
    /// bytes.
    fn read_pax(&mut self, mut records: &[u8]) -> Result<(), String> {
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
                b"path" => self.name = Some(value.to_vec()),
                b"size" => self.size = Some(value.to_vec()),
                _ => self.is_sparse |= key.starts_with(b"GNU.sparse."),
            }
            records = &records[length..];
        }
        Ok(())
    }

    /// The member that all this was about.
    fn complete(self, header: &Header, size: usize) -> Result<Member, String> {
        // Two parsers that believe different sizes see different files: nobody needs the record below 8 GiB.
        if self.size.is_some_and(|given| given != size.to_string().as_bytes()) {
            return Err("a file has two different sizes".to_owned());
        }
        let name = self.name.unwrap_or_else(|| header.path_bytes().into_owned());
        Ok(Member { name, entry_type: header.entry_type(), size, is_sparse: self.is_sparse })
    }
}
