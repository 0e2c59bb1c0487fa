//! Nobody takes so much of the room for annotations that somebody else cannot decide; and many together cannot take that of a stop.

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use stackgate_testbed::User::{self, Admin, Alice, Bob, Controller, Erin, Robot};

use crate::{
    attempts::{Attempt, attack, honest},
    call::{Call, plan, stage},
    objects::{self, decide, decided, gate, id, opened},
    world::World,
};

const POLICY: &str = "decisions.stackgate.dev";
const ERIN: &str = "erin%3B50%25@corp";

/// This value under this many keys of an action.
fn several(action: &str, range: std::ops::Range<usize>, value: &str) -> Value {
    let all: Map<String, Value> =
        range.map(|n| (gate(&format!("{action}.{n}")), value.to_owned().into())).collect();
    json!({ "metadata": { "annotations": all } })
}

pub fn attempts() -> Vec<Attempt> {
    let (waits, release) = (format!("{};by=alice", id('c', '1')), format!("{};by=alice", id('a', '7')));
    let on_plan = |action: &str, count: usize| {
        Call::merge(Alice, plan("prod-waits"), several(action, 0..count, &waits))
    };
    let on_stage = |count: usize| Call::merge(Alice, stage("prod"), several("approve", 0..count, &release));
    let says = "at most 8 annotations of one action by one author";
    let mut found = vec![
        // One approve is there already.
        honest("7 approvals at once", on_plan("approve", 7)),
        attack("8 more approvals", on_plan("approve", 8), POLICY, says),
        honest("24 approvals on a Stage", on_stage(24)),
        attack(
            "25 approvals on a Stage",
            on_stage(25),
            POLICY,
            "at most 24 annotations of one action by one author",
        ),
        attack("more than 1024 bytes", longest(&"\u{1f680}".repeat(200)), POLICY, "; 1024 bytes in all"),
        honest("1024 bytes", longest(&"r".repeat(200))),
    ];
    for action in ["reject", "revoke", "retry"] {
        found.push(honest("8 at once", on_plan(action, 8)));
        found.push(attack("9 at once", on_plan(action, 9), POLICY, says));
    }
    found
}

/// By somebody with the longest name, whom only impersonation makes.
fn longest(reason: &str) -> Call {
    let by = name_of_256("");
    let value = format!("{};by={by};reason={reason}", id('c', '1'));
    Call::merge(Admin, plan("prod-waits"), decide("reject.long", &value)).pretending(by, "system:masters")
}

/// A user name of 512 bytes.
pub fn name_of_256(end: &str) -> &'static str {
    Box::leak(format!("{}{end}", "\u{e9}".repeat(256 - end.len())).into_boxed_str())
}

/// The stops of somebody who has none yet.
async fn has_room(world: &World, name: &str, whole: &str, who: User, by: &str) -> Result<()> {
    for action in ["reject", "revoke"] {
        let value = format!("{whole};by={by};reason={}", "\u{1f680}".repeat(200));
        let call = Call::merge(who, plan(name), decide(&format!("{action}.of-another"), &value));
        call.send(world).await.with_context(|| format!("no room for a {action} of {by}"))?;
    }
    Ok(())
}

/// A plan that waits, and its id.
async fn planned(world: &World, name: &str, digit: char) -> Result<String> {
    let whole = id('c', digit);
    let uid = world.uid(stage("prod")).await?;
    world.make_plan(objects::plan(name, "Stage", "prod", &uid, &whole)).await?;
    Ok(whole)
}

/// Alice writes as much as she is let, of everything, has it recorded, and replaces it; a program reports as much as it is let.
pub async fn nobody_takes_the_room_of_another(world: &World) -> Result<()> {
    let name = "prod-crowded";
    let whole = planned(world, name, '0').await?;
    world.carried_out(name).await?;
    let value = |round: usize| format!("{whole};by=alice;reason={round}");
    let set = async |who: User, action: &str, n: usize, value: &str| {
        let one = decide(&format!("{action}.{n}"), value);
        Call::merge(who, plan(name), one).for_good().send(world).await.is_ok()
    };
    for action in ["approve", "reject", "revoke", "retry"] {
        for n in 0..40 {
            set(Alice, action, n, &value(0)).await;
        }
    }
    for n in 0..40 {
        set(Robot, "check", n, &format!("{whole};result=passed;by={}", Robot.name())).await;
    }
    has_room(world, name, &whole, Erin, ERIN).await?;
    let approve = Call::merge(Erin, plan(name), decide("approve", &format!("{whole};by={ERIN}")));
    approve.send(world).await.context("no room for an approve of another")?;

    // What is recorded may go; that makes room for hers alone.
    let mut ledger = vec![opened(0)];
    ledger.extend((0..32).map(|n| decided(n + 1, "Revoke", &n.to_string(), "alice", Some("0"))));
    Call::merge(Controller, plan(name), json!({ "spec": { "ledger": ledger } }))
        .for_good()
        .send(world)
        .await?;
    for n in 0..40 {
        set(Alice, "revoke", n, &value(1)).await;
    }
    has_room(world, name, &whole, Erin, ERIN).await?;
    // Nor does she in the place of another, who has said so before; nor under another spelling of her name.
    Call::merge(Erin, plan(name), decide("revoke.erin", &format!("{whole};by={ERIN}")))
        .for_good()
        .send(world)
        .await?;
    for (who, by) in [(Alice, "alice"), (Alice, ERIN), (Alice, "%61lice"), (Alice, "alice%3B"), (Bob, "bob")]
    {
        let one = decide("revoke.erin", &format!("{whole};by={by};reason=x"));
        ensure!(Call::merge(who, plan(name), one).send(world).await.is_err(), "{who:?} as {by}");
        let one = decide("revoke.more", &format!("{whole};by={by}"));
        ensure!(Call::merge(who, plan(name), one).send(world).await.is_err(), "{who:?} as {by}, besides");
    }
    // Erin changes her mind as before.
    let again = Call::merge(Erin, plan(name), several("revoke", 50..57, &format!("{whole};by={ERIN}")));
    again.send(world).await.context("no room for 8 revokes of hers").map(drop)
}

/// Four people, whose names could not be longer, and programs, take all that they are let: others still stop the plan.
pub async fn nor_do_many(world: &World) -> Result<()> {
    let name = "prod-mobbed";
    let whole = planned(world, name, 'e').await?;
    world.carried_out(name).await?;
    let names = ["1", "2", "3", "4"].map(name_of_256);
    let padded = |by: &str, attributes: &str| {
        let head = format!("{whole}{attributes};by={by};reason=");
        let left = 1024 - head.len();
        format!("{head}{}{}", "\u{1f680}".repeat((left / 4).min(200)), "r".repeat(left % 4))
    };
    let slots = |action: &str, place: usize, value: &str| -> Map<String, Value> {
        let of = |n: usize| format!("{action}.{}{place}{n}", "s".repeat(38));
        (0..8).map(|n| (gate(&of(n)), value.to_owned().into())).collect()
    };
    for (place, by) in names.into_iter().enumerate() {
        let mut all: Map<String, Value> = Map::new();
        for action in ["approve", "reject", "revoke", "retry", "override"] {
            all.extend(slots(action, place, &padded(by, "")));
        }
        all.extend(slots("check", place, &padded(by, ";result=passed")));
        let call = Call::merge(Admin, plan(name), json!({ "metadata": { "annotations": all } }));
        call.pretending(by, "system:masters").for_good().send(world).await.context("a crowd")?;
    }
    let more = decide("approve.more", &format!("{whole};by={ERIN}"));
    let said =
        Call::merge(Erin, plan(name), more).send(world).await.err().context("33 approvals")?.to_string();
    ensure!(said.contains("at most 32 annotations of one action"), "{said}");
    let two = several("reject", 0..2, &format!("{whole};by={ERIN}"));
    let said = Call::merge(Erin, plan(name), two).send(world).await.err().context("34 rejects")?.to_string();
    ensure!(said.contains("at most 32 annotations of one action"), "{said}");

    has_room(world, name, &whole, Erin, ERIN).await?;
    for n in 0..20 {
        let by: &'static str = Box::leak(format!("p{n}").into_boxed_str());
        for action in ["reject", "revoke"] {
            let value = format!("{whole};by={by};reason={}", "\u{1f680}".repeat(200));
            let call = Call::merge(Admin, plan(name), decide(&format!("{action}.{by}"), &value));
            call.pretending(by, "system:masters")
                .for_good()
                .send(world)
                .await
                .with_context(|| format!("{action} by {by}"))?;
        }
    }
    has_room(world, name, &whole, Erin, ERIN).await
}
