//! One file in an assembly that is whole otherwise: the asset manifest of a stack, its metadata or its validation report.

use super::{assembly, parts::parts};

const APP: &[u8] = include_bytes!("app.txt");

/// Each part takes the place of a file.
pub fn run(input: &[u8]) {
    // The first of a name counts.
    assembly::check(assembly::tree(parts(input).into_iter().chain(parts(APP))));
}
