//! What the brokers store is, byte for byte, what the clients sent: each batch with its own checksum, whatever went before it through Leeward.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::protocol::Message;

use super::Scene;
use crate::clients::COMPRESSIONS;
use crate::clients::java::Java;
use crate::front::exempt;
use crate::records::{Shape, make};
use crate::steps::Steps;
use crate::wire::Wire;

pub(super) fn steps(steps: &mut Steps, scene: &mut Scene) {
    steps.run("stored bytes: what Java sends through Leeward is what it sends directly", || same_as_direct(scene));
    steps.run("stored bytes: a batch of our own in every version of Produce", || every_version(scene));
}

/// The same records from the same client, once through and once directly, make the same batches.
fn same_as_direct(scene: &mut Scene) {
    let records = make(11, 90, 1, Shape::Everything);
    let file = scene.file("stored", &records);
    let mut direct = Java::start(scene.release, &scene.cluster.bootstrap(), &scene.cluster.log_path("java-direct.log"));
    exempt(&scene.cluster.rules(), direct.pid());
    for compression in COMPRESSIONS {
        let (through, past) = (format!("stored-through-{compression}"), format!("stored-direct-{compression}"));
        scene.create(&through, 1);
        scene.create(&past, 1);
        for (java, topic) in [(&mut scene.java, &through), (&mut direct, &past)] {
            let arguments = [("topic", topic.as_str()), ("file", &file), ("acks", "all"), ("compression.type", compression), ("enable.idempotence", "false")];
            java.run("produce", &[arguments.as_slice(), &[("flush", "30")]].concat());
        }
        let (through, past) = (batches(&stored(scene, &through)), batches(&stored(scene, &past)));
        assert_eq!(through.len(), 3, "{compression}: a batch for each flush");
        for (number, (through, past)) in through.iter().zip(&past).enumerate() {
            assert!(through == past, "{compression}: batch {number} differs:\n  through {through:02x?}\n  direct  {past:02x?}");
        }
        assert_eq!(through.len(), past.len(), "{compression}: the number of batches");
    }
}

/// A batch such as no library makes, in each version of Produce that the cluster offers; read back directly and through Leeward.
fn every_version(scene: &mut Scene) {
    scene.create("stored-versions", 1);
    let leader = scene.cluster.leader("stored-versions", 0);
    let mut wire = Wire::connect(&scene.front.address(&scene.cluster, leader)).unwrap();
    let newest = wire.version_of::<ProduceRequest>().unwrap();
    let versions = ProduceRequest::VERSIONS.min..=newest;
    let mut sent = Vec::new();
    for version in versions.clone() {
        // acks=0 has no response: the next request's answer must be its own.
        let batch = odd_batch(1_700_000_000_500 + i64::from(version), version as u8);
        let request = wire.produce_request("stored-versions", 0, 0, batch.clone(), version).unwrap();
        wire.send(&request, version).unwrap();
        wire.api_versions().unwrap_or_else(|error| panic!("after Produce v{version} acks=0: {error}"));
        sent.push(batch);
        // acks=all comes last: what was sent before it can be read then too.
        for acks in [1, -1] {
            let batch = odd_batch(1_700_000_000_000 + i64::from(version), version as u8);
            let answer =
                wire.produce("stored-versions", 0, acks, batch.clone(), version).unwrap_or_else(|error| panic!("Produce v{version} acks={acks}: {error}"));
            assert_eq!((answer.error_code, answer.base_offset), (0, 2 * sent.len() as i64), "Produce v{version} acks={acks}");
            sent.push(batch);
        }
    }
    let directly = stored(scene, "stored-versions");
    let through = fetch_all(&mut wire, "stored-versions");
    assert!(directly == through, "what is fetched through Leeward differs from what is fetched directly");
    let found = batches(&directly);
    assert_eq!(found.len(), sent.len(), "the number of batches, for Produce {versions:?}");
    for (number, (sent, found)) in sent.iter().zip(&found).enumerate() {
        assert!(sent[BASE_OFFSET_END..] == found[BASE_OFFSET_END..], "batch {number}:\n  sent   {sent:02x?}\n  stored {found:02x?}");
    }
}

/// All of partition 0 of a topic, from its leader, past Leeward.
fn stored(scene: &Scene, topic: &str) -> Bytes {
    let leader = scene.cluster.leader(topic, 0);
    fetch_all(&mut Wire::connect_past(&scene.cluster.address(leader)).unwrap(), topic)
}

fn fetch_all(wire: &mut Wire, topic: &str) -> Bytes {
    let mut all = BytesMut::new();
    let mut next = 0;
    loop {
        let records = wire.fetch(topic, 0, next).unwrap();
        if records.is_empty() {
            return all.freeze();
        }
        let last = batches(&records).pop().unwrap();
        let base = i64::from_be_bytes(last[..8].try_into().unwrap());
        next = base + i64::from(i32::from_be_bytes(last[23..27].try_into().unwrap())) + 1;
        all.extend_from_slice(&records);
    }
}

pub(super) const BASE_OFFSET_END: usize = 8;
const LENGTH_END: usize = 12;
const LEADER_EPOCH_END: usize = 16;
const CRC_START: usize = 17;
const CRC_END: usize = 21;

/// The batches in a piece of log, the leader epoch (the broker's own, and outside the checksum) set to nothing. Panics if a checksum is wrong.
pub(super) fn batches(log: &[u8]) -> Vec<Vec<u8>> {
    let mut batches = Vec::new();
    let mut rest = log;
    while !rest.is_empty() {
        let length = LENGTH_END + u32::from_be_bytes(rest[BASE_OFFSET_END..LENGTH_END].try_into().unwrap()) as usize;
        let mut batch = rest[..length].to_vec();
        assert_eq!(u32::from_be_bytes(batch[CRC_START..CRC_END].try_into().unwrap()), crc32c::crc32c(&batch[CRC_END..]), "a batch's checksum");
        batch[LENGTH_END..LEADER_EPOCH_END].fill(0);
        batches.push(batch);
        rest = &rest[length..];
    }
    batches
}

/// A batch of format v2 with two records; names of headers that come twice, an empty name, a null key, a null value, and header values of every byte.
pub(super) fn odd_batch(timestamp: i64, mark: u8) -> Bytes {
    let every_byte: Vec<u8> = (0..=255).collect();
    let first = record(0, None, Some(&[mark]), &[("same", Some(&every_byte)), ("same", None), ("same", Some(b"")), ("", Some(b"x"))]);
    let second = record(1, Some(&every_byte), None, &[]);
    let mut after_crc = BytesMut::new();
    after_crc.put_i16(0); // attributes: no compression, the producer's time
    after_crc.put_i32(1); // last offset delta
    after_crc.put_i64(timestamp);
    after_crc.put_i64(timestamp);
    after_crc.put_i64(-1); // no producer id
    after_crc.put_i16(-1);
    after_crc.put_i32(-1);
    after_crc.put_i32(2); // records
    after_crc.extend_from_slice(&first);
    after_crc.extend_from_slice(&second);
    let mut batch = BytesMut::new();
    batch.put_i64(0);
    batch.put_u32(u32::try_from(after_crc.len() + CRC_END - LENGTH_END).unwrap());
    batch.put_i32(0); // the leader's epoch, which the broker fills in
    batch.put_u8(2);
    batch.put_u32(crc32c::crc32c(&after_crc));
    batch.extend_from_slice(&after_crc);
    batch.freeze()
}

fn record(offset_delta: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, Option<&[u8]>)]) -> Vec<u8> {
    let mut body = vec![0]; // attributes
    varint(&mut body, 0); // timestamp delta
    varint(&mut body, offset_delta);
    bytes_or_null(&mut body, key);
    bytes_or_null(&mut body, value);
    varint(&mut body, headers.len() as i64);
    for (name, value) in headers {
        bytes_or_null(&mut body, Some(name.as_bytes()));
        bytes_or_null(&mut body, *value);
    }
    let mut record = Vec::new();
    varint(&mut record, body.len() as i64);
    record.extend(body);
    record
}

fn bytes_or_null(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    varint(to, bytes.map_or(-1, |bytes| bytes.len() as i64));
    to.extend_from_slice(bytes.unwrap_or_default());
}

/// Zigzag, then seven bits a byte, the lowest first.
fn varint(to: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        to.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    to.push(rest as u8);
}
