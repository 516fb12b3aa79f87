//! A request read into a tree by the table, for what must be echoed or found in it. Values are slices of the request.

use super::{Field, Kind, Shape, check_request, message};
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::{Cursor, RequestHeader, WireError};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::protocol) enum Value<'a> {
    Null,
    /// A number's bytes, or the content of a string or of bytes.
    Raw(&'a [u8]),
    List(Vec<Value<'a>>),
    Record(Record<'a>),
}

/// Fields by name, in the order of the bytes; tagged ones are left out.
pub(in crate::protocol) type Record<'a> = Vec<(&'static str, Value<'a>)>;

/// The header and the fields of a whole request frame.
///
/// # Errors
/// The request is malformed or unknown. Nothing is built before all of it has been checked.
pub(in crate::protocol) fn read(request: &[u8]) -> Result<(RequestHeader<'_>, Record<'_>), WireError> {
    let bytes = request.get(LENGTH_BYTES..).unwrap_or_default();
    let header = RequestHeader::parse(bytes)?;
    let body = bytes.get(header.body..).unwrap_or_default();
    check_request(header.api_key, header.api_version, body)?;
    let unknown = WireError::BadValue { what: "a message of an unknown key or version", offset: 0 };
    let message = message(Kind::Request, header.api_key, header.api_version).ok_or(unknown)?;
    let mut reader = Reader { cursor: Cursor::new(body), version: header.api_version, flexible: header.api_version >= message.flexible_since };
    let record = reader.record(message.fields)?;
    Ok((header, record))
}

/// The value of the first field with one of these names.
pub(in crate::protocol) fn get<'r, 'a>(record: &'r Record<'a>, names: &[&str]) -> Option<&'r Value<'a>> {
    record.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| value)
}

/// An INT32 field.
pub(in crate::protocol) fn get_i32(record: &Record<'_>, name: &str) -> Option<i32> {
    match get(record, &[name])? {
        Value::Raw(bytes) => Some(i32::from_be_bytes((*bytes).try_into().ok()?)),
        Value::Null | Value::List(_) | Value::Record(_) => None,
    }
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    version: i16,
    flexible: bool,
}

impl<'a> Reader<'a> {
    fn record(&mut self, fields: &'static [Field]) -> Result<Record<'a>, WireError> {
        let version = self.version;
        let mut record = Vec::new();
        for field in fields.iter().filter(|field| field.tag.is_none() && field.is_in(version)) {
            record.push((field.name, self.value(&field.shape, field.is_nullable(version))?));
        }
        if self.flexible {
            self.cursor.skip_tags()?;
        }
        Ok(record)
    }

    fn value(&mut self, shape: &'static Shape, nullable: bool) -> Result<Value<'a>, WireError> {
        let length = match shape {
            Shape::Fixed(size) => Some(*size),
            Shape::ErrorCode => Some(size_of::<i16>()),
            Shape::String => self.cursor.string_length(self.flexible)?,
            Shape::Bytes => self.cursor.bytes_length(self.flexible)?,
            Shape::Struct(_) if nullable && self.cursor.i8()? < 0 => None,
            Shape::Struct(fields) => return self.record(fields).map(Value::Record),
            Shape::Array(element) => {
                let Some(count) = self.cursor.array_count(self.flexible)? else { return Ok(Value::Null) };
                // The count has been checked; it is still the bytes that end the loop.
                let mut list = Vec::new();
                for _ in 0..count {
                    list.push(self.value(element, false)?);
                }
                return Ok(Value::List(list));
            }
        };
        length.map_or(Ok(Value::Null), |length| self.cursor.take(length).map(Value::Raw))
    }
}
