//! Leeward in front of real Apache Kafka: brokers 2.1.0, 2.6.3, 3.9.1 and 4.3.1, and the clients that people use.
//!
//! `LEEWARD_REAL=ci` (the default) touches every version and every client at least once, `all` runs every step, `off` none.
//! `LEEWARD_REAL_ARM=direct` runs the same steps against the brokers themselves: the control arm, which shows that what is asked here holds of Kafka alone.
//! `both` runs either in the tests that have both: those of `suite::guard`. `LEEWARD_REAL_LOG` is Leeward's `log.filter` in these.
//! `LEEWARD_TEST_CACHE` says where jars and runtimes are kept (default `~/.cache/leeward-tests`).
//! Java 17 with `javac`, Maven and Python 3 are needed. Where one is missing the tests say so and pass; with `CI=true` they fail. Without Go sarama is left out.
//!
//! How it hangs together: `cache` fetches → `release` knows each version → `cluster` starts brokers (each under `process`, so that none outlives the tests)
//! → `front` puts Leeward before them → `clients` work through it, or a whole load of them does while brokers go (`guard`) → `watch` looks on whether any of
//! them reached past it → `suite` holds the tests.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends with a panic that says where and why")]

mod cache;
mod clients;
mod cluster;
mod front;
mod guard;
mod manager;
mod ports;
mod process;
mod records;
mod release;
mod requests;
mod selection;
mod steps;
mod suite;
mod watch;
mod wire;
