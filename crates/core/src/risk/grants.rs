//! What a resource grants besides the statements of its policies: attachments, principals, logins, roles to act with.
//!
//! Properties as in the AWS CloudFormation resource and property types reference.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    document::{Documents, documents},
    facts::{Facts, is_flag, last_word, path, plain},
    grant_types::{GUARDS, LIMITING, LOGIN, PRINCIPAL, SHARES, is_about_permissions, whole},
    guard_names::has_keys_of_the_app,
    statement::{Effect, Entry, read},
    text::{Text, is_intrinsic, items},
};
use crate::bundle::{Resource, parse_json};

/// All that one side of a resource grants.
#[derive(Default)]
pub(super) struct Grants {
    pub(super) documents: Documents,
    pub(super) facts: Facts,
    /// The roles that it acts with.
    pub(super) roles: Facts,
}

impl Grants {
    /// Whether it says anything at all about who may do what, other than which role it acts with.
    pub(super) fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.facts.opens.is_empty() && self.facts.guards.is_empty()
    }
}

pub(super) const ATTACHES: &str = "attaches a managed policy";
/// Where managed policies are attached.
const ATTACHED: [&str; 3] = ["ManagedPolicyArns", "ManagedPolicies", "CustomerManagedPolicyReferences"];
const MAY_DENY: &str = "detaches a policy that may deny";
const BOUNDARY: &str = "changes or removes a permissions boundary";
const APPLIES: &str = "applies a policy to something else";
const NOT_LIMITED: &str = "removes a policy without which everything is allowed";
const ANYONE: &str = "lets callers in without authentication";
const ROLE: &str = "acts with another role";
const ORGANIZATION: &str = "changes what a policy of the organization applies to";
const EXPANDS: &str = "has permissions that a transform makes";

/// Reads what a resource grants. Roles that are `ours` are left out: they are told about themselves.
pub(super) fn grants(resource: Option<&Resource>, ours: &dyn Fn(&Value) -> bool) -> Grants {
    let Some(resource) = resource else { return Grants::default() };
    let (kind, properties) = (resource.resource_type.as_str(), super::pair::properties(Some(resource)));
    let none = Map::new();
    let object = properties.as_object().unwrap_or(&none);
    let mut found = documents(kind, object);
    let mut facts = Facts::default();
    if let Some(entry) = call_permission(kind, object) {
        facts.properties.extend(object.keys().cloned());
        found.documents.entry("permission".to_owned()).or_default().push(entry);
    }
    principal(kind, properties, &mut facts);
    let may = |effect: Effect| {
        found.documents.values().flatten().any(|entry| match entry {
            Entry::Readable(statement) => statement.effect == effect,
            Entry::Unreadable(_) => true,
        })
    };
    // What is not understood may be either.
    let unknown = found.documents.is_empty();
    let effects = (unknown || may(Effect::Allow), unknown || may(Effect::Deny));
    let is_policy = is_about_permissions(kind) && last_word(kind).ends_with("Policy");
    if is_policy && (!unknown || kind == "AWS::Organizations::Policy") {
        applies_to(kind, object, &found.properties, effects, &mut facts);
    }
    if let Some(cause) = whole(kind) {
        facts.open_whole(kind, properties, cause);
    }
    for (limited, name) in LIMITING {
        if kind == limited && object.contains_key(name) {
            facts.guards.insert((NOT_LIMITED, name.to_owned()));
            facts.properties.insert(name.to_owned());
        }
    }
    if kind == "AWS::Lambda::Url" && object.get("AuthType").and_then(Value::as_str) != Some("AWS_IAM") {
        facts.opens.insert((ANYONE, object.get("AuthType").map(plain).unwrap_or_default()));
        facts.properties.insert("AuthType".to_owned());
    }
    for (of, path, cause) in GUARDS {
        if kind == of && properties.pointer(path).is_some_and(|v| is_flag(Some(v), true)) {
            facts.guards.insert((cause, path.to_owned()));
            facts.properties.extend(path.split('/').nth(1).map(str::to_owned));
        }
    }
    if kind == "AWS::Cognito::UserPoolClient" {
        facts.opens.insert((LOGIN, String::new()));
    }
    if kind.starts_with("AWS::QuickSight::") {
        facts.open_each(properties, "Permissions", SHARES);
    }
    if kind == "AWS::StepFunctions::StateMachine" {
        roles_of_tasks(properties, &mut facts);
    }
    let guests = object.get("AllowUnauthenticatedIdentities");
    if kind == "AWS::Cognito::IdentityPool" && guests.is_some() && !is_flag(guests, false) {
        facts.open_each(properties, "AllowUnauthenticatedIdentities", ANYONE);
    }
    if kind.starts_with("AWS::Serverless::") {
        for name in
            ["Policies", "Auth", "Role", "Events", "Connectors", "FunctionUrlConfig", "PermissionsBoundary"]
        {
            facts.open_each(properties, name, EXPANDS);
        }
    }
    facts.properties.extend(found.properties);
    let mut roles = Facts::default();
    if !kind.starts_with("AWS::IAM::") {
        for (name, value) in object.iter().filter(|(name, _)| !has_keys_of_the_app(name)) {
            acting_roles(name, name, value, name, ours, &mut roles);
        }
    }
    Grants { documents: found.documents, facts, roles }
}

/// The roles that a state machine takes for single tasks stand in its text.
fn roles_of_tasks(properties: &Value, facts: &mut Facts) {
    for name in ["Definition", "DefinitionString"] {
        let Some(definition) = properties.get(name) else { continue };
        let text = match definition {
            Value::Object(_) if !is_intrinsic(definition) => definition.to_string(),
            text => Text::of(text).with_tokens_as(TOKEN),
        };
        let substituted = || properties.get(SUBSTITUTIONS).map(plain).unwrap_or_default();
        let roles = match parse_json(text.as_bytes()) {
            Ok(read) => credentials(&read),
            // An escape may spell anything.
            Err(_) if text.contains("Credentials") || text.contains("\\u") => vec![plain(definition)],
            Err(_) => Vec::new(),
        };
        for role in roles {
            // What is put in decides, wherever it comes from.
            let put_in = if role.contains(TOKEN) { plain(definition) } else { String::new() };
            let by_name = role.contains("${");
            facts.properties.extend(by_name.then(|| SUBSTITUTIONS.to_owned()));
            let put_in = if by_name { put_in + &substituted() } else { put_in };
            facts.opens.insert((ROLE, role + &put_in));
            facts.properties.insert(name.to_owned());
        }
        // A quote ends the text that something is put into, and what follows may be anything.
        if substituted().contains(QUOTE) {
            facts.opens.insert((ROLE, substituted()));
            facts.properties.insert(SUBSTITUTIONS.to_owned());
        }
    }
}

const SUBSTITUTIONS: &str = "DefinitionSubstitutions";
/// Stands for what only CloudFormation can resolve.
const TOKEN: char = '\u{7f}';
/// A quote in a text of JSON.
const QUOTE: &str = "\\\"";

/// What stands in a definition under `Credentials`.
fn credentials(definition: &Value) -> Vec<String> {
    match definition {
        Value::Array(items) => items.iter().flat_map(credentials).collect(),
        Value::Object(object) => {
            let own = object.get("Credentials").map(Value::to_string);
            own.into_iter().chain(object.values().flat_map(credentials)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// Lambda permissions and the like: a statement that is spread over the properties. What is not named here limits it.
fn call_permission(kind: &str, object: &Map<String, Value>) -> Option<Entry> {
    let resource = match kind {
        "AWS::Lambda::Permission" => "FunctionName",
        "AWS::Lambda::LayerVersionPermission" => "LayerVersionArn",
        "AWS::Events::EventBusPolicy" if object.contains_key("Principal") => "EventBusName",
        _ => return None,
    };
    let limits = |(name, _): &(&String, &Value)| {
        !["Action", "Principal", "StatementId", resource].contains(&name.as_str())
    };
    let conditions: Map<String, Value> =
        object.iter().filter(limits).map(|(name, value)| (name.clone(), json!([plain(value)]))).collect();
    let of = |name: &str| object.get(name).cloned().unwrap_or_default();
    let statement = json!({
        "Effect": "Allow", "Action": of("Action"), "Resource": of(resource),
        "Principal": {"?": of("Principal")}, "Condition": {"StringEquals": conditions},
    });
    Some(read(&statement, ""))
}

/// Roles, users, groups, permission sets, instance profiles.
fn principal(kind: &str, properties: &Value, facts: &mut Facts) {
    let holds_policies =
        ["AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group", "AWS::SSO::PermissionSet"].contains(&kind);
    if !holds_policies && kind != "AWS::IAM::InstanceProfile" {
        return;
    }
    facts.opens.insert((PRINCIPAL, String::new()));
    if kind == "AWS::IAM::InstanceProfile" {
        facts.open_each(properties, "Roles", ROLE);
        return;
    }
    for name in ATTACHED {
        facts.open_each(properties, name, ATTACHES);
        for item in properties.get(name).map(items).unwrap_or_default().into_iter().filter(|i| may_deny(i)) {
            facts.guards.insert((MAY_DENY, plain(item)));
        }
    }
    facts.guard_each(properties, "PermissionsBoundary", BOUNDARY);
    if kind == "AWS::IAM::User" {
        facts.open_each(properties, "LoginProfile", LOGIN);
        facts.open_each(properties, "Groups", SHARES);
        facts.guard_each(properties, "Groups", MAY_DENY);
    }
}

/// The names of the managed policies that a resource attaches and did not before, as far as they stand there: the last part of
/// an ARN.
pub(super) fn attached(before: &Value, after: &Value) -> BTreeSet<String> {
    let names = |properties: &Value| -> BTreeSet<String> {
        let listed =
            ATTACHED.into_iter().flat_map(|name| properties.get(name).map(items).unwrap_or_default());
        listed.filter_map(policy_name).collect()
    };
    &names(after) - &names(before)
}

fn policy_name(policy: &Value) -> Option<String> {
    let arn = Text::of(policy).with_tokens_as('~');
    let name = arn.rsplit('/').next().filter(|_| arn.starts_with("arn:") && arn.contains(":policy/"))?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    (!name.is_empty() && name.len() <= 128 && name.chars().all(is_name)).then(|| name.to_owned())
}

/// Whether a managed policy may hold a Deny: those of AWS do not, but for a few that say so.
fn may_deny(policy: &Value) -> bool {
    let text = Text::of(policy).with_tokens_as('~');
    let of_aws = text.starts_with("arn:") && text.contains(":iam::aws:policy/");
    !of_aws || ["Deny", "Quarantine"].iter().any(|word| text.contains(word))
}

/// Everything that a resource which is only a policy names besides it, it applies to.
fn applies_to(
    kind: &str,
    object: &Map<String, Value>,
    documents: &BTreeSet<String>,
    (may_allow, may_deny): (bool, bool),
    facts: &mut Facts,
) {
    let properties = Value::Object(object.clone());
    let about_itself =
        ["PolicyName", "ManagedPolicyName", "Name", "Description", "Tags", "Path", "StatementId"];
    for name in object.keys().filter(|n| !about_itself.contains(&n.as_str()) && !documents.contains(*n)) {
        if kind == "AWS::Organizations::Policy" {
            facts.open_each(&properties, name, ORGANIZATION);
            facts.guard_each(&properties, name, ORGANIZATION);
        } else {
            if may_allow {
                facts.open_each(&properties, name, APPLIES);
            }
            if may_deny {
                facts.guard_each(&properties, name, MAY_DENY);
            }
        }
    }
}

/// Ends of names of properties that say which role something acts with, or by what it runs that has one.
const ACTS_WITH: [&str; 13] = [
    "role",
    "rolearn",
    "iamroles",
    "iamrolename",
    "callerarn",
    "credentialsarn",
    "instanceprofile",
    "instanceprofilename",
    "instanceprofilearn",
    "launchtemplate",
    "launchtemplateid",
    "taskdefinition",
    "taskdefinitionarn",
];

/// Roles and instance profiles that the resource acts with, anywhere in its properties.
fn acting_roles(
    top: &str,
    key: &str,
    value: &Value,
    place: &str,
    ours: &dyn Fn(&Value) -> bool,
    found: &mut Facts,
) {
    let lower = key.to_ascii_lowercase();
    let named = ACTS_WITH.iter().any(|end| lower.ends_with(end)) || lower == "credentials";
    match value {
        Value::Array(list) => {
            for item in list {
                // The targets of a rule: what each of them may is its own.
                let place = item.get("Id").map_or_else(|| place.to_owned(), |id| path(place, &plain(id)));
                acting_roles(top, key, item, &place, ours, found);
            }
        }
        Value::String(_) | Value::Object(_) if named && (value.is_string() || is_intrinsic(value)) => {
            // A role that is linked to a service can only be used by that service, for what AWS says.
            let linked = Text::of(value).with_tokens_as('~').contains(":role/aws-service-role/");
            if !ours(value) && !linked {
                found.opens.insert((ROLE, format!("{place}={}", plain(value))));
                found.part(top, value);
            }
        }
        Value::Object(object) => {
            for (name, item) in object.iter().filter(|(name, _)| !has_keys_of_the_app(name)) {
                // `IamInstanceProfile: {Arn: …}`, `LaunchTemplate: {Id: …}`
                let key = if named && matches!(name.as_str(), "Arn" | "Name" | "Id") { key } else { name };
                acting_roles(top, key, item, &path(place, name), ours, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
