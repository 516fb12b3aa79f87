//! What the census asks a broker, and how its answers are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{BrokerId, DescribeConfigsRequest, DescribeQuorumRequest, ListPartitionReassignmentsRequest, MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::config::HostPort;
use crate::control::operator::{OperatorError, Talk};
use crate::rolling::Partition;
use crate::rolling::census::{Quorum, Reassignment, Voter};
use crate::telemetry::error_name;

/// Topics in one question for their configuration: some 50 KB of it.
pub(super) const CONFIGS_MAX: usize = 500;

/// LeaderAndIsr, which a controller that works through ZooKeeper sends: brokers of KRaft do not offer it.
pub(super) const ZOOKEEPER_BROKERS_ONLY: i16 = 4;
pub(super) const LIST_REASSIGNMENTS: i16 = 46;
pub(super) const DESCRIBE_QUORUM: i16 = 55;

/// How long the controller may take for its answer.
const REASSIGNMENTS_TIMEOUT_MS: i32 = 5000;

/// A topic, as DescribeConfigs counts resources.
const TOPIC_RESOURCE: i8 = 2;
/// A broker, which tells its own configuration only.
const BROKER_RESOURCE: i8 = 4;
const INTER_BROKER_PROTOCOL: &str = "inter.broker.protocol.version";
const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";
const METADATA_TOPIC: &str = "__cluster_metadata";

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;

/// What one broker's metadata tells.
pub(super) struct Told {
    pub(super) cluster_id: Option<String>,
    pub(super) controller_id: Option<i32>,
    pub(super) brokers: BTreeMap<i32, Place>,
    pub(super) partitions: Vec<Partition>,
}

/// Where a broker is.
pub(super) struct Place {
    pub(super) address: HostPort,
    pub(super) rack: Option<String>,
}

/// What the configuration of topics tells.
#[derive(Default)]
pub(super) struct MinInsync {
    pub(super) replicas: BTreeMap<Arc<str>, u32>,
    /// Topics that are not there any more.
    pub(super) gone: Vec<Arc<str>>,
    /// Topics of which it was not told, and why.
    pub(super) refused: Vec<(Arc<str>, &'static str)>,
}

impl Talk {
    /// The brokers, and every partition.
    pub(super) async fn metadata(&mut self) -> Result<Told, OperatorError> {
        let request = MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(false);
        let answer = self.ask("Metadata", 7, 13, "2.1", &request).await?;
        if answer.error_code != 0 {
            return Err(OperatorError::refused("Metadata", answer.error_code, None));
        }
        let brokers = answer.brokers.into_iter().filter_map(|broker| {
            let address = HostPort { host: broker.host.to_string(), port: u16::try_from(broker.port).ok()? };
            Some((*broker.node_id, Place { address, rack: broker.rack.map(|rack| rack.to_string()) }))
        });
        let brokers = brokers.collect();
        let mut partitions: Vec<Partition> = answer.topics.into_iter().flat_map(partitions).collect();
        partitions.sort_by(|a, b| (&a.topic, a.index).cmp(&(&b.topic, b.index)));
        let controller_id = Some(*answer.controller_id).filter(|node_id| *node_id >= 0);
        Ok(Told { cluster_id: answer.cluster_id.map(|id| id.to_string()), controller_id, brokers, partitions })
    }

    /// `min.insync.replicas` of at most [`CONFIGS_MAX`] topics.
    pub(super) async fn min_insync_replicas(&mut self, topics: &[Arc<str>]) -> Result<MinInsync, OperatorError> {
        let keys = Some(vec![StrBytes::from_static_str(MIN_INSYNC_REPLICAS)]);
        let resource = |name: &Arc<str>| {
            let name = StrBytes::from_string(name.to_string());
            DescribeConfigsResource::default().with_resource_type(TOPIC_RESOURCE).with_resource_name(name).with_configuration_keys(keys.clone())
        };
        let request = DescribeConfigsRequest::default().with_resources(topics.iter().map(resource).collect());
        let answer = self.ask("DescribeConfigs", 1, 4, "1.1", &request).await?;
        let mut told = MinInsync::default();
        for result in answer.results {
            let topic: Arc<str> = Arc::from(&*result.resource_name);
            let config = result.configs.iter().find(|config| &*config.name == MIN_INSYNC_REPLICAS);
            let value = config.and_then(|config| config.value.as_ref()?.parse().ok());
            match (result.error_code, value) {
                (0, Some(value)) => drop(told.replicas.insert(topic, value)),
                (0, None) => told.refused.push((topic, "the broker did not name it")),
                (UNKNOWN_TOPIC_OR_PARTITION, _) => told.gone.push(topic),
                (code, _) => told.refused.push((topic, error_name(code))),
            }
        }
        Ok(told)
    }

    /// `inter.broker.protocol.version` of the broker that is asked, `node_id`; `None`: it has none, or does not tell.
    pub(super) async fn inter_broker_protocol(&mut self, node_id: i32) -> Result<Option<String>, OperatorError> {
        let keys = Some(vec![StrBytes::from_static_str(INTER_BROKER_PROTOCOL)]);
        let name = StrBytes::from_string(node_id.to_string());
        let resource = DescribeConfigsResource::default().with_resource_type(BROKER_RESOURCE).with_resource_name(name).with_configuration_keys(keys);
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let answer = self.ask("DescribeConfigs", 1, 4, "1.1", &request).await?;
        let mut configs = answer.results.into_iter().filter(|result| result.error_code == 0).flat_map(|result| result.configs);
        let config = configs.find(|config| &*config.name == INTER_BROKER_PROTOCOL);
        Ok(config.and_then(|config| config.value).map(|value| value.to_string()))
    }

    /// Every reassignment that is running.
    pub(super) async fn reassignments(&mut self) -> Result<Vec<Reassignment>, OperatorError> {
        const API: &str = "ListPartitionReassignments";
        let request = ListPartitionReassignmentsRequest::default().with_timeout_ms(REASSIGNMENTS_TIMEOUT_MS).with_topics(None);
        let answer = self.ask(API, 0, 0, "2.4", &request).await?;
        if answer.error_code != 0 {
            return Err(OperatorError::refused(API, answer.error_code, answer.error_message.as_deref()));
        }
        let running = answer.topics.into_iter().flat_map(|topic| {
            let name: Arc<str> = Arc::from(&**topic.name);
            topic.partitions.into_iter().map(move |partition| Reassignment {
                topic: Arc::clone(&name),
                partition: partition.partition_index,
                adding: node_ids(&partition.adding_replicas),
                removing: node_ids(&partition.removing_replicas),
            })
        });
        Ok(running.collect())
    }

    /// The voters of the metadata quorum.
    pub(super) async fn quorum(&mut self) -> Result<Quorum, OperatorError> {
        const API: &str = "DescribeQuorum";
        let partitions = vec![PartitionData::default().with_partition_index(0)];
        let topic = TopicData::default().with_topic_name(TopicName(StrBytes::from_static_str(METADATA_TOPIC))).with_partitions(partitions);
        let answer = self.ask(API, 0, 2, "3.3", &DescribeQuorumRequest::default().with_topics(vec![topic])).await?;
        if answer.error_code != 0 {
            return Err(OperatorError::refused(API, answer.error_code, answer.error_message.as_deref()));
        }
        let partition = answer.topics.into_iter().flat_map(|topic| topic.partitions).next();
        let partition = partition.ok_or_else(|| OperatorError::refused(API, -1, Some("the answer names no partition")))?;
        if partition.error_code != 0 {
            return Err(OperatorError::refused(API, partition.error_code, partition.error_message.as_deref()));
        }
        let leader = partition.current_voters.iter().find(|voter| voter.replica_id == partition.leader_id);
        let (end, now) = leader.map_or((-1, -1), |leader| (leader.log_end_offset, leader.last_caught_up_timestamp));
        let voters = partition.current_voters.iter().map(|voter| Voter {
            node_id: *voter.replica_id,
            lag: since(end, voter.log_end_offset),
            // Both are the leader's own clock: it is never behind itself.
            caught_up_ms_ago: since(now, voter.last_caught_up_timestamp),
        });
        Ok(Quorum { leader_id: *partition.leader_id, voters: voters.collect() })
    }
}

/// How far `then` lies before `now`; `None` where either is -1: not known.
fn since(now: i64, then: i64) -> Option<u64> {
    (now >= 0 && then >= 0).then(|| u64::try_from(now.saturating_sub(then)).unwrap_or(0))
}

fn partitions(topic: MetadataResponseTopic) -> impl Iterator<Item = Partition> {
    let name: Arc<str> = topic.name.map_or_else(|| Arc::from(""), |name| Arc::from(&**name));
    topic.partitions.into_iter().map(move |partition| read_partition(&name, &partition))
}

fn read_partition(topic: &Arc<str>, partition: &MetadataResponsePartition) -> Partition {
    Partition {
        topic: Arc::clone(topic),
        index: partition.partition_index,
        leader: Some(*partition.leader_id).filter(|leader| *leader >= 0),
        replicas: node_ids(&partition.replica_nodes),
        isr: node_ids(&partition.isr_nodes),
        min_insync_replicas: None,
    }
}

fn node_ids(brokers: &[BrokerId]) -> Vec<i32> {
    brokers.iter().map(|broker| **broker).collect()
}
