//! Nested templates of an assembly of the form that the CDK writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Value, json};

use crate::{
    bundle::{Bundle, File, Node, Origins, StackArtifact, Tree, TreePath},
    risk::{Assessed, assess, deployed_templates, nested_templates, side_by_side},
};

const BUCKET: &str = "cdk-acme-assets-333333333333-ap-southeast-2";

fn nested_stack(url: &str) -> Value {
    json!({"Type": "AWS::CloudFormation::Stack", "Metadata": {"aws:asset:path": "In.nested.template.json"},
        "Properties": {"TemplateURL": {"Fn::Join": ["", ["https://s3.ap-southeast-2.", {"Ref": "AWS::URLSuffix"}, url]]}}})
}

/// The stack; none where the assembly is refused for it.
fn artifact(template: &Value, inside: &Value) -> Option<Arc<StackArtifact>> {
    let role = |kind: &str| {
        format!("arn:aws:iam::333333333333:role/cdk-acme-{kind}-role-333333333333-ap-southeast-2")
    };
    let asset = |source: &str, key: &str| {
        json!({"source": {"path": source, "packaging": "file"}, "destinations": {"d": {
            "bucketName": BUCKET, "objectKey": key, "region": "ap-southeast-2", "assumeRoleArn": role("file-publishing")}}})
    };
    let manifest = json!({"version": "55.0.0", "artifacts": {
        "S": {"type": "aws:cloudformation:stack", "environment": "aws://333333333333/ap-southeast-2", "dependencies": ["S.assets"],
            "properties": {"templateFile": "S.template.json", "stackName": "S", "assumeRoleArn": role("deploy"),
                "cloudFormationExecutionRoleArn": role("cfn-exec"), "stackTemplateAssetObjectUrl": format!("s3://{BUCKET}/s.json")}},
        "S.assets": {"type": "cdk:asset-manifest", "properties": {"file": "S.assets.json"}}
    }});
    let assets = json!({"version": "55.0.0", "files": {
        "s": asset("S.template.json", "s.json"), "in": asset("In.nested.template.json", "in.json")}});
    let mut tree = Tree::default();
    for (name, json) in [
        ("manifest.json", &manifest),
        ("S.template.json", template),
        ("S.assets.json", &assets),
        ("In.nested.template.json", inside),
    ] {
        let file = File::new(json.to_string().into_bytes(), false);
        tree.insert(TreePath::parse(name).unwrap(), Node::File(file)).unwrap();
    }
    let bundle = Bundle::open(tree).ok()?;
    let stage = bundle.stage(None).ok()?;
    stage.stacks.first().map(Arc::clone)
}

#[test]
fn a_template_is_the_one_that_the_url_leads_to() {
    let inside = json!({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}});
    let at = |url: &str| {
        let found = nested_templates(&*artifact(&json!({"Resources": {"N": nested_stack(url)}}), &inside)?);
        found.get("N").map(|n| n.template.resources.contains_key("Q"))
    };
    assert_eq!(at(&format!("/{BUCKET}/in.json")), Some(true));
    // Whatever the metadata says: the template is taken from somewhere else.
    assert_eq!(at(&format!("/{BUCKET}/other.json")), None);
    assert_eq!(at("/foreign/in.json"), None);
    assert_eq!(at(&format!(".evil.example/{BUCKET}/in.json")), None);
}

#[test]
fn a_circle_of_templates_ends() {
    let to_itself = json!({"Resources": {
        "A": nested_stack(&format!("/{BUCKET}/in.json")), "B": nested_stack(&format!("/{BUCKET}/in.json"))}});
    let found = nested_templates(&artifact(&to_itself, &to_itself).unwrap());
    fn count(of: &std::collections::BTreeMap<String, crate::risk::NestedTemplate>) -> usize {
        of.values().map(|n| 1 + count(&n.nested)).sum()
    }
    assert_eq!(count(&found), 256);
}

#[test]
fn deployed_templates_stand_where_their_path_says() {
    let inside = json!({});
    let key = artifact(&json!({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}), &inside).unwrap().key();
    let queue = r#"{"Resources":{"Q":{"Type":"AWS::SQS::Queue"}}}"#;
    let texts = [("N", queue), ("N/In", queue), ("Odd", "no template"), ("Odd/In", queue)];
    let texts = texts.map(|(path, text)| (path.to_owned(), Arc::from(text))).into();
    let found = deployed_templates(&texts, &key);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["N"]);
    assert!(found["N"].template.resources.contains_key("Q"));
    assert!(found["N"].nested["In"].template.resources.contains_key("Q"));
}

#[test]
fn what_is_in_a_nested_stack_already_is_no_risk() {
    let role = json!({"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {
        "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]}}}});
    let url = format!("/{BUCKET}/in.json");
    let artifact = artifact(&json!({"Resources": {"N": nested_stack(&url)}}), &role).unwrap();
    let told = |deployed: &str| {
        let deployed = [("N".to_owned(), Arc::from(deployed))].into();
        let (before, after) = (deployed_templates(&deployed, &artifact.key()), nested_templates(&artifact));
        let none = BTreeMap::new();
        assess(&Assessed {
            stack: "S",
            old: Some(&artifact.template),
            new: &artifact.template,
            changes: None,
            construct_paths: &none,
            given: &BTreeSet::new(),
            origins: &Origins::of(&artifact),
            nested: &side_by_side(&before, &after),
        })
        .risks
        .len()
    };
    assert_eq!(told(&role.to_string()), 0);
    assert!(told(r#"{"Resources":{"Role":{"Type":"AWS::IAM::Role"}}}"#) > 0);
    assert!(told("cannot be read") > 0);
}
