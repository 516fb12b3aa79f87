//! ApiVersions, Metadata, DescribeCluster and FindCoordinator.

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, BrokerId, DescribeClusterRequest, DescribeClusterResponse, FindCoordinatorRequest, FindCoordinatorResponse,
    MetadataRequest, MetadataResponse,
};
use uuid::Uuid;

use super::super::Model;
use super::super::broker::Broker;
use super::super::controller::NewTopic;
use super::super::groups::{OFFSETS_TOPIC, partition_of};
use super::super::image::{BrokerImage, Image, NO_NODE, NodeId, TopicImage};
use super::super::pending::Reply;
use super::super::requests::{Answer, decode, now};
use super::{Served, find_topic, served, text, topic_name};

const GROUP: i8 = 0;
const CONTROLLER_ENDPOINTS: i8 = 2;
/// Since this version an error is told with LISTENER_NOT_FOUND's kin, and offline replicas are named.
const OFFLINE_SINCE: i16 = 5;

impl Model {
    pub(super) fn api_versions(&mut self, _node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: ApiVersionsRequest = decode(reply, body)?;
        let named = reply.version < 3 || is_software_name(&request.client_software_name) && is_software_name(&request.client_software_version);
        if !named {
            return now(reply, &ApiVersionsResponse::default().with_error_code(ResponseError::InvalidRequest.code()));
        }
        now(reply, &ApiVersionsResponse::default().with_api_keys(served().map(Served::as_api_version).collect()))
    }

    pub(super) fn metadata(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: MetadataRequest = decode(reply, body)?;
        let broker = self.brokers.get(&node)?;
        let image = &broker.image;
        // Null is all topics; so is an empty list in v0.
        let asked = request.topics.as_ref().filter(|topics| reply.version >= 1 || !topics.is_empty());
        let mut topics = Vec::new();
        let mut missing = Vec::new();
        match asked {
            None => topics.extend(image.topics().map(|topic| topic_answer(image, topic, reply.version))),
            Some(asked) => {
                for topic in asked {
                    let name = topic.name.clone().unwrap_or_default();
                    match find_topic(image, &name, topic.topic_id) {
                        Ok(topic) => topics.push(topic_answer(image, topic, reply.version)),
                        Err(error) => {
                            let name_or_null = topic.name.clone().filter(|_| topic.topic_id.is_nil());
                            let name_or_null = if reply.version >= 12 { name_or_null } else { Some(name.clone()) };
                            topics.push(MetadataResponseTopic::default().with_error_code(error.code()).with_name(name_or_null).with_topic_id(topic.topic_id));
                            if topic.topic_id.is_nil() {
                                missing.push(name.as_str().to_owned());
                            }
                        }
                    }
                }
            }
        }
        let brokers = image
            .all_alive()
            .map(|broker| MetadataResponseBroker::default().with_node_id(BrokerId(broker.id)).with_host(text(&broker.host)).with_port(i32::from(broker.port)));
        let mut response = MetadataResponse::default().with_brokers(brokers.collect()).with_controller_id(BrokerId(some_alive(image)));
        if reply.version >= 2 {
            response.cluster_id = Some(text(&self.cluster_id));
        }
        if request.allow_auto_topic_creation && self.config.auto_create_topics {
            for name in missing {
                let new = NewTopic { name: name.clone(), partitions: -1, replication_factor: -1, min_isr: None, assignment: Vec::new() };
                // The client is told that there is no such topic, and asks again.
                if self.create_topic(&new, false) == Err(ResponseError::InvalidTopicException) {
                    let answers = topics.iter_mut().filter(|topic| topic.name.as_ref().is_some_and(|known| known.as_str() == name));
                    answers.for_each(|topic| topic.error_code = ResponseError::InvalidTopicException.code());
                }
            }
        }
        now(reply, &response.with_topics(topics))
    }

    pub(super) fn describe_cluster(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: DescribeClusterRequest = decode(reply, body)?;
        let response = DescribeClusterResponse::default();
        if request.endpoint_type == CONTROLLER_ENDPOINTS {
            return now(reply, &response.with_error_code(ResponseError::MismatchedEndpointType.code()));
        }
        let image = &self.brokers.get(&node)?.image;
        let brokers = image.brokers.values().filter(|broker| !broker.fenced || request.include_fenced_brokers).map(|broker| {
            let described =
                DescribeClusterBroker::default().with_broker_id(BrokerId(broker.id)).with_host(text(&broker.host)).with_port(i32::from(broker.port));
            described.with_is_fenced(reply.version >= 2 && broker.fenced)
        });
        now(reply, &response.with_cluster_id(text(&self.cluster_id)).with_controller_id(BrokerId(some_alive(image))).with_brokers(brokers.collect()))
    }

    pub(super) fn find_coordinator(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: FindCoordinatorRequest = decode(reply, body)?;
        let broker = self.brokers.get(&node)?;
        let needs_topic = request.key_type == GROUP && broker.image.topic_named(OFFSETS_TOPIC).is_none();
        let found: Vec<_> = if reply.version >= 4 { request.coordinator_keys.clone() } else { vec![request.key.clone()] };
        let found = found.into_iter().map(|key| {
            let outcome = if request.key_type == GROUP { coordinator_of(broker, &key) } else { Err(ResponseError::TransactionalIdAuthorizationFailed) };
            (key, outcome)
        });
        let mut response = FindCoordinatorResponse::default();
        if reply.version >= 4 {
            let coordinator = |(key, outcome): (_, Result<&BrokerImage, ResponseError>)| {
                let coordinator = Coordinator::default().with_key(key);
                match outcome {
                    Ok(broker) => {
                        coordinator.with_node_id(BrokerId(broker.id)).with_host(text(&broker.host)).with_port(i32::from(broker.port)).with_error_message(None)
                    }
                    Err(error) => coordinator.with_node_id(BrokerId(NO_NODE)).with_port(-1).with_error_code(error.code()),
                }
            };
            response.coordinators = found.map(coordinator).collect();
        } else {
            response.error_message = None;
            for (_, outcome) in found {
                response = match outcome {
                    Ok(broker) => response.with_node_id(BrokerId(broker.id)).with_host(text(&broker.host)).with_port(i32::from(broker.port)),
                    Err(error) => response.with_node_id(BrokerId(NO_NODE)).with_port(-1).with_error_code(error.code()),
                };
            }
        }
        if needs_topic {
            let partitions = self.config.offsets_partitions;
            let topic = NewTopic { name: OFFSETS_TOPIC.to_owned(), partitions, replication_factor: -1, min_isr: None, assignment: Vec::new() };
            // Another broker may have asked for it already; either way the client will ask again.
            let _known_already = self.create_topic(&topic, false);
        }
        now(reply, &response)
    }
}

fn coordinator_of<'a>(broker: &'a Broker, group: &str) -> Result<&'a BrokerImage, ResponseError> {
    let topic = broker.image.topic_named(OFFSETS_TOPIC).ok_or(ResponseError::CoordinatorNotAvailable)?;
    let partition = usize::try_from(partition_of(group, topic.partitions.len())).ok().and_then(|at| topic.partitions.get(at));
    partition.and_then(|partition| broker.image.alive(partition.leader)).ok_or(ResponseError::CoordinatorNotAvailable)
}

/// In KRaft a client is told of any broker as controller: every broker forwards.
fn some_alive(image: &Image) -> NodeId {
    image.all_alive().next().map_or(NO_NODE, |broker| broker.id)
}

fn topic_answer(image: &Image, topic: &TopicImage, version: i16) -> MetadataResponseTopic {
    let ids = |nodes: &mut dyn Iterator<Item = &NodeId>| nodes.map(|&id| BrokerId(id)).collect::<Vec<_>>();
    let partitions = (0..).zip(&topic.partitions).map(|(index, partition)| {
        let leader = image.alive(partition.leader);
        let error = if leader.is_some() { 0 } else { ResponseError::LeaderNotAvailable.code() };
        let answer = MetadataResponsePartition::default()
            .with_error_code(error)
            .with_partition_index(index)
            .with_leader_id(BrokerId(leader.map_or(NO_NODE, |leader| leader.id)))
            .with_replica_nodes(ids(&mut partition.replicas.iter()))
            .with_isr_nodes(ids(&mut partition.isr.iter()));
        let answer = if version >= 7 { answer.with_leader_epoch(partition.leader_epoch) } else { answer };
        let offline = ids(&mut partition.replicas.iter().filter(|&&id| image.alive(id).is_none()));
        if version >= OFFLINE_SINCE { answer.with_offline_replicas(offline) } else { answer }
    });
    let answer = MetadataResponseTopic::default().with_name(Some(topic_name(&topic.name))).with_partitions(partitions.collect());
    let answer = if version >= 1 { answer.with_is_internal(topic.name == OFFSETS_TOPIC) } else { answer };
    answer.with_topic_id(if version >= 10 { topic.id } else { Uuid::nil() })
}

/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?` (KIP-511).
fn is_software_name(name: &str) -> bool {
    let edge = |character: Option<char>| character.is_some_and(|character| character.is_ascii_alphanumeric());
    edge(name.chars().next())
        && edge(name.chars().next_back())
        && name.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '.'))
}
