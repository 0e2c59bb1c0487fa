//! The proxy is invisible to signatures, records what goes through, and disturbs it as told.

mod aws;

use std::{thread, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::{Counts, Emulator, Fault, Hold, Proxy, Rule, fresh_dir};

const ACCOUNT: &str = "111111111111";

struct World {
    emulator: Emulator,
    proxy: Proxy,
}

impl World {
    fn start() -> Result<Self> {
        let dir = fresh_dir("proxy")?;
        let emulator = Emulator::start(&dir)?;
        let proxy = Proxy::start(&dir, &emulator)?;
        Ok(Self { emulator, proxy })
    }

    fn call(&self, key: &str, service: &str, operation: &str, params: &Value) -> Result<Value> {
        aws::call(&self.proxy.endpoint(), self.proxy.bundle(), key, service, operation, params)
    }

    /// Past the proxy, with the same trust bundle.
    fn direct(&self, service: &str, operation: &str, params: &Value) -> Result<Value> {
        aws::call(&self.emulator.endpoint(), self.proxy.bundle(), ACCOUNT, service, operation, params)
    }
}

#[test]
fn it_records_who_calls_what() -> Result<()> {
    let world = World::start()?;
    let trust = json!({ "Statement": [{ "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": { "AWS": "arn:aws:iam::999999999999:root" } }] });
    let role = json!({ "RoleName": "deploy", "AssumeRolePolicyDocument": trust.to_string() });
    world.call(ACCOUNT, "iam", "CreateRole", &role)?;
    world.proxy.clear();

    // Signatures are checked behind the proxy: that these pass shows that host and bytes arrive as they were sent.
    let assume = json!({ "RoleArn": "arn:aws:iam::111111111111:role/deploy", "RoleSessionName": "sg-1" });
    let session = world.call("999999999999", "sts", "AssumeRole", &assume)?;
    world.call(ACCOUNT, "cloudformation", "DescribeStacks", &json!({}))?;
    ensure!(
        world.call(ACCOUNT, "cloudformation", "DescribeStacks", &json!({ "StackName": "none" })).is_err()
    );
    world.call(
        ACCOUNT,
        "s3",
        "CreateBucket",
        &json!({ "Bucket": "assets-1",
        "CreateBucketConfiguration": { "LocationConstraint": "ap-southeast-2" } }),
    )?;
    let key = "assets/a b+c.zip";
    world.call(
        ACCOUNT,
        "s3",
        "PutObject",
        &json!({ "Bucket": "assets-1", "Key": key, "Body": "bytes", "IfNoneMatch": "*" }),
    )?;
    let head = world.call(ACCOUNT, "s3", "HeadObject", &json!({ "Bucket": "assets-1", "Key": key }))?;
    ensure!(head["ContentLength"] == 5, "{head}");
    let object = world.call(ACCOUNT, "s3", "GetObject", &json!({ "Bucket": "assets-1", "Key": key }))?;
    ensure!(object["Body"] == "bytes", "{object}");
    let stored = json!({ "Name": "/a", "Value": "v", "Type": "String" });
    world.call(ACCOUNT, "ssm", "PutParameter", &stored)?;

    let recorded = world.proxy.recorded();
    let operations: Vec<_> =
        recorded.iter().map(|e| format!("{}:{}", e.call.service, e.call.operation)).collect();
    let expected = [
        "sts:AssumeRole",
        "cloudformation:DescribeStacks",
        "cloudformation:DescribeStacks",
        "s3:CreateBucket",
        "s3:PutObject",
        "s3:HeadObject",
        "s3:GetObject",
        "ssm:PutParameter",
    ];
    ensure!(operations == expected, "{operations:?}");
    let put = recorded.iter().find(|e| e.call.operation == "PutObject").context("no PutObject")?;
    ensure!(
        put.call.param("Key") == key && put.call.headers.get("if-none-match").is_some_and(|v| v == "*"),
        "{put:?}"
    );
    let first = recorded.first().context("nothing recorded")?;
    ensure!(
        first.call.param("RoleSessionName") == "sg-1" && first.call.access_key_id == "999999999999",
        "{first:?}"
    );
    ensure!(
        first.call.region == "ap-southeast-2" && first.took.is_some() && first.actor.is_none(),
        "{first:?}"
    );
    let issued = session["Credentials"]["AccessKeyId"].as_str().context("no key")?;
    ensure!(
        first.reply.as_ref().is_some_and(|reply| reply.status == 200 && reply.body.contains(issued)),
        "{first:?}"
    );

    let counts = world.proxy.counts();
    ensure!(counts.naming_a_stack == [("cloudformation:DescribeStacks".to_owned(), 1)].into(), "{counts:?}");
    ensure!(counts.region_polls == [("cloudformation:DescribeStacks".to_owned(), 1)].into(), "{counts:?}");
    ensure!(counts.other.values().sum::<usize>() == 6, "{counts:?}");
    let mutations: Vec<_> = recorded.iter().filter(|e| e.call.is_mutating()).collect();
    ensure!(mutations.len() == 3, "{mutations:?}");
    world.proxy.clear();
    ensure!(world.proxy.counts() == Counts::default());
    Ok(())
}

#[test]
fn a_dropped_reply_is_lost_after_the_deed_and_a_refused_request_before_it() -> Result<()> {
    let world = World::start()?;
    let parameter = |name: &str| json!({ "Name": name, "Value": "v", "Type": "String" });

    let rule = world
        .proxy
        .rule(Rule::on("ssm", "PutParameter", Fault::DropReply).when(|call| call.param("Name") == "/lost"));
    ensure!(world.call(ACCOUNT, "ssm", "PutParameter", &parameter("/lost")).is_err(), "it got its reply");
    ensure!(rule.hits() == 1);
    world.direct("ssm", "GetParameter", &json!({ "Name": "/lost" }))?;
    let exchange = world.proxy.recorded().pop().context("nothing recorded")?;
    ensure!(exchange.fault == Some(Fault::DropReply) && exchange.reply.is_some(), "{exchange:?}");

    let unreachable = world.proxy.rule(Rule::on_service("ssm", Fault::Refuse).always());
    ensure!(world.call(ACCOUNT, "ssm", "PutParameter", &parameter("/never")).is_err(), "it got a reply");
    ensure!(world.direct("ssm", "GetParameter", &json!({ "Name": "/never" })).is_err(), "it got through");
    world.call(ACCOUNT, "sts", "GetCallerIdentity", &json!({}))?;
    unreachable.remove();
    world.call(ACCOUNT, "ssm", "PutParameter", &parameter("/never"))?;
    Ok(())
}

#[test]
fn a_connection_is_reset_before_or_after_the_deed() -> Result<()> {
    let world = World::start()?;
    let faults = [(Fault::Reset, "/before", false), (Fault::ResetReply, "/after", true)];
    for (fault, name, carried_out) in faults {
        world.proxy.rule(Rule::on("ssm", "PutParameter", fault));
        let parameter = json!({ "Name": name, "Value": "v", "Type": "String" });
        ensure!(world.call(ACCOUNT, "ssm", "PutParameter", &parameter).is_err(), "it got its reply");
        ensure!(
            world.direct("ssm", "GetParameter", &json!({ "Name": name })).is_ok() == carried_out,
            "{name}"
        );
    }
    Ok(())
}

#[test]
fn a_reply_is_replaced_before_or_after_the_deed() -> Result<()> {
    let world = World::start()?;
    let body = r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#.to_owned();
    let answer = Fault::Answer { status: 400, body: body.clone() };
    let replace = Fault::ReplaceReply { status: 400, body };
    for (fault, name, done) in [(answer, "/before", false), (replace, "/after", true)] {
        world.proxy.rule(Rule::on("ssm", "PutParameter", fault));
        let reply = world.call(
            ACCOUNT,
            "ssm",
            "PutParameter",
            &json!({ "Name": name, "Value": "v", "Type": "String" }),
        );
        let why = format!("{:#}", reply.err().context("it got its reply")?);
        ensure!(why.contains("ThrottlingException") && why.contains("Rate exceeded"), "{why}");
        let there = world.direct("ssm", "GetParameter", &json!({ "Name": name })).is_ok();
        ensure!(there == done, "{name}: {there}");
    }
    Ok(())
}

#[test]
fn a_held_request_waits_for_its_release_and_a_held_reply_comes_late() -> Result<()> {
    let world = World::start()?;
    let rule = world.proxy.rule(Rule::on("ssm", "PutParameter", Fault::HoldRequest(Hold::UntilReleased)));
    thread::scope(|scope| {
        let parameter = json!({ "Name": "/held", "Value": "v", "Type": "String" });
        let world = &world;
        let put = scope.spawn(move || world.call(ACCOUNT, "ssm", "PutParameter", &parameter));
        let stalled = rule.wait_for_hits(1, Duration::from_secs(30));
        let there = world.direct("ssm", "GetParameter", &json!({ "Name": "/held" })).is_ok();
        let waits = !put.is_finished();
        rule.release();
        put.join().map_err(|_| anyhow::anyhow!("the caller panicked"))??;
        stalled?;
        ensure!(waits && !there, "it was not held: waits {waits}, there {there}");
        anyhow::Ok(())
    })?;

    let pause = Duration::from_millis(700);
    world.proxy.rule(Rule::on("sts", "GetCallerIdentity", Fault::HoldReply(Hold::For(pause))));
    world.call(ACCOUNT, "sts", "GetCallerIdentity", &json!({}))?;
    let took = world.proxy.recorded().pop().and_then(|exchange| exchange.took).context("no time recorded")?;
    ensure!(took >= pause, "only {took:?}");
    Ok(())
}
