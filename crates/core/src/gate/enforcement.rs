//! Whether the admission policies that prove who decided are in force, and what that makes of a decision.

use std::{collections::BTreeSet, sync::Arc};

use super::person::is_in_git;
use crate::{
    api::{ConditionType, Conditions, Identity, IdentityNeeded, Reason},
    change::Canonical,
    words::{ChangeId, Digest},
};

/// What is known of the policies.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Enforcement {
    /// How they stand.
    pub state: InForceState,
    /// In a sentence, for people.
    pub message: String,
    /// Which objects the policies are, and in which generation, while they are in force.
    pub fingerprint: Option<Digest>,
    /// Whether nothing signs for people, as before Kubernetes 1.36: who decides has to say who it is.
    pub unsigned: bool,
    /// Annotations that were there before the policies were known to be in force: nothing proves who wrote them.
    pub tainted: Arc<BTreeSet<Digest>>,
}

/// How the policies stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum InForceState {
    /// Nobody has tried yet.
    #[default]
    Unknown,
    /// They refuse what they should, and have done so all along.
    InForce,
    /// They do not.
    NotInForce,
}

/// Names one annotation of one object, value included.
#[must_use]
pub fn annotation_digest(uid: &str, key: &str, value: &str) -> Digest {
    Canonical::new("stackgate annotation v1").text("uid", uid).text("key", key).text("value", value).digest()
}

impl Enforcement {
    /// How a Stage or Bootstrap shows it.
    #[must_use]
    pub fn shown<'a>(&self, list: Conditions<'a>) -> Conditions<'a> {
        let enforced = ConditionType::ApprovalsEnforced;
        match self.state {
            InForceState::InForce => list.with(enforced, true, Reason::PoliciesInForce, &self.message),
            // Just started: what was shown before stands until the policies have been tried.
            InForceState::Unknown if self.message.is_empty() => list.keep(enforced),
            InForceState::NotInForce | InForceState::Unknown => {
                list.with(enforced, false, Reason::PoliciesNotInForce, &self.message)
            }
        }
    }

    /// What people write to decide on a change, with these attributes; quoted for a shell where that needs it.
    #[must_use]
    pub fn value(&self, id: &ChangeId, attributes: &str) -> String {
        match (self.unsigned, attributes) {
            (true, _) => format!(
                "\"{id}{attributes};by=$(kubectl auth whoami -o jsonpath={{.status.userInfo.username}})\""
            ),
            (false, "") => id.to_string(),
            (false, _) => format!("'{id}{attributes}'"),
        }
    }

    /// Why nothing proves who decides.
    #[must_use]
    pub fn why(&self) -> &str {
        match self.message.as_str() {
            "" => "the admission policies have not been tried yet",
            why => why,
        }
    }

    /// What whoever decides now is told, where it does not count.
    #[must_use]
    pub fn unheeded(&self, needed: IdentityNeeded) -> String {
        match (needed, self.state) {
            (IdentityNeeded::Verified, InForceState::NotInForce) => format!(
                "; what is decided now does not count, since the gate wants verified identities, and {}",
                self.message
            ),
            (IdentityNeeded::Verified, InForceState::InForce | InForceState::Unknown)
            | (IdentityNeeded::Any, _) => String::new(),
        }
    }

    /// Who wrote an annotation that claims to be by `by`, as far as anything proves it.
    #[must_use]
    pub fn identity(&self, by: &str, uid: &str, key: &str, value: &str) -> Identity {
        let proven = match self.state {
            InForceState::InForce => !self.tainted.contains(&annotation_digest(uid, key, value)),
            InForceState::Unknown | InForceState::NotInForce => false,
        };
        if by.is_empty() || !proven {
            return Identity::Unverified;
        }
        if is_in_git(by) { Identity::Git } else { Identity::Verified }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_under_policies_in_force_is_proven() {
        let mut e = Enforcement::default();
        assert_eq!(e.identity("alice", "u", "k", "v"), Identity::Unverified);
        e.state = InForceState::NotInForce;
        assert_eq!(e.identity("alice", "u", "k", "v"), Identity::Unverified);
        e.state = InForceState::InForce;
        assert_eq!(e.identity("alice", "u", "k", "v"), Identity::Verified);
        assert_eq!(e.identity("git:alice", "u", "k", "v"), Identity::Git);
        assert_eq!(e.identity("", "u", "k", "v"), Identity::Unverified);
        e.tainted = Arc::new([annotation_digest("u", "k", "v")].into());
        assert_eq!(e.identity("alice", "u", "k", "v"), Identity::Unverified);
        assert_eq!(e.identity("alice", "u", "k", "v2"), Identity::Verified);
        assert_eq!(e.identity("alice", "u2", "k", "v"), Identity::Verified);
    }
}
