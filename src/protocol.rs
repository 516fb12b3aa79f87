//! PURE. What a message means, as far as a proxy must know it: peek, patch, answer.

pub mod schema;
