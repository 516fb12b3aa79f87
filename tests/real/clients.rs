//! The clients that work through Leeward. Each takes a bootstrap address and knows nothing of the cluster behind it.

pub(crate) mod console;
pub(crate) mod java;
pub(crate) mod librdkafka;
pub(crate) mod python;
pub(crate) mod roundtrip;

/// The codecs that every client has, and the first release of brokers that takes them: zstd since 2.1 (Produce v7).
pub(crate) const COMPRESSIONS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
