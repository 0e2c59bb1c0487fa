//! Where a Stage writes what its stacks put out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A ConfigMap of the Stage's namespace, and what is written into it. It belongs to the Stage, and goes with it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OutputsTo {
    /// The ConfigMap's name. One that is there already, and was not made for this Stage, is left alone.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub config_map: String,
    /// Which outputs: `Key` of every stack that has it, `StackName:Key` of one stack. Nothing else is written. The ConfigMap holds
    /// each under `StackName.Key`.
    #[schemars(
        length(min = 1, max = 128),
        inner(length(max = 384), regex(pattern = r"^([A-Za-z][A-Za-z0-9-]{0,127}:)?[A-Za-z0-9]{1,255}$"))
    )]
    pub outputs: Vec<String>,
}

impl OutputsTo {
    /// Whether this output of this stack is written.
    #[must_use]
    pub fn takes(&self, stack: &str, key: &str) -> bool {
        self.outputs.iter().any(|wanted| match wanted.split_once(':') {
            Some((of, wanted)) => of == stack && wanted == key,
            None => wanted == key,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_that_is_not_named() {
        let to = OutputsTo {
            config_map: "outputs".to_owned(),
            outputs: vec!["Url".to_owned(), "Dev-Db:Host".to_owned()],
        };
        assert!(to.takes("Dev-Api", "Url") && to.takes("Dev-Db", "Host"));
        assert!(!to.takes("Dev-Api", "Host") && !to.takes("Dev-Db", "Password"));
    }
}
