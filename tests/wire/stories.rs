//! The stories: each is about one thing, and short.

use jiff::SignedDuration;
use stackgate_core::{
    api::{Action, AdoptionPolicy, Gate, Leftover, MinimumGate, OutputsTo, Pin, StageMode},
    bundle::Bundle,
    words::Digest,
};
use stackgate_sim::{
    bundle::{CARRYING, LEANER, RELEASES, TAKING},
    run::{Gates, Run, Setting},
    scenario::first_release,
    world::ObjectKey,
};

use crate::{
    ground::Ground,
    people::{
        account_says, allow_bootstrap, approve_beforehand, approve_bootstrap, delete_stage, freeze, release,
        report, sign, thaw,
    },
    values::{PASSWORDS, set_password, set_size, take},
};

pub const DEV: &str = "dev";
pub const TEST: &str = "test";

/// What happens next.
#[derive(Clone, Copy)]
pub enum Step {
    /// Nothing, until this is so.
    Until(&'static str, fn(&Ground) -> bool),
    /// Nothing, for so long.
    Rest(SignedDuration),
    /// Somebody does something.
    Do(fn(&mut Ground)),
}

use Step::{Do, Rest, Until};

/// A story.
pub struct Story {
    /// What it is about.
    pub name: &'static str,
    /// Where it begins.
    pub ground: fn() -> Ground,
    /// Whether all its pairs of crashes are tried each time.
    pub short: bool,
}

const ASKS: Step = Until("dev to ask", |g| g.asks(DEV));
const DONE: Step = Until("dev to be done", |g| g.has_newest(DEV));
const APPROVED: Step = Do(|g| sign(g, DEV, Action::Approve, "alice"));
const FIRST: Step = Do(|g| release(g, &RELEASES[0]));
const TAKEN: Step = Do(|g| release(g, &TAKING));
const NEXT: Step = Do(|g| release(g, &RELEASES[3]));

/// Nothing is deployed.
pub fn new(steps: Vec<Step>) -> Ground {
    Ground::new(Run::new(&first_release(1)), steps)
}

fn setting(setting: Setting, steps: Vec<Step>) -> Ground {
    Ground::new(Run::new(&setting), steps)
}

/// The first release is deployed.
pub fn deployed(steps: Vec<Step>) -> Ground {
    let mut ground = setting(Setting { deployed: true, ..first_release(1) }, steps);
    ground.world.source.truncate(1);
    ground
}

/// Nothing is deployed, and the Stage takes values from elsewhere.
fn taking(steps: Vec<Step>) -> Ground {
    let mut ground = new(steps);
    set_password(&mut ground, PASSWORDS[0]);
    set_size(&mut ground, "small");
    ground.edit_stage(DEV, take);
    ground
}

fn gates(gates: Gates) -> Setting {
    Setting { gates: vec![gates], ..first_release(1) }
}

fn two_people() -> Gates {
    Gates { stage: Some(Gate { approvals: Some(2), ..Gate::default() }), ..Gates::default() }
}

fn is(stage: &str, ground: &Ground, state: &str) -> bool {
    ground.state(stage) == state
}

/// All of them.
pub fn all() -> Vec<Story> {
    let story = |name, short, ground| Story { name, ground, short };
    vec![
        story("a first release, whose second stack waits for the exports of the first", true, || {
            new(vec![FIRST, ASKS, APPROVED, DONE])
        }),
        story("an update", false, || deployed(vec![NEXT, ASKS, APPROVED, DONE])),
        story("a release that another replaces while it waits", false, || {
            deployed(vec![Do(|g| release(g, &RELEASES[1])), ASKS, NEXT, ASKS, APPROVED, DONE])
        }),
        story("a release that is rejected", true, || {
            let rejected = Until("a reject", |g| is(DEV, g, "Rejected"));
            deployed(vec![NEXT, ASKS, Do(|g| sign(g, DEV, Action::Reject, "bob")), rejected])
        }),
        story("a release that one approves and another rejects", true, || {
            let rejected = Until("a reject", |g| is(DEV, g, "Rejected"));
            let steps = vec![FIRST, ASKS, APPROVED, Do(|g| sign(g, DEV, Action::Reject, "bob")), rejected];
            setting(gates(two_people()), steps)
        }),
        story("a release that two approve, one of whom had taken it back", false, || {
            let revoked = |g: &mut Ground| sign(g, DEV, Action::Revoke, "alice");
            let second = Do(|g| sign(g, DEV, Action::Approve, "bob"));
            let third = Do(|g| sign(g, DEV, Action::Approve, "carol"));
            let rest = Rest(SignedDuration::from_secs(10));
            let steps = vec![FIRST, ASKS, APPROVED, rest, Do(revoked), rest, second, third, DONE];
            setting(gates(two_people()), steps)
        }),
        story("a creation that is rolled back and tried again", false, || {
            let back = Until("a roll back", |g| is(DEV, g, "RolledBack"));
            let fails = Do(|g| g.world.luck.weather.fails = 1000);
            let works = Do(|g| g.world.luck.weather.fails = 0);
            let retry = Do(|g| sign(g, DEV, Action::Retry, "alice"));
            new(vec![FIRST, ASKS, fails, APPROVED, back, works, retry, DONE])
        }),
        story("a release that is promoted to where two have to approve it", false, || {
            let steps = vec![
                FIRST,
                ASKS,
                APPROVED,
                DONE,
                Until("test to ask", |g| g.asks(TEST)),
                Do(|g| sign(g, TEST, Action::Approve, "alice")),
                Do(|g| sign(g, TEST, Action::Approve, "bob")),
                Until("test to be done", |g| g.has_newest(TEST)),
            ];
            setting(Setting { gates: vec![Gates::default(), two_people()], ..first_release(2) }, steps)
        }),
        story("a release that is approved before there is a plan of it", false, || {
            deployed(vec![
                Do(|g| approve_beforehand(g, DEV, &RELEASES[1])),
                Rest(SignedDuration::from_secs(5)),
                Do(|g| release(g, &RELEASES[1])),
                DONE,
            ])
        }),
        story("a release that lacks a stack, which is deleted", true, || {
            deployed(vec![
                Do(|g| g.edit_stage(DEV, |s| s.spec.removed_stacks = Some(Leftover::Delete))),
                Do(|g| release(g, &LEANER)),
                ASKS,
                APPROVED,
                DONE,
            ])
        }),
        story("a Stage that is deleted with its stacks", true, || {
            deployed(vec![
                Do(|g| account_says(g, DEV, Some(Leftover::Delete))),
                Do(|g| g.edit_stage(DEV, |s| s.spec.deletion_policy = Some(Leftover::Delete))),
                Until("a finalizer", |g| g.stage(DEV).is_some_and(|s| s.metadata.finalizers.is_some())),
                Do(|g| delete_stage(g, DEV)),
                Until("the end of the Stage", |g| g.stage(DEV).is_none()),
            ])
        }),
        story("stacks that others have made are taken over", true, || {
            let mut ground = deployed(vec![
                Until("dev to complain", |g| is(DEV, g, "StackNotOurs")),
                Do(|g| g.edit_stage(DEV, |s| s.spec.adoption_policy = Some(AdoptionPolicy::Unowned))),
                ASKS,
                APPROVED,
                DONE,
            ]);
            let plans: Vec<_> =
                ground.world.cluster.plans().filter_map(|p| p.metadata.name.clone()).collect();
            plans.into_iter().for_each(|plan| ground.world.cluster.delete(&ObjectKey::Plan(plan)));
            ground.world.cloud.stacks.values_mut().for_each(|s| s.ours = false);
            ground
        }),
        story("outputs are written into a ConfigMap", false, || {
            let to = |s: &mut stackgate_core::api::Stage| {
                let outputs = vec!["Bucket".to_owned()];
                s.spec.outputs_to = Some(OutputsTo { config_map: "dev-outputs".to_owned(), outputs });
            };
            let mut ground = deployed(vec![
                NEXT,
                ASKS,
                APPROVED,
                DONE,
                Until("the outputs", |g| {
                    g.others.iter().any(|(path, o)| {
                        path.ends_with("dev-outputs") && o["data"].to_string().contains("Bucket")
                    })
                }),
            ]);
            ground.edit_stage(DEV, to);
            ground
        }),
        story("a freeze holds a release up, and is lifted", false, || {
            let frozen = Until("the freeze to be told", |g| is(DEV, g, "Frozen"));
            deployed(vec![
                Do(freeze),
                NEXT,
                ASKS_FROZEN,
                APPROVED,
                frozen,
                Rest(SignedDuration::from_secs(30)),
                Do(thaw),
                DONE,
            ])
        }),
        story("a freeze holds a release up, and is overridden", false, || {
            let frozen = Until("the freeze to be told", |g| is(DEV, g, "Frozen"));
            let overridden = Do(|g| sign(g, DEV, Action::Override, "carol"));
            deployed(vec![Do(freeze), NEXT, ASKS_FROZEN, APPROVED, frozen, overridden, DONE])
        }),
        story("a Stage is suspended while its release waits", false, || {
            let held = Until("dev to be held", |g| is(DEV, g, "Suspended"));
            deployed(vec![
                NEXT,
                ASKS,
                Do(|g| g.edit_stage(DEV, |s| s.spec.suspend = true)),
                held,
                APPROVED,
                Rest(SignedDuration::from_secs(30)),
                Do(|g| g.edit_stage(DEV, |s| s.spec.suspend = false)),
                DONE,
            ])
        }),
        story("a Stage that observes, and then manages", false, || {
            let shows = Until("dev to observe", |g| is(DEV, g, "Observing"));
            deployed(vec![
                Do(|g| g.edit_stage(DEV, |s| s.spec.mode = Some(StageMode::Observe))),
                NEXT,
                shows,
                Rest(SignedDuration::from_mins(6)),
                APPROVED,
                Rest(SignedDuration::from_secs(30)),
                Do(|g| g.edit_stage(DEV, |s| s.spec.mode = None)),
                DONE,
            ])
        }),
        story("a release that changes nothing", false, || {
            deployed(vec![
                Do(|g| release(g, &RELEASES[1])),
                ASKS,
                APPROVED,
                DONE,
                Do(|g| release(g, &RELEASES[2])),
                DONE,
            ])
        }),
        story("a release whose check reports, and which soaks before it goes on", false, || {
            let steps = vec![
                FIRST,
                ASKS,
                APPROVED,
                Until("dev to wait for its check", |g| is(DEV, g, "AwaitingCheck")),
                Do(|g| report(g, DEV)),
                DONE,
                Until("test to ask", |g| g.asks(TEST)),
                Do(|g| sign(g, TEST, Action::Approve, "alice")),
                Until("test to be done", |g| g.has_newest(TEST)),
            ];
            let checked = Gates { check: true, ..Gates::default() };
            let soaks = Gates { soak: Some("10m".parse().unwrap()), ..Gates::default() };
            setting(Setting { gates: vec![checked, soaks], ..first_release(2) }, steps)
        }),
        story("a release that carries an image", false, || {
            new(vec![Do(|g| release(g, &CARRYING[0])), ASKS, APPROVED, DONE])
        }),
        story(
            "values from a Secret and a ConfigMap, which change before and after the approval",
            false,
            || {
                // Longer than what was read is believed.
                let read_again = Rest(SignedDuration::from_mins(6));
                let asks_anew = Until("dev to ask for other values", |g| is(DEV, g, "AwaitingApproval"));
                taking(vec![
                    TAKEN,
                    ASKS,
                    Do(|g| set_size(g, "large")),
                    read_again,
                    ASKS,
                    APPROVED,
                    DONE,
                    Do(|g| set_password(g, PASSWORDS[1])),
                    asks_anew,
                    APPROVED,
                    DONE,
                ])
            },
        ),
        story(
            "a creation that is rolled back, of which CloudFormation tells the value of a Secret",
            false,
            || {
                let fails = Do(|g| g.world.luck.weather.fails = 1000);
                taking(vec![TAKEN, ASKS, fails, APPROVED, Until("a roll back", |g| is(DEV, g, "RolledBack"))])
            },
        ),
        story("a release is pinned: back to the one before", false, || {
            let pin = |g: &mut Ground| {
                let digest = digest(&RELEASES[0]).to_string();
                g.edit_stage(DEV, |s| s.spec.pin = Some(Pin { digest, reason: None }));
            };
            let back = Until("dev to go back", |g| {
                let deployed = g.stage(DEV).and_then(|s| s.status.clone()?.deployed.map(|d| d.digest));
                is(DEV, g, "UpToDate") && deployed == Some(digest(&RELEASES[0]))
            });
            let asks = Until("dev to ask for the way back", |g| is(DEV, g, "AwaitingApproval"));
            deployed(vec![NEXT, ASKS, APPROVED, DONE, Do(pin), asks, APPROVED, back])
        }),
        story("a toolkit stack is made", false, || {
            let steps = vec![
                Until("the Bootstrap to ask", |g| g.plan_of_bootstrap().is_some()),
                Do(approve_bootstrap),
                Until("the Bootstrap to be done", |g| g.bootstrap_is_ready()),
            ];
            let mut ground = new(steps).unjudged();
            allow_bootstrap(&mut ground);
            ground
        }),
        story("an account that demands more while a release waits", false, || {
            let demand = |g: &mut Ground| {
                crate::people::edit_account(g, DEV, |a| {
                    a.spec.minimum_gate.get_or_insert_with(MinimumGate::default).approvals = Some(2);
                })
            };
            deployed(vec![
                NEXT,
                ASKS,
                Do(demand),
                APPROVED,
                Rest(SignedDuration::from_secs(30)),
                Do(|g| sign(g, DEV, Action::Approve, "bob")),
                DONE,
            ])
        }),
    ]
}

const ASKS_FROZEN: Step = Until("dev to plan", |g| {
    let newest = g.world.source.last().map(|b| b.release());
    g.newest_plan(DEV).is_some_and(|p| p.closed.is_none() && p.release.as_ref().map(|r| r.digest) == newest)
});

fn digest(bundle: &Bundle) -> Digest {
    bundle.release()
}
