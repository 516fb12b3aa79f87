//! PURE. What a message means, as far as a proxy must know it.
//!
//! In the order in which a request and its response meet them: [`peek`] says what a request is without decoding it; [`versions`] answers ApiVersions;
//! [`patch`] puts virtual brokers in the place of brokers' addresses; [`schema`] checks a whole body before anything decodes it;
//! [`digest`] says what it names; [`records`] writes and reads Leeward's own.
//!
//! **Invariant: no broker's own address reaches a client.** What [`patch`] cannot read or rewrite is an error, never passed on.

pub mod answer;
pub mod coordinator;
pub mod digest;
pub mod list_offsets;
pub mod patch;
pub mod peek;
pub mod produce;
pub mod records;
pub mod schema;
pub mod topics;
pub mod versions;

mod put;

#[cfg(test)]
mod properties;
