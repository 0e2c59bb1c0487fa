//! What passes are about.

use std::fmt;

use kube::{Resource, ResourceExt};

/// The kinds that have passes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// `AwsAccount`.
    AwsAccount,
    /// `Bootstrap`.
    Bootstrap,
    /// `CloudAssembly`.
    CloudAssembly,
    /// `Stage`.
    Stage,
    /// `ChangePlan`.
    ChangePlan,
    /// `Freeze`.
    Freeze,
}

impl Kind {
    /// Every one of them.
    pub const ALL: [Self; 6] =
        [Self::AwsAccount, Self::Bootstrap, Self::CloudAssembly, Self::Stage, Self::ChangePlan, Self::Freeze];

    /// The kind as it stands in the object.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AwsAccount => "AwsAccount",
            Self::Bootstrap => "Bootstrap",
            Self::CloudAssembly => "CloudAssembly",
            Self::Stage => "Stage",
            Self::ChangePlan => "ChangePlan",
            Self::Freeze => "Freeze",
        }
    }
}

/// One object.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; absent for kinds without one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Key {
    /// An object without a namespace.
    #[must_use]
    pub fn cluster(kind: Kind, name: impl Into<String>) -> Self {
        Self { kind, namespace: None, name: name.into() }
    }

    /// An object in a namespace.
    #[must_use]
    pub fn namespaced(kind: Kind, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind, namespace: Some(namespace.into()), name: name.into() }
    }

    /// The key of this object.
    #[must_use]
    pub fn of<K: Resource>(kind: Kind, object: &K) -> Self {
        Self { kind, namespace: object.namespace(), name: object.name_any() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind.as_str(), self.name),
            None => write!(f, "{} {}", self.kind.as_str(), self.name),
        }
    }
}
