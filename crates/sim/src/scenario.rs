//! The runs: the scenario of the product, undisturbed or with one fault, and schedules made from a seed.

use stackgate_core::api::{Gate, IdentityNeeded, MinimumGate, RequireApproval, RiskClass};

use crate::{
    controller::Fault,
    people::Chapter,
    protocol::Protocol,
    random::Random,
    run::{Gates, Setting},
    weather::Weather,
};

/// The scenario: a first release everywhere; a second that prod rejects; the same with other files; a third that passes;
/// one that differs for dev alone.
#[must_use]
pub fn whole() -> Vec<Chapter> {
    [(0, None), (1, Some(2)), (2, Some(2)), (3, None), (4, None)]
        .into_iter()
        .map(|(release, rejected)| Chapter { release, rejected })
        .collect()
}

/// A first release for every stage, in good weather.
#[must_use]
pub fn first_release(stages: usize) -> Setting {
    let chapters = vec![Chapter { release: 0, rejected: None }];
    Setting { stages, gates: Vec::new(), chapters, ..with_one_fault(64, None) }
}

/// The scenario in good weather, with one fault or none: prod asks for two people.
#[must_use]
pub fn with_one_fault(budget: u32, strike: Option<(u64, Fault)>) -> Setting {
    let two = Gates { stage: Some(Gate { approvals: Some(2), ..Gate::default() }), ..Gates::default() };
    Setting {
        seed: 1,
        protocol: Protocol::AsDesigned,
        weather: Weather::CALM,
        clears_after: 0,
        ends_there: false,
        controllers: 1,
        budget,
        stages: 3,
        deployed: false,
        removes: false,
        gates: vec![Gates { check: true, ..Gates::default() }, Gates::default(), two],
        chapters: whole(),
        strikes: strike.into_iter().collect(),
        git: false,
        vary: false,
        trace: false,
    }
}

/// So many Stages and a story, in good weather, with these faults.
#[must_use]
pub fn with_faults(stages: usize, chapters: &[Chapter], strikes: Vec<(u64, Fault)>) -> Setting {
    Setting { stages, chapters: chapters.to_vec(), gates: Vec::new(), strikes, ..with_one_fault(64, None) }
}

/// A schedule made from a seed.
#[must_use]
pub fn from_seed(seed: u64, protocol: Protocol) -> Setting {
    let mut random = Random::new(seed);
    let stages = [1, 1, 1, 1, 2, 2, 3].get(random.place(7)).copied().unwrap_or(1);
    Setting {
        protocol,
        weather: Weather::choose(&mut random),
        clears_after: 60 + random.below(200),
        ends_there: random.chance(950),
        controllers: 1 + random.place(2),
        budget: [1, 3, 64].get(random.place(3)).copied().unwrap_or(64),
        gates: (0..stages).map(|_| gates(&mut random)).collect(),
        stages,
        deployed: random.chance(600),
        chapters: vec![Chapter { release: 3, rejected: None }],
        strikes: Vec::new(),
        vary: true,
        trace: false,
        seed: random.bits(),
        // Last, so that what came before stays as it was.
        removes: random.chance(100),
        git: random.chance(300),
    }
}

/// What a stage and its account ask for.
fn gates(random: &mut Random) -> Gates {
    let approvals =
        |random: &mut Random| [None, Some(1), Some(2), Some(2), Some(3)].get(random.place(5)).copied()?;
    let acks = |random: &mut Random| match random.below(4) {
        0 => Some(Vec::new()),
        1 => Some(vec![RiskClass::Delete]),
        2 => Some(vec![RiskClass::Replace, RiskClass::MaybeReplace]),
        _ => None,
    };
    let approval = |random: &mut Random| match random.below(6) {
        0 => Some(RequireApproval::Never),
        1 | 2 => Some(RequireApproval::OnRisk),
        _ => None,
    };
    let identity = |random: &mut Random| random.chance(250).then_some(IdentityNeeded::Any);
    let time = |random: &mut Random| match random.below(4) {
        0 => "10m".parse().ok(),
        1 => "1h".parse().ok(),
        _ => None,
    };
    let stage = random.chance(800).then(|| Gate {
        require_approval: approval(random),
        require_ack: acks(random),
        approvals: approvals(random),
        identity: identity(random),
        approval_ttl: time(random),
        plan_ttl: time(random),
    });
    let account = random.chance(600).then(|| MinimumGate {
        require_approval: approval(random),
        require_ack: acks(random),
        approvals: random.chance(300).then_some(2),
        identity: random.chance(200).then_some(IdentityNeeded::Verified),
        approval_ttl: random.chance(200).then(|| "30m".parse().ok()).flatten(),
        plan_ttl: None,
        promotion: None,
        deletion_policy: None,
        soak: random.chance(150).then(|| "15m".parse().ok()).flatten(),
    });
    Gates {
        stage,
        account,
        check: random.chance(250),
        soak: random.chance(400).then(|| "20m".parse().ok()).flatten(),
    }
}

/// A schedule made from a seed for one stage, in which everybody is busy: what the mutants are shown, and the real protocol
/// beside them.
#[must_use]
pub fn harsh(seed: u64, protocol: Protocol) -> Setting {
    let calmer = from_seed(seed, protocol);
    let weather = Weather {
        late: 800,
        outside: 25,
        rules: calmer.weather.rules.max(10),
        people: 250,
        releases: 15,
        pause: 0,
        ..calmer.weather
    };
    Setting { weather, clears_after: 500, ends_there: true, ..calmer }
}
