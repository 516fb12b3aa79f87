//! What the brokers serve: one row for each API, and its handlers.

mod admin;
mod commits;
mod fetch;
mod groups;
mod metadata;
mod offsets;
mod operations;
mod produce;
mod reassignments;
mod settings;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::Model;
use super::image::{Image, NodeId, TopicImage};
use super::pending::Reply;
use super::requests::Answer;

/// One API as the brokers serve it.
pub(super) struct Served {
    pub(super) key: i16,
    min: i16,
    max: i16,
    /// `None` from it closes the connection.
    pub(super) handle: fn(&mut Model, NodeId, Reply, Bytes) -> Option<Answer>,
}

impl Served {
    pub(super) fn of(key: i16) -> Option<&'static Served> {
        SERVED.iter().find(|served| served.key == key)
    }

    pub(super) fn accepts(&self, version: i16) -> bool {
        (self.min..=self.max).contains(&version)
    }

    /// As advertised. Produce is listed from 0 on, as by 4.x brokers, although 0 to 2 close the connection: older librdkafka turns compression off otherwise
    /// (KAFKA-18659).
    pub(super) fn as_api_version(&self) -> ApiVersion {
        let min = if self.key == 0 { 0 } else { self.min };
        ApiVersion::default().with_api_key(self.key).with_min_version(min).with_max_version(self.max)
    }
}

pub(super) fn served() -> impl Iterator<Item = &'static Served> {
    SERVED.iter()
}

const fn row(key: i16, min: i16, max: i16, handle: fn(&mut Model, NodeId, Reply, Bytes) -> Option<Answer>) -> Served {
    Served { key, min, max, handle }
}

static SERVED: [Served; 27] = [
    row(0, 3, 13, Model::produce),
    row(1, 4, 17, Model::fetch),
    row(2, 1, 10, Model::list_offsets),
    row(3, 0, 13, Model::metadata),
    row(8, 2, 9, Model::offset_commit),
    row(9, 1, 9, Model::offset_fetch),
    row(10, 0, 6, Model::find_coordinator),
    row(11, 0, 9, Model::join_group),
    row(12, 0, 4, Model::heartbeat),
    row(13, 0, 5, Model::leave_group),
    row(14, 0, 5, Model::sync_group),
    row(15, 0, 5, Model::describe_groups),
    row(16, 0, 4, Model::list_groups),
    row(18, 0, 4, Model::api_versions),
    row(19, 2, 7, Model::create_topics),
    row(20, 1, 6, Model::delete_topics),
    row(22, 0, 5, Model::init_producer_id),
    row(23, 2, 4, Model::offset_for_leader_epoch),
    row(32, 1, 4, Model::describe_configs),
    row(35, 1, 4, Model::describe_log_dirs),
    row(42, 0, 2, Model::delete_groups),
    row(43, 0, 2, Model::elect_leaders),
    row(44, 0, 1, Model::alter_settings),
    row(45, 0, 0, Model::alter_partition_reassignments),
    row(46, 0, 0, Model::list_reassignments),
    row(55, 0, 2, Model::describe_quorum),
    row(60, 0, 2, Model::describe_cluster),
];

/// 0, or the error's code.
fn code<T>(outcome: &Result<T, ResponseError>) -> i16 {
    outcome.as_ref().err().map_or(0, ResponseError::code)
}

fn text(string: &str) -> StrBytes {
    StrBytes::from_string(string.to_owned())
}

fn topic_name(string: &str) -> TopicName {
    TopicName(text(string))
}

/// The topic that a request names, by id or by name; the error says which of the two was not known.
fn find_topic<'a>(image: &'a Image, name: &TopicName, id: Uuid) -> Result<&'a TopicImage, ResponseError> {
    if id.is_nil() {
        image.topic_named(name.as_str()).ok_or(ResponseError::UnknownTopicOrPartition)
    } else {
        image.topic(id).ok_or(ResponseError::UnknownTopicId)
    }
}
