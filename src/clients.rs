//! PURE. Who talks to the cluster, as a table by client id and software that is bounded, and what of it an upgrade would break.
//!
//! Sessions tell their [`Traits`](crate::session::Traits); each thread gathers those of its sessions in a [`Table`] of its own, and these are merged. Time is a
//! value that is passed in.
//!
//! **What proves what.** A client that asks for ApiVersions takes the lesser of its own highest version and of the offered one. So a version that was the
//! highest offered proves no more than that the client knows it; one that was below is the client's own highest, and a cluster that does not take it breaks it.

pub mod libraries;
mod row;
mod table;
mod topics;
mod verdict;

#[cfg(test)]
mod tests;

pub use row::{Counts, NAMES_MAX, Rates, Row, Use};
pub use table::{CLIENTS_MAX, Contact, Key, OTHERS, Table};
pub use topics::{TopicUse, Topics};
pub use verdict::{Judgement, Reason, Verdict, judge};
