//! Names of properties that say who may call a resource, who decides on that, or who can reach it.
//!
//! Taken from the AWS CloudFormation resource and property types reference. The names are read word by word, so that
//! properties which AWS adds later are found as well: what is named after a guard counts as one.

use crate::api::RiskClass::{self, Iam, Network};

/// How the value of a guard is to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// It keeps out all but some: less of it, or something else, lets more in.
    Limit,
    /// It lets some in: more of it, or something else, lets more in.
    Grant,
    /// It names all who get in: more names let more in, and so may none at all.
    Names,
    /// Which of the two it is depends: any difference may let more in.
    Either,
    /// It is a number: less of it lets more in.
    Least,
    /// What it is changes with the app; only to take it away lets more in.
    Presence,
}

/// What a property guards, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Guard {
    pub(super) class: RiskClass,
    pub(super) way: Way,
}

const fn guard(class: RiskClass, way: Way) -> Guard {
    Guard { class, way }
}

/// Guards whose name does not say it: the start of the type, the name.
const OF_TYPE: [(&str, &str, Guard); 42] = [
    ("AWS::CloudFront::KeyGroup", "Items", guard(Iam, Way::Grant)),
    ("AWS::CloudFront::Distribution", "DomainName", guard(Network, Way::Grant)),
    ("AWS::CloudFront::Distribution", "OriginPath", guard(Network, Way::Presence)),
    ("AWS::ApiGatewayV2::Integration", "IntegrationUri", guard(Network, Way::Grant)),
    ("AWS::ECS::Service", "TargetGroupArn", guard(Network, Way::Grant)),
    ("AWS::AutoScaling::AutoScalingGroup", "TargetGroupARNs", guard(Network, Way::Grant)),
    ("AWS::OpenSearchService::Domain", "CognitoOptions", guard(Iam, Way::Limit)),
    ("AWS::Cognito::UserPoolGroup", "Precedence", guard(Iam, Way::Least)),
    ("AWS::Cognito::UserPoolRiskConfigurationAttachment", "EventAction", guard(Iam, Way::Either)),
    ("AWS::Cognito::UserPool", "DeviceConfiguration", guard(Iam, Way::Either)),
    ("AWS::Cognito::UserPool", "AttributesRequireVerificationBeforeUpdate", guard(Iam, Way::Limit)),
    ("AWS::Cognito::UserPool", "RequireLowercase", guard(Iam, Way::Limit)),
    ("AWS::Cognito::UserPool", "RequireNumbers", guard(Iam, Way::Limit)),
    ("AWS::Cognito::UserPool", "RequireSymbols", guard(Iam, Way::Limit)),
    ("AWS::Cognito::UserPool", "RequireUppercase", guard(Iam, Way::Limit)),
    ("AWS::Cognito::UserPool", "PasswordHistorySize", guard(Iam, Way::Least)),
    ("AWS::CloudFront::Distribution", "FunctionAssociations", guard(Iam, Way::Presence)),
    ("AWS::CloudFront::Distribution", "LambdaFunctionAssociations", guard(Iam, Way::Presence)),
    ("AWS::CodeBuild::Project", "Triggers", guard(Iam, Way::Either)),
    ("AWS::Transfer::Server", "EndpointDetails", guard(Network, Way::Either)),
    ("AWS::EC2::Instance", "KeyName", guard(Iam, Way::Grant)),
    ("AWS::EC2::LaunchTemplate", "KeyName", guard(Iam, Way::Grant)),
    ("AWS::AutoScaling::LaunchConfiguration", "KeyName", guard(Iam, Way::Grant)),
    ("AWS::MSK::", "Sasl", guard(Iam, Way::Either)),
    ("AWS::MemoryDB::", "ACLName", guard(Iam, Way::Limit)),
    ("AWS::Glue::Catalog", "AllowFullTableExternalDataAccess", guard(Iam, Way::Grant)),
    // Whoever may write an attribute may be what it says; without the list, all may be written.
    ("AWS::Cognito::UserPoolClient", "WriteAttributes", guard(Iam, Way::Names)),
    ("AWS::Cognito::UserPool", "PreSignUp", guard(Iam, Way::Either)),
    ("AWS::Cognito::UserPool", "PreAuthentication", guard(Iam, Way::Either)),
    ("AWS::Cognito::UserPool", "PreTokenGeneration", guard(Iam, Way::Either)),
    ("AWS::Cognito::UserPool", "PreTokenGenerationConfig", guard(Iam, Way::Either)),
    ("AWS::Cognito::UserPool", "VerifyAuthChallengeResponse", guard(Iam, Way::Either)),
    ("AWS::Cognito::UserPool", "DefineAuthChallenge", guard(Iam, Way::Either)),
    ("AWS::Cognito::UserPool", "CreateAuthChallenge", guard(Iam, Way::Either)),
    ("AWS::Cognito::UserPool", "UserMigration", guard(Iam, Way::Either)),
    ("AWS::Cognito::UserPool", "MinimumLength", guard(Iam, Way::Least)),
    ("AWS::Cognito::UserPool", "AdvancedSecurityMode", guard(Iam, Way::Limit)),
    ("AWS::EFS::AccessPoint", "PosixUser", guard(Iam, Way::Either)),
    ("AWS::EFS::AccessPoint", "RootDirectory", guard(Iam, Way::Either)),
    ("AWS::Lightsail::Instance", "Ports", guard(Network, Way::Either)),
    ("AWS::Lightsail::Bucket", "AccessRules", guard(Network, Way::Either)),
    (
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic",
        guard(Network, Way::Limit),
    ),
];

/// Types that run containers, and what keeps these apart from their host and from one another.
const CONTAINERS: [&str; 2] = ["AWS::ECS::TaskDefinition", "AWS::Batch::JobDefinition"];
const OF_CONTAINERS: [(&str, Guard); 15] = [
    ("PidMode", guard(Iam, Way::Grant)),
    ("IpcMode", guard(Iam, Way::Grant)),
    ("User", guard(Iam, Way::Limit)),
    ("Drop", guard(Iam, Way::Limit)),
    ("ReadonlyRootFilesystem", guard(Iam, Way::Limit)),
    ("ReadOnly", guard(Iam, Way::Limit)),
    ("SourcePath", guard(Iam, Way::Grant)),
    ("HostPath", guard(Iam, Way::Grant)),
    ("RootDirectory", guard(Iam, Way::Either)),
    ("Add", guard(Iam, Way::Grant)),
    ("DockerSecurityOptions", guard(Iam, Way::Either)),
    ("HostNetwork", guard(Network, Way::Grant)),
    ("AllowPrivilegeEscalation", guard(Iam, Way::Grant)),
    ("RunAsNonRoot", guard(Iam, Way::Limit)),
    ("RunAsUser", guard(Iam, Way::Limit)),
];

/// Names that sound like a guard, and are compared by rules of their own: the start of the type, the name.
const ELSEWHERE: [(&str, &str); 3] = [
    ("AWS::SSO::PermissionSet", "PermissionsBoundary"),
    ("AWS::Cognito::UserPool", "AllowAdminCreateUserOnly"),
    ("AWS::EKS::Cluster", "PublicAccessCidrs"),
];

/// Types whose properties are compared one by one by rules of their own.
const OF_THEIR_OWN: [&str; 4] = [
    "AWS::IAM::",
    "AWS::Lambda::Permission",
    "AWS::Lambda::LayerVersionPermission",
    "AWS::Events::EventBusPolicy",
];

/// Words of names that say how long, how often, how much or what for, and not who.
const HARMLESS: [&str; 21] = [
    "ttl",
    "timeout",
    "seconds",
    "minutes",
    "validity",
    "description",
    "comment",
    "tag",
    "tags",
    "upgrade",
    "pattern",
    "values",
    "size",
    "memory",
    "interval",
    "retention",
    "methods",
    "headers",
    "message",
    "subject",
    "length",
];

/// Words that stand next to each other in a name; the first that fits decides. A star stands for any end of a word.
const PHRASES: [(&[&str], Guard); 81] = [
    (&["block", "public"], guard(Network, Way::Limit)),
    (&["ignore", "public"], guard(Network, Way::Limit)),
    (&["restrict", "public"], guard(Network, Way::Limit)),
    (&["public", "access", "block"], guard(Network, Way::Limit)),
    (&["access", "cidrs"], guard(Network, Way::Limit)),
    (&["signing", "disabled"], guard(Iam, Way::Grant)),
    (&["anonymous"], guard(Iam, Way::Grant)),
    (&["unauthenticated"], guard(Iam, Way::Grant)),
    (&["auth", "flows"], guard(Iam, Way::Names)),
    (&["internal", "user"], guard(Iam, Way::Grant)),
    (&["classic", "flow"], guard(Iam, Way::Grant)),
    (&["auth*", "providers"], guard(Iam, Way::Grant)),
    (&["identity", "provider*"], guard(Iam, Way::Grant)),
    (&["login", "provider*"], guard(Iam, Way::Grant)),
    (&["saml", "provider*"], guard(Iam, Way::Grant)),
    (&["connect", "provider*"], guard(Iam, Way::Grant)),
    (&["public", "key*"], guard(Iam, Way::Either)),
    (&["public"], guard(Network, Way::Grant)),
    (&["publicly"], guard(Network, Way::Grant)),
    (&["web", "acl"], guard(Network, Way::Limit)),
    (&["vpc", "config*"], guard(Network, Way::Limit)),
    (&["vpc", "options"], guard(Network, Way::Limit)),
    (&["vpc", "settings"], guard(Network, Way::Limit)),
    (&["endpoint", "type"], guard(Network, Way::Limit)),
    (&["network", "mode"], guard(Network, Way::Limit)),
    (&["network", "access*"], guard(Network, Way::Limit)),
    (&["visibility"], guard(Network, Way::Limit)),
    (&["geo", "restriction*"], guard(Network, Way::Either)),
    (&["restrictions"], guard(Network, Way::Either)),
    (&["source", "dest", "check"], guard(Network, Way::Limit)),
    (&["vpc", "routing"], guard(Network, Way::Limit)),
    (&["subnet", "group"], guard(Network, Way::Limit)),
    (&["ip", "range*"], guard(Network, Way::Limit)),
    (&["whitelist"], guard(Network, Way::Names)),
    (&["transit", "encryption"], guard(Network, Way::Limit)),
    (&["encryption", "in", "transit"], guard(Network, Way::Limit)),
    (&["enforce", "https"], guard(Network, Way::Limit)),
    (&["require", "tls"], guard(Network, Way::Limit)),
    (&["require", "ssl"], guard(Network, Way::Limit)),
    (&["viewer", "protocol", "policy"], guard(Network, Way::Limit)),
    (&["tls", "enabled"], guard(Network, Way::Limit)),
    (&["ssl", "mode"], guard(Network, Way::Limit)),
    (&["endpoint", "encryption"], guard(Network, Way::Limit)),
    (&["network", "isolation"], guard(Network, Way::Limit)),
    (&["master", "user*"], guard(Iam, Way::Either)),
    (&["authorized"], guard(Iam, Way::Grant)),
    (&["auth"], guard(Iam, Way::Limit)),
    (&["authoriz*"], guard(Iam, Way::Limit)),
    (&["authentic*"], guard(Iam, Way::Limit)),
    (&["mfa*"], guard(Iam, Way::Limit)),
    (&["mutual", "tls"], guard(Iam, Way::Limit)),
    (&["api", "key", "required"], guard(Iam, Way::Limit)),
    (&["trusted", "key", "groups"], guard(Iam, Way::Limit)),
    (&["trusted", "signers"], guard(Iam, Way::Limit)),
    (&["signing"], guard(Iam, Way::Limit)),
    (&["ownership"], guard(Iam, Way::Limit)),
    (&["scopes"], guard(Iam, Way::Limit)),
    (&["user", "group", "ids"], guard(Iam, Way::Limit)),
    (&["user", "group", "id"], guard(Iam, Way::Limit)),
    (&["user", "pool", "id"], guard(Iam, Way::Limit)),
    (&["user", "pool", "arn*"], guard(Iam, Way::Limit)),
    (&["user", "pool", "config"], guard(Iam, Way::Limit)),
    (&["user", "pool", "client"], guard(Iam, Way::Limit)),
    (&["http", "tokens"], guard(Iam, Way::Limit)),
    (&["saml"], guard(Iam, Way::Either)),
    (&["jwt"], guard(Iam, Way::Either)),
    (&["oidc"], guard(Iam, Way::Either)),
    (&["open", "id", "connect"], guard(Iam, Way::Either)),
    (&["ca", "certificates", "bundle"], guard(Iam, Way::Either)),
    (&["permission*"], guard(Iam, Way::Grant)),
    (&["principal*"], guard(Iam, Way::Grant)),
    (&["grants"], guard(Iam, Way::Grant)),
    (&["grantee*"], guard(Iam, Way::Grant)),
    (&["users"], guard(Iam, Way::Grant)),
    (&["callback"], guard(Iam, Way::Grant)),
    (&["allow", "origins"], guard(Iam, Way::Grant)),
    (&["allowed", "origins"], guard(Iam, Way::Grant)),
    (&["allow", "credentials"], guard(Iam, Way::Grant)),
    (&["privileged"], guard(Iam, Way::Grant)),
    (&["execute", "command"], guard(Iam, Way::Grant)),
    (&["root", "access"], guard(Iam, Way::Grant)),
];

/// Names under which an app writes what it likes.
const FREE: [&str; 39] = [
    "Environment",
    "EnvironmentVariables",
    "Variables",
    "StageVariables",
    "Metadata",
    "Tags",
    "TagList",
    "Labels",
    "DockerLabels",
    "UserData",
    "Description",
    "Comment",
    "Code",
    "Content",
    "Body",
    "DefinitionBody",
    "Payload",
    "Parameters",
    "RequestParameters",
    "ResponseParameters",
    "RequestTemplates",
    "ResponseTemplates",
    "RequestModels",
    "IntegrationResponses",
    "MethodResponses",
    "Definition",
    "DefinitionString",
    "DefinitionSubstitutions",
    "TemplateBody",
    // Policies are read as such.
    "Statement",
    "EventPattern",
    "FilterPolicy",
    "Input",
    "InputTransformer",
    "Schema",
    "Options",
    "AdvancedOptions",
    "DefaultArguments",
    "ConfigurationProperties",
];

/// Maps whose keys an app chooses.
const KEYS_OF_THE_APP: [&str; 13] = [
    "Environment",
    "EnvironmentVariables",
    "RuntimeEnvironmentVariables",
    "Variables",
    "StageVariables",
    "Tags",
    "TagList",
    "Labels",
    "DockerLabels",
    "DefaultArguments",
    "EventPattern",
    "FilterPolicy",
    "AttributeMapping",
];

/// Whether an app chooses the names of what stands below.
pub(super) fn has_keys_of_the_app(name: &str) -> bool {
    KEYS_OF_THE_APP.contains(&name)
}

/// What a property of this name guards, in a resource of this type.
pub(super) fn guard_of(resource_type: &str, name: &str) -> Option<Guard> {
    let of_type = |(start, of, _): &&(&str, &str, Guard)| *of == name && resource_type.starts_with(start);
    if let Some((_, _, found)) = OF_TYPE.iter().find(of_type) {
        return Some(*found);
    }
    let of_containers = OF_CONTAINERS.iter().find(|(of, _)| *of == name);
    if let Some((_, found)) = of_containers.filter(|_| CONTAINERS.contains(&resource_type)) {
        return Some(*found);
    }
    if is_elsewhere(resource_type, name) {
        return None;
    }
    let words = words(name);
    if words.iter().any(|word| HARMLESS.contains(&word.as_str())) {
        return None;
    }
    let stands = |phrase: &[&str]| {
        words.windows(phrase.len()).any(|some| some.iter().zip(phrase).all(|(word, want)| fits(word, want)))
    };
    let begins = |with: &[&str]| words.first().is_some_and(|word| with.contains(&word.as_str()));
    if begins(&["allowed"]) && !stands(&["ip", "range*"]) && !stands(&["allowed", "origins"]) {
        return Some(guard(Iam, Way::Names));
    }
    let (_, found) = PHRASES.iter().find(|(phrase, _)| stands(phrase))?;
    // To switch a limit off is a grant.
    let is_off = found.way == Way::Limit && begins(&["allow", "disable", "bypass", "skip"]);
    Some(if is_off { Guard { way: Way::Grant, ..*found } } else { *found })
}

/// Whether rules of their own compare a property of this name.
pub(super) fn is_elsewhere(resource_type: &str, name: &str) -> bool {
    OF_THEIR_OWN.iter().any(|start| resource_type.starts_with(start))
        || ELSEWHERE.iter().any(|(start, of)| *of == name && resource_type.starts_with(start))
}

/// Whether what stands under a name is of the app and no property.
pub(super) fn is_free(resource_type: &str, name: &str) -> bool {
    // The machine that builds, and not what its variables say.
    let is_machine = resource_type == "AWS::CodeBuild::Project" && name == "Environment";
    FREE.contains(&name) && !is_machine
}

fn fits(word: &str, want: &str) -> bool {
    want.strip_suffix('*').map_or(word == want, |start| word.starts_with(start))
}

/// The words of a name in lower case: `EnableIAMDatabaseAuthentication` is enable, iam, database, authentication.
fn words(name: &str) -> Vec<String> {
    // Names of AWS are short; nobody shall make us split more.
    let letters: Vec<char> =
        name.replace("ARNs", "Arns").replace("OAuth", "Auth").chars().take(128).collect();
    let mut words: Vec<String> = Vec::new();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let next_is_small = letters.get(at + 1).is_some_and(char::is_ascii_lowercase);
        let starts = letter.is_ascii_uppercase()
            && before.is_none_or(|before| !before.is_ascii_uppercase() || next_is_small);
        match words.last_mut().filter(|_| !starts) {
            Some(word) => word.push(letter.to_ascii_lowercase()),
            None => words.push(letter.to_ascii_lowercase().to_string()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("EnableIAMDatabaseAuthentication", &["enable", "iam", "database", "authentication"])]
    #[case("WebACLId", &["web", "acl", "id"])]
    #[case("OpenIdConnectProviderARNs", &["open", "id", "connect", "provider", "arns"])]
    #[case("redrivePermission", &["redrive", "permission"])]
    #[case("VPCOptions", &["vpc", "options"])]
    #[case("", &[])]
    fn a_name_in_words(#[case] name: &str, #[case] want: &[&str]) {
        assert_eq!(words(name), want);
    }

    #[rstest]
    #[case("AuthorizationScopes", Some((Iam, Way::Limit)))]
    #[case("AllowedOAuthFlows", Some((Iam, Way::Names)))]
    #[case("AnonymousAuthEnabled", Some((Iam, Way::Grant)))]
    #[case("PublicAccessCidrs", Some((Network, Way::Limit)))]
    #[case("ResourcesVpcConfig", Some((Network, Way::Limit)))]
    #[case::a_limit_that_is_switched_off("AllowAuthorizerOverride", Some((Iam, Way::Grant)))]
    #[case::who_calls_from_a_browser("AllowedOrigins", Some((Iam, Way::Grant)))]
    #[case::no_identity("CapacityProviders", None)]
    #[case::nobody("Author", None)]
    #[case::how_long("AuthorizerResultTtlInSeconds", None)]
    #[case::how_much("MemorySize", None)]
    #[case::tags("UserPoolTags", None)]
    fn what_a_name_says(#[case] name: &str, #[case] want: Option<(RiskClass, Way)>) {
        assert_eq!(guard_of("AWS::X::Y", name).map(|g| (g.class, g.way)), want);
    }
}
