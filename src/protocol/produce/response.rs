//! The response to a Produce: taken apart, and put together from the results of several.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};

use super::{Layout, TopicName, count, tags, topic_name};
use crate::protocol::put::{put_count, put_uvarint};
use crate::protocol::schema;
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::{Cursor, ResponseHeader, WireError, api};

const FLEXIBLE_SINCE: i16 = super::FLEXIBLE_SINCE;
const THROTTLE_SINCE: i16 = 1;
const LOG_APPEND_TIME_SINCE: i16 = 2;
const LOG_START_SINCE: i16 = 5;
const RECORD_ERRORS_SINCE: i16 = 8;
const LEADER_SINCE: i16 = 10;
/// The tag of `CurrentLeader` (KIP-951).
const LEADER_TAG: u32 = 0;

/// What became of one partition's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionResult {
    /// Index into the request's topics.
    pub topic: usize,
    pub partition: i32,
    pub error_code: i16,
    pub base_offset: i64,
    /// -1 with `CreateTime`, and before v2.
    pub log_append_time_ms: i64,
    /// -1 before v5.
    pub log_start_offset: i64,
    /// `RecordErrors` and `ErrorMessage` as they stand in this version; empty stands for none of them, and before v8.
    pub details: Bytes,
    /// Node id and leader epoch, where the broker named the new leader (v10+).
    pub current_leader: Option<(i32, i32)>,
}

/// A Produce response taken apart. The endpoints of new leaders are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub throttle_ms: i32,
    pub results: Vec<PartitionResult>,
}

/// The result of a partition that was given up.
pub fn failed(topic: usize, partition: i32, error_code: i16) -> PartitionResult {
    PartitionResult { topic, partition, error_code, base_offset: -1, log_append_time_ms: -1, log_start_offset: -1, details: Bytes::new(), current_leader: None }
}

/// Takes a response apart; `response` is the frame behind its length field.
///
/// # Errors
/// The response is malformed, or it names a partition that the request does not.
pub fn parse_response(version: i16, response: &Bytes, request: &Layout, request_frame: &[u8]) -> Result<Response, WireError> {
    let header = ResponseHeader::parse(response, api::PRODUCE, version)?;
    let mut asked: HashMap<(&[u8], i32), usize> = HashMap::with_capacity(request.batches.len());
    for batch in &request.batches {
        if let Some(topic) = request.topics.get(batch.topic) {
            asked.entry((topic.key(request_frame), batch.partition)).or_insert(batch.topic);
        }
    }
    let flexible = version >= FLEXIBLE_SINCE;
    let mut cursor = Cursor::new(response);
    cursor.skip(header.body)?;
    let mut results = Vec::new();
    for _ in 0..count(&mut cursor, flexible)? {
        let name = super::TopicLayout { name: topic_name(&mut cursor, version)? };
        for _ in 0..count(&mut cursor, flexible)? {
            let offset = cursor.position();
            let mut result = partition(&mut cursor, version, response)?;
            let asked = asked.get(&(name.key(response), result.partition));
            result.topic = *asked.ok_or(WireError::BadValue { what: "a partition that was not asked for", offset })?;
            results.push(result);
        }
        tags(&mut cursor, flexible)?;
    }
    let throttle_ms = if version >= THROTTLE_SINCE { cursor.i32()? } else { 0 };
    tags(&mut cursor, flexible)?;
    Ok(Response { throttle_ms, results })
}

fn partition(cursor: &mut Cursor<'_>, version: i16, response: &Bytes) -> Result<PartitionResult, WireError> {
    let flexible = version >= FLEXIBLE_SINCE;
    let partition = cursor.i32()?;
    let mut result = failed(0, partition, cursor.i16()?);
    result.base_offset = cursor.i64()?;
    if version >= LOG_APPEND_TIME_SINCE {
        result.log_append_time_ms = cursor.i64()?;
    }
    if version >= LOG_START_SINCE {
        result.log_start_offset = cursor.i64()?;
    }
    if version >= RECORD_ERRORS_SINCE {
        let start = cursor.position();
        for _ in 0..count(cursor, flexible)? {
            cursor.i32()?;
            cursor.nullable_string(flexible)?;
            tags(cursor, flexible)?;
        }
        cursor.nullable_string(flexible)?;
        result.details = response.slice(start..cursor.position());
    }
    if flexible {
        result.current_leader = current_leader(cursor, version)?;
    }
    Ok(result)
}

fn current_leader(cursor: &mut Cursor<'_>, version: i16) -> Result<Option<(i32, i32)>, WireError> {
    let mut leader = None;
    for _ in 0..cursor.uvarint()? {
        let tag = cursor.uvarint()?;
        let size = cursor.uvarint()? as usize;
        let mut data = Cursor::new(cursor.take(size)?);
        if tag == LEADER_TAG && version >= LEADER_SINCE {
            leader = Some((data.i32()?, data.i32()?));
        }
    }
    Ok(leader)
}

/// The whole frame of a response with these results, in any order; each batch of the request has exactly one. Topics come in the request's order.
///
/// New leaders are not named: a client does not know a node whose endpoint is not there, and asks for metadata anyway.
pub fn encode_response(version: i16, correlation_id: i32, request: &Layout, request_frame: &[u8], results: &[PartitionResult], throttle_ms: i32) -> Bytes {
    let flexible = version >= FLEXIBLE_SINCE;
    let mut sorted: Vec<&PartitionResult> = results.iter().filter(|result| result.topic < request.topics.len()).collect();
    sorted.sort_by_key(|result| result.topic);
    let topics: Vec<&[&PartitionResult]> = sorted.chunk_by(|one, other| one.topic == other.topic).collect();
    let mut out = BytesMut::new();
    out.put_u32(0);
    out.put_i32(correlation_id);
    no_tags(&mut out, flexible);
    put_count(&mut out, topics.len() as u32, flexible);
    for results in topics {
        let Some(topic) = results.first().and_then(|result| request.topics.get(result.topic)) else { continue };
        let key = topic.key(request_frame);
        match &topic.name {
            TopicName::Name(_) if flexible => put_uvarint(&mut out, key.len() as u32 + 1),
            TopicName::Name(_) => out.put_u16(key.len() as u16),
            TopicName::Id(_) => {}
        }
        out.put_slice(key);
        put_count(&mut out, results.len() as u32, flexible);
        for result in results {
            put_result(&mut out, version, result);
        }
        no_tags(&mut out, flexible);
    }
    if version >= THROTTLE_SINCE {
        out.put_i32(throttle_ms);
    }
    no_tags(&mut out, flexible);
    let length = (out.len() - LENGTH_BYTES) as u32;
    super::put(&mut out, 0, &length.to_be_bytes());
    out.freeze()
}

fn put_result(out: &mut BytesMut, version: i16, result: &PartitionResult) {
    let flexible = version >= FLEXIBLE_SINCE;
    out.put_i32(result.partition);
    out.put_i16(result.error_code);
    out.put_i64(result.base_offset);
    if version >= LOG_APPEND_TIME_SINCE {
        out.put_i64(result.log_append_time_ms);
    }
    if version >= LOG_START_SINCE {
        out.put_i64(result.log_start_offset);
    }
    if version >= RECORD_ERRORS_SINCE {
        // No record errors and a null message.
        let none: &[u8] = if flexible { &[1, 0] } else { &[0, 0, 0, 0, 0xff, 0xff] };
        out.put_slice(if result.details.is_empty() { none } else { &result.details });
    }
    no_tags(out, flexible);
}

fn no_tags(out: &mut BytesMut, flexible: bool) {
    if flexible {
        out.put_u8(0);
    }
}

/// Whether any partition in a whole response frame has a code other than 0. Nothing is allocated.
///
/// # Errors
/// The response is malformed.
pub fn has_errors(version: i16, frame: &[u8]) -> Result<bool, WireError> {
    let response = frame.get(LENGTH_BYTES..).unwrap_or_default();
    let header = ResponseHeader::parse(response, api::PRODUCE, version)?;
    let mut any = false;
    schema::error_codes(api::PRODUCE, version, response.get(header.body..).unwrap_or_default(), &mut |_| any = true)?;
    Ok(any)
}
