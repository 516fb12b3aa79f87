//! A part of a Produce as a frame of its own.

use bytes::{BufMut, Bytes, BytesMut};

use super::{BatchLayout, Layout, TopicName};
use crate::protocol::put::{put_count, put_uvarint};
use crate::wire::frame::LENGTH_BYTES;

/// A new well-formed frame with the header and transactional id of `frame` and only the batches at these indices of [`Layout::batches`], in the order of the request.
///
/// In pieces: the records are slices of `frame`, never copied. Unknown tagged fields inside of topics and behind them are left out.
pub fn subset(frame: &Bytes, layout: &Layout, batches: &[usize], acks: i16, timeout_ms: i32) -> Vec<Bytes> {
    let mut chosen = batches.to_vec();
    chosen.sort_unstable();
    chosen.dedup();
    let chosen: Vec<&BatchLayout> = chosen.iter().filter_map(|index| layout.batches.get(*index)).collect();
    let topics: Vec<&[&BatchLayout]> = chosen.chunk_by(|one, other| one.topic == other.topic).collect();
    let mut pieces = Pieces { frame, flexible: layout.flexible, out: BytesMut::new(), done: Vec::new(), bytes: 0 };
    pieces.out.put_slice(frame.get(LENGTH_BYTES..layout.acks_at).unwrap_or_default());
    pieces.out.put_i16(acks);
    pieces.out.put_i32(timeout_ms);
    put_count(&mut pieces.out, topics.len() as u32, layout.flexible);
    for topic in topics {
        pieces.topic(layout, topic);
    }
    pieces.no_tags();
    pieces.finish()
}

struct Pieces<'a> {
    frame: &'a Bytes,
    flexible: bool,
    /// What comes next, until records come.
    out: BytesMut,
    done: Vec<Bytes>,
    bytes: usize,
}

impl Pieces<'_> {
    fn topic(&mut self, layout: &Layout, batches: &[&BatchLayout]) {
        let Some(topic) = batches.first().and_then(|batch| layout.topics.get(batch.topic)) else { return };
        let key = topic.key(self.frame);
        match &topic.name {
            TopicName::Name(_) if self.flexible => put_uvarint(&mut self.out, key.len() as u32 + 1),
            TopicName::Name(_) => self.out.put_u16(key.len() as u16),
            TopicName::Id(_) => {}
        }
        self.out.put_slice(key);
        put_count(&mut self.out, batches.len() as u32, self.flexible);
        for batch in batches {
            self.batch(batch);
        }
        self.no_tags();
    }

    fn batch(&mut self, batch: &BatchLayout) {
        self.out.put_i32(batch.partition);
        match (self.flexible, batch.null) {
            (true, true) => put_uvarint(&mut self.out, 0),
            (false, true) => self.out.put_i32(-1),
            (_, false) => put_count(&mut self.out, batch.records.len() as u32, self.flexible),
        }
        if !batch.records.is_empty() && batch.records.end <= self.frame.len() {
            self.cut();
            self.push(self.frame.slice(batch.records.clone()));
        }
        self.no_tags();
    }

    fn no_tags(&mut self) {
        if self.flexible {
            self.out.put_u8(0);
        }
    }

    fn cut(&mut self) {
        let piece = self.out.split().freeze();
        self.push(piece);
    }

    fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.bytes += piece.len();
            self.done.push(piece);
        }
    }

    /// The pieces behind their length field.
    fn finish(mut self) -> Vec<Bytes> {
        self.cut();
        let length = Bytes::copy_from_slice(&(self.bytes as u32).to_be_bytes());
        std::iter::once(length).chain(self.done).collect()
    }
}
