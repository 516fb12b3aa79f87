//! What a request is, without decoding it: key, version, correlation id, and for Produce where `acks` stands.

use crate::wire::{Cursor, WireError, api};

/// The head of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peek {
    pub api_key: i16,
    pub api_version: i16,
    pub correlation_id: i32,
    /// Only for Produce.
    pub produce: Option<ProducePeek>,
}

/// The two fields of a Produce that Leeward may change in place: both have a fixed width, and no checksum covers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducePeek {
    /// As the client sent it, perhaps none of -1, 0 and 1: then the broker answers INVALID_REQUIRED_ACKS.
    pub acks: i16,
    /// Offset of `acks` (INT16) from the first byte behind the frame's length field; `timeout_ms` (INT32) stands at `acks_at + 2`.
    pub acks_at: usize,
    /// In milliseconds.
    pub timeout_ms: i32,
}

/// Why a frame is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeekError {
    /// The frame ends inside the request header, or inside the fields of a Produce up to `timeout_ms`.
    #[error("a frame of {length} bytes ends inside the request's head, which needs {needed}")]
    Truncated { needed: usize, length: usize },
    /// A length in the head that cannot be.
    #[error("the request's head is malformed: {0}")]
    Malformed(WireError),
    /// A Produce whose layout is not known, so that neither its acks nor its answer could be read.
    #[error("Produce version {0} is not known")]
    ProduceVersion(i16),
}

/// Bytes of a header up to the client id: key, version, correlation id.
const FIXED: usize = 8;
/// The first Produce version with a transactional id.
const PRODUCE_TRANSACTIONAL_SINCE: i16 = 3;
/// The first Produce version with compact types.
const PRODUCE_FLEXIBLE_SINCE: i16 = 9;
/// The last Produce version whose layout is known.
const PRODUCE_LAST: i16 = 13;
/// `acks` and `timeout_ms`.
const ACKS_AND_TIMEOUT: usize = 6;

/// Reads the head of a request. `bytes` is what has arrived of the frame behind its length field, `length` the frame's announced length.
///
/// `Ok(None)`: more bytes are needed; never when the whole frame is there.
///
/// # Errors
/// As soon as it is certain that the frame is no request, whether it has arrived or not.
pub fn peek(bytes: &[u8], length: usize) -> Result<Option<Peek>, PeekError> {
    match read(bytes, length) {
        Ok(peek) => Ok(Some(peek)),
        Err(Stop::Refused(error)) => Err(error),
        Err(Stop::Wire(WireError::Truncated { needed, .. })) if needed > length => Err(PeekError::Truncated { needed, length }),
        Err(Stop::Wire(WireError::Truncated { .. })) => Ok(None),
        Err(Stop::Wire(error)) => Err(PeekError::Malformed(error)),
    }
}

enum Stop {
    Wire(WireError),
    Refused(PeekError),
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Stop::Wire(error)
    }
}

fn read(bytes: &[u8], length: usize) -> Result<Peek, Stop> {
    let mut cursor = Cursor::new(bytes);
    let [k0, k1, v0, v1, c0, c1, c2, c3] = cursor.array::<FIXED>()?;
    let (api_key, api_version) = (i16::from_be_bytes([k0, k1]), i16::from_be_bytes([v0, v1]));
    let correlation_id = i32::from_be_bytes([c0, c1, c2, c3]);
    let produce = if api_key == api::PRODUCE {
        Some(read_produce(cursor, api_version, length)?)
    } else {
        if api::request_header_version(api_key, api_version) >= 1 {
            let client_id = cursor.string_length(false)?.unwrap_or(0);
            ends_within(cursor.position() + client_id, length)?;
        }
        None
    };
    Ok(Peek { api_key, api_version, correlation_id, produce })
}

/// `cursor` stands at the client id.
fn read_produce(mut cursor: Cursor<'_>, version: i16, length: usize) -> Result<ProducePeek, Stop> {
    if !(0..=PRODUCE_LAST).contains(&version) {
        return Err(Stop::Refused(PeekError::ProduceVersion(version)));
    }
    let flexible = version >= PRODUCE_FLEXIBLE_SINCE;
    pass_string(&mut cursor, false, length)?;
    if flexible {
        cursor.skip_tags()?;
    }
    if version >= PRODUCE_TRANSACTIONAL_SINCE {
        pass_string(&mut cursor, flexible, length)?;
    }
    let acks_at = cursor.position();
    ends_within(acks_at + ACKS_AND_TIMEOUT, length)?;
    let [a0, a1, t0, t1, t2, t3] = cursor.array::<ACKS_AND_TIMEOUT>()?;
    Ok(ProducePeek { acks: i16::from_be_bytes([a0, a1]), acks_at, timeout_ms: i32::from_be_bytes([t0, t1, t2, t3]) })
}

fn pass_string(cursor: &mut Cursor<'_>, compact: bool, length: usize) -> Result<(), Stop> {
    let n = cursor.string_length(compact)?.unwrap_or(0);
    ends_within(cursor.position() + n, length)?;
    Ok(cursor.skip(n)?)
}

fn ends_within(needed: usize, length: usize) -> Result<(), Stop> {
    if needed > length { Err(Stop::Refused(PeekError::Truncated { needed, length })) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
