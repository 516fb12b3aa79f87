//! One thread's buffers. A connection borrows one only while bytes are in transit.

use bytes::BytesMut;

/// Buffers kept for the next borrower; beyond that they go back to the allocator, so that a burst does not stay in memory for ever.
const FREE_BUFFERS_MAX: usize = 32;

/// The size of a buffer that is made when the thread's share of `limits.buffer_bytes_max` is used up: enough to go on, slowly.
const SMALL_BUFFER_BYTES: usize = 8 * 1024;

pub(super) struct Pool {
    free: Vec<BytesMut>,
    /// Pooled buffers that are borrowed.
    out: usize,
    out_max: usize,
    buffer_bytes: usize,
}

impl Pool {
    /// `share_bytes`: this thread's part of the memory for bytes in transit.
    pub(super) fn new(buffer_bytes: usize, share_bytes: usize) -> Self {
        Pool { free: Vec::new(), out: 0, out_max: (share_bytes / buffer_bytes).max(2), buffer_bytes }
    }

    pub(super) fn take(&mut self) -> Buffer {
        if self.out >= self.out_max {
            return Buffer { bytes: BytesMut::with_capacity(SMALL_BUFFER_BYTES), pooled: false };
        }
        self.out += 1;
        let bytes = self.free.pop().unwrap_or_else(|| BytesMut::with_capacity(self.buffer_bytes));
        Buffer { bytes, pooled: true }
    }

    pub(super) fn give(&mut self, buffer: Buffer) {
        if !buffer.pooled {
            return;
        }
        self.out -= 1;
        let mut bytes = buffer.bytes;
        bytes.clear();
        // A buffer that grew, or of which somebody still holds a part, is left to the allocator.
        if self.free.len() < FREE_BUFFERS_MAX && bytes.try_reclaim(self.buffer_bytes) {
            self.free.push(bytes);
        }
    }

    /// Borrowed and free pooled buffers.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.out, self.free.len())
    }
}

/// A borrowed buffer.
#[derive(Default)]
pub(super) struct Buffer {
    pub(super) bytes: BytesMut,
    pooled: bool,
}

/// Bytes up to which what is left of a read is copied aside, so that a peer that sends half a header does not keep a whole buffer.
const ASIDE_BYTES_MAX: usize = 4 * 1024;

impl Buffer {
    /// Makes room to read at least `needed` bytes in all, borrowing from `pool` if this is no borrowed buffer.
    pub(super) fn make_room(&mut self, pool: &mut Pool, needed: usize) {
        if !self.pooled {
            let mut fresh = pool.take();
            fresh.bytes.extend_from_slice(&self.bytes);
            *self = fresh;
        }
        let whole = pool.buffer_bytes.max(needed);
        if self.bytes.capacity() < whole && (self.pooled || self.bytes.capacity() < needed) {
            // Gives back what was written from this buffer before, and grows only if `needed` is larger than a buffer.
            self.bytes.reserve(whole - self.bytes.len());
        }
        if self.bytes.capacity() == self.bytes.len() {
            self.bytes.reserve(SMALL_BUFFER_BYTES);
        }
    }

    /// Gives the buffer back if little or nothing is left in it.
    pub(super) fn settle(&mut self, pool: &mut Pool) {
        if self.bytes.len() > ASIDE_BYTES_MAX || (!self.pooled && self.bytes.capacity() <= ASIDE_BYTES_MAX) {
            return;
        }
        let aside = if self.bytes.is_empty() { BytesMut::new() } else { BytesMut::from(self.bytes.as_ref()) };
        let spent = std::mem::replace(self, Buffer { bytes: aside, pooled: false });
        pool.give(spent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_put_aside_and_comes_back_in_front() {
        let mut pool = Pool::new(64 * 1024, 1 << 20);
        let mut buffer = Buffer::default();
        buffer.make_room(&mut pool, 0);
        assert_eq!(pool.counts(), (1, 0));
        buffer.bytes.extend_from_slice(b"half a header");
        buffer.settle(&mut pool);
        assert_eq!(pool.counts(), (0, 1));
        buffer.make_room(&mut pool, 0);
        assert_eq!(&buffer.bytes[..], b"half a header");
        assert!(buffer.bytes.capacity() >= 64 * 1024);
        assert_eq!(pool.counts(), (1, 0));
    }

    #[test]
    fn a_buffer_is_whole_again_once_its_pieces_are_gone() {
        let mut pool = Pool::new(64 * 1024, 1 << 20);
        let mut buffer = Buffer::default();
        for _ in 0..100 {
            buffer.make_room(&mut pool, 0);
            assert!(buffer.bytes.capacity() - buffer.bytes.len() >= 64 * 1024);
            buffer.bytes.extend_from_slice(&[7; 60 * 1024]);
            drop(buffer.bytes.split().freeze());
        }
        buffer.settle(&mut pool);
        assert_eq!(pool.counts(), (0, 1));
    }

    #[test]
    fn a_used_up_share_gives_small_buffers() {
        let mut pool = Pool::new(64 * 1024, 128 * 1024);
        let held = [pool.take(), pool.take()];
        let mut small = Buffer::default();
        small.make_room(&mut pool, 0);
        assert!(small.bytes.capacity() < 64 * 1024 && small.bytes.capacity() > 0);
        small.bytes.extend_from_slice(&[0; 100]);
        small.make_room(&mut pool, 20_000);
        assert!(small.bytes.capacity() >= 20_000);
        small.settle(&mut pool);
        assert_eq!(pool.counts(), (2, 0));
        for buffer in held {
            pool.give(buffer);
        }
        assert_eq!(pool.counts(), (0, 2));
    }

    #[test]
    fn a_piece_that_somebody_holds_is_not_handed_out_again() {
        let mut pool = Pool::new(1024, 1 << 20);
        let mut buffer = pool.take();
        buffer.bytes.extend_from_slice(&[1; 1000]);
        let piece = buffer.bytes.split().freeze();
        pool.give(buffer);
        assert_eq!(pool.counts(), (0, 0));
        assert_eq!(piece.len(), 1000);
    }
}
