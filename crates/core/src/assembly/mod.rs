//! `CloudAssembly`: from a source to a release.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use crate::{
    account::{Accounts, grant},
    api::{
        ANNOTATION_REQUESTED_AT, AssemblySource, CloudAssembly, CloudAssemblyStatus, ConditionType,
        Conditions, PinnedS3, PinnedSource, Reason, ReleaseRef, S3Source,
    },
    cluster::ClusterView,
    effect::{Access, Effect, Look, SourceSeen, release_name, session_name},
    facts::{Facts, SourceLook},
    verdict::{Need, Phase, Step, Verdict, ask, fold},
    words::{Env, Uid},
};

/// How often a source is looked at unless the spec says so.
const DEFAULT_INTERVAL: SignedDuration = SignedDuration::from_mins(5);

/// What a decision on a CloudAssembly is made of.
#[derive(Debug)]
pub struct Snapshot<'a> {
    /// The object.
    pub assembly: Arc<CloudAssembly>,
    /// All accounts.
    pub accounts: Accounts,
    /// What is remembered.
    pub facts: &'a Facts,
}

/// Gathers what a decision needs; `None`: the object is gone.
pub fn observe<'a>(
    cluster: &impl ClusterView,
    namespace: &str,
    name: &str,
    facts: &'a Facts,
) -> Option<Snapshot<'a>> {
    let assembly = cluster.assembly(namespace, name)?;
    Some(Snapshot { assembly, accounts: Accounts::new(cluster.accounts()), facts })
}

/// Decides what comes next, and which release there is.
#[must_use]
pub fn decide(s: &Snapshot<'_>, now: Timestamp) -> (Verdict, Option<ReleaseRef>) {
    match release(s, now) {
        Ok((release, look_again)) => {
            let message = format!("release {}", release.name);
            (Verdict::rest(Phase::Done(Reason::Released), message).until(look_again), Some(release))
        }
        Err(need) => {
            let mut v = fold(vec![need], Reason::Fetching, "reading the source");
            if matches!(v.phase, Phase::Stalled(_)) {
                v = v.until(now.saturating_add(interval(&s.assembly)).unwrap_or(now));
            }
            (v, None)
        }
    }
}

fn release(s: &Snapshot<'_>, now: Timestamp) -> Step<(ReleaseRef, Timestamp)> {
    let AssemblySource::S3(source) = &s.assembly.spec.source;
    let uid: Option<Uid> = s.assembly.uid().and_then(|u| u.parse().ok());
    let uid = uid.ok_or_else(|| Need::stuck(Reason::InvalidSpec, "the object has no uid yet"))?;
    let access = source_access(&s.accounts, &s.assembly.namespace().unwrap_or_default(), source, &uid)?;
    let look_again = |at: Timestamp| at.saturating_add(interval(&s.assembly)).unwrap_or(at);
    let (version, as_of) = match &source.version_id {
        Some(v) => (v.clone(), now),
        None => newest_version(s, source, &access, now)?,
    };
    let pinned = PinnedSource::S3(PinnedS3 {
        account: source.account.clone(),
        bucket: source.bucket.clone(),
        key: source.key.clone(),
        region: source.region.clone(),
        version_id: version,
    });
    if let Some(digest) = s.facts.releases.get(&pinned) {
        let release = ReleaseRef { digest: *digest, name: release_name(digest), source: pinned };
        return Ok((release, look_again(as_of)));
    }
    match s.facts.bundles.get(&pinned) {
        Some(Err(why)) => Err(Need::Stuck(Reason::InvalidAssembly, why.clone(), Some(look_again(as_of)))),
        Some(Ok(_)) | None => Err(ask(s.facts, Effect::Look(Look::Bundle(pinned, access)), now)
            .told_as(Reason::CallRefused, Reason::SourceFailed)),
    }
}

fn newest_version(
    s: &Snapshot<'_>,
    source: &S3Source,
    access: &Access,
    now: Timestamp,
) -> Step<(String, Timestamp)> {
    // Any new value of the annotation asks for a look; a time in it is not compared, clocks differ.
    let request = s.assembly.annotations().get(ANNOTATION_REQUESTED_AT);
    let fresh = s.facts.source.as_ref().filter(|look| {
        let young = now.duration_since(look.at) < interval(&s.assembly);
        // A clock ahead of ours must not make us look without a pause.
        let pause = SignedDuration::from_secs(10);
        let overtaken = now.duration_since(look.at) >= pause && overtaken(&s.assembly, &look.seen, look.at);
        look.source == *source && look.request.as_ref() == request && young && !overtaken
    });
    let Some(SourceLook { seen, at, .. }) = fresh else {
        let look = Look::Source(source.clone(), request.cloned(), access.clone());
        return Err(ask(s.facts, Effect::Look(look), now).told_as(Reason::CallRefused, Reason::SourceFailed));
    };
    let again = at.saturating_add(interval(&s.assembly)).ok();
    match seen {
        SourceSeen::Version(v) => Ok((v.clone(), *at)),
        SourceSeen::Missing(why) => Err(Need::Stuck(Reason::SourceFailed, why.clone(), again)),
        SourceSeen::Unversioned => Err(Need::Stuck(
            Reason::BucketNotVersioned,
            format!(
                "bucket {} keeps no versions, so a release could not be fetched again: turn versioning on",
                source.bucket
            ),
            again,
        )),
    }
}

/// Whether the status tells of another version, found after our look: by a controller that led meanwhile. Then what we
/// remember is not written over it.
fn overtaken(assembly: &CloudAssembly, seen: &SourceSeen, at: Timestamp) -> bool {
    let Some((release, time)) =
        assembly.status.as_ref().and_then(|st| Some((st.release.as_ref()?, st.release_time.as_ref()?)))
    else {
        return false;
    };
    let PinnedSource::S3(pinned) = &release.source;
    time.0 > at && *seen != SourceSeen::Version(pinned.version_id.clone())
}

/// How often the source is looked at.
#[must_use]
pub fn interval(assembly: &CloudAssembly) -> SignedDuration {
    assembly
        .spec
        .interval
        .as_deref()
        .and_then(parse_duration)
        .map_or(DEFAULT_INTERVAL, |d| d.clamp(SignedDuration::from_secs(10), SignedDuration::from_hours(24)))
}

/// Reads a GEP-2257 duration without fractions: `1h30m`, `5m`, `90s`.
fn parse_duration(text: &str) -> Option<SignedDuration> {
    let mut total = 0_i64;
    let mut number = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let n: i64 = number.parse().ok()?;
        number.clear();
        total = total.checked_add(n.checked_mul(match c {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        })?)?;
    }
    number.is_empty().then(|| SignedDuration::from_secs(total))
}

/// How a namespace reaches an S3 source that an AwsAccount grants it.
pub fn source_access(accounts: &Accounts, namespace: &str, source: &S3Source, owner: &Uid) -> Step<Access> {
    let not_allowed = |e: crate::account::NotAllowed| Need::stuck(Reason::AccountNotAllowed, e.to_string());
    let account = accounts.by_name(&source.account).map_err(not_allowed)?;
    let grant = grant(account, namespace).map_err(not_allowed)?;
    if !grant.assembly_buckets.contains(&source.bucket) {
        return Err(Need::stuck(
            Reason::AccountNotAllowed,
            format!(
                "AwsAccount {} does not allow namespace {namespace} to read bucket {}: ask its owner for assemblyBuckets",
                account.name_any(),
                source.bucket
            ),
        ));
    }
    let env = Env { account: account.spec.account_id.clone(), region: source.region.clone() };
    // Without a role these are the base credentials, which every session verifies to be in that account.
    let roles = grant.assembly_role_arn.iter().cloned().collect();
    Ok(Access { env, roles, session_name: session_name(owner), scope: None })
}

/// The status that follows; the newest release stays shown while a newer one cannot be read.
#[must_use]
pub fn status(
    s: &Snapshot<'_>,
    v: &Verdict,
    release: Option<ReleaseRef>,
    now: Timestamp,
) -> CloudAssemblyStatus {
    let before = s.assembly.status.clone().unwrap_or_default();
    let generation = s.assembly.metadata.generation;
    let list = Conditions::new(&before.conditions, generation, now);
    let reason = v.phase.reason();
    let list = match v.phase {
        Phase::Done(_) => list.with(ConditionType::Ready, true, reason, &v.message),
        Phase::Working(_) | Phase::Waiting(_) => list
            .with(ConditionType::Ready, release.is_some(), reason, &v.message)
            .with(ConditionType::Reconciling, true, reason, &v.message),
        Phase::Stalled(_) => list.with(ConditionType::Ready, false, reason, &v.message).with(
            ConditionType::Stalled,
            true,
            reason,
            &v.message,
        ),
    };
    let same = before.release.as_ref().map(|r| r.digest) == release.as_ref().map(|r| r.digest);
    let release_time = if release.is_none() || same { before.release_time } else { Some(Time(now)) };
    CloudAssemblyStatus {
        observed_generation: generation,
        conditions: list.build(),
        release: release.or(before.release),
        release_time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("5m"), Some(SignedDuration::from_mins(5)));
        assert_eq!(parse_duration("1h30m"), Some(SignedDuration::from_mins(90)));
        assert_eq!(parse_duration("5"), None);
        assert_eq!(parse_duration("m"), None);
        assert_eq!(parse_duration("99999h99999h99999h"), Some(SignedDuration::from_hours(299_997)));
    }
}
