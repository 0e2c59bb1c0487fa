//! Class `network`.

use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    api::RiskClass::Network,
    risk::testing::{assessed, one_has, resources},
};

#[rstest]
#[case::new_group("AWS::EC2::SecurityGroup", Value::Null, json!({"SecurityGroupIngress": [{"CidrIp": "10.0.0.0/8", "IpProtocol": "-1"}], "SecurityGroupEgress": []}), true)]
#[case::new_group_lets_all_out("AWS::EC2::SecurityGroup", Value::Null, json!({}), true)]
#[case::new_group_for_nobody("AWS::EC2::SecurityGroup", Value::Null, json!({"SecurityGroupEgress": [{"CidrIp": "255.255.255.255/32", "IpProtocol": "icmp", "FromPort": 252, "ToPort": 86}]}), false)]
#[case::egress_left_out("AWS::EC2::SecurityGroup", json!({"SecurityGroupEgress": [{"CidrIp": "10.0.0.0/8", "IpProtocol": "-1"}]}), json!({}), true)]
#[case::more_ports("AWS::EC2::SecurityGroup", json!({"SecurityGroupEgress": [], "SecurityGroupIngress": {"CidrIp": "10.0.0.0/8", "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}}), json!({"SecurityGroupEgress": [], "SecurityGroupIngress": {"CidrIp": "10.0.0.0/8", "IpProtocol": "tcp", "FromPort": 0, "ToPort": 443}}), true)]
#[case::everything_may_leave_again("AWS::EC2::SecurityGroup", json!({"SecurityGroupEgress": [{"CidrIp": "255.255.255.255/32", "IpProtocol": "icmp", "FromPort": 252, "ToPort": 86}]}), json!({"SecurityGroupEgress": []}), true)]
#[case::rule_gone("AWS::EC2::SecurityGroup", json!({"SecurityGroupEgress": [], "SecurityGroupIngress": [{"CidrIp": "10.0.0.0/8", "IpProtocol": "-1"}]}), json!({"SecurityGroupEgress": []}), false)]
#[case::rules_reordered("AWS::EC2::SecurityGroup", json!({"SecurityGroupEgress": [{"CidrIp": "10.0.0.0/8", "IpProtocol": "-1"}, {"CidrIp": "11.0.0.0/8", "IpProtocol": "-1"}]}), json!({"SecurityGroupEgress": [{"CidrIp": "11.0.0.0/8", "IpProtocol": "-1"}, {"CidrIp": "10.0.0.0/8", "IpProtocol": "-1", "Description": "d"}]}), false)]
#[case::standalone("AWS::EC2::SecurityGroupIngress", Value::Null, json!({"GroupId": "g", "SourceSecurityGroupId": "h", "IpProtocol": "tcp", "FromPort": 1, "ToPort": 1}), true)]
#[case::standalone_elsewhere("AWS::EC2::SecurityGroupEgress", json!({"GroupId": "g", "CidrIp": "10.0.0.0/8", "IpProtocol": "-1"}), json!({"GroupId": "h", "CidrIp": "10.0.0.0/8", "IpProtocol": "-1"}), true)]
#[case::standalone_gone("AWS::EC2::SecurityGroupIngress", json!({"GroupId": "g", "CidrIp": "10.0.0.0/8", "IpProtocol": "-1"}), Value::Null, false)]
#[case::acl_allows("AWS::EC2::NetworkAclEntry", Value::Null, json!({"RuleAction": "allow"}), true)]
#[case::acl_allows_no_more("AWS::EC2::NetworkAclEntry", json!({"RuleAction": "allow"}), Value::Null, false)]
#[case::acl_denies("AWS::EC2::NetworkAclEntry", Value::Null, json!({"RuleAction": "deny"}), false)]
#[case::acl_denies_no_more("AWS::EC2::NetworkAclEntry", json!({"RuleAction": "deny"}), Value::Null, true)]
#[case::route("AWS::EC2::Route", Value::Null, json!({"GatewayId": {"Ref": "IGW"}, "DestinationCidrBlock": "0.0.0.0/0"}), true)]
#[case::route_table("AWS::EC2::RouteTable", Value::Null, json!({"VpcId": "v"}), false)]
#[case::route_gone("AWS::EC2::Route", json!({"GatewayId": "g"}), Value::Null, false)]
#[case::gateway_attached("AWS::EC2::VPCGatewayAttachment", Value::Null, json!({"InternetGatewayId": "i"}), true)]
#[case::public_subnet("AWS::EC2::Subnet", json!({"CidrBlock": "c"}), json!({"CidrBlock": "c", "MapPublicIpOnLaunch": true}), true)]
#[case::private_subnet("AWS::EC2::Subnet", Value::Null, json!({"MapPublicIpOnLaunch": "false"}), false)]
#[case::balancer("AWS::ElasticLoadBalancingV2::LoadBalancer", json!({"Scheme": "internal"}), json!({"Scheme": "internet-facing"}), true)]
#[case::balancer_by_default("AWS::ElasticLoadBalancingV2::LoadBalancer", json!({"Scheme": "internal"}), json!({}), true)]
#[case::balancer_inside("AWS::ElasticLoadBalancingV2::LoadBalancer", Value::Null, json!({"Scheme": "internal"}), false)]
#[case::database("AWS::RDS::DBInstance", json!({"PubliclyAccessible": false}), json!({"PubliclyAccessible": "true"}), true)]
#[case::database_unknown("AWS::RDS::DBInstance", json!({"PubliclyAccessible": false}), json!({"PubliclyAccessible": {"Ref": "P"}}), true)]
#[case::warehouse("AWS::Redshift::Cluster", json!({}), json!({"PubliclyAccessible": true}), true)]
#[case::public_bucket("AWS::S3::Bucket", json!({}), json!({"AccessControl": "PublicRead"}), true)]
#[case::instance("AWS::EC2::Instance", json!({}), json!({"NetworkInterfaces": [{"AssociatePublicIpAddress": true}]}), true)]
#[case::task("AWS::ECS::Service", json!({}), json!({"NetworkConfiguration": {"AwsvpcConfiguration": {"AssignPublicIp": "ENABLED"}}}), true)]
#[case::cluster_by_default("AWS::EKS::Cluster", json!({"ResourcesVpcConfig": {"EndpointPublicAccess": false}}), json!({"ResourcesVpcConfig": {}}), true)]
#[case::cluster_blocks("AWS::EKS::Cluster", json!({"ResourcesVpcConfig": {"PublicAccessCidrs": ["10.0.0.0/8"]}}), json!({"ResourcesVpcConfig": {"PublicAccessCidrs": ["0.0.0.0/0"]}}), true)]
#[case::private_api("AWS::ApiGateway::RestApi", json!({"EndpointConfiguration": {"Types": ["PRIVATE"]}}), json!({"EndpointConfiguration": {"Types": ["REGIONAL"]}}), true)]
#[case::regional_api("AWS::ApiGateway::RestApi", json!({"EndpointConfiguration": {"Types": ["EDGE"]}}), json!({"EndpointConfiguration": {"Types": ["REGIONAL"]}}), false)]
#[case::api_elsewhere("AWS::ApiGateway::RestApi", json!({"BodyS3Location": {"Key": "a"}}), json!({"BodyS3Location": {"Key": "b"}}), true)]
#[case::method("AWS::ApiGateway::Method", json!({"AuthorizationType": "AWS_IAM"}), json!({"AuthorizationType": "NONE"}), true)]
#[case::preflight("AWS::ApiGateway::Method", Value::Null, json!({"AuthorizationType": "NONE", "HttpMethod": "OPTIONS", "Integration": {"Type": "MOCK"}}), false)]
#[case::route_without_auth("AWS::ApiGatewayV2::Route", json!({"AuthorizationType": "JWT"}), json!({}), true)]
#[case::url("AWS::Lambda::Url", Value::Null, json!({"AuthType": "AWS_IAM"}), true)]
#[case::peering("AWS::EC2::VPCPeeringConnection", Value::Null, json!({"PeerVpcId": "p"}), true)]
#[case::endpoint("AWS::EC2::VPCEndpoint", Value::Null, json!({"ServiceName": "s"}), true)]
#[case::distribution("AWS::CloudFront::Distribution", Value::Null, json!({}), true)]
#[case::firewall_gone("AWS::WAFv2::WebACLAssociation", json!({"WebACLArn": "w"}), Value::Null, true)]
#[case::firewall_unhooked("AWS::CloudFront::Distribution", json!({"DistributionConfig": {"WebACLId": "w"}}), json!({"DistributionConfig": {}}), true)]
#[case::joins_a_group("AWS::EC2::Instance", json!({"SecurityGroupIds": ["a"]}), json!({"SecurityGroupIds": ["a", "b"]}), true)]
#[case::leaves_a_group("AWS::EC2::Instance", json!({"SecurityGroupIds": ["a", "b"]}), json!({"SecurityGroupIds": ["b"]}), false)]
#[case::leaves_the_vpc("AWS::Lambda::Function", json!({"VpcConfig": {"SubnetIds": ["a"]}}), json!({}), true)]
#[case::two_peers_in_one_rule("AWS::EC2::SecurityGroupIngress", json!({"GroupId": "g", "CidrIp": "10.0.0.0/8", "IpProtocol": "-1"}), json!({"GroupId": "g", "CidrIp": "10.0.0.0/8", "CidrIpv6": "::/0", "IpProtocol": "-1"}), true)]
#[case::a_list_of_addresses("AWS::EC2::PrefixList", json!({"Entries": [{"Cidr": "10.0.0.0/8"}]}), json!({"Entries": [{"Cidr": "0.0.0.0/0"}]}), true)]
#[case::a_rule_without_login("AWS::ElasticLoadBalancingV2::ListenerRule", json!({"Actions": [{"Type": "authenticate-oidc"}, {"Type": "forward"}]}), json!({"Actions": [{"Type": "forward"}]}), true)]
#[case::a_group_in_another_vpc("AWS::EC2::SecurityGroupVpcAssociation", Value::Null, json!({"GroupId": "g", "VpcId": "v"}), true)]
#[case::signatures_no_longer("AWS::CloudFront::Distribution", json!({"DistributionConfig": {"CacheBehaviors": [{"PathPattern": "/a", "TrustedKeyGroups": ["k"]}]}}), json!({"DistributionConfig": {"CacheBehaviors": [{"PathPattern": "/a"}]}}), true)]
#[case::signatures_as_before("AWS::CloudFront::Distribution", json!({"DistributionConfig": {"CacheBehaviors": [{"PathPattern": "/a", "TrustedKeyGroups": ["k"]}]}}), json!({"DistributionConfig": {"Comment": "c", "CacheBehaviors": [{"PathPattern": "/a", "TrustedKeyGroups": ["k"]}]}}), false)]
#[case::brokers_for_anybody("AWS::MSK::Cluster", json!({"ClientAuthentication": {}}), json!({"ClientAuthentication": {"Unauthenticated": {"Enabled": true}}}), true)]
#[case::snapshots_no_longer_blocked("AWS::EC2::SnapshotBlockPublicAccess", json!({"State": "block-all-sharing"}), Value::Null, true)]
#[case::a_queue("AWS::SQS::Queue", Value::Null, json!({"QueueName": "q"}), false)]
fn of_a_resource(#[case] kind: &str, #[case] old: Value, #[case] new: Value, #[case] want: bool) {
    assert_eq!(one_has(Network, kind, &old, &new), want);
}

#[test]
fn what_is_let_through_besides_is_named() {
    let of = |rules: Value| {
        resources(&json!({"G": {"Type": "AWS::EC2::SecurityGroup", "Properties": {
        "SecurityGroupEgress": [], "SecurityGroupIngress": rules}}}))
    };
    let new = of(json!([
        {"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22},
        {"CidrIp": "10.0.0.0/8", "IpProtocol": "udp", "FromPort": 1, "ToPort": 9}
    ]));
    let found = assessed(Some(&of(json!([]))), &new, None);
    let risk = found.risks.iter().find(|r| r.class == Network).unwrap();
    assert_eq!(risk.cause, "a security group lets more through (tcp 22 for everybody, udp 1-9)");
}
