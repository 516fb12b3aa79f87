//! The model driven with virtual time, without a socket.

mod clients;
mod driver;
mod failover;
mod partitions;
