//! Nothing outlives the process that started it, not even when that one is killed.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use stackgate_testbed::{Cluster, Controller, ControllerLaunch, Emulator, fresh_dir};

/// Set in the process that plays the owner: where it says what it started.
const OWNER: &str = "TESTBED_OWNER_REPORT";

#[test]
fn a_killed_owner_leaves_nothing_behind() -> Result<()> {
    let report = fresh_dir("report")?.join("started");
    let mut owner = Command::new(env::current_exe()?)
        .args(["--exact", "owner", "--ignored", "--nocapture"])
        .env(OWNER, &report)
        .env_remove("KEEP")
        .stdout(Stdio::null())
        .spawn()
        .context("starting the owner")?;
    wait_until("the owner has started everything", Duration::from_secs(180), || report.exists())?;
    let dir = fs::read_to_string(&report)?;
    let run = Path::new(dir.trim()).parent().context("no folder above")?;
    let started = processes_of(run)?;
    let programs = ["kube-apiserver", "etcd", "kube-controller-manager", "ministack", "sleep"];
    for program in programs {
        ensure!(started.iter().any(|line| line.contains(program)), "{program} does not run: {started:?}");
    }

    owner.kill()?; // SIGKILL
    owner.wait()?;
    let gone = || processes_of(run).is_ok_and(|left| left.is_empty()) && !run.exists();
    let end = wait_until("all is gone", Duration::from_secs(10), gone);
    end.with_context(|| format!("left: {:?}, folder: {}", processes_of(run), run.exists()))
}

#[test]
#[ignore = "the owner that the other test kills"]
fn owner() -> Result<()> {
    let report = env::var_os(OWNER).context("only for the other test")?;
    let dir = fresh_dir("owner")?;
    let mut cluster = Cluster::start(&dir)?;
    cluster.start_controllers()?;
    let _emulator = Emulator::start(&dir)?;
    // One that spawns others and ignores being asked to end.
    let script = r#"trap "" TERM HUP INT; sleep 600 & while :; do wait; done"#;
    let launch = ControllerLaunch::new(Some(Path::new("/bin/sh")), &dir)?.arg("-c").arg(script);
    let launch = launch.arg(dir.to_str().context("odd folder")?); // found by its arguments below
    let _stubborn = Controller::start(launch)?;
    fs::write(Path::new(&report).with_extension("part"), dir.to_string_lossy().as_bytes())?;
    fs::rename(Path::new(&report).with_extension("part"), &report)?;
    loop {
        thread::park();
    }
}

/// The processes that hold the folder in their arguments or environment, but for zombies.
fn processes_of(run: &Path) -> Result<Vec<String>> {
    // e: the environment, too (HOME and TMPDIR of the emulator; HOME of the controller and its children)
    let output = Command::new("ps").args(["axeww", "-o", "stat=,command="]).output().context("running ps")?;
    let all = String::from_utf8_lossy(&output.stdout).into_owned();
    let folder = run.to_string_lossy().into_owned();
    // Not the shell of the lifeline, which removes the folder at the end: it is part of "gone" when the folder is.
    let is_one = |line: &&str| {
        line.contains(&folder) && !line.starts_with('Z') && !line.contains("Started by each process")
    };
    Ok(all.lines().filter(is_one).map(str::to_owned).collect())
}

fn wait_until(what: &str, within: Duration, done: impl Fn() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !done() {
        ensure!(begun.elapsed() < within, "not within {within:?}: {what}");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
