//! A cloud assembly as a whole, and the CDK Stages in it.

use serde_json::Value;

use super::{
    error::BundleError,
    manifest::{Artifact, Manifest, join},
    order::in_dependency_order,
    path::TreePath,
    read_stack::{STACK, read_stack},
    release, report,
    stack_artifact::StackArtifact,
    tree::Tree,
};
use crate::words::Digest;

const NESTED: &str = "cdk:cloud-assembly";

/// A cloud assembly: its manifests are read and checked, its stacks are read when a CDK Stage is asked for.
#[derive(Debug, Clone)]
pub struct Bundle {
    tree: Tree,
    root: Manifest,
    nested: Vec<Nested>,
    release: Digest,
}

/// A nested assembly: a CDK Stage.
#[derive(Debug, Clone)]
struct Nested {
    id: String,
    display_path: String,
    manifest: Manifest,
}

/// The stacks of one CDK Stage, or those at the root.
#[derive(Debug, Clone, PartialEq)]
pub struct CdkStage {
    /// Each after those that it depends on.
    pub stacks: Vec<StackArtifact>,
}

impl Bundle {
    /// Reads the manifests of an assembly and computes its release.
    ///
    /// # Errors
    /// [`BundleError`] when a manifest is missing, malformed or too new, when context is missing, or when a report says
    /// that the synthesis failed.
    pub fn open(tree: Tree) -> Result<Self, BundleError> {
        let root = Manifest::read(&tree, &TreePath::root(), "the archive")?;
        report::check(&tree, &root.dir)?;
        let mut nested = Vec::new();
        collect(&tree, &root, &mut nested)?;
        nested.sort_by(|a, b| a.display_path.cmp(&b.display_path));
        for pair in nested.windows(2) {
            if let [a, b] = pair
                && a.display_path == b.display_path
            {
                let why = format!("two CDK Stages are named {:?}", a.display_path);
                return Err(BundleError::Malformed { path: root.path, why });
            }
        }
        let manifests: Vec<&Manifest> =
            std::iter::once(&root).chain(nested.iter().map(|n| &n.manifest)).collect();
        let release = release::digest(&tree, &manifests)?;
        Ok(Self { tree, root, nested, release })
    }

    /// The digest of what the assembly deploys: the identity of the release.
    #[must_use]
    pub fn release(&self) -> Digest {
        self.release
    }

    /// The display paths of the CDK Stages, sorted.
    pub fn stage_names(&self) -> impl Iterator<Item = &str> {
        self.nested.iter().map(|n| n.display_path.as_str())
    }

    /// The stacks of a CDK Stage by its display path (`Outer/Inner`) or artifact id; `None` for the stacks at the root.
    ///
    /// # Errors
    /// [`BundleError`] when there is no such CDK Stage, or when one of its stacks cannot be deployed as it is.
    pub fn stage(&self, name: Option<&str>) -> Result<CdkStage, BundleError> {
        let manifest = match name {
            None => &self.root,
            Some(name) => &self.find(name)?.manifest,
        };
        let mut stacks = Vec::new();
        for (id, artifact) in manifest.artifacts.iter().filter(|(_, a)| a.kind == STACK) {
            stacks.push(read_stack(&self.tree, manifest, id, artifact)?);
        }
        if stacks.is_empty() {
            return Err(self.no_such(name.unwrap_or_default()));
        }
        refuse_twins(&stacks)?;
        Ok(CdkStage { stacks: in_dependency_order(stacks)? })
    }

    fn find(&self, name: &str) -> Result<&Nested, BundleError> {
        let by_path = self.nested.iter().find(|n| n.display_path == name);
        by_path.or_else(|| self.nested.iter().find(|n| n.id == name)).ok_or_else(|| self.no_such(name))
    }

    fn no_such(&self, asked: &str) -> BundleError {
        BundleError::NoSuchCdkStage {
            asked: asked.chars().take(200).collect(),
            available: self.stage_names().map(str::to_owned).collect(),
        }
    }
}

/// Reads the nested assemblies, each in a directory strictly below its parent's, which ends the descent.
fn collect(tree: &Tree, parent: &Manifest, into: &mut Vec<Nested>) -> Result<(), BundleError> {
    for (id, artifact) in parent.artifacts.iter().filter(|(_, a)| a.kind == NESTED) {
        let directory = directory(parent, id, artifact)?;
        let manifest = Manifest::read(tree, &directory, id)?;
        report::check(tree, &manifest.dir)?;
        let display_path = artifact
            .display_name
            .clone()
            .unwrap_or_else(|| id.strip_prefix("assembly-").unwrap_or(id).to_owned());
        collect(tree, &manifest, into)?;
        into.push(Nested { id: id.clone(), display_path, manifest });
    }
    Ok(())
}

fn directory(parent: &Manifest, id: &str, artifact: &Artifact) -> Result<TreePath, BundleError> {
    let malformed =
        |why: &str| BundleError::Malformed { path: parent.path.clone(), why: format!("{id}: {why}") };
    let name = artifact
        .properties
        .get("directoryName")
        .and_then(Value::as_str)
        .ok_or_else(|| malformed("it has no directoryName"))?;
    let directory = join(&parent.dir, name, id)?;
    if directory.below(&parent.dir).is_none() {
        return Err(malformed("its directoryName does not lie below the directory of its manifest"));
    }
    Ok(directory)
}

fn refuse_twins(stacks: &[StackArtifact]) -> Result<(), BundleError> {
    for (i, first) in stacks.iter().enumerate() {
        if let Some(second) = stacks.iter().skip(i + 1).find(|second| second.key() == first.key()) {
            return Err(BundleError::SameStack {
                first: first.display_name.clone(),
                second: second.display_name.clone(),
                key: first.key().to_string(),
            });
        }
    }
    Ok(())
}
