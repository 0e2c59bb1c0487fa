//! Class `opaque`.

use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    api::RiskClass::Opaque,
    risk::testing::{assessed, change, found, has, one_has, template},
};

#[rstest]
#[case("AWS::CloudFormation::CustomResource", true)]
#[case("Custom::Thing", true)]
#[case("AWS::CloudFormation::StackSet", true)]
#[case("AWS::CloudFormation::Macro", true)]
#[case("AWS::CloudFormation::HookDefaultVersion", true)]
#[case("AWS::CloudFormation::ModuleVersion", true)]
#[case("Mine::Network::Thing::MODULE", true)]
#[case("AWS::S3::Bucket::MODULE", true)]
#[case("MongoDB::Atlas::Cluster", true)]
#[case("AWS::ServiceCatalog::CloudFormationProvisionedProduct", true)]
#[case("AWS::Config::RemediationConfiguration", true)]
#[case("AWS::CloudFormation::Stack", true)]
#[case("AWS::CloudFormation::WaitCondition", false)]
#[case("AWS::SQS::Queue", false)]
fn by_type(#[case] kind: &str, #[case] want: bool) {
    let (one, other) = (json!({"A": 1}), json!({"A": 2}));
    assert_eq!(one_has(Opaque, kind, &Value::Null, &one), want, "added");
    assert_eq!(one_has(Opaque, kind, &one, &other), want, "changed");
    // What a nested stack takes with it is listed; what a custom resource does when it goes is not.
    assert_eq!(
        one_has(Opaque, kind, &one, &Value::Null),
        want && kind != "AWS::CloudFormation::Stack",
        "removed"
    );
    assert!(!one_has(Opaque, kind, &one, &one), "nothing happens");
}

#[rstest]
#[case::newest(json!("{{resolve:secretsmanager:s:SecretString:p}}"), true)]
#[case::pinned(json!("{{resolve:ssm:p:3}}"), false)]
#[case::newest_parameter(json!({"Fn::Join": ["", ["{{resolve:ssm:", {"Ref": "P"}, "}}"]]}), true)]
fn unpinned_values_of_what_changes(#[case] value: Value, #[case] want: bool) {
    let of = |size: u32| json!({"MasterUserPassword": value, "Size": size});
    assert_eq!(one_has(Opaque, "AWS::RDS::DBInstance", &of(1), &of(2)), want);
    assert!(!one_has(Opaque, "AWS::RDS::DBInstance", &of(1), &of(1)), "nothing happens");
}

#[rstest]
#[case::foreign(json!("Mine"), true)]
#[case::include(json!([{"Name": "AWS::Include", "Parameters": {}}]), true)]
#[case::of_aws(json!(["AWS::LanguageExtensions", "AWS::Serverless-2016-10-31"]), false)]
fn transforms(#[case] transform: Value, #[case] want: bool) {
    let of = |size: u32| json!({"Transform": transform, "Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"S": size}}}});
    assert_eq!(has(Opaque, &of(1), &of(2)), want);
    assert!(!has(Opaque, &of(1), &of(1)), "nothing happens");
    let without = json!({"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"S": 1}}}});
    assert!(has(Opaque, &without, &of(1)), "a transform appears");
}

#[test]
fn a_transform_concerns_the_whole_stack() {
    let of = |size: u32| json!({"Transform": "Mine", "Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"S": size}}}});
    assert_eq!(found(&of(1), &of(2)), [(Opaque, String::new())]);
}

#[test]
fn what_a_macro_gives_to_all_functions_is_seen() {
    let of = |uri: &str, size: u32| {
        json!({"Transform": "AWS::Serverless-2016-10-31", "Globals": {"Function": {"CodeUri": uri}},
            "Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": {}},
                "Q": {"Type": "AWS::SQS::Queue", "Properties": {"S": size}}}})
    };
    assert!(
        has(Opaque, &of("s3://ours/a", 1), &of("s3://theirs/a", 1)),
        "no resource of the template differs"
    );
    assert!(
        has(Opaque, &of("s3://ours/a", 1), &of("s3://ours/a", 2)),
        "what lies there may be something else"
    );
    assert!(!has(Opaque, &of("s3://ours/a", 1), &of("s3://ours/a", 1)), "nothing happens");
    let mut without = of("s3://ours/a", 1);
    without.as_object_mut().unwrap().remove("Globals");
    assert!(has(Opaque, &of("s3://ours/a", 1), &without), "it goes");
}

#[rstest]
#[case("Metadata")]
#[case("Globals")]
#[case("Fn::Transform")]
fn a_macro_is_seen_wherever_it_stands(#[case] section: &str) {
    let of = |size: u32| {
        let mut t = json!({"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"S": size}}}});
        let call = json!({"Name": "AWS::Include", "Parameters": {"Location": "s3://theirs/a"}});
        t[section] = if section == "Fn::Transform" { call } else { json!({"Fn::Transform": call}) };
        t
    };
    let told = found(&of(1), &of(2));
    assert!(told.contains(&(Opaque, String::new())), "{told:?}");
    assert!(template(&of(1)).transforms.contains("AWS::Include"));
}

#[test]
fn a_custom_resource_that_only_the_list_knows_of() {
    let t = template(&json!({"Resources": {"C": {"Type": "Custom::X", "Properties": {"A": {"Ref": "P"}}}}}));
    let told = assessed(Some(&t), &t, Some(&[change("C", "Custom::X", "Modify")]));
    assert_eq!(told.risks.iter().map(|r| r.class).collect::<Vec<_>>(), [Opaque]);
}

#[test]
fn a_loop_that_changes_may_be_anything() {
    let of = |names: Value| json!({"Transform": "AWS::LanguageExtensions", "Resources": {"Fn::ForEach::L": ["N", names, {"X${N}": {"Type": "AWS::IAM::Role"}}]}});
    let classes: Vec<_> =
        found(&of(json!(["a"])), &of(json!(["a", "b"]))).into_iter().map(|(c, _)| c.as_str()).collect();
    assert_eq!(classes, ["iam", "network", "opaque"]);
}
