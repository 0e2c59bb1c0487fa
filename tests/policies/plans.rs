//! Plans are the controller's record.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::User::{Admin, Alice, Bob, Carol, Controller, Robot};

use crate::{
    attempts::{Attempt, attack, honest, hopeless},
    call::{Call, all, plan, stage},
    objects::{self, annotate, decided, id, opened},
    world::World,
};

const POLICY: &str = "plans.stackgate.dev";
const UID: &str = "0d9c6c1e-0000-4000-8000-000000000001";

pub fn attempts() -> Vec<Attempt> {
    [made(), spec(), metadata(), deleted()].into_iter().flatten().collect()
}

fn new(name: &str) -> Value {
    objects::plan(name, "Stage", "prod", UID, &id('c', '8'))
}

fn made() -> Vec<Attempt> {
    let says = "change plans are made by the controller";
    let mut generated = new("x");
    generated["metadata"]["name"] = Value::Null;
    generated["metadata"]["generateName"] = "prod-".into();
    let mut orphan = new("new");
    orphan["metadata"]["ownerReferences"] = json!([]);
    let mut hidden = new("new");
    hidden["metadata"]["labels"] = json!({ "stackgate.dev/stage": "dev" });
    let bound = "a change plan carries the label and the owner reference of what it is for";
    let mut bootstrap = objects::plan("new", "Bootstrap", "acme", UID, &id('b', '8'));
    let right = bootstrap.clone();
    bootstrap["metadata"]["labels"] = json!({ "stackgate.dev/stage": "acme" });
    let create = |who, body| Call::create(who, all("changeplans"), body);
    vec![
        honest("the controller makes one", create(Controller, new("new"))),
        honest("the controller makes one for a Bootstrap", create(Controller, right)),
        attack("an editor makes one", create(Bob, new("new")), POLICY, says),
        attack("the platform team's program makes one", create(Robot, new("new")), POLICY, says),
        attack("an administrator makes one", create(Admin, new("new")), POLICY, says),
        attack("with a generated name", create(Bob, generated), POLICY, says),
        attack("by an apply", Call::apply(Bob, plan("new"), new("new")), POLICY, says),
        attack("without an owner", create(Controller, orphan), POLICY, bound),
        attack("with another's label", create(Controller, hidden), POLICY, bound),
        attack("with the wrong label", create(Controller, bootstrap), POLICY, bound),
    ]
}

fn spec() -> Vec<Attempt> {
    let says = "the spec of a change plan is written by the controller";
    let ledger = |entry: Value| json!({ "spec": { "ledger": [opened(0), entry] } });
    let approved = || ledger(decided(1, "Approve", "", "alice", None));
    let pointer = "/spec/ledger/-";
    vec![
        honest("the controller records", Call::merge(Controller, plan("prod-waits"), approved())),
        attack(
            "an editor records an approval",
            Call::merge(Bob, plan("prod-waits"), approved()),
            POLICY,
            says,
        ),
        attack(
            "an approver records an approval",
            Call::merge(Alice, plan("prod-waits"), approved()),
            POLICY,
            says,
        ),
        attack(
            "an administrator records an approval",
            Call::merge(Admin, plan("prod-waits"), approved()),
            POLICY,
            says,
        ),
        attack(
            "by a JSON patch",
            Call::json(
                Bob,
                plan("prod-waits"),
                json!([{ "op": "add", "path": pointer, "value": decided(1, "Approve", "", "alice", None) }]),
            ),
            POLICY,
            says,
        ),
        attack("by an apply", Call::apply(Bob, plan("prod-waits"), approved()), POLICY, says),
        hopeless(
            "another proposal",
            Call::merge(Bob, plan("prod-waits"), json!({ "spec": { "proposal": { "name": "dev" } } })),
            "the proposal is immutable",
        ),
    ]
}

fn metadata() -> Vec<Attempt> {
    let is = |name, change: Value, says| {
        attack(name, Call::merge(Bob, plan("prod-waits"), json!({ "metadata": change })), POLICY, says)
    };
    let annotations = "of a change plan only the annotations gate.stackgate.dev/... may be changed";
    let owners = "owner references and finalizers of a change plan are not for others";
    let bogus = json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": UID }]);
    vec![
        // The way to have the garbage collector delete the record, with the reject in it.
        is("a bogus owner", json!({ "ownerReferences": bogus }), owners),
        is("no owner", json!({ "ownerReferences": null }), owners),
        is(
            "an owner that blocks",
            json!({ "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": UID,
            "blockOwnerDeletion": true }] }),
            owners,
        ),
        is("a finalizer, and the plan never goes", json!({ "finalizers": ["example.com/never"] }), owners),
        is("the finalizer of an orphaning deletion", json!({ "finalizers": ["orphan"] }), owners),
        is("no label, and the controller does not see it", json!({ "labels": null }), annotations),
        is("another's label", json!({ "labels": { "stackgate.dev/stage": "dev" } }), annotations),
        is("one more label", json!({ "labels": { "team": "shop" } }), annotations),
        attack(
            "an annotation",
            Call::merge(Bob, plan("prod-waits"), annotate("example.com/x", "y")),
            POLICY,
            annotations,
        ),
        attack(
            "250 KiB of annotations, and no room for a reject",
            Call::merge(Bob, plan("prod-waits"), annotate("example.com/x", &"y".repeat(250_000))),
            POLICY,
            annotations,
        ),
        attack(
            "an annotation that looks like a decision",
            Call::merge(Bob, plan("prod-waits"), annotate("GATE.stackgate.dev/approve", &id('c', '1'))),
            POLICY,
            annotations,
        ),
        attack(
            "by an apply",
            Call::apply(Bob, plan("prod-waits"), json!({ "metadata": { "labels": { "team": "shop" } } })),
            POLICY,
            annotations,
        ),
        attack(
            "an administrator labels",
            {
                Call::merge(
                    Admin,
                    plan("prod-waits"),
                    json!({ "metadata": { "labels": { "team": "shop" } } }),
                )
            },
            POLICY,
            annotations,
        ),
        honest("the controller labels", {
            Call::merge(
                Controller,
                plan("prod-waits"),
                json!({ "metadata": { "labels": { "stackgate.dev/live": "true" } } }),
            )
        }),
        honest(
            "an apply that changes nothing",
            Call::apply(Bob, plan("prod-waits"), json!({ "metadata": {} })),
        ),
    ]
}

fn deleted() -> Vec<Attempt> {
    let says = "change plans are the record; they go with their Stage or Bootstrap, or with the namespace";
    let gone = |name, call| attack(name, call, POLICY, says);
    vec![
        gone("an editor deletes a plan", Call::delete(Bob, plan("prod-waits"))),
        gone("an editor deletes a plan that is rejected", Call::delete(Bob, plan("prod-recorded"))),
        gone("an approver's program deletes a plan", Call::delete(Robot, plan("prod-waits"))),
        gone("an administrator deletes a plan", Call::delete(Admin, plan("prod-waits"))),
        gone("an editor deletes all plans", Call::delete(Bob, all("changeplans"))),
        gone("somebody called like the namespace controller, too early", {
            Call::delete(Admin, plan("prod-waits"))
                .pretending("system:serviceaccount:kube-system:namespace-controller", "system:masters")
        }),
        honest("the garbage collector deletes a plan with its owner", {
            Call::delete(Admin, plan("prod-waits"))
                .pretending("system:serviceaccount:kube-system:generic-garbage-collector", "system:masters")
        }),
        gone("the garbage collector, talked into it by a bogus owner", {
            Call::delete(Admin, plan("planted"))
                .pretending("system:serviceaccount:kube-system:generic-garbage-collector", "system:masters")
        }),
        honest("the platform team reads plans", Call::get(Carol, plan("prod-waits"))),
    ]
}

/// As many dangers as a CDK Stage may have changes, each as long as the CDK makes them: the API server takes all of it, an
/// acknowledged approval on top, and the record of that.
pub async fn a_plan_of_2500_changes_is_taken_whole(world: &World) -> Result<()> {
    let (name, whole) = ("prod-large", id('c', '4'));
    let mut large = objects::plan(name, "Stage", "prod", &world.uid(stage("prod")).await?, &whole);
    let risks: Vec<Value> = (0..2500)
        .map(|n| {
            json!({
                "class": "delete", "stack": "ProdDataStackE8A3B5C1", "resourceType": "AWS::DynamoDB::Table",
                "cause": format!("is removed, and it is one of its kind ({n:04})"), "policy": "Delete",
                "resources": [format!(
                    "OrdersTableReplicaIndex{n:04}9A7C2F31 at Shop/Prod/Data/Orders/Table{n:04}/Replicas/Index/Resource"
                )],
            })
        })
        .collect();
    large["spec"]["proposal"]["risks"] = risks.into();
    let made = world.make_plan(large).await?;
    let kept = made.pointer("/spec/proposal/risks").and_then(Value::as_array).map_or(0, Vec::len);
    ensure!(kept == 2500, "{kept} dangers are left");
    let decision = objects::decide("approve", &format!("{whole};by=alice;ack=delete"));
    Call::merge(Alice, plan(name), decision)
        .for_good()
        .send(world)
        .await
        .context("an approval finds no room")?;
    let record = json!({ "spec": { "ledger": [opened(0), decided(1, "Approve", "", "alice", None)] } });
    Call::merge(Controller, plan(name), record)
        .for_good()
        .send(world)
        .await
        .context("the record finds no room")?;
    Ok(())
}

/// Names of field managers take room: whoever may apply could fill the object with them, and the ledger would find none.
pub async fn field_managers_are_few(world: &World) -> Result<()> {
    let (name, whole) = ("prod-managed", id('c', '5'));
    let uid = world.uid(stage("prod")).await?;
    world.make_plan(objects::plan(name, "Stage", "prod", &uid, &whole)).await?;
    let same = json!({ "metadata": { "labels": { "stackgate.dev/stage": "prod" } } });
    let mut denied = None;
    for n in 0..80 {
        let call = Call::apply(Bob, plan(name), same.clone()).managed_by(format!("{}-{n}", "m".repeat(120)));
        if let Err(error) = call.for_good().send(world).await {
            denied = Some((n, error.to_string()));
            break;
        }
    }
    let (n, said) = denied.context("80 field managers have written to a plan")?;
    ensure!(said.contains("too many field managers have applied to this plan"), "after {n}: {said}");
    let record = json!({ "spec": { "ledger": [opened(0), decided(1, "Reject", "a", "alice", None)] } });
    Call::merge(Controller, plan(name), record).send(world).await.context("the controller finds no room")?;
    let decision = objects::decide("reject", &format!("{whole};by=alice"));
    // As kubectl annotate writes, which has not written here before.
    let reject = Call::merge(Alice, plan(name), decision).managed_by("kubectl-annotate".to_owned());
    reject.send(world).await.context("a reject finds no room")?;
    let (name, whole) = ("prod-overmanaged", id('c', 'b'));
    let decision = objects::decide("reject", &format!("{whole};by=alice"));
    let reject = Call::apply(Alice, plan(name), decision).managed_by("m-0".to_owned());
    reject.send(world).await.context("where there were too many before the policies, nobody can reject")?;
    let more = Call::apply(Bob, plan(name), same).managed_by("one-more".to_owned()).send(world).await;
    ensure!(more.is_err(), "more of them where there are too many");
    Ok(())
}

/// Before the policies: a plan that more managers have applied to than they let.
pub async fn overmanage(world: &World) -> Result<()> {
    let name = "prod-overmanaged";
    let uid = world.uid(stage("prod")).await?;
    world.make_plan(objects::plan(name, "Stage", "prod", &uid, &id('c', 'b'))).await?;
    for n in 0..40 {
        let same = json!({ "metadata": { "labels": { "stackgate.dev/stage": "prod" } } });
        Call::apply(Bob, plan(name), same).managed_by(format!("m-{n}")).for_good().send(world).await?;
    }
    Ok(())
}
