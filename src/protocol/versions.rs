//! ApiVersions v0 to v5, which Leeward answers itself: what all brokers and Leeward can do together.

mod intersect;

pub use intersect::intersect;

use bytes::{BufMut, Bytes, BytesMut};

use super::put::{put_count, put_string, put_uvarint, uvarint_length};
use crate::wire::{Cursor, WireError, api, frame::LENGTH_BYTES};

/// The versions of one API, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    pub api_key: i16,
    pub min: i16,
    pub max: i16,
}

/// A feature (KIP-584) with the levels that a broker supports, or that the cluster has finalized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    pub name: String,
    pub min: i16,
    pub max: i16,
}

/// What a broker offers, or Leeward in front of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Each key once, ascending when Leeward made it.
    pub ranges: Vec<VersionRange>,
    pub supported_features: Vec<Feature>,
    /// -1: not known, and then nothing is finalized.
    pub finalized_epoch: i64,
    pub finalized_features: Vec<Feature>,
    pub zk_migration_ready: bool,
}

/// What a client says of itself (KIP-511).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientSoftware<'a> {
    pub name: &'a str,
    pub version: &'a str,
}

/// The newest version that is known here.
pub const LAST_VERSION: i16 = 5;
/// The broker's answer to a version that it does not know, always in the form of v0.
pub const UNSUPPORTED_VERSION: i16 = 35;
/// The broker's answer to a software name or version that is not [acceptable](ClientSoftware::is_acceptable).
pub const INVALID_REQUEST: i16 = 42;

/// The first version with compact types and a client's software.
const FLEXIBLE_SINCE: i16 = 3;
/// The first version in which features whose minimum is 0 are shown (KAFKA-17011).
const ZERO_MINIMUM_SINCE: i16 = 4;
/// v5 adds `ClusterId` and `NodeId` (KIP-1242), which name a node that only the client means: what Leeward asks for itself stays below.
const LAST_ASKED_VERSION: i16 = 4;

const SUPPORTED_TAG: u32 = 0;
const EPOCH_TAG: u32 = 1;
const FINALIZED_TAG: u32 = 2;
const ZK_TAG: u32 = 3;

impl Offer {
    /// The versions of `api_key`; `None` when it is not offered.
    pub fn range(&self, api_key: i16) -> Option<VersionRange> {
        self.ranges.iter().copied().find(|range| range.api_key == api_key)
    }

    /// Whether `api_version` of `api_key` is offered.
    pub fn has(&self, api_key: i16, api_version: i16) -> bool {
        self.range(api_key).is_some_and(|range| (range.min..=range.max).contains(&api_version))
    }
}

impl ClientSoftware<'_> {
    /// Whether name and version are what a broker accepts: letters, digits, `-` and `.`, with a letter or digit at both ends. Else it answers [`INVALID_REQUEST`].
    pub fn is_acceptable(&self) -> bool {
        [self.name, self.version].into_iter().all(is_acceptable)
    }
}

fn is_acceptable(text: &str) -> bool {
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

/// Reads the body of a request. `None` for versions that carry no software, and for those that are not known.
///
/// # Errors
/// The body is malformed.
pub fn parse_request(version: i16, body: &[u8]) -> Result<Option<ClientSoftware<'_>>, WireError> {
    if !(FLEXIBLE_SINCE..=LAST_VERSION).contains(&version) {
        return Ok(None);
    }
    let mut cursor = Cursor::new(body);
    let software = ClientSoftware { name: cursor.string(true)?, version: cursor.string(true)? };
    if version >= 5 {
        // ClusterId and NodeId (KIP-1242). A client behind Leeward is never misrouted, whatever it believes.
        cursor.nullable_string(true)?;
        cursor.i32()?;
    }
    cursor.skip_tags()?;
    Ok(Some(software))
}

/// A whole frame with a request of at most v4. Software that a broker would refuse is replaced by Leeward's own.
pub fn encode_request(version: i16, correlation_id: i32, client_id: Option<&str>, software: Option<(&str, &str)>) -> Bytes {
    let version = version.clamp(0, LAST_ASKED_VERSION);
    let mut out = begin();
    out.put_i16(api::API_VERSIONS);
    out.put_i16(version);
    out.put_i32(correlation_id);
    // The client id keeps its INT16 form in every header.
    if client_id.and_then(|client_id| put_string(&mut out, client_id, false)).is_none() {
        out.put_i16(-1);
    }
    if version >= FLEXIBLE_SINCE {
        put_uvarint(&mut out, 0);
        let (name, version) = software
            .filter(|(name, version)| ClientSoftware { name, version }.is_acceptable() && name.len().max(version.len()) <= i16::MAX as usize)
            .unwrap_or((env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")));
        for text in [name, version] {
            put_text(&mut out, text, true);
        }
        put_uvarint(&mut out, 0);
    }
    finish(out)
}

/// Reads the body of a response to a request of `version`: its error code and what is offered.
///
/// A broker that does not know the version answers in the form of v0 with [`UNSUPPORTED_VERSION`], and from 2.4 on with the one range of ApiVersions.
///
/// # Errors
/// The body is malformed, or the version is not known.
pub fn parse_response(version: i16, body: &[u8]) -> Result<(i16, Offer), WireError> {
    let mut cursor = Cursor::new(body);
    let error = cursor.i16()?;
    let version = if error == UNSUPPORTED_VERSION { 0 } else { version };
    if !(0..=LAST_VERSION).contains(&version) {
        return Err(WireError::BadValue { what: "an unknown version of ApiVersions", offset: 0 });
    }
    let flexible = version >= FLEXIBLE_SINCE;
    let ranges = read_array(&mut cursor, flexible, "ApiKeys", 6 + usize::from(flexible), |cursor| {
        let range = VersionRange { api_key: cursor.i16()?, min: cursor.i16()?, max: cursor.i16()? };
        if flexible {
            cursor.skip_tags()?;
        }
        Ok(range)
    })?;
    let mut offer = Offer { ranges, supported_features: Vec::new(), finalized_epoch: -1, finalized_features: Vec::new(), zk_migration_ready: false };
    if version >= 1 {
        cursor.i32()?;
    }
    if flexible {
        read_tags(&mut cursor, &mut offer)?;
    }
    Ok((error, offer))
}

fn read_tags(cursor: &mut Cursor<'_>, offer: &mut Offer) -> Result<(), WireError> {
    for _ in 0..cursor.uvarint()? {
        let (tag, size) = (cursor.uvarint()?, cursor.uvarint()?);
        let mut data = Cursor::new(cursor.take(size as usize)?);
        match tag {
            SUPPORTED_TAG => offer.supported_features = read_features(&mut data, |min, max| (min, max))?,
            EPOCH_TAG => offer.finalized_epoch = data.i64()?,
            // Here the highest level stands first.
            FINALIZED_TAG => offer.finalized_features = read_features(&mut data, |max, min| (min, max))?,
            ZK_TAG => offer.zk_migration_ready = data.i8()? != 0,
            _ => {}
        }
    }
    Ok(())
}

fn read_features(cursor: &mut Cursor<'_>, levels: impl Fn(i16, i16) -> (i16, i16)) -> Result<Vec<Feature>, WireError> {
    read_array(cursor, true, "Features", 1 + 2 + 2 + 1, |cursor| {
        let name = cursor.string(true)?.to_owned();
        let (min, max) = levels(cursor.i16()?, cursor.i16()?);
        cursor.skip_tags()?;
        Ok(Feature { name, min, max })
    })
}

/// An array whose elements take at least `smallest` bytes each.
fn read_array<'a, T>(
    cursor: &mut Cursor<'a>,
    compact: bool,
    what: &'static str,
    smallest: usize,
    element: impl Fn(&mut Cursor<'a>) -> Result<T, WireError>,
) -> Result<Vec<T>, WireError> {
    let offset = cursor.position();
    let count = cursor.array_count(compact)?.ok_or(WireError::BadValue { what: "null array", offset })?;
    if count.saturating_mul(smallest) > cursor.remaining() {
        return Err(WireError::BadLength { what, value: count as i64, offset });
    }
    (0..count).map(|_| element(cursor)).collect()
}

/// A whole frame with the answer to a request of `request_version`. The header is always v0; a version that is not known gets [`UNSUPPORTED_VERSION`] in the form of v0
/// and the range of ApiVersions alone (KIP-511).
pub fn encode_response(offer: &Offer, request_version: i16, correlation_id: i32) -> Bytes {
    if (0..=LAST_VERSION).contains(&request_version) {
        encode(offer, 0, request_version, correlation_id)
    } else {
        encode(&nothing(vec![OWN_RANGE]), UNSUPPORTED_VERSION, 0, correlation_id)
    }
}

/// A whole frame that refuses a request, for example with [`INVALID_REQUEST`], and offers nothing.
pub fn encode_refusal(error_code: i16, request_version: i16, correlation_id: i32) -> Bytes {
    encode(&nothing(Vec::new()), error_code, request_version.clamp(0, LAST_VERSION), correlation_id)
}

const OWN_RANGE: VersionRange = VersionRange { api_key: api::API_VERSIONS, min: 0, max: LAST_VERSION };

fn nothing(ranges: Vec<VersionRange>) -> Offer {
    Offer { ranges, supported_features: Vec::new(), finalized_epoch: -1, finalized_features: Vec::new(), zk_migration_ready: false }
}

fn encode(offer: &Offer, error_code: i16, version: i16, correlation_id: i32) -> Bytes {
    let flexible = version >= FLEXIBLE_SINCE;
    let mut out = begin();
    out.put_i32(correlation_id);
    out.put_i16(error_code);
    put_count(&mut out, offer.ranges.len() as u32, flexible);
    for range in &offer.ranges {
        out.put_i16(range.api_key);
        out.put_i16(range.min);
        out.put_i16(range.max);
        if flexible {
            put_uvarint(&mut out, 0);
        }
    }
    if version >= 1 {
        out.put_i32(0);
    }
    if flexible {
        put_tags(&mut out, offer, version);
    }
    finish(out)
}

fn put_tags(out: &mut BytesMut, offer: &Offer, version: i16) {
    let supported = offer.supported_features.iter().filter(|feature| version >= ZERO_MINIMUM_SINCE || feature.min != 0);
    let supported: Vec<_> = supported.map(|feature| (feature.name.as_str(), feature.min, feature.max)).collect();
    let finalized: Vec<_> = offer.finalized_features.iter().map(|feature| (feature.name.as_str(), feature.max, feature.min)).collect();
    let mut fields = Vec::new();
    if !supported.is_empty() {
        fields.push((SUPPORTED_TAG, features(&supported)));
    }
    if offer.finalized_epoch != -1 {
        fields.push((EPOCH_TAG, BytesMut::from(&offer.finalized_epoch.to_be_bytes()[..])));
    }
    if !finalized.is_empty() {
        fields.push((FINALIZED_TAG, features(&finalized)));
    }
    if offer.zk_migration_ready {
        fields.push((ZK_TAG, BytesMut::from(&[1][..])));
    }
    put_uvarint(out, fields.len() as u32);
    for (tag, data) in fields {
        out.reserve(data.len() + 2 * uvarint_length(u32::MAX));
        put_uvarint(out, tag);
        put_uvarint(out, data.len() as u32);
        out.put_slice(&data);
    }
}

fn features(features: &[(&str, i16, i16)]) -> BytesMut {
    let mut out = BytesMut::new();
    put_count(&mut out, features.len() as u32, true);
    for (name, first, second) in features {
        put_text(&mut out, name, true);
        out.put_i16(*first);
        out.put_i16(*second);
        put_uvarint(&mut out, 0);
    }
    out
}

/// Text that came from the wire or from the binary itself, so it is never too long for it.
fn put_text(out: &mut BytesMut, text: &str, compact: bool) {
    if put_string(out, text, compact).is_none() {
        put_count(out, 0, compact);
    }
}

/// Room for the length field, and for an answer of usual size.
fn begin() -> BytesMut {
    let mut out = BytesMut::with_capacity(1024);
    out.put_bytes(0, LENGTH_BYTES);
    out
}

fn finish(mut out: BytesMut) -> Bytes {
    let length = (out.len() - LENGTH_BYTES) as u32;
    for (to, from) in out.iter_mut().zip(length.to_be_bytes()) {
        *to = from;
    }
    out.freeze()
}

#[cfg(test)]
mod tests;
