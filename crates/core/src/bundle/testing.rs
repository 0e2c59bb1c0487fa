//! Small assemblies of the form that the CDK writes, for the tests of this subject.

use serde_json::{Value, json};

use super::{
    path::TreePath,
    stages::{Bundle, CdkStage},
    tree::{File, Node, Tree},
};

pub(super) const ENV: &str = "aws://333333333333/ap-southeast-2";

pub(super) fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

/// A tree of text files.
pub(super) fn tree<'a>(files: impl IntoIterator<Item = (&'a str, String)>) -> Tree {
    let mut tree = Tree::default();
    for (name, text) in files {
        tree.insert(path(name), Node::File(File::new(text.into_bytes(), false))).unwrap();
    }
    tree
}

/// A stack artifact with the roles of qualifier acme.
pub(super) fn stack(id: &str, display: &str, depends: &[&str]) -> Value {
    let role = |kind: &str| {
        format!(
            "arn:${{AWS::Partition}}:iam::333333333333:role/cdk-acme-{kind}-role-333333333333-ap-southeast-2"
        )
    };
    json!({
        "type": "aws:cloudformation:stack", "environment": ENV, "displayName": display,
        "dependencies": depends,
        "properties": {
            "templateFile": format!("{id}.template.json"), "validateOnSynth": false,
            "stackName": display.replace('/', "-"), "terminationProtection": true,
            "tags": {"team": "payments"},
            "assumeRoleArn": role("deploy"), "cloudFormationExecutionRoleArn": role("cfn-exec"),
            "stackTemplateAssetObjectUrl": format!("s3://cdk-acme-assets-${{AWS::AccountId}}-${{AWS::Region}}/{}", if id == "ProdData" { "48f7.json" } else { "9e0b.json" }),
            "requiresBootstrapStackVersion": 6,
            "bootstrapStackVersionSsmParameter": "/cdk-bootstrap/acme/version",
            "additionalDependencies": depends,
            "lookupRole": {"arn": role("lookup"), "requiresBootstrapStackVersion": 8}
        }
    })
}

/// The artifact of an asset manifest.
pub(super) fn assets(id: &str, depends: &[&str]) -> Value {
    json!({
        "type": "cdk:asset-manifest", "dependencies": depends,
        "properties": {
            "file": format!("{id}.json"), "requiresBootstrapStackVersion": 8,
            "bootstrapStackVersionSsmParameter": "/cdk-bootstrap/acme/version"
        }
    })
}

/// A file asset for the bucket of qualifier acme.
pub(super) fn file_asset(source: &str, packaging: &str, key: &str) -> Value {
    json!({
        "displayName": "Prod/Data/Asset", "source": {"path": source, "packaging": packaging},
        "destinations": {"333333333333-ap-southeast-2-7d99": {
            "bucketName": "cdk-acme-assets-333333333333-ap-southeast-2", "objectKey": key,
            "region": "ap-southeast-2",
            "assumeRoleArn": "arn:${AWS::Partition}:iam::333333333333:role/cdk-acme-file-publishing-role-333333333333-ap-southeast-2"
        }}
    })
}

pub(super) fn manifest(artifacts: &Value) -> String {
    json!({"version": "55.0.0", "artifacts": artifacts, "minimumCliVersion": "2.1100.0"}).to_string()
}

pub(super) fn nested(directory: &str, display: &str) -> Value {
    json!({"type": "cdk:cloud-assembly", "properties": {"directoryName": directory, "displayName": display}})
}

/// The files of an app with the CDK Stages Prod (stacks Data and Web, which imports from Data) and Outer/Inner.
pub(super) fn app() -> Vec<(&'static str, String)> {
    let root = json!({
        "assembly-Prod": nested("assembly-Prod", "Prod"),
        "assembly-Outer": nested("assembly-Outer", "Outer"),
        "Tree": {"type": "cdk:tree", "properties": {"file": "tree.json"}},
        "future": {"type": "aws:something-new", "surprise": 1}
    });
    let prod = json!({
        "ProdData": stack("ProdData", "Prod/Data", &["ProdData.assets"]),
        "ProdData.assets": assets("ProdData.assets", &[]),
        "ProdWeb": stack("ProdWeb", "Prod/Web", &["ProdWeb.assets"]),
        "ProdWeb.assets": assets("ProdWeb.assets", &["ProdData"]),
    });
    let data_assets = json!({"version": "55.0.0", "dockerImages": {}, "files": {
        "code": file_asset("../asset.c0de", "zip", "c0de.zip"),
        "template": file_asset("ProdData.template.json", "file", "48f7.json"),
    }});
    let data = json!({
        "Resources": {
            "Fn": {"Type": "AWS::Lambda::Function", "Properties": {"Code": {"S3Key": "c0de.zip"}}},
            "Bucket": {"Type": "AWS::S3::Bucket", "Metadata": {"aws:cdk:path": "Prod/Data/Bucket/Resource"}}},
        "Parameters": {"BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-bootstrap/acme/version"}},
        "Outputs": {"Name": {"Value": {"Ref": "Bucket"}, "Export": {"Name": "Prod-Data:ExportsOutputRefBucket"}}}
    });
    let web = json!({"Resources": {"Name": {"Type": "AWS::SSM::Parameter", "Properties": {
        "Type": "String", "Value": {"Fn::ImportValue": "Prod-Data:ExportsOutputRefBucket"}}}}});
    let inner = json!({"S": stack("S", "Outer/Inner/S", &["S.assets"]), "S.assets": assets("S.assets", &[])});
    vec![
        ("manifest.json", manifest(&root)),
        ("tree.json", "{\"home\": \"of a machine\"}".to_owned()),
        ("asset.c0de/index.mjs", "export const handler = 1".to_owned()),
        ("assembly-Prod/manifest.json", manifest(&prod)),
        ("assembly-Prod/ProdData.template.json", data.to_string()),
        ("assembly-Prod/ProdData.assets.json", data_assets.to_string()),
        ("assembly-Prod/ProdWeb.template.json", web.to_string()),
        ("assembly-Prod/ProdWeb.assets.json", only_template("ProdWeb").to_string()),
        (
            "assembly-Outer/manifest.json",
            manifest(&json!({"assembly-Outer-Inner": nested("assembly-Outer-Inner", "Outer-Inner")})),
        ),
        ("assembly-Outer/assembly-Outer-Inner/manifest.json", manifest(&inner)),
        (
            "assembly-Outer/assembly-Outer-Inner/S.template.json",
            json!({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}).to_string(),
        ),
        ("assembly-Outer/assembly-Outer-Inner/S.assets.json", only_template("S").to_string()),
    ]
}

/// The asset manifest of a stack that has no assets but its template.
pub(super) fn only_template(id: &str) -> Value {
    let template = file_asset(&format!("{id}.template.json"), "file", "9e0b.json");
    json!({"version": "55.0.0", "files": {"template": template}})
}

/// The app, with one file changed as JSON.
pub(super) fn app_with(file: &str, change: impl FnOnce(&mut Value)) -> Vec<(&'static str, String)> {
    let mut files = app();
    let (_, text) = files.iter_mut().find(|(name, _)| *name == file).unwrap();
    let mut value = serde_json::from_str(text).unwrap();
    change(&mut value);
    *text = value.to_string();
    files
}

pub(super) fn prod(files: Vec<(&'static str, String)>) -> Result<CdkStage, super::error::BundleError> {
    Bundle::open(tree(files))?.stage(Some("Prod")).cloned()
}
