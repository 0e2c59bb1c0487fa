//! A cluster with our kinds, people with their rights, and objects as the controller would have written them.

use std::{ffi::OsStr, fs, os::unix::fs::symlink, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use stackgate_core::{
    api::{ChangePlan, Stage},
    change::console_url,
};
use stackgate_testbed::{Cluster, User, fresh_dir, repository};

/// Where all of it lives.
pub const SHOP: &str = "shop";

/// Alice approves and edits, Bob reads, Carol is of the platform team, Dave approves what carries no risk, Erin has a difficult name, and the
/// robot is a program that has more rights than are of any use to it.
const RIGHTS: &str = r#"
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: approve-harmless, namespace: shop }
rules:
- { apiGroups: [stackgate.dev], resources: [changeplans], verbs: [get, list, watch, patch] }
- { apiGroups: [stackgate.dev], resources: [stages], verbs: [get, list, watch, approve] }
---
apiVersion: stackgate.dev/v1alpha1
kind: AwsAccount
metadata: { name: shop-prod }
spec:
  accountID: "333333333333"
  regions: [ap-southeast-2]
  minimumGate: { requireApproval: AnyChange, identity: Verified }
"#;

/// Kind of binding, kind of role, role, user.
const BINDINGS: [(&str, &str, &str, User); 8] = [
    ("rolebinding", "clusterrole", "stackgate-approver", User::Alice),
    ("rolebinding", "clusterrole", "stackgate-editor", User::Alice),
    ("rolebinding", "clusterrole", "stackgate-viewer", User::Bob),
    ("clusterrolebinding", "clusterrole", "stackgate-platform", User::Carol),
    ("rolebinding", "role", "approve-harmless", User::Dave),
    ("rolebinding", "clusterrole", "stackgate-approver", User::Erin),
    ("rolebinding", "clusterrole", "stackgate-approver", User::Robot),
    ("rolebinding", "clusterrole", "stackgate-checker", User::Robot),
];

pub struct World {
    pub cluster: Cluster,
    admin: Client,
    controller: Client,
}

/// What one run of the program said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn refused(&self, with: &[&str]) -> Result<()> {
        ensure!(self.code == 1, "not refused: {self:?}");
        ensure!(self.err.lines().count() == 1, "more than a line: {}", self.err);
        for text in with {
            ensure!(self.err.contains(text), "does not say {text:?}: {}", self.err);
        }
        Ok(())
    }

    pub fn fine(self) -> Result<String> {
        ensure!(self.code == 0, "failed: {self:?}");
        Ok(self.out)
    }
}

pub async fn world() -> Result<World> {
    let cluster = Cluster::start(&fresh_dir("cli")?)?;
    // As people install it: a program of that name on the PATH.
    fs::create_dir_all(cluster.bin())?;
    symlink(env!("CARGO_BIN_EXE_stackgate"), cluster.bin().join("kubectl-stackgate"))?;
    let world = World {
        admin: client(&cluster, User::Admin).await?,
        controller: client(&cluster, User::Controller).await?,
        cluster,
    };
    world.install()?;
    let kubectl = world.cluster.kubectl(User::Admin);
    kubectl.wait_for_kinds()?;
    kubectl.wait_for_signing()?;
    kubectl.apply(RIGHTS)?;
    for (place, (binding, kind, role, user)) in BINDINGS.into_iter().enumerate() {
        let (name, role) = (format!("b{place}"), format!("--{kind}={role}"));
        let user = format!("--user={}", user.name());
        kubectl.run(&["-n", SHOP, "create", binding, &name, &role, &user])?;
    }
    world.policies_are_in_force().await?;
    Ok(world)
}

async fn client(cluster: &Cluster, user: User) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig(user))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

impl World {
    pub fn stages(&self) -> Api<Stage> {
        Api::namespaced(self.admin.clone(), SHOP)
    }

    /// As the controller, who alone may write them.
    pub fn plans(&self) -> Api<ChangePlan> {
        Api::namespaced(self.controller.clone(), SHOP)
    }

    /// As docs/who-may.md says for those without helm; `tests/policies` installs by helm.
    fn install(&self) -> Result<()> {
        let page = fs::read_to_string(repository().join("docs/who-may.md"))?;
        let before = if self.cluster.signs()? { "Without helm: `" } else { "`deploy/sign.yaml`: `" };
        let (_, rest) = page.split_once(before).context("no line for those without helm")?;
        let (line, _) = rest.split_once('`').context("no end of the line")?;
        said(self.cluster.shell(User::Admin, line)?.current_dir(repository()))?.fine()?;
        Ok(())
    }

    /// A binding of a policy takes about a second to come into force.
    async fn policies_are_in_force(&self) -> Result<()> {
        let stage = self.stage("policed", json!({})).await?;
        let plan = self.plan(&stage, 1, '0', &[]).await?;
        let kubectl = self.cluster.kubectl(User::Admin);
        let wrong = format!("gate.stackgate.dev/approve={};by=somebody", id('0'));
        let args = ["-n", SHOP, "annotate", "plan", &plan, &wrong, "--dry-run=server"];
        for _ in 0..300 {
            let said = kubectl.output(&args, "")?;
            if said.stderr.contains("you can sign as yourself alone") {
                return Ok(());
            }
            // Nothing tells when a policy comes into force: it is asked again, and an end without it fails the test.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("the policies do not come into force")
    }

    /// A Stage, with a status as the controller would write it.
    pub async fn stage(&self, name: &str, gate: Value) -> Result<Stage> {
        let stage = serde_json::from_value(json!({
            "apiVersion": "stackgate.dev/v1alpha1", "kind": "Stage", "metadata": { "name": name },
            "spec": { "assemblyRef": { "name": "shop" }, "accounts": ["shop-prod"], "gate": gate },
        }))?;
        let made = self.stages().create(&PostParams::default(), &stage).await?;
        let gate = stackgate_core::gate::in_force(&made, []).shown();
        self.stage_status(name, json!({ "state": "AwaitingApproval", "effectiveGate": gate })).await
    }

    pub async fn stage_status(&self, name: &str, status: Value) -> Result<Stage> {
        let body = Patch::Merge(json!({ "status": status }));
        let stages: Api<Stage> = Api::namespaced(self.controller.clone(), SHOP);
        Ok(stages.patch_status(name, &PatchParams::default(), &body).await?)
    }

    pub async fn plan_status(&self, name: &str, status: &Value) -> Result<()> {
        let body = Patch::Merge(json!({ "status": status }));
        self.plans().patch_status(name, &PatchParams::default(), &body).await?;
        Ok(())
    }

    /// A plan that waits: the `order`th of the Stage, whose id is that digit again and again.
    pub async fn plan(&self, stage: &Stage, order: u64, digit: char, risks: &[&str]) -> Result<String> {
        self.plan_of(stage, order, &digit.to_string().repeat(40), risks).await
    }

    /// Likewise, by all the digits of the id.
    pub async fn plan_of(&self, stage: &Stage, order: u64, digits: &str, risks: &[&str]) -> Result<String> {
        let stage_name = stage.metadata.name.as_deref().unwrap_or_default();
        let (name, id) = (format!("{stage_name}-{digits}"), format!("c1-{digits}"));
        let risks: Vec<Value> = risks
            .iter()
            .map(|class| json!({ "class": class, "stack": "Store", "resources": ["R"], "cause": "it says so" }))
            .collect();
        let release = release(digits.chars().next().unwrap_or('0'));
        let plan = serde_json::from_value(json!({
            "apiVersion": "stackgate.dev/v1alpha1", "kind": "ChangePlan",
            "metadata": {
                "name": name,
                "labels": { "stackgate.dev/stage": stage.metadata.name },
                "ownerReferences": [{
                    "apiVersion": "stackgate.dev/v1alpha1", "kind": "Stage", "name": stage.metadata.name,
                    "uid": stage.metadata.uid, "controller": true,
                }],
            },
            "spec": {
                "proposal": {
                    "kind": "Stage", "name": stage.metadata.name, "uid": stage.metadata.uid, "operation": "Deploy", "id": id,
                    "a1": id.replacen("c1", "a1", 1), "release": release, "risks": risks, "stacks": [stack()],
                },
                "ledger": [{ "seq": 0, "time": now(), "opened": { "order": order, "release": release } }],
            },
        }))?;
        self.plans().create(&PostParams::default(), &plan).await?;
        Ok(name)
    }

    /// Appends to a ledger, as the controller would.
    pub async fn append(&self, plan: &str, entry: Value) -> Result<()> {
        let there = self.plans().get(plan).await?;
        let mut ledger = serde_json::to_value(&there.spec.ledger)?;
        let list = ledger.as_array_mut().context("no ledger")?;
        let mut entry = entry;
        entry["seq"] = json!(list.len());
        entry["time"] = json!(now());
        list.push(entry);
        let body = json!({ "metadata": { "resourceVersion": there.metadata.resource_version }, "spec": { "ledger": ledger } });
        self.plans().patch(plan, &PatchParams::default(), &Patch::Merge(body)).await?;
        Ok(())
    }

    pub async fn annotations(&self, plan: &str) -> Result<Vec<(String, String)>> {
        let there = self.plans().get(plan).await?.metadata.annotations.unwrap_or_default();
        Ok(there.into_iter().filter(|(k, _)| k.starts_with("gate.")).collect())
    }

    /// A program, as one of the people.
    pub fn command(&self, user: User, program: impl AsRef<OsStr>) -> Result<Command> {
        self.cluster.command(user, program)
    }

    /// Runs the program as it is, without a terminal.
    pub fn run(&self, user: User, args: &[&str]) -> Result<Said> {
        let mut command = self.command(user, env!("CARGO_BIN_EXE_stackgate"))?;
        said(command.args(args).args(["-n", SHOP]))
    }

    /// Runs lines of a shell.
    pub fn shell(&self, user: User, script: &str) -> Result<Said> {
        said(&mut self.cluster.shell(user, script)?)
    }
}

pub fn said(command: &mut Command) -> Result<Said> {
    let output = command.output().context("starting it")?;
    Ok(Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

pub fn id(digit: char) -> String {
    format!("c1-{}", digit.to_string().repeat(40))
}

pub fn plan_name(stage: &Stage, digit: char) -> String {
    format!("{}-{}", stage.metadata.name.as_deref().unwrap_or_default(), digit.to_string().repeat(40))
}

pub fn release(digit: char) -> Value {
    let source = json!({ "s3": {
        "account": "build", "bucket": "shop-cdk-out", "key": "main.zip", "versionID": "v", "region": "ap-southeast-2"
    } });
    json!({ "name": format!("1.{}", digit.to_digit(16).unwrap_or(0)), "digest": format!("sha256:{}", digit.to_string().repeat(64)), "source": source })
}

/// The change set of each plan.
pub const CHANGE_SET: &str = "arn:aws:cloudformation:ap-southeast-2:333333333333:changeSet/stackgate-1/5f";
/// The stack that it stands in.
const STACK: &str = "arn:aws:cloudformation:ap-southeast-2:333333333333:stack/Store/7a";

fn stack() -> Value {
    json!({
        "account": "333333333333", "region": "ap-southeast-2", "stackName": "Store", "qualifier": "acme", "artifact": "Store",
        "plan": "Prepared", "input": format!("sha256:{}", "1".repeat(64)), "leaf": format!("sha256:{}", "2".repeat(64)),
        "count": { "add": 1, "modify": 0, "remove": 0, "replace": 0, "maybeReplace": 0 },
        "consoleURL": console_url(&CHANGE_SET.parse().unwrap(), &STACK.parse().unwrap()),
    })
}

pub fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}
