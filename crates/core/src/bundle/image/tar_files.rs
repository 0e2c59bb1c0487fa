//! The files of a tar file, where they lie: nothing is unpacked, and nothing is written anywhere.

use std::{cell::RefCell, collections::BTreeMap, io::Cursor, ops::Range, sync::Arc};

use tar::{Archive, EntryType};

use super::{Blob, ImageError, layout::Files};
use crate::{
    bundle::{archive::Caps, path::TreePath},
    words::Digest,
};

/// What compressed files begin with: gzip, zstd, xz, bzip2.
const COMPRESSED: [&[u8]; 4] =
    [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], &[0xfd, b'7', b'z', b'X', b'Z'], b"BZh"];

enum Place {
    File(Range<usize>),
    /// Docker links a layer that is there twice.
    Link(TreePath),
}

/// A tar file.
pub(super) struct TarFiles {
    bytes: Arc<[u8]>,
    places: BTreeMap<TreePath, Place>,
    /// Each file is hashed once, however often it is named.
    digests: RefCell<BTreeMap<usize, Digest>>,
}

impl TarFiles {
    pub(super) fn open(bytes: &Arc<[u8]>) -> Result<Self, ImageError> {
        if COMPRESSED.iter().any(|magic| bytes.starts_with(magic)) {
            return Err(ImageError::Compressed);
        }
        let damaged = |why: &dyn std::fmt::Display| ImageError::malformed("the tar file", why);
        let mut archive = Archive::new(Cursor::new(bytes));
        let mut places = BTreeMap::new();
        let most = Caps::default().entries;
        for (n, entry) in archive.entries_with_seek().map_err(|e| damaged(&e))?.enumerate() {
            if n >= most {
                return Err(ImageError::TooMuch("50,000 files"));
            }
            let entry = entry.map_err(|e| damaged(&e))?;
            let path = || TreePath::parse_bytes(&entry.path_bytes()).map_err(|e| damaged(&e));
            let target =
                || String::from_utf8_lossy(&entry.link_name_bytes().unwrap_or_default()).into_owned();
            let (path, place) = match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => {
                    let place = place(entry.raw_file_position(), entry.size(), bytes.len());
                    (path()?, Place::File(place.ok_or_else(|| damaged(&"it is cut off"))?))
                }
                EntryType::Symlink => {
                    let path = path()?;
                    let to = path.parent().join(&target()).map_err(|e| damaged(&e))?;
                    (path, Place::Link(to))
                }
                EntryType::Link => {
                    (path()?, Place::Link(TreePath::parse(&target()).map_err(|e| damaged(&e))?))
                }
                // Directories, and what no image is made of.
                _ => continue,
            };
            places.insert(path, place);
        }
        Ok(Self { bytes: Arc::clone(bytes), places, digests: RefCell::default() })
    }

    pub(super) fn holds(&self, file: &str) -> bool {
        TreePath::parse(file).is_ok_and(|path| self.places.contains_key(&path))
    }
}

fn place(from: u64, size: u64, all: usize) -> Option<Range<usize>> {
    let from = usize::try_from(from).ok()?;
    let to = from.checked_add(usize::try_from(size).ok()?)?;
    (to <= all).then_some(from..to)
}

impl Files for TarFiles {
    fn get(&self, file: &str) -> Result<Option<Blob>, ImageError> {
        let path = TreePath::parse(file).map_err(|e| ImageError::malformed("the tar file", e))?;
        let place = match self.places.get(&path) {
            Some(Place::File(place)) => place,
            // A link to a link is nothing that Docker writes.
            Some(Place::Link(to)) => match self.places.get(to) {
                Some(Place::File(place)) => place,
                Some(Place::Link(_)) | None => return Ok(None),
            },
            None => return Ok(None),
        };
        let bytes = self.bytes.get(place.clone()).unwrap_or_default();
        let digest = *self.digests.borrow_mut().entry(place.start).or_insert_with(|| Digest::of(bytes));
        Ok(Some(Blob { file: Arc::clone(&self.bytes), place: place.clone(), digest }))
    }
}
