//! The last plans of a Stage.

use jiff::Timestamp;
use serde::Serialize;
use stackgate_core::{
    api::{Action, Identity, Operation},
    gate::PlanView,
};

use super::{
    State, Text, VERSION, approvals,
    report::ReleaseShown,
    style,
    style::{FAINT, HEAD},
    table::{Cell, table},
    text::operation,
    when::{at, span},
};

/// Plans of a Stage, newest first.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// The version of all JSON that is printed.
    pub api_version: &'static str,
    /// `History`.
    pub kind: &'static str,
    /// The plans.
    pub items: Vec<Past>,
}

/// One plan.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Past {
    /// Its name.
    pub plan: Text,
    /// When it was opened last.
    pub opened_time: Timestamp,
    /// The release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseShown>,
    /// What running it does.
    pub operation: Operation,
    /// How it stands.
    pub state: State,
    /// Who let it run or stopped it, each with what proves that and when.
    pub decided: Vec<Said>,
    /// When it began to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_time: Option<Timestamp>,
    /// When its last stack came to an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled_time: Option<Timestamp>,
    /// How it came out, where the state does not say it all.
    pub message: Text,
}

/// A decision.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Said {
    /// What was decided.
    pub action: Action,
    /// By whom.
    pub by: Text,
    /// What proves that.
    pub identity: Identity,
    /// When it was first seen.
    pub time: Timestamp,
}

/// The model; the plans are newest first, and `state` says how one stands.
#[must_use]
pub fn history<'a>(
    plans: impl IntoIterator<Item = &'a PlanView>,
    state: impl Fn(&PlanView) -> State,
) -> History {
    let items = plans.into_iter().map(|view| past(view, state(view))).collect();
    History { api_version: VERSION, kind: "History", items }
}

fn past(view: &PlanView, state: State) -> Past {
    let p = view.proposal();
    // An approval of a release that is not planned yet is only kept here: it shows on the plan of that release.
    let is_kept = |place: u32| view.kept_for_others().any(|r| r.place == place);
    let entries = view.plan.spec.ledger.iter().zip(0_u32..).filter(|(_, place)| !is_kept(*place));
    let decided = entries.filter_map(|(e, place)| {
        let d = e.decided.as_ref()?;
        Some(Said {
            action: d.action,
            by: d.who().into(),
            // The ledger says it, and the controller doubts it.
            identity: if view.unproven.contains(&place) { Identity::Unverified } else { d.identity },
            time: d.since.as_ref().map_or(e.time.0, |t| t.0),
        })
    });
    let failed = view.failed().next().map(|f| {
        let why = f.message.as_ref().map(|m| format!(": {m}")).unwrap_or_default();
        format!("{} {}{why}", f.stack_name, f.status)
    });
    let closed = view.closed.as_ref().map(|c| c.message.clone());
    Past {
        plan: view.name.as_str().into(),
        opened_time: view.opened_time,
        release: view
            .release
            .as_ref()
            .map(|r| ReleaseShown { name: r.name.as_str().into(), digest: r.digest }),
        operation: p.operation,
        state,
        decided: decided.collect(),
        claimed_time: view.claimed.then_some(view.claimed_time),
        settled_time: (!view.settled.is_empty()).then_some(view.settled_time),
        message: failed.or(closed).unwrap_or_default().into(),
    }
}

impl History {
    /// As a table.
    #[must_use]
    pub fn text(&self) -> String {
        let head = ["OPENED", "RELEASE", "OP", "STATE", "DECIDED BY", "TOOK", "PLAN"];
        let mut rows: Vec<Vec<Cell>> = vec![head.into_iter().map(|h| Cell::styled(HEAD, h)).collect()];
        for p in &self.items {
            let took = match (p.claimed_time, p.settled_time) {
                (Some(from), Some(to)) => span(to.duration_since(from)),
                (_, _) => String::new(),
            };
            rows.push(vec![
                at(p.opened_time).into(),
                p.release.as_ref().map(|r| r.name.to_string()).unwrap_or_default().into(),
                operation(p.operation).into(),
                Cell::styled(style::of_state(p.state), p.state.as_str()),
                p.who().into(),
                took.into(),
                Cell::styled(FAINT, &p.plan),
            ]);
        }
        let mut out = table("", &rows);
        for p in self.items.iter().filter(|p| !p.message.is_empty()) {
            out.push_str(&format!("\n{HEAD}{}{HEAD:#}: {}\n", p.plan, p.message));
        }
        out
    }
}

impl Past {
    /// Who decided, each once.
    fn who(&self) -> String {
        let mut list: Vec<String> = Vec::new();
        for d in &self.decided {
            let what = match d.action {
                Action::Approve => String::new(),
                Action::Reject | Action::Revoke | Action::Retry | Action::Override => {
                    format!("{} ", d.action.as_str())
                }
            };
            let line = format!("{what}{} ({})", d.by, approvals::how(d.identity));
            // What somebody said last holds.
            list.retain(|earlier| *earlier != line);
            list.push(line);
        }
        list.join(", ")
    }
}
