//! The clauses: what is done, and what is said then. Sources: the API reference of CloudFormation and S3, and the CDK CLI's own handling
//! (`reference/cdk.md` of the design), which was written against AWS.

/// A name of a change set.
pub(super) type Name = &'static str;

/// What a template deploys.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body {
    /// One resource.
    First,
    /// The same, changed.
    Second,
    /// Something that cannot be made.
    Fails,
}

/// Something that is done or looked at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// CreateChangeSet for a stack that is not there.
    Create(Name, Body),
    /// CreateChangeSet for one that is.
    Update(Name, Body),
    /// The same with another token.
    UpdateAnew(Name, Body),
    /// ExecuteChangeSet.
    Execute(Name),
    /// DeleteChangeSet.
    DeleteSet(Name),
    /// UpdateTerminationProtection.
    Protect(bool),
    /// DeleteStack.
    Delete,
    /// Whatever runs comes to its end.
    Settle,
    /// DescribeStacks: status, which stack of that name, which state of it.
    Stack,
    /// DescribeChangeSet.
    Set(Name),
    /// GetTemplate.
    Template,
    /// The first failed resource.
    Failure,
    /// PutObject of an asset.
    Publish(&'static str, &'static str),
}

/// A step, and what follows from it.
pub(super) struct Line {
    pub(super) step: Step,
    /// What AWS says: one of these.
    pub(super) says: &'static [&'static str],
    /// What the emulator says instead.
    pub(super) emulator: Option<Deviation>,
}

/// Where the emulator is no AWS.
pub(super) struct Deviation {
    pub(super) says: &'static str,
    /// What AWS replies: code and message of an error.
    reply: Option<(&'static str, &'static str)>,
}

pub(super) struct Clause {
    pub(super) name: &'static str,
    pub(super) lines: Vec<Line>,
}

impl Line {
    pub(super) fn allows(&self, told: &str) -> bool {
        self.says.contains(&told)
    }

    /// Code and message of the error with which AWS replies where the emulator does otherwise.
    pub(super) fn reply_of_aws(&self) -> Option<(&'static str, &'static str)> {
        self.emulator.as_ref().and_then(|d| d.reply)
    }

    fn emulator(self, says: &'static str) -> Self {
        Self { emulator: Some(Deviation { says, reply: None }), ..self }
    }

    fn emulator_but_aws(self, says: &'static str, code: &'static str, message: &'static str) -> Self {
        Self { emulator: Some(Deviation { says, reply: Some((code, message)) }), ..self }
    }
}

fn line(step: Step, says: &'static [&'static str]) -> Line {
    Line { step, says, emulator: None }
}

fn clause(name: &'static str, lines: Vec<Line>) -> Clause {
    Clause { name, lines }
}

/// From nothing to a stack that rests.
fn deployed(lines: Vec<Line>) -> Vec<Line> {
    use Step::*;
    let made = [
        line(Create("first", Body::First), &["accepted"]),
        line(Execute("first"), &["accepted"]),
        line(Settle, &["rests"]),
        line(Stack, &["CREATE_COMPLETE stack 1 state 1"]),
    ];
    made.into_iter().chain(lines).collect()
}

const NOT_EXECUTABLE: &[&str] = &["absent", "CREATE_COMPLETE OBSOLETE"];
const NOT_EXECUTED: &[&str] = &["refused: Conflict", "refused: NotFound"];

pub(super) fn clauses() -> Vec<Clause> {
    use Body::*;
    use Step::*;
    vec![
        clause(
            "where nothing is, nothing is found, and what shall go is gone",
            vec![
                line(Stack, &["absent"]),
                line(Set("first"), &["absent"]),
                line(Execute("first"), &["refused: NotFound"]),
                line(DeleteSet("first"), &["accepted"]),
                line(Update("first", First), &["refused: NotFound"]),
                line(Stack, &["absent"]),
            ],
        ),
        clause(
            "a first change set makes a stack that only waits, and goes with it",
            vec![
                line(Create("first", First), &["accepted"]),
                line(Stack, &["REVIEW_IN_PROGRESS stack 1 state 1 change sets 1"]),
                line(Set("first"), &["CREATE_COMPLETE AVAILABLE: Add Bucket"]),
                line(DeleteSet("first"), &["accepted"]),
                line(DeleteSet("first"), &["accepted"]),
                line(Set("first"), &["absent"]),
                line(Stack, &["REVIEW_IN_PROGRESS stack 1 state 1 change sets 0"]),
                line(Delete, &["accepted"]),
                line(Settle, &["rests"]),
                line(Stack, &["absent"]),
            ],
        ),
        clause(
            "a change set makes the stack, and another one changes it",
            deployed(vec![
                line(Template, &["first"]),
                line(Update("second", Second), &["accepted"]),
                line(Stack, &["CREATE_COMPLETE stack 1 state 1"]),
                line(Set("second"), &["CREATE_COMPLETE AVAILABLE: Modify Bucket"]),
                line(Execute("second"), &["accepted"]),
                line(Settle, &["rests"]),
                line(Stack, &["UPDATE_COMPLETE stack 1 state 2"]),
                line(Template, &["second"]),
                line(Execute("second"), NOT_EXECUTED),
                line(Stack, &["UPDATE_COMPLETE stack 1 state 2"]),
            ]),
        ),
        clause(
            "what changes nothing cannot be executed",
            deployed(vec![
                line(Update("same", First), &["accepted"]),
                line(Set("same"), &["FAILED UNAVAILABLE, empty"]),
                line(Execute("same"), &["refused: Conflict"]),
                line(DeleteSet("same"), &["accepted"]),
                line(Set("same"), &["absent"]),
                line(Stack, &["CREATE_COMPLETE stack 1 state 1"]),
            ]),
        ),
        clause(
            "the same call again is the same, and another one under its name is refused",
            deployed(vec![
                line(Update("second", Second), &["accepted"]),
                line(Update("second", Second), &["accepted"]).emulator("refused: AlreadyExists"),
                line(UpdateAnew("second", Second), &["refused: AlreadyExists"]),
                line(Set("second"), &["CREATE_COMPLETE AVAILABLE: Modify Bucket"]),
            ]),
        ),
        clause(
            "a stack that is there is not made again",
            deployed(vec![
                line(Create("again", Second), &["refused: AlreadyExists"]),
                line(Stack, &["CREATE_COMPLETE stack 1 state 1"]),
            ]),
        ),
        clause(
            "whoever comes first leaves the others obsolete",
            deployed(vec![
                line(Update("second", Second), &["accepted"]),
                line(Update("other", Second), &["accepted"]),
                line(Execute("second"), &["accepted"]),
                line(Settle, &["rests"]),
                line(Set("other"), NOT_EXECUTABLE),
                line(Execute("other"), NOT_EXECUTED),
                line(Stack, &["UPDATE_COMPLETE stack 1 state 2"]),
            ]),
        ),
        clause(
            "a creation that fails is rolled back, and what is left cannot be updated",
            vec![
                line(Create("first", Fails), &["accepted"]),
                line(Execute("first"), &["accepted"]),
                line(Stack, &["CREATE_IN_PROGRESS stack 1 state 1"]),
                line(Update("meanwhile", Second), &["refused: Conflict"]).emulator_but_aws(
                    "accepted",
                    "ValidationError",
                    "Stack:arn:aws:cloudformation:x is in CREATE_IN_PROGRESS state and can not be updated.",
                ),
                line(Settle, &["rests"]),
                line(Stack, &["ROLLBACK_COMPLETE stack 1 state 1"]),
                line(Failure, &["failed"]),
                line(Update("second", Second), &["refused: Conflict"]).emulator_but_aws(
                    "accepted",
                    "ValidationError",
                    "Stack:arn:aws:cloudformation:x is in ROLLBACK_COMPLETE state and can not be updated.",
                ),
                line(Delete, &["accepted"]),
                line(Settle, &["rests"]),
                line(Stack, &["absent"]),
                line(Create("anew", First), &["accepted"]),
                line(Stack, &["REVIEW_IN_PROGRESS stack 2 state 2 change sets 1"]),
            ],
        ),
        clause(
            "an update that fails is rolled back, and the stack lives on",
            deployed(vec![
                line(Update("bad", Fails), &["accepted"]),
                line(Execute("bad"), &["accepted"]),
                line(Settle, &["rests"]),
                line(Stack, &["UPDATE_ROLLBACK_COMPLETE stack 1 state 2"]),
                line(Failure, &["failed"]),
                line(Update("second", Second), &["accepted"]),
                line(Execute("second"), &["accepted"]),
                line(Settle, &["rests"]),
                line(Stack, &["UPDATE_COMPLETE stack 1 state 3"]),
            ]),
        ),
        clause(
            "protection is no change of the stack, and keeps it",
            deployed(vec![
                line(Protect(true), &["accepted"]),
                line(Stack, &["CREATE_COMPLETE stack 1 state 1 protected"]),
                line(Delete, &["refused: Invalid"]),
                line(Settle, &["rests"]),
                line(Stack, &["CREATE_COMPLETE stack 1 state 1 protected"]),
                line(Protect(false), &["accepted"]),
                line(Delete, &["accepted"]),
                line(Settle, &["rests"]),
                line(Stack, &["absent"]),
                line(Delete, &["accepted"]),
            ]),
        ),
        clause(
            "an asset is put once, and never over another",
            vec![
                line(Publish("a.json", "one"), &["accepted"]),
                line(Publish("a.json", "one"), &["accepted"]),
                line(Publish("a.json", "two"), &["refused: AssetKeyTaken"]),
            ],
        ),
    ]
}
