//! Container images: awaited, or copied where the assembly carries them.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::{
    repository,
    scenario::{
        Case, CdkOut, Expected, Kind, LONG, QUALIFIER, REGION, SHOP, SavedImage, World, apps, image_asset,
    },
    target_dir,
};

use super::world;

const TAG: &str = "0f4c1e8d";

const fn stage(reason: &'static str, says: &'static str) -> Expected {
    Expected { kind: Kind::Stage, condition: "Stalled", reason, says }
}

fn images_of(case: &Case) -> String {
    format!("cdk-{QUALIFIER}-container-assets-{}-{REGION}", case.account)
}

/// Gives a stack of the example an image.
fn with_image(case: &mut Case, source: &Value) -> Result<()> {
    let asset = image_asset("Dev/Store/Worker", &case.account, TAG, source);
    let assets = case.assembly.path_of("DevStore", ".assets.json")?;
    case.assembly.edit(&assets, |manifest| manifest["dockerImages"][TAG] = asset)
}

/// The manifest under a tag, if there is one.
fn manifest(world: &World, case: &Case, tag: &str) -> Result<Option<Value>> {
    let ask = json!({ "repositoryName": images_of(case), "imageIds": [{ "imageTag": tag }] });
    let reply = world.aws.call(&case.account, "ecr", "BatchGetImage", &ask)?;
    let text = reply["images"][0]["imageManifest"].as_str();
    text.map(|text| serde_json::from_str(text).context("a manifest that is no JSON")).transpose()
}

#[test]
fn an_image_that_nobody_has_pushed_is_told_and_awaited() -> Result<()> {
    let world = world()?;
    let mut case = Case::new(world, "no-image")?;
    with_image(&mut case, &json!({ "directory": "asset.worker" }))?;
    case.start(world)?;
    case.shows(
        world,
        &stage("ImageMissing", "image Dev/Store/Worker is not in repository cdk-acme-container-assets-"),
    )?;
    let image = json!({ "repositoryName": images_of(&case), "imageTag": TAG, "imageManifest": "{}" });
    world.aws.call(&case.account, "ecr", "PutImage", &image)?;
    case.waiting(world, None).map(drop)
}

#[test]
fn an_image_that_the_assembly_carries_is_copied_and_deployed() -> Result<()> {
    let world = world()?;
    let mut case = Case::new(world, "carried-image")?;
    let image = SavedImage::of("a layer of the app");
    let tar = target_dir().join("image-app.tar");
    fs::write(&tar, image.tar()?)?;
    let args = [&*case.account, REGION, QUALIFIER, tar.to_str().context("a path")?];
    let made = apps(&repository().join("tests/trouble/image-app"), "app.js", &args)?;
    case.assembly = CdkOut::read(&made)?;
    case.start(world)?;
    let waiting = case.waiting(world, None)?;

    let assets = case.assembly.json(&case.assembly.path_of("DevApp", ".assets.json")?)?;
    let tag = assets["dockerImages"].as_object().and_then(|all| all.keys().next()).context("no image")?;
    let found = manifest(world, &case, tag)?.context("nobody has pushed it")?;
    let digests = [&found["layers"][0]["digest"], &found["config"]["digest"]];
    ensure!(digests == image.digests().each_ref().map(|d| json!(d)).each_ref(), "another image: {found}");
    let pushed = case.calls(world).into_iter().find(|call| call.call.operation == "PutImage");
    let role = pushed.and_then(|call| call.actor).context("no session has pushed it")?.role;
    ensure!(role.starts_with("cdk-acme-image-publishing-role-"), "{role} has pushed it");

    world.decide(&waiting.approve_on_stage())?;
    world.deployed(SHOP, &case.name, &case.digest(world, None)?, LONG)?;
    let status = world.stack_status(&case.account, "Dev-App")?;
    ensure!(status.as_deref() == Some("CREATE_COMPLETE"), "the stack is {status:?}");
    case.nothing_twice(world)
}

#[test]
fn another_image_under_the_tag_is_not_deployed() -> Result<()> {
    let world = world()?;
    let mut case = Case::new(world, "tag-taken")?;
    with_image(&mut case, &json!({ "directory": "../asset.worker" }))?;
    let [layer, config] = ["a layer", "{}"];
    let mut add = |text: &str, media_type: &str| {
        let digest = stackgate_core::words::Digest::of(text);
        case.assembly.add(&format!("asset.worker/blobs/sha256/{}", digest.hex()), text.into());
        json!({ "mediaType": media_type, "digest": digest.to_string(), "size": text.len() })
    };
    let image = json!({ "schemaVersion": 2, "layers": [add(layer, "application/vnd.oci.image.layer.v1.tar")],
        "config": add(config, "application/vnd.oci.image.config.v1+json") });
    let image = add(&image.to_string(), "application/vnd.oci.image.manifest.v1+json");
    let index = json!({ "schemaVersion": 2, "manifests": [image] }).to_string();
    case.assembly.add("asset.worker/index.json", index.into());
    case.assembly.add("asset.worker/oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
    case.bootstrap(world)?;
    let theirs = json!({ "repositoryName": images_of(&case), "imageTag": TAG, "imageManifest": "{}" });
    world.aws.call(&case.account, "ecr", "PutImage", &theirs)?;
    case.start(world)?;
    case.shows(world, &stage("AssetKeyTaken", "holds another image"))?;
    ensure!(manifest(world, &case, TAG)? == Some(json!({})), "it was overwritten");
    let delete = json!({ "repositoryName": images_of(&case), "imageIds": [{ "imageTag": TAG }] });
    world.aws.call(&case.account, "ecr", "BatchDeleteImage", &delete)?;
    case.waiting(world, None)?;
    let found = manifest(world, &case, TAG)?.context("it was not copied")?;
    ensure!(found["schemaVersion"] == 2, "another image: {found}");
    Ok(())
}
