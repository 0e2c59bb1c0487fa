//! How the program was called, so that the commands that it prints can be typed as they stand.

use std::path::Path;

use super::args::KubeArgs;

/// The program's name and the flags that lead to the same cluster as the same person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoked {
    plugin: bool,
    cluster: Vec<String>,
    person: Vec<String>,
}

impl Invoked {
    /// What this process was called as, with these flags.
    #[must_use]
    pub fn here(kube: &KubeArgs) -> Self {
        let name = std::env::args_os().next().unwrap_or_default();
        Self::of(Path::new(&name), kube)
    }

    /// kubectl looks for programs named `kubectl-stackgate`.
    #[must_use]
    pub fn of(program: &Path, kube: &KubeArgs) -> Self {
        let stem = program.file_stem().unwrap_or_default().to_string_lossy();
        Self {
            plugin: stem == "kubectl-stackgate",
            cluster: kube.cluster_flags(),
            person: kube.person_flags(),
        }
    }

    /// `kubectl stackgate`, or `stackgate`.
    #[must_use]
    pub fn program(&self) -> &'static str {
        if self.plugin { "kubectl stackgate" } else { "stackgate" }
    }

    /// One of our own commands.
    #[must_use]
    pub fn ours<S: AsRef<str>>(&self, namespace: &str, args: &[S]) -> String {
        self.line(self.program(), &self.person, namespace, args)
    }

    /// A command of kubectl itself.
    #[must_use]
    pub fn kubectl<S: AsRef<str>>(&self, namespace: &str, args: &[S]) -> String {
        self.line("kubectl", &self.person, namespace, args)
    }

    /// The same for somebody else to type, as themselves.
    #[must_use]
    pub fn kubectl_of_others<S: AsRef<str>>(&self, namespace: &str, args: &[S]) -> String {
        self.line("kubectl", &[], namespace, args)
    }

    fn line<S: AsRef<str>>(&self, program: &str, person: &[String], namespace: &str, args: &[S]) -> String {
        let mut line = program.to_owned();
        let namespace = ["-n", namespace];
        let flags = self.cluster.iter().chain(person).map(String::as_str).chain(namespace);
        for word in flags.chain(args.iter().map(AsRef::as_ref)) {
            line.push(' ');
            line.push_str(&quoted(word));
        }
        line
    }
}

/// A word as a POSIX shell has to be given it.
#[must_use]
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+%".contains(c);
    // What a person fills in is not quoted: it is no word of a command yet.
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_typed_as_they_stand() {
        let kube = KubeArgs { context: Some("prod eu".to_owned()), ..KubeArgs::default() };
        let plugin = Invoked::of(Path::new("/usr/local/bin/kubectl-stackgate"), &kube);
        let line = plugin.ours("shop", &["reject", "prod", "--reason", "it's late"]);
        assert_eq!(
            line,
            r"kubectl stackgate --context 'prod eu' -n shop reject prod --reason 'it'\''s late'"
        );
        let bob = KubeArgs { act_as: Some("bob".to_owned()), ..kube };
        let bob = Invoked::of(Path::new("stackgate"), &bob);
        assert_eq!(bob.ours("shop", &["status"]), "stackgate --context 'prod eu' --as bob -n shop status");
        assert_eq!(
            bob.kubectl_of_others("shop", &["get", "plan"]),
            "kubectl --context 'prod eu' -n shop get plan"
        );
        let plain = Invoked::of(Path::new("target/debug/stackgate"), &KubeArgs::default());
        assert_eq!(plain.ours("shop", &["plan", "prod"]), "stackgate -n shop plan prod");
        let value = "gate.stackgate.dev/approve=c1-00;ack=iam";
        assert_eq!(
            plain.kubectl("shop", &["annotate", value]),
            format!("kubectl -n shop annotate '{value}'")
        );
    }
}
