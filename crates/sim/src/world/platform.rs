//! What the platform team does to the gates: freezes, holds, pins, demands of accounts, and the policies.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff};
use stackgate_core::{
    api::{
        AccountSelection, DriftDetection, Freeze, FreezeSchedule, FreezeSpec, Gate, MinimumGate, Operation,
        Pin, RequireApproval, Stage, StageMode,
    },
    words::AccountId,
};

use super::{Object, ObjectKey, World};
use crate::{bundle, people::STAGES};

/// When a freeze is active. This is what the platform team means; what the core reads is the object made of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Active {
    /// Until it is deleted.
    Always,
    /// From then on, until then.
    Between(Timestamp, Timestamp),
    /// The first ten minutes of every hour.
    Hourly,
}

/// A freeze, as it is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Meant {
    /// When.
    pub active: Active,
    /// For changes of these accounts; `None`: of all.
    pub accounts: Option<Vec<AccountId>>,
    /// Whether going back may start all the same.
    pub allows_rollback: bool,
}

impl Meant {
    /// Whether it holds this change up at that time.
    #[must_use]
    pub fn holds(&self, account: &AccountId, operation: Operation, at: Timestamp) -> bool {
        let active = match self.active {
            Active::Always => true,
            Active::Between(from, to) => from <= at && at < to,
            Active::Hourly => at.as_second().rem_euclid(3600) < 600,
        };
        let covers = self.accounts.as_ref().is_none_or(|list| list.contains(account));
        active && covers && !(self.allows_rollback && operation == Operation::Rollback)
    }
}

impl World {
    /// The platform team, or who owns a stage, does something at random.
    pub fn rule(&mut self) {
        match self.luck.random.below(14) {
            0..=2 => self.freeze(),
            3..=5 => self.thaw(),
            6 => self.with_a_stage(|spec, world| {
                if world.luck.random.chance(500) {
                    spec.suspend = !spec.suspend;
                } else {
                    spec.mode = if spec.observes() { None } else { Some(StageMode::Observe) };
                }
            }),
            7 => self.pin(),
            8 => self.with_a_stage(|spec, _| spec.pin = None),
            9 => self.edit_gate(),
            10 => self.demand(),
            11 => self.meddle_with_policies(true),
            12 => self.with_a_stage(|spec, _| {
                spec.drift_detection = match spec.drift_detection {
                    Some(_) => None,
                    None => Some(DriftDetection { interval: None }),
                };
            }),
            _ => self.meddle_with_policies(false),
        }
    }

    fn freeze(&mut self) {
        let name = format!("freeze-{}", self.luck.random.below(2));
        let key = ObjectKey::Freeze(name.clone());
        if self.has(&key) {
            return;
        }
        let later = |now: Timestamp, minutes: u64| {
            let span = SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(1));
            now.saturating_add(span).unwrap_or(now)
        };
        let random = &mut self.luck.random;
        let active = match random.below(8) {
            0..=2 => Active::Always,
            3 => Active::Hourly,
            n => {
                let from = if n < 6 { self.now } else { later(self.now, random.below(20)) };
                let from = Timestamp::from_second(from.as_second()).unwrap_or(from);
                Active::Between(from, later(from, 1 + random.below(40)))
            }
        };
        let (stage, (_, account)) = (STAGES[0], bundle::STAGES[0]);
        let narrow = random.chance(300);
        let meant = Meant {
            active,
            accounts: narrow.then(|| account.parse().into_iter().collect()),
            allows_rollback: random.chance(300),
        };
        self.tell(|| format!("  [platform] {name}: {meant:?}"));
        let times = |from: Timestamp, to: Timestamp| (Some(Time(from)), Some(Time(to)));
        let (start_time, end_time) = match active {
            Active::Between(from, to) => times(from, to),
            Active::Always | Active::Hourly => (None, None),
        };
        let schedule = (active == Active::Hourly).then(|| FreezeSchedule {
            cron: "0 * * * *".to_owned(),
            duration: span("10m"),
            time_zone: None,
        });
        let mut freeze = Freeze::new(
            &name,
            FreezeSpec {
                reason: "INC-1".to_owned(),
                start_time,
                end_time,
                schedule,
                accounts: narrow
                    .then(|| AccountSelection { names: Some(vec![stage.to_owned()]), selector: None }),
                namespaces: None,
                allow: if meant.allows_rollback { vec![Operation::Rollback] } else { Vec::new() },
            },
        );
        let old = self.cluster.objects.0.get(&ObjectKey::Freeze(name.clone())).map(|o| o.uid().to_owned());
        freeze.metadata.uid = Some(old.unwrap_or_else(|| format!("{name}-{}", self.cluster.version)));
        self.freezes.insert(name, meant);
        self.cluster.put(Object::Freeze(Arc::new(freeze)));
    }

    fn thaw(&mut self) {
        let names: Vec<String> = self.freezes.keys().cloned().collect();
        let place = self.luck.random.place(names.len());
        if let Some(name) = names.get(place) {
            self.delete_freeze(name);
        }
    }

    fn delete_freeze(&mut self, name: &str) {
        self.tell(|| format!("  [platform] deletes {name}"));
        self.freezes.remove(name);
        self.cluster.delete(&ObjectKey::Freeze(name.to_owned()));
    }

    fn with_a_stage(&mut self, change: impl FnOnce(&mut stackgate_core::api::StageSpec, &mut Self)) {
        let stages: Vec<Arc<Stage>> = self.cluster.stages().cloned().collect();
        let place = self.luck.random.place(stages.len());
        let Some(mut stage) = stages.get(place).cloned() else { return };
        let object = Arc::make_mut(&mut stage);
        change(&mut object.spec, self);
        object.metadata.generation = object.metadata.generation.map(|g| g + 1);
        self.tell(|| {
            let spec = &stage.spec;
            format!(
                "  [platform] {:?}: suspend {}, mode {:?}, pin {:?}, gate {:?}",
                stage.metadata.name, spec.suspend, spec.mode, spec.pin, spec.gate
            )
        });
        self.cluster.put(Object::Stage(stage));
    }

    fn pin(&mut self) {
        let place = self.luck.random.place(3);
        let digest = bundle::RELEASES.get(place).map(|b| b.release().to_string());
        self.with_a_stage(|spec, _| spec.pin = digest.map(|digest| Pin { digest, reason: None }));
    }

    /// Who may edit a Stage asks for more, or for less than its account allows.
    fn edit_gate(&mut self) {
        self.with_a_stage(|spec, world| {
            let gate = spec.gate.get_or_insert_with(Gate::default);
            match world.luck.random.below(3) {
                0 => gate.approvals = Some(if gate.approvals == Some(2) { 1 } else { 2 }),
                1 => gate.require_approval = Some(RequireApproval::Never),
                _ => gate.require_ack = if gate.require_ack.is_some() { None } else { Some(Vec::new()) },
            }
        });
    }

    /// The owner of an account asks for more, or for less.
    fn demand(&mut self) {
        let place = self.luck.random.place(STAGES.len());
        let name = ObjectKey::Account(STAGES.get(place).copied().unwrap_or_default().to_owned());
        let Some(Object::Account(mut account)) = self.cluster.objects.0.get(&name).cloned() else { return };
        let minimum = Arc::make_mut(&mut account).spec.minimum_gate.get_or_insert_with(MinimumGate::default);
        minimum.approvals = Some(if minimum.approvals == Some(2) { 1 } else { 2 });
        self.tell(|| format!("  [platform] {name:?} demands {minimum:?}"));
        self.cluster.put(Object::Account(account));
    }

    /// Everything that holds changes up and would not end by itself is taken back.
    pub(super) fn let_go(&mut self) {
        let names: Vec<String> =
            self.freezes.iter().filter(|(_, m)| m.active == Active::Always).map(|(n, _)| n.clone()).collect();
        names.iter().for_each(|name| self.delete_freeze(name));
        self.turn_policies(true);
        self.let_policies_deny(true);
        let held = |s: &&Arc<Stage>| s.spec.suspend || s.spec.mode.is_some() || s.spec.pin.is_some();
        let held: Vec<Arc<Stage>> = self.cluster.stages().filter(held).cloned().collect();
        for mut stage in held {
            let object = Arc::make_mut(&mut stage);
            (object.spec.suspend, object.spec.mode, object.spec.pin) = (false, None, None);
            object.metadata.generation = object.metadata.generation.map(|g| g + 1);
            self.cluster.put(Object::Stage(stage));
        }
    }
}

#[expect(clippy::expect_used, reason = "only words of this crate are given")]
fn span(text: &str) -> stackgate_core::words::Span {
    text.parse().expect("a span")
}
