//! What the decisions rely on of CloudFormation and S3, held against the simulator's fake and, through the adapter, against the
//! emulator. Where the emulator answers otherwise than AWS, the clause says how and why, and the adapter gets the reply of AWS instead.

mod clauses;
mod worlds;

use clauses::{Clause, clauses};
use worlds::{Cloud, Emulated, Fake};

/// Plays a clause; what differs from what it says, line by line.
async fn differences(clause: &Clause, cloud: &mut impl Cloud) -> Vec<String> {
    let mut found = Vec::new();
    for (n, line) in clause.lines.iter().enumerate() {
        let told = cloud.play(&line.step, line.reply_of_aws()).await;
        if !line.allows(&told) {
            found.push(format!(
                "{}, line {n}, {:?}: says {told:?}, not {:?}",
                clause.name, line.step, line.says
            ));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fake_keeps_the_contract() {
    let mut found = Vec::new();
    for clause in clauses() {
        found.extend(differences(&clause, &mut Fake::new()).await);
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_emulator_keeps_it_but_for_what_is_listed() {
    let mut emulated = Emulated::start().await;
    let mut found = Vec::new();
    for clause in clauses() {
        emulated.begin();
        for (n, line) in clause.lines.iter().enumerate() {
            let told = emulated.play(&line.step, None).await;
            let as_aws = line.allows(&told);
            match &line.emulator {
                None if !as_aws => {
                    found.push(format!(
                        "{}, line {n}, {:?}: says {told:?}, not {:?}",
                        clause.name, line.step, line.says
                    ));
                }
                Some(other) if told != other.says => {
                    found.push(format!(
                        "{}, line {n}: the list says {:?}, the emulator {told:?}",
                        clause.name, other.says
                    ));
                }
                None | Some(_) => {}
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_keeps_it_with_the_replies_of_aws() {
    let mut emulated = Emulated::start().await;
    let mut found = Vec::new();
    for clause in clauses().into_iter().filter(|c| c.lines.iter().any(|l| l.reply_of_aws().is_some())) {
        emulated.begin();
        let upto =
            clause.lines.iter().take_while(|l| l.emulator.is_none() || l.reply_of_aws().is_some()).count();
        let clause = Clause { lines: clause.lines.into_iter().take(upto).collect(), ..clause };
        found.extend(differences(&clause, &mut emulated).await);
    }
    assert!(found.is_empty(), "{found:#?}");
}
