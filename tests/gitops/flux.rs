//! Flux: the libraries of kustomize-controller (tools/health/cmd/flux), every second, as an editor under the policies.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use stackgate_testbed::{
    User, repository,
    scenario::{Case, Expected, Kind, SHOP, World},
    target_dir,
};

use crate::{
    fields::{annotation, nobody_fights, quiet_rounds, records},
    git::{
        APPROVES, Git, SETGATE, SIGNS, Writer, a_weaker_gate_is_refused, all_lines_say, edited_by, in_force,
        may_approve,
    },
    words::{APPROVE_GIT, approval_of, slot_of},
};

const WRITER: &str = "kustomize-controller";

/// kustomize-controller, as far as it applies.
#[derive(Clone)]
pub struct Flux {
    program: PathBuf,
    kubeconfig: PathBuf,
    file: PathBuf,
    git: Git,
}

impl Flux {
    pub fn new(world: &World, git: &Git, user: User) -> Result<Self> {
        let program = target_dir().join("tools/health/flux");
        ensure!(program.exists(), "{} is not there: run `make setup` first", program.display());
        Ok(Self {
            program,
            kubeconfig: world.cluster.kubeconfig(user),
            file: world.dir.join("flux.json"),
            git: git.clone(),
        })
    }

    /// One reconciliation.
    pub fn reconcile(&self, more: &[&str]) -> Result<String> {
        std::fs::write(&self.file, self.git.text())?;
        let output = Command::new(&self.program)
            .args([
                "-kubeconfig".as_ref(),
                self.kubeconfig.as_os_str(),
                "-file".as_ref(),
                self.file.as_os_str(),
            ])
            .args(more)
            .stdin(Stdio::null())
            .output()
            .context("starting flux")?;
        if !output.status.success() {
            bail!("flux: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// With the checks of `deploy/flux`.
fn checks() -> String {
    repository().join("deploy/flux/health-checks.yaml").display().to_string()
}

#[test]
fn flux_applies_every_second_and_nothing_is_lost_nothing_stale_counts_nobody_fights() -> Result<()> {
    let (mut world, case) = edited_by(User::Flux, "flux")?;
    let git = Git::of(&case);
    let flux = Flux::new(&world, &git, User::Flux)?;

    first_install(&world, &case, &flux)?;
    let writer = Writer::start({
        let flux = flux.clone();
        move || flux.reconcile(&[])
    });
    writer.rounds(&world, 2)?;
    let first = approved_on_the_stage(&world, &case, &writer)?;
    let second = rejected_on_the_plan(&world, &case, &writer, &first)?;
    let third = lost_while_the_controller_is_away(&mut world, &case, &writer, &second)?;
    approved_in_git(&world, &case, &git, &writer, &third)?;
    a_weaker_gate_is_refused(&world, &case, &git, &writer)?;

    nobody_fights(&world, &case, WRITER)?;
    all_lines_say(&quiet_rounds(&world, &case, &writer)?, "unchanged")?;
    // Not what people wrote, nor that it is wiped.
    writer.refused_only(&[SETGATE, SIGNS, APPROVES])
}

/// `wait: true` ends while a person is awaited, with the checks; without them it would not.
fn first_install(world: &World, case: &Case, flux: &Flux) -> Result<()> {
    flux.reconcile(&["-wait", "150s", "-checks", &checks()])?;
    case.waiting(world, None)?;
    let error = flux.reconcile(&["-wait", "5s"]).err().context("it passes without the checks, too")?;
    ensure!(error.to_string().contains("timeout waiting for"), "{error}");
    Ok(())
}

/// An approval on the Stage is recorded, then wiped; it counts all the same.
fn approved_on_the_stage(world: &World, case: &Case, writer: &Writer) -> Result<String> {
    let release = case.digest(world, None)?;
    let waiting = case.waiting(world, Some(&release))?;
    in_force(world, case)?;
    world.decide_as(User::Carol, &waiting.approve_on_stage())?;
    case.deployed(world, &release)?;
    writer.rounds(world, 2)?;
    let left = annotation(world, case, &slot_of(&waiting))?;
    ensure!(left.is_none(), "Flux leaves what kubectl wrote: the docs are wrong");
    records(world, &waiting.plan, "Approve", "Stage")?;
    Ok(release)
}

/// A reject on the plan stays where it is, and stands.
fn rejected_on_the_plan(world: &World, case: &Case, writer: &Writer, before: &str) -> Result<String> {
    case.upload(world, &case.release(2)?)?;
    let release = case.digest(world, Some(before))?;
    let waiting = case.waiting(world, Some(&release))?;
    world.decide_as(User::Alice, &waiting.reject("not this one"))?;
    let rejected =
        Expected { kind: Kind::Stage, condition: "Waiting", reason: "Rejected", says: "make a new release" };
    case.shows(world, &rejected)?;
    writer.rounds(world, 2)?;
    records(world, &waiting.plan, "Reject", "ChangePlan")?;
    let plan = world.object(Kind::ChangePlan, SHOP, &waiting.plan)?.context("the plan is gone")?;
    let annotations = &plan.0["metadata"]["annotations"];
    ensure!(
        annotations["gate.stackgate.dev/reject"].is_string(),
        "the reject is gone from the plan: {annotations}"
    );
    world.decide_as(User::Carol, &waiting.approve_on_stage())?;
    writer.rounds(world, 2)?;
    case.shows(world, &rejected)?;
    Ok(release)
}

/// What Flux wipes before the controller sees it never was; on the plan it lasts.
fn lost_while_the_controller_is_away(
    world: &mut World,
    case: &Case,
    writer: &Writer,
    before: &str,
) -> Result<String> {
    case.upload(world, &case.release(3)?)?;
    let release = case.digest(world, Some(before))?;
    let waiting = case.waiting(world, Some(&release))?;
    world.controller()?.kill();
    world.decide_as(User::Carol, &waiting.approve_on_stage())?;
    writer.rounds(world, 2)?;
    ensure!(annotation(world, case, &slot_of(&waiting))?.is_none(), "Flux leaves what kubectl wrote");
    // With a manager of another name it stays: here an old id, which approves nothing.
    let stage = world.object(Kind::Stage, SHOP, &case.name)?.context("the Stage is gone")?;
    let deployed = world.object(Kind::ChangePlan, SHOP, stage.text("/status/deployed/plan"))?;
    let deployed = deployed.context("the plan is gone")?;
    let old = format!("gate.stackgate.dev/approve.old={}", deployed.text("/spec/proposal/id"));
    let command = ["-n", SHOP, "annotate", "--field-manager=stackgate", "cdkstage", &case.name, &old];
    world.decide_as(User::Carol, &command.map(str::to_owned))?;
    writer.rounds(world, 2)?;
    ensure!(
        annotation(world, case, "gate.stackgate.dev/approve.old")?.is_some(),
        "Flux removes what others wrote"
    );
    world.controller()?.restart()?;
    case.keeps_waiting(world, &case.waiting(world, Some(&release))?)?;

    // On the plan it waits for the controller.
    world.controller()?.kill();
    world.decide_as(User::Alice, &waiting.approve_on_plan())?;
    writer.rounds(world, 2)?;
    world.controller()?.restart()?;
    case.deployed(world, &release)?;
    records(world, &waiting.plan, "Approve", "ChangePlan")?;
    Ok(release)
}

/// An approval of a release that is committed, and stays in git: it counts for that release alone, signed, and once who applies it may.
fn approved_in_git(world: &World, case: &Case, git: &Git, writer: &Writer, before: &str) -> Result<()> {
    case.upload(world, &case.release(1)?)?;
    let release = case.digest(world, Some(before))?;
    let waiting = case.waiting(world, Some(&release))?;
    let a1 = world
        .object(Kind::Stage, SHOP, &case.name)?
        .map(|stage| stage.text("/status/pending/a1").to_owned())
        .filter(|id| id.starts_with("a1-"))
        .context("the Stage shows no a1")?;
    let approval = approval_of(&waiting).replace(&waiting.id, &a1);
    git.annotate(APPROVE_GIT, Some(&approval));
    writer.refused(world, 2, SIGNS)?;
    ensure!(annotation(world, case, APPROVE_GIT)?.is_none(), "what nobody has signed is there");
    git.annotate(APPROVE_GIT, Some(&format!("{approval};by=git:alice")));
    writer.refused(world, 2, APPROVES)?;
    // Nothing is committed for it: the next reconciliation passes.
    may_approve(world, User::Flux)?;
    case.deployed(world, &release)?;
    records(world, &waiting.plan, "Approve", "Stage")?;

    // git goes on carrying it.
    case.upload(world, &case.release(3)?)?;
    let next = case.digest(world, Some(&release))?;
    let waiting = case.waiting(world, Some(&next))?;
    writer.rounds(world, 2)?;
    case.keeps_waiting(world, &waiting)?;
    let stage = world.object(Kind::Stage, SHOP, &case.name)?.context("the Stage is gone")?;
    ensure!(stage.list("/status/ignored").is_empty(), "an old id in git is complained about:\n{stage}");

    git.annotate(APPROVE_GIT, None);
    writer.rounds(world, 2)?;
    ensure!(annotation(world, case, APPROVE_GIT)?.is_none(), "it was taken out of git");
    world.decide_as(User::Alice, &waiting.approve_on_plan())?;
    case.deployed(world, &next)
}
