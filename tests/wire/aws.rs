//! AWS as a pass reaches it: the fake of the simulator, behind the border.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use stackgate::aws::{AwsLook, Cloud, RowCache};
use stackgate_core::{
    api::PinnedSource,
    effect::{Access, Effect, Look, Mutation, Outcome, Pace, Receipt, Refusal, RefusalKind, Seen},
    words::{Env, StackId, StackKey},
};

use crate::{
    ground::Ground,
    mutants::Defect,
    site::{Call, Fault, Site},
};

/// What each object waits for.
pub type Wants = Arc<Mutex<BTreeMap<String, Vec<(StackKey, Pace)>>>>;

/// The fake, for one process.
pub struct Fake {
    /// Where it is.
    pub site: Arc<Site>,
    /// What is waited for.
    pub wants: Wants,
}

impl Cloud for Fake {
    fn look<'a>(&'a self, look: &'a AwsLook<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let what = look_again(&self.site.ground(), look);
            let effect = Effect::Look(what);
            let call = Call { what: effect.key(), changes: false, kubernetes: false };
            let answer = self.site.call(call, |ground| ground.world.perform(&effect)).await;
            answer.unwrap_or_else(refused)
        })
    }

    fn mutate<'a>(
        &'a self,
        mutation: &'a Mutation,
        now: &'a (dyn Fn() -> Timestamp + Sync),
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let is_fence = matches!(mutation, Mutation::DeleteChangeSet(..));
            if is_fence && self.site.ground().defect == Some(Defect::ChangeSetsStay) {
                return Outcome::Accepted(Receipt::Done);
            }
            if mutation.is_over(now()) {
                let message = "the look that it rests on is too old by now".to_owned();
                return Outcome::Refused(Refusal { kind: RefusalKind::Conflict, message });
            }
            let effect = Effect::Mutate(mutation.clone());
            let call = Call { what: effect.key(), changes: true, kubernetes: false };
            let carry_out = |ground: &mut Ground| {
                if let Some(wrong) = in_another_account(mutation) {
                    ground.wrong.push(wrong);
                }
                if let Mutation::Execute(_, arn, _) = mutation {
                    ground.execution(arn.get());
                }
                ground.world.perform(&effect)
            };
            match self.site.call(call, carry_out).await {
                Ok(outcome) => outcome,
                Err(Fault::Refused(..)) => refused(Fault::Refused(429, "")),
                Err(Fault::Failed(..) | Fault::Reset(_)) => Outcome::Unsure("no reply".to_owned()),
            }
        })
    }

    fn want(&self, owner: &str, _: Access, keys: Vec<(StackKey, Pace)>) {
        self.wants.lock().unwrap().entry(owner.to_owned()).or_default().extend(keys);
    }

    fn forget(&self, owner: &str) {
        self.wants.lock().unwrap().remove(owner);
    }
}

fn refused(fault: Fault) -> Outcome {
    let kind = match fault {
        Fault::Refused(..) => RefusalKind::Throttled,
        Fault::Failed(..) | Fault::Reset(_) => RefusalKind::Unavailable,
    };
    Outcome::Refused(Refusal { kind, message: "by the weather".to_owned() })
}

/// I6: a session is in the account of what it changes.
fn in_another_account(mutation: &Mutation) -> Option<String> {
    let (key, access): (&Env, &Access) = match mutation {
        Mutation::Publish(_) => return None,
        Mutation::PushImage(u) => (&u.to.env, &u.access),
        Mutation::CreateChangeSet(w) => (&w.key.env, &w.access),
        Mutation::Execute(k, _, a)
        | Mutation::DeleteChangeSet(k, .., a)
        | Mutation::Protect(k, _, _, a)
        | Mutation::DeleteStack(k, _, a) => (&k.env, a),
    };
    (key.account != access.env.account).then(|| format!("I6: {mutation:?} goes to another account"))
}

/// The look as the core has asked for it. Looks by id go by name in the fake.
fn look_again(ground: &Ground, look: &AwsLook<'_>) -> Look {
    let named = |id: &StackId, access: &Access| {
        let stacks = &ground.world.cloud.stacks;
        let found = stacks.iter().find(|(_, s)| s.id == *id).map(|(key, _)| key.clone());
        let name = || id.as_str().split('/').nth(1).unwrap().parse().unwrap();
        found.unwrap_or_else(|| StackKey { env: access.env.clone(), name: name() })
    };
    let at = Timestamp::UNIX_EPOCH;
    match *look {
        AwsLook::Stack(key, a) => Look::Stack(key.clone(), a.clone()),
        AwsLook::ChangeSet(key, set, a) => Look::ChangeSet(key.clone(), set.clone(), a.clone()),
        AwsLook::SetContent(key, arn, nested, a) => {
            Look::SetContent(key.clone(), arn.clone(), nested.clone(), a.clone())
        }
        AwsLook::Template(id, a) => Look::Template(named(id, a), id.clone(), at, a.clone()),
        AwsLook::Failure(id, a) => Look::Failure(named(id, a), id.clone(), a.clone()),
        AwsLook::DetectDrift(id, a) => Look::DetectDrift(named(id, a), id.clone(), a.clone()),
        AwsLook::Drift(id, detection, a) => {
            Look::Drift(named(id, a), id.clone(), detection.map(str::to_owned), a.clone())
        }
        AwsLook::Toolkit(env, parameter, a) => Look::Toolkit(env.clone(), parameter.to_owned(), a.clone()),
        AwsLook::Outputs(id, a) => Look::Outputs(named(id, a), id.clone(), at, a.clone()),
        AwsLook::Image(image, a) => Look::Image(image.clone(), a.clone()),
        AwsLook::Source(source, a) => Look::Source(source.clone(), None, a.clone()),
        AwsLook::Bundle(pinned, a) => Look::Bundle(PinnedSource::S3(pinned.clone()), a.clone()),
    }
}

/// The polls of all regions, as `src/aws/region.rs` makes them.
pub struct Polls {
    wants: Wants,
    rows: RowCache,
    last: Timestamp,
}

const FAST: SignedDuration = SignedDuration::from_secs(5);
const SLOW: SignedDuration = SignedDuration::from_secs(60);

impl Polls {
    /// Polls what is wanted into these rows.
    pub fn new(wants: Wants, rows: RowCache, now: Timestamp) -> Self {
        Self { wants, rows, last: now }
    }

    /// When the next one is due.
    pub fn due(&self) -> Option<Timestamp> {
        let pace = self.wants.lock().unwrap().values().flatten().map(|(_, pace)| *pace).max()?;
        self.last.checked_add(if pace == Pace::Fast { FAST } else { SLOW }).ok()
    }

    /// Polls if it is time to; `wake` is told of every row that differs.
    pub fn poll(&mut self, ground: &mut Ground, wake: impl Fn(&StackKey)) {
        let now = ground.world.now;
        if self.due().is_none_or(|at| at > now) {
            return;
        }
        self.last = now;
        let keys: std::collections::BTreeSet<StackKey> =
            self.wants.lock().unwrap().values().flatten().map(|(key, _)| key.clone()).collect();
        for key in keys {
            let row = ground.world.cloud.read(&key);
            let recently =
                matches!(self.rows.get(&key), Seen::Absent(at) if now.duration_since(at) < SLOW / 2);
            if !(row.is_none() && recently) && self.rows.learn(&key, row, now) {
                wake(&key);
            }
        }
    }
}
