//! Types of resources that are about permissions.

use super::facts::last_word;

pub(super) const PRINCIPAL: &str = "makes or changes a principal";
pub(super) const LOGIN: &str = "lets somebody log in";
pub(super) const SHARES: &str = "grants access";

/// Types that are a grant as a whole: to make one or to change it is a broadening.
const WHOLE: [(&str, &str); 46] = [
    ("AWS::IAM::AccessKey", LOGIN),
    ("AWS::IAM::OIDCProvider", LOGIN),
    ("AWS::IAM::SAMLProvider", LOGIN),
    ("AWS::IAM::UserToGroupAddition", SHARES),
    ("AWS::IAM::ServiceLinkedRole", PRINCIPAL),
    ("AWS::SSO::Assignment", SHARES),
    ("AWS::SSO::Application", SHARES),
    ("AWS::SSO::ApplicationAssignment", SHARES),
    ("AWS::SSO::InstanceAccessControlAttributeConfiguration", SHARES),
    ("AWS::IdentityStore::", SHARES),
    ("AWS::EKS::AccessEntry", SHARES),
    ("AWS::EKS::PodIdentityAssociation", SHARES),
    ("AWS::EKS::IdentityProviderConfig", LOGIN),
    ("AWS::Cognito::IdentityPoolRoleAttachment", SHARES),
    ("AWS::Cognito::IdentityPoolPrincipalTag", SHARES),
    ("AWS::RAM::", SHARES),
    ("AWS::LakeFormation::", SHARES),
    ("AWS::RolesAnywhere::", LOGIN),
    ("AWS::Organizations::Account", PRINCIPAL),
    ("AWS::Organizations::OrganizationalUnit", PRINCIPAL),
    ("AWS::Organizations::Organization", PRINCIPAL),
    ("AWS::OpenSearchServerless::AccessPolicy", SHARES),
    ("AWS::OpenSearchServerless::SecurityConfig", LOGIN),
    ("AWS::VerifiedPermissions::", SHARES),
    ("AWS::IoT::PolicyPrincipalAttachment", SHARES),
    ("AWS::IoT::ThingPrincipalAttachment", SHARES),
    ("AWS::IoT::RoleAlias", SHARES),
    ("AWS::IoT::ProvisioningTemplate", SHARES),
    ("AWS::S3::AccessGrant", SHARES),
    ("AWS::ServiceCatalog::PortfolioShare", SHARES),
    ("AWS::ServiceCatalog::PortfolioPrincipalAssociation", SHARES),
    ("AWS::ServiceCatalog::LaunchRoleConstraint", SHARES),
    ("AWS::EC2::VPCEndpointServicePermissions", SHARES),
    ("AWS::ElastiCache::User", SHARES),
    ("AWS::MemoryDB::User", SHARES),
    ("AWS::EMR::StudioSessionMapping", SHARES),
    ("AWS::Grafana::", SHARES),
    ("AWS::ApiGateway::Authorizer", LOGIN),
    ("AWS::ApiGatewayV2::Authorizer", LOGIN),
    ("AWS::AppSync::ApiKey", LOGIN),
    ("AWS::Transfer::User", SHARES),
    ("AWS::MemoryDB::ACL", SHARES),
    ("AWS::Oam::Link", SHARES),
    ("AWS::Cloud9::EnvironmentEC2", SHARES),
    ("AWS::IoT::Certificate", LOGIN),
    ("AWS::IoT::CACertificate", LOGIN),
];

/// Ends of types whose resources are a grant or a login as a whole, whatever the service.
const WHOLE_BY_NAME: [(&str, &str); 16] = [
    ("Permission", SHARES),
    ("Permissions", SHARES),
    ("Grant", SHARES),
    ("Grants", SHARES),
    ("UserToGroupAttachment", SHARES),
    ("PrincipalAssociation", SHARES),
    ("PrincipalAttachment", SHARES),
    ("Membership", SHARES),
    ("Member", SHARES),
    ("SecurityProfile", SHARES),
    ("Authorization", SHARES),
    ("Authorizer", LOGIN),
    ("IdentityProvider", LOGIN),
    ("ApiKey", LOGIN),
    ("UsagePlanKey", LOGIN),
    ("AccessKey", LOGIN),
];

/// Types that end like that and are read statement by statement, or principal by principal.
const READ: [&str; 4] =
    ["AWS::IAM::", "AWS::Lambda::Permission", "AWS::Lambda::LayerVersionPermission", "AWS::Events::"];

/// Why a resource of this type is a grant as a whole.
pub(super) fn whole(resource_type: &str) -> Option<&'static str> {
    let listed = WHOLE.iter().find(|(prefix, _)| resource_type.starts_with(prefix));
    listed.map(|(_, cause)| *cause).or_else(|| whole_by_name(resource_type))
}

fn whole_by_name(resource_type: &str) -> Option<&'static str> {
    if !resource_type.starts_with("AWS::") || READ.iter().any(|start| resource_type.starts_with(start)) {
        return None;
    }
    let word = last_word(resource_type);
    if matches!(word, "User" | "UserPoolUser") {
        return Some(LOGIN);
    }
    // Services differ in how they write an abbreviation: `ApiKey`, `APIKey`.
    let word = word.to_ascii_lowercase();
    let ends = |(end, _): &&(&str, &str)| word.ends_with(&end.to_ascii_lowercase());
    WHOLE_BY_NAME.iter().find(ends).map(|(_, cause)| *cause)
}

/// Flags that keep people out as long as they are on.
pub(super) const GUARDS: [(&str, &str, &str); 4] = [
    ("AWS::Cognito::UserPool", "/AdminCreateUserConfig/AllowAdminCreateUserOnly", LOGIN),
    ("AWS::OpenSearchService::Domain", "/AdvancedSecurityOptions/Enabled", SHARES),
    ("AWS::Elasticsearch::Domain", "/AdvancedSecurityOptions/Enabled", SHARES),
    ("AWS::OpenSearchService::Domain", "/AdvancedSecurityOptions/JWTOptions/Enabled", SHARES),
];

/// Properties without which a resource lets anybody do anything, or whatever the service's default is.
pub(super) const LIMITING: [(&str, &str); 6] = [
    ("AWS::EC2::VPCEndpoint", "PolicyDocument"),
    ("AWS::ApiGateway::RestApi", "Policy"),
    ("AWS::Serverless::Api", "Auth"),
    ("AWS::EFS::FileSystem", "FileSystemPolicy"),
    ("AWS::KMS::Key", "KeyPolicy"),
    ("AWS::KMS::ReplicaKey", "KeyPolicy"),
];

/// Whether a resource of this type is about permissions and nothing else.
pub(super) fn is_about_permissions(resource_type: &str) -> bool {
    let word = last_word(resource_type);
    resource_type.starts_with("AWS::IAM::")
        || resource_type.starts_with("AWS::SSO::")
        || resource_type == "AWS::Organizations::Policy"
        || resource_type == "AWS::Lambda::Url"
        || (word.ends_with("Policy") && !matches!(word, "ScalingPolicy" | "LifecyclePolicy" | "CachePolicy"))
        || word.ends_with("Permission")
        || whole(resource_type).is_some()
}

/// Whether a resource of this type takes all that it holds with it when it goes: nobody is left who could use it.
pub(super) fn ends_with_itself(resource_type: &str) -> bool {
    matches!(
        resource_type,
        "AWS::IAM::Role" | "AWS::IAM::User" | "AWS::IAM::Group" | "AWS::SSO::PermissionSet"
    ) || !is_about_permissions(resource_type)
}
