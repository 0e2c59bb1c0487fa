//! The releases that a Stage has had.

use std::sync::Arc;

use stackgate_core::{api::ReleaseRef, gate::PlanView};

/// A release that was carried out in full.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    /// The release.
    pub release: &'a ReleaseRef,
    /// The newest plan that brought it.
    pub view: &'a PlanView,
}

/// The releases that were carried out in full, newest first, each once. The plans are newest first.
#[must_use]
pub fn past(plans: &[Arc<PlanView>]) -> Vec<Past<'_>> {
    let mut list: Vec<Past<'_>> = Vec::new();
    for view in plans.iter().filter(|v| v.is_complete()) {
        let Some(release) = view.release.as_ref() else { continue };
        if !list.iter().any(|p| p.release.digest == release.digest) {
            list.push(Past { release, view });
        }
    }
    list
}

/// What was tried last, whether it came to its end or not.
#[must_use]
pub fn tried(plans: &[Arc<PlanView>]) -> Option<&ReleaseRef> {
    plans.iter().find(|v| v.claimed || v.is_complete())?.release.as_ref()
}

/// The one to go back to: the newest that was carried out and is not what was tried last.
#[must_use]
pub fn before<'a>(plans: &[Arc<PlanView>], past: &[Past<'a>]) -> Option<Past<'a>> {
    let tried = tried(plans)?;
    past.iter().find(|p| p.release.digest != tried.digest).copied()
}

/// The one that is named, by its name or by 12 or more digits of its digest; an error: several fit.
pub fn pick<'a>(past: &[Past<'a>], wanted: &str) -> Result<Option<Past<'a>>, String> {
    let digits = wanted.strip_prefix("sha256:").unwrap_or(wanted).to_ascii_lowercase();
    let is_digest = digits.len() >= 12 && digits.chars().all(|c| c.is_ascii_hexdigit());
    let fits = |p: &&Past<'_>| {
        p.release.name == wanted || (is_digest && p.release.digest.hex().starts_with(&digits))
    };
    let mut found = past.iter().filter(fits);
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => Err(wanted.to_owned()),
        (one, _) => Ok(one.copied()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::view::fixtures::{claimed, opened, plan, proposal, release, settled};

    /// A plan of one stack that brought this release; its digest is that digit again and again.
    fn ran(name: &str, digit: char, outcome: &str) -> Arc<PlanView> {
        let mut p = proposal();
        p["stacks"] = json!([p["stacks"][0]]);
        let ledger = [
            opened("2026-11-20T08:00:00Z", 6, &release(name, digit)),
            claimed("2026-11-20T08:40:01Z", "Prod-Store"),
            settled("2026-11-20T08:47:00Z", "Prod-Store", outcome, "x", None),
        ];
        Arc::new(plan(&p, &ledger, json!({})))
    }

    #[test]
    fn the_one_before_is_not_the_one_that_was_tried() {
        let [two, one] = [ran("2", '2', "Succeeded"), ran("1", '1', "Succeeded")];
        let back = |plans: &[Arc<PlanView>]| before(plans, &past(plans)).map(|p| p.release.name.clone());
        assert_eq!(back(&[two.clone(), one.clone()]).as_deref(), Some("1"));
        assert_eq!(back(&[ran("3", '3', "RolledBack"), two.clone(), one.clone()]).as_deref(), Some("2"));
        assert_eq!(back(&[one.clone(), two, one.clone()]).as_deref(), Some("2"));
        assert_eq!(back(&[one]), None);
        assert_eq!(back(&[]), None);
    }

    #[test]
    fn a_release_is_named_so_that_it_is_one() {
        let plans =
            [ran("main", '2', "Succeeded"), ran("main", '1', "Succeeded"), ran("1.0", 'a', "Succeeded")];
        let past = past(&plans);
        let name = |wanted: &str| pick(&past, wanted).map(|p| p.map(|p| p.release.digest.short(1)));
        assert_eq!(name("1.0"), Ok(Some("a".to_owned())));
        assert_eq!(name("main"), Err("main".to_owned()));
        assert_eq!(name(&"1".repeat(12)), Ok(Some("1".to_owned())));
        assert_eq!(name("sha256:AAAAAAAAAAAA"), Ok(Some("a".to_owned())));
        assert_eq!(name("11111"), Ok(None));
    }
}
