//! Twenty Stages of one app, in several accounts and namespaces: some with a stack on top of another, some with a gate.

use std::{
    collections::BTreeSet,
    fmt::Write,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use stackgate_testbed::repository;
use stackgate_testbed::scenario::{
    BUCKET, BUILD_ACCOUNT, CdkOut, Kind, Object, QUALIFIER, REGION, Waiting, World, apps,
};

/// All fleets: each has stacks and Stages with its name in front.
pub const FLEETS: [&str; 5] = ["calm", "killed", "paired", "wired", "restarted"];
/// The accounts that each of them lies in.
pub const ACCOUNTS: [&str; 5] =
    ["600000000001", "600000000002", "600000000003", "600000000004", "600000000005"];
/// The namespaces, too.
pub const NAMESPACES: [&str; 2] = ["shop", "bank"];

const STAGES: usize = 20;
const EVERY: Duration = Duration::from_millis(300);

#[derive(Clone, Copy)]
pub struct Fleet {
    pub name: &'static str,
}

/// The name of the object of an account.
pub fn account_object(account: &str) -> String {
    format!("account-{account}")
}

impl Fleet {
    /// The Stages: namespace, account and name.
    pub fn stages(self) -> impl Iterator<Item = (&'static str, &'static str, String)> {
        (0..STAGES).map(move |n| {
            let (namespace, account) = (NAMESPACES[n % NAMESPACES.len()], ACCOUNTS[n % ACCOUNTS.len()]);
            (namespace, account, format!("{}-{n:02}", self.name))
        })
    }

    /// Whether a stack or Stage is one of its own.
    pub fn has(self, name: &str) -> bool {
        name.strip_prefix(self.name).is_some_and(|rest| rest.starts_with('-'))
    }

    /// Uploads a release, and applies the objects or has it looked for; the digest of the release.
    pub fn release(self, world: &World, number: u8) -> Result<String> {
        let stages = STAGES.to_string();
        let accounts = ACCOUNTS.join(",");
        let args: Vec<&str> =
            [REGION, QUALIFIER, accounts.as_str(), stages.as_str()].into_iter().chain(FLEETS).collect();
        let made = apps(&repository().join("tests/survival/app"), "fleet.js", &args)?;
        let before = self.digests(world)?;
        world.upload(&self.key(), &CdkOut::read(&made.join(format!("{}-{number}", self.name)))?)?;
        if before.is_empty() {
            let list = json!({ "apiVersion": "v1", "kind": "List", "items": self.objects() });
            world.kubectl().apply(&list.to_string())?;
        } else {
            for namespace in NAMESPACES {
                world.look_again(namespace, self.name)?;
            }
        }
        world.until_some("both assemblies have the release", super::ground::LATEST, || {
            // The API server may be away.
            let now = self.digests(world).unwrap_or_default();
            let new: BTreeSet<&String> = now.iter().filter(|digest| !before.contains(digest)).collect();
            let both = now.len() == NAMESPACES.len() && now.iter().all(|digest| !before.contains(digest));
            Ok(if both && new.len() == 1 { now.first().cloned() } else { None })
        })
    }

    fn key(self) -> String {
        format!("{}.tar.gz", self.name)
    }

    fn digests(self, world: &World) -> Result<Vec<String>> {
        let mut digests = Vec::new();
        for namespace in NAMESPACES {
            let found = world.object(Kind::CloudAssembly, namespace, self.name)?;
            let digest = found.map(|object| object.text("/status/release/digest").to_owned());
            digests.extend(digest.filter(|digest| !digest.is_empty()));
        }
        Ok(digests)
    }

    fn objects(self) -> Vec<Value> {
        let object = |kind: &str, namespace: &str, name: &str, spec: Value| {
            json!({ "apiVersion": "stackgate.dev/v1alpha1", "kind": kind,
                "metadata": { "name": name, "namespace": namespace }, "spec": spec })
        };
        let source =
            json!({ "account": BUILD_ACCOUNT, "bucket": BUCKET, "key": self.key(), "region": REGION });
        let assembly = json!({ "interval": "1h", "source": { "s3": source } });
        let mut objects: Vec<Value> = NAMESPACES
            .map(|namespace| object("CloudAssembly", namespace, self.name, assembly.clone()))
            .into();
        for (n, (namespace, account, name)) in self.stages().enumerate() {
            let gate = match n % 4 {
                0 => json!({ "identity": "Any" }),
                _ => json!({ "identity": "Any", "requireApproval": "Never", "requireAck": [] }),
            };
            let spec = json!({ "assemblyRef": { "name": self.name }, "cdkStage": name,
                "accounts": [account_object(account)], "gate": gate,
                "parameters": [{ "name": "Size", "value": format!("size {n}") }] });
            objects.push(object("Stage", namespace, &name, spec));
        }
        objects
    }

    /// Signs what waits for somebody, until every Stage has deployed the release. `open` is told how many have not yet.
    pub fn arrive(self, world: &World, release: &str, within: Duration, open: impl Fn(usize)) -> Result<()> {
        let end = Instant::now() + within;
        let mut signed = BTreeSet::new();
        loop {
            let missing = self.missing(world, release, &mut signed);
            match &missing {
                Ok(missing) if missing.is_empty() => {
                    open(0);
                    return Ok(());
                }
                Ok(missing) => open(missing.len()),
                Err(_) => {} // the API server is away
            }
            if Instant::now() > end {
                let mut text = String::new();
                for stage in missing?.iter().take(6) {
                    let _ = writeln!(text, "{}:\n{stage}", stage.name()); // writing to a String
                }
                bail!("not within {within:?}: {} has deployed {release}. Among others:\n{text}", self.name);
            }
            thread::sleep(EVERY);
        }
    }

    /// The Stages that have not deployed a release. Whatever waits for somebody is signed, once.
    pub fn missing(self, world: &World, release: &str, signed: &mut BTreeSet<String>) -> Result<Vec<Object>> {
        let mut missing = Vec::new();
        let mut found = 0;
        for namespace in NAMESPACES {
            for stage in world.objects(Kind::Stage, Some(namespace))? {
                if !self.has(stage.name()) {
                    continue;
                }
                found += 1;
                if let Some(waiting) = Waiting::of(&stage)
                    && !signed.contains(&waiting.id)
                    && world.decide(&waiting.approve_on_plan()).is_ok()
                {
                    signed.insert(waiting.id);
                }
                let deployed = stage.text("/status/deployed/digest") == release;
                if !(deployed && stage.is("Ready", None) && stage.is("UpToDate", None)) {
                    missing.push(stage);
                }
            }
        }
        ensure!(found == STAGES, "{found} Stages of {}", self.name);
        Ok(missing)
    }
}
