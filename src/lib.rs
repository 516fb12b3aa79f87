//! Leeward stands between Kafka clients and Kafka brokers, and shelters the clients while brokers are stopped, upgraded, drained or added.

pub mod protocol;
pub mod sandbox;
pub mod wire;
