//! Class `iam`, table by table.

use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    api::RiskClass::Iam,
    risk::testing::{assessed, change, detail, has, one_has, resources, template},
};

fn statement(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn document(statements: &[&str]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements.iter().map(|s| statement(s)).collect::<Vec<_>>()})
}

const ALLOW: &str = r#"{"Effect": "Allow", "Principal": "*", "Action": "x:Get", "Resource": "*"}"#;
const MORE: &str = r#"{"Effect": "Allow", "Principal": "*", "Action": "x:*", "Resource": "*"}"#;
const DENY: &str = r#"{"Effect": "Deny", "Principal": "*", "Action": "x:*", "Resource": "*"}"#;

/// Every place where a policy can stand: what it allows grows, and a Deny in it goes.
#[rstest]
#[case::trust("AWS::IAM::Role", "/AssumeRolePolicyDocument")]
#[case::inline("AWS::IAM::Role", "/Policies/0/PolicyDocument")]
#[case::user("AWS::IAM::User", "/Policies/0/PolicyDocument")]
#[case::group("AWS::IAM::Group", "/Policies/0/PolicyDocument")]
#[case::policy("AWS::IAM::Policy", "/PolicyDocument")]
#[case::managed("AWS::IAM::ManagedPolicy", "/PolicyDocument")]
#[case::role_policy("AWS::IAM::RolePolicy", "/PolicyDocument")]
#[case::bucket("AWS::S3::BucketPolicy", "/PolicyDocument")]
#[case::access_point("AWS::S3::AccessPoint", "/Policy")]
#[case::queue("AWS::SQS::QueuePolicy", "/PolicyDocument")]
#[case::topic("AWS::SNS::TopicPolicy", "/PolicyDocument")]
#[case::key("AWS::KMS::Key", "/KeyPolicy")]
#[case::repository("AWS::ECR::Repository", "/RepositoryPolicyText")]
#[case::registry("AWS::ECR::RegistryPolicy", "/PolicyText")]
#[case::secret("AWS::SecretsManager::ResourcePolicy", "/ResourcePolicy")]
#[case::bus("AWS::Events::EventBus", "/Policy")]
#[case::file_system("AWS::EFS::FileSystem", "/FileSystemPolicy")]
#[case::vault("AWS::Backup::BackupVault", "/AccessPolicy")]
#[case::api("AWS::ApiGateway::RestApi", "/Policy")]
#[case::endpoint("AWS::EC2::VPCEndpoint", "/PolicyDocument")]
#[case::table("AWS::DynamoDB::Table", "/ResourcePolicy/PolicyDocument")]
#[case::search("AWS::OpenSearchService::Domain", "/AccessPolicies")]
#[case::permission_set("AWS::SSO::PermissionSet", "/InlinePolicy")]
#[case::organization("AWS::Organizations::Policy", "/Content")]
#[case::device("AWS::IoT::Policy", "/PolicyDocument")]
#[case::whatever("AWS::New::Thing", "/Deep/Inside/Anything")]
fn wherever_a_policy_stands(#[case] kind: &str, #[case] place: &str) {
    let of = |document: Value| {
        place.rsplit('/').filter(|s| !s.is_empty()).fold(document, |inner, step| match step {
            "0" => json!([inner]),
            step => json!({ step: inner }),
        })
    };
    let one = |statements: &[&str]| of(document(statements));
    assert!(one_has(Iam, kind, &one(&[ALLOW]), &one(&[MORE])), "an Allow grows");
    assert!(one_has(Iam, kind, &one(&[ALLOW]), &one(&[ALLOW, MORE])), "an Allow is added");
    assert!(one_has(Iam, kind, &one(&[ALLOW, DENY]), &one(&[ALLOW])), "a Deny goes");
    assert!(
        one_has(Iam, kind, &one(&[ALLOW]), &of(json!({"Fn::Sub": "${X}"}))),
        "it cannot be read any more"
    );
    let text = of(Value::String(document(&[ALLOW]).to_string()));
    let more = of(Value::String(document(&[MORE]).to_string()));
    assert!(one_has(Iam, kind, &text, &more), "an Allow grows in a text");
    if !kind.starts_with("AWS::EC2::VPCEndpoint") {
        assert!(!one_has(Iam, kind, &one(&[ALLOW, DENY]), &one(&[DENY, ALLOW])), "another order");
        assert!(!one_has(Iam, kind, &one(&[MORE]), &one(&[ALLOW, DENY])), "narrower");
    }
}

#[rstest]
#[case::attachment("AWS::IAM::Role", json!({"ManagedPolicyArns": []}), json!({"ManagedPolicyArns": ["arn:aws:iam::aws:policy/X"]}), true)]
#[case::detachment_of_aws("AWS::IAM::Role", json!({"ManagedPolicyArns": ["arn:aws:iam::aws:policy/X"]}), json!({"ManagedPolicyArns": []}), false)]
#[case::detachment_of_a_deny("AWS::IAM::Role", json!({"ManagedPolicyArns": ["arn:aws:iam::aws:policy/AWSDenyAll"]}), json!({}), true)]
#[case::detachment_of_who_knows_what("AWS::IAM::Role", json!({"ManagedPolicyArns": [{"Ref": "P"}]}), json!({}), true)]
#[case::policy_for_another_role("AWS::IAM::Policy", json!({"Roles": ["a"], "PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "a:b", "Resource": "*"}}}), json!({"Roles": ["a", "b"], "PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "a:b", "Resource": "*"}}}), true)]
#[case::deny_for_another_role("AWS::IAM::Policy", json!({"Roles": ["a"], "PolicyDocument": {"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}}), json!({"Roles": ["a", "b"], "PolicyDocument": {"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}}), false)]
#[case::new_deny("AWS::SQS::QueuePolicy", Value::Null, json!({"Queues": ["q"], "PolicyDocument": {"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}}), false)]
#[case::policy_for_fewer_roles("AWS::IAM::Policy", json!({"Roles": ["a", "b"], "PolicyDocument": {"Statement": []}}), json!({"Roles": ["a"], "PolicyDocument": {"Statement": []}}), false)]
#[case::deny_for_fewer_roles("AWS::IAM::Policy", json!({"Roles": ["a", "b"], "PolicyDocument": {"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}}), json!({"Roles": ["a"], "PolicyDocument": {"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}}), true)]
#[case::another_bucket("AWS::S3::BucketPolicy", json!({"Bucket": "a", "PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "a:b", "Resource": "*"}}}), json!({"Bucket": "b", "PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "a:b", "Resource": "*"}}}), true)]
#[case::user_joins_group("AWS::IAM::User", json!({}), json!({"Groups": ["g"]}), true)]
#[case::user_may_log_in("AWS::IAM::User", json!({}), json!({"LoginProfile": {"Password": "x"}}), true)]
#[case::new_user("AWS::IAM::User", Value::Null, json!({}), true)]
#[case::new_group("AWS::IAM::Group", Value::Null, json!({}), true)]
#[case::removed_role("AWS::IAM::Role", json!({"Policies": [{"PolicyDocument": {"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}}], "PermissionsBoundary": "b"}), Value::Null, false)]
#[case::instance_profile("AWS::IAM::InstanceProfile", json!({"Roles": ["a"]}), json!({"Roles": ["b"]}), true)]
#[case::oidc("AWS::IAM::OIDCProvider", json!({"ClientIdList": ["a"]}), json!({"ClientIdList": ["a", "b"]}), true)]
#[case::assignment("AWS::SSO::Assignment", Value::Null, json!({"PrincipalId": "p"}), true)]
#[case::assignment_gone("AWS::SSO::Assignment", json!({"PrincipalId": "p"}), Value::Null, false)]
#[case::permission_set("AWS::SSO::PermissionSet", json!({}), json!({"ManagedPolicies": ["arn:aws:iam::aws:policy/X"]}), true)]
#[case::scp_target_gone("AWS::Organizations::Policy", json!({"TargetIds": ["a", "b"], "Content": {"Statement": []}}), json!({"TargetIds": ["a"], "Content": {"Statement": []}}), true)]
#[case::scp_gone("AWS::Organizations::Policy", json!({"TargetIds": ["a"]}), Value::Null, true)]
#[case::permission("AWS::Lambda::Permission", Value::Null, json!({"Action": "lambda:InvokeFunction", "FunctionName": "f", "Principal": "*"}), true)]
#[case::permission_narrows("AWS::Lambda::Permission", json!({"Action": "a", "FunctionName": "f", "Principal": "p"}), json!({"Action": "a", "FunctionName": "f", "Principal": "p", "SourceArn": "s"}), false)]
#[case::permission_widens("AWS::Lambda::Permission", json!({"Action": "a", "FunctionName": "f", "Principal": "p", "SourceArn": "s"}), json!({"Action": "a", "FunctionName": "f", "Principal": "p"}), true)]
#[case::permission_moves("AWS::Lambda::Permission", json!({"Action": "a", "FunctionName": "f", "Principal": "p"}), json!({"Action": "a", "FunctionName": "g", "Principal": "p"}), true)]
#[case::layer("AWS::Lambda::LayerVersionPermission", Value::Null, json!({"Principal": "*", "Action": "a", "LayerVersionArn": "l"}), true)]
#[case::bus("AWS::Events::EventBusPolicy", json!({"StatementId": "s", "Principal": "1", "Action": "a"}), json!({"StatementId": "s", "Principal": "*", "Action": "a"}), true)]
#[case::bus_statement("AWS::Events::EventBusPolicy", json!({"StatementId": "s"}), json!({"StatementId": "s", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}), true)]
#[case::endpoint_policy_gone("AWS::EC2::VPCEndpoint", json!({"PolicyDocument": {"Statement": []}}), json!({}), true)]
#[case::guests("AWS::Cognito::IdentityPool", json!({"AllowUnauthenticatedIdentities": false}), json!({"AllowUnauthenticatedIdentities": true}), true)]
#[case::another_role("AWS::Lambda::Function", json!({"Role": "a"}), json!({"Role": "b"}), true)]
#[case::another_role_deep("AWS::EC2::LaunchTemplate", json!({"LaunchTemplateData": {"IamInstanceProfile": {"Arn": "a"}}}), json!({"LaunchTemplateData": {"IamInstanceProfile": {"Arn": "b"}}}), true)]
#[case::foreign_role("AWS::Lambda::Function", Value::Null, json!({"Role": {"Ref": "Parameter"}}), true)]
#[case::role_that_was_there("AWS::Lambda::Function", Value::Null, json!({"Role": {"Fn::GetAtt": ["R", "Arn"]}}), true)]
#[case::condition_on_a_whole_statement("AWS::IAM::ManagedPolicy", json!({"PolicyDocument": {"Statement": []}}), json!({"PolicyDocument": {"Statement": [{"Fn::If": ["C", {}, {}]}]}}), true)]
#[case::unreadable_effect("AWS::IAM::ManagedPolicy", json!({"PolicyDocument": {"Statement": []}}), json!({"PolicyDocument": {"Statement": [{"Effect": {"Ref": "E"}, "Action": "*"}]}}), true)]
#[case::unknown_key("AWS::IAM::ManagedPolicy", json!({"PolicyDocument": {"Statement": []}}), json!({"PolicyDocument": {"Statement": [{"Effect": "Deny", "action": "*"}]}}), true)]
#[case::inline_policy_renamed("AWS::IAM::Role", json!({"Policies": [{"PolicyName": "a", "PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "a:b", "Resource": "*"}]}}]}), json!({"Policies": [{"PolicyName": "b", "PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "a:b", "Resource": "*"}]}}]}), false)]
#[case::conditional_inline_policy("AWS::IAM::Role", json!({"Policies": []}), json!({"Policies": [{"Fn::If": ["C", {"PolicyName": "p", "PolicyDocument": {"Statement": []}}, {"Ref": "AWS::NoValue"}]}]}), true)]
#[case::tags_say_nothing("AWS::IAM::Role", json!({"Tags": []}), json!({"Tags": [{"Key": "a", "Value": "b"}]}), false)]
#[case::a_lifecycle_says_nothing("AWS::ECR::Repository", json!({"LifecyclePolicy": {"LifecyclePolicyText": {"Ref": "A"}}}), json!({"LifecyclePolicy": {"LifecyclePolicyText": {"Ref": "B"}}}), false)]
#[case::headers_say_nothing("AWS::CloudFront::ResponseHeadersPolicy", json!({"ResponseHeadersPolicyConfig": {"Name": "a"}}), json!({"ResponseHeadersPolicyConfig": {"Name": "b"}}), false)]
#[case::settings_say_nothing("AWS::AppConfig::HostedConfigurationVersion", json!({"Content": "{\"a\":1}"}), json!({"Content": "{\"a\":2}"}), false)]
#[case::rules_of_a_parameter_say_nothing("AWS::SSM::Parameter", json!({"Policies": "[{\"Type\":\"Expiration\"}]"}), json!({"Policies": "[]"}), false)]
#[case::scaling_says_nothing("AWS::ApplicationAutoScaling::ScalingPolicy", json!({"PolicyType": "a"}), json!({"PolicyType": "b"}), false)]
#[case::serverless("AWS::Serverless::Function", json!({}), json!({"Policies": ["AdministratorAccess"]}), true)]
#[case::macro_inside("AWS::IAM::Role", json!({"Path": "/"}), json!({"Path": "/", "Fn::Transform": {"Name": "AWS::Include"}}), true)]
fn of_a_resource(#[case] kind: &str, #[case] old: Value, #[case] new: Value, #[case] want: bool) {
    let of = |properties: &Value| match properties {
        Value::Null => json!({"Resources": {"R": {"Type": "AWS::IAM::Role"}}}),
        p => json!({"Resources": {"R": {"Type": "AWS::IAM::Role"}, "X": {"Type": kind, "Properties": p}}}),
    };
    assert_eq!(has(Iam, &of(&old), &of(&new)), want);
}

/// A role whose policy names a bucket, a parameter and a mapping, with a condition.
fn referring(parameter: &str, mapped: &str, condition: &str) -> Value {
    json!({
        "Parameters": {"P": {"Type": "String", "Default": parameter}, "Unused": {"Type": "String", "Default": condition}},
        "Mappings": {"M": {"a": {"b": mapped}}, "Unused": {"a": {"b": condition}}},
        "Conditions": {"C": {"Fn::Equals": [condition, "x"]}, "D": {"Fn::Not": [{"Condition": "C"}]}},
        "Resources": {
            "B": {"Type": "AWS::S3::Bucket"},
            "R": {"Type": "AWS::IAM::Policy", "Condition": "D", "Properties": {"Roles": ["r"], "PolicyDocument": {"Statement": [
                {"Effect": "Allow", "Action": {"Ref": "P"}, "Resource": [{"Fn::GetAtt": ["B", "Arn"]}, {"Fn::FindInMap": ["M", "a", "b"]}]}
            ]}}}
        }
    })
}

#[rstest]
#[case::nothing("a", "a", "a", false)]
#[case::parameter("b", "a", "a", true)]
#[case::mapping("a", "b", "a", true)]
#[case::condition_behind_a_condition("a", "a", "b", true)]
fn what_feeds_a_policy(
    #[case] parameter: &str,
    #[case] mapped: &str,
    #[case] condition: &str,
    #[case] want: bool,
) {
    assert_eq!(has(Iam, &referring("a", "a", "a"), &referring(parameter, mapped, condition)), want);
}

#[rstest]
#[case("Modify", "True", true)]
#[case("Modify", "Conditional", true)]
#[case("Modify", "False", false)]
#[case("Dynamic", "", true)]
fn a_resource_that_a_policy_points_at(#[case] action: &str, #[case] replacement: &str, #[case] want: bool) {
    let t = template(&referring("a", "a", "a"));
    let mut bucket = change("B", "AWS::S3::Bucket", action);
    replacement.clone_into(&mut bucket.replacement);
    // CloudFormation lists the policy, too, as it cannot know what becomes of the ARN.
    let mut policy = change("R", "AWS::IAM::Policy", "Modify");
    policy.details.insert(detail("PolicyDocument", "ResourceAttribute", "B.Arn"));
    let told = assessed(Some(&t), &t, Some(&[bucket, policy]));
    assert_eq!(told.risks.iter().any(|r| r.class == Iam), want);
}

#[test]
fn a_condition_that_brings_a_role_in_counts_as_an_addition() {
    let t = resources(
        &json!({"R": {"Type": "AWS::IAM::Role", "Condition": "C", "Properties": {"AssumeRolePolicyDocument": {}}}}),
    );
    let told = |action: &str| assessed(Some(&t), &t, Some(&[change("R", "AWS::IAM::Role", action)]));
    assert!(told("Add").risks.iter().any(|r| r.class == Iam));
    assert!(!told("Remove").risks.iter().any(|r| r.class == Iam));
}

#[test]
fn a_new_stack_is_an_addition_of_all_in_it() {
    let new = resources(&json!({
        "R": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document(&[ALLOW])}},
        "Q": {"Type": "AWS::SQS::Queue"}
    }));
    let told = assessed(
        None,
        &new,
        Some(&[change("R", "AWS::IAM::Role", "Add"), change("Q", "AWS::SQS::Queue", "Add")]),
    );
    assert_eq!(told.risks.iter().map(|r| (r.class, r.logical_id.as_str())).collect::<Vec<_>>(), [(Iam, "R")]);
}

#[test]
fn what_a_transform_makes_is_judged_by_its_type() {
    let t = resources(&json!({}));
    let told = |kind: &str| assessed(Some(&t), &t, Some(&[change("FRole", kind, "Add")])).risks.len();
    assert_eq!((told("AWS::IAM::Role"), told("AWS::SQS::Queue")), (1, 0));
}

#[test]
fn another_type_is_another_resource() {
    let of = |kind: &str| json!({"Resources": {"X": {"Type": kind, "Properties": {"PolicyDocument": document(&[ALLOW])}}}});
    assert!(has(Iam, &of("AWS::SQS::QueuePolicy"), &of("AWS::SNS::TopicPolicy")));
}

#[rstest]
#[case::of_aws(json!(["arn:aws:iam::aws:policy/AdministratorAccess"]), "attaches a managed policy (AdministratorAccess)")]
#[case::as_the_cdk_writes_it(json!([{"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":iam::aws:policy/service-role/AWSLambdaRole"]]}]), "attaches a managed policy (AWSLambdaRole)")]
#[case::with_one_of_before(json!(["arn:aws:iam::aws:policy/Before", "arn:aws:iam::111111111111:policy/Own"]), "attaches a managed policy (Own)")]
#[case::that_nobody_knows_before(json!([{"Fn::ImportValue": "Arn"}]), "attaches a managed policy")]
#[case::whose_name_nobody_knows_before(json!([{"Fn::Sub": "arn:aws:iam::aws:policy/${Name}"}]), "attaches a managed policy")]
fn the_managed_policy_that_is_attached_is_named(#[case] policies: Value, #[case] cause: &str) {
    let role = |policies: Value| {
        resources(
            &json!({ "R": { "Type": "AWS::IAM::Role", "Properties": { "ManagedPolicyArns": policies } } }),
        )
    };
    let old = role(json!(["arn:aws:iam::aws:policy/Before"]));
    let found = assessed(Some(&old), &role(policies), None);
    let risk = found.risks.iter().find(|r| r.class == Iam).unwrap();
    assert!(risk.cause.split("; ").any(|c| c == cause), "{}", risk.cause);
}

/// Statements that everything is allowed in, written so that they are not found by the word.
const ESCAPED: &str =
    r#"{"Version":"2012-10-17","\u0053tatement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

#[rstest]
#[case::a_policy("AWS::IAM::ManagedPolicy", "PolicyDocument")]
#[case::of_a_bucket("AWS::S3::BucketPolicy", "PolicyDocument")]
#[case::of_logs("AWS::Logs::ResourcePolicy", "PolicyDocument")]
#[case::trust("AWS::IAM::Role", "AssumeRolePolicyDocument")]
#[case::of_a_key("AWS::KMS::Key", "KeyPolicy")]
#[case::of_an_endpoint("AWS::EC2::VPCEndpoint", "PolicyDocument")]
fn a_document_that_is_not_understood_is_no_empty_one(#[case] kind: &str, #[case] name: &str) {
    let of = |value: Value| json!({ name: value });
    let before = of(document(&[ALLOW]));
    for hidden in
        [json!(ESCAPED), json!({"statement": [statement(MORE)]}), json!("[1]"), json!({"Version": "1"})]
    {
        assert!(one_has(Iam, kind, &before, &of(hidden.clone())), "{hidden}");
        assert!(one_has(Iam, kind, &Value::Null, &of(hidden.clone())), "{hidden}");
        assert!(!one_has(Iam, kind, &of(hidden.clone()), &of(hidden)), "nothing happens");
    }
}

#[test]
fn the_policy_of_a_role_may_be_hidden_likewise() {
    let of = |document: Value| json!({"Policies": [{"PolicyName": "p", "PolicyDocument": document}]});
    for hidden in [json!(ESCAPED), json!({"statement": [statement(MORE)]})] {
        assert!(one_has(Iam, "AWS::IAM::Role", &of(document(&[ALLOW])), &of(hidden)));
    }
    // A filter of messages grants nothing.
    let filter = |value: &str| json!({"FilterPolicy": {"kind": [value]}});
    assert!(!one_has(Iam, "AWS::SNS::Subscription", &filter("a"), &filter("b")));
}

#[rstest]
#[case::an_action(
    r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}"#,
    "allows more than before (s3:getobject)"
)]
#[case::everything(
    r#"{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}"#,
    "allows more than before (all but iam:* on everything)"
)]
#[case::the_worst_first(
    r#"{"Effect": "Allow", "Action": ["a:B", "c:D", "e:F", "*", "iam:PassRole", "s3:*"], "Resource": "r"}"#,
    "allows more than before (* iam:passrole s3:* and 3 more)"
)]
#[case::for_everybody(
    r#"{"Effect": "Allow", "Principal": "*", "Action": ["a:B", "c:D", "e:F", "g:H"], "Resource": "r"}"#,
    "allows more than before (a:b c:d e:f and 1 more by everybody)"
)]
fn what_is_allowed_besides_is_named(#[case] added: &str, #[case] cause: &str) {
    let of = |statements: &[&str]| {
        resources(
            &json!({"P": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": document(statements)}}}),
        )
    };
    let found = assessed(Some(&of(&[])), &of(&[added]), None);
    let risk = found.risks.iter().find(|r| r.class == Iam).unwrap();
    assert_eq!(risk.cause, cause);
}

#[test]
fn only_a_role_that_is_made_with_it_is_told_about_itself() {
    let role = json!({"Type": "AWS::IAM::Role", "Properties": {}});
    let function =
        json!({"Type": "AWS::Lambda::Function", "Properties": {"Role": {"Fn::GetAtt": ["Admin", "Arn"]}}});
    let of = |resources: Value| json!({ "Resources": resources });
    let both = of(json!({"Admin": role, "F": function}));
    let told = |old: &Value| {
        crate::risk::testing::found(old, &both).into_iter().any(|(c, id)| c == Iam && id == "F")
    };
    assert!(told(&of(json!({ "Admin": role }))), "the role was there");
    assert!(!told(&of(json!({}))), "both are new");
}

#[rstest]
#[case::who_is_asked("AWS::ApiGateway::Authorizer", json!({"AuthorizerUri": "a"}), json!({"AuthorizerUri": "b"}))]
#[case::who_issues("AWS::ApiGatewayV2::Authorizer", json!({"JwtConfiguration": {"Issuer": "a"}}), json!({"JwtConfiguration": {"Issuer": "b"}}))]
#[case::a_key("AWS::AppSync::ApiKey", Value::Null, json!({"ApiId": "a"}))]
#[case::another_login("AWS::Transfer::User", json!({"SshPublicKeys": ["a"]}), json!({"SshPublicKeys": ["a", "b"]}))]
#[case::readers("AWS::QuickSight::Dashboard", json!({"Permissions": [{"Principal": "a"}]}), json!({"Permissions": [{"Principal": "a"}, {"Principal": "b"}]}))]
#[case::no_fine_grained_access("AWS::OpenSearchService::Domain", json!({"AdvancedSecurityOptions": {"Enabled": true}}), json!({"AdvancedSecurityOptions": {"Enabled": false}}))]
#[case::signing_up("AWS::Cognito::UserPool", json!({"AdminCreateUserConfig": {"AllowAdminCreateUserOnly": true}}), json!({}))]
#[case::the_role_of_an_integration("AWS::ApiGateway::Method", json!({"Integration": {"Credentials": "a"}, "AuthorizationType": "AWS_IAM"}), json!({"Integration": {"Credentials": "b"}, "AuthorizationType": "AWS_IAM"}))]
#[case::the_role_of_a_task(
    "AWS::StepFunctions::StateMachine",
    json!({"DefinitionString": "{\"States\":{\"A\":{\"Credentials\":{\"RoleArn\":\"a\"}}}}"}),
    json!({"DefinitionString": {"Fn::Sub": "{\"States\":{\"A\":{\"Credentials\":{\"RoleArn\":\"${R}\"}}}}"}})
)]
fn what_lets_somebody_in_besides_policies(#[case] kind: &str, #[case] old: Value, #[case] new: Value) {
    assert!(one_has(Iam, kind, &old, &new));
    assert!(!one_has(Iam, kind, &new, &new));
}

/// What a function that acts with a role is told of, where a parameter store, a log group and roles are beside it.
fn acts(role: &Value, stored: &str, is_new: bool) -> bool {
    let with = |stored: &str, function: bool| {
        let mut all = json!({"X": {"Type": "AWS::SSM::Parameter", "Properties": {"Value": stored}},
            "Logs": {"Type": "AWS::Logs::LogGroup"}, "R": {"Type": "AWS::IAM::Role", "Properties": {"Tags": [stored]}}});
        if function {
            all["F"] = json!({"Type": "AWS::Lambda::Function", "Properties": {"Role": role}});
        }
        json!({ "Resources": all })
    };
    let old = if is_new { json!({"Resources": {}}) } else { with("reader", true) };
    let found = crate::risk::testing::found(&old, &with(stored, true));
    found.contains(&(Iam, "F".to_owned()))
}

#[rstest]
#[case::a_role(json!({"Fn::GetAtt": ["R", "Arn"]}), false)]
#[case::what_is_stored(json!({"Fn::GetAtt": ["X", "Value"]}), true)]
#[case::beside_what_is_new(json!({"Fn::Sub": ["arn:aws:iam::111111111111:role/Admin", {"u": {"Ref": "Logs"}}]}), true)]
#[case::by_the_name_of_what_is_new(json!({"Fn::Sub": "arn:aws:iam::111111111111:role/${Logs}"}), true)]
#[case::or_another(json!({"Fn::If": ["C", "admin", {"Fn::GetAtt": ["R", "Arn"]}]}), true)]
#[case::one_of(json!({"Fn::Select": [1, [{"Ref": "R"}, "admin"]]}), true)]
#[case::an_attribute_of_a_role(json!({"Fn::GetAtt": ["R", "Description"]}), true)]
fn a_new_role_and_nothing_else_is_told_about_itself(#[case] role: Value, #[case] want: bool) {
    assert_eq!(acts(&role, "admin", true), want);
}

#[test]
fn a_role_may_become_another_one_behind_an_attribute() {
    assert!(acts(&json!({"Fn::GetAtt": ["X", "Value"]}), "admin", false));
    assert!(!acts(&json!({"Fn::GetAtt": ["X", "Value"]}), "reader", false));
    assert!(!acts(&json!({"Fn::GetAtt": ["R", "Arn"]}), "admin", false));
    // The change list says so, where the templates do not.
    let app = resources(&json!({
        "X": {"Type": "AWS::SSM::Parameter", "Properties": {"Value": {"Ref": "AWS::StackId"}}},
        "F": {"Type": "AWS::Scheduler::Schedule", "Properties": {"Target": {"RoleArn": {"Fn::GetAtt": ["X", "Value"]}}}},
    }));
    let mut schedule = change("F", "AWS::Scheduler::Schedule", "Modify");
    schedule.details.insert(detail("Target", "ResourceAttribute", "X.Value"));
    let list = [change("X", "AWS::SSM::Parameter", "Modify"), schedule];
    assert!(assessed(Some(&app), &app, Some(&list)).risks.iter().any(|risk| risk.class == Iam));
}

#[test]
fn the_worst_of_many_statements_is_not_cut_off() {
    let of = |actions: &[&str]| {
        let statements = actions.iter().map(|a| json!({"Effect": "Allow", "Action": a, "Resource": "*"}));
        let document = json!({"Statement": statements.collect::<Vec<_>>()});
        resources(
            &json!({"P": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": document}}}),
        )
    };
    let services = ["acm", "batch", "cloudformation", "dynamodb", "ec2", "elasticache", "glue", "lambda"];
    let mut actions: Vec<String> = services.iter().map(|s| format!("{s}:DescribeSomethingLong")).collect();
    actions.extend(["s3:*".to_owned(), "iam:*".to_owned()]);
    let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
    let found = assessed(Some(&of(&[])), &of(&actions), None);
    let cause = &found.risks.iter().find(|r| r.class == Iam).unwrap().cause;
    assert!(
        cause.starts_with("allows more than before (iam:* on everything, s3:* on everything, "),
        "{cause}"
    );
}

fn machine(credentials: &str, comment: &str, substitutions: &Value) -> Value {
    json!({"DefinitionString": format!(r#"{{"Comment":"{comment}","States":{{"A":{{{credentials}}}}}}}"#), "DefinitionSubstitutions": substitutions})
}

#[rstest]
#[case::a_role(r#""Credentials":{"RoleArn":"a"}"#, r#""Credentials":{"RoleArn":"b"}"#, json!({}), json!({}), true)]
#[case::written_otherwise("", r#""\u0043redentials":{"RoleArn":"b"}"#, json!({}), json!({}), true)]
#[case::put_in(r#""Credentials":{"RoleArn":"${r}"}"#, r#""Credentials":{"RoleArn":"${r}"}"#, json!({"r": "a"}), json!({"r": "Admin"}), true)]
#[case::put_in_whole(r#""Next":"${r}""#, r#""Next":"${r}""#, json!({"r": "a"}), json!({"r": "a\",\"Credentials\":{}"}), true)]
#[case::something_else_put_in(r#""Next":"${r}""#, r#""Next":"${r}""#, json!({"r": "a"}), json!({"r": "b"}), false)]
#[case::a_comment(r#""Credentials":{"RoleArn":"a"}"#, r#""Credentials":{"RoleArn":"a"}, "Comment":"b""#, json!({}), json!({}), false)]
fn the_roles_of_tasks(
    #[case] old: &str,
    #[case] new: &str,
    #[case] put_in: Value,
    #[case] instead: Value,
    #[case] want: bool,
) {
    let kind = "AWS::StepFunctions::StateMachine";
    assert_eq!(one_has(Iam, kind, &machine(old, "a", &put_in), &machine(new, "b", &instead)), want);
}

#[rstest]
#[case::by_a_template_for_machines("AWS::AutoScaling::AutoScalingGroup", json!({"LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "1"}}), json!({"LaunchTemplate": {"LaunchTemplateId": "lt-2", "Version": "1"}}))]
#[case::by_the_id_of_one("AWS::EKS::Nodegroup", json!({"LaunchTemplate": {"Id": "lt-1"}}), json!({"LaunchTemplate": {"Id": "lt-2"}}))]
#[case::by_a_task("AWS::ECS::Service", json!({"TaskDefinition": "a:1"}), json!({"TaskDefinition": "admin:1"}))]
#[case::by_whoever_sends("AWS::Cognito::UserPool", json!({"SmsConfiguration": {"SnsCallerArn": "a"}}), json!({"SmsConfiguration": {"SnsCallerArn": "b"}}))]
#[case::the_role_of_another_target("AWS::Events::Rule", json!({"Targets": [{"Id": "a", "Arn": "x", "RoleArn": "r"}, {"Id": "b", "Arn": "y", "RoleArn": "s"}]}), json!({"Targets": [{"Id": "a", "Arn": "x", "RoleArn": "s"}, {"Id": "b", "Arn": "y", "RoleArn": "r"}]}))]
fn another_role_without_its_name(#[case] kind: &str, #[case] old: Value, #[case] new: Value) {
    assert!(one_has(Iam, kind, &old, &new));
    assert!(!one_has(Iam, kind, &new, &new));
}

/// A service moves to another task definition of the same template: nothing is told of one that was there, or that says nothing of roles.
#[rstest]
#[case::that_was_there(json!({"Read": task("read"), "Admin": task("admin")}), "Read", json!({"Read": task("read"), "Admin": task("admin")}), "Admin", true)]
#[case::that_is_new(json!({"Read": task("read")}), "Read", json!({"Read": task("read"), "Host": {"Type": TASK, "Properties": {"NetworkMode": "host", "ContainerDefinitions": [{"Name": "a", "Image": "i", "Privileged": true}]}}}), "Host", true)]
#[case::the_same(json!({"Read": task("read")}), "Read", json!({"Read": task("read"), "Admin": task("read")}), "Read", false)]
fn another_task_definition_of_the_same_template(
    #[case] old: Value,
    #[case] from: &str,
    #[case] new: Value,
    #[case] to: &str,
    #[case] want: bool,
) {
    let with = |mut resources: Value, task: &str| {
        resources["S"] =
            json!({"Type": "AWS::ECS::Service", "Properties": {"TaskDefinition": {"Ref": task}}});
        json!({"Resources": resources})
    };
    let told = crate::risk::testing::found(&with(old, from), &with(new, to));
    assert_eq!(told.contains(&(Iam, "S".to_owned())), want, "{told:?}");
}

const TASK: &str = "AWS::ECS::TaskDefinition";

fn task(role: &str) -> Value {
    json!({"Type": TASK, "Properties": {"TaskRoleArn": role, "ContainerDefinitions": [{"Name": "a", "Image": "i"}]}})
}
