//! An API server in this process: what the controller calls, over the objects of the simulated world, and nothing else.

use std::{collections::BTreeMap, sync::Arc};

use axum::http::{Method, Request, Response, request::Parts};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use stackgate::{kube::client::Clients, queue::Kind};
use stackgate_sim::world::{Object, ObjectKey};

use crate::{
    ground::Ground,
    mutants::Defect,
    objects::{PLURALS, key_of, namespace, to_json},
    site::{Call, Fault, Site},
    store::{Asked, Change, create, create_other, patch, replace_other},
    values::must_not_tell,
};

/// A code and a body.
pub type Reply = (u16, Value);

/// What the path of a request names.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    /// Objects of ours: the kind, the namespace, the name, and whether the status alone is meant.
    Ours(Kind, Option<String>, Option<String>, bool),
    /// A ConfigMap or Secret, or all of them.
    Other(String, Option<String>),
    /// Events.
    Events,
    /// Admission policies, of which there are none: only what names them is looked at.
    Policies(&'static str),
    /// Nothing that the controller has any business with.
    Elsewhere,
}

/// Connections to it.
pub fn clients(site: &Arc<Site>) -> Clients {
    let client = |site: Arc<Site>| {
        Client::new(tower::service_fn(move |request| serve(Arc::clone(&site), request)), "default")
    };
    Clients { calls: client(Arc::clone(site)), watches: client(Arc::clone(site)) }
}

async fn serve(site: Arc<Site>, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
    let (head, body) = request.into_parts();
    let bytes = body.collect_bytes().await?;
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    let place = place(head.uri.path());
    must_not_tell(&mut site.ground(), &format!("{} {} {body}", head.method, head.uri));
    // Events may get lost: no run depends on them, and nothing befalls them.
    if place == Place::Events {
        site.ground().told.push(body["reason"].as_str().unwrap_or_default().to_owned());
        return Ok(respond((201, body)));
    }
    let call = Call {
        what: format!("{} {}", head.method, head.uri.path()),
        changes: head.method != Method::GET,
        kubernetes: true,
    };
    match site.call(call, |ground| answer(ground, &head, &place, &body)).await {
        Ok(reply) => Ok(respond(reply)),
        Err(Fault::Refused(code, reason)) => Ok(respond(failure(code, reason, "by the weather"))),
        Err(Fault::Failed(code, _)) => Ok(respond(failure(code, "InternalError", "by the weather"))),
        Err(Fault::Reset(_)) => Err(kube::Error::Service("connection reset by the weather".into())),
    }
}

fn respond((code, body): Reply) -> Response<Body> {
    let mut response = Response::builder().status(code).header("content-type", "application/json");
    if code == 429 {
        response = response.header("retry-after", "1");
    }
    response.body(Body::from(body.to_string().into_bytes())).unwrap()
}

/// A Status that says no.
pub fn failure(code: u16, reason: &str, message: &str) -> Reply {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code});
    (code, status)
}

fn place(path: &str) -> Place {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let owned = |part: Option<&&str>| part.map(|p| (*p).to_owned());
    match parts.as_slice() {
        ["apis", "stackgate.dev", "v1alpha1", rest @ ..] => {
            let (within, rest) = match rest {
                ["namespaces", within, rest @ ..] => (Some((*within).to_owned()), rest),
                rest => (None, rest),
            };
            let (status, rest) = match rest {
                [plural, name, "status"] => (true, vec![*plural, *name]),
                rest => (false, rest.to_vec()),
            };
            let known = PLURALS.iter().find(|(plural, ..)| rest.first() == Some(plural));
            match known {
                // A list may be of all namespaces.
                Some((_, kind, in_namespace))
                    if rest.len() < 3 && (*in_namespace == within.is_some() || rest.len() == 1) =>
                {
                    Place::Ours(*kind, within, owned(rest.get(1)), status)
                }
                _ => Place::Elsewhere,
            }
        }
        ["api", "v1", "namespaces", _, "configmaps" | "secrets", name @ ..] if name.len() < 2 => {
            Place::Other(path.to_owned(), owned(name.first()))
        }
        ["apis", "events.k8s.io", "v1", "namespaces", _, "events", ..] => Place::Events,
        ["apis", "admissionregistration.k8s.io", "v1", "validatingadmissionpolicies"] => {
            Place::Policies("ValidatingAdmissionPolicy")
        }
        ["apis", "admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings"] => {
            Place::Policies("ValidatingAdmissionPolicyBinding")
        }
        _ => Place::Elsewhere,
    }
}

fn answer(ground: &mut Ground, head: &Parts, place: &Place, body: &Value) -> Reply {
    let reply = match (&head.method, place) {
        (&Method::GET, Place::Ours(kind, within, Some(name), false)) => {
            get(ground, *kind, within.as_ref(), name)
        }
        (&Method::GET, Place::Ours(kind, None, None, false)) => Ok((200, listed(ground, *kind))),
        (&Method::POST, Place::Ours(Kind::ChangePlan, Some(within), None, false)) => {
            create(ground, within, body)
        }
        (&Method::PATCH, Place::Ours(kind, within, Some(name), status)) => {
            let content_type = head.headers.get("content-type").and_then(|t| t.to_str().ok());
            let asked = Asked { kind: *kind, within: within.as_deref(), name, status: *status };
            Change::read(content_type.unwrap_or_default(), body)
                .and_then(|change| patch(ground, &asked, &change))
        }
        (&Method::GET, Place::Other(path, Some(name))) => {
            let found = ground.others.get(path).cloned();
            found.map_or_else(|| Err(missing(name)), |object| Ok((200, object)))
        }
        (&Method::POST, Place::Other(path, None)) => create_other(ground, path, body),
        (&Method::PUT, Place::Other(path, Some(_))) => replace_other(ground, path, body),
        (&Method::GET, Place::Policies(kind)) => {
            let list = json!({"kind": format!("{kind}List"), "apiVersion": "admissionregistration.k8s.io/v1",
                "metadata": {"resourceVersion": ground.world.cluster.version.to_string()}, "items": []});
            Ok((200, list))
        }
        _ => Err(failure(405, "MethodNotAllowed", "the controller has no business with that")),
    };
    let reply = reply.unwrap_or_else(|refusal| refusal);
    if matches!(reply.0, 400 | 405 | 415 | 422) && !(reply.0 == 422 && ground.versions_deceive()) {
        ground.wrong.push(format!("{} {}: {}", head.method, head.uri, reply.1["message"]));
    }
    let wants_metadata =
        head.headers.get("accept").is_some_and(|a| a.to_str().unwrap().contains("PartialObjectMetadata"));
    if wants_metadata && reply.0 == 200 { (200, metadata_alone(ground, &reply.1)) } else { reply }
}

fn metadata_alone(ground: &Ground, object: &Value) -> Value {
    let mut object = object.clone();
    if ground.defect == Some(Defect::RecordsAreNotCounted) {
        object["metadata"]["generation"] = json!(i64::MAX);
    }
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

/// Nothing is there under that name.
pub fn missing(name: &str) -> Reply {
    failure(404, "NotFound", &format!("{name} not found"))
}

/// What a look shows: the objects as they are.
fn looked_at(ground: &Ground, kind: Kind) -> &BTreeMap<ObjectKey, Object> {
    match ground.defect {
        // The plan does not come from there: its version would tell.
        Some(Defect::LooksAtCaches) if kind != Kind::ChangePlan => &ground.world.cluster.views[0].seen.0,
        Some(_) | None => &ground.world.cluster.objects.0,
    }
}

fn get(ground: &mut Ground, kind: Kind, within: Option<&String>, name: &str) -> Result<Reply, Reply> {
    if kind == Kind::ChangePlan {
        ground.looked_at_plan();
    }
    let object = looked_at(ground, kind).get(&key_of(kind, name));
    let object =
        object.filter(|o| namespace(o) == within.map(String::as_str)).ok_or_else(|| missing(name))?;
    Ok((200, to_json(object)))
}

/// All objects of a kind.
pub fn listed(ground: &Ground, kind: Kind) -> Value {
    let objects = looked_at(ground, kind).iter();
    let items: Vec<Value> =
        objects.filter(|(key, _)| crate::objects::kind_of(key) == kind).map(|(_, o)| to_json(o)).collect();
    json!({"kind": format!("{}List", kind.as_str()), "apiVersion": "stackgate.dev/v1alpha1",
        "metadata": {"resourceVersion": ground.world.cluster.version.to_string()}, "items": items})
}

/// The kind that is watched at this path.
pub fn watched_kind(path: &str) -> Kind {
    match place(path) {
        Place::Ours(kind, None, None, false) => kind,
        other => unreachable!("nobody watches {other:?}"),
    }
}
