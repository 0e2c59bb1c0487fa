//! What holds for all templates and change lists.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{
    api::RiskClass::{Delete, Iam, MaybeReplace, Replace},
    bundle::Template,
    risk::testing::{assessed, change, has, template},
    stack::Change,
};

/// Any JSON, with the words that templates are made of.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("Ref"),
        Just("Fn::GetAtt"),
        Just("Fn::Sub"),
        Just("Fn::Join"),
        Just("Fn::If"),
        Just("Fn::FindInMap"),
        Just("Fn::Transform"),
        Just("Fn::ForEach::X"),
        Just("Statement"),
        Just("Effect"),
        Just("Action"),
        Just("NotAction"),
        Just("Resource"),
        Just("Principal"),
        Just("Condition"),
        Just("PolicyDocument"),
        Just("Policies"),
        Just("ManagedPolicyArns"),
        Just("PermissionsBoundary"),
        Just("SecurityGroupIngress"),
        Just("CidrIp"),
        Just("Scheme"),
        Just("Role"),
        Just("Parameters"),
        Just("EndpointConfiguration"),
        Just("Type"),
        Just("PublicAccessBlockConfiguration"),
        Just("Code"),
        Just("S3Key"),
        Just("A"),
        Just("B"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|n| json!(n)),
        word.clone().prop_map(|w| json!(w)),
        prop_oneof![
            Just("Allow"),
            Just("Deny"),
            Just("*"),
            Just("s3:*"),
            Just("${A.Arn}-${"),
            Just("{{resolve:ssm:x"),
            Just("10.0.0.0/8"),
            Just("{\"Statement\": [{}]}"),
            Just("{\"Statement"),
            Just("AWS::NoValue"),
        ]
        .prop_map(|w| json!(w)),
        ".{0,6}".prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            proptest::collection::vec((word.clone(), inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

fn any_type() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("AWS::IAM::Role"),
        Just("AWS::IAM::Policy"),
        Just("AWS::S3::Bucket"),
        Just("AWS::EC2::SecurityGroup"),
        Just("AWS::EC2::SecurityGroupIngress"),
        Just("AWS::Lambda::Function"),
        Just("AWS::Lambda::Permission"),
        Just("AWS::CloudFormation::Stack"),
        Just("Custom::X"),
        Just("AWS::ApiGateway::RestApi"),
        Just("AWS::KMS::Key"),
        Just("AWS::CDK::Metadata"),
        Just("AWS::Organizations::Policy"),
        Just(""),
        Just("AWS::EKS::Cluster"),
    ]
}

fn any_template() -> impl Strategy<Value = Value> {
    let id = prop_oneof![Just("A"), Just("B"), Just("C"), Just("Fn::ForEach::X")];
    let resource = (any_type(), any_json(), any_json()).prop_map(|(kind, properties, condition)| {
        json!({"Type": kind, "Properties": properties, "Condition": condition, "DeletionPolicy": condition})
    });
    let parameters = any_json().prop_map(|p| json!({"A": {"Type": "String", "Default": p}}));
    (proptest::collection::btree_map(id, resource, 0..4), parameters, any_json(), any_json()).prop_map(
        |(resources, parameters, conditions, mappings)| {
            json!({"Resources": resources, "Parameters": parameters, "Conditions": {"A": conditions}, "Mappings": {"A": mappings}})
        },
    )
}

fn any_change() -> impl Strategy<Value = Change> {
    let id = prop_oneof![Just("A"), Just("B"), Just("X"), Just("A/B"), Just("X/Y/Z"), Just("/"), Just("//")];
    let action =
        prop_oneof![Just("Add"), Just("Modify"), Just("Remove"), Just("Import"), Just("Dynamic"), Just("?")];
    let replacement = prop_oneof![Just(""), Just("True"), Just("False"), Just("Conditional")];
    (id, any_type(), action, replacement).prop_map(|(id, kind, action, replacement)| {
        let mut change = change(id, kind, action);
        replacement.clone_into(&mut change.replacement);
        change
    })
}

/// The same JSON with all keys the other way round, as text.
fn turned(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(turned).collect::<Vec<_>>().join(",")),
        Value::Object(object) => {
            let mut fields: Vec<String> =
                object.iter().map(|(k, v)| format!("{}:{}", Value::String(k.clone()), turned(v))).collect();
            fields.reverse();
            format!("{{{}}}", fields.join(","))
        }
        scalar => scalar.to_string(),
    }
}

fn any_statement() -> impl Strategy<Value = Value> {
    let some = |of: [&'static str; 4]| proptest::collection::vec(proptest::sample::select(of.to_vec()), 1..4);
    let key = proptest::sample::select(vec![
        ("Action", "Resource"),
        ("NotAction", "Resource"),
        ("Action", "NotResource"),
    ]);
    (
        prop_oneof![Just("Allow"), Just("Deny")],
        key,
        some(["s3:Get*", "s3:PutObject", "iam:*", "*"]),
        some(["a", "a/*", "b", "*"]),
        proptest::option::of(some(["x", "y", "z", "w"])),
    )
        .prop_map(|(effect, (action, resource), actions, resources, condition)| {
            let mut statement = json!({"Effect": effect, action: actions, resource: resources});
            if let Some(values) = condition {
                statement["Condition"] = json!({"StringEquals": {"aws:PrincipalOrgID": values}});
            }
            statement
        })
}

fn policy(statements: &[Value]) -> Value {
    json!({"Resources": {"P": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": {"Statement": statements}}}}})
}

/// The statement with all its lists the other way round.
fn lists_turned(statement: &Value) -> Value {
    let turn = |v: &Value| match v {
        Value::Array(items) => Value::Array(items.iter().rev().cloned().collect()),
        other => other.clone(),
    };
    statement.as_object().unwrap().iter().map(|(k, v)| (k.clone(), turn(v))).collect::<Map<_, _>>().into()
}

proptest! {
    #[test]
    fn another_order_of_statements_and_lists_is_no_risk(statements in proptest::collection::vec(any_statement(), 0..5)) {
        let turned: Vec<Value> = statements.iter().rev().map(lists_turned).collect();
        prop_assert!(!has(Iam, &policy(&statements), &policy(&turned)));
    }

    #[test]
    fn an_added_allow_is_always_found(statements in proptest::collection::vec(any_statement(), 0..5), at in 0usize..6) {
        let mut more = statements.clone();
        // Unlike all others, and not within `*` of them: nobody had a say on this principal before.
        let allow = json!({"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "sqs:*", "Resource": "*"});
        more.insert(at.min(statements.len()), allow);
        prop_assert!(has(Iam, &policy(&statements), &policy(&more)));
    }

    #[test]
    fn an_allow_on_top_of_nothing_is_always_found(allow in any_statement(), denies in proptest::collection::vec(any_statement(), 0..4)) {
        let as_effect = |mut s: Value, effect: &str| { s["Effect"] = json!(effect); s };
        let denies: Vec<Value> = denies.into_iter().map(|s| as_effect(s, "Deny")).collect();
        let mut more = denies.clone();
        more.push(as_effect(allow, "Allow"));
        prop_assert!(has(Iam, &policy(&denies), &policy(&more)));
        prop_assert!(!has(Iam, &policy(&more), &policy(&denies)), "and going back is not");
    }

    #[test]
    fn a_removed_deny_is_always_found(statements in proptest::collection::vec(any_statement(), 0..5), at in 0usize..6) {
        let mut before = statements.clone();
        let deny = json!({"Effect": "Deny", "Action": "sqs:SendMessage", "Resource": "only-this"});
        before.insert(at.min(statements.len()), deny.clone());
        let covers = |s: &Value| s["Effect"] == "Deny";
        let rest: Vec<Value> = statements.iter().filter(|s| !covers(s)).cloned().collect();
        prop_assert!(has(Iam, &policy(&before), &policy(&rest)));
        prop_assert!(has(Iam, &policy(&before), &json!({"Resources": {}})), "with the whole policy");
    }

    #[test]
    fn what_the_list_replaces_or_removes_is_always_told(
        old in any_template(), new in any_template(), list in proptest::collection::vec(any_change(), 0..6)
    ) {
        let (old, new) = (template(&old), template(&new));
        let found = assessed(Some(&old), &new, Some(&list));
        let told = |class, id: &str| found.risks.iter().any(|r| r.class == class && r.logical_id == id);
        let note = |id: &str| {
            let types = [&old, &new].into_iter().filter_map(|t| t.resources.get(id)).map(|r| r.resource_type.as_str());
            types.chain(list.iter().filter(|c| c.logical_id == id).map(|c| c.resource_type.as_str()))
                .all(|t| t == "AWS::CDK::Metadata")
        };
        for c in list.iter().filter(|c| !note(&c.logical_id)) {
            let id = c.logical_id.as_str();
            prop_assert!(c.action != "Remove" || told(Delete, id), "{c:?}");
            prop_assert!(c.replacement != "True" || told(Replace, id), "{c:?}");
            prop_assert!(c.replacement != "Conditional" || told(MaybeReplace, id), "{c:?}");
        }
        let tuples: BTreeSet<_> = found.risks.iter().map(|r| (r.class, &r.logical_id)).collect();
        prop_assert_eq!(tuples.len(), found.risks.len());
        prop_assert!(found.risks.iter().all(|r| !r.cause.is_empty() && r.cause.chars().count() <= 256));
    }

    #[test]
    fn the_order_of_keys_and_of_the_list_changes_nothing(
        old in any_template(), new in any_template(), list in proptest::option::of(proptest::collection::vec(any_change(), 0..4))
    ) {
        let as_text = |value: &Value| -> Template {
            let key = serde_json::from_value(json!({"env": {"account": "111111111111", "region": "ap-southeast-2"}, "name": "Dev"})).unwrap();
            Template::parse(turned(value).as_bytes(), &key).unwrap()
        };
        let other: Option<Vec<Change>> = list.as_ref().map(|l| l.iter().rev().cloned().collect());
        prop_assert_eq!(
            assessed(Some(&template(&old)), &template(&new), list.as_deref()),
            assessed(Some(&as_text(&old)), &as_text(&new), other.as_deref())
        );
    }

    #[test]
    fn nothing_is_found_where_nothing_changes(t in any_template()) {
        let t = template(&t);
        prop_assert_eq!(assessed(Some(&t), &t, Some(&[])).risks, vec![]);
        prop_assert_eq!(assessed(Some(&t), &t, None).risks, vec![]);
    }

    #[test]
    fn no_value_is_ever_told(secret in "[a-z]{12}") {
        let old = template(&json!({"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {"Policies": []}}}}));
        let new = template(&json!({"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyDocument": {"Statement": [
            {"Effect": "Allow", "Action": secret, "Resource": secret, "Condition": {secret.as_str(): {secret.as_str(): secret}}}]}}],
            "ManagedPolicyArns": [secret]}}}}));
        let found = assessed(Some(&old), &new, None);
        let shown = format!("{found:?}");
        prop_assert!(!shown.contains(&secret));
        prop_assert!(!found.risks.is_empty());
    }
}
