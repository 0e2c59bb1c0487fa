//! Flags that several commands have.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use stackgate_core::{
    api::{RiskClass, whole_seconds},
    words::{ChangeId, Span},
};

use crate::kube::session::Options;

/// The flags of kubectl that say which cluster, which namespace and who; before or after the command.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Kubernetes")]
pub struct KubeArgs {
    /// The namespace. Default: that of the context.
    #[arg(short, long, value_name = "NAMESPACE", value_parser = namespace)]
    pub namespace: Option<String>,
    /// The kubeconfig file. Default: KUBECONFIG, else ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The cluster of the kubeconfig.
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// The user of the kubeconfig.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The user to act as.
    #[arg(long = "as", value_name = "USER")]
    pub act_as: Option<String>,
    /// A group to act as; can be given again.
    #[arg(long = "as-group", value_name = "GROUP")]
    pub act_as_groups: Vec<String>,
    /// When to use colour. `auto`: on a terminal, and without NO_COLOR.
    #[arg(long, value_enum, value_name = "WHEN", help_heading = None)]
    pub color: Option<Color>,
}

/// When to use colour.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl KubeArgs {
    /// These, and those that stood before the command where these say nothing.
    #[must_use]
    pub fn or(self, before: Self) -> Self {
        let groups = if self.act_as_groups.is_empty() { before.act_as_groups } else { self.act_as_groups };
        Self {
            namespace: self.namespace.or(before.namespace),
            kubeconfig: self.kubeconfig.or(before.kubeconfig),
            context: self.context.or(before.context),
            cluster: self.cluster.or(before.cluster),
            user: self.user.or(before.user),
            act_as: self.act_as.or(before.act_as),
            act_as_groups: groups,
            color: self.color.or(before.color),
        }
    }

    /// How to connect.
    #[must_use]
    pub fn options(&self) -> Options {
        Options {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
            namespace: self.namespace.clone(),
            act_as: self.act_as.clone(),
            act_as_groups: self.act_as_groups.clone(),
        }
    }

    /// What a printed command has to repeat, so that it goes to the same cluster.
    #[must_use]
    pub fn cluster_flags(&self) -> Vec<String> {
        let file = self.kubeconfig.as_ref().map(|p| p.to_string_lossy().into_owned());
        let all = [
            ("--kubeconfig", file),
            ("--context", self.context.clone()),
            ("--cluster", self.cluster.clone()),
        ];
        given(all)
    }

    /// What it has to repeat besides, so that it goes there as the same person.
    #[must_use]
    pub fn person_flags(&self) -> Vec<String> {
        let groups = self.act_as_groups.iter().map(|group| ("--as-group", Some(group.clone())));
        given([("--user", self.user.clone()), ("--as", self.act_as.clone())].into_iter().chain(groups))
    }
}

fn given(flags: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Vec<String> {
    let given = flags.into_iter().filter_map(|(flag, value)| Some([flag.to_owned(), value?]));
    given.flatten().collect()
}

/// What every decision has.
#[derive(Args, Clone, Debug)]
pub struct DecideArgs {
    /// A Stage, for its newest plan, or a ChangePlan.
    #[arg(value_name = "STAGE|PLAN")]
    pub target: String,
    /// Decides only if the plan still has this id.
    #[arg(long, value_name = "ID")]
    pub id: Option<ChangeId>,
    /// Does not ask whether to sign, where the plan is named by its own name or by --id. Without a terminal that is needed.
    #[arg(short, long)]
    pub yes: bool,
    /// The slot of the annotation. Default: one that is free, made of your name.
    #[arg(long, value_name = "SLOT", value_parser = slot)]
    pub slot: Option<String>,
    /// How long to wait until the controller has recorded it, `0s` for not at all; it is a failure if it has not by then. Default:
    /// 10s, and no failure.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub wait: Option<SignedDuration>,
}

/// What `--ack` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// A class of risk.
    Class(RiskClass),
    /// Not one of them.
    None,
}

/// A class of risk, by its name, or `none`.
pub fn ack(text: &str) -> Result<Ack, String> {
    if text == "none" {
        return Ok(Ack::None);
    }
    text.parse().map(Ack::Class).map_err(|()| {
        let all: Vec<&str> = RiskClass::ALL.iter().map(|c| c.as_str()).collect();
        format!("the classes of risk are {}; none of them is `none`", all.join(", "))
    })
}

/// The slot of an annotation.
pub fn slot(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=40).contains(&text.len()) && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err("a slot has 1 to 40 of a-z, 0-9 and -".to_owned())
}

/// A namespace, as Kubernetes names them (a DNS label); anything else would lead to another path of the API.
pub fn namespace(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = |c: Option<char>| c.is_some_and(|c| fits(c) && c != '-');
    if text.len() <= 63 && ends(text.chars().next()) && ends(text.chars().last()) && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err("a namespace has 1 to 63 of a-z, 0-9 and -".to_owned())
}

/// Why somebody decides.
pub fn reason(text: &str) -> Result<String, String> {
    let printable = !text.chars().any(|c| c.is_control() || c == ';');
    if printable && (1..=200).contains(&text.chars().count()) {
        return Ok(text.to_owned());
    }
    Err("a reason has 1 to 200 printable characters, and no semicolon".to_owned())
}

/// A duration such as `30s` or `1h30m`.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    text.parse::<Span>().map(|s| s.get()).map_err(|e| e.to_string())
}

/// An instant, or how long from now.
pub fn until(text: &str) -> Result<Timestamp, String> {
    let now = Timestamp::now();
    let time = match text.parse::<Timestamp>() {
        Ok(time) => time,
        Err(_) => {
            let lasts = duration(text)
                .map_err(|_| "want an instant such as 2026-11-24T18:00:00Z, or a duration such as 8h")?;
            now.checked_add(lasts).map_err(|e| e.to_string())?
        }
    };
    // As it is signed: what is over by then is recorded by nobody.
    let signed = whole_seconds(time).0;
    if signed <= now {
        return Err(format!(
            "{signed} is in the past: name an instant to come, or how long from now, such as 8h"
        ));
    }
    Ok(time)
}

/// How a list is shown.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListOutput {
    /// For a terminal.
    Text,
    /// For programs.
    Json,
}

#[cfg(test)]
mod tests {
    use super::{namespace, until};

    #[test]
    fn a_namespace_is_one_word_of_a_path() {
        assert!(namespace("shop-2").is_ok());
        for odd in ["", "a/b", "..", "a.b", "-a", "a-", "Shop", "a?b", &"a".repeat(64)] {
            assert!(namespace(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn an_end_lies_ahead() {
        for past in ["2020-01-01T00:00:00Z", "0s"] {
            assert!(until(past).is_err_and(|e| e.contains("in the past")), "{past}");
        }
        assert!(until("8h").is_ok() && until("2999-01-01T00:00:00Z").is_ok());
        assert!(until("soon").is_err_and(|e| e.contains("such as 8h")));
    }
}
