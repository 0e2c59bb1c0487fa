//! What is there in AWS before Stackgate: a user for the controller, roles that let it in, buckets.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{BUCKET, BUILD, REGION};
use crate::{Aws, Keys, place::repository};

/// The role through which an account lets the controller bootstrap it.
pub const WAY_IN: &str = "OrganizationAccountAccessRole";

/// Makes the controller's IAM user in the build account, with the policy of `deploy/iam`, which is widened to these buckets
/// besides the one it names.
///
/// # Errors
/// When AWS refuses, or the policy cannot be read.
pub fn controller_user(aws: &Aws, more_buckets: &[&str]) -> Result<Keys> {
    let user = json!({ "UserName": "stackgate" });
    aws.call(BUILD, "iam", "CreateUser", &user)?;
    let policy = json!({ "UserName": "stackgate", "PolicyName": "stackgate",
        "PolicyDocument": policy(more_buckets)?.to_string() });
    aws.call(BUILD, "iam", "PutUserPolicy", &policy)?;
    let made = aws.call(BUILD, "iam", "CreateAccessKey", &user)?;
    let text = |name: &str| made["AccessKey"][name].as_str().map(str::to_owned).context("no access key");
    Ok(Keys { access_key_id: text("AccessKeyId")?, secret_access_key: text("SecretAccessKey")? })
}

fn policy(more_buckets: &[&str]) -> Result<Value> {
    let path = repository().join("deploy/iam/controller-policy.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let mut policy: Value =
        serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
    for statement in policy["Statement"].as_array_mut().into_iter().flatten() {
        let resources = statement["Resource"].as_array_mut().context("a Resource that is no list")?;
        let named: Vec<String> = resources
            .iter()
            .filter_map(Value::as_str)
            .filter(|arn| arn.contains(BUCKET))
            .map(str::to_owned)
            .collect();
        for bucket in more_buckets {
            resources.extend(named.iter().map(|arn| json!(arn.replace(BUCKET, bucket))));
        }
    }
    Ok(policy)
}

/// Makes the role that lets somebody into an account with all rights.
///
/// # Errors
/// When AWS refuses.
pub fn way_in(aws: &Aws, account: &str, trusted: &str) -> Result<()> {
    let role = json!({ "RoleName": WAY_IN, "AssumeRolePolicyDocument": trust(trusted) });
    aws.call(account, "iam", "CreateRole", &role)?;
    let policy = json!({ "RoleName": WAY_IN, "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess" });
    aws.call(account, "iam", "AttachRolePolicy", &policy)?;
    Ok(())
}

/// Lets somebody else into the account instead.
///
/// # Errors
/// When AWS refuses.
pub fn let_in(aws: &Aws, account: &str, trusted: &str) -> Result<()> {
    let trust = json!({ "RoleName": WAY_IN, "PolicyDocument": trust(trusted) });
    aws.call(account, "iam", "UpdateAssumeRolePolicy", &trust).map(drop)
}

fn trust(trusted: &str) -> String {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": { "AWS": format!("arn:aws:iam::{trusted}:root") } }] })
    .to_string()
}

/// Makes a bucket in the build account.
///
/// # Errors
/// When AWS refuses.
pub fn bucket(aws: &Aws, name: &str, versioned: bool) -> Result<()> {
    let place = json!({ "Bucket": name, "CreateBucketConfiguration": { "LocationConstraint": REGION } });
    aws.call(BUILD, "s3", "CreateBucket", &place)?;
    if versioned {
        let on = json!({ "Bucket": name, "VersioningConfiguration": { "Status": "Enabled" } });
        aws.call(BUILD, "s3", "PutBucketVersioning", &on)?;
    }
    Ok(())
}
