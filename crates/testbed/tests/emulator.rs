//! The emulator runs in its strict profile: it knows its callers, and refuses others.

mod aws;

use anyhow::{Result, ensure};
use serde_json::json;
use stackgate_testbed::{Emulator, fresh_dir};

#[test]
fn it_knows_an_account_and_refuses_a_stranger() -> Result<()> {
    let emulator = Emulator::start(&fresh_dir("emulator")?)?;
    let (endpoint, trust) = (emulator.endpoint(), emulator.authority());

    let me = aws::call(&endpoint, trust, "111111111111", "sts", "GetCallerIdentity", &json!({}))?;
    ensure!(me["Account"] == "111111111111", "{me}");

    let stranger =
        aws::call(&endpoint, trust, "AKIASTRANGER00000000", "sts", "GetCallerIdentity", &json!({}));
    let why = format!("{:#}", stranger.err().ok_or_else(|| anyhow::anyhow!("a stranger was let in"))?);
    ensure!(why.contains("InvalidClientTokenId"), "{why}");

    let role = json!({ "RoleArn": "arn:aws:iam::222222222222:role/none", "RoleSessionName": "s" });
    ensure!(
        aws::call(&endpoint, trust, "111111111111", "sts", "AssumeRole", &role).is_err(),
        "a role that is not there"
    );
    Ok(())
}

#[test]
fn paused_it_does_not_answer_and_resumed_it_does() -> Result<()> {
    let mut emulator = Emulator::start(&fresh_dir("emulator")?)?;
    emulator.pause();
    std::thread::scope(|scope| {
        let (endpoint, trust) = (emulator.endpoint(), emulator.authority().to_owned());
        let asked = scope.spawn(move || {
            aws::call(&endpoint, &trust, "111111111111", "sts", "GetCallerIdentity", &json!({}))
        });
        std::thread::sleep(std::time::Duration::from_secs(2)); // enough for Python to start and ask
        let answered = asked.is_finished();
        emulator.resume();
        let reply = asked.join().map_err(|_| anyhow::anyhow!("the caller panicked"))?;
        ensure!(!answered, "it answered while paused: {reply:?}");
        reply.map(drop)
    })
}
