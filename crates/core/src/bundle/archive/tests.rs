//! Hostile and honest archives.

use std::io::Write;

use ::tar::{Builder, EntryType, Header};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::bundle::{entries::Entries, testing::path, tree::File, zip::write_zip};

type Raw<'a> = (&'a [u8], EntryType, u32, &'a [u8]);

/// A tar.gz with names as given, also those that a builder refuses. The last field is the content or the link's target.
fn tar_gz(entries: &[Raw<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, mode, data) in entries {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        let link = matches!(*kind, EntryType::Symlink | EntryType::Link);
        if link {
            header.as_old_mut().linkname[..data.len()].copy_from_slice(data);
        }
        let content: &[u8] = if link { b"" } else { data };
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }
    gz(&builder.into_inner().unwrap())
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const MANIFEST: Raw<'_> = (b"./manifest.json", EntryType::Regular, 0o644, b"{}");

fn read(entries: &[Raw<'_>]) -> Result<Tree, ArchiveError> {
    Tree::read_archive(&tar_gz(entries), &Caps::default())
}

#[test]
fn an_honest_tar_gz_is_read() {
    let tree = read(&[
        (b"./", EntryType::Directory, 0o755, b""),
        MANIFEST,
        (b"./asset.1/", EntryType::Directory, 0o755, b""),
        (b"./asset.1/bin//run", EntryType::Regular, 0o755, b"#!"),
        (b"asset.1/run", EntryType::Symlink, 0o777, b"./bin/../bin/run"),
    ])
    .unwrap();
    assert_eq!(tree.len(), 3);
    assert!(tree.file(&path("asset.1/bin/run")).unwrap().executable());
    assert!(!tree.file(&path("manifest.json")).unwrap().executable());
}

#[test]
fn long_names_are_read() {
    let long = format!("asset.1/{}", "x/".repeat(100) + "end");
    let mut builder = Builder::new(Vec::new());
    for name in ["manifest.json", &long] {
        let mut header = Header::new_gnu();
        header.set_size(1);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &b"x"[..]).unwrap();
    }
    let tree = Tree::read_archive(&gz(&builder.into_inner().unwrap()), &Caps::default()).unwrap();
    assert!(tree.file(&path(&long)).is_some());
}

#[rstest]
#[case::absolute(b"/etc/x", EntryType::Regular, b"")]
#[case::climbs(b"a/../../x", EntryType::Regular, b"")]
#[case::climbs_inside(b"a/../x", EntryType::Regular, b"")]
#[case::backslash(b"a\\x", EntryType::Regular, b"")]
#[case::not_utf8(b"\xff\xfe", EntryType::Regular, b"")]
#[case::directory_climbs(b"../", EntryType::Directory, b"")]
#[case::hard_link(b"a", EntryType::Link, b"manifest.json")]
#[case::device(b"a", EntryType::Char, b"")]
#[case::block(b"a", EntryType::Block, b"")]
#[case::fifo(b"a", EntryType::Fifo, b"")]
#[case::twice(b"manifest.json", EntryType::Regular, b"")]
#[case::below_a_file(b"manifest.json/x", EntryType::Regular, b"")]
#[case::link_to_the_token(b"asset.1/a", EntryType::Symlink, b"/var/run/secrets/token")]
#[case::link_out_of_the_asset(b"asset.1/a/b", EntryType::Symlink, b"../../manifest.json")]
#[case::link_out_and_in(b"asset.1/a", EntryType::Symlink, b"../asset.1/b")]
#[case::link_at_the_root(b"asset.1", EntryType::Symlink, b"asset.2")]
#[case::link_outside_assets(b"src/a", EntryType::Symlink, b"b")]
fn hostile_entries_are_refused(#[case] name: &[u8], #[case] kind: EntryType, #[case] data: &[u8]) {
    assert!(read(&[MANIFEST, (name, kind, 0o644, data)]).is_err());
}

#[test]
fn names_that_differ_in_case_are_two() {
    assert_eq!(read(&[MANIFEST, (b"Manifest.json", EntryType::Regular, 0o644, b"{}")]).unwrap().len(), 2);
}

#[test]
fn a_manifest_elsewhere_is_named() {
    let error = read(&[(b"cdk.out/manifest.json", EntryType::Regular, 0o644, b"{}")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "manifest.json is not at the root of the archive (found it at cdk.out/manifest.json); \
         pack the contents of cdk.out, not the directory"
    );
    let error = Tree::read_archive(&gz(&[0; 1024]), &Caps::default()).unwrap_err();
    assert_eq!(error, ArchiveError::NoManifest { found: None });
}

#[test]
fn what_is_no_archive_is_said_so() {
    for bytes in [&b""[..], b"hello", b"%PDF-1.7"] {
        assert_eq!(Tree::read_archive(bytes, &Caps::default()), Err(ArchiveError::NotAnArchive));
    }
    assert!(matches!(Tree::read_archive(&gz(&[7; 2000]), &Caps::default()), Err(ArchiveError::Damaged(_))));
}

#[test]
fn a_cut_archive_is_damaged() {
    let whole = tar_gz(&[MANIFEST, (b"a", EntryType::Regular, 0o644, b"content")]);
    for end in 2..whole.len() {
        let cut = Tree::read_archive(&whole[..end], &Caps::default());
        assert!(
            matches!(cut, Err(ArchiveError::Damaged(_) | ArchiveError::NoManifest { .. })),
            "{end}: {cut:?}"
        );
    }
}

#[test]
fn caps_stop_a_bomb() {
    let zeros = vec![0; 4 << 20];
    let bomb = tar_gz(&[MANIFEST, (b"a", EntryType::Regular, 0o644, &zeros)]);
    let caps = Caps::default();
    assert_eq!(Tree::read_archive(&bomb, &caps), Err(ArchiveError::RatioTooHigh { limit: 100 }));
    let small = Caps { unpacked_bytes: 1 << 16, ..caps };
    assert_eq!(Tree::read_archive(&bomb, &small), Err(ArchiveError::TooLarge { limit: 1 << 16 }));
    let few = Caps { entries: 1, ..caps };
    assert_eq!(Tree::read_archive(&bomb, &few), Err(ArchiveError::TooManyEntries { limit: 1 }));

    let zip = write_zip(&Entries([(path("manifest.json"), File::new(zeros, false))].into())).unwrap();
    assert_eq!(Tree::read_archive(&zip, &caps), Err(ArchiveError::RatioTooHigh { limit: 100 }));
    assert_eq!(Tree::read_archive(&zip, &small), Err(ArchiveError::TooLarge { limit: 1 << 16 }));
}

fn zip_of(build: impl FnOnce(&mut ::zip::ZipWriter<std::io::Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut zip = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    build(&mut zip);
    zip.finish().unwrap().into_inner()
}

#[test]
fn zips_are_read_by_the_same_rules() {
    let options = ::zip::write::SimpleFileOptions::default();
    let with = |name: &str, link: Option<&str>| {
        let bytes = zip_of(|zip| {
            zip.start_file("manifest.json", options).unwrap();
            zip.write_all(b"{}").unwrap();
            zip.add_directory("asset.1", options).unwrap();
            match link {
                Some(target) => zip.add_symlink(name, target, options).unwrap(),
                None => zip.start_file(name, options.unix_permissions(0o755)).unwrap(),
            }
        });
        Tree::read_archive(&bytes, &Caps::default())
    };
    assert!(with("asset.1/x", None).unwrap().file(&path("asset.1/x")).unwrap().executable());
    assert!(with("asset.1/x", Some("y")).is_ok());
    assert!(with("asset.1/x", Some("/etc/passwd")).is_err());
    assert!(with("asset.1/x", Some("../manifest.json")).is_err());
    assert!(with("../x", None).is_err());
    assert!(with("/x", None).is_err());
    assert!(with("a\\x", None).is_err());
}

#[test]
fn a_zip_with_one_name_twice_is_refused() {
    let options = ::zip::write::SimpleFileOptions::default();
    let mut bytes = zip_of(|zip| {
        for name in ["manifest.json", "manifest.jsoX"] {
            zip.start_file(name, options).unwrap();
        }
    });
    for i in 0..bytes.len() - 13 {
        if &bytes[i..i + 13] == b"manifest.jsoX" {
            bytes[i + 12] = b'n';
        }
    }
    assert!(matches!(Tree::read_archive(&bytes, &Caps::default()), Err(ArchiveError::Damaged(_))));
}

#[test]
fn zip64_is_refused_before_its_counts_are_believed() {
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.extend(b"PK\x06\x07");
    bytes.extend([0xff; 16]);
    bytes.extend(b"PK\x05\x06");
    bytes.extend([0xff; 18]);
    let error = Tree::read_archive(&bytes, &Caps::default()).unwrap_err();
    assert!(error.to_string().contains("zip64"), "{error}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        magic in prop::sample::select(vec![&b""[..], b"\x1f\x8b\x08", b"PK\x03\x04", b"PK\x05\x06"]),
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let all = [magic, &bytes].concat();
        drop(Tree::read_archive(&all, &Caps::default()));
    }

    #[test]
    fn a_tar_with_flipped_bytes_never_panics(flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut builder = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(2);
        header.set_mode(0o644);
        builder.append_data(&mut header, "manifest.json", &b"{}"[..]).unwrap();
        let mut bytes = builder.into_inner().unwrap();
        for (at, value) in flips {
            let at = at.index(512);
            bytes[at] = value;
        }
        drop(Tree::read_archive(&gz(&bytes), &Caps::default()));
    }

    #[test]
    fn a_zip_with_flipped_bytes_never_panics(flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let entries = Entries([(path("manifest.json"), File::new(*b"{}", false))].into());
        let mut bytes = write_zip(&entries).unwrap();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        drop(Tree::read_archive(&bytes, &Caps::default()));
    }

    #[test]
    fn arbitrary_manifests_never_panic(text in "\\PC{0,120}", version in "[0-9.]{0,8}", kind in "(aws:cloudformation:stack|cdk:cloud-assembly|cdk:asset-manifest|x)", properties in "\\PC{0,40}") {
        for manifest in [
            text,
            serde_json::json!({"version": version, "artifacts": {"a": {"type": kind, "properties": {"directoryName": properties, "file": properties, "templateFile": properties}}}}).to_string(),
        ] {
            let tree = crate::bundle::testing::tree([("manifest.json", manifest)]);
            if let Ok(bundle) = crate::bundle::Bundle::open(tree) {
                drop(bundle.stage(None));
            }
        }
    }
}
