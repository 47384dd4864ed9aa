//! Bundles, written in a test as paths and texts, sent as `tar.gz`.

use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::EntryType;

/// An empty bundle, to be filled.
pub(crate) fn bundle() -> BundleBuilder {
    BundleBuilder::default()
}

/// A `postgresql/` folder in memory.
#[derive(Clone, Default)]
pub(crate) struct BundleBuilder {
    wrapper: Option<String>,
    /// Path and text, in the order in which they go into the archive.
    files: Vec<(String, String)>,
}

impl BundleBuilder {
    /// Adds a file, or replaces the one at that path.
    #[must_use]
    pub(crate) fn file(mut self, path: &str, text: impl Into<String>) -> Self {
        self.files.retain(|(existing, _)| existing != path);
        self.files.push((path.to_owned(), text.into()));
        self
    }

    /// Takes a file away.
    #[must_use]
    pub(crate) fn without(mut self, path: &str) -> Self {
        let before = self.files.len();
        self.files.retain(|(existing, _)| existing != path);
        assert!(self.files.len() < before, "the bundle has no {path}");
        self
    }

    /// Puts everything into one top folder.
    #[must_use]
    pub(crate) fn wrapped_in(mut self, folder: &str) -> Self {
        self.wrapper = Some(folder.to_owned());
        self
    }

    /// The files below `tests/schemas/{name}`, in path order.
    pub(crate) fn of_schema(name: &str) -> Self {
        Self::of_folder(&format!("tests/schemas/{name}"))
    }

    /// The files below `examples/{name}`, in path order.
    pub(crate) fn of_example(name: &str) -> Self {
        Self::of_folder(&format!("examples/{name}"))
    }

    fn of_folder(folder: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut files = Vec::new();
        collect(&root, &root, &mut files);
        files.sort();
        assert!(!files.is_empty(), "{} is empty", root.display());
        Self { wrapper: Some("postgresql".to_owned()), files }
    }

    /// Path and text of every file.
    pub(crate) fn files(&self) -> &[(String, String)] {
        &self.files
    }

    /// The paths below one folder, without it.
    pub(crate) fn names_in(&self, folder: &str) -> Vec<String> {
        let prefix = format!("{folder}/");
        self.files.iter().filter_map(|(path, _)| path.strip_prefix(&prefix)).map(str::to_owned).collect()
    }

    /// The archive.
    pub(crate) fn tar_gz(&self) -> Vec<u8> {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, text) in &self.files {
            let path = match &self.wrapper {
                Some(folder) => format!("{folder}/{path}"),
                None => path.clone(),
            };
            append(&mut tar, &path, EntryType::Regular, text.as_bytes());
        }
        tar.into_inner().and_then(GzEncoder::finish).expect("memory is always writable")
    }
}

/// An archive of entries exactly as told, also those that no tool would write.
pub(crate) fn tar_gz_of(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, kind, bytes) in entries {
        append(&mut tar, path, *kind, bytes);
    }
    tar.into_inner().and_then(GzEncoder::finish).expect("memory is always writable")
}

/// Adds an entry under its name byte for byte: the library would leave out `./` and refuse `..`.
fn append(tar: &mut tar::Builder<GzEncoder<Vec<u8>>>, path: &str, kind: EntryType, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    let is_link = matches!(kind, EntryType::Link | EntryType::Symlink);
    if is_link {
        header.set_link_name(String::from_utf8_lossy(bytes).as_ref()).expect("a short link");
    }
    let content = if is_link { &[][..] } else { bytes };
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    let field = header.as_gnu_mut().map(|header| &mut header.name).expect("a GNU header");
    let written = match field.get_mut(..path.len()) {
        Some(name) => {
            name.copy_from_slice(path.as_bytes());
            header.set_cksum();
            tar.append(&header, content)
        }
        None => tar.append_data(&mut header, path, content),
    };
    written.expect("memory is always writable");
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    let entries = std::fs::read_dir(folder).expect("tests/schemas can be read");
    for entry in entries {
        let path = entry.expect("tests/schemas can be read").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let relative = path.strip_prefix(root).expect("below root").to_str().expect("UTF-8").to_owned();
            files.push((relative, std::fs::read_to_string(&path).expect("a text file")));
        }
    }
}
