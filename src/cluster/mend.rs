//! What clients are told of a cluster in which brokers come and go: a Metadata response in which nothing is missing that comes back.
//!
//! **Invariant: nothing older.** No leader epoch is told that is older than one that Leeward has seen.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{BrokerId, MetadataResponse, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use super::leaders::{PartitionInfo, Topic};
use super::{Leader, Leaders, TopicRef, View};
use crate::protocol::schema;
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::{ResponseHeader, api};

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const LEADER_NOT_AVAILABLE: i16 = 5;
/// The leader is there, but not yet at the listener that was asked.
const LISTENER_NOT_FOUND: i16 = 72;
const UNKNOWN_TOPIC_ID: i16 = 100;

/// The response in `frame` (length field, header, body) as clients should see it; `None`: as it is.
///
/// - Brokers that are away stay in the list: their virtual brokers serve.
/// - A partition without a leader that had one keeps the last: its virtual broker holds what comes.
/// - A broker that has just started and does not know a topic yet, or an old leader of it, is told better.
pub fn mend(version: i16, frame: &Bytes, leaders: &Leaders, view: &View) -> Option<Bytes> {
    let bytes = frame.slice(LENGTH_BYTES.min(frame.len())..);
    let header = ResponseHeader::parse(&bytes, api::METADATA, version).ok()?;
    let mut body = bytes.slice(header.body.min(bytes.len())..);
    schema::check_response(api::METADATA, version, &body).ok()?;
    let mut response = MetadataResponse::decode(&mut body, version).ok()?;
    let mut is_mended = add_brokers(&mut response, view);
    let in_trouble = view.is_in_trouble();
    for topic in &mut response.topics {
        is_mended |= mend_topic(topic, leaders, view, in_trouble);
    }
    if !is_mended {
        return None;
    }
    let mut out = BytesMut::with_capacity(frame.len() + 256);
    out.put_i32(0);
    out.put_slice(bytes.get(..header.body)?);
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
