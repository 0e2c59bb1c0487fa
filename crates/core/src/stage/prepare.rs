//! What planning one stack needs besides its change set: assets, the template difference, the call itself.

use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::{Snapshot, targets::Target};
use crate::{
    api::{PlannedAs, Reason, Risk, RiskClass},
    bundle::{DifferenceKind, ImageAsset, Origins, ResourceDifference, Template, difference},
    change::{Baseline, CAPABILITIES, Hidden, create_token, deferred_leaf},
    drive::{Prepared, Wish, template_of},
    effect::{
        Access, Effect, ImageRef, ImageUpload, Look, Mutation, Seen, TemplateSource, Upload, WantedChangeSet,
    },
    risk::{Assessed, Assessment, assess, deployed_templates, is_unpinned, nested_templates, side_by_side},
    stack::{Change, ChangeSetKind, SetContent, StackRow},
    verdict::{Need, Step, ask},
    words::{ChangeSetName, Digest, StackKey},
};

/// The stack as something that this stage wants.
pub(super) fn wish<'a>(s: &'a Snapshot<'_>, t: &'a Target) -> Wish<'a> {
    wish_of(s, &t.key, &t.digest, &t.access)
}

/// The same of one that a plan names.
pub(super) fn wish_of<'a>(
    s: &'a Snapshot<'_>,
    key: &'a StackKey,
    input: &'a Digest,
    access: &'a Access,
) -> Wish<'a> {
    Wish { facts: s.facts, proof: &s.installation.key, owner: &s.uid, key, input, access }
}

/// The assets that are not known to lie in the bucket.
pub(super) fn unpublished(s: &Snapshot<'_>, t: &Target, now: Timestamp) -> Vec<Need> {
    t.artifact
        .assets
        .files
        .iter()
        .filter(|f| {
            let (bucket, key) = (f.destination.bucket.to_string(), f.destination.key.clone());
            !s.facts.published.contains(&(bucket, key, f.digest))
        })
        .map(|f| {
            let upload = Upload {
                bucket: t.names.bucket(),
                key: f.destination.key.clone(),
                asset: f.clone(),
                access: t.publishing(),
            };
            ask(s.facts, Effect::Mutate(Mutation::Publish(Box::new(upload))), now)
        })
        .collect()
}

/// How long an image is believed not to be there.
const NO_IMAGE_FRESH: SignedDuration = SignedDuration::from_secs(30);

/// The images that are not known to lie in the repository. Those that the assembly carries are copied there; the others somebody else
/// builds and pushes.
pub(super) fn missing_images(s: &Snapshot<'_>, t: &Target, now: Timestamp) -> Vec<Need> {
    let need = |image: &ImageAsset| {
        let at = &image.destination;
        let tagged = ImageRef { env: at.env.clone(), repository: t.names.repository(), tag: at.tag.clone() };
        let what = image.display_name.as_ref().unwrap_or(&image.id);
        if let Some(carried) = &image.carried {
            if s.facts.pushed.contains(&(tagged.clone(), carried.digest())) {
                return None;
            }
            let upload = ImageUpload {
                to: tagged,
                asset: what.clone(),
                image: Arc::clone(carried),
                access: t.pushing(),
            };
            return Some(ask(s.facts, Effect::Mutate(Mutation::PushImage(Box::new(upload))), now));
        }
        let look = || ask(s.facts, Effect::Look(Look::Image(tagged.clone(), t.images())), now);
        match s.facts.images.get(&tagged) {
            // Tags of a bootstrapped repository are immutable.
            Some(Seen::Present((), _)) => None,
            Some(Seen::Absent(seen)) if now.duration_since(*seen) < NO_IMAGE_FRESH => Some(Need::Stuck(
                Reason::ImageMissing,
                format!(
                    "stack {}: image {what} is not in repository {} of {} with tag {}: build it and push it there, as `npx \
                         cdk-assets publish` does with the asset manifest in cdk.out, or have the assembly carry it (docs/images.md)",
                    t.key.name, tagged.repository, tagged.env, tagged.tag
                ),
                seen.saturating_add(NO_IMAGE_FRESH).ok(),
            )),
            Some(Seen::Absent(_) | Seen::Unknown) | None => Some(look()),
        }
    };
    t.artifact.assets.images.iter().filter_map(need).collect()
}

/// The template that is deployed where a stack builds on one.
pub(super) fn deployed_template(
    s: &Snapshot<'_>,
    t: &Target,
    baseline: &Baseline,
    now: Timestamp,
) -> Step<Option<Template>> {
    template_of(s.facts, &t.key, &t.access, baseline, now)
}

/// The template that the new one is held against.
fn template_before(
    s: &Snapshot<'_>,
    t: &Target,
    plan: PlannedAs,
    baseline: &Baseline,
    now: Timestamp,
) -> Step<Option<Template>> {
    match plan {
        // Nothing of it is there.
        PlannedAs::Recreated => Ok(None),
        PlannedAs::Prepared | PlannedAs::Deferred | PlannedAs::Unchanged | PlannedAs::Removed => {
            deployed_template(s, t, baseline, now)
        }
    }
}

/// What is dangerous about a stack that is planned.
pub(super) fn assessed(s: &Snapshot<'_>, t: &Target, p: &Prepared, now: Timestamp) -> Step<Assessment> {
    let old = template_before(s, t, p.plan, &p.baseline, now)?;
    let (before, after) = (deployed_templates(&p.content.deployed, &t.key), nested_templates(&t.artifact));
    let given: BTreeSet<String> = t.values.keys().cloned().collect();
    let mut assessment = assess(&Assessed {
        stack: t.artifact.id.as_str(),
        old: old.as_ref(),
        new: &t.artifact.template,
        changes: (p.plan == PlannedAs::Prepared).then_some(&p.changes),
        construct_paths: &t.artifact.construct_paths,
        given: &given,
        origins: &Origins::of(&t.artifact),
        nested: &side_by_side(&before, &after),
    });
    let unpinned = t.values.iter().filter(|(_, value)| is_unpinned(value.reveal()));
    assessment.risks.extend(unpinned.map(|(name, _)| {
        let cause = format!("parameter {name} refers to a value that may be another one tomorrow");
        Risk::of_stack(RiskClass::Opaque, &t.artifact.id, &cause)
    }));
    Ok(assessment)
}

/// A stack whose change set cannot be made yet: its template difference.
pub(super) fn without_set(
    s: &Snapshot<'_>,
    t: &Target,
    plan: PlannedAs,
    baseline: Baseline,
    now: Timestamp,
) -> Step<Prepared> {
    let old = template_before(s, t, plan, &baseline, now)?;
    let diff = difference(old.as_ref(), &t.artifact.template);
    let leaf = deferred_leaf(&t.key, &t.digest, &baseline, &diff);
    let changes = diff.into_iter().map(announced).collect();
    Ok(Prepared {
        plan,
        baseline,
        leaf,
        changes,
        warnings: Vec::new(),
        set: None,
        content: SetContent::default(),
    })
}

/// A change that a template difference shows.
pub(super) fn announced(d: ResourceDifference) -> Change {
    Change {
        logical_id: d.logical_id,
        resource_type: d.resource_type,
        action: d.kind.as_str().to_owned(),
        // Nobody knows before there is a change set, so the worst is said.
        replacement: if d.kind == DifferenceKind::Modify { "Conditional".to_owned() } else { String::new() },
        policy_action: String::new(),
        scope: BTreeSet::new(),
        details: BTreeSet::new(),
        values: None,
    }
}

/// Parameters as the call gives them: what has a value, and what keeps the one that the stack has. The rest is left to the
/// template's defaults.
///
/// # Errors
/// A parameter that has neither.
pub(super) fn parameters(t: &Target, row: Option<&StackRow>) -> Step<Vec<(String, Option<Hidden>)>> {
    let there = row.filter(|r| r.exists() && !r.is_remnant());
    let mut list = Vec::new();
    for (name, declared) in &t.artifact.template.parameters {
        if let Some(value) = t.values.get(name) {
            list.push((name.clone(), Some(value.clone())));
        } else if there.is_some_and(|r| r.parameters.contains(name)) {
            list.push((name.clone(), None));
        } else if declared.default.is_none() {
            return Err(Need::stuck(
                Reason::InvalidParameters,
                format!(
                    "stack {}: parameter {name} has no value: give it in spec.parameters of the Stage, or a default in the CDK app",
                    t.key.name
                ),
            ));
        }
    }
    Ok(list)
}

/// The call that makes the change set, with these parameters. `quiet`: what an answer says is not shown.
pub(super) fn wanted(
    s: &Snapshot<'_>,
    t: &Target,
    parameters: Vec<(String, Option<Hidden>)>,
    quiet: bool,
    kind: ChangeSetKind,
    name: ChangeSetName,
) -> Mutation {
    let call = WantedChangeSet {
        key: t.key.clone(),
        kind,
        description: s.installation.key.description(&s.full_name(), name.as_str(), &t.digest),
        template: TemplateSource::Bucket(t.names.bucket(), t.artifact.template_object.key.clone()),
        parameters,
        tags: t.artifact.tags.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        capabilities: CAPABILITIES.iter().map(|c| (*c).to_owned()).collect(),
        role: Some(t.names.execution_role()),
        notification_arns: t.artifact.notification_arns.clone(),
        import_existing: false,
        token: create_token(&name),
        quiet,
        name,
        access: t.access.clone(),
    };
    debug_assert!(call.is_covered_by(&t.input), "an input of the call that its digest leaves out");
    Mutation::CreateChangeSet(Box::new(call))
}
