//! What the security check of the CDK CLI (2.1148.1, @aws-cdk/cloudformation-diff) lets pass, as measured, and what it asks
//! about in vain. Each test says what the CLI does.

use serde_json::{Value, json};

use crate::{
    api::RiskClass::{Iam, Network},
    risk::testing::{assessed, change, detail, found, has, one_has, template},
};

const ROLE: &str = "AWS::IAM::Role";

fn policy(statement: &Value) -> Value {
    json!({"PolicyName": "p", "Roles": [{"Ref": "R"}], "PolicyDocument": {"Statement": [statement]}})
}

#[test]
fn hole_allow_with_not_action_is_taken_for_a_restriction() {
    let not = |part: &str| {
        let mut statement = json!({"Effect": "Allow", "Action": "iam:*", "Resource": "*"});
        if part == "NotAction" {
            statement.as_object_mut().unwrap().remove("Action");
        }
        statement[part] = json!("iam:*");
        if part == "NotResource" {
            statement.as_object_mut().unwrap().remove("Resource");
        }
        statement
    };
    for part in ["NotAction", "NotResource"] {
        assert!(one_has(Iam, "AWS::IAM::Policy", &policy(&json!([])), &policy(&not(part))), "{part}");
    }
}

#[test]
fn hole_allow_with_not_principal_is_taken_for_a_restriction() {
    let of = |statements: Value| json!({"Bucket": "b", "PolicyDocument": {"Statement": statements}});
    let not = json!([{"Effect": "Allow", "NotPrincipal": {"AWS": "111111111111"}, "Action": "s3:*", "Resource": "*"}]);
    assert!(one_has(Iam, "AWS::S3::BucketPolicy", &of(json!([])), &of(not)));
}

#[test]
fn hole_a_removed_permissions_boundary_is_not_seen() {
    let bound = json!({"PermissionsBoundary": "arn:aws:iam::111111111111:policy/b"});
    assert!(one_has(Iam, ROLE, &bound, &json!({})));
    assert!(one_has(Iam, ROLE, &bound, &json!({"PermissionsBoundary": {"Ref": "Other"}})));
    assert!(!one_has(Iam, ROLE, &json!({}), &bound));
}

#[test]
fn hole_a_managed_policy_without_principals_of_its_own_is_not_seen() {
    let of = |action: &str| json!({"PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}});
    assert!(one_has(Iam, "AWS::IAM::ManagedPolicy", &of("s3:GetObject"), &of("s3:*")));
    assert!(!one_has(Iam, "AWS::IAM::ManagedPolicy", &of("s3:*"), &of("s3:GetObject")));
}

#[test]
fn hole_an_access_key_is_not_seen() {
    assert!(one_has(Iam, "AWS::IAM::AccessKey", &Value::Null, &json!({"UserName": "u"})));
    assert!(one_has(
        Iam,
        "AWS::IAM::AccessKey",
        &json!({"Status": "Inactive"}),
        &json!({"Status": "Active"})
    ));
}

#[test]
fn hole_a_function_url_without_authentication_is_not_seen() {
    let url = |auth: &str| json!({"TargetFunctionArn": {"Ref": "F"}, "AuthType": auth});
    for before in [Value::Null, url("AWS_IAM")] {
        for class in [Iam, Network] {
            assert!(one_has(class, "AWS::Lambda::Url", &before, &url("NONE")), "{class}");
        }
    }
    assert!(!one_has(Iam, "AWS::Lambda::Url", &url("NONE"), &url("AWS_IAM")));
}

#[test]
fn hole_a_removed_public_access_block_is_not_seen() {
    let block = |flag: Value| json!({"PublicAccessBlockConfiguration": {"BlockPublicAcls": true, "BlockPublicPolicy": flag}});
    let whole = block(json!(true));
    for after in [
        json!({}),
        block(json!(false)),
        block(json!({"Ref": "P"})),
        json!({"PublicAccessBlockConfiguration": {}}),
    ] {
        assert!(one_has(Network, "AWS::S3::Bucket", &whole, &after), "{after}");
    }
    assert!(!one_has(Network, "AWS::S3::Bucket", &json!({}), &whole));
}

#[test]
fn hole_an_eks_access_entry_is_not_seen() {
    let entry = |groups: Value| json!({"PrincipalArn": "a", "ClusterName": "c", "KubernetesGroups": groups});
    assert!(one_has(Iam, "AWS::EKS::AccessEntry", &Value::Null, &entry(json!([]))));
    assert!(one_has(Iam, "AWS::EKS::AccessEntry", &entry(json!([])), &entry(json!(["system:masters"]))));
}

#[test]
fn hole_a_managed_policy_named_by_a_parameter_is_not_seen() {
    let role = |default: &str| {
        json!({
            "Parameters": {"Arn": {"Type": "String", "Default": default}},
            "Resources": {"R": {"Type": ROLE, "Properties": {"ManagedPolicyArns": [{"Ref": "Arn"}]}}}
        })
    };
    let (old, new) =
        (role("arn:aws:iam::aws:policy/ReadOnlyAccess"), role("arn:aws:iam::aws:policy/AdministratorAccess"));
    assert!(has(Iam, &old, &new), "by its default");
    // The value comes from outside: only the change list knows.
    let same = template(&old);
    let mut listed = change("R", ROLE, "Modify");
    listed.details.insert(detail("ManagedPolicyArns", "ParameterReference", "Arn"));
    let told = assessed(Some(&same), &same, Some(&[listed]));
    assert_eq!(told.risks.iter().map(|r| r.class).collect::<Vec<_>>(), [Iam]);
}

#[test]
fn false_alarm_narrowing_is_no_broadening() {
    let allow = |statement: Value| policy(&statement);
    let before = allow(json!({"Sid": "A", "Effect": "Allow", "Action": "s3:*", "Resource": ["a", "b"]}));
    for after in [
        json!({"Sid": "B", "Effect": "Allow", "Action": "s3:*", "Resource": ["b", "a"]}),
        json!({"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "a"}),
        json!({"Effect": "Allow", "Action": "s3:*", "Resource": ["a", "b"], "Condition": {"Bool": {"k": "true"}}}),
    ] {
        assert_eq!(
            found(
                &json!({"Resources": {"P": {"Type": "AWS::IAM::Policy", "Properties": before}}}),
                &json!({"Resources": {"P": {"Type": "AWS::IAM::Policy", "Properties": allow(after)}}})
            ),
            []
        );
    }
    let ingress = |block: &str| json!({"SecurityGroupIngress": [{"CidrIp": block, "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}], "SecurityGroupEgress": []});
    assert!(!one_has(Network, "AWS::EC2::SecurityGroup", &ingress("0.0.0.0/0"), &ingress("10.0.0.0/8")));
    assert!(one_has(Network, "AWS::EC2::SecurityGroup", &ingress("10.0.0.0/8"), &ingress("0.0.0.0/0")));
}
