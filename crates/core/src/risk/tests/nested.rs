//! Stacks in stacks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    api::RiskClass::{self, Delete, Iam, MaybeReplace, Opaque, Replace},
    bundle::Template,
    risk::{
        Assessed, Assessment, Nested, NestedTemplate, assess, side_by_side,
        testing::{assessed_with, change, origins, resources, template},
    },
    stack::Change,
};

fn parent(value: &Value) -> Template {
    resources(&json!({
        "B": {"Type": "AWS::S3::Bucket"},
        "N": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "u", "Parameters": {"P": value}}}
    }))
}

fn child(action: &str) -> Template {
    template(&json!({
        "Parameters": {"P": {"Type": "String"}},
        "Resources": {"R": {"Type": "AWS::IAM::ManagedPolicy", "Metadata": {"aws:cdk:path": "Dev/N/R"}, "Properties": {"PolicyDocument": {"Statement": [
            {"Effect": "Allow", "Action": action, "Resource": {"Ref": "P"}}]}}}}
    }))
}

fn nested<'a>(old: Option<&'a Template>, new: Option<&'a Template>) -> BTreeMap<String, Nested<'a>> {
    BTreeMap::from([("N".to_owned(), Nested { old, new, nested: BTreeMap::new() })])
}

fn short(found: &Assessment) -> Vec<(RiskClass, &str)> {
    found.risks.iter().map(|r| (r.class, r.logical_id.as_str())).collect()
}

#[test]
fn what_a_nested_template_does_is_seen_without_its_change_set() {
    let (p, old, new) = (parent(&json!("x")), child("a:Get"), child("a:*"));
    let list = [change("N", "AWS::CloudFormation::Stack", "Modify")];
    let found = assessed_with(Some(&p), &p, Some(&list), &nested(Some(&old), Some(&new)));
    assert_eq!(short(&found), [(MaybeReplace, "N/R"), (Iam, "N/R")]);
    assert_eq!(found.risks[0].construct_path.as_deref(), Some("Dev/N/R"));
}

#[test]
fn its_change_set_is_believed_where_there_is_one() {
    let (p, old, new) = (parent(&json!("x")), child("a:Get"), child("a:*"));
    let mut list = [
        change("N", "AWS::CloudFormation::Stack", "Modify"),
        change("N/R", "AWS::IAM::ManagedPolicy", "Modify"),
    ];
    let found = assessed_with(Some(&p), &p, Some(&list), &nested(Some(&old), Some(&new)));
    assert_eq!(short(&found), [(Iam, "N/R")]);
    list[1].replacement = "True".to_owned();
    let found = assessed_with(Some(&p), &p, Some(&list), &nested(Some(&old), Some(&new)));
    assert_eq!(short(&found), [(Replace, "N/R"), (Iam, "N/R")]);
}

#[test]
fn a_nested_stack_without_a_known_template_is_opaque_and_its_list_still_counts() {
    let p = parent(&json!("x"));
    let list = [
        change("N", "AWS::CloudFormation::Stack", "Modify"),
        change("N/M/R", "AWS::IAM::Role", "Add"),
        change("N/Q", "AWS::SQS::Queue", "Remove"),
    ];
    let found = assessed_with(Some(&p), &p, Some(&list), &BTreeMap::new());
    assert_eq!(short(&found), [(Delete, "N/Q"), (Iam, "N/M/R"), (Opaque, "N")]);
}

#[test]
fn other_parameters_reach_the_policies_inside() {
    let (old, new, inside) = (parent(&json!("x")), parent(&json!("y")), child("a:Get"));
    let list = [change("N", "AWS::CloudFormation::Stack", "Modify")];
    let found = assessed_with(Some(&old), &new, Some(&list), &nested(Some(&inside), Some(&inside)));
    assert_eq!(short(&found), [(Iam, "N/R")]);
    // The same text, and behind it a bucket that becomes another one.
    let p = parent(&json!({"Fn::GetAtt": ["B", "Arn"]}));
    let mut list = [change("B", "AWS::S3::Bucket", "Modify")];
    list[0].replacement = "True".to_owned();
    let found = assessed_with(Some(&p), &p, Some(&list), &nested(Some(&inside), Some(&inside)));
    assert_eq!(short(&found), [(Replace, "B"), (Iam, "N/R")]);
}

#[test]
fn a_removed_nested_stack_takes_all_in_it_with_it() {
    let (p, inside, none) =
        (parent(&json!("x")), child("a:Get"), resources(&json!({"B": {"Type": "AWS::S3::Bucket"}})));
    let list = [change("N", "AWS::CloudFormation::Stack", "Remove")];
    let found = assessed_with(Some(&p), &none, Some(&list), &nested(Some(&inside), None));
    assert_eq!(short(&found), [(Delete, "N"), (Delete, "N/R")]);
}

#[test]
fn a_new_nested_stack_is_an_addition_of_all_in_it() {
    let (p, inside, none) =
        (parent(&json!("x")), child("a:Get"), resources(&json!({"B": {"Type": "AWS::S3::Bucket"}})));
    let list = [change("N", "AWS::CloudFormation::Stack", "Add")];
    let found = assessed_with(Some(&none), &p, Some(&list), &nested(None, Some(&inside)));
    assert_eq!(short(&found), [(Iam, "N/R")]);
}

#[test]
fn construct_paths_of_nested_stacks_are_looked_up_where_they_are() {
    let t = resources(&json!({"N": {"Type": "AWS::CloudFormation::Stack"}}));
    let list = [change("N/R", "AWS::SQS::Queue", "Remove"), change("M/R", "AWS::SQS::Queue", "Remove")];
    let paths = [("N", "Dev/N.NestedStack/N.NestedStackResource"), ("R", "Dev/N/R/Resource")];
    let found = assess(&Assessed {
        stack: "S",
        old: Some(&t),
        new: &t,
        changes: Some(&list),
        construct_paths: &paths.into_iter().map(|(id, path)| (id.to_owned(), path.to_owned())).collect(),
        given: &BTreeSet::new(),
        origins: &origins(),
        nested: &BTreeMap::new(),
    });
    let told: Vec<_> =
        found.risks.iter().map(|r| (r.logical_id.as_str(), r.construct_path.as_deref())).collect();
    assert_eq!(told, [("M/R", None), ("N/R", Some("Dev/N/R/Resource"))]);
}

#[test]
fn old_and_new_are_put_side_by_side() {
    let one = |action: &str| NestedTemplate { template: child(action), nested: BTreeMap::new() };
    let old = BTreeMap::from([("A".to_owned(), one("a:b")), ("B".to_owned(), one("a:b"))]);
    let new = BTreeMap::from([("B".to_owned(), one("a:c")), ("C".to_owned(), one("a:b"))]);
    let both = side_by_side(&old, &new);
    let there: Vec<_> = both.iter().map(|(id, n)| (id.as_str(), n.old.is_some(), n.new.is_some())).collect();
    assert_eq!(there, [("A", true, false), ("B", true, true), ("C", false, true)]);
}

const STACK: &str = "AWS::CloudFormation::Stack";

/// What is told of a policy, a function and a nested stack beside the one that gives out a table, a role and a group.
fn beside(old: &Template, new: &Template, tags: &str, list: Option<&[Change]>) -> Vec<(RiskClass, String)> {
    let of = |tag: &str| {
        let out = |name: &str| json!({"Fn::GetAtt": ["N", format!("Outputs.{name}")]});
        resources(&json!({
            "N": {"Type": STACK, "Properties": {"TemplateURL": "u", "Tags": [{"Key": "commit", "Value": tag}]}},
            "P": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": {"Statement": [
                {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": out("Table")}]}}},
            "F": {"Type": "AWS::Lambda::Function", "Properties": {"Role": out("Role"), "VpcConfig": {"SecurityGroupIds": [out("Group")]}}},
            "M": {"Type": STACK, "Properties": {"TemplateURL": "v", "Parameters": {"P": out("Table")}}},
        }))
    };
    let inside = child("a:Get");
    let mut all = nested(Some(old), Some(new));
    all.insert("M".to_owned(), Nested { old: Some(&inside), new: Some(&inside), nested: BTreeMap::new() });
    let found = assessed_with(Some(&of("1")), &of(tags), list, &all);
    short(&found).into_iter().map(|(class, id)| (class, id.to_owned())).collect()
}

/// A nested stack that gives out what it makes.
fn giving(code: &str, table: &str, role: &Value) -> Template {
    template(&json!({
        "Resources": {
            "L": {"Type": "AWS::Lambda::Function", "Properties": {"Code": {"ZipFile": code}}},
            "T": {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": table}},
            "R": {"Type": "AWS::IAM::Role"}, "Admin": {"Type": "AWS::IAM::Role"},
        },
        "Outputs": {"Table": {"Value": {"Fn::GetAtt": ["T", "Arn"]}}, "Role": {"Value": role}, "Group": {"Value": "sg-1"}}
    }))
}

#[test]
fn what_a_nested_stack_gives_out_is_looked_at_one_by_one() {
    let role = |id: &str| json!({"Fn::GetAtt": [id, "Arn"]});
    let old = giving("a", "t", &role("R"));
    let mut code = change("N/L", "AWS::Lambda::Function", "Modify");
    code.details.insert(crate::risk::testing::detail("Code", "DirectModification", ""));
    let mut table = change("N/T", "AWS::DynamoDB::Table", "Modify");
    table.replacement = "True".to_owned();
    let stack = change("N", STACK, "Modify");

    let other_code = giving("b", "t", &role("R"));
    assert_eq!(beside(&old, &other_code, "1", Some(&[stack.clone(), code])), [], "other code");
    assert_eq!(beside(&old, &old, "2", Some(std::slice::from_ref(&stack))), [], "another tag");
    assert_eq!(beside(&old, &old, "1", Some(std::slice::from_ref(&stack))), [], "nothing at all");

    let told = beside(&old, &giving("a", "u", &role("R")), "1", Some(&[stack.clone(), table]));
    let through = [(Iam, "M/R".to_owned()), (Iam, "P".to_owned())];
    assert_eq!(told[1..], through, "another table");

    let another_role = giving("a", "t", &role("Admin"));
    let told = beside(&old, &another_role, "1", Some(std::slice::from_ref(&stack)));
    assert_eq!(told, [(Iam, "F".to_owned())], "another role");
    let told = beside(&old, &another_role, "1", None);
    assert!(told.contains(&(Iam, "F".to_owned())) && !told.contains(&(Iam, "P".to_owned())), "{told:?}");
}
