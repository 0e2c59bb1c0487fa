//! What stacks put out, for others in the cluster.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::scenario::{Case, Expected, Kind, LONG, SHOP, World};

use super::{bind, world};

const fn stalled(says: &'static str) -> Expected {
    Expected { kind: Kind::Stage, condition: "Stalled", reason: "OutputsNotWritten", says }
}

fn config_map(world: &World, name: &str) -> Result<Option<Value>> {
    let found = world.kubectl().output(&["-n", SHOP, "get", "configmap", name, "-o", "json"], "")?;
    Ok(found.ok.then(|| serde_json::from_str(&found.stdout)).transpose()?)
}

#[test]
fn outputs_are_written_where_that_is_allowed_and_into_no_other_config_map() -> Result<()> {
    let world = world()?;
    let kubectl = world.kubectl();
    let mut case = Case::new(world, "telling")?;
    // Other tests of this namespace may have let the controller read ConfigMaps, but none lets it make one.
    case.stage["spec"]["outputsTo"] =
        json!({ "configMap": "telling", "outputs": ["ReaderName", "Other:ReaderName"] });
    kubectl.run(&["-n", SHOP, "create", "configmap", "telling-taken", "--from-literal=mine=1"])?;
    case.start(world)?;
    let first = case.digest(world, None)?;
    world.decide(&case.waiting(world, Some(&first))?.approve_on_plan())?;
    case.shows(world, &stalled("bind ClusterRole stackgate-outputs"))?;

    bind(world, "stackgate-outputs")?;
    case.deployed(world, &first)?;
    let into = |name: &str| {
        let patch = json!({ "spec": { "outputsTo": { "configMap": name } } }).to_string();
        kubectl.run(&["-n", SHOP, "patch", "cdkstage", &case.name, "--type=merge", "-p", &patch]).map(drop)
    };
    into("telling-taken")?;
    case.shows(world, &stalled("was not made for this Stage"))?;
    let taken = config_map(world, "telling-taken")?.context("it is gone")?;
    ensure!(taken["data"] == json!({ "mine": "1" }), "{taken}");

    into("telling")?;
    case.deployed(world, &first)?;
    let written = world.until_some("it is written", LONG, || config_map(world, "telling"))?;
    let keys: Vec<&String> = written["data"].as_object().context("no data")?.keys().collect();
    ensure!(keys == ["Dev-Store.ReaderName"], "{written}");
    let uid =
        world.object(Kind::Stage, SHOP, &case.name)?.context("no Stage")?.text("/metadata/uid").to_owned();
    ensure!(written["metadata"]["ownerReferences"][0]["uid"] == json!(uid), "{written}");

    // Another release, the same outputs: nothing is written.
    let version = written["metadata"]["resourceVersion"].clone();
    case.upload(world, &case.release(2)?)?;
    let second = case.digest(world, Some(&first))?;
    world.decide(&case.waiting(world, Some(&second))?.approve_on_plan())?;
    case.deployed(world, &second)?;
    let after = config_map(world, "telling")?.context("it is gone")?;
    ensure!(after["metadata"]["resourceVersion"] == version, "{after}");
    Ok(())
}
