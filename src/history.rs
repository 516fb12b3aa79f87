//! PURE. How much traffic there was, for weeks: by topic, client and broker, and the quiet hours of the week. No clock, no file: time is a value that is passed in.
//!
//! A [`Day`] (of UTC) has three views of the same amounts: minutes with their busiest rows, quarter hours of everything, and hours of every row. [`History`] has
//! the days of now with all of it, and of the weeks before the quarter hours; whoever owns it keeps the rest in files, one for each day ([`codec`]).
//!
//! What was not seen, because Leeward did not run, is not quiet: every minute and quarter hour says how much of it was seen.
//!
//! **Bounds.** A day has [`ROWS_MAX`] topics and as many clients, with at most 24 hours of 32 bytes each, in vectors that grow by doubling: 20,000 × 1 KiB are
//! 20 MiB and their names; minutes have [`BUSIEST`] rows of each kind and that of the others, 1440 × 99 × 48 bytes or 6.5 MiB a day. Two days are in the memory.
//! Quarter hours of 36 days are 110 KiB.

mod amount;
pub mod codec;
mod day;
mod gather;
mod log;
pub mod quiet;
pub mod report;

#[cfg(test)]
mod tests;

pub use amount::{Amount, Kind, News};
pub use day::{BUSIEST, Day, DayNumber, Minute, OTHERS, QUARTERS, Quarter, ROWS_MAX, UNKNOWN};
pub use gather::{TopicAmounts, TopicId};
pub use log::{DAYS_KEPT, History, day_of};
