//! What a restarted controller has to fetch again is gone.

use anyhow::Result;
use serde_json::json;
use stackgate_testbed::scenario::{BUCKET, BUILD, Case, Expected, Kind, SHOP, SOON};

use super::world;

#[test]
fn a_pinned_version_that_is_gone_is_told_on_the_stage() -> Result<()> {
    let mut world = world()?;
    let mut case = Case::new(&world, "version-gone")?;
    let version = world.upload(&case.key, &case.assembly)?;
    case.cloud_assembly["spec"]["source"]["s3"]["versionID"] = json!(version);
    world.kubectl().apply(&case.cloud_assembly.to_string())?;
    case.digest(&world, None)?;
    let gone = json!({ "Bucket": BUCKET, "Key": case.key, "VersionId": version });
    world.aws.call(BUILD, "s3", "DeleteObject", &gone)?;
    // What was fetched before would do.
    world.controller()?.restart()?;
    case.bootstrap(&world)?;
    world.kubectl().apply(&case.stage.to_string())?;
    let expected =
        Expected { kind: Kind::Stage, condition: "Stalled", reason: "SourceFailed", says: "version-gone" };
    case.shows(&world, &expected)?;

    // A new release mends it.
    world.kubectl().run(&[
        "-n",
        SHOP,
        "patch",
        "cdkout",
        &case.name,
        "--type=json",
        "-p",
        r#"[{"op":"remove","path":"/spec/source/s3/versionID"}]"#,
    ])?;
    case.upload(&world, &case.release(2)?)?;
    world.until((Kind::Stage, SHOP, &case.name), "it waits for an approval", SOON, |stage| {
        stage.is("Waiting", Some("AwaitingApproval")).then_some(())
    })
}
