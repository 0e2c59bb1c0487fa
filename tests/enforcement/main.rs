//! The running controller while somebody turns the admission policies off, weakens them, and puts them back.

mod ways;

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stackgate_testbed::{
    User, repository,
    scenario::{BUCKET, Case, Kind, SHOP, SOON, Waiting, World, WorldOptions, shared},
};

use self::ways::{SIGN, Way, kinds, manifest};

const POLICIES: [&str; 6] = [
    "decisions.stackgate.dev",
    "keep-stops.stackgate.dev",
    "plans.stackgate.dev",
    "room.stackgate.dev",
    "setgate.stackgate.dev",
    "status.stackgate.dev",
];

/// The controller tries nothing that it has not known for so long.
const SETTLING: SignedDuration = SignedDuration::from_secs(2);

#[test]
fn whatever_is_done_to_the_policies_shows_and_leaves_nothing_proven() -> Result<()> {
    let options = WorldOptions {
        binary: Some(env!("CARGO_BIN_EXE_stackgate").into()),
        policies: true,
        ..WorldOptions::default()
    };
    let mut world = World::start(options)?;
    world.start_controller()?;
    shared(&world, &[BUCKET])?;
    world.apply_files(&[&repository().join("examples/shop/k8s/people.yaml")])?;
    let mut case = Case::new(&world, "enforced")?;
    case.stage["spec"]["gate"] = Value::Null; // the default wants people who are proven
    case.start(&world)?;
    let first = case.digest(&world, None)?;
    let waiting = case.waiting(&world, Some(&first))?;

    each_change_shows(&world, &case, &waiting)?;
    what_is_signed_meanwhile_is_unproven(&world, &case, &waiting, &first)?;

    case.upload(&world, &case.release(2)?)?;
    let second = case.digest(&world, Some(&first))?;
    let waiting = case.waiting(&world, Some(&second))?;
    put_back_while_the_controller_is_away(&mut world, &case, &waiting, &second)
}

/// Every object of the chart, away and weakened in every way that it has. Before Kubernetes 1.36 an API server may crash when a policy is
/// changed while a request is checked (docs/who-may.md): there it is every policy in two of six ways, and all six are tried.
fn each_change_shows(world: &World, case: &Case, waiting: &Waiting) -> Result<()> {
    shows(world, case, "True", "in force")?;
    if world.signs {
        all_are_tried(world)?;
        what_is_missing_shows_and_proves_nothing(world, case, waiting)?;
        what_is_weaker_shows(world, case)?;
        return what_is_added_shows(world, case);
    }
    for (number, policy) in POLICIES.into_iter().enumerate() {
        for way in Way::FEW.into_iter().cycle().skip(number).step_by(3).take(2) {
            is_shown(world, case, way, policy)?;
            is_over(world, case, || put_back(world)).with_context(|| format!("{policy} after {way:?}"))?;
        }
    }
    Ok(())
}

/// All that the chart installs where something signs for people.
fn installed() -> impl Iterator<Item = &'static str> {
    POLICIES.into_iter().chain([SIGN])
}

/// The chart installs nothing else.
fn all_are_tried(world: &World) -> Result<()> {
    let mut listed = BTreeSet::new();
    for file in world.policy_files() {
        let digests = std::fs::read_to_string(repository().join(file).with_extension("sha256"))?;
        listed.extend(digests.lines().filter_map(|line| Some(line.split_once(' ')?.1.to_owned())));
    }
    let tried: BTreeSet<String> =
        installed().flat_map(|policy| kinds(policy).map(|kind| format!("{kind}/{policy}"))).collect();
    ensure!(listed == tried, "the chart installs {listed:?}, and these are tried: {tried:?}");
    Ok(())
}

/// One object after the other is deleted, and somebody signs meanwhile: each in their own name, and nothing proves it, then and later.
fn what_is_missing_shows_and_proves_nothing(world: &World, case: &Case, waiting: &Waiting) -> Result<()> {
    let rounds = installed().flat_map(|policy| Way::GONE.map(|way| (policy, way)));
    // One person has eight approvals on a plan.
    let people = [User::Alice, User::Bob, User::Carol].into_iter().cycle();
    let mut slots = Vec::new();
    for ((policy, way), who) in rounds.zip(people) {
        let slot = format!("off-{}", slots.len());
        is_shown(world, case, way, policy)?;
        sign(world, who, waiting, &slot, who.name())
            .and_then(|()| identity(world, waiting, &slot, "Unverified"))
            .and_then(|()| is_over(world, case, || way.undo(world, policy)))
            .with_context(|| format!("{way:?} of {policy}"))?;
        slots.push(slot);
    }
    case.keeps_waiting(world, waiting)?;
    slots.iter().try_for_each(|slot| identity(world, waiting, slot, "Unverified"))
}

/// One way after the other; only after the last one the policies are waited for.
fn what_is_weaker_shows(world: &World, case: &Case) -> Result<()> {
    for policy in installed() {
        let ways: Vec<Way> = Way::WEAKER.into_iter().filter(|way| way.applies_to(policy)).collect();
        // Else what shows of one could still be of the one before.
        let differ = ways.windows(2).all(|pair| pair[0].told(policy) != pair[1].told(policy));
        ensure!(differ, "two in a row are told alike: {ways:?} of {policy}");
        let (last, others) = ways.split_last().context("no way")?;
        for way in others {
            is_shown(world, case, *way, policy)?;
            way.undo(world, policy)?;
        }
        is_shown(world, case, *last, policy)?;
        is_over(world, case, || last.undo(world, policy)).with_context(|| format!("{policy} was weaker"))?;
    }
    Ok(())
}

/// Whatever has such a name counts, and the chart does not install it.
fn what_is_added_shows(world: &World, case: &Case) -> Result<()> {
    const ADDED: &str = "x.stackgate.dev";
    let kubectl = world.kubectl();
    for like in ["room.stackgate.dev", SIGN] {
        for kind in kinds(like) {
            let name = |name: &str| format!("\n  name: {name}\n");
            let added = manifest(world, kind, like)?.replacen(&name(like), &name(ADDED), 1);
            kubectl.apply(&added)?;
            shows(world, case, "False", &format!("installs: {kind}/{ADDED} is none of the chart's. What"))?;
            kubectl.run(&["delete", &kind.to_lowercase(), ADDED])?;
        }
    }
    shows(world, case, "True", "in force").context("what was added is deleted")
}

/// Does that to a policy, and waits until it shows, by name.
fn is_shown(world: &World, case: &Case, way: Way, policy: &str) -> Result<()> {
    way.take(&world.kubectl(), policy)
        .and_then(|()| shows(world, case, "False", &format!("installs: {}. What", way.told(policy))))
        .with_context(|| format!("{way:?} of {policy}"))
}

/// Puts back what was changed, and waits until that shows.
fn is_over(world: &World, case: &Case, put_back: impl FnOnce() -> Result<()>) -> Result<()> {
    let from = Timestamp::now();
    put_back()?;
    shows(world, case, "True", "in force")?;
    nothing_is_tried(world, from)
}

/// An approval without the policy that checks who signs is recorded as unproven, and stays that.
fn what_is_signed_meanwhile_is_unproven(
    world: &World,
    case: &Case,
    waiting: &Waiting,
    release: &str,
) -> Result<()> {
    Way::Unbound.take(&world.kubectl(), "decisions.stackgate.dev")?;
    Way::Unbound.take(&world.kubectl(), "plans.stackgate.dev")?;
    shows(world, case, "False", &Way::Unbound.told("decisions.stackgate.dev"))?;
    forge(world, waiting, "forged")?;
    identity(world, waiting, "forged", "Unverified")?;
    forge_in_the_ledger(world, waiting)?;
    case.keeps_waiting(world, waiting)?;
    put_back(world)?;
    shows(world, case, "True", "in force")?;
    case.keeps_waiting(world, waiting)?;
    sign(world, User::Alice, waiting, "honest", "alice")?;
    identity(world, waiting, "honest", "Verified")?;
    case.deployed(world, release)
}

/// Nobody saw that it was off: what lies there when the controller is back was not proven.
fn put_back_while_the_controller_is_away(
    world: &mut World,
    case: &Case,
    waiting: &Waiting,
    release: &str,
) -> Result<()> {
    world.controller()?.terminate(Duration::from_secs(5))?;
    Way::Unbound.take(&world.kubectl(), "decisions.stackgate.dev")?;
    forge(world, waiting, "unseen")?;
    put_back(world)?;
    world.controller()?.restart()?;
    identity(world, waiting, "unseen", "Unverified")?;
    shows(world, case, "True", "in force")?;
    case.keeps_waiting(world, waiting)?;
    sign(world, User::Alice, waiting, "seen", "alice")?;
    identity(world, waiting, "seen", "Verified")?;
    case.deployed(world, release)
}

/// The controller leaves the API server time to take over the policies that somebody has begun to put back.
fn nothing_is_tried(world: &World, from: Timestamp) -> Result<()> {
    let until = from.checked_add(SETTLING)?;
    let audited = world.cluster.audited()?;
    let tries = || {
        audited.iter().filter(|call| {
            call.user == User::Controller.name() && call.verb == "create" && call.resource == "stages"
        })
    };
    let tried: Vec<_> = tries().filter(|call| (from..until).contains(&call.received)).collect();
    ensure!(tried.is_empty(), "tried between {from} and {until}: {tried:#?}");
    // Else it would be other calls that are looked for here.
    ensure!(tries().any(|call| call.received >= until), "nothing was tried after {until} either");
    Ok(())
}

/// As `helm upgrade` does, whatever was changed.
fn put_back(world: &World) -> Result<()> {
    let kubectl = world.kubectl();
    for name in world.policy_files() {
        let file = repository().join(name).display().to_string();
        kubectl.run(&["apply", "-f", &file])?;
        // What somebody has added is not in the file, and `apply` would leave it.
        kubectl.run(&["replace", "-f", &file])?;
    }
    Ok(())
}

/// Waits for the condition of the Stage, and of the Bootstrap: its changes wait at a gate, too.
fn shows(world: &World, case: &Case, status: &str, says: &str) -> Result<()> {
    let what = format!("ApprovalsEnforced is {status} and says {says:?}");
    for (kind, namespace) in [(Kind::Stage, SHOP), (Kind::Bootstrap, "")] {
        world.until((kind, namespace, &case.name), &what, SOON, |object| {
            let mut all = object.list("/status/conditions").iter();
            let found = all.find(|c| c["type"] == "ApprovalsEnforced")?;
            let message = found["message"].as_str().unwrap_or_default();
            (found["status"] == status && message.contains(says)).then_some(())
        })?;
    }
    Ok(())
}

/// Somebody approves in the name of somebody.
fn sign(world: &World, who: User, waiting: &Waiting, slot: &str, by: &str) -> Result<()> {
    let annotation = format!("gate.stackgate.dev/approve.{slot}={};by={by}", waiting.signed());
    let kubectl = world.cluster.kubectl(who);
    kubectl.run(&["-n", SHOP, "annotate", "plan", &waiting.plan, &annotation]).map(drop)
}

/// Alice approves in Bob's name, as soon as the API server lets her.
fn forge(world: &World, waiting: &Waiting, slot: &str) -> Result<()> {
    world.until_some("the policy is off", SOON, || {
        Ok(sign(world, User::Alice, waiting, slot, "bob").is_ok().then_some(()))
    })
}

/// Alice writes into the ledger that Bob has approved, and that it was proven, as soon as the API server lets her.
fn forge_in_the_ledger(world: &World, waiting: &Waiting) -> Result<()> {
    let kubectl = world.cluster.kubectl(User::Alice);
    world.until_some("the policy is off", SOON, || {
        let plan = kubectl.run(&["-n", SHOP, "get", "plan", &waiting.plan, "-o", "json"])?;
        let plan: Value = serde_json::from_str(&plan)?;
        let mut ledger = plan["spec"]["ledger"].as_array().cloned().context("no ledger")?;
        let acks = ["replace", "maybe-replace", "delete", "iam", "network", "opaque", "adopt"];
        let time = Timestamp::from_second(Timestamp::now().as_second())?.to_string();
        ledger
            .push(json!({ "seq": ledger.len(), "time": time, "decided": { "action": "Approve", "by": "bob",
            "identity": "Verified", "source": "ChangePlan", "slot": "ledger", "acks": acks } }));
        let patch = json!({ "metadata": { "resourceVersion": plan["metadata"]["resourceVersion"] },
            "spec": { "ledger": ledger } });
        let args = ["-n", SHOP, "patch", "plan", &waiting.plan, "--type=merge", "-p", &patch.to_string()];
        Ok(kubectl.run(&args).is_ok().then_some(()))
    })
}

/// Waits for what is recorded of a slot.
fn identity(world: &World, waiting: &Waiting, slot: &str, expected: &str) -> Result<()> {
    let what = format!("slot {slot} is recorded");
    let found = world.until((Kind::ChangePlan, SHOP, &waiting.plan), &what, SOON, |plan| {
        let mut all = plan.ledger("decided");
        all.find(|d| d["slot"] == slot).map(|d| d["identity"].as_str().unwrap_or_default().to_owned())
    })?;
    ensure!(found == expected, "slot {slot} is {found}");
    Ok(())
}
