//! A plan as markdown, for a comment on a pull request. Whatever comes from elsewhere stands in a code span: there no link, image,
//! mention or HTML begins, and nothing ends a table.

use jiff::Timestamp;
use stackgate_core::api::PlannedAs;

use super::{
    PlanReport, approvals,
    console::link,
    report::{StackShown, ValuesShown},
    span::{block, cell, code},
    text::{operation, outcome, releases},
    when::at,
};

/// The most characters that a comment may have where most comments go; beyond that lists of changes are left out, risks never.
const MAX: usize = 60_000;

/// The plan.
#[must_use]
pub fn markdown(r: &PlanReport, now: Timestamp) -> String {
    let whole = rendered(r, now, true);
    if whole.chars().count() <= MAX { whole } else { rendered(r, now, false) }
}

fn rendered(r: &PlanReport, now: Timestamp, with_changes: bool) -> String {
    let mut out = head(r, now);
    out.push_str(&toolkits(r));
    out.push_str(&risks(r));
    out.push_str(&compared(r));
    out.push_str(&stacks(r, with_changes));
    out.push_str(&people(r));
    out.push_str(&gate(r));
    let notes: String = r.notes.iter().map(|n| format!("- {}\n", code(n))).collect();
    out.push_str(&titled("Notes", &notes));
    let next: String =
        r.next.iter().map(|n| format!("To {}:\n\n{}\n", n.what, block("sh", &n.command))).collect();
    out.push_str(&titled("Next", &next));
    out
}

fn titled(title: &str, body: &str) -> String {
    if body.is_empty() { String::new() } else { format!("\n#### {title}\n\n{body}") }
}

fn head(r: &PlanReport, now: Timestamp) -> String {
    let mut out = format!(
        "### {} of {} {}\n\n",
        operation(r.operation),
        r.subject.kind,
        code(format!("{}/{}", r.namespace, r.subject.name))
    );
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            out.push_str(&format!("| {name} | {value} |\n"));
        }
    };
    row("plan", cell(&r.name));
    // The line under the first row makes it the head of the table.
    row("---", "---".to_owned());
    row("id", cell(r.id.as_str()));
    row("release", cell(releases(r)));
    row("digest", r.release.as_ref().map(|x| cell(x.digest)).unwrap_or_default());
    row("change", cell(&r.change));
    row("state", format!("**{}** {}", r.state.as_str(), cell(&r.message)));
    let expires = r.expires_time.map(|t| super::when::until(t, now)).unwrap_or_default();
    row("expires", cell(expires));
    out
}

fn risks(r: &PlanReport) -> String {
    if r.risks.is_empty() {
        return String::new();
    }
    let mut body =
        "| risk | stack | resource | type | cause | old one | construct |\n|---|---|---|---|---|---|---|\n"
            .to_owned();
    for x in &r.risks {
        let stack = match link(x.console_url.as_ref()) {
            Some(url) => format!("{} [console](<{url}>)", cell(&x.stack)),
            None => cell(&x.stack),
        };
        let policy = x.policy.as_ref().map(cell).unwrap_or_default();
        let path = x.construct_path.as_ref().map(cell).unwrap_or_default();
        body.push_str(&format!(
            "| **{}** | {stack} | {} | {} | {} | {policy} | {path} |\n",
            x.class,
            cell(&x.logical_id),
            cell(&x.resource_type),
            cell(&x.cause)
        ));
    }
    titled("Risks", &body)
}

fn compared(r: &PlanReport) -> String {
    let Some(c) = &r.compared else { return String::new() };
    let when = format!(
        "{} executed and verified on {} (plan {})",
        code(&c.stage),
        at(c.verified_time),
        code(&c.plan)
    );
    if c.same {
        return titled("Upstream", &format!("**The same** as what {when}.\n"));
    }
    let list: String = c.differences.iter().map(|d| format!("- {}\n", code(d))).collect();
    titled("Upstream", &format!("**Differs** from what {when}:\n\n{list}"))
}

fn toolkits(r: &PlanReport) -> String {
    let list: String = r.differences.iter().map(|line| format!("- {}\n", code(line))).collect();
    titled("Toolkit stacks", &list)
}

fn stacks(r: &PlanReport, with_changes: bool) -> String {
    let mut body = String::new();
    for s in &r.stacks {
        body.push_str(&stack(s));
        if with_changes && !s.changes.is_empty() {
            body.push_str("\n  <details><summary>resources</summary>\n\n");
            body.push_str("  | | resource | type | |\n  |---|---|---|---|\n");
            for c in &s.changes {
                body.push_str(&format!(
                    "  | {} | {} | {} | {} |\n",
                    cell(c.mark()),
                    cell(&c.logical_id),
                    cell(&c.resource_type),
                    c.meaning()
                ));
            }
            body.push_str("\n  </details>\n\n");
        }
        let unlisted = if with_changes {
            s.unlisted
        } else {
            s.unlisted.saturating_add(u32::try_from(s.changes.len()).unwrap_or(u32::MAX))
        };
        if unlisted > 0 {
            body.push_str(&format!("  - {unlisted} more resources that are not listed\n"));
        }
        if s.code > 0 {
            body.push_str(&format!("  - {}\n", s.code_line()));
        }
        for warning in &s.warnings {
            body.push_str(&format!("  - **warning** {}\n", code(warning)));
        }
        if let Some(values) = &s.values {
            body.push_str(&self::values(values, with_changes));
        }
    }
    titled("Stacks", &body)
}

fn values(values: &ValuesShown, whole: bool) -> String {
    if !whole {
        return "  - values are left out: they are too long for a comment\n".to_owned();
    }
    let lines: Vec<String> =
        values.lines().iter().map(|line| format!("{} {}", line.mark, line.text)).collect();
    let lines = block("diff", &lines.join("\n"));
    format!("\n<details><summary>values</summary>\n\n{lines}\n</details>\n\n")
}

fn stack(s: &StackShown) -> String {
    let how = match (s.plan, s.is_new) {
        (PlannedAs::Prepared, true) => "new stack",
        (PlannedAs::Prepared, false) => "",
        (PlannedAs::Deferred, _) => "deferred",
        (PlannedAs::Recreated, _) => "deleted and made anew, since its creation was rolled back",
        (PlannedAs::Unchanged, _) => "unchanged",
        (PlannedAs::Removed, _) => "deleted, since the release does not have it any more",
    };
    let came_out = s.outcome.as_ref().map(|o| {
        let why = o.message.as_ref().map(|m| format!(" {}", code(m))).unwrap_or_default();
        format!("**{}**{why}", outcome(o.outcome))
    });
    let console = link(s.console_url.as_ref()).map(|url| format!("[console](<{url}>)"));
    let numbers = (s.plan != PlannedAs::Unchanged).then(|| code(s.numbers()));
    let parts = [Some(how.to_owned()), numbers, Some(s.replaced()), came_out, console];
    let parts: Vec<String> = parts.into_iter().flatten().filter(|p| !p.is_empty()).collect();
    format!(
        "- {} in {}: {}\n",
        code(&s.stack_name),
        code(format!("{}/{}", s.account, s.region)),
        parts.join(", ")
    )
}

fn people(r: &PlanReport) -> String {
    let mut body = String::new();
    if let Some(a) = &r.approvals {
        match &a.rule {
            Some(rule) => body.push_str(&format!("None needed: {}\n", code(rule))),
            None => {
                let missing = if !r.state.is_open() || a.missing.is_empty() {
                    String::new()
                } else {
                    format!("; missing: {}", code(&a.missing))
                };
                body.push_str(&format!("**{} of {}**{missing}\n", a.had, a.needed));
            }
        }
        if a.overridden {
            body.push_str("\nFreezes and quorum are overridden.\n");
        }
    }
    if !r.decisions.is_empty() {
        body.push_str("\n| decision | by | | when | until | ack | reason |\n|---|---|---|---|---|---|---|\n");
    }
    for d in &r.decisions {
        let acks: Vec<&str> = d.acks.iter().map(|c| c.as_str()).collect();
        body.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} |\n",
            d.action.as_str(),
            cell(&d.by),
            approvals::how(d.identity),
            at(d.time),
            d.until_time.map(at).unwrap_or_default(),
            acks.join(", "),
            d.reason.as_ref().map(cell).unwrap_or_default()
        ));
    }
    for line in r.approvals.iter().flat_map(|a| &a.not_counted) {
        body.push_str(&format!("\nDoes not count: {}\n", code(line)));
    }
    titled("Approvals", &body)
}

fn gate(r: &PlanReport) -> String {
    let mut body = String::new();
    if let Some(told) = &r.freezes.told {
        body.push_str(&format!("- {}\n", code(told)));
    }
    for f in &r.freezes.held {
        let end = f.until_time.map_or_else(|| "it is deleted".to_owned(), at);
        body.push_str(&format!("- **Freeze** {} until {end}: {}\n", code(&f.name), code(&f.reason)));
    }
    for c in &r.checks {
        body.push_str(&format!("- check {}: {}\n", code(&c.name), c.result));
    }
    if !r.gate.fields.is_empty() {
        if !body.is_empty() {
            body.push('\n');
        }
        body.push_str("<details><summary>gate</summary>\n\n| field | value | demanded by |\n|---|---|---|\n");
        for f in &r.gate.fields {
            body.push_str(&format!("| {} | {} | {} |\n", cell(&f.field), cell(&f.value), cell(&f.source)));
        }
        body.push_str("\n</details>\n");
    }
    titled("Gate", &body)
}
