//! The contents of a cloud assembly (`cdk.out`).
