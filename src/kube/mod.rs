//! The Kubernetes side: what is watched, what is written, who leads.

pub mod client;
pub mod events;
pub mod lease;
pub mod policies;
pub mod session;
pub mod stores;
mod triggers;
mod watch;
pub mod writes;

pub use watch::Watched;
