//! The demo's topics, and whether a cluster is whole.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::client::{ClientError, Connection, Topology, create_topic};
use super::load::{PARTITIONS, Side};

/// How long brokers may take until all know of a new topic.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at something that tells nothing by itself.
const LOOK: Duration = Duration::from_millis(20);
/// A topic of the demo keeps so much in each partition on real brokers, however long the demo is.
const RETENTION: [(&str, &str); 3] = [("min.insync.replicas", "2"), ("segment.bytes", "67108864"), ("retention.bytes", "536870912")];
/// Where groups keep their offsets: a broker is not back before it has its part of that again.
const OFFSETS: &str = "__consumer_offsets";
const CLIENT_ID: &str = "demo-setup";

/// Another broker is the controller.
const NOT_CONTROLLER: i16 = 41;

/// Makes a topic and waits until every broker knows its leaders and all replicas are in sync.
pub(super) async fn make_topic(brokers: &[SocketAddr], topic: &'static str) -> Result<(), ClientError> {
    let replicas = i16::try_from(brokers.len()).unwrap_or(i16::MAX);
    let mut made = Err(ClientError::Closed);
    for &address in brokers {
        let mut connection = Connection::open(address, CLIENT_ID).await?;
        made = create_topic(&mut connection, topic, PARTITIONS, replicas, &RETENTION).await;
        // Where ZooKeeper keeps the metadata, only one broker makes topics.
        if made.as_ref().err().and_then(ClientError::code) != Some(NOT_CONTROLLER) {
            break;
        }
    }
    made?;
    timeout(SETTLE_LIMIT, until_in_sync(brokers, &[topic])).await.map_err(|_| ClientError::TimedOut)
}

/// Waits until every broker says that all replicas of the demo's topics are in sync.
pub(super) async fn until_whole(brokers: &[SocketAddr]) {
    let topics = Side::BOTH.map(Side::topic);
    until_in_sync(brokers, &[topics[0], topics[1], OFFSETS]).await;
}

async fn until_in_sync(brokers: &[SocketAddr], topics: &[&str]) {
    for &address in brokers {
        // A broker that has just come back may close what it has just accepted.
        while !matches!(is_in_sync(address, topics).await, Ok(true)) {
            sleep(LOOK).await;
        }
    }
}

async fn is_in_sync(address: SocketAddr, topics: &[&str]) -> Result<bool, ClientError> {
    let mut connection = Connection::open(address, CLIENT_ID).await?;
    for topic in topics {
        let topology = Topology::ask(&mut connection, topic).await?;
        if !topology.in_sync || topology.leaders.len() != topology.partitions {
            return Ok(false);
        }
    }
    Ok(true)
}
