//! What Leeward asks and changes when replicas move from broker to broker: their way itself, its throttles, and how many bytes have arrived.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{AlterPartitionReassignmentsRequest, BrokerId, DescribeConfigsRequest, DescribeLogDirsRequest, IncrementalAlterConfigsRequest};
use kafka_protocol::protocol::{Request, StrBytes};

use super::changes::{CHANGE_TIMEOUT_MS, NotChanged, PARTITIONS_MAX, REASSIGN, check, name, not_changed};
use super::{Operator, OperatorError, Talk};
use crate::rolling::Census;
use crate::rolling::drain::Move;
use crate::rolling::reassign::run::{Place, Sizes, Values};

const TOPIC_RESOURCE: i8 = 2;
const BROKER_RESOURCE: i8 = 4;

/// `ConfigSource` of what a topic has set itself, and of what was set for one broker while it ran.
const TOPIC_SOURCE: i8 = 1;
const BROKER_SOURCE: i8 = 2;

/// Of IncrementalAlterConfigs.
const SET: i8 = 0;
const DELETE: i8 = 1;

const RATES: [&str; 2] = ["leader.replication.throttled.rate", "follower.replication.throttled.rate"];
const LISTS: [&str; 2] = ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"];

impl Operator {
    /// Whether no broker knows AlterPartitionReassignments, which came with Kafka 2.4.
    pub fn moves_by_hand(census: &Census) -> bool {
        let mut offers = census.brokers.values().filter_map(|broker| broker.offer.as_ref()).peekable();
        offers.peek().is_some() && offers.all(|offer| offer.range(AlterPartitionReassignmentsRequest::KEY).is_none())
    }

    /// Gives partitions of a topic other replicas, or gives up (`None`) what is on its way. Those that were refused are in the answer.
    ///
    /// # Errors
    /// Nothing was changed, or not everything was asked: the account may not, nobody answers.
    pub async fn reassign(&self, topic: &str, partitions: &[(i32, Option<Vec<i32>>)]) -> Result<Vec<NotChanged>, OperatorError> {
        let mut refused = Vec::new();
        for some in partitions.chunks(PARTITIONS_MAX) {
            let partition = |(index, replicas): &(i32, Option<Vec<i32>>)| {
                let replicas = replicas.as_ref().map(|replicas| replicas.iter().copied().map(BrokerId).collect());
                ReassignablePartition::default().with_partition_index(*index).with_replicas(replicas)
            };
            let topic = ReassignableTopic::default().with_name(name(topic)).with_partitions(some.iter().map(partition).collect());
            let request = AlterPartitionReassignmentsRequest::default().with_timeout_ms(CHANGE_TIMEOUT_MS).with_topics(vec![topic]);
            let answer = self.of_controller(REASSIGN, 0, "2.4", &request, |answer| answer.error_code).await?;
            check(REASSIGN, answer.error_code, answer.error_message.as_deref())?;
            for topic in &answer.responses {
                // What was on its way has arrived meanwhile.
                let is_over = |code| code == ResponseError::NoReassignmentInProgress.code();
                for partition in topic.partitions.iter().filter(|partition| !is_over(partition.error_code)) {
                    let error = (partition.error_code, partition.error_message.as_deref());
                    refused.extend(not_changed(REASSIGN, &topic.name, partition.partition_index, error)?);
                }
            }
        }
        Ok(refused)
    }

    /// Has the first replicas of these partitions lead. Those that were refused are in the answer.
    ///
    /// # Errors
    /// As [`Operator::reassign`].
    pub async fn elect(&self, topic: &str, partitions: &[i32]) -> Result<Vec<NotChanged>, OperatorError> {
        let elected = |partition: &i32| Move { topic: topic.into(), partition: *partition, from: Vec::new(), to: Vec::new(), elect: true };
        self.elect_preferred(&partitions.iter().map(elected).collect::<Vec<_>>()).await
    }

    /// What these places have set of throttles; `None`: there is no such topic. Those that do not answer are not in it.
    pub async fn throttles(&self, places: &[Place]) -> BTreeMap<Place, Option<Values>> {
        let mut told = BTreeMap::new();
        for place in places {
            match self.throttle_of(place).await {
                Ok(values) => drop(told.insert(place.clone(), values)),
                Err(error) => tracing::debug!(?place, %error, "a throttle could not be read"),
            }
        }
        told
    }

    async fn throttle_of(&self, place: &Place) -> Result<Option<Values>, OperatorError> {
        const API: &str = "DescribeConfigs";
        let (kind, resource, keys, own) = parts(place);
        let wanted = keys.map(StrBytes::from_static_str).to_vec();
        let asked = DescribeConfigsResource::default().with_resource_type(kind).with_resource_name(resource).with_configuration_keys(Some(wanted));
        let answer = self.at(place).await?.ask(API, 1, 4, "1.1", &DescribeConfigsRequest::default().with_resources(vec![asked])).await?;
        let Some(result) = answer.results.into_iter().next() else { return Err(OperatorError::refused(API, -1, Some("the answer is empty"))) };
        if result.error_code == ResponseError::UnknownTopicOrPartition.code() {
            return Ok(None);
        }
        check(API, result.error_code, result.error_message.as_deref())?;
        let value = |key: &str| {
            let config = result.configs.iter().find(|config| &*config.name == key && config.config_source == own)?;
            config.value.as_ref().map(ToString::to_string).filter(|value| !value.is_empty())
        };
        let [leader, follower] = keys.map(value);
        Ok(Some(Values { leader, follower }))
    }

    /// Sets these throttles, and removes those that are `None`.
    ///
    /// # Errors
    /// The place does not answer or refuses, the account may not.
    pub async fn set_throttle(&self, place: &Place, values: &Values) -> Result<(), OperatorError> {
        const API: &str = "IncrementalAlterConfigs";
        let (kind, resource, keys, _) = parts(place);
        let configs = keys.into_iter().zip([&values.leader, &values.follower]).map(|(key, value)| {
            let config = AlterableConfig::default().with_name(StrBytes::from_static_str(key)).with_config_operation(if value.is_some() { SET } else { DELETE });
            config.with_value(value.clone().map(StrBytes::from_string))
        });
        let resource = AlterConfigsResource::default().with_resource_type(kind).with_resource_name(resource).with_configs(configs.collect());
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let answer = self.at(place).await?.ask(API, 0, 1, "2.3", &request).await?;
        answer.responses.iter().try_for_each(|response| check(API, response.error_code, response.error_message.as_deref()))
    }

    /// A broker knows its own settings alone, and takes changes of no other's; what topics have set any broker does.
    async fn at(&self, place: &Place) -> Result<Talk, OperatorError> {
        match place {
            Place::Broker(node_id) => self.node(*node_id).await,
            Place::Topic(_) => self.controller().await,
        }
    }

    /// Bytes of these partitions at these brokers. Brokers that do not answer are not in it.
    pub async fn sizes(&self, brokers: &BTreeSet<i32>, partitions: &BTreeMap<String, Vec<i32>>) -> Sizes {
        let topic = |(topic, partitions): (&String, &Vec<i32>)| DescribableLogDirTopic::default().with_topic(name(topic)).with_partitions(partitions.clone());
        let request = DescribeLogDirsRequest::default().with_topics(Some(partitions.iter().map(topic).collect()));
        let mut sizes = Sizes::new();
        for node_id in brokers {
            let asked = async { self.node(*node_id).await?.ask("DescribeLogDirs", 0, 4, "1.0", &request).await };
            let answer = match asked.await {
                Ok(answer) => answer,
                Err(error) => {
                    tracing::debug!(node_id, %error, "sizes could not be read");
                    continue;
                }
            };
            for topic in answer.results.into_iter().flat_map(|directory| directory.topics) {
                // A future copy moves between two directories of the same broker.
                for partition in topic.partitions.iter().filter(|partition| !partition.is_future_key) {
                    let key = (*node_id, topic.name.to_string(), partition.partition_index);
                    sizes.insert(key, u64::try_from(partition.partition_size).unwrap_or(0));
                }
            }
        }
        sizes
    }
}

/// Its kind and name as a resource, the settings for leaders and for followers, and where these come from if they are its own.
fn parts(place: &Place) -> (i8, StrBytes, [&'static str; 2], i8) {
    match place {
        Place::Broker(node_id) => (BROKER_RESOURCE, StrBytes::from_string(node_id.to_string()), RATES, BROKER_SOURCE),
        Place::Topic(topic) => (TOPIC_RESOURCE, StrBytes::from_string(topic.clone()), LISTS, TOPIC_SOURCE),
    }
}
