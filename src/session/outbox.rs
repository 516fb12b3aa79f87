//! What a session wants done.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use super::DetourId;
use crate::cluster::TopicKey;
use crate::protocol::patch::NodeAddress;

/// Bytes in order, in pieces as they came.
#[derive(Debug, Default)]
pub struct Queue {
    pieces: VecDeque<Bytes>,
}

impl Queue {
    /// Adds `piece` at the end.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            if self.pieces.capacity() == 0 {
                // Many answers are one piece.
                self.pieces.reserve_exact(1);
            }
            self.pieces.push_back(piece);
        }
    }

    /// Takes the first `n` bytes of `buffer` to the end of the queue.
    pub fn push_front_of(&mut self, buffer: &mut BytesMut, n: usize) {
        if n > 0 {
            self.push(buffer.split_to(n).freeze());
        }
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes in the queue.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// The pieces, first to last.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter()
    }

    /// Drops the first `n` bytes: they were written. An empty queue keeps no memory beyond a few entries.
    pub fn advance(&mut self, mut n: usize) {
        while let Some(front) = self.pieces.front_mut() {
            if n < front.len() {
                front.advance(n);
                return;
            }
            n -= front.len();
            self.pieces.pop_front();
        }
        if self.pieces.capacity() > QUEUE_PIECES_KEPT {
            self.pieces = VecDeque::new();
        }
    }
}

/// Pieces for which an empty queue keeps room: a batch of pipelined requests, without holding memory for idle connections.
const QUEUE_PIECES_KEPT: usize = 8;

/// What a session wants done, in the order in which it is to be done for each peer.
#[derive(Debug, Default)]
pub struct Outbox {
    pub to_client: Queue,
    pub to_home: Queue,
    /// Nodes that a broker named and the picture of the cluster does not have so.
    pub learn: Vec<NodeAddress>,
    /// The home has to be dialled.
    pub dial: bool,
    /// So many bytes must be there in one piece before the broker's next bytes can be understood; 0: any.
    pub home_bytes_needed: usize,
    /// The same for the client's.
    pub client_bytes_needed: usize,
    /// What is to happen on detours, in this order.
    pub wishes: VecDeque<Wish>,
    /// News of the cluster is wanted: the home owes an answer for long.
    pub doubts_home: bool,
    /// Topics whose leaders are waited for.
    pub ask_leaders: Vec<TopicKey>,
}

/// Something to do on a detour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Connect to this node; `None`: to any broker.
    Open { id: DetourId, node_id: Option<i32> },
    /// These bytes are next for it.
    Send { id: DetourId, bytes: Bytes },
    /// Nothing more is expected of it.
    Close { id: DetourId },
}
