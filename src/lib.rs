//! Stackgate's adapters and loop; the decisions are in `stackgate-core`.

pub mod aws;
