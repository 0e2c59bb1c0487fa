//! Waiting for objects, with an end, and with all that helps when it comes.

use std::{
    fmt::Write,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use serde_json::Value;

use super::{Kind, Object, World};

/// Long enough for what takes a few passes, on a machine that is busy.
pub const SOON: Duration = Duration::from_secs(60);
/// Long enough for what also waits for a Lease to run out, or for a retry.
pub const LONG: Duration = Duration::from_secs(150);

const EVERY: Duration = Duration::from_millis(200);

impl World {
    /// The object, or nothing when there is none of that name.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub fn object(&self, kind: Kind, namespace: &str, name: &str) -> Result<Option<Object>> {
        let found = self.kubectl().output(&["get", "--raw", &kind.path(namespace, name)], "")?;
        if found.ok {
            return Ok(Some(Object(serde_json::from_str(&found.stdout)?)));
        }
        if found.stderr.contains("NotFound") {
            return Ok(None);
        }
        bail!("reading {} {name}: {}", kind.plural(), found.stderr.trim())
    }

    /// All objects of a kind, in all namespaces or in one.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub fn objects(&self, kind: Kind, namespace: Option<&str>) -> Result<Vec<Object>> {
        let within = namespace.map_or_else(String::new, |namespace| format!("/namespaces/{namespace}"));
        let path = format!("/apis/stackgate.dev/v1alpha1{within}/{}", kind.plural());
        let found: Value = serde_json::from_str(&self.kubectl().run(&["get", "--raw", &path])?)?;
        Ok(found["items"].as_array().cloned().unwrap_or_default().into_iter().map(Object).collect())
    }

    /// Looks at an object until there is something to see; `what` says what, for the message when there never is.
    ///
    /// # Errors
    /// When the time is over: with the object's conditions, its events and the end of the controller's log.
    pub fn until<T>(
        &self,
        (kind, namespace, name): (Kind, &str, &str),
        what: &str,
        within: Duration,
        look: impl Fn(&Object) -> Option<T>,
    ) -> Result<T> {
        let begun = Instant::now();
        loop {
            // The API server may be away for a while: that is part of some tests.
            let seen = self.object(kind, namespace, name);
            if let Ok(Some(object)) = &seen
                && let Some(found) = look(object)
            {
                return Ok(found);
            }
            if begun.elapsed() > within {
                let object = match seen {
                    Ok(Some(object)) => object.to_string(),
                    Ok(None) => "  it is not there\n".to_owned(),
                    Err(error) => format!("  {error:#}\n"),
                };
                bail!(
                    "not within {within:?}: {what}\n{} {namespace}/{name}:\n{object}{}{}",
                    kind.plural(),
                    self.events_text(namespace, name),
                    self.controller_text()
                );
            }
            thread::sleep(EVERY);
        }
    }

    /// Asks until the answer is something.
    ///
    /// # Errors
    /// When the time is over, or a question fails.
    pub fn until_some<T>(
        &self,
        what: &str,
        within: Duration,
        ask: impl Fn() -> Result<Option<T>>,
    ) -> Result<T> {
        let begun = Instant::now();
        loop {
            if let Some(found) = ask()? {
                return Ok(found);
            }
            if begun.elapsed() > within {
                bail!("not within {within:?}: {what}\n{}", self.controller_text());
            }
            thread::sleep(EVERY);
        }
    }

    /// The Events on an object: reason and note.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub fn events(&self, namespace: &str, name: &str) -> Result<Vec<(String, String)>> {
        // Those on objects without a namespace lie in `default`.
        let found = self.kubectl().run(&["get", "--raw", "/apis/events.k8s.io/v1/events"])?;
        let found: Value = serde_json::from_str(&found)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(found["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|event| event["regarding"]["name"] == name)
            .filter(|event| {
                let at = event["regarding"]["namespace"].as_str().unwrap_or_default();
                at.is_empty() || at == namespace
            })
            .map(|event| (text(&event["reason"]), text(&event["note"])))
            .collect())
    }

    fn events_text(&self, namespace: &str, name: &str) -> String {
        let mut text = String::new();
        for (reason, note) in self.events(namespace, name).unwrap_or_default() {
            let _ = writeln!(text, "  event {reason}: {note}"); // writing to a String
        }
        text
    }

    fn controller_text(&self) -> String {
        match &self.controller {
            Some(controller) => format!("the end of the controller's log:\n{}", controller.log_tail(15)),
            None => "there is no controller".to_owned(),
        }
    }
}
