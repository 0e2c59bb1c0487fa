//! What a person writes: one annotation, or one field. Always on top of exactly the object that was shown.

use std::collections::BTreeMap;

use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use stackgate_core::api::{ChangePlan, Pin, Stage};

use super::{CallError, Session, read::answered};

/// Whose fields these are. Not a name that begins with `kubectl`: Flux takes the fields of such managers over, and wipes them.
pub const FIELD_MANAGER: &str = "stackgate";

impl Session {
    /// Sets an annotation of a plan and takes others away, if it is still the one that was read.
    ///
    /// # Errors
    /// When it is not, or when that is not allowed.
    pub async fn annotate_plan(
        &self,
        base: &ChangePlan,
        key: &str,
        value: &str,
        gone: &[&str],
    ) -> Result<ChangePlan, CallError> {
        let api: Api<ChangePlan> =
            Api::namespaced(self.client.clone(), &base.namespace().unwrap_or_default());
        let gone = gone.iter().map(|key| (*key, None));
        let annotations: BTreeMap<&str, Option<&str>> = gone.chain([(key, Some(value))]).collect();
        let body = json!({ "metadata": { "annotations": annotations } });
        answered(api.patch(&base.name_any(), &params(), &on_top_of(base, body))).await
    }

    /// Sets an annotation of a Stage, if it is still the one that was read.
    ///
    /// # Errors
    /// When it is not, or when that is not allowed.
    pub async fn annotate_stage(&self, base: &Stage, key: &str, value: &str) -> Result<Stage, CallError> {
        let body = json!({ "metadata": { "annotations": { key: value } } });
        self.patch_stage(base, body).await
    }

    /// Sets or removes `spec.pin`, if the Stage is still the one that was read.
    ///
    /// # Errors
    /// When it is not, or when that is not allowed.
    pub async fn pin(&self, base: &Stage, pin: Option<&Pin>) -> Result<Stage, CallError> {
        // As a whole: a reason of before must not stay beside another digest.
        let pin = pin.map_or(Value::Null, |p| json!({ "digest": p.digest, "reason": p.reason }));
        self.patch_stage(base, json!({ "spec": { "pin": pin } })).await
    }

    async fn patch_stage(&self, base: &Stage, body: Value) -> Result<Stage, CallError> {
        let api: Api<Stage> = Api::namespaced(self.client.clone(), &base.namespace().unwrap_or_default());
        answered(api.patch(&base.name_any(), &params(), &on_top_of(base, body))).await
    }
}

fn params() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

fn on_top_of(base: &impl ResourceExt, mut body: Value) -> Patch<Value> {
    // The UID, too: an object of the same name that was made anew is another one.
    body["metadata"]["resourceVersion"] = json!(base.resource_version());
    body["metadata"]["uid"] = json!(base.uid());
    Patch::Merge(body)
}

/// The field managers that own a part of `spec`.
#[must_use]
pub fn managers_of_spec(stage: &Stage) -> Vec<String> {
    let owners = stage
        .managed_fields()
        .iter()
        .filter(|entry| entry.fields_v1.as_ref().is_some_and(|fields| fields.0.get("f:spec").is_some()));
    let mut names: Vec<String> = owners.filter_map(|entry| entry.manager.clone()).collect();
    names.sort();
    names.dedup();
    names
}
