//! The inline policy that narrows a session to what one object may do.

use serde_json::{Value, json};
use stackgate_core::{
    effect::{Refusal, RefusalKind, Scope},
    words::{Env, partition},
};

/// The most characters of an inline session policy (AssumeRole).
pub const POLICY_LIMIT: usize = 2048;

/// The CloudFormation calls that a deployment makes, all on one stack. `Describe*` stands for DescribeChangeSet,
/// DescribeEvents, DescribeStackEvents and DescribeStacks: they only read, and a policy has few characters.
const STACK_ACTIONS: [&str; 8] = [
    "cloudformation:CreateChangeSet",
    "cloudformation:DeleteChangeSet",
    "cloudformation:DeleteStack",
    "cloudformation:Describe*",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:GetTemplate",
    "cloudformation:ListChangeSets",
    "cloudformation:UpdateTerminationProtection",
];

/// The calls that read a nested change set. Its stack is named after the one around it.
const NESTED_ACTIONS: [&str; 2] = ["cloudformation:Describe*", "cloudformation:GetTemplate"];

/// The policy as JSON.
///
/// # Errors
/// [`RefusalKind::Invalid`] when no stack name is granted, or when the policy is longer than AWS allows: the granted
/// names are too many or too long.
pub fn session_policy(scope: &Scope, env: &Env) -> Result<String, Refusal> {
    let Scope::Deploy { stack_names, execution_role, bucket, version_parameter } = scope;
    let Env { account, region } = env;
    if stack_names.is_empty() {
        let message = format!("no stack name is granted in {env} (allowedNamespaces.stackNames)");
        return Err(Refusal { kind: RefusalKind::Invalid, message });
    }
    let aws = partition(region);
    let mut stacks: Vec<String> = stack_names
        .iter()
        .map(|name| format!("arn:{aws}:cloudformation:{region}:{account}:stack/{name}/*"))
        .collect();
    stacks.sort();
    stacks.dedup();
    // A name that ends in `*` covers the nested stacks, too.
    let nested: Vec<String> = stacks
        .iter()
        .filter_map(|arn| arn.strip_suffix("/*").filter(|start| !start.ends_with('*')))
        .map(|start| format!("{start}-*/*"))
        .collect();
    let mut statements = vec![
        allow(json!(STACK_ACTIONS), json!(stacks)),
        // It names a change set, and takes no resource.
        allow(json!("cloudformation:ListHookResults"), json!("*")),
        // A template with a transform (AWS::LanguageExtensions, SAM) asks for this besides the stack.
        allow(
            json!("cloudformation:CreateChangeSet"),
            json!(format!("arn:{aws}:cloudformation:{region}:aws:transform/*")),
        ),
        allow(json!("iam:PassRole"), json!(execution_role.as_str())),
        allow(
            json!(["ssm:GetParameter", "ssm:GetParameters"]),
            json!(format!(
                "arn:{aws}:ssm:{region}:{account}:parameter/{}",
                version_parameter.trim_start_matches('/')
            )),
        ),
        // CloudFormation reads a TemplateURL with the caller's rights.
        allow(
            json!(["s3:GetObject", "s3:GetObjectVersion", "s3:GetBucketLocation", "s3:ListBucket"]),
            json!([format!("arn:{aws}:s3:::{bucket}"), format!("arn:{aws}:s3:::{bucket}/*")]),
        ),
        json!({
            "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
            "Condition": {"StringEquals": {"kms:ViaService": format!("s3.{region}.{}", dns_suffix(env))}},
        }),
    ];
    if !nested.is_empty() {
        statements.push(allow(json!(NESTED_ACTIONS), json!(nested)));
    }
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let length = policy.chars().count();
    if length > POLICY_LIMIT {
        return Err(Refusal {
            kind: RefusalKind::Invalid,
            message: format!(
                "the session policy for {} stack name patterns in {env} has {length} characters, AWS allows \
                 {POLICY_LIMIT}; grant fewer or shorter patterns (allowedNamespaces.stackNames, with *)",
                stacks.len()
            ),
        });
    }
    Ok(policy)
}

fn allow(action: Value, resource: Value) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

/// The suffix of host names in the partition of a region.
pub(super) fn dns_suffix(env: &Env) -> &'static str {
    if partition(&env.region) == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> Env {
        Env { account: "333333333333".parse().unwrap(), region: "ap-southeast-2".parse().unwrap() }
    }

    fn scope(stack_names: Vec<String>) -> Scope {
        Scope::Deploy {
            stack_names,
            execution_role:
                "arn:aws:iam::333333333333:role/cdk-acme-cfn-exec-role-333333333333-ap-southeast-2"
                    .parse()
                    .unwrap(),
            bucket: "cdk-acme-assets-333333333333-ap-southeast-2".parse().unwrap(),
            version_parameter: "/cdk-bootstrap/acme/version".to_owned(),
        }
    }

    #[test]
    fn narrows_to_stacks_role_bucket_and_parameter() {
        let policy = session_policy(&scope(vec!["Prod-*".to_owned(), "Shop".to_owned()]), &env()).unwrap();
        assert!(policy.len() <= POLICY_LIMIT);
        let value: Value = serde_json::from_str(&policy).unwrap();
        insta::assert_yaml_snapshot!(value);
    }

    #[test]
    fn too_many_patterns_are_refused() {
        let names = (0..40).map(|n| format!("some-long-stack-name-{n}-*")).collect();
        let refusal = session_policy(&scope(names), &env()).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Invalid);
        assert!(refusal.message.contains("40 stack name patterns"), "{}", refusal.message);
    }

    #[test]
    fn no_pattern_is_no_session() {
        assert_eq!(session_policy(&scope(vec![]), &env()).unwrap_err().kind, RefusalKind::Invalid);
    }

    #[test]
    fn ten_long_patterns_fit() {
        let names = (0..10).map(|n| format!("team-application-{n}-*")).collect();
        assert!(session_policy(&scope(names), &env()).is_ok());
    }

    #[test]
    fn order_and_repetition_of_patterns_do_not_matter() {
        let a = session_policy(&scope(vec!["B".to_owned(), "A".to_owned(), "B".to_owned()]), &env()).unwrap();
        let b = session_policy(&scope(vec!["A".to_owned(), "B".to_owned()]), &env()).unwrap();
        assert_eq!(a, b);
    }
}
