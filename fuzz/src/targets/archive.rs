//! Archives of an assembly, and zips of assets: bytes as they are, and archives that are built of the input, since a mutated one fails
//! its checksum.

use std::io::{Cursor, Write};

use flate2::{Compression, write::GzEncoder};
use stackgate_core::bundle::{
    ArchiveError, AssetContent, Caps, Entries, Node, Tree, TreePath, entries_of_zip, write_zip,
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::parts::parts;

/// So small that the inputs of a fuzzer pass them.
const SMALL: Caps = Caps { unpacked_bytes: 16 << 10, entries: 12, ratio: 20, ratio_free_bytes: 4 << 10 };
const BLOCK: usize = 512;

/// Any bytes, or parts: the first is named `tar`, `zip` or `gz` (its content is compressed as it is), and each other one is an entry.
pub fn run(input: &[u8]) {
    let parts = parts(input);
    let built = match parts.split_first() {
        Some(((b"tar", _), entries)) => Some(gz(&tar(entries))),
        Some(((b"zip", _), entries)) => zip(entries),
        Some(((b"gz", content), _)) => Some(gz(&with_checksums(content))),
        _ => None,
    };
    let bytes = built.as_deref().unwrap_or(input);
    read(bytes);
    if let Ok(entries) = entries_of_zip(bytes, &Caps::default()) {
        packs(entries);
    }
}

fn read(bytes: &[u8]) {
    let whole = Tree::read_archive(bytes, &Caps::default());
    match (Tree::read_archive(bytes, &SMALL), &whole) {
        (Ok(tree), _) => {
            assert!(tree.len() <= SMALL.entries);
            let ratio = SMALL.ratio.saturating_mul(bytes.len() as u64).max(SMALL.ratio_free_bytes);
            assert!(unpacked(&tree) <= SMALL.unpacked_bytes.min(ratio));
            assert_eq!(Ok(tree), whole, "a cap never changes what is read");
        }
        (
            Err(
                ArchiveError::TooLarge { .. }
                | ArchiveError::TooManyEntries { .. }
                | ArchiveError::RatioTooHigh { .. },
            ),
            _,
        ) => {}
        (Err(why), Ok(_)) => panic!("read within the larger caps only: {why}"),
        (Err(_), Err(_)) => {}
    }
    let Ok(tree) = whole else { return };
    assert!(tree.get(&path("manifest.json")).is_some());
    well_formed(&tree);
    let mut directories: Vec<TreePath> = tree.iter().map(|(path, _)| path.parent()).collect();
    directories.dedup();
    for directory in directories.into_iter().take(16) {
        if let Ok(entries) = Entries::collect(&tree, &directory, &SMALL) {
            assert!(entries.0.len() <= SMALL.entries);
            packs(entries);
        }
    }
}

fn unpacked(tree: &Tree) -> u64 {
    let size = |node: &Node| match node {
        Node::File(file) => file.bytes().len() as u64,
        Node::Link { .. } => 0,
    };
    tree.iter().map(|(_, node)| size(node)).sum()
}

/// No path leaves the tree, none goes through a file, and every link stays in an asset.
fn well_formed(tree: &Tree) {
    for (path, node) in tree.iter() {
        assert_eq!(TreePath::parse(path.as_str()).as_ref(), Ok(path));
        assert!(path.components().count() > 0 && path.components().all(|c| !matches!(c, "." | "..")));
        let mut directory = path.parent();
        while !directory.is_root() {
            assert!(tree.get(&directory).is_none(), "{path} goes through a file");
            directory = directory.parent();
        }
        if let Node::Link { target } = node {
            assert!(path.asset_directory().is_some() && !target.starts_with('/'), "{path} -> {target}");
        }
    }
}

/// What is written is read, and is the same.
fn packs(entries: Entries) {
    let packed = write_zip(&entries).expect("what was read can be written");
    let caps = Caps { ratio_free_bytes: u64::MAX, ..Caps::default() };
    assert_eq!(entries_of_zip(&packed, &caps).as_ref(), Ok(&entries));
    let content = AssetContent::Directory(entries);
    assert_eq!(content.equals_object(&packed, &Caps::default()), Ok(true));
    assert_eq!(content.object().as_deref(), Ok(&packed[..]), "the same content, the same bytes");
}

fn path(text: &str) -> TreePath {
    TreePath::parse(text).expect("a path")
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes it")
}

/// The type flag, the mode in octal, and the name of an entry: `0 644 manifest.json`.
fn head(head: &[u8]) -> (u8, u32, &[u8]) {
    let mut words = head.splitn(3, |b| *b == b' ');
    let flag = words.next().and_then(|w| w.first()).copied().unwrap_or(b'0');
    let mode = words.next().and_then(|w| u32::from_str_radix(str::from_utf8(w).ok()?, 8).ok());
    (flag, mode.unwrap_or(0o644), words.next().unwrap_or_default())
}

/// A tar with types, modes and names as given, also those that a builder refuses.
pub(super) fn tar(entries: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (entry, content) in entries {
        let (flag, mode, name) = head(entry);
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_entry_type(tar::EntryType::new(flag));
        let old = header.as_old_mut();
        fill(&mut old.name, name);
        let is_link = matches!(flag, b'1' | b'2');
        if is_link {
            fill(&mut old.linkname, content);
        }
        let content = if is_link { &[][..] } else { content };
        header.set_size(content.len() as u64);
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    out.resize(out.len() + 2 * BLOCK, 0);
    out
}

fn fill(field: &mut [u8], text: &[u8]) {
    let length = field.len().min(text.len());
    field[..length].copy_from_slice(&text[..length]);
}

/// The bytes of a tar in which each block that looks like a header has the checksum of one.
pub(super) fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for block in out.chunks_exact_mut(BLOCK) {
        if block[257..].starts_with(b"ustar") {
            let mut header = tar::Header::new_old();
            header.as_mut_bytes().copy_from_slice(block);
            header.set_cksum();
            block.copy_from_slice(header.as_bytes());
        }
    }
    out
}

/// A zip; none where its writer refuses an entry.
fn zip(entries: &[(&[u8], &[u8])]) -> Option<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (entry, content) in entries {
        let (flag, mode, name) = head(entry);
        let name = str::from_utf8(name).ok()?;
        let options = SimpleFileOptions::default().unix_permissions(mode);
        match flag {
            b'2' => zip.add_symlink(name, str::from_utf8(content).ok()?, options).ok()?,
            b'5' => zip.add_directory(name, options).ok()?,
            _ => {
                let method =
                    if flag == b'0' { CompressionMethod::Deflated } else { CompressionMethod::Stored };
                zip.start_file(name, options.compression_method(method)).ok()?;
                zip.write_all(content).ok()?;
            }
        }
    }
    Some(zip.finish().ok()?.into_inner())
}
