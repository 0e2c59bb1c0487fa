//! Waiting until a server that was just started answers.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use crate::process::Process;

/// Why a server did not get ready.
#[derive(Debug)]
pub(crate) enum NotReady {
    /// Somebody else was quicker to take its port: worth another try with another one.
    PortTaken,
    /// Anything else, in words.
    Failed(anyhow::Error),
}

/// An HTTPS page on loopback that says 200 when its server is ready.
pub(crate) struct HealthPage {
    pub(crate) port: u16,
    pub(crate) path: &'static str,
    pub(crate) bearer: Option<String>,
    pub(crate) tls: Arc<ClientConfig>,
}

impl HealthPage {
    /// The status of one request.
    fn status(&self) -> Result<u16> {
        let timeout = Some(Duration::from_secs(5));
        let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        tcp.set_read_timeout(timeout)?;
        tcp.set_write_timeout(timeout)?;
        let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
        let mut stream = StreamOwned::new(ClientConnection::new(Arc::clone(&self.tls), name)?, tcp);
        let authorization = match &self.bearer {
            Some(token) => format!("Authorization: Bearer {token}\r\n"),
            None => String::new(),
        };
        write!(
            stream,
            "GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{authorization}Connection: close\r\n\r\n",
            self.path, self.port
        )?;
        let mut start = [0; 12]; // "HTTP/1.1 200"
        stream.read_exact(&mut start)?;
        let line = std::str::from_utf8(&start)?;
        line.rsplit(' ').next().context("no status")?.parse().context("no number as status")
    }

    /// Asks until the page says 200.
    pub(crate) fn wait(&self, process: &mut Process, within: Duration) -> Result<(), NotReady> {
        wait(process, within, || match self.status() {
            Ok(200) => Ok(()),
            Ok(status) => bail!("{} answers {status}", self.path),
            Err(error) => Err(error),
        })
    }
}

/// Repeats the look until it succeeds, the program ends or the time is over.
pub(crate) fn wait(
    process: &mut Process,
    within: Duration,
    mut look: impl FnMut() -> Result<()>,
) -> Result<(), NotReady> {
    let begun = Instant::now();
    loop {
        if let Some(status) = process.ended() {
            if process.log().to_lowercase().contains("address already in use") {
                return Err(NotReady::PortTaken);
            }
            return Err(NotReady::Failed(anyhow::anyhow!(
                "it ended while starting ({status}); the end of its log:\n{}",
                process.log_tail(30)
            )));
        }
        match look() {
            Ok(()) => return Ok(()),
            Err(error) if begun.elapsed() > within => {
                let tail = process.log_tail(30);
                return Err(NotReady::Failed(
                    error.context(format!("not ready after {within:?}; the end of its log:\n{tail}")),
                ));
            }
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Starts something that needs free ports, again with others when somebody was quicker.
pub(crate) fn with_free_ports<T>(what: &str, mut start: impl FnMut() -> Result<T, NotReady>) -> Result<T> {
    for _ in 0..5 {
        match start() {
            Ok(started) => return Ok(started),
            Err(NotReady::PortTaken) => {}
            Err(NotReady::Failed(error)) => return Err(error.context(format!("starting {what}"))),
        }
    }
    bail!("starting {what}: five times the free port was taken by somebody else before it could use it")
}

impl From<anyhow::Error> for NotReady {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}
