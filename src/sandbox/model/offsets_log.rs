//! What a group coordinator writes into `__consumer_offsets`, in Kafka's own form (`OffsetCommitKey` v1, `OffsetCommitValue` v3, `GroupMetadataKey` v2,
//! `GroupMetadataValue` v3), so that a new coordinator learns everything from its replica.

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::{Cursor, WireError};

const OFFSET_KEY: i16 = 1;
const GROUP_KEY: i16 = 2;
const VALUE: i16 = 3;

/// One record of the offsets topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GroupRecord {
    Offset { group: String, topic: String, partition: i32, offset: Committed },
    Group { group: String, state: StoredGroup },
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Committed {
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
    pub(super) metadata: String,
}

/// A group as stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct StoredGroup {
    pub(super) protocol_type: String,
    pub(super) generation: i32,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<String>,
    pub(super) members: Vec<StoredMember>,
}

/// A member as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredMember {
    pub(super) id: String,
    pub(super) instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    pub(super) subscription: Bytes,
    pub(super) assignment: Bytes,
}

impl GroupRecord {
    /// Key and value.
    pub(super) fn encode(&self, now_ms: i64) -> (Bytes, Bytes) {
        let (mut key, mut value) = (BytesMut::new(), BytesMut::new());
        value.put_i16(VALUE);
        match self {
            GroupRecord::Offset { group, topic, partition, offset } => {
                key.put_i16(OFFSET_KEY);
                put_string(&mut key, Some(group));
                put_string(&mut key, Some(topic));
                key.put_i32(*partition);
                value.put_i64(offset.offset);
                value.put_i32(offset.leader_epoch);
                put_string(&mut value, Some(&offset.metadata));
                value.put_i64(now_ms);
            }
            GroupRecord::Group { group, state } => {
                key.put_i16(GROUP_KEY);
                put_string(&mut key, Some(group));
                put_string(&mut value, Some(&state.protocol_type));
                value.put_i32(state.generation);
                put_string(&mut value, state.protocol.as_deref());
                put_string(&mut value, state.leader.as_deref());
                value.put_i64(now_ms);
                value.put_i32(state.members.len() as i32);
                for member in &state.members {
                    put_string(&mut value, Some(&member.id));
                    put_string(&mut value, member.instance_id.as_deref());
                    put_string(&mut value, Some(&member.client_id));
                    put_string(&mut value, Some(&member.client_host));
                    value.put_i32(member.rebalance_timeout_ms);
                    value.put_i32(member.session_timeout_ms);
                    put_bytes(&mut value, &member.subscription);
                    put_bytes(&mut value, &member.assignment);
                }
            }
        }
        (key.freeze(), value.freeze())
    }

    /// `None` for what is not one of these records: a client may write into the topic too.
    pub(super) fn decode(key: &Bytes, value: &Bytes) -> Option<Self> {
        let (mut key, mut fields) = (Cursor::new(key), Cursor::new(value));
        let kind = key.i16().ok()?;
        if fields.i16().ok()? != VALUE {
            return None;
        }
        match kind {
            OFFSET_KEY => offset_record(&mut key, &mut fields).ok(),
            GROUP_KEY => group_record(&mut key, &mut fields, value).ok(),
            _ => None,
        }
    }
}

fn offset_record(key: &mut Cursor<'_>, fields: &mut Cursor<'_>) -> Result<GroupRecord, WireError> {
    let (group, topic, partition) = (string(key)?, string(key)?, key.i32()?);
    let offset = Committed { offset: fields.i64()?, leader_epoch: fields.i32()?, metadata: string(fields)? };
    Ok(GroupRecord::Offset { group, topic, partition, offset })
}

fn group_record(key: &mut Cursor<'_>, fields: &mut Cursor<'_>, value: &Bytes) -> Result<GroupRecord, WireError> {
    let group = string(key)?;
    let mut state = StoredGroup {
        protocol_type: string(fields)?,
        generation: fields.i32()?,
        protocol: nullable_string(fields)?,
        leader: nullable_string(fields)?,
        members: Vec::new(),
    };
    fields.i64()?;
    for _ in 0..fields.i32()? {
        state.members.push(StoredMember {
            id: string(fields)?,
            instance_id: nullable_string(fields)?,
            client_id: string(fields)?,
            client_host: string(fields)?,
            rebalance_timeout_ms: fields.i32()?,
            session_timeout_ms: fields.i32()?,
            subscription: bytes(fields, value)?,
            assignment: bytes(fields, value)?,
        });
    }
    Ok(GroupRecord::Group { group, state })
}

fn put_string(out: &mut BytesMut, string: Option<&str>) {
    match string {
        Some(string) => {
            out.put_i16(string.len() as i16);
            out.put_slice(string.as_bytes());
        }
        None => out.put_i16(-1),
    }
}

fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    out.put_i32(bytes.len() as i32);
    out.put_slice(bytes);
}

fn string(cursor: &mut Cursor<'_>) -> Result<String, WireError> {
    cursor.string(false).map(str::to_owned)
}

fn nullable_string(cursor: &mut Cursor<'_>) -> Result<Option<String>, WireError> {
    Ok(cursor.nullable_string(false)?.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

fn bytes(cursor: &mut Cursor<'_>, whole: &Bytes) -> Result<Bytes, WireError> {
    let length = cursor.bytes_length(false)?.unwrap_or(0);
    cursor.take(length).map(|bytes| whole.slice_ref(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back() {
        let offset = Committed { offset: 42, leader_epoch: 3, metadata: "m".into() };
        let member = StoredMember {
            id: "a-1".into(),
            instance_id: None,
            client_id: "a".into(),
            client_host: "/127.0.0.1".into(),
            rebalance_timeout_ms: 1,
            session_timeout_ms: 2,
            subscription: Bytes::from_static(b"sub"),
            assignment: Bytes::new(),
        };
        let state =
            StoredGroup { protocol_type: "consumer".into(), generation: 7, protocol: Some("range".into()), leader: Some("a-1".into()), members: vec![member] };
        let records = [GroupRecord::Offset { group: "g".into(), topic: "t".into(), partition: 5, offset }, GroupRecord::Group { group: "g".into(), state }];
        for record in records {
            let (key, value) = record.encode(99);
            assert_eq!(GroupRecord::decode(&key, &value), Some(record));
        }
        assert_eq!(GroupRecord::decode(&Bytes::new(), &Bytes::new()), None);
    }
}
