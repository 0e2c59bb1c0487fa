//! A TLS proxy in front of the AWS emulator that records what goes through and, by rules, drops, replaces or holds it.
//!
//! It keeps the `Host` header and every byte of the body, which signatures cover.

mod call;
mod record;
mod rule;
mod s3;
mod serve;
mod share;

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

pub use self::{
    call::{Call, CallKind},
    record::{Actor, Counts, Exchange, Reply},
    rule::{Fault, Hold, Rule, RuleHandle},
};
use self::{record::Records, serve::Forward};
use crate::{
    Emulator,
    certificate::{self, Certificate},
};

/// Where a proxy passes requests on to.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Host and port, as in a URL; always TLS.
    pub host_and_port: String,
    /// PEM file of what to trust there.
    pub authority: PathBuf,
}

impl From<&Emulator> for Upstream {
    fn from(emulator: &Emulator) -> Self {
        Self { host_and_port: emulator.host_and_port(), authority: emulator.authority().to_owned() }
    }
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    bundle: PathBuf,
    state: Arc<State>,
    runtime: Option<Runtime>,
}

struct State {
    records: Records,
    rules: Mutex<Vec<RuleHandle>>,
    forward: Forward,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl State {
    /// The rule that acts on this call, counted.
    fn pick(&self, call: &Call) -> Option<RuleHandle> {
        let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.iter().find(|rule| rule.picks(call)).cloned()
    }
}

impl Proxy {
    /// Starts on a free port of loopback, on threads of its own. Certificates go to `dir`.
    ///
    /// # Errors
    /// When files cannot be read or written, or no port is free.
    pub fn start(dir: &Path, upstream: impl Into<Upstream>) -> Result<Self> {
        let upstream = upstream.into();
        let tls = Certificate::write(dir, "proxy")?;
        let bundle = dir.join("aws-trust.pem");
        let read =
            |path: &Path| fs::read_to_string(path).with_context(|| format!("reading {}", path.display()));
        certificate::write(&bundle, &format!("{}{}", read(&tls.authority)?, read(&upstream.authority)?))?;

        let acceptor = acceptor(&tls)?;
        let forward =
            Forward::new(&upstream.host_and_port, certificate::client_trusting(&upstream.authority)?);
        let state = Arc::new(State { records: Records::default(), rules: Mutex::default(), forward });

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("binding a port for the proxy")?;
        listener.set_nonblocking(true).context("preparing the port of the proxy")?;
        let port = listener.local_addr().context("asking for the port of the proxy")?.port();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("testbed-proxy")
            .enable_all()
            .build()
            .context("starting the threads of the proxy")?;
        let entered = runtime.enter();
        let listener =
            tokio::net::TcpListener::from_std(listener).context("preparing the port of the proxy")?;
        drop(entered);
        runtime.spawn(serve::serve(listener, acceptor, Arc::clone(&state)));
        Ok(Self { port, bundle, state, runtime: Some(runtime) })
    }

    /// Starts one that has nobody behind it: rules answer, and what none answers is a failure.
    ///
    /// # Errors
    /// As [`Proxy::start`].
    pub fn alone(dir: &Path) -> Result<Self> {
        let nobody = Certificate::write(dir, "nobody")?;
        Self::start(dir, Upstream { host_and_port: "127.0.0.1:1".to_owned(), authority: nobody.authority })
    }

    /// What `AWS_ENDPOINT_URL` is set to.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// PEM file for clients: trusts the proxy and what is behind it. For `SSL_CERT_FILE` and `AWS_CA_BUNDLE`.
    #[must_use]
    pub fn bundle(&self) -> &Path {
        &self.bundle
    }

    /// Everything that went through since the start or the last [`Proxy::clear`], in the order of arrival.
    #[must_use]
    pub fn recorded(&self) -> Vec<Exchange> {
        self.state.records.all()
    }

    /// Forgets what went through. Rules stay.
    pub fn clear(&self) {
        self.state.records.clear();
    }

    /// How many calls there were since the start or the last [`Proxy::clear`].
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts::of(&self.recorded())
    }

    /// Sets a rule; it acts on requests from now on.
    pub fn rule(&self, rule: Rule) -> RuleHandle {
        let handle = RuleHandle::new(rule);
        self.state.rules.lock().unwrap_or_else(PoisonError::into_inner).push(handle.clone());
        handle
    }

    /// Removes all rules and lets go of everything they hold.
    pub fn remove_rules(&self) {
        for rule in self.state.rules.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            rule.remove();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background(); // the waiting kind is not allowed on a caller's runtime
        }
    }
}

fn acceptor(tls: &Certificate) -> Result<TlsAcceptor> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(&tls.chain)
        .and_then(Iterator::collect)
        .with_context(|| format!("reading {}", tls.chain.display()))?;
    let key =
        PrivateKeyDer::from_pem_file(&tls.key).with_context(|| format!("reading {}", tls.key.display()))?;
    let config = rustls::ServerConfig::builder_with_provider(certificate::provider())
        .with_safe_default_protocol_versions()
        .context("choosing TLS versions")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("setting up the certificate of the proxy")?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
