//! One connection: requests go out pipelined, answers come back in their order.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::RequestHeader;
use kafka_protocol::protocol::{Decodable, Encodable, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::{ClientError, versions};
use crate::protocol::schema;
use crate::protocol::versions::{Offer, UNSUPPORTED_VERSION, encode_request, parse_response};
use crate::wire::frame::{FrameLength, LENGTH_BYTES};
use crate::wire::{ResponseHeader, api};

/// The largest answer that is read: more than a Fetch asks for, and what bounds a decoder's memory.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// How long a connect may take; everything is on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the oldest request may wait for its answer: the `request.timeout.ms` of the usual libraries.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Read at once.
const READ_BYTES: usize = 64 << 10;
/// What a client calls itself (KIP-511).
const SOFTWARE: &str = "leeward-demo";

/// A connection whose versions are negotiated.
pub(in crate::demo) struct Connection {
    stream: TcpStream,
    client_id: StrBytes,
    offer: Offer,
    correlation_id: i32,
    in_flight: VecDeque<Question>,
    arrived: BytesMut,
}

struct Question {
    correlation_id: i32,
    api_key: i16,
    version: i16,
    deadline: Instant,
}

/// An answer whose bytes have been checked.
#[derive(Debug)]
pub(in crate::demo) struct Answer {
    pub(in crate::demo) correlation_id: i32,
    version: i16,
    body: Bytes,
}

impl Answer {
    /// The answer to a request of type `R`.
    pub(in crate::demo) fn decode<R: Request>(&self) -> Result<R::Response, ClientError> {
        R::Response::decode(&mut self.body.clone(), self.version).map_err(|error| codec(R::KEY, &error))
    }
}

impl Connection {
    /// Connects, and learns what the other side speaks.
    pub(in crate::demo) async fn open(address: SocketAddr, client_id: &str) -> Result<Self, ClientError> {
        let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await.map_err(|_| ClientError::TimedOut)??;
        stream.set_nodelay(true)?;
        let offer = Offer { ranges: vec![], supported_features: vec![], finalized_epoch: -1, finalized_features: vec![], zk_migration_ready: false };
        let client_id = StrBytes::from_string(client_id.to_owned());
        let mut connection = Connection { stream, client_id, offer, correlation_id: 0, in_flight: VecDeque::new(), arrived: BytesMut::new() };
        connection.negotiate().await?;
        Ok(connection)
    }

    /// The version that requests of this key are sent in.
    pub(in crate::demo) fn version(&self, api_key: i16) -> Result<i16, ClientError> {
        versions::choose(&self.offer, api_key)
    }

    /// Sends a request; returns its correlation id.
    pub(in crate::demo) async fn send<R: Request>(&mut self, request: &R) -> Result<i32, ClientError> {
        let (id, version) = self.write(request).await?;
        self.expect(id, R::KEY, version);
        Ok(id)
    }

    /// Sends a request that is not answered: a Produce with acks=0.
    pub(in crate::demo) async fn send_unanswered<R: Request>(&mut self, request: &R) -> Result<(), ClientError> {
        self.write(request).await.map(drop)
    }

    /// The next answer. Pending for ever while none is expected and the connection stays; nothing is lost when this future is dropped.
    pub(in crate::demo) async fn receive(&mut self) -> Result<Answer, ClientError> {
        let read = read_frame(&mut self.stream, &mut self.arrived);
        let frame = match self.in_flight.front() {
            Some(oldest) => timeout_at(oldest.deadline, read).await.map_err(|_| ClientError::TimedOut)??,
            None => read.await?,
        };
        let question = self.in_flight.pop_front().ok_or(ClientError::Correlation { expected: -1, got: None })?;
        let header = ResponseHeader::parse(&frame, question.api_key, question.version)?;
        if header.correlation_id != question.correlation_id {
            return Err(ClientError::Correlation { expected: question.correlation_id, got: Some(header.correlation_id) });
        }
        let body = frame.slice(header.body.min(frame.len())..);
        // An ApiVersions answer has a parser of its own, which is bounded and knows that an error comes in version 0.
        if question.api_key != api::API_VERSIONS {
            schema::check_response(question.api_key, question.version, &body)?;
        }
        Ok(Answer { correlation_id: question.correlation_id, version: question.version, body })
    }

    /// One request and its answer; nothing else may be in flight.
    pub(in crate::demo) async fn ask<R: Request>(&mut self, request: &R) -> Result<R::Response, ClientError> {
        self.send(request).await?;
        self.receive().await?.decode::<R>()
    }

    async fn negotiate(&mut self) -> Result<(), ClientError> {
        // Brokers before 2.4 know no version 3 and say so in version 0.
        for version in [3, 0] {
            self.correlation_id += 1;
            let id = self.correlation_id;
            let frame = encode_request(version, id, Some(self.client_id.as_str()), Some((SOFTWARE, env!("CARGO_PKG_VERSION"))));
            self.write_all(&frame).await?;
            self.expect(id, api::API_VERSIONS, version);
            let answer = self.receive().await?;
            let error = answer.body.first_chunk::<2>().map_or(0, |code| i16::from_be_bytes(*code));
            match error {
                0 => {
                    self.offer = parse_response(version, &answer.body)?.1;
                    return Ok(());
                }
                UNSUPPORTED_VERSION => {}
                code => return super::check_code("ApiVersions", code),
            }
        }
        Err(ClientError::NoVersion { api: "ApiVersions" })
    }

    fn expect(&mut self, correlation_id: i32, api_key: i16, version: i16) {
        self.in_flight.push_back(Question { correlation_id, api_key, version, deadline: Instant::now() + ANSWER_TIMEOUT });
    }

    async fn write<R: Request>(&mut self, request: &R) -> Result<(i32, i16), ClientError> {
        let version = self.version(R::KEY)?;
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let id = self.correlation_id;
        let header = RequestHeader::default().with_request_api_key(R::KEY).with_request_api_version(version).with_correlation_id(id);
        let header = header.with_client_id(Some(self.client_id.clone()));
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        header.encode(&mut frame, R::header_version(version)).map_err(|error| codec(R::KEY, &error))?;
        request.encode(&mut frame, version).map_err(|error| codec(R::KEY, &error))?;
        let length = i32::try_from(frame.len() - LENGTH_BYTES).map_err(|_| ClientError::TooLarge(i32::MAX))?;
        if let Some(field) = frame.first_chunk_mut::<LENGTH_BYTES>() {
            *field = length.to_be_bytes();
        }
        self.write_all(&frame).await?;
        Ok((id, version))
    }

    async fn write_all(&mut self, frame: &[u8]) -> Result<(), ClientError> {
        timeout(ANSWER_TIMEOUT, self.stream.write_all(frame)).await.map_err(|_| ClientError::TimedOut)??;
        Ok(())
    }
}

/// The next frame without its length.
async fn read_frame(stream: &mut TcpStream, arrived: &mut BytesMut) -> Result<Bytes, ClientError> {
    loop {
        if let Some(field) = arrived.first_chunk::<LENGTH_BYTES>() {
            match FrameLength::read(*field, ANSWER_BYTES_MAX) {
                FrameLength::Bytes(length) if arrived.len() >= LENGTH_BYTES + length => {
                    drop(arrived.split_to(LENGTH_BYTES));
                    return Ok(arrived.split_to(length).freeze());
                }
                FrameLength::Bytes(_) => {}
                FrameLength::Refused(length) => return Err(ClientError::TooLarge(length)),
            }
        }
        arrived.reserve(READ_BYTES);
        if stream.read_buf(arrived).await? == 0 {
            return Err(ClientError::Closed);
        }
    }
}

fn codec(key: i16, cause: &impl std::fmt::Display) -> ClientError {
    ClientError::Codec { what: api::name(key), cause: cause.to_string() }
}
