//! PURE. Bytes as Kafka lays them out: frames, a bounded cursor, request and response headers, and the one table of API keys.
//!
//! Nothing here allocates by a number that a peer sent, and nothing indexes a peer's bytes: every read goes through [`Cursor`].

pub mod api;
pub mod cursor;
pub mod frame;
pub mod header;

pub use api::{Api, Route};
pub use cursor::{Cursor, WireError};
pub use frame::FrameLength;
pub use header::{RequestHeader, ResponseHeader};
