//! Leeward stands between Kafka clients and Kafka brokers, and shelters the clients while brokers are stopped, upgraded, drained or added.

pub mod admin;
pub mod app;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod control;
pub mod demo;
pub mod net;
pub mod protocol;
pub mod sandbox;
pub mod session;
pub mod telemetry;
pub mod wire;
