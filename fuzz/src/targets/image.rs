//! Images that an assembly carries, as a directory and as a tar file. Everything in an image names other things by digest, and a mutated one
//! would fail there, so the digests are put in last.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use stackgate_core::{
    bundle::{Bundle, CarriedImage, Tree, TreePath},
    words::Digest,
};

use super::{
    archive::{tar, with_checksums},
    assembly,
    parts::parts,
};

const APP: &[u8] = include_bytes!("app.txt");
const DIRECTORY: &str = r#"{"directory": "../asset.1mage"}"#;
const TARBALL: &str = r#"{"executable": ["sh", "-c", "docker load -i \"$1\" | tail -n 1 | sed \"s/Loaded image[^:]*: //g\"", "cdk-tarball-image-asset", "asset.1mage.tar"]}"#;

/// Parts are files. One named `blob:<name>` lies where its digest says; `@<name>` stands for the digest of one before, and `"@size:<name>"`
/// for its size. Whatever else the input is, it is read as a tar file, too.
pub fn run(input: &[u8]) {
    let files = files(input);
    let in_directory = image(
        DIRECTORY,
        files.iter().map(|(name, content)| (format!("asset.1mage/{name}"), content.as_slice())),
    );
    let heads: Vec<(Vec<u8>, &[u8])> = files
        .iter()
        .map(|(name, content)| (format!("0 644 {name}").into_bytes(), content.as_slice()))
        .collect();
    let entries: Vec<(&[u8], &[u8])> =
        heads.iter().map(|(head, content)| (head.as_slice(), *content)).collect();
    let packed = tar(&entries);
    let in_tar = image(TARBALL, [("asset.1mage.tar".to_owned(), packed.as_slice())]);
    if files.contains_key("oci-layout") && files.contains_key("index.json") {
        assert_eq!(in_directory, in_tar, "a layout is the same image, packed or not");
    }
    image(TARBALL, [("asset.1mage.tar".to_owned(), with_checksums(input).as_slice())]);
}

fn files(input: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut known: Vec<(&str, String, String)> = Vec::new();
    for (name, content) in parts(input) {
        let (Ok(name), Ok(text)) = (str::from_utf8(name), str::from_utf8(content)) else { continue };
        let mut text = text.to_owned();
        for (other, digest, size) in &known {
            text = text.replace(&format!("\"@size:{other}\""), size).replace(&format!("@{other}"), digest);
        }
        let blob = name.strip_prefix("blob:").filter(|name| !name.is_empty());
        let digest = Digest::of(&text);
        let path = blob.map_or_else(|| name.to_owned(), |_| format!("blobs/sha256/{}", digest.hex()));
        if let Some(blob) = blob {
            known.push((blob, digest.to_string(), text.len().to_string()));
        }
        // A tar header holds 100 bytes of a name, and its reader takes `a/` for a directory.
        let is_path = TreePath::parse(&path).is_ok_and(|parsed| parsed.as_str() == path);
        if is_path && (1..=100).contains(&path.len()) {
            files.entry(path).or_insert_with(|| text.into_bytes());
        }
    }
    files
}

/// The image that an assembly carries with these files.
fn image<'a>(source: &str, files: impl IntoIterator<Item = (String, &'a [u8])>) -> Option<Arc<CarriedImage>> {
    let app = String::from_utf8_lossy(APP).replace(DIRECTORY, source);
    let others: Vec<(String, &[u8])> = files.into_iter().collect();
    let mut all: Vec<(&[u8], &[u8])> =
        others.iter().map(|(name, content)| (name.as_bytes(), *content)).collect();
    all.extend(parts(app.as_bytes()));
    let tree: Tree = assembly::tree(all);
    assembly::check(tree.clone());
    let bundle = Bundle::open(tree).expect("an image that cannot be read is said of its stack");
    let stage = bundle.stage(Some("Prod")).ok()?;
    let image =
        stage.stacks.iter().flat_map(|stack| &stack.assets.images).find_map(|image| image.carried.clone())?;
    assert_eq!(Digest::of(image.top().text.as_bytes()), image.digest());
    for manifest in image.parts().iter().chain([image.top()]) {
        let document: Value = serde_json::from_str(&manifest.text).expect("a manifest is JSON");
        let named = document
            .get("layers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .chain(document.get("config"));
        for descriptor in named {
            let digest = descriptor.get("digest").and_then(Value::as_str);
            let there = |text| image.blobs().iter().any(|blob| blob.digest().to_string() == text);
            assert!(digest.is_some_and(there), "a blob that the manifest names is not there");
        }
    }
    Some(image)
}
