//! From Kubernetes 1.36 on the API server signs for people.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use stackgate_testbed::User::{self, Alice, Erin, Robot};

use crate::{
    call::{Call, plan, stage},
    objects::{self, decide, gate, id},
    world::World,
};

/// What is stored after somebody sets a value.
async fn stored(world: &World, who: User, path: String, action: &str, value: &str) -> Result<String> {
    let answer = Call::merge(who, path, decide(action, value)).send(world).await?;
    let text = answer["metadata"]["annotations"][gate(action)].as_str().context("no annotation")?;
    Ok(text.to_owned())
}

/// Waits until the API server signs.
pub async fn is_in_force(world: &World) -> Result<()> {
    world
        .until("the API server signs", async || {
            stored(world, Alice, plan("prod-waits"), "approve", &id('c', '1')).await.map(drop)
        })
        .await
}

pub async fn people_are_signed_for(world: &World) -> Result<()> {
    let whole = id('c', '1');
    let waits = || plan("prod-waits");
    for (who, path, action, value, expected) in [
        (Alice, waits(), "approve", whole.clone(), format!("{whole};by=alice")),
        (
            Alice,
            waits(),
            "approve",
            format!("{whole};ack=iam;reason=x"),
            format!("{whole};ack=iam;reason=x;by=alice"),
        ),
        (Alice, waits(), "reject.x", whole.clone(), format!("{whole};by=alice")),
        (Alice, waits(), "approve", format!("{whole};by=alice;ack=iam"), format!("{whole};by=alice;ack=iam")),
        (Alice, stage("prod"), "approve", id('a', '7'), format!("{};by=alice", id('a', '7'))),
        (Erin, waits(), "approve", whole.clone(), format!("{whole};by=erin%3B50%25@corp")),
        (
            Robot,
            plan("prod-done"),
            "check.smoke",
            format!("{};result=passed", id('c', 'd')),
            format!("{};result=passed;by={}", id('c', 'd'), Robot.name()),
        ),
    ] {
        let found = stored(world, who, path, action, &value)
            .await
            .with_context(|| format!("{who:?} {action} {value}"))?;
        ensure!(found == expected, "{who:?} set {value}: {found} is stored");
    }
    // Not for programs, and never in another's name.
    let said =
        stored(world, Robot, waits(), "approve", &whole).await.err().context("a program was signed for")?;
    ensure!(said.to_string().contains("is no person"), "{said}");
    Ok(())
}

/// What `kubectl` shows, for good: the plan's own command, twice, by two people.
pub async fn as_people_type_it(world: &World) -> Result<()> {
    let (name, whole) = ("prod-typed", id('c', 'b'));
    let uid = world.uid(stage("prod")).await?;
    world.make_plan(objects::plan(name, "Stage", "prod", &uid, &whole)).await?;
    let decision = format!("gate.stackgate.dev/approve={whole}");
    let args = ["-n", "shop", "annotate", "plan", name, decision.as_str()];
    world.cluster.kubectl(Alice).run(&args)?;
    // The same key again: kubectl itself says what is wrong.
    let second = world.cluster.kubectl(Erin).output(&args, "")?;
    ensure!(!second.ok && second.stderr.contains("--overwrite is false"), "{second:?}");
    let slotted = format!("gate.stackgate.dev/approve.erin={whole}");
    world.cluster.kubectl(Erin).run(&["-n", "shop", "annotate", "plan", name, &slotted])?;
    let denied = world.cluster.kubectl(User::Bob).output(
        &["-n", "shop", "annotate", "plan", name, &format!("gate.stackgate.dev/approve.bob={whole}")],
        "",
    )?;
    ensure!(!denied.ok && denied.stderr.contains("bob lacks the verb approve on stages/prod"), "{denied:?}");

    let found = world.look(plan(name)).await?;
    let expected = json!({ gate("approve"): format!("{whole};by=alice"), gate("approve.erin"): format!("{whole};by=erin%3B50%25@corp") });
    ensure!(found["metadata"]["annotations"] == expected, "{found:#}");
    Ok(())
}
