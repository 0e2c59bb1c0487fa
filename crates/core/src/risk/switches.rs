//! Properties that decide by their value whether something can be reached.
//!
//! Names, values and defaults as in the AWS CloudFormation resource and property types reference.

use serde_json::Value;

use super::{
    exposure::{INTERNET, NO_AUTH},
    facts::{Facts, path, plain},
    guard_names::has_keys_of_the_app,
    text::items,
};

const JOINS: &str = "joins a security group";
const PUBLIC_ACL: &str = "can be read or written by others";
const ADDRESS: &str = "has a public address";
/// A property that decides whether something can be reached.
struct Switch {
    /// The type; empty: any.
    kind: &'static str,
    /// The property at the end of its path; the one above it, or empty.
    name: &'static str,
    /// The values that are safe.
    safe: &'static [&'static str],
    /// Whether it is safe not to say anything.
    absent: bool,
    cause: &'static str,
}

const fn switch(
    kind: &'static str,
    name: &'static str,
    safe: &'static [&'static str],
    absent: bool,
    cause: &'static str,
) -> Switch {
    Switch { kind, name, safe, absent, cause }
}

const SWITCHES: [Switch; 25] = [
    switch("", "MapPublicIpOnLaunch", &["false"], true, ADDRESS),
    switch("", "AssociatePublicIpAddress", &["false"], true, ADDRESS),
    switch("", "AssignPublicIp", &["disabled", "false"], true, ADDRESS),
    switch("", "AssignIpv6AddressOnCreation", &["false"], true, ADDRESS),
    switch("", "PubliclyAccessible", &["false"], true, INTERNET),
    switch("", "EnableHttpEndpoint", &["false"], true, INTERNET),
    switch("", "DirectInternetAccess", &["disabled"], true, INTERNET),
    switch("AWS::SageMaker::NotebookInstance", "DirectInternetAccess", &["disabled"], false, INTERNET),
    switch("AWS::EKS::Cluster", "ResourcesVpcConfig/EndpointPublicAccess", &["false"], false, INTERNET),
    switch("AWS::MSK::Cluster", "PublicAccess/Type", &["disabled"], true, INTERNET),
    switch("AWS::MSK::Cluster", "Unauthenticated/Enabled", &["false"], true, NO_AUTH),
    switch("AWS::ElasticLoadBalancingV2::LoadBalancer", "Scheme", &["internal"], false, INTERNET),
    switch("AWS::ElasticLoadBalancing::LoadBalancer", "Scheme", &["internal"], false, INTERNET),
    switch("AWS::AppSync::GraphQLApi", "Visibility", &["private"], false, INTERNET),
    switch(
        "AWS::AppSync::GraphQLApi",
        "AuthenticationType",
        &["aws_iam", "amazon_cognito_user_pools", "openid_connect", "aws_lambda"],
        true,
        NO_AUTH,
    ),
    switch("AWS::VpcLattice::Service", "AuthType", &["aws_iam"], false, NO_AUTH),
    switch(
        "AWS::S3::Bucket",
        "AccessControl",
        &["private", "bucketownerread", "bucketownerfullcontrol", "logdeliverywrite", "awsexecread"],
        true,
        PUBLIC_ACL,
    ),
    switch("AWS::DMS::ReplicationInstance", "PubliclyAccessible", &["false"], false, INTERNET),
    switch("AWS::AppRunner::Service", "IsPubliclyAccessible", &["false"], false, INTERNET),
    switch("AWS::CodeBuild::Project", "Visibility", &["private"], true, INTERNET),
    switch("AWS::CodePipeline::Webhook", "Authentication", &["github_hmac", "ip"], false, NO_AUTH),
    switch("AWS::BedrockAgentCore::Gateway", "AuthorizerType", &["aws_iam", "custom_jwt"], false, NO_AUTH),
    switch("AWS::AmazonMQ::Broker", "PubliclyAccessible", &["false"], false, INTERNET),
    switch("AWS::MWAA::Environment", "WebserverAccessMode", &["private_only"], true, INTERNET),
    switch("AWS::AppStream::Fleet", "EnableDefaultInternetAccess", &["false"], true, ADDRESS),
];

fn mentions(value: &Value, name: &str) -> bool {
    match value {
        Value::Object(object) => object.contains_key(name) || object.values().any(|v| mentions(v, name)),
        Value::Array(items) => items.iter().any(|v| mentions(v, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Finds switches that are on, and the security groups that something is in, at any depth, also within `Fn::If`.
pub(super) fn switches(kind: &str, properties: &Value, facts: &mut Facts) {
    for switch in SWITCHES.iter().filter(|s| s.kind == kind && !s.absent) {
        let last = switch.name.rsplit('/').next().unwrap_or_default();
        if !mentions(properties, last) {
            facts.opens.insert((switch.cause, switch.name.to_owned()));
        }
    }
    find(kind, properties, "", "", facts);
}

fn find(kind: &str, value: &Value, above: &str, top: &str, facts: &mut Facts) {
    match value {
        Value::Object(object) => {
            for (name, item) in object.iter().filter(|(name, _)| !has_keys_of_the_app(name)) {
                let top = if top.is_empty() { name } else { top };
                let path = path(above, name);
                for switch in &SWITCHES {
                    let at = path.strip_suffix(switch.name);
                    let named = at.is_some_and(|above| above.ends_with('/'));
                    if named && (switch.kind.is_empty() || switch.kind == kind) && !is_safe(item, switch.safe)
                    {
                        facts.opens.insert((switch.cause, format!("{}={}", switch.name, plain(item))));
                        facts.part(top, item);
                    }
                }
                let of_interface = name == "Groups" && above.ends_with("/NetworkInterfaces");
                if is_groups(name) || of_interface {
                    for group in items(item) {
                        facts.opens.insert((JOINS, plain(group)));
                        facts.part(top, group);
                    }
                }
                find(kind, item, &path, top, facts);
            }
        }
        Value::Array(list) => list.iter().for_each(|item| find(kind, item, above, top, facts)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_safe(value: &Value, safe: &[&str]) -> bool {
    match value {
        Value::Bool(b) => safe.contains(&if *b { "true" } else { "false" }),
        Value::String(s) => safe.contains(&s.to_ascii_lowercase().as_str()),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Whether a property lists the security groups of something, such as `VpcSecurityGroupIds` or `EmrManagedMasterSecurityGroup`; those that
/// a rule lets in are compared as rules.
pub(super) fn is_groups(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let ends = ["idlist", "ids", "id", "arns", "arn", "names", "name"];
    let kind = ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    let is_group = kind.ends_with("securitygroup") || kind.ends_with("securitygroups");
    (is_group || name == "groupset") && !name.starts_with("source") && !name.starts_with("destination")
}
