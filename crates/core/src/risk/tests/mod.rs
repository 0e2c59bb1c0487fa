//! The rules as a whole.

mod code;
mod given;
mod guards;
mod holes;
mod hostile;
mod iam;
mod lists;
mod nested;
mod network;
mod opaque;
mod origin;
mod properties;
mod quiet;
mod read_nested;
mod ways;
