//! PURE. Maintenance as a guided act: what an operator must know of the cluster, and the rules by which brokers are drained and stopped.
//!
//! A [`Census`] is one reading of the whole cluster; everything else here decides from it.

pub mod census;
pub mod drain;
pub mod gate;
pub mod reassign;
pub mod rehearsal;
pub mod resume;
pub mod roster;
pub mod sharing;
pub mod walk;

pub use census::{Census, Gap, Partition};
pub use drain::{Draining, Drains};
