//! Zips of asset entries: written so that the same entries always give the same bytes, and read back as entries.

use std::io::{Cursor, Write};

use zip::{CompressionMethod, DateTime, System, ZipWriter, result::ZipError, write::SimpleFileOptions};

use super::{
    archive::{ArchiveError, Caps, Meter, read_zip},
    entries::Entries,
    tree::Node,
};

/// Writes the entries as a zip: sorted, dated 1980-01-01, modes 0755 or 0644, deflated.
///
/// # Errors
/// [`ArchiveError`] when the zip format cannot hold them.
pub fn write_zip(entries: &Entries) -> Result<Vec<u8>, ArchiveError> {
    let write = || -> Result<Vec<u8>, ZipError> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, file) in &entries.0 {
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Deflated)
                .compression_level(Some(6))
                .last_modified_time(DateTime::DEFAULT)
                .system(System::Unix)
                .unix_permissions(if file.executable() { 0o755 } else { 0o644 });
            zip.start_file(path.as_str(), options)?;
            zip.write_all(file.bytes())?;
        }
        Ok(zip.finish()?.into_inner())
    };
    write().map_err(|e| ArchiveError::Damaged(e.to_string()))
}

/// Reads a zip of any packer as asset entries; a zip with links is no packing of an asset.
///
/// # Errors
/// [`ArchiveError`] when it is no zip, passes the caps or holds what an asset cannot hold.
pub fn entries_of_zip(bytes: &[u8], caps: &Caps) -> Result<Entries, ArchiveError> {
    let tree = read_zip(bytes, &mut Meter::new(bytes.len(), *caps))?;
    let file = |(path, node): (&_, &Node)| match node {
        Node::File(file) => Ok((super::TreePath::clone(path), file.clone())),
        Node::Link { .. } => {
            Err(ArchiveError::Kind { path: super::TreePath::clone(path), kind: "soft link" })
        }
    };
    tree.iter().map(file).collect::<Result<_, _>>().map(Entries)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_map, prelude::*};

    use super::*;
    use crate::bundle::{entries::AssetContent, path::TreePath, tree::File};

    fn entries() -> impl Strategy<Value = Entries> {
        // Names without a common directory prefix, so that no file is another one's directory.
        let name = "[a-z0-9._é -]{1,8}(/x[a-z]{1,4})?".prop_filter_map("a path", |n| {
            let path = TreePath::parse(&format!("f{n}")).ok()?;
            (path.components().count() == n.matches('/').count() + 1).then_some(path)
        });
        let file = (proptest::collection::vec(any::<u8>(), 0..300), any::<bool>())
            .prop_map(|(bytes, executable)| File::new(bytes, executable));
        btree_map(name, file, 0..8)
            .prop_filter("no file is a directory", |map| {
                map.keys().all(|path| !map.contains_key(&path.parent()))
            })
            .prop_map(Entries)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(entries in entries()) {
            let zip = write_zip(&entries).unwrap();
            prop_assert_eq!(&zip, &write_zip(&entries).unwrap());
            let back = entries_of_zip(&zip, &Caps::default()).unwrap();
            prop_assert_eq!(back.digest(), entries.digest());
            prop_assert_eq!(back, entries);
        }

        #[test]
        fn the_order_of_insertion_does_not_matter(entries in entries()) {
            let backwards = Entries(entries.0.clone().into_iter().rev().collect());
            prop_assert_eq!(backwards.digest(), entries.digest());
            prop_assert_eq!(write_zip(&backwards).unwrap(), write_zip(&entries).unwrap());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(entries_of_zip(&bytes, &Caps::default()));
        }
    }

    #[test]
    fn what_packs_very_well_is_compared_as_well() {
        let zeros = |bytes: usize| {
            Entries([(TreePath::parse("a").unwrap(), File::new(vec![0; bytes], false))].into())
        };
        let ours = AssetContent::Directory(zeros(4 << 20));
        let object = write_zip(&zeros(4 << 20)).unwrap();
        assert!(object.len() * 100 < 4 << 20, "packed a hundred times smaller, and more");
        assert_eq!(ours.equals_object(&object, &Caps::default()), Ok(true));
        let bomb = write_zip(&zeros(9 << 20)).unwrap();
        assert_eq!(
            ours.equals_object(&bomb, &Caps::default()),
            Err(ArchiveError::RatioTooHigh { limit: Caps::default().ratio })
        );
    }

    #[test]
    fn the_execute_bit_and_the_path_count() {
        let of = |path: &str, executable| {
            Entries([(TreePath::parse(path).unwrap(), File::new(*b"x", executable))].into())
        };
        assert_ne!(of("a", false).digest(), of("a", true).digest());
        assert_ne!(of("a", false).digest(), of("b", false).digest());
        let packed = write_zip(&of("a", true)).unwrap();
        assert_eq!(entries_of_zip(&packed, &Caps::default()).unwrap(), of("a", true));
    }
}
