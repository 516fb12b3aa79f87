//! The embedded cluster for the demo and the tests: Kafka's real protocol over real sockets.
