//! A plan as text for a terminal.

use jiff::Timestamp;
use stackgate_core::api::{Operation, PlannedAs, RiskClass, SettledAs};

use super::{
    PlanReport,
    console::link,
    people,
    report::StackShown,
    style::{BAD, FAINT, GOOD, HEAD, PLAIN, WARN, of_state, painted},
    table::{Cell, table},
    when::{at, until},
};

/// The plan, styled; whoever writes it to something that shows no colour takes the styles out.
#[must_use]
pub fn text(r: &PlanReport, now: Timestamp) -> String {
    let mut out = head(r, now);
    let differences = r.differences.iter().map(|line| format!("  {line}\n")).collect::<String>();
    section(&mut out, "Toolkit stacks", &differences);
    section(&mut out, "Stacks", &r.stacks.iter().map(stack).collect::<String>());
    section(&mut out, "Risks", &risks(r));
    section(&mut out, "Upstream", &compared(r));
    section(
        &mut out,
        "Approvals",
        &r.approvals.as_ref().map(|a| people::approvals(a, r.state.is_open())).unwrap_or_default(),
    );
    section(&mut out, "Decisions", &people::decisions(&r.decisions, now));
    section(&mut out, "Checks", &people::checks(r));
    section(&mut out, "Gate", &people::gate(r));
    section(&mut out, "Freezes", &people::freezes(r, now));
    section(&mut out, "Notes", &r.notes.iter().map(|n| format!("  {WARN}{n}{WARN:#}\n")).collect::<String>());
    section(&mut out, "Next", &next(r));
    out
}

fn section(out: &mut String, title: &str, body: &str) {
    if !body.is_empty() {
        out.push_str(&format!("\n{HEAD}{title}{HEAD:#}\n{body}"));
    }
}

/// What running it does, in a word.
#[must_use]
pub(super) fn operation(o: Operation) -> &'static str {
    match o {
        Operation::Deploy => "Deploy",
        Operation::Rollback => "Rollback",
        Operation::Adopt => "Adopt",
        Operation::Prune => "Prune",
        Operation::Bootstrap => "Bootstrap",
    }
}

/// `1.4.1 → 1.4.2`.
#[must_use]
pub(super) fn releases(r: &PlanReport) -> String {
    let new = r.release.as_ref().map(|x| x.name.to_string());
    let old = r.replaces.as_ref().map(|x| x.name.to_string());
    match (old, new) {
        (Some(old), Some(new)) => format!("{old} → {new}"),
        (None, Some(new)) => format!("nothing → {new}"),
        (_, None) => String::new(),
    }
}

fn head(r: &PlanReport, now: Timestamp) -> String {
    let digest = r.release.as_ref().map(|x| format!(" ({})", x.digest)).unwrap_or_default();
    let what = format!("{} {}{digest}", operation(r.operation), releases(r));
    let mut rows: Vec<Vec<Cell>> = vec![
        vec!["Plan".into(), Cell::styled(HEAD, format!("{}/{}", r.namespace, r.name))],
        vec!["Id".into(), r.id.as_str().into()],
        vec!["For".into(), format!("{} {}", r.subject.kind, r.subject.name).into()],
        vec!["What".into(), what.trim_end().into()],
        vec!["Change".into(), r.change.as_str().into()],
        vec!["State".into(), Cell::styled(of_state(r.state), format!("{}: {}", r.state.as_str(), r.message))],
    ];
    if let Some(expires) = r.expires_time {
        rows.push(vec!["Expires".into(), until(expires, now).into()]);
    }
    table("", &rows)
}

fn stack(s: &StackShown) -> String {
    let how = match (s.plan, s.is_new) {
        (PlannedAs::Prepared, true) => "new stack",
        (PlannedAs::Prepared, false) => "",
        (PlannedAs::Deferred, _) => {
            "deferred: its change set is made when what it imports is there; shown is the template"
        }
        (PlannedAs::Recreated, _) => {
            "its creation was rolled back: deleted and made anew; its change set is made then, shown is the template"
        }
        (PlannedAs::Unchanged, _) => "unchanged",
        (PlannedAs::Removed, _) => "deleted, since the release does not have it any more",
    };
    let numbers = if s.plan == PlannedAs::Unchanged { String::new() } else { format!("  {}", s.numbers()) };
    let parts: Vec<String> = [how.to_owned(), s.replaced()].into_iter().filter(|p| !p.is_empty()).collect();
    let parts = if parts.is_empty() { String::new() } else { format!("  {}", parts.join(", ")) };
    let name = painted(HEAD, &s.artifact);
    let stack = if s.stack_name == s.artifact { String::new() } else { format!("  stack {}", s.stack_name) };
    let mut out = format!("  {name}{stack}  in {}/{}{numbers}{parts}\n", s.account, s.region);
    let rows: Vec<Vec<Cell>> = s
        .changes
        .iter()
        .map(|c| {
            let style = match c.mark() {
                "+" | "<-" => GOOD,
                "-" | "-/+" => BAD,
                "~?" => WARN,
                _ => PLAIN,
            };
            vec![
                Cell::styled(style, c.mark()),
                (&c.logical_id).into(),
                (&c.resource_type).into(),
                Cell::styled(style, c.meaning()),
            ]
        })
        .collect();
    out.push_str(&table("    ", &rows));
    if s.unlisted > 0 {
        out.push_str(&format!("    and {} more\n", s.unlisted));
    }
    if s.code > 0 {
        out.push_str(&format!("    {}\n", s.code_line()));
    }
    for warning in &s.warnings {
        out.push_str(&format!("    {WARN}warning: {warning}{WARN:#}\n"));
    }
    if let Some(values) = &s.values {
        out.push_str("    values\n");
        for line in values.lines() {
            let style = match line.mark {
                '-' => BAD,
                '+' => GOOD,
                _ => PLAIN,
            };
            out.push_str(&format!("    {}\n", painted(style, format!("{} {}", line.mark, line.text))));
        }
    }
    if let Some(o) = &s.outcome {
        let why = o.message.as_ref().map(|m| format!(": {m}")).unwrap_or_default();
        let style = if o.outcome == SettledAs::Succeeded { GOOD } else { BAD };
        out.push_str(&format!("    {style}{}{style:#} ({}){why}\n", outcome(o.outcome), o.status));
    }
    if let Some(url) = link(s.console_url.as_ref()) {
        out.push_str(&format!("    {FAINT}{url}{FAINT:#}\n"));
    }
    out
}

/// How a stack came out, in a word.
#[must_use]
pub(super) fn outcome(o: SettledAs) -> &'static str {
    match o {
        SettledAs::Succeeded => "done",
        SettledAs::RolledBack => "rolled back",
        SettledAs::Failed => "failed",
        SettledAs::Gone => "gone",
    }
}

fn risks(r: &PlanReport) -> String {
    let missing: &[RiskClass] =
        r.approvals.as_ref().filter(|_| r.state.is_open()).map_or(&[], |a| &a.acks_missing);
    let mut out = String::new();
    for class in RiskClass::ALL {
        let of_class: Vec<_> = r.risks.iter().filter(|x| x.class == class).collect();
        if of_class.is_empty() {
            continue;
        }
        let todo = if missing.contains(&class) { " (to be acknowledged)" } else { "" };
        out.push_str(&format!("  {BAD}{class}{BAD:#}{todo}\n"));
        for risk in of_class {
            out.push_str(&format!("    {}\n", risk.line()));
            if let Some(path) = &risk.construct_path {
                out.push_str(&format!("      {FAINT}{path}{FAINT:#}\n"));
            }
        }
    }
    out
}

fn compared(r: &PlanReport) -> String {
    let Some(c) = &r.compared else { return String::new() };
    let when = format!("{} executed and verified on {} (plan {})", c.stage, at(c.verified_time), c.plan);
    if c.same {
        return format!("  {GOOD}the same as what{GOOD:#} {when}\n");
    }
    let mut out = format!("  {WARN}differs{WARN:#} from what {when}:\n");
    for difference in &c.differences {
        out.push_str(&format!("    {difference}\n"));
    }
    out
}

fn next(r: &PlanReport) -> String {
    r.next.iter().map(|n| format!("  {}:\n    {}\n", n.what, n.command)).collect()
}
