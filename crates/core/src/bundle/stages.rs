//! A cloud assembly as a whole, and the CDK Stages in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use serde_json::Value;

use super::{
    drawn_in::refuse_unpublished,
    entries::AssetContent,
    error::BundleError,
    image::{self, Carried},
    manifest::{Artifact, Manifest, join},
    order::in_dependency_order,
    path::TreePath,
    read_stack::{STACK, read_stack},
    release::Release,
    report::{self, Objection},
    stack_artifact::StackArtifact,
    tree::Tree,
};
use crate::words::Digest;

const NESTED: &str = "cdk:cloud-assembly";
/// What names the manifest at the root.
const ARCHIVE: &str = "the archive";

/// A cloud assembly: its manifests are read and checked, and not kept; the stacks of a CDK Stage are read when it is asked for.
#[derive(Debug, Clone)]
pub struct Bundle {
    tree: Tree,
    /// The images that it carries, read once: what they hold is hashed.
    images: Carried,
    root_stage: OnceLock<Result<CdkStage, BundleError>>,
    nested: Vec<Nested>,
    /// What validations object to, in any of its stacks.
    objections: Vec<Objection>,
    release: Digest,
}

/// A nested assembly: a CDK Stage.
#[derive(Debug, Clone)]
struct Nested {
    id: String,
    /// The name that the assembly shows; for nested ones the CDK writes `Outer-Inner`.
    display_name: Option<String>,
    /// The chain of CDK Stages, such as `Outer/Inner`.
    display_path: String,
    /// Where its manifest stands.
    dir: TreePath,
    stage: OnceLock<Result<CdkStage, BundleError>>,
}

/// The stacks of one CDK Stage, or those at the root.
#[derive(Debug, Clone, PartialEq)]
pub struct CdkStage {
    /// Each after those that it depends on.
    pub stacks: Vec<Arc<StackArtifact>>,
}

impl Bundle {
    /// Reads the manifests of an assembly and computes its release.
    ///
    /// # Errors
    /// [`BundleError`] when a manifest is missing, malformed or too new, when context is missing, or when a report says
    /// that the synthesis failed.
    pub fn open(mut tree: Tree) -> Result<Self, BundleError> {
        let mut release = Release::default();
        let root = release.read(&tree, &TreePath::root(), ARCHIVE)?;
        let mut objections = report::read(&tree, &root.dir)?;
        let mut nested = Vec::new();
        collect(&tree, &root, None, &mut release, &mut nested, &mut BTreeSet::new())?;
        for stage in &nested {
            objections.extend(report::read(&tree, &stage.dir)?);
        }
        nested.sort_by(|a, b| a.display_path.cmp(&b.display_path));
        let mut ids = BTreeSet::new();
        if let Some(twin) = nested.iter().find(|n| !ids.insert(n.id.as_str())) {
            return Err(BundleError::Malformed {
                path: root.path,
                why: format!("{} is there twice", twin.id),
            });
        }
        let (release, used) = release.finish();
        // The tree of constructs, other reports and whatever lies there besides may be most of it.
        tree.retain(|path| used.holds(path));
        let images = image::read_all(&tree, used.images);
        Ok(Self { tree, images, root_stage: OnceLock::new(), nested, objections, release })
    }

    /// The digest of what the assembly deploys: the identity of the release.
    #[must_use]
    pub fn release(&self) -> Digest {
        self.release
    }

    /// How many bytes its files have, as they are kept.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.tree.bytes()
    }

    /// The display paths of the CDK Stages, sorted.
    pub fn stage_names(&self) -> impl Iterator<Item = &str> {
        self.nested.iter().map(|n| n.display_path.as_str())
    }

    /// The stacks of a CDK Stage by its display path (`Outer/Inner`) or artifact id; `None` for the stacks at the root.
    /// They are read at the first call and kept.
    ///
    /// # Errors
    /// [`BundleError`] when there is no such CDK Stage, or when one of its stacks cannot be deployed as it is.
    pub fn stage(&self, name: Option<&str>) -> Result<&CdkStage, BundleError> {
        let read = |dir: &TreePath, by: &str| self.read_stage(&Manifest::read(&self.tree, dir, by)?, name);
        let stage = match name {
            None => self.root_stage.get_or_init(|| read(&TreePath::root(), ARCHIVE)),
            Some(name) => {
                let nested = self.find(name)?;
                nested.stage.get_or_init(|| read(&nested.dir, &nested.id))
            }
        };
        stage.as_ref().map_err(Clone::clone)
    }

    fn read_stage(&self, manifest: &Manifest, name: Option<&str>) -> Result<CdkStage, BundleError> {
        let mut stacks = Vec::new();
        for (id, artifact) in manifest.artifacts.iter().filter(|(_, a)| a.kind == STACK) {
            stacks.push(read_stack(&self.tree, &self.images, manifest, id, artifact)?);
        }
        if stacks.is_empty() {
            return Err(self.no_such(name.unwrap_or_default()));
        }
        refuse_twins(&stacks)?;
        refuse_key_twins(&stacks)?;
        refuse_tag_twins(&stacks)?;
        refuse_unpublished(&stacks)?;
        let mut stacks = in_dependency_order(stacks)?;
        // CloudFormation takes no template without resources. As with the CDK CLI, such a stack is not wanted.
        drop_empty(&mut stacks);
        for stack in &mut stacks {
            let file = stack.template_path.to_string();
            let file = file.rsplit('/').next().unwrap_or_default();
            stack.warnings.extend(report::about(&self.objections, &stack.display_name, file));
        }
        Ok(CdkStage { stacks: stacks.into_iter().map(Arc::new).collect() })
    }

    fn find(&self, name: &str) -> Result<&Nested, BundleError> {
        // The CDK makes the id of the construct path with hyphens, also where plain constructs lie between.
        let id = format!("assembly-{}", name.replace('/', "-"));
        let one = |matches: &dyn Fn(&Nested) -> bool| self.nested.iter().find(|n| matches(n));
        one(&|n| n.display_path == name)
            .or_else(|| one(&|n| n.id == name || n.id == id))
            .or_else(|| one(&|n| n.display_name.as_deref() == Some(name)))
            .ok_or_else(|| self.no_such(name))
    }

    fn no_such(&self, asked: &str) -> BundleError {
        BundleError::NoSuchCdkStage {
            asked: asked.chars().take(200).collect(),
            available: self.stage_names().map(str::to_owned).collect(),
        }
    }
}

/// Drops the stacks without resources. What depends on one depends on what that one depends on.
fn drop_empty(stacks: &mut Vec<StackArtifact>) {
    let is_empty = |s: &StackArtifact| s.template.resources.is_empty() && s.template.transforms.is_empty();
    let mut before: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // Each comes after those that it depends on.
    for stack in stacks.iter_mut() {
        let through = stack.dependencies.iter().filter_map(|id| before.get(id)).flatten();
        let through: Vec<String> = through.cloned().collect();
        stack.dependencies.retain(|id| !before.contains_key(id));
        stack.dependencies.extend(through);
        if is_empty(stack) {
            before.insert(stack.id.clone(), stack.dependencies.clone());
        }
    }
    stacks.retain(|s| !is_empty(s));
}

/// Reads the nested assemblies, each in a directory strictly below its parent's, which ends the descent.
fn collect(
    tree: &Tree,
    parent: &Manifest,
    outer: Option<(&str, &str)>,
    release: &mut Release,
    into: &mut Vec<Nested>,
    seen: &mut BTreeSet<TreePath>,
) -> Result<(), BundleError> {
    for (id, artifact) in parent.artifacts.iter().filter(|(_, a)| a.kind == NESTED) {
        let directory = directory(parent, id, artifact)?;
        // Two names for one directory, at each of many levels, would double the work at every level.
        if !seen.insert(directory.clone()) {
            let why = format!("{id}: another artifact has the same directoryName");
            return Err(BundleError::Malformed { path: parent.path.clone(), why });
        }
        let manifest = release.read(tree, &directory, id)?;
        let display_path = match outer {
            None => id.strip_prefix("assembly-").unwrap_or(id).to_owned(),
            Some((outer_id, outer_path)) => {
                let own = id.strip_prefix(outer_id).and_then(|rest| rest.strip_prefix('-')).unwrap_or(id);
                format!("{outer_path}/{own}")
            }
        };
        collect(tree, &manifest, Some((id, &display_path)), release, into, seen)?;
        let display_name = artifact
            .display_name
            .clone()
            .or_else(|| artifact.properties.get("displayName").and_then(Value::as_str).map(str::to_owned));
        let dir = manifest.dir;
        into.push(Nested { id: id.clone(), display_name, display_path, dir, stage: OnceLock::new() });
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

/// What is planned and approved is what lies under the key: one key has one content.
fn refuse_key_twins(stacks: &[StackArtifact]) -> Result<(), BundleError> {
    let mut contents = BTreeMap::new();
    for stack in stacks {
        let template = AssetContent::File(stack.template_file.clone()).digest();
        let own = (&stack.template_object.bucket, &stack.template_object.key, template);
        let files = stack.assets.files.iter().map(|a| (&a.destination.bucket, &a.destination.key, a.digest));
        for (bucket, key, digest) in std::iter::once(own).chain(files) {
            if *contents.entry((bucket, key)).or_insert(digest) != digest {
                return Err(BundleError::KeyTakenTwice {
                    stack: stack.display_name.clone(),
                    bucket: bucket.clone(),
                    key: key.clone(),
                });
            }
        }
    }
    Ok(())
}

/// As with keys: one tag has one image.
fn refuse_tag_twins(stacks: &[StackArtifact]) -> Result<(), BundleError> {
    let mut images = BTreeMap::new();
    for stack in stacks {
        for image in &stack.assets.images {
            let Some(carried) = &image.carried else { continue };
            let to = &image.destination;
            let digest = carried.digest();
            if *images.entry((&to.env, &to.repository, &to.tag)).or_insert(digest) != digest {
                return Err(BundleError::TagTakenTwice {
                    stack: stack.display_name.clone(),
                    repository: to.repository.clone(),
                    tag: to.tag.clone(),
                });
            }
        }
    }
    Ok(())
}
