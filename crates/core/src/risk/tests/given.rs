//! Parameters that are given a value: with another one, what looks the same is something else.

use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    api::RiskClass::{self, Iam, Network},
    bundle::Template,
    risk::testing::{assessed_given, change, detail, template},
};

/// A template with one resource, a parameter `P`, and conditions that it decides on.
fn with(kind: &str, properties: &Value) -> Template {
    template(&json!({
        "Parameters": {"P": {"Type": "String", "Default": "no"}, "Other": {"Type": "String", "Default": "no"}},
        "Conditions": {"Yes": {"Fn::Equals": [{"Ref": "P"}, "yes"]}, "Also": {"Condition": "Yes"}},
        "Mappings": {"M": {"no": {"cidr": "10.0.0.0/8"}, "yes": {"cidr": "0.0.0.0/0"}}},
        "Resources": {"R": {"Type": kind, "Properties": properties}}
    }))
}

fn policy(sid: &str, action: &Value) -> Value {
    json!({"PolicyName": "p", "PolicyDocument": {"Statement": [
        {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": "*"}
    ]}})
}

fn group(description: &str, cidr: &Value) -> Value {
    json!({"GroupDescription": "g", "SecurityGroupIngress": [
        {"Description": description, "CidrIp": cidr, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    ]})
}

#[rstest]
#[case::by_a_condition(json!({"Fn::If": ["Also", "*", "s3:GetObject"]}))]
#[case::itself(json!({"Ref": "P"}))]
#[case::in_a_text(json!({"Fn::Sub": "s3:${P}"}))]
fn a_value_may_change_behind_an_edit_of_the_same_policy(#[case] action: Value) {
    let kind = "AWS::IAM::ManagedPolicy";
    let (old, new) = (with(kind, &policy("a", &action)), with(kind, &policy("b", &action)));
    hides(&old, &new, kind, "PolicyDocument", Iam);
}

#[rstest]
#[case::by_a_condition(json!({"Fn::If": ["Yes", "0.0.0.0/0", "10.0.0.0/8"]}))]
#[case::by_a_mapping(json!({"Fn::FindInMap": ["M", {"Ref": "P"}, "cidr"]}))]
fn a_value_may_change_behind_an_edit_of_the_same_rule(#[case] cidr: Value) {
    let kind = "AWS::EC2::SecurityGroup";
    let (old, new) = (with(kind, &group("a", &cidr)), with(kind, &group("b", &cidr)));
    hides(&old, &new, kind, "SecurityGroupIngress", Network);
}

/// The change list says that the property was edited, and nothing of the parameter.
fn hides(old: &Template, new: &Template, kind: &str, property: &str, class: RiskClass) {
    let mut line = change("R", kind, "Modify");
    line.scope.insert("Properties".to_owned());
    line.details.insert(detail(property, "DirectModification", ""));
    let has = |given: &[&str], changes: Option<&[_]>| {
        assessed_given(old, new, changes, given).risks.iter().any(|r| r.class == class)
    };
    let list = Some(std::slice::from_ref(&line));
    assert!(has(&["P"], list), "it is given");
    assert!(!has(&[], list), "it keeps its value");
    assert!(!has(&["Other"], list), "another one is given");
    assert!(has(&["P"], None), "nothing is known before there is a change set");
    assert!(!has(&["Other"], None));
}

fn code(memory: u32) -> Value {
    json!({"MemorySize": memory, "Code": {"S3Bucket": {"Ref": "P"}, "S3Key": "a"}})
}

#[rstest]
#[case::another_parameter_value("Code", "ParameterReference", &[])]
#[case::one_that_may_be_another("MemorySize", "DirectModification", &["P"])]
fn code_may_come_from_somewhere_else_though_its_place_has_the_same_name(
    #[case] property: &str,
    #[case] source: &str,
    #[case] given: &[&str],
) {
    let kind = "AWS::Lambda::Function";
    let (old, new) =
        (with(kind, &code(1)), with(kind, &code(if source == "DirectModification" { 2 } else { 1 })));
    let mut line = change("R", kind, "Modify");
    line.details.insert(detail(property, source, "P"));
    let opaque = |given: &[&str], list: &[_]| {
        assessed_given(&old, &new, Some(list), given).risks.iter().any(|r| r.class == RiskClass::Opaque)
    };
    assert!(opaque(given, &[line]));
    assert!(!opaque(&["Other"], &[change("R", kind, "Modify")]) || source == "ParameterReference");
    assert!(!opaque(&["P"], &[]) || source == "DirectModification", "nothing happens to it");
}

#[test]
fn a_value_that_is_looked_up_may_be_another_one_each_time() {
    let of = |sid: &str, kind: &str| {
        template(&json!({
            "Parameters": {"P": {"Type": kind, "Default": "/a"}},
            "Resources": {"R": {"Type": "AWS::IAM::ManagedPolicy", "Properties": policy(sid, &json!({"Ref": "P"}))}}
        }))
    };
    let told = |kind: &str| {
        let mut line = change("R", "AWS::IAM::ManagedPolicy", "Modify");
        line.details.insert(detail("PolicyDocument", "DirectModification", ""));
        assessed_given(&of("a", kind), &of("b", kind), Some(&[line]), &[])
            .risks
            .iter()
            .any(|r| r.class == Iam)
    };
    assert!(told("AWS::SSM::Parameter::Value<String>"));
    assert!(!told("String"));
}
