//! A small Kafka client: as much of one as the demo's traffic needs, from its own side of the wire.
//!
//! Requests are encoded with `kafka-protocol`. Answers come from a peer: a body is decoded only after `protocol::schema` has checked every count in it.

pub(super) mod batch;
mod connection;
mod error;
mod topology;
mod versions;

pub(super) use connection::{Answer, Connection};
#[cfg(test)]
pub(super) use error::Code;
pub(super) use error::{ClientError, REBALANCE_IN_PROGRESS};
pub(super) use topology::{Topology, check_code, create_topic, empty_metadata, fetch_once, topic_name};
