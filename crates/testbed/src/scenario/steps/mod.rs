//! The main job in six steps, each told and checked.

mod bootstrap;
mod promote;
mod quiet;
mod reject;
mod release;
mod trust;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{CdkOut, DEV, Kind, PROD, SHOP, TEST, Tally, Teller, World, WorldOptions, account_of, synth};
use crate::Exchange;

/// One step.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Counts from 1.
    pub number: usize,
    /// What it is about.
    pub name: &'static str,
    /// Does it, and checks what came of it.
    pub run: fn(&mut Story) -> Result<()>,
}

/// All steps, in their order.
pub const STEPS: [Step; 6] = [
    Step { number: 1, name: "accounts are bootstrapped", run: bootstrap::run },
    Step { number: 2, name: "a cdk.out becomes a release", run: release::run },
    Step {
        number: 3,
        name: "the release travels from dev to prod, each stop by approval",
        run: promote::run,
    },
    Step { number: 4, name: "a second release is rejected in prod, a third passes", run: reject::run },
    Step { number: 5, name: "toolkit stacks change by approval, too", run: trust::run },
    Step { number: 6, name: "a quiet system stays quiet", run: quiet::run },
];

/// The way through the steps, and what is known by then.
#[derive(Debug)]
pub struct Story {
    /// Where it plays.
    pub world: World,
    /// Who tells it.
    pub teller: Teller,
    releases: Vec<Release>,
}

/// A release of the example that the controller has read.
#[derive(Debug, Clone)]
struct Release {
    number: u8,
    /// The version of the object in S3.
    version: String,
    /// What the controller calls it.
    name: String,
    digest: String,
    assembly: CdkOut,
    /// The first AWS call after its upload.
    from: u64,
}

/// One of the three stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StageOf {
    name: &'static str,
    cdk_stage: &'static str,
    account: &'static str,
}

const DEV_STAGE: StageOf = StageOf { name: "dev", cdk_stage: "Dev", account: DEV };
const TEST_STAGE: StageOf = StageOf { name: "test", cdk_stage: "Test", account: TEST };
const PROD_STAGE: StageOf = StageOf { name: "prod", cdk_stage: "Prod", account: PROD };
/// In the order of promotion.
const STAGES: [StageOf; 3] = [DEV_STAGE, TEST_STAGE, PROD_STAGE];

impl StageOf {
    fn store(self) -> String {
        format!("{}-Store", self.cdk_stage)
    }

    fn api(self) -> String {
        format!("{}-Api", self.cdk_stage)
    }
}

impl Story {
    /// Starts the world with the three accounts, the controller in it, and synthesises all releases meanwhile.
    ///
    /// # Errors
    /// When a part does not start, or the CDK fails.
    pub fn begin(teller: Teller, binary: Option<PathBuf>) -> Result<Self> {
        let accounts = [DEV, TEST, PROD].map(str::to_owned).to_vec();
        let options = WorldOptions { binary, accounts, policies: true, ..WorldOptions::default() };
        let world =
            teller.during("starting etcd, kube-apiserver, the AWS emulator and a recording proxy", || {
                let mut world = World::start(options)?;
                world.start_controller()?;
                anyhow::Ok(world)
            })?;
        teller.say(&format!("logs and credentials: {}", world.dir.display()));
        Ok(Self { world, teller, releases: Vec::new() })
    }

    /// Runs kubectl and tells it.
    fn kubectl(&self, args: &[&str]) -> Result<String> {
        let output = self.world.kubectl().run(args)?;
        self.teller.command(&super::kubectl_line(args), &output);
        Ok(output)
    }

    /// Runs kubectl only so that somebody sees it.
    fn show(&self, args: &[&str]) -> Result<()> {
        if self.teller.is_loud() { self.kubectl(args).map(drop) } else { Ok(()) }
    }

    fn apply(&self, files: &[&str]) -> Result<String> {
        let (folder, _) = World::manifests();
        let paths: Vec<PathBuf> = files.iter().map(|file| folder.join(file)).collect();
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        let output = self.world.apply_files(&paths)?;
        let line: Vec<String> = files.iter().map(|file| format!("-f examples/shop/k8s/{file}")).collect();
        self.teller.command(&format!("kubectl apply {}", line.join(" ")), &output);
        Ok(output)
    }

    /// Uploads a release and waits until the controller has read it.
    fn publish(&mut self, number: u8) -> Result<()> {
        let assembly = self
            .teller
            .during(&format!("cdk synth of release {number} (or what an earlier run made of it)"), || {
                synth::release(number)
            })?;
        let from = self.next_call();
        let version = self.world.upload(super::KEY, &assembly)?;
        self.teller.command(
            &format!(
                "tar -C cdk.out -czf shop.tar.gz . && aws s3 cp shop.tar.gz s3://{}/{}",
                super::BUCKET,
                super::KEY
            ),
            &format!("version {version}"),
        );
        if self.releases.is_empty() {
            self.apply(&["assembly.yaml"])?;
        } else {
            let command = self.world.look_again(SHOP, "shop")?;
            self.teller.command(&super::kubectl_line(&command), "");
        }
        let what = format!("CloudAssembly shop has read version {version}");
        let (name, digest) =
            self.world.until((Kind::CloudAssembly, SHOP, "shop"), &what, super::SOON, |object| {
                let text = |field: &str| object.text(&format!("/status/release/{field}")).to_owned();
                (object.is("Ready", None) && text("source/s3/versionID") == version)
                    .then(|| (text("name"), text("digest")))
            })?;
        self.releases.push(Release { number, version, name, digest, assembly, from });
        Ok(())
    }

    fn release(&self, number: u8) -> Result<Release> {
        self.releases
            .iter()
            .find(|release| release.number == number)
            .cloned()
            .with_context(|| format!("release {number} was not published"))
    }

    fn next_call(&self) -> u64 {
        self.world.proxy.recorded().last().map_or(0, |exchange| exchange.number + 1)
    }

    /// The AWS calls about an account since the upload of a release.
    fn calls(&self, account: &str, release: &Release) -> Vec<Exchange> {
        let mut calls = self.world.proxy.recorded();
        calls.retain(|exchange| exchange.number >= release.from && account_of(exchange) == account);
        calls
    }

    fn tell_calls(&self, stage: StageOf, release: &Release) {
        let tally = Tally::of(&self.calls(stage.account, release));
        self.teller.say(&format!(
            "AWS calls of release {} in {}, by stack (aim: at most 10 that name it):",
            release.number, stage.name
        ));
        for line in tally.lines() {
            self.teller.say(&format!("  {line}"));
        }
    }

    /// The most CloudFormation calls that the deployment of one stack took, for all that was published so far, and which stack.
    #[must_use]
    pub fn most_calls_for_a_deployment(&self) -> (usize, String) {
        let ends = self.releases.iter().skip(1).map(|release| release.from).chain([u64::MAX]);
        let most = |(release, end): (&Release, u64)| {
            STAGES
                .iter()
                .map(|stage| {
                    let calls = self.calls(stage.account, release);
                    Tally::of(calls.iter().filter(|exchange| exchange.number < end)).most_for_a_deployment()
                })
                .max()
                .unwrap_or_default()
        };
        self.releases.iter().zip(ends).map(most).max().unwrap_or_default()
    }
}
