//! What went through the proxy.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use super::{
    call::{Call, CallKind},
    rule::Fault,
};

/// A reply as AWS gave it (before a rule dropped or replaced it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body as text; empty for S3, whose objects may be large.
    pub body: String,
}

/// The role that a session's credentials belong to, learnt from the reply to its `AssumeRole`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Actor {
    /// The account of the role.
    pub account: String,
    /// The role's name, without a path.
    pub role: String,
    /// The session's name.
    pub session: String,
}

/// One request and what came of it.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Counts from 0 since the proxy started, in the order of arrival.
    pub number: u64,
    /// When the request had arrived.
    pub at: SystemTime,
    /// From then until the answer went out or was dropped; nothing while it is open.
    pub took: Option<Duration>,
    /// The request.
    pub call: Call,
    /// Whose session it was signed with; nothing for base credentials.
    pub actor: Option<Actor>,
    /// AWS's reply; nothing while it is open, or when AWS never saw it or gave none.
    pub reply: Option<Reply>,
    /// What a rule did to it.
    pub fault: Option<Fault>,
    arrived: Instant,
}

/// How many calls there were, by `service:Operation`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// CloudFormation calls that are about one stack.
    pub naming_a_stack: BTreeMap<String, usize>,
    /// CloudFormation calls that look at a whole region.
    pub region_polls: BTreeMap<String, usize>,
    /// All other calls.
    pub other: BTreeMap<String, usize>,
}

impl Counts {
    /// The counts of some exchanges, for example those of one deployment.
    pub fn of<'a>(exchanges: impl IntoIterator<Item = &'a Exchange>) -> Self {
        let mut counts = Self::default();
        for Exchange { call, .. } in exchanges {
            let kind = match call.kind() {
                CallKind::NamesStack => &mut counts.naming_a_stack,
                CallKind::RegionPoll => &mut counts.region_polls,
                CallKind::Other => &mut counts.other,
            };
            *kind.entry(format!("{}:{}", call.service, call.operation)).or_default() += 1;
        }
        counts
    }
}

/// Everything so far, and which session belongs to whom.
#[derive(Debug, Default)]
pub(super) struct Records(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    exchanges: Vec<Exchange>,
    next: u64,
    sessions: BTreeMap<String, Actor>,
}

impl Records {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account of the session with this access key; empty when it is none that was learnt.
    pub(super) fn account_of(&self, access_key_id: &str) -> String {
        self.lock().sessions.get(access_key_id).map(|actor| actor.account.clone()).unwrap_or_default()
    }

    /// Notes a request; returns its number.
    pub(super) fn arrived(&self, call: Call, fault: Option<Fault>) -> u64 {
        let mut inner = self.lock();
        let number = inner.next;
        inner.next += 1;
        let actor = inner.sessions.get(&call.access_key_id).cloned();
        let (at, arrived) = (SystemTime::now(), Instant::now());
        inner.exchanges.push(Exchange { number, at, took: None, call, actor, reply: None, fault, arrived });
        number
    }

    /// Notes AWS's reply. An exchange that was cleared away meanwhile is left alone; a new session is learnt all the same.
    pub(super) fn replied(&self, number: u64, reply: Reply) {
        let mut inner = self.lock();
        if let Some((key, actor)) = session(&reply.body) {
            inner.sessions.insert(key, actor);
        }
        if let Some(exchange) = inner.exchanges.iter_mut().find(|exchange| exchange.number == number) {
            exchange.reply = Some(reply);
        }
    }

    /// Notes that the answer goes out, or is dropped, now.
    pub(super) fn ended(&self, number: u64) {
        let mut inner = self.lock();
        if let Some(exchange) = inner.exchanges.iter_mut().find(|exchange| exchange.number == number) {
            exchange.took = Some(exchange.arrived.elapsed());
        }
    }

    pub(super) fn all(&self) -> Vec<Exchange> {
        self.lock().exchanges.clone()
    }

    pub(super) fn clear(&self) {
        self.lock().exchanges.clear();
    }
}

/// The access key id of a new session and whose it is, from a reply to `AssumeRole`.
fn session(body: &str) -> Option<(String, Actor)> {
    if !body.contains("<AssumeRoleResult>") {
        return None;
    }
    let key = element(body, "AccessKeyId")?;
    // arn:aws:sts::<account>:assumed-role/<role>/<session>
    let arn = element(element(body, "AssumedRoleUser")?, "Arn")?;
    let mut fields = arn.splitn(6, ':').skip(4);
    let account = fields.next()?;
    let mut path = fields.next()?.split('/').skip(1);
    let actor = Actor { account: account.into(), role: path.next()?.into(), session: path.next()?.into() };
    Some((key.to_owned(), actor))
}

/// The text of the first element of that name: enough for the one reply that is read.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_learnt_from_its_reply() {
        let records = Records::default();
        let first = records.arrived(Call::default(), None);
        let body = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA1</AccessKeyId></Credentials>\
            <AssumedRoleUser><Arn>arn:aws:sts::111111111111:assumed-role/deploy/sg-1</Arn></AssumedRoleUser>\
            </AssumeRoleResult></AssumeRoleResponse>";
        records.replied(first, Reply { status: 200, body: body.into() });
        records.arrived(Call { access_key_id: "ASIA1".into(), ..Call::default() }, None);
        let all = records.all();
        assert_eq!(all[0].actor, None);
        let actor = all[1].actor.as_ref().unwrap();
        assert_eq!(
            (actor.account.as_str(), actor.role.as_str(), actor.session.as_str()),
            ("111111111111", "deploy", "sg-1")
        );
    }
}
