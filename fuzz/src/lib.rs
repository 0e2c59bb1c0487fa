//! What the fuzz targets run. `targets` is also a part of the test `corpus` of `stackgate-core`, which runs what was kept.

pub mod mutate;
pub mod targets;
