//! A bare client of the protocol: what the harness asks brokers itself (are you there, who is in sync, which bytes do you store), and requests that no library would send.
//!
//! Its direct connections are announced to `watch`, by their local port, before they are made.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, FetchRequest, FindCoordinatorRequest, MetadataRequest, MetadataResponse, ProduceRequest, RequestHeader,
    ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request, StrBytes, encode_request_header_into_buffer};
use leeward::protocol::versions::{self, Offer};
use socket2::{Domain, Socket, Type};

use crate::watch::ExemptPort;

/// Above any answer that a healthy broker of these tests delays.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// The version of ApiVersions that tells everything of what Leeward reads.
const API_VERSIONS_WITH_FEATURES: i16 = 4;

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    correlation_id: i32,
    _exempt: Option<ExemptPort>,
}

impl Wire {
    /// To Leeward, or to whatever a client is given.
    pub(crate) fn connect(address: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(address).map_err(|error| format!("{address}: {error}"))?;
        Self::over(stream, None)
    }

    /// Past Leeward, to a broker's own port.
    pub(crate) fn connect_past(address: &str) -> Result<Self, String> {
        let remote: SocketAddr = address.parse().map_err(|_| format!("{address} is no address"))?;
        let fault = |error: std::io::Error| format!("{address}: {error}");
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).map_err(fault)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).map_err(fault)?;
        let local = socket.local_addr().map_err(fault)?.as_socket().ok_or("no local address")?;
        let exempt = ExemptPort::new(local.port());
        socket.connect(&remote.into()).map_err(fault)?;
        Self::over(socket.into(), Some(exempt))
    }

    fn over(stream: TcpStream, exempt: Option<ExemptPort>) -> Result<Self, String> {
        stream.set_read_timeout(Some(ANSWER_LIMIT)).and_then(|()| stream.set_nodelay(true)).map_err(|error| error.to_string())?;
        Ok(Self { stream, correlation_id: 0, _exempt: exempt })
    }

    /// Sends one request and reads its response.
    pub(crate) fn ask<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response, String> {
        self.send(request, version)?;
        let mut answer = self.read_frame()?;
        let header = ResponseHeader::decode(&mut answer, R::Response::header_version(version)).map_err(|error| format!("response header: {error}"))?;
        if header.correlation_id != self.correlation_id {
            return Err(format!("correlation id {} in place of {}", header.correlation_id, self.correlation_id));
        }
        let response = R::Response::decode(&mut answer, version).map_err(|error| format!("response body: {error}"))?;
        if answer.has_remaining() { Err(format!("{} bytes after the response", answer.remaining())) } else { Ok(response) }
    }

    /// Sends one request, and leaves its response (if it has one) unread.
    pub(crate) fn send<R: Request>(&mut self, request: &R, version: i16) -> Result<(), String> {
        self.correlation_id += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(StrBytes::from_static_str("leeward-tests")));
        let mut frame = BytesMut::zeroed(4);
        encode_request_header_into_buffer(&mut frame, &header).map_err(|error| format!("request header: {error}"))?;
        request.encode(&mut frame, version).map_err(|error| format!("request body: {error}"))?;
        let size = u32::try_from(frame.len() - 4).unwrap();
        frame[..4].copy_from_slice(&size.to_be_bytes());
        self.stream.write_all(&frame).map_err(|error| format!("write: {error}"))
    }

    /// Sends bytes with a length and nothing else before them, and gives what comes back in the same form: a token of SASL behind SaslHandshake v0.
    pub(crate) fn token(&mut self, token: &[u8]) -> Result<Bytes, String> {
        let size = u32::try_from(token.len()).unwrap();
        self.stream.write_all(&[&size.to_be_bytes(), token].concat()).map_err(|error| format!("write: {error}"))?;
        self.read_frame()
    }

    fn read_frame(&mut self) -> Result<Bytes, String> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).map_err(|error| format!("read: {error}"))?;
        let mut frame = vec![0; u32::from_be_bytes(size) as usize];
        self.stream.read_exact(&mut frame).map_err(|error| format!("read: {error}"))?;
        Ok(Bytes::from(frame))
    }

    /// All that the other side offers, its features included, as Leeward asks for it and reads it.
    pub(crate) fn offer(&mut self) -> Result<Offer, String> {
        let (error, offer) = self.offer_in(API_VERSIONS_WITH_FEATURES)?;
        match error {
            0 => Ok(offer),
            // The version is not known: from Kafka 2.4 on the answer says which is, before, it says nothing.
            versions::UNSUPPORTED_VERSION => self.offer_in(offer.range(18).map_or(0, |range| range.max)).map(|(_, offer)| offer),
            error => Err(format!("error {error}")),
        }
    }

    fn offer_in(&mut self, version: i16) -> Result<(i16, Offer), String> {
        self.correlation_id += 1;
        let request = versions::encode_request(version, self.correlation_id, Some("leeward-tests"), None);
        self.stream.write_all(&request).map_err(|error| format!("write: {error}"))?;
        let answer = self.read_frame()?;
        let (header, body) = answer.split_at_checked(4).ok_or("a short answer")?;
        if header != self.correlation_id.to_be_bytes() {
            return Err(format!("another correlation id than {}", self.correlation_id));
        }
        versions::parse_response(version, body).map_err(|error| error.to_string())
    }

    pub(crate) fn api_versions(&mut self) -> Result<ApiVersionsResponse, String> {
        self.ask(&ApiVersionsRequest::default(), 0)
    }

    /// The highest version of `R` that both sides know.
    pub(crate) fn version_of<R: Request>(&mut self) -> Result<i16, String> {
        let answer = self.api_versions()?;
        let range = answer.api_keys.iter().find(|range| range.api_key == R::KEY).ok_or_else(|| format!("api key {} is not offered", R::KEY))?;
        Ok(range.max_version.min(R::VERSIONS.max))
    }

    /// Metadata of `topics`, or of all with `None`.
    pub(crate) fn metadata(&mut self, topics: Option<&[&str]>) -> Result<MetadataResponse, String> {
        // From version 12 a topic may be named by its id alone; 7, the newest of Kafka 2.1, has the leader epochs.
        let version = self.version_of::<MetadataRequest>()?.min(12);
        let topics = topics.map(|topics| topics.iter().map(|topic| MetadataRequestTopic::default().with_name(Some(topic_name(topic)))).collect());
        self.ask(&MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(false), version)
    }

    /// Produces `records`, the bytes of one batch, in the given version of Produce. `acks` must not be 0.
    pub(crate) fn produce(&mut self, topic: &str, partition: i32, acks: i16, records: Bytes, version: i16) -> Result<PartitionProduceResponse, String> {
        let request = self.produce_request(topic, partition, acks, records, version)?;
        let answer = self.ask(&request, version)?;
        answer.responses.into_iter().flat_map(|topic| topic.partition_responses).next().ok_or_else(|| "no partition in the answer".to_owned())
    }

    pub(crate) fn produce_request(&mut self, topic: &str, partition: i32, acks: i16, records: Bytes, version: i16) -> Result<ProduceRequest, String> {
        let mut data = TopicProduceData::default().with_partition_data(vec![PartitionProduceData::default().with_index(partition).with_records(Some(records))]);
        if version >= 13 {
            let metadata = self.metadata(Some(&[topic]))?;
            data = data.with_topic_id(metadata.topics.first().ok_or("no such topic")?.topic_id);
        } else {
            data = data.with_name(topic_name(topic));
        }
        Ok(ProduceRequest::default().with_acks(acks).with_timeout_ms(10_000).with_topic_data(vec![data]))
    }

    /// The node id of what coordinates a group (`kind` 0) or the transactions of an id (1).
    pub(crate) fn coordinator(&mut self, kind: i8, key: &str) -> Result<i32, String> {
        let key = StrBytes::from_string(key.to_owned());
        let answer = self.ask(&FindCoordinatorRequest::default().with_key(key).with_key_type(kind), 2)?;
        if answer.error_code == 0 { Ok(answer.node_id.0) } else { Err(format!("error {}", answer.error_code)) }
    }

    /// The batches of a partition from `offset` on, as stored, up to about 16 MiB. This connection must be to the partition's leader.
    pub(crate) fn fetch(&mut self, topic: &str, partition: i32, offset: i64) -> Result<Bytes, String> {
        const FETCH_BYTES: i32 = 16 << 20;
        let wanted = FetchPartition::default().with_partition(partition).with_fetch_offset(offset).with_partition_max_bytes(FETCH_BYTES);
        let request = FetchRequest::default()
            .with_max_wait_ms(500)
            .with_min_bytes(1)
            .with_max_bytes(FETCH_BYTES)
            .with_topics(vec![FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![wanted])]);
        // The lowest version that every release from 2.1 to 4.x still has.
        let answer = self.ask(&request, 4)?;
        let partition = answer.responses.into_iter().flat_map(|topic| topic.partitions).next().ok_or("no partition in the answer")?;
        if partition.error_code == 0 { Ok(partition.records.unwrap_or_default()) } else { Err(format!("error {}", partition.error_code)) }
    }
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
