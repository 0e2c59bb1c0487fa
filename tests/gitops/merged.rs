//! A decision that is merged in git, where the platform team lets git decide: the policies of the chart, the default gate, which wants
//! verified identities, and Flux with a service account of its own.

use anyhow::{Context, Result, ensure};
use stackgate_testbed::{
    User,
    scenario::{Case, Expected, Kind, SHOP},
};

use crate::{
    flux::Flux,
    git::{Git, Writer, world},
    words::{APPROVE_GIT, approval_of},
};

#[test]
fn what_is_merged_opens_the_gate_for_that_release_alone() -> Result<()> {
    let world = world(User::Flux)?;
    // As most install Flux.
    let user = format!("--user={}", User::Flux.name());
    let binding = ["create", "clusterrolebinding", "flux", "--clusterrole=cluster-admin", &user];
    world.kubectl().run(&binding)?;
    let mut case = Case::new(&world, "merged")?;
    case.stage["spec"]["gate"]["identity"] = "Verified".into();
    world.upload(&case.key, &case.assembly)?;
    let git = Git::of(&case);
    let flux = Flux::new(&world, &git, User::Flux)?;
    let writer = Writer::start(move || flux.reconcile(&[]));

    let release = case.digest(&world, None)?;
    let waiting = case.waiting(&world, Some(&release))?;
    let stage = world.object(Kind::Stage, SHOP, &case.name)?.context("the Stage is gone")?;
    let a1 = stage.text("/status/pending/a1").to_owned();
    let gate = stage.list("/status/effectiveGate").iter().find(|f| f["field"] == "identity");
    ensure!(gate.is_some_and(|f| f["value"] == "Verified"), "{stage}");

    let approval = approval_of(&waiting).replace(&waiting.id, &a1);
    git.annotate(APPROVE_GIT, Some(&format!("{approval};by=git:alice")));
    case.deployed(&world, &release)?;
    let plan = world.object(Kind::ChangePlan, SHOP, &waiting.plan)?.context("the plan is gone")?;
    let recorded = plan.ledger("decided").find(|d| d["action"] == "Approve").context("no record")?;
    ensure!(recorded["by"] == "git:alice" && recorded["identity"] == "Git", "{recorded}");

    // What stands in git still opens nothing else.
    case.upload(&world, &case.release(2)?)?;
    let next = case.digest(&world, Some(&release))?;
    let waiting = case.waiting(&world, Some(&next))?;
    writer.rounds(&world, 2)?;
    case.keeps_waiting(&world, &waiting)?;
    let says =
        Expected { kind: Kind::Stage, condition: "Waiting", reason: "AwaitingApproval", says: "needs" };
    case.shows(&world, &says)
}
