//! `rollback`: pins a Stage to an earlier release. That is an ordinary change: it is planned, and stands before the gate.

use std::sync::Arc;

use clap::Args;
use kube::ResourceExt as _;
use stackgate_core::api::{Pin, Stage};

use super::{
    args::{KubeArgs, reason},
    desk::{Desk, Person, is_yes},
    fail::Fail,
    past::{Past, before, past, pick, tried},
    view::{Text, at},
};
use crate::kube::session::{CallError, Denied, managers_of_spec};

/// What `rollback` is told.
#[derive(Args, Clone, Debug)]
pub struct RollbackArgs {
    /// The Stage.
    #[arg(value_name = "STAGE")]
    pub stage: String,
    /// The release: its name, or 12 or more digits of its digest. Default: the one that was deployed before.
    #[arg(long, value_name = "RELEASE", conflicts_with = "unpin")]
    pub to: Option<String>,
    /// Removes the pin: the Stage follows its assembly or its upstream stages again.
    #[arg(long)]
    pub unpin: bool,
    /// Why; stands in the pin.
    #[arg(long, value_name = "TEXT", value_parser = reason, conflicts_with = "unpin")]
    pub reason: Option<String>,
    /// Does not ask. Without a terminal that is needed.
    #[arg(short, long)]
    pub yes: bool,
    /// Changes the object although a GitOps controller manages it, which may put it back.
    #[arg(long)]
    pub force: bool,
    /// Which cluster.
    #[command(flatten)]
    pub kube: KubeArgs,
}

/// Runs it.
///
/// # Errors
/// When there is no such release, or the pin is refused.
pub async fn rollback(args: RollbackArgs, person: &mut impl Person) -> Result<(), Fail> {
    let desk = Desk::open(&args.kube).await?;
    let stage = desk.stage(&args.stage).await?;
    let pin = if args.unpin { None } else { Some(chosen(&desk, &stage, &args).await?) };
    let same = |p: &Option<Pin>| p.as_ref().map(|p| &p.digest) == pin.as_ref().map(|p| &p.digest);
    if same(&stage.spec.pin) {
        let how = if args.unpin { "has no pin" } else { "is pinned to that release already" };
        return desk.say(&format!("Stage {} {how}\n", args.stage));
    }
    if let Some(by) = managed_by(&stage).filter(|_| !args.force) {
        return Err(in_git(&args.stage, pin.as_ref(), &by));
    }
    if !args.yes {
        if !person.is_there() {
            return Err(unattended(&desk, &args, pin.as_ref()));
        }
        if !is_yes(&person.ask(&format!("Change spec.pin of Stage {}? [y/N] ", args.stage))?) {
            return Err(Fail::new("nothing was changed: you did not say yes"));
        }
    }
    match desk.session.pin(&stage, pin.as_ref()).await {
        Ok(_) => {}
        Err(error) => return Err(explain(&args.stage, error)),
    }
    let plan = desk.invoked.ours(desk.session.namespace(), &["plan", args.stage.as_str()]);
    desk.say(&match &pin {
        Some(_) => format!("pinned; the change is planned now and stands before the gate: {plan}\n"),
        None => format!("the pin is gone; what the Stage should have now is planned: {plan}\n"),
    })
}

/// What has to be typed where nobody can be asked, with the release by its digest: what was shown is what is meant.
fn unattended(desk: &Desk, args: &RollbackArgs, pin: Option<&Pin>) -> Fail {
    let mut line = vec!["rollback", args.stage.as_str()];
    match pin {
        Some(pin) => line.extend(["--to", pin.digest.as_str()]),
        None => line.push("--unpin"),
    }
    if let Some(reason) = &args.reason {
        line.extend(["--reason", reason.as_str()]);
    }
    if args.force {
        line.push("--force");
    }
    line.push("--yes");
    let command = desk.invoked.ours(desk.session.namespace(), &line);
    Fail::new(format!(
        "nothing was changed: there is no terminal to ask at; if that is what you want: {command}"
    ))
}

async fn chosen(desk: &Desk, stage: &Arc<Stage>, args: &RollbackArgs) -> Result<Pin, Fail> {
    let plans = desk.plans_of(stage).await?;
    let past = past(&plans);
    let list = || {
        let named = |p: &Past<'_>| {
            let digits = p.release.digest.short(12);
            if p.release.name == digits { digits } else { format!("{} ({digits})", p.release.name) }
        };
        let names: Vec<String> = past.iter().map(named).collect();
        if names.is_empty() {
            "it has deployed none yet".to_owned()
        } else {
            format!("it has had {}", names.join(", "))
        }
    };
    let found = match &args.to {
        Some(wanted) => pick(&past, wanted),
        None => Ok(before(&plans, &past)),
    };
    let found = found
        .map_err(|several| {
            Fail::new(format!("{several} fits several releases: name one by its digest; {}", list()))
        })?
        .ok_or_else(|| match &args.to {
            Some(wanted) => {
                Fail::new(format!("Stage {} has had no release {wanted}; {}", args.stage, list()))
            }
            None => Fail::new(format!("Stage {} has no release to go back to; {}", args.stage, list())),
        })?;
    let now = tried(&plans).map(|r| Text::from(&r.name).to_string());
    desk.say(&format!(
        "Stage {}: {} → {}\n  {}\n  deployed on {} by plan {}\n",
        args.stage,
        now.unwrap_or_else(|| "nothing".to_owned()),
        Text::from(&found.release.name),
        found.release.digest,
        at(found.view.settled_time),
        found.view.name
    ))?;
    Ok(Pin { digest: found.release.digest.to_string(), reason: args.reason.clone() })
}

/// The GitOps controller that has written the spec, or that the labels name.
fn managed_by(stage: &Stage) -> Option<String> {
    let known = [
        "argocd",
        "argocd-controller",
        "argocd-application-controller",
        "kustomize-controller",
        "helm-controller",
    ];
    let manager = managers_of_spec(stage).into_iter().find(|m| known.contains(&m.as_str()));
    let label = |key: &str| stage.labels().get(key).or_else(|| stage.annotations().get(key));
    manager
        .or_else(|| label("argocd.argoproj.io/tracking-id").map(|_| "Argo CD".to_owned()))
        .or_else(|| {
            label("kustomize.toolkit.fluxcd.io/name").map(|name| format!("Flux (Kustomization {name})"))
        })
        .or_else(|| label("helm.toolkit.fluxcd.io/name").map(|name| format!("Flux (HelmRelease {name})")))
}

fn in_git(stage: &str, pin: Option<&Pin>, by: &str) -> Fail {
    let change = match pin {
        Some(Pin { digest, reason }) => {
            let reason =
                reason.as_ref().map(|r| format!(", reason: {}", serde_json::json!(r))).unwrap_or_default();
            format!("set spec.pin: {{ digest: {:?}{reason} }}", digest)
        }
        None => "remove spec.pin".to_owned(),
    };
    Fail::new(format!(
        "nothing was changed: {by} manages Stage {stage} and would put it back: in git, {change}; --force changes the object all the same"
    ))
}

fn explain(stage: &str, error: CallError) -> Fail {
    match error {
        CallError::Conflict(_) => Fail::new(format!(
            "nothing was changed: Stage {stage} was changed meanwhile; look, and try again"
        )),
        CallError::Denied(Denied::Rbac(_)) => Fail::new(format!(
            "nothing was changed: you may not patch Stage {stage}: ask whoever manages RoleBindings there for the ClusterRole stackgate-editor, \
             and for the verb setgate on it"
        )),
        CallError::Denied(Denied::Policy { policy, message }) => {
            Fail::new(format!("nothing was changed: policy {policy} says: {message}; ask the platform team"))
        }
        other @ (CallError::NotFound(_)
        | CallError::LoggedOut(_)
        | CallError::Invalid(_)
        | CallError::Unreachable(_)) => other.into(),
    }
}
