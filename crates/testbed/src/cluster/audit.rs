//! The audit log of the API server: what the controller asked for, and what anybody did with our kinds.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::User;
use crate::certificate;

/// One request that the API server has answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Audited {
    /// The user name.
    pub user: String,
    /// The verb, as RBAC names it.
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The resource, and its subresource behind a slash; for other paths the path.
    pub resource: String,
    /// The namespace; empty for none.
    pub namespace: String,
    /// The object's name; empty where the request names none.
    pub name: String,
    /// The status of the answer.
    pub code: u16,
    /// What policies noted, and why it was allowed: key and value.
    pub annotations: Vec<(String, String)>,
    /// When the request had arrived.
    pub received: Timestamp,
}

pub(super) fn policy_file(dir: &Path) -> PathBuf {
    dir.join("audit-policy.yaml")
}

pub(super) fn log_file(dir: &Path) -> PathBuf {
    dir.join("audit.log")
}

/// Writes the policy that says what is logged.
pub(super) fn write_policy(dir: &Path) -> Result<()> {
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
        "rules": [
            { "level": "Metadata", "users": [User::Controller.name()] },
            { "level": "Metadata", "resources": [{ "group": "stackgate.dev" }] },
            { "level": "None" },
        ],
    });
    certificate::write(&policy_file(dir), &policy.to_string())
}

/// Everything logged so far.
pub(super) fn read(dir: &Path) -> Result<Vec<Audited>> {
    let path = log_file(dir);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    // The last line may be half written.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| audited(&serde_json::from_str(line)?))
        .collect::<Result<_>>()
        .context("an odd line in the audit log")
}

fn audited(event: &Value) -> Result<Audited> {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let resource = match (text("/objectRef/resource"), text("/objectRef/subresource")) {
        (resource, _) if resource.is_empty() => text("/requestURI"),
        (resource, sub) if sub.is_empty() => resource,
        (resource, sub) => format!("{resource}/{sub}"),
    };
    let annotations = event["annotations"].as_object().into_iter().flatten();
    Ok(Audited {
        user: text("/user/username"),
        verb: text("/verb"),
        group: text("/objectRef/apiGroup"),
        resource,
        namespace: text("/objectRef/namespace"),
        name: text("/objectRef/name"),
        code: event
            .pointer("/responseStatus/code")
            .and_then(Value::as_u64)
            .and_then(|c| c.try_into().ok())
            .unwrap_or_default(),
        annotations: annotations
            .map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned()))
            .collect(),
        received: text("/requestReceivedTimestamp").parse()?,
    })
}
