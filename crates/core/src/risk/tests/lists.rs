//! What a change list says, and what a deferred stack is told without one.

use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    api::RiskClass::{self, Adopt, Delete, MaybeReplace, Replace},
    risk::{
        classes,
        testing::{assessed, change, detail, resources, template},
    },
    stack::ValueSource,
};

fn told(old: &Value, new: &Value) -> Vec<(RiskClass, String, Option<String>)> {
    let (old, new) = (resources(old), resources(new));
    let found = assessed(Some(&old), &new, None);
    found.risks.into_iter().map(|r| (r.class, r.logical_id, r.policy)).collect()
}

#[test]
fn all_that_the_list_says() {
    let t =
        resources(&json!({"A": {"Type": "AWS::S3::Bucket", "Metadata": {"aws:cdk:path": "Dev/A/Resource"}}}));
    let mut list = vec![
        change("A", "AWS::S3::Bucket", "Modify"),
        change("B", "AWS::SQS::Queue", "Remove"),
        change("C", "AWS::SQS::Queue", "Import"),
        change("D", "AWS::SQS::Queue", "Modify"),
        change("Note", "AWS::CDK::Metadata", "Remove"),
    ];
    list[0].replacement = "True".to_owned();
    list[0].policy_action = "ReplaceAndRetain".to_owned();
    list[1].policy_action = "Retain".to_owned();
    list[3].replacement = "Conditional".to_owned();
    list[3].details.insert(detail("QueueName", "DirectModification", ""));
    let found = assessed(Some(&t), &t, Some(&list));
    let short: Vec<_> =
        found.risks.iter().map(|r| (r.class, r.logical_id.as_str(), r.policy.as_deref())).collect();
    let want = [
        (Delete, "B", Some("Retain")),
        (Replace, "A", Some("ReplaceAndRetain")),
        (MaybeReplace, "D", None),
        (Adopt, "C", None),
    ];
    assert_eq!(short, want);
    assert_eq!(found.risks[1].construct_path.as_deref(), Some("Dev/A/Resource"));
    assert_eq!(found.risks[1].resource_type, "AWS::S3::Bucket");
    assert!(found.risks.iter().all(|r| r.stack == "S" && !r.cause.is_empty()));
    assert_eq!(classes(&found.risks), ["delete", "replace", "maybe-replace", "adopt"]);
}

#[test]
fn without_a_list_what_changes_may_be_replaced_and_what_goes_is_deleted() {
    let old = json!({
        "A": {"Type": "AWS::SQS::Queue", "Properties": {"S": 1}}, "B": {"Type": "AWS::SQS::Queue"},
        "C": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"}, "D": {"Type": "AWS::SQS::Queue"},
        "E": {"Type": "AWS::SQS::Queue", "Metadata": {"x": 1}}
    });
    let new = json!({
        "A": {"Type": "AWS::SQS::Queue", "Properties": {"S": 2}}, "D": {"Type": "AWS::SQS::Queue"},
        "E": {"Type": "AWS::SQS::Queue", "Metadata": {"x": 2}}, "F": {"Type": "AWS::SQS::Queue"}
    });
    let want = [(Delete, "B", None), (Delete, "C", Some("Retain")), (MaybeReplace, "A", None)];
    assert_eq!(told(&old, &new), want.map(|(c, id, p)| (c, id.to_owned(), p.map(str::to_owned))));
}

#[rstest]
#[case("Retain", "Delete", true)]
#[case("Snapshot", "Delete", true)]
#[case("Retain", "Snapshot", true)]
#[case("RetainExceptOnCreate", "Delete", true)]
#[case("Delete", "Retain", false)]
#[case("Retain", "RetainExceptOnCreate", false)]
fn weakened_policies(#[case] before: &str, #[case] after: &str, #[case] want: bool) {
    for section in ["DeletionPolicy", "UpdateReplacePolicy"] {
        let of = |policy: &str| json!({"A": {"Type": "AWS::S3::Bucket", section: policy}});
        let (old, new) = (resources(&of(before)), resources(&of(after)));
        // CloudFormation lists no change where nothing else differs.
        let found = assessed(Some(&old), &new, Some(&[]));
        assert_eq!(found.risks.iter().any(|r| r.class == Delete), want, "{section}");
    }
    let of = |body: Value| resources(&json!({"A": body}));
    let left_out = of(json!({"Type": "AWS::S3::Bucket"}));
    let kept = of(json!({"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"}));
    assert_eq!(assessed(Some(&kept), &left_out, Some(&[])).risks.len(), 1);
    // Databases keep a snapshot by default.
    let database = of(json!({"Type": "AWS::RDS::DBInstance"}));
    let gone = of(json!({"Type": "AWS::RDS::DBInstance", "DeletionPolicy": "Delete"}));
    assert_eq!(assessed(Some(&database), &gone, Some(&[])).risks.len(), 1);
}

#[test]
fn without_a_list_a_condition_may_remove_what_it_decides_on() {
    let of = |value: &str| {
        template(&json!({
            "Conditions": {"C": {"Fn::Equals": [value, "x"]}},
            "Resources": {"A": {"Type": "AWS::SQS::Queue", "Condition": "C"}}
        }))
    };
    let found = assessed(Some(&of("x")), &of("y"), None);
    assert_eq!(found.risks.iter().map(|r| r.class).collect::<Vec<_>>(), [Delete]);
}

#[test]
fn another_type_under_the_same_name_is_a_replacement() {
    let of = |kind: &str| json!({"A": {"Type": kind}});
    let classes: Vec<_> =
        told(&of("AWS::SQS::Queue"), &of("AWS::SNS::Topic")).into_iter().map(|r| r.0).collect();
    assert!(classes.contains(&Replace));
}

#[test]
fn the_properties_that_a_resource_is_replaced_for_are_named() {
    let t = resources(&json!({"Q": {"Type": "AWS::SQS::Queue"}}));
    let mut line = change("Q", "AWS::SQS::Queue", "Modify");
    line.replacement = "True".to_owned();
    for (name, recreation) in
        [("QueueName", "Always"), ("FifoQueue", "Conditionally"), ("DelaySeconds", "Never")]
    {
        let detail = detail(name, "DirectModification", "");
        line.details.insert(ValueSource { requires_recreation: recreation.to_owned(), ..detail });
    }
    let found = assessed(Some(&t), &t, Some(&[line]));
    let risk = found.risks.iter().find(|r| r.class == Replace).unwrap();
    assert_eq!(risk.cause, "is replaced (FifoQueue, QueueName)");
}
