//! Statuses: written only when they differ from what the object shows.

use std::fmt::Debug;

use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::object::HasStatus,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use stackgate_core::effect::{Outcome, Receipt, RefusalKind};

use super::{
    Writes,
    merge::merge_patch,
    outcome::{answered, refused, when_writing},
};

impl Writes {
    /// Gives a Stage, CloudAssembly or ChangePlan this status, if `object` shows another one and is still the newest version.
    pub async fn status<K>(&self, object: &K, status: &K::Status) -> Outcome
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + HasStatus<Status: Serialize>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api = self.namespaced::<K>(&object.namespace().unwrap_or_default());
        patch_status(&api, object, status).await
    }

    /// Gives an AwsAccount or Bootstrap this status, if `object` shows another one and is still the newest version.
    pub async fn cluster_status<K>(&self, object: &K, status: &K::Status) -> Outcome
    where
        K: Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
            + HasStatus<Status: Serialize>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        patch_status(&Api::all(self.client.clone()), object, status).await
    }
}

async fn patch_status<K>(api: &Api<K>, object: &K, status: &K::Status) -> Outcome
where
    K: Resource + HasStatus<Status: Serialize> + Clone + Debug + DeserializeOwned,
{
    let (before, after) = match (serde_json::to_value(object.status()), serde_json::to_value(status)) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(e), _) | (_, Err(e)) => {
            return refused(RefusalKind::Invalid, format!("the status cannot be written as JSON: {e}"));
        }
    };
    // A status that was never written and an empty one read alike.
    let before = if before.is_null() { Value::Object(Default::default()) } else { before };
    let Some(patch) = merge_patch(&before, &after) else { return Outcome::Accepted(Receipt::Done) };
    let body = json!({
        "metadata": { "resourceVersion": object.meta().resource_version },
        "status": patch,
    });
    match answered(api.patch_status(&object.name_any(), &PatchParams::default(), &Patch::Merge(body))).await {
        Ok(_) => Outcome::Accepted(Receipt::Done),
        Err(error) => when_writing(error),
    }
}
