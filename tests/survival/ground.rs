//! What all fleets share: the world with its accounts, and the fleet that nobody disturbs.

use std::{
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use anyhow::Result;
use serde_json::{Value, json};
use stackgate_testbed::{
    Controller, Started,
    scenario::{BUCKET, BUILD, BUILD_ACCOUNT, Kind, QUALIFIER, REGION, WAY_IN, World, WorldOptions},
};

use crate::{
    fleet::{ACCOUNTS, Fleet, NAMESPACES, account_object},
    left::{Left, left},
    once::{Calls, nothing_twice},
    rest::come_to_rest,
};

/// An end that no machine needs, however busy it is.
pub const LATEST: Duration = Duration::from_secs(300);

pub struct Ground {
    pub world: World,
    /// What the calm fleet left after each release.
    pub calm: [Left; 2],
    /// The calls that its first release took.
    pub calls: Calls,
}

/// The ground, for one test at a time, with one controller that runs.
pub fn ground() -> Result<MutexGuard<'static, Ground>> {
    static GROUND: Started<Mutex<Ground>> = Started::new();
    // What a test that failed left behind must not fail the next one.
    let mut ground = GROUND.in_turn(start)?;
    let world = &mut ground.world;
    world.proxy.remove_rules();
    world.proxy.clear();
    if !world.controller.as_mut().is_some_and(Controller::is_running) {
        world.start_controller()?;
    }
    Ok(ground)
}

fn start() -> Result<Ground> {
    let mut world = World::start(WorldOptions {
        binary: Some(env!("CARGO_BIN_EXE_stackgate").into()),
        accounts: ACCOUNTS.map(str::to_owned).into(),
        ..WorldOptions::default()
    })?;
    world.start_controller()?;
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects() });
    world.kubectl().apply(&list.to_string())?;
    world.until((Kind::Bootstrap, "", QUALIFIER), "it is ready", LATEST, |object| {
        object.is("Ready", None).then_some(())
    })?;

    let fleet = Fleet { name: "calm" };
    world.proxy.clear();
    let (first, calls) = calm(&world, fleet, 1)?;
    let (second, _) = calm(&world, fleet, 2)?;
    Ok(Ground { world, calm: [first, second], calls })
}

/// What a release leaves that nobody disturbs, and the calls that all of it took so far.
fn calm(world: &World, fleet: Fleet, number: u8) -> Result<(Left, Calls)> {
    let release = fleet.release(world, number)?;
    fleet.arrive(world, &release, LATEST, drop)?;
    come_to_rest(world, Duration::from_secs(2))?;
    Ok((left(world, fleet, &release)?, nothing_twice(world, fleet)?))
}

fn objects() -> Vec<Value> {
    let object = |kind: &str, name: &str, spec: Value| json!({ "apiVersion": "stackgate.dev/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec });
    let mut objects: Vec<Value> = NAMESPACES
        .map(|name| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }))
        .into();
    let sources = NAMESPACES.map(|name| json!({ "name": name, "assemblyBuckets": [BUCKET] }));
    let build = json!({ "accountID": BUILD, "regions": [REGION], "allowedNamespaces": sources });
    objects.push(object("AwsAccount", BUILD_ACCOUNT, build));
    let grants =
        NAMESPACES.map(|name| json!({ "name": name, "qualifiers": [QUALIFIER], "stackNames": ["*"] }));
    for account in ACCOUNTS {
        let way_in = format!("arn:aws:iam::{account}:role/{WAY_IN}");
        let spec = json!({ "accountID": account, "regions": [REGION], "allowedNamespaces": grants,
            "bootstrapRoleChain": [{ "roleARN": way_in }],
            "minimumGate": { "requireApproval": "Never", "requireAck": [] } });
        objects.push(object("AwsAccount", &account_object(account), spec));
    }
    let policy = "arn:aws:iam::aws:policy/AdministratorAccess";
    let bootstrap = json!({ "qualifier": QUALIFIER, "toolkitStackName": "CDKToolkit-acme", "version": 33,
        "accounts": { "names": ACCOUNTS.map(account_object) }, "trustedAccounts": [BUILD],
        "cloudFormationExecutionPolicies": [policy] });
    objects.push(object("Bootstrap", QUALIFIER, bootstrap));
    objects
}
