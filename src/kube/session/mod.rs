//! What a person does at a terminal, with the rights of that person: reads, decisions, a pin. The controller uses none of this.

mod connect;
mod denied;
mod read;
mod write;

use std::sync::Arc;

use kube::Client;

pub use self::{
    connect::{ConnectError, Options},
    denied::{CallError, Denied},
    read::Readable,
    write::{FIELD_MANAGER, managers_of_spec},
};

/// A connection as one person, and the namespace that is meant where none is named.
#[derive(Clone)]
pub struct Session {
    client: Client,
    namespace: Arc<str>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({})", self.namespace)
    }
}

impl Session {
    /// The namespace of `-n`, else that of the context.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}
