//! GitOps writers that apply our objects every second while decisions come and go: what the record holds is not lost, nothing
//! stale takes effect, and no field goes back and forth.

mod argocd;
mod docs;
mod fields;
mod flux;
mod git;
mod merged;
mod words;
