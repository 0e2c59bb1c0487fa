//! What goes into the call for a change set: parameter values, and the id of a release before it is planned.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stackgate_core::{
    bundle::{Bundle, File, Node, Tree, TreePath},
    change::{Given, GivenValue, Hidden, ParameterValue, StackInput, coming, release_id, values_for},
    words::{Digest, ToolkitNames},
};

use super::sample::{hmac, uid, word};

/// A CDK app of one stack that declares parameters of every sort, and gives a value to one itself.
fn app() -> Bundle {
    let role = |kind: &str| {
        format!("arn:${{AWS::Partition}}:iam::222222222222:role/cdk-acme-{kind}-role-222222222222-eu-west-1")
    };
    let template = json!({
        "Parameters": {
            "Size": {"Type": "String"}, "Own": {"Type": "String"}, "Kept": {"Type": "String"},
            "Password": {"Type": "String", "NoEcho": true}, "Token": {"Type": "String"},
        },
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
    });
    let manifest = json!({"version": "55.0.0", "artifacts": {"Dev": {
        "type": "aws:cloudformation:stack", "environment": "aws://222222222222/eu-west-1", "displayName": "Dev",
        "dependencies": ["Dev.assets"],
        "properties": {
            "templateFile": "Dev.template.json", "stackName": "Dev", "parameters": {"Own": "the app's"},
            "assumeRoleArn": role("deploy"), "cloudFormationExecutionRoleArn": role("cfn-exec"),
            "stackTemplateAssetObjectUrl": "s3://cdk-acme-assets-222222222222-eu-west-1/t.json",
            "bootstrapStackVersionSsmParameter": "/cdk-bootstrap/acme/version",
        }
    }, "Dev.assets": {"type": "cdk:asset-manifest", "properties": {"file": "Dev.assets.json"}}}});
    let assets = json!({"version": "55.0.0", "files": {"t": {
        "source": {"path": "Dev.template.json", "packaging": "file"},
        "destinations": {"here": {"bucketName": "cdk-acme-assets-222222222222-eu-west-1", "objectKey": "t.json",
            "region": "eu-west-1", "assumeRoleArn": role("file-publishing")}}}}});
    let mut tree = Tree::default();
    let files: [(&str, Value); 3] =
        [("manifest.json", manifest), ("Dev.assets.json", assets), ("Dev.template.json", template)];
    for (name, content) in files {
        let file = File::new(content.to_string().into_bytes(), false);
        tree.insert(TreePath::parse(name).expect("a path"), Node::File(file)).expect("a new path");
    }
    Bundle::open(tree).expect("an assembly")
}

fn given() -> Given {
    let value = |text: &str, secret: bool| GivenValue { text: Hidden::new(text), secret };
    [
        ("Size".to_owned(), value("3", false)),
        ("Password".to_owned(), value("hunter2", false)),
        ("Token".to_owned(), value("hunter3", true)),
        ("Undeclared".to_owned(), value("4", false)),
    ]
    .into_iter()
    .collect()
}

#[test]
fn what_is_secret_or_not_echoed_stands_in_the_input_as_a_proof_of_it() {
    let app = app();
    let artifact = &app.stage(None).expect("the app").stacks[0];
    let values = values_for(artifact, &given());
    let names: Vec<&str> = values.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["Own", "Password", "Size", "Token"]);
    let names = ToolkitNames { qualifier: word("acme"), env: artifact.env.clone() };
    let input = StackInput::of(artifact, &names, &given(), &hmac());
    let plain = |text: &str| ParameterValue::Plain(text.to_owned());
    let expected: BTreeMap<String, ParameterValue> = [
        ("Own", plain("the app's")),
        ("Password", ParameterValue::of("Password", "hunter2", true, &hmac())),
        ("Size", plain("3")),
        ("Token", ParameterValue::of("Token", "hunter3", true, &hmac())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    assert_eq!(input.parameters, expected);
    for hidden in ["Password", "Token"] {
        assert!(matches!(input.parameters[hidden], ParameterValue::Secret(_)), "{hidden}");
    }
}

#[test]
fn the_id_of_a_release_is_the_same_before_it_is_planned() {
    let app = app();
    let artifact = &app.stage(None).expect("the app").stacks[0];
    let names = ToolkitNames { qualifier: word("acme"), env: artifact.env.clone() };
    let input: Digest = StackInput::of(artifact, &names, &given(), &hmac()).digest();
    let planned = release_id(&uid(), &BTreeMap::from([(artifact.key(), input)]));
    assert_eq!(coming(&app, &uid(), None, &given(), &hmac()), Some(planned.clone()));
    assert_ne!(coming(&app, &uid(), None, &Given::default(), &hmac()), Some(planned));
    assert_eq!(coming(&app, &uid(), Some("Nowhere"), &given(), &hmac()), None);
}

#[test]
fn a_key_is_never_shown() {
    assert_eq!(format!("{:?}", hmac()), "HmacKey(…)");
}
