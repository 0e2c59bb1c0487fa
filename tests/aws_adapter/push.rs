//! Images: copied once, recognised when they are there, however they were packed, and never laid over another.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use stackgate_core::{
    bundle::{Bundle, Caps, CarriedImage, Tree},
    effect::{ImageRef, ImageUpload, Mutation, Outcome, Receipt, RefusalKind},
    words::Digest,
};
use stackgate_testbed::{
    Call, Fault, Rule,
    scenario::{SavedImage, image_asset, release},
};

use crate::world::{DEV, World, access, env, names, refusal};

const TAG: &str = "f00";
const PUSHED: &str = "application/vnd.oci.image.manifest.v1+json";

/// The image of an assembly whose stack has this as an asset.
fn carried(saved: &SavedImage) -> Arc<CarriedImage> {
    let mut assembly = release(1).unwrap();
    let load = r#"docker load -i "$1" | tail -n 1 | sed "s/Loaded image[^:]*: //g""#;
    let source = json!({"executable": ["sh", "-c", load, "cdk-tarball-image-asset", "asset.f00.tar"]});
    let manifest = assembly.path_of("DevStore", ".assets.json").unwrap();
    let asset = image_asset("Image", DEV, TAG, &source);
    assembly.edit(&manifest, |manifest| manifest["dockerImages"][TAG] = asset).unwrap();
    assembly.add("asset.f00.tar", saved.tar().unwrap());
    let tree = Tree::read_archive(&assembly.pack().unwrap(), &Caps::default()).unwrap();
    let bundle = Bundle::open(tree).unwrap();
    let stacks = &bundle.stage(Some("Dev")).unwrap().stacks;
    let images = stacks.iter().flat_map(|stack| &stack.assets.images);
    images.filter_map(|image| image.carried.clone()).next().unwrap()
}

fn upload(text: &str) -> ImageUpload {
    let names = names();
    ImageUpload {
        to: ImageRef { env: env(DEV), repository: names.repository(), tag: TAG.to_owned() },
        asset: "Dev/Store/Image".to_owned(),
        image: carried(&SavedImage::of(text)),
        access: access(DEV, &[names.image_publishing_role()]),
    }
}

async fn push(world: &World, upload: ImageUpload) -> Outcome {
    world.mutate(Mutation::PushImage(Box::new(upload))).await
}

fn accepted(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Accepted(Receipt::Done)), "{outcome:?}");
}

fn calls(world: &World, operation: &str) -> Vec<Call> {
    let all = world.proxy.recorded().into_iter().map(|exchange| exchange.call);
    all.filter(|call| call.operation == operation).collect()
}

/// What was uploaded, put together from its parts: the emulator keeps nothing of it.
fn uploaded(world: &World) -> BTreeMap<String, Vec<u8>> {
    let mut uploads: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for part in calls(world, "UploadLayerPart") {
        let bytes = uploads.entry(part.param("uploadId").to_owned()).or_default();
        assert_eq!(part.param("partFirstByte"), bytes.len().to_string());
        bytes.extend(BASE64_STANDARD.decode(part.param("layerPartBlob")).unwrap());
        assert_eq!(part.param("partLastByte"), (bytes.len() - 1).to_string());
    }
    let ended = calls(world, "CompleteLayerUpload").into_iter().map(|call| {
        let digests: Vec<String> = serde_json::from_str(call.param("layerDigests")).unwrap();
        (digests[0].clone(), uploads[call.param("uploadId")].clone())
    });
    ended.collect()
}

/// Puts a manifest under the tag, past the adapter.
async fn lies(world: &World, manifest: &Value) {
    let ecr = aws_sdk_ecr::Client::new(&world.admin(DEV));
    let put = ecr.put_image().repository_name(names().repository()).image_tag(TAG);
    put.image_manifest(manifest.to_string()).image_manifest_media_type(PUSHED).send().await.unwrap();
    world.proxy.clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_copied_blob_by_blob_and_once() {
    let world = World::start().await;
    let image = SavedImage::of("one");
    accepted(&push(&world, upload("one")).await);
    let [layer, config] = image.digests();
    let blobs = BTreeMap::from([(layer.clone(), image.layer), (config.clone(), image.config)]);
    assert_eq!(uploaded(&world), blobs);
    let [put] = &*calls(&world, "PutImage") else { panic!("one image") };
    assert_eq!((put.param("imageTag"), put.param("imageManifestMediaType")), (TAG, PUSHED));
    assert_eq!(put.param("imageDigest"), Digest::of(put.param("imageManifest")).to_string());
    let manifest: Value = serde_json::from_str(put.param("imageManifest")).unwrap();
    assert_eq!(
        (&manifest["config"]["digest"], &manifest["layers"][0]["digest"]),
        (&json!(config), &json!(layer))
    );
    world.proxy.clear();

    accepted(&push(&world, upload("one")).await);
    assert!(world.proxy.recorded().iter().all(|e| !e.call.is_mutating()), "nothing is copied again");
    let other = refusal(push(&world, upload("two")).await);
    assert_eq!(other.kind, RefusalKind::AssetKeyTaken);
    assert!(other.message.contains(":f00") && other.message.contains("Dev/Store/Image"), "{}", other.message);
    assert_eq!(calls(&world, "PutImage").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_blobs_go_in_parts_of_the_size_that_is_asked_for() {
    let world = World::start().await;
    let asked = json!({"uploadId": "u", "partSize": 7}).to_string();
    let begin = Fault::ReplaceReply { status: 200, body: asked };
    let config = SavedImage::of("seventeen letters").digests()[1].clone();
    // The config is there: of the two, only the layer is uploaded.
    let known = json!({"layers": [{"layerDigest": config, "layerAvailability": "AVAILABLE"}]}).to_string();
    world.proxy.rule(Rule::on(
        "ecr",
        "BatchCheckLayerAvailability",
        Fault::ReplaceReply { status: 200, body: known },
    ));
    world.proxy.rule(Rule::on("ecr", "InitiateLayerUpload", begin));
    accepted(&push(&world, upload("seventeen letters")).await);
    let sizes =
        calls(&world, "UploadLayerPart").into_iter().map(|part| part.param("partLastByte").to_owned());
    assert_eq!(sizes.collect::<Vec<_>>(), ["6", "13", "16"]);
    assert_eq!(uploaded(&world).into_values().collect::<Vec<_>>(), [b"seventeen letters"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_pushed_the_same_image_has_pushed_it() {
    let world = World::start().await;
    let [_, config] = SavedImage::of("one").digests();
    // As `docker push` packs it: other layers, the same config.
    let theirs = |config: &str| {
        json!({"schemaVersion": 2, "mediaType": PUSHED, "layers": [],
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 1}})
    };
    lies(&world, &theirs(&config)).await;
    accepted(&push(&world, upload("one")).await);
    assert_eq!(calls(&world, "PutImage").len(), 0);
    assert_eq!(refusal(push(&world, upload("two")).await).kind, RefusalKind::AssetKeyTaken);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_quicker_is_compared() {
    let world = World::start().await;
    accepted(&push(&world, upload("one")).await);
    let nothing = || {
        let body = r#"{"__type":"ImageNotFoundException","message":"none"}"#.to_owned();
        Rule::on("ecr", "DescribeImages", Fault::Answer { status: 400, body })
    };
    world.proxy.rule(nothing());
    accepted(&push(&world, upload("one")).await);
    world.proxy.rule(nothing());
    assert_eq!(refusal(push(&world, upload("two")).await).kind, RefusalKind::AssetKeyTaken);
    // Of the blob that somebody else has uploaded meanwhile, nothing is left to do.
    world.proxy.rule(nothing());
    let body = r#"{"__type":"LayerAlreadyExistsException","message":"there"}"#.to_owned();
    let twice = Rule::on("ecr", "CompleteLayerUpload", Fault::Answer { status: 400, body }).times(2);
    world.proxy.rule(twice);
    accepted(&push(&world, upload("one")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_is_unsure_and_then_found() {
    let world = World::start().await;
    for operation in ["InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage"] {
        world.proxy.rule(Rule::on("ecr", operation, Fault::DropReply));
        let lost = push(&world, upload("one")).await;
        assert!(matches!(lost, Outcome::Unsure(_)), "{operation}: {lost:?}");
    }
    assert_eq!(calls(&world, "PutImage").len(), 1, "the SDK repeats nothing");
    accepted(&push(&world, upload("one")).await);
    assert_eq!(calls(&world, "PutImage").len(), 1, "it was carried out, and is found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_repository_asks_for_bootstrap() {
    let world = World::start().await;
    let mut upload = upload("one");
    "no-such-repository".clone_into(&mut upload.to.repository);
    let refused = refusal(push(&world, upload).await);
    assert_eq!(refused.kind, RefusalKind::NotFound);
    assert!(refused.message.contains(&format!("Is account {DEV} bootstrapped?")), "{}", refused.message);
}
