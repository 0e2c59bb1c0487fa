//! Where the clauses are played: the fake in its own time, the emulator through the adapter.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use stackgate_core::{
    bundle::{AssetContent, File, FileAsset, FileDestination, Packaging, TreePath},
    effect::{
        Confirmed, Effect, Fact, Look, Mutation, Outcome, Receipt, SetRef, TemplateSource, Upload,
        WantedChangeSet,
    },
    stack::{ChangeSetKind, ChangeSetRow, ExecutionStatus, StackRow, StackStatus},
    words::{ChangeSetArn, ChangeSetName, StackId, StackKey},
};
use stackgate_sim::{
    protocol::Protocol,
    random::Random,
    weather::{Luck, Weather},
    world::World as Simulated,
};
use stackgate_testbed::{Fault, Rule};

use super::clauses::{Body, Name, Step};
use crate::world::{DEV, World, access, deploy, env, key, names};

/// Something that keeps the contract, or does not.
pub(super) trait Cloud {
    /// Does the next step and says what came of it. `reply`: the error with which AWS answers, where somebody knows better.
    async fn play(&mut self, step: &Step, reply: Option<(&str, &str)>) -> String;
}

/// What has been learnt on the way.
struct Known {
    key: StackKey,
    id: Option<StackId>,
    sets: BTreeMap<Name, ChangeSetArn>,
    ids: Vec<StackId>,
    states: Vec<Timestamp>,
}

impl Known {
    fn new(stack: &str) -> Self {
        Self { key: key(stack), id: None, sets: BTreeMap::new(), ids: Vec::new(), states: Vec::new() }
    }

    /// The effect of a step; `None`: time passes.
    fn effect(&self, step: &Step, now: Timestamp) -> Option<Effect> {
        let confirmed = |id: StackId| Confirmed::by_look(id, now, now).unwrap();
        let id = || self.id.clone().unwrap_or_else(|| arn("stack/Dev-None").parse().unwrap());
        let set = |name: &str| {
            self.sets.get(name).cloned().unwrap_or_else(|| arn(&format!("changeSet/{name}")).parse().unwrap())
        };
        let wanted = |kind, name, body, token: &str| {
            Effect::Mutate(Mutation::CreateChangeSet(Box::new(wanted(&self.key, kind, name, body, token))))
        };
        Some(match *step {
            Step::Create(name, body) => wanted(ChangeSetKind::Create, name, body, name),
            Step::Update(name, body) => wanted(ChangeSetKind::Update, name, body, name),
            Step::UpdateAnew(name, body) => wanted(ChangeSetKind::Update, name, body, "anew"),
            Step::Execute(name) => {
                let arn = Confirmed::by_look(set(name), now, now).unwrap();
                Effect::Mutate(Mutation::Execute(self.key.clone(), arn, deploy()))
            }
            Step::DeleteSet(name) => Effect::Mutate(Mutation::DeleteChangeSet(
                self.key.clone(),
                set(name),
                "not wanted".to_owned(),
                deploy(),
            )),
            Step::Protect(on) => {
                Effect::Mutate(Mutation::Protect(self.key.clone(), confirmed(id()), on, deploy()))
            }
            Step::Delete => {
                Effect::Mutate(Mutation::DeleteStack(self.key.clone(), confirmed(id()), deploy()))
            }
            Step::Settle => return None,
            Step::Stack => Effect::Look(Look::Stack(self.key.clone(), deploy())),
            Step::Set(name) => {
                let name = SetRef::Name(name.parse::<ChangeSetName>().unwrap());
                Effect::Look(Look::ChangeSet(self.key.clone(), name, deploy()))
            }
            Step::Template => Effect::Look(Look::Template(self.key.clone(), id(), now, deploy())),
            Step::Failure => Effect::Look(Look::Failure(self.key.clone(), id(), deploy())),
            Step::Publish(key, text) => Effect::Mutate(Mutation::Publish(Box::new(upload(key, text)))),
        })
    }

    /// What came of it, without what differs from run to run.
    fn told(&mut self, step: &Step, outcome: Outcome) -> String {
        match outcome {
            Outcome::Learnt(Fact::Stack(row)) => self.row(row),
            Outcome::Learnt(Fact::ChangeSet(set)) => {
                set.map_or_else(|| "absent".to_owned(), |s| change_set(&s))
            }
            Outcome::Learnt(Fact::Template(text)) => {
                let is = |body| text.as_deref() == Some(template(body).as_str());
                let found =
                    [(Body::First, "first"), (Body::Second, "second")].into_iter().find(|(b, _)| is(*b));
                found.map_or("another", |(_, name)| name).to_owned()
            }
            Outcome::Learnt(Fact::Failure(failed)) => {
                if failed.is_some() { "failed" } else { "nothing has failed" }.to_owned()
            }
            Outcome::Accepted(Receipt::ChangeSet(arn, id)) => {
                if let Step::Create(name, _) | Step::Update(name, _) = step {
                    self.sets.insert(name, arn);
                }
                self.id = Some(id);
                "accepted".to_owned()
            }
            Outcome::Accepted(_) => "accepted".to_owned(),
            Outcome::Refused(refusal) => format!("refused: {:?}", refusal.kind),
            Outcome::Unsure(_) => "unsure".to_owned(),
            Outcome::Learnt(fact) => format!("{fact:?}"),
        }
    }

    fn row(&mut self, row: Option<StackRow>) -> String {
        let Some(row) = row.filter(|r| r.status != StackStatus::DeleteComplete) else {
            return "absent".to_owned();
        };
        self.id = Some(row.id.clone());
        let (id, state) = (place(&mut self.ids, row.id), place(&mut self.states, row.updated));
        let sets = row.change_sets.map(|n| format!(" change sets {n}")).unwrap_or_default();
        let protected = if row.protected { " protected" } else { "" };
        format!("{} stack {id} state {state}{sets}{protected}", row.status.as_str())
    }
}

/// Which of those that were seen this is, counted from 1.
fn place<T: PartialEq>(seen: &mut Vec<T>, this: T) -> usize {
    let at = seen.iter().position(|s| *s == this).unwrap_or_else(|| {
        seen.push(this);
        seen.len() - 1
    });
    at + 1
}

fn change_set(set: &ChangeSetRow) -> String {
    let told = format!("{} {}", set.status.as_str(), set.execution.as_str());
    if set.empty {
        return format!("{told}, empty");
    }
    let changes: Vec<_> = set.changes.iter().map(|c| format!("{} {}", c.action, c.logical_id)).collect();
    match set.execution {
        ExecutionStatus::Available => format!("{told}: {}", changes.join(", ")),
        _ => told,
    }
}

fn arn(of: &str) -> String {
    format!("arn:aws:cloudformation:{}:{DEV}:{of}/00000000-0000-0000-0000-000000000000", env(DEV).region)
}

fn template(body: Body) -> String {
    let parameter = |value: &str| serde_json::json!({"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}});
    let resources = match body {
        Body::First => serde_json::json!({"Bucket": parameter("1")}),
        Body::Second => serde_json::json!({"Bucket": parameter("2")}),
        Body::Fails => serde_json::json!({
            "Bucket": parameter("3"),
            "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
            "Wait": {"Type": "AWS::CloudFormation::WaitCondition", "DependsOn": "Handle",
                "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "1"}},
        }),
    };
    serde_json::json!({"Resources": resources}).to_string()
}

fn wanted(stack: &StackKey, kind: ChangeSetKind, name: Name, body: Body, token: &str) -> WantedChangeSet {
    WantedChangeSet {
        key: stack.clone(),
        name: name.parse().unwrap(),
        kind,
        description: "Stackgate: shop/dev proof=0".to_owned(),
        template: TemplateSource::Inline(template(body).into()),
        parameters: Vec::new(),
        tags: Vec::new(),
        capabilities: Vec::new(),
        role: Some(names().execution_role()),
        notification_arns: None,
        import_existing: false,
        token: format!("{}-{token}", stack.name),
        quiet: false,
        access: deploy(),
    }
}

fn upload(key: &str, text: &str) -> Upload {
    let names = names();
    let content = AssetContent::File(File::new(text.as_bytes().to_vec(), false));
    let destination =
        FileDestination { env: env(DEV), bucket: names.bucket(), key: key.to_owned(), role: None };
    let asset = FileAsset {
        id: "a".to_owned(),
        display_name: None,
        packaging: Packaging::File,
        source: TreePath::parse("asset.a").unwrap(),
        destination,
        digest: content.digest(),
        content,
    };
    Upload {
        bucket: names.bucket(),
        key: key.to_owned(),
        asset,
        access: access(DEV, &[names.file_publishing_role()]),
    }
}

/// The simulator's CloudFormation, in which nothing fails by itself.
pub(super) struct Fake {
    world: Box<Simulated>,
    known: Known,
    fails: Vec<Name>,
}

impl Fake {
    pub(super) fn new() -> Self {
        let luck = Luck { random: Random::new(0), weather: Weather::CALM, vary: false };
        let world = Box::new(Simulated::new(luck, Protocol::AsDesigned));
        Self { world, known: Known::new("Dev-C"), fails: Vec::new() }
    }

    fn wait(&mut self, time: SignedDuration) {
        let until = self.world.now.checked_add(time).unwrap();
        self.world.pass(until);
    }
}

impl Cloud for Fake {
    async fn play(&mut self, step: &Step, _reply: Option<(&str, &str)>) -> String {
        // Long enough for a change set, not for an operation.
        self.wait(SignedDuration::from_secs(1));
        let Some(effect) = self.known.effect(step, self.world.now) else {
            self.wait(SignedDuration::from_mins(2));
            return "rests".to_owned();
        };
        if let Step::Create(name, Body::Fails) | Step::Update(name, Body::Fails) = step {
            self.fails.push(name);
        }
        let fails = matches!(step, Step::Execute(name) if self.fails.contains(name));
        self.world.luck.weather.fails = if fails { 1000 } else { 0 };
        let outcome = self.world.perform(&effect);
        self.known.told(step, outcome)
    }
}

/// The adapter, which speaks to the emulator.
pub(super) struct Emulated {
    world: World,
    known: Known,
    clauses: usize,
}

impl Emulated {
    pub(super) async fn start() -> Self {
        Self { world: World::start().await, known: Known::new("Dev-C0"), clauses: 0 }
    }

    /// Another clause, on a stack of its own.
    pub(super) fn begin(&mut self) {
        self.clauses += 1;
        self.known = Known::new(&format!("Dev-C{}", self.clauses));
    }

    async fn settle(&self) -> &'static str {
        for _ in 0..400 {
            let look = Look::Stack(self.known.key.clone(), deploy());
            let Outcome::Learnt(Fact::Stack(row)) = self.world.look(look).await else { return "no answer" };
            let runs = |r: &StackRow| {
                r.status != StackStatus::ReviewInProgress && r.status.as_str().ends_with("_IN_PROGRESS")
            };
            if !row.as_ref().is_some_and(runs) {
                return "rests";
            }
            tokio::time::sleep(Duration::from_millis(50)).await; // between two questions
        }
        "never rests"
    }
}

impl Cloud for Emulated {
    async fn play(&mut self, step: &Step, reply: Option<(&str, &str)>) -> String {
        let Some(effect) = self.known.effect(step, Timestamp::now()) else {
            return self.settle().await.to_owned();
        };
        if let (Some((code, message)), Effect::Mutate(Mutation::CreateChangeSet(_))) = (reply, &effect) {
            let body = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
                 <RequestId>r</RequestId></ErrorResponse>"
            );
            self.world.proxy.rule(Rule::on(
                "cloudformation",
                "CreateChangeSet",
                Fault::Answer { status: 400, body },
            ));
        }
        let outcome = match effect {
            Effect::Look(look) => self.world.look(look).await,
            Effect::Mutate(mutation) => self.world.mutate(mutation).await,
            Effect::Record(_) => panic!("not for AWS"),
        };
        self.known.told(step, outcome)
    }
}
