//! `approve` and `override`: let a plan run.

use clap::Args;
use jiff::Timestamp;
use stackgate_core::api::{Action, RiskClass};

use super::{
    args::{Ack, DecideArgs, KubeArgs, ack, reason, until},
    decide::{Wish, decide},
    desk::{Desk, Person},
    fail::Fail,
};

/// What `approve` is told.
#[derive(Args, Clone, Debug)]
pub struct ApproveArgs {
    /// What is decided on.
    #[command(flatten)]
    pub decide: DecideArgs,
    /// The classes of risk that you acknowledge, such as `iam,replace`; the others that you may are asked for. `none`: you leave all
    /// of them to others.
    #[arg(long, value_name = "CLASS", value_delimiter = ',', value_parser = ack)]
    pub ack: Vec<Ack>,
    /// Why.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,
    /// Until when it counts, as an instant or from now, such as `8h`; the gate may end it earlier.
    #[arg(long, value_name = "TIME", value_parser = until)]
    pub until: Option<Timestamp>,
    /// Signs on the Stage instead of the plan, for those who may write the one and not the other.
    #[arg(long)]
    pub on_stage: bool,
    /// Which cluster.
    #[command(flatten)]
    pub kube: KubeArgs,
}

/// What `override` is told.
#[derive(Args, Clone, Debug)]
pub struct OverrideArgs {
    /// What is decided on.
    #[command(flatten)]
    pub decide: DecideArgs,
    /// Why.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
    /// Until when it counts, as an instant or from now, such as `8h`.
    #[arg(long, value_name = "TIME", value_parser = until)]
    pub until: Option<Timestamp>,
    /// Which cluster.
    #[command(flatten)]
    pub kube: KubeArgs,
}

/// Runs `approve`.
///
/// # Errors
/// When it is refused.
pub async fn approve(args: ApproveArgs, person: &mut impl Person) -> Result<(), Fail> {
    let acks = acks(&args.ack)?;
    let desk = Desk::open(&args.kube).await?;
    let wish = Wish {
        action: Action::Approve,
        acks,
        until: args.until,
        reason: args.reason,
        on_stage: args.on_stage,
    };
    decide(&desk, person, &args.decide, &wish).await
}

/// What is acknowledged; `None`: nothing is said of that.
fn acks(said: &[Ack]) -> Result<Option<Vec<RiskClass>>, Fail> {
    let class = |ack: &Ack| match ack {
        Ack::Class(class) => Some(*class),
        Ack::None => None,
    };
    let classes: Vec<RiskClass> = said.iter().filter_map(class).collect();
    match (classes.is_empty(), said.contains(&Ack::None)) {
        (false, true) => Err(Fail::new("--ack none stands alone: it leaves every class of risk to others")),
        (true, false) => Ok(None),
        (true, true) | (false, false) => Ok(Some(classes)),
    }
}

/// Runs `override`.
///
/// # Errors
/// When it is refused.
pub async fn override_(args: OverrideArgs, person: &mut impl Person) -> Result<(), Fail> {
    let desk = Desk::open(&args.kube).await?;
    let wish = Wish { until: args.until, ..Wish::of(Action::Override, Some(args.reason)) };
    decide(&desk, person, &args.decide, &wish).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_said_and_stands_alone() {
        let iam = Ack::Class(RiskClass::Iam);
        assert_eq!(acks(&[]), Ok(None));
        assert_eq!(acks(&[Ack::None]), Ok(Some(Vec::new())));
        assert_eq!(acks(&[iam]), Ok(Some(vec![RiskClass::Iam])));
        assert!(acks(&[iam, Ack::None]).is_err());
    }
}
