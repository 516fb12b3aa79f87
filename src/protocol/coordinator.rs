//! Groups and transactional ids: whose coordinator a request needs, and the questions that Leeward asks itself about them.
//!
//! Sources: `FindCoordinatorRequest.json`, `InitProducerIdRequest.json` and the requests of the group and transaction APIs of Kafka 2.1 to 4.4.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::schema;
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::{Api, Cursor, RequestHeader, ResponseHeader, WireError, api};

/// What has a coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CoordinatorKind {
    Group,
    Transaction,
}

/// The group or transactional id whose coordinator must serve this request (a whole frame); the first one where it names several. `None`: any broker
/// can, or the request is malformed.
pub fn coordinator_of(request: &[u8]) -> Option<(CoordinatorKind, String)> {
    let bytes = request.get(LENGTH_BYTES..)?;
    let header = RequestHeader::parse(bytes).ok()?;
    let flexible = Api::of(header.api_key)?.is_flexible(header.api_version);
    let mut cursor = Cursor::new(bytes.get(header.body..)?);
    let (kind, place) = place_of(header.api_key, header.api_version)?;
    match place {
        Place::First => {}
        Place::Second => drop(cursor.nullable_string(flexible).ok()?),
        Place::FirstOfArray => drop(cursor.array_count(flexible).ok()?.filter(|count| *count > 0)?),
    }
    let id = cursor.nullable_string(flexible).ok()??;
    Some((kind, std::str::from_utf8(id).ok()?.to_owned()))
}

/// `session_timeout_ms` of a JoinGroup (a whole frame).
pub fn session_timeout(request: &[u8]) -> Option<Duration> {
    let bytes = request.get(LENGTH_BYTES..)?;
    let header = RequestHeader::parse(bytes).ok()?;
    if header.api_key != JOIN_GROUP {
        return None;
    }
    let mut cursor = Cursor::new(bytes.get(header.body..)?);
    cursor.nullable_string(Api::of(JOIN_GROUP)?.is_flexible(header.api_version)).ok()?;
    u64::try_from(cursor.i32().ok()?).ok().map(Duration::from_millis)
}

const JOIN_GROUP: i16 = 11;

/// Where a request's body has the id.
enum Place {
    First,
    /// Behind another string.
    Second,
    FirstOfArray,
}

fn place_of(api_key: i16, version: i16) -> Option<(CoordinatorKind, Place)> {
    let group = |place| Some((CoordinatorKind::Group, place));
    let transaction = |place| Some((CoordinatorKind::Transaction, place));
    match api_key {
        // OffsetCommit, JoinGroup, Heartbeat, LeaveGroup, SyncGroup, OffsetDelete, the heartbeats of newer groups, share offsets, Streams.
        8 | 11..=14 | 47 | 68 | 76 | 88 | 91 | 92 | 93 => group(Place::First),
        // OffsetFetch.
        9 => group(if version >= 8 { Place::FirstOfArray } else { Place::First }),
        // DescribeGroups, DeleteGroups, and the descriptions of newer groups.
        15 | 42 | 69 | 77 | 89 | 90 => group(Place::FirstOfArray),
        // TxnOffsetCommit goes to the group's coordinator.
        28 => group(Place::Second),
        // InitProducerId, AddOffsetsToTxn, EndTxn.
        22 | 25 | 26 => transaction(Place::First),
        // AddPartitionsToTxn.
        24 => transaction(if version >= 4 { Place::FirstOfArray } else { Place::First }),
        // DescribeTransactions.
        65 => transaction(Place::FirstOfArray),
        _ => None,
    }
}

/// The first of COORDINATOR_LOAD_IN_PROGRESS (14), COORDINATOR_NOT_AVAILABLE (15) and NOT_COORDINATOR (16) anywhere in a whole response frame.
///
/// # Errors
/// The response is malformed.
pub fn coordinator_error(api_key: i16, version: i16, frame: &[u8]) -> Result<Option<i16>, WireError> {
    let bytes = frame.get(LENGTH_BYTES..).unwrap_or_default();
    let header = ResponseHeader::parse(bytes, api_key, version)?;
    let mut found = None;
    schema::error_codes(api_key, version, bytes.get(header.body..).unwrap_or_default(), &mut |code| {
        if (14..=16).contains(&code) {
            found.get_or_insert(code);
        }
    })?;
    Ok(found)
}

/// FindCoordinator v1 or v2, which every broker from 2.1 to 4.4 speaks.
pub fn find_coordinator_request(version: i16, correlation_id: i32, client_id: Option<&str>, kind: CoordinatorKind, key: &str) -> Bytes {
    request(api::FIND_COORDINATOR, version, correlation_id, client_id, |frame| {
        put_text(frame, key);
        frame.put_i8(match kind {
            CoordinatorKind::Group => 0,
            CoordinatorKind::Transaction => 1,
        });
    })
}

/// Node id, host and port of the coordinator out of a whole response frame of v1 or v2, or the error code.
///
/// # Errors
/// The response is malformed.
pub fn find_coordinator_response(version: i16, frame: &[u8]) -> Result<Result<(i32, String, u16), i16>, WireError> {
    let mut cursor = body(api::FIND_COORDINATOR, version, frame)?;
    cursor.skip(4)?;
    let code = cursor.i16()?;
    if code != 0 {
        return Ok(Err(code));
    }
    cursor.nullable_string(false)?;
    let node_id = cursor.i32()?;
    let host = cursor.string(false)?.to_owned();
    let offset = cursor.position();
    let port = u16::try_from(cursor.i32()?).map_err(|_| WireError::BadValue { what: "a port", offset })?;
    Ok(Ok((node_id, host, port)))
}

/// InitProducerId v0 or v1 without a transactional id.
pub fn init_producer_id_request(version: i16, correlation_id: i32, client_id: Option<&str>) -> Bytes {
    /// Ignored without a transactional id, but brokers check that it is positive.
    const TRANSACTION_TIMEOUT_MS: i32 = 60_000;
    request(api::INIT_PRODUCER_ID, version, correlation_id, client_id, |frame| {
        frame.put_i16(-1);
        frame.put_i32(TRANSACTION_TIMEOUT_MS);
    })
}

/// Producer id and epoch out of a whole response frame of v0 or v1, or the error code.
///
/// # Errors
/// The response is malformed.
pub fn init_producer_id_response(version: i16, frame: &[u8]) -> Result<Result<(i64, i16), i16>, WireError> {
    let mut cursor = body(api::INIT_PRODUCER_ID, version, frame)?;
    cursor.skip(4)?;
    let code = cursor.i16()?;
    if code != 0 {
        return Ok(Err(code));
    }
    let id = i64::from_be_bytes(cursor.array::<8>()?);
    Ok(Ok((id, cursor.i16()?)))
}

fn body(api_key: i16, version: i16, frame: &[u8]) -> Result<Cursor<'_>, WireError> {
    let bytes = frame.get(LENGTH_BYTES..).unwrap_or_default();
    let header = ResponseHeader::parse(bytes, api_key, version)?;
    Ok(Cursor::new(bytes.get(header.body..).unwrap_or_default()))
}

/// A request without tagged fields.
fn request(api_key: i16, version: i16, correlation_id: i32, client_id: Option<&str>, put_body: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    frame.put_i16(api_key);
    frame.put_i16(version);
    frame.put_i32(correlation_id);
    match client_id {
        Some(client_id) => put_text(&mut frame, client_id),
        None => frame.put_i16(-1),
    }
    put_body(&mut frame);
    let length = i32::try_from(frame.len() - LENGTH_BYTES).unwrap_or(i32::MAX);
    if let Some(field) = frame.first_chunk_mut::<LENGTH_BYTES>() {
        *field = length.to_be_bytes();
    }
    frame.freeze()
}

/// A string that came out of a frame, so that its length fits.
fn put_text(frame: &mut BytesMut, text: &str) {
    let text = text.as_bytes().get(..usize::from(i16::MAX.cast_unsigned())).unwrap_or(text.as_bytes());
    frame.put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
    frame.put_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(api_key: i16, version: i16, body: &[u8]) -> Bytes {
        request(api_key, version, 7, Some("c"), |frame| frame.put_slice(body))
    }

    #[test]
    fn the_id_is_found_wherever_a_request_has_it() {
        let group = |id: &str| Some((CoordinatorKind::Group, id.to_owned()));
        let transaction = |id: &str| Some((CoordinatorKind::Transaction, id.to_owned()));
        for (api_key, version, body, expected) in [
            (12, 1, &b"\x00\x01g\x00\x00\x00\x05\x00\x01m"[..], group("g")),
            (9, 5, b"\x00\x01g\x00\x00\x00\x00", group("g")),
            (15, 2, b"\x00\x00\x00\x02\x00\x01g\x00\x01h", group("g")),
            (15, 2, b"\x00\x00\x00\x00", None),
            (28, 0, b"\x00\x01t\x00\x01g", group("g")),
            (26, 1, b"\x00\x01t", transaction("t")),
            (24, 1, b"\x00\x01t", transaction("t")),
            (22, 1, b"\xff\xff\x00\x00\x00\x01", None),
            (22, 1, b"\x00\x01t\x00\x00\x00\x01", transaction("t")),
            (3, 1, b"\x00\x00\x00\x00", None),
        ] {
            assert_eq!(coordinator_of(&framed(api_key, version, body)), expected, "{api_key} v{version}");
        }
        assert_eq!(coordinator_of(b"\x00\x00"), None);
    }

    #[test]
    fn the_session_timeout_is_found_in_every_join_group() {
        for (version, body) in [(0, &b"\x00\x01g\x00\x00\x75\x30"[..]), (5, b"\x00\x01g\x00\x00\x75\x30"), (9, b"\x00\x02g\x00\x00\x75\x30")] {
            assert_eq!(session_timeout(&framed(11, version, body)), Some(Duration::from_secs(30)), "v{version}");
        }
        assert_eq!(session_timeout(&framed(12, 1, b"\x00\x01g\x00\x00\x75\x30")), None);
        assert_eq!(session_timeout(&framed(11, 1, b"\x00")), None);
    }

    #[test]
    fn what_is_asked_here_is_well_formed_for_brokers() {
        for (version, kind) in [(1, CoordinatorKind::Group), (2, CoordinatorKind::Transaction)] {
            let frame = find_coordinator_request(version, 7, Some("leeward"), kind, "g");
            let header = RequestHeader::parse(&frame[4..]).unwrap();
            schema::check_request(api::FIND_COORDINATOR, version, &frame[4 + header.body..]).unwrap();
        }
        let frame = init_producer_id_request(1, 7, Some("leeward"));
        let header = RequestHeader::parse(&frame[4..]).unwrap();
        schema::check_request(api::INIT_PRODUCER_ID, 1, &frame[4 + header.body..]).unwrap();
    }

    #[test]
    fn answers_are_read() {
        let answer = |body: &[u8]| [&u32::try_from(4 + body.len()).unwrap().to_be_bytes()[..], &[0, 0, 0, 7], body].concat();
        let found = answer(b"\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x02\x00\x01h\x00\x00\x23\x84");
        assert_eq!(find_coordinator_response(2, &found), Ok(Ok((2, "h".to_owned(), 9092))));
        assert_eq!(find_coordinator_response(2, &answer(b"\x00\x00\x00\x00\x00\x0f\xff\xff\xff\xff\xff\xff\x00\x00\xff\xff\xff\xff")), Ok(Err(15)));
        assert_eq!(init_producer_id_response(1, &answer(b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09\x00\x03")), Ok(Ok((9, 3))));
        assert!(find_coordinator_response(2, &answer(b"\x00")).is_err());
        assert_eq!(coordinator_error(12, 1, &answer(b"\x00\x00\x00\x00\x00\x10")), Ok(Some(16)));
        assert_eq!(coordinator_error(12, 1, &answer(b"\x00\x00\x00\x00\x00\x1b")), Ok(None));
    }
}
