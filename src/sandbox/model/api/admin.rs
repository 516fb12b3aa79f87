//! CreateTopics, DeleteTopics, DescribeConfigs and ElectLeaders: brokers forward them to the controller, so any broker answers.

use std::collections::BTreeSet;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};
use kafka_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse, DescribeConfigsRequest, DescribeConfigsResponse, ElectLeadersRequest,
    ElectLeadersResponse,
};
use uuid::Uuid;

use super::super::Model;
use super::super::controller::NewTopic;
use super::super::image::{NodeId, SettingOf};
use super::super::pending::Reply;
use super::super::requests::{Answer, decode, frame_of, now};
use super::{find_topic, settings, text};

const MIN_ISR: &str = "min.insync.replicas";
const TIMESTAMP_TYPE: &str = "message.timestamp.type";
pub(super) const TOPIC_RESOURCE: i8 = 2;
pub(super) const BROKER_RESOURCE: i8 = 4;
/// `ConfigSource`: of the topic; of the broker, set while it ran; of the cluster's defaults.
const TOPIC_SOURCE: i8 = 1;
const BROKER_SOURCE: i8 = 2;
const DEFAULT_SOURCE: i8 = 5;
const TYPE_STRING: i8 = 2;
const TYPE_INT: i8 = 3;

impl Model {
    pub(super) fn create_topics(&mut self, _node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: CreateTopicsRequest = decode(reply, body)?;
        let mut response = CreateTopicsResponse::default();
        for topic in &request.topics {
            let outcome = new_topic(topic).and_then(|new| self.create_topic(&new, request.validate_only));
            let mut result = CreatableTopicResult::default().with_name(topic.name.clone()).with_error_message(None).with_configs(None);
            match outcome {
                Ok(id) => {
                    let created = self.controller.topic(id);
                    if reply.version >= 5 {
                        let replicas = created.and_then(|topic| topic.partitions.first()).map_or(-1, |partition| partition.replicas.len() as i16);
                        result = result.with_num_partitions(created.map_or(-1, |topic| topic.partitions.len() as i32)).with_replication_factor(replicas);
                        result = result.with_configs(Some(Vec::new()));
                    }
                    result = result.with_topic_id(if reply.version >= 7 { id } else { Uuid::nil() });
                }
                Err(error) => result = result.with_error_code(error.code()).with_error_message(Some(text(&format!("{error:?}")))),
            }
            response.topics.push(result);
        }
        // The controller answers when the brokers have heard of it.
        frame_of(reply, &response).map(|frame| Answer::Later(self.config.controller_delay + self.config.metadata_delay, frame))
    }

    pub(super) fn delete_topics(&mut self, _node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: DeleteTopicsRequest = decode(reply, body)?;
        let by_name = request.topic_names.iter().map(|name| (Some(name.clone()), Uuid::nil()));
        let wanted: Vec<_> = by_name.chain(request.topics.iter().map(|topic| (topic.name.clone(), topic.topic_id))).collect();
        let mut response = DeleteTopicsResponse::default();
        for (name, id) in wanted {
            let found = find_topic(&self.controller, &name.clone().unwrap_or_default(), id).map(|topic| (topic.id, topic.name.clone()));
            let result = DeletableTopicResult::default();
            response.responses.push(match found {
                Ok((id, known)) => {
                    self.delete_topic(id);
                    let result = result.with_name(Some(super::topic_name(&known))).with_error_message(None);
                    if reply.version >= 6 { result.with_topic_id(id) } else { result }
                }
                Err(error) => {
                    let result = result.with_name(name).with_error_code(error.code()).with_error_message(None);
                    if reply.version >= 6 { result.with_topic_id(id) } else { result }
                }
            });
        }
        frame_of(reply, &response).map(|frame| Answer::Later(self.config.controller_delay + self.config.metadata_delay, frame))
    }

    pub(super) fn describe_configs(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: DescribeConfigsRequest = decode(reply, body)?;
        let image = &self.brokers.get(&node)?.image;
        let mut response = DescribeConfigsResponse::default();
        for resource in &request.resources {
            let value = match resource.resource_type {
                TOPIC_RESOURCE => image
                    .topic_named(&resource.resource_name)
                    .map(|topic| (topic.min_isr, TOPIC_SOURCE, SettingOf::Topic(topic.id), settings::LISTS))
                    .ok_or(ResponseError::UnknownTopicOrPartition),
                // A broker knows its own alone.
                BROKER_RESOURCE if *resource.resource_name == node.to_string() => {
                    Ok((self.config.default_min_isr, DEFAULT_SOURCE, SettingOf::Broker(node), settings::RATES))
                }
                _ => Err(ResponseError::InvalidRequest),
            };
            let result = DescribeConfigsResult::default().with_resource_type(resource.resource_type).with_resource_name(resource.resource_name.clone());
            let is_wanted = |name: &str| resource.configuration_keys.as_ref().is_none_or(|keys| keys.iter().any(|key| key.as_str() == name));
            response.results.push(match value {
                Ok((min_isr, source, of, keys)) => {
                    let own = if resource.resource_type == TOPIC_RESOURCE { TOPIC_SOURCE } else { BROKER_SOURCE };
                    let throttles = keys.map(|key| {
                        let set = image.setting(of.clone(), key);
                        (key, set.unwrap_or_default().to_owned(), if set.is_some() { own } else { DEFAULT_SOURCE }, TYPE_STRING)
                    });
                    let rows = [(MIN_ISR, min_isr.to_string(), source, TYPE_INT), (TIMESTAMP_TYPE, "CreateTime".to_owned(), DEFAULT_SOURCE, TYPE_STRING)];
                    let rows = rows.into_iter().chain(throttles);
                    let configs = rows.filter(|(name, ..)| is_wanted(name)).map(|(name, value, source, kind)| {
                        let config = DescribeConfigsResourceResult::default().with_name(text(name)).with_value(Some(text(&value)));
                        config.with_config_source(source).with_config_type(if reply.version >= 3 { kind } else { 0 }).with_documentation(None)
                    });
                    result.with_error_message(None).with_configs(configs.collect())
                }
                Err(error) => result.with_error_code(error.code()).with_error_message(None),
            });
        }
        now(reply, &response)
    }

    /// Preferred election of the partitions named, or of all; the answer names no partitions, as when nothing had to be moved.
    pub(super) fn elect_leaders(&mut self, _node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: ElectLeadersRequest = decode(reply, body)?;
        let response = ElectLeadersResponse::default();
        if request.election_type != 0 {
            // No unclean elections: they lose what was acknowledged.
            return now(reply, &response.with_error_code(if reply.version >= 1 { ResponseError::InvalidRequest.code() } else { 0 }));
        }
        let named = request.topic_partitions.as_ref().map(|topics| {
            let partitions = topics.iter().flat_map(|one| one.partitions.iter().map(move |partition| (one.topic.as_str().to_owned(), *partition)));
            partitions.collect::<BTreeSet<_>>()
        });
        self.preferred_election(|topic, partition| named.as_ref().is_none_or(|named| named.contains(&(topic.to_owned(), partition))));
        frame_of(reply, &response).map(|frame| Answer::Later(self.config.controller_delay + self.config.metadata_delay, frame))
    }
}

fn new_topic(topic: &CreatableTopic) -> Result<NewTopic, ResponseError> {
    let configured = topic.configs.iter().find(|config| config.name.as_str() == MIN_ISR).and_then(|config| config.value.as_ref());
    let min_isr = configured.map(|value| value.parse().map_err(|_| ResponseError::InvalidConfig)).transpose()?;
    let mut assignment: Vec<_> = topic.assignments.iter().map(|one| (one.partition_index, one.broker_ids.iter().map(|id| id.0).collect())).collect();
    assignment.sort_unstable_by_key(|(index, _)| *index);
    if !(0..).zip(&assignment).all(|(expected, (index, _))| expected == *index) {
        return Err(ResponseError::InvalidReplicaAssignment);
    }
    Ok(NewTopic {
        name: topic.name.as_str().to_owned(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        min_isr,
        assignment: assignment.into_iter().map(|(_, replicas): (i32, Vec<NodeId>)| replicas).collect(),
    })
}
