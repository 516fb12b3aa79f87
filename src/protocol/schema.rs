//! The shape of each request and response, to check a peer's bytes before anything allocates by the counts in them.
//!
//! What passes here has every length and every count inside the frame, and every element that a count announces is there. A decoder's vectors can still be larger
//! than the bytes they came from (an empty string takes one byte on the wire): whoever decodes bounds the size of the frame first.
//!
//! The table behind it comes from Kafka's own message definitions, see `schema/generate.py`.

#[cfg(test)]
pub(in crate::protocol) mod arbitrary;
mod table;
pub(in crate::protocol) mod tree;

use crate::wire::{Cursor, WireError};

/// Checks a whole request body (behind the header) of this key and version: every length and count fits into `body`.
///
/// # Errors
/// The body is malformed, or no release from 2.1 to 4.4 has such a message. Bytes behind the message's end are let through, as brokers do.
pub fn check_request(api_key: i16, api_version: i16, body: &[u8]) -> Result<(), WireError> {
    walk(Kind::Request, api_key, api_version, body, &mut |_| {}).map(drop)
}

/// Checks a whole response body (behind the header) of this key and version: every length and count fits into `body`.
///
/// # Errors
/// As [`check_request`].
pub fn check_response(api_key: i16, api_version: i16, body: &[u8]) -> Result<(), WireError> {
    walk(Kind::Response, api_key, api_version, body, &mut |_| {}).map(drop)
}

/// Reports every error code in a response that is not 0, nested ones too, in the order of the bytes.
///
/// # Errors
/// As [`check_response`]; codes in front of the error have been reported.
pub fn error_codes(api_key: i16, api_version: i16, body: &[u8], on_error: &mut dyn FnMut(i16)) -> Result<(), WireError> {
    walk(Kind::Response, api_key, api_version, body, on_error).map(drop)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::protocol) enum Kind {
    Request,
    Response,
}

/// One message in a range of versions.
pub(in crate::protocol) struct Message {
    pub(in crate::protocol) api_key: i16,
    pub(in crate::protocol) kind: Kind,
    pub(in crate::protocol) first: i16,
    last: i16,
    pub(in crate::protocol) flexible_since: i16,
    pub(in crate::protocol) fields: &'static [Field],
}

pub(in crate::protocol) struct Field {
    pub(in crate::protocol) name: &'static str,
    pub(in crate::protocol) shape: Shape,
    pub(in crate::protocol) first: i16,
    last: i16,
    null_first: i16,
    null_last: i16,
    /// In the section of tagged fields, under this number.
    pub(in crate::protocol) tag: Option<u32>,
}

pub(in crate::protocol) enum Shape {
    /// So many bytes.
    Fixed(usize),
    /// INT16, and its name says that it is an error code.
    ErrorCode,
    String,
    /// BYTES and RECORDS.
    Bytes,
    Array(&'static Shape),
    Struct(&'static [Field]),
}

/// A field of the versions `first` to `last`.
const fn f(name: &'static str, shape: Shape, first: i16, last: i16) -> Field {
    Field { name, shape, first, last, null_first: i16::MAX, null_last: -1, tag: None }
}

impl Field {
    /// May be null in these versions.
    const fn null(self, first: i16, last: i16) -> Field {
        Field { null_first: first, null_last: last, ..self }
    }

    const fn tag(self, tag: u32) -> Field {
        Field { tag: Some(tag), ..self }
    }

    pub(in crate::protocol) fn is_in(&self, version: i16) -> bool {
        (self.first..=self.last).contains(&version)
    }

    pub(in crate::protocol) fn is_nullable(&self, version: i16) -> bool {
        (self.null_first..=self.null_last).contains(&version)
    }
}

pub(in crate::protocol) fn message(kind: Kind, api_key: i16, version: i16) -> Option<&'static Message> {
    let from = table::MESSAGES.partition_point(|message| (message.api_key, message.kind, message.last) < (api_key, kind, version));
    table::MESSAGES.get(from).filter(|message| message.api_key == api_key && message.kind == kind && version >= message.first)
}

/// Walks over a whole body and returns where the message ends.
fn walk(kind: Kind, api_key: i16, version: i16, body: &[u8], on_error: &mut dyn FnMut(i16)) -> Result<usize, WireError> {
    let message = message(kind, api_key, version).ok_or(WireError::BadValue { what: "a message of an unknown key or version", offset: 0 })?;
    let mut walk = Walk { cursor: Cursor::new(body), version, flexible: version >= message.flexible_since, on_error };
    walk.fields(message.fields)?;
    Ok(walk.cursor.position())
}

/// Where a response body that is well-formed ends.
#[cfg(test)]
pub(in crate::protocol) fn walk_length(api_key: i16, version: i16, body: &[u8]) -> usize {
    walk(Kind::Response, api_key, version, body, &mut |_| {}).unwrap()
}

struct Walk<'a, 'e> {
    cursor: Cursor<'a>,
    version: i16,
    flexible: bool,
    on_error: &'e mut dyn FnMut(i16),
}

impl Walk<'_, '_> {
    fn fields(&mut self, fields: &'static [Field]) -> Result<(), WireError> {
        let version = self.version;
        for field in fields.iter().filter(|field| field.tag.is_none() && field.is_in(version)) {
            self.value(&field.shape, field.name, field.is_nullable(version))?;
        }
        if self.flexible { self.tags(fields) } else { Ok(()) }
    }

    fn tags(&mut self, fields: &'static [Field]) -> Result<(), WireError> {
        for _ in 0..self.cursor.uvarint()? {
            let tag = self.cursor.uvarint()?;
            let size = self.cursor.uvarint()? as usize;
            let start = self.cursor.position();
            match fields.iter().find(|field| field.tag == Some(tag) && field.is_in(self.version)) {
                Some(field) => {
                    self.value(&field.shape, field.name, field.is_nullable(self.version))?;
                    // Decoders go by the content and forget the size: one that disagrees would put them out of step.
                    if self.cursor.position() - start != size {
                        return Err(WireError::BadLength { what: field.name, value: size as i64, offset: start });
                    }
                }
                None => self.cursor.skip(size)?,
            }
        }
        Ok(())
    }

    fn value(&mut self, shape: &'static Shape, name: &'static str, nullable: bool) -> Result<(), WireError> {
        let offset = self.cursor.position();
        let length = match shape {
            Shape::Fixed(size) => return self.cursor.skip(*size),
            Shape::ErrorCode => {
                let code = self.cursor.i16()?;
                if code != 0 {
                    (self.on_error)(code);
                }
                return Ok(());
            }
            Shape::Struct(fields) => {
                // Only a struct that may be null says whether it is there.
                if nullable && self.cursor.i8()? < 0 {
                    return Ok(());
                }
                return self.fields(fields);
            }
            Shape::String => self.cursor.string_length(self.flexible)?,
            Shape::Bytes => self.cursor.bytes_length(self.flexible)?,
            Shape::Array(_) => self.cursor.array_count(self.flexible)?,
        };
        match (length, shape) {
            (None, _) if nullable => Ok(()),
            (None, _) => Err(WireError::BadLength { what: name, value: -1, offset }),
            (Some(count), Shape::Array(element)) => self.elements(count, element, name, offset),
            (Some(length), Shape::Fixed(_) | Shape::ErrorCode | Shape::String | Shape::Bytes | Shape::Struct(_)) => self.cursor.skip(length),
        }
    }

    fn elements(&mut self, count: usize, element: &'static Shape, name: &'static str, offset: usize) -> Result<(), WireError> {
        // An element without any byte would let a count of billions pass.
        let smallest = self.smallest(element, false).max(1);
        if count.saturating_mul(smallest) > self.cursor.remaining() {
            return Err(WireError::BadLength { what: name, value: count as i64, offset });
        }
        if let Shape::Fixed(size) = element {
            return self.cursor.skip(count.saturating_mul(*size));
        }
        (0..count).try_for_each(|_| self.value(element, name, false))
    }

    /// The fewest bytes that a value takes in this version.
    fn smallest(&self, shape: &'static Shape, nullable: bool) -> usize {
        match shape {
            Shape::Fixed(size) => *size,
            Shape::ErrorCode => size_of::<i16>(),
            Shape::String if !self.flexible => size_of::<i16>(),
            Shape::Bytes | Shape::Array(_) if !self.flexible => size_of::<i32>(),
            Shape::String | Shape::Bytes | Shape::Array(_) => 1,
            Shape::Struct(_) if nullable => 1,
            Shape::Struct(fields) => {
                let present = fields.iter().filter(|field| field.tag.is_none() && field.is_in(self.version));
                usize::from(self.flexible) + present.map(|field| self.smallest(&field.shape, field.is_nullable(self.version))).sum::<usize>()
            }
        }
    }
}

#[cfg(test)]
mod tests;
