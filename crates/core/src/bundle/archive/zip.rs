//! zip: read from its central directory, every entry counted as it is unpacked.

use std::io::Cursor;

use zip::{ZipArchive, read::ZipFile, result::ZipError};

use super::{ArchiveError, Meter, insert_link};
use crate::bundle::{
    path::TreePath,
    tree::{File, Node, Tree},
};

const END: &[u8] = b"PK\x05\x06";
const ZIP64_LOCATOR: &[u8] = b"PK\x06\x07";
/// The zip64 locator stands directly before the end record and has this size.
const LOCATOR_BYTES: usize = 20;
/// The longest that locator, end record (22 bytes) and comment can be.
const LAST_BYTES: usize = LOCATOR_BYTES + 22 + 0xffff;

/// The file type in the upper bits of a Unix mode.
const TYPE_MASK: u32 = 0o170_000;

pub(in super::super) fn read(bytes: &[u8], meter: &mut Meter) -> Result<Tree, ArchiveError> {
    // Nothing within the caps needs zip64, and its entry count could make the reader allocate before it reads.
    let zip64 = |window: &[u8]| window.starts_with(ZIP64_LOCATOR) && window.ends_with(END);
    // The end record is the last thing but for a comment; earlier ones belong to archives inside this one.
    let from = bytes.len().saturating_sub(LAST_BYTES);
    let last = bytes.get(from..).unwrap_or_default();
    if last.windows(LOCATOR_BYTES + END.len()).any(zip64) {
        return Err(ArchiveError::Damaged(
            "it is a zip64 archive; pack it as a plain zip or tar.gz".to_owned(),
        ));
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if archive.has_duplicate_names() {
        return Err(ArchiveError::Damaged("two entries have the same name".to_owned()));
    }
    let mut tree = Tree::default();
    for index in 0..archive.len() {
        meter.entry()?;
        add(&mut tree, archive.by_index(index).map_err(damaged)?, meter)?;
    }
    Ok(tree)
}

fn damaged(e: ZipError) -> ArchiveError {
    ArchiveError::Damaged(e.to_string())
}

fn add(tree: &mut Tree, entry: ZipFile<'_, Cursor<&[u8]>>, meter: &mut Meter) -> Result<(), ArchiveError> {
    let name = entry.name_raw().to_vec();
    let path = TreePath::parse_bytes(&name)?;
    let mode = entry.unix_mode().unwrap_or_default();
    let directory = name.ends_with(b"/");
    match mode & TYPE_MASK {
        0 | 0o040_000 if directory => Ok(()),
        0 | 0o100_000 if !directory => {
            let bytes = meter.read(entry)?;
            Ok(tree.insert(path, Node::File(File::new(bytes, mode & 0o111 != 0)))?)
        }
        0o120_000 if !directory => {
            let target = meter.read(entry)?;
            insert_link(tree, path, &target)
        }
        _ => Err(ArchiveError::Kind { path, kind: "zip entry of an unknown type" }),
    }
}
