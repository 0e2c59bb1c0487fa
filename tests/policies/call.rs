//! Requests as a client sends them, whatever client that is, and what the API server says to them.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use stackgate_testbed::User;

use crate::world::World;

/// One request. It is a dry run unless [`Call::for_good`] says otherwise: admission is the same.
#[derive(Debug, Clone)]
pub struct Call {
    who: User,
    /// Whom the caller pretends to be, by impersonation: user name, and groups with commas between.
    as_somebody: Option<(&'static str, &'static str)>,
    method: &'static str,
    path: String,
    content: &'static str,
    body: Value,
    /// The field manager; absent: what the API server makes of the client's name.
    manager: Option<String>,
    for_good: bool,
}

const BASE: &str = "/apis/stackgate.dev/v1alpha1";
const APPLY: &str = "application/apply-patch+yaml";

/// The path of a Stage in namespace `shop`.
pub fn stage(name: &str) -> String {
    format!("{BASE}/namespaces/shop/stages/{name}")
}

/// The path of a ChangePlan in namespace `shop`.
pub fn plan(name: &str) -> String {
    format!("{BASE}/namespaces/shop/changeplans/{name}")
}

/// The path of a ChangePlan in the controller's namespace.
pub fn system_plan(name: &str) -> String {
    format!("{BASE}/namespaces/stackgate-system/changeplans/{name}")
}

/// Where something of `stackgate.dev` is made or listed.
pub fn all(plural: &str) -> String {
    format!("{BASE}/namespaces/shop/{plural}")
}

impl Call {
    fn new(who: User, method: &'static str, path: String, content: &'static str, body: Value) -> Self {
        Self { who, as_somebody: None, method, path, content, body, manager: None, for_good: false }
    }

    /// A merge patch, as `kubectl annotate` and `kubectl patch --type=merge` send it.
    pub fn merge(who: User, path: String, body: Value) -> Self {
        Self::new(who, "PATCH", path, "application/merge-patch+json", body)
    }

    /// A JSON patch.
    pub fn json(who: User, path: String, operations: Value) -> Self {
        Self::new(who, "PATCH", path, "application/json-patch+json", operations)
    }

    /// A server-side apply that takes fields from others.
    pub fn apply(who: User, path: String, mut body: Value) -> Self {
        let (collection, name) = path.rsplit_once('/').expect("a path");
        body["apiVersion"] = "stackgate.dev/v1alpha1".into();
        body["kind"] = if collection.ends_with("stages") { "Stage" } else { "ChangePlan" }.into();
        body["metadata"]["name"] = name.into();
        Self { manager: Some("somebody".to_owned()), ..Self::new(who, "PATCH", path, APPLY, body) }
    }

    /// A creation.
    pub fn create(who: User, path: String, body: Value) -> Self {
        Self::new(who, "POST", path, "application/json", body)
    }

    /// A replacement of the whole object.
    pub fn replace(who: User, path: String, body: Value) -> Self {
        Self::new(who, "PUT", path, "application/json", body)
    }

    /// A deletion, of one object or of a whole collection.
    pub fn delete(who: User, path: String) -> Self {
        Self::new(who, "DELETE", path, "application/json", Value::Null)
    }

    /// A deletion with this propagation policy.
    pub fn delete_by(who: User, path: String, propagation: &str) -> Self {
        let options =
            json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation });
        Self::new(who, "DELETE", path, "application/json", options)
    }

    /// A look.
    pub fn get(who: User, path: String) -> Self {
        Self { for_good: true, ..Self::new(who, "GET", path, "application/json", Value::Null) }
    }

    /// As somebody else, by impersonation.
    pub fn pretending(mut self, user: &'static str, groups: &'static str) -> Self {
        self.as_somebody = Some((user, groups));
        self
    }

    /// In another's name as a field manager.
    pub fn managed_by(mut self, manager: String) -> Self {
        self.manager = Some(manager);
        self
    }

    /// Under another content type.
    pub fn with_content_type(mut self, content: &'static str) -> Self {
        self.content = content;
        self
    }

    /// Not as a dry run.
    pub fn for_good(mut self) -> Self {
        self.for_good = true;
        self
    }

    /// Sends it; what the API server refuses is an error with its message.
    pub async fn send(&self, world: &World) -> Result<Value> {
        let mut query: Vec<&str> = Vec::new();
        if !self.for_good {
            query.push("dryRun=All");
        }
        // To take fields from others is for an apply alone.
        let force = if self.content == APPLY { "&force=true" } else { "" };
        let manager = self.manager.as_ref().map(|manager| format!("fieldManager={manager}{force}"));
        query.extend(manager.as_deref());
        let mut request = http::Request::builder()
            .method(self.method)
            .uri(format!("{}?{}", self.path, query.join("&")))
            .header("Content-Type", self.content);
        if let Some((user, groups)) = self.as_somebody {
            request = request.header("Impersonate-User", user);
            for group in groups.split(',') {
                request = request.header("Impersonate-Group", group);
            }
        }
        let mut body = self.body.clone();
        if self.method == "PUT" {
            // Of what is replaced the version is named, as kubectl does.
            let now = Box::pin(world.look(self.path.clone())).await?;
            body["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"].clone();
        }
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(&body)? };
        let text = match world.client(self.who).request_text(request.body(body)?).await {
            Ok(text) => text,
            Err(kube::Error::Api(status)) => bail!("{} {:?}", status.message, status.details),
            Err(error) => return Err(error).context("no answer"),
        };
        Ok(serde_json::from_str(&text)?)
    }
}
