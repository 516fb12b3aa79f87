//! PURE. What protects the traffic: maintenance windows, what they ask for, and what is told of it.
//!
//! A [`Policy`] is an immutable snapshot that every session works by; [`Event`] is what sessions tell the ledger. [`Windows`] is what policies are
//! made of.

pub mod deadline;
pub mod decide;
pub mod detection;
pub mod event;
pub mod policy;
pub mod time;
pub mod windows;

pub use detection::Detection;
pub use event::{ClientRef, Event, HoldEnd, NotNumbered};
pub use policy::{Absorb, Policy, Scope, WindowScope};
pub use windows::Windows;
