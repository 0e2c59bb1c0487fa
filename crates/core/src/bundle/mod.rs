//! The contents of a cloud assembly (`cdk.out`).
// (placeholder until branch `bundle` is merged: the real types have these names)

/// Placeholder.
#[derive(Clone, PartialEq, Debug)]
pub struct Bundle;
/// Placeholder.
#[derive(Clone, PartialEq, Debug)]
pub struct FileAsset;
/// Placeholder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResourceDifference {
    /// x
    pub logical_id: String,
    /// x
    pub resource_type: String,
    /// x
    pub kind: DifferenceKind,
}
/// Placeholder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DifferenceKind {
    /// x
    Add,
    /// x
    Modify,
    /// x
    Remove,
}
impl DifferenceKind {
    /// x
    pub fn as_str(self) -> &'static str {
        "Add"
    }
}
