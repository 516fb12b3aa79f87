//! The embedded cluster for the demo and the tests: Kafka's real protocol over real sockets, on 127.0.0.1.
//!
//! [`model`] is the cluster, pure; `server` drives it with sockets and a clock. A simulation can drive the same model with virtual time.
//! Everything runs on one thread of its own, so that a test that blocks its own threads does not stop the brokers.

mod cluster;
mod fault;
pub mod model;
mod server;

pub use cluster::{Sandbox, SandboxConfig, SandboxError};
pub use fault::Fault;
pub use model::{BrokerState, ClusterState, ModelConfig, PartitionState, Phase, ReplicaState, StoredBatch};
