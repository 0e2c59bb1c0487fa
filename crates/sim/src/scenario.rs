//! The runs: the scenario of the product, undisturbed or with one fault, and schedules made from a seed.

use crate::{
    controller::Fault,
    people::{Chapter, Vote},
    protocol::Protocol,
    random::Random,
    run::Setting,
    weather::Weather,
};

/// The scenario: a first release everywhere; a second that prod rejects; the same with other files; a third that passes;
/// one that differs for dev alone.
#[must_use]
pub fn whole() -> Vec<Chapter> {
    use Vote::{OnPlan, OnStage, Reject};
    [
        (0, [OnPlan, OnStage, OnPlan]),
        (1, [OnPlan, OnPlan, Reject]),
        (2, [OnPlan, OnPlan, Reject]),
        (3, [OnPlan, OnStage, OnPlan]),
        (4, [OnPlan, OnPlan, OnPlan]),
    ]
    .into_iter()
    .map(|(release, votes)| Chapter { release, votes })
    .collect()
}

/// The scenario in good weather, with one fault or none.
#[must_use]
pub fn with_one_fault(budget: u32, strike: Option<(u64, Fault)>) -> Setting {
    Setting {
        seed: 1,
        protocol: Protocol::AsDesigned,
        weather: Weather::CALM,
        clears_after: 0,
        controllers: 1,
        budget,
        stages: 3,
        chapters: whole(),
        strike,
        vary: false,
        trace: false,
    }
}

/// A schedule made from a seed.
#[must_use]
pub fn from_seed(seed: u64, protocol: Protocol) -> Setting {
    let mut random = Random::new(seed);
    let mut chapters: Vec<Chapter> = Vec::new();
    // Short ones mostly: what breaks does so within one or two releases.
    let before = [1, 1, 1, 2, 2, 3].get(random.place(6)).copied().unwrap_or(1);
    for _ in 0..before {
        let votes = [(); 3].map(|()| match random.below(10) {
            0 => Vote::Reject,
            1 => Vote::Both,
            2..=4 => Vote::OnStage,
            _ => Vote::OnPlan,
        });
        chapters.push(Chapter { release: random.place(3), votes });
    }
    chapters.push(Chapter { release: 3, votes: [Vote::OnPlan, Vote::OnStage, Vote::OnPlan] });
    let stages = {
        let most = if random.chance(300) { 3 } else { 2 };
        1 + random.place(most)
    };
    Setting {
        protocol,
        weather: Weather::choose(&mut random),
        clears_after: 40 + random.below(300),
        controllers: 1 + random.place(2),
        budget: [1, 3, 64].get(random.place(3)).copied().unwrap_or(64),
        stages,
        chapters,
        strike: None,
        vary: true,
        trace: false,
        seed: random.bits(),
    }
}

/// A schedule made from a seed for one stage, in which people change their minds, wipe annotations and write wrong ones,
/// and others meddle all the time: what the mutants are shown, and the real protocol beside them.
#[must_use]
pub fn harsh(seed: u64, protocol: Protocol) -> Setting {
    let calmer = from_seed(seed, protocol);
    let mut random = Random::new(!seed);
    let mut vote = || match random.below(3) {
        0 => Vote::Reject,
        1 => Vote::Both,
        _ => Vote::OnPlan,
    };
    let second = Chapter { release: 1, votes: [vote(), vote(), vote()] };
    let first = Chapter { release: 0, votes: [Vote::OnPlan; 3] };
    let last = Chapter { release: 3, votes: [Vote::OnPlan; 3] };
    Setting {
        // There and back: a rejected change is wanted again when the baseline has not moved.
        chapters: vec![first, second, first, second, last],
        weather: Weather { late: 800, outside: 25, noise: 60, pause: 0, ..calmer.weather },
        clears_after: 400,
        stages: 1,
        ..calmer
    }
}
