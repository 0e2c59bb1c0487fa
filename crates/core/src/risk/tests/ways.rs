//! Ways to a resource, and who takes them, that are no policy and no security group.

use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    api::RiskClass::{self, Iam, Network},
    risk::testing::one_has,
};

const DISTRIBUTION: &str = "AWS::CloudFront::Distribution";
const METHOD: &str = "AWS::ApiGateway::Method";
const ROUTE: &str = "AWS::ApiGatewayV2::Route";
const TASK: &str = "AWS::ECS::TaskDefinition";
const JOB: &str = "AWS::Batch::JobDefinition";
const POOL: &str = "AWS::Cognito::UserPool";

fn method(verb: &str, uri: &str, timeout: u32) -> Value {
    json!({"AuthorizationType": "NONE", "HttpMethod": verb, "Integration": {"Type": "AWS", "Uri": uri, "TimeoutInMillis": timeout}})
}

fn route(key: &str, target: &str) -> Value {
    json!({"RouteKey": key, "Target": target})
}

fn site(path: &str, target: &str, others: &Value) -> Value {
    json!({"DistributionConfig": {
        "Origins": [{"Id": "public", "DomainName": "a", "OriginPath": path}, {"Id": "internal", "DomainName": "b"}],
        "DefaultCacheBehavior": {"TargetOriginId": target}, "CacheBehaviors": others}})
}

fn container(more: &Value) -> Value {
    let mut container = json!({"Name": "c", "Image": format!("r@sha256:{}", "0".repeat(64))});
    container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"Family": "f", "ContainerDefinitions": [container]})
}

#[rstest]
#[case::other_verbs(METHOD, method("GET", "a", 1), method("ANY", "a", 1), Network)]
#[case::another_target(METHOD, method("GET", "action/PutItem", 1), method("GET", "action/Scan", 1), Network)]
#[case::all_paths(ROUTE, route("GET /a", "i"), route("ANY /{proxy+}", "i"), Network)]
#[case::another_integration(ROUTE, route("GET /a", "i"), route("GET /a", "admin"), Network)]
#[case::a_model_that_sounds_like_a_login(ROUTE, json!({"RouteKey": "a", "AuthorizationType": "JWT"}), json!({"RouteKey": "a", "RequestModels": {"AuthorizationType": "JWT"}}), Network)]
#[case::the_whole_bucket(DISTRIBUTION, site("/public", "public", &json!([])), site("", "public", &json!([])), Network)]
#[case::another_origin(DISTRIBUTION, site("", "public", &json!([])), site("", "internal", &json!([])), Network)]
#[case::a_device(TASK, container(&json!({})), container(&json!({"LinuxParameters": {"Devices": [{"HostPath": "/dev/sda"}]}})), Iam)]
#[case::unconfined(TASK, container(&json!({"DockerSecurityOptions": ["no-new-privileges"]})), container(&json!({"DockerSecurityOptions": ["apparmor:unconfined"]})), Iam)]
#[case::may_write(TASK, container(&json!({"MountPoints": [{"SourceVolume": "v", "ReadOnly": true}]})), container(&json!({"MountPoints": [{"SourceVolume": "v", "ReadOnly": false}]})), Iam)]
#[case::root_of_a_job(JOB, json!({"ContainerProperties": {"User": "1000"}}), json!({"ContainerProperties": {"User": "0"}}), Iam)]
#[case::network_of_the_host(JOB, json!({"EksProperties": {"PodProperties": {"HostNetwork": false}}}), json!({"EksProperties": {"PodProperties": {"HostNetwork": true}}}), Network)]
#[case::a_client("AWS::Cognito::UserPoolClient", Value::Null, json!({"AllowedOAuthFlows": ["client_credentials"]}), Iam)]
#[case::weaker_passwords(POOL, json!({"Policies": {"PasswordPolicy": {"RequireSymbols": true}}}), json!({"Policies": {"PasswordPolicy": {"RequireSymbols": false}}}), Iam)]
#[case::unverified(POOL, json!({"UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": ["email"]}}), json!({"UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": []}}), Iam)]
#[case::first_of_all("AWS::Cognito::UserPoolGroup", json!({"Precedence": 9}), json!({"Precedence": 0}), Iam)]
#[case::without_login("AWS::OpenSearchService::Domain", json!({"VPCOptions": {"SubnetIds": ["s"]}, "CognitoOptions": {"Enabled": true}}), json!({"VPCOptions": {"SubnetIds": ["s"]}, "CognitoOptions": {"Enabled": false}}), Iam)]
#[case::on_the_internet("AWS::OpenSearchService::Domain", Value::Null, json!({"DomainName": "d"}), Network)]
#[case::of_all_addresses("AWS::MediaConnect::Flow", json!({"Source": {"WhitelistCidr": "10.0.0.0/8"}}), json!({"Source": {"WhitelistCidr": "0.0.0.0/0"}}), Network)]
#[case::behind_another_balancer("AWS::ECS::Service", json!({"LoadBalancers": [{"ContainerName": "c", "TargetGroupArn": "private"}]}), json!({"LoadBalancers": [{"ContainerName": "c", "TargetGroupArn": "public"}]}), Network)]
#[case::a_route("AWS::EC2::VPNConnectionRoute", Value::Null, json!({"DestinationCidrBlock": "0.0.0.0/0"}), Network)]
fn lets_in_more(#[case] kind: &str, #[case] old: Value, #[case] new: Value, #[case] class: RiskClass) {
    assert!(one_has(class, kind, &old, &new));
    assert!(!one_has(class, kind, &new, &new), "nothing changes");
}

#[rstest]
#[case::how_long_it_waits(METHOD, method("GET", "a", 1), method("GET", "a", 2))]
#[case::another_path_to_the_same(DISTRIBUTION, site("/public", "public", &json!([])), site("/public", "public", &json!([{"PathPattern": "/a", "TargetOriginId": "public"}])))]
#[case::another_version_of_the_site(DISTRIBUTION, site("/v1", "public", &json!([])), site("/v2", "public", &json!([])))]
#[case::root_no_more(JOB, json!({"ContainerProperties": {"User": "root"}}), json!({"ContainerProperties": {"User": "nobody"}}))]
#[case::another_port("AWS::ECS::Service", json!({"LoadBalancers": [{"TargetGroupArn": "a", "ContainerName": "c", "ContainerPort": 80}]}), json!({"LoadBalancers": [{"TargetGroupArn": "a", "ContainerName": "c", "ContainerPort": 81}]}))]
#[case::a_variable(TASK, container(&json!({"MountPoints": [{"SourceVolume": "v", "ReadOnly": true}]})), container(&json!({"MountPoints": [{"SourceVolume": "v", "ReadOnly": true}], "Environment": [{"Name": "User", "Value": "a"}]})))]
#[case::may_only_read(TASK, container(&json!({"MountPoints": [{"SourceVolume": "v", "ReadOnly": false}]})), container(&json!({"MountPoints": [{"SourceVolume": "v", "ReadOnly": true}]})))]
#[case::stronger_passwords(POOL, json!({"Policies": {"PasswordPolicy": {"RequireSymbols": false}}}), json!({"Policies": {"PasswordPolicy": {"RequireSymbols": true}}}))]
#[case::how_long_a_client_stays("AWS::Cognito::UserPoolClient", json!({"RefreshTokenValidity": 1}), json!({"RefreshTokenValidity": 2}))]
#[case::more_tasks("AWS::ECS::Service", json!({"DesiredCount": 1, "LoadBalancers": [{"TargetGroupArn": "a"}]}), json!({"DesiredCount": 2, "LoadBalancers": [{"TargetGroupArn": "a"}]}))]
fn lets_in_as_many(#[case] kind: &str, #[case] old: Value, #[case] new: Value) {
    let told = RiskClass::ALL.into_iter().filter(|class| one_has(*class, kind, &old, &new));
    assert_eq!(told.collect::<Vec<_>>(), []);
}
