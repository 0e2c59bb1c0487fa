//! What makes a resource reachable: flags, schemes, routes, addresses.
//!
//! Properties and defaults as in the AWS CloudFormation resource and property types reference.

use serde_json::{Value, json};

use super::{
    facts::{Facts, is_flag, path, plain},
    guard_values::is_hollow,
    pair::properties,
    rules::Rule,
    switches::switches,
    text::{is_intrinsic, items},
};
use crate::bundle::Resource;

/// All that makes one side of a resource reachable.
#[derive(Default)]
pub(super) struct Exposure {
    pub(super) facts: Facts,
    pub(super) rules: Vec<Rule>,
    /// Who reaches the endpoint of a cluster from the internet.
    pub(super) callers: Vec<Rule>,
    /// Whether only CloudFormation can tell who that is.
    pub(super) has_unknown_callers: bool,
}

impl Exposure {
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
            && self.callers.is_empty()
            && self.facts.opens.is_empty()
            && self.facts.guards.is_empty()
    }
}

const PATHS: &str = "opens or changes a way for traffic";
pub(super) const INTERNET: &str = "can be reached from the internet";
const BLOCK: &str = "public access is no longer blocked";
pub(super) const NO_AUTH: &str = "takes requests without authentication";
const LEAVES: &str = "leaves a network or what filters its traffic";
const FILTER: &str = "removes or changes what filters traffic";
const DEFINITION: &str = "what it exposes is defined elsewhere";

/// Types that are a way for traffic as a whole: to make one or to change it opens one. A star stands for any end.
const WAYS: [&str; 38] = [
    "AWS::EC2::Route",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::EC2::EgressOnlyInternetGateway",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::GatewayRouteTableAssociation",
    "AWS::EC2::SubnetNetworkAclAssociation",
    "AWS::EC2::VPCPeeringConnection",
    "AWS::EC2::VPCEndpoint",
    "AWS::EC2::VPCEndpointService",
    "AWS::EC2::VPCEndpointServicePermissions",
    "AWS::EC2::TransitGateway*",
    "AWS::EC2::ClientVpn*",
    "AWS::EC2::VPNConnection*",
    "AWS::EC2::VPNGateway*",
    "AWS::EC2::RouteServer*",
    "AWS::EC2::CarrierGateway",
    "AWS::EC2::LocalGatewayRoute*",
    "AWS::EC2::NatGateway",
    "AWS::EC2::EIP*",
    "AWS::EC2::InstanceConnectEndpoint",
    "AWS::EC2::VerifiedAccess*",
    "AWS::NetworkManager::*",
    "AWS::VpcLattice::*",
    "AWS::RDS::DBSecurityGroup*",
    "AWS::ElastiCache::SecurityGroupIngress",
    "AWS::Redshift::ClusterSecurityGroupIngress",
    "AWS::Redshift::Endpoint*",
    "AWS::CloudFront::VpcOrigin",
    "AWS::GlobalAccelerator::*",
    "AWS::Lambda::Url",
    "AWS::ElasticLoadBalancing::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::ElasticLoadBalancingV2::ListenerRule",
    "AWS::EC2::PrefixList",
    "AWS::EC2::SecurityGroupVpcAssociation",
    "AWS::OpenSearchServerless::SecurityPolicy",
    "AWS::Route53Resolver::*",
    "AWS::DirectConnect::*",
];

/// Types that filter traffic: to remove one or to change it may let more through.
const FILTERS: [&str; 9] = [
    "AWS::EC2::SubnetNetworkAclAssociation",
    "AWS::WAFv2::*",
    "AWS::WAF::*",
    "AWS::WAFRegional::*",
    "AWS::NetworkFirewall::*",
    "AWS::Route53Resolver::FirewallRuleGroup*",
    "AWS::Shield::*",
    "AWS::EC2::SnapshotBlockPublicAccess",
    "AWS::EC2::VPCBlockPublicAccess*",
];

/// Types that anybody can reach as soon as they are there.
const PUBLIC: [&str; 10] = [
    "AWS::CloudFront::Distribution",
    "AWS::ApiGatewayV2::Api",
    "AWS::Serverless::HttpApi",
    "AWS::AppRunner::Service",
    "AWS::Transfer::Server",
    "AWS::Lightsail::*",
    "AWS::Amplify::App",
    "AWS::AppSync::Api",
    "AWS::ECR::PublicRepository",
    "AWS::ECS::ExpressGatewayService",
];

/// Reads what makes a resource reachable.
pub(super) fn exposure(resource: Option<&Resource>) -> Exposure {
    let Some(resource) = resource else { return Exposure::default() };
    let (kind, properties) = (resource.resource_type.as_str(), properties(Some(resource)));
    let mut found = Exposure::default();
    let facts = &mut found.facts;
    let is = |list: &[&str]| {
        list.iter().any(|t| t.strip_suffix('*').map_or(kind == *t, |start| kind.starts_with(start)))
    };
    let entry = (kind == "AWS::EC2::NetworkAclEntry").then(|| {
        properties.get("RuleAction").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase()
    });
    if is(&WAYS) || entry.as_ref().is_some_and(|action| action != "deny") {
        facts.open_whole(kind, properties, PATHS);
    }
    if (is(&FILTERS) && kind != "AWS::WAFv2::LoggingConfiguration")
        || entry.as_ref().is_some_and(|action| action != "allow")
    {
        let mut whole = Facts::default();
        whole.open_whole(kind, properties, FILTER);
        facts.guards.append(&mut whole.opens);
        facts.properties.append(&mut whole.properties);
    }
    if is(&PUBLIC) {
        facts.opens.insert((INTERNET, String::new()));
    }
    switches(kind, properties, facts);
    let remote = properties.get("RemoteAccess");
    let is_open =
        remote.is_some_and(|r| !is_hollow(r.get("Ec2SshKey")) && is_hollow(r.get("SourceSecurityGroups")));
    // "Amazon EKS API reference: RemoteAccessConfig": without groups, port 22 is open to the internet.
    if kind == "AWS::EKS::Nodegroup" && is_open {
        facts.opens.insert((INTERNET, "RemoteAccess".to_owned()));
        facts.properties.insert("RemoteAccess".to_owned());
    }
    public_access_block(properties, facts);
    gateway(kind, properties, facts);
    for name in ["WebACLId", "VPCOptions", "VpcConfig", "VPCConfig", "NetworkConfiguration"] {
        if !is_hollow(properties.get(name)) {
            facts.guards.insert((LEAVES, name.to_owned()));
        }
    }
    signers(properties, "", facts);
    if !is_hollow(properties.pointer("/DistributionConfig/WebACLId")) {
        facts.guards.insert((LEAVES, "WebACLId".to_owned()));
    }
    security_group(kind, properties, &mut found);
    cluster(kind, properties, &mut found);
    found
}

/// Whose signature a distribution demands, behaviour by behaviour.
fn signers(value: &Value, place: &str, facts: &mut Facts) {
    match value {
        Value::Object(object) => {
            for (name, item) in object {
                if ["TrustedKeyGroups", "TrustedSigners"].contains(&name.as_str()) && !items(item).is_empty()
                {
                    facts.guards.insert((NO_AUTH, place.to_owned()));
                    facts.properties.insert("DistributionConfig".to_owned());
                }
                signers(item, &path(place, name), facts);
            }
        }
        Value::Array(list) => {
            for item in list {
                let pattern = item.get("PathPattern").map(plain).unwrap_or_default();
                signers(item, &path(place, &pattern), facts);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The four blocks of S3: a block that is gone, or says anything but `true`.
fn public_access_block(properties: &Value, facts: &mut Facts) {
    let name = "PublicAccessBlockConfiguration";
    let Some(block) = properties.get(name) else { return };
    facts.properties.insert(name.to_owned());
    if is_intrinsic(block) {
        facts.opens.insert((BLOCK, plain(block)));
        facts.guards.insert((BLOCK, plain(block)));
        return;
    }
    for flag in ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"] {
        match block.get(flag) {
            value @ Some(_) if !is_flag(value, true) => {
                facts.opens.insert((BLOCK, format!("{flag}={}", value.map(plain).unwrap_or_default())));
            }
            Some(_) => {
                facts.guards.insert((BLOCK, flag.to_owned()));
            }
            None => {}
        }
    }
}

/// Where the definition of an API stands, and the endpoint that it has without a domain.
fn definition(properties: &Value, facts: &mut Facts) {
    if is_flag(properties.get("DisableExecuteApiEndpoint"), true) {
        facts.guards.insert((INTERNET, "DisableExecuteApiEndpoint".to_owned()));
    }
    for name in ["Body", "BodyS3Location", "DefinitionBody", "DefinitionUri"] {
        facts.open_each(properties, name, DEFINITION);
    }
}

fn gateway(kind: &str, properties: &Value, facts: &mut Facts) {
    if kind == "AWS::SecretsManager::ResourcePolicy" && is_flag(properties.get("BlockPublicPolicy"), true) {
        facts.guards.insert((BLOCK, "BlockPublicPolicy".to_owned()));
    }
    match kind {
        "AWS::ApiGateway::RestApi" | "AWS::Serverless::Api" | "AWS::ApiGateway::DomainName" => {
            let types = properties
                .pointer("/EndpointConfiguration/Types")
                .or(properties.get("EndpointConfiguration"));
            let private =
                types.is_some_and(|types| items(types).iter().all(|t| t.as_str() == Some("PRIVATE")));
            if !private {
                // Regional and edge are reached by the same people.
                let literal = types.is_none_or(|t| items(t).iter().all(|t| t.is_string()));
                let what = if literal { String::new() } else { types.map(plain).unwrap_or_default() };
                facts.opens.insert((INTERNET, what));
                facts.properties.insert("EndpointConfiguration".to_owned());
            }
            definition(properties, facts);
        }
        "AWS::ApiGatewayV2::Api" | "AWS::Serverless::HttpApi" => definition(properties, facts),
        "AWS::ApiGateway::Method" => {
            let auth = properties.get("AuthorizationType").and_then(Value::as_str).unwrap_or("NONE");
            // The preflight of browsers carries no credentials, and answers from a mock.
            let preflight = properties.get("HttpMethod").and_then(Value::as_str) == Some("OPTIONS")
                && properties.pointer("/Integration/Type").and_then(Value::as_str) == Some("MOCK");
            if !["AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS"].contains(&auth) && !preflight {
                facts.opens.insert((NO_AUTH, asked(properties, &METHOD)));
                facts.properties.insert("AuthorizationType".to_owned());
            }
            if is_flag(properties.get("ApiKeyRequired"), true) {
                facts.guards.insert((NO_AUTH, "ApiKeyRequired".to_owned()));
            }
        }
        "AWS::ApiGatewayV2::Route" => {
            let auth = properties.get("AuthorizationType").and_then(Value::as_str).unwrap_or("NONE");
            if !["AWS_IAM", "JWT", "CUSTOM"].contains(&auth.to_ascii_uppercase().as_str()) {
                facts.opens.insert((NO_AUTH, asked(properties, &["/RouteKey", "/Target"])));
                facts.properties.insert("AuthorizationType".to_owned());
            }
        }
        "AWS::CloudFront::Distribution" => {
            let config = properties.get("DistributionConfig");
            let of = |name: &str| config.and_then(|c| c.get(name)).map(items).unwrap_or_default();
            let behaviours = of("DefaultCacheBehavior").into_iter().chain(of("CacheBehaviors"));
            let origins = behaviours.filter_map(|b| b.get("TargetOriginId"));
            facts.opens.extend(origins.map(|origin| (PATHS, plain(origin))));
        }
        "AWS::OpenSearchService::Domain" | "AWS::Elasticsearch::Domain"
            if is_hollow(properties.get("VPCOptions")) =>
        {
            facts.opens.insert((INTERNET, String::new()));
        }
        _ => {}
    }
}

/// What a method takes, and where it goes.
const METHOD: [&str; 6] = [
    "/HttpMethod",
    "/ResourceId",
    "/Integration/Type",
    "/Integration/Uri",
    "/Integration/ConnectionId",
    "/Integration/Credentials",
];

/// What a request may be that nobody is asked for, and where it goes.
fn asked(properties: &Value, names: &[&str]) -> String {
    let said = names.iter().map(|at| properties.pointer(at).map(plain).unwrap_or_default());
    said.collect::<Vec<_>>().join(" ")
}

/// From where the endpoint of a cluster takes calls: from everywhere, if nothing is said.
fn cluster(kind: &str, properties: &Value, found: &mut Exposure) {
    let of = |name: &str| properties.get("ResourcesVpcConfig").and_then(|config| config.get(name));
    if kind != "AWS::EKS::Cluster" || is_flag(of("EndpointPublicAccess"), false) {
        return;
    }
    let name = "PublicAccessCidrs";
    found.has_unknown_callers = [properties.get("ResourcesVpcConfig"), of(name), of("EndpointPublicAccess")]
        .into_iter()
        .flatten()
        .any(is_intrinsic);
    let blocks = of(name).map(items).unwrap_or_default();
    if blocks.is_empty() {
        found.callers.extend(Rule::all_out(name).into_iter().flatten());
    } else {
        let rule = |block: &Value| Rule::read(name, &json!({ "CidrIp": block, "IpProtocol": "-1" }));
        found.callers.extend(blocks.into_iter().filter_map(rule));
        found.facts.properties.insert("ResourcesVpcConfig".to_owned());
    }
}

fn security_group(kind: &str, properties: &Value, found: &mut Exposure) {
    let mut add = |at: &str, name: &str, rules: Vec<&Value>| {
        found.rules.extend(rules.into_iter().filter_map(|rule| Rule::read(at, rule)));
        found.facts.properties.insert(name.to_owned());
    };
    match kind {
        "AWS::EC2::SecurityGroup" => {
            for name in ["SecurityGroupIngress", "SecurityGroupEgress"] {
                if let Some(rules) = properties.get(name) {
                    add(name, name, items(rules));
                }
            }
            // The default goes only when there is a rule ("AWS::EC2::SecurityGroup").
            if properties.get("SecurityGroupEgress").is_none_or(|rules| items(rules).is_empty()) {
                found.rules.extend(Rule::all_out("SecurityGroupEgress").into_iter().flatten());
            }
        }
        "AWS::EC2::SecurityGroupIngress" | "AWS::EC2::SecurityGroupEgress" => {
            let group =
                properties.get("GroupId").or(properties.get("GroupName")).map(plain).unwrap_or_default();
            add(&format!("{kind} {group}"), "GroupId", vec![properties]);
            found
                .facts
                .properties
                .extend(properties.as_object().into_iter().flatten().map(|(k, _)| k.clone()));
        }
        _ => {}
    }
}
