//! What is approved: canonical form, leaves, and the ids a1, c1 and b1.

mod canonical;
mod ids;
mod proof;
mod summary;

pub use canonical::Canonical;
pub use ids::{
    Baseline, StackInput, b1, c1, change_set_name, create_token, deferred_leaf, execute_token, leaf,
    release_id,
};
pub use proof::HmacKey;
pub use summary::{count_changes, risk_classes, shown_changes};
