//! Who is a person. The admission policies say the same (`cel.isPerson` of the chart), and they know groups besides: what they let
//! through has to count here, or a reject that they keep in place would never be recorded.

/// How the names of programs begin: service accounts, nodes, parts of Kubernetes, and the rules of the controller.
const PROGRAM: &str = "system:";
/// The one person whose name begins like that: the administrator of a k3s or OpenShift cluster.
const ADMIN: &str = "system:admin";
/// How the controller signs what its own rules let through.
pub(crate) const RULES: &str = "system:auto";
/// How decisions are signed that were committed in git; no person has such a name.
const IN_GIT: &str = "git:";

/// Whether a user of the API server is a person, as far as the name tells.
#[must_use]
pub fn is_person(user: &str) -> bool {
    user == ADMIN || !(user.starts_with(PROGRAM) || is_in_git(user))
}

/// Whether a decision may be signed with this name: a person's, that of a commit, or none at all.
#[must_use]
pub fn may_decide(by: &str) -> bool {
    is_person(by) || is_in_git(by)
}

/// Whether a report of a check may be signed with this name. The policies take one from whoever holds the verb `check`, and that is
/// mostly a service account; the controller's own name is nobody's.
#[must_use]
pub fn may_report(by: &str) -> bool {
    by != RULES
}

/// Whether a signature is that of a commit.
#[must_use]
pub(super) fn is_in_git(by: &str) -> bool {
    by.starts_with(IN_GIT)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("alice@corp.example", true, true, true)]
    #[case("system:admin", true, true, true)]
    #[case("system:administrator", false, false, true)]
    #[case("system:auto", false, false, false)]
    #[case("system:serviceaccount:shop:ci", false, false, true)]
    #[case("system:node:n1", false, false, true)]
    #[case("git:alice", false, true, true)]
    fn who_is_a_person(
        #[case] user: &str,
        #[case] person: bool,
        #[case] decides: bool,
        #[case] reports: bool,
    ) {
        assert_eq!((is_person(user), may_decide(user), may_report(user)), (person, decides, reports));
    }
}
