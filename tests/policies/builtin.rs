//! The roles that every cluster has: `admin` and `edit` of a namespace let nobody decide, nor give themselves the right to.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::User::Admin;

use crate::{
    attempts::{Attempt, all_end_as_they_should, denial, honest, hopeless},
    call::{Call, plan, stage},
    objects::{annotate, id},
    world::World,
};

/// Frank has `admin` in the namespace, Grace has `edit`.
const FRANK: &str = "frank";
const GRACE: &str = "grace";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop";
const CORE: &str = "/api/v1/namespaces/shop";

/// Needs kube-controller-manager, which fills these roles.
pub async fn nobody_decides_by_a_role_that_every_cluster_has(world: &World) -> Result<()> {
    world.admin().run(&["create", "serviceaccount", "tester", "-n", "shop"])?;
    for (user, role) in [(FRANK, "admin"), (GRACE, "edit")] {
        let (role, subject) = (format!("--clusterrole={role}"), format!("--user={user}"));
        world.admin().run(&["create", "rolebinding", user, "-n", "shop", &role, &subject])?;
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "any" } });
        let make = by(user, |who| Call::create(who, format!("{CORE}/configmaps"), map));
        world.until("the roles are filled", async || make.send(world).await).await?;
    }
    let all = [attempts(FRANK), attempts(GRACE), as_a_program()].concat();
    all_end_as_they_should(world, &all).await?;
    nor_by_a_token_of_a_program(world).await
}

fn by(user: &'static str, call: impl FnOnce(stackgate_testbed::User) -> Call) -> Call {
    call(Admin).pretending(user, "system:authenticated")
}

fn binding(role: &str, user: &str) -> Value {
    let group = "rbac.authorization.k8s.io";
    json!({
        "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": { "name": "mine" },
        "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": role },
        "subjects": [{ "apiGroup": group, "kind": "User", "name": user }],
    })
}

fn attempts(user: &'static str) -> Vec<Attempt> {
    let approve = || annotate("gate.stackgate.dev/approve.x", &format!("{};by={user}", id('c', '1')));
    let weaker = json!({ "spec": { "gate": { "requireApproval": "Never" } } });
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "mine" },
        "rules": [{ "apiGroups": ["stackgate.dev"], "resources": ["stages"], "verbs": ["approve"] }],
    });
    let subjects = json!({ "subjects": binding("", user)["subjects"] });
    let not_theirs = match user {
        FRANK => "attempting to grant RBAC permissions not currently held",
        _edits => "cannot create resource",
    };
    let not_to_change = match user {
        FRANK => "attempting to grant RBAC permissions not currently held",
        _edits => "cannot patch resource",
    };
    vec![
        hopeless(
            "approves a plan",
            by(user, |who| Call::merge(who, plan("prod-waits"), approve())),
            "cannot patch resource \"changeplans\"",
        ),
        hopeless(
            "approves on a Stage",
            by(user, |who| Call::merge(who, stage("prod"), approve())),
            "cannot patch resource \"stages\"",
        ),
        hopeless(
            "makes a gate weaker",
            by(user, |who| Call::merge(who, stage("prod"), weaker)),
            "cannot patch resource \"stages\"",
        ),
        hopeless(
            "deletes a plan",
            by(user, |who| Call::delete(who, plan("prod-waits"))),
            "cannot delete resource \"changeplans\"",
        ),
        hopeless(
            "makes a Role with approve",
            by(user, |who| Call::create(who, format!("{RBAC}/roles"), role)),
            not_theirs,
        ),
        hopeless(
            "binds stackgate-approver to themselves",
            by(user, |who| {
                Call::create(who, format!("{RBAC}/rolebindings"), binding("stackgate-approver", user))
            }),
            not_theirs,
        ),
        hopeless(
            "puts themselves in the place of an approver",
            by(user, |who| Call::merge(who, format!("{RBAC}/rolebindings/alice"), subjects)),
            not_to_change,
        ),
    ]
}

/// What docs/who-may.md says of them: `admin` gives what it holds itself, and `edit` speaks for the programs of the namespace.
fn as_a_program() -> Vec<Attempt> {
    vec![
        honest(
            "admin lets somebody read",
            by(FRANK, |who| Call::create(who, format!("{RBAC}/rolebindings"), binding("view", "heidi"))),
        ),
        honest("edit makes a token of a program", mint()),
    ]
}

fn mint() -> Call {
    let token = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
    by(GRACE, |who| Call::create(who, format!("{CORE}/serviceaccounts/tester/token"), token))
}

/// Also where that program may do everything, as such often may: with its token `edit` reports as it, and decides as nobody.
async fn nor_by_a_token_of_a_program(world: &World) -> Result<()> {
    let program = "--serviceaccount=shop:tester";
    world.admin().run(&["create", "clusterrolebinding", "tester", "--clusterrole=cluster-admin", program])?;
    let minted = mint().for_good().send(world).await?;
    let token = format!("--token={}", minted["status"]["token"].as_str().context("no token")?);
    let tried = |name: &str, annotation: &str| {
        let args = [token.as_str(), "-n", "shop", "annotate", "--dry-run=server", "plan", name, annotation];
        world.admin().output(&args, "")
    };
    let own = "system:serviceaccount:shop:tester";
    let report = format!("gate.stackgate.dev/check.minted={};result=passed;by={own}", id('c', 'd'));
    world
        .until("the program reports", async || {
            let said = tried("prod-done", &report)?;
            ensure!(said.ok, "{}", said.stderr);
            Ok(())
        })
        .await?;
    for by in ["alice", GRACE, own] {
        let approval = format!("gate.stackgate.dev/approve.minted={};by={by}", id('c', '1'));
        let said = tried("prod-waits", &approval)?;
        let denied = format!("{}{own} is no person", denial("decisions.stackgate.dev"));
        ensure!(!said.ok && said.stderr.contains(&denied), "by {by}: {said:?}");
    }
    Ok(())
}
