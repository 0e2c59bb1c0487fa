//! Two Stages, one after the other, and a release on its way through them.

use std::{thread, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use stackgate_testbed::scenario::{BUILD, Case, CdkOut, Kind, LONG, SHOP, SOON, TEST, WAY_IN, World, way_in};

use crate::figures::Sample;

/// How long a plan is read before it is approved. In the second after it was opened the controller waits for the clock, since the times
/// of a ledger are whole seconds; nobody who reads meets that.
const READING: Duration = Duration::from_millis(1200);

/// What the SSM parameter of the second stack says in the first release of the example, which all of these are made from.
const GREETING: &str = "hello";

pub struct Chain {
    case: Case,
    /// The Stage after that of the case, its account object, and the account.
    next: String,
    next_account: String,
    digest: Option<String>,
}

impl Chain {
    /// Applies and bootstraps everything but an assembly.
    pub fn start(world: &World, number: u32) -> Result<Self> {
        let mut case = Case::new(world, &format!("bench-{number}"))?;
        let next = format!("{}-next", case.name);
        let next_account = format!("5{number:011}");
        way_in(&world.aws, &next_account, BUILD)?;
        let kubectl = world.kubectl();
        let mut account = case.aws_account.clone();
        let role = format!("arn:aws:iam::{next_account}:role/{}", WAY_IN);
        account["metadata"]["name"] = json!(next);
        account["spec"]["accountID"] = json!(next_account);
        account["spec"]["bootstrapRoleChain"] = json!([{ "roleARN": role }]);
        account["spec"]["allowedNamespaces"][0]["stackNames"] = json!(["Test-*"]);
        kubectl.apply(&account.to_string())?;
        case.bootstrap["spec"]["accounts"]["names"] = json!([case.name, next]);
        case.bootstrap(world)?;
        Ok(Self { case, next, next_account, digest: None })
    }

    /// One release: approved, deployed, and the same in the Stage after.
    pub fn go_through(&mut self, world: &World, release: u32) -> Result<Vec<Sample>> {
        let assembly = self.assembly(release)?;
        if self.digest.is_none() {
            world.upload(&self.case.key, &assembly)?;
            self.case.apply(world)?;
            let mut stage = self.case.stage.clone();
            stage["metadata"]["name"] = json!(self.next);
            stage["spec"]["cdkStage"] = json!("Test");
            stage["spec"]["accounts"] = json!([self.next]);
            stage["spec"]["promoteFrom"] = json!([{ "name": self.case.name }]);
            world.kubectl().apply(&stage.to_string())?;
        } else {
            self.case.upload(world, &assembly)?;
        }
        let digest = world.until(
            (Kind::CloudAssembly, SHOP, &self.case.name),
            "it has the release",
            SOON,
            |object| {
                let digest = object.text("/status/release/digest");
                let is_new = !digest.is_empty() && Some(digest) != self.digest.as_deref();
                is_new.then(|| digest.to_owned())
            },
        )?;
        let mut samples = Vec::new();
        let accounts = [(&self.case.name, &self.case.account), (&self.next, &self.next_account)];
        for (stage, account) in accounts {
            let waiting = world.waiting(SHOP, stage, Some(&digest)).context("waiting for the plan")?;
            thread::sleep(READING);
            world.decide(&waiting.approve_on_plan())?;
            world.deployed(SHOP, stage, &digest, LONG)?;
            samples.push(Sample { stage: stage.clone(), plan: waiting.plan, account: account.clone() });
        }
        self.digest = Some(digest);
        Ok(samples)
    }

    /// The example with another value in the second stack: one change, like most.
    fn assembly(&self, release: u32) -> Result<CdkOut> {
        let mut assembly = self.case.assembly.replaced(TEST, &self.next_account);
        for stack in ["DevApi", "TestApi"] {
            // A template is published under the digest that its manifest names: another template, another one.
            let manifest = assembly.json(&assembly.path_of(stack, ".assets.json")?)?;
            let files = manifest["files"].as_object().context("an asset manifest without files")?;
            let key = files.keys().next().context("a stack without a template asset")?.clone();
            let other = format!("{release:08x}{}", key.get(8..).unwrap_or_default());
            assembly = assembly.replaced(&key, &other);
        }
        let changed = assembly.replaced(GREETING, &format!("{GREETING} {release}"));
        ensure!(changed.pack()? != assembly.pack()?, "the example does not say {GREETING} any more");
        Ok(changed)
    }
}
