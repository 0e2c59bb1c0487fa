//! A reject and a revoke stay until they are recorded.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::User::{Admin, Alice, Bob, Controller, Erin, Robot};

use crate::{
    attempts::{Attempt, attack, denial, honest},
    call::{Call, plan},
    crowds::name_of_256,
    objects::{self, decided, gate, id, opened},
    world::World,
};

const POLICY: &str = "keep-stops.stackgate.dev";
const SAYS: &str = "not recorded yet, so it must stay as it is: gate.stackgate.dev/";

fn without(keys: &[&str]) -> Value {
    let annotations: serde_json::Map<String, Value> =
        keys.iter().map(|key| (gate(key), Value::Null)).collect();
    json!({ "metadata": { "annotations": annotations } })
}

pub fn attempts() -> Vec<Attempt> {
    let rejected = || plan("prod-rejected");
    let recorded = || plan("prod-recorded");
    let failed = || plan("prod-failed");
    let set = |value: &str| json!({ "metadata": { "annotations": { gate("reject"): value } } });
    let pointer = "/metadata/annotations/gate.stackgate.dev~1reject";
    let lost = |name, call| attack(name, call, POLICY, SAYS);
    vec![
        lost("an editor removes a reject", Call::merge(Bob, rejected(), without(&["reject"]))),
        lost("who rejected removes it", Call::merge(Alice, rejected(), without(&["reject"]))),
        lost("an administrator removes it", Call::merge(Admin, rejected(), without(&["reject"]))),
        lost("the controller removes it", Call::merge(Controller, rejected(), without(&["reject"]))),
        lost("an editor removes a revoke", Call::merge(Bob, rejected(), without(&["revoke.alice"]))),
        lost(
            "all annotations go",
            Call::merge(Bob, rejected(), json!({ "metadata": { "annotations": null } })),
        ),
        lost("by a JSON patch", Call::json(Bob, rejected(), json!([{ "op": "remove", "path": pointer }]))),
        lost(
            "it is moved into a slot",
            Call::json(
                Alice,
                rejected(),
                json!([{ "op": "move", "from": pointer, "path": format!("{pointer}.moved") }]),
            ),
        ),
        lost(
            "it is overwritten by one for another reason",
            Call::merge(Alice, rejected(), set(&format!("{};by=alice;reason=yes", id('c', '2')))),
        ),
        lost(
            "it is overwritten by another's",
            Call::merge(Erin, rejected(), set(&format!("{};by=erin%3B50%25@corp;reason=no", id('c', '2')))),
        ),
        honest(
            "it is set again as it is",
            Call::merge(Alice, rejected(), set(&format!("{};by=alice;reason=no", id('c', '2')))),
        ),
        honest("an approval is removed", Call::merge(Bob, rejected(), without(&["approve.erin"]))),
        honest(
            "what is no decision is removed",
            Call::merge(Bob, rejected(), without(&["reject.bad", "reject.other"])),
        ),
        honest(
            "what is recorded is removed",
            Call::merge(Bob, recorded(), without(&["reject", "reject.raw", "reject.plain", "revoke.alice"])),
        ),
        lost(
            "a revoke is removed that its author has approved after",
            Call::merge(Bob, plan("prod-revoked"), without(&["revoke.alice"])),
        ),
        lost(
            "one that somebody else has recorded in that slot before",
            Call::merge(Bob, plan("prod-revoked"), without(&["revoke"])),
        ),
        lost(
            "a revoke in the words of one before, and an approval that is not recorded",
            Call::merge(Bob, plan("prod-again"), without(&["revoke.alice"])),
        ),
        honest(
            "that approval is removed with it",
            Call::merge(Bob, plan("prod-again"), without(&["approve.alice-2", "revoke.alice"])),
        ),
        lost(
            "that approval stands with more classes than are recorded",
            Call::merge(Erin, plan("prod-again"), without(&["revoke.bob"])),
        ),
        lost(
            "that approval stands for longer than is recorded",
            Call::merge(Bob, plan("prod-again"), without(&["revoke.carol"])),
        ),
        attack(
            "a revoke in the words of one that is recorded, which nothing could tell from that",
            Call::merge(
                Alice,
                plan("prod-again"),
                json!({ "metadata": { "annotations": { gate("revoke.said"): format!("{};by=alice", id('c', '8')) } } }),
            ),
            "decisions.stackgate.dev",
            "you have revoked in these words before",
        ),
        honest(
            "in other words",
            Call::merge(
                Alice,
                plan("prod-again"),
                json!({ "metadata": { "annotations": { gate("revoke.said"): format!("{};by=alice;reason=again", id('c', '8')) } } }),
            ),
        ),
        honest(
            "a revoke in the words of one before, and approvals that are recorded, or of somebody else",
            Call::merge(Bob, plan("prod-again"), without(&["revoke.erin"])),
        ),
        honest(
            "a revoke is removed that was recorded again after that",
            Call::merge(Bob, plan("prod-revoked"), without(&["revoke.erin"])),
        ),
        lost("an editor removes a report of failure", Call::merge(Bob, failed(), without(&["check.smoke"]))),
        lost("an approver removes it", Call::merge(Alice, failed(), without(&["check.smoke"]))),
        lost(
            "one that has failed again in the same words",
            Call::merge(Bob, failed(), without(&["check.again"])),
        ),
        lost(
            "one that was reported of the deployment before",
            Call::merge(Bob, failed(), without(&["check.before"])),
        ),
        honest(
            "who reports takes it back",
            Call::merge(Robot, failed(), without(&["check.smoke", "check.again"])),
        ),
        honest(
            "what is recorded, or no report of failure, is removed",
            Call::merge(Bob, failed(), without(&["check.load", "check.fine", "check.bad"])),
        ),
        honest(
            "what is recorded is overwritten",
            Call::merge(Alice, recorded(), set(&format!("{};by=alice;reason=still no", id('c', '3')))),
        ),
    ]
}

/// From the annotation to the record, for good.
pub async fn a_reject_is_kept_until_it_is_recorded(world: &World) -> Result<()> {
    let (name, whole) = ("prod-story", id('c', 'a'));
    let uid = world.uid(crate::call::stage("prod")).await?;
    world.make_plan(objects::plan(name, "Stage", "prod", &uid, &whole)).await?;
    let reject = json!({ "metadata": { "annotations": { gate("reject.a"): format!("{whole};by=alice;reason=not now") } } });
    Call::merge(Alice, plan(name), reject).for_good().send(world).await?;

    let remove = Call::merge(Bob, plan(name), without(&["reject.a"])).for_good();
    let said = remove.send(world).await.err().context("an unrecorded reject was removed")?.to_string();
    ensure!(said.contains(&denial(POLICY)), "{said}");
    let record =
        json!({ "spec": { "ledger": [opened(0), decided(1, "Reject", "a", "alice", Some("not now"))] } });
    Call::merge(Controller, plan(name), record).for_good().send(world).await?;
    remove.send(world).await.context("a recorded reject cannot be removed")?;

    // The audit log tells who decided what, taken or denied.
    let noted = |key: &str, text: &str| -> Result<bool> {
        let all = world.cluster.audited()?;
        Ok(all.iter().any(|call| call.annotations.iter().any(|(k, v)| k == key && v.contains(text))))
    };
    let decision = format!("gate.stackgate.dev/reject.a={whole};by=alice;reason=not now");
    let taken = format!("reject.a={whole};by=alice;reason=not now");
    world
        .until("the audit log has it", async || {
            ensure!(
                noted("decisions.stackgate.dev/decision", &decision)?,
                "{decision} is not in the audit log"
            );
            ensure!(noted("keep-stops.stackgate.dev/taken", &taken)?, "{taken} was taken away unnoticed");
            ensure!(noted(
                "validation.policy.admission.k8s.io/validation_failure",
                "keep-stops.stackgate.dev"
            )?);
            Ok(())
        })
        .await
}

/// The longest ledger, the longest names and reasons, the most rejects: the policies still have an answer.
pub async fn the_longest_ledger_can_be_paid_for(world: &World) -> Result<()> {
    let (name, whole) = ("prod-full", id('c', 'f'));
    let uid = world.uid(crate::call::stage("prod")).await?;
    let (reason, people) = ("r".repeat(200), ["1", "2", "3", "4"].map(name_of_256));
    let by = |n: usize| people[n / 8];
    let mut full = objects::plan(name, "Stage", "prod", &uid, &whole);
    let mut ledger = vec![opened(0)];
    // The last 32 are those of the annotations.
    ledger.extend(
        (1..992)
            .map(|seq| decided(seq, "Reject", &format!("{}-{seq}", "s".repeat(36)), by(0), Some(&reason))),
    );
    ledger.extend((0..32).map(|n| decided(992 + n, "Reject", &format!("a{n}"), by(n), Some(&reason))));
    full["spec"]["ledger"] = ledger.into();
    world.make_plan(full).await?;
    let all_sign = async |name: &str, whole: &str, action: &str, slot: &str, reason: &str| -> Result<()> {
        for (place, by) in people.into_iter().enumerate() {
            let key = |n: usize| gate(&format!("{action}.{slot}{}", place * 8 + n));
            let all: serde_json::Map<String, Value> =
                (0..8).map(|n| (key(n), format!("{whole};by={by};reason={reason}").into())).collect();
            Call::merge(Admin, plan(name), json!({ "metadata": { "annotations": all } }))
                .pretending(by, "system:masters")
                .for_good()
                .send(world)
                .await?;
        }
        Ok(())
    };
    all_sign(name, &whole, "reject", "a", &reason).await?;
    let keys = |action: &str, slot: &str| -> Value {
        let keys: Vec<String> = (0..32).map(|n| format!("{action}.{slot}{n}")).collect();
        without(&keys.iter().map(String::as_str).collect::<Vec<_>>())
    };
    Call::merge(Bob, plan(name), keys("reject", "a"))
        .send(world)
        .await
        .context("32 recorded rejects cannot be removed")?;
    all_sign(name, &whole, "revoke", "b", &"é".repeat(200)).await.context("no room for 32 revokes")?;
    let said = Call::merge(Bob, plan(name), keys("revoke", "b"))
        .send(world)
        .await
        .err()
        .context("32 unrecorded revokes were removed")?;
    ensure!(said.to_string().contains(SAYS), "not for the right reason: {said}");

    // Likewise where all are revokes, and as many approvals stand there that are recorded.
    let (name, whole) = ("prod-revokes", id('c', '9'));
    let mut full = objects::plan(name, "Stage", "prod", &uid, &whole);
    let decisions = [("Approve", "a"), ("Revoke", "b")].into_iter();
    let decisions = decisions.flat_map(|(action, slot)| (0..32).map(move |n| (action, slot, n)));
    let (idle, recorded): (Vec<_>, Vec<_>) = (
        (1..928)
            .map(|seq| decided(seq, "Revoke", &format!("{}-{seq}", "s".repeat(36)), by(0), Some(&reason)))
            .collect(),
        (928..)
            .zip(decisions)
            .map(|(seq, (action, slot, n))| decided(seq, action, &format!("{slot}{n}"), by(n), Some(&reason)))
            .collect(),
    );
    full["spec"]["ledger"] = [vec![opened(0)], idle].concat().into();
    world.make_plan(full.clone()).await?;
    all_sign(name, &whole, "approve", "a", &reason).await?;
    all_sign(name, &whole, "revoke", "b", &reason).await.context("no room beside 927 revokes")?;
    let ledger = [full["spec"]["ledger"].as_array().cloned().unwrap_or_default(), recorded].concat();
    let record = json!({ "spec": { "ledger": ledger } });
    Call::merge(Controller, plan(name), record).for_good().send(world).await?;
    Call::merge(Bob, plan(name), keys("revoke", "b"))
        .send(world)
        .await
        .context("32 recorded revokes cannot be removed")?;
    Ok(())
}

/// As many as one author may write, each as long as it may be, of which the API server notes 10 KiB.
pub async fn of_many_decisions_in_one_request_each_is_noted(world: &World) -> Result<()> {
    let uid = world.uid(crate::call::stage("prod")).await?;
    for (name, whole, rejects) in [("prod-noted", id('c', 'f'), 4), ("prod-noted-too", id('c', '7'), 8)] {
        world.make_plan(objects::plan(name, "Stage", "prod", &uid, &whole)).await?;
        let keys = |action: &str, n: usize| {
            (0..n).map(|n| gate(&format!("{action}.{}-{n}", "s".repeat(38)))).collect::<Vec<String>>()
        };
        let keys: Vec<String> = [keys("approve", 8), keys("reject", rejects)].concat();
        // Four bytes each.
        let value = format!("{whole};reason={};by=alice", "🚦".repeat(200));
        let annotations: serde_json::Map<String, Value> =
            keys.iter().map(|key| (key.clone(), value.as_str().into())).collect();
        let decide = Call::merge(Alice, plan(name), json!({ "metadata": { "annotations": annotations } }));
        decide.for_good().send(world).await?;
        world
            .until("the audit log has all of them", async || {
                let all = world.cluster.audited()?;
                let noted = all.iter().flat_map(|call| &call.annotations);
                // Others have decided on an id like this one, each once.
                let of_ours = noted
                    .filter(|(key, text)| key == "decisions.stackgate.dev/decision" && text.contains(&whole));
                let text = of_ours.map(|(_, text)| text).max_by_key(|text| text.len());
                let text = text.with_context(|| format!("{whole} is not in the audit log"))?;
                let lost = keys.iter().find(|key| !text.contains(&format!("{key}={whole}")));
                ensure!(lost.is_none(), "{lost:?} was left out of {} bytes", text.len());
                Ok(())
            })
            .await?;
    }
    Ok(())
}
