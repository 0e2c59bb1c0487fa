//! How one stack is driven: to a change set that can be approved, and from a claim to its end. Stages and Bootstraps do
//! the same with it.

mod content;
mod prepare;
mod run;
mod shown;
mod template;
mod withdraw;

pub use content::content;
pub use prepare::{Prepared, Wish, fresh_row, in_progress};
pub use run::{Progress, Protecting, Running, why_failed};
pub use shown::beyond;
pub use template::template_of;
pub use withdraw::Withdrawn;
