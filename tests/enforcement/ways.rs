//! How a policy is turned off or weakened, and put back.

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use stackgate_testbed::{Kubectl, repository, scenario::World};

/// The policy that signs for people: before Kubernetes 1.36 there is none.
pub const SIGN: &str = "sign.stackgate.dev";

/// Of which kinds a policy and its binding are.
pub fn kinds(policy: &str) -> [&'static str; 2] {
    if policy == SIGN {
        ["MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"]
    } else {
        ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]
    }
}

/// What somebody does to it.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// It is deleted.
    Deleted,
    /// Its binding is deleted.
    Unbound,
    /// Where it cannot be evaluated, the request passes.
    Ignored,
    /// It only warns.
    Warns,
    /// A validation says yes to everything.
    Agrees,
    /// It only notes in the audit log.
    Audits,
    /// A condition that never holds keeps it from everything.
    Excepts,
    /// It is bound to a few namespaces only.
    Elsewhere,
    /// What it is for is left out.
    Narrowed,
    /// Its binding is for another policy.
    Repointed,
    /// It rests on a parameter, and is left out where that is not there.
    Reads,
    /// It signs in the name of another.
    Forges,
}

impl Way {
    /// How an object of the chart goes.
    pub const GONE: [Self; 2] = [Self::Deleted, Self::Unbound];
    /// How one changes that stays: of each policy those that apply to it, and no two in a row that are told alike.
    pub const WEAKER: [Self; 10] = [
        Self::Ignored,
        Self::Warns,
        Self::Agrees,
        Self::Audits,
        Self::Excepts,
        Self::Elsewhere,
        Self::Narrowed,
        Self::Repointed,
        Self::Reads,
        Self::Forges,
    ];
    /// What an API server is put through that may crash at it.
    pub const FEW: [Self; 6] =
        [Self::Unbound, Self::Warns, Self::Ignored, Self::Agrees, Self::Elsewhere, Self::Deleted];

    /// Whether there is anything to change in that way.
    pub fn applies_to(self, policy: &str) -> bool {
        match self {
            // What signs validates nothing, its binding names no action, and it lets pass what it cannot sign: unsigned, that is denied.
            Self::Ignored | Self::Warns | Self::Agrees | Self::Audits => policy != SIGN,
            Self::Forges => policy == SIGN,
            Self::Deleted
            | Self::Unbound
            | Self::Excepts
            | Self::Elsewhere
            | Self::Narrowed
            | Self::Repointed
            | Self::Reads => true,
        }
    }

    /// The kinds of the objects that it changes.
    fn touches(self, policy: &str) -> Vec<&'static str> {
        let [whole, binding] = kinds(policy);
        match self {
            Self::Deleted | Self::Ignored | Self::Agrees | Self::Excepts | Self::Narrowed | Self::Forges => {
                vec![whole]
            }
            Self::Unbound | Self::Warns | Self::Audits | Self::Elsewhere | Self::Repointed => vec![binding],
            Self::Reads => vec![whole, binding],
        }
    }

    /// What the controller says of it.
    pub fn told(self, policy: &str) -> String {
        let what = match self {
            Self::Deleted | Self::Unbound => "missing",
            Self::Ignored
            | Self::Warns
            | Self::Agrees
            | Self::Audits
            | Self::Excepts
            | Self::Elsewhere
            | Self::Narrowed
            | Self::Repointed
            | Self::Reads
            | Self::Forges => "changed",
        };
        let told = |kind: &str| format!("{kind}/{policy} is {what}");
        self.touches(policy).into_iter().map(told).collect::<Vec<_>>().join("; ")
    }

    /// Does that to a policy.
    pub fn take(self, kubectl: &Kubectl, policy: &str) -> Result<()> {
        const FORGES: &str = "variables.unsigned.map(k, JSONPatch{op: \"add\", path: \"/metadata/annotations/\" + jsonpatch.escapeKey(k), \
            value: object.metadata.annotations[k] + \";by=bob\"})";
        let [whole, binding] = kinds(policy).map(str::to_lowercase);
        // `add` takes the place of what is there.
        let set = |kind: &str, path: &str, value: Value| {
            let patch = json!([{ "op": "add", "path": path, "value": value }]).to_string();
            kubectl.run(&["patch", kind, policy, "--type=json", "-p", &patch]).map(drop)
        };
        match self {
            Self::Deleted => kubectl.run(&["delete", &whole, policy]).map(drop),
            Self::Unbound => kubectl.run(&["delete", &binding, policy]).map(drop),
            Self::Ignored => set(&whole, "/spec/failurePolicy", json!("Ignore")),
            Self::Warns => set(&binding, "/spec/validationActions", json!(["Warn"])),
            Self::Agrees => set(&whole, "/spec/validations/0/expression", json!("true")),
            Self::Audits => set(&binding, "/spec/validationActions", json!(["Audit"])),
            Self::Excepts => {
                set(&whole, "/spec/matchConditions", json!([{ "name": "never", "expression": "false" }]))
            }
            Self::Elsewhere => {
                let elsewhere = json!({ "namespaceSelector": { "matchLabels": { "team": "none" } } });
                set(&binding, "/spec/matchResources", elsewhere)
            }
            Self::Narrowed => {
                let out = json!([{ "apiGroups": ["stackgate.dev"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"],
                    "resources": ["changeplans", "stages", "*/status"] }]);
                set(&whole, "/spec/matchConstraints/excludeResourceRules", out)
            }
            Self::Repointed => {
                let other = if policy == "room.stackgate.dev" {
                    "setgate.stackgate.dev"
                } else {
                    "room.stackgate.dev"
                };
                set(&binding, "/spec/policyName", json!(other))
            }
            Self::Reads => {
                set(&whole, "/spec/paramKind", json!({ "apiVersion": "v1", "kind": "ConfigMap" }))?;
                let nothing =
                    json!({ "name": "none", "namespace": "default", "parameterNotFoundAction": "Allow" });
                set(&binding, "/spec/paramRef", nothing)
            }
            Self::Forges => set(&whole, "/spec/mutations/0/jsonPatch/expression", json!(FORGES)),
        }
    }

    /// Puts back what it has changed, and nothing else.
    pub fn undo(self, world: &World, policy: &str) -> Result<()> {
        let kubectl = world.kubectl();
        for kind in self.touches(policy) {
            let manifest = manifest(world, kind, policy)?;
            kubectl.apply(&manifest)?;
            // What somebody has added is not in the manifest, and `apply` would leave it.
            let replaced = kubectl.output(&["replace", "-f", "-"], &manifest)?;
            ensure!(replaced.ok, "{kind}/{policy} is not put back: {}", replaced.stderr);
        }
        Ok(())
    }
}

/// One object of the chart.
pub fn manifest(world: &World, kind: &str, name: &str) -> Result<String> {
    let wanted = [format!("kind: {kind}"), format!("  name: {name}")];
    for file in world.policy_files() {
        let text = std::fs::read_to_string(repository().join(file))?;
        let is_it = |object: &&str| wanted.iter().all(|line| object.lines().any(|l| l == line.as_str()));
        if let Some(object) = text.split("\n---\n").find(is_it) {
            return Ok(object.to_owned());
        }
    }
    bail!("the chart installs no {kind}/{name}")
}
