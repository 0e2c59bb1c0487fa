//! `stackgate run` as a process of its own.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use stackgate_testbed::{Cluster, Controller, ControllerLaunch, User, fresh_dir};

/// A cluster with our definitions and roles.
fn cluster() -> Result<Cluster> {
    let cluster = Cluster::start(&fresh_dir("process")?)?;
    let kubectl = cluster.kubectl(User::Admin);
    kubectl.apply(&stackgate::crds::stream()?)?;
    kubectl.apply(include_str!("../../deploy/rbac.yaml"))?;
    kubectl.wait_for_kinds()?;
    Ok(cluster)
}

fn start(cluster: &Cluster, me: &str) -> Result<(Controller, SocketAddr)> {
    // Taken for a moment, so that it is free.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let launch =
        ControllerLaunch::new(Some(Path::new(env!("CARGO_BIN_EXE_stackgate"))), &fresh_dir("controller")?)?
            .kubeconfig(&cluster.kubeconfig(User::Controller))
            .arg("run")
            .arg(&format!("--health-address={address}"))
            .arg(&format!("--identity={me}"))
            .arg("--log-format=text");
    Ok((Controller::start(launch)?, address))
}

fn page(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    Ok(reply)
}

fn until(controller: &mut Controller, what: &str, holds: impl Fn() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !holds() {
        ensure!(begun.elapsed() < Duration::from_secs(30), "not {what}: {}", controller.log_tail(20));
        ensure!(controller.is_running(), "ended before it was {what}: {}", controller.log_tail(20));
        sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn is_ready(address: SocketAddr) -> bool {
    page(address, "/readyz").is_ok_and(|p| p.starts_with("HTTP/1.1 200"))
}

fn leads(address: SocketAddr) -> bool {
    page(address, "/metrics").is_ok_and(|p| p.contains("stackgate_leader 1\n"))
}

#[test]
fn one_replica_leads_another_takes_over_and_both_end_when_asked() -> Result<()> {
    let cluster = cluster()?;
    let kubectl = cluster.kubectl(User::Admin);
    let (mut one, at_one) = start(&cluster, "one")?;
    until(&mut one, "ready", || is_ready(at_one))?;
    until(&mut one, "leading", || leads(at_one))?;
    ensure!(page(at_one, "/healthz")?.starts_with("HTTP/1.1 200"));

    let (mut two, at_two) = start(&cluster, "two")?;
    until(&mut two, "ready", || is_ready(at_two))?;
    ensure!(!leads(at_two), "two leaders");

    // The Lease is released, so nobody waits for its end.
    let took = one.terminate(Duration::from_secs(5)).context("SIGTERM")?;
    ensure!(took < Duration::from_secs(5));
    ensure!(one.log().contains("the Lease is released"), "{}", one.log());
    until(&mut two, "leading", || leads(at_two))?;

    // Whoever loses the Lease ends by itself: nothing in the process may go on.
    let theft = r#"{"spec":{"holderIdentity":"thief"}}"#;
    kubectl.run(&["patch", "lease", "stackgate", "-n", "stackgate-system", "--type=merge", "-p", theft])?;
    let begun = Instant::now();
    while two.is_running() {
        ensure!(begun.elapsed() < Duration::from_secs(10), "it goes on: {}", two.log_tail(20));
        sleep(Duration::from_millis(50));
    }
    ensure!(two.log().contains("no longer the leader"), "{}", two.log());
    Ok(())
}

#[test]
fn a_standby_and_one_without_a_cluster_end_when_asked() -> Result<()> {
    let cluster = cluster()?;
    let (mut one, at_one) = start(&cluster, "one")?;
    until(&mut one, "leading", || leads(at_one))?;
    let (mut two, at_two) = start(&cluster, "two")?;
    until(&mut two, "ready", || is_ready(at_two))?;
    ensure!(two.terminate(Duration::from_secs(5))? < Duration::from_secs(5));

    drop(cluster);
    ensure!(one.terminate(Duration::from_secs(5))? < Duration::from_secs(5), "{}", one.log_tail(20));
    let _ = at_one;
    Ok(())
}
