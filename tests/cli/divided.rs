//! Acknowledgements that no one person may give alone.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::json;
use stackgate_core::api::Identity;
use stackgate_testbed::User;

use crate::{
    recorder,
    signing::at_a_terminal,
    world::{SHOP, World, id},
};

/// Sam of security may acknowledge what can be reached, Dora what becomes of data, Dave nothing.
pub async fn each_acknowledges_what_they_may(w: &Arc<World>) -> Result<()> {
    let stage = w.stage("divided", json!({ "approvals": 2 })).await?;
    let plan = w.plan(&stage, 1, '1', &["network", "delete", "maybe-replace"]).await?;
    let kubectl = w.cluster.kubectl(User::Admin);
    for (who, verbs) in [("sam", "ack-network"), ("dora", "ack-delete,ack-maybe-replace")] {
        let (verbs, user) = (format!("--verb={verbs}"), format!("--user={who}"));
        let (role, approves) = (format!("--role=acks-{who}"), format!("approves-{who}"));
        let name = format!("acks-{who}");
        kubectl.run(&["-n", SHOP, "create", "role", &name, &verbs, "--resource=stages.stackgate.dev"])?;
        kubectl.run(&["-n", SHOP, "create", "rolebinding", &name, &role, &user])?;
        kubectl.run(&["-n", SHOP, "create", "rolebinding", &approves, "--role=approve-harmless", &user])?;
    }
    let by = |who: &str, args: &[&str]| {
        let line = [&["approve", plan.as_str()], args, &["--as", who]].concat();
        w.run(User::Admin, &line)
    };

    // What is printed and what is asked is what one may.
    by("sam", &["--yes"])?.refused(&[&format!("approve {plan} --ack network --yes")])?;
    let shown = w.run(User::Admin, &["plan", &plan, "--as", "sam"])?.fine()?;
    ensure!(shown.contains(&format!("approve {plan} --ack network\n")), "{shown}");
    ensure!(shown.contains(&format!("approve={};ack=network", id('1'))), "{shown}");
    w.run(User::Dave, &["approve", &plan, "--yes"])?.refused(&["--ack none --yes"])?;
    let (done, asked) = at_a_terminal(w, User::Dave, &["approve", &plan], |_| {}).await;
    done?;
    ensure!(asked.len() == 2 && asked[0].contains("Sign without any acknowledgement?"), "{asked:?}");
    let (done, asked) = at_a_terminal(w, User::Admin, &["approve", &plan, "--as", "sam"], |_| {}).await;
    done?;
    ensure!(asked.len() == 2 && asked[0].ends_with("Acknowledge network? [y/N] "), "{asked:?}");

    // Together it is all that the plan needs.
    let recorder = recorder::start(Arc::clone(w), Identity::Verified);
    let out = by("sam", &["--ack", "network", "--yes"])?.fine()?;
    for class in ["delete", "maybe-replace"] {
        let left = format!("still needs an acknowledgement of {class}, by somebody with ack-{class}");
        ensure!(out.contains(&left), "{out}");
    }
    ensure!(!out.contains("acknowledgement of network"), "{out}");
    let out = by("dora", &["--ack", "delete", "--yes"])?.fine()?;
    ensure!(out.contains("needs ack maybe-replace"), "{out}");
    let out = by("dora", &["--ack", "maybe-replace", "--yes"])?.fine()?;
    ensure!(out.contains("acknowledges delete besides: that is taken back"), "{out}");
    ensure!(out.contains("still needs an acknowledgement of delete"), "{out}");
    let out = by("dora", &["--ack", "delete,maybe-replace", "--yes"])?.fine()?;
    ensure!(out.contains("recorded, verified: Approved"), "{out}");
    recorder.abort();
    Ok(())
}
