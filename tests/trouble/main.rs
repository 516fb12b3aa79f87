//! What goes wrong costs the one connection on which it goes wrong, is counted with its cause, and leaves the rest alone.
//!
//! Leeward's own binary in front of the sandbox.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, and says where")]

mod brokers;
mod bulk;
mod clients;
mod drained;
mod ends;
mod held;
mod leeward;
mod limits;
mod rolling;
mod wire;
