//! Objects in every phase, with the status that `crates/core` gives them.

mod cluster_wide;
mod plan;
mod stage;

use serde_json::{Value, json};

use super::world::object;

/// One object, as it will stand in a file.
pub type Recorded = Value;

/// All objects, by kind.
pub fn all() -> Vec<(&'static str, Vec<Recorded>)> {
    vec![
        ("AwsAccount", cluster_wide::accounts()),
        ("Bootstrap", cluster_wide::bootstraps()),
        ("ChangePlan", plan::plans()),
        ("CloudAssembly", cluster_wide::assemblies()),
        ("Freeze", cluster_wide::freezes()),
        ("Stage", stage::stages()),
    ]
}

/// The object with a status, under the name of its phase.
fn recorded(mut object: Value, phase: &str, status: impl serde::Serialize) -> Recorded {
    object["metadata"]["name"] = json!(phase);
    object["status"] = serde_json::to_value(status).unwrap();
    object
}

/// The object as somebody has just made it.
fn new(kind: &str, spec: &Value) -> Recorded {
    let mut object = object(kind, "new", spec);
    object["metadata"]["generation"] = json!(1);
    object
}

/// The same after somebody has changed the spec.
fn behind(of: &Recorded) -> Recorded {
    let mut object = of.clone();
    object["metadata"]["name"] = json!(format!("behind-{}", of["metadata"]["name"].as_str().unwrap()));
    object["metadata"]["generation"] = json!(3);
    object
}

/// The same while it is being deleted, and a finalizer of somebody holds it.
fn deleted(of: &Recorded) -> Recorded {
    let mut object = of.clone();
    object["metadata"]["name"] = json!(format!("deleted-{}", of["metadata"]["name"].as_str().unwrap()));
    object["metadata"]["deletionTimestamp"] = json!(super::world::NOW);
    object["metadata"]["finalizers"] = json!(["foregroundDeletion"]);
    object
}
