//! Events: what happened, for `kubectl describe` and `kubectl events`. They may get lost; the record is elsewhere.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tracing::{debug, warn};

use super::client::Clients;

/// The longest note that the API server takes is 1,024 bytes.
const MAX_NOTE: usize = 1000;

/// How an Event is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// As it should be.
    Normal,
    /// Somebody should look.
    Warning,
}

/// Objects and reasons whose last note is remembered. Beyond that it begins anew: a repetition is then another Event.
const MAX_REMEMBERED: usize = 4096;

/// Emits Events; clones share what was emitted before.
#[derive(Clone)]
pub struct Events {
    client: Client,
    reporter: Reporter,
    last: Arc<Mutex<HashMap<[String; 3], Last>>>,
}

/// What was said last. A recorder takes for a repetition whatever agrees in all but the note, and keeps the first note: so
/// another note gets another recorder.
struct Last {
    note: String,
    recorder: Recorder,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

impl Events {
    /// Events reported by this replica.
    #[must_use]
    pub fn new(clients: &Clients, identity: &str) -> Self {
        let client: Client = clients.calls.clone();
        let instance = cut(identity, 128);
        let reporter =
            Reporter { controller: "stackgate.dev/controller".to_owned(), instance: Some(instance) };
        Self { client, reporter, last: Arc::default() }
    }

    /// The recorder that knows whether this was said just before.
    fn recorder(&self, object: &ObjectReference, reason: &str, action: &str, note: &str) -> Recorder {
        let fresh = || Last {
            note: note.to_owned(),
            recorder: Recorder::new(self.client.clone(), self.reporter.clone()),
        };
        let object = object.uid.clone().or_else(|| object.name.clone()).unwrap_or_default();
        let key = [object, reason.to_owned(), action.to_owned()];
        let mut all = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_REMEMBERED {
            all.clear();
        }
        let last = all.entry(key).or_insert_with(fresh);
        if last.note != note {
            *last = fresh();
        }
        last.recorder.clone()
    }

    /// Emits one Event on an object (`resource.object_ref(&())`).
    ///
    /// The same once more counts as a repetition of the first one for six minutes; another note is another Event.
    pub async fn emit(
        &self,
        object: &ObjectReference,
        severity: Severity,
        reason: &'static str,
        action: &str,
        note: &str,
    ) {
        let (kind, namespace, name) = (&object.kind, &object.namespace, &object.name);
        debug!(?kind, ?namespace, ?name, ?severity, reason, action, note, "event");
        let event = Event {
            type_: match severity {
                Severity::Normal => EventType::Normal,
                Severity::Warning => EventType::Warning,
            },
            reason: reason.to_owned(),
            note: Some(cut(note, MAX_NOTE)),
            action: cut(action, 128),
            secondary: None,
        };
        let recorder = self.recorder(object, reason, &event.action, note);
        if let Err(error) = recorder.publish(&event, object).await {
            warn!(?kind, ?namespace, ?name, reason, %error, "event was not recorded");
        }
    }
}

/// At most that many bytes, cut between characters.
fn cut(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn long_notes_are_cut_between_characters() {
        assert_eq!(cut("short", 10), "short");
        assert_eq!(cut("ééé", 3), "é");
        assert_eq!(cut("→", 2), "");
    }
}
