//! The real CDK: synthesises the example app, and deploys a small app of its own.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use super::{CdkOut, REGION};
use crate::{
    Keys, cdk_dir,
    place::{fresh_dir, repository, target_dir},
};

/// The example app.
#[must_use]
pub fn shop() -> PathBuf {
    repository().join("examples/shop")
}

/// Synthesises a release of the example app (about 4 s), or takes what an earlier run made of the same files.
///
/// # Errors
/// When the CDK is not installed (`make setup` was not run) or fails; with what it said.
pub fn release(number: u8) -> Result<CdkOut> {
    // One at a time in this process; another process has a folder of its own.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let app = shop();
    let made = target_dir().join("shop").join(format!("{}-release-{number}", digest(&app, &[])?));
    once(&made, |part| {
        cdk(&app, &[])?
            .args(["synth", "--quiet", "-c", &format!("release={number}"), "-o"])
            .arg(part)
            .finish()
            .map(drop)
    })?;
    CdkOut::read(&made)
}

/// Synthesises all apps of `tests/apps`, or takes what an earlier run made of the same files; each version lies in a folder of its own,
/// `<app>-<version>`.
///
/// # Errors
/// When the CDK is not installed or fails; with what it said.
pub fn corpus() -> Result<PathBuf> {
    apps(&repository().join("tests/apps"), "corpus.js", &[super::DEV, REGION, super::QUALIFIER])
}

/// Has a script synthesise its apps into the folder that is its first argument, before these, or takes what an earlier run made of the
/// same.
///
/// # Errors
/// When the CDK is not installed or fails; with what it said.
pub fn apps(folder: &Path, script: &str, args: &[&str]) -> Result<PathBuf> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let made = target_dir().join("apps").join(digest(folder, args)?);
    once(&made, |part| {
        let output = Command::new("node")
            .current_dir(folder)
            .env("NODE_PATH", cdk_dir().join("node_modules"))
            .arg(script)
            .arg(part)
            .args(args)
            .output()
            .context("running node")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "synthesising {} failed:\n{said}", folder.display());
        Ok(())
    })?;
    Ok(made)
}

/// Has a folder made unless an earlier run has made it; a folder that is there is whole.
fn once(made: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if made.exists() {
        return Ok(());
    }
    let part = made.with_extension(format!("part-{}", process::id()));
    fs::create_dir_all(&part).with_context(|| format!("making {}", part.display()))?;
    make(&part)?;
    match fs::rename(&part, made) {
        // Somebody else was quicker: theirs is as good.
        Err(error) if [ErrorKind::AlreadyExists, ErrorKind::DirectoryNotEmpty].contains(&error.kind()) => {
            fs::remove_dir_all(&part)?;
            Ok(())
        }
        moved => moved.with_context(|| format!("moving {}", part.display())),
    }
}

/// Names what goes into a synthesis: files, the CDK included, and arguments.
fn digest(app: &Path, args: &[&str]) -> Result<String> {
    let mut files = vec![repository().join("tools/cdk/package-lock.json")];
    let mut open = vec![app.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).with_context(|| format!("reading {}", dir.display()))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if ["node_modules", "cdk.out", "k8s"].contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() { open.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut hash = Sha256::new();
    hash.update(args.join(" "));
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        let name = file.strip_prefix(repository())?.to_string_lossy().into_owned();
        hash.update(format!("{name} {}\n", bytes.len()));
        hash.update(bytes);
    }
    Ok(hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

/// Where AWS is, for the CDK.
#[derive(Debug, Clone)]
pub struct Target {
    /// The endpoint of all services.
    pub endpoint: String,
    /// PEM file to trust.
    pub trust: PathBuf,
    /// Whose credentials it starts with.
    pub keys: Keys,
}

/// Deploys a stack of one parameter, `Probe`, into an account with the real `cdk deploy`; returns what it printed.
///
/// # Errors
/// When it fails; with what it said.
pub fn deploy_probe(target: &Target, account: &str, qualifier: &str) -> Result<String> {
    let app = repository().join("crates/testbed/src/scenario/probe");
    let out = fresh_dir("probe")?.join("cdk.out");
    cdk(&app, &environment(target))?
        .args(["deploy", "--require-approval", "never", "--progress", "events"])
        .args(["-c", &format!("account={account}"), "-c", &format!("qualifier={qualifier}")])
        .args(["-c", &format!("region={REGION}"), "-o"])
        .arg(out)
        .finish()
}

/// Deploys the stacks of an assembly that match a pattern, such as `Dev/*`, with the real `cdk deploy`; returns what it printed.
///
/// # Errors
/// When it fails; with what it said.
pub fn deploy(target: &Target, assembly: &CdkOut, stacks: &str) -> Result<String> {
    deploy_with(target, assembly, stacks, &[])
}

/// The same, with further arguments.
///
/// # Errors
/// When it fails; with what it said.
pub fn deploy_with(target: &Target, assembly: &CdkOut, stacks: &str, more: &[&str]) -> Result<String> {
    let out = fresh_dir("deploy")?;
    assembly.write(&out)?;
    cdk(&out, &environment(target))?
        .args(["deploy", "--require-approval", "never", "--progress", "events", "--app"])
        .arg(&out)
        .arg(stacks)
        .args(more)
        .finish()
}

fn environment(target: &Target) -> Vec<(&'static str, String)> {
    let trust = target.trust.display().to_string();
    vec![
        ("AWS_ENDPOINT_URL", target.endpoint.clone()),
        ("AWS_ENDPOINT_URL_S3", target.endpoint.clone()),
        ("AWS_CA_BUNDLE", trust.clone()),
        ("SSL_CERT_FILE", trust),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", target.keys.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", target.keys.secret_access_key.clone()),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]
}

/// The pinned CLI in the folder of an app, with an environment of its own.
struct Cdk(Command);

fn cdk(app: &Path, environment: &[(&'static str, String)]) -> Result<Cdk> {
    let program = cdk_dir().join("node_modules/.bin/cdk");
    ensure!(program.exists(), "{} is not there: run `make setup` first", program.display());
    let mut command = Command::new(program);
    command
        .current_dir(app)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", fresh_dir("cdk-home")?)
        .env("NODE_PATH", cdk_dir().join("node_modules"))
        .env("CI", "1")
        .env("CDK_DISABLE_CLI_TELEMETRY", "1")
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .arg("--no-notices")
        .stdin(Stdio::null());
    Ok(Cdk(command))
}

impl Cdk {
    fn args(mut self, args: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Self {
        self.0.args(args);
        self
    }

    fn arg(mut self, arg: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.arg(arg);
        self
    }

    fn finish(mut self) -> Result<String> {
        let output = self.0.output().context("running the CDK")?;
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "the CDK failed:\n{said}");
        Ok(said)
    }
}
