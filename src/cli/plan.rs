//! `plan`: what an approver reads.

use clap::{Args, ValueEnum};

use super::{
    args::KubeArgs,
    desk::Desk,
    fail::Fail,
    named::Named,
    values,
    view::{json, markdown, text},
};

/// What `plan` is told.
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// A Stage, for its newest plan, or a ChangePlan.
    #[arg(value_name = "STAGE|PLAN")]
    pub target: String,
    /// How it is shown; markdown is fit for a comment on a pull request.
    #[arg(short, long, value_enum, default_value = "text")]
    pub output: PlanOutput,
    /// Shows what properties are and become, too, read from CloudFormation with your own AWS credentials. They may be secret.
    #[arg(long)]
    pub values: bool,
    /// Which cluster.
    #[command(flatten)]
    pub kube: KubeArgs,
}

/// How a plan is shown.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanOutput {
    /// For a terminal.
    Text,
    /// For a pull request.
    Markdown,
    /// For programs.
    Json,
}

/// Runs it.
///
/// # Errors
/// When there is no such plan, or it cannot be read.
pub async fn plan(args: PlanArgs) -> Result<(), Fail> {
    let desk = Desk::open(&args.kube).await?;
    let mut sight = desk.look(Named::parse(&args.target)?).await?;
    if args.values {
        values::fill(&mut sight.report, sight.view.proposal()).await;
    }
    desk.say(&match args.output {
        PlanOutput::Text => text(&sight.report, desk.now()),
        PlanOutput::Markdown => markdown(&sight.report, desk.now()),
        PlanOutput::Json => json(&sight.report)?,
    })
}
