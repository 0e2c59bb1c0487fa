//! What a plan needs from people, as text.

use jiff::Timestamp;

use super::{
    PlanReport,
    approvals::how,
    report::{Approvals, DecisionShown, GateFrom},
    style::{FAINT, WARN},
    table::{Cell, table},
    when::{at, until},
};

/// Had, missing, and what does not count.
pub(super) fn approvals(a: &Approvals, is_open: bool) -> String {
    if let Some(rule) = &a.rule {
        return format!("  none needed: {rule}\n");
    }
    let by: Vec<&str> = a.by.iter().map(|b| b.as_str()).collect();
    let by = if by.is_empty() { String::new() } else { format!(": {}", by.join(", ")) };
    let mut out = format!("  had       {} of {}{by}\n", a.had, a.needed);
    if a.overridden {
        out.push_str(&format!("  {WARN}freezes and quorum are overridden{WARN:#}\n"));
    }
    if is_open && !a.missing.is_empty() {
        out.push_str(&format!("  missing   {WARN}{}{WARN:#}\n", a.missing));
    }
    for line in &a.not_counted {
        out.push_str(&format!("  does not count: {line}\n"));
    }
    out
}

/// Who has decided what.
pub(super) fn decisions(list: &[DecisionShown], now: Timestamp) -> String {
    let rows: Vec<Vec<Cell>> = list
        .iter()
        .map(|d| {
            let acks: Vec<&str> = d.acks.iter().map(|c| c.as_str()).collect();
            let acks = if acks.is_empty() { String::new() } else { format!("ack {}", acks.join(",")) };
            vec![
                d.action.as_str().into(),
                format!("{} ({})", d.by, how(d.identity)).into(),
                at(d.time).into(),
                d.until_time.map(|t| format!("until {}", until(t, now))).unwrap_or_default().into(),
                acks.into(),
                d.reason.as_ref().map(ToString::to_string).unwrap_or_default().into(),
            ]
        })
        .collect();
    table("  ", &rows)
}

/// Reports of checks.
pub(super) fn checks(r: &PlanReport) -> String {
    let rows: Vec<Vec<Cell>> = r
        .checks
        .iter()
        .map(|c| {
            let by = c.by.as_ref().map(|b| format!("by {b}")).unwrap_or_default();
            let reason = c.reason.as_ref().map(ToString::to_string).unwrap_or_default();
            vec![(&c.name).into(), c.result.into(), by.into(), reason.into()]
        })
        .collect();
    table("  ", &rows)
}

/// The gate in force.
pub(super) fn gate(r: &PlanReport) -> String {
    let rows: Vec<Vec<Cell>> = r
        .gate
        .fields
        .iter()
        .map(|f| vec![(&f.field).into(), (&f.value).into(), Cell::styled(FAINT, &f.source)])
        .collect();
    let mut out = table("  ", &rows);
    if r.gate.from == GateFrom::Status {
        out.push_str("  as the status says: you may not read AwsAccounts\n");
    }
    out
}

/// What holds it up.
pub(super) fn freezes(r: &PlanReport, now: Timestamp) -> String {
    if !r.freezes.known {
        return match &r.freezes.told {
            Some(told) => format!(
                "  {WARN}{told}{WARN:#}\n  as the status of the plan says: you may not read Freezes and AwsAccounts\n"
            ),
            None if r.state.is_open() => {
                "  none that the status of the plan names; you may not read Freezes and AwsAccounts\n"
                    .to_owned()
            }
            None => String::new(),
        };
    }
    r.freezes
        .held
        .iter()
        .map(|f| {
            let end = f
                .until_time
                .map_or_else(|| "until it is deleted".to_owned(), |t| format!("until {}", until(t, now)));
            format!("  {WARN}{}{WARN:#} {end}: {}\n", f.name, f.reason)
        })
        .collect()
}
