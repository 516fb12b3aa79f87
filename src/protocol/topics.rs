//! Which topics a Produce request or the answer to a Fetch carries, as far as the bytes that are there tell, and how many of the frame's bytes each takes.
//!
//! It reads from the front of a frame that need not be there as a whole. What lies beyond the bytes that are there is taken as of the last topic that was seen:
//! brokers and clients change the order of topics from one frame to the next, so that it evens out over many.

use super::peek::ProducePeek;
use super::produce::Topic;
use crate::wire::{Cursor, ResponseHeader, WireError, api};

/// Topics of one frame that are told apart; what is behind them counts as of the last one.
const TOPICS_MAX: usize = 1000;
/// A topic's name is no longer in any version of Kafka.
const NAME_BYTES_MAX: usize = 249;
/// The first Produce and the first Fetch version that name topics by id alone (KIP-516).
const TOPIC_IDS_SINCE: i16 = 13;
const UUID_BYTES: usize = 16;
/// `ProducerId` and `FirstOffset` of an aborted transaction.
const ABORTED_BYTES: usize = 16;

/// The topics of a Produce request. `bytes`: what there is of the frame behind its length field; `length`: what that field says.
pub fn of_produce(bytes: &[u8], length: usize, version: i16, peek: &ProducePeek, on_topic: &mut dyn FnMut(Topic<'_>, usize)) {
    let flexible = api::Api::of(api::PRODUCE).is_some_and(|api| api.is_flexible(version));
    let mut walk = Walk { cursor: Cursor::new(bytes), flexible, length, last: None, on_topic };
    // It ends early where the bytes do.
    let _ = walk.produce(version, peek);
    walk.end();
}

/// The same for the answer to a Fetch or a ShareFetch.
pub fn of_fetched(bytes: &[u8], length: usize, api_key: i16, version: i16, on_topic: &mut dyn FnMut(Topic<'_>, usize)) {
    let Ok(header) = ResponseHeader::parse(bytes, api_key, version) else { return };
    let flexible = api::Api::of(api_key).is_some_and(|api| api.is_flexible(version));
    let mut walk = Walk { cursor: Cursor::new(bytes), flexible, length, last: None, on_topic };
    let _ = walk.cursor.skip(header.body).and_then(|()| if api_key == api::FETCH { walk.fetched(version) } else { walk.share_fetched(version) });
    walk.end();
}

struct Walk<'a, 'f> {
    cursor: Cursor<'a>,
    flexible: bool,
    length: usize,
    /// The topic that is being passed, and where it begins.
    last: Option<(Topic<'a>, usize)>,
    on_topic: &'f mut dyn FnMut(Topic<'_>, usize),
}

impl Walk<'_, '_> {
    fn produce(&mut self, version: i16, peek: &ProducePeek) -> Result<(), WireError> {
        self.cursor.skip(peek.acks_at + size_of::<i16>() + size_of::<i32>())?;
        for _ in 0..self.count()?.min(TOPICS_MAX) {
            self.topic(version >= TOPIC_IDS_SINCE)?;
            for _ in 0..self.count()? {
                self.cursor.skip(size_of::<i32>())?;
                self.pass_records()?;
                self.pass_tags()?;
            }
            self.pass_tags()?;
        }
        Ok(())
    }

    fn fetched(&mut self, version: i16) -> Result<(), WireError> {
        // Throttle time; error and session id.
        self.cursor.skip(if version >= 1 { 4 } else { 0 } + if version >= 7 { 6 } else { 0 })?;
        for _ in 0..self.count()?.min(TOPICS_MAX) {
            self.topic(version >= TOPIC_IDS_SINCE)?;
            for _ in 0..self.count()? {
                // Index, error, high watermark; last stable offset; log start offset.
                self.cursor.skip(14 + if version >= 4 { 8 } else { 0 } + if version >= 5 { 8 } else { 0 })?;
                if version >= 4 {
                    self.pass_items(ABORTED_BYTES)?;
                }
                // The preferred replica to read from.
                self.cursor.skip(if version >= 11 { 4 } else { 0 })?;
                self.pass_records()?;
                self.pass_tags()?;
            }
            self.pass_tags()?;
        }
        Ok(())
    }

    fn share_fetched(&mut self, version: i16) -> Result<(), WireError> {
        // Throttle time and error.
        self.cursor.skip(6)?;
        self.cursor.nullable_string(true)?;
        // Acquisition lock timeout.
        self.cursor.skip(if version >= 1 { 4 } else { 0 })?;
        for _ in 0..self.count()?.min(TOPICS_MAX) {
            self.topic(true)?;
            for _ in 0..self.count()? {
                self.cursor.skip(6)?;
                self.cursor.nullable_string(true)?;
                self.cursor.skip(2)?;
                self.cursor.nullable_string(true)?;
                // The current leader.
                self.cursor.skip(8)?;
                self.pass_tags()?;
                self.pass_records()?;
                // Acquired records: first offset, last offset, delivery count.
                self.pass_items(18)?;
                self.pass_tags()?;
            }
            self.pass_tags()?;
        }
        Ok(())
    }

    fn count(&mut self) -> Result<usize, WireError> {
        Ok(self.cursor.array_count(self.flexible)?.unwrap_or(0))
    }

    fn pass_items(&mut self, item_bytes: usize) -> Result<(), WireError> {
        let items = self.count()?;
        if !self.flexible {
            return self.cursor.skip(items.saturating_mul(item_bytes));
        }
        for _ in 0..items {
            self.cursor.skip(item_bytes)?;
            self.cursor.skip_tags()?;
        }
        Ok(())
    }

    fn pass_records(&mut self) -> Result<(), WireError> {
        let bytes = self.cursor.bytes_length(self.flexible)?.unwrap_or(0);
        self.cursor.skip(bytes)
    }

    fn pass_tags(&mut self) -> Result<(), WireError> {
        if self.flexible { self.cursor.skip_tags() } else { Ok(()) }
    }

    /// Reads the next topic's name or id, at which the topic before it ends. A name that cannot be one ends the walk.
    fn topic(&mut self, by_id: bool) -> Result<(), WireError> {
        let start = self.cursor.position();
        let topic = if by_id {
            Topic::Id(self.cursor.array::<UUID_BYTES>()?)
        } else {
            let name = self.cursor.string(self.flexible)?;
            if name.is_empty() || name.len() > NAME_BYTES_MAX {
                return Err(WireError::BadValue { what: "a topic's name", offset: start });
            }
            Topic::Name(name)
        };
        if let Some((before, began)) = self.last.replace((topic, start)) {
            (self.on_topic)(before, start - began);
        }
        Ok(())
    }

    /// The last topic takes the rest of the frame.
    fn end(&mut self) {
        if let Some((topic, began)) = self.last.take() {
            (self.on_topic)(topic, self.length.saturating_sub(began));
        }
    }
}

#[cfg(test)]
mod tests;
