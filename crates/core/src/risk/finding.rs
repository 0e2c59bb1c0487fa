//! What is found, one entry for one class of one resource.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::statement::harmless;
use crate::{
    api::{Risk, RiskClass},
    plain::plain,
};

/// The most characters of a cause, an id, a type, a path and a policy, as the schema of a plan has them.
const CAUSE: usize = 256;
const ID: usize = 512;
const TYPE: usize = 255;
const PATH: usize = 512;
const POLICY: usize = 32;

/// Causes, each with what exactly it is about, where that can be said in a word or two.
pub(super) type Causes = BTreeMap<&'static str, BTreeSet<String>>;

/// One danger of one resource.
#[derive(Default)]
struct Found {
    resource_type: String,
    causes: BTreeSet<&'static str>,
    /// What a cause is about, by cause.
    names: BTreeMap<&'static str, BTreeSet<String>>,
    policies: BTreeSet<String>,
    construct_path: Option<String>,
}

/// All dangers of one stack.
pub(super) struct Findings {
    stack: String,
    found: BTreeMap<(usize, String), Found>,
}

/// The resource that something is found about.
#[derive(Clone, Default)]
pub(super) struct About {
    pub(super) id: String,
    pub(super) resource_type: String,
    pub(super) construct_path: Option<String>,
}

impl Findings {
    pub(super) fn of(stack: &str) -> Self {
        Self { stack: stack.to_owned(), found: BTreeMap::new() }
    }

    /// Adds causes of one class; none is no finding.
    pub(super) fn add(
        &mut self,
        class: RiskClass,
        about: &About,
        causes: impl IntoIterator<Item = &'static str>,
        policy: Option<&str>,
    ) {
        let causes: BTreeSet<&'static str> = causes.into_iter().collect();
        if causes.is_empty() {
            return;
        }
        let found = self.found.entry((rank(class), about.id.clone())).or_default();
        found.resource_type.clone_from(&about.resource_type);
        found.construct_path.clone_from(&about.construct_path);
        found.causes.extend(causes);
        found.policies.extend(policy.filter(|p| !p.is_empty()).map(str::to_owned));
    }

    /// Adds causes with what they are about.
    pub(super) fn tell(&mut self, class: RiskClass, about: &About, causes: Causes) {
        self.add(class, about, causes.keys().copied(), None);
        for (cause, names) in causes {
            self.name(class, about, cause, names);
        }
    }

    /// Says what a cause is about, where that cause was found.
    pub(super) fn name(
        &mut self,
        class: RiskClass,
        about: &About,
        cause: &'static str,
        names: BTreeSet<String>,
    ) {
        if let Some(found) = self.found.get_mut(&(rank(class), about.id.clone()))
            && found.causes.contains(cause)
        {
            found.names.entry(cause).or_default().extend(names);
        }
    }

    /// The risks, the gravest class first, and by logical id within one.
    pub(super) fn risks(self) -> Vec<Risk> {
        let Self { stack, found } = self;
        let risk = |((rank, id), found): ((usize, String), Found)| {
            let class = RiskClass::ALL.into_iter().nth(rank)?;
            Some(Risk {
                class,
                stack: stack.clone(),
                logical_id: unmistakable(&id),
                resource_type: cut(&found.resource_type, TYPE),
                cause: cause(&found),
                policy: found.policies.iter().next().map(|p| cut(p, POLICY)),
                construct_path: found.construct_path.map(|p| cut(&p, PATH)),
            })
        };
        found.into_iter().filter_map(risk).collect()
    }
}

/// The place of a class, the gravest first.
fn rank(class: RiskClass) -> usize {
    RiskClass::ALL.iter().position(|c| *c == class).unwrap_or(RiskClass::ALL.len())
}

/// All causes, and as much of what they are about as there is room for besides.
fn cause(found: &Found) -> String {
    let bare: usize = found.causes.iter().map(|cause| cause.chars().count() + 2).sum();
    let mut room = CAUSE.saturating_sub(bare);
    let mut told = |cause: &&'static str| {
        let names = found.names.get(*cause).into_iter().flatten().map(String::as_str);
        let mut names: Vec<&str> = names.collect();
        // What is cut off is the least of it.
        names.sort_by_key(|name| harmless(name));
        let names = plain(&names.join(", "));
        // Two brackets, and a space before them.
        let (length, spare) = (names.chars().count(), room.saturating_sub(3));
        if names.is_empty() || spare < SHORTEST.min(length) {
            return (*cause).to_owned();
        }
        let names = if length <= spare { names } else { cut(&names, spare - 2) + " …" };
        room -= names.chars().count() + 3;
        format!("{cause} ({names})")
    };
    let all = found.causes.iter().map(&mut told).collect::<Vec<_>>().join("; ");
    if all.chars().count() <= CAUSE { all } else { cut(&all, CAUSE - 2) + " …" }
}

/// The fewest characters of what a cause is about that are worth the room.
const SHORTEST: usize = 12;

/// The start of what a template says, on one line.
fn cut(text: &str, most: usize) -> String {
    plain(&text.chars().take(most).collect::<String>())
}

/// The id, or its start and a digest of all of it: an acknowledgement must never cover two resources.
fn unmistakable(id: &str) -> String {
    if id.chars().count() <= ID && plain(id) == id {
        return id.to_owned();
    }
    let digest: String = Sha256::digest(id.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}~{digest}", cut(id, ID - 1 - digest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `kubectl describe` shows a line break as it is, and what follows would look like a line of ours.
    #[test]
    fn whoever_writes_the_template_writes_no_line_of_their_own() {
        let path = "Shop/Reader\nStatus:\n  Message:  reviewed \u{202e}by security".to_owned();
        let about = About {
            id: "Reader\nStatus".to_owned(),
            resource_type: "AWS::IAM::Role\n".to_owned(),
            construct_path: Some(path),
        };
        let mut found = Findings::of("S");
        found.tell(
            RiskClass::Iam,
            &about,
            [("allows more", BTreeSet::from(["s3:Get\nObject".to_owned()]))].into(),
        );
        let risk = found.risks().remove(0);
        let told =
            [&risk.logical_id, &risk.resource_type, &risk.cause, risk.construct_path.as_ref().unwrap()];
        assert!(told.iter().all(|text| **text == plain(text)), "{risk:?}");
        assert!(
            risk.logical_id.starts_with("Reader Status~"),
            "it is no other resource's: {}",
            risk.logical_id
        );
    }

    #[test]
    fn what_a_cause_is_about_takes_the_room_of_no_other_cause() {
        let about = About::default();
        let mut found = Findings::of("S");
        let names = |n: usize| (0..n).map(|n| format!("service{n:03}:Action")).collect::<BTreeSet<_>>();
        found.tell(
            RiskClass::Iam,
            &about,
            [("allows more", names(40)), ("attaches a policy", names(1))].into(),
        );
        let cause = found.risks().remove(0).cause;
        assert!(
            cause.starts_with("allows more (service000:Action, ") && cause.contains(" …); attaches a policy"),
            "{cause}"
        );
        assert!(cause.chars().count() <= CAUSE, "{cause}");
    }

    #[test]
    fn one_entry_for_a_class_of_a_resource_gravest_first() {
        let about = |id: &str| About { id: id.to_owned(), ..About::default() };
        let mut found = Findings::of("S");
        found.add(RiskClass::Iam, &about("B"), ["z"], None);
        found.add(RiskClass::Delete, &about("C"), ["c"], Some("Retain"));
        found.add(RiskClass::Iam, &about("A"), ["a"], None);
        found.add(RiskClass::Iam, &about("B"), ["a", "z"], Some(""));
        found.add(RiskClass::Opaque, &about("B"), [], None);
        let risks = found.risks();
        let told: Vec<_> = risks
            .iter()
            .map(|r| (r.class, r.logical_id.as_str(), r.cause.as_str(), r.policy.as_deref()))
            .collect();
        let want = [
            (RiskClass::Delete, "C", "c", Some("Retain")),
            (RiskClass::Iam, "A", "a", None),
            (RiskClass::Iam, "B", "a; z", None),
        ];
        assert_eq!(told, want);
    }

    #[test]
    fn long_ids_stay_different() {
        let (a, b) = (format!("{}a", "x".repeat(600)), format!("{}b", "x".repeat(600)));
        assert_eq!(unmistakable(&a).chars().count(), ID);
        assert_ne!(unmistakable(&a), unmistakable(&b));
        assert_eq!(unmistakable("a/b"), "a/b");
    }
}
