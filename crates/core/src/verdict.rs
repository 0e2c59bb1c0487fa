//! What a decision says: how things stand, and what comes next.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::Reason,
    effect::{Effect, Next, RefusalKind, Wake, Watched},
    facts::Facts,
};

/// How an object stands. Derived at every pass, never stored and read back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// As asked for.
    Done(Reason),
    /// Work goes on.
    Working(Reason),
    /// A person, an upstream or time is awaited.
    Waiting(Reason),
    /// Nothing goes on until somebody changes something.
    Stalled(Reason),
}

impl Phase {
    /// Why.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Done(r) | Self::Working(r) | Self::Waiting(r) | Self::Stalled(r) => r,
        }
    }
}

/// The decision of one step.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// How things stand.
    pub phase: Phase,
    /// The same in a sentence, with what to do about it.
    pub message: String,
    /// For the column WAITING FOR.
    pub waiting_for: Option<String>,
    /// What comes next.
    pub next: Next,
}

impl Verdict {
    /// Work to do now.
    #[must_use]
    pub fn act(reason: Reason, message: impl Into<String>, effects: Vec<Effect>) -> Self {
        Self {
            phase: Phase::Working(reason),
            message: message.into(),
            waiting_for: None,
            next: Next::Do(effects),
        }
    }

    /// Nothing to do until something changes.
    #[must_use]
    pub fn rest(phase: Phase, message: impl Into<String>) -> Self {
        Self { phase, message: message.into(), waiting_for: None, next: Next::Wait(Wake::default()) }
    }

    /// Does these, too, where something is done at all.
    #[must_use]
    pub fn with(mut self, more: impl IntoIterator<Item = Effect>) -> Self {
        if let Next::Do(effects) = &mut self.next {
            for effect in more {
                if !effects.contains(&effect) {
                    effects.push(effect);
                }
            }
        }
        self
    }

    /// Looks again at the latest then.
    #[must_use]
    pub fn until(mut self, at: Timestamp) -> Self {
        if let Next::Wait(wake) = &mut self.next {
            wake.at = Some(wake.at.map_or(at, |old| old.min(at)));
        }
        self
    }

    /// Has these stacks watched meanwhile.
    #[must_use]
    pub fn watching(mut self, stacks: impl IntoIterator<Item = Watched>) -> Self {
        if let Next::Wait(wake) = &mut self.next {
            wake.stacks.extend(stacks);
        }
        self
    }

    /// Says for whom it waits.
    #[must_use]
    pub fn waiting_for(mut self, whom: impl Into<String>) -> Self {
        self.waiting_for = Some(whom.into());
        self
    }
}

/// Why something cannot be told yet: an effect has to be performed, time has to pass, or a person has to act.
#[derive(Clone, Debug)]
pub enum Need {
    /// Perform this.
    Do(Box<Effect>),
    /// Wait: until then, or for a change.
    Wait(Reason, String, Option<Timestamp>),
    /// A person has to act; it is tried again then.
    Stuck(Reason, String, Option<Timestamp>),
}

/// A value, or what is needed first.
pub type Step<T> = Result<T, Need>;

impl Need {
    /// A person has to act, and the object changes when they have.
    #[must_use]
    pub fn stuck(reason: Reason, message: impl Into<String>) -> Self {
        Self::Stuck(reason, message.into(), None)
    }

    /// Tells a refusal that means something particular here by its particular reason.
    #[must_use]
    pub fn told_as(self, general: Reason, particular: Reason) -> Self {
        match self {
            Self::Stuck(r, m, at) if r == general => Self::Stuck(particular, m, at),
            Self::Do(_) | Self::Wait(..) | Self::Stuck(..) => self,
        }
    }
}

/// Asks for an effect, unless it was refused and it is too early to try again.
#[must_use]
pub fn ask(facts: &Facts, effect: Effect, now: Timestamp) -> Need {
    // Mostly nothing was refused: then nothing is spelled out either.
    let refused = if facts.refusals.is_empty() { None } else { facts.refusals.get(&effect.attempt()) };
    let Some(refused) = refused else { return Need::Do(Box::new(effect)) };
    let at = refused.retry_at();
    if now >= at {
        return Need::Do(Box::new(effect));
    }
    let message = format!("{}: {}", effect.key(), refused.refusal.message);
    match refused.refusal.kind {
        RefusalKind::Throttled | RefusalKind::Unavailable | RefusalKind::Conflict => {
            Need::Wait(Reason::Retrying, message, Some(at))
        }
        RefusalKind::AssumeDenied | RefusalKind::Denied | RefusalKind::WrongAccount => {
            Need::Stuck(Reason::AccessDenied, message, Some(at))
        }
        RefusalKind::AssetKeyTaken => Need::Stuck(Reason::AssetKeyTaken, message, Some(at)),
        RefusalKind::NotFound | RefusalKind::AlreadyExists | RefusalKind::Invalid => {
            Need::Stuck(Reason::CallRefused, message, Some(at))
        }
    }
}

/// When to look again at something that is not ready: 0.25 s after the first look, doubling to 5 s.
#[must_use]
pub fn look_again_at(as_of: Timestamp, times: u32) -> Timestamp {
    let millis = i64::min(250_i64 << times.saturating_sub(1).min(8), 5_000);
    as_of.saturating_add(SignedDuration::from_millis(millis)).unwrap_or(as_of)
}

/// One verdict from many needs: a person's turn comes first, since nothing more is started then; else everything that
/// can be done is done; else the earliest time ends the wait.
#[must_use]
pub fn fold(needs: Vec<Need>, reason: Reason, doing: &str) -> Verdict {
    let mut effects: Vec<Effect> = Vec::new();
    let mut wait: Option<(Reason, String, Option<Timestamp>)> = None;
    let mut stuck: Option<(Reason, String, Option<Timestamp>)> = None;
    for need in needs {
        match need {
            Need::Do(e) => {
                if !effects.contains(&e) {
                    effects.push(*e);
                }
            }
            Need::Wait(r, m, at) => match &mut wait {
                None => wait = Some((r, m, at)),
                Some((_, _, old)) => *old = earliest(*old, at),
            },
            Need::Stuck(r, m, at) => match &mut stuck {
                None => stuck = Some((r, m, at)),
                Some((_, _, old)) => *old = earliest(*old, at),
            },
        }
    }
    let verdict = |phase: Phase, message: String, at: Option<Timestamp>| {
        let v = Verdict::rest(phase, message);
        match at {
            Some(at) => v.until(at),
            None => v,
        }
    };
    if let Some((r, m, at)) = stuck {
        return verdict(Phase::Stalled(r), m, at);
    }
    if !effects.is_empty() {
        return Verdict::act(reason, doing, effects);
    }
    match wait {
        Some((r, m, at)) => {
            let phase = match r {
                Reason::StackBusy | Reason::NotBootstrapped | Reason::AwaitingAssembly | Reason::Frozen => {
                    Phase::Waiting(r)
                }
                _other => Phase::Working(r),
            };
            verdict(phase, m, at)
        }
        None => Verdict::rest(Phase::Working(reason), doing),
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
