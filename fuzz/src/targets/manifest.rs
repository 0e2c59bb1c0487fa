//! A whole assembly: manifests, nested ones, asset manifests, templates, metadata, validation reports.

use super::{assembly, parts::parts};

/// Each part is a file.
pub fn run(input: &[u8]) {
    assembly::check(assembly::tree(parts(input)));
}
