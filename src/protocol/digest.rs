//! What a request or a response names: topics, partitions, sizes of records, error codes. Read by the table of [`super::schema`], as far as the bytes are there, and
//! bounded: what is beyond the bounds is counted and not kept.

mod blank;
mod contents;

#[cfg(test)]
mod tests;

use super::produce::Topic;
use super::schema::{Field, Kind, Shape, message};
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::{Cursor, RequestHeader, ResponseHeader, WireError};

pub use blank::{blank_request, blank_response, holds_secrets};
pub use contents::{Content, Unopened, contents};

/// Partitions, and topics of which none is named, that one digest tells.
pub const NAMED_MAX: usize = 32;

/// Different error codes that one digest tells.
pub const ERRORS_MAX: usize = 8;

/// Fields that are read of one message: a Metadata response of thousands of partitions must not keep a thread for milliseconds.
const FIELDS_MAX: usize = 20_000;

/// What one message names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digest {
    /// In the order of the bytes.
    pub topics: Vec<NamedTopic>,
    /// Partitions and topics beyond [`NAMED_MAX`], as far as they were read.
    pub more: usize,
    /// Error codes that are not 0, each once, in the order of the bytes.
    pub errors: Vec<i16>,
    /// All of the message was read.
    pub is_whole: bool,
}

/// A topic of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedTopic {
    pub name: Option<Box<str>>,
    pub id: Option<[u8; 16]>,
    pub partitions: Vec<NamedPartition>,
}

/// A partition of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NamedPartition {
    pub partition: i32,
    /// Bytes of its records; `None`: the message has no records for it.
    pub record_bytes: Option<usize>,
    /// Where they stand in the frame; 0: nowhere.
    pub records_at: usize,
    /// Records in them by the batches' own heads; `None` where a format before v2 does not say.
    pub records: Option<u32>,
    pub error: i16,
}

/// What a request frame names, its length field included; `bytes` may end before the frame does. `seen` hears of every topic.
pub fn request(bytes: &[u8], seen: &mut dyn FnMut(Topic<'_>)) -> Digest {
    let Ok(header) = RequestHeader::parse(bytes.get(LENGTH_BYTES..).unwrap_or_default()) else { return Digest::default() };
    read(Kind::Request, header.api_key, header.api_version, bytes, header.body, seen)
}

/// The same of the answer to a request of this key and version.
pub fn response(api_key: i16, api_version: i16, bytes: &[u8], seen: &mut dyn FnMut(Topic<'_>)) -> Digest {
    let Ok(header) = ResponseHeader::parse(bytes.get(LENGTH_BYTES..).unwrap_or_default(), api_key, api_version) else { return Digest::default() };
    read(Kind::Response, api_key, api_version, bytes, header.body, seen)
}

/// `body`: where that begins, counted behind the length field.
fn read(kind: Kind, api_key: i16, version: i16, frame: &[u8], body: usize, seen: &mut dyn FnMut(Topic<'_>)) -> Digest {
    let Some(message) = message(kind, api_key, version) else { return Digest::default() };
    let (flexible, cursor) = (version >= message.flexible_since, Cursor::new(frame));
    let mut reader = Reader { cursor, version, flexible, left: FIELDS_MAX, named: 0, digest: Digest::default(), topic: None, seen };
    reader.digest.is_whole = reader.cursor.skip(LENGTH_BYTES + body).is_ok() && reader.fields(message.fields, Place::Top).is_ok();
    // What a message that breaks off had named so far.
    reader.end_topic();
    reader.digest
}

/// In what a field stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Topic,
    Partition,
    /// In something else inside a topic.
    Inside,
}

struct Reader<'a, 's> {
    cursor: Cursor<'a>,
    version: i16,
    flexible: bool,
    /// Fields that may still be read.
    left: usize,
    /// Partitions, and topics without any, that the digest has.
    named: usize,
    digest: Digest,
    /// The topic whose element is being read, and its partition.
    topic: Option<(NamedTopic, Option<NamedPartition>)>,
    seen: &'s mut dyn FnMut(Topic<'_>),
}

impl Reader<'_, '_> {
    fn fields(&mut self, fields: &'static [Field], place: Place) -> Result<(), WireError> {
        let version = self.version;
        for field in fields.iter().filter(|field| field.tag.is_none() && field.is_in(version)) {
            self.value(&field.shape, field.name, field.is_nullable(version), place)?;
        }
        if self.flexible { self.cursor.skip_tags() } else { Ok(()) }
    }

    fn value(&mut self, shape: &'static Shape, name: &'static str, nullable: bool, place: Place) -> Result<(), WireError> {
        self.left = self.left.checked_sub(1).ok_or(WireError::BadValue { what: "a message of too many fields", offset: self.cursor.position() })?;
        match shape {
            Shape::ErrorCode => {
                let code = self.cursor.i16()?;
                self.error(code, place);
                Ok(())
            }
            Shape::Fixed(size) => {
                let bytes = self.cursor.take(*size)?;
                self.number(name, bytes, place);
                Ok(())
            }
            Shape::String => {
                let Some(length) = self.cursor.string_length(self.flexible)? else { return Ok(()) };
                let bytes = self.cursor.take(length)?;
                if place == Place::Topic && is_topic_name(name) {
                    self.topic_is(bytes);
                }
                Ok(())
            }
            Shape::Bytes => {
                let Some(length) = self.cursor.bytes_length(self.flexible)? else { return Ok(()) };
                if place == Place::Partition && name == "Records" {
                    self.records(length);
                }
                self.cursor.skip(length)
            }
            Shape::Struct(_) if nullable && self.cursor.i8()? < 0 => Ok(()),
            Shape::Struct(fields) => self.fields(fields, place),
            Shape::Array(element) => {
                let Some(count) = self.cursor.array_count(self.flexible)? else { return Ok(()) };
                self.elements(count, element, name, place)
            }
        }
    }

    /// A count beyond the bytes ends with them, or with the fields that may be read; nothing is reserved by it.
    fn elements(&mut self, count: usize, element: &'static Shape, name: &'static str, place: Place) -> Result<(), WireError> {
        let inner = match place {
            Place::Top if is_topic_list(name) => Place::Topic,
            Place::Top => Place::Top,
            Place::Topic if name.contains("Partition") => Place::Partition,
            Place::Topic | Place::Partition | Place::Inside => Place::Inside,
        };
        if let (Place::Inside, Shape::Fixed(size)) = (inner, element) {
            return self.cursor.skip(count.saturating_mul(*size));
        }
        for _ in 0..count {
            match inner {
                Place::Topic => self.topic = Some((NamedTopic::default(), None)),
                Place::Partition => self.begin_partition(),
                Place::Top | Place::Inside => {}
            }
            self.value(element, name, false, inner)?;
            match inner {
                Place::Topic => self.end_topic(),
                Place::Partition => self.end_partition(),
                Place::Top | Place::Inside => {}
            }
        }
        Ok(())
    }

    fn number(&mut self, name: &str, bytes: &[u8], place: Place) {
        match (place, name, bytes.len()) {
            (Place::Topic, "TopicId", 16) => self.topic_has_id(bytes),
            (Place::Partition, "Index" | "Partition" | "PartitionIndex" | "PartitionId" | "Partitions" | "PartitionIndexes", 4) => {
                if let (Some((_, Some(partition))), Ok(bytes)) = (&mut self.topic, bytes.try_into()) {
                    partition.partition = i32::from_be_bytes(bytes);
                }
            }
            _ => {}
        }
    }

    fn topic_is(&mut self, bytes: &[u8]) {
        let (Some((topic, _)), Ok(name)) = (&mut self.topic, std::str::from_utf8(bytes)) else { return };
        topic.name = Some(name.into());
        (self.seen)(Topic::Name(name));
    }

    /// Only zeros stand for no id.
    fn topic_has_id(&mut self, bytes: &[u8]) {
        let Ok(id) = <[u8; 16]>::try_from(bytes) else { return };
        if let Some((topic, _)) = self.topic.as_mut().filter(|_| id != [0; 16]) {
            topic.id = Some(id);
            (self.seen)(Topic::Id(id));
        }
    }

    fn error(&mut self, code: i16, place: Place) {
        if code == 0 {
            return;
        }
        if !self.digest.errors.contains(&code) && self.digest.errors.len() < ERRORS_MAX {
            self.digest.errors.push(code);
        }
        if let (Place::Partition, Some((_, Some(partition)))) = (place, &mut self.topic) {
            partition.error = code;
        }
    }

    /// Before the records of `length` bytes, of which perhaps not all are there.
    fn records(&mut self, length: usize) {
        let rest = self.cursor.rest();
        let there = rest.get(..length).unwrap_or(rest);
        if let Some((_, Some(partition))) = &mut self.topic {
            (partition.record_bytes, partition.records, partition.records_at) = (Some(length), records_in(there), self.cursor.position());
        }
    }

    fn begin_partition(&mut self) {
        if let Some((_, partition)) = &mut self.topic {
            *partition = Some(NamedPartition { partition: -1, ..NamedPartition::default() });
        }
    }

    fn end_partition(&mut self) {
        let Some((topic, partition)) = &mut self.topic else { return };
        let Some(partition) = partition.take() else { return };
        if self.named < NAMED_MAX {
            self.named += 1;
            topic.partitions.push(partition);
        } else {
            self.digest.more += 1;
        }
    }

    fn end_topic(&mut self) {
        if self.topic.as_ref().is_some_and(|(_, partition)| partition.is_some_and(|partition| partition.partition >= 0)) {
            self.end_partition();
        }
        let Some((topic, _)) = self.topic.take().filter(|(topic, _)| topic.name.is_some() || topic.id.is_some()) else { return };
        if !topic.partitions.is_empty() {
            self.digest.topics.push(topic);
        } else if self.named < NAMED_MAX {
            self.named += 1;
            self.digest.topics.push(topic);
        } else {
            self.digest.more += 1;
        }
    }
}

/// Lists whose elements are topics, of all messages. What is forgotten by a Fetch session is not asked for.
fn is_topic_list(name: &str) -> bool {
    name == "Responses" || (name.contains("Topic") && !["ForgottenTopicsData", "SourceTopicRegex", "TopicConfigs"].contains(&name))
}

/// The name of a topic's element, or of a list of names.
fn is_topic_name(name: &str) -> bool {
    matches!(name, "Name" | "Topic" | "TopicName") || is_topic_list(name)
}

/// What stands before the number of records in a batch, where its format and its length stand, and what its length does not count (KIP-98).
const COUNT_AT: usize = 57;
const MAGIC_AT: usize = 16;
const LENGTH_AT: usize = 8;
const FRAME_BYTES: usize = 12;

/// The records of these batches, as their heads count them; `None`: a format before v2, or a head that is not there.
fn records_in(batches: &[u8]) -> Option<u32> {
    let mut records = 0_u32;
    let mut rest = batches;
    while rest.len() > FRAME_BYTES {
        let int = |at: usize| Some(i32::from_be_bytes(rest.get(at..at + 4)?.try_into().ok()?));
        if rest.get(MAGIC_AT) != Some(&2) {
            return None;
        }
        records = records.saturating_add(u32::try_from(int(COUNT_AT)?).ok()?);
        let length = usize::try_from(int(LENGTH_AT)?).ok()?;
        rest = rest.get(FRAME_BYTES + length..).unwrap_or_default();
    }
    Some(records)
}
