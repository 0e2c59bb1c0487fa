//! Other code and nothing else.

use serde_json::{Value, json};

use crate::{
    api::RiskClass::{Delete, MaybeReplace, Replace},
    risk::testing::{BUCKET, assessed, change, detail, in_place, resources},
};

/// What aws-cdk-lib 2.276.0 makes of a function with a version and an alias, a layer, and a bucket that is filled; shortened.
fn app(hash: &str) -> Value {
    json!({
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": [
            {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}]}}},
        "F": {"Type": "AWS::Lambda::Function", "DependsOn": ["Role"], "Metadata": {"aws:asset:path": format!("asset.{hash}"), "aws:asset:property": "Code"},
            "Properties": {"Code": {"S3Bucket": BUCKET, "S3Key": format!("{hash}.zip")}, "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Layers": [{"Ref": "L"}]}},
        format!("FVersion{hash}"): {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "F"}}},
        "A": {"Type": "AWS::Lambda::Alias", "Properties": {"Name": "live", "FunctionVersion": {"Fn::GetAtt": [format!("FVersion{hash}"), "Version"]}}},
        "P": {"Type": "AWS::Lambda::Permission", "Properties": {"Action": "lambda:InvokeFunction", "FunctionName": {"Fn::GetAtt": ["F", "Arn"]}, "Principal": "s3.amazonaws.com"}},
        "L": {"Type": "AWS::Lambda::LayerVersion", "Properties": {"Content": {"S3Bucket": BUCKET, "S3Key": format!("{hash}.zip")}}},
        "D": {"Type": "Custom::CDKBucketDeployment", "Properties": {"ServiceToken": {"Fn::GetAtt": ["H", "Arn"]}, "SourceBucketNames": [BUCKET], "SourceObjectKeys": [format!("{hash}.zip")]}}
    })
}

#[test]
fn asset_churn_of_a_cdk_app_carries_only_what_is_really_replaced_and_removed() {
    let (old, new) = (resources(&app("1")), resources(&app("2")));
    let mut list = in_place(&old, &new);
    for c in &mut list {
        if c.logical_id == "L" {
            c.replacement = "True".to_owned();
            c.policy_action = "ReplaceAndDelete".to_owned();
        }
        if c.logical_id == "F" {
            c.details.insert(detail("Code", "DirectModification", ""));
            c.details.insert(detail("Layers", "ResourceReference", "L"));
        }
    }
    // CloudFormation cannot tell what becomes of the ARN of a function that changes.
    let mut permission = change("P", "AWS::Lambda::Permission", "Modify");
    permission.details.insert(detail("FunctionName", "ResourceAttribute", "F.Arn"));
    list.push(permission);
    let found = assessed(Some(&old), &new, Some(&list));
    assert_eq!(found.code_only.iter().collect::<Vec<_>>(), ["A", "D", "F", "FVersion1", "FVersion2"]);
    let risks: Vec<_> = found.risks.iter().map(|r| (r.class, r.logical_id.as_str())).collect();
    assert_eq!(risks, [(Replace, "L")]);
    let counted = crate::change::count_changes(&list, &found.code_only);
    assert_eq!((counted.add, counted.modify, counted.code, counted.remove, counted.replace), (0, 5, 4, 0, 1));
}

#[test]
fn without_a_list_code_does_not_replace_a_function() {
    let (old, new) = (resources(&app("1")), resources(&app("2")));
    let found = assessed(Some(&old), &new, None);
    let risks: Vec<_> = found.risks.iter().map(|r| (r.class, r.logical_id.as_str())).collect();
    assert_eq!(risks, [(MaybeReplace, "L")]);
    assert_eq!(found.code_only.iter().collect::<Vec<_>>(), ["A", "D", "F", "FVersion1", "FVersion2"]);
}

#[test]
fn the_list_has_to_agree() {
    let (old, new) = (resources(&app("1")), resources(&app("2")));
    let of = |edit: fn(&mut crate::stack::Change)| {
        let mut list = in_place(&old, &new);
        list.iter_mut().filter(|c| c.logical_id == "F").for_each(edit);
        assessed(Some(&old), &new, Some(&list)).code_only.contains("F")
    };
    assert!(of(|_| {}));
    assert!(!of(|c| c.replacement = "Conditional".to_owned()));
    assert!(!of(|c| c.scope = ["Properties".to_owned(), "Tags".to_owned()].into()));
    assert!(!of(|c| c.details = [detail("Environment", "ParameterReference", "P")].into()));
}

#[test]
fn a_layer_that_changes_is_other_code_for_its_function() {
    let t = resources(&app("1"));
    let mut function = change("F", "AWS::Lambda::Function", "Modify");
    function.details.insert(detail("Layers", "ResourceReference", "L"));
    assert_eq!(assessed(Some(&t), &t, Some(&[function])).code_only.len(), 1);
}

#[test]
fn a_version_that_nothing_takes_the_place_of_is_removed() {
    let version = |of: &str, more: Value| {
        let mut properties = json!({"FunctionName": {"Ref": of}});
        properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"Type": "AWS::Lambda::Version", "Properties": properties})
    };
    let one = version("F", json!({}));
    let deletes = |old: Value, new: Value| {
        let (old, new) = (resources(&old), resources(&new));
        let list = in_place(&old, &new);
        let of = |list| assessed(Some(&old), &new, list).risks.iter().any(|r| r.class == Delete);
        assert_eq!(of(Some(list.as_slice())), of(None));
        of(None)
    };
    let function = json!({"Type": "AWS::Lambda::Function", "Properties": {}});
    let with = |versions: Value| {
        let mut all = versions;
        all["F"] = function.clone();
        all
    };
    assert!(!deletes(
        with(json!({"V1": one})),
        with(json!({"V2": version("F", json!({"Description": "x"}))}))
    ));
    assert!(deletes(json!({"V1": one}), json!({"V2": one})), "of whatever a parameter says");
    assert!(deletes(json!({"V1": one}), json!({"V2": version("G", json!({}))})), "of another function");
    assert!(deletes(
        json!({"V1": one}),
        json!({"V2": version("F", json!({"ProvisionedConcurrencyConfig": 1}))})
    ));
    assert!(deletes(json!({"V1": one, "V2": one}), json!({"V3": one})), "two go");
    assert!(deletes(json!({"V1": one}), json!({})));
}

#[test]
fn what_a_parameter_gives_is_not_only_code() {
    let task = |image: &str| json!({"T": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"Family": "f", "ContainerDefinitions": [{"Image": image, "Command": [{"Ref": "P"}]}]}}});
    let code_only = |new: &str, sources: &[(&str, &str)]| {
        let (old, new) = (resources(&task("r:1")), resources(&task(new)));
        let mut task = change("T", "AWS::ECS::TaskDefinition", "Modify");
        task.replacement = "True".to_owned();
        task.details.extend(sources.iter().map(|(source, of)| detail("ContainerDefinitions", source, of)));
        let found = assessed(Some(&old), &new, Some(&[task]));
        // The image is of others, so it is told in any case.
        found.risks.iter().all(|risk| risk.class != Replace)
    };
    assert!(!code_only("r:1", &[("ParameterReference", "P")]), "nothing but the parameter");
    assert!(
        !code_only("r:2", &[("ParameterReference", "P"), ("DirectModification", "")]),
        "and another image"
    );
    let build = |list: crate::stack::Change| {
        let t = resources(
            &json!({"B": {"Type": "AWS::CodeBuild::Project", "Properties": {"Environment": {"Image": {"Ref": "P"}}}}}),
        );
        assessed(Some(&t), &t, Some(&[list])).code_only.len()
    };
    let mut list = change("B", "AWS::CodeBuild::Project", "Modify");
    list.details.insert(detail("Environment", "ParameterReference", "P"));
    assert_eq!(build(list), 0);
}

#[test]
fn a_version_goes_only_where_another_one_comes_in_truth() {
    let version = |more: Value| {
        let mut body = json!({"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "F"}}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let function = json!({"Type": "AWS::Lambda::Function", "Properties": {}});
    let (old, new) =
        (json!({"F": function, "V1": version(json!({}))}), json!({"F": function, "V2": version(json!({}))}));
    let never = json!({"F": function, "V2": version(json!({"Condition": "Never"}))});
    let deletes = |new: &Value, list: &[(&str, &str)]| {
        let list: Vec<_> =
            list.iter().map(|(id, action)| change(id, "AWS::Lambda::Version", action)).collect();
        let found = assessed(Some(&resources(&old)), &resources(new), Some(&list));
        found.risks.iter().any(|risk| risk.class == Delete && risk.logical_id == "V1")
    };
    assert!(!deletes(&new, &[("V1", "Remove"), ("V2", "Add")]));
    assert!(deletes(&new, &[("V1", "Remove")]), "nothing comes");
    assert!(deletes(&new, &[("V1", "Remove"), ("V2", "Import")]), "it is taken over");
    assert!(deletes(&never, &[("V1", "Remove"), ("V2", "Add")]), "it may not come");
}
