//! The tables in `docs/`: made from `expected.yaml`.

use std::{fmt::Write as _, fs};

use serde_json::Value;

use crate::in_step::{holds, repository};

fn table(columns: &[(&str, &str)]) -> String {
    let text = fs::read_to_string(repository("tests/health/expected.yaml")).unwrap();
    let rows: Vec<Value> = serde_saphyr::from_str(&text).unwrap();
    let titles: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
    let mut text =
        format!("| kind | phase | {} |\n|---|---|{}\n", titles.join(" | "), "---|".repeat(columns.len()));
    for row in rows {
        let cell = |field: &str| row[field].as_str().unwrap_or("–").to_owned();
        if columns.iter().all(|(_, field)| row[*field].is_null()) {
            continue;
        }
        let kinds: Vec<&str> = row["kinds"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let kinds = if kinds.len() > 3 { "all but ChangePlan".to_owned() } else { kinds.join(", ") };
        let cells: Vec<String> = columns.iter().map(|(_, field)| cell(field)).collect();
        writeln!(text, "| {kinds} | {} | {} |", cell("phase"), cells.join(" | ")).unwrap();
    }
    text
}

/// Puts the table between the marks of a page.
fn page(path: &str, table: &str) {
    const BEGIN: &str = "<!-- made from tests/health/expected.yaml -->\n";
    const END: &str = "<!-- end -->\n";
    let text = fs::read_to_string(repository(path)).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    holds(path, &format!("{before}{BEGIN}{table}{END}{after}"));
}

#[test]
fn the_tables_in_the_docs_say_what_is_expected() {
    page("docs/argocd.md", &table(&[("Argo CD", "argocd"), ("never block", "neverBlock")]));
    page("docs/flux.md", &table(&[("with the checks", "flux"), ("without (kstatus)", "kstatus")]));
}
