//! `status`: what is deployed, what waits, for whom, how risky, what to type next.

use clap::Args;

use super::{
    args::{KubeArgs, ListOutput},
    desk::Desk,
    fail::Fail,
    view::{json, stage_list},
};

/// What `status` is told.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// Names of Stages. Default: all of the namespace.
    #[arg(value_name = "STAGE")]
    pub stages: Vec<String>,
    /// Those of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "stages")]
    pub all_namespaces: bool,
    /// How they are shown.
    #[arg(short, long, value_enum, default_value = "text")]
    pub output: ListOutput,
    /// Which cluster.
    #[command(flatten)]
    pub kube: KubeArgs,
}

/// Runs it.
///
/// # Errors
/// When a Stage is not there, or they cannot be read.
pub async fn status(args: StatusArgs) -> Result<(), Fail> {
    let desk = Desk::open(&args.kube).await?;
    let namespace = desk.session.namespace();
    let mut stages = Vec::new();
    if args.stages.is_empty() {
        stages = desk.session.stages((!args.all_namespaces).then_some(namespace)).await?;
    }
    for name in &args.stages {
        stages.push(desk.stage(name).await?);
    }
    if stages.is_empty() && args.output == ListOutput::Text {
        let place =
            if args.all_namespaces { "any namespace".to_owned() } else { format!("namespace {namespace}") };
        return desk.say(&format!("no Stages in {place}\n"));
    }
    let list = stage_list(stages.iter().map(AsRef::as_ref), &desk.invoked);
    desk.say(&match args.output {
        ListOutput::Text => list.text(args.all_namespaces, desk.now()),
        ListOutput::Json => json(&list)?,
    })
}
