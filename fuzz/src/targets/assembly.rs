//! What holds of every assembly that is taken.

use std::{
    collections::{BTreeMap, BTreeSet},
    hint::black_box,
};

use stackgate_core::{
    bundle::{
        AssetContent, Blob, Bundle, CdkStage, File, Node, Origins, StackArtifact, Tree, TreePath,
        canonical_json, check_computed, defer, difference, parse_json,
    },
    risk::{Assessed, assess, nested_templates, side_by_side},
    words::{Digest, Qualifier},
};

/// The files of an assembly, without links; a name that is none, or is taken, is dropped.
pub fn tree<'a>(files: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Tree {
    let mut tree = Tree::default();
    for (name, content) in files {
        if let Ok(path) = TreePath::parse_bytes(name) {
            tree.insert(path, Node::File(File::new(content, false))).ok();
        }
    }
    tree
}

/// Opens an assembly and reads all that is in it.
pub fn check(tree: Tree) {
    let printed = reprinted(&tree);
    let Ok(bundle) = Bundle::open(tree) else { return };
    let again = Bundle::open(printed).expect("how a manifest is printed says nothing");
    assert_eq!(again.release(), bundle.release(), "how a manifest is printed is no part of a release");
    for name in std::iter::once(None).chain(bundle.stage_names().map(Some)) {
        let again = again.stage(name);
        match bundle.stage(name) {
            Ok(stage) => {
                assert!(again.is_ok());
                taken(stage);
            }
            Err(why) => assert_eq!(again, Err(why)),
        }
    }
}

/// The same tree, with its manifest printed in another way.
fn reprinted(tree: &Tree) -> Tree {
    let mut other = Tree::default();
    for (path, node) in tree.iter() {
        let node = match node {
            Node::File(file) if path.as_str() == "manifest.json" => match parse_json(file.bytes()) {
                Ok(json) => Node::File(File::new(canonical_json(&json).into_bytes(), false)),
                Err(_) => node.clone(),
            },
            node => node.clone(),
        };
        other.insert(path.clone(), node).expect("the paths of a tree are those of another");
    }
    other
}

fn taken(stage: &CdkStage) {
    let ids: BTreeSet<&str> = stage.stacks.iter().map(|s| s.id.as_str()).collect();
    let keys: BTreeSet<_> = stage.stacks.iter().map(|s| s.key()).collect();
    assert_eq!((ids.len(), keys.len()), (stage.stacks.len(), stage.stacks.len()), "each stack once");
    let mut before = BTreeSet::new();
    let mut contents = BTreeMap::new();
    for stack in &stage.stacks {
        let known = stack.dependencies.iter().filter(|id| ids.contains(id.as_str()));
        assert!(known.clone().all(|id| before.contains(id.as_str())), "{} comes too early", stack.id);
        assert_eq!(known.count(), stack.dependencies.len(), "{} depends on what is not there", stack.id);
        before.insert(stack.id.as_str());
        assert!(!stack.tags.keys().any(|tag| tag.starts_with("stackgate.dev/")), "a reserved tag");
        for asset in &stack.assets.files {
            let to = &asset.destination;
            assert_eq!(to.env, stack.env, "an asset of another environment");
            let first = *contents.entry((&to.bucket, &to.key)).or_insert(asset.digest);
            assert_eq!(first, asset.digest, "one key, one content");
        }
        for image in stack.assets.images.iter().filter_map(|image| image.carried.as_ref()) {
            let whole = |blob: &Blob| Digest::of(blob.bytes()) == blob.digest();
            assert!(image.blobs().iter().all(whole), "a blob is what its digest says");
        }
        read(stack);
    }
    assert!(defer(&stage.stacks, &BTreeMap::new()).is_subset(&keys));
}

fn read(stack: &StackArtifact) {
    let at = &stack.template_object;
    let template = AssetContent::File(stack.template_file.clone());
    let publishes = |a: &&stackgate_core::bundle::FileAsset| {
        a.destination.bucket == at.bucket && a.destination.key == at.key && a.content == template
    };
    assert!(stack.assets.files.iter().any(|a| publishes(&a)), "the template is published where it is read");
    let names: Qualifier = "acme".parse().expect("a qualifier");
    if check_computed(stack, &names).is_ok() {
        assert!(stack.deploy_role.as_str().contains("role/cdk-acme-deploy-role-"));
        assert_eq!(stack.deploy_role.account(), stack.env.account);
        assert_eq!(stack.mentioned_qualifier().as_ref(), Some(&names));
    }
    let (none, new) = (BTreeMap::new(), nested_templates(stack));
    black_box(assess(&Assessed {
        stack: &stack.id,
        old: None,
        new: &stack.template,
        changes: None,
        construct_paths: &stack.construct_paths,
        given: &BTreeSet::new(),
        origins: &Origins::of(stack),
        nested: &side_by_side(&none, &new),
    }));
    assert_eq!(difference(Some(&stack.template), &stack.template), []);
}
