//! How the API server writes: merge patches that name a version, statuses apart from the rest, generations, finalizers, owners.

use std::sync::Arc;

use serde_json::{Value, json};
use stackgate::queue::Kind;
use stackgate_core::api::ChangePlan;
use stackgate_sim::world::{Happened, Object, ObjectKey};

use crate::{
    api_server::{Reply, failure, missing},
    ground::Ground,
    objects::{from_json, key_of, namespace, to_json},
};

/// What a request names.
pub struct Asked<'a> {
    /// The kind.
    pub kind: Kind,
    /// The namespace.
    pub within: Option<&'a str>,
    /// The name.
    pub name: &'a str,
    /// Whether the status alone is written.
    pub status: bool,
}

fn invalid(message: &str) -> Reply {
    failure(422, "Invalid", message)
}

/// RFC 7386.
fn merge(to: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return *to = patch.clone() };
    if !to.is_object() {
        *to = json!({});
    }
    let fields = to.as_object_mut().unwrap();
    for (field, value) in patch {
        if value.is_null() {
            fields.remove(field);
        } else {
            merge(fields.entry(field.clone()).or_insert(Value::Null), value);
        }
    }
}

/// A PATCH, by what its content type says it is.
pub enum Change<'a> {
    /// RFC 7386.
    Merge(&'a Value),
    /// RFC 6902.
    Operations(json_patch::Patch),
}

impl<'a> Change<'a> {
    /// What the body asks for.
    pub fn read(content_type: &str, body: &'a Value) -> Result<Self, Reply> {
        match content_type {
            "application/merge-patch+json" => Ok(Self::Merge(body)),
            "application/json-patch+json" => serde_json::from_value(body.clone())
                .map(Self::Operations)
                .map_err(|e| failure(400, "BadRequest", &e.to_string())),
            other => Err(failure(415, "UnsupportedMediaType", other)),
        }
    }

    /// The object with the change; the version in it is the one that the change names, if it names any.
    fn applied(&self, before: &Value) -> Result<Value, Reply> {
        let mut after = before.clone();
        let version = after["metadata"].as_object_mut().and_then(|m| m.get_mut("resourceVersion"));
        version.into_iter().for_each(|v| *v = json!(""));
        match self {
            Self::Merge(body) => merge(&mut after, body),
            Self::Operations(patch) => {
                json_patch::patch(&mut after, patch).map_err(|e| invalid(&e.to_string()))?;
            }
        }
        Ok(after)
    }
}

/// PATCH. One that names no version would win over whatever has happened: no write of the controller may do that.
pub fn patch(ground: &mut Ground, asked: &Asked<'_>, change: &Change<'_>) -> Result<Reply, Reply> {
    let key = key_of(asked.kind, asked.name);
    let old = ground.world.cluster.objects.0.get(&key).cloned();
    let old = old.filter(|o| namespace(o) == asked.within).ok_or_else(|| missing(asked.name))?;
    let before = to_json(&old);
    let mut after = change.applied(&before)?;
    let named = after["metadata"]["resourceVersion"].take();
    if named == "" {
        return Err(invalid("the patch names no version"));
    }
    if named != old.version() {
        return Err(failure(
            409,
            "Conflict",
            &format!("{} has been modified; please apply your changes to the latest version", asked.name),
        ));
    }
    after["metadata"]["resourceVersion"] = named;
    let written: &[&str] = if asked.status { &["metadata", "status"] } else { &["metadata", "spec"] };
    let fields = before.as_object().into_iter().chain(after.as_object()).flatten().map(|(field, _)| field);
    if let Some(field) =
        fields.into_iter().find(|f| before[*f] != after[*f] && !written.contains(&f.as_str()))
    {
        return Err(invalid(&format!("{field} is not written in this way")));
    }
    let (object, read) = from_json(asked.kind, &after).map_err(|e| invalid(&e))?;
    if read == before {
        return Ok((200, before));
    }
    let object = if asked.status { object } else { counted(object, before["spec"] != after["spec"]) };
    if let (Object::Plan(old), Object::Plan(new)) = (&old, &object) {
        grows(old, new).map_err(|rule| invalid(&rule))?;
    }
    store(ground, &old, object, asked.status);
    let stored = ground.world.cluster.objects.0.get(&key).map_or(after, to_json);
    Ok((200, stored))
}

fn store(ground: &mut Ground, old: &Object, object: Object, status: bool) {
    let key = object.key();
    ground.world.writes += 1;
    ground.world.moment += 1;
    let over = match &object {
        Object::Stage(stage) => {
            stage.metadata.deletion_timestamp.is_some()
                && stage.metadata.finalizers.as_ref().is_none_or(Vec::is_empty)
        }
        _ => false,
    };
    if over {
        return collect(ground, &key, object.uid());
    }
    let stage = matches!(&object, Object::Stage(_)).then(|| key.clone());
    ground.world.cluster.put(object);
    if let (Object::Plan(old), Some(new)) = (old, ground.world.cluster.plan(name(&key)))
        && new.spec.ledger.len() > old.spec.ledger.len()
    {
        ground.world.recorded(&new, old.spec.ledger.len());
    }
    if let Some(key @ ObjectKey::Stage(_)) = stage.filter(|_| status) {
        let behind = ground.world.cluster.views[0].late.keys().any(|late| *late != key);
        ground.world.happened.push(Happened::StageStatus(name(&key).to_owned(), behind));
    }
}

fn name(key: &ObjectKey) -> &str {
    match key {
        ObjectKey::Account(n)
        | ObjectKey::Bootstrap(n)
        | ObjectKey::Assembly(n)
        | ObjectKey::Stage(n)
        | ObjectKey::Plan(n)
        | ObjectKey::Freeze(n) => n,
    }
}

/// An object goes, and with it what it owns.
fn collect(ground: &mut Ground, key: &ObjectKey, uid: &str) {
    ground.world.cluster.delete(key);
    let plans = ground.world.cluster.plans().filter(|p| p.spec.proposal.uid.as_str() == uid);
    let plans: Vec<String> = plans.filter_map(|p| p.metadata.name.clone()).collect();
    plans.into_iter().for_each(|name| ground.world.cluster.delete(&ObjectKey::Plan(name)));
    ground.others.retain(|_, o| o["metadata"]["ownerReferences"][0]["uid"] != uid);
}

/// The rules of the schema: a proposal stays, a ledger grows.
fn grows(old: &Arc<ChangePlan>, new: &Arc<ChangePlan>) -> Result<(), String> {
    let (before, after) = (&old.spec.ledger, &new.spec.ledger);
    if new.spec.proposal != old.spec.proposal {
        return Err("a proposal never changes".to_owned());
    }
    if after.get(..before.len()) != Some(before.as_slice()) {
        return Err("a ledger only grows".to_owned());
    }
    let misplaced = after.iter().zip(0_u32..).find(|(entry, place)| entry.seq != *place);
    misplaced.map_or(Ok(()), |(entry, place)| Err(format!("seq {} at place {place}", entry.seq)))
}

/// The generation counts what is outside metadata and status.
fn counted(object: Object, differs: bool) -> Object {
    fn add<K: kube::Resource + Clone>(object: &mut Arc<K>) {
        let meta = Arc::make_mut(object).meta_mut();
        meta.generation = meta.generation.map(|g| g + 1);
    }
    let mut object = object;
    if differs {
        stackgate_sim::each_kind!(&mut object, o => add(o));
    }
    object
}

/// POST of a ChangePlan.
pub fn create(ground: &mut Ground, within: &str, body: &Value) -> Result<Reply, Reply> {
    let mut body = body.clone();
    let name = body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if body["metadata"]["namespace"] != within {
        return Err(failure(400, "BadRequest", "the namespace of the object is not that of the request"));
    }
    let key = ObjectKey::Plan(name.clone());
    if ground.world.cluster.objects.0.contains_key(&key) {
        return Err(failure(409, "AlreadyExists", &format!("{name} already exists")));
    }
    let version = ground.world.cluster.version + 1;
    merge(
        &mut body["metadata"],
        &json!({"uid": format!("plan-{version}"), "generation": 1,
            "creationTimestamp": ground.world.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()}),
    );
    let (object, _) = from_json(Kind::ChangePlan, &body).map_err(|e| invalid(&e))?;
    ground.world.cluster.put(object);
    ground.world.writes += 1;
    let plan = ground.world.cluster.plan(&name).ok_or_else(|| missing(&name))?;
    ground.world.recorded(&plan, 0);
    Ok((201, serde_json::to_value(&*plan).unwrap()))
}

/// POST of a ConfigMap or Secret.
pub fn create_other(ground: &mut Ground, path: &str, body: &Value) -> Result<Reply, Reply> {
    let path = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap_or_default());
    if ground.others.contains_key(&path) {
        return Err(failure(409, "AlreadyExists", &format!("{path} already exists")));
    }
    Ok((201, store_other(ground, path, body)))
}

/// PUT of a ConfigMap or Secret that is there.
pub fn replace_other(ground: &mut Ground, path: &str, body: &Value) -> Result<Reply, Reply> {
    let there = ground.others.get(path).ok_or_else(|| missing(path))?;
    let named = &body["metadata"]["resourceVersion"];
    if named.is_null() {
        return Err(invalid("the write names no version"));
    }
    if *named != there["metadata"]["resourceVersion"] {
        return Err(failure(409, "Conflict", "the object has been modified"));
    }
    Ok((200, store_other(ground, path.to_owned(), body)))
}

fn store_other(ground: &mut Ground, path: String, body: &Value) -> Value {
    ground.world.cluster.version += 1;
    ground.world.writes += 1;
    let mut object = body.clone();
    object["metadata"]["resourceVersion"] = json!(ground.world.cluster.version.to_string());
    ground.others.insert(path, object.clone());
    object
}
