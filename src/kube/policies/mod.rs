//! Whether the admission policies of the chart are in force. What the controller records of who decided rests on them, so they
//! are compared with what was installed, tried by wrong requests, and watched: any doubt makes decisions unverified.

mod digest;
mod expected;
mod probe;
mod record;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::StreamExt;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DynamicObject, ListParams},
    runtime::{WatchStreamExt, watcher},
};
use stackgate_core::{
    api::{ChangePlan, DecisionSource, GATE_PREFIX, Identity, ProposalKind, Stage},
    gate::{Decision, Enforcement, InForceState, PlanView, annotation_digest},
    words::Digest,
};
use tokio::{sync::Notify, time::Instant};
use tracing::{info, warn};

use self::probe::Doubt;
pub use self::{
    digest::{Installed, Signing, installed},
    expected::{Expected, ExpectedError},
};
use super::client::Clients;

/// Every policy and binding that counts has a name that ends so.
const SUFFIX: &str = ".stackgate.dev";
/// How often the policies are tried while nothing seems to change.
const AGAIN: Duration = Duration::from_secs(60);
/// How soon after something was amiss. A binding takes about a second to come into force.
const SOON: Duration = Duration::from_secs(2);

/// What names the policies that are there now, read anew. It is another one as soon as any of them has changed, or somebody has found
/// that one does not deny what it should.
///
/// # Errors
/// When they, or what was found, cannot be read.
pub async fn fingerprint(client: &Client, namespace: &str, signing: Signing) -> Result<Digest, kube::Error> {
    let record = record::Store::new(client, namespace);
    let (found, doubts) = tokio::try_join!(installed(client, signing), record.doubts())?;
    Ok(found.doubted(doubts))
}

/// Looks after the policies.
#[derive(Clone)]
pub struct Policies {
    clients: Clients,
    namespace: String,
    expected: Option<Expected>,
}

impl Policies {
    /// Those that the chart has installed and handed over; without that nothing proves that they are the right ones.
    #[must_use]
    pub fn new(clients: &Clients, namespace: &str, expected: Option<Expected>) -> Self {
        Self { clients: clients.clone(), namespace: namespace.to_owned(), expected }
    }

    /// Tries and watches for ever, and tells `told` how the policies stand.
    pub async fn look_after(&self, told: impl Fn(Enforcement)) {
        // Without the chart nothing signs for people either.
        let unsigned = self.expected.as_ref().is_none_or(|e| e.signing() == Signing::LeftOut);
        let told = |found| told(Enforcement { unsigned, ..found });
        let Some(expected) = &self.expected else {
            told(not_in_force(
                "the controller was started without --policies-digests, so nothing proves who decides: install the chart with policies.enabled",
            ));
            return std::future::pending().await;
        };
        let changed = Notify::new();
        let watches = || self.clients.watches.clone();
        tokio::join!(
            follow(Api::<ValidatingAdmissionPolicy>::all(watches()), &changed),
            follow(Api::<ValidatingAdmissionPolicyBinding>::all(watches()), &changed),
            async {
                match expected.signing() {
                    Signing::LeftOut => {}
                    Signing::Installed => {
                        let all = digest::mutating_policies()
                            .map(|kind| follow(Api::<DynamicObject>::all_with(watches(), &kind), &changed));
                        futures::future::join_all(all).await;
                    }
                }
            },
            async {
                let mut last: Option<Enforcement> = None;
                let (mut doubted, mut seen) = (false, None);
                loop {
                    let before = last.as_ref().filter(|e| e.state == InForceState::InForce);
                    let found = self.look(expected, before, &mut doubted, &mut seen, &told).await;
                    if last.as_ref() != Some(&found) {
                        match found.state {
                            InForceState::InForce => info!(message = found.message, "admission policies"),
                            InForceState::NotInForce | InForceState::Unknown => {
                                warn!(message = found.message, "admission policies");
                            }
                        }
                        told(found.clone());
                    }
                    let wait = if found.state == InForceState::InForce { AGAIN } else { SOON };
                    last = Some(found);
                    // Whichever comes first; a change that came while we looked is not lost.
                    let _ = tokio::time::timeout(wait, changed.notified()).await;
                }
            },
        );
    }

    /// How they stand now. What is amiss is told at once; and before they count as in force again, what was kept of the time before is
    /// thrown away. `doubted`: that is still to be done.
    async fn look(
        &self,
        expected: &Expected,
        before: Option<&Enforcement>,
        doubted: &mut bool,
        seen: &mut Option<Seen>,
        told: &impl Fn(Enforcement),
    ) -> Enforcement {
        let found = self.try_out(expected, before, seen, told).await;
        if let Err(Amiss::NotInForce(why)) = &found {
            *doubted = true;
            if before.is_some() {
                told(not_in_force(why));
            }
        }
        if *doubted {
            let record = record::Store::new(&self.clients.calls, &self.namespace);
            if let Err(error) = record.doubt().await {
                let why = match &found {
                    Err(Amiss::NotInForce(why)) => why,
                    Ok(_) | Err(Amiss::Unknown(_)) => "the admission policies were not in force",
                };
                return not_in_force(&format!(
                    "{why}. And ConfigMap {} cannot be written, which tells it later: {error}",
                    record::RECORD
                ));
            }
            *doubted = false;
        }
        let (now, doubts) = match found {
            Ok(found) => found,
            Err(Amiss::NotInForce(why)) => return not_in_force(&why),
            Err(Amiss::Unknown(why)) => return unknown(&why),
        };
        let fingerprint = now.doubted(doubts);
        if let Some(same) = before.filter(|b| b.fingerprint == Some(fingerprint)) {
            return same.clone();
        }
        match self.since(doubts, fingerprint).await {
            Ok(Some((tainted, is_kept))) => Enforcement {
                state: InForceState::InForce,
                message: in_force(tainted.len(), is_kept),
                fingerprint: Some(fingerprint),
                tainted: Arc::new(tainted),
                ..Enforcement::default()
            },
            Ok(None) => unknown(
                "somebody has found meanwhile that the admission policies do not deny; they are tried anew",
            ),
            Err(why) => unknown(&format!("what was annotated before the policies cannot be read: {why}")),
        }
    }

    /// Those that are there, if they are the chart's and deny what they should; and how often they were found not to, before they were tried.
    /// `seen`: those of the last look.
    async fn try_out(
        &self,
        expected: &Expected,
        before: Option<&Enforcement>,
        seen: &mut Option<Seen>,
        told: &impl Fn(Enforcement),
    ) -> Result<(Installed, u64), Amiss> {
        let record = record::Store::new(&self.clients.calls, &self.namespace);
        let read = tokio::try_join!(installed(&self.clients.calls, expected.signing()), record.doubts());
        let (found, doubts) =
            read.map_err(|why| Amiss::Unknown(format!("the admission policies cannot be read: {why}")))?;
        if before.is_some_and(|b| b.fingerprint != Some(found.doubted(doubts))) {
            told(not_in_force(
                "an admission policy or its binding was changed, or found not to deny; it is tried anew",
            ));
        }
        let since = match seen {
            Some(s) if s.fingerprint == found.fingerprint => s.since,
            Some(_) => Some(Instant::now()),
            None => None,
        };
        *seen = Some(Seen { fingerprint: found.fingerprint, since });
        if let Some(differs) = expected.differs(&found) {
            return Err(Amiss::NotInForce(differs));
        }
        // The API server takes over what has changed once a second. What is tried earlier tells nothing, and may end an API server before
        // 1.36 that is at it: https://github.com/kubernetes/kubernetes/issues/135757
        if since.is_some_and(|since| since.elapsed() < SOON) {
            let why = "an admission policy or its binding was changed; it is tried in a moment";
            return Err(Amiss::Unknown(why.to_owned()));
        }
        match probe::probe(&self.clients.calls, &self.namespace).await {
            Ok(()) => Ok((found, doubts)),
            Err(Doubt::Broken(why)) => Err(Amiss::NotInForce(why)),
            Err(Doubt::Untried(why)) => Err(Amiss::Unknown(why)),
        }
    }

    /// The annotations that were there before these policies were known to be in force, and whether that is kept. What is gone
    /// since can come back only under the policies. `None`: somebody has found since that they do not deny.
    async fn since(
        &self,
        doubts: u64,
        fingerprint: Digest,
    ) -> Result<Option<(BTreeSet<Digest>, bool)>, kube::Error> {
        let record = record::Store::new(&self.clients.calls, &self.namespace);
        let kept = record.read().await?;
        if kept.doubts() != doubts {
            return Ok(None);
        }
        let mut tainted = BTreeSet::new();
        taint::<ChangePlan>(&self.clients.calls, &mut tainted, recorded).await?;
        taint::<Stage>(&self.clients.calls, &mut tainted, |_| BTreeSet::new()).await?;
        if let Some(before) = kept.before(fingerprint) {
            tainted.retain(|annotation| before.contains(&record::mark(annotation)));
            return Ok(Some((tainted, true)));
        }
        let is_kept = record.write(&kept, fingerprint, &tainted).await?;
        Ok(Some((tainted, is_kept)))
    }
}

/// Which policies were there.
struct Seen {
    fingerprint: Digest,
    /// Since when; `None`: since before the first look.
    since: Option<Instant>,
}

/// Why the policies prove nothing now.
enum Amiss {
    /// They are not those of the chart, or do not deny what they should.
    NotInForce(String),
    /// That could not be found out.
    Unknown(String),
}

/// Tells of every change of a policy or binding of ours.
async fn follow<K>(api: Api<K>, changed: &Notify)
where
    K: Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let what = api.resource_url().to_owned();
    let events = watcher(api, watcher::Config::default()).default_backoff();
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(o) | watcher::Event::Delete(o)) if !o.name_any().ends_with(SUFFIX) => {}
            Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => {}
            Ok(_) => changed.notify_one(),
            Err(error) => {
                warn!(what, %error, "watch failed; it is tried again");
                changed.notify_one();
            }
        }
    }
}

fn not_in_force(message: &str) -> Enforcement {
    Enforcement { state: InForceState::NotInForce, message: message.to_owned(), ..Enforcement::default() }
}

/// Approvals wait meanwhile: what would be recorded as unproven stays so for good.
fn unknown(message: &str) -> Enforcement {
    Enforcement { message: message.to_owned(), ..Enforcement::default() }
}

/// Too many annotations to be kept shut no gate: until the controller starts anew they are known, and then all that is there counts as
/// unproven, which is more than need be.
fn in_force(tainted: usize, is_kept: bool) -> String {
    let says = "the admission policies are in force: who decides has proven who they are";
    if is_kept {
        return says.to_owned();
    }
    format!(
        "{says}. But {tainted} annotations {GATE_PREFIX}… are older than that, and ConfigMap {} holds {} of them: when the \
         controller starts anew, decisions that are not in a ledger by then count as unproven. What to do: remove those \
         annotations from Stages, and from plans that are over",
        record::RECORD,
        record::MOST
    )
}

/// The keys of decisions on a plan that its ledger holds already, with what was proven then. The ledger only grows and nothing is
/// recorded twice, so it does not matter any more since when they are there. (That a plan is over would not do: it may be opened again.)
fn recorded(plan: &ChangePlan) -> BTreeSet<String> {
    match plan.spec.proposal.kind {
        ProposalKind::Bootstrap => return BTreeSet::new(),
        ProposalKind::Stage => {}
    }
    let Some(view) = PlanView::new(Arc::new(plan.clone())) else { return BTreeSet::new() };
    let marks = view.marks(plan.metadata.annotations.as_ref());
    let is_recorded = |decision: &Decision| {
        view.has_recorded(&decision.recorded(DecisionSource::ChangePlan, Identity::Unverified, view.id()))
    };
    marks.decisions.iter().filter(|(_, _, d)| is_recorded(d)).map(|(key, _, _)| (*key).to_owned()).collect()
}

/// Adds every annotation of ours on objects of a kind, as they are now, but for the keys that do not matter.
async fn taint<K>(
    client: &Client,
    tainted: &mut BTreeSet<Digest>,
    but: impl Fn(&K) -> BTreeSet<String>,
) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let mut page = ListParams::default().limit(500);
    loop {
        let list = Api::<K>::all(client.clone()).list(&page).await?;
        for object in &list.items {
            let uid = object.uid().unwrap_or_default();
            let but = but(object);
            let marks =
                object.annotations().iter().filter(|(k, _)| k.starts_with(GATE_PREFIX) && !but.contains(*k));
            tainted.extend(marks.map(|(k, v)| annotation_digest(&uid, k, v)));
        }
        match list.metadata.continue_.filter(|c| !c.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// 100,000 plans with a decision in the ledger need no room; what the ledger does not hold does, in whatever state the plan is.
    #[test]
    fn what_the_ledger_holds_need_not_be_kept() {
        let id = format!("c1-{}", "1".repeat(40));
        let key = |action: &str| format!("{GATE_PREFIX}{action}");
        let plan = |ledger: serde_json::Value| -> ChangePlan {
            serde_json::from_value(json!({
                "apiVersion": "stackgate.dev/v1alpha1", "kind": "ChangePlan",
                "metadata": { "name": "p", "annotations": {
                    key("approve"): format!("{id};by=alice;reason=ok"), key("approve.bob"): format!("{id};by=bob"), key("x"): "y" } },
                "spec": { "proposal": { "kind": "Stage", "name": "prod", "uid": "0d9c6c1e-0000-4000-8000-000000000001",
                    "operation": "Deploy", "id": id }, "ledger": ledger },
            }))
            .unwrap()
        };
        let entry = |seq: u32, what: &str, says: serde_json::Value| json!({ "seq": seq, "time": "2026-11-24T10:00:00Z", what: says });
        let opened = entry(0, "opened", json!({ "order": 1 }));
        let decided = |by: &str| json!({ "action": "Approve", "by": by, "identity": "Unverified", "source": "ChangePlan", "slot": "", "reason": "ok" });
        let closed = |seq: u32| entry(seq, "closed", json!({ "reason": "Expired", "message": "" }));
        assert_eq!(recorded(&plan(json!([opened, closed(1)]))), BTreeSet::new());
        let all = json!([opened, entry(1, "decided", decided("alice")), closed(2)]);
        assert_eq!(recorded(&plan(all)), BTreeSet::from([key("approve")]));
        // Of another, or by another key, it is not the same.
        let all = json!([opened, entry(1, "decided", decided("bob")), closed(2)]);
        assert_eq!(recorded(&plan(all)), BTreeSet::new());
    }

    #[test]
    fn too_many_shut_no_gate_and_are_told() {
        assert!(!in_force(70_000, true).contains("But"));
        assert!(in_force(70_000, false).contains("But 70000 annotations gate.stackgate.dev/… are older"));
    }
}
