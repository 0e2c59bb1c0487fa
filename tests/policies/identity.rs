//! Who decides: the verb on the Stage or Bootstrap that the plan is for, and the name that stands in `by=`.

use serde_json::{Value, json};
use stackgate_testbed::User::{self, Admin, Alice, Bob, Carol, Dave, Erin, Flux, Robot};

use crate::{
    attempts::{Attempt, attack, honest, hopeless},
    call::{Call, all, plan, stage, system_plan},
    objects::{self, decide, gate, id},
};

const POLICY: &str = "decisions.stackgate.dev";
const ERIN: &str = "erin%3B50%25@corp";

pub fn attempts() -> Vec<Attempt> {
    [names(), programs(), pretenders(), verbs(), acks(), made_with_decisions()]
        .into_iter()
        .flatten()
        .collect()
}

/// Without the policy that signs: whoever does not sign is told to.
pub fn unsigned() -> Vec<Attempt> {
    let bare = |who, path| Call::merge(who, path, decide("approve", &id('c', '1')));
    vec![
        attack(
            "unsigned on a plan",
            bare(Alice, plan("prod-waits")),
            POLICY,
            "append ;by=alice to the value",
        ),
        attack("unsigned on a Stage", bare(Alice, stage("prod")), POLICY, "append ;by=alice to the value"),
        attack(
            "unsigned, a name to encode",
            bare(Erin, plan("prod-waits")),
            POLICY,
            "append ;by=erin%3B50%25@corp to",
        ),
        // It would be recorded as nobody's, and a gate that wants proof would never count it.
        attack(
            "an unsigned report",
            Call::merge(
                Robot,
                plan("prod-done"),
                decide("check.smoke", &format!("{};result=passed", id('c', 'd'))),
            ),
            POLICY,
            "append ;by=system:serviceaccount:shop:ci to the report",
        ),
    ]
}

fn approve(who: User, value: &str) -> Call {
    Call::merge(who, plan("prod-waits"), decide("approve", &format!("{};{value}", id('c', '1'))))
}

fn names() -> Vec<Attempt> {
    let forged = |name, who, by: &str, says| attack(name, approve(who, &format!("by={by}")), POLICY, says);
    let sign = "to the value: you can sign as yourself alone";
    let theirs = format!("by={ERIN}");
    vec![
        forged("another's name", Alice, "bob", sign),
        forged("the own name in capitals", Alice, "ALICE", sign),
        forged("the own name and a space", Alice, "alice ", sign),
        forged("the own name and more", Alice, "alice,bob", sign),
        forged("a Cyrillic letter in the own name", Alice, "\u{430}lice", sign),
        forged("somebody who merged", Alice, "git:alice", sign),
        forged("the rules of the controller", Alice, "system:auto", sign),
        forged("a semicolon that is not encoded", Erin, "erin;50%@corp", "the value is the whole id"),
        forged("encoded in small letters", Erin, "erin%3b50%25@corp", sign),
        forged("half encoded", Erin, "erin%3B50%@corp", sign),
        forged("encoded twice", Erin, "erin%253B50%2525@corp", sign),
        honest("a name with a semicolon and a percent sign", approve(Erin, &theirs)),
        // Fails safe: what was seen stays in the ledger, what was not is signed again.
        honest(
            "somebody's own approval in another's slot",
            Call::merge(
                Erin,
                plan("prod-waits"),
                decide("approve.alice", &format!("{};{theirs}", id('c', '1'))),
            ),
        ),
        attack(
            "another's approval, copied into a slot",
            Call::json(
                Erin,
                plan("prod-waits"),
                json!([{ "op": "copy", "from": "/metadata/annotations/gate.stackgate.dev~1approve.alice",
                    "path": "/metadata/annotations/gate.stackgate.dev~1approve.twice" }]),
            ),
            POLICY,
            sign,
        ),
        honest("whoever removes an approval", {
            Call::merge(
                Bob,
                plan("prod-waits"),
                json!({ "metadata": { "annotations": { gate("approve.alice"): null } } }),
            )
        }),
    ]
}

fn programs() -> Vec<Attempt> {
    let says = "is no person: people decide, or GitOps controllers that the chart lists";
    let own = format!("by={}", Robot.name());
    let report = |who, by: &str| {
        Call::merge(
            who,
            plan("prod-done"),
            decide("check.smoke", &format!("{};result=passed{by}", id('c', 'd'))),
        )
    };
    vec![
        attack("a program with every right signs for a person", approve(Robot, "by=alice"), POLICY, says),
        attack("a program signs as itself", approve(Robot, &own), POLICY, says),
        attack("a program signs as git", approve(Robot, "by=git:alice"), POLICY, says),
        attack(
            "a program rejects",
            Call::merge(Robot, plan("prod-waits"), decide("reject", &format!("{};{own}", id('c', '1')))),
            POLICY,
            says,
        ),
        attack(
            "a program decides and reports in one request",
            Call::merge(
                Robot,
                plan("prod-done"),
                json!({ "metadata": { "annotations": {
                    gate("check.smoke"): format!("{};result=passed", id('c', 'd')),
                    gate("approve"): format!("{};{own}", id('c', 'd')),
                } } }),
            ),
            POLICY,
            says,
        ),
        honest("a program reports a check", report(Robot, &format!(";{own}"))),
        attack(
            "a report in another's name",
            report(Robot, ";by=alice"),
            POLICY,
            "append ;by=system:serviceaccount:shop:ci to the report: you can sign as yourself alone",
        ),
        attack(
            "a report without the verb",
            report(Alice, ";by=alice"),
            POLICY,
            "alice lacks the verb check on stages/prod",
        ),
        attack(
            "a listed GitOps controller reports",
            report(Flux, ""),
            POLICY,
            "decisions that are committed in git are turned off in this cluster",
        ),
    ]
}

/// Users that only impersonation makes; for the API server they are as real as others.
fn pretenders() -> Vec<Attempt> {
    let says = "is no person";
    let as_user = |name, user: &'static str, group: &'static str, by: &str| {
        attack(name, approve(Admin, &format!("by={by}")).pretending(user, group), POLICY, says)
    };
    vec![
        as_user("a node", "system:node:n1", "system:masters,system:nodes", "system:node:n1"),
        as_user("a part of Kubernetes", "system:kube-scheduler", "system:masters", "system:kube-scheduler"),
        as_user("the name of the controller's rules", "system:auto", "system:masters", "system:auto"),
        as_user("a person who is called like a commit", "git:mallory", "system:masters", "git:mallory"),
        as_user(
            "a person's name with a program's group",
            "mallory",
            "system:masters,system:serviceaccounts",
            "mallory",
        ),
        honest("who may impersonate is that user", approve(Admin, "by=alice").pretending("alice", "people")),
        attack(
            "who may impersonate does not sign as himself",
            approve(Admin, "by=admin").pretending("alice", "people"),
            POLICY,
            "append ;by=alice to the value",
        ),
        honest("an administrator", approve(Admin, "by=admin")),
        honest("an administrator called system:admin", {
            approve(Admin, "by=system:admin").pretending("system:admin", "system:masters")
        }),
        hopeless(
            "who may not impersonate",
            approve(Bob, "by=alice").pretending("alice", "people"),
            "cannot impersonate",
        ),
    ]
}

fn verbs() -> Vec<Attempt> {
    let on_plan = |who: User, name: &str, digit, action: &str| {
        Call::merge(who, plan(name), decide(action, &format!("{};by={}", id('c', digit), who.name())))
    };
    let on_stage = |who: User, name: &str| {
        Call::merge(who, stage(name), decide("approve", &format!("{};by={}", id('c', '7'), who.name())))
    };
    let on_bootstrap = |who, by: &str| {
        Call::merge(who, system_plan("acme-waits"), decide("approve", &format!("{};by={by}", id('b', '6'))))
    };
    let lacks = |name, call, says| attack(name, call, POLICY, says);
    vec![
        lacks(
            "an editor approves",
            on_plan(Bob, "prod-waits", '1', "approve"),
            "bob lacks the verb approve on stages/prod",
        ),
        lacks(
            "an editor rejects",
            on_plan(Bob, "prod-waits", '1', "reject"),
            "bob lacks the verb approve on stages/prod",
        ),
        lacks(
            "an editor revokes",
            on_plan(Bob, "prod-waits", '1', "revoke"),
            "bob lacks the verb approve on stages/prod",
        ),
        lacks(
            "an editor retries",
            on_plan(Bob, "prod-waits", '1', "retry"),
            "bob lacks the verb approve on stages/prod",
        ),
        lacks(
            "an editor opens a freeze",
            on_plan(Bob, "prod-waits", '1', "override"),
            "bob lacks the verb override on stages/prod",
        ),
        lacks(
            "an editor approves on the Stage",
            on_stage(Bob, "prod"),
            "bob lacks the verb approve on stages/prod",
        ),
        lacks(
            "who approves dev approves prod",
            on_plan(Dave, "prod-waits", '1', "approve"),
            "dave lacks the verb approve on stages/prod",
        ),
        lacks(
            "who approves dev approves on prod's Stage",
            on_stage(Dave, "prod"),
            "dave lacks the verb approve on stages/prod",
        ),
        honest("who approves dev approves dev", on_plan(Dave, "dev-waits", '4', "approve")),
        honest("who approves dev approves on dev's Stage", on_stage(Dave, "dev")),
        lacks(
            "who approves opens a freeze",
            on_plan(Alice, "prod-waits", '1', "override"),
            "alice lacks the verb override on stages/prod",
        ),
        honest("the platform team opens a freeze", on_plan(Carol, "prod-waits", '1', "override")),
        lacks(
            "the platform team approves",
            on_plan(Carol, "prod-waits", '1', "approve"),
            "carol lacks the verb approve on stages/prod",
        ),
        lacks(
            "who approves a Stage approves a Bootstrap",
            on_bootstrap(Dave, "dave"),
            "dave lacks the verb approve on bootstraps/acme",
        ),
        // Alice has the verb on bootstraps, by a RoleBinding; a Bootstrap lies in no namespace.
        lacks(
            "who approves in a namespace approves a Bootstrap",
            on_bootstrap(Alice, "alice"),
            "alice lacks the verb approve on bootstraps/acme",
        ),
        honest("who approves everywhere approves a Bootstrap", on_bootstrap(Erin, ERIN)),
    ]
}

fn acks() -> Vec<Attempt> {
    let ack = |who: User, name: &str, digit, class: &str| {
        Call::merge(
            who,
            plan(name),
            decide("approve", &format!("{};by={};ack={class}", id('c', digit), who.name())),
        )
    };
    let lacks = |name, class, says| attack(name, ack(Dave, "dev-waits", '4', class), POLICY, says);
    vec![
        lacks("ack replace", "replace", "dave lacks the verb ack-replace on stages/dev"),
        lacks("ack maybe-replace", "maybe-replace", "dave lacks the verb ack-maybe-replace on stages/dev"),
        lacks("ack delete", "delete", "dave lacks the verb ack-delete on stages/dev"),
        lacks("ack iam", "iam", "dave lacks the verb ack-iam on stages/dev"),
        lacks("ack network", "network", "dave lacks the verb ack-network on stages/dev"),
        lacks("ack opaque", "opaque", "dave lacks the verb ack-opaque on stages/dev"),
        lacks("ack adopt", "adopt", "dave lacks the verb ack-adopt on stages/dev"),
        // Eight checks of the authorizer in one request: within what CEL may cost.
        honest(
            "all at once",
            ack(Alice, "prod-waits", '1', "replace,maybe-replace,delete,iam,network,opaque,adopt"),
        ),
        attack(
            "the one that is lacked, behind others",
            Call::merge(
                Dave,
                plan("dev-waits"),
                json!({ "metadata": { "annotations": {
                    gate("approve.a"): format!("{};by=dave", id('c', '4')),
                    gate("reject.b"): format!("{};by=dave;ack=iam", id('c', '4')),
                } } }),
            ),
            POLICY,
            "dave lacks the verb ack-iam on stages/dev",
        ),
    ]
}

/// Stages that are made with decisions on them: restored, cloned, prepared. The id can never match, since it holds the UID; the
/// name must be true all the same.
fn made_with_decisions() -> Vec<Attempt> {
    let made = |by: &str| {
        let mut stage = objects::stage("again");
        stage["metadata"]["annotations"] = json!({ gate("approve"): format!("{};by={by}", id('a', '1')) });
        stage
    };
    let generated = |by: &str| {
        let mut stage = made(by);
        stage["metadata"]["name"] = Value::Null;
        stage["metadata"]["generateName"] = "again-".into();
        stage
    };
    vec![
        attack(
            "a Stage made with another's approval",
            Call::create(Bob, all("stages"), made("alice")),
            POLICY,
            "append ;by=bob",
        ),
        attack(
            "a Stage made with an own approval, without the verb",
            Call::create(Bob, all("stages"), made("bob")),
            POLICY,
            "bob lacks the verb approve on stages/again",
        ),
        attack(
            "a Stage applied with another's approval",
            Call::apply(Bob, stage("again"), made("alice")),
            POLICY,
            "append ;by=bob",
        ),
        attack(
            "a Stage with a generated name",
            Call::create(Bob, all("stages"), generated("bob")),
            POLICY,
            "bob lacks the verb approve on stages/again-",
        ),
        attack(
            "a backup that is restored with its decisions",
            Call::create(Robot, all("stages"), made("alice")),
            POLICY,
            "is no person",
        ),
        honest(
            "a backup that is restored without",
            Call::create(Robot, all("stages"), objects::stage("again")),
        ),
        honest("who may approve makes one", Call::create(Admin, all("stages"), made("admin"))),
    ]
}
