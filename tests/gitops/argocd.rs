//! Argo CD: it applies with the code of `kubectl apply`, as field manager `argocd-controller`, here every second, and as an editor under the
//! policies.

use anyhow::{Context, Result, ensure};
use stackgate_testbed::{
    Kubectl, User,
    scenario::{Case, Expected, Kind, SHOP, World},
};

use crate::{
    fields::{annotation, nobody_fights, quiet_rounds, records},
    git::{Git, SETGATE, Writer, a_weaker_gate_is_refused, all_lines_say, edited_by, in_force, may_approve},
    words::{APPROVE_GIT, approval_of, slot_of},
};

const WRITER: &str = "argocd-controller";
/// With impersonation, it applies as a service account of the namespace.
const ACCOUNT: User = User::Robot;
/// Of people who apply files by themselves.
const PERSON: &str = "kubectl-client-side-apply";

fn said(kubectl: &Kubectl, args: &[&str], git: &Git) -> Result<String> {
    let output = kubectl.output(args, &git.text())?;
    ensure!(output.ok, "kubectl {}: {}", args.join(" "), output.stderr.trim());
    Ok(output.stdout)
}

/// The default: a three-way merge with the annotation last-applied.
fn client_side(kubectl: &Kubectl, git: &Git, manager: &str) -> Result<String> {
    said(kubectl, &["apply", "--validate=strict", &format!("--field-manager={manager}"), "-f", "-"], git)
}

/// `ServerSideApply=true`, with ClientSideApplyMigration: what a person has applied is taken over first.
fn server_side(kubectl: &Kubectl, git: &Git) -> Result<String> {
    let text =
        said(kubectl, &["get", "--ignore-not-found", "--show-managed-fields", "-o", "json", "-f", "-"], git)?;
    if text.contains(&format!("\"manager\": \"{PERSON}\"")) {
        client_side(kubectl, git, PERSON)?;
    }
    let manager = format!("--field-manager={WRITER}");
    said(kubectl, &["apply", "--server-side", "--force-conflicts", &manager, "-f", "-"], git)
}

/// How often a difference has to show: the controller may write the status between the two reads of `kubectl diff`, and Argo CD
/// compares no status.
const LASTS: usize = 4;

/// Whether Argo CD would see a difference, and self-heal with it.
fn out_of_sync(kubectl: &Kubectl, git: &Git, server_side: bool) -> Result<bool> {
    let manager = format!("--field-manager={WRITER}");
    let args: &[&str] = if server_side {
        &["diff", "--server-side", "--force-conflicts", &manager, "-f", "-"]
    } else {
        &["diff", &manager, "-f", "-"]
    };
    for _ in 0..LASTS {
        let output = kubectl.output(args, &git.text())?;
        if output.ok {
            return Ok(false);
        }
        let is_difference = output.stderr.trim().is_empty() || output.stderr.contains("exit status 1");
        ensure!(is_difference, "kubectl diff: {}", output.stderr);
    }
    Ok(true)
}

#[test]
fn argocd_applies_every_second_on_the_client_side() -> Result<()> {
    let (world, case) = edited_by(ACCOUNT, "argocd-csa")?;
    may_approve(&world, ACCOUNT)?;
    let git = Git::of(&case);
    let kubectl = world.cluster.kubectl(ACCOUNT);
    let writer = Writer::start({
        let (kubectl, git) = (kubectl.clone(), git.clone());
        move || client_side(&kubectl, &git, WRITER)
    });
    let first = annotated(&world, &case, &git, &writer, false)?;
    let second = applied_by_a_person(&world, &case, &git, &writer, &first)?;
    rejected(&world, &case, &git, &writer, &second)?;
    a_weaker_gate_is_refused(&world, &case, &git, &writer)?;
    quiet(&world, &case, &git, &writer, false)
}

#[test]
fn argocd_applies_every_second_on_the_server_side() -> Result<()> {
    let (world, case) = edited_by(ACCOUNT, "argocd-ssa")?;
    may_approve(&world, ACCOUNT)?;
    let git = Git::of(&case);
    let kubectl = world.cluster.kubectl(ACCOUNT);
    let writer = Writer::start({
        let (kubectl, git) = (kubectl.clone(), git.clone());
        move || server_side(&kubectl, &git)
    });
    let first = annotated(&world, &case, &git, &writer, true)?;
    let second = applied_by_a_person(&world, &case, &git, &writer, &first)?;
    rejected(&world, &case, &git, &writer, &second)?;
    a_weaker_gate_is_refused(&world, &case, &git, &writer)?;
    quiet(&world, &case, &git, &writer, true)
}

/// What `kubectl annotate` wrote stays, makes no difference, and counts once.
fn annotated(world: &World, case: &Case, git: &Git, writer: &Writer, server_side: bool) -> Result<String> {
    let release = case.digest(world, None)?;
    let waiting = case.waiting(world, Some(&release))?;
    in_force(world, case)?;
    world.decide_as(User::Carol, &waiting.approve_on_stage())?;
    ensure!(
        !out_of_sync(&world.cluster.kubectl(ACCOUNT), git, server_side)?,
        "an annotation makes the Application OutOfSync"
    );
    case.deployed(world, &release)?;
    writer.rounds(world, 2)?;
    let key = slot_of(&waiting);
    ensure!(
        annotation(world, case, &key)?.is_some(),
        "Argo CD removes what kubectl annotate wrote: the docs are wrong"
    );
    records(world, &waiting.plan, "Approve", "Stage")?;
    Ok(release)
}

/// A person applies the manifest with an approval in it: recorded, removed by the next sync, and it counts all the same.
fn applied_by_a_person(
    world: &World,
    case: &Case,
    git: &Git,
    writer: &Writer,
    before: &str,
) -> Result<String> {
    case.upload(world, &case.release(2)?)?;
    let release = case.digest(world, Some(before))?;
    let waiting = case.waiting(world, Some(&release))?;
    writer.rounds(world, 2)?;
    case.keeps_waiting(world, &waiting)?; // the approval before is still there, and stale
    let mut stage = git.stage();
    let approval = format!("{};by={}", approval_of(&waiting), User::Carol.name());
    stage["metadata"]["annotations"]["gate.stackgate.dev/approve.carol"] = approval.into();
    world.cluster.kubectl(User::Carol).apply(&stage.to_string())?;
    case.deployed(world, &release)?;
    writer.rounds(world, 2)?;
    let left = annotation(world, case, "gate.stackgate.dev/approve.carol")?;
    ensure!(left.is_none(), "Argo CD leaves what kubectl apply wrote: the docs are wrong");
    records(world, &waiting.plan, "Approve", "Stage")?;
    Ok(release)
}

/// A reject on the plan stands, whatever git says later.
fn rejected(world: &World, case: &Case, git: &Git, writer: &Writer, before: &str) -> Result<()> {
    case.upload(world, &case.release(3)?)?;
    let release = case.digest(world, Some(before))?;
    let waiting = case.waiting(world, Some(&release))?;
    world.decide_as(User::Alice, &waiting.reject("not this one"))?;
    let rejected =
        Expected { kind: Kind::Stage, condition: "Waiting", reason: "Rejected", says: "make a new release" };
    case.shows(world, &rejected)?;
    git.annotate(APPROVE_GIT, Some(&format!("{};by=git:alice", approval_of(&waiting))));
    writer.rounds(world, 2)?;
    ensure!(annotation(world, case, APPROVE_GIT)?.is_some(), "git's annotation did not arrive");
    case.shows(world, &rejected)?;
    records(world, &waiting.plan, "Reject", "ChangePlan")?;
    git.annotate(APPROVE_GIT, None);
    writer.rounds(world, 2)?;
    ensure!(annotation(world, case, APPROVE_GIT)?.is_none(), "it was taken out of git");
    let stage = world.object(Kind::Stage, SHOP, &case.name)?.context("the Stage is gone")?;
    ensure!(stage.list("/status/ignored").is_empty(), "something is complained about:\n{stage}");
    Ok(())
}

/// When nothing happens nobody writes, and nothing is OutOfSync.
fn quiet(world: &World, case: &Case, git: &Git, writer: &Writer, server_side: bool) -> Result<()> {
    nobody_fights(world, case, WRITER)?;
    let said = quiet_rounds(world, case, writer)?;
    all_lines_say(&said, if server_side { "serverside-applied" } else { "unchanged" })?;
    let kubectl = world.cluster.kubectl(ACCOUNT);
    ensure!(!out_of_sync(&kubectl, git, server_side)?, "what nobody touches is OutOfSync");
    // Not what people wrote, nor that it is wiped.
    writer.refused_only(&[SETGATE])
}
