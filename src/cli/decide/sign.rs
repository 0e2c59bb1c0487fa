//! Writes a decision, on top of exactly what was shown.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use stackgate_core::{
    api::{Action, DecisionSource, Identity},
    gate::slot::key,
};

use super::{Order, acks, explain, may};
use crate::{
    cli::{
        desk::Desk,
        fail::Fail,
        look::Sight,
        slot,
        view::{BAD, WARN, changed},
    },
    kube::session::CallError,
};

/// How often somebody else may be quicker.
const TRIES: u32 = 5;

/// What was signed.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    /// Where.
    pub source: DecisionSource,
    /// In which slot.
    pub slot: String,
    /// Under which key.
    pub key: String,
    /// How long the ledger was then.
    pub seen: usize,
}

/// Signs, unless something that was shown differs now.
pub(super) async fn sign(desk: &Desk, shown: &Sight, order: &Order<'_>) -> Result<Signed, Fail> {
    for _ in 0..TRIES {
        let now = desk.look_again(shown).await?;
        is_as_shown(desk, shown, &now, order)?;
        match attempt(desk, &now, order).await? {
            Some(signed) => return Ok(signed),
            // Somebody was quicker. If that is nothing which was shown, it is tried again on top of it.
            None => continue,
        }
    }
    Err(Fail::new("nothing was signed: the object is being changed again and again; try once more"))
}

fn is_as_shown(desk: &Desk, shown: &Sight, now: &Sight, order: &Order<'_>) -> Result<(), Fail> {
    if now.report.id != order.id {
        return Err(Fail::new(format!("nothing was signed: the id is {} now", now.report.id)));
    }
    if !order.wish.opens() {
        return may::may(desk, order.wish.action, now, &order.by);
    }
    let differences = changed(&shown.report, &now.report);
    if differences.is_empty() {
        return Ok(());
    }
    desk.say(&format!("{WARN}This has changed since you were shown it:{WARN:#}\n"))?;
    for line in &differences {
        desk.say(&format!("  {BAD}{line}{BAD:#}\n"))?;
    }
    let again = desk
        .invoked
        .ours(now.report.namespace.as_str(), &["plan", now.newer.as_deref().unwrap_or(&now.view.name)]);
    Err(Fail::new(format!(
        "nothing was signed: it has changed since you were shown it; read it again: {again}"
    )))
}

/// `None`: somebody was quicker.
async fn attempt(desk: &Desk, now: &Sight, order: &Order<'_>) -> Result<Option<Signed>, Fail> {
    let value = value(order);
    let stage = match (order.wish.on_stage, &now.stage) {
        (false, _) => None,
        (true, Some(stage)) => Some(stage),
        (true, None) => return Err(Fail::new("nothing was signed: the Stage of this plan is gone")),
    };
    let annotations = match stage {
        Some(stage) => stage.metadata.annotations.as_ref(),
        None => now.view.plan.metadata.annotations.as_ref(),
    };
    let slot = slot_for(now, order, annotations)?;
    let key = key(order.wish.action, &slot);
    let gone = own_revokes(desk, now, order)?;
    // On top of exactly the object, by UID and version, that was just compared with what was shown: the id in it is the id that is signed.
    let (source, written, place) = match stage {
        Some(stage) => {
            let done = desk.session.annotate_stage(stage, &key, &value).await.map(|s| s.metadata);
            (DecisionSource::Stage, done, format!("Stage {}", stage.name_any()))
        }
        None => {
            let done =
                desk.session.annotate_plan(&now.view.plan, &key, &value, &gone).await.map(|p| p.metadata);
            (DecisionSource::ChangePlan, done, format!("plan {}", now.view.name))
        }
    };
    let metadata = match written {
        Ok(metadata) => metadata,
        Err(CallError::Conflict(_)) => return Ok(None),
        Err(error) => return Err(explain::explain(desk, now, order, &error)),
    };
    if metadata.annotations.as_ref().and_then(|a| a.get(&key)).is_none_or(|v| *v != value) {
        return Err(Fail::new(format!("{key} was changed on its way by an admission plugin of the cluster")));
    }
    desk.say(&format!("signed on {place}: {key}={value}\n"))?;
    for key in gone {
        desk.say(&format!("taken away, so that this counts: {key}\n"))?;
    }
    Ok(Some(Signed { source, slot, key, seen: now.view.plan.spec.ledger.len() }))
}

/// The own revokes that stand on the plan: they would take back what is approved now. With them goes what the same person has approved and
/// nobody has recorded: as long as that stands, the policies keep the revokes.
fn own_revokes<'a>(desk: &Desk, now: &'a Sight, order: &Order<'_>) -> Result<Vec<&'a str>, Fail> {
    match order.wish.action {
        Action::Approve | Action::Override => {}
        Action::Reject | Action::Revoke | Action::Retry => return Ok(Vec::new()),
    }
    let own = now.view.revokes().into_iter().filter(|(_, by)| *by == order.by);
    let own: Vec<&str> = own.map(|(key, _)| key).collect();
    match own.first() {
        Some(key) if order.wish.on_stage => Err(Fail::new(format!(
            "nothing was signed: your revoke stands on the plan and takes back what you approve; take it away first: {}",
            desk.invoked.kubectl(
                now.report.namespace.as_str(),
                &["annotate", "plan", now.view.name.as_str(), &format!("{key}-")]
            )
        ))),
        Some(_) => Ok(own.into_iter().chain(unrecorded(now, order)).collect()),
        None => Ok(own),
    }
}

fn unrecorded<'a>(now: &'a Sight, order: &Order<'_>) -> impl Iterator<Item = &'a str> {
    let marks = now.view.marks(now.view.plan.metadata.annotations.as_ref()).decisions.into_iter();
    let own = marks.filter(move |(_, _, d)| {
        let recorded = d.recorded(DecisionSource::ChangePlan, Identity::Unverified, now.view.id());
        let opens = matches!(d.action, Action::Approve | Action::Override);
        opens && d.by == order.by && !now.view.has_recorded(&recorded)
    });
    own.map(|(key, _, _)| key)
}

/// The value of the annotation.
fn value(order: &Order<'_>) -> String {
    let mut value = format!("{};by={}", order.id, order.by);
    if !order.acks.is_empty() {
        value.push_str(&format!(";ack={}", acks::list(&order.acks)));
    }
    if let Some(until) = order.wish.until {
        value.push_str(&format!(";until={}", stackgate_core::api::whole_seconds(until).0));
    }
    if let Some(reason) = &order.wish.reason {
        value.push_str(&format!(";reason={reason}"));
    }
    value
}

fn slot_for(
    now: &Sight,
    order: &Order<'_>,
    annotations: Option<&BTreeMap<String, String>>,
) -> Result<String, Fail> {
    let action = order.wish.action;
    if let Some(slot) = order.slot {
        if now.view.is_free(annotations, action, slot) {
            return Ok(slot.to_owned());
        }
        return Err(Fail::new(format!(
            "nothing was signed: slot {slot} is taken, and what stands or stood there is not overwritten; leave --slot out, or name another"
        )));
    }
    let mut wanted = slot::of_user(order.user);
    if order.wish.on_stage {
        // A Stage outlives its plans.
        wanted = format!("{}-{wanted}", now.view.id().digits().get(..8).unwrap_or_default());
        wanted.truncate(36);
    }
    Ok(now.view.free_slot(annotations, action, &wanted))
}
