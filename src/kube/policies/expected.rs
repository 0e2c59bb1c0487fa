//! What the chart installs, as it hands it over: `sha256:<64 digits> <kind>/<name>` for each policy and each binding.

use std::{collections::BTreeMap, str::FromStr};

use stackgate_core::words::Digest;

use super::{Installed, Signing};

/// How many differences a message names.
const NAMED: usize = 8;

/// The policies and bindings that the chart installs, by kind and name, and what each says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected(BTreeMap<String, Digest>);

/// Why that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ExpectedError {
    /// There is nothing.
    #[error("no policy is named; take the lines of deploy/policies.sha256")]
    Empty,
    /// This line is not one of those.
    #[error("`{0}` is not `sha256:<64 digits> <kind>/<name>`; take the lines of deploy/policies.sha256")]
    Line(String),
    /// A policy is there twice.
    #[error("{0} is named twice")]
    Twice(String),
}

impl FromStr for Expected {
    type Err = ExpectedError;

    fn from_str(text: &str) -> Result<Self, ExpectedError> {
        let mut all = BTreeMap::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let read = line.split_once(' ').and_then(|(digest, name)| Some((digest.parse().ok()?, name)));
            let Some((digest, name)) = read.filter(|(_, name)| name.contains('/') && !name.contains(' '))
            else {
                return Err(ExpectedError::Line(line.to_owned()));
            };
            if all.insert(name.to_owned(), digest).is_some() {
                return Err(ExpectedError::Twice(name.to_owned()));
            }
        }
        if all.is_empty() { Err(ExpectedError::Empty) } else { Ok(Self(all)) }
    }
}

impl Expected {
    /// Whether the chart installs the policy that signs for people. Before Kubernetes 1.36 it leaves it out, and gives the controller no
    /// right to look at mutating policies.
    #[must_use]
    pub fn signing(&self) -> Signing {
        let is_there = self.0.keys().any(|name| name.starts_with("MutatingAdmissionPolicy"));
        if is_there { Signing::Installed } else { Signing::LeftOut }
    }

    /// What is other in the cluster, in a sentence that names each and says what to do; `None`: nothing is.
    #[must_use]
    pub fn differs(&self, found: &Installed) -> Option<String> {
        let mut all: Vec<String> = Vec::new();
        let mut changed = false;
        for (name, content) in &self.0 {
            match found.contents.get(name) {
                None => all.push(format!("{name} is missing")),
                Some(other) if other != content => {
                    changed = true;
                    all.push(format!("{name} is changed"));
                }
                Some(_) => {}
            }
        }
        let added = found.contents.keys().filter(|name| !self.0.contains_key(*name));
        let before = all.len();
        all.extend(added.map(|name| format!("{name} is none of the chart's")));
        if all.is_empty() {
            return None;
        }
        let mut todo = Vec::new();
        if changed {
            // Helm and kubectl apply merge: a field that the chart does not name stays as somebody has set it.
            todo.push("delete what is changed, then helm upgrade, which alone keeps fields that were added");
        } else if before > 0 {
            todo.push("helm upgrade puts them back");
        }
        if all.len() > before {
            todo.push("delete those that helm get manifest does not show, or start the controller with all digests of the chart");
        }
        let more = all.len().saturating_sub(NAMED);
        all.truncate(NAMED);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        Some(format!(
            "the admission policies are not those that this version of the chart installs: {}{more}. What to do: {}",
            all.join("; "),
            todo.join("; ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, says: &str) -> String {
        format!("{} {name}", Digest::of(says))
    }

    fn found(all: &[(&str, &str)]) -> Installed {
        Installed {
            contents: all.iter().map(|(name, says)| ((*name).to_owned(), Digest::of(says))).collect(),
            fingerprint: Digest::of(""),
        }
    }

    #[test]
    fn each_difference_is_named() {
        let expected: Expected = format!("{}\n{}\n", line("P/a", "1"), line("P/b", "2")).parse().unwrap();
        let differs = |all: &[(&str, &str)]| expected.differs(&found(all)).unwrap_or_default();
        assert_eq!(differs(&[("P/a", "1"), ("P/b", "2")]), "");
        assert!(
            differs(&[("P/a", "1")])
                .ends_with("installs: P/b is missing. What to do: helm upgrade puts them back")
        );
        assert!(differs(&[("P/a", "x"), ("P/b", "2")]).ends_with(
            "installs: P/a is changed. What to do: delete what is changed, then helm upgrade, which alone keeps fields that were added"
        ));
        assert!(differs(&[("P/a", "1"), ("P/b", "2"), ("P/c", "3")]).ends_with(
            "installs: P/c is none of the chart's. What to do: delete those that helm get manifest does not show, or start the controller with \
             all digests of the chart"
        ));
        assert!(differs(&[("P/c", "3")]).ends_with(
            "P/a is missing; P/b is missing; P/c is none of the chart's. What to do: helm upgrade puts them back; \
             delete those that helm get manifest does not show, or start the controller with all digests of the chart"
        ));
        let many: Vec<String> = (0..99).map(|n| format!("P/x{n}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
        assert!(differs(&many).contains("; and 93 more. What"), "{}", differs(&many));
    }

    #[test]
    fn signing_is_looked_at_where_it_is_installed() {
        let old = line("ValidatingAdmissionPolicy/a", "1");
        let new = format!("{old}\n{}", line("MutatingAdmissionPolicyBinding/sign", "2"));
        assert_eq!(old.parse::<Expected>().unwrap().signing(), Signing::LeftOut);
        assert_eq!(new.parse::<Expected>().unwrap().signing(), Signing::Installed);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for (text, why) in [
            ("", "no policy is named"),
            (" \n ", "no policy is named"),
            (line("P/a", "").split(' ').next().unwrap_or_default(), "is not `sha256:"),
            ("P/a", "is not `sha256:"),
            (&line("a", ""), "is not `sha256:"),
            (&line("P/a b", ""), "is not `sha256:"),
            (&format!("{}\n{}", line("P/a", "1"), line("P/a", "2")), "P/a is named twice"),
        ] {
            let said = text.parse::<Expected>().map_err(|e| e.to_string());
            assert!(said.as_ref().is_err_and(|e| e.contains(why)), "{text}: {said:?}");
        }
    }
}
