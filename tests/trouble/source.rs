//! Trouble with the archive in S3.

use anyhow::Result;
use serde_json::json;
use stackgate_testbed::scenario::{BUCKET, BUILD, Case, Expected, Kind, SHOP};

use super::{UNVERSIONED, world};

#[test]
fn a_bucket_that_keeps_no_versions_is_told() -> Result<()> {
    let world = world()?;
    let mut case = Case::new(world, "bucket-unversioned")?;
    case.cloud_assembly["spec"]["source"]["s3"]["bucket"] = json!(UNVERSIONED);
    world.aws.put_object(BUILD, UNVERSIONED, &case.key, &case.assembly.pack()?)?;
    case.apply(world)?;
    let expected = Expected {
        kind: Kind::CloudAssembly,
        condition: "Stalled",
        reason: "BucketNotVersioned",
        says: "turn versioning on",
    };
    case.shows(world, &expected)?;

    let on = json!({ "Bucket": UNVERSIONED, "VersioningConfiguration": { "Status": "Enabled" } });
    world.aws.call(BUILD, "s3", "PutBucketVersioning", &on)?;
    world.aws.put_object(BUILD, UNVERSIONED, &case.key, &case.assembly.pack()?)?;
    world.look_again(SHOP, &case.name)?;
    case.waiting(world, None).map(drop)
}

#[test]
fn what_is_no_archive_is_told_and_the_release_before_stays() -> Result<()> {
    let world = world()?;
    let case = Case::new(world, "no-archive")?;
    case.start(world)?;
    let release = case.digest(world, None)?;
    let waiting = case.waiting(world, Some(&release))?;

    world.aws.put_object(BUILD, BUCKET, &case.key, b"this is no archive")?;
    world.look_again(SHOP, &case.name)?;
    let expected = Expected {
        kind: Kind::CloudAssembly,
        condition: "Stalled",
        reason: "InvalidAssembly",
        says: "neither tar.gz nor zip",
    };
    case.shows(world, &expected)?;
    world.decide(&waiting.approve_on_plan())?;
    case.deployed(world, &release)
}

#[test]
fn an_object_that_is_gone_is_told_and_its_release_is_deployed_all_the_same() -> Result<()> {
    let world = world()?;
    let case = Case::new(world, "object-gone")?;
    case.start(world)?;
    let release = case.digest(world, None)?;
    let waiting = case.waiting(world, Some(&release))?;

    // A marker hides it; the version that the release is pinned to is still there.
    world.aws.call(BUILD, "s3", "DeleteObject", &json!({ "Bucket": BUCKET, "Key": case.key }))?;
    world.look_again(SHOP, &case.name)?;
    let expected = Expected {
        kind: Kind::CloudAssembly,
        condition: "Stalled",
        reason: "SourceFailed",
        says: "object-gone.tar.gz",
    };
    case.shows(world, &expected)?;
    world.decide(&waiting.approve_on_plan())?;
    case.deployed(world, &release)
}
