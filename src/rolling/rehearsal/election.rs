//! How long partitions have no leader when a broker goes, by what Kafka does.
//!
//! Sources: `BrokerLifecycleManager`, `ReplicationControlManager`, `ZkConfigs`, KIP-537 (ZooKeeper's session timeout since 2.5), KIP-631; protocol.md section 7.

use serde::{Deserialize, Serialize};

use super::Stop;
use crate::releases::{Inference, Mode, Release, infer};
use crate::rolling::Census;

/// `broker.session.timeout.ms` of KRaft: a controller takes a broker for dead when it has heard nothing of it for so long.
const KRAFT_SESSION_SECONDS: f64 = 9.0;

/// `zookeeper.session.timeout.ms` by default, until 2.4 and since 2.5.
const ZOOKEEPER_SESSION_SECONDS_OLD: f64 = 6.0;
const ZOOKEEPER_SESSION_SECONDS: f64 = 18.0;

/// From a broker's end of session to the moment at which Leeward knows the new leaders: the election, its way to the brokers, and Leeward's next question.
const NEWS_SECONDS: f64 = 1.0;

/// For leaders that are handed over. Most move within a moment; a broker that stops asks its controller again with each heartbeat
/// (`broker.heartbeat.interval.ms`, 2 s), and in front of real brokers the last request has been held for about that long.
const HANDOVER_SECONDS: f64 = 2.0;

/// For how long it is, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    pub seconds: f64,
    /// What was assumed, in a sentence.
    pub because: String,
}

pub(super) fn expected(census: &Census, node_id: i32, stop: Stop) -> Expected {
    let known = census.brokers.get(&node_id).and_then(|broker| broker.offer.as_deref()).map(infer);
    match stop {
        Stop::Graceful => graceful(known.as_ref().and_then(|known| known.mode)),
        Stop::Crash => crash(known.as_ref()),
    }
}

fn graceful(mode: Option<Mode>) -> Expected {
    let how = match mode {
        Some(Mode::KRaft) => "the controller moves all its leaders in one step",
        Some(Mode::ZooKeeper) => "the controller moves its leaders one after the other",
        None => "the controller moves its leaders",
    };
    let because = format!("controlled shutdown: {how}, most within a moment; {HANDOVER_SECONDS} s are reckoned with for the last one");
    Expected { seconds: HANDOVER_SECONDS, because }
}

fn crash(known: Option<&Inference>) -> Expected {
    let (session, which) = match known.map(|known| (known.mode, known.newest)) {
        Some((Some(Mode::KRaft), _)) => (KRAFT_SESSION_SECONDS, "broker.session.timeout.ms (KRaft)"),
        Some((Some(Mode::ZooKeeper), Some(newest))) if newest < Release::V2_5 => (ZOOKEEPER_SESSION_SECONDS_OLD, "zookeeper.session.timeout.ms before 2.5"),
        Some((Some(Mode::ZooKeeper), _)) => (ZOOKEEPER_SESSION_SECONDS, "zookeeper.session.timeout.ms since 2.5"),
        Some((None, _)) | None => (ZOOKEEPER_SESSION_SECONDS, "zookeeper.session.timeout.ms since 2.5, the longest, as the broker's mode is not known"),
    };
    let because = format!("a crash is noticed after {session} s, the default of {which}, and {NEWS_SECONDS} s more until the new leaders are known");
    Expected { seconds: session + NEWS_SECONDS, because }
}
