//! Every test that `docs/faults.md` and `docs/attacks.md` name is there.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

#[test]
fn the_tests_that_are_named_are_there() -> Result<()> {
    are_there("docs/faults.md", 30)?;
    are_there("docs/attacks.md", 70)
}

fn are_there(page: &str, at_least: usize) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join(page))?;
    let mut named = 0;
    for row in text.lines().filter(|line| line.starts_with('|')) {
        let mut file: Option<(&str, String)> = None;
        for word in row.split('`').skip(1).step_by(2) {
            if word.ends_with(".rs") {
                file = Some((word, fs::read_to_string(root.join(word)).with_context(|| word.to_owned())?));
                continue;
            }
            // Other words in backticks are no functions.
            let Some((path, source)) = file.as_ref().filter(|_| word.contains('_') || word == "found") else {
                continue;
            };
            ensure!(source.contains(&format!("fn {word}(")), "{path} has no {word}");
            named += 1;
        }
    }
    ensure!(named > at_least, "only {named} tests are named in {page}");
    Ok(())
}
