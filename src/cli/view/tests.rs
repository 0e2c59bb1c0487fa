use insta::{assert_json_snapshot, assert_snapshot};
use rstest::rstest;
use serde_json::json;

use super::{fixtures::*, *};

/// Without styles, as it looks where there is no colour.
pub(super) fn plain(styled: &str) -> String {
    anstream::adapter::strip_str(styled).to_string()
}

pub(super) fn opened_as_seventh() -> serde_json::Value {
    opened("2026-11-24T09:00:00Z", 7, &release("1.4.2", 'a'))
}

pub(super) fn approved_by_alice() -> serde_json::Value {
    let acks = ["replace", "iam", "maybe-replace"];
    decided("2026-11-24T10:05:00Z", "Approve", "alice@corp.example", "Verified", &acks)
}

fn failed() -> PlanReport {
    let ledger = [
        opened_as_seventh(),
        approved_by_alice(),
        decided("2026-11-24T10:06:00Z", "Approve", "bob@corp.example", "Verified", &[]),
        claimed("2026-11-24T10:07:00Z", "Prod-Store"),
        settled(
            "2026-11-24T10:12:00Z",
            "Prod-Store",
            "RolledBack",
            "UPDATE_ROLLBACK_COMPLETE",
            Some("Orders: quota exceeded"),
        ),
        json!({ "time": "2026-11-24T10:13:00Z", "closed": { "reason": "Failed", "message": "stack Prod-Store was rolled back" } }),
    ];
    shown(&plan(&proposal(), &ledger, json!({})), &stage(json!({}), json!({})), &[], None)
}

fn frozen() -> PlanReport {
    let ledger = [opened_as_seventh(), approved_by_alice()];
    let mut calm = proposal();
    calm["compared"]["differences"] = json!([]);
    let stage = stage(json!({ "gate": {}, "checks": [{ "name": "smoke" }] }), json!({}));
    let held = [freeze("inc-4711", "INC-4711", "2026-11-25T06:00:00Z")];
    shown(&plan(&calm, &ledger, json!({})), &stage, &held, None)
}

fn rejected() -> PlanReport {
    let mut ledger = vec![opened_as_seventh()];
    let mut no = decided("2026-11-24T10:05:00Z", "Reject", "carol", "Verified", &[]);
    no["decided"]["reason"] = json!("not before the sale");
    ledger.push(no);
    ledger.push(json!({ "time": "2026-11-24T10:06:00Z", "closed": { "reason": "Rejected", "message": "rejected by carol" } }));
    let ours = stage(json!({}), json!({}));
    shown(&plan(&proposal(), &ledger, json!({})), &ours, &[], Some("prod-4444"))
}

/// What a tenant may have put into a template, to be taken for something else.
fn hostile() -> PlanReport {
    let nasty = "x` | <!-- @everyone --> [a](https://evil.example) <img src=x>\u{1b}[2J\u{202e}\n## Approved";
    let mut p = proposal();
    for field in ["cause", "stack", "resourceType", "policy"] {
        p["risks"][0][field] = json!(nasty);
    }
    p["risks"][0]["resources"] = json!([format!("{nasty} at {nasty}")]);
    p["release"]["name"] = json!(nasty);
    p["stacks"][0]["warnings"] = json!([nasty]);
    p["stacks"][0]["consoleURL"] = json!("https://evil.example/>)<script>");
    p["stacks"][0]["changes"][0]["resources"] = json!([nasty]);
    p["compared"]["differences"] = json!([nasty]);
    let mut no = decided("2026-11-24T10:05:00Z", "Approve", nasty, "Unverified", &[]);
    no["decided"]["reason"] = json!(nasty);
    no["decided"]["slot"] = json!("x");
    let ledger = [opened("2026-11-24T09:00:00Z", 7, &p["release"]), no];
    shown(&plan(&p, &ledger, json!({})), &stage(json!({}), json!({})), &[], None)
}

#[rstest]
#[case::waiting(waiting())]
#[case::failed(failed())]
#[case::frozen(frozen())]
#[case::rejected(rejected())]
#[case::hostile(hostile())]
fn plans(#[case] report: PlanReport) {
    let name = std::thread::current().name().unwrap().rsplit("case_").next().unwrap().to_owned();
    assert_snapshot!(format!("{name}_text"), plain(&text(&report, now())));
    assert_snapshot!(format!("{name}_markdown"), markdown(&report, now()));
    assert_json_snapshot!(format!("{name}_json"), report);
}

#[test]
fn colour_is_in_styles_alone() {
    let styled = text(&waiting(), now());
    assert!(styled.contains("\u{1b}["), "no colour at all");
    assert!(!plain(&styled).contains('\u{1b}'));
}

#[test]
fn what_steers_a_terminal_or_breaks_out_of_markdown_is_gone() {
    let report = hostile();
    for shown in [plain(&text(&report, now())), markdown(&report, now()), json(&report).unwrap()] {
        assert!(!shown.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{shown}");
        assert!(!shown.lines().any(|l| l.trim_start().starts_with("## Approved")), "{shown}");
    }
    // Outside of code spans nothing of it is left.
    let outside: String = markdown(&report, now())
        .lines()
        .map(|line| {
            let mut rest = line;
            let mut kept = String::new();
            while let Some(start) = rest.find('`') {
                kept.push_str(&rest[..start]);
                let fence: String = rest[start..].chars().take_while(|c| *c == '`').collect();
                let inner = &rest[start + fence.len()..];
                // The next run of exactly that length.
                let mut at = 0;
                let end = loop {
                    let Some(run) = inner[at..].find('`') else { break inner.len() };
                    let from = at + run;
                    let length = inner[from..].chars().take_while(|c| *c == '`').count();
                    at = from + length;
                    if length == fence.len() {
                        break at;
                    }
                };
                rest = &inner[end..];
            }
            kept + rest + "\n"
        })
        .collect();
    for bad in ["evil", "everyone", "<img", "<!--", "<script"] {
        assert!(!outside.contains(bad), "{bad}: {outside}");
    }
}

#[test]
fn no_risk_is_dropped_however_many_there_are() {
    let mut p = proposal();
    let risk = |i: usize| json!({ "class": "delete", "stack": "Prod-Store", "resources": [format!("R{i}")], "cause": "deleted" });
    p["risks"] = (0..2500).map(risk).collect();
    p["stacks"][0]["changes"] =
        (0..200).map(|i| json!({ "resources": [format!("C{i}")], "resourceType": "AWS::S3::Bucket", "action": "Modify" })).collect();
    p["stacks"][0]["count"]["modify"] = json!(2500);
    let view = plan(&p, &[opened("2026-11-24T09:00:00Z", 7, &p["release"])], json!({}));
    let report = shown(&view, &stage(json!({}), json!({})), &[], None);
    let (text, markdown) = (text(&report, now()), markdown(&report, now()));
    for i in 0..2500 {
        assert!(text.contains(&format!(" R{i}:")) && markdown.contains(&format!("`R{i}`")), "{i}");
    }
    assert!(!markdown.contains("`C7`"), "lists of changes make room for risks");
}

#[test]
fn a_second_look_tells_what_is_new() {
    let before = waiting();
    assert_eq!(changed(&before, &before), Vec::<String>::new());
    let lines = changed(&before, &frozen());
    assert_snapshot!(lines.join("\n"));
    assert!(changed(&before, &rejected())[0].starts_with("state: Rejected"));
}

fn stages() -> Vec<Stage> {
    let with = |name: &str, spec: serde_json::Value, status: serde_json::Value| {
        let mut stage = stage(spec, status);
        stage.metadata.name = Some(name.to_owned());
        stage
    };
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({ "type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": "2026-11-24T10:00:00Z" })
    };
    let deployed = |name: &str| json!({ "name": name, "digest": release(name, '9')["digest"], "plan": "p", "time": "2026-11-20T00:00:00Z" });
    vec![
        with(
            "dev",
            json!({}),
            json!({ "state": "UpToDate", "deployed": deployed("1.4.2"),
            "conditions": [condition("Ready", "True", "Deployed", "release 1.4.2 is deployed")] }),
        ),
        with(
            "test",
            json!({}),
            json!({ "state": "RolledBack", "after": "dev", "deployed": deployed("1.4.1"),
            "waitingFor": "retry, or a new release",
            "conditions": [condition("Ready", "False", "RolledBack", "x"), condition("Stalled", "True", "RolledBack", "x")],
            "pending": { "name": "1.4.2", "digest": release("1.4.2", 'a')["digest"], "plan": format!("test-{DIGITS}") } }),
        ),
        with(
            "prod",
            json!({}),
            json!({ "state": "AwaitingApproval", "after": "test", "deployed": deployed("1.4.1"),
            "waitingFor": "approval 1/2, ack maybe-replace,iam",
            "conditions": [condition("Ready", "True", "Deployed", "x"), condition("Waiting", "True", "AwaitingApproval", "x")],
            "pending": { "name": "1.4.2", "digest": release("1.4.2", 'a')["digest"], "plan": format!("prod-{DIGITS}"),
                "risk": "replace,maybe-replace,iam" } }),
        ),
        with(
            "eu",
            json!({}),
            json!({ "state": "AccountNotAllowed", "after": "prod",
            "conditions": [condition("Ready", "False", "NotDeployed", "x"), condition("Stalled", "True", "AccountNotAllowed",
                "AwsAccount shop-eu does not allow namespace shop: ask its owner for an entry in allowedNamespaces")] }),
        ),
    ]
}

use stackgate_core::api::Stage;

pub(super) fn status_screen() -> String {
    plain(&stage_list(&stages(), &invoked()).text(false, now()))
}

#[test]
fn what_is_deployed_and_what_waits() {
    assert_snapshot!("stages", status_screen());
    assert_snapshot!("stages_of_all", plain(&stage_list(&stages()[..1], &invoked()).text(true, now())));
    assert_json_snapshot!("stages_json", stage_list(&stages()[2..3], &invoked()));
}

pub(super) fn past() -> History {
    let third = plan(
        &proposal(),
        &[
            opened("2026-11-24T09:00:00Z", 7, &release("1.4.2", 'a')),
            decided("2026-11-24T10:05:00Z", "Approve", "alice@corp.example", "Verified", &["replace"]),
        ],
        json!({}),
    );
    let mut p = proposal();
    p["id"] = json!(format!("c1-{}", "5".repeat(40)));
    p["stacks"] = json!([p["stacks"][0]]);
    let second = plan(
        &p,
        &[
            opened("2026-11-20T08:00:00Z", 6, &release("1.4.1", '9')),
            decided("2026-11-20T08:30:00Z", "Approve", "alice@corp.example", "Verified", &["replace", "iam"]),
            decided("2026-11-20T08:40:00Z", "Approve", "bob@corp.example", "Verified", &[]),
            claimed("2026-11-20T08:40:01Z", "Prod-Store"),
            settled("2026-11-20T08:47:00Z", "Prod-Store", "Succeeded", "UPDATE_COMPLETE", None),
        ],
        json!({}),
    );
    p["id"] = json!(format!("c1-{}", "4".repeat(40)));
    let first = plan(
        &p,
        &[
            opened("2026-11-18T08:00:00Z", 5, &release("1.4.0", '8')),
            decided("2026-11-18T08:30:00Z", "Approve", "git:main", "Git", &["replace", "iam"]),
            claimed("2026-11-18T08:40:01Z", "Prod-Store"),
            settled(
                "2026-11-18T08:41:00Z",
                "Prod-Store",
                "RolledBack",
                "UPDATE_ROLLBACK_COMPLETE",
                Some("Orders: quota exceeded"),
            ),
            json!({ "time": "2026-11-18T08:42:00Z", "closed": { "reason": "Failed", "message": "stack Prod-Store was rolled back" } }),
        ],
        json!({}),
    );
    let gate = gate(&stage(json!({}), json!({})));
    history([&third, &second, &first], |v| standing(v, None, Some(&gate), Some(&[]), now()).state)
}

#[test]
fn what_was() {
    assert_snapshot!("history", plain(&past().text()));
    assert_json_snapshot!("history_json", past());
}
