//! Deliberate defects of the protocol that a schedule seldom meets, each in the story that it breaks; and the same story without
//! the defect.

#![expect(clippy::expect_used, reason = "functions that every test calls")]

use std::sync::Arc;

use jiff::SignedDuration;
use stackgate_core::{
    api::{Action, CheckResult, Gate, MinimumGate, RequireApproval, RiskClass},
    gate::PlanView,
    words::StackKey,
};
use stackgate_sim::{
    bundle::RELEASES,
    invariants::Violation,
    people::{newest, report},
    protocol::Protocol,
    run::{Gates, Run, Setting},
    scenario::first_release,
    world::{
        Object, ObjectKey,
        said::{Note, Word, Writer},
    },
};

const DEV: &str = "dev";

/// One Stage, in good weather, with people who are asked for.
struct Story(Run);

impl Story {
    fn begin(protocol: Protocol, approvals: u32) -> Result<Self, Violation> {
        let gate = Gate { approvals: Some(approvals), ..Gate::default() };
        let gates = vec![Gates { stage: Some(gate), ..Gates::default() }];
        let mut story = Self(Run::new(&Setting { gates, protocol, ..first_release(1) }));
        story.release(0)?;
        Ok(story)
    }

    /// Two Stages that ask nobody, the first with a check, and two releases that both have carried out.
    fn promoted(protocol: Protocol) -> Result<Self, Violation> {
        let never = || Gate {
            require_approval: Some(RequireApproval::Never),
            require_ack: Some(Vec::new()),
            ..Gate::default()
        };
        let lowest = || MinimumGate {
            require_approval: Some(RequireApproval::Never),
            require_ack: Some(Vec::new()),
            ..MinimumGate::default()
        };
        let gates =
            |check| Gates { stage: Some(never()), account: Some(lowest()), check, ..Gates::default() };
        let setting = Setting { gates: vec![gates(true), gates(false)], protocol, ..first_release(2) };
        let mut story = Self(Run::new(&setting));
        for place in [0, 3] {
            story.release(place)?;
            report(story.0.world(), DEV, CheckResult::Passed);
            story.on(10)?;
        }
        Ok(story)
    }

    /// The place of the release that a Stage has.
    fn has(&mut self, stage: &str) -> Option<usize> {
        let Some(Object::Stage(s)) =
            self.0.world().cluster.objects.0.get(&ObjectKey::Stage(stage.to_owned()))
        else {
            return None;
        };
        let deployed = s.status.as_ref()?.deployed.as_ref()?.digest;
        RELEASES.iter().position(|r| r.release() == deployed)
    }

    /// A release is made, and planned.
    fn release(&mut self, place: usize) -> Result<(), Violation> {
        self.0.world().source.push(Arc::clone(&RELEASES[place]));
        self.on(7)
    }

    fn on(&mut self, minutes: i64) -> Result<(), Violation> {
        self.0.alone(SignedDuration::from_mins(minutes))
    }

    /// Names the release of the newest plan.
    fn a1(&mut self) -> String {
        self.plan().proposal().a1.as_ref().map(ToString::to_string).expect("an a1")
    }

    fn first_stack(&mut self) -> StackKey {
        self.plan().proposal().stacks.first().expect("a stack").key()
    }

    fn plan(&mut self) -> PlanView {
        newest(self.0.world(), DEV).expect("a plan")
    }

    fn state(&mut self) -> String {
        match self.0.world().cluster.objects.0.get(&ObjectKey::Stage(DEV.to_owned())) {
            Some(Object::Stage(s)) => s.status.clone().and_then(|s| s.state).unwrap_or_default(),
            _ => String::new(),
        }
    }

    fn suspend(&mut self, suspended: bool) {
        let cluster = &mut self.0.world().cluster;
        if let Some(Object::Stage(mut stage)) =
            cluster.objects.0.get(&ObjectKey::Stage(DEV.to_owned())).cloned()
        {
            Arc::make_mut(&mut stage).spec.suspend = suspended;
            cluster.put(Object::Stage(stage));
        }
    }

    /// Alice signs the plan that there is.
    fn sign(&mut self, action: Action, slot: &str) {
        let plan = self.plan();
        let on = ObjectKey::Plan(plan.name.clone());
        self.write(&on, action, slot, &plan.id().to_string());
    }

    fn write(&mut self, on: &ObjectKey, action: Action, slot: &str, id: &str) {
        let word = Word::Decides(action);
        let note = Note { word, slot, id, by: "alice", acks: &RiskClass::ALL, until: None };
        assert!(self.0.world().write(Writer::Person("alice"), on, &note), "{action:?} is denied");
    }

    /// Lets the controllers go on, bit by bit, until it has been made sure who decided, and nothing is recorded yet.
    fn until_sure(&mut self) -> Result<(), Violation> {
        self.0.world().trace = Some(Vec::new());
        let looked = |lines: &[String]| lines.iter().any(|l| l.contains("look gate"));
        while !self.0.world().trace.as_deref().is_some_and(looked) {
            self.0.alone(SignedDuration::from_millis(1))?;
        }
        assert!(self.plan().decisions.is_empty(), "too late");
        Ok(())
    }
}

/// The story goes as it should, and with the defect it ends with this invariant broken.
fn breaks(mutant: Protocol, invariant: &str, story: fn(Protocol) -> Result<String, Violation>, end: &str) {
    assert_eq!(story(Protocol::AsDesigned).as_deref(), Ok(end));
    let broken = story(mutant).expect_err("the defect breaks nothing");
    assert!(broken.starts_with(invariant), "{broken}");
}

#[test]
fn who_signs_twice_is_one_person() {
    breaks(
        Protocol::CountsTwice,
        "I2",
        |protocol| {
            let mut story = Story::begin(protocol, 2)?;
            story.sign(Action::Approve, "a");
            story.sign(Action::Approve, "b");
            story.on(5)?;
            Ok(story.state())
        },
        "AwaitingApproval",
    );
}

#[test]
fn what_was_rejected_stays_so_when_its_plan_comes_back() {
    breaks(
        Protocol::ForgetRejections,
        "I2",
        |protocol| {
            let mut story = Story::begin(protocol, 1)?;
            story.sign(Action::Reject, "");
            story.on(2)?;
            // What is recorded may be wiped.
            let on = ObjectKey::Plan(story.plan().name);
            story.0.world().wipe(Writer::GitOps, &on);
            story.release(1)?;
            story.release(0)?;
            story.sign(Action::Approve, "");
            story.on(5)?;
            Ok(story.state())
        },
        "Rejected",
    );
}

#[test]
fn an_approval_of_a_release_does_not_outlive_a_reject() {
    breaks(
        Protocol::ForgetRejections,
        "I2",
        |protocol| {
            let mut story = Story::begin(protocol, 1)?;
            story.sign(Action::Approve, "");
            story.on(5)?;
            story.release(1)?;
            let a1 = story.a1();
            let key = story.first_stack();
            story.suspend(true);
            story.write(&ObjectKey::Stage(DEV.to_owned()), Action::Approve, "early", &a1);
            story.on(2)?;
            story.sign(Action::Reject, "");
            story.on(2)?;
            story.suspend(false);
            let on = ObjectKey::Plan(story.plan().name);
            story.0.world().wipe(Writer::GitOps, &on);
            story.0.world().update_by_hand(&key);
            story.on(15)?;
            Ok(story.state())
        },
        "AwaitingApproval",
    );
}

#[test]
fn an_approval_of_a_release_is_used_once() {
    breaks(
        Protocol::SpentReleaseCounts,
        "I2",
        |protocol| {
            let mut story = Story::begin(protocol, 1)?;
            let a1 = story.a1();
            story.write(&ObjectKey::Stage(DEV.to_owned()), Action::Approve, "", &a1);
            story.on(5)?;
            assert_eq!(story.state(), "UpToDate");
            story.release(1)?;
            story.sign(Action::Approve, "");
            story.on(5)?;
            assert_eq!(story.state(), "UpToDate");
            // The annotation is still there, and the release comes back.
            story.release(0)?;
            Ok(story.state())
        },
        "AwaitingApproval",
    );
}

#[test]
fn a_retry_carries_nothing_over_where_somebody_else_has_changed_a_stack() {
    breaks(
        Protocol::RetryCarriesAll,
        "I2",
        |protocol| {
            let mut story = Story::begin(protocol, 1)?;
            story.sign(Action::Approve, "");
            story.on(5)?;
            story.release(1)?;
            story.sign(Action::Approve, "");
            story.0.world().luck.weather.fails = 1_000;
            story.on(5)?;
            assert_eq!(story.state(), "RolledBack");
            story.0.world().luck.weather.fails = 0;
            let key = story.first_stack();
            story.sign(Action::Retry, "");
            story.0.world().update_by_hand(&key);
            story.on(10)?;
            Ok(story.state())
        },
        "AwaitingApproval",
    );
}

#[test]
fn a_grant_that_is_withdrawn_before_the_claim_stops_what_it_allowed() {
    breaks(
        Protocol::LookBeforeClaim,
        "I5",
        |protocol| {
            let mut story = Story::begin(protocol, 1)?;
            story.sign(Action::Approve, "");
            story.until_sure()?;
            let world = story.0.world();
            let account = ObjectKey::Account(DEV.to_owned());
            let id = "111111111111".parse().unwrap();
            world.moment += 1;
            world.withdrawn.insert(id, world.moment);
            world.grant(&"111111111111".parse().unwrap(), false);
            // The news of it comes late.
            let late = world.cluster.views[0].late.remove(&account).expect("events");
            story.on(2)?;
            story.0.world().cluster.views[0].late.insert(account, late);
            story.on(5)?;
            let nothing = story.0.world().cloud.stacks.values().all(|s| s.deployed.is_none());
            Ok(format!("{nothing}"))
        },
        "true",
    );
}

#[test]
fn an_approval_counts_for_the_stack_as_it_was_shown() {
    breaks(
        Protocol::BaselineLeftOut,
        "I2",
        |protocol| {
            let mut story = Story::begin(protocol, 1)?;
            story.sign(Action::Approve, "");
            story.on(5)?;
            story.release(1)?;
            let key = story.first_stack();
            story.sign(Action::Approve, "");
            story.until_sure()?;
            story.0.world().update_in_vain_by_hand(&key);
            story.on(10)?;
            Ok(story.state())
        },
        "AwaitingApproval",
    );
}

#[test]
fn what_came_while_a_policy_did_not_deny_stays_unproven_when_it_denies_again() {
    breaks(
        Protocol::DoubtForgotten,
        "I2",
        |protocol| {
            let mut story = Story::begin(protocol, 1)?;
            let plan = story.plan();
            let on = ObjectKey::Plan(plan.name.clone());
            story.0.world().let_policies_deny(false);
            story.on(1)?;
            let word = Word::Decides(Action::Approve);
            let id = plan.id().to_string();
            let note = Note { word, slot: "bob", id: &id, by: "bob", acks: &RiskClass::ALL, until: None };
            assert!(story.0.world().write(Writer::Intruder, &on, &note), "it denies");
            // The news of it comes when the policy denies again.
            let late = story.0.world().cluster.views[0].late.remove(&on).expect("events");
            story.0.world().let_policies_deny(true);
            story.on(1)?;
            story.0.world().cluster.views[0].late.insert(on, late);
            story.on(5)?;
            Ok(story.state())
        },
        "AwaitingApproval",
    );
}

#[test]
fn a_check_that_fails_upstream_takes_a_release_away_from_nobody_who_has_it() {
    breaks(
        Protocol::GoesBack,
        "I9",
        |protocol| {
            let mut story = Story::promoted(protocol)?;
            assert_eq!((story.has(DEV), story.has("test")), (Some(3), Some(3)));
            report(story.0.world(), DEV, CheckResult::Failed);
            story.on(10)?;
            Ok(format!("{:?}", story.has("test")))
        },
        "Some(3)",
    );
}
