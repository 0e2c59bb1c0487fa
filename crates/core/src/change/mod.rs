//! What is approved: canonical form, leaves, and the ids a1, c1 and b1.

mod canonical;
mod compare;
mod console;
mod ids;
mod proof;
mod sameness;
mod summary;
mod warning;

pub use canonical::Canonical;
pub use compare::compare;
pub use console::console_url;
pub use ids::{
    Baseline, ParameterValue, StackInput, b1, c1, change_set_name, create_token, deferred_leaf,
    execute_token, leaf, release_id, unchanged_leaf,
};
pub use proof::HmacKey;
pub use sameness::StageNames;
pub use summary::{count_changes, count_differences, risk_classes, shown_changes};
pub use warning::{normalised, shown_warnings, unseen_nested, warnings_of};
