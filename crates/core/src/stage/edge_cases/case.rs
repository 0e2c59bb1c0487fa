//! What every test of the gate is made of: a Stage, its plans, and what is known of them.

use super::*;
pub(super) const UID: &str = "5e5cda1a";
pub(super) const KEY: [u8; 32] = [7; 32];
pub(super) const C1: &str = "c1-1111111111111111111111111111111111111111";
pub(super) const OTHER: &str = "c1-2222222222222222222222222222222222222222";
pub(super) const C3: &str = "c1-3333333333333333333333333333333333333333";
pub(super) const C4: &str = "c1-4444444444444444444444444444444444444444";
pub(super) const A1: &str = "a1-1111111111111111111111111111111111111111";
pub(super) const NEXT_A1: &str = "a1-2222222222222222222222222222222222222222";
pub(super) const APPROVE: &str = "gate.stackgate.dev/approve.alice";

pub(super) fn at(minutes: i64) -> Timestamp {
    let start: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    start.saturating_add(SignedDuration::from_mins(minutes)).unwrap()
}

pub(super) fn release() -> Value {
    let source = json!({ "s3": { "account": "build", "bucket": "shop-out", "key": "k", "region": "eu-west-1", "versionID": "1" } });
    json!({ "digest": Digest::of("release").to_string(), "name": "release", "source": source })
}

/// An account that is granted to the namespace.
pub(super) fn account(name: &str, id: &str, allow: &Value) -> AwsAccount {
    let spec = json!({
        "accountID": id, "regions": ["eu-west-1"],
        "allowedNamespaces": [{ "name": "shop", "qualifiers": ["acme"], "stackNames": ["*"], "allow": allow }]
    });
    AwsAccount::new(name, serde_json::from_value(spec).unwrap())
}

/// What a test is about, put together bit by bit. One entry of the ledger each minute, from minute 0.
pub(super) struct Case {
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) gate: Value,
    pub(super) suspend: bool,
    pub(super) mode: Value,
    pub(super) parameters: Value,
    pub(super) plans: Vec<ChangePlan>,
    pub(super) freezes: Vec<Freeze>,
    /// The release that the Stage is pinned to.
    pub(super) pin: Option<String>,
    pub(super) enforcement: Enforcement,
    pub(super) facts: Facts,
    pub(super) installation: Installation,
}

impl Case {
    pub(super) fn new(ledger: &[Value]) -> Self {
        Self {
            annotations: BTreeMap::new(),
            gate: Value::Null,
            suspend: false,
            mode: Value::Null,
            parameters: json!([]),
            plans: vec![plan(C1, A1, 1, ledger)],
            freezes: Vec::new(),
            pin: None,
            enforcement: Enforcement {
                state: InForceState::InForce,
                fingerprint: Some(Digest::of("policies")),
                ..Enforcement::default()
            },
            facts: Facts::default(),
            installation: Installation::new("stackgate", HmacKey::new(KEY)),
        }
    }

    pub(super) fn on_stage(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    pub(super) fn on_plan(mut self, key: &str, value: &str) -> Self {
        let marks = self.plans[0].metadata.annotations.get_or_insert_default();
        marks.insert(key.to_owned(), value.to_owned());
        self
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The Stage as it is, and as a look at the API server has shown it.
    pub(super) fn stage(&self) -> Stage {
        let spec = json!({
            "assemblyRef": { "name": "shop" }, "accounts": ["prod"], "gate": self.gate, "suspend": self.suspend,
            "mode": self.mode, "parameters": self.parameters
        });
        let mut stage = Stage::new("prod", serde_json::from_value(spec).unwrap());
        stage.spec.pin = self.pin.clone().map(|digest| crate::api::Pin { digest, reason: None });
        stage.metadata.uid = Some(UID.to_owned());
        stage.metadata.namespace = Some("shop".to_owned());
        stage.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
        stage.metadata.annotations = Some(self.annotations.clone());
        stage
    }

    /// A look at the API server, after all that is there has been seen.
    pub(super) fn live(&self) -> SeenGate {
        let after = self.plan_version();
        let live = LiveGate {
            stage: Some(self.stage()),
            bootstrap: None,
            accounts: Vec::new(),
            freezes: self.freezes.clone(),
            plan: Some(LivePlan { uid: after.uid.clone(), ..LivePlan::default() }),
            policies: Some(Digest::of("policies")),
        };
        SeenGate { live, at: at(9), after }
    }

    pub(super) fn plan_version(&self) -> PlanVersion {
        PlanView::new(Arc::new(self.plans[0].clone())).unwrap().version()
    }

    pub(super) fn looked(self) -> Self {
        let live = self.live();
        self.with(|c| c.facts.gate = Some(live))
    }

    pub(super) fn seen(&self) -> Snapshot<'_> {
        let stage = self.stage();
        let source = json!({ "source": { "s3": { "account": "build", "bucket": "shop-out", "key": "k", "region": "eu-west-1" } } });
        let mut assembly = CloudAssembly::new("shop", serde_json::from_value(source).unwrap());
        assembly.status = Some(CloudAssemblyStatus {
            release: Some(serde_json::from_value(release()).unwrap()),
            ..CloudAssemblyStatus::default()
        });
        let uid = UID.parse().unwrap();
        Snapshot {
            namespace: "shop".to_owned(),
            assembly: Some(Arc::new(assembly)),
            accounts: Accounts::new(vec![Arc::new(account("prod", "333333333333", &json!([])))]),
            bootstraps: Vec::new(),
            stages: BTreeMap::new(),
            taken: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            plans: views(
                self.plans.iter().cloned().map(Arc::new).collect(),
                None,
                &uid,
                &self.installation.plans,
            ),
            gate: in_force(&stage, []),
            freezes: self.freezes.iter().cloned().map(Arc::new).collect(),
            enforcement: self.enforcement.clone(),
            facts: &self.facts,
            installation: &self.installation,
            stage: Arc::new(stage),
            uid,
        }
    }

    pub(super) fn decided(&self, now: i64) -> Verdict {
        decide(&self.seen(), at(now))
    }

    /// What is recorded next, as action, author and identity, once it is certain who decided.
    pub(super) fn recorded(&self, now: i64) -> Vec<String> {
        let facts = Facts { gate: Some(self.live()), ..Facts::default() };
        let s = Snapshot { facts: &facts, ..self.seen() };
        recorded(latched(&s, at(now)))
    }

    /// What is done about what stands in annotations.
    pub(super) fn latched(&self, now: Timestamp) -> Option<Verdict> {
        let s = self.seen();
        latched(&s, now)
    }

    /// What goes over into the plan of a release that is opened next.
    pub(super) fn carried(&self, a1: &str) -> Vec<Decided> {
        carry::beforehand(&self.seen(), &a1.parse().unwrap())
    }
}

pub(super) fn latched(s: &Snapshot<'_>, now: Timestamp) -> Option<Verdict> {
    let plan = s.newest().unwrap();
    latch(&s.owner(), plan, now).map(|found| record(s, plan, found, now))
}

pub(super) fn told(d: &Decided) -> String {
    let under = d.under.as_ref().map(|id| format!(" under {}", &id.to_string()[..4])).unwrap_or_default();
    format!("{:?} {} {:?}{under}", d.action, d.by, d.identity)
}

pub(super) fn recorded(verdict: Option<Verdict>) -> Vec<String> {
    let entries = verdict.map(entries).unwrap_or_default();
    entries.into_iter().filter_map(|e| e.decided).map(|d| told(&d)).collect()
}

pub(super) fn entries(v: Verdict) -> Vec<LedgerEntry> {
    let Next::Do(effects) = v.next else { panic!("{v:?}") };
    effects
        .into_iter()
        .flat_map(|e| match e {
            Effect::Record(Record::Ledger { entries, .. }) => entries,
            Effect::Look(_) => Vec::new(),
            other => panic!("{other:?}"),
        })
        .collect()
}

pub(super) fn plan(id: &str, a1: &str, order: u64, ledger: &[Value]) -> ChangePlan {
    let digest = Digest::of("x").to_string();
    let stack = json!({
        "account": "333333333333", "region": "eu-west-1", "stackName": "Store", "qualifier": "acme",
        "artifact": "Store", "plan": "Prepared", "input": digest, "leaf": digest,
        "count": { "add": 1, "modify": 0, "remove": 0, "replace": 0, "maybeReplace": 0 }
    });
    let opened = json!({ "opened": { "order": order, "release": release() } });
    let ledger: Vec<Value> = std::iter::once(&opened)
        .chain(ledger)
        .enumerate()
        .map(|(seq, entry)| {
            let mut entry = entry.clone();
            entry["seq"] = json!(seq);
            entry["time"] = json!(at(i64::try_from(seq).unwrap()).to_string());
            entry
        })
        .collect();
    let spec = json!({
        "proposal": {
            "kind": "Stage", "name": "prod", "uid": UID, "operation": "Deploy", "id": id, "a1": a1, "stacks": [stack]
        },
        "ledger": ledger
    });
    let mut plan = ChangePlan::new(&format!("prod-{}", &id[3..]), serde_json::from_value(spec).unwrap());
    plan.metadata.uid = Some(format!("plan-{order}"));
    plan.metadata.namespace = Some("shop".to_owned());
    seal(&mut plan);
    plan
}

/// As the controller has written it.
pub(super) fn seal(plan: &mut ChangePlan) {
    let name = plan.metadata.name.clone().unwrap();
    plan.spec.ledger = sealed(
        &plan.spec.ledger,
        SealedFor::new_plan("shop", &name, &plan.spec.proposal),
        &HmacKey::new(KEY),
    );
}

/// A plan of the release that needs nothing done, so that it is carried out at minute 0.
pub(super) fn carried_out(id: &str, order: u64) -> ChangePlan {
    let mut plan = plan(id, A1, order, &[]);
    for stack in &mut plan.spec.proposal.stacks {
        stack.plan = PlannedAs::Unchanged;
    }
    seal(&mut plan);
    plan
}

pub(super) fn said(action: &str, by: &str) -> Value {
    json!({ "decided": { "action": action, "by": by, "identity": "Verified", "source": "ChangePlan", "slot": by } })
}

/// Said where people write it who name no slot.
pub(super) fn said_in_no_slot(action: &str, by: &str) -> Value {
    let mut entry = said(action, by);
    entry["decided"]["slot"] = json!("");
    entry
}

pub(super) fn beforehand(by: &str) -> Value {
    json!({ "decided": {
        "action": "Approve", "by": by, "identity": "Verified", "source": "Stage", "slot": by, "under": A1
    } })
}

pub(super) fn claimed() -> Value {
    json!({ "claimed": { "stacks": [] } })
}

/// The StackId of the stack of a plan.
pub(super) const ID: &str = "arn:aws:cloudformation:eu-west-1:333333333333:stack/Store/1";

/// A claim of the stack of a plan.
pub(super) fn claim() -> Value {
    let digest = Digest::of("x").to_string();
    json!({ "claimed": { "stacks": [{
        "account": "333333333333", "region": "eu-west-1", "stackName": "Store", "stackID": ID,
        "changeSetARN": "arn:aws:cloudformation:eu-west-1:333333333333:changeSet/a/1", "leaf": digest, "input": digest
    }] } })
}

/// How that came out.
pub(super) fn succeeded() -> Value {
    json!({ "settled": {
        "account": "333333333333", "region": "eu-west-1", "stackName": "Store", "stackID": ID, "outcome": "Succeeded",
        "status": "CREATE_COMPLETE", "updatedTime": "2026-11-24T00:02:00.000000Z"
    } })
}

pub(super) fn closed(reason: &str) -> Value {
    json!({ "closed": { "reason": reason, "message": "x" } })
}

pub(super) fn reopened(order: u64) -> Value {
    json!({ "opened": { "order": order, "release": release() } })
}

pub(super) fn freeze(spec: Value) -> Freeze {
    let mut spec = spec;
    spec["reason"] = json!("INC-1");
    Freeze::new("inc-1", serde_json::from_value(spec).unwrap())
}

/// What the newest plan shows, beside the Stage.
pub(super) fn plan_status(s: &Snapshot<'_>, now: Timestamp) -> ChangePlanStatus {
    let plan = &s.newest().unwrap().plan;
    let plans = s.plans.iter().map(|p| Arc::clone(&p.plan)).collect();
    let cluster = OneStage(Arc::clone(&s.stage), plans, s.freezes.clone(), s.enforcement.clone());
    let gated = gated(&cluster, plan, &s.installation.plans, now);
    crate::plan::status(plan, gated.as_ref(), &s.installation.plans, now).unwrap().0
}

/// A cluster that holds nothing but a Stage, its plans, Freezes and the policies.
pub(super) struct OneStage(Arc<Stage>, Vec<Arc<ChangePlan>>, Vec<Arc<Freeze>>, Enforcement);

impl ClusterView for OneStage {
    fn stage(&self, _: &str, _: &str) -> Option<Arc<Stage>> {
        Some(Arc::clone(&self.0))
    }
    fn stages(&self, _: &str) -> Vec<Arc<Stage>> {
        vec![Arc::clone(&self.0)]
    }
    fn assembly(&self, _: &str, _: &str) -> Option<Arc<CloudAssembly>> {
        None
    }
    fn accounts(&self) -> Vec<Arc<AwsAccount>> {
        Vec::new()
    }
    fn bootstraps(&self) -> Vec<Arc<Bootstrap>> {
        Vec::new()
    }
    fn freezes(&self) -> Vec<Arc<Freeze>> {
        self.2.clone()
    }
    fn enforcement(&self) -> Enforcement {
        self.3.clone()
    }
    fn plans_of_stage(&self, _: &str, _: &str) -> Vec<Arc<ChangePlan>> {
        self.1.clone()
    }
    fn plans_with(&self, _: &StackKey) -> Vec<Arc<ChangePlan>> {
        Vec::new()
    }
    fn plans_of_bootstrap(&self, _: &str) -> Vec<Arc<ChangePlan>> {
        Vec::new()
    }
}
