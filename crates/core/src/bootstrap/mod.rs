//! The toolkit stack.

pub mod template;
