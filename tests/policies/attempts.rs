//! What is tried: attacks, each with the policy that stops it, and the honest case beside it.

use anyhow::{Result, bail, ensure};

use crate::{call::Call, world::World};

/// What should become of a request once the policies are there.
#[derive(Debug, Clone)]
pub enum Then {
    /// This policy denies it, with these words.
    Denied(&'static str, &'static str),
    /// It is accepted, before and after.
    Accepted,
    /// The API server refuses it by itself, with these words, before and after.
    Refused(&'static str),
}

/// One request and what should become of it.
#[derive(Debug, Clone)]
pub struct Attempt {
    name: &'static str,
    call: Call,
    then: Then,
}

/// An attack that a policy stops.
pub fn attack(name: &'static str, call: Call, policy: &'static str, says: &'static str) -> Attempt {
    Attempt { name, call, then: Then::Denied(policy, says) }
}

/// What an honest user does.
pub fn honest(name: &'static str, call: Call) -> Attempt {
    Attempt { name, call, then: Then::Accepted }
}

/// An attack that Kubernetes itself stops.
pub fn hopeless(name: &'static str, call: Call, says: &'static str) -> Attempt {
    Attempt { name, call, then: Then::Refused(says) }
}

/// The words with which the API server names policy and binding.
pub fn denial(policy: &str) -> String {
    format!("ValidatingAdmissionPolicy '{policy}' with binding '{policy}' denied request: ")
}

/// Without the policies each attack succeeds: else a test of them would prove nothing.
pub async fn all_succeed(world: &World, attempts: &[Attempt]) -> Result<()> {
    let mut wrong = Vec::new();
    for attempt in attempts {
        let said = attempt.call.send(world).await;
        match (&attempt.then, said) {
            (Then::Refused(says), Err(error)) if error.to_string().contains(says) => {}
            (Then::Refused(says), Ok(_)) => wrong.push(format!("{}: accepted, not {says:?}", attempt.name)),
            (Then::Refused(says), Err(error)) => {
                wrong.push(format!("{}: not {says:?}: {error}", attempt.name))
            }
            (Then::Denied(..) | Then::Accepted, Ok(_)) => {}
            (Then::Denied(..) | Then::Accepted, Err(error)) => {
                wrong.push(format!("{}: {error:#}", attempt.name));
            }
        }
    }
    ensure!(wrong.is_empty(), "without policies:\n{}", wrong.join("\n"));
    Ok(())
}

/// With the policies each attack is denied by the policy that it names, and honest users get through.
pub async fn all_end_as_they_should(world: &World, attempts: &[Attempt]) -> Result<()> {
    let mut wrong = Vec::new();
    for attempt in attempts {
        if let Err(error) = ends_as_it_should(world, attempt).await {
            wrong.push(format!("{}: {error:#}", attempt.name));
        }
    }
    ensure!(wrong.is_empty(), "with policies:\n{}", wrong.join("\n"));
    Ok(())
}

async fn ends_as_it_should(world: &World, attempt: &Attempt) -> Result<()> {
    match (&attempt.then, attempt.call.send(world).await) {
        (Then::Accepted, Ok(_)) => Ok(()),
        (Then::Accepted, Err(error)) => Err(error),
        (Then::Denied(..) | Then::Refused(_), Ok(_)) => bail!("accepted"),
        (Then::Denied(policy, says), Err(error)) => {
            let text = error.to_string();
            ensure!(text.contains(&denial(policy)), "not by {policy}: {text}");
            ensure!(text.contains(says), "without the words {says:?}: {text}");
            Ok(())
        }
        (Then::Refused(says), Err(error)) => {
            ensure!(error.to_string().contains(says), "without the words {says:?}: {error}");
            Ok(())
        }
    }
}
