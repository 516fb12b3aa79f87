//! Brokers go while clients work: what the clients are told, compared with what the brokers store.
//!
//! `stage` has the cluster, its topics and what is stored in them → `load` starts the clients, each of which keeps a `journal` → `play` puts Leeward (or, in
//! the control arm, nothing) between them, lets brokers go as a test says, and ends all → `account` compares → `verdict` prints and judges.

mod account;
mod journal;
mod librdkafka;
mod load;
mod play;
mod programs;
mod stage;
mod verdict;

pub(crate) use self::account::{Read, Stored, Written, kinds};
pub(crate) use self::journal::Journal;
pub(crate) use self::load::{Duty, Row, Topic, prepare, resending_rows, rows};
pub(crate) use self::play::{Play, play, play_without_window};
pub(crate) use self::programs::go_is_here;
pub(crate) use self::stage::{Blow, Coordinator, Stage, log};
pub(crate) use self::verdict::{Claim, judge};
