//! Sources: the newest version, fetched by exactly that version.

use stackgate_core::{
    api::{PinnedS3, PinnedSource, S3Source},
    bundle::{AssetContent, Entries, File, TreePath},
    effect::{Fact, Look, Outcome, RefusalKind, SourceSeen},
};

use stackgate_testbed::{Fault, Rule};

use crate::world::{BUILD, World, access, refusal};

const BUCKET: &str = "shop-cdk-out";

fn source(key: &str) -> S3Source {
    S3Source {
        account: "build".to_owned(),
        bucket: BUCKET.parse().unwrap(),
        key: key.to_owned(),
        region: "ap-southeast-2".parse().unwrap(),
        version_id: None,
    }
}

async fn seen(world: &World, source: S3Source) -> SourceSeen {
    match world.look(Look::Source(source, None, access(BUILD, &[]))).await {
        Outcome::Learnt(Fact::Source(seen)) => seen,
        other => panic!("not seen: {other:?}"),
    }
}

fn pinned(version_id: &str) -> Look {
    let S3Source { account, bucket, key, region, .. } = source("cdk.out.tgz");
    let pinned = PinnedS3 { account, bucket, key, region, version_id: version_id.to_owned() };
    Look::Bundle(PinnedSource::S3(pinned), access(BUILD, &[]))
}

async fn bucket(world: &World) -> aws_sdk_s3::Client {
    let s3 = world.s3(BUILD);
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder()
        .location_constraint("ap-southeast-2".into())
        .build();
    s3.create_bucket().bucket(BUCKET).create_bucket_configuration(place).send().await.unwrap();
    s3
}

async fn put(s3: &aws_sdk_s3::Client, bytes: &[u8]) {
    s3.put_object().bucket(BUCKET).key("cdk.out.tgz").body(bytes.to_vec().into()).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_version_is_seen_and_any_can_be_fetched() {
    let world = World::start().await;
    let s3 = bucket(&world).await;
    let enabled = aws_sdk_s3::types::VersioningConfiguration::builder().status("Enabled".into()).build();
    s3.put_bucket_versioning().bucket(BUCKET).versioning_configuration(enabled).send().await.unwrap();
    assert!(matches!(seen(&world, source("cdk.out.tgz")).await, SourceSeen::Missing(_)));

    put(&s3, &archive("55.0.0")).await;
    let SourceSeen::Version(first) = seen(&world, source("cdk.out.tgz")).await else { panic!("no version") };
    put(&s3, b"no archive").await;
    let SourceSeen::Version(second) = seen(&world, source("cdk.out.tgz")).await else { panic!("no version") };
    assert_ne!(first, second);

    let opened = world.look(pinned(&first)).await;
    assert!(matches!(opened, Outcome::Learnt(Fact::Bundle(Ok(_)))), "{opened:?}");
    let broken = world.look(pinned(&second)).await;
    let Outcome::Learnt(Fact::Bundle(Err(why))) = broken else { panic!("{broken:?}") };
    assert!(why.contains("not an archive"), "{why}");
    let gone = refusal(world.look(pinned("00000000-0000-0000-0000-000000000000")).await);
    assert_eq!(gone.kind, RefusalKind::NotFound, "{}", gone.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_without_versions_is_told() {
    let world = World::start().await;
    let missing = seen(&world, source("cdk.out.tgz")).await;
    assert!(matches!(missing, SourceSeen::Missing(_)), "{missing:?}");
    let s3 = bucket(&world).await;
    put(&s3, b"anything").await;
    assert_eq!(seen(&world, source("cdk.out.tgz")).await, SourceSeen::Unversioned);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_in_another_region_is_told() {
    let world = World::start().await;
    // S3 answers a HEAD with a status alone.
    let elsewhere = Fault::Answer { status: 301, body: String::new() };
    world.proxy.rule(Rule::on("s3", "HeadObject", elsewhere).always());
    let told = refusal(world.look(Look::Source(source("cdk.out.tgz"), None, access(BUILD, &[]))).await);
    assert_eq!(told.kind, RefusalKind::Invalid);
    assert!(told.message.contains("lies in another region"), "{}", told.message);
    assert!(told.message.contains("source.s3.region"), "{}", told.message);
}

/// The smallest assembly: a manifest without artifacts, in a zip.
fn archive(version: &str) -> Vec<u8> {
    let manifest = format!("{{\"version\":\"{version}\",\"artifacts\":{{}}}}");
    let file = File::new(manifest.into_bytes(), false);
    let entries = Entries([(TreePath::parse("manifest.json").unwrap(), file)].into());
    AssetContent::Directory(entries).object().unwrap().to_vec()
}
