//! Produce, Fetch, ShareFetch and ShareAcknowledge: a walk over the response as it streams by.
//!
//! It reports error codes and rewrites the addresses at the end. Strings and records are passed over by their length, never stored: the walk itself is a few
//! counters, and a response of any size flows through.

use bytes::Bytes;

use super::endpoints::{self, Form};
use super::{Addresses, FETCH_ENDPOINTS_SINCE, PRODUCE_ENDPOINTS_SINCE, PatchError, TAIL_BYTES_MAX, last_version};
use crate::wire::{Cursor, WireError, api};

/// The walk over one response. Small and without heap: it is part of a connection's state.
#[derive(Debug, Clone)]
pub struct ResponseWalk {
    /// Bytes of the frame that have not been passed.
    left: usize,
    /// Bytes to pass before the next field: a string, records, the data of a tag.
    skip: usize,
    topics: u32,
    partitions: u32,
    /// Elements left of the array inside a partition: record errors, aborted transactions, acquired records.
    items: u32,
    /// Tagged fields left of the section that is being passed.
    tags: u32,
    stage: Stage,
    after_tags: Stage,
    kind: Kind,
    version: i8,
    flexible: bool,
}

/// What can be done with the bytes of a response that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// `pass` bytes may go on untouched. What is left behind them is an incomplete field or the incomplete tail: call again with that remainder and at least `need` bytes more
    /// (0 when nothing is left).
    Pass { pass: usize, need: usize },
    /// The frame's end is there: `pass` bytes go on untouched, then `with` in place of the rest of the frame. `with` is exactly as long as what it replaces, so that the
    /// length field that has already left stays true. `None`: `pass` is all the rest.
    Tail { pass: usize, with: Option<Bytes> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Produce,
    Fetch,
    ShareFetch,
    ShareAcknowledge,
}

/// The field that stands next, once `skip` bytes are passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Header,
    Top,
    /// Share: the fields behind the top-level error message.
    ShareTop,
    Topic,
    PartitionCount,
    Partition,
    /// Share: the field behind a partition's error message.
    ShareMessage,
    Leader,
    Records,
    ItemCount,
    Item,
    ItemTags,
    AfterItems,
    PartitionTags,
    End,
    Tags,
    Tail,
    /// Behind the last field.
    Done,
    /// A version that is not known.
    Unknown,
}

impl ResponseWalk {
    /// A walk over the answer to a request of this key and version; `length` is what the frame's length field says. It begins behind that field, at the correlation id.
    ///
    /// `None` when the API needs no walk. A version that is not known gets a walk that fails: its addresses could not be rewritten.
    pub fn new(api_key: i16, api_version: i16, length: usize) -> Option<ResponseWalk> {
        let kind = match api_key {
            api::PRODUCE => Kind::Produce,
            api::FETCH => Kind::Fetch,
            api::SHARE_FETCH => Kind::ShareFetch,
            api::SHARE_ACKNOWLEDGE => Kind::ShareAcknowledge,
            _ => return None,
        };
        let known = last_version(api_key).is_some_and(|last| (0..=last).contains(&api_version));
        Some(ResponseWalk {
            left: length,
            skip: 0,
            topics: 0,
            partitions: 0,
            items: 0,
            tags: 0,
            stage: if known { Stage::Header } else { Stage::Unknown },
            after_tags: Stage::Top,
            kind,
            version: i8::try_from(api_version).unwrap_or(i8::MAX),
            flexible: api::Api::of(api_key).is_some_and(|api| api.is_flexible(api_version)),
        })
    }

    /// Goes on with `bytes`, the unread bytes of this frame (never beyond its end). Every error code that is not 0 goes to `on_error`, once.
    ///
    /// # Errors
    /// The response cannot be passed on, see [`PatchError`]; the walk is then of no further use.
    pub fn advance(&mut self, bytes: &[u8], addresses: &dyn Addresses, on_error: &mut dyn FnMut(i16)) -> Result<Step, PatchError> {
        let bytes = bytes.get(..self.left).unwrap_or(bytes);
        let mut cursor = Cursor::new(bytes);
        loop {
            if self.skip > 0 {
                let there = self.skip.min(cursor.remaining());
                cursor.skip(there)?;
                self.skip -= there;
                if self.skip > 0 {
                    return self.pause(cursor.position(), 0, bytes.len());
                }
            }
            if matches!(self.stage, Stage::Tail | Stage::Done) {
                return self.finish(bytes, cursor.position(), addresses);
            }
            let field = cursor.position();
            match self.read(&mut cursor, on_error) {
                Ok(()) => {}
                Err(PatchError::Malformed(WireError::Truncated { needed, .. })) => return self.pause(field, needed - bytes.len(), bytes.len()),
                Err(error) => return Err(error),
            }
            let left = self.left - cursor.position();
            if self.skip > left {
                return Err(PatchError::Truncated { missing: self.skip - left });
            }
        }
    }

    /// `need` more bytes than the `there` that were given are wanted.
    fn pause(&mut self, pass: usize, need: usize, there: usize) -> Result<Step, PatchError> {
        let in_frame = self.left - there;
        if need > in_frame {
            return Err(PatchError::Truncated { missing: need - in_frame });
        }
        self.left -= pass;
        Ok(Step::Pass { pass, need: if pass == there { 0 } else { need } })
    }

    /// At the tail, or behind the last field.
    fn finish(&mut self, bytes: &[u8], at: usize, addresses: &dyn Addresses) -> Result<Step, PatchError> {
        let tail = self.left - at;
        if self.stage == Stage::Done {
            return if tail == 0 { self.end(at, None) } else { Err(PatchError::Trailing(tail)) };
        }
        let there = bytes.get(at..).unwrap_or_default();
        if there.len() < tail {
            if tail > TAIL_BYTES_MAX {
                return Err(PatchError::TooLarge { what: "the tail of a response", bytes: tail, max: TAIL_BYTES_MAX });
            }
            return self.pause(at, tail - there.len(), bytes.len());
        }
        let form = match self.kind {
            Kind::Produce | Kind::Fetch => Form::Tagged,
            Kind::ShareFetch | Kind::ShareAcknowledge => Form::Array,
        };
        match endpoints::rewrite(there, form, addresses)? {
            Some(with) => self.end(at, Some(with)),
            None => self.end(at + tail, None),
        }
    }

    fn end(&mut self, pass: usize, with: Option<Bytes>) -> Result<Step, PatchError> {
        self.left = 0;
        self.stage = Stage::Done;
        Ok(Step::Tail { pass, with })
    }

    /// Reads the next field and changes nothing if it is not all there.
    fn read(&mut self, cursor: &mut Cursor<'_>, on_error: &mut dyn FnMut(i16)) -> Result<(), PatchError> {
        match self.stage {
            Stage::Header => {
                cursor.skip(size_of::<i32>())?;
                self.pass_tags(cursor, Stage::Top)
            }
            Stage::Top => self.read_top(cursor, on_error),
            Stage::ShareTop => {
                if self.version >= self.share_lock_since() {
                    cursor.skip(4)?;
                }
                self.topics = self.count(cursor, "Responses")?;
                self.stage = Stage::Topic;
                Ok(())
            }
            Stage::Topic => self.read_topic(cursor),
            Stage::PartitionCount => {
                self.partitions = self.count(cursor, "Partitions")?;
                self.stage = Stage::Partition;
                Ok(())
            }
            Stage::Partition if self.partitions == 0 => self.pass_tags(cursor, Stage::Topic),
            Stage::Partition => self.read_partition(cursor, on_error),
            Stage::ShareMessage => {
                if self.kind == Kind::ShareFetch {
                    let error = cursor.i16()?;
                    self.skip = cursor.string_length(true)?.unwrap_or(0);
                    report(error, on_error);
                }
                self.stage = Stage::Leader;
                Ok(())
            }
            Stage::Leader => {
                cursor.skip(8)?;
                self.pass_tags(cursor, if self.kind == Kind::ShareFetch { Stage::Records } else { Stage::PartitionTags })
            }
            Stage::Records => {
                self.skip = cursor.bytes_length(self.flexible)?.unwrap_or(0);
                self.stage = if self.kind == Kind::ShareFetch { Stage::ItemCount } else { Stage::PartitionTags };
                Ok(())
            }
            Stage::ItemCount => self.read_item_count(cursor),
            Stage::Item if self.items == 0 => {
                self.stage = Stage::AfterItems;
                Ok(())
            }
            Stage::Item => self.read_item(cursor),
            Stage::ItemTags => self.pass_tags(cursor, Stage::Item),
            Stage::AfterItems => self.read_after_items(cursor),
            Stage::PartitionTags => self.pass_tags(cursor, Stage::Partition),
            Stage::End => self.read_end(cursor),
            Stage::Tags if self.tags == 0 => {
                self.stage = self.after_tags;
                Ok(())
            }
            Stage::Tags => {
                cursor.uvarint()?;
                self.skip = cursor.uvarint()? as usize;
                self.tags -= 1;
                Ok(())
            }
            Stage::Unknown => Err(PatchError::Version { api_key: self.kind.api_key(), api_version: self.version.into() }),
            // `finish` has these.
            Stage::Tail | Stage::Done => Ok(()),
        }
    }

    fn read_top(&mut self, cursor: &mut Cursor<'_>, on_error: &mut dyn FnMut(i16)) -> Result<(), PatchError> {
        let mut error = 0;
        match self.kind {
            Kind::Produce => {}
            Kind::Fetch => {
                if self.version >= 1 {
                    cursor.skip(4)?;
                }
                if self.version >= 7 {
                    error = cursor.i16()?;
                    cursor.skip(4)?;
                }
            }
            Kind::ShareFetch | Kind::ShareAcknowledge => {
                cursor.skip(4)?;
                error = cursor.i16()?;
                self.skip = cursor.string_length(true)?.unwrap_or(0);
                self.stage = Stage::ShareTop;
                report(error, on_error);
                return Ok(());
            }
        }
        self.topics = self.count(cursor, "Responses")?;
        self.stage = Stage::Topic;
        report(error, on_error);
        Ok(())
    }

    fn read_topic(&mut self, cursor: &mut Cursor<'_>) -> Result<(), PatchError> {
        if self.topics == 0 {
            self.stage = Stage::End;
            return Ok(());
        }
        let by_id = match self.kind {
            Kind::Produce | Kind::Fetch => self.version >= TOPIC_IDS_SINCE,
            Kind::ShareFetch | Kind::ShareAcknowledge => true,
        };
        self.skip = if by_id { UUID_BYTES } else { cursor.string_length(self.flexible)?.ok_or(PatchError::Null("Name"))? };
        self.topics -= 1;
        self.stage = Stage::PartitionCount;
        Ok(())
    }

    fn read_partition(&mut self, cursor: &mut Cursor<'_>, on_error: &mut dyn FnMut(i16)) -> Result<(), PatchError> {
        cursor.skip(4)?;
        let error = cursor.i16()?;
        match self.kind {
            Kind::Produce => {
                // BaseOffset, LogAppendTimeMs (v2+), LogStartOffset (v5+).
                cursor.skip(8 + if self.version >= 2 { 8 } else { 0 } + if self.version >= 5 { 8 } else { 0 })?;
                self.stage = if self.version >= 8 { Stage::ItemCount } else { Stage::Partition };
            }
            Kind::Fetch => {
                // HighWatermark, LastStableOffset (v4+), LogStartOffset (v5+).
                cursor.skip(8 + if self.version >= 4 { 8 } else { 0 } + if self.version >= 5 { 8 } else { 0 })?;
                self.stage = if self.version >= 4 { Stage::ItemCount } else { Stage::Records };
            }
            Kind::ShareFetch | Kind::ShareAcknowledge => {
                self.skip = cursor.string_length(true)?.unwrap_or(0);
                self.stage = Stage::ShareMessage;
            }
        }
        self.partitions -= 1;
        report(error, on_error);
        Ok(())
    }

    fn read_item_count(&mut self, cursor: &mut Cursor<'_>) -> Result<(), PatchError> {
        let count = cursor.array_count(self.flexible)?.unwrap_or(0);
        if self.kind == Kind::Fetch && !self.flexible {
            // Aborted transactions without tags are of one size.
            self.skip = count.saturating_mul(ABORTED_BYTES);
            self.stage = Stage::AfterItems;
        } else {
            self.items = count as u32;
            self.stage = Stage::Item;
        }
        Ok(())
    }

    fn read_item(&mut self, cursor: &mut Cursor<'_>) -> Result<(), PatchError> {
        match self.kind {
            Kind::Produce => {
                cursor.skip(4)?;
                self.skip = cursor.string_length(self.flexible)?.unwrap_or(0);
            }
            Kind::Fetch => self.skip = ABORTED_BYTES,
            Kind::ShareFetch | Kind::ShareAcknowledge => self.skip = ACQUIRED_BYTES,
        }
        self.items -= 1;
        self.stage = Stage::ItemTags;
        Ok(())
    }

    fn read_after_items(&mut self, cursor: &mut Cursor<'_>) -> Result<(), PatchError> {
        match self.kind {
            Kind::Produce => {
                self.skip = cursor.string_length(self.flexible)?.unwrap_or(0);
                self.stage = Stage::PartitionTags;
            }
            Kind::Fetch => {
                if self.version >= 11 {
                    cursor.skip(4)?;
                }
                self.stage = Stage::Records;
            }
            Kind::ShareFetch | Kind::ShareAcknowledge => self.stage = Stage::PartitionTags,
        }
        Ok(())
    }

    /// Behind the topics.
    fn read_end(&mut self, cursor: &mut Cursor<'_>) -> Result<(), PatchError> {
        if self.kind == Kind::Produce && self.version >= 1 {
            cursor.skip(4)?;
        }
        let addresses = match self.kind {
            Kind::Produce => i16::from(self.version) >= PRODUCE_ENDPOINTS_SINCE,
            Kind::Fetch => i16::from(self.version) >= FETCH_ENDPOINTS_SINCE,
            Kind::ShareFetch | Kind::ShareAcknowledge => true,
        };
        if addresses {
            self.stage = Stage::Tail;
            return Ok(());
        }
        self.pass_tags(cursor, Stage::Done)
    }

    /// Passes a section of tagged fields, if this version has any, on the way to `then`.
    fn pass_tags(&mut self, cursor: &mut Cursor<'_>, then: Stage) -> Result<(), PatchError> {
        self.tags = if self.flexible { cursor.uvarint()? } else { 0 };
        self.after_tags = then;
        self.stage = if self.tags == 0 { then } else { Stage::Tags };
        Ok(())
    }

    fn count(&self, cursor: &mut Cursor<'_>, what: &'static str) -> Result<u32, PatchError> {
        // A count is at most 2^31, and the frame bounds how far it gets.
        cursor.array_count(self.flexible)?.map(|count| count as u32).ok_or(PatchError::Null(what))
    }

    /// The first version with `AcquisitionLockTimeoutMs`.
    fn share_lock_since(&self) -> i8 {
        if self.kind == Kind::ShareFetch { 1 } else { 2 }
    }
}

impl Kind {
    fn api_key(self) -> i16 {
        match self {
            Kind::Produce => api::PRODUCE,
            Kind::Fetch => api::FETCH,
            Kind::ShareFetch => api::SHARE_FETCH,
            Kind::ShareAcknowledge => api::SHARE_ACKNOWLEDGE,
        }
    }
}

/// The first Produce and the first Fetch version that name topics by id alone.
const TOPIC_IDS_SINCE: i8 = 13;
const UUID_BYTES: usize = 16;
/// `ProducerId` and `FirstOffset` of an aborted transaction.
const ABORTED_BYTES: usize = 16;
/// `FirstOffset`, `LastOffset` and `DeliveryCount` of acquired records.
const ACQUIRED_BYTES: usize = 18;

fn report(error: i16, on_error: &mut dyn FnMut(i16)) {
    if error != 0 {
        on_error(error);
    }
}

#[cfg(test)]
mod tests;
