//! PURE. A look at single requests as they pass: who listens, to which requests, and what is told of each.
//!
//! A [`Listener`] says what it wants and bounds what it gets. A session asks its listeners about each request, makes a [`Tapped`] of one that somebody wants,
//! and completes it when the answer goes to the client. Nobody ever waits for a listener: what it cannot take is counted and left out.
//!
//! **Invariant: bounded.** Listeners ([`LISTENERS_MAX`]), requests looked at in a second ([`Wanted::per_second`], [`LOOKED_AT_PER_SECOND`]) and bytes kept
//! ([`KEPT_BYTES_MAX`]) have a limit; beyond it a request passes without being looked at.

mod listener;
mod rate;
mod tapped;
pub mod top;
mod wanted;

#[cfg(test)]
mod tests;

pub use listener::{LISTENERS_MAX, LOOKED_AT_PER_SECOND, Listener, Sink, Standing};
pub use rate::Rate;
pub use tapped::{Answer, Delivery, End, Frame, Guarding, KEPT_BYTES_MAX, Memory, Names, Request, Tapped, Told};
pub use wanted::{Errors, PER_SECOND_DEFAULT, PER_SECOND_MAX, Pattern, SAMPLE_MAX, Wanted};
