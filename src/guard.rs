//! PURE. What protects the traffic: maintenance windows, what they ask for, and what is told of it.
//!
//! A [`Policy`] is an immutable snapshot that every session works by; [`Event`] is what sessions tell the ledger.

pub mod event;
pub mod policy;

pub use event::{ClientRef, Event, HoldEnd, NotNumbered};
pub use policy::{Absorb, Policy, Scope, WindowScope};
