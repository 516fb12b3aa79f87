//! What clients are told of a cluster in which brokers come and go: a Metadata response in which nothing is missing that comes back.
//!
//! **Invariant: nothing older.** No leader epoch is told that is older than one that Leeward has seen.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use super::leaders::{PartitionInfo, Topic};
use super::{Leader, Leaders, TopicRef, View};
use crate::protocol::schema;
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::{RequestHeader, ResponseHeader, api};

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const LEADER_NOT_AVAILABLE: i16 = 5;
/// The leader is there, but not yet at the listener that was asked.
const LISTENER_NOT_FOUND: i16 = 72;
const UNKNOWN_TOPIC_ID: i16 = 100;

/// Kafka's own topics (`Topic.INTERNAL_TOPICS`).
const INTERNAL_TOPICS: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// The response in `frame` (length field, header, body) as clients should see it; `None`: as it is.
///
/// - Brokers that are away stay in the list: their virtual brokers serve. So do those that are drained, which only lead nothing: librdkafka since 2.10 takes a
///   broker that is missing for gone, closes its connection, and sends again what was in flight there.
/// - A partition without a leader that had one keeps the last: its virtual broker holds what comes.
/// - A broker that has just started and does not know a topic yet, or an old leader of it, is told better.
pub fn mend(version: i16, frame: &Bytes, leaders: &Leaders, view: &View) -> Option<Bytes> {
    let (header, mut response) = decoded(version, frame)?;
    let mut is_mended = add_brokers(&mut response, view);
    let in_trouble = view.is_in_trouble();
    for topic in &mut response.topics {
        is_mended |= mend_topic(topic, leaders, view, in_trouble);
    }
    if is_mended { encoded(&header, &response, version) } else { None }
}

/// The response in `frame`, with no leader where that is away; `None`: as it is.
///
/// For a client that nobody else can log in: what it sends to the virtual broker of a leader that is away nobody can bring to the next one, so it keeps it until there
/// is one. Every client takes LEADER_NOT_AVAILABLE of a partition for "ask again".
pub fn without_absent_leaders(version: i16, frame: &Bytes, view: &View) -> Option<Bytes> {
    if !view.is_in_trouble() {
        return None;
    }
    let (header, mut response) = decoded(version, frame)?;
    let mut is_changed = false;
    for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        if *partition.leader_id >= 0 && !view.is_healthy(*partition.leader_id) {
            partition.error_code = LEADER_NOT_AVAILABLE;
            partition.leader_id = BrokerId(-1);
            is_changed = true;
        }
    }
    if is_changed { encoded(&header, &response, version) } else { None }
}

/// What stands before the body, its length field excluded, and the body.
fn decoded(version: i16, frame: &Bytes) -> Option<(Bytes, MetadataResponse)> {
    let bytes = frame.slice(LENGTH_BYTES.min(frame.len())..);
    let header = ResponseHeader::parse(&bytes, api::METADATA, version).ok()?;
    let mut body = bytes.slice(header.body.min(bytes.len())..);
    schema::check_response(api::METADATA, version, &body).ok()?;
    let response = MetadataResponse::decode(&mut body, version).ok()?;
    Some((bytes.slice(..header.body.min(bytes.len())), response))
}

fn encoded(header: &Bytes, response: &MetadataResponse, version: i16) -> Option<Bytes> {
    let mut out = BytesMut::with_capacity(1024);
    out.put_i32(0);
    out.put_slice(header);
    finished(out, response, version)
}

/// An answer to the Metadata request in `frame` out of what is known, for when no broker answers: an error in its place has an empty list of brokers, and
/// librdkafka since 2.10 takes a broker that is missing for gone, closes its connection, and sends what was in flight again. Topics that are not known get
/// LEADER_NOT_AVAILABLE, which every client takes for "ask again". `None`: nothing is known, or the request is malformed.
pub fn from_memory(frame: &Bytes, leaders: &Leaders, view: &View) -> Option<Bytes> {
    let bytes = frame.slice(LENGTH_BYTES.min(frame.len())..);
    let header = RequestHeader::parse(&bytes).ok()?;
    let version = header.api_version;
    let mut body = bytes.slice(header.body.min(bytes.len())..);
    schema::check_request(api::METADATA, version, &body).ok()?;
    let request = MetadataRequest::decode(&mut body, version).ok()?;
    let mut response = MetadataResponse::default()
        .with_cluster_id(view.cluster_id.as_deref().map(|id| StrBytes::from_string(id.to_owned())))
        .with_controller_id(BrokerId(view.controller_id.unwrap_or(-1)));
    if !add_brokers(&mut response, view) {
        return None;
    }
    // Version 0 knows no null: there an empty list asks for everything.
    let asked = request.topics.filter(|topics| version > 0 || !topics.is_empty());
    response.topics = match asked {
        Some(topics) => topics.into_iter().map(|topic| remembered(topic.name, topic.topic_id, leaders, view)).collect(),
        None => {
            leaders.topics.keys().map(|name| remembered(Some(TopicName(StrBytes::from_string(name.to_string()))), uuid::Uuid::nil(), leaders, view)).collect()
        }
    };
    let mut out = BytesMut::with_capacity(1024);
    out.put_i32(0);
    out.put_i32(header.correlation_id);
    if api::response_header_version(api::METADATA, version) > 0 {
        out.put_u8(0); // No tagged fields.
    }
    finished(out, &response, version)
}

/// A topic as it was known last.
fn remembered(name: Option<TopicName>, id: uuid::Uuid, leaders: &Leaders, view: &View) -> MetadataResponseTopic {
    let mut topic = MetadataResponseTopic::default().with_name(name).with_topic_id(id).with_error_code(LEADER_NOT_AVAILABLE);
    topic.is_internal = topic.name.as_ref().is_some_and(|name| INTERNAL_TOPICS.contains(&name.as_str()));
    mend_topic(&mut topic, leaders, view, true);
    topic
}

fn finished(mut out: BytesMut, response: &MetadataResponse, version: i16) -> Option<Bytes> {
    response.encode(&mut out, version).ok()?;
    let length = i32::try_from(out.len() - LENGTH_BYTES).ok()?;
    out.get_mut(..LENGTH_BYTES)?.copy_from_slice(&length.to_be_bytes());
    Some(out.freeze())
}

fn add_brokers(response: &mut MetadataResponse, view: &View) -> bool {
    let before = response.brokers.len();
    for broker in view.brokers.values().filter(|broker| !broker.is_forgotten) {
        if response.brokers.iter().all(|named| *named.node_id != broker.node_id) {
            let text = |text: &str| StrBytes::from_string(text.to_owned());
            let named = MetadataResponseBroker::default().with_node_id(BrokerId(broker.node_id)).with_host(text(&broker.upstream.host));
            response.brokers.push(named.with_port(i32::from(broker.upstream.port)).with_rack(broker.rack.as_deref().map(text)));
        }
    }
    response.brokers.len() > before
}

fn mend_topic(topic: &mut MetadataResponseTopic, leaders: &Leaders, view: &View, in_trouble: bool) -> bool {
    let id = Some(topic.topic_id.into_bytes()).filter(|id| *id != [0; 16]);
    let name = topic.name.as_ref().map(|name| name.to_string());
    let named = name.as_deref().map(TopicRef::Name).or(id.map(TopicRef::Id));
    let Some(known) = named.and_then(|topic| leaders.topic(topic)) else { return false };
    if id.is_some_and(|id| known.id.is_some_and(|known| known != id)) {
        return false;
    }
    match topic.error_code {
        UNKNOWN_TOPIC_OR_PARTITION | UNKNOWN_TOPIC_ID | LEADER_NOT_AVAILABLE if in_trouble && topic.partitions.is_empty() => {
            let name = name.or_else(|| id.and_then(|id| leaders.names.get(&id)).map(|name| name.to_string()));
            topic.error_code = 0;
            topic.name = name.map(|name| TopicName(StrBytes::from_string(name)));
            topic.topic_id = uuid::Uuid::from_bytes(known.id.unwrap_or_default());
            topic.partitions = partitions(known, view);
            true
        }
        0 => topic.partitions.iter_mut().fold(false, |mended, partition| {
            let known = known.partitions.get(&partition.partition_index);
            known.is_some_and(|known| mend_partition(partition, known, view)) || mended
        }),
        _ => false,
    }
}

fn mend_partition(partition: &mut MetadataResponsePartition, known: &PartitionInfo, view: &View) -> bool {
    let said = partition.leader_epoch;
    let leaderless = matches!(partition.error_code, LEADER_NOT_AVAILABLE | LISTENER_NOT_FOUND) || *partition.leader_id < 0;
    let older = said >= 0 && known.leader.epoch > said;
    if !leaderless && !older {
        return false;
    }
    let Some(leader) = shown(known, view) else { return false };
    if !leaderless && leader.epoch < said {
        return false;
    }
    partition.error_code = 0;
    partition.leader_id = BrokerId(leader.node_id);
    // Before v7 there are no epochs in a response.
    partition.leader_epoch = leader.epoch;
    if older {
        partition.replica_nodes = nodes(&known.replicas);
        partition.isr_nodes = nodes(&known.isr);
    }
    if partition.isr_nodes.is_empty() {
        partition.isr_nodes = vec![BrokerId(leader.node_id)];
    }
    true
}

/// The leader that clients are told of: the present one, or the last that there was.
fn shown(known: &PartitionInfo, view: &View) -> Option<Leader> {
    let present = Some(known.leader).filter(|leader| leader.node_id >= 0);
    present.or(known.last_leader).filter(|leader| view.brokers.contains_key(&leader.node_id))
}

fn partitions(known: &Topic, view: &View) -> Vec<MetadataResponsePartition> {
    let mut all: Vec<_> = known.partitions.iter().collect();
    all.sort_by_key(|(index, _)| **index);
    let partition = |(index, known): (&i32, &PartitionInfo)| {
        let leader = shown(known, view)?;
        let partition = MetadataResponsePartition::default().with_partition_index(*index).with_leader_id(BrokerId(leader.node_id));
        Some(partition.with_leader_epoch(leader.epoch).with_replica_nodes(nodes(&known.replicas)).with_isr_nodes(nodes(&known.isr)))
    };
    all.into_iter().filter_map(partition).collect()
}

fn nodes(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

#[cfg(test)]
mod tests;
