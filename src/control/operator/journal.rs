//! A log of Leeward's own on the cluster: one partition of a compacted topic, made on first use, read from its beginning and written as a whole batch.
//!
//! Nothing of it is on a client's path: it has a connection of its own to the leader, which is looked for anew after every error.

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest, FetchRequest, ListOffsetsRequest, ProduceRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::{Operator, OperatorError, Talk};
use crate::protocol::records::{self, Placed, Plain};
use crate::rolling::sharing::RECORD_BYTES_MAX;

/// A Fetch that finds nothing new comes back after so many milliseconds: whoever waits for it knows by then that there is nothing.
const WAIT_MS: i32 = 1_000;

/// Of one Fetch: a few of the largest records. A record that is larger still comes whole (KIP-74).
const FETCH_BYTES_MAX: i32 = 16 << 20;

/// How long brokers may take to have a record on every replica in sync, in milliseconds.
const APPEND_TIMEOUT_MS: i32 = 3_000;

/// How long the making of the topic may take, in milliseconds.
const CREATE_TIMEOUT_MS: i32 = 8_000;

/// Replicas of the topic where there are as many brokers: one of them may be away, and one be lost.
const REPLICAS_MAX: usize = 3;

const FETCH: &str = "Fetch";
const PRODUCE: &str = "Produce";
const CREATE: &str = "CreateTopics";
const LIST: &str = "ListOffsets";

/// Of ListOffsets: the first offset that there is.
const EARLIEST: i64 = -2;

/// What the topic must have whatever the brokers' defaults are. A segment takes the largest record, and is rolled often enough for compaction to keep up.
const CONFIGS: [(&str, &str); 8] = [
    ("cleanup.policy", "compact"),
    ("compression.type", "producer"),
    ("max.message.bytes", "9437184"),
    ("message.timestamp.type", "CreateTime"),
    ("min.cleanable.dirty.ratio", "0.1"),
    ("segment.bytes", "16777216"),
    ("segment.ms", "3600000"),
    ("unclean.leader.election.enable", "false"),
];

/// One reader or writer of the log.
#[derive(Debug)]
pub struct Journal {
    operator: Operator,
    topic: String,
    /// A connection to the leader, while there is one.
    talk: Option<Talk>,
    /// The offset to go on at.
    next: i64,
}

/// What a reading has brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    pub records: Vec<Placed>,
    /// Nothing was behind them when the broker answered.
    pub is_whole: bool,
    /// The log begins elsewhere than it did: what was read of it before says nothing any more, and it is read from its beginning.
    pub is_anew: bool,
}

impl Operator {
    /// A reader and writer of this topic, at its beginning.
    pub fn journal(&self, topic: &str) -> Journal {
        Journal { operator: self.clone(), topic: topic.to_owned(), talk: None, next: 0 }
    }
}

impl Journal {
    /// Reads on; where there is nothing new, waits for it for a while.
    ///
    /// # Errors
    /// Nothing was read; the next call connects anew.
    pub async fn read(&mut self) -> Result<Reading, OperatorError> {
        let read = self.try_read().await;
        if read.is_err() {
            self.talk = None;
        }
        read
    }

    /// Appends these records as one batch, on every replica in sync.
    ///
    /// # Errors
    /// They may be in the log all the same, unless [`is_certain`] says otherwise.
    pub async fn append(&mut self, records: &[Plain], timestamp: i64) -> Result<(), OperatorError> {
        let appended = self.try_append(records::encode(records, timestamp)).await;
        if appended.is_err() {
            self.talk = None;
        }
        appended
    }

    async fn try_read(&mut self) -> Result<Reading, OperatorError> {
        let (name, next) = (self.name(), self.next);
        let partition = FetchPartition::default().with_partition(0).with_fetch_offset(next).with_partition_max_bytes(FETCH_BYTES_MAX);
        let topic = FetchTopic::default().with_topic(name).with_partitions(vec![partition]);
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(WAIT_MS)
            .with_min_bytes(1)
            .with_max_bytes(FETCH_BYTES_MAX)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        let talk = self.connected().await?;
        // From 13 on topics are named by id.
        let answer = talk.ask(FETCH, 4, 12, "0.11", &request).await?;
        check(FETCH, answer.error_code, None)?;
        let answer = answer.responses.into_iter().flat_map(|topic| topic.partitions).next();
        let Some(answer) = answer else { return Err(OperatorError::refused(FETCH, ResponseError::UnknownTopicOrPartition.code(), None)) };
        if answer.error_code == ResponseError::OffsetOutOfRange.code() {
            self.next = self.earliest().await?;
            return Ok(Reading { records: Vec::new(), is_whole: false, is_anew: true });
        }
        check(FETCH, answer.error_code, None)?;
        let malformed = |error| OperatorError::Unreadable { topic: self.topic.clone(), error };
        let (records, next) = records::decode(&answer.records.unwrap_or_default(), self.next).map_err(malformed)?;
        self.next = next;
        Ok(Reading { records, is_whole: next >= answer.high_watermark, is_anew: false })
    }

    async fn earliest(&mut self) -> Result<i64, OperatorError> {
        let partition = ListOffsetsPartition::default().with_timestamp(EARLIEST);
        let topic = ListOffsetsTopic::default().with_name(self.name()).with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
        let answer = self.connected().await?.ask(LIST, 1, 5, "0.11", &request).await?;
        let answer = answer.topics.into_iter().flat_map(|topic| topic.partitions).next();
        let Some(answer) = answer else { return Err(OperatorError::refused(LIST, ResponseError::UnknownTopicOrPartition.code(), None)) };
        check(LIST, answer.error_code, None)?;
        Ok(answer.offset)
    }

    async fn try_append(&mut self, batch: Bytes) -> Result<(), OperatorError> {
        if batch.len() > RECORD_BYTES_MAX {
            let error = format!("{} bytes are more than the {RECORD_BYTES_MAX} that one record may have", batch.len());
            return Err(OperatorError::refused(PRODUCE, ResponseError::MessageTooLarge.code(), Some(&error)));
        }
        let partition = PartitionProduceData::default().with_index(0).with_records(Some(batch));
        let topic = TopicProduceData::default().with_name(self.name()).with_partition_data(vec![partition]);
        let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(APPEND_TIMEOUT_MS).with_topic_data(vec![topic]);
        let answer = self.connected().await?.ask(PRODUCE, 3, 12, "0.11", &request).await?;
        let answer = answer.responses.into_iter().flat_map(|topic| topic.partition_responses).next();
        let Some(answer) = answer else { return Err(OperatorError::refused(PRODUCE, ResponseError::UnknownTopicOrPartition.code(), None)) };
        check(PRODUCE, answer.error_code, answer.error_message.as_deref())
    }

    /// A connection to the partition's leader; makes the topic where there is none.
    async fn connected(&mut self) -> Result<&mut Talk, OperatorError> {
        let talk = match self.talk.take() {
            Some(talk) => talk,
            None => self.leader().await?,
        };
        Ok(self.talk.insert(talk))
    }

    async fn leader(&self) -> Result<Talk, OperatorError> {
        let mut talk = self.operator.any().await?;
        let Some(leader) = talk.leader_of(&self.topic).await? else {
            self.create(&mut talk).await?;
            return Err(OperatorError::Unled { topic: self.topic.clone() });
        };
        if leader < 0 {
            return Err(OperatorError::Unled { topic: self.topic.clone() });
        }
        self.operator.node(leader).await
    }

    async fn create(&self, talk: &mut Talk) -> Result<(), OperatorError> {
        let brokers = self.operator.view().brokers.values().filter(|broker| !broker.is_forgotten).count();
        let replicas = brokers.clamp(1, REPLICAS_MAX);
        // One replica may be away while changes are written; with two, that is all but one.
        let in_sync = if replicas == REPLICAS_MAX { "2" } else { "1" };
        let config = |(key, value): (&'static str, &'static str)| {
            CreatableTopicConfig::default().with_name(StrBytes::from_static_str(key)).with_value(Some(StrBytes::from_static_str(value)))
        };
        let configs = CONFIGS.into_iter().chain([("min.insync.replicas", in_sync)]).map(config).collect();
        let topic = CreatableTopic::default()
            .with_name(self.name())
            .with_num_partitions(1)
            .with_replication_factor(i16::try_from(replicas).unwrap_or(1))
            .with_configs(configs);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(CREATE_TIMEOUT_MS);
        let error_of = |answer: &kafka_protocol::messages::CreateTopicsResponse| answer.topics.first().map_or(0, |topic| topic.error_code);
        // With KRaft every broker passes it on; with ZooKeeper the controller alone does it.
        let mut answer = talk.ask(CREATE, 2, 7, "0.11", &request).await?;
        if error_of(&answer) == ResponseError::NotController.code() {
            answer = self.operator.controller().await?.ask(CREATE, 2, 7, "0.11", &request).await?;
        }
        let Some(made) = answer.topics.first() else { return Ok(()) };
        // Another Leeward was faster.
        if made.error_code == ResponseError::TopicAlreadyExists.code() {
            return Ok(());
        }
        check(CREATE, made.error_code, made.error_message.as_deref())?;
        tracing::info!(topic = %self.topic, replicas, "the topic of shared state was made");
        Ok(())
    }

    fn name(&self) -> TopicName {
        TopicName(StrBytes::from_string(self.topic.clone()))
    }
}

/// Whether nothing of an append that failed in this way can be in the log, and another attempt would fail as well.
pub fn is_certain(error: &OperatorError) -> bool {
    let OperatorError::Refused { code, .. } = error else { return false };
    let certain = [
        ResponseError::MessageTooLarge,
        ResponseError::RecordListTooLarge,
        ResponseError::TopicAuthorizationFailed,
        ResponseError::ClusterAuthorizationFailed,
        ResponseError::InvalidTopicException,
    ];
    certain.iter().any(|error| error.code() == *code)
}

fn check(api: &'static str, code: i16, message: Option<&str>) -> Result<(), OperatorError> {
    if code == 0 { Ok(()) } else { Err(OperatorError::refused(api, code, message)) }
}
