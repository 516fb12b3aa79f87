//! One request and its response on Leeward's own connection to a broker.

use std::io;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{
    MetadataRequest, MetadataResponse, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cluster::membership::Reported;
use crate::config::SaslPlain;
use crate::protocol::patch::NodeAddress;
use crate::protocol::schema;
use crate::protocol::versions::{self, Offer};
use crate::wire::{ResponseHeader, WireError, api};

/// The largest answer that is read: the metadata of a cluster without its topics, or the versions.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Every broker from 2.1 to 4.4 speaks this version, it has no tagged fields, and it can ask for no topic at all.
const METADATA_VERSION: i16 = 7;

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
        let answer: SaslHandshakeResponse = self.ask(api::SASL_HANDSHAKE, 1, &handshake).await?;
        if answer.error_code != 0 {
            return Err(ExchangeError::Sasl(Some("the broker does not offer PLAIN".to_owned())));
        }
        let token = format!("\0{}\0{}", account.username, account.password);
        // The first version that tells how long the login holds came with Kafka 2.2.
        let version = i16::from(offer.has(api::SASL_AUTHENTICATE, 1));
        let authenticate = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(token));
        let answer: SaslAuthenticateResponse = self.ask(api::SASL_AUTHENTICATE, version, &authenticate).await?;
        if answer.error_code != 0 {
            return Err(ExchangeError::Sasl(answer.error_message.map(|message| message.to_string())));
        }
        Ok(u64::try_from(answer.session_lifetime_ms).ok().filter(|lifetime| *lifetime > 0).map(Duration::from_millis))
    }

    /// The brokers, without any topic.
    pub(super) async fn metadata(&mut self) -> Result<Reported, ExchangeError> {
        let request = MetadataRequest::default().with_topics(Some(Vec::new())).with_allow_auto_topic_creation(false);
        let answer: MetadataResponse = self.ask(api::METADATA, METADATA_VERSION, &request).await?;
        let brokers = answer.brokers.into_iter().filter_map(|broker| {
            let port = u16::try_from(broker.port).ok()?;
            Some(NodeAddress { node_id: *broker.node_id, host: broker.host.to_string(), port, rack: broker.rack.map(|rack| rack.to_string()) })
        });
        Ok(Reported {
            brokers: brokers.collect(),
            cluster_id: answer.cluster_id.map(|id| id.to_string()),
            controller_id: Some(*answer.controller_id).filter(|id| *id >= 0),
        })
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

    async fn ask<Q: Encodable, A: Decodable>(&mut self, api_key: i16, version: i16, request: &Q) -> Result<A, ExchangeError> {
        let id = self.next_id();
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        frame.put_i16(api_key);
        frame.put_i16(version);
        frame.put_i32(id);
        frame.put_i16(i16::try_from(CLIENT_ID.len()).unwrap_or(0));
        frame.put_slice(CLIENT_ID.as_bytes());
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
        A::decode(&mut body, version).map_err(|error| ExchangeError::Decode(error.to_string()))
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
