//! The releases of the scenario: cloud assemblies of the form that the CDK writes, built once and shared.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use serde_json::{Value, json};
use stackgate_core::{
    bundle::{Bundle, File, Node, StackArtifact, Template, Tree, TreePath},
    words::{Digest, StackKey},
};

use crate::{run::run, scenario::with_one_fault};

/// The CDK Stages, each with the account that it is deployed into.
pub const STAGES: [(&str, &str); 3] =
    [("Dev", "111111111111"), ("Test", "222222222222"), ("Prod", "333333333333")];
/// The region of everything.
pub const REGION: &str = "ap-southeast-2";
/// The bootstrap qualifier.
pub const QUALIFIER: &str = "acme";

/// The releases, in the order in which they are made: the first; an update; the update with other files that are not
/// deployed; a third; the third with a difference for Dev alone.
pub static RELEASES: LazyLock<Vec<Arc<Bundle>>> = LazyLock::new(|| {
    [(1, 1, "a"), (2, 2, "a"), (2, 2, "b"), (3, 3, "a"), (3, 4, "a")]
        .into_iter()
        .map(|(version, dev, notes)| Arc::new(open(version, dev, notes, true, |_| {})))
        .collect()
});

/// The update without the second stack of Dev.
pub static LEAN_UPDATE: LazyLock<Arc<Bundle>> = LazyLock::new(|| Arc::new(open(2, 2, "a", false, |_| {})));

/// The update for Dev with the third release for the others.
pub static FOR_OTHERS: LazyLock<Arc<Bundle>> = LazyLock::new(|| Arc::new(open(3, 2, "a", true, |_| {})));

/// The third release without the second stack of Dev.
pub static LEANER: LazyLock<Arc<Bundle>> = LazyLock::new(|| Arc::new(open(3, 3, "a", false, |_| {})));

/// The first release with an image that it carries, and with another one under the same tag.
pub static CARRYING: LazyLock<[Arc<Bundle>; 2]> =
    LazyLock::new(|| ["one", "another"].map(|image| Arc::new(open(1, 1, "a", true, |f| carry(image, f)))));

/// The first release with a stack that takes parameters: a `Password`, which is masked, and a `Size`.
pub static TAKING: LazyLock<Arc<Bundle>> = LazyLock::new(|| Arc::new(open(1, 1, "a", true, take)));

/// Every release.
pub fn all() -> impl Iterator<Item = &'static Arc<Bundle>> {
    RELEASES.iter().chain([&*LEAN_UPDATE, &*FOR_OTHERS, &*LEANER, &*TAKING]).chain(CARRYING.iter())
}

/// Every template of every release, by the digest of its bytes.
pub static TEMPLATES: LazyLock<BTreeMap<Digest, Arc<Template>>> = LazyLock::new(|| {
    let stacks = all().flat_map(|b| STAGES.iter().flat_map(|(name, _)| stacks(b, name)));
    stacks.map(|s| (s.template_file.digest(), Arc::new(s.template.clone()))).collect()
});

/// The id of each release for each Stage, as an undisturbed run shows them: whoever merges a release knows it beforehand.
pub static A1S: LazyLock<BTreeMap<(&'static str, Digest), String>> = LazyLock::new(|| {
    let report = run(&with_one_fault(64, None)).map(|r| r.a1s).unwrap_or_default();
    let named = |name: &str| crate::people::STAGES.into_iter().find(|s| *s == name);
    report.into_iter().filter_map(|((name, release), id)| Some(((named(&name)?, release), id))).collect()
});

/// What an assembly is packed from: paths and texts.
type Files = Vec<(String, String)>;

/// The stacks of a CDK Stage.
#[must_use]
pub fn stacks(bundle: &Bundle, cdk_stage: &str) -> Vec<Arc<StackArtifact>> {
    bundle.stage(Some(cdk_stage)).map(|s| s.stacks.clone()).unwrap_or_default()
}

/// The digest of the template that a release has for a stack.
#[must_use]
pub fn template_of(release: Digest, key: &StackKey) -> Option<Digest> {
    let bundle = all().find(|b| b.release() == release)?;
    STAGES
        .iter()
        .flat_map(|(name, _)| stacks(bundle, name))
        .find(|s| s.key() == *key)
        .map(|s| s.template_file.digest())
}

#[expect(clippy::expect_used, reason = "the assemblies are constants of this file")]
fn open(version: u32, dev: u32, notes: &str, dev_api: bool, edit: impl FnOnce(&mut Files)) -> Bundle {
    let nested = |name: &str| {
        json!({"type": "cdk:cloud-assembly", "displayName": name,
               "properties": {"directoryName": format!("assembly-{name}"), "displayName": name}})
    };
    let root: BTreeMap<String, Value> =
        STAGES.iter().map(|(name, _)| (format!("assembly-{name}"), nested(name))).collect();
    let mut files = vec![
        ("manifest.json".to_owned(), manifest(&json!(root))),
        ("tree.json".to_owned(), json!({"notes": notes}).to_string()),
    ];
    for (name, account) in STAGES {
        let v = if name == "Dev" { dev } else { version };
        stage(name, account, v, name != "Dev" || dev_api, &mut files);
    }
    edit(&mut files);
    let mut tree = Tree::default();
    for (name, text) in files {
        let path = TreePath::parse(&name).expect("a path");
        tree.insert(path, Node::File(File::new(text.into_bytes(), false))).expect("a new path");
    }
    Bundle::open(tree).expect("an assembly")
}

/// Gives a stack of Dev an image of one layer, as an OCI image layout.
#[expect(clippy::expect_used, reason = "the assemblies are constants of this file")]
fn carry(layer: &str, files: &mut Files) {
    let (_, account) = STAGES[0];
    let list = file(files, "assembly-Dev/DevStore.assets.json");
    let mut json: Value = serde_json::from_str(list).expect("JSON");
    json["dockerImages"] = json!({"image": {"source": {"directory": "../asset.image"}, "destinations": {"here": {
        "repositoryName": format!("cdk-{QUALIFIER}-container-assets-{account}-{REGION}"), "imageTag": "image",
        "assumeRoleArn": role(account, "image-publishing")}}}});
    *list = json.to_string();
    let mut blob = |media_type: &str, text: String| {
        let (digest, size) = (Digest::of(&text), text.len());
        files.push((format!("asset.image/blobs/sha256/{}", digest.hex()), text));
        json!({"mediaType": format!("application/vnd.oci.image.{media_type}"), "digest": digest.to_string(), "size": size})
    };
    let (config, layer) = (blob("config.v1+json", "{}".to_owned()), blob("layer.v1.tar", layer.to_owned()));
    let image = json!({"schemaVersion": 2, "config": config, "layers": [layer]});
    let index = json!({"schemaVersion": 2, "manifests": [blob("manifest.v1+json", image.to_string())]});
    files.push(("asset.image/index.json".to_owned(), index.to_string()));
    files.push(("asset.image/oci-layout".to_owned(), json!({"imageLayoutVersion": "1.0.0"}).to_string()));
}

/// Has a stack of Dev take parameters.
#[expect(clippy::expect_used, reason = "the assemblies are constants of this file")]
fn take(files: &mut Files) {
    let text = file(files, "assembly-Dev/DevStore.template.json");
    let mut json: Value = serde_json::from_str(text).expect("JSON");
    json["Parameters"] = json!({"Password": {"Type": "String", "NoEcho": true}, "Size": {"Type": "String"}});
    json["Resources"]["Bucket"]["Properties"] =
        json!({"Version": 1, "Password": {"Ref": "Password"}, "Size": {"Ref": "Size"}});
    *text = json.to_string();
}

#[expect(clippy::expect_used, reason = "the assemblies are constants of this file")]
fn file<'a>(files: &'a mut Files, path: &str) -> &'a mut String {
    files.iter_mut().find(|(name, _)| name == path).map(|(_, text)| text).expect("it is there")
}

fn manifest(artifacts: &Value) -> String {
    json!({"version": "55.0.0", "artifacts": artifacts}).to_string()
}

fn stage(name: &str, account: &str, v: u32, has_api: bool, files: &mut Files) {
    let dir = format!("assembly-{name}");
    let (store, api) = (format!("{name}Store"), format!("{name}Api"));
    let code = format!("asset.{name}{v}");
    let mut artifacts = json!({
        format!("{store}.assets"): assets(&store, &[]),
        store.as_str(): stack(&store, v, account, &format!("{name}-Store"), &[format!("{store}.assets")]),
    });
    if has_api {
        artifacts[format!("{api}.assets")] = assets(&api, &[]);
        let before = [format!("{api}.assets"), store.clone()];
        artifacts[api.as_str()] = stack(&api, v, account, &format!("{name}-Api"), &before);
    }
    files.push((format!("{dir}/manifest.json"), manifest(&artifacts)));
    let export = format!("{name}-Store:Bucket");
    let mut resources = json!({
        "Function": {"Type": "AWS::Lambda::Function", "Properties": {"Code": {"S3Key": format!("{name}{v}.zip")}}},
        "Name": {"Type": "AWS::SSM::Parameter", "Properties": {
            "Type": "String", "Tier": if v > 2 { "Advanced" } else { "Standard" }, "Value": {"Fn::ImportValue": export}}},
    });
    if v == 2 {
        resources["Alarm"] = json!({"Type": "AWS::SNS::Topic", "Properties": {}});
    }
    let templates = [
        (
            &store,
            json!({
                "Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"Version": v}}},
                "Outputs": {"Bucket": {"Value": {"Ref": "Bucket"}, "Export": {"Name": export}}},
            }),
            None,
        ),
        (&api, json!({"Resources": resources}), Some(&code)),
    ];
    for (id, template, zip) in templates {
        let mut list = json!({"template": asset(account, &format!("{id}.template.json"), "file", &format!("{id}{v}.json"))});
        if let Some(zip) = zip {
            list["code"] = asset(account, &format!("../{zip}"), "zip", &format!("{name}{v}.zip"));
        }
        files.push((
            format!("{dir}/{id}.assets.json"),
            json!({"version": "55.0.0", "files": list}).to_string(),
        ));
        files.push((format!("{dir}/{id}.template.json"), template.to_string()));
    }
    files.push((format!("{code}/index.mjs"), format!("export const version = {v}")));
}

fn role(account: &str, kind: &str) -> String {
    format!("arn:${{AWS::Partition}}:iam::{account}:role/cdk-{QUALIFIER}-{kind}-role-{account}-{REGION}")
}

fn stack(id: &str, v: u32, account: &str, name: &str, after: &[String]) -> Value {
    json!({
        "type": "aws:cloudformation:stack", "environment": format!("aws://{account}/{REGION}"),
        "displayName": name, "dependencies": after,
        "properties": {
            "templateFile": format!("{id}.template.json"), "stackName": name,
            "assumeRoleArn": role(account, "deploy"), "cloudFormationExecutionRoleArn": role(account, "cfn-exec"),
            "stackTemplateAssetObjectUrl": format!("s3://cdk-{QUALIFIER}-assets-{account}-{REGION}/{id}{v}.json"),
            "requiresBootstrapStackVersion": 6,
            "bootstrapStackVersionSsmParameter": format!("/cdk-bootstrap/{QUALIFIER}/version"),
        }
    })
}

fn assets(id: &str, after: &[String]) -> Value {
    json!({"type": "cdk:asset-manifest", "dependencies": after, "properties": {
        "file": format!("{id}.assets.json"), "requiresBootstrapStackVersion": 6,
        "bootstrapStackVersionSsmParameter": format!("/cdk-bootstrap/{QUALIFIER}/version")}})
}

fn asset(account: &str, path: &str, packaging: &str, key: &str) -> Value {
    json!({"source": {"path": path, "packaging": packaging}, "destinations": {"here": {
        "bucketName": format!("cdk-{QUALIFIER}-assets-{account}-{REGION}"), "objectKey": key, "region": REGION,
        "assumeRoleArn": role(account, "file-publishing")}}})
}
