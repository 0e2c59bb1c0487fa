//! Images that an assembly carries: where they are found, and that what they hold is part of what is approved.

use std::{collections::BTreeMap, sync::Arc};

use rstest::rstest;
use serde_json::{Value, json};

use super::{
    image::testing::Files,
    testing::{app_with, path, tree},
    *,
};
use crate::{
    change::{Given, HmacKey, StackInput},
    words::{Digest, Qualifier, ToolkitNames},
};

const DATA: &str = "assembly-Prod/ProdData.assets.json";
const WEB: &str = "assembly-Prod/ProdWeb.assets.json";
const TAR: &str = "asset.f00.tar";

fn image_asset(source: &Value) -> Value {
    json!({"displayName": "Prod/Data/Image", "source": source, "destinations": {"here": {
        "repositoryName": "cdk-acme-container-assets-333333333333-ap-southeast-2", "imageTag": "f00",
        "region": "ap-southeast-2"}}})
}

/// The command that the CDK has a tar file loaded by.
fn loads(file: &str) -> Value {
    let line = r#"docker load -i "$1" | tail -n 1 | sed "s/Loaded image[^:]*: //g""#;
    json!({"executable": ["sh", "-c", line, "cdk-tarball-image-asset", file]})
}

/// The app, whose stack Data has an image with this source.
fn app(source: &Value) -> Tree {
    tree(app_with(DATA, |json| json["dockerImages"] = json!({"f00": image_asset(source)})))
}

fn file(tree: &mut Tree, at: &str, bytes: Vec<u8>) {
    tree.insert(path(at), Node::File(File::new(bytes, false))).unwrap();
}

fn with_tar(at: &str, layers: &[&str]) -> Tree {
    let mut tree = app(&loads(TAR));
    file(&mut tree, at, Files::saved(layers).tar());
    tree
}

fn with_layout(layers: &[&str]) -> Tree {
    let mut tree = app(&json!({"directory": "../asset.f00"}));
    Files::layout(layers).into_tree(&mut tree, "asset.f00");
    file(&mut tree, "asset.f00/Dockerfile", b"FROM scratch".to_vec());
    tree
}

/// The stack Data, with an image of these layers, or one that the assembly does not carry.
pub(crate) fn stack(layers: Option<&[&str]>) -> Arc<StackArtifact> {
    let tree = layers.map_or_else(|| app(&loads(TAR)), |layers| with_tar(TAR, layers));
    Arc::clone(&opened(tree).unwrap().stacks[0])
}

fn opened(tree: Tree) -> Result<CdkStage, BundleError> {
    Bundle::open(tree).unwrap().stage(Some("Prod")).cloned()
}

fn carried(tree: Tree) -> Option<Digest> {
    let stage = opened(tree).unwrap();
    let [image] = stage.stacks[0].assets.images.as_slice() else { panic!("one image") };
    assert_eq!(image.destination.tag, "f00");
    image.carried.as_ref().map(|image| image.digest())
}

#[test]
fn a_tar_file_is_found_beside_the_manifest_or_at_the_root() {
    let image = carried(with_tar(TAR, &["a"]));
    assert!(image.is_some(), "in a CDK Stage its path is that from the root");
    assert_eq!(carried(with_tar("assembly-Prod/asset.f00.tar", &["a"])), image);
    let mut both = with_tar(TAR, &["at the root"]);
    file(&mut both, "assembly-Prod/asset.f00.tar", Files::saved(&["a"]).tar());
    assert_eq!(carried(both), image, "where the command would be run");
}

#[test]
fn a_directory_is_an_image_where_it_holds_a_layout() {
    assert!(carried(with_layout(&["a"])).is_some());
}

#[rstest]
#[case::a_dockerfile(&json!({"directory": "../asset.c0de"}))]
#[case::a_directory_that_is_not_there(&json!({"directory": "../asset.beef"}))]
#[case::a_tar_file_that_is_not_there(&loads("asset.beef.tar"))]
#[case::a_tar_file_outside(&loads("../../../etc/passwd"))]
fn what_is_not_carried_somebody_else_pushes(#[case] source: &Value) {
    assert_eq!(carried(app(source)), None);
}

#[test]
fn other_commands_are_refused() {
    let error = opened(app(&json!({"executable": ["sh", "-c", "docker load -i a.tar; id"]}))).unwrap_err();
    assert!(matches!(error, BundleError::ExecutableAsset { .. }), "{error}");
}

#[test]
fn an_image_that_cannot_be_copied_is_told() {
    let mut tree = app(&loads(TAR));
    file(&mut tree, TAR, b"no image".to_vec());
    let error = opened(tree).unwrap_err().to_string();
    assert!(error.starts_with("image asset Prod/Data/Image, asset.f00.tar: "), "{error}");
}

#[test]
fn no_more_images_are_read_than_an_assembly_may_carry() {
    let tars: Vec<String> = (0..501).map(|n| format!("{n:03}.tar")).collect();
    let images: serde_json::Map<_, _> =
        tars.iter().map(|tar| (tar.clone(), image_asset(&loads(tar)))).collect();
    let mut tree = tree(app_with(DATA, |json| json["dockerImages"] = images.into()));
    for tar in &tars {
        file(&mut tree, tar, Files::saved(&["a"]).tar());
    }
    let error = opened(tree).unwrap_err().to_string();
    assert!(error.contains("500.tar: the assembly carries more than 500 images"), "{error}");
}

#[test]
fn one_tag_has_one_image() {
    let two = |other: &str| {
        let mut files =
            app_with(DATA, |json| json["dockerImages"] = json!({"f00": image_asset(&loads(TAR))}));
        let (_, web) = files.iter_mut().find(|(name, _)| *name == WEB).unwrap();
        let mut json: Value = serde_json::from_str(web).unwrap();
        json["dockerImages"] = json!({"f00": image_asset(&loads("asset.ba5.tar"))});
        *web = json.to_string();
        let mut tree = tree(files);
        file(&mut tree, TAR, Files::saved(&["a"]).tar());
        file(&mut tree, "asset.ba5.tar", Files::saved(&[other]).tar());
        opened(tree).map(drop)
    };
    assert_eq!(two("a"), Ok(()));
    let error = two("b").unwrap_err().to_string();
    assert!(error.contains("another image for tag f00"), "{error}");
}

/// The release, and the input of the stack with the image.
fn ids(tree: Tree) -> (Digest, Digest) {
    let bundle = Bundle::open(tree).unwrap();
    let stack = &bundle.stage(Some("Prod")).unwrap().stacks[0];
    let acme: Qualifier = "acme".parse().unwrap();
    let names = ToolkitNames { qualifier: acme, env: stack.env.clone() };
    let input = StackInput::of(stack, &names, &Given::default(), &HmacKey::new([7; 32]));
    (bundle.release(), input.digest())
}

#[test]
fn another_image_under_the_same_tag_is_another_release_and_another_change() {
    for of in [|layers: &[&str]| with_tar(TAR, layers), with_layout] {
        let (one, same, other) = (ids(of(&["a"])), ids(of(&["a"])), ids(of(&["b"])));
        assert_eq!(one, same);
        assert_ne!(one.0, other.0);
        assert_ne!(one.1, other.1);
    }
    // However it is carried, an image is what its manifest says; without one the tag is all that is known.
    let without: BTreeMap<String, Digest> =
        [("tar", loads(TAR)), ("dir", json!({"directory": "../asset.f00"}))]
            .map(|(what, source)| (what.to_owned(), ids(app(&source)).1))
            .into();
    assert_eq!(without["tar"], without["dir"]);
    assert_ne!(without["tar"], ids(with_tar(TAR, &["a"])).1);
}
