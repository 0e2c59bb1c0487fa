//! The toolkit stack.
