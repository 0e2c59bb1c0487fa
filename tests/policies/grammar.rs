//! What a decision looks like: keys, values, the id that it names.

use serde_json::json;
use stackgate_testbed::User::{Alice, Bob, Dave, Robot};

use crate::{
    attempts::{Attempt, attack, honest, hopeless},
    call::{Call, plan, stage},
    objects::{annotate, decide, gate, id},
};

const POLICY: &str = "decisions.stackgate.dev";
const KEY: &str = "the key is gate.stackgate.dev/ and approve, reject, revoke, retry or override";
const VALUE: &str = "the value is the whole id and then, each at most once, ;by=<you> ;ack=<class,...>";
const REPORT: &str = "the value is <id>;result=passed|failed";

pub fn attempts() -> Vec<Attempt> {
    [values(), keys(), ids(), many(), reports(), encodings()].into_iter().flatten().collect()
}

/// Alice, who may do this, sets a decision on the plan that waits.
fn alice(action: &str, value: &str) -> Call {
    Call::merge(Alice, plan("prod-waits"), decide(action, value))
}

fn values() -> Vec<Attempt> {
    let whole = id('c', '1');
    let with = |attributes: &str| alice("approve", &format!("{whole};by=alice{attributes}"));
    let says = |name, attributes: &str| attack(name, with(attributes), POLICY, VALUE);
    let is = |name, value: &str| attack(name, alice("approve", value), POLICY, VALUE);
    vec![
        honest("approve", with("")),
        honest(
            "approve with everything",
            with(";ack=replace,iam;until=2030-02-28T23:59:59.5+10:00;reason=CHG-1: é, =, 50%"),
        ),
        honest("an instant on a leap day", with(";until=2028-02-29T00:00:00Z")),
        honest("a reason of 200 characters", with(&format!(";reason={}", "é".repeat(200)))),
        honest("a reason that looks like an attribute", with(";reason=by=bob,ack=iam")),
        is("yes instead of the id", "yes"),
        is("nothing", ""),
        is("a prefix of the id", &whole[..20]),
        is("the id in capitals", &whole.to_uppercase()),
        is("more digits", &format!("{whole}1;by=alice")),
        is("two ids", &format!("{whole},{whole};by=alice")),
        is("space before the id", &format!(" {whole};by=alice")),
        is("a line break at the end", &format!("{whole};by=alice\n")),
        says("space at the end of an attribute's list", "; "),
        says("an attribute without value", ";reason="),
        says("an attribute that does not exist", ";because=x"),
        says("an attribute in capitals", ";REASON=x"),
        says("a name twice", ";by=alice"),
        says("another name besides", ";by=bob"),
        says("acknowledging twice", ";ack=replace;ack=iam"),
        says("two instants", ";until=2030-01-01T00:00:00Z;until=2031-01-01T00:00:00Z"),
        says("two reasons", ";reason=a;reason=b"),
        says("an unknown class", ";ack=everything"),
        says("an empty class", ";ack=iam,"),
        says("more classes than there are", ";ack=iam,iam,iam,iam,iam,iam,iam,iam"),
        says("until=never", ";until=never"),
        says("a day that does not exist", ";until=2030-02-30T00:00:00Z"),
        says("29 February without a leap year", ";until=2030-02-29T00:00:00Z"),
        says("an instant without zone", ";until=2030-01-01T00:00:00"),
        says("a leap second", ";until=2030-12-31T23:59:60Z"),
        says("an hour that does not exist", ";until=2030-01-01T24:00:00Z"),
        says("a line break in a reason", ";reason=a\nb"),
        says("a tab in a reason", ";reason=a\tb"),
        says("a reason that runs backwards", ";reason=\u{202e}detcejer"),
        says("a reason with an invisible character", ";reason=a\u{200b}b"),
        says("a reason with a line separator", ";reason=a\u{2028}b"),
        says("a reason with a control character of Latin-1", ";reason=a\u{85}b"),
        says("a reason of 201 characters", &format!(";reason={}", "x".repeat(201))),
        says("a reason of 60 kB", &format!(";reason={}", "x".repeat(60_000))),
        is("a name of 257 characters", &format!("{whole};by={}", "a".repeat(257))),
    ]
}

fn keys() -> Vec<Attempt> {
    let value = format!("{};by=alice", id('c', '1'));
    let is = |name, action: &str| attack(name, alice(action, &value), POLICY, KEY);
    let on_stage = |name, action: &str| {
        let call = Call::merge(Alice, stage("prod"), decide(action, &value));
        attack(name, call, POLICY, "the only decision on a Stage is gate.stackgate.dev/approve")
    };
    let key = |key: &str| Call::merge(Bob, stage("prod"), annotate(key, &value));
    vec![
        honest("reject", alice("reject", &value)),
        honest("revoke", alice("revoke", &value)),
        honest("retry", alice("retry", &value)),
        honest("a slot of 40", alice(&format!("approve.{}", "a-0".repeat(13) + "z"), &value)),
        is("a misspelt action", "aprove"),
        is("an action in capitals", "APPROVE"),
        is("an action of an earlier draft", "hold"),
        is("a slot in capitals", "approve.Alice"),
        is("a slot with an underscore", "approve.a_b"),
        is("a slot of 41", &format!("approve.{}", "a".repeat(41))),
        is("two slots", "approve.a.b"),
        is("a check without name", "check"),
        is("an action with something behind", "approver"),
        on_stage("a reject on a Stage", "reject"),
        on_stage("an override on a Stage", "override"),
        on_stage("a check on a Stage", "check.smoke"),
        hopeless("an empty slot", alice("approve.", &value), "name part must consist of alphanumeric"),
        hopeless("a Cyrillic letter in the key", key("gate.st\u{430}ckgate.dev/approve"), "Invalid value"),
        // Keys of Kubernetes may hold capitals in their prefix; nobody takes this one for a decision.
        honest("a prefix in capitals is another key", key("GATE.stackgate.dev/approve")),
        honest("a prefix that only begins alike is another key", key("gate.stackgate.dev.example/approve")),
    ]
}

fn ids() -> Vec<Attempt> {
    let says = "a decision on this plan names its id, c1-1111111111111111111111111111111111111111";
    let on_plan = |name, id: String| attack(name, alice("approve", &format!("{id};by=alice")), POLICY, says);
    let on_stage =
        |id: String| Call::merge(Alice, stage("prod"), decide("approve", &format!("{id};by=alice")));
    vec![
        on_plan("the id of another plan", id('c', '4')),
        on_plan("the same digits as a release", id('a', '1')),
        on_plan("the same digits as a bootstrap", id('b', '1')),
        honest("a change on a Stage", on_stage(id('c', '7'))),
        honest("a release on a Stage", on_stage(id('a', '7'))),
        attack(
            "a bootstrap on a Stage",
            on_stage(id('b', '7')),
            POLICY,
            "a decision on a Stage names a c1- or an a1- id",
        ),
    ]
}

/// Several things in one request.
fn many() -> Vec<Attempt> {
    // Who may do both, one after the other.
    let value = format!("{};by=dave", id('c', '4'));
    vec![attack(
        "spec and decision in one request",
        Call::merge(
            Dave,
            stage("dev"),
            json!({ "metadata": { "annotations": { gate("approve"): value } }, "spec": { "suspend": true } }),
        ),
        POLICY,
        "one request may not change the spec and decide on it",
    )]
}

fn reports() -> Vec<Attempt> {
    let whole = id('c', 'd');
    let own = format!("by={}", Robot.name());
    let report = |value: &str| Call::merge(Robot, plan("prod-done"), decide("check.smoke", value));
    let is = |name, value: &str| attack(name, report(value), POLICY, REPORT);
    vec![
        honest("a check that passed", report(&format!("{whole};result=passed;{own}"))),
        honest(
            "a check that failed",
            report(&format!("{whole};result=failed;reason=503 from /health;{own}")),
        ),
        attack(
            "a check of what is not deployed yet",
            Call::merge(
                Robot,
                plan("prod-waits"),
                decide("check.smoke", &format!("{};result=passed;{own}", id('c', '1'))),
            ),
            POLICY,
            "report when its status.state is Succeeded",
        ),
        is("a check without result", &whole),
        is("a check that is unsure", &format!("{whole};result=maybe")),
        is("a check that is both", &format!("{whole};result=passed;result=failed")),
        is("a check that acknowledges", &format!("{whole};result=passed;ack=iam")),
        attack(
            "a check of another change",
            report(&format!("{};result=passed", id('c', '4'))),
            POLICY,
            "a decision on this plan names its id",
        ),
    ]
}

/// The same wrong value by every kind of request.
fn encodings() -> Vec<Attempt> {
    let pointer = "/metadata/annotations/gate.stackgate.dev~1approve";
    let forged = format!("{};by=bob", id('c', '1'));
    let says = "append ;by=alice to the value: you can sign as yourself alone";
    let path = || plan("prod-waits");
    vec![
        attack(
            "a JSON patch",
            Call::json(Alice, path(), json!([{ "op": "add", "path": pointer, "value": forged }])),
            POLICY,
            says,
        ),
        attack(
            "a JSON patch that moves another's approval",
            Call::json(
                Alice,
                path(),
                json!([{ "op": "move", "from": format!("{pointer}.alice"), "path": format!("{pointer}.bob") },
                { "op": "replace", "path": format!("{pointer}.bob"), "value": forged }]),
            ),
            POLICY,
            says,
        ),
        attack("a server-side apply", Call::apply(Alice, path(), decide("approve", &forged)), POLICY, says),
        hopeless(
            "a strategic patch",
            Call::merge(Alice, path(), decide("approve", &forged))
                .with_content_type("application/strategic-merge-patch+json"),
            "the body of the request was in an unknown format",
        ),
        honest(
            "a server-side apply",
            Call::apply(Alice, path(), decide("approve", &format!("{};by=alice", id('c', '1')))),
        ),
        honest(
            "a JSON patch",
            Call::json(
                Alice,
                path(),
                json!([{ "op": "add", "path": pointer, "value": format!("{};by=alice", id('c', '1')) }]),
            ),
        ),
    ]
}
