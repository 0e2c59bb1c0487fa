//! One Stage of the example, in an account and with objects of its own: many of them live side by side in one world.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{
    BUCKET, BUILD, CdkOut, DEV, Kind, LONG, Object, QUALIFIER, REGION, SHOP, SOON, Waiting, World,
    account_of, seed, synth,
};
use crate::{Call, Exchange};

/// The AwsAccount of the build account, which all cases share.
pub const BUILD_ACCOUNT: &str = "build";

/// A Stage `Dev` of the example with everything it needs. Change what is to be wrong, then [`Case::start`].
#[derive(Debug, Clone)]
pub struct Case {
    /// The name of all its objects.
    pub name: String,
    /// Its account.
    pub account: String,
    /// What is uploaded.
    pub assembly: CdkOut,
    /// The key that it is uploaded to.
    pub key: String,
    /// The AwsAccount.
    pub aws_account: Value,
    /// The Bootstrap; `null` for none.
    pub bootstrap: Value,
    /// The CloudAssembly.
    pub cloud_assembly: Value,
    /// The Stage.
    pub stage: Value,
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    let mut object = json!({ "apiVersion": "stackgate.dev/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec });
    if ["CloudAssembly", "Stage"].contains(&kind) {
        object["metadata"]["namespace"] = json!(SHOP);
    }
    object
}

/// What all cases share: the namespace and the build account, with the buckets that it grants.
///
/// # Errors
/// When kubectl fails.
pub fn shared(world: &World, buckets: &[&str]) -> Result<()> {
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": SHOP } });
    world.kubectl().apply(&namespace.to_string())?;
    let spec = json!({ "accountID": BUILD, "regions": [REGION],
        "allowedNamespaces": [{ "name": SHOP, "assemblyBuckets": buckets }] });
    world.kubectl().apply(&object("AwsAccount", BUILD_ACCOUNT, &spec).to_string())?;
    Ok(())
}

impl Case {
    /// A case in which everything is right: release 1 of the example, for a fresh account that lets the controller in.
    ///
    /// # Errors
    /// When the CDK fails or AWS refuses.
    pub fn new(world: &World, name: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let account = format!("4{:011}", NEXT.fetch_add(1, Ordering::Relaxed));
        seed::way_in(&world.aws, &account, BUILD)?;
        let policy = "arn:aws:iam::aws:policy/AdministratorAccess";
        let key = format!("{name}.tar.gz");
        let way_in = format!("arn:aws:iam::{account}:role/{}", seed::WAY_IN);
        Ok(Self {
            name: name.to_owned(),
            assembly: synth::release(1)?.replaced(DEV, &account),
            aws_account: object(
                "AwsAccount",
                name,
                &json!({ "accountID": account, "regions": [REGION],
                "bootstrapRoleChain": [{ "roleARN": way_in }],
                "allowedNamespaces": [{ "name": SHOP, "qualifiers": [QUALIFIER], "stackNames": ["Dev-*"] }] }),
            ),
            bootstrap: object(
                "Bootstrap",
                name,
                &json!({ "qualifier": QUALIFIER, "toolkitStackName": "CDKToolkit-acme",
                "version": 33, "accounts": { "names": [name] }, "trustedAccounts": [BUILD],
                "cloudFormationExecutionPolicies": [policy] }),
            ),
            cloud_assembly: object(
                "CloudAssembly",
                name,
                &json!({ "interval": "10s", "source": { "s3": {
                "account": BUILD_ACCOUNT, "bucket": BUCKET, "key": key, "region": REGION } } }),
            ),
            stage: object(
                "Stage",
                name,
                &json!({ "assemblyRef": { "name": name }, "cdkStage": "Dev", "accounts": [name],
                // Many of these worlds have no policies that would prove who decides.
                "gate": { "identity": "Any" } }),
            ),
            key,
            account,
        })
    }

    /// The assembly of another release, for this account.
    ///
    /// # Errors
    /// When the CDK fails.
    pub fn release(&self, number: u8) -> Result<CdkOut> {
        Ok(synth::release(number)?.replaced(DEV, &self.account))
    }

    /// Applies the account and its Bootstrap, and waits until that is ready.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn bootstrap(&self, world: &World) -> Result<()> {
        world.kubectl().apply(&self.aws_account.to_string())?;
        world.kubectl().apply(&self.bootstrap.to_string())?;
        world.until((Kind::Bootstrap, "", &self.name), "it is ready", LONG, |object| {
            object.is("Ready", None).then_some(())
        })
    }

    /// Uploads the assembly and applies all objects.
    ///
    /// # Errors
    /// When AWS or the API server refuses.
    pub fn start(&self, world: &World) -> Result<()> {
        world.upload(&self.key, &self.assembly)?;
        self.apply(world)
    }

    /// Applies all objects.
    ///
    /// # Errors
    /// When the API server refuses.
    pub fn apply(&self, world: &World) -> Result<()> {
        let objects = [&self.aws_account, &self.bootstrap, &self.cloud_assembly, &self.stage];
        let objects: Vec<&Value> = objects.into_iter().filter(|object| !object.is_null()).collect();
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        world.kubectl().apply(&list.to_string()).map(drop)
    }

    /// Uploads another assembly and has it looked at.
    ///
    /// # Errors
    /// When AWS or the API server refuses.
    pub fn upload(&self, world: &World, assembly: &CdkOut) -> Result<()> {
        world.upload(&self.key, assembly)?;
        world.look_again(SHOP, &self.name).map(drop)
    }

    /// The newest release that the CloudAssembly shows, another one than `than`.
    ///
    /// # Errors
    /// When there is none in time.
    pub fn digest(&self, world: &World, than: Option<&str>) -> Result<String> {
        world.until((Kind::CloudAssembly, SHOP, &self.name), "it has a release", SOON, |object| {
            let digest = object.text("/status/release/digest");
            (!digest.is_empty() && than != Some(digest)).then(|| digest.to_owned())
        })
    }

    /// Waits for the Stage's plan.
    ///
    /// # Errors
    /// When there is none in time.
    pub fn waiting(&self, world: &World, release: Option<&str>) -> Result<Waiting> {
        world.waiting(SHOP, &self.name, release)
    }

    /// Waits until the Stage has deployed a release, and checks what that did: each stack is there, and none was executed
    /// twice.
    ///
    /// # Errors
    /// When it has not in time, or did something twice.
    pub fn deployed(&self, world: &World, release: &str) -> Result<()> {
        world.deployed(SHOP, &self.name, release, LONG)?;
        for stack in ["Dev-Store", "Dev-Api"] {
            let status = world.stack_status(&self.account, stack)?;
            ensure!(
                status
                    .as_deref()
                    .is_some_and(|status| ["CREATE_COMPLETE", "UPDATE_COMPLETE"].contains(&status)),
                "stack {stack} is {status:?}"
            );
        }
        self.nothing_twice(world)
    }

    /// No change set was executed twice, whatever was lost on the way.
    ///
    /// # Errors
    /// When one was.
    pub fn nothing_twice(&self, world: &World) -> Result<()> {
        let mut executed: Vec<String> = self
            .calls(world)
            .iter()
            .filter(|call| call.call.operation == "ExecuteChangeSet")
            .filter(|call| call.reply.as_ref().is_some_and(|reply| reply.status == 200))
            .map(|call| call.call.param("ChangeSetName").to_owned())
            .collect();
        executed.sort();
        ensure!(executed.windows(2).all(|pair| pair[0] != pair[1]), "executed twice: {executed:?}");
        Ok(())
    }

    /// The AWS calls about its account.
    #[must_use]
    pub fn calls(&self, world: &World) -> Vec<Exchange> {
        let mut calls = world.proxy.recorded();
        calls.retain(|exchange| account_of(exchange) == self.account);
        calls
    }

    /// Whether a call is made in its account, or names it: for the rules of the proxy.
    pub fn mine(&self) -> impl Fn(&Call) -> bool + Send + Sync + 'static {
        let account = self.account.clone();
        move |call| call.account == account || call.params.values().any(|value| value.contains(&account))
    }

    /// Waits for a condition that is `True`, with this reason and such a message, and for the Event that goes with it.
    ///
    /// # Errors
    /// When it does not come.
    pub fn shows(&self, world: &World, expected: &Expected) -> Result<()> {
        let Expected { kind, condition, reason, says } = expected;
        let what = format!("it is {condition} for {reason}, and says {says:?}");
        world.until((*kind, SHOP, &self.name), &what, SOON, |object| {
            let found = object.condition(condition)?;
            (found.is_true && found.reason == *reason && found.message.contains(says)).then_some(())
        })?;
        self.told(world, &self.name, reason)
    }

    /// Waits for an Event.
    ///
    /// # Errors
    /// When it does not come.
    pub fn told(&self, world: &World, object: &str, reason: &str) -> Result<()> {
        world
            .until_some(&format!("an Event {reason} on {object}"), SOON, || {
                Ok(world.events(SHOP, object)?.into_iter().find(|(found, _)| found == reason))
            })
            .map(drop)
    }

    /// Nothing is executed for a while, and the Stage still waits with this plan.
    ///
    /// # Errors
    /// When something was executed, or the Stage moved on.
    pub fn keeps_waiting(&self, world: &World, waiting: &Waiting) -> Result<()> {
        let stage = self
            .still(world, self.executions(world))
            .with_context(|| format!("{} has no approval", waiting.plan))?;
        ensure!(stage.is("Waiting", Some("AwaitingApproval")), "it no longer waits:\n{stage}");
        Ok(())
    }

    /// How often a change set was executed in its account.
    #[must_use]
    pub fn executions(&self, world: &World) -> usize {
        self.calls(world).iter().filter(|call| call.call.operation == "ExecuteChangeSet").count()
    }

    /// The Stage after a while in which nothing was executed beyond these.
    ///
    /// # Errors
    /// When something was, or the Stage is gone.
    pub fn still(&self, world: &World, executions: usize) -> Result<Object> {
        // That nothing happens is no event to wait for: this is a while in which it might.
        thread::sleep(Duration::from_secs(3));
        ensure!(self.executions(world) == executions, "something was executed");
        world.object(Kind::Stage, SHOP, &self.name)?.context("the Stage is gone")
    }
}

/// A condition that is to come.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// On which of the case's objects.
    pub kind: Kind,
    /// Its type.
    pub condition: &'static str,
    /// Its reason, and that of the Event.
    pub reason: &'static str,
    /// A part of its message.
    pub says: &'static str,
}
