//! What can be typed next.

use stackgate_core::{
    api::{Action, ProposalKind},
    gate::Tally,
};

use super::{Seen, State, build::namespace, report::Next, standing::is_orphaned};

/// The commands, most wanted first.
pub(super) fn next(s: &Seen<'_>, state: State, count: Option<&Tally>) -> Vec<Next> {
    let (namespace, plan) = (namespace(s), s.view.name.as_str());
    let ours = |what, args: &[&str]| Next { what, command: s.invoked.ours(namespace, args) };
    if is_orphaned(s.view, s.stage) {
        return Vec::new();
    }
    match state {
        State::AwaitingApproval | State::Pending if s.view.is_full(Action::Approve) => {
            vec![ours("stop it", &["reject", plan, "--reason", "…"])]
        }
        State::AwaitingApproval | State::Pending => {
            let missing = count.map(|c| c.acks_missing.as_slice()).unwrap_or_default();
            let acks: Vec<&str> =
                missing.iter().filter(|c| s.may_ack.contains(c)).map(|c| c.as_str()).collect();
            let acks = acks.join(",");
            let never = ours("never let it run", &["reject", plan, "--reason", "…"]);
            // There are approvals enough, and whoever looks may acknowledge nothing of what is missing.
            if acks.is_empty() && count.is_some_and(|c| c.had() >= c.needed) {
                return vec![never];
            }
            let mut approve = vec!["approve", plan];
            let mut value = s.view.id().to_string();
            if !acks.is_empty() {
                approve.extend(["--ack", acks.as_str()]);
                value = format!("{value};ack={acks}");
            } else if !missing.is_empty() {
                approve.extend(["--ack", "none"]);
            }
            let annotation = format!("{}={value}", s.view.next_key(Action::Approve));
            let kubectl = if s.signs {
                s.invoked.kubectl(namespace, &["annotate", "plan", plan, annotation.as_str()])
            } else {
                let whoami = ["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"];
                let by = s.invoked.kubectl(namespace, &whoami);
                let kubectl = s.invoked.kubectl(namespace, &["annotate", "plan", plan]);
                format!("{kubectl} \"{annotation};by=$({by})\"")
            };
            vec![
                ours("approve it", &approve),
                Next { what: "approve it by kubectl alone", command: kubectl },
                never,
            ]
        }
        State::Frozen => vec![
            ours("start it in spite of that", &["override", plan, "--reason", "…"]),
            ours("never let it run", &["reject", plan, "--reason", "…"]),
        ],
        // What has made way is tried again by nobody.
        State::Failed | State::Expired | State::Superseded | State::Withdrawn if s.newer.is_some() => {
            s.newer.map(|newer| ours("read the newer one", &["plan", newer])).into_iter().collect()
        }
        State::Failed => vec![ours("try it again", &["retry", plan])],
        State::Expired => {
            let (p, at) = (s.view.proposal(), s.now.to_string());
            let kind = match p.kind {
                ProposalKind::Stage => "cdkstage",
                ProposalKind::Bootstrap => "cdkboot",
            };
            let request = format!("stackgate.dev/requestedAt={at}");
            let args = ["annotate", "--overwrite", kind, p.name.as_str(), request.as_str()];
            vec![Next { what: "plan it again", command: s.invoked.kubectl(namespace, &args) }]
        }
        State::Unproven => {
            let delete = s.invoked.kubectl_of_others(namespace, &["delete", "plan", plan]);
            vec![Next { what: "have it planned anew, as an administrator", command: delete }]
        }
        State::Superseded
        | State::Withdrawn
        | State::Approved
        | State::Observing
        | State::Suspended
        | State::PoliciesNotInForce
        | State::Executing
        | State::Failing
        | State::Succeeded
        | State::Rejected => Vec::new(),
    }
}
