use anyhow::{Context, Result, bail, ensure};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, PostParams},
};
use serde_json::json;
use stackgate::kube::writes::Writes;
use stackgate_core::{
    api::{AwsAccount, ChangePlan, FINALIZER, LABEL_STAGE, StageStatus},
    effect::{Fact, Outcome, PlanOwner, Receipt, RefusalKind},
};

use crate::{
    OURS, World,
    objects::{entry, make_stage, new_plan, stages},
};

fn plan(outcome: Outcome) -> Result<ChangePlan> {
    match outcome {
        Outcome::Accepted(Receipt::Plan(plan)) => Ok(*plan),
        other => bail!("not a plan: {other:?}"),
    }
}

fn refusal(outcome: Outcome) -> Result<RefusalKind> {
    match outcome {
        Outcome::Refused(refusal) => Ok(refusal.kind),
        other => bail!("not refused: {other:?}"),
    }
}

fn version(object: &impl ResourceExt) -> String {
    object.resource_version().unwrap_or_default()
}

pub async fn the_key_is_made_once(w: &World) -> Result<()> {
    let writes = Writes::new(&w.controller);
    let (a, b) = tokio::join!(writes.hmac_key(OURS), writes.hmac_key(OURS));
    let again = writes.hmac_key(OURS).await?;
    let proof = again.sign(&[b"x"]);
    ensure!(a?.sign(&[b"x"]) == proof && b?.sign(&[b"x"]) == proof, "two keys");
    Ok(())
}

pub async fn a_plan_is_opened_once_and_only_grows(w: &World) -> Result<()> {
    let writes = Writes::new(&w.controller);
    let stage = make_stage(w, "planned").await?;
    let new = new_plan("planned-0", '0', &stage)?;
    let opened = plan(writes.open_plan(&new).await)?;
    ensure!(opened.labels().get(LABEL_STAGE).is_some_and(|s| s == "prod"));
    let owner = opened.owner_references().first().context("no owner")?;
    ensure!(owner.uid == stage.uid().unwrap_or_default() && owner.controller == Some(true));
    ensure!(owner.block_owner_deletion == Some(false) && owner.api_version == "stackgate.dev/v1alpha1");

    let again = plan(writes.open_plan(&new).await)?;
    ensure!(again.uid() == opened.uid(), "a second plan");
    let mut other = new_plan("planned-0", '1', &stage)?;
    let Outcome::Refused(taken) = writes.open_plan(&other).await else { bail!("opened it twice") };
    ensure!(taken.kind == RefusalKind::AlreadyExists && taken.message.contains("Go on with a new release"));
    other.namespace = "not-there".to_owned();
    ensure!(refusal(writes.open_plan(&other).await)? == RefusalKind::NotFound);

    let grown = plan(writes.append_ledger(&opened, &version(&opened), &[entry(1, 2)]).await)?;
    ensure!(grown.spec.ledger == [entry(0, 1), entry(1, 2)]);
    let behind = writes.append_ledger(&opened, &version(&opened), &[entry(1, 3)]).await;
    ensure!(refusal(behind)? == RefusalKind::Conflict, "built on an old version");
    let other_base = writes.append_ledger(&opened, &version(&grown), &[entry(1, 3)]).await;
    ensure!(refusal(other_base)? == RefusalKind::Conflict, "took another version for the newest");
    let gap = writes.append_ledger(&grown, &version(&grown), &[entry(3, 3)]).await;
    ensure!(refusal(gap)? == RefusalKind::Invalid, "left a gap");

    // The longest ledger is still within what the API server spends on a rule.
    let rest: Vec<_> = (2..1024).map(|seq| entry(seq, seq.into())).collect();
    let full = plan(writes.append_ledger(&grown, &version(&grown), &rest).await)?;
    ensure!(full.spec.ledger.len() == 1024);
    let more = writes.append_ledger(&full, &version(&full), &[entry(1024, 9)]).await;
    ensure!(refusal(more)? == RefusalKind::Invalid);
    Ok(())
}

pub async fn what_others_wrote_into_a_ledger_is_not_printed_anew(w: &World) -> Result<()> {
    let writes = Writes::new(&w.controller);
    let stage = make_stage(w, "foreign").await?;
    let opened = plan(writes.open_plan(&new_plan("foreign-0", '0', &stage)?).await)?;
    // Without the admission policies whoever may write a plan may append this.
    let plans: Api<DynamicObject> =
        Api::namespaced_with(w.admin.calls.clone(), "default", &ApiResource::erase::<ChangePlan>(&()));
    let mut foreign = plans.get("foreign-0").await?;
    let entry_of_theirs = json!({ "seq": 1, "time": "2026-11-27T10:00:00.25Z", "opened": { "order": 2 } });
    foreign.data["spec"]["ledger"].as_array_mut().context("no ledger")?.push(entry_of_theirs.clone());
    plans.replace("foreign-0", &PostParams::default(), &foreign).await?;

    let behind = writes.append_ledger(&opened, &version(&opened), &[entry(1, 3)]).await;
    ensure!(refusal(behind)? == RefusalKind::Conflict, "built on a ledger that others had written to");
    let api: Api<ChangePlan> = Api::namespaced(w.admin.calls.clone(), "default");
    let seen = api.get("foreign-0").await?;
    let grown = plan(writes.append_ledger(&seen, &version(&seen), &[entry(2, 3), entry(3, 4)]).await)?;
    ensure!(grown.spec.ledger.len() == 4);
    let stored = plans.get("foreign-0").await?;
    ensure!(stored.data["spec"]["ledger"][1] == entry_of_theirs, "{}", stored.data["spec"]["ledger"]);
    Ok(())
}

pub async fn finalizers_of_others_stay(w: &World) -> Result<()> {
    let writes = Writes::new(&w.controller);
    let base = make_stage(w, "finalized").await?;
    let done = writes.finalizer(&base, &version(&base), true).await;
    ensure!(matches!(done, Outcome::Accepted(_)), "{done:?}");
    let with = stages(w).get("finalized").await?;
    ensure!(with.finalizers() == ["example.com/theirs", FINALIZER]);
    ensure!(refusal(writes.finalizer(&base, &version(&base), false).await)? == RefusalKind::Conflict);
    let done = writes.finalizer(&with, &version(&with), false).await;
    ensure!(matches!(done, Outcome::Accepted(_)), "{done:?}");
    ensure!(stages(w).get("finalized").await?.finalizers() == ["example.com/theirs"]);
    Ok(())
}

pub async fn a_status_is_written_only_when_it_differs(w: &World) -> Result<()> {
    let writes = Writes::new(&w.controller);
    let base = make_stage(w, "shown").await?;
    let waits = StageStatus {
        observed_generation: Some(1),
        state: Some("AwaitingApproval".to_owned()),
        waiting_for: Some("approval 0/1".to_owned()),
        ..StageStatus::default()
    };
    ensure!(matches!(writes.status(&base, &waits).await, Outcome::Accepted(_)));
    let shown = stages(w).get("shown").await?;
    ensure!(shown.status.as_ref() == Some(&waits) && version(&shown) != version(&base));
    ensure!(matches!(writes.status(&shown, &waits).await, Outcome::Accepted(_)));
    ensure!(version(&stages(w).get("shown").await?) == version(&shown), "written without a difference");
    let done = StageStatus { waiting_for: None, state: Some("UpToDate".to_owned()), ..waits };
    ensure!(refusal(writes.status(&base, &done).await)? == RefusalKind::Conflict);
    ensure!(matches!(writes.status(&shown, &done).await, Outcome::Accepted(_)));
    ensure!(stages(w).get("shown").await?.status == Some(done), "what vanished is still shown");
    Ok(())
}

pub async fn the_gate_is_read_live(w: &World) -> Result<()> {
    let writes = Writes::new(&w.controller);
    let account: AwsAccount = serde_json::from_value(json!({
        "apiVersion": "stackgate.dev/v1alpha1", "kind": "AwsAccount", "metadata": { "name": "live" },
        "spec": { "accountID": "333333333333", "regions": ["eu-west-1"] },
    }))?;
    Api::all(w.admin.calls.clone()).create(&PostParams::default(), &account).await?;
    make_stage(w, "live").await?;
    let gate = |stage: &str| {
        let writes = writes.clone();
        let owner = PlanOwner::Stage { namespace: "default".to_owned(), name: stage.to_owned() };
        async move {
            match writes.live_gate(&owner, &["live".to_owned(), "gone".to_owned()], "none").await {
                Outcome::Learnt(Fact::LiveGate(gate)) => Ok(gate),
                other => bail!("{other:?}"),
            }
        }
    };
    let there = gate("live").await?;
    ensure!(there.plan.is_none() && there.accounts.len() == 1);
    ensure!(there.stage.is_some_and(|s| s.name_any() == "live"));
    ensure!(gate("not-there").await?.stage.is_none());
    Ok(())
}

pub async fn what_is_not_allowed_is_denied(w: &World) -> Result<()> {
    let writes = Writes::new(&w.controller);
    ensure!(writes.hmac_key("default").await.is_err(), "read a Secret of another namespace");
    let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(w.controller.calls.clone(), OURS);
    ensure!(secrets.list(&Default::default()).await.is_err(), "listed Secrets");
    let plans: Api<ChangePlan> = Api::namespaced(w.controller.calls.clone(), "default");
    ensure!(plans.delete("planned-0", &Default::default()).await.is_err(), "deleted a record");
    Ok(())
}
