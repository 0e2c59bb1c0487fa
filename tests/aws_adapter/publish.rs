//! Assets: uploaded once, recognised when they are there, and never laid over something else.

use stackgate_core::{
    bundle::{AssetContent, Entries, File, FileAsset, FileDestination, Packaging, TreePath},
    effect::{Mutation, Outcome, Receipt, RefusalKind, Upload},
    words::BucketName,
};
use stackgate_testbed::{Fault, Rule};

use crate::world::{DEV, World, access, env, names, refusal};

fn asset(packaging: Packaging, content: AssetContent, key: &str) -> Upload {
    let names = names();
    let destination =
        FileDestination { env: env(DEV), bucket: names.bucket(), key: key.to_owned(), role: None };
    let asset = FileAsset {
        id: "a".to_owned(),
        display_name: None,
        packaging,
        source: TreePath::parse("asset.a").unwrap(),
        destination,
        digest: content.digest(),
        content,
    };
    let access = access(DEV, &[names.file_publishing_role()]);
    Upload { bucket: names.bucket(), key: key.to_owned(), asset, access }
}

fn zip(handler: &str) -> Upload {
    let entries = [("index.js", handler), ("lib/x.js", "x")].map(|(path, text)| {
        (TreePath::parse(path).unwrap(), File::new(text.as_bytes().to_vec(), path.starts_with("lib")))
    });
    asset(Packaging::Zip, AssetContent::Directory(Entries(entries.into())), "a.zip")
}

fn template(text: &str) -> Upload {
    asset(Packaging::File, AssetContent::File(File::new(text.as_bytes().to_vec(), false)), "t.json")
}

async fn publish(world: &World, upload: Upload) -> Outcome {
    world.mutate(Mutation::Publish(Box::new(upload))).await
}

fn accepted(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Accepted(Receipt::Done)), "{outcome:?}");
}

fn puts(world: &World) -> usize {
    world.proxy.recorded().iter().filter(|e| e.call.operation == "PutObject").count()
}

async fn lies(world: &World, key: &str, bytes: &[u8]) {
    let put = world.s3(DEV).put_object().bucket(names().bucket().as_str()).key(key);
    put.body(bytes.to_vec().into()).send().await.unwrap();
    world.proxy.clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_is_not_uploaded_again() {
    let world = World::start().await;
    accepted(&publish(&world, zip("1")).await);
    let put = world.proxy.recorded().into_iter().find(|e| e.call.operation == "PutObject").unwrap().call;
    assert_eq!(put.headers.get("if-none-match").map(String::as_str), Some("*"));
    assert_eq!(put.headers.get("content-type").map(String::as_str), Some("application/zip"));
    assert_eq!(put.headers.get("x-amz-expected-bucket-owner").map(String::as_str), Some(DEV));
    assert!(put.headers.contains_key("x-amz-checksum-sha256"));
    accepted(&publish(&world, zip("1")).await);
    assert_eq!(puts(&world), 1);
    let downloads = world.proxy.recorded().iter().filter(|e| e.call.operation == "GetObject").count();
    assert_eq!(downloads, 0, "our own upload is known by its checksum");
    let other = refusal(publish(&world, zip("2")).await);
    assert_eq!(other.kind, RefusalKind::AssetKeyTaken);
    assert!(other.message.contains("a.zip"), "{}", other.message);

    accepted(&publish(&world, template("{\"Resources\":{\"LongEnough\":1}}")).await);
    accepted(&publish(&world, template("{\"Resources\":{\"LongEnough\":1}}")).await);
    let other = refusal(publish(&world, template("{\"Resources\":{\"LongEnough\":2}}")).await);
    assert_eq!(other.kind, RefusalKind::AssetKeyTaken);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_packing_of_the_same_entries_is_the_same() {
    let world = World::start().await;
    // The same two files in another order, stored without compression.
    let script = "import sys,zipfile,io\nb=io.BytesIO()\nz=zipfile.ZipFile(b,'w')\n\
        for n,t,m in [('lib/x.js','x',0o755),('index.js','1',0o644)]:\n\
        \x20i=zipfile.ZipInfo(n);i.external_attr=(0o100000|m)<<16;i.create_system=3;z.writestr(i,t)\n\
        z.close();sys.stdout.buffer.write(b.getvalue())";
    let output = std::process::Command::new("python3").args(["-c", script]).output().unwrap();
    assert!(output.status.success());
    lies(&world, "a.zip", &output.stdout).await;
    accepted(&publish(&world, zip("1")).await);
    assert_eq!(puts(&world), 0);
    lies(&world, "a.zip", b"not a zip at all, and longer than 22 bytes").await;
    assert_eq!(refusal(publish(&world, zip("1")).await).kind, RefusalKind::AssetKeyTaken);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_zip_counts_as_missing() {
    let world = World::start().await;
    let mut empty = b"PK\x05\x06".to_vec();
    empty.resize(22, 0);
    lies(&world, "a.zip", &empty).await;
    accepted(&publish(&world, zip("1")).await);
    assert_eq!(puts(&world), 1);
    accepted(&publish(&world, zip("1")).await);
    assert_eq!(puts(&world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_quicker_is_compared() {
    let world = World::start().await;
    let nothing = "<ListBucketResult><Name>b</Name><KeyCount>0</KeyCount></ListBucketResult>".to_owned();
    accepted(&publish(&world, zip("1")).await);
    let list = || Rule::on("s3", "ListObjectsV2", Fault::Answer { status: 200, body: nothing.clone() });
    world.proxy.rule(list());
    accepted(&publish(&world, zip("1")).await);
    world.proxy.rule(list());
    assert_eq!(refusal(publish(&world, zip("2")).await).kind, RefusalKind::AssetKeyTaken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_of_an_upload_is_unsure_and_then_found() {
    let world = World::start().await;
    world.proxy.rule(Rule::on("s3", "PutObject", Fault::DropReply));
    let lost = publish(&world, zip("1")).await;
    assert!(matches!(lost, Outcome::Unsure(_)), "{lost:?}");
    accepted(&publish(&world, zip("1")).await);
    assert_eq!(puts(&world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_bucket_asks_for_bootstrap() {
    let world = World::start().await;
    let mut upload = zip("1");
    upload.bucket = "no-such-bucket-here".parse::<BucketName>().unwrap();
    let refused = refusal(publish(&world, upload).await);
    assert_eq!(refused.kind, RefusalKind::NotFound);
    assert!(refused.message.contains(&format!("Is account {DEV} bootstrapped?")), "{}", refused.message);
}
