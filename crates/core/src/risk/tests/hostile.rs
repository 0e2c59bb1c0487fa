//! Templates of up to 1 MB (quota of CloudFormation) that are made to take for ever, or all memory.

use std::iter;

use serde_json::{Value, json};

use crate::{
    api::RiskClass::{self, Iam},
    risk::testing::{assessed, resources},
};

/// The classes that a change of the properties of one resource is told in.
fn told(kind: &str, old: &Value, new: &Value) -> Vec<RiskClass> {
    let of = |properties: &Value| resources(&json!({"R": {"Type": kind, "Properties": properties}}));
    let mut classes: Vec<RiskClass> =
        assessed(Some(&of(old)), &of(new), None).risks.iter().map(|risk| risk.class).collect();
    classes.dedup();
    classes
}

#[test]
fn lists_in_lists() {
    let deep = (0..100).fold(json!("x"), |inside, _| json!([inside, "\"\\"]));
    let told = told("AWS::IAM::Role", &json!({}), &json!({"ManagedPolicyArns": deep, "Public": deep}));
    assert!(told.contains(&Iam));
}

#[test]
fn a_statement_of_thousands_of_permissions() {
    let many =
        |what: &str| -> Vec<String> { (0..64).map(|n| format!("{what}:{n}{}", "x".repeat(1000))).collect() };
    let statement = |on: &str| json!({"Effect": "Allow", "Action": many("a"), "Resource": many(on), "Condition": {"StringEquals": {"k": "v".repeat(700_000)}}});
    let policy = |on: &str| json!({"PolicyDocument": {"Statement": [statement(on)]}, "Users": ["u"]});
    assert!(told("AWS::IAM::Policy", &policy("r"), &policy("s")).contains(&Iam));
}

#[test]
fn a_schema_of_many_directives_for_many_fields() {
    let schema = |last: &str| {
        let fields: String = (0..40_000).map(|n| format!("f{n}:S ")).collect();
        let directives: String = iter::repeat_n("@aws_a ", 50_000).collect();
        json!({"Definition": format!("type Q {directives} {last} {{ {fields} }}")})
    };
    assert!(told("AWS::AppSync::GraphQLSchema", &schema("@aws_iam"), &schema("@aws_api_key")).contains(&Iam));
}

#[test]
fn long_names_around_many_keys() {
    let keys: Value =
        (0..20_000).map(|n| (format!("k{n}"), json!("v"))).collect::<serde_json::Map<_, _>>().into();
    let deep = |key: &str| {
        (0..40).fold(
            keys.clone(),
            |inside, n| json!({format!("{n}{}", "n".repeat(10_000)): inside, "Role": key}),
        )
    };
    assert!(told("AWS::X::Y", &json!({"P": deep("r")}), &json!({"P": deep("s")})).contains(&Iam));
}

#[test]
fn functions_that_multiply_what_is_in_them() {
    let bomb = (0..30).fold(json!(""), |v, _| json!({"Fn::Sub": ["${a}".repeat(10), {"a": v}]}));
    let told = told("AWS::SSM::Parameter", &json!({"Value": "x"}), &json!({"Value": bomb}));
    assert!(told.contains(&RiskClass::Opaque), "what it is, nobody reads");
}
