//! Decisions, as people make them: with kubectl.

use std::time::Duration;

use anyhow::Result;

use super::{Kind, Object, World};
use crate::User;

/// A plan that waits for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The namespace.
    pub namespace: String,
    /// The Stage.
    pub stage: String,
    /// The ChangePlan.
    pub plan: String,
    /// Its id.
    pub id: String,
    /// The classes of risk that somebody has to acknowledge, as an annotation names them; empty for none.
    pub acks: String,
}

/// What is typed after `kubectl`.
fn annotate(namespace: &str, what: &str, name: &str, annotation: &str) -> Vec<String> {
    ["-n", namespace, "annotate", what, name, annotation].map(str::to_owned).to_vec()
}

/// A command as a person would type it into a shell.
#[must_use]
pub fn kubectl_line<S: AsRef<str>>(args: &[S]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,".contains(c);
    let quoted = |arg: &S| match arg.as_ref() {
        arg if arg.chars().all(plain) => arg.to_owned(),
        arg => format!("'{arg}'"), // none of ours holds a quote
    };
    format!("kubectl {}", args.iter().map(quoted).collect::<Vec<_>>().join(" "))
}

impl Waiting {
    /// The plan with which a Stage waits for somebody; nothing when it does not.
    #[must_use]
    pub fn of(stage: &Object) -> Option<Self> {
        let (plan, id) = (stage.text("/status/pending/plan"), stage.text("/status/pending/id"));
        let waits = stage.is("Waiting", Some("AwaitingApproval")) && !plan.is_empty() && !id.is_empty();
        waits.then(|| Self {
            namespace: stage.text("/metadata/namespace").to_owned(),
            stage: stage.name().to_owned(),
            plan: plan.to_owned(),
            id: id.to_owned(),
            acks: stage
                .text("/status/waitingFor")
                .split_once("ack ")
                .map_or_else(String::new, |(_, classes)| classes.to_owned()),
        })
    }

    /// The command that lets the plan run, on the plan itself.
    #[must_use]
    pub fn approve_on_plan(&self) -> Vec<String> {
        annotate(
            &self.namespace,
            "plan",
            &self.plan,
            &format!("gate.stackgate.dev/approve={}", self.signed()),
        )
    }

    /// The command that lets the plan run, on the plan itself, beside others who sign.
    #[must_use]
    pub fn approve_in_slot(&self, slot: &str) -> Vec<String> {
        let annotation = format!("gate.stackgate.dev/approve.{slot}={}", self.signed());
        annotate(&self.namespace, "plan", &self.plan, &annotation)
    }

    /// The command that lets the plan run, on its Stage, in the slot of this id.
    #[must_use]
    pub fn approve_on_stage(&self) -> Vec<String> {
        let digits = self.id.split_once('-').map_or(self.id.as_str(), |(_, digits)| digits);
        let slot = digits.get(..8).unwrap_or(digits);
        let annotation = format!("gate.stackgate.dev/approve.{slot}={}", self.signed());
        annotate(&self.namespace, "cdkstage", &self.stage, &annotation)
    }

    /// The id, with what is acknowledged: what an approval says.
    #[must_use]
    pub fn signed(&self) -> String {
        if self.acks.is_empty() { self.id.clone() } else { format!("{};ack={}", self.id, self.acks) }
    }

    /// The command that takes back what its author has approved of the plan.
    #[must_use]
    pub fn revoke(&self) -> Vec<String> {
        annotate(&self.namespace, "plan", &self.plan, &format!("gate.stackgate.dev/revoke={}", self.id))
    }

    /// The command that rejects the plan.
    #[must_use]
    pub fn reject(&self, reason: &str) -> Vec<String> {
        let annotation = format!("gate.stackgate.dev/reject={};by=alice;reason={reason}", self.id);
        annotate(&self.namespace, "plan", &self.plan, &annotation)
    }
}

impl World {
    /// Waits until a Stage has a plan that waits for a decision; for this release where its digest is given.
    ///
    /// # Errors
    /// When there is none in time.
    pub fn waiting(&self, namespace: &str, stage: &str, release: Option<&str>) -> Result<Waiting> {
        let what = format!("Stage {stage} waits for an approval");
        self.until((Kind::Stage, namespace, stage), &what, super::SOON, |object| {
            let is_it = release.is_none_or(|release| release == object.text("/status/pending/digest"));
            Waiting::of(object).filter(|_| is_it)
        })
    }

    /// Runs one of the commands of [`Waiting`].
    ///
    /// # Errors
    /// When kubectl fails.
    pub fn decide(&self, command: &[String]) -> Result<String> {
        self.decide_as(User::Admin, command)
    }

    /// Runs one of the commands of [`Waiting`] as somebody, who signs by hand where the API server does not.
    ///
    /// # Errors
    /// When kubectl fails: with its own message.
    pub fn decide_as(&self, user: User, command: &[String]) -> Result<String> {
        let is_unsigned = |arg: &str| arg.starts_with("gate.stackgate.dev/") && !arg.contains(";by=");
        let signed: Vec<String> = command
            .iter()
            .map(|arg| {
                if self.by_hand() && is_unsigned(arg) {
                    format!("{arg};by={}", user.name())
                } else {
                    arg.clone()
                }
            })
            .collect();
        let args: Vec<&str> = signed.iter().map(String::as_str).collect();
        self.cluster.kubectl(user).run(&args)
    }

    /// Waits until a Stage has deployed a release, by its digest, and nothing newer waits.
    ///
    /// # Errors
    /// When it has not in time.
    pub fn deployed(&self, namespace: &str, stage: &str, release: &str, within: Duration) -> Result<String> {
        let what = format!("Stage {stage} has deployed release {release}");
        self.until((Kind::Stage, namespace, stage), &what, within, |object| {
            let done = object.text("/status/deployed/digest") == release
                && object.is("Ready", None)
                && object.is("UpToDate", None);
            done.then(|| object.text("/status/deployed/plan").to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_what_people_type() {
        let waiting = Waiting {
            namespace: "shop".into(),
            stage: "dev".into(),
            plan: "dev-0123".into(),
            id: "c1-0123456789abcdef0123456789abcdef01234567".into(),
            acks: String::new(),
        };
        assert_eq!(
            kubectl_line(&waiting.approve_on_stage()),
            "kubectl -n shop annotate cdkstage dev \
             gate.stackgate.dev/approve.01234567=c1-0123456789abcdef0123456789abcdef01234567"
        );
        let risky = Waiting { acks: "replace,iam".into(), ..waiting.clone() };
        assert!(kubectl_line(&risky.approve_on_plan()).ends_with("01234567;ack=replace,iam'"));
        assert!(kubectl_line(&waiting.reject("not now")).ends_with(";by=alice;reason=not now'"));
        assert!(waiting.approve_on_plan().ends_with(&[
            "dev-0123".into(),
            "gate.stackgate.dev/approve=c1-0123456789abcdef0123456789abcdef01234567".into()
        ]));
    }
}
