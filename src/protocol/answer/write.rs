//! Writes a response by the table, from what the request said.

use bytes::{BufMut, BytesMut};

use crate::protocol::put::{put_count, put_uvarint};
use crate::protocol::schema::{
    Field, Shape,
    tree::{self, Record, Value},
};

/// Names of one thing in requests and responses. Only these are echoed: a partition's epoch or offsets that the client sent are not what the broker would say.
const KEYS: [&[&str]; 9] = [
    &["Name", "Topic", "TopicName"],
    &["TopicId"],
    &["PartitionIndex", "Partition", "Index", "PartitionId"],
    &["GroupId"],
    &["MemberId"],
    &["GroupInstanceId"],
    &["TransactionalId"],
    &["ResourceType", "AllowReplicationFactorChange", "EndpointType"],
    &["ResourceName", "Key", "Feature"],
];

/// Numbers that are -1 where there is none; any other is 0.
const ABSENT: [&str; 25] = [
    "BaseOffset",
    "LogAppendTimeMs",
    "LogStartOffset",
    "HighWatermark",
    "LastStableOffset",
    "PreferredReadReplica",
    "LeaderId",
    "LeaderEpoch",
    "EndOffset",
    "Timestamp",
    "Offset",
    "CommittedOffset",
    "CommittedLeaderEpoch",
    "NodeId",
    "ControllerId",
    "Port",
    "GenerationId",
    "ProducerId",
    "ProducerEpoch",
    "OngoingTxnProducerId",
    "OngoingTxnProducerEpoch",
    "LowWatermark",
    "NumPartitions",
    "ReplicationFactor",
    "StartOffset",
];

pub(super) struct Writer {
    pub(super) out: BytesMut,
    pub(super) version: i16,
    pub(super) flexible: bool,
    /// The code of items; `None`: they are left out.
    pub(super) items: Option<i16>,
    /// Codes other than 0 that were written, and lists of the request that were echoed.
    pub(super) codes: usize,
    pub(super) lists: usize,
}

impl Writer {
    pub(super) fn record(&mut self, fields: &'static [Field], asked: Option<&Record<'_>>, code: i16) {
        let version = self.version;
        for field in fields.iter().filter(|field| field.tag.is_none() && field.is_in(version)) {
            self.field(field, asked, code);
        }
        self.no_tags();
    }

    fn field(&mut self, field: &'static Field, asked: Option<&Record<'_>>, code: i16) {
        let nullable = field.is_nullable(self.version);
        match &field.shape {
            // The acknowledgements that came along were not looked at either, but the code of the partition says so.
            Shape::ErrorCode if field.name == "AcknowledgeErrorCode" => self.out.put_i16(0),
            Shape::ErrorCode => self.code(code),
            Shape::Fixed(size) => self.fixed(*size, field.name, echo(field.name, asked)),
            Shape::String => self.string(echo(field.name, asked), nullable),
            Shape::Bytes => put_count(&mut self.out, 0, self.flexible),
            Shape::Struct(_) if nullable => self.out.put_i8(-1),
            Shape::Struct(fields) => self.record(fields, None, code),
            Shape::Array(element) => self.array(element, asked, nullable),
        }
    }

    fn code(&mut self, code: i16) {
        self.codes += usize::from(code != 0);
        self.out.put_i16(code);
    }

    /// Items that carry a code answer the items of the request's first list; other lists are empty.
    fn array(&mut self, element: &'static Shape, asked: Option<&Record<'_>>, nullable: bool) {
        let list = asked.filter(|_| self.has_code(element)).and_then(|asked| {
            asked.iter().find_map(|(_, value)| match value {
                Value::List(list) => Some(list),
                Value::Null | Value::Raw(_) | Value::Record(_) => None,
            })
        });
        match (list, self.items, element) {
            (Some(list), Some(code), Shape::Struct(fields)) => {
                self.lists += 1;
                put_count(&mut self.out, list.len() as u32, self.flexible);
                for item in list {
                    self.item(fields, item, code);
                }
            }
            _ if nullable => self.null_list(),
            _ => put_count(&mut self.out, 0, self.flexible),
        }
    }

    fn item(&mut self, fields: &'static [Field], item: &Value<'_>, code: i16) {
        match item {
            Value::Record(record) => self.record(fields, Some(record), code),
            // A list of names or partitions: the item is the key itself.
            Value::Raw(_) => {
                let key = fields.iter().find(|field| field.tag.is_none() && field.is_in(self.version) && key_of(field.name).is_some());
                let record = key.map(|field| vec![(field.name, item.clone())]).unwrap_or_default();
                self.record(fields, Some(&record), code);
            }
            Value::Null | Value::List(_) => self.record(fields, None, code),
        }
    }

    fn has_code(&self, shape: &'static Shape) -> bool {
        match shape {
            Shape::ErrorCode => true,
            Shape::Struct(fields) => fields.iter().any(|field| field.tag.is_none() && field.is_in(self.version) && self.has_code(&field.shape)),
            Shape::Array(element) => self.has_code(element),
            Shape::Fixed(_) | Shape::String | Shape::Bytes => false,
        }
    }

    fn fixed(&mut self, size: usize, name: &str, echo: Option<&Value<'_>>) {
        match echo {
            Some(Value::Raw(bytes)) if bytes.len() == size => self.out.put_slice(bytes),
            _ if ABSENT.contains(&name) => self.out.put_bytes(0xff, size),
            _ if size == size_of::<i32>() && name.ends_with("AuthorizedOperations") => self.out.put_i32(i32::MIN),
            _ if name == "EndpointType" => self.out.put_u8(1),
            _ => self.out.put_bytes(0, size),
        }
    }

    fn string(&mut self, echo: Option<&Value<'_>>, nullable: bool) {
        match (echo, self.flexible) {
            (Some(Value::Raw(text)), true) => {
                put_uvarint(&mut self.out, text.len() as u32 + 1);
                self.out.put_slice(text);
            }
            (Some(Value::Raw(text)), false) => {
                self.out.put_u16(text.len() as u16);
                self.out.put_slice(text);
            }
            (_, true) => put_uvarint(&mut self.out, u32::from(!nullable)),
            (_, false) => self.out.put_i16(if nullable { -1 } else { 0 }),
        }
    }

    fn null_list(&mut self) {
        if self.flexible {
            self.out.put_u8(0);
        } else {
            self.out.put_i32(-1);
        }
    }

    fn no_tags(&mut self) {
        if self.flexible {
            self.out.put_u8(0);
        }
    }
}

fn key_of(name: &str) -> Option<&'static [&'static str]> {
    KEYS.into_iter().find(|names| names.contains(&name))
}

fn echo<'r, 'a>(name: &str, asked: Option<&'r Record<'a>>) -> Option<&'r Value<'a>> {
    tree::get(asked?, key_of(name)?)
}
