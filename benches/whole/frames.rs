//! Every frame of the bench, built once at the start. While it measures, only correlation ids are written.

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, BrokerId, FetchRequest, FetchResponse, InitProducerIdResponse, MetadataRequest, MetadataResponse,
    ProduceRequest, ProduceResponse, ProducerId, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Encodable, HeaderVersion, StrBytes};
use kafka_protocol::records::{Compression, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use uuid::Uuid;

use crate::Result;

/// The one broker of the cluster.
pub(crate) const NODE_ID: i32 = 1;
/// Bytes of records in each Fetch response.
pub(crate) const FETCH_BYTES: usize = 1 << 20;
pub(crate) const API_VERSIONS: i16 = 3;
pub(crate) const METADATA: i16 = 12;
pub(crate) const PRODUCE: i16 = 9;
/// The last Fetch version that names topics.
pub(crate) const FETCH_BY_NAME: i16 = 12;
/// The first Fetch version whose responses may name brokers' addresses; it names topics by their ids.
pub(crate) const FETCH_BY_ID: i16 = 16;

const TOPIC: &str = "bench";
const TOPIC_ID: Uuid = Uuid::from_u128(0x6c65_6577_6172_6400_8000_0000_0000_0001);
/// What the broker can do: key, lowest and highest version. Produce from 0 as real brokers list it, though only 3 and above are answered.
const OFFER: [(ApiKey, i16, i16); 5] =
    [(ApiKey::Produce, 0, 12), (ApiKey::Fetch, 4, 17), (ApiKey::Metadata, 0, 13), (ApiKey::ApiVersions, 0, API_VERSIONS_MAX), (ApiKey::InitProducerId, 0, 4)];
const API_VERSIONS_MAX: i16 = 4;
const UNSUPPORTED_VERSION: i16 = 35;

/// A frame of which only the correlation id changes; that is the last 4 of its first `N` bytes: 12 of a request, 8 of a response.
#[derive(Clone)]
pub(crate) struct Template<const N: usize> {
    head: [u8; N],
    pub(crate) rest: Rc<[u8]>,
}

pub(crate) type Request = Template<12>;
pub(crate) type Response = Template<8>;

impl<const N: usize> Template<N> {
    fn new(frame: &[u8]) -> Result<Self> {
        let (head, rest) = frame.split_first_chunk().ok_or("a frame without a header")?;
        Ok(Self { head: *head, rest: rest.into() })
    }

    pub(crate) fn head(&self, correlation_id: u32) -> [u8; N] {
        let mut head = self.head;
        head[N - 4..].copy_from_slice(&correlation_id.to_be_bytes());
        head
    }

    /// The whole frame, for those who write it with a blocking socket.
    pub(crate) fn frame(&self, correlation_id: u32) -> Vec<u8> {
        [&self.head(correlation_id)[..], &self.rest].concat()
    }

    pub(crate) fn len(&self) -> usize {
        N + self.rest.len()
    }
}

pub(crate) fn api_versions() -> Result<Request> {
    let body = ApiVersionsRequest::default().with_client_software_name(text("whole-bench")).with_client_software_version(text("1.0"));
    request(ApiKey::ApiVersions, API_VERSIONS, &body)
}

pub(crate) fn metadata() -> Result<Request> {
    let topic = MetadataRequestTopic::default().with_name(Some(TopicName(text(TOPIC))));
    request(ApiKey::Metadata, METADATA, &MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false))
}

/// Produce with acks=1 and one record of `bytes` bytes.
pub(crate) fn produce(bytes: usize) -> Result<Request> {
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(records(bytes)?));
    let topic = TopicProduceData::default().with_name(TopicName(text(TOPIC))).with_partition_data(vec![partition]);
    request(ApiKey::Produce, PRODUCE, &ProduceRequest::default().with_acks(1).with_timeout_ms(30_000).with_topic_data(vec![topic]))
}

pub(crate) fn fetch(version: i16) -> Result<Request> {
    let partition = FetchPartition::default().with_partition(0).with_current_leader_epoch(0).with_fetch_offset(0).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_partitions(vec![partition]);
    let topic = if version > FETCH_BY_NAME { topic.with_topic_id(TOPIC_ID) } else { topic.with_topic(TopicName(text(TOPIC))) };
    let body = FetchRequest::default().with_max_wait_ms(500).with_min_bytes(1).with_max_bytes(50 << 20).with_session_epoch(-1).with_topics(vec![topic]);
    request(ApiKey::Fetch, version, &body)
}

/// Every answer of the null broker, found by key and version.
pub(crate) struct Answers {
    by_key: Vec<Vec<Option<Response>>>,
    /// For versions of ApiVersions that the broker does not know: v0 with error 35 (KIP-511).
    unsupported: Response,
}

impl Answers {
    /// Those of a broker that listens on this port of 127.0.0.1.
    pub(crate) fn new(port: u16) -> Result<Self> {
        let mut by_key = vec![Vec::new(); 1 + ApiKey::InitProducerId as usize];
        let records = records(FETCH_BYTES)?;
        for (key, _, max) in OFFER {
            for version in 0..=max {
                let answers = &mut by_key[key as usize];
                if version < key.valid_versions().min {
                    answers.push(None);
                } else if key == ApiKey::Metadata {
                    answers.push(Some(response(version, &metadata_response(port, version))?));
                } else if key == ApiKey::Produce {
                    answers.push(Some(response(version, &produce_response())?));
                } else if key == ApiKey::Fetch {
                    answers.push(Some(response(version, &fetch_response(version, records.clone()))?));
                } else if key == ApiKey::InitProducerId {
                    let given = InitProducerIdResponse::default().with_producer_id(ProducerId(7)).with_producer_epoch(0);
                    answers.push(Some(response(version, &given)?));
                } else {
                    answers.push(Some(response(version, &api_versions_response(0))?));
                }
            }
        }
        Ok(Self { by_key, unsupported: response(0, &api_versions_response(UNSUPPORTED_VERSION))? })
    }

    pub(crate) fn to(&self, key: i16, version: i16) -> Option<&Response> {
        let known = self.by_key.get(usize::try_from(key).ok()?)?.get(usize::try_from(version).ok()?);
        match known {
            Some(answer) => answer.as_ref(),
            None => (key == ApiKey::ApiVersions as i16).then_some(&self.unsupported),
        }
    }
}

fn api_versions_response(error: i16) -> ApiVersionsResponse {
    let offer = OFFER.iter().filter(|(key, ..)| error == 0 || *key == ApiKey::ApiVersions);
    let keys = offer.map(|(key, min, max)| ApiVersion::default().with_api_key(*key as i16).with_min_version(*min).with_max_version(*max)).collect();
    ApiVersionsResponse::default().with_error_code(error).with_api_keys(keys)
}

fn metadata_response(port: u16, version: i16) -> MetadataResponse {
    let broker = MetadataResponseBroker::default().with_node_id(BrokerId(NODE_ID)).with_host(text("127.0.0.1")).with_port(i32::from(port));
    let nodes = vec![BrokerId(NODE_ID)];
    let partition = MetadataResponsePartition::default().with_leader_id(BrokerId(NODE_ID)).with_replica_nodes(nodes.clone()).with_isr_nodes(nodes);
    let partition = if version >= 7 { partition.with_leader_epoch(0) } else { partition };
    let topic = MetadataResponseTopic::default().with_name(Some(TopicName(text(TOPIC)))).with_partitions(vec![partition]);
    let topic = if version >= 10 { topic.with_topic_id(TOPIC_ID) } else { topic };
    let response = MetadataResponse::default().with_brokers(vec![broker]).with_topics(vec![topic]);
    if version >= 1 { response.with_controller_id(BrokerId(NODE_ID)).with_cluster_id(Some(text("bench-cluster"))) } else { response }
}

fn produce_response() -> ProduceResponse {
    let partition = PartitionProduceResponse::default().with_index(0).with_base_offset(42);
    ProduceResponse::default().with_responses(vec![TopicProduceResponse::default().with_name(TopicName(text(TOPIC))).with_partition_responses(vec![partition])])
}

fn fetch_response(version: i16, records: Bytes) -> FetchResponse {
    let partition = PartitionData::default().with_high_watermark(1).with_last_stable_offset(1).with_aborted_transactions(None).with_records(Some(records));
    let topic = FetchableTopicResponse::default().with_partitions(vec![partition]);
    let topic = if version > FETCH_BY_NAME { topic.with_topic_id(TOPIC_ID) } else { topic.with_topic(TopicName(text(TOPIC))) };
    FetchResponse::default().with_responses(vec![topic])
}

/// One batch (magic 2) with one record whose value makes it about as many bytes.
fn records(bytes: usize) -> Result<Bytes> {
    let record = Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 0,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: NO_SEQUENCE,
        timestamp: 1_700_000_000_000,
        key: None,
        value: Some((0..bytes).map(|i| (i * 31 % 251) as u8).collect()),
        headers: Default::default(),
    };
    let mut batch = BytesMut::new();
    RecordBatchEncoder::encode(&mut batch, [&record], &RecordEncodeOptions { version: 2, compression: Compression::None })?;
    Ok(batch.freeze())
}

fn request<T: Encodable + HeaderVersion>(key: ApiKey, version: i16, body: &T) -> Result<Request> {
    let header = RequestHeader::default().with_request_api_key(key as i16).with_request_api_version(version).with_client_id(Some(text("whole-bench")));
    let mut bytes = BytesMut::zeroed(4);
    header.encode(&mut bytes, T::header_version(version))?;
    body.encode(&mut bytes, version)?;
    Template::new(&sized(bytes)?)
}

fn response<T: Encodable + HeaderVersion>(version: i16, body: &T) -> Result<Response> {
    let mut bytes = BytesMut::zeroed(4);
    ResponseHeader::default().encode(&mut bytes, T::header_version(version))?;
    body.encode(&mut bytes, version)?;
    Template::new(&sized(bytes)?)
}

fn sized(mut frame: BytesMut) -> Result<BytesMut> {
    let size = u32::try_from(frame.len() - 4)?;
    frame[..4].copy_from_slice(&size.to_be_bytes());
    Ok(frame)
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}
