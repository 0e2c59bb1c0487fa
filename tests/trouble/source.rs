//! Trouble with the archive in S3.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use rstest::{Context, rstest};
use serde_json::json;
use stackgate_testbed::{
    User, fresh_dir,
    scenario::{BUCKET, BUILD, Case, Expected, Kind, SHOP},
};

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

/// Names and links go in as they are.
fn packed(dir: &Path, beside: &[&str]) -> Result<Vec<u8>> {
    let mut tar = Command::new("tar");
    let made =
        tar.args(["-czPf", "-", "-C"]).arg(dir).args(beside).arg(".").output().context("running tar")?;
    ensure!(made.status.success(), "tar: {}", String::from_utf8_lossy(&made.stderr));
    Ok(made.stdout)
}

#[rstest]
#[case::link("is a soft link to")]
#[case::climbs("holds '..'")]
#[case::absolute("is absolute")]
fn an_archive_that_reaches_for_the_files_of_the_controller_is_refused(
    #[context] test: Context,
    #[case] says: &'static str,
) -> Result<()> {
    let world = world()?;
    let how = test.description.unwrap_or("case");
    let case = Case::new(world, &format!("reaches-{how}"))?;
    let own = world.cluster.kubeconfig(User::Controller);
    let around = fresh_dir("reaches")?;
    let dir = around.join("cdk.out");
    case.assembly.write(&dir)?;
    let honest = packed(&dir, &[])?;
    let beside = match how {
        "link" => {
            let asset = case.assembly.paths().find(|path| path.starts_with("asset.")).context("no asset")?;
            let asset = asset.split('/').next().unwrap_or(asset);
            symlink(&own, dir.join(asset).join("token"))?;
            None
        }
        "climbs" => {
            fs::copy(&own, around.join("token"))?;
            Some("../token")
        }
        _absolute => own.to_str(),
    };
    world.aws.put_object(BUILD, BUCKET, &case.key, &packed(&dir, beside.as_slice())?)?;
    case.apply(world)?;
    let expected =
        Expected { kind: Kind::CloudAssembly, condition: "Stalled", reason: "InvalidAssembly", says };
    case.shows(world, &expected)?;
    case.bootstrap(world)?;
    let calls = case.calls(world);
    ensure!(calls.iter().all(|call| call.call.operation != "PutObject"), "something was published");

    world.aws.put_object(BUILD, BUCKET, &case.key, &honest)?;
    world.look_again(SHOP, &case.name)?;
    case.waiting(world, None).map(drop)
}
