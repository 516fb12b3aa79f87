//! `NodeEndpoints` at the end of a response (KIP-951), rewritten to exactly as many bytes as they had.
//!
//! What becomes shorter is filled up with a tagged field of a high number, which clients pass over (KIP-482). What becomes longer loses racks first, then endpoints from the end:
//! a client then goes by `CurrentLeader` and the brokers that it knows. A field of tags takes at least two bytes, so one spare byte counts as no fit.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Addresses, PatchError};
use crate::protocol::put::{put_uvarint, uvarint_length};
use crate::wire::{Cursor, WireError};

/// How the endpoints stand in the tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Tag 0 of the last section of tagged fields (Produce, Fetch).
    Tagged,
    /// A compact array in front of the last section of tagged fields (ShareFetch, ShareAcknowledge).
    Array,
}

/// The tag of `NodeEndpoints` where they are tagged.
const ENDPOINTS_TAG: u32 = 0;
/// Numbers for the field that fills up, highest of each width, in order of preference: far from what Kafka will name, and every size can be met with one of the first two.
const FILL_TAGS: [u32; 4] = [0x3fff, 0x7f, 0x1f_ffff, 0xfff_ffff];
/// Node id, empty host, port, null rack, no tags.
const SMALLEST_ENDPOINT: usize = 4 + 1 + 4 + 1 + 1;

/// Rewrites `tail`, which ends with the frame. `None` when it names no address.
pub(super) fn rewrite(tail: &[u8], form: Form, addresses: &dyn Addresses) -> Result<Option<Bytes>, PatchError> {
    // The usual case, without any endpoint.
    match (form, tail) {
        (Form::Tagged, [0]) | (Form::Array, [0 | 1, 0]) => return Ok(None),
        (Form::Tagged | Form::Array, _) => {}
    }
    let mut cursor = Cursor::new(tail);
    let parsed = match form {
        Form::Tagged => Tail::read_tags(&mut cursor, None),
        Form::Array => Endpoint::read_all(&mut cursor).and_then(|endpoints| Tail::read_tags(&mut cursor, Some(endpoints))),
    }?;
    if cursor.remaining() > 0 {
        return Err(PatchError::Trailing(cursor.remaining()));
    }
    if parsed.endpoints.is_empty() {
        return Ok(None);
    }
    parsed.write(tail.len(), form, addresses).map(Some)
}

/// The parsed tail, with everything that is kept as it stands.
struct Tail<'a> {
    endpoints: Vec<Endpoint<'a>>,
    /// The other tagged fields as they stand, how many there are, and the highest number.
    others: Vec<&'a [u8]>,
    highest: Option<u32>,
}

struct Endpoint<'a> {
    node_id: i32,
    /// From the rack on, as it stands; and from behind the rack.
    rack_and_tags: &'a [u8],
    tags: &'a [u8],
}

impl<'a> Tail<'a> {
    fn read_tags(cursor: &mut Cursor<'a>, array: Option<Vec<Endpoint<'a>>>) -> Result<Self, PatchError> {
        let tagged = array.is_none();
        let mut tail = Tail { endpoints: array.unwrap_or_default(), others: Vec::new(), highest: None };
        for _ in 0..cursor.uvarint()? {
            let field = cursor.rest();
            let start = cursor.position();
            let tag = cursor.uvarint()?;
            let size = cursor.uvarint()? as usize;
            let data = cursor.take(size)?;
            if tagged && tag == ENDPOINTS_TAG {
                // One that comes twice would leave the first one unread: nobody writes that.
                if !tail.endpoints.is_empty() {
                    return Err(WireError::BadValue { what: "a tag that comes twice", offset: start }.into());
                }
                let mut inner = Cursor::new(data);
                tail.endpoints = Endpoint::read_all(&mut inner)?;
                if inner.remaining() > 0 {
                    return Err(PatchError::Trailing(inner.remaining()));
                }
                continue;
            }
            tail.others.push(field.get(..cursor.position() - start).unwrap_or_default());
            tail.highest = tail.highest.max(Some(tag));
        }
        Ok(tail)
    }

    /// The richest tail of exactly `length` bytes.
    fn write(&self, length: usize, form: Form, addresses: &dyn Addresses) -> Result<Bytes, PatchError> {
        let known: Vec<Kept<'_>> = self.endpoints.iter().filter_map(|endpoint| Kept::of(endpoint, addresses)).collect();
        let mut with_rack: usize = known.iter().map(|kept| kept.size(true)).sum();
        let mut without: usize = known.iter().map(|kept| kept.size(false)).sum();
        for count in (0..=known.len()).rev() {
            let endpoints = known.get(..count).unwrap_or_default();
            for (racks, bytes) in [(true, with_rack), (false, without)] {
                if let Some(layout) = self.layout(length, form, count, bytes) {
                    return Ok(self.put(length, form, &layout, endpoints, racks));
                }
            }
            if let Some(last) = endpoints.last() {
                with_rack -= last.size(true);
                without -= last.size(false);
            }
        }
        Err(PatchError::NoRoom { bytes: length })
    }

    /// How `count` endpoints of together `bytes` bytes fill the tail to `length` bytes; `None` when they cannot.
    fn layout(&self, length: usize, form: Form, count: usize, bytes: usize) -> Option<Layout> {
        let array = uvarint_length(u32::try_from(count).ok()? + 1) + bytes;
        let array_size = u32::try_from(array).ok()?;
        let others: usize = self.others.iter().map(|field| field.len()).sum();
        let mut fields = u32::try_from(self.others.len()).ok()?;
        let endpoints = match form {
            Form::Array => array,
            Form::Tagged if count > 0 => {
                fields += 1;
                uvarint_length(ENDPOINTS_TAG) + uvarint_length(array_size) + array
            }
            Form::Tagged => 0,
        };
        if endpoints + uvarint_length(fields) + others == length {
            return Some(Layout { array_size, fields, fill: None });
        }
        fields += 1;
        let room = length.checked_sub(endpoints + uvarint_length(fields) + others)?;
        Some(Layout { array_size, fields, fill: Some(Fill::of(room, self.highest)?) })
    }

    fn put(&self, length: usize, form: Form, layout: &Layout, endpoints: &[Kept<'_>], racks: bool) -> Bytes {
        let mut out = BytesMut::with_capacity(length);
        if form == Form::Array {
            put_endpoints(&mut out, endpoints, racks);
        }
        put_uvarint(&mut out, layout.fields);
        if form == Form::Tagged && !endpoints.is_empty() {
            put_uvarint(&mut out, ENDPOINTS_TAG);
            put_uvarint(&mut out, layout.array_size);
            put_endpoints(&mut out, endpoints, racks);
        }
        for field in &self.others {
            out.put_slice(field);
        }
        if let Some(fill) = &layout.fill {
            fill.put(&mut out);
        }
        assert_eq!(out.len(), length, "the length field has left already");
        out.freeze()
    }
}

fn put_endpoints(out: &mut BytesMut, endpoints: &[Kept<'_>], racks: bool) {
    put_uvarint(out, endpoints.len() as u32 + 1);
    for Kept { endpoint, host, port } in endpoints {
        out.put_i32(endpoint.node_id);
        put_uvarint(out, host.len() as u32 + 1);
        out.put_slice(host.as_bytes());
        out.put_i32(i32::from(*port));
        if racks {
            out.put_slice(endpoint.rack_and_tags);
        } else {
            out.put_u8(0);
            out.put_slice(endpoint.tags);
        }
    }
}

/// What a tail of the wanted length is made of.
struct Layout {
    /// Bytes of the array of endpoints, its count included.
    array_size: u32,
    /// Tagged fields in all.
    fields: u32,
    fill: Option<Fill>,
}

/// An endpoint whose broker has a virtual broker, and that one's address.
struct Kept<'a> {
    endpoint: &'a Endpoint<'a>,
    host: &'a str,
    port: u16,
}

impl<'a> Kept<'a> {
    fn of(endpoint: &'a Endpoint<'a>, addresses: &'a dyn Addresses) -> Option<Self> {
        let (host, port) = addresses.virtual_broker(endpoint.node_id)?;
        i16::try_from(host.len()).ok()?;
        Some(Kept { endpoint, host, port })
    }

    fn size(&self, rack: bool) -> usize {
        let tail = if rack { self.endpoint.rack_and_tags.len() } else { 1 + self.endpoint.tags.len() };
        4 + uvarint_length(self.host.len() as u32 + 1) + self.host.len() + 4 + tail
    }
}

impl<'a> Endpoint<'a> {
    fn read_all(cursor: &mut Cursor<'a>) -> Result<Vec<Self>, PatchError> {
        let offset = cursor.position();
        let count = cursor.array_count(true)?.unwrap_or(0);
        if count.saturating_mul(SMALLEST_ENDPOINT) > cursor.remaining() {
            return Err(WireError::BadLength { what: "NodeEndpoints", value: count as i64, offset }.into());
        }
        (0..count).map(|_| Endpoint::read(cursor)).collect()
    }

    fn read(cursor: &mut Cursor<'a>) -> Result<Self, PatchError> {
        let node_id = cursor.i32()?;
        cursor.nullable_string(true)?;
        cursor.skip(4)?;
        let rack = cursor.rest();
        let rack_at = cursor.position();
        cursor.nullable_string(true)?;
        let tags = cursor.rest();
        let tags_at = cursor.position();
        cursor.skip_tags()?;
        let end = cursor.position();
        Ok(Endpoint { node_id, rack_and_tags: rack.get(..end - rack_at).unwrap_or_default(), tags: tags.get(..end - tags_at).unwrap_or_default() })
    }
}

/// A tagged field that only takes room.
struct Fill {
    tag: u32,
    size: u32,
}

impl Fill {
    /// A field of exactly `room` bytes whose number is above `highest`.
    fn of(room: usize, highest: Option<u32>) -> Option<Fill> {
        FILL_TAGS.iter().copied().filter(|tag| highest.is_none_or(|highest| *tag > highest)).find_map(|tag| {
            let rest = room.checked_sub(uvarint_length(tag))?;
            (1..=5).find_map(|width| {
                let size = u32::try_from(rest.checked_sub(width)?).ok()?;
                (uvarint_length(size) == width).then_some(Fill { tag, size })
            })
        })
    }

    fn put(&self, out: &mut BytesMut) {
        put_uvarint(out, self.tag);
        put_uvarint(out, self.size);
        out.put_bytes(0, self.size as usize);
    }
}

#[cfg(test)]
mod tests;
