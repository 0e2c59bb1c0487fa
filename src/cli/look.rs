//! A look at one plan and at all that it depends on.

use std::sync::Arc;

use futures::future::{join, join_all};
use kube::ResourceExt as _;
use stackgate_core::{
    account::Accounts,
    api::{Bootstrap, ChangePlan, ProposalKind, RiskClass, Stage},
    freeze::{Touched, held},
    gate::{InForce, PlanView, in_force, in_force_for, take_back},
    words::AccountId,
};

use super::{
    desk::Desk,
    fail::Fail,
    gate::{from_bootstrap, from_status},
    named::Named,
    view::{GateFrom, PlanReport, Seen, report},
};
use crate::kube::session::Readable;

/// What was seen.
#[derive(Clone, Debug)]
pub struct Sight {
    /// The plan.
    pub view: PlanView,
    /// Its Stage, unless that is gone.
    pub stage: Option<Arc<Stage>>,
    /// The gate.
    pub gate: Option<(InForce, GateFrom)>,
    /// The plans of the Stage, newest first; none where it is gone.
    pub plans: Vec<Arc<PlanView>>,
    /// The newest of them, if this is another one.
    pub newer: Option<String>,
    /// The classes of risk that it carries and that this person may acknowledge.
    pub may_ack: Vec<RiskClass>,
    /// Whether Kubernetes signs what people decide.
    pub signs: bool,
    /// How it is shown.
    pub report: PlanReport,
}

impl Desk {
    /// Looks at the plan that is named, or at the newest of the Stage that is.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn look(&self, named: Named<'_>) -> Result<Sight, Fail> {
        let named = match named {
            // A Stage that has the name of a plan is none that anybody means: what is printed and pasted is the plan's.
            Named::Either(name) if is_plan_name(name) => {
                let plan = self.session.plan(self.session.namespace(), name).await?;
                plan.map_or(named, |_| Named::Plan(name))
            }
            Named::Either(_) | Named::Stage(_) | Named::Plan(_) => named,
        };
        let stage = match named {
            Named::Stage(name) | Named::Either(name) => {
                self.session.stage(self.session.namespace(), name).await?
            }
            Named::Plan(_) => None,
        };
        if let Some(stage) = stage {
            let plans = self.plans_of(&stage).await?;
            let Some(newest) = plans.first().map(|newest| PlanView::clone(newest)) else {
                return Err(no_plan(&stage));
            };
            let rights = self.rights(&newest).await;
            return self.sight(newest, Some(stage), plans, rights).await;
        }
        match named {
            Named::Stage(name) => Err(self.not_there(&format!("Stage {name}"))),
            Named::Plan(name) => self.look_at_plan(name, &format!("plan {name}"), None).await,
            Named::Either(name) => self.look_at_plan(name, &format!("Stage or plan {name}"), None).await,
        }
    }

    async fn look_at_plan(&self, name: &str, what: &str, before: Option<&Sight>) -> Result<Sight, Fail> {
        let plan = self.session.plan(self.session.namespace(), name).await?;
        let plan = plan.ok_or_else(|| self.not_there(what))?;
        let (stage, plans) = self.around(&plan).await?;
        // Beside the others of its Stage: what was taken back on one of them does not count here.
        let beside = plans.iter().find(|p| p.name == name && p.plan.metadata.uid == plan.metadata.uid);
        let view = beside.map(|p| PlanView::clone(p)).or_else(|| seen(plan));
        let view = view.ok_or_else(|| Fail::new(format!("plan {name} was not made by Stackgate")))?;
        let rights = match before {
            // Rights are asked for once: the API server has the last word when it is signed.
            Some(before) => (before.may_ack.clone(), before.signs),
            None => self.rights(&view).await,
        };
        self.sight(view, stage, plans, rights).await
    }

    /// Looks again at a plan.
    ///
    /// # Errors
    /// When it is gone, or cannot be read.
    pub async fn look_again(&self, before: &Sight) -> Result<Sight, Fail> {
        let name = before.view.name.as_str();
        self.look_at_plan(name, &format!("plan {name}"), Some(before)).await
    }

    /// The classes of risk of a plan that waits that this person may acknowledge, and whether Kubernetes signs what is decided;
    /// where the API server does not say, all of them, and yes.
    async fn rights(&self, view: &PlanView) -> (Vec<RiskClass>, bool) {
        if view.closed.is_some() || view.claimed {
            return (Vec::new(), true);
        }
        let p = view.proposal();
        let (plural, namespace) = match p.kind {
            ProposalKind::Stage => ("stages", view.plan.metadata.namespace.as_deref()),
            ProposalKind::Bootstrap => ("bootstraps", None),
        };
        let carried = view.risk_classes();
        let asked =
            RiskClass::ALL.into_iter().filter(|class| carried.contains(class)).map(|class| async move {
                let may = self.session.may(&format!("ack-{class}"), plural, namespace, &p.name).await;
                may.unwrap_or(true).then_some(class)
            });
        let (may_ack, signs) = join(join_all(asked), self.session.signs()).await;
        (may_ack.into_iter().flatten().collect(), signs.unwrap_or(true))
    }

    fn not_there(&self, what: &str) -> Fail {
        let namespace = self.session.namespace();
        Fail::new(format!(
            "there is no {what} in namespace {namespace}: `{}` lists what is",
            self.invoked.ours(namespace, &["status"])
        ))
    }

    /// The plans of a Stage, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn plans_of(&self, stage: &Stage) -> Result<Vec<Arc<PlanView>>, Fail> {
        let namespace = stage.namespace().unwrap_or_default();
        let uid = stage.uid().unwrap_or_default();
        let plans = self.session.plans_of_stage(&namespace, &stage.name_any()).await?;
        let mut views: Vec<Arc<PlanView>> = plans
            .into_iter()
            .filter(|p| p.spec.proposal.uid.as_str() == uid && p.metadata.deletion_timestamp.is_none())
            .filter_map(|p| seen(p).map(Arc::new))
            .collect();
        views.sort_by(|a, b| (b.order, &b.name).cmp(&(a.order, &a.name)));
        take_back(&mut views);
        Ok(views)
    }

    /// The Stage of a plan, and all its plans, newest first.
    async fn around(&self, plan: &ChangePlan) -> Result<(Option<Arc<Stage>>, Vec<Arc<PlanView>>), Fail> {
        let p = &plan.spec.proposal;
        if p.kind != ProposalKind::Stage {
            return Ok((None, Vec::new()));
        }
        let namespace = plan.namespace().unwrap_or_default();
        let stage = self.session.stage(&namespace, &p.name).await?;
        let Some(stage) = stage.filter(|s| s.uid().as_deref() == Some(p.uid.as_str())) else {
            return Ok((None, Vec::new()));
        };
        let plans = self.plans_of(&stage).await?;
        Ok((Some(stage), plans))
    }

    /// The gate of a Stage, and where that comes from.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn gate(&self, stage: &Stage) -> Result<Option<(InForce, GateFrom)>, Fail> {
        Ok(gate_of(stage, self.accounts().await?.as_ref()))
    }

    async fn accounts(&self) -> Result<Option<Accounts>, Fail> {
        Ok(match self.session.accounts().await? {
            Readable::Read(list) => Some(Accounts::new(list)),
            Readable::NotAllowed => None,
        })
    }

    /// One Stage.
    ///
    /// # Errors
    /// When it is not there, or cannot be read.
    pub async fn stage(&self, name: &str) -> Result<Arc<Stage>, Fail> {
        let name = match Named::parse(name)? {
            Named::Either(name) | Named::Stage(name) => name,
            Named::Plan(name) => return Err(Fail::new(format!("{name} is a plan; a Stage is wanted here"))),
        };
        let stage = self.session.stage(self.session.namespace(), name).await?;
        stage.ok_or_else(|| self.not_there(&format!("Stage {name}")))
    }

    async fn sight(
        &self,
        view: PlanView,
        stage: Option<Arc<Stage>>,
        plans: Vec<Arc<PlanView>>,
        (may_ack, signs): (Vec<RiskClass>, bool),
    ) -> Result<Sight, Fail> {
        let newer = plans.first().map(|newest| newest.name.clone()).filter(|name| *name != view.name);
        let now = self.now();
        let accounts = self.accounts().await?;
        let bootstrap = self.bootstrap_of(&view).await?;
        let gate = match (&bootstrap, &accounts) {
            (Some(bootstrap), Some(accounts)) => {
                let selected = accounts.selected(&bootstrap.spec.accounts);
                Some((in_force_for(bootstrap, selected), GateFrom::Objects))
            }
            (Some(bootstrap), None) => from_bootstrap(bootstrap).map(|gate| (gate, GateFrom::Status)),
            (None, accounts) => stage.as_deref().and_then(|stage| gate_of(stage, accounts.as_ref())),
        };
        let held = match (self.session.freezes().await?, &accounts) {
            (Readable::Read(freezes), Some(accounts)) => {
                let of_bootstrap = bootstrap.iter().flat_map(|b| accounts.selected(&b.spec.accounts));
                let touches: Vec<AccountId> = view
                    .accounts()
                    .into_iter()
                    .chain(of_bootstrap.map(|a| a.spec.account_id.clone()))
                    .collect();
                let touched = Touched {
                    namespace: view.plan.metadata.namespace.as_deref().unwrap_or_default(),
                    accounts: &touches,
                    operation: view.proposal().operation,
                };
                Some(held(&freezes, accounts, touched, now).0)
            }
            (Readable::Read(_) | Readable::NotAllowed, _) => None,
        };
        let report = report(&Seen {
            view: &view,
            stage: stage.as_deref(),
            gate: gate.as_ref().map(|(gate, from)| (gate, *from)),
            held: held.as_deref(),
            plans: &plans,
            newer: newer.as_deref(),
            may_ack: &may_ack,
            signs,
            now,
            invoked: &self.invoked,
        });
        Ok(Sight { view, stage, gate, plans, newer, may_ack, signs, report })
    }
}

impl Desk {
    /// The Bootstrap whose toolkit stacks a plan changes; one that only makes them stands before no gate.
    async fn bootstrap_of(&self, view: &PlanView) -> Result<Option<Arc<Bootstrap>>, Fail> {
        let p = view.proposal();
        if p.changed.is_none() {
            return Ok(None);
        }
        let Readable::Read(all) = self.session.bootstraps().await? else { return Ok(None) };
        Ok(all.into_iter().find(|b| b.uid().as_deref() == Some(p.uid.as_str())))
    }
}

fn gate_of(stage: &Stage, accounts: Option<&Accounts>) -> Option<(InForce, GateFrom)> {
    match accounts {
        Some(accounts) => Some((in_force(stage, accounts.named(&stage.spec.accounts)), GateFrom::Objects)),
        None => from_status(stage).map(|gate| (gate, GateFrom::Status)),
    }
}

/// Whether it ends as the names of plans do: in the digits of their id.
fn is_plan_name(name: &str) -> bool {
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    name.rsplit_once('-').is_some_and(|(_, digits)| digits.len() == 40 && digits.chars().all(is_hex))
}

/// Why a Stage has no plan: its own message tells.
fn no_plan(stage: &Stage) -> Fail {
    let conditions = stage.status.as_ref().map_or(&[][..], |s| &s.conditions);
    let told = ["Stalled", "Waiting", "Reconciling"];
    let message =
        told.iter().find_map(|t| conditions.iter().find(|c| c.type_ == *t)).map(|c| c.message.as_str());
    let why = message.unwrap_or("the controller has not looked at it yet");
    Fail::new(format!("Stage {} has no plan: {why}", stage.name_any()))
}

/// A plan as the controller sees it: it alone can tell which entries of a ledger it has written, and what was taken back on other plans.
fn seen(plan: Arc<ChangePlan>) -> Option<PlanView> {
    let status = plan.status.clone().unwrap_or_default();
    let view = PlanView::new(plan)?.doubting(status.unproven.into_iter().collect());
    Some(view.without(&status.taken_back, status.release_rejected))
}
