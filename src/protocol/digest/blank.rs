//! Frames without what is nobody's business: zeros in the place of records and of everything else that the protocol calls bytes.

use std::ops::Range;

use crate::protocol::records::varint;
use crate::protocol::schema::{Field, Kind, Shape, message};
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::{Cursor, RequestHeader, ResponseHeader, WireError};

/// Whether a request or its answer may hold a password or a key in a field of any type: configurations, logins, tokens, credentials.
pub fn holds_secrets(api_key: i16) -> bool {
    // DescribeConfigs, AlterConfigs, SaslAuthenticate, the four of delegation tokens, IncrementalAlterConfigs, AlterUserScramCredentials, Envelope.
    matches!(api_key, 32 | 33 | 36 | 38..=41 | 44 | 51 | 58)
}

/// Fields that are read; what is behind the last of them is blank.
const FIELDS_MAX: usize = 200_000;

/// What stands before the records of a batch v2; it is left, so that it can be told what the batch is. Its CRC is then no more that of its bytes.
const HEAD_BYTES: usize = 61;
const LENGTH_AT: usize = 8;
const MAGIC_AT: usize = 16;
const FRAME_BYTES: usize = 12;
/// The lower byte of the attributes, and the bits in it that name a compression.
const ATTRIBUTES_AT: usize = 22;
const COMPRESSION: u8 = 0x07;

/// Blanks a request frame, which may end early, its length field included.
pub fn blank_request(frame: &mut [u8]) {
    let Ok(header) = RequestHeader::parse(frame.get(LENGTH_BYTES..).unwrap_or_default()) else { return frame.fill(0) };
    let (api_key, api_version, body) = (header.api_key, header.api_version, LENGTH_BYTES + header.body);
    blank(Kind::Request, api_key, api_version, frame.get_mut(body..).unwrap_or_default());
}

/// The same for the answer to a request of this key and version.
pub fn blank_response(api_key: i16, api_version: i16, frame: &mut [u8]) {
    let Ok(header) = ResponseHeader::parse(frame.get(LENGTH_BYTES..).unwrap_or_default(), api_key, api_version) else { return frame.fill(0) };
    blank(Kind::Response, api_key, api_version, frame.get_mut(LENGTH_BYTES + header.body..).unwrap_or_default());
}

fn blank(kind: Kind, api_key: i16, version: i16, body: &mut [u8]) {
    let Some(message) = message(kind, api_key, version) else { return body.fill(0) };
    let mut walk = Walk { cursor: Cursor::new(body), version, flexible: version >= message.flexible_since, left: FIELDS_MAX, found: Vec::new() };
    // What could not be read may be anything.
    let unread = if walk.fields(message.fields).is_ok() { None } else { Some(walk.cursor.position()..body.len()) };
    for (range, is_records) in walk.found.into_iter().chain(unread.map(|range| (range, false))) {
        let end = range.end.min(body.len());
        let Some(bytes) = body.get_mut(range.start..end) else { continue };
        if is_records { blank_records(bytes) } else { bytes.fill(0) }
    }
}

struct Walk<'a> {
    cursor: Cursor<'a>,
    version: i16,
    flexible: bool,
    left: usize,
    /// Where bytes stand, and whether they are records.
    found: Vec<(Range<usize>, bool)>,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &'static [Field]) -> Result<(), WireError> {
        let version = self.version;
        for field in fields.iter().filter(|field| field.tag.is_none() && field.is_in(version)) {
            self.value(&field.shape, field.name, field.is_nullable(version))?;
        }
        // Tagged fields are addresses, ids and epochs of brokers, which stay.
        if self.flexible { self.cursor.skip_tags() } else { Ok(()) }
    }

    fn value(&mut self, shape: &'static Shape, name: &'static str, nullable: bool) -> Result<(), WireError> {
        self.left = self.left.checked_sub(1).ok_or(WireError::BadValue { what: "a message of too many fields", offset: self.cursor.position() })?;
        match shape {
            Shape::ErrorCode => self.cursor.skip(size_of::<i16>()),
            Shape::Fixed(size) => self.cursor.skip(*size),
            Shape::String => {
                let length = self.cursor.string_length(self.flexible)?.unwrap_or(0);
                self.cursor.skip(length)
            }
            Shape::Bytes => {
                let length = self.cursor.bytes_length(self.flexible)?.unwrap_or(0);
                let start = self.cursor.position();
                self.found.push((start..start.saturating_add(length), name == "Records"));
                self.cursor.skip(length)
            }
            Shape::Struct(_) if nullable && self.cursor.i8()? < 0 => Ok(()),
            Shape::Struct(fields) => self.fields(fields),
            Shape::Array(element) => {
                let count = self.cursor.array_count(self.flexible)?.unwrap_or(0);
                if let Shape::Fixed(size) = element {
                    return self.cursor.skip(count.saturating_mul(*size));
                }
                (0..count).try_for_each(|_| self.value(element, name, false))
            }
        }
    }
}

/// Zeros in the place of keys, values and headers, with all their lengths; where they cannot be told apart, in the place of everything behind a batch's head. A
/// format before v2 has them everywhere.
fn blank_records(mut rest: &mut [u8]) {
    while rest.len() > HEAD_BYTES && rest.get(MAGIC_AT) == Some(&2) {
        let length = rest.get(LENGTH_AT..FRAME_BYTES).and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes);
        let end = length.and_then(|length| usize::try_from(length).ok()).map_or(rest.len(), |length| FRAME_BYTES.saturating_add(length));
        let (batch, behind) = rest.split_at_mut(end.clamp(HEAD_BYTES, rest.len()));
        let (mut found, mut cursor) = (Vec::new(), Cursor::new(batch));
        let is_plain = batch.get(ATTRIBUTES_AT).is_some_and(|attributes| attributes & COMPRESSION == 0);
        let read = if is_plain { cursor.skip(HEAD_BYTES).and_then(|()| places(&mut cursor, &mut found)) } else { cursor.skip(HEAD_BYTES) };
        if !is_plain || read.is_err() {
            found.push(cursor.position()..batch.len());
        }
        for range in found {
            if let Some(bytes) = batch.get_mut(range) {
                bytes.fill(0);
            }
        }
        rest = behind;
    }
    rest.fill(0);
}

/// Where keys, values and headers stand up to the end of a batch.
fn places(cursor: &mut Cursor<'_>, found: &mut Vec<Range<usize>>) -> Result<(), WireError> {
    while cursor.remaining() > 0 {
        varint(cursor)?;
        cursor.skip(1)?;
        varint(cursor)?;
        varint(cursor)?;
        place(cursor, found)?;
        place(cursor, found)?;
        for _ in 0..varint(cursor)? {
            place(cursor, found)?;
            place(cursor, found)?;
        }
    }
    Ok(())
}

fn place(cursor: &mut Cursor<'_>, found: &mut Vec<Range<usize>>) -> Result<(), WireError> {
    let value = varint(cursor)?;
    let start = cursor.position();
    let length = if value < 0 { 0 } else { usize::try_from(value).map_err(|_| WireError::BadLength { what: "a field's length", value, offset: start })? };
    // Cut or not, what is there of it goes.
    found.push(start..start.saturating_add(length).min(start + cursor.remaining()));
    cursor.skip(length)
}
