//! `make demo`: the main job on real parts, told step by step.

mod keep;
mod logs;

use std::process::ExitCode;

use stackgate_testbed::scenario::{STEPS, Story, Teller};

fn main() -> ExitCode {
    let teller = Teller::loud();
    teller.heading("Stackgate: from empty accounts to production, each stop by approval");
    let mut story = match Story::begin(teller, None) {
        Ok(story) => story,
        Err(error) => {
            Teller::loud().plain(&format!("demo: failed at step 0 (starting): {error:#}"));
            return ExitCode::FAILURE;
        }
    };
    for step in STEPS {
        story.teller.heading(&format!("{}. {}", step.number, step.name));
        if let Err(error) = (step.run)(&mut story) {
            let logs = logs::save(&story.world.dir);
            story.teller.plain(&format!("\n{error:#}\nlogs: {logs}"));
            story.teller.plain(&format!(
                "demo: failed at step {} ({}): {}",
                step.number,
                step.name,
                first_line(&error)
            ));
            return ExitCode::FAILURE;
        }
    }
    if keep::wanted()
        && let Err(error) = keep::running(&story)
    {
        story.teller.plain(&format!("demo: failed at step 6 (staying): {error:#}"));
        return ExitCode::FAILURE;
    }
    story.teller.plain("\ndemo: passed");
    ExitCode::SUCCESS
}

fn first_line(error: &anyhow::Error) -> String {
    format!("{error:#}").lines().next().unwrap_or_default().to_owned()
}
