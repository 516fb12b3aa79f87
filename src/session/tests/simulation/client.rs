//! A client that pipelines Produce requests, reads its answers, and never sends anything twice.

use std::collections::VecDeque;

use bytes::Bytes;

use super::login::AtClient;
use super::{Dice, Kind, PARTITIONS, TOPIC, brokers::framed};
use crate::protocol::versions;
use crate::session::tests::batch;

/// What the client was told of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) partition: usize,
    pub(super) value: u32,
    pub(super) code: i16,
    /// The connections that the client had before this one.
    pub(super) connection: u32,
}

#[derive(Default)]
pub(super) struct Producer {
    next_value: [u32; PARTITIONS],
    next_id: i32,
    /// Requests without an answer: correlation id, and what is in them.
    pub(super) waiting: VecDeque<(i32, Vec<(usize, u32)>)>,
    pub(super) told: Vec<Told>,
    unread: Vec<u8>,
    pub(super) connection: u32,
    pub(super) login: AtClient,
    /// What it says next of its login.
    pub(super) says: Vec<u8>,
}

impl Producer {
    /// What a client says first: its library's name. Answered by Leeward alone.
    pub(super) fn hello(&mut self) -> Bytes {
        self.waiting.push_back((0, Vec::new()));
        versions::encode_request(3, 0, Some("c"), Some(("simulated", "1")))
    }

    /// Its connection is over: what had no answer will get none.
    pub(super) fn comes_again(&mut self) -> Bytes {
        self.connection += 1;
        self.waiting.clear();
        self.unread.clear();
        self.says.clear();
        self.login = AtClient::Greeting;
        self.hello()
    }

    pub(super) fn request(&mut self, kind: Kind, dice: &mut Dice) -> Vec<u8> {
        self.next_id += 1;
        let (acks, producer_id) = match kind {
            Kind::Window(acks) | Kind::Plain(acks) | Kind::Toggled(acks) => (acks, -1),
            Kind::Scram { acks, .. } => (acks, -1),
            Kind::Idempotent => (-1, 7),
        };
        let mut partitions: Vec<usize> = (0..PARTITIONS).filter(|_| dice.one_in(2)).collect();
        if partitions.is_empty() {
            partitions.push(dice.below(PARTITIONS));
        }
        let mut body = vec![0, 0, 0, 7];
        body.extend(self.next_id.to_be_bytes());
        body.extend([0, 1, b'c']);
        body.extend((-1i16).to_be_bytes());
        body.extend(acks.to_be_bytes());
        body.extend(i32::MAX.to_be_bytes());
        body.extend(1i32.to_be_bytes());
        body.extend((TOPIC.len() as i16).to_be_bytes());
        body.extend(TOPIC.as_bytes());
        body.extend((partitions.len() as i32).to_be_bytes());
        let mut records = Vec::new();
        for partition in partitions {
            let value = self.next_value[partition];
            self.next_value[partition] += 1;
            records.push((partition, value));
            let batch = batch(value, producer_id);
            body.extend((partition as i32).to_be_bytes());
            body.extend((batch.len() as i32).to_be_bytes());
            body.extend(batch);
        }
        if acks != 0 {
            self.waiting.push_back((self.next_id, records));
        }
        framed(&body).to_vec()
    }

    /// Reads answers; they must be those of the oldest requests.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.unread.extend_from_slice(bytes);
        while let Some(length) = self.unread.first_chunk::<4>().map(|field| u32::from_be_bytes(*field) as usize) {
            if self.unread.len() < 4 + length {
                return Ok(());
            }
            let frame: Vec<u8> = self.unread.drain(..4 + length).collect();
            let id = i32::from_be_bytes(frame[4..8].try_into().unwrap());
            let Some((expected, records)) = self.waiting.pop_front() else { return Err(format!("an answer to no request: {id}")) };
            if id != expected {
                return Err(format!("the answer of request {id} came where {expected} is the oldest"));
            }
            if self.login != AtClient::Done {
                self.next_id += 1;
                if let Some(said) = self.login.next(&frame, self.next_id) {
                    self.waiting.push_back((self.next_id, Vec::new()));
                    self.says.extend(said);
                }
                continue;
            }
            if id == 0 {
                continue;
            }
            // One topic: its name, then the partitions (index, error, offset, append time, log start).
            let mut at = 8 + 4 + 2 + TOPIC.len() + 4;
            for _ in 0..records.len() {
                let partition = i32::from_be_bytes(frame[at..at + 4].try_into().unwrap()) as usize;
                let code = i16::from_be_bytes(frame[at + 4..at + 6].try_into().unwrap());
                let value = records.iter().find(|(index, _)| *index == partition).ok_or("an answer for a partition that was not asked")?.1;
                self.told.push(Told { partition, value, code, connection: self.connection });
                at += 4 + 2 + 8 + 8 + 8;
            }
        }
        Ok(())
    }

    pub(super) fn sent(&self, partition: usize) -> u32 {
        self.next_value[partition]
    }
}
