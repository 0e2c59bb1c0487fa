//! The scenario undisturbed.
use stackgate_sim::{run::run, scenario::with_one_fault};

#[test]
fn undisturbed() {
    for budget in [64, 3, 1] {
        let mut s = with_one_fault(budget, None);
        s.trace = true;
        match run(&s) {
            Ok(r) => println!("{} {}", r.effects, r.writes),
            Err(f) => panic!("{}\n{}", f.trace.join("\n"), f.violation),
        }
    }
}
