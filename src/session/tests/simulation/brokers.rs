//! Three brokers with one log for each partition, as far as a producer can tell them from real ones.

use std::collections::HashMap;

use bytes::Bytes;

use super::{Dice, NODES, PARTITIONS};
use crate::protocol::produce::{self, PartitionResult};

/// A batch in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    /// The record's number, counted for each partition by the client.
    pub(super) value: u32,
    producer: (i64, i16, i32),
}

#[derive(Debug, Default)]
pub(super) struct Partition {
    pub(super) leader: i32,
    pub(super) epoch: i32,
    pub(super) log: Vec<Stored>,
}

pub(super) struct Brokers {
    pub(super) up: HashMap<i32, bool>,
    pub(super) partitions: Vec<Partition>,
    next_producer_id: i64,
    /// For the trace.
    pub(super) said: Vec<String>,
    /// A producer id begins with its first sequence, as before Kafka 2.5 and with transaction version 2. Later brokers take any; then a client that pipelines its first
    /// batches can lose the first to a leader that comes back, with Leeward or without.
    pub(super) is_strict: bool,
    /// With acks=all one batch in so many is refused, for want of replicas.
    pub(super) refuses: u64,
}

impl Brokers {
    pub(super) fn new() -> Self {
        let partitions = (0..PARTITIONS).map(|_| Partition { leader: 1, epoch: 0, log: Vec::new() }).collect();
        Brokers { up: NODES.iter().map(|node| (*node, true)).collect(), partitions, next_producer_id: 1000, said: Vec::new(), is_strict: false, refuses: 25 }
    }

    /// Moves leadership to another broker that is up, if there is one.
    pub(super) fn move_leader(&mut self, partition: usize, dice: &mut Dice) {
        let now = self.partitions[partition].leader;
        let others: Vec<i32> = NODES.iter().copied().filter(|node| *node != now && self.up[node]).collect();
        if !others.is_empty() {
            self.partitions[partition].leader = others[dice.below(others.len())];
            self.partitions[partition].epoch += 1;
        }
    }

    /// As Kafka's preferred leader election does it.
    pub(super) fn elect(&mut self, node: i32) {
        if self.up[&node] {
            for partition in self.partitions.iter_mut().filter(|partition| partition.leader != node) {
                partition.leader = node;
                partition.epoch += 1;
            }
        }
    }

    /// A whole frame arrived at `node`: what it answers. `None`: nothing (acks=0).
    pub(super) fn answer(&mut self, node: i32, frame: &[u8], dice: &mut Dice) -> Option<Bytes> {
        let key = i16::from_be_bytes([frame[4], frame[5]]);
        let id = i32::from_be_bytes(frame[8..12].try_into().unwrap());
        match key {
            0 => self.produce(node, frame, id, dice),
            // What the client calls itself; nobody reads the answer.
            18 => Some(framed(&[&id.to_be_bytes()[..], &[0; 8]].concat())),
            22 => Some(self.init_producer_id(id, dice)),
            other => panic!("the simulation's brokers do not know API key {other}"),
        }
    }

    fn init_producer_id(&mut self, id: i32, dice: &mut Dice) -> Bytes {
        self.next_producer_id += 1;
        let code: i16 = if dice.one_in(4) { 14 } else { 0 };
        let mut body = id.to_be_bytes().to_vec();
        body.extend(0i32.to_be_bytes());
        body.extend(code.to_be_bytes());
        body.extend(self.next_producer_id.to_be_bytes());
        body.extend(0i16.to_be_bytes());
        framed(&body)
    }

    fn produce(&mut self, node: i32, frame: &[u8], id: i32, dice: &mut Dice) -> Option<Bytes> {
        let layout = produce::parse(frame).expect("the session sends a well-formed Produce");
        let results: Vec<PartitionResult> = layout
            .batches
            .iter()
            .map(|batch| {
                let (code, offset) = self.append(node, batch, frame, layout.acks, dice);
                let sequence = batch.head.as_ref().map_or(-1, |head| head.base_sequence);
                self.said.push(format!("{node}: request {id}, partition {}, sequence {sequence}: {code}", batch.partition));
                PartitionResult { base_offset: offset, ..produce::failed(batch.topic, batch.partition, code) }
            })
            .collect();
        (layout.acks != 0).then(|| produce::encode_response(layout.version, id, &layout, frame, &results, 0))
    }

    fn append(&mut self, node: i32, batch: &produce::BatchLayout, frame: &[u8], acks: i16, dice: &mut Dice) -> (i16, i64) {
        let at = batch.partition as usize;
        if self.partitions[at].leader != node {
            return (6, -1);
        }
        if acks == -1 && dice.one_in(self.refuses) {
            return (19, -1);
        }
        let head = batch.head.as_ref().expect("batches are of format v2");
        let records = &frame[batch.records.clone()];
        let crc = u32::from_be_bytes(records[17..21].try_into().unwrap());
        assert_eq!(crc32c::crc32c(&records[21..]), crc, "the batch's checksum is right whatever was written into it");
        let value = u32::from_be_bytes(records[61..65].try_into().unwrap());
        let producer = (head.producer_id, head.producer_epoch, head.base_sequence);
        if head.producer_id >= 0 {
            let of_producer: Vec<(usize, &Stored)> =
                self.partitions[at].log.iter().enumerate().filter(|(_, stored)| stored.producer.0 == head.producer_id).collect();
            let known = of_producer.iter().rev().take(5).find(|(_, stored)| stored.producer == producer);
            if let Some((offset, _)) = known {
                return (0, *offset as i64);
            }
            let next = of_producer.last().map(|(_, stored)| stored.producer.2 + 1);
            if next.is_none() && self.is_strict && head.base_sequence != 0 {
                return (45, -1);
            }
            if next.is_some_and(|next| next != head.base_sequence) {
                return (45, -1);
            }
        }
        self.partitions[at].log.push(Stored { value, producer });
        let offset = self.partitions[at].log.len() as i64 - 1;
        if acks == -1 && dice.one_in(12) {
            // The leader lost its leadership while it waited for the ISR: the new one has the batch, or not.
            if dice.one_in(2) {
                self.partitions[at].log.pop();
            }
            self.move_leader(at, dice);
            return (if dice.one_in(3) { 7 } else { 6 }, -1);
        }
        (0, offset)
    }
}

pub(super) fn framed(body: &[u8]) -> Bytes {
    let mut frame = (body.len() as i32).to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame.into()
}
