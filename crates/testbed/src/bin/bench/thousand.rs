//! What a thousand Stages cost the controller in memory, once they are all deployed.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use stackgate_testbed::{
    repository,
    scenario::{
        BUCKET, BUILD, BUILD_ACCOUNT, CdkOut, Kind, QUALIFIER, REGION, SHOP, WAY_IN, World, apps, way_in,
    },
};

const STAGES: usize = 1000;
const ACCOUNTS: usize = 50;
const FLEET: &str = "thousand";
/// How long all of them may take.
const WITHIN: Duration = Duration::from_mins(20);
/// Between two lists of all Stages: asked as often as the scenario asks, the API server would do little else.
const EVERY: Duration = Duration::from_secs(2);
/// How long the controller reads after a start, amply.
const STARTS: Duration = Duration::from_secs(20);

/// Lines about memory.
pub fn lines(world: &mut World) -> Result<Vec<String>> {
    let before = resident(world)?;
    let accounts: Vec<String> = (1..=ACCOUNTS).map(|n| format!("7{n:011}")).collect();
    for account in &accounts {
        way_in(&world.aws, account, BUILD)?;
    }
    let (list, stages) = (accounts.join(","), STAGES.to_string());
    let args = [REGION, QUALIFIER, &list, &stages, FLEET];
    let made = apps(&repository().join("tests/survival/app"), "fleet.js", &args)?;
    world.upload(&format!("{FLEET}.tar.gz"), &CdkOut::read(&made.join(format!("{FLEET}-1")))?)?;
    let begun = Instant::now();
    let objects = json!({ "apiVersion": "v1", "kind": "List", "items": objects(&accounts) });
    world.kubectl().apply(&objects.to_string())?;
    loop {
        let all = world.objects(Kind::Stage, Some(SHOP))?;
        let done = all.iter().filter(|s| s.name().starts_with(FLEET) && s.is("Ready", None)).count();
        if done == STAGES {
            break;
        }
        if begun.elapsed() > WITHIN {
            bail!("{done} of {STAGES} Stages are ready after {WITHIN:?}");
        }
        thread::sleep(EVERY);
    }
    let took = begun.elapsed().as_secs();
    let (busy, peak) = (resident(world)?, peak(world)?);
    world.controller()?.restart()?;
    thread::sleep(STARTS); // memory at rest is what is measured
    let restarted = resident(world)?;
    Ok(vec![format!(
        "memory of the controller: {before} MiB before; {busy} MiB with {STAGES} Stages that it has just deployed in {took} s (at most {peak} MiB \
         meanwhile); {restarted} MiB after a restart"
    )])
}

fn objects(accounts: &[String]) -> Vec<Value> {
    let object = |kind: &str, name: &str, spec: Value| {
        json!({ "apiVersion": "stackgate.dev/v1alpha1", "kind": kind,
            "metadata": { "name": name, "namespace": SHOP }, "spec": spec })
    };
    let cluster = |kind: &str, name: &str, spec: Value| json!({ "apiVersion": "stackgate.dev/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec });
    let open = json!({ "requireApproval": "Never", "requireAck": [] });
    let named = |account: &String| format!("{FLEET}-{account}");
    let mut objects: Vec<Value> = accounts
        .iter()
        .map(|account| {
            let role = format!("arn:aws:iam::{account}:role/{WAY_IN}");
            cluster("AwsAccount", &named(account), json!({ "accountID": account, "regions": [REGION],
                "bootstrapRoleChain": [{ "roleARN": role }], "minimumGate": open,
                "allowedNamespaces": [{ "name": SHOP, "qualifiers": [QUALIFIER], "stackNames": [format!("{FLEET}-*")] }] }))
        })
        .collect();
    let names: Vec<String> = accounts.iter().map(named).collect();
    objects.push(cluster(
        "Bootstrap",
        FLEET,
        json!({ "qualifier": QUALIFIER, "toolkitStackName": "CDKToolkit-acme",
        "version": 33, "accounts": { "names": names }, "trustedAccounts": [BUILD],
        "cloudFormationExecutionPolicies": ["arn:aws:iam::aws:policy/AdministratorAccess"] }),
    ));
    let source = json!({ "account": BUILD_ACCOUNT, "bucket": BUCKET, "key": format!("{FLEET}.tar.gz"), "region": REGION });
    objects.push(object("CloudAssembly", FLEET, json!({ "interval": "1h", "source": { "s3": source } })));
    for n in 0..STAGES {
        let name = format!("{FLEET}-{n:02}");
        let account = accounts.get(n % ACCOUNTS).map(named);
        objects.push(object(
            "Stage",
            &name,
            json!({ "assemblyRef": { "name": FLEET }, "cdkStage": name,
            "accounts": [account], "gate": open }),
        ));
    }
    objects
}

/// What the controller has in memory now, in MiB.
fn resident(world: &mut World) -> Result<u64> {
    status(world, "VmRSS:")
}

/// The most that it had.
fn peak(world: &mut World) -> Result<u64> {
    status(world, "VmHWM:")
}

fn status(world: &mut World, field: &str) -> Result<u64> {
    let id = world.controller()?.id();
    let path = format!("/proc/{id}/status");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .with_context(|| format!("no {field} in {path}"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024)
}
