//! One API server for all tests here, with the chart's objects, people with rights, and plans that wait.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use stackgate_testbed::{Chart, Cluster, Kubectl, User, fresh_dir};

use crate::{
    attempts::denial,
    call::{Call, all, plan, stage, system_plan},
    objects::{self, checked, decided, gate, id, opened},
    probes::probes,
};

/// The cluster and everybody's connections.
pub struct World {
    pub cluster: Cluster,
    /// Its version, which the chart is rendered for.
    pub kubernetes: String,
    /// Whether the API server knows the policy that signs for people.
    pub signs: bool,
    clients: BTreeMap<User, Client>,
}

impl World {
    /// Everything of the chart but the policies, the people, and objects to be attacked.
    pub async fn without_policies() -> Result<Self> {
        let cluster = Cluster::start(&fresh_dir("policies")?)?;
        let mut clients = BTreeMap::new();
        for user in User::ALL {
            let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig(user))?;
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
            clients.insert(user, Client::try_from(config)?);
        }
        let (kubernetes, signs) = (cluster.version()?, cluster.signs()?);
        let world = Self { cluster, kubernetes, signs, clients };
        for namespace in ["shop", "flux-system"] {
            world.admin().run(&["create", "namespace", namespace])?;
        }
        Chart::new(&world.kubernetes)
            .set("policies.enabled=false")
            .install(&world.cluster.kubeconfig(User::Admin))?;
        world.admin().wait_for_kinds()?;
        world.give_rights()?;
        world.make_objects().await?;
        Ok(world)
    }

    /// Installs the chart with its policies and these values besides, and waits until each is in force.
    pub async fn install_policies(&self, kubernetes: &str, values: &[&str]) -> Result<()> {
        let chart = values.iter().fold(Chart::new(kubernetes), |chart, value| chart.set(value));
        self.apply(&chart.render()?)?;
        for probe in probes() {
            self.until(probe.policy, async || match probe.call.send(self).await {
                Ok(_) => bail!("it does not deny yet"),
                Err(error) if error.to_string().contains(&denial(probe.policy)) => Ok(()),
                Err(error) => Err(error),
            })
            .await?;
        }
        Ok(())
    }

    /// Repeats something until it succeeds.
    pub async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Result<T>) -> Result<T> {
        let begun = Instant::now();
        loop {
            match look().await {
                Ok(found) => return Ok(found),
                Err(error) if begun.elapsed() > Duration::from_secs(90) => {
                    return Err(error).context(what.to_owned());
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    pub fn client(&self, user: User) -> &Client {
        &self.clients[&user]
    }

    /// kubectl of the administrator.
    pub fn admin(&self) -> Kubectl {
        self.cluster.kubectl(User::Admin)
    }

    /// Applies manifests as an administrator.
    pub fn apply(&self, manifests: &str) -> Result<()> {
        let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        let output = self.admin().output(&args, manifests)?;
        ensure!(output.ok, "{}", output.stderr);
        Ok(())
    }

    /// What the API server holds.
    pub async fn look(&self, path: String) -> Result<Value> {
        Call::get(User::Admin, path).send(self).await
    }

    fn give_rights(&self) -> Result<()> {
        let grant = |args: &[&str]| self.admin().run(&[&["create"], args].concat()).map(drop);
        // Alice approves in namespace shop, Erin everywhere; both may annotate Stages, too.
        grant(&["rolebinding", "alice", "-n", "shop", "--clusterrole=stackgate-approver", "--user=alice"])?;
        grant(&["role", "annotate", "-n", "shop", "--verb=patch", "--resource=stages.stackgate.dev"])?;
        grant(&["rolebinding", "annotate", "-n", "shop", "--role=annotate", "--user=alice"])?;
        grant(&[
            "role",
            "annotate",
            "-n",
            "stackgate-system",
            "--verb=patch",
            "--resource=changeplans.stackgate.dev",
        ])?;
        grant(&["rolebinding", "annotate", "-n", "stackgate-system", "--role=annotate", "--user=alice"])?;
        grant(&[
            "rolebinding",
            "alice",
            "-n",
            "stackgate-system",
            "--clusterrole=stackgate-approver",
            "--user=alice",
        ])?;
        let erin = format!("--user={}", User::Erin.name());
        grant(&["clusterrolebinding", "erin", "--clusterrole=stackgate-approver", &erin])?;
        // Bob edits, and has got hold of far more than an editor should have, but no verb of ours.
        let kinds = ["stages", "changeplans", "bootstraps", "awsaccounts", "cloudassemblies", "freezes"];
        let all: Vec<String> = kinds
            .iter()
            .flat_map(|kind| ["", "/status"].map(|sub| format!("{kind}.stackgate.dev{sub}")))
            .collect();
        let resources = format!("--resource={}", all.join(","));
        let verbs = "--verb=get,list,watch,create,update,patch,delete,deletecollection";
        grant(&["clusterrole", "adversary", verbs, &resources])?;
        grant(&["clusterrolebinding", "bob", "--clusterrole=adversary", "--user=bob"])?;
        // Carol is of the platform team.
        grant(&["clusterrolebinding", "carol", "--clusterrole=stackgate-platform", "--user=carol"])?;
        // Dave approves what dev does, without any risk, and can write to everything else.
        grant(&[
            "role",
            "dev",
            "-n",
            "shop",
            "--verb=approve",
            "--resource=stages.stackgate.dev",
            "--resource-name=dev",
        ])?;
        grant(&["rolebinding", "dev", "-n", "shop", "--role=dev", "--user=dave"])?;
        grant(&["clusterrolebinding", "dave", "--clusterrole=adversary", "--user=dave"])?;
        // Both programs may do everything, as such often do.
        for user in [User::Flux, User::Robot] {
            let (name, subject) = (format!("{user:?}").to_lowercase(), format!("--user={}", user.name()));
            grant(&["clusterrolebinding", &name, "--clusterrole=cluster-admin", &subject])?;
        }
        Ok(())
    }

    async fn make_objects(&self) -> Result<()> {
        for name in ["dev", "prod"] {
            Call::create(User::Admin, all("stages"), objects::stage(name)).for_good().send(self).await?;
        }
        let bootstraps = "/apis/stackgate.dev/v1alpha1/bootstraps".to_owned();
        Call::create(User::Admin, bootstraps.clone(), objects::bootstrap("acme"))
            .for_good()
            .send(self)
            .await?;
        let prod = self.uid(stage("prod")).await?;
        let dev = self.uid(stage("dev")).await?;
        let acme = self.uid(format!("{bootstraps}/acme")).await?;

        let waits = id('c', '1');
        let mut plan = objects::plan("prod-waits", "Stage", "prod", &prod, &waits);
        plan["metadata"]["annotations"] = json!({ gate("approve.alice"): format!("{waits};by=alice") });
        self.make_plan(plan).await?;

        let rejected = id('c', '2');
        let mut plan = objects::plan("prod-rejected", "Stage", "prod", &prod, &rejected);
        plan["metadata"]["annotations"] = json!({
            gate("reject"): format!("{rejected};by=alice;reason=no"),
            gate("revoke.alice"): format!("{rejected};by=alice"),
            gate("approve.erin"): format!("{rejected};by=erin%3B50%25@corp"),
            gate("reject.bad"): "yes",
            gate("reject.other"): format!("{};by=alice", id('c', '9')),
        });
        // The same by another, the same for another reason, the same in another slot: none of them is it.
        plan["spec"]["ledger"] = json!([
            opened(0),
            decided(1, "Reject", "", "erin;50%@corp", Some("no")),
            decided(2, "Reject", "", "alice", Some("other")),
            decided(3, "Reject", "alice", "alice", Some("no")),
            decided(4, "Approve", "", "alice", Some("no")),
        ]);
        self.make_plan(plan).await?;

        let recorded = id('c', '3');
        let mut plan = objects::plan("prod-recorded", "Stage", "prod", &prod, &recorded);
        plan["metadata"]["annotations"] = json!({
            gate("reject"): format!("{recorded};by=alice;reason=no"),
            gate("reject.raw"): format!("{recorded};by=erin%3B50%25@corp"),
            gate("reject.plain"): format!("{recorded};by=erin%3B50%25@corp"),
            gate("revoke.alice"): format!("{recorded};by=alice"),
        });
        plan["spec"]["ledger"] = json!([
            opened(0),
            decided(1, "Reject", "", "alice", Some("no")),
            decided(2, "Reject", "raw", "erin%3B50%25@corp", None),
            decided(3, "Reject", "plain", "erin;50%@corp", None),
            decided(4, "Revoke", "alice", "alice", None),
        ]);
        self.make_plan(plan).await?;

        let revoked = id('c', 'e');
        let mut plan = objects::plan("prod-revoked", "Stage", "prod", &prod, &revoked);
        plan["metadata"]["annotations"] = json!({
            gate("revoke.alice"): format!("{revoked};by=alice"),
            gate("revoke.erin"): format!("{revoked};by=erin%3B50%25@corp"),
            gate("revoke"): format!("{revoked};by=alice"),
        });
        plan["spec"]["ledger"] = json!([
            opened(0),
            decided(1, "Revoke", "alice", "alice", None),
            decided(2, "Revoke", "erin", "erin;50%@corp", None),
            decided(3, "Revoke", "", "bob", None),
            decided(4, "Revoke", "", "alice", None),
            decided(5, "Approve", "y", "alice", None),
            decided(6, "Approve", "y", "erin;50%@corp", None),
            decided(7, "Revoke", "erin", "erin;50%@corp", None),
        ]);
        self.make_plan(plan).await?;

        let again = id('c', '8');
        let mut plan = objects::plan("prod-again", "Stage", "prod", &prod, &again);
        plan["metadata"]["annotations"] = json!({
            gate("approve.alice-2"): format!("{again};by=alice"),
            gate("revoke.alice"): format!("{again};by=alice"),
            gate("approve.erin"): format!("{again};by=erin%3B50%25@corp;reason=fine"),
            gate("approve.erin-2"): format!("{again};ack=iam,replace;until=2026-11-25T11:00:00+01:00;by=erin%3B50%25@corp"),
            gate("revoke.erin"): format!("{again};by=erin%3B50%25@corp"),
            gate("approve.bob"): format!("{again};by=bob;ack=iam,network"),
            gate("revoke.bob"): format!("{again};by=bob"),
            gate("approve.carol"): format!("{again};by=carol;until=2026-11-25T11:00:00Z"),
            gate("revoke.carol"): format!("{again};by=carol"),
        });
        let mut acknowledged = decided(4, "Approve", "erin-2", "erin;50%@corp", None);
        acknowledged["decided"]["acks"] = json!(["replace", "iam"]);
        acknowledged["decided"]["until"] = "2026-11-25T10:00:00Z".into();
        let mut less = decided(7, "Approve", "bob", "bob", None);
        less["decided"]["acks"] = json!(["iam"]);
        let mut sooner = decided(9, "Approve", "carol", "carol", None);
        sooner["decided"]["until"] = "2026-11-25T10:00:00Z".into();
        plan["spec"]["ledger"] = json!([
            opened(0),
            decided(1, "Approve", "alice", "alice", None),
            decided(2, "Revoke", "alice", "alice", None),
            decided(3, "Approve", "erin", "erin;50%@corp", Some("fine")),
            acknowledged,
            decided(5, "Revoke", "erin", "erin;50%@corp", None),
            decided(6, "Approve", "other", "bob", None),
            less,
            decided(8, "Revoke", "bob", "bob", None),
            sooner,
            decided(10, "Revoke", "carol", "carol", None),
            decided(11, "Revoke", "said", "alice", None),
        ]);
        self.make_plan(plan).await?;

        let failed = id('c', '0');
        let mut plan = objects::plan("prod-failed", "Stage", "prod", &prod, &failed);
        let by = "by=system:serviceaccount:shop:ci";
        plan["metadata"]["annotations"] = json!({
            gate("check.smoke"): format!("{failed};result=failed;{by};reason=500"),
            gate("check.load"): format!("{failed};result=failed;{by};reason=slow"),
            gate("check.again"): format!("{failed};result=failed;{by};reason=500"),
            gate("check.before"): format!("{failed};result=failed;{by};reason=500"),
            gate("check.fine"): format!("{failed};result=passed;{by}"),
            gate("check.bad"): "no",
        });
        plan["spec"]["ledger"] = json!([
            opened(0),
            // Of another check, for another reason, or by another, it is not the same.
            checked(1, "load", "Failed", "slow"),
            checked(2, "smoke", "Failed", "404"),
            checked(3, "again", "Failed", "500"),
            checked(4, "again", "Passed", "200"),
            checked(5, "before", "Failed", "500"),
            json!({ "seq": 6, "time": "2026-11-24T10:06:00Z", "claimed": { "stacks": [] } }),
            checked(7, "load", "Failed", "slow"),
        ]);
        self.make_plan(plan).await?;

        self.make_plan(objects::plan("prod-done", "Stage", "prod", &prod, &id('c', 'd'))).await?;
        self.carried_out("prod-done").await?;

        self.make_plan(objects::plan("dev-waits", "Stage", "dev", &dev, &id('c', '4'))).await?;
        let plan = objects::plan("acme-waits", "Bootstrap", "acme", &acme, &id('b', '6'));
        let path = system_plan("").trim_end_matches('/').to_owned();
        Call::create(User::Controller, path, plan).for_good().send(self).await?;
        Ok(())
    }

    /// Makes a plan in namespace `shop`, as the controller.
    pub async fn make_plan(&self, plan: Value) -> Result<Value> {
        Call::create(User::Controller, all("changeplans"), plan).for_good().send(self).await
    }

    /// Says of a plan in namespace `shop`, as the controller, that it was carried out.
    pub async fn carried_out(&self, name: &str) -> Result<()> {
        let status = json!({ "status": { "state": "Succeeded" } });
        let says = Call::merge(User::Controller, format!("{}/status", plan(name)), status);
        says.for_good().send(self).await.map(drop)
    }

    /// The UID of an object.
    pub async fn uid(&self, path: String) -> Result<String> {
        let object = self.look(path).await?;
        Ok(object["metadata"]["uid"].as_str().context("no uid")?.to_owned())
    }
}
