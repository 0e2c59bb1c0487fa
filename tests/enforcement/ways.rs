//! How a policy is turned off or weakened.

use anyhow::Result;
use stackgate_testbed::Kubectl;

#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// Its binding is deleted.
    Unbound,
    /// It only warns.
    Warns,
    /// Where it cannot be evaluated, the request passes.
    Ignored,
    /// A validation says yes to everything.
    Agrees,
    /// It is bound to a few namespaces only.
    Elsewhere,
    /// It is deleted.
    Deleted,
}

/// How the policy is turned off or changed that signs for people.
#[derive(Clone, Copy, Debug)]
pub enum SignWay {
    /// Its binding is deleted.
    Unbound,
    /// It is deleted.
    Deleted,
    /// It signs in the name of another.
    Forges,
}

impl SignWay {
    pub const ALL: [Self; 3] = [Self::Unbound, Self::Deleted, Self::Forges];

    /// What the controller says of it.
    pub fn told(self) -> &'static str {
        match self {
            Self::Unbound => "MutatingAdmissionPolicyBinding/sign.stackgate.dev is missing",
            Self::Deleted => "MutatingAdmissionPolicy/sign.stackgate.dev is missing",
            Self::Forges => "MutatingAdmissionPolicy/sign.stackgate.dev is changed",
        }
    }

    /// Does that.
    pub fn take(self, kubectl: &Kubectl) -> Result<()> {
        const NAME: &str = "sign.stackgate.dev";
        const FORGES: &str = r#"[{"op":"replace","path":"/spec/mutations/0/jsonPatch/expression","value":
            "variables.unsigned.map(k, JSONPatch{op: \"add\", path: \"/metadata/annotations/\" + jsonpatch.escapeKey(k), value: object.metadata.annotations[k] + \";by=bob\"})"}]"#;
        match self {
            Self::Unbound => kubectl.run(&["delete", "mutatingadmissionpolicybinding", NAME]),
            Self::Deleted => kubectl.run(&["delete", "mutatingadmissionpolicy", NAME]),
            Self::Forges => {
                kubectl.run(&["patch", "mutatingadmissionpolicy", NAME, "--type=json", "-p", FORGES])
            }
        }
        .map(drop)
    }
}

impl Way {
    pub const ALL: [Self; 6] =
        [Self::Unbound, Self::Warns, Self::Ignored, Self::Agrees, Self::Elsewhere, Self::Deleted];

    /// What the controller says of it.
    pub fn told(self, policy: &str) -> String {
        match self {
            Self::Unbound => format!("ValidatingAdmissionPolicyBinding/{policy} is missing"),
            Self::Warns | Self::Elsewhere => format!("ValidatingAdmissionPolicyBinding/{policy} is changed"),
            Self::Deleted => format!("ValidatingAdmissionPolicy/{policy} is missing"),
            Self::Ignored | Self::Agrees => format!("ValidatingAdmissionPolicy/{policy} is changed"),
        }
    }

    /// Does that to a policy.
    pub fn take(self, kubectl: &Kubectl, policy: &str) -> Result<()> {
        const POLICY: &str = "validatingadmissionpolicy";
        const BINDING: &str = "validatingadmissionpolicybinding";
        let patch = |kind: &str, patch: &str| {
            kubectl.run(&["patch", kind, policy, "--type=json", "-p", patch]).map(drop)
        };
        match self {
            Self::Unbound => kubectl.run(&["delete", BINDING, policy]).map(drop),
            Self::Deleted => kubectl.run(&["delete", POLICY, policy]).map(drop),
            Self::Warns => {
                patch(BINDING, r#"[{"op":"replace","path":"/spec/validationActions","value":["Warn"]}]"#)
            }
            Self::Ignored => {
                patch(POLICY, r#"[{"op":"replace","path":"/spec/failurePolicy","value":"Ignore"}]"#)
            }
            Self::Agrees => {
                patch(POLICY, r#"[{"op":"replace","path":"/spec/validations/0/expression","value":"true"}]"#)
            }
            Self::Elsewhere => patch(
                BINDING,
                r#"[{"op":"add","path":"/spec/matchResources","value":{"namespaceSelector":{"matchLabels":{"team":"none"}}}}]"#,
            ),
        }
    }
}
