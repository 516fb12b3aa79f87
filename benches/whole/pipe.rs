//! Bytes in and out of a non-blocking socket: frames are found without being copied, and written from templates without being built.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::rc::Rc;

use crate::frames::Template;

/// At most so many frames are written with one system call.
pub(crate) const BATCH_MAX: usize = 32;
/// More than any frame here; beyond it the stream is not understood any more.
const FRAME_MAX: usize = 1 << 28;

/// Finds the frames of a stream; keeps the first `N` bytes of the current one (4 of them its size) and skips the rest.
pub(crate) struct Walk<const N: usize> {
    head: [u8; N],
    have: usize,
    left: usize,
}

impl<const N: usize> Walk<N> {
    pub(crate) fn new() -> Self {
        Self { head: [0; N], have: 0, left: 0 }
    }

    /// Calls `each` with the head and the size (4 bytes included) of every frame that is now complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8; N], usize)) -> io::Result<()> {
        loop {
            if self.have < N {
                let take = bytes.len().min(N - self.have);
                self.head[self.have..self.have + take].copy_from_slice(&bytes[..take]);
                self.have += take;
                bytes = &bytes[take..];
                if self.have < N {
                    return Ok(());
                }
                self.left = self.size().checked_sub(N).filter(|left| *left < FRAME_MAX).ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "no frame"))?;
            }
            let take = bytes.len().min(self.left);
            self.left -= take;
            bytes = &bytes[take..];
            if self.left > 0 {
                return Ok(());
            }
            each(&self.head, self.size());
            self.have = 0;
        }
    }

    fn size(&self) -> usize {
        4 + u32::from_be_bytes([self.head[0], self.head[1], self.head[2], self.head[3]]) as usize
    }
}

/// Reads until the socket has no more, into a buffer that is used for every socket. `Ok(false)`: the peer has closed.
pub(crate) fn read_all<const N: usize>(from: &mut impl Read, buffer: &mut [u8], walk: &mut Walk<N>, mut each: impl FnMut(&[u8; N], usize)) -> io::Result<bool> {
    loop {
        match from.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(n) => {
                walk.feed(&buffer[..n], &mut each)?;
                if n < buffer.len() {
                    return Ok(true);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Frames that wait to be written: the head is each one's own, for its correlation id, the rest is shared.
pub(crate) struct Outbox<const N: usize> {
    frames: VecDeque<([u8; N], Rc<[u8]>)>,
    /// Bytes of the first frame that are written already.
    written: usize,
    /// How many frames may go out with one system call.
    batch: usize,
}

impl<const N: usize> Outbox<N> {
    pub(crate) fn new(batch: usize) -> Self {
        Self { frames: VecDeque::new(), written: 0, batch: batch.clamp(1, BATCH_MAX) }
    }

    pub(crate) fn push(&mut self, template: &Template<N>, correlation_id: u32) {
        self.frames.push_back((template.head(correlation_id), Rc::clone(&template.rest)));
    }

    /// Writes until nothing is left or the socket takes no more.
    pub(crate) fn flush(&mut self, to: &mut impl Write) -> io::Result<()> {
        while !self.frames.is_empty() {
            match self.write_some(to) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.advance(n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write_some(&self, to: &mut impl Write) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); 2 * BATCH_MAX];
        let (mut count, mut skip) = (0, self.written);
        for (head, rest) in self.frames.iter().take(self.batch) {
            for part in [&head[..], &rest[..]] {
                if skip >= part.len() {
                    skip -= part.len();
                } else {
                    slices[count] = IoSlice::new(&part[skip..]);
                    (count, skip) = (count + 1, 0);
                }
            }
        }
        to.write_vectored(&slices[..count])
    }

    fn advance(&mut self, n: usize) {
        self.written += n;
        while let Some((_, rest)) = self.frames.front() {
            let size = N + rest.len();
            if self.written < size {
                return;
            }
            self.written -= size;
            self.frames.pop_front();
        }
    }
}
