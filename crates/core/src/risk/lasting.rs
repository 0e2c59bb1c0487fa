//! What stays as it is when a resource is changed in place.
//!
//! "Update requires" and "Return values" of the AWS CloudFormation resource and property types reference.

use std::collections::BTreeSet;

use super::{
    code::TASK,
    moved::Moved,
    opaque,
    pair::{Pair, properties},
};

/// Whether a property is only what people note on a resource.
pub(super) fn is_note(name: &str) -> bool {
    matches!(name, "Tags" | "TagList" | "Description")
}

/// Ends of the names of attributes that say which resource it is, or where.
const LASTING: [&str; 7] = ["Arn", "ARN", "Id", "ID", "Name", "Url", "URL"];

/// Attributes that last and whose names do not say so: the start of the type, the attribute.
const OF_TYPE: [(&str, &str); 9] = [
    ("AWS::EC2::VPC", "CidrBlock"),
    ("AWS::EC2::VPC", "DefaultSecurityGroup"),
    ("AWS::EC2::VPC", "DefaultNetworkAcl"),
    ("AWS::EC2::EIP", "PublicIp"),
    ("AWS::EC2::Subnet", "CidrBlock"),
    ("AWS::EKS::Cluster", "Endpoint"),
    ("AWS::EKS::Cluster", "CertificateAuthorityData"),
    ("AWS::ECR::Repository", "RepositoryUri"),
    ("AWS::ApiGatewayV2::Api", "ApiEndpoint"),
];

/// Whether an attribute is the same after these properties were changed in place.
pub(super) fn lasts(kind: &str, attribute: &str, changed: &BTreeSet<String>) -> bool {
    let of_type = |(start, name): &(&str, &str)| attribute == *name && kind == *start;
    let is_port = |name: &String| name.ends_with("Port") || name.ends_with("PortNumber");
    if opaque::has_free_attributes(kind) {
        return false;
    }
    LASTING.iter().any(|end| attribute.ends_with(end))
        || OF_TYPE.iter().any(of_type)
        // The port of a database is one of its properties.
        || (attribute.ends_with(".Port") && !changed.iter().any(is_port))
}

/// Whether it is a new revision of a task definition: a resource of its own, with the same name and the rights of the one before.
pub(super) fn is_revised(pair: &Pair<'_>, moved: &Moved) -> bool {
    let (old, new) = (properties(pair.old), properties(pair.new));
    let listed = |name: &str| pair.details().any(|d| d.name == name);
    let same = |name: &str| {
        let behind = new.get(name).is_some_and(|v| moved.within(v) || moved.is_uncertain(v));
        old.get(name) == new.get(name) && !behind && !listed(name)
    };
    pair.resource_type() == TASK
        && pair.old.is_some_and(|old| old.resource_type == TASK)
        && pair.new.is_some()
        && new.get("Family").is_some()
        && ["Family", "TaskRoleArn", "ExecutionRoleArn"].into_iter().all(same)
}

/// Types, and those of their properties that they are, or may be, made anew for.
const MADE_ANEW_FOR: [(&str, &[&str]); 14] = [
    ("AWS::CloudFront::Distribution", &[]),
    ("AWS::Events::Rule", &["Name", "EventBusName"]),
    ("AWS::Lambda::Function", &["FunctionName", "PackageType", "TenancyConfig", "DurableConfig"]),
    ("AWS::S3::Bucket", &["BucketName", "BucketNamePrefix", "BucketNamespace", "ObjectLockEnabled"]),
    ("AWS::SNS::Topic", &["TopicName", "FifoTopic"]),
    ("AWS::SQS::Queue", &["QueueName", "FifoQueue"]),
    ("AWS::ApiGateway::RestApi", &[]),
    ("AWS::ApiGateway::Method", &["HttpMethod", "ResourceId", "RestApiId"]),
    ("AWS::IAM::Role", &["RoleName", "Path"]),
    ("AWS::ECS::Cluster", &["ClusterName"]),
    (
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        &["Name", "Port", "Protocol", "ProtocolVersion", "TargetType", "VpcId", "IpAddressType"],
    ),
    (
        "AWS::StepFunctions::StateMachine",
        &["StateMachineName", "StateMachineType", "EncryptionConfiguration"],
    ),
    ("AWS::Cognito::UserPool", &["AliasAttributes", "UsernameAttributes", "UsernameConfiguration", "Schema"]),
    ("AWS::Logs::LogGroup", &["LogGroupName", "LogGroupClass"]),
];

/// Whether a resource of this type is changed in place if these properties differ.
pub(super) fn is_made_in_place(kind: &str, differs: &BTreeSet<&str>) -> bool {
    if differs.iter().all(|name| matches!(*name, "Tags" | "TagList")) {
        return kind.starts_with("AWS::");
    }
    let listed = MADE_ANEW_FOR.iter().find(|(of, _)| *of == kind);
    listed.is_some_and(|(_, anew)| !differs.iter().any(|name| anew.contains(name)))
}
