//! A Produce request taken apart without touching its records, and its response, in every version from 0 to 13 (`ProduceRequest.json`, `ProduceResponse.json`).
//!
//! Written by hand, because records must never be decoded or copied, and because the oldest versions are still sent.

mod crc;
mod number;
mod response;
mod sample;
mod subset;

use std::ops::Range;

pub use number::{NotNumberable, next_sequence, number};
pub use response::{PartitionResult, Response, encode_response, failed, has_errors, parse_response};
pub use sample::{Sample, sample};
pub use subset::subset;

use crate::wire::frame::LENGTH_BYTES;
use crate::wire::{Cursor, RequestHeader, WireError, api};

/// The newest version that is understood.
const LAST: i16 = 13;
/// Versions with a transactional id.
const TRANSACTIONAL_SINCE: i16 = 3;
/// The first version with compact types and tagged fields.
const FLEXIBLE_SINCE: i16 = 9;
/// The first version that names topics by id (KIP-516).
const TOPIC_ID_SINCE: i16 = 13;

/// A Produce taken apart. Offsets and ranges are into the whole frame, its length field included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    pub version: i16,
    /// Compact types and tagged fields.
    pub flexible: bool,
    pub acks: i16,
    /// Where INT16 `Acks` stands; INT32 `TimeoutMs` follows it.
    pub acks_at: usize,
    pub timeout_ms: i32,
    /// The transactional id is not null.
    pub transactional: bool,
    pub topics: Vec<TopicLayout>,
    /// In the order of the bytes, so those of one topic stand together.
    pub batches: Vec<BatchLayout>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicLayout {
    pub name: TopicName,
}

/// How the request names a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicName {
    /// Where the name stands, without its length.
    Name(Range<usize>),
    /// v13 and later.
    Id([u8; 16]),
}

/// A topic as the request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic<'a> {
    Name(&'a str),
    Id([u8; 16]),
}

/// The records for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchLayout {
    /// Index into [`Layout::topics`].
    pub topic: usize,
    pub partition: i32,
    /// Where the records stand, without their length; empty when they are null.
    pub records: Range<usize>,
    /// Null records are not empty records.
    pub null: bool,
    /// `None` for null or empty records, and for formats before magic 2.
    pub head: Option<BatchHead>,
}

/// What the header of a record batch v2 says (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHead {
    /// -1: none.
    pub producer_id: i64,
    pub producer_epoch: i16,
    /// -1: none.
    pub base_sequence: i32,
    pub record_count: i32,
    pub last_offset_delta: i32,
    pub transactional: bool,
}

impl Layout {
    /// The topic that `batch` is for; `None` when `frame` is not the frame of this layout.
    pub fn topic<'a>(&self, frame: &'a [u8], batch: &BatchLayout) -> Option<Topic<'a>> {
        self.topics.get(batch.topic)?.topic(frame)
    }
}

impl TopicLayout {
    /// The topic's name or id; `None` when `frame` is not the frame that was parsed.
    pub fn topic<'a>(&self, frame: &'a [u8]) -> Option<Topic<'a>> {
        match &self.name {
            TopicName::Name(range) => std::str::from_utf8(frame.get(range.clone())?).ok().map(Topic::Name),
            TopicName::Id(id) => Some(Topic::Id(*id)),
        }
    }

    /// The name's or the id's bytes as they stand on the wire.
    fn key<'a>(&'a self, frame: &'a [u8]) -> &'a [u8] {
        match &self.name {
            TopicName::Name(range) => frame.get(range.clone()).unwrap_or_default(),
            TopicName::Id(id) => id,
        }
    }
}

/// Takes a whole frame apart, its length field and header included.
///
/// # Errors
/// The frame is malformed, or its version is newer than 13. Bytes behind the message's end are let through, as brokers do.
pub fn parse(frame: &[u8]) -> Result<Layout, WireError> {
    let header = RequestHeader::parse(frame.get(LENGTH_BYTES..).unwrap_or_default())?;
    let version = header.api_version;
    if header.api_key != api::PRODUCE || !(0..=LAST).contains(&version) {
        return Err(WireError::BadValue { what: "a Produce of an unknown version", offset: LENGTH_BYTES });
    }
    let flexible = version >= FLEXIBLE_SINCE;
    let mut cursor = Cursor::new(frame);
    cursor.skip(LENGTH_BYTES + header.body)?;
    let transactional = version >= TRANSACTIONAL_SINCE && cursor.nullable_string(flexible)?.is_some();
    let acks_at = cursor.position();
    let (acks, timeout_ms) = (cursor.i16()?, cursor.i32()?);
    let mut layout = Layout { version, flexible, acks, acks_at, timeout_ms, transactional, topics: Vec::new(), batches: Vec::new() };
    for topic in 0..count(&mut cursor, flexible)? {
        let name = topic_name(&mut cursor, version)?;
        layout.topics.push(TopicLayout { name });
        for _ in 0..count(&mut cursor, flexible)? {
            layout.batches.push(batch(&mut cursor, topic, flexible)?);
        }
        tags(&mut cursor, flexible)?;
    }
    tags(&mut cursor, flexible)?;
    Ok(layout)
}

fn batch(cursor: &mut Cursor<'_>, topic: usize, flexible: bool) -> Result<BatchLayout, WireError> {
    let partition = cursor.i32()?;
    let length = cursor.bytes_length(flexible)?;
    let start = cursor.position();
    let records = cursor.take(length.unwrap_or(0))?;
    let layout = BatchLayout { topic, partition, records: start..cursor.position(), null: length.is_none(), head: BatchHead::read(records) };
    tags(cursor, flexible)?;
    Ok(layout)
}

/// The count of an array that must not be null. Each element takes bytes, so a count beyond the frame ends with the frame; nothing is reserved by it.
fn count(cursor: &mut Cursor<'_>, flexible: bool) -> Result<usize, WireError> {
    let offset = cursor.position();
    cursor.array_count(flexible)?.ok_or(WireError::BadValue { what: "null array", offset })
}

fn topic_name(cursor: &mut Cursor<'_>, version: i16) -> Result<TopicName, WireError> {
    if version >= TOPIC_ID_SINCE {
        return cursor.array().map(TopicName::Id);
    }
    let name = cursor.string(version >= FLEXIBLE_SINCE)?;
    let end = cursor.position();
    Ok(TopicName::Name(end - name.len()..end))
}

fn tags(cursor: &mut Cursor<'_>, flexible: bool) -> Result<(), WireError> {
    if flexible { cursor.skip_tags() } else { Ok(()) }
}

impl BatchHead {
    fn read(records: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(records);
        // Base offset, batch length, partition leader epoch.
        cursor.skip(16).ok()?;
        if cursor.i8().ok()? != 2 {
            return None;
        }
        let _crc = cursor.u32().ok()?;
        let attributes = cursor.i16().ok()?;
        let last_offset_delta = cursor.i32().ok()?;
        // Base and highest timestamp.
        cursor.skip(16).ok()?;
        Some(BatchHead {
            producer_id: cursor.i64().ok()?,
            producer_epoch: cursor.i16().ok()?,
            base_sequence: cursor.i32().ok()?,
            record_count: cursor.i32().ok()?,
            last_offset_delta,
            transactional: attributes & 0x10 != 0,
        })
    }
}

/// Writes another `Acks` into the frame of `layout`; its length stays.
pub fn set_acks(frame: &mut [u8], layout: &Layout, acks: i16) {
    put(frame, layout.acks_at, &acks.to_be_bytes());
}

/// Writes another `TimeoutMs` into the frame of `layout`; its length stays.
pub fn set_timeout(frame: &mut [u8], layout: &Layout, timeout_ms: i32) {
    put(frame, layout.acks_at + size_of::<i16>(), &timeout_ms.to_be_bytes());
}

/// Overwrites bytes that are there; a place outside the frame is none of this layout's, and nothing is written.
fn put(frame: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = frame.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests;
