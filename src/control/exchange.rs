//! One request and its response on Leeward's own connection to a broker.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{DescribeConfigsRequest, MetadataRequest, SaslAuthenticateRequest, SaslHandshakeRequest, TopicName};
use kafka_protocol::protocol::{Decodable, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cluster::Leader;
use crate::cluster::leaders::{PartitionReport, TopicConfig, TopicReport};
use crate::cluster::membership::Reported;
use crate::config::SaslPlain;
use crate::protocol::patch::NodeAddress;
use crate::protocol::schema;
use crate::protocol::versions::{self, Offer};
use crate::wire::{ResponseHeader, WireError, api};

/// The largest answer that is read: the metadata of a million partitions, at 60 bytes each and with room.
const ANSWER_BYTES_MAX: usize = 128 << 20;

/// Every broker from 2.1 to 4.4 speaks this version, it has no tagged fields, and it can ask for no topic at all.
const METADATA_VERSION: i16 = 7;

/// The first version that brokers of all kinds answer with topic ids (KIP-516).
const METADATA_VERSION_WITH_IDS: i16 = 12;

/// Every broker from 2.1 to 4.4 speaks it.
pub(super) const DESCRIBE_CONFIGS_VERSION: i16 = 1;

/// A topic, as DescribeConfigs counts resources.
const TOPIC_RESOURCE: i8 = 2;

const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";
const MESSAGE_TIMESTAMP_TYPE: &str = "message.timestamp.type";
const LOG_APPEND_TIME: &str = "LogAppendTime";

/// A topic whose leaders are told all the same: 5 LEADER_NOT_AVAILABLE says that some have none.
const LEADER_NOT_AVAILABLE: i16 = 5;

/// The first version that carries the client's software name.
const VERSIONS_VERSION: i16 = 3;

const UNSUPPORTED_VERSION: i16 = 35;

const CLIENT_ID: &str = "leeward";

/// What went wrong on a connection to a broker.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the answer is malformed: {0}")]
    Malformed(#[from] WireError),
    #[error("the answer does not decode: {0}")]
    Decode(String),
    #[error("an answer of {0} bytes, which no {name} has", name = "answer of this kind")]
    TooLarge(i32),
    #[error("answer {got} came for question {expected}")]
    Correlation { expected: i32, got: i32 },
    #[error("the broker answered {api} with error {code}")]
    Refused { api: &'static str, code: i16 },
    #[error("SASL PLAIN was refused{}", .0.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Sasl(Option<String>),
}

/// A connection with its count of questions.
pub(super) struct Exchange {
    stream: TcpStream,
    correlation_id: i32,
}

impl Exchange {
    pub(super) fn new(stream: TcpStream) -> Self {
        Exchange { stream, correlation_id: 0 }
    }

    /// A connection whose broker has told its versions, and on which Leeward is logged in if it has an account.
    pub(super) async fn open(stream: TcpStream, account: Option<&SaslPlain>) -> Result<(Self, Offer), ExchangeError> {
        let mut exchange = Exchange::new(stream);
        let offer = exchange.versions().await?;
        if let Some(account) = account {
            exchange.authenticate(account, &offer).await?;
        }
        Ok((exchange, offer))
    }

    /// What the broker can do. Brokers before 2.4 answer a version that they do not know with error 35 and nothing else, so the oldest is asked next.
    pub(super) async fn versions(&mut self) -> Result<Offer, ExchangeError> {
        let mut last = UNSUPPORTED_VERSION;
        for version in [VERSIONS_VERSION, 0] {
            let id = self.next_id();
            let software = (CLIENT_ID, env!("CARGO_PKG_VERSION"));
            self.stream.write_all(&versions::encode_request(version, id, Some(CLIENT_ID), Some(software))).await?;
            let answer = self.answer(id).await?;
            let header = ResponseHeader::parse(&answer, api::API_VERSIONS, version)?;
            let body = answer.get(header.body..).unwrap_or_default();
            // An error comes in the layout of version 0, whatever was asked (KIP-511).
            let error = body.first_chunk::<2>().map_or(0, |code| i16::from_be_bytes(*code));
            if error == 0 {
                return Ok(versions::parse_response(version, body)?.1);
            }
            last = error;
            if error != UNSUPPORTED_VERSION {
                break;
            }
        }
        Err(ExchangeError::Refused { api: "ApiVersions", code: last })
    }

    /// Logs in with PLAIN, or logs in again. `Some`: the broker closes the connection unless that is done again within this time (KIP-368).
    pub(super) async fn authenticate(&mut self, account: &SaslPlain, offer: &Offer) -> Result<Option<Duration>, ExchangeError> {
        let handshake = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str("PLAIN"));
        let answer = self.ask(1, &handshake).await?;
        if answer.error_code != 0 {
            return Err(ExchangeError::Sasl(Some("the broker does not offer PLAIN".to_owned())));
        }
        let token = format!("\0{}\0{}", account.username, account.password);
        // The first version that tells how long the login holds came with Kafka 2.2.
        let version = i16::from(offer.has(api::SASL_AUTHENTICATE, 1));
        let authenticate = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(token));
        let answer = self.ask(version, &authenticate).await?;
        if answer.error_code != 0 {
            return Err(ExchangeError::Sasl(answer.error_message.map(|message| message.to_string())));
        }
        Ok(u64::try_from(answer.session_lifetime_ms).ok().filter(|lifetime| *lifetime > 0).map(Duration::from_millis))
    }

    /// The brokers, without any topic.
    pub(super) async fn metadata(&mut self) -> Result<Reported, ExchangeError> {
        self.ask_metadata(METADATA_VERSION, Some(Vec::new())).await.map(|(reported, _)| reported)
    }

    /// The brokers, and who leads these topics (`None`: all that there are).
    pub(super) async fn leaders(&mut self, offer: &Offer, topics: Option<&[Arc<str>]>) -> Result<(Reported, Vec<TopicReport>), ExchangeError> {
        let version = offer.range(api::METADATA).map_or(METADATA_VERSION, |range| range.max.clamp(METADATA_VERSION, METADATA_VERSION_WITH_IDS));
        let topic = |name: &Arc<str>| MetadataRequestTopic::default().with_name(Some(TopicName(StrBytes::from_string(name.to_string()))));
        self.ask_metadata(version, topics.map(|topics| topics.iter().map(topic).collect())).await
    }

    async fn ask_metadata(&mut self, version: i16, topics: Option<Vec<MetadataRequestTopic>>) -> Result<(Reported, Vec<TopicReport>), ExchangeError> {
        let request = MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(false);
        let answer = self.ask(version, &request).await?;
        let brokers = answer.brokers.into_iter().filter_map(|broker| {
            let port = u16::try_from(broker.port).ok()?;
            Some(NodeAddress { node_id: *broker.node_id, host: broker.host.to_string(), port, rack: broker.rack.map(|rack| rack.to_string()) })
        });
        let reported = Reported {
            brokers: brokers.collect(),
            cluster_id: answer.cluster_id.map(|id| id.to_string()),
            controller_id: Some(*answer.controller_id).filter(|id| *id >= 0),
        };
        Ok((reported, answer.topics.into_iter().filter_map(topic_report).collect()))
    }

    /// What is needed of these topics' configuration, as far as the broker tells it.
    pub(super) async fn topic_configs(&mut self, topics: &[Arc<str>]) -> Result<Vec<(Arc<str>, TopicConfig)>, ExchangeError> {
        let keys = [MIN_INSYNC_REPLICAS, MESSAGE_TIMESTAMP_TYPE].map(StrBytes::from_static_str);
        let resource = |name: &Arc<str>| {
            DescribeConfigsResource::default()
                .with_resource_type(TOPIC_RESOURCE)
                .with_resource_name(StrBytes::from_string(name.to_string()))
                .with_configuration_keys(Some(keys.to_vec()))
        };
        let request = DescribeConfigsRequest::default().with_resources(topics.iter().map(resource).collect());
        let answer = self.ask(DESCRIBE_CONFIGS_VERSION, &request).await?;
        let told = answer.results.into_iter().map(|result| {
            let value = |key| result.configs.iter().find(|config| &*config.name == key)?.value.as_ref();
            let config = TopicConfig {
                min_insync_replicas: value(MIN_INSYNC_REPLICAS).and_then(|value| value.parse().ok()),
                has_log_append_time: value(MESSAGE_TIMESTAMP_TYPE).map(|value| &**value == LOG_APPEND_TIME),
            };
            (Arc::from(&*result.resource_name), config)
        });
        Ok(told.collect())
    }

    /// Ready when the broker has closed the connection, or says something that nobody asked for.
    pub(super) async fn lost(&self) -> io::Error {
        loop {
            if let Err(error) = self.stream.readable().await {
                return error;
            }
            match self.stream.try_read(&mut [0]) {
                Ok(0) => return io::Error::new(io::ErrorKind::UnexpectedEof, "the broker closed the connection"),
                Ok(_) => return io::Error::new(io::ErrorKind::InvalidData, "the broker sent what nobody asked for"),
                // A readiness that was left over from the last answer.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return error,
            }
        }
    }

    /// Asks in this version, which the broker must have.
    pub(super) async fn ask<Q: Request>(&mut self, version: i16, request: &Q) -> Result<Q::Response, ExchangeError> {
        let (api_key, id) = (Q::KEY, self.next_id());
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        frame.put_i16(api_key);
        frame.put_i16(version);
        frame.put_i32(id);
        frame.put_i16(i16::try_from(CLIENT_ID.len()).unwrap_or(0));
        frame.put_slice(CLIENT_ID.as_bytes());
        if Q::header_version(version) > 1 {
            frame.put_u8(0); // No tagged fields.
        }
        request.encode(&mut frame, version).map_err(|error| ExchangeError::Decode(error.to_string()))?;
        let length = i32::try_from(frame.len() - 4).unwrap_or(i32::MAX);
        if let Some(field) = frame.first_chunk_mut::<4>() {
            *field = length.to_be_bytes();
        }
        self.stream.write_all(&frame).await?;
        let answer = self.answer(id).await?;
        let header = ResponseHeader::parse(&answer, api_key, version)?;
        let mut body = answer.slice(header.body..);
        schema::check_response(api_key, version, &body)?;
        Q::Response::decode(&mut body, version).map_err(|error| ExchangeError::Decode(error.to_string()))
    }

    async fn answer(&mut self, expected: i32) -> Result<Bytes, ExchangeError> {
        let length = self.stream.read_i32().await?;
        let bytes = usize::try_from(length).ok().filter(|bytes| (4..=ANSWER_BYTES_MAX).contains(bytes)).ok_or(ExchangeError::TooLarge(length))?;
        // Grows with what really comes, so that a length alone takes no memory.
        let mut answer = BytesMut::new();
        let mut stream = (&mut self.stream).take(bytes as u64);
        while answer.len() < bytes {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the broker closed the connection").into());
            }
        }
        let got = answer.first_chunk::<4>().map_or(0, |id| i32::from_be_bytes(*id));
        if got != expected {
            return Err(ExchangeError::Correlation { expected, got });
        }
        Ok(answer.freeze())
    }

    fn next_id(&mut self) -> i32 {
        self.correlation_id = self.correlation_id.wrapping_add(1) & i32::MAX;
        self.correlation_id
    }
}

/// `None`: it is not told, as for a topic that does not exist.
fn topic_report(topic: MetadataResponseTopic) -> Option<TopicReport> {
    if !matches!(topic.error_code, 0 | LEADER_NOT_AVAILABLE) || topic.partitions.is_empty() {
        return None;
    }
    let nodes = |ids: Vec<kafka_protocol::messages::BrokerId>| ids.into_iter().map(|id| *id).collect();
    let partitions = topic.partitions.into_iter().map(|partition| PartitionReport {
        index: partition.partition_index,
        leader: Leader { node_id: *partition.leader_id, epoch: partition.leader_epoch },
        replicas: nodes(partition.replica_nodes),
        isr: nodes(partition.isr_nodes),
    });
    let id = Some(topic.topic_id.into_bytes()).filter(|id| *id != [0; 16]);
    Some(TopicReport { name: Arc::from(&**topic.name?), id, partitions: partitions.collect() })
}
