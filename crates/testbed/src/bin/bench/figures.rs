//! From what the API server and AWS have seen to figures.

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use stackgate_testbed::{Audited, Exchange, User, scenario::account_of};

/// One deployment of one Stage.
pub struct Sample {
    pub stage: String,
    pub plan: String,
    pub account: String,
}

/// What came of all of them.
pub struct Figures {
    /// From the request with the approval to the first ExecuteChangeSet.
    approval: Vec<SignedDuration>,
    /// From the last record in the plan of the Stage before to the first CreateChangeSet of the next one.
    promotion: Vec<SignedDuration>,
    /// Writes of the Stage's status, from the plan to the end of the deployment.
    writes: Vec<usize>,
}

impl Figures {
    /// Samples of a chain come in order: each second one is promoted from the one before.
    pub fn of(samples: &[Sample], audited: &[Audited], calls: &[Exchange]) -> Result<Self> {
        let mut figures = Self { approval: Vec::new(), promotion: Vec::new(), writes: Vec::new() };
        for pair in samples.chunks_exact(2) {
            let [first, second] = pair else { continue };
            for sample in pair {
                let approved = approval(sample, audited)?;
                let executed = first_call(sample, calls, "ExecuteChangeSet", approved)?;
                figures.approval.push(executed.duration_since(approved));
                figures.writes.push(status_writes(sample, audited, approved));
            }
            let after = approval(first, audited)?;
            let created = first_call(second, calls, "CreateChangeSet", after)?;
            let verified = records(first, audited).filter(|at| *at < created).max();
            let verified = verified.with_context(|| format!("nothing is recorded in {}", first.plan))?;
            figures.promotion.push(created.duration_since(verified));
        }
        ensure!(!figures.approval.is_empty(), "nothing was measured");
        Ok(figures)
    }

    pub fn lines(&self) -> Vec<String> {
        let writes = self.writes.iter().max().copied().unwrap_or_default();
        vec![
            line("approval -> ExecuteChangeSet", &self.approval, 100),
            line("Stage verified -> CreateChangeSet of the next", &self.promotion, 250),
            format!(
                "writes of the Stage's status from the approval to the end: at most {writes} (aim 4; {} deployments)",
                self.writes.len()
            ),
        ]
    }
}

fn line(what: &str, all: &[SignedDuration], aim: u32) -> String {
    let mut sorted = all.to_vec();
    sorted.sort_unstable();
    // Nearest rank.
    let at = |percent: usize| {
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default().as_millis()
    };
    format!("{what}: p50 {} ms, p99 {} ms (aim {aim} ms p99; {} samples)", at(50), at(99), sorted.len())
}

fn is_controller(a: &Audited) -> bool {
    a.user == User::Controller.name()
}

/// When the request with the approval had arrived.
fn approval(sample: &Sample, audited: &[Audited]) -> Result<Timestamp> {
    let mut found = audited.iter().filter(|a| {
        a.verb == "patch" && a.resource == "changeplans" && a.name == sample.plan && !is_controller(a)
    });
    found.next().map(|a| a.received).with_context(|| format!("{} was not approved", sample.plan))
}

/// When the controller has recorded something in the plan.
fn records<'a>(sample: &'a Sample, audited: &'a [Audited]) -> impl Iterator<Item = Timestamp> + 'a {
    audited
        .iter()
        .filter(|a| {
            is_controller(a) && a.resource == "changeplans" && a.name == sample.plan && a.verb != "get"
        })
        .map(|a| a.received)
}

fn status_writes(sample: &Sample, audited: &[Audited], approved: Timestamp) -> usize {
    let end = records(sample, audited).max().unwrap_or(approved) + SignedDuration::from_millis(500);
    let writes = audited.iter().filter(|a| {
        is_controller(a) && a.resource == "stages/status" && a.name == sample.stage && a.verb != "get"
    });
    writes.filter(|a| (approved..end).contains(&a.received)).count()
}

fn first_call(sample: &Sample, calls: &[Exchange], operation: &str, after: Timestamp) -> Result<Timestamp> {
    let mut found = calls
        .iter()
        .filter(|call| call.call.operation == operation && account_of(call) == sample.account)
        .filter_map(|call| Timestamp::try_from(call.at).ok())
        .filter(|at| *at > after);
    found.next().with_context(|| format!("no {operation} in {} after {after}", sample.account))
}
