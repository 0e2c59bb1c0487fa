//! What properties that guard something say, case by case, and honest changes next to them.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    api::RiskClass::{self, Iam, Network},
    risk::testing::{
        assessed, assessed_given, change, detail, found, in_place, one_has, resources, template,
    },
};

const POLICY: &str = "AWS::IAM::ManagedPolicy";
const DISTRIBUTION: &str = "AWS::CloudFront::Distribution";
const FUNCTION: &str = "AWS::Lambda::Function";

/// A policy that allows one thing on one resource.
fn on(resource: &str) -> Value {
    json!({"PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": resource}]}})
}

/// A distribution with these behaviours.
fn behaviours(default: &Value, others: &Value) -> Value {
    json!({"DistributionConfig": {"DefaultCacheBehavior": default, "CacheBehaviors": others}})
}

/// A behaviour whose requests a function sees first.
fn asking(function: &str) -> Value {
    json!({"FunctionAssociations": [{"EventType": "viewer-request", "FunctionARN": function}]})
}

fn classes(kind: &str, old: &Value, new: &Value) -> Vec<RiskClass> {
    let of = |properties: &Value| match properties {
        Value::Null => json!({"Resources": {}}),
        properties => json!({"Resources": {"R": {"Type": kind, "Properties": properties}}}),
    };
    let all = found(&of(old), &of(new));
    assert!(all.iter().all(|(_, id)| id == "R"), "{all:?}");
    all.into_iter().map(|(class, _)| class).filter(|class| [Iam, Network].contains(class)).collect()
}

#[rstest]
#[case::a_star_that_is_none(on("arn:aws:s3:::b/${*}"), on("arn:aws:s3:::b/${aws:username}"))]
#[case::a_star_becomes_one(on("arn:aws:s3:::b/${*}"), on("arn:aws:s3:::b/*"))]
#[case::a_question_mark(on("arn:aws:s3:::b/${?}"), on("arn:aws:s3:::b/?"))]
#[case::any_sign_is_no_variable(on("b/?{aws:username}"), on("b/${aws:username}"))]
#[case::another_variable(on("b/${aws:username}"), on("b/${aws:PrincipalTag/x}"))]
#[case::older_language(
    on("b/${*}"),
    json!({"PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "b/${*}"}]}})
)]
fn variables_of_policies(#[case] old: Value, #[case] new: Value) {
    assert_eq!(classes(POLICY, &old, &new), [Iam]);
    assert_eq!(classes(POLICY, &new, &new), []);
}

#[rstest]
#[case(on("b/*"), on("b/${aws:username}"))]
#[case(on("b/*"), on("b/${*}"))]
#[case(on("b/${aws:username}"), json!({"PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Sid": "A", "Effect": "Allow", "Action": "s3:Get*", "Resource": {"Fn::Sub": "b/${!aws:username}"}}]}}))]
fn variables_that_are_covered(#[case] old: Value, #[case] new: Value) {
    assert_eq!(classes(POLICY, &old, &new), []);
}

/// Changes of a resource that was there, and of one that is new.
#[rstest]
#[case::behaviour_without_signers(DISTRIBUTION, behaviours(&json!({"TrustedKeyGroups": ["k"]}), &json!([])), behaviours(&json!({"TrustedKeyGroups": ["k"]}), &json!([{"PathPattern": "*"}])), &[Network])]
#[case::behaviours_change_places(DISTRIBUTION, behaviours(&json!({}), &json!([{"PathPattern": "/a/*", "TrustedSigners": ["s"]}, {"PathPattern": "/*"}])), behaviours(&json!({}), &json!([{"PathPattern": "/*"}, {"PathPattern": "/a/*", "TrustedSigners": ["s"]}])), &[Network])]
#[case::other_signers(DISTRIBUTION, behaviours(&json!({"TrustedKeyGroups": ["k"]}), &json!([])), behaviours(&json!({"TrustedKeyGroups": ["l"]}), &json!([])), &[Iam])]
#[case::more_signers(DISTRIBUTION, behaviours(&json!({"TrustedKeyGroups": ["k"]}), &json!([])), behaviours(&json!({"TrustedKeyGroups": ["k", "l"]}), &json!([])), &[Iam])]
#[case::no_value_for_signers(DISTRIBUTION, behaviours(&json!({"TrustedKeyGroups": ["k"]}), &json!([])), behaviours(&json!({"TrustedKeyGroups": {"Ref": "AWS::NoValue"}}), &json!([])), &[Iam, Network])]
#[case::no_value_among_signers(DISTRIBUTION, behaviours(&json!({"TrustedKeyGroups": ["k"]}), &json!([])), behaviours(&json!({"TrustedKeyGroups": [{"Ref": "AWS::NoValue"}]}), &json!([])), &[Iam, Network])]
#[case::origin(DISTRIBUTION, json!({"DistributionConfig": {"Origins": [{"Id": "a", "DomainName": "a"}]}}), json!({"DistributionConfig": {"Origins": [{"Id": "a", "DomainName": "a"}, {"Id": "b", "DomainName": "b"}]}}), &[Network])]
#[case::everywhere(DISTRIBUTION, json!({"DistributionConfig": {"Restrictions": {"GeoRestriction": {"RestrictionType": "whitelist", "Locations": ["AU"]}}}}), json!({"DistributionConfig": {}}), &[Network])]
#[case::no_function_in_front(DISTRIBUTION, behaviours(&asking("f"), &json!([])), behaviours(&json!({}), &json!([])), &[Iam, Network])]
#[case::past_the_function(DISTRIBUTION, behaviours(&asking("f"), &json!([])), behaviours(&asking("f"), &json!([{"PathPattern": "*"}])), &[Network])]
#[case::another_function(DISTRIBUTION, behaviours(&asking("f"), &json!([])), behaviours(&asking("g"), &json!([])), &[Iam])]
#[case::by_a_function_for_a_signature(DISTRIBUTION, behaviours(&json!({"TrustedKeyGroups": ["k"]}), &json!([])), behaviours(&json!({"TrustedKeyGroups": ["k"]}), &json!([{"PathPattern": "*", "FunctionAssociations": [{"EventType": "viewer-request", "FunctionARN": "f"}]}])), &[Network])]
#[case::no_firewall(DISTRIBUTION, json!({"DistributionConfig": {"WebACLId": "w"}}), json!({"DistributionConfig": {"WebACLId": ""}}), &[Network])]
#[case::no_value_for_a_firewall(DISTRIBUTION, json!({"DistributionConfig": {"WebACLId": "w"}}), json!({"DistributionConfig": {"WebACLId": {"Ref": "AWS::NoValue"}}}), &[Network])]
#[case::another_firewall(DISTRIBUTION, json!({"DistributionConfig": {"WebACLId": "w"}}), json!({"DistributionConfig": {"WebACLId": "v"}}), &[Network])]
#[case::a_firewall_sometimes(DISTRIBUTION, json!({"DistributionConfig": {"WebACLId": "w"}}), json!({"DistributionConfig": {"WebACLId": {"Fn::If": ["C", "w", {"Ref": "AWS::NoValue"}]}}}), &[Network])]
#[case::http(DISTRIBUTION, behaviours(&json!({"ViewerProtocolPolicy": "https-only"}), &json!([])), behaviours(&json!({"ViewerProtocolPolicy": "allow-all"}), &json!([])), &[Network])]
#[case::unsigned_to_the_origin("AWS::CloudFront::OriginAccessControl", json!({"OriginAccessControlConfig": {"SigningBehavior": "always"}}), json!({"OriginAccessControlConfig": {"SigningBehavior": "never"}}), &[Iam])]
#[case::key_of_a_group("AWS::CloudFront::KeyGroup", json!({"KeyGroupConfig": {"Items": ["a"]}}), json!({"KeyGroupConfig": {"Items": ["a", "b"]}}), &[Iam])]
#[case::another_key("AWS::CloudFront::PublicKey", json!({"PublicKeyConfig": {"EncodedKey": "a"}}), json!({"PublicKeyConfig": {"EncodedKey": "b"}}), &[Iam])]
#[case::no_value_for_a_vpc(FUNCTION, json!({"VpcConfig": {"SubnetIds": ["a"]}}), json!({"VpcConfig": {"Ref": "AWS::NoValue"}}), &[Network])]
#[case::no_value_in_a_vpc(FUNCTION, json!({"VpcConfig": {"SubnetIds": ["a"]}}), json!({"VpcConfig": {"SubnetIds": {"Ref": "AWS::NoValue"}}}), &[Network])]
#[case::an_empty_vpc(FUNCTION, json!({"VpcConfig": {"SubnetIds": ["a"], "SecurityGroupIds": ["g"]}}), json!({"VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []}}), &[Network])]
#[case::other_subnets(FUNCTION, json!({"VpcConfig": {"SubnetIds": ["a"]}}), json!({"VpcConfig": {"SubnetIds": ["b"]}}), &[Network])]
#[case::a_vpc_sometimes(FUNCTION, json!({"VpcConfig": {"SubnetIds": ["a"]}}), json!({"VpcConfig": {"Fn::If": ["C", {"SubnetIds": ["a"]}, {"Ref": "AWS::NoValue"}]}}), &[Network])]
#[case::any_code(FUNCTION, json!({"CodeSigningConfigArn": "a"}), json!({}), &[Iam])]
#[case::permission_of_a_ca("AWS::ACMPCA::Permission", Value::Null, json!({"Principal": "acm.amazonaws.com"}), &[Iam])]
#[case::permission_of_an_app("AWS::QBusiness::Permission", Value::Null, json!({"Principal": "p"}), &[Iam])]
#[case::permission_of_any_service("AWS::New::ThingPermission", Value::Null, json!({"Principal": "p"}), &[Iam])]
#[case::into_a_group("AWS::Cognito::UserPoolUserToGroupAttachment", Value::Null, json!({"GroupName": "g"}), &[Iam])]
#[case::user("AWS::Cognito::UserPoolUser", Value::Null, json!({"Username": "u"}), &[Iam])]
#[case::another_login("AWS::Cognito::UserPoolIdentityProvider", Value::Null, json!({"ProviderName": "p"}), &[Iam])]
#[case::ways_to_log_in("AWS::Cognito::UserPoolClient", json!({"ExplicitAuthFlows": []}), json!({"ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"]}), &[Iam])]
#[case::who_is_told("AWS::Cognito::UserPoolClient", json!({"CallbackURLs": ["https://a"]}), json!({"CallbackURLs": ["https://a", "https://b"]}), &[Iam])]
#[case::foreign_login("AWS::Cognito::IdentityPool", json!({"AllowUnauthenticatedIdentities": false}), json!({"AllowUnauthenticatedIdentities": false, "OpenIdConnectProviderARNs": ["p"]}), &[Iam])]
#[case::foreign_client("AWS::Cognito::IdentityPool", json!({"CognitoIdentityProviders": [{"ClientId": "a", "ProviderName": "p"}]}), json!({"CognitoIdentityProviders": [{"ClientId": "b", "ProviderName": "p"}]}), &[Iam])]
#[case::one_factor("AWS::Cognito::UserPool", json!({"MfaConfiguration": "ON"}), json!({"MfaConfiguration": "OFF"}), &[Iam])]
#[case::one_factor_if_they_like("AWS::Cognito::UserPool", json!({"MfaConfiguration": "ON"}), json!({"MfaConfiguration": "OPTIONAL"}), &[Iam])]
#[case::anonymous("AWS::OpenSearchService::Domain", json!({"AdvancedSecurityOptions": {"Enabled": true}}), json!({"AdvancedSecurityOptions": {"Enabled": true, "AnonymousAuthEnabled": true}}), &[Iam])]
#[case::another_master("AWS::OpenSearchService::Domain", json!({"AdvancedSecurityOptions": {"MasterUserOptions": {"MasterUserARN": "a"}}}), json!({"AdvancedSecurityOptions": {"MasterUserOptions": {"MasterUserARN": "b"}}}), &[Iam])]
#[case::in_the_clear("AWS::OpenSearchService::Domain", json!({"DomainEndpointOptions": {"EnforceHTTPS": true}}), json!({"DomainEndpointOptions": {"EnforceHTTPS": false}}), &[Network])]
#[case::no_iam_for_a_graph("AWS::Neptune::DBCluster", json!({"IamAuthEnabled": true}), json!({"IamAuthEnabled": false}), &[Iam])]
#[case::no_iam_for_a_database("AWS::RDS::DBCluster", json!({"EnableIAMDatabaseAuthentication": true}), json!({}), &[Iam])]
#[case::no_iam_for_a_proxy("AWS::RDS::DBProxy", json!({"Auth": [{"IAMAuth": "REQUIRED", "SecretArn": "s"}]}), json!({"Auth": [{"IAMAuth": "DISABLED", "SecretArn": "s"}]}), &[Iam])]
#[case::another_secret_of_a_proxy("AWS::RDS::DBProxy", json!({"Auth": [{"SecretArn": "s"}]}), json!({"Auth": [{"SecretArn": "s"}, {"SecretArn": "t"}]}), &[Iam])]
#[case::no_longer_private("AWS::RDS::DBInstance", json!({"PubliclyAccessible": false}), json!({}), &[Network])]
#[case::no_longer_a_private_warehouse("AWS::Redshift::Cluster", json!({"PubliclyAccessible": false}), json!({}), &[Network])]
#[case::no_password_for_a_cache("AWS::ElastiCache::ReplicationGroup", json!({"AuthToken": "x"}), json!({}), &[Iam])]
#[case::a_cache_in_the_clear("AWS::ElastiCache::ReplicationGroup", json!({"TransitEncryptionEnabled": true}), json!({"TransitEncryptionEnabled": false}), &[Network])]
#[case::no_users_for_a_cache("AWS::ElastiCache::ReplicationGroup", json!({"UserGroupIds": ["g"]}), json!({}), &[Iam])]
#[case::open_memory("AWS::MemoryDB::Cluster", json!({"ACLName": "strict"}), json!({"ACLName": "open-access"}), &[Iam])]
#[case::user_of_memory("AWS::MemoryDB::ACL", json!({"UserNames": ["a"]}), json!({"UserNames": ["a", "b"]}), &[Iam])]
#[case::no_scopes("AWS::ApiGateway::Method", json!({"AuthorizationType": "COGNITO_USER_POOLS", "AuthorizationScopes": ["a"]}), json!({"AuthorizationType": "COGNITO_USER_POOLS"}), &[Iam])]
#[case::more_scopes("AWS::ApiGateway::Method", json!({"AuthorizationType": "COGNITO_USER_POOLS", "AuthorizationScopes": ["a"]}), json!({"AuthorizationType": "COGNITO_USER_POOLS", "AuthorizationScopes": ["a", "b"]}), &[Iam])]
#[case::another_authorizer("AWS::ApiGateway::Method", json!({"AuthorizationType": "CUSTOM", "AuthorizerId": "a"}), json!({"AuthorizationType": "CUSTOM", "AuthorizerId": "b"}), &[Iam])]
#[case::no_scopes_of_a_route("AWS::ApiGatewayV2::Route", json!({"AuthorizationType": "JWT", "AuthorizationScopes": ["a"]}), json!({"AuthorizationType": "JWT"}), &[Iam])]
#[case::another_authorizer_of_a_route("AWS::ApiGatewayV2::Route", json!({"AuthorizationType": "JWT", "AuthorizerId": "a"}), json!({"AuthorizationType": "JWT", "AuthorizerId": "b"}), &[Iam])]
#[case::another_kind_of_login("AWS::ApiGatewayV2::Route", json!({"AuthorizationType": "AWS_IAM"}), json!({"AuthorizationType": "CUSTOM", "AuthorizerId": "b"}), &[Iam])]
#[case::another_definition("AWS::ApiGatewayV2::Api", json!({"Body": {"paths": {"/a": {"security": [1]}}}}), json!({"Body": {"paths": {"/a": {}}}}), &[Network])]
#[case::its_own_endpoint("AWS::ApiGatewayV2::Api", json!({"DisableExecuteApiEndpoint": true}), json!({}), &[Network])]
#[case::no_client_certificates("AWS::ApiGateway::DomainName", json!({"MutualTlsAuthentication": {"TruststoreUri": "u"}}), json!({}), &[Iam])]
#[case::no_client_certificates_v2("AWS::ApiGatewayV2::DomainName", json!({"MutualTlsAuthentication": {"TruststoreUri": "u"}}), json!({}), &[Iam])]
#[case::other_client_certificates("AWS::ApiGatewayV2::DomainName", json!({"MutualTlsAuthentication": {"TruststoreUri": "u"}}), json!({"MutualTlsAuthentication": {"TruststoreUri": "v"}}), &[Iam])]
#[case::api_key("AWS::ApiGateway::ApiKey", Value::Null, json!({"Enabled": true}), &[Iam])]
#[case::key_of_a_plan("AWS::ApiGateway::UsagePlanKey", Value::Null, json!({"KeyId": "k"}), &[Iam])]
#[case::public_transfer("AWS::Transfer::Server", json!({"EndpointType": "VPC"}), json!({"EndpointType": "PUBLIC"}), &[Network])]
#[case::public_transfer_by_default("AWS::Transfer::Server", json!({"EndpointType": "VPC"}), json!({}), &[Network])]
#[case::lists_of_who_may("AWS::S3::Bucket", json!({"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}}), json!({"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}}), &[Iam])]
#[case::no_owner("AWS::S3::Bucket", json!({"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}}), json!({}), &[Iam])]
#[case::other_sites("AWS::S3::Bucket", json!({}), json!({"CorsConfiguration": {"CorsRules": [{"AllowedOrigins": ["*"]}]}}), &[Iam])]
#[case::aggregator("AWS::Config::AggregationAuthorization", Value::Null, json!({"AuthorizedAccountId": "1"}), &[Iam])]
#[case::link("AWS::Oam::Link", Value::Null, json!({"SinkIdentifier": "s"}), &[Iam])]
#[case::agents("AWS::CodeGuruProfiler::ProfilingGroup", json!({}), json!({"AgentPermissions": {"Principals": ["p"]}}), &[Iam])]
#[case::security_profile("AWS::Connect::SecurityProfile", json!({"Permissions": ["a"]}), json!({"Permissions": ["a", "b"]}), &[Iam])]
#[case::environment_of_somebody("AWS::Cloud9::EnvironmentEC2", Value::Null, json!({"OwnerArn": "o"}), &[Iam])]
#[case::public_builds("AWS::CodeBuild::Project", json!({"Visibility": "PRIVATE"}), json!({"Visibility": "PUBLIC_READ"}), &[Network])]
#[case::public_builds_anew("AWS::CodeBuild::Project", Value::Null, json!({"Visibility": "PUBLIC_READ"}), &[Network])]
#[case::who_starts_builds("AWS::CodeBuild::Project", json!({}), json!({"Triggers": {"Webhook": true}}), &[Iam])]
#[case::webhook("AWS::CodePipeline::Webhook", Value::Null, json!({"Authentication": "UNAUTHENTICATED"}), &[Network])]
#[case::certificate("AWS::IoT::Certificate", Value::Null, json!({"Status": "ACTIVE"}), &[Iam])]
#[case::authority("AWS::IoT::CACertificate", Value::Null, json!({"Status": "ACTIVE"}), &[Iam])]
#[case::authorizer("AWS::IoT::Authorizer", Value::Null, json!({"AuthorizerFunctionArn": "f"}), &[Iam])]
#[case::blocks_of_a_cluster("AWS::EKS::Cluster", json!({"ResourcesVpcConfig": {"EndpointPublicAccess": true, "PublicAccessCidrs": ["10.0.0.0/8"]}}), json!({"ResourcesVpcConfig": {"EndpointPublicAccess": true}}), &[Network])]
#[case::other_blocks_of_a_cluster("AWS::EKS::Cluster", json!({"ResourcesVpcConfig": {"PublicAccessCidrs": ["10.0.0.0/8"]}}), json!({"ResourcesVpcConfig": {"PublicAccessCidrs": ["10.0.0.0/7"]}}), &[Network])]
#[case::an_open_cluster("AWS::EKS::Cluster", json!({"ResourcesVpcConfig": {"EndpointPublicAccess": false, "PublicAccessCidrs": ["10.0.0.0/8"]}}), json!({"ResourcesVpcConfig": {"EndpointPublicAccess": true, "PublicAccessCidrs": ["10.0.0.0/8"]}}), &[Network])]
#[case::who_decides_on_a_cluster("AWS::EKS::Cluster", json!({"ResourcesVpcConfig": {"EndpointPublicAccess": false}, "AccessConfig": {"AuthenticationMode": "API"}}), json!({"ResourcesVpcConfig": {"EndpointPublicAccess": false}, "AccessConfig": {"AuthenticationMode": "API_AND_CONFIG_MAP"}}), &[Iam])]
#[case::credentials_of_a_machine("AWS::EC2::Instance", json!({"MetadataOptions": {"HttpTokens": "required"}}), json!({"MetadataOptions": {"HttpTokens": "optional"}}), &[Iam])]
#[case::key_of_a_machine("AWS::EC2::Instance", json!({}), json!({"KeyName": "k"}), &[Iam])]
#[case::a_machine_forwards("AWS::EC2::Instance", json!({"SourceDestCheck": true}), json!({"SourceDestCheck": false}), &[Network])]
#[case::member_of_a_project("AWS::DataZone::ProjectMembership", Value::Null, json!({"Designation": "PROJECT_OWNER"}), &[Iam])]
#[case::interfaces_of_a_template("AWS::EC2::LaunchTemplate", json!({"LaunchTemplateData": {"NetworkInterfaces": [{"Groups": ["sg-1"]}]}}), json!({"LaunchTemplateData": {"NetworkInterfaces": [{"Groups": ["sg-2"]}]}}), &[Network])]
#[case::groups_by_another_name("AWS::EMR::Cluster", json!({"Instances": {"AdditionalMasterSecurityGroups": ["sg-1"]}}), json!({"Instances": {"AdditionalMasterSecurityGroups": ["sg-2"]}}), &[Network])]
#[case::a_single_group("AWS::EMR::Cluster", json!({"Instances": {"EmrManagedMasterSecurityGroup": "sg-1"}}), json!({"Instances": {"EmrManagedMasterSecurityGroup": "sg-2"}}), &[Network])]
#[case::a_public_web_server("AWS::MWAA::Environment", json!({"WebserverAccessMode": "PRIVATE_ONLY"}), json!({"WebserverAccessMode": "PUBLIC_ONLY"}), &[Network])]
#[case::a_public_web_server_anew("AWS::MWAA::Environment", Value::Null, json!({"WebserverAccessMode": "PUBLIC_ONLY"}), &[Network])]
#[case::nodes_for_everybody("AWS::EKS::Nodegroup", Value::Null, json!({"RemoteAccess": {"Ec2SshKey": "k"}}), &[Network])]
#[case::nodes_for_everybody_now("AWS::EKS::Nodegroup", json!({"RemoteAccess": {"Ec2SshKey": "k", "SourceSecurityGroups": ["sg-1"]}}), json!({"RemoteAccess": {"Ec2SshKey": "k"}}), &[Network])]
#[case::ports("AWS::Lightsail::Instance", json!({"Networking": {"Ports": [{"FromPort": 443}]}}), json!({"Networking": {"Ports": [{"FromPort": 443}, {"FromPort": 22}]}}), &[Network])]
#[case::a_public_bucket("AWS::Lightsail::Bucket", json!({"AccessRules": {"GetObject": "private"}}), json!({"AccessRules": {"GetObject": "public"}}), &[Network])]
#[case::what_users_write("AWS::Cognito::UserPoolClient", json!({"WriteAttributes": ["email"]}), json!({"WriteAttributes": ["email", "custom:role"]}), &[Iam])]
#[case::users_write_anything("AWS::Cognito::UserPoolClient", json!({"WriteAttributes": ["email"]}), json!({}), &[Iam])]
#[case::who_migrates("AWS::Cognito::UserPool", json!({"LambdaConfig": {}}), json!({"LambdaConfig": {"UserMigration": "f"}}), &[Iam])]
#[case::who_makes_tokens("AWS::Cognito::UserPool", json!({"LambdaConfig": {"PreTokenGeneration": "f"}}), json!({"LambdaConfig": {"PreTokenGeneration": "g"}}), &[Iam])]
#[case::credentials_to_one_site("AWS::ApiGatewayV2::Api", json!({"CorsConfiguration": {"AllowOrigins": ["*"]}}), json!({"CorsConfiguration": {"AllowOrigins": ["https://evil"], "AllowCredentials": true}}), &[Iam])]
#[case::credentials_of_a_url("AWS::Lambda::Url", json!({"AuthType": "AWS_IAM", "Cors": {"AllowCredentials": false}}), json!({"AuthType": "AWS_IAM", "Cors": {"AllowCredentials": true}}), &[Iam])]
#[case::another_number_is_another("AWS::ApiGatewayV2::Route", json!({"AuthorizationType": "CUSTOM", "AuthorizerId": "12"}), json!({"AuthorizationType": "CUSTOM", "AuthorizerId": "34"}), &[Iam])]
#[case::what_a_container_does_without("AWS::ECS::TaskDefinition", json!({"ContainerDefinitions": [{"Name": "a", "LinuxParameters": {"Capabilities": {"Drop": ["ALL"]}}}]}), json!({"ContainerDefinitions": [{"Name": "a"}]}), &[Iam])]
#[case::a_container_as_root("AWS::ECS::TaskDefinition", json!({"ContainerDefinitions": [{"Name": "a", "User": "1000"}]}), json!({"ContainerDefinitions": [{"Name": "a", "User": "0"}]}), &[Iam])]
#[case::nobody_looks_at_who_signs_up("AWS::Cognito::UserPool", json!({"LambdaConfig": {"PreSignUp": "f"}}), json!({"LambdaConfig": {}}), &[Iam])]
#[case::shorter_passwords("AWS::Cognito::UserPool", json!({"Policies": {"PasswordPolicy": {"MinimumLength": 14}}}), json!({"Policies": {"PasswordPolicy": {"MinimumLength": 6}}}), &[Iam])]
#[case::no_protection_of_logins("AWS::Cognito::UserPool", json!({"UserPoolAddOns": {"AdvancedSecurityMode": "ENFORCED"}}), json!({"UserPoolAddOns": {"AdvancedSecurityMode": "OFF"}}), &[Iam])]
#[case::a_limit_that_is_switched_off("AWS::IoT::DomainConfiguration", json!({"AuthorizerConfig": {"AllowAuthorizerOverride": false}}), json!({"AuthorizerConfig": {"AllowAuthorizerOverride": true}}), &[Iam])]
#[case::plain_text("AWS::MemoryDB::Cluster", json!({"TLSEnabled": true}), json!({"TLSEnabled": false}), &[Network])]
#[case::plain_text_of_a_cache("AWS::DAX::Cluster", json!({"ClusterEndpointEncryptionType": "TLS"}), json!({"ClusterEndpointEncryptionType": "NONE"}), &[Network])]
#[case::plain_text_of_an_endpoint("AWS::DMS::Endpoint", json!({"SslMode": "verify-full"}), json!({"SslMode": "none"}), &[Network])]
#[case::no_users("AWS::ElastiCache::ServerlessCache", json!({"UserGroupId": "g"}), json!({}), &[Iam])]
#[case::a_privileged_build("AWS::CodeBuild::Project", json!({"Environment": {"PrivilegedMode": false}}), json!({"Environment": {"PrivilegedMode": true}}), &[Iam])]
#[case::a_privileged_container("AWS::ECS::TaskDefinition", json!({"ContainerDefinitions": [{"Name": "a"}]}), json!({"ContainerDefinitions": [{"Name": "a", "Privileged": true}]}), &[Iam])]
#[case::what_the_host_has("AWS::ECS::TaskDefinition", json!({"Volumes": []}), json!({"Volumes": [{"Host": {"SourcePath": "/var/run/docker.sock"}}]}), &[Iam])]
#[case::as_root("AWS::EFS::AccessPoint", json!({"PosixUser": {"Uid": "1000"}}), json!({"PosixUser": {"Uid": "0"}}), &[Iam])]
#[case::the_whole_disk("AWS::EFS::AccessPoint", json!({"RootDirectory": {"Path": "/app"}}), json!({"RootDirectory": {"Path": "/"}}), &[Iam])]
#[case::a_way_out("AWS::SageMaker::TrainingJob", json!({"EnableNetworkIsolation": true}), json!({"EnableNetworkIsolation": false}), &[Network])]
#[case::a_key_in_capitals("AWS::Location::APIKey", Value::Null, json!({"KeyName": "k"}), &[Iam])]
#[case::member_of_a_farm("AWS::Deadline::FarmMember", Value::Null, json!({"MembershipLevel": "OWNER"}), &[Iam])]
#[case::dead_letters("AWS::SQS::Queue", json!({"RedriveAllowPolicy": {"redrivePermission": "denyAll"}}), json!({"RedriveAllowPolicy": {"redrivePermission": "allowAll"}}), &[Iam])]
#[case::tables_for_others("AWS::Glue::Catalog", json!({}), json!({"AllowFullTableExternalDataAccess": "True"}), &[Iam])]
#[case::events_by_key("AWS::AppSync::Api", json!({"EventConfig": {"AuthProviders": [{"AuthType": "AWS_IAM"}]}}), json!({"EventConfig": {"AuthProviders": [{"AuthType": "API_KEY"}]}}), &[Iam])]
#[case::another_pool("AWS::AppSync::GraphQLApi", json!({"AuthenticationType": "AMAZON_COGNITO_USER_POOLS", "Visibility": "PRIVATE", "UserPoolConfig": {"UserPoolId": "a"}}), json!({"AuthenticationType": "AMAZON_COGNITO_USER_POOLS", "Visibility": "PRIVATE", "UserPoolConfig": {"UserPoolId": "b"}}), &[Iam])]
#[case::fields("AWS::AppSync::GraphQLSchema", json!({"Definition": "type Q {\n a: S @aws_iam\n}"}), json!({"Definition": "type Q {\n a: S @aws_api_key\n}"}), &[Iam])]
#[case::fields_kept_elsewhere("AWS::AppSync::GraphQLSchema", json!({"DefinitionS3Location": "a"}), json!({"DefinitionS3Location": "b"}), &[Iam])]
#[case::a_shell("AWS::ECS::Service", json!({}), json!({"EnableExecuteCommand": true}), &[Iam])]
#[case::users_of_a_broker("AWS::AmazonMQ::Broker", json!({"PubliclyAccessible": false, "Users": []}), json!({"PubliclyAccessible": false, "Users": [{"Username": "u"}]}), &[Iam])]
#[case::public_apps("AWS::SageMaker::Domain", json!({"AppNetworkAccessType": "VpcOnly"}), json!({"AppNetworkAccessType": "PublicInternetOnly"}), &[Network])]
#[case::public_apps_by_default("AWS::SageMaker::Domain", json!({"AppNetworkAccessType": "VpcOnly"}), json!({}), &[Network])]
#[case::root("AWS::SageMaker::NotebookInstance", json!({"DirectInternetAccess": "Disabled"}), json!({"DirectInternetAccess": "Disabled", "RootAccess": "Enabled"}), &[Iam])]
#[case::visible_to_all("AWS::EMR::Cluster", json!({"VisibleToAllUsers": false}), json!({"VisibleToAllUsers": true}), &[Iam])]
#[case::tools_for_everybody("AWS::BedrockAgentCore::Gateway", json!({"AuthorizerType": "AWS_IAM", "RoleArn": "r"}), json!({"AuthorizerType": "NONE", "RoleArn": "r"}), &[Iam, Network])]
#[case::public_agent("AWS::BedrockAgentCore::Runtime", json!({"NetworkConfiguration": {"NetworkMode": "VPC"}}), json!({"NetworkConfiguration": {"NetworkMode": "PUBLIC"}}), &[Network])]
#[case::public_service("AWS::AppRunner::Service", json!({"NetworkConfiguration": {"IngressConfiguration": {"IsPubliclyAccessible": false}}}), json!({"NetworkConfiguration": {"IngressConfiguration": {"IsPubliclyAccessible": true}}}), &[Network])]
#[case::public_service_by_default("AWS::AppRunner::Service", json!({"NetworkConfiguration": {"IngressConfiguration": {"IsPubliclyAccessible": false}}}), json!({}), &[Network])]
#[case::brokers_without_iam("AWS::MSK::Cluster", json!({"ClientAuthentication": {"Sasl": {"Iam": {"Enabled": true}}}}), json!({"ClientAuthentication": {"Tls": {"Enabled": true}}}), &[Iam])]
#[case::brokers_by_certificate_too("AWS::MSK::Cluster", json!({"ClientAuthentication": {"Sasl": {"Iam": {"Enabled": true}}}}), json!({"ClientAuthentication": {"Sasl": {"Iam": {"Enabled": true}}, "Tls": {"Enabled": true}}}), &[Iam])]
#[case::other_authorities("AWS::ElasticLoadBalancingV2::TrustStore", json!({"CaCertificatesBundleS3Key": "a"}), json!({"CaCertificatesBundleS3Key": "b"}), &[Iam])]
#[case::whatever_a_new_service_calls_it("AWS::New::Thing", json!({"Deep": [{"CallerAuthorizerConfig": {"Arn": "a"}}]}), json!({"Deep": [{"CallerAuthorizerConfig": {"Arn": "b"}}]}), &[Iam])]
#[case::behaviours_that_nobody_knows(DISTRIBUTION, behaviours(&json!({"TrustedKeyGroups": ["k"]}), &json!([])), behaviours(&json!({"TrustedKeyGroups": ["k"]}), &json!({"Fn::If": ["C", [{"PathPattern": "*"}], []]})), &[Network])]
#[case::users_of_its_own("AWS::OpenSearchService::Domain", json!({"AdvancedSecurityOptions": {"Enabled": true}}), json!({"AdvancedSecurityOptions": {"Enabled": true, "InternalUserDatabaseEnabled": true}}), &[Iam])]
#[case::another_subnet_group("AWS::RDS::DBInstance", json!({"DBSubnetGroupName": "private"}), json!({}), &[Network])]
#[case::from_anywhere("AWS::CodePipeline::Webhook", json!({"Authentication": "IP", "AuthenticationConfiguration": {"AllowedIPRange": "10.0.0.0/8"}}), json!({"Authentication": "IP", "AuthenticationConfiguration": {}}), &[Network])]
#[case::who_it_is_for("AWS::BedrockAgentCore::Gateway", json!({"AuthorizerType": "CUSTOM_JWT", "AuthorizerConfiguration": {"CustomJWTAuthorizer": {"AllowedAudience": ["a"]}}}), json!({"AuthorizerType": "CUSTOM_JWT", "AuthorizerConfiguration": {"CustomJWTAuthorizer": {}}}), &[Iam])]
#[case::lists_where_nothing_was_said("AWS::S3::Bucket", json!({}), json!({"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}}), &[Iam])]
#[case::forwards_where_nothing_was_said("AWS::EC2::Instance", json!({}), json!({"SourceDestCheck": false}), &[Network])]
#[case::brokers_in_the_clear("AWS::MSK::Cluster", json!({}), json!({"EncryptionInfo": {"EncryptionInTransit": {"ClientBroker": "PLAINTEXT"}}}), &[Network])]
#[case::next_to_a_statement("AWS::New::Thing", json!({"Statement": [], "AuthorizerId": "a"}), json!({"Statement": [], "AuthorizerId": "b"}), &[Iam])]
fn what_lets_more_in(#[case] kind: &str, #[case] old: Value, #[case] new: Value, #[case] want: &[RiskClass]) {
    assert_eq!(classes(kind, &old, &new), want);
    assert_eq!(classes(kind, &new, &new), [], "where nothing happens");
}

/// Changes that a reader of the list above might take for one of its kind.
#[rstest]
#[case::description(FUNCTION, json!({"Description": "a", "VpcConfig": {"SubnetIds": ["a"]}}), json!({"Description": "b", "VpcConfig": {"SubnetIds": ["a"]}}))]
#[case::tags("AWS::Cognito::UserPool", json!({"UserPoolTags": {"a": "b"}, "MfaConfiguration": "ON"}), json!({"UserPoolTags": {"a": "c"}, "MfaConfiguration": "ON"}))]
#[case::code(FUNCTION, json!({"Code": {"S3Bucket": "b", "S3Key": "a"}}), json!({"Code": {"S3Bucket": "b", "S3Key": "c"}}))]
#[case::memory(FUNCTION, json!({"MemorySize": 128, "Timeout": 3}), json!({"MemorySize": 256, "Timeout": 30}))]
#[case::environment(FUNCTION, json!({"Environment": {"Variables": {"AUTH_TOKEN_URL": "a"}}}), json!({"Environment": {"Variables": {"PublicAccess": "on"}}}))]
#[case::order_of_subnets(FUNCTION, json!({"VpcConfig": {"SubnetIds": ["a", "b"]}}), json!({"VpcConfig": {"SubnetIds": ["b", "a"]}}))]
#[case::fewer_subnets(FUNCTION, json!({"VpcConfig": {"SubnetIds": ["a", "b"]}}), json!({"VpcConfig": {"SubnetIds": ["b"]}}))]
#[case::fewer_groups(FUNCTION, json!({"VpcConfig": {"SubnetIds": ["a"], "SecurityGroupIds": ["g", "h"]}}), json!({"VpcConfig": {"SubnetIds": ["a"], "SecurityGroupIds": ["g"]}}))]
#[case::joins_a_vpc("AWS::CodeBuild::Project", json!({}), json!({"VpcConfig": {"Subnets": ["a"]}}))]
#[case::nothing_for_nothing(FUNCTION, json!({"VpcConfig": {"Ref": "AWS::NoValue"}}), json!({}))]
#[case::nothing_either_way(FUNCTION, json!({"VpcConfig": {"Fn::If": ["C", {"Ref": "AWS::NoValue"}, {"Ref": "AWS::NoValue"}]}}), json!({}))]
#[case::image("AWS::ECS::TaskDefinition", json!({"NetworkMode": "awsvpc", "ContainerDefinitions": [{"Name": "a", "Image": "i:1", "Environment": [{"Name": "AUTH", "Value": "a"}]}]}), json!({"NetworkMode": "awsvpc", "ContainerDefinitions": [{"Name": "a", "Image": "i:2", "Environment": [{"Name": "AUTH", "Value": "b"}]}, {"Name": "side", "Image": "s"}]}))]
#[case::capacity("AWS::ECS::Service", json!({"DesiredCount": 1}), json!({"DesiredCount": 2, "CapacityProviderStrategy": [{"CapacityProvider": "FARGATE"}]}))]
#[case::signed_behaviour(DISTRIBUTION, behaviours(&json!({"TrustedKeyGroups": ["k"]}), &json!([])), behaviours(&json!({"TrustedKeyGroups": ["k"]}), &json!([{"PathPattern": "*", "TrustedKeyGroups": ["k"]}])))]
#[case::behaviour_of_a_public_site(DISTRIBUTION, behaviours(&json!({}), &json!([])), behaviours(&json!({}), &json!([{"PathPattern": "*", "ViewerProtocolPolicy": "allow-all"}])))]
#[case::factors_if_they_like("AWS::Cognito::UserPool", json!({}), json!({"MfaConfiguration": "OPTIONAL"}))]
#[case::a_flag_in_a_vpc(FUNCTION, json!({"VpcConfig": {"SubnetIds": ["a"]}}), json!({"VpcConfig": {"SubnetIds": ["a"], "Ipv6AllowedForDualStack": false}}))]
#[case::a_vpc_with_a_flag(FUNCTION, json!({}), json!({"VpcConfig": {"SubnetIds": ["a"], "Ipv6AllowedForDualStack": false}}))]
#[case::signatures_from_now_on(DISTRIBUTION, behaviours(&json!({}), &json!([])), behaviours(&json!({"TrustedKeyGroups": ["k"]}), &json!([])))]
#[case::fewer_signers(DISTRIBUTION, behaviours(&json!({"TrustedKeyGroups": ["k", "l"]}), &json!([])), behaviours(&json!({"TrustedKeyGroups": ["k"]}), &json!([])))]
#[case::firewall_from_now_on(DISTRIBUTION, json!({"DistributionConfig": {}}), json!({"DistributionConfig": {"WebACLId": "w"}}))]
#[case::comment_and_ttl(DISTRIBUTION, behaviours(&json!({"DefaultTTL": 1, "ViewerProtocolPolicy": "allow-all"}), &json!([])), behaviours(&json!({"DefaultTTL": 2, "ViewerProtocolPolicy": "https-only"}), &json!([])))]
#[case::asked_on_another_path(DISTRIBUTION, behaviours(&asking("f"), &json!([])), behaviours(&asking("f"), &json!([{"PathPattern": "*", "FunctionAssociations": [{"EventType": "viewer-request", "FunctionARN": "f"}]}])))]
#[case::headers_of_answers(DISTRIBUTION, behaviours(&json!({"FunctionAssociations": [{"EventType": "viewer-response", "FunctionARN": "f"}]}), &json!([])), behaviours(&json!({"FunctionAssociations": [{"EventType": "viewer-response", "FunctionARN": "f"}]}), &json!([{"PathPattern": "/a"}])))]
#[case::timeout_of_an_origin(DISTRIBUTION, json!({"DistributionConfig": {"Origins": [{"Id": "a", "DomainName": "a", "ConnectionTimeout": 1}]}}), json!({"DistributionConfig": {"Origins": [{"Id": "a", "DomainName": "a", "ConnectionTimeout": 2}]}}))]
#[case::more_factors("AWS::Cognito::UserPool", json!({"MfaConfiguration": "OPTIONAL"}), json!({"MfaConfiguration": "ON"}))]
#[case::factors_from_now_on("AWS::Cognito::UserPool", json!({}), json!({"MfaConfiguration": "ON", "EnabledMfas": ["SOFTWARE_TOKEN_MFA"]}))]
#[case::fewer_ways_to_log_in("AWS::Cognito::UserPoolClient", json!({"ExplicitAuthFlows": ["a", "b"], "CallbackURLs": ["c", "d"]}), json!({"ExplicitAuthFlows": ["a"], "CallbackURLs": ["d"]}))]
#[case::how_long_a_login_lasts("AWS::Cognito::UserPoolClient", json!({"AuthSessionValidity": 3}), json!({"AuthSessionValidity": 5}))]
#[case::fewer_providers("AWS::Cognito::IdentityPool", json!({"AllowUnauthenticatedIdentities": false, "SamlProviderARNs": ["a", "b"]}), json!({"AllowUnauthenticatedIdentities": false, "SamlProviderARNs": ["b"]}))]
#[case::no_more_guests("AWS::Cognito::IdentityPool", json!({"AllowUnauthenticatedIdentities": true}), json!({"AllowUnauthenticatedIdentities": false}))]
#[case::fewer_scopes("AWS::ApiGateway::Method", json!({"AuthorizationType": "COGNITO_USER_POOLS", "AuthorizationScopes": ["a", "b"]}), json!({"AuthorizationType": "COGNITO_USER_POOLS", "AuthorizationScopes": ["b"]}))]
#[case::scopes_from_now_on("AWS::ApiGateway::Method", json!({"AuthorizationType": "COGNITO_USER_POOLS"}), json!({"AuthorizationType": "COGNITO_USER_POOLS", "AuthorizationScopes": ["b"]}))]
#[case::login_from_now_on("AWS::ApiGateway::Method", json!({"AuthorizationType": "NONE"}), json!({"AuthorizationType": "AWS_IAM", "ApiKeyRequired": true}))]
#[case::headers("AWS::ApiGateway::Method", json!({"AuthorizationType": "AWS_IAM", "RequestParameters": {"method.request.header.Authorization": true}}), json!({"AuthorizationType": "AWS_IAM", "Integration": {"TimeoutInMillis": 1}}))]
#[case::iam_from_now_on("AWS::RDS::DBCluster", json!({"EnableIAMDatabaseAuthentication": false}), json!({"EnableIAMDatabaseAuthentication": true, "AllowMajorVersionUpgrade": true}))]
#[case::iam_for_a_proxy("AWS::RDS::DBProxy", json!({"Auth": [{"IAMAuth": "DISABLED", "SecretArn": "s"}], "RequireTLS": false}), json!({"Auth": [{"IAMAuth": "REQUIRED", "SecretArn": "s"}], "RequireTLS": true}))]
#[case::owner_from_now_on("AWS::S3::Bucket", json!({"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}}), json!({"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}, "PublicAccessBlockConfiguration": {"BlockPublicAcls": true}}))]
#[case::fewer_sites("AWS::S3::Bucket", json!({"CorsConfiguration": {"CorsRules": [{"AllowedOrigins": ["a", "b"], "MaxAge": 1}]}}), json!({"CorsConfiguration": {"CorsRules": [{"AllowedOrigins": ["a"], "MaxAge": 2}]}}))]
#[case::versions("AWS::S3::Bucket", json!({}), json!({"VersioningConfiguration": {"Status": "Enabled"}, "LifecycleConfiguration": {"Rules": [{"Status": "Enabled"}]}}))]
#[case::how_long_a_message_hides("AWS::SQS::Queue", json!({"VisibilityTimeout": 1}), json!({"VisibilityTimeout": 2}))]
#[case::fewer_blocks("AWS::EKS::Cluster", json!({"ResourcesVpcConfig": {"PublicAccessCidrs": ["10.0.0.0/8", "11.0.0.0/8"]}}), json!({"ResourcesVpcConfig": {"PublicAccessCidrs": ["10.0.0.0/8"]}}))]
#[case::narrower_blocks("AWS::EKS::Cluster", json!({"ResourcesVpcConfig": {"PublicAccessCidrs": ["10.0.0.0/8"]}}), json!({"ResourcesVpcConfig": {"PublicAccessCidrs": ["10.1.0.0/16", "10.2.0.0/16"]}}))]
#[case::blocks_from_now_on("AWS::EKS::Cluster", json!({"ResourcesVpcConfig": {}}), json!({"ResourcesVpcConfig": {"PublicAccessCidrs": ["10.1.0.0/16"]}}))]
#[case::boundary_from_now_on("AWS::SSO::PermissionSet", json!({}), json!({"PermissionsBoundary": {"ManagedPolicyArn": "a"}}))]
#[case::signing_up_no_longer("AWS::Cognito::UserPool", json!({}), json!({"AdminCreateUserConfig": {"AllowAdminCreateUserOnly": true}}))]
#[case::a_closed_cluster("AWS::EKS::Cluster", Value::Null, json!({"ResourcesVpcConfig": {"EndpointPublicAccess": false}}))]
#[case::a_private_server("AWS::Transfer::Server", json!({"EndpointType": "PUBLIC"}), json!({"EndpointType": "VPC"}))]
#[case::tokens_from_now_on("AWS::EC2::Instance", json!({"MetadataOptions": {"HttpTokens": "optional"}}), json!({"MetadataOptions": {"HttpTokens": "required"}}))]
#[case::fields_as_before("AWS::AppSync::GraphQLSchema", json!({"Definition": "type Q {\n a: S @aws_iam\n}"}), json!({"Definition": "type Q {\n  a: S @aws_iam\n  b: S\n}"}))]
#[case::a_new_guard_is_no_change_of_one("AWS::Lambda::CodeSigningConfig", Value::Null, json!({"AllowedPublishers": {"SigningProfileVersionArns": ["a"]}}))]
#[case::a_new_group_of_keys("AWS::CloudFront::KeyGroup", Value::Null, json!({"KeyGroupConfig": {"Items": ["a"]}}))]
#[case::a_new_scheduled_pipeline("AWS::CodePipeline::Webhook", Value::Null, json!({"Authentication": "GITHUB_HMAC", "AuthenticationConfiguration": {"SecretToken": "s"}}))]
#[case::security_group_description("AWS::EC2::SecurityGroup", json!({"GroupDescription": "a", "SecurityGroupEgress": []}), json!({"GroupDescription": "b", "SecurityGroupEgress": []}))]
#[case::an_origin_less(DISTRIBUTION, json!({"DistributionConfig": {"Origins": [{"Id": "a", "DomainName": "a"}, {"Id": "b", "DomainName": "b"}]}}), json!({"DistributionConfig": {"Origins": [{"Id": "b", "DomainName": "b"}]}}))]
#[case::events("AWS::Events::Rule", json!({"EventPattern": {"detail": {"authType": ["a"]}}}), json!({"EventPattern": {"detail": {"authType": ["b"]}}}))]
#[case::shape_of_requests("AWS::ApiGateway::Model", json!({"Schema": {"properties": {"authToken": {"type": "string"}}}}), json!({"Schema": {"properties": {}}}))]
#[case::denied_for_more_users("AWS::IAM::Policy", json!({"Users": ["a"], "PolicyDocument": {"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}}), json!({"Users": ["a", "b"], "PolicyDocument": {"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}}))]
#[case::only_of_an_organization("AWS::Lambda::Permission", json!({"Action": "a", "FunctionName": "f", "Principal": "p"}), json!({"Action": "a", "FunctionName": "f", "Principal": "p", "PrincipalOrgID": "o"}))]
fn honest_neighbours(#[case] kind: &str, #[case] old: Value, #[case] new: Value) {
    assert_eq!(classes(kind, &old, &new), []);
}

#[test]
fn the_guard_is_named_and_nothing_of_its_value() {
    let of = |scope: &str| {
        let method = json!({"AuthorizationType": "COGNITO_USER_POOLS", "AuthorizationScopes": [scope]});
        resources(&json!({"M": {"Type": "AWS::ApiGateway::Method", "Properties": method}}))
    };
    let (old, new) = (of("scope-before"), of("scope-after"));
    let found = assessed(Some(&old), &new, Some(&in_place(&old, &new)));
    let causes: Vec<&str> = found.risks.iter().map(|r| r.cause.as_str()).collect();
    assert_eq!(causes, ["changes who may call it or decides on that (AuthorizationScopes)"]);
}

#[test]
fn a_key_that_is_no_name_is_not_told() {
    let of = |value: &str| json!({"Deep": {"auth secret-of-somebody": value}});
    let as_template = |p: &Value| resources(&json!({"T": {"Type": "AWS::New::Thing", "Properties": p}}));
    let (old, new) = (as_template(&of("a")), as_template(&of("b")));
    let found = assessed(Some(&old), &new, Some(&in_place(&old, &new)));
    assert!(!format!("{found:?}").contains("secret-of-somebody"));
}

/// A method and the authorizer that it asks, and a distribution whose code at the edge is a version of a function.
fn referring(parameter: &str, condition: &str) -> Value {
    json!({
        "Parameters": {"Pool": {"Type": "String", "Default": parameter}},
        "Conditions": {"C": {"Fn::Equals": [condition, "x"]}},
        "Resources": {
            "M": {"Type": "AWS::ApiGateway::Method", "Properties": {"AuthorizationType": "CUSTOM", "AuthorizerId": {"Ref": "Asked"}}},
            "P": {"Type": "AWS::AppSync::DataSource", "Properties": {"Config": {"UserPoolId": {"Ref": "Pool"}}}},
            "D": {"Type": DISTRIBUTION, "Properties": {"DistributionConfig": {
                "Comment": {"Fn::If": ["C", "a", "b"]},
                "DefaultCacheBehavior": {"LambdaFunctionAssociations": [{"EventType": "viewer-request", "LambdaFunctionARN": {"Ref": "Version"}}]}
            }}},
            "F": {"Type": FUNCTION, "Properties": {"Deep": {"Fn::If": ["C", {"VpcConfig": {"SubnetIds": ["a"]}}, {"Timeout": 1}]}}}
        }
    })
}

#[rstest]
#[case::a_parameter("b", "x", &[(Iam, "P")])]
#[case::a_condition("a", "y", &[(Network, "F")])]
#[case::nothing("a", "x", &[])]
fn what_a_guard_refers_to(
    #[case] parameter: &str,
    #[case] condition: &str,
    #[case] want: &[(RiskClass, &str)],
) {
    let all = found(&referring("a", "x"), &referring(parameter, condition));
    let all: Vec<(RiskClass, &str)> = all.iter().map(|(class, id)| (*class, id.as_str())).collect();
    assert_eq!(all, want);
}

#[test]
fn a_guard_that_is_replaced_is_another_one_and_code_is_none() {
    let t = template(&referring("a", "x"));
    let mut list = vec![
        change("Asked", "AWS::ApiGateway::Authorizer", "Modify"),
        change("Version", "AWS::Lambda::Version", "Modify"),
        change("M", "AWS::ApiGateway::Method", "Modify"),
        change("D", DISTRIBUTION, "Modify"),
    ];
    for line in &mut list[..2] {
        line.replacement = "True".to_owned();
    }
    list[2].details.insert(detail("AuthorizerId", "ResourceReference", "Asked"));
    list[3].details.insert(detail("DistributionConfig", "ResourceReference", "Version"));
    let told = assessed(Some(&t), &t, Some(&list));
    let is_told =
        |id: &str| told.risks.iter().any(|r| r.logical_id == id && [Iam, Network].contains(&r.class));
    assert!(is_told("M") && !is_told("D"), "{told:?}");
}

#[test]
fn a_parameter_that_may_change_counts_where_the_list_says_so() {
    let t = template(&referring("a", "x"));
    let mut line = change("P", "AWS::AppSync::DataSource", "Modify");
    line.details.insert(detail("Config", "ParameterReference", "Pool"));
    let told = assessed_given(&t, &t, Some(&[line]), &["Pool"]);
    assert_eq!(told.risks.iter().map(|r| r.class).collect::<Vec<_>>(), [Iam]);
    assert_eq!(assessed_given(&t, &t, Some(&[]), &["Pool"]).risks, []);
}

/// Properties that guard something wherever they stand.
const GUARDS: [(&str, RiskClass); 12] = [
    ("AuthorizationType", Iam),
    ("AuthorizerId", Iam),
    ("AuthenticationMode", Iam),
    ("MfaConfiguration", Iam),
    ("MutualTlsAuthentication", Iam),
    ("TrustedKeyGroups", Iam),
    ("SigningConfig", Iam),
    ("OwnershipControls", Iam),
    ("MasterUserARN", Iam),
    ("WebACLArn", Network),
    ("VpcConfiguration", Network),
    ("NetworkMode", Network),
];

proptest! {
    #[test]
    fn a_guard_that_goes_is_always_told(
        (name, class) in proptest::sample::select(GUARDS.to_vec()),
        value in prop_oneof![Just(json!("x")), Just(json!(["x", "y"])), Just(json!({"A": ["x"]})), Just(json!({"Ref": "A"}))],
        path in proptest::collection::vec(prop_oneof![Just("Deep"), Just("[]"), Just("Fn::If")], 0..4),
        left in prop_oneof![
            Just(None), Just(Some(json!(""))), Just(Some(json!([]))), Just(Some(json!({}))),
            Just(Some(json!({"Ref": "AWS::NoValue"}))), Just(Some(json!([{"Ref": "AWS::NoValue"}]))),
            Just(Some(json!("NONE"))), Just(Some(json!(false))),
        ],
    ) {
        let wrapped = |inner: Value| path.iter().fold(inner, |inner, step| match *step {
            "[]" => json!([{"Name": "other"}, inner]),
            "Fn::If" => json!({"Fn::If": ["C", inner, {"Ref": "AWS::NoValue"}]}),
            step => json!({ step: inner }),
        });
        let of = |guard: Option<&Value>| {
            let inner = guard.map_or_else(|| json!({"B": 1}), |value| json!({"B": 1, name: value}));
            json!({"Top": wrapped(inner)})
        };
        let (old, new) = (of(Some(&value)), of(left.as_ref()));
        prop_assert!(one_has(class, "AWS::New::Thing", &old, &new), "{old} {new}");
        prop_assert!(one_has(class, "AWS::New::Thing", &old, &json!({})), "with all around it");
    }
}

const EKS: &str = "AWS::EKS::Cluster";

#[test]
fn blocks_of_a_cluster_that_nobody_knows_are_no_blocks_of_everybody() {
    let blocks = |block: &str| json!({"PublicAccessCidrs": [block]});
    let config = |config: Value| json!({ "ResourcesVpcConfig": config });
    let chosen = config(json!({"Fn::If": ["C", blocks("10.0.0.0/8"), blocks("10.0.0.0/8")]}));
    assert!(classes(EKS, &chosen, &config(blocks("0.0.0.0/0"))).contains(&Network));
    let given = config(json!({"PublicAccessCidrs": {"Ref": "Blocks"}}));
    assert!(classes(EKS, &given, &config(blocks("0.0.0.0/0"))).contains(&Network));
    assert!(classes(EKS, &config(blocks("10.0.0.0/8")), &given).contains(&Network));
}

/// Foreign templates may be made to be long: what is compared has an end, and then counts.
#[test]
fn nobody_has_us_compare_for_ever() {
    let variables = on(&"${".repeat(500_000));
    assert_eq!(classes(POLICY, &on("b/x"), &variables), [Iam]);
    let sub = json!({"PolicyDocument": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:*", "Resource": {"Fn::Sub": "${".repeat(500_000)}}]}});
    assert_eq!(classes(POLICY, &on("b/x"), &sub), [Iam]);
    let mut tree = json!([1]);
    for _ in 0..14 {
        tree = json!({"Fn::If": ["C", tree.clone(), tree]});
    }
    let long = json!({"X": ["x".repeat(500_000)], "AuthorizerId": "x".repeat(500_000)});
    let all = classes(FUNCTION, &long, &json!({"X": tree.clone(), "AuthorizerId": tree}));
    assert!(all.contains(&Iam) && all.contains(&Network), "{all:?}");
}

#[rstest]
#[case::methods_of_a_behaviour_that_goes(DISTRIBUTION, json!({"DistributionConfig": {"CacheBehaviors": [{"PathPattern": "/a", "AllowedMethods": ["GET"]}]}}), json!({"DistributionConfig": {}}))]
#[case::a_text("AWS::Cognito::UserPool", json!({"SmsAuthenticationMessage": "a {####}"}), json!({"SmsAuthenticationMessage": "b {####}"}))]
fn what_only_sounds_like_a_guard(#[case] kind: &str, #[case] old: Value, #[case] new: Value) {
    assert_eq!(classes(kind, &old, &new), []);
}

#[test]
fn another_version_of_the_code_at_the_edge_is_no_other_guard() {
    let of = |version: &str, function: &str| {
        resources(&json!({
            "F": {"Type": FUNCTION}, "Other": {"Type": FUNCTION},
            version: {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": function}}},
            "D": {"Type": DISTRIBUTION, "Properties": behaviours(
                &json!({"LambdaFunctionAssociations": [{"EventType": "viewer-request", "LambdaFunctionARN": {"Ref": version}}]}), &json!([]))},
        }))
    };
    let told = |function: &str| {
        let (old, new) = (of("V1", "F"), of("V2", function));
        let found = assessed(Some(&old), &new, Some(&in_place(&old, &new)));
        found.risks.iter().any(|risk| risk.logical_id == "D")
    };
    assert!(!told("F"));
    assert!(told("Other"));
}
