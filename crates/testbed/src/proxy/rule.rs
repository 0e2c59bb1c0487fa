//! Rules: what the proxy does to which of the next requests.

use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use tokio::sync::watch;

use super::{
    call::Call,
    share::{Seen, Share},
};

/// How long something is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// For this long, or until released.
    For(Duration),
    /// Until [`RuleHandle::release`] or [`RuleHandle::remove`].
    UntilReleased,
}

/// What happens to a request that a rule picks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// AWS never sees it: the connection is closed without an answer.
    Refuse,
    /// AWS never sees it: this status and body are the answer.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The body, XML or JSON as the service speaks.
        body: String,
    },
    /// AWS carries it out, then the connection is closed without an answer.
    DropReply,
    /// AWS never sees it: the connection is reset.
    Reset,
    /// AWS carries it out, then the connection is reset without an answer.
    ResetReply,
    /// AWS carries it out, then this is the answer instead of its own.
    ReplaceReply {
        /// The HTTP status.
        status: u16,
        /// The body, XML or JSON as the service speaks.
        body: String,
    },
    /// It is held before AWS sees it, then goes on.
    HoldRequest(Hold),
    /// AWS carries it out, and its answer is held.
    HoldReply(Hold),
}

impl Fault {
    /// AWS never sees it: the service says, in its own way, that there were too many calls.
    #[must_use]
    pub fn throttled(service: &str) -> Self {
        let (status, body) = match service {
            "s3" => (
                503,
                "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
            ),
            "ssm" | "ecr" => (400, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#),
            _ => (
                400,
                "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>",
            ),
        };
        Self::Answer { status, body: body.to_owned() }
    }
}

type Predicate = Arc<dyn Fn(&Call) -> bool + Send + Sync>;

/// Picks requests and says what happens to them: by default to the next one that matches. The oldest rule that matches acts.
#[derive(Clone)]
pub struct Rule {
    service: Option<String>,
    operation: Option<String>,
    predicate: Option<Predicate>,
    share: Option<Share>,
    skip: usize,
    times: usize,
    pub(super) fault: Fault,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |word: &Option<String>| word.clone().unwrap_or_else(|| "*".to_owned());
        write!(f, "Rule({}:{} {:?})", of(&self.service), of(&self.operation), self.fault)
    }
}

impl Rule {
    /// For the next request of this operation.
    #[must_use]
    pub fn on(service: &str, operation: &str, fault: Fault) -> Self {
        Self { operation: Some(operation.to_owned()), ..Self::on_service(service, fault) }
    }

    /// For the next request of this service.
    #[must_use]
    pub fn on_service(service: &str, fault: Fault) -> Self {
        Self { service: Some(service.to_owned()), ..Self::on_any(fault) }
    }

    /// For the next request, whichever it is.
    #[must_use]
    pub fn on_any(fault: Fault) -> Self {
        Self { service: None, operation: None, predicate: None, share: None, skip: 0, times: 1, fault }
    }

    /// Only for requests of which this holds.
    #[must_use]
    pub fn when(mut self, predicate: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        self.predicate = Some(Arc::new(predicate));
        self
    }

    /// Only for so many of a hundred, which the seed decides: the same for the same calls, in whichever order they come.
    #[must_use]
    pub fn share(mut self, percent: u8, seed: u64) -> Self {
        self.share = Some(Share { percent, seed });
        self
    }

    /// Lets the first `n` that match pass.
    #[must_use]
    pub fn after(mut self, n: usize) -> Self {
        self.skip = n;
        self
    }

    /// For so many requests instead of one.
    #[must_use]
    pub fn times(mut self, n: usize) -> Self {
        self.times = n;
        self
    }

    /// For all requests until it is removed.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    fn matches(&self, call: &Call) -> bool {
        let is = |word: &Option<String>, found: &str| word.as_deref().is_none_or(|word| word == found);
        is(&self.service, &call.service)
            && is(&self.operation, &call.operation)
            && self.predicate.as_ref().is_none_or(|predicate| predicate(call))
    }
}

/// A rule that was set; keeps acting when this is dropped.
#[derive(Debug, Clone)]
pub struct RuleHandle(Arc<Active>);

#[derive(Debug)]
struct Active {
    rule: Rule,
    progress: Mutex<Progress>,
    changed: Condvar,
    released: watch::Sender<bool>,
}

#[derive(Debug)]
struct Progress {
    skip: usize,
    left: usize,
    hits: usize,
    /// For rules with a share.
    seen: Seen,
}

impl RuleHandle {
    pub(super) fn new(rule: Rule) -> Self {
        let progress =
            Mutex::new(Progress { skip: rule.skip, left: rule.times, hits: 0, seen: Seen::default() });
        Self(Arc::new(Active {
            rule,
            progress,
            changed: Condvar::new(),
            released: watch::Sender::new(false),
        }))
    }

    /// Whether this rule acts on the call; counts it if so.
    pub(super) fn picks(&self, call: &Call) -> bool {
        if !self.0.rule.matches(call) {
            return false;
        }
        let mut progress = self.0.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if progress.left == 0 {
            return false;
        }
        if let Some(share) = self.0.rule.share
            && !share.takes(call, &mut progress.seen)
        {
            return false;
        }
        if progress.skip > 0 {
            progress.skip -= 1;
            return false;
        }
        progress.left -= 1;
        progress.hits += 1;
        self.0.changed.notify_all();
        true
    }

    pub(super) fn fault(&self) -> &Fault {
        &self.0.rule.fault
    }

    pub(super) async fn held(&self, hold: Hold) {
        let mut released = self.0.released.subscribe();
        let release = released.wait_for(|released| *released);
        // The sender lives in self, so waiting for it cannot fail; running out of time is one of the two ends.
        match hold {
            Hold::For(time) => drop(tokio::time::timeout(time, release).await),
            Hold::UntilReleased => drop(release.await),
        }
    }

    /// How many requests it has acted on.
    #[must_use]
    pub fn hits(&self) -> usize {
        self.0.progress.lock().unwrap_or_else(PoisonError::into_inner).hits
    }

    /// Waits until it has acted on `n` requests.
    ///
    /// # Errors
    /// When that takes longer than `within`.
    pub fn wait_for_hits(&self, n: usize, within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        let mut progress = self.0.progress.lock().unwrap_or_else(PoisonError::into_inner);
        while progress.hits < n {
            let Some(left) = end.checked_duration_since(Instant::now()) else {
                bail!("{:?} acted on {} requests within {within:?}, not on {n}", self.0.rule, progress.hits);
            };
            progress = self.0.changed.wait_timeout(progress, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// Lets go of everything it holds and will hold.
    pub fn release(&self) {
        self.0.released.send_replace(true);
    }

    /// Acts on nothing any more, and lets go of everything it holds.
    pub fn remove(&self) {
        self.0.progress.lock().unwrap_or_else(PoisonError::into_inner).left = 0;
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(operation: &str, stack: &str) -> Call {
        Call {
            service: "cloudformation".into(),
            operation: operation.into(),
            params: [("StackName".to_owned(), stack.to_owned())].into(),
            ..Call::default()
        }
    }

    #[test]
    fn a_rule_acts_on_its_calls_only_and_so_many_times() {
        let rule = Rule::on("cloudformation", "ExecuteChangeSet", Fault::DropReply)
            .when(|call| call.param("StackName") == "A")
            .after(1)
            .times(2);
        let handle = RuleHandle::new(rule);
        assert!(!handle.picks(&call("DescribeStacks", "A")));
        assert!(!handle.picks(&call("ExecuteChangeSet", "B")));
        let picked: Vec<bool> = (0..4).map(|_| handle.picks(&call("ExecuteChangeSet", "A"))).collect();
        assert_eq!(picked, [false, true, true, false]);
        assert_eq!(handle.hits(), 2);
        assert!(handle.wait_for_hits(3, Duration::from_millis(1)).is_err());
    }

    #[test]
    fn a_share_is_the_same_in_every_order() {
        let picked = |seed, turned: bool| {
            let handle = RuleHandle::new(Rule::on_any(Fault::Reset).share(30, seed).always());
            let mut calls: Vec<(String, usize)> =
                (0..400).map(|n| (format!("S{}", n / 10), n % 10)).collect();
            if turned {
                // Other stacks first; the calls about one stay in their order.
                calls.sort_by_key(|(stack, n)| (*n, stack.clone()));
            }
            let mut picked: Vec<_> =
                calls.into_iter().filter(|(stack, _)| handle.picks(&call("DescribeStacks", stack))).collect();
            picked.sort();
            picked
        };
        let first = picked(1, false);
        assert!((80..160).contains(&first.len()), "{} of 400", first.len());
        assert_eq!(first, picked(1, true));
        assert_ne!(first, picked(2, false));
    }

    #[test]
    fn a_removed_rule_does_nothing() {
        let handle = RuleHandle::new(Rule::on_any(Fault::Refuse).always());
        assert!(handle.picks(&call("X", "")));
        handle.remove();
        assert!(!handle.picks(&call("X", "")));
    }
}
