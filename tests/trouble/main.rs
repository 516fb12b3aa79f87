//! What goes wrong costs the one connection on which it goes wrong, is counted with its cause, and leaves the rest alone.
//!
//! Leeward's own binary in front of the sandbox.

mod brokers;
mod clients;
mod ends;
mod leeward;
mod limits;
mod wire;
