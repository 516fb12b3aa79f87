//! From a frame to the handler of its API, and from a message to a frame.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::protocol::{Decodable, Encodable};

use super::Model;
use super::api::{self, Served};
use super::event::Event;
use super::image::NodeId;
use super::pending::{ConnectionId, Effect, Pending, PendingId, Reply, Waits};
use crate::protocol::schema;
use crate::wire::RequestHeader;
use crate::wire::api as keys;
use std::time::Duration;

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// This frame.
    Now(Bytes),
    /// This frame, when the controller has had its time.
    Later(Duration, Bytes),
    /// It waits; whoever ends the wait sends the answer.
    Waits,
    /// Nothing is sent (acks=0).
    Nothing,
    /// The connection is closed, as a broker does with what it cannot read.
    Close,
}

impl Model {
    pub(super) fn request(&mut self, node: NodeId, connection: ConnectionId, frame: &Bytes) {
        match self.answer(node, connection, frame).unwrap_or(Answer::Close) {
            Answer::Now(frame) => self.effects.push_back(Effect::Respond { connection, frame }),
            Answer::Later(delay, frame) => {
                let incarnation = self.incarnation(node);
                self.plan(delay, Event::Answer { node, incarnation, connection, frame });
            }
            Answer::Waits => {}
            Answer::Nothing => self.effects.push_back(Effect::NoResponse { connection }),
            Answer::Close => self.close(connection),
        }
    }

    /// `None`: the request cannot be read, or is not served in that version; a broker closes the connection then.
    fn answer(&mut self, node: NodeId, connection: ConnectionId, frame: &Bytes) -> Option<Answer> {
        let header = RequestHeader::parse(frame).ok()?;
        let reply = Reply { connection, correlation_id: header.correlation_id, key: header.api_key, version: header.api_version };
        let served = Served::of(reply.key)?;
        if !served.accepts(reply.version) {
            return (reply.key == keys::API_VERSIONS).then(|| Answer::Now(unsupported_api_versions(reply)));
        }
        if let Some(known) = self.connections.get_mut(&connection) {
            let client_id = String::from_utf8_lossy(header.client_id.unwrap_or_default());
            if known.client_id != client_id {
                known.client_id = client_id.into_owned();
            }
        }
        let body = frame.slice(header.body..);
        schema::check_request(reply.key, reply.version, &body).ok()?;
        (served.handle)(self, node, reply, body)
    }

    /// Keeps a request until something ends its wait, or its own limit comes.
    pub(super) fn keep(&mut self, node: NodeId, limit: Duration, pending: Pending) -> PendingId {
        self.next_pending += 1;
        let id = self.next_pending;
        if let Some(broker) = self.brokers.get_mut(&node) {
            broker.pending.insert(id, pending);
            let incarnation = broker.incarnation;
            self.plan(limit, Event::PendingEnds { node, incarnation, pending: id });
        }
        id
    }

    /// A wait for the high watermark is over.
    pub(super) fn waited(&mut self, node: NodeId, waits: &Waits, outcome: Result<(), ResponseError>) {
        match waits {
            Waits::Produce { pending, slot } => self.produce_waited(node, *pending, *slot, outcome),
            Waits::Commit { pending } => self.commit_waited(node, *pending, outcome),
            Waits::Assignment { group, generation } => self.assignment_waited(node, group, *generation, outcome),
        }
    }

    /// A waiting request has reached its limit.
    pub(super) fn pending_ends(&mut self, node: NodeId, id: PendingId) {
        let kind = self.brokers.get(&node).and_then(|broker| broker.pending.get(&id));
        match kind {
            Some(Pending::Produce(_)) => self.produce_ends(node, id),
            Some(Pending::Fetch(_)) => self.fetch_ends(node, id),
            Some(Pending::Commit { .. }) => self.commit_waited(node, id, Err(ResponseError::RequestTimedOut)),
            None => {}
        }
    }

    pub(super) fn send(&mut self, reply: Reply, message: &impl Encodable) {
        if self.connections.contains_key(&reply.connection) {
            match frame_of(reply, message) {
                Some(frame) => self.effects.push_back(Effect::Respond { connection: reply.connection, frame }),
                None => self.close(reply.connection),
            }
        }
    }
}

/// Decodes a body that has been checked.
pub(super) fn decode<T: Decodable>(reply: Reply, mut body: Bytes) -> Option<T> {
    T::decode(&mut body, reply.version).ok()
}

/// The answer, to be sent at once.
pub(super) fn now(reply: Reply, message: &impl Encodable) -> Option<Answer> {
    frame_of(reply, message).map(Answer::Now)
}

/// The frame of a response, its length in front. `None` when the message cannot be said in that version: a fault of the handler.
pub(super) fn frame_of(reply: Reply, message: &impl Encodable) -> Option<Bytes> {
    let mut frame = BytesMut::with_capacity(64 + message.compute_size(reply.version).ok()?);
    frame.put_i32(0);
    frame.put_i32(reply.correlation_id);
    if keys::response_header_version(reply.key, reply.version) >= 1 {
        frame.put_u8(0);
    }
    let encoded = message.encode(&mut frame, reply.version);
    debug_assert!(encoded.is_ok(), "{} v{}: {encoded:?}", keys::name(reply.key), reply.version);
    encoded.ok()?;
    let length = i32::try_from(frame.len().checked_sub(4)?).ok()?;
    frame.get_mut(..4)?.copy_from_slice(&length.to_be_bytes());
    Some(frame.freeze())
}

/// Version 0, with the range of ApiVersions alone: any client can read it (KIP-511).
fn unsupported_api_versions(reply: Reply) -> Bytes {
    let keys = api::served().filter(|served| served.key == keys::API_VERSIONS).map(Served::as_api_version).collect();
    let response = ApiVersionsResponse::default().with_error_code(ResponseError::UnsupportedVersion.code()).with_api_keys(keys);
    frame_of(Reply { version: 0, ..reply }, &response).unwrap_or_default()
}
