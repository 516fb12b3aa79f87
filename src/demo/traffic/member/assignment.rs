//! What members of a group tell each other: which topics they want, and who gets which partitions.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::Encodable;

use crate::demo::client::ClientError;
use crate::demo::load::PARTITIONS;
use crate::wire::{Cursor, WireError};

/// The partitions of the member at `place` among `members`: as `RangeAssignor` gives them.
pub(super) fn share_of(place: usize, members: usize) -> Vec<i32> {
    let all: Vec<i32> = (0..PARTITIONS).collect();
    let (each, more) = (all.len() / members.max(1), all.len() % members.max(1));
    let from = place * each + place.min(more);
    all.into_iter().skip(from).take(each + usize::from(place < more)).collect()
}

/// What members tell each other begins with its version; 0 is understood by all.
pub(super) fn with_version(message: &impl Encodable) -> Result<Bytes, ClientError> {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    message.encode(&mut bytes, 0).map_err(|error| ClientError::Codec { what: "a consumer's metadata", cause: error.to_string() })?;
    Ok(bytes.freeze())
}

/// The partitions of `topic` in an assignment (`ConsumerProtocolAssignment.json`), read by hand because it comes from a peer; empty for a member without any.
pub(super) fn assigned(assignment: &Bytes, topic: &str) -> Result<Vec<i32>, WireError> {
    if !assignment.has_remaining() {
        return Ok(Vec::new());
    }
    let mut cursor = Cursor::new(assignment);
    cursor.i16()?;
    let mut partitions = Vec::new();
    for _ in 0..cursor.array_count(false)?.unwrap_or(0) {
        let is_mine = cursor.string(false)? == topic;
        for _ in 0..cursor.array_count(false)?.unwrap_or(0) {
            let partition = cursor.i32()?;
            if is_mine {
                partitions.push(partition);
            }
        }
    }
    Ok(partitions)
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::consumer_protocol_assignment::{ConsumerProtocolAssignment, TopicPartition};

    use super::*;
    use crate::demo::client::topic_name;

    #[test]
    fn partitions_are_shared_out_once_each() {
        for members in 1..6 {
            let all: Vec<i32> = (0..members).flat_map(|place| share_of(place, members)).collect();
            assert_eq!(all, (0..PARTITIONS).collect::<Vec<_>>(), "{members}");
        }
        assert_eq!((share_of(0, 2), share_of(1, 2)), (vec![0, 1], vec![2]));
    }

    #[test]
    fn an_assignment_is_read_as_it_is_written() {
        let of = |topic: &str| TopicPartition::default().with_topic(topic_name(topic)).with_partitions(vec![2, 0]);
        let bytes = with_version(&ConsumerProtocolAssignment::default().with_assigned_partitions(vec![of("other"), of("mine")])).unwrap();
        assert_eq!(assigned(&bytes, "mine").unwrap(), [2, 0]);
        assert_eq!(assigned(&Bytes::new(), "mine").unwrap(), [0_i32; 0]);
        for cut in 1..bytes.len() - 4 {
            assert!(assigned(&bytes.slice(..cut), "mine").is_err(), "{cut}");
        }
    }
}
