//! What is installed: the content of policies and bindings, and which objects they are.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, ObjectMeta},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use stackgate_core::words::Digest;

use super::SUFFIX;

/// The policies and bindings that are there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Installed {
    /// What each says, by kind and name: equal to what the chart computes of its templates, if nobody has changed anything.
    pub contents: BTreeMap<String, Digest>,
    /// Which objects they are, and in which generation: whoever takes one away and puts it back leaves another.
    pub fingerprint: Digest,
}

impl Installed {
    /// The fingerprint, with how often they were found not to deny what they should: that changes no object, and counts as a change.
    #[must_use]
    pub(super) fn doubted(&self, times: u64) -> Digest {
        Digest::of(format!("{}\n{times}", self.fingerprint))
    }
}

/// Whether the chart has installed the policy that signs for people, which is compared then, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Signing {
    /// It has not: mutating policies are not looked at.
    #[default]
    LeftOut,
    /// It has.
    Installed,
}

/// `admissionregistration.k8s.io/v1` of Kubernetes 1.36, which is newer than the types.
pub(super) fn mutating_policies() -> [ApiResource; 2] {
    ["MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"]
        .map(|kind| ApiResource::from_gvk(&GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind)))
}

/// Reads them anew from the API server.
///
/// # Errors
/// When they cannot be listed.
pub async fn installed(client: &Client, signing: Signing) -> Result<Installed, kube::Error> {
    let mut all = listed::<ValidatingAdmissionPolicy>(client).await?;
    all.extend(listed::<ValidatingAdmissionPolicyBinding>(client).await?);
    match signing {
        Signing::LeftOut => {}
        Signing::Installed => {
            for kind in mutating_policies() {
                all.extend(listed_as(client, &kind).await?);
            }
        }
    }
    Ok(summed(all))
}

/// One object, as far as it counts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Counted {
    name: String,
    spec: String,
    version: String,
}

fn summed(mut all: Vec<Counted>) -> Installed {
    all.sort();
    let versions: Vec<String> = all.iter().map(|c| format!("{} {}", c.name, c.version)).collect();
    Installed {
        fingerprint: Digest::of(versions.join("\n")),
        contents: all.into_iter().map(|c| (c.name, Digest::of(c.spec))).collect(),
    }
}

async fn listed<K>(client: &Client) -> Result<Vec<Counted>, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let list = Api::<K>::all(client.clone()).list(&ListParams::default()).await?;
    let kind = K::kind(&());
    let ours = list.items.into_iter().filter(|o| o.name_any().ends_with(SUFFIX));
    Ok(ours
        .map(|o| {
            let spec = serde_json::to_value(&o).unwrap_or_default()["spec"].take();
            counted(&kind, o.meta(), spec)
        })
        .collect())
}

async fn listed_as(client: &Client, kind: &ApiResource) -> Result<Vec<Counted>, kube::Error> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), kind);
    let list = match api.list(&ListParams::default()).await {
        Ok(list) => list.items,
        // An API server that does not know the kind has none of it.
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        Err(error) => return Err(error),
    };
    let ours = list.into_iter().filter(|o| o.name_any().ends_with(SUFFIX));
    Ok(ours.map(|mut o| counted(&kind.kind, &o.metadata, o.data["spec"].take())).collect())
}

fn counted(kind: &str, meta: &ObjectMeta, spec: Value) -> Counted {
    let (uid, generation) = (meta.uid.as_deref().unwrap_or_default(), meta.generation.unwrap_or_default());
    Counted {
        name: format!("{kind}/{}", meta.name.as_deref().unwrap_or_default()),
        version: format!("{uid} {generation}"),
        spec: as_helm_writes(&without_defaults(spec)),
    }
}

/// A spec without what the API server fills in. Anything else in these fields stays, and makes the content another one.
fn without_defaults(mut spec: Value) -> Value {
    for matching in ["matchConstraints", "matchResources"] {
        let Some(m) = spec.get_mut(matching).and_then(Value::as_object_mut) else { continue };
        for (field, default) in [
            ("matchPolicy", json!("Equivalent")),
            ("namespaceSelector", json!({})),
            ("objectSelector", json!({})),
        ] {
            if m.get(field) == Some(&default) {
                m.remove(field);
            }
        }
        for rule in m.get_mut("resourceRules").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(rule) = rule.as_object_mut().filter(|r| r.get("scope") == Some(&json!("*"))) {
                rule.remove("scope");
            }
        }
    }
    spec
}

/// JSON as `toJson` of Helm writes it: keys in order, and what means something to HTML escaped (Go's encoding/json).
fn as_helm_writes(value: &Value) -> String {
    let text = value.to_string();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_server_fills_in_makes_no_difference_and_all_else_does() {
        let written = json!({ "matchConstraints": { "resourceRules": [{ "resources": ["stages"] }] } });
        let stored = json!({ "matchConstraints": {
            "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
            "resourceRules": [{ "resources": ["stages"], "scope": "*" }]
        } });
        assert_eq!(without_defaults(stored.clone()), written);
        for (pointer, other) in [
            ("/matchConstraints/matchPolicy", json!("Exact")),
            ("/matchConstraints/namespaceSelector", json!({ "matchLabels": { "a": "b" } })),
            ("/matchConstraints/objectSelector", json!({ "matchLabels": { "a": "b" } })),
            ("/matchConstraints/resourceRules/0/scope", json!("Cluster")),
        ] {
            let mut weaker = stored.clone();
            *weaker.pointer_mut(pointer).unwrap() = other;
            assert_ne!(without_defaults(weaker), written, "{pointer}");
        }
    }

    #[test]
    fn json_is_that_of_helm() {
        assert_eq!(
            as_helm_writes(&json!({ "b": "<&>", "a": [1, "x"] })),
            r#"{"a":[1,"x"],"b":"\u003c\u0026\u003e"}"#
        );
    }

    #[test]
    fn put_back_is_not_the_same() {
        let one = |spec: &str, version: &str| {
            summed(vec![Counted {
                name: "P/x".to_owned(),
                spec: spec.to_owned(),
                version: version.to_owned(),
            }])
        };
        assert_eq!(one("{}", "u 1").contents, one("{}", "v 1").contents);
        assert_ne!(one("{}", "u 1").fingerprint, one("{}", "v 1").fingerprint);
        assert_ne!(one("{}", "u 1").fingerprint, one("{}", "u 2").fingerprint);
        assert_ne!(one("{}", "u 1").contents, one("{ }", "u 1").contents);
    }
}
