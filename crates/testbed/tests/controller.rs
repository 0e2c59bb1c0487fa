//! A controller can be killed, asked to end, frozen and started again.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use stackgate_testbed::{Controller, ControllerLaunch, fresh_dir};

/// A program that stands in for the controller.
fn stand_in(script: &str) -> Result<(PathBuf, PathBuf)> {
    let dir = fresh_dir("controller")?;
    let binary = dir.join("stand-in");
    fs::write(&binary, format!("#!/bin/sh\n{script}\n"))?;
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))?;
    Ok((binary, dir))
}

fn wait_for_log(controller: &Controller, lines: usize) -> Result<()> {
    let begun = Instant::now();
    while controller.log().lines().count() < lines {
        ensure!(begun.elapsed() < Duration::from_secs(10), "log: {}", controller.log());
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

#[test]
fn it_ends_when_asked_and_starts_again_with_the_same_environment() -> Result<()> {
    let (binary, dir) = stand_in(
        r#"trap "echo bye; exit 0" TERM; echo "$1 $AWS_REGION $SSL_CERT_FILE ${USER-nobody}"; while :; do sleep 0.05; done"#,
    )?;
    let launch = ControllerLaunch::new(Some(&binary), &dir)?.arg("run").aws(
        "https://127.0.0.1:1",
        &dir.join("trust.pem"),
        "ap-southeast-2",
    );
    let mut controller = Controller::start(launch)?;
    wait_for_log(&controller, 1)?;
    ensure!(controller.log().starts_with("run ap-southeast-2 "), "{}", controller.log());
    ensure!(controller.log().trim().ends_with("trust.pem nobody"), "{}", controller.log());
    let took = controller.terminate(Duration::from_secs(5))?;
    ensure!(took < Duration::from_secs(5) && !controller.is_running());
    ensure!(controller.log().contains("bye"));

    controller.restart()?;
    wait_for_log(&controller, 3)?;
    controller.kill();
    ensure!(!controller.is_running());
    ensure!(controller.log().matches("run ").count() == 2 && controller.log().matches("bye").count() == 1);
    Ok(())
}

#[test]
fn one_that_does_not_end_when_asked_is_killed_and_named() -> Result<()> {
    let (binary, dir) = stand_in(r#"trap "" TERM; echo up; while :; do sleep 0.05; done"#)?;
    let mut controller = Controller::start(ControllerLaunch::new(Some(&binary), &dir)?)?;
    wait_for_log(&controller, 1)?;
    let error = controller.terminate(Duration::from_millis(300)).err().map(|error| error.to_string());
    ensure!(
        error.as_ref().is_some_and(|text| text.contains("controller still ran 300ms after SIGTERM")),
        "{error:?}"
    );
    ensure!(!controller.is_running());
    Ok(())
}

#[test]
fn a_binary_that_is_not_there_is_named() -> Result<()> {
    let dir = fresh_dir("controller")?;
    let error = ControllerLaunch::new(Some(&dir.join("none")), &dir).err().map(|error| error.to_string());
    ensure!(error.is_some_and(|text| text.contains("none is not there: run `cargo build` first")));
    Ok(())
}
