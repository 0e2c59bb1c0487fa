//! After the stacks: what others report on the deployment.

use jiff::{SignedDuration, Timestamp};

use super::Snapshot;
use crate::{
    api::{Check, CheckResult, GATE_PREFIX, Reason},
    gate::PlanView,
    verdict::{Phase, Verdict},
};

/// How long a report is awaited where nobody says otherwise.
const TIMEOUT: SignedDuration = SignedDuration::from_hours(1);

/// What stands against a deployed plan's being verified; `None`: nothing does.
pub(super) fn unverified(s: &Snapshot<'_>, plan: &PlanView, now: Timestamp) -> Option<Verdict> {
    let checks = &s.stage.spec.checks;
    let mut awaited: Vec<&Check> = Vec::new();
    let mut failed: Vec<(&str, String)> = Vec::new();
    let mut deadline: Option<Timestamp> = None;
    for check in checks {
        match plan.check(&check.name, s.gate.identity.value) {
            Some((report, _)) if report.result == CheckResult::Failed => {
                let why = report.reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
                failed.push((&check.name, format!("check {} failed{why}", check.name)));
            }
            Some(_) => {}
            None => {
                let timeout = check.timeout.as_ref().map_or(TIMEOUT, |t| t.get());
                let end = plan.settled_time.saturating_add(timeout).unwrap_or(Timestamp::MAX);
                if now >= end {
                    let name = &check.name;
                    let why = if plan.checks.contains_key(name) {
                        format!("check {name} has reported, and nothing proves who did")
                    } else {
                        format!("check {name} has not reported since {}", plan.settled_time)
                    };
                    failed.push((name, why));
                } else {
                    awaited.push(check);
                    deadline = Some(deadline.map_or(end, |d| d.min(end)));
                }
            }
        }
    }
    let example = |name: &str| {
        // What stands there from the deployment before would stay as it is.
        let anew = match plan.was_reported_before(name) {
            true => format!(";reason=deployment {}", plan.times_opened()),
            false => String::new(),
        };
        format!(
            "kubectl -n {} annotate --overwrite plan {} {GATE_PREFIX}check.{name}={}",
            s.namespace,
            plan.name,
            s.enforcement.value(plan.id(), &format!(";result=passed{anew}"))
        )
    };
    if !failed.is_empty() {
        let (names, why): (Vec<&str>, Vec<String>) = failed.into_iter().unzip();
        let message = format!(
            "the stacks are deployed, but {}; stages downstream do not get the release. A later report of {} counts instead, or a new release: {}",
            why.join("; "),
            names.join(", "),
            example(names.first().copied().unwrap_or_default())
        );
        return Some(
            Verdict::rest(Phase::Stalled(Reason::CheckFailed), message)
                .waiting_for("a check, or a new release"),
        );
    }
    let first = awaited.first()?;
    let names = awaited.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(",");
    let message =
        format!("the stacks are deployed; awaiting the report of {names}: {}", example(&first.name));
    let v =
        Verdict::rest(Phase::Waiting(Reason::AwaitingCheck), message).waiting_for(format!("check {names}"));
    Some(deadline.map_or(v.clone(), |at| v.until(at)))
}
