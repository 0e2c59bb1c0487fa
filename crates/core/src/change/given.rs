//! The parameter values that a Stage gives, and who may see them.

use std::{collections::BTreeMap, sync::Arc};

use super::{Canonical, HmacKey};
use crate::{
    bundle::StackArtifact,
    words::{Digest, StackName},
};

/// Text that is shown nowhere: not in logs, not in an error.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(Arc<str>);

impl Hidden {
    /// Hides a text.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for the call that it is meant for.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// A value, and whether it comes from a Secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GivenValue {
    /// The value.
    pub text: Hidden,
    /// Whether it must not be guessed from a digest either.
    pub secret: bool,
}

/// Parameter values by the name that the Stage gives them: `Key` for every stack that declares it, `StackName:Key` for one, as
/// `cdk deploy --parameters` takes them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Given(BTreeMap<String, GivenValue>);

impl FromIterator<(String, GivenValue)> for Given {
    fn from_iter<I: IntoIterator<Item = (String, GivenValue)>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

impl Given {
    /// The value of a parameter of a stack: the one for this stack alone before that for all.
    #[must_use]
    pub fn value(&self, stack: &StackName, parameter: &str) -> Option<&GivenValue> {
        self.0.get(&format!("{stack}:{parameter}")).or_else(|| self.0.get(parameter))
    }

    /// Whether any comes from a Secret.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        self.0.values().any(|value| value.secret)
    }

    /// The names that no stack of these declares.
    pub fn unused<'a>(&'a self, stacks: &'a [Arc<StackArtifact>]) -> impl Iterator<Item = &'a str> {
        let takes = |name: &str| {
            stacks.iter().any(|stack| {
                let parameters = &stack.template.parameters;
                match name.split_once(':') {
                    Some((of, key)) => of == stack.name.as_str() && parameters.contains_key(key),
                    None => parameters.contains_key(name),
                }
            })
        };
        self.0.keys().map(String::as_str).filter(move |name| !takes(name))
    }

    /// Stands for all of the values, and tells none of them; `None`: there are none.
    #[must_use]
    pub fn digest(&self, key: &HmacKey) -> Option<Digest> {
        let sign = |c: Canonical, (name, value): (&String, &GivenValue)| {
            let value = key.sign(&[b"given v1", name.as_bytes(), value.text.reveal().as_bytes()]);
            c.text("name", name).bytes("value", value.bytes())
        };
        (!self.0.is_empty())
            .then(|| Canonical::new("stackgate parameters v1").list("given", self.0.iter(), sign).digest())
    }
}
