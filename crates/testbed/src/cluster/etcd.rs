//! etcd, in a folder that is thrown away: it need not sync to disk.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    time::Duration,
};

use anyhow::{Result, anyhow, ensure};

use crate::{
    place,
    port::free_port,
    process::{Launch, Process},
    ready::{self, NotReady},
};

#[derive(Debug)]
pub(super) struct Etcd {
    port: u16,
    launch: Launch,
    process: Process,
}

const READY_WITHIN: Duration = Duration::from_secs(60);

impl Etcd {
    pub(super) fn start(dir: &Path) -> Result<Self, NotReady> {
        let port = free_port()?;
        let client = format!("http://127.0.0.1:{port}");
        let peer = format!("http://127.0.0.1:{}", free_port()?);
        // A folder and a log of its own for each try: one that failed leaves its members in the data.
        let data = dir.join(format!("etcd-{port}"));
        let launch =
            Launch::new("etcd", place::kubernetes_program("etcd")?, dir.join(format!("etcd-{port}.log")))
                .arg("--data-dir")
                .arg(data)
                .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
                .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
                .args(["--initial-cluster", &format!("default={peer}")])
                .args(["--log-level", "warn", "--unsafe-no-fsync"]);
        let mut process = Process::start(&launch)?;
        ready::wait(&mut process, READY_WITHIN, || health(port))?;
        Ok(Self { port, launch, process })
    }

    /// Kills it and starts it anew on the same data. What it has acknowledged is there: the system holds what it wrote.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.process.kill();
        self.process = Process::start(&self.launch)?;
        ready::wait(&mut self.process, READY_WITHIN, || health(self.port)).map_err(|why| match why {
            NotReady::PortTaken => anyhow!("port {} was taken while etcd was down", self.port),
            NotReady::Failed(error) => error.context("starting etcd again"),
        })
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn health(port: u16) -> Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    ensure!(reply.starts_with("HTTP/1.1 200"), "/health answers: {reply}");
    Ok(())
}
