//! Other code and nothing else.

use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    api::RiskClass::{self, Delete, MaybeReplace, Opaque, Replace},
    risk::testing::{BUCKET, assessed, assessed_given, change, detail, in_place, resources, template},
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
        let pinned = |digit: &str| resources(&task(&format!("r@sha256:{}", digit.repeat(64))));
        let (old, new) = (pinned("1"), pinned(new));
        let mut task = change("T", "AWS::ECS::TaskDefinition", "Modify");
        task.replacement = "True".to_owned();
        task.details.extend(sources.iter().map(|(source, of)| detail("ContainerDefinitions", source, of)));
        let found = assessed(Some(&old), &new, Some(&[task]));
        found.code_only.contains("T")
    };
    assert!(code_only("2", &[("DirectModification", "")]));
    assert!(!code_only("1", &[("ParameterReference", "P")]), "nothing but the parameter");
    assert!(!code_only("2", &[("ParameterReference", "P"), ("DirectModification", "")]), "and another image");
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

const LOOKED_UP: &str = "AWS::SSM::Parameter::Value<String>";

/// What is told of other code of a resource, and whether it is nothing else.
fn other_code(kind: &str, property: &str, old: &Value, new: &Value) -> (Vec<RiskClass>, bool) {
    let of = |properties: &Value| {
        template(&json!({
            "Parameters": {"P": {"Type": LOOKED_UP, "Default": "/p"}, "Given": {"Type": "String"}},
            "Resources": {
                "R": {"Type": kind, "Properties": properties},
                "Theirs": {"Type": "Custom::Theirs", "Properties": {"ServiceToken": "t"}},
                "Ours": {"Type": "AWS::SQS::Queue"},
                "V": {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": "f"}},
            },
        }))
    };
    let mut line = change("R", kind, "Modify");
    line.details.insert(detail(property, "DirectModification", ""));
    let found = assessed_given(&of(old), &of(new), Some(&[line]), &["Given"]);
    (found.risks.iter().map(|risk| risk.class).collect(), found.code_only.contains("R"))
}

#[rstest]
#[case::literal(json!("b"), true)]
#[case::with_what_the_template_makes(json!({"Fn::Sub": "b ${Ours} ${AWS::Region}"}), true)]
#[case::a_pinned_parameter(json!("{{resolve:ssm:/p:3}}"), true)]
#[case::a_dynamic_reference(json!("{{resolve:ssm:/p}}"), false)]
#[case::an_import(json!({"Fn::ImportValue": "theirs"}), false)]
#[case::of_a_custom_resource(json!({"Fn::GetAtt": ["Theirs", "Code"]}), false)]
#[case::looked_up(json!({"Fn::Sub": "b ${P}"}), false)]
#[case::given(json!({"Fn::Sub": "b ${Given}"}), false)]
fn code_of_others_is_not_only_code(#[case] code: Value, #[case] is_ours: bool) {
    let want = if is_ours { (vec![], true) } else { (vec![Opaque], false) };
    let inline = |code: Value| json!({"Role": "r", "Code": {"ZipFile": code}});
    assert_eq!(other_code("AWS::Lambda::Function", "Code", &inline(json!("a")), &inline(code.clone())), want);
    let edge = |code: Value| json!({"Name": "f", "FunctionCode": code});
    let told = other_code("AWS::CloudFront::Function", "FunctionCode", &edge(json!("a")), &edge(code));
    assert_eq!(told, want);
}

#[rstest]
#[case::a_variable(json!({"Environment": {"Variables": {"A": {"Ref": "P"}, "B": "{{resolve:ssm:/b}}"}}}), true)]
#[case::a_role(json!({"Role": {"Ref": "P"}}), false)]
#[case::a_dynamic_role(json!({"Role": "{{resolve:ssm:/role}}"}), false)]
#[case::a_layer(json!({"Layers": [{"Ref": "P"}]}), false)]
fn what_may_be_another_one_beside_the_code(#[case] beside: Value, #[case] is_code: bool) {
    let of = |code: &str| {
        let mut properties = beside.clone();
        properties["Code"] = json!({"ZipFile": code});
        properties
    };
    assert_eq!(other_code("AWS::Lambda::Function", "Code", &of("a"), &of("b")).1, is_code);
}

#[test]
fn what_was_imported_before_is_the_same() {
    let of = |markers: &str, hash: &str| json!({"ServiceToken": "t", "SourceObjectKeys": [hash], "SourceMarkers": [{"m": {"Fn::ImportValue": markers}}]});
    let is_code = |before: &str, after: &str| {
        let kind = "Custom::CDKBucketDeployment";
        other_code(kind, "SourceObjectKeys", &of(before, "1"), &of(after, "2")).1
    };
    assert!(is_code("url", "url"));
    assert!(!is_code("url", "password"));
}

#[rstest]
#[case("AWS::Lambda::Alias", "FunctionVersion")]
#[case("AWS::ElasticBeanstalk::Environment", "VersionLabel")]
fn a_version_that_the_template_does_not_make(#[case] kind: &str, #[case] property: &str) {
    let of = |version: Value| json!({"Name": "live", property: version});
    let made = of(json!({"Fn::GetAtt": ["V", "Version"]}));
    assert_eq!(other_code(kind, property, &of(json!("7")), &made), (vec![], true));
    assert_eq!(other_code(kind, property, &made, &of(json!("1"))), (vec![Opaque], false));
}

#[test]
fn a_task_whose_command_may_be_another_one() {
    let image = |digit: &str| format!("r@sha256:{}", digit.repeat(64));
    let of = |digit: &str, by: &Value| json!({"Family": "f", "ContainerDefinitions": [{"Image": image(digit), "Command": [by]}]});
    let is_code = |by: Value| {
        other_code("AWS::ECS::TaskDefinition", "ContainerDefinitions", &of("1", &by), &of("2", &by)).1
    };
    assert!(is_code(json!("run")));
    assert!(!is_code(json!({"Ref": "P"})));
    assert!(!is_code(json!({"Ref": "Given"})));
}

#[rstest]
#[case(json!("{{resolve:ssm:/f}}"))]
#[case(json!({"Fn::ImportValue": "f"}))]
fn a_version_of_whatever_others_say(#[case] function: Value) {
    let version = |id: &str| {
        resources(&json!({id: {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": function}}}))
    };
    let (old, new) = (version("V1"), version("V2"));
    let found = assessed(Some(&old), &new, Some(&in_place(&old, &new)));
    assert!(found.risks.iter().any(|risk| risk.class == Delete));
}
