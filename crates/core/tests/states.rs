//! `docs/states.md` is made from the tables of states: what it says is what happens. `UPDATE_STATES=1 cargo test -p
//! stackgate-core --test states` writes it.

#![expect(clippy::disallowed_methods, reason = "a test may read the machine that it runs on")]

use std::{collections::BTreeMap, fs, path::Path};

use stackgate_core::{
    api::SettledAs,
    stack::{
        ChangeSetKind, ChangeSetStatus, ExecutionStatus, Preparation, Removal, Run, SetState, StackStatus,
        preparation, removal, run, set_state,
    },
};

const FILE: &str = "docs/states.md";
const HEAD: &str = "\
# States of CloudFormation, and what follows from each

Made from the tables in `crates/core/src/stack/table.rs` (`UPDATE_STATES=1 cargo test -p stackgate-core --test states`). A state that is
not here does not compile. States are matched as a whole, never by a part of their name.

";

fn planned(status: StackStatus) -> String {
    match preparation(status) {
        Preparation::Make(ChangeSetKind::Create) => {
            "there is no stack yet: a change set that makes it".to_owned()
        }
        Preparation::Make(ChangeSetKind::Update) => "a change set that changes it".to_owned(),
        Preparation::Wait => {
            "Waiting `StackBusy`: somebody's operation ends first; looked at every 15 s".to_owned()
        }
        Preparation::Recreate(what) => {
            format!(
                "of a Stage's own stack: a plan that deletes what is left and makes the stack anew; else Stalled: {what}"
            )
        }
        Preparation::Stuck(what) => format!("Stalled `StackStuck`: {what}; looked at every minute"),
    }
}

fn executed(kind: ChangeSetKind, status: StackStatus) -> &'static str {
    match run(kind, status, true) {
        Run::NotStarted => "has not begun",
        Run::Running => "runs",
        Run::Ended(SettledAs::Succeeded) => "done: `StackDeployed`",
        Run::Ended(SettledAs::RolledBack) => "failed: `StackRolledBack`",
        Run::Ended(SettledAs::Failed) => "failed: `StackFailed`",
        Run::Ended(SettledAs::Gone) => "failed: `StackGone`",
    }
}

fn deleted(status: StackStatus) -> &'static str {
    match removal(status) {
        Removal::Delete => "DeleteStack, unless it is protected",
        Removal::Wait => "an operation ends first",
        Removal::Failed => {
            "DeleteStack; where that was ours and has failed: `StackFailed`, and `retry` tries again"
        }
        Removal::Done => "done: `StackDeleted`",
    }
}

fn meaning(state: SetState) -> (&'static str, &'static str) {
    match state {
        SetState::Preparing => ("is being made", "waited for, 1 s doubling"),
        SetState::Ready => ("can be executed", "is what a plan shows, and what its claim executes"),
        SetState::Empty => ("contains nothing", "deleted; the stack counts as unchanged"),
        SetState::Failed => ("could not be made", "Stalled `PlanFailed`, with CloudFormation's reason"),
        SetState::Executing => {
            ("runs", "after a claim: waited for; before one, somebody executes it by hand: `StackBusy`")
        }
        SetState::Executed => {
            ("ran", "the stack says how it came out; before a claim it is deleted and made anew")
        }
        SetState::Obsolete => (
            "the stack has changed since",
            "the plan is superseded or withdrawn; the change set is deleted and made anew",
        ),
        SetState::Gone => ("is gone, or about to be", "looked at until it is gone, then made anew"),
    }
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("## Stacks\n\n| status | when a release is planned | after a change set that makes it was executed | after one that changes it was | when it shall go |\n|---|---|---|---|---|\n");
    for status in StackStatus::ALL {
        page.push_str(&format!(
            "| `{}` | {} | {} | {} | {} |\n",
            status.as_str(),
            planned(*status),
            executed(ChangeSetKind::Create, *status),
            executed(ChangeSetKind::Update, *status),
            deleted(*status)
        ));
    }
    page.push_str("\nThe fourth column holds once the stack was updated after the change set was made; until then the execution has not begun, whatever the status.\n");
    page.push_str("\n## Change sets\n\n| it | status and execution status | what follows |\n|---|---|---|\n");
    let mut states: BTreeMap<&str, (Vec<String>, &str)> = BTreeMap::new();
    for status in ChangeSetStatus::ALL {
        for execution in ExecutionStatus::ALL {
            for empty in [false, true] {
                let is_failure = matches!(status, ChangeSetStatus::Failed);
                if empty && !is_failure {
                    continue;
                }
                let (what, follows) = meaning(set_state(*status, *execution, empty));
                let note = match (is_failure, empty) {
                    (true, true) => " (no changes)",
                    _ => "",
                };
                let pair = format!("`{}`{note} / `{}`", status.as_str(), execution.as_str());
                let (pairs, _) = states.entry(what).or_insert((Vec::new(), follows));
                pairs.push(pair);
            }
        }
    }
    for (what, (pairs, follows)) in states {
        page.push_str(&format!("| {what} | {} | {follows} |\n", pairs.join(", ")));
    }
    page
}

#[test]
fn the_page_says_what_the_tables_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(FILE);
    let page = page();
    if std::env::var_os("UPDATE_STATES").is_some() {
        fs::write(&file, &page).unwrap();
    }
    assert_eq!(fs::read_to_string(&file).unwrap_or_default(), page, "{FILE} is out of step: UPDATE_STATES=1");
}
