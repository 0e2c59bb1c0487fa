//! Where things lie: the repository, its target folder, the tools in it, the folder of this run.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};

/// The root of the repository that this crate was compiled in.
#[must_use]
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Cargo's target folder: `CARGO_TARGET_DIR` (counted from the repository when relative, as in `tools/setup`) or `target`.
#[must_use]
pub fn target_dir() -> PathBuf {
    repository().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The folder in which `tools/setup` installed the CDK (`node_modules/.bin/cdk`).
#[must_use]
pub fn cdk_dir() -> PathBuf {
    target_dir().join("tools/cdk")
}

/// A program of the Kubernetes control plane: of `KUBEBUILDER_ASSETS` when set, else the one that `tools/setup` built.
///
/// # Errors
/// When it is not there.
pub fn kubernetes_program(name: &str) -> Result<PathBuf> {
    let folder = match env::var_os("KUBEBUILDER_ASSETS") {
        Some(assets) if !assets.is_empty() => PathBuf::from(assets),
        _ => target_dir().join("tools/k8s"),
    };
    existing(folder.join(name))
}

/// kube-controller-manager: of `KUBEBUILDER_ASSETS` when it lies there, which is seldom, else the one that `tools/setup` built.
pub(crate) fn controller_manager() -> Result<PathBuf> {
    let given = env::var_os("KUBEBUILDER_ASSETS")
        .map(|assets| PathBuf::from(assets).join("kube-controller-manager"))
        .filter(|program| program.is_absolute() && program.exists());
    given.map_or_else(|| existing(target_dir().join("tools/controller-manager/kube-controller-manager")), Ok)
}

/// The helm that `tools/setup` built.
pub(crate) fn helm() -> Result<PathBuf> {
    existing(target_dir().join("tools/helm/helm"))
}

/// The Python interpreter whose environment holds the AWS emulator.
pub(crate) fn emulator_python() -> Result<PathBuf> {
    existing(target_dir().join("tools/emulator/bin/python"))
}

fn existing(program: PathBuf) -> Result<PathBuf> {
    ensure!(program.exists(), "{} is not there: run `make setup` first", program.display());
    Ok(program)
}

/// Whether the folder of this run is to stay: `KEEP` is set, and neither empty nor `0`.
pub(crate) fn keep() -> bool {
    env::var("KEEP").is_ok_and(|keep| !keep.is_empty() && keep != "0")
}

/// The folder of this process below `target/testbed`. Removed when the process ends, unless `KEEP` is set.
pub(crate) fn run_dir() -> &'static Path {
    static RUN: LazyLock<PathBuf> = LazyLock::new(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        target_dir().join("testbed").join(format!("{now}-{}", process::id()))
    });
    &RUN
}

/// Makes a new, empty folder below the one of this run; `name` is a prefix for people who look at it.
///
/// # Errors
/// When the folder cannot be made, or what removes it afterwards cannot be started.
pub fn fresh_dir(name: &str) -> Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    crate::lifeline::lifeline()?; // the one that removes it at the end
    let dir = run_dir().join(format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    fs::create_dir_all(&dir).with_context(|| format!("making the folder {}", dir.display()))?;
    Ok(dir)
}
