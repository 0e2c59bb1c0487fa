//! What is taken for an image, what of it goes where, and what is refused.

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    testing::{CONFIG, Files, IMAGE, INDEX, LAYER, config},
    *,
};
use crate::bundle::{Node, TreePath};

const LAYERS: [&str; 2] = ["one layer", "another layer"];

fn layout(files: Files) -> Result<CarriedImage, ImageError> {
    let mut tree = Tree::default();
    files.into_tree(&mut tree, "asset.f00");
    read(&tree, &ImageSource::Layout(TreePath::parse("asset.f00").unwrap()))
}

fn tarball(bytes: Vec<u8>) -> Result<CarriedImage, ImageError> {
    let mut tree = Tree::default();
    let path = TreePath::parse("asset.f00.tar").unwrap();
    tree.insert(path.clone(), Node::File(File::new(bytes, false))).unwrap();
    read(&tree, &ImageSource::Tarball(path))
}

fn digests(image: &CarriedImage) -> Vec<Digest> {
    image.blobs().iter().map(Blob::digest).collect()
}

fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Digest> {
    let mut digests: Vec<Digest> = texts.into_iter().map(Digest::of).collect();
    digests.sort();
    digests
}

#[test]
fn a_layout_is_copied_as_it_is() {
    let mut files = Files::default();
    let manifest = files.manifest(&LAYERS);
    let image = layout(Files::layout(&LAYERS)).unwrap();
    assert_eq!(&*image.top().text, manifest.to_string());
    assert_eq!(image.digest(), Digest::of(manifest.to_string()));
    assert_eq!(image.top().kind, ManifestKind::Image);
    assert!(image.parts().is_empty());
    assert_eq!(digests(&image), of([LAYERS[0], LAYERS[1], &config(&LAYERS)]));
    assert!(image.blobs().iter().all(|blob| Digest::of(blob.bytes()) == blob.digest()));
}

#[test]
fn an_index_is_copied_with_all_its_images() {
    let mut files = Files::default();
    let (arm, amd) = (files.image(&["arm"]), files.image(&["amd"]));
    // What buildx attests is an image of its own.
    let config = files.blob(CONFIG, b"{}");
    let said = files.blob("application/vnd.in-toto+json", b"{\"said\":1}");
    let attested = json!({"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": [said]});
    let attested = files.document(IMAGE, &attested);
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [arm, amd, attested, arm]});
    let entry = files.document(INDEX, &index);
    files.names(&json!([entry]));
    let image = layout(files).unwrap();
    assert_eq!((image.top().kind, &*image.top().text), (ManifestKind::Index, &*index.to_string()));
    let parts: Vec<String> = image.parts().iter().map(|p| p.digest.to_string()).collect();
    let named = [arm, amd, attested].map(|d| d["digest"].as_str().unwrap().to_owned());
    assert_eq!(parts, named, "each once");
    assert_eq!(image.blobs().len(), 6);
}

#[test]
fn one_image_under_two_names_is_one_image() {
    let mut files = Files::default();
    let image = files.image(&LAYERS);
    let named = |name: &str| {
        let mut image = image.clone();
        image["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        image
    };
    let two = json!([named("app:1"), named("app:latest")]);
    files.names(&two);
    assert_eq!(layout(files.clone()), layout(Files::layout(&LAYERS)));
    let another = files.image(&["other"]);
    files.names(&json!([image, another]));
    assert_eq!(layout(files.clone()), Err(ImageError::NotOne { found: 2 }));
    files.names(&json!([]));
    assert_eq!(layout(files), Err(ImageError::NotOne { found: 0 }));
}

/// Puts another manifest in the place of the only one.
fn with_manifest(files: &mut Files, media_type: &str, change: impl FnOnce(&mut Value)) {
    let mut manifest = files.manifest(&LAYERS);
    change(&mut manifest);
    let entry = files.document(media_type, &manifest);
    files.names(&json!([entry]));
}

fn blob_path(text: &str) -> String {
    format!("blobs/sha256/{}", Digest::of(text).hex())
}

type Spoil = fn(&mut Files);

#[rstest]
#[case::a_blob_is_missing(|f: &mut Files| { f.0.remove(&blob_path(LAYERS[0])); }, "is not in it: export the whole image")]
#[case::a_blob_of_another_size(|f: &mut Files| { f.0.insert(blob_path(LAYERS[0]), b"short".to_vec()); }, "its size is another")]
#[case::a_blob_of_other_bytes(|f: &mut Files| { f.0.insert(blob_path(LAYERS[0]), b"one lawyer".to_vec()[..9].to_vec()); }, "its digest is another")]
#[case::a_config_of_other_bytes(
    |f: &mut Files| { let c = config(&LAYERS); f.0.insert(blob_path(&c), c.replace("arm64", "amd64").into_bytes()); },
    "its digest is another"
)]
#[case::an_empty_layer(|f: &mut Files| { f.blob(LAYER, b""); with_manifest(f, IMAGE, |m| {
    m["layers"][0]["digest"] = json!(Digest::of("").to_string()); m["layers"][0]["size"] = json!(0);
}); }, "it is empty")]
#[case::urls(|f: &mut Files| with_manifest(f, IMAGE, |m| m["layers"][0]["urls"] = json!(["https://evil"])), "lies elsewhere")]
#[case::urls_of_the_manifest(
    |f: &mut Files| { let mut e = f.image(&LAYERS); e["urls"] = json!(["https://evil"]); f.names(&json!([e])); },
    "lies elsewhere"
)]
#[case::a_foreign_layer(
    |f: &mut Files| with_manifest(f, IMAGE, |m| m["layers"][0]["mediaType"] = json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")),
    "foreign layer"
)]
#[case::a_layer_of_another_type(
    |f: &mut Files| with_manifest(f, IMAGE, |m| m["layers"][0]["mediaType"] = json!("application/x-evil")),
    "a layer has media type \"application/x-evil\""
)]
#[case::a_config_of_another_type(
    |f: &mut Files| with_manifest(f, IMAGE, |m| m["config"]["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json")),
    "its config has media type"
)]
#[case::another_manifest(
    |f: &mut Files| with_manifest(f, "application/vnd.docker.distribution.manifest.v1+json", |m| m["mediaType"] = json!(null)),
    "a manifest of it has media type"
)]
#[case::it_says_that_it_is_another(|f: &mut Files| with_manifest(f, IMAGE, |m| m["mediaType"] = json!(INDEX)), "its mediaType is")]
#[case::dockers_does_not_say_what_it_is(
    |f: &mut Files| with_manifest(f, ManifestKind::DockerImage.media_type(), |m| { m.as_object_mut().unwrap().remove("mediaType"); }),
    "its mediaType is \"missing\""
)]
#[case::two_meanings(|f: &mut Files| with_manifest(f, IMAGE, |m| m["manifests"] = json!([])), "it is no manifest of one image")]
#[case::no_layers(|f: &mut Files| with_manifest(f, IMAGE, |m| { m.as_object_mut().unwrap().remove("layers"); }), "it is no manifest of one image")]
#[case::an_index_in_an_index(|f: &mut Files| {
    let inner = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []});
    let inner = f.document(INDEX, &inner);
    let outer = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [inner]});
    let outer = f.document(INDEX, &outer);
    f.names(&json!([outer]));
}, "an image of its index has media type")]
#[case::an_empty_index(|f: &mut Files| {
    let index = f.document(INDEX, &json!({"schemaVersion": 2, "manifests": []}));
    f.names(&json!([index]));
}, "it holds 0 images")]
#[case::another_digest(
    |f: &mut Files| with_manifest(f, IMAGE, |m| m["layers"][0]["digest"] = json!(format!("sha512:{}", "a".repeat(128)))),
    "digest \"sha512:"
)]
#[case::a_path_for_a_digest(
    |f: &mut Files| with_manifest(f, IMAGE, |m| m["layers"][0]["digest"] = json!("sha256:../../../manifest.json")),
    "is not valid"
)]
#[case::another_schema(|f: &mut Files| with_manifest(f, IMAGE, |m| m["schemaVersion"] = json!(1)), "its schemaVersion is not 2")]
#[case::too_many_layers(
    |f: &mut Files| with_manifest(f, IMAGE, |m| m["layers"] = json!(vec![m["layers"][0].clone(); 129])),
    "it has more than 128 layers"
)]
#[case::too_many_images(|f: &mut Files| {
    let image = f.image(&LAYERS);
    let index = f.document(INDEX, &json!({"schemaVersion": 2, "manifests": vec![image; 65]}));
    f.names(&json!([index]));
}, "more than 64 images")]
#[case::a_manifest_that_is_too_large(
    |f: &mut Files| with_manifest(f, IMAGE, |m| m["annotations"] = json!({"a": "a".repeat(4 << 20)})),
    "more than 4 MiB"
)]
#[case::a_key_given_twice(
    |f: &mut Files| { let e = f.blob(IMAGE, br#"{"schemaVersion":2,"schemaVersion":2}"#); f.names(&json!([e])); },
    "is there twice"
)]
#[case::another_layout(|f: &mut Files| f.json("oci-layout", &json!({"imageLayoutVersion": "2.0.0"})), "version \"2.0.0\" is not known")]
#[case::no_index(|f: &mut Files| f.json("index.json", &json!([])), "index.json cannot be read")]
#[case::an_image_for_an_index(|f: &mut Files| { let m = f.manifest(&LAYERS); f.json("index.json", &m); }, "its mediaType is")]
fn what_is_no_whole_image_is_refused(#[case] spoil: Spoil, #[case] words: &str) {
    let mut files = Files::layout(&LAYERS);
    spoil(&mut files);
    let error = layout(files).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

fn packed(text: &str) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn a_list_of_layers_becomes_a_manifest_and_its_config_stays() {
    let image = tarball(Files::saved(&LAYERS).tar()).unwrap();
    let descriptor = |media_type: &str, text: &str| json!({"mediaType": media_type, "digest": Digest::of(text).to_string(), "size": text.len()});
    let manifest: Value = serde_json::from_str(&image.top().text).unwrap();
    assert_eq!(
        manifest,
        json!({"schemaVersion": 2, "mediaType": IMAGE, "config": descriptor(CONFIG, &config(&LAYERS)),
            "layers": [descriptor(LAYER, LAYERS[0]), descriptor(LAYER, LAYERS[1])]})
    );
    assert_eq!(digests(&image), of([LAYERS[0], LAYERS[1], &config(&LAYERS)]));
    // What is pushed names the image for ever: the same list has to give the same text in every version.
    assert_eq!(image.digest().hex(), "ef70e9a17cd7a451b9d581ff3c22592240b5141674aafe468590ee079cfdf594");
}

#[test]
fn packed_layers_stay_as_they_are() {
    let mut files = Files::saved(&LAYERS);
    files.0.insert("1/layer.tar".to_owned(), packed(LAYERS[1]));
    let image = tarball(files.tar()).unwrap();
    let manifest: Value = serde_json::from_str(&image.top().text).unwrap();
    assert_eq!(manifest["layers"][1]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    assert_eq!(manifest["layers"][1]["digest"], Digest::of(packed(LAYERS[1])).to_string());
}

#[test]
fn a_layer_that_is_there_twice_may_be_a_link() {
    let twice = ["the same", "the same"];
    let mut files = Files::saved(&twice);
    files.0.remove("1/layer.tar");
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    tar.append_link(&mut header, "1/layer.tar", "../0/layer.tar").unwrap();
    let mut bytes = tar.into_inner().unwrap();
    // Without the two empty blocks that end a tar file.
    bytes.truncate(512);
    bytes.extend(files.tar());
    assert_eq!(tarball(bytes).unwrap(), tarball(Files::saved(&twice).tar()).unwrap());
}

#[test]
fn a_tar_file_that_is_a_layout_is_read_as_one() {
    let mut both = Files::layout(&LAYERS);
    both.0.extend(Files::saved(&["something else"]).0);
    let image = layout(Files::layout(&LAYERS)).unwrap();
    assert_eq!(tarball(both.tar()).unwrap(), image);
    assert_eq!(tarball(Files::layout(&LAYERS).tar()).unwrap(), image, "buildx writes no list");
}

#[test]
fn of_an_index_that_was_saved_in_part_the_list_tells_what_is_there() {
    let mut files = Files::default();
    let (here, elsewhere) = (files.image(&LAYERS), files.image(&["not saved"]));
    let path = elsewhere["digest"].as_str().unwrap().replace("sha256:", "blobs/sha256/");
    files.0.remove(&path);
    let index = files.document(INDEX, &json!({"schemaVersion": 2, "manifests": [here, elsewhere]}));
    files.names(&json!([index]));
    assert_eq!(tarball(files.tar()), Err(ImageError::Missing { file: path }));
    files.0.extend(Files::saved(&LAYERS).0);
    assert_eq!(tarball(files.tar()).unwrap(), tarball(Files::saved(&LAYERS).tar()).unwrap());
}

#[rstest]
#[case::a_layer_of_other_bytes(|f: &mut Files| { f.0.insert("0/layer.tar".to_owned(), b"other".to_vec()); }, "its digest is not that of the config")]
#[case::a_layer_is_missing(|f: &mut Files| { f.0.remove("0/layer.tar"); }, "0/layer.tar is not in it")]
#[case::no_config(|f: &mut Files| { f.0.remove("c0f1.json"); }, "c0f1.json is not in it")]
#[case::one_layer_less(
    |f: &mut Files| f.json("manifest.json", &json!([{"Config": "c0f1.json", "Layers": ["0/layer.tar"]}])),
    "another number of layers"
)]
#[case::two_images(
    |f: &mut Files| { let one = json!({"Config": "c0f1.json", "Layers": []}); f.json("manifest.json", &json!([one, one])); },
    "it holds 2 images"
)]
#[case::no_list(|f: &mut Files| { f.0.remove("manifest.json"); }, "manifest.json is not in it")]
#[case::a_config_that_names_no_layers(|f: &mut Files| f.json("c0f1.json", &json!({})), "c0f1.json cannot be read")]
#[case::a_path_that_leads_out(
    |f: &mut Files| f.json("manifest.json", &json!([{"Config": "../../etc/passwd", "Layers": []}])),
    "holds '..'"
)]
#[case::too_many_layers(
    |f: &mut Files| f.json("manifest.json", &json!([{"Config": "c0f1.json", "Layers": vec!["0/layer.tar"; 129]}])),
    "more than 128 layers"
)]
fn a_list_that_does_not_hold_is_refused(#[case] spoil: Spoil, #[case] words: &str) {
    let mut files = Files::saved(&LAYERS);
    spoil(&mut files);
    let error = tarball(files.tar()).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

#[test]
fn what_is_no_tar_file_is_refused() {
    assert_eq!(tarball(packed("a tar file")), Err(ImageError::Compressed));
    let mut cut = Files::saved(&LAYERS).tar();
    cut.truncate(700);
    for bytes in [b"not a tar file at all, though it is longer than a header of 512 bytes".repeat(10), cut] {
        let error = tarball(bytes).unwrap_err();
        assert!(matches!(error, ImageError::Malformed { .. } | ImageError::Missing { .. }), "{error}");
    }
}

#[test]
fn whoever_pushed_the_same_image_packed_it_in_their_own_way() {
    let image = tarball(Files::saved(&LAYERS).tar()).unwrap();
    assert!(image.is_stored_as(&image.top().text));
    let mut theirs: Value = serde_json::from_str(&image.top().text).unwrap();
    theirs["mediaType"] = json!(ManifestKind::DockerImage.media_type());
    theirs["layers"] = json!([]);
    assert!(image.is_stored_as(&theirs.to_string()), "of the same config");
    theirs["config"]["digest"] = json!(Digest::of("another config").to_string());
    assert!(!image.is_stored_as(&theirs.to_string()));
    assert!(!image.is_stored_as("{}"));
    assert!(!image.is_stored_as("no JSON"));
}

/// Every blob is what its digest says, and nothing that a manifest names was left out.
fn is_whole(image: &CarriedImage) -> bool {
    let manifests = image.parts().iter().chain([image.top()]);
    let named = manifests.filter_map(|m| {
        let json: Value = serde_json::from_str(&m.text).ok()?;
        let layers = json["layers"].as_array().cloned().unwrap_or_default();
        Some(layers.into_iter().chain([json["config"].clone()]).collect::<Vec<_>>())
    });
    let known = digests(image);
    image.blobs().iter().all(|blob| Digest::of(blob.bytes()) == blob.digest())
        && named
            .flatten()
            .filter_map(|d| d["digest"].as_str()?.parse().ok())
            .all(|d: Digest| known.contains(&d))
}

proptest! {
    #[test]
    fn a_changed_byte_makes_no_other_image_of_the_same_digest(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut files = Files::layout(&LAYERS);
        files.0.extend(Files::saved(&LAYERS).0);
        let mut bytes = files.tar();
        let good = tarball(bytes.clone()).unwrap();
        bytes[at.index(files.tar().len())] = to;
        if let Ok(image) = tarball(bytes) {
            prop_assert!(is_whole(&image));
            prop_assert!(image != good || digests(&image) == digests(&good));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        drop(tarball(bytes));
    }
}
