//! A policy that is there as the chart installs it, and does not deny: what is annotated meanwhile is proven by nothing.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use stackgate::kube::{policies::Policies, writes::Writes};
use stackgate_core::{
    api::Identity,
    effect::{Fact, Outcome, PlanOwner},
    gate::{Enforcement, InForceState},
    words::Digest,
};
use stackgate_testbed::User::Alice;
use tokio::{sync::mpsc::UnboundedReceiver, task::JoinHandle};

use crate::{
    call::{Call, plan, stage},
    objects::{self, decide, gate, id},
    probes::{controller, handed_over, policies, probes},
    world::World,
};

const NAME: &str = "prod-doubted";

/// Of somebody else, who turns the controller's wrong request into a right one: then it is not denied, and no object of ours has changed.
const RIGHTS_WRONGS: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: { name: cleans.example.com }
spec:
  failurePolicy: Fail
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules: [{ apiGroups: [stackgate.dev], apiVersions: ["*"], operations: [CREATE], resources: [stages] }]
  matchConditions:
  - name: is-the-probe
    expression: >-
      request.userInfo.username == 'system:serviceaccount:stackgate-system:stackgate'
        && object.metadata.?annotations.orValue({}).exists(k, k.startsWith('gate.stackgate.dev/'))
  mutations:
  - patchType: JSONPatch
    jsonPatch:
      expression: >-
        [JSONPatch{ op: "remove", path: "/metadata/annotations" }]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: { name: cleans.example.com }
spec: { policyName: cleans.example.com }
"#;

/// A controller that looks after the policies, and what it has told.
struct Looks {
    told: UnboundedReceiver<Enforcement>,
    task: JoinHandle<()>,
}

impl Looks {
    fn start(policies: Policies) -> Self {
        let (tell, told) = tokio::sync::mpsc::unbounded_channel();
        let task =
            tokio::spawn(async move { policies.look_after(move |found| drop(tell.send(found))).await });
        Self { told, task }
    }

    async fn until(&mut self, wanted: InForceState, says: &str) -> Result<Enforcement> {
        let found = tokio::time::timeout(Duration::from_secs(60), async {
            while let Some(found) = self.told.recv().await {
                if found.state == wanted && found.message.contains(says) {
                    return Some(found);
                }
            }
            None
        });
        found.await.ok().flatten().with_context(|| format!("never {wanted:?}, with {says:?}"))
    }
}

impl Drop for Looks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Signs for good.
async fn sign(world: &World, slot: &str) -> Result<()> {
    let value = format!("{};by=alice", id('c', '7'));
    let call = Call::merge(Alice, plan(NAME), decide(&format!("approve.{slot}"), &value));
    call.for_good().send(world).await.map(drop)
}

/// What a controller takes it for that knows this.
async fn identity(world: &World, known: &Enforcement, slot: &str) -> Result<Identity> {
    let uid = world.uid(plan(NAME)).await?;
    let value = format!("{};by=alice", id('c', '7'));
    Ok(known.identity("alice", &uid, &gate(&format!("approve.{slot}")), &value))
}

/// What a live look at the gate says of which policies are there.
async fn live(world: &World, kubernetes: &str, values: &[&str]) -> Result<Option<Digest>> {
    let signing = handed_over(kubernetes, values)?.signing();
    let writes = Writes::new(&controller(world).await?).with_policies(signing, "stackgate-system");
    let owner = PlanOwner::Stage { namespace: "shop".to_owned(), name: "prod".to_owned() };
    match writes.live_gate(&owner, &[], "none").await {
        Outcome::Learnt(Fact::LiveGate(gate)) => Ok(gate.policies),
        other => bail!("no look: {other:?}"),
    }
}

/// Whether the wrong request that decides is denied as it should be.
async fn is_denied(world: &World) -> Result<bool> {
    let decides = probes().into_iter().find(|p| p.policy == "decisions.stackgate.dev").context("no probe")?;
    Ok(decides.call.send(world).await.is_err())
}

pub async fn what_comes_meanwhile_stays_unproven(
    world: &World,
    kubernetes: &str,
    values: &[&str],
) -> Result<()> {
    let uid = world.uid(stage("prod")).await?;
    world.make_plan(objects::plan(NAME, "Stage", "prod", &uid, &id('c', '7'))).await?;
    let start = async || -> Result<Looks> { Ok(Looks::start(policies(world, kubernetes, values).await?)) };
    let before = start().await?.until(InForceState::InForce, "").await?;
    sign(world, "before").await?;
    ensure!(identity(world, &before, "before").await? == Identity::Verified);

    world.apply(RIGHTS_WRONGS)?;
    world
        .until("a wrong request is let through", async || {
            ensure!(!is_denied(world).await?, "it is denied");
            Ok(())
        })
        .await?;
    let mut looks = start().await?;
    looks.until(InForceState::NotInForce, "decisions.stackgate.dev does not deny what it should").await?;
    sign(world, "meanwhile").await?;
    let kinds = "mutatingadmissionpolicybindings,mutatingadmissionpolicies";
    world.admin().run(&["delete", kinds, "cleans.example.com"])?;
    let after = looks.until(InForceState::InForce, "").await?;
    // Who has led before and not tried them since looks before it takes anything for proven, and finds others.
    let live = live(world, kubernetes, values).await?;
    ensure!(live.is_some() && live == after.fingerprint && live != before.fingerprint);
    sign(world, "after").await?;
    let again = start().await?.until(InForceState::InForce, "").await.context("after a restart")?;
    for known in [&after, &again] {
        for (slot, expected) in [
            ("meanwhile", Identity::Unverified),
            ("before", Identity::Unverified),
            ("after", Identity::Verified),
        ] {
            let found = identity(world, known, slot).await?;
            ensure!(found == expected, "signed {slot}: {found:?}");
        }
    }
    Ok(())
}
