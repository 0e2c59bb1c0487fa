//! The rules as a whole.

mod code;
mod holes;
mod iam;
mod lists;
mod nested;
mod network;
mod opaque;
mod properties;
mod read_nested;
