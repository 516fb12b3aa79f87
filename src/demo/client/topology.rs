//! Where the leaders are, and single requests about topics.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest, FetchRequest, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::error::Code;
use super::{ClientError, Connection};

/// Most bytes that one Fetch asks for.
const FETCH_BYTES_MAX: i32 = 4 << 20;
/// How long the controller may take to make a topic.
const CREATE_TIMEOUT_MS: i32 = 30_000;

/// A topic's leaders and the brokers' addresses, as a client is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::demo) struct Topology {
    pub(in crate::demo) brokers: BTreeMap<i32, SocketAddr>,
    /// Partition → leader; partitions without one are left out.
    pub(in crate::demo) leaders: BTreeMap<i32, i32>,
    /// Every replica of every partition is in sync.
    pub(in crate::demo) in_sync: bool,
    /// Partitions that there are, with or without a leader.
    pub(in crate::demo) partitions: usize,
}

impl Topology {
    /// Asks for the leaders of `topic`.
    pub(in crate::demo) async fn ask(connection: &mut Connection, topic: &str) -> Result<Self, ClientError> {
        let wanted = MetadataRequestTopic::default().with_name(Some(topic_name(topic)));
        let request = MetadataRequest::default().with_topics(Some(vec![wanted])).with_allow_auto_topic_creation(false);
        Ok(Topology::of(&connection.ask(&request).await?))
    }

    /// The address of a partition's leader.
    pub(in crate::demo) fn leader(&self, partition: i32) -> Result<SocketAddr, ClientError> {
        let leader = self.leaders.get(&partition).and_then(|node| self.brokers.get(node));
        leader.copied().ok_or(ClientError::NoLeader(partition))
    }

    fn of(answer: &MetadataResponse) -> Self {
        // The demo's brokers and Leeward in front of them advertise numeric addresses.
        let address = |host: &StrBytes, port: i32| Some(SocketAddr::new(host.as_str().parse().ok()?, u16::try_from(port).ok()?));
        let brokers = answer.brokers.iter().filter_map(|broker| Some((broker.node_id.0, address(&broker.host, broker.port)?))).collect();
        let partitions: Vec<_> = answer.topics.iter().flat_map(|topic| &topic.partitions).collect();
        let leaders = partitions.iter().filter(|partition| partition.leader_id.0 >= 0).map(|partition| (partition.partition_index, partition.leader_id.0));
        let in_sync = !partitions.is_empty() && partitions.iter().all(|partition| partition.isr_nodes.len() == partition.replica_nodes.len());
        Topology { brokers, leaders: leaders.collect(), in_sync, partitions: partitions.len() }
    }
}

/// A request that asks a broker for no topic: its answer shows that everything before it on the connection has been processed there.
pub(in crate::demo) fn empty_metadata() -> MetadataRequest {
    MetadataRequest::default().with_topics(Some(vec![])).with_allow_auto_topic_creation(false)
}

/// Makes a topic with as many replicas as given.
pub(in crate::demo) async fn create_topic(
    connection: &mut Connection,
    name: &str,
    partitions: i32,
    replicas: i16,
    settings: &[(&str, &str)],
) -> Result<(), ClientError> {
    let setting = |(name, value): &(&str, &str)| {
        CreatableTopicConfig::default().with_name(StrBytes::from_string((*name).to_owned())).with_value(Some(StrBytes::from_string((*value).to_owned())))
    };
    let topic = CreatableTopic::default().with_name(topic_name(name)).with_num_partitions(partitions).with_replication_factor(replicas);
    let topic = topic.with_configs(settings.iter().map(setting).collect());
    let answer = connection.ask(&CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(CREATE_TIMEOUT_MS)).await?;
    answer.topics.iter().try_for_each(|topic| check_code("CreateTopics", topic.error_code))
}

/// What one Fetch of one partition gave.
#[derive(Debug)]
pub(in crate::demo) struct Fetched {
    pub(in crate::demo) records: Bytes,
    pub(in crate::demo) high_watermark: i64,
}

/// Fetches from a partition's leader; waits up to `wait` for the first byte.
pub(in crate::demo) async fn fetch_once(connection: &mut Connection, topic: &str, partition: i32, offset: i64, wait: Duration) -> Result<Fetched, ClientError> {
    let wanted = FetchPartition::default().with_partition(partition).with_fetch_offset(offset).with_partition_max_bytes(FETCH_BYTES_MAX);
    let topics = vec![FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![wanted])];
    let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    let request = FetchRequest::default().with_replica_id(BrokerId(-1)).with_max_wait_ms(wait).with_min_bytes(1);
    let answer = connection.ask(&request.with_max_bytes(FETCH_BYTES_MAX).with_topics(topics)).await?;
    check_code("Fetch", answer.error_code)?;
    let mut partitions = answer.responses.into_iter().flat_map(|topic| topic.partitions);
    let Some(partition) = partitions.next() else { return Ok(Fetched { records: Bytes::new(), high_watermark: -1 }) };
    check_code("Fetch", partition.error_code)?;
    Ok(Fetched { records: partition.records.unwrap_or_default(), high_watermark: partition.high_watermark })
}

pub(in crate::demo) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// An error when `code` is one.
pub(in crate::demo) fn check_code(api: &'static str, code: i16) -> Result<(), ClientError> {
    if code == 0 { Ok(()) } else { Err(ClientError::Refused { api, error: Code(code) }) }
}
