//! AWS calls by another client than ours: the botocore that comes with the emulator, in one process for many calls.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::place;

/// Long-lived credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
}

/// AWS answered with an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{service}:{operation}: {code}: {message}")]
pub struct CallFailed {
    /// The service, such as `cloudformation`.
    pub service: String,
    /// The operation, such as `CreateStack`.
    pub operation: String,
    /// The error code, such as `ValidationError`.
    pub code: String,
    /// The message.
    pub message: String,
}

/// Somebody who calls AWS; each call is made once and never repeated.
#[derive(Debug)]
pub struct Aws(Mutex<Conversation>);

#[derive(Debug)]
struct Conversation {
    child: Child,
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Aws {
    /// Starts the client for one endpoint and region. `trust` is a PEM file.
    ///
    /// # Errors
    /// When the emulator is not installed (`make setup` was not run) or no process can be made.
    pub fn start(endpoint: &str, trust: &Path, region: &str) -> Result<Self> {
        let mut child = Command::new(place::emulator_python()?)
            .args(["-c", include_str!("aws.py"), endpoint])
            .arg(trust)
            .arg(region)
            .env_remove("AWS_CA_BUNDLE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the AWS client")?;
        let requests = child.stdin.take();
        let replies = BufReader::new(child.stdout.take().context("the AWS client has no output")?);
        Ok(Self(Mutex::new(Conversation { child, requests, replies })))
    }

    /// One call as the root user of an account. `Body` and `ZipFile` are base64, in both directions.
    ///
    /// # Errors
    /// [`CallFailed`] when AWS refuses; anything else when there was no conversation with it.
    pub fn call(&self, account: &str, service: &str, operation: &str, params: &Value) -> Result<Value> {
        // The emulator takes 12 digits as the key of the account's root user, with any secret.
        let root = Keys { access_key_id: account.to_owned(), secret_access_key: "root".to_owned() };
        self.call_as(&root, service, operation, params)
    }

    /// One call with these credentials.
    ///
    /// # Errors
    /// As for [`Aws::call`].
    pub fn call_as(&self, keys: &Keys, service: &str, operation: &str, params: &Value) -> Result<Value> {
        let request = json!({ "key": keys.access_key_id, "secret": keys.secret_access_key,
            "service": service, "operation": operation, "params": params });
        let mut answer = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ask(&request)
            .with_context(|| format!("{service}:{operation}"))?;
        if let Some(reply) = answer.get_mut("reply") {
            return Ok(reply.take());
        }
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        let (code, message) = (text("code"), text("message"));
        Err(CallFailed { service: service.to_owned(), operation: operation.to_owned(), code, message }.into())
    }

    /// Tells a wait condition of CloudFormation, by the URL of its handle, that what it waits for has come.
    ///
    /// # Errors
    /// As for [`Aws::call`].
    pub fn signal(&self, handle: &str) -> Result<()> {
        let nobody = Keys { access_key_id: String::new(), secret_access_key: String::new() };
        self.call_as(&nobody, "wait condition", "signal", &json!({ "handle": handle })).map(drop)
    }

    /// Puts an object; returns its version id, which is empty where the bucket keeps none.
    ///
    /// # Errors
    /// As for [`Aws::call`].
    pub fn put_object(&self, account: &str, bucket: &str, key: &str, bytes: &[u8]) -> Result<String> {
        let params = json!({ "Bucket": bucket, "Key": key, "Body": STANDARD.encode(bytes) });
        let reply = self.call(account, "s3", "PutObject", &params)?;
        Ok(reply["VersionId"].as_str().unwrap_or_default().to_owned())
    }
}

impl Conversation {
    fn ask(&mut self, request: &Value) -> Result<Value> {
        let requests = self.requests.as_mut().context("the AWS client has no input")?;
        writeln!(requests, "{request}").context("the AWS client has ended")?;
        let mut line = String::new();
        self.replies.read_line(&mut line).context("the AWS client has ended")?;
        serde_json::from_str(&line).context("the AWS client gave no answer")
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.requests = None; // it ends with its input
        let _ = self.child.wait();
    }
}
