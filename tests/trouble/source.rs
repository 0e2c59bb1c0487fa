//! Trouble with the archive in S3.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use rstest::{Context, rstest};
use serde_json::json;
use stackgate_testbed::{
    Controller, ControllerLaunch, Fault, Rule, User, fresh_dir,
    scenario::{BUCKET, BUILD, Case, Expected, Kind, REGION, SHOP, World, WorldOptions, shared},
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

/// What stands in answers, and is nothing that whoever named the source may read.
const SECRET: &str = "token-of-the-metadata-service";

/// A world of its own: its controller logs as much as the help of `--log-filter` proposes, and it is known where its metrics are,
/// which that of the shared world does not tell.
fn open_world() -> Result<(World, SocketAddr)> {
    let mut world = World::start(WorldOptions::default())?;
    // Taken for a moment, so that it is free.
    let metrics = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let launch = ControllerLaunch::new(Some(Path::new(env!("CARGO_BIN_EXE_stackgate"))), &world.dir)?
        .arg("run")
        .arg(&format!("--health-address={metrics}"))
        .arg("--log-format=text")
        .arg("--log-filter=info,stackgate=debug")
        .kubeconfig(&world.cluster.kubeconfig(User::Controller))
        .aws(&world.proxy.endpoint(), world.proxy.bundle(), REGION)
        .credentials(&world.keys.access_key_id, &world.keys.secret_access_key);
    world.controller = Some(Controller::start(launch)?);
    shared(&world, &[BUCKET])?;
    Ok((world, metrics))
}

fn metrics_at(address: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}

/// Nothing that the controller says anywhere holds the secret. What it does say of the failed call shows that these are the places.
fn is_kept(world: &World, metrics: SocketAddr, reason: &str) -> Result<()> {
    let log = world.controller.as_ref().context("no controller")?.log();
    let events = world.kubectl().run(&["get", "--raw", "/apis/events.k8s.io/v1/events"])?;
    let metrics = metrics_at(metrics)?;
    for (place, text, proof) in [
        ("the log", &log, "AWS call failed"),
        ("an Event", &events, reason),
        ("the metrics", &metrics, "\"GetObject\""),
    ] {
        ensure!(text.contains(proof), "no {proof} in {place}:\n{text}");
        ensure!(!text.contains(SECRET), "{place} repeats what the source has answered:\n{text}");
    }
    for kind in Kind::ALL {
        for object in world.objects(kind, None)? {
            ensure!(!object.0.to_string().contains(SECRET), "{} repeats it:\n{object}", object.name());
        }
    }
    Ok(())
}

/// Of an error of AWS its code and its message are told, which are made for that; of any other answer nothing but the status.
#[test]
fn what_a_source_answers_with_an_error_is_not_repeated() -> Result<()> {
    let (world, metrics) = open_world()?;
    let aws = format!(
        "<Error><Code>AccessDenied</Code><Message>Access Denied</Message><Token>{SECRET}</Token>\
         <Resource>{SECRET}</Resource></Error>"
    );
    let page = format!("<html><head><title>{SECRET}</title></head><body>{SECRET}</body></html>");
    let answers = [
        ("answers-text", 500, SECRET.to_owned(), "Reconciling", "Retrying", "GetObject: HTTP 500"),
        (
            "answers-json",
            403,
            json!({ "Token": SECRET }).to_string(),
            "Stalled",
            "AccessDenied",
            "GetObject: HTTP 403",
        ),
        ("answers-page", 400, page, "Stalled", "SourceFailed", "GetObject: HTTP 400"),
        ("answers-aws", 403, aws, "Stalled", "AccessDenied", "GetObject: AccessDenied: Access Denied"),
    ];
    for (name, status, body, condition, reason, says) in answers {
        let case = Case::new(&world, name)?;
        let key = case.key.clone();
        let answer = Rule::on("s3", "GetObject", Fault::Answer { status, body });
        let rule = world.proxy.rule(answer.when(move |call| call.param("Key") == key).always());
        case.start(&world)?;
        case.shows(&world, &Expected { kind: Kind::CloudAssembly, condition, reason, says })?;
        // A Stage passes on why there is nothing to deploy, unless that passes by itself.
        let says = if condition == "Stalled" { says } else { "has no release yet" };
        let told = Expected { kind: Kind::Stage, condition: "Waiting", reason: "AwaitingAssembly", says };
        case.shows(&world, &told)?;
        is_kept(&world, metrics, reason)?;

        rule.remove();
        let release = case.digest(&world, None)?;
        case.waiting(&world, Some(&release))?;
    }
    Ok(())
}
