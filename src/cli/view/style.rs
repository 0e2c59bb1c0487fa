//! Colours, few: what is bad, what needs thought, what is good. The words say the same without them.

use anstyle::{AnsiColor, Color, Style};

use super::State;

const fn ansi(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(color)))
}

/// Headings.
pub const HEAD: Style = Style::new().bold();
/// Dangers and failures.
pub const BAD: Style = ansi(AnsiColor::Red);
/// What is to be looked at.
pub const WARN: Style = ansi(AnsiColor::Yellow);
/// What is well.
pub const GOOD: Style = ansi(AnsiColor::Green);
/// What can be skipped.
pub const FAINT: Style = Style::new().dimmed();
/// Nothing.
pub const PLAIN: Style = Style::new();

/// The colour of a state.
#[must_use]
pub fn of_state(state: State) -> Style {
    match state {
        State::Approved | State::Succeeded => GOOD,
        State::AwaitingApproval
        | State::Frozen
        | State::Suspended
        | State::Observing
        | State::PoliciesNotInForce
        | State::Pending
        | State::Executing => WARN,
        State::Failing | State::Rejected | State::Failed | State::Unproven => BAD,
        State::Superseded | State::Withdrawn | State::Expired => FAINT,
    }
}

/// A text in a style.
#[must_use]
pub fn painted(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}
