//! The screens in docs/cli.md are what the program prints: `UPDATE_DOCS=1 cargo test --lib cli::view::docs` writes them.

use std::{fs, path::Path};

use clap::CommandFactory as _;

use super::{fixtures::*, markdown, tests, text};
use crate::cli::Cli;

fn plain(styled: &str) -> String {
    anstream::adapter::strip_str(styled).to_string()
}

fn help(command: &str) -> String {
    let mut cli = Cli::command().bin_name("kubectl stackgate");
    cli.build();
    let sub = cli.find_subcommand_mut(command).unwrap();
    plain(&sub.render_help().ansi().to_string())
}

fn screen(name: &str) -> String {
    let body = match name {
        "status" => tests::status_screen(),
        "plan" => plain(&text(&waiting(), now())),
        "values" => {
            let whole = plain(&text(&with_values(), now()));
            let (_, stacks) = whole.split_once("Stacks\n").unwrap();
            stacks.split("\n\n").next().unwrap().to_owned()
        }
        "history" => plain(&tests::past().text()),
        "markdown" => return format!("\n{}\n", markdown(&waiting(), now())),
        "json" => return format!("```json\n{}```", super::json(&waiting()).unwrap()),
        other => help(other.strip_prefix("help ").unwrap_or_else(|| panic!("no screen {other}"))),
    };
    format!("```\n{}\n```", body.trim_end())
}

/// Puts the screens between `<!-- screen: name -->` and `<!-- end -->`.
fn filled(page: &str) -> String {
    let mut out = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("<!-- screen: ") {
        let (name, after) = after.split_once(" -->").unwrap();
        let (_, after) = after.split_once("<!-- end -->").unwrap();
        out.push_str(&format!("{before}<!-- screen: {name} -->\n{}\n<!-- end -->", screen(name)));
        rest = after;
    }
    out + rest
}

#[test]
fn the_screens_in_the_docs_are_what_is_printed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let page = fs::read_to_string(&path).unwrap();
    let right = filled(&page);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, right).unwrap();
        return;
    }
    assert!(page == right, "docs/cli.md is out of step: UPDATE_DOCS=1 cargo test --lib cli::view::docs");
}
