//! Answers that Leeward gives in place of a broker: well-formed, in the version that was asked for, with an error code that clients retry or refresh on.
//!
//! The table of all messages drives them ([`schema`](super::schema)): what was asked for is echoed, each item carries the code, and so does the top where there is a place for it.

mod write;

use bytes::{BufMut, Bytes, BytesMut};

use super::produce;
use super::schema::{
    Kind, message,
    tree::{self, Record},
};
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::{Api, RequestHeader, Route, api};
use write::Writer;

const NONE: i16 = 0;
const LEADER_NOT_AVAILABLE: i16 = 5;
const NOT_LEADER_OR_FOLLOWER: i16 = 6;
const REQUEST_TIMED_OUT: i16 = 7;
const COORDINATOR_NOT_AVAILABLE: i16 = 15;
const NOT_COORDINATOR: i16 = 16;
const FETCH_SESSION_ID_NOT_FOUND: i16 = 70;
const SHARE_SESSION_NOT_FOUND: i16 = 122;

const ALTER_REPLICA_LOG_DIRS: i16 = 34;
const DESCRIBE_LOG_DIRS: i16 = 35;
const ALTER_CLIENT_QUOTAS: i16 = 49;
const ALTER_USER_SCRAM_CREDENTIALS: i16 = 51;

/// The whole response frame that answers `request` (a whole frame, its length field included) with `code`.
///
/// `None` where the request is malformed or its API and version have no place for a code, and for a Produce that awaits no answer: the connection must be closed then.
pub fn answer(request: &[u8], code: i16) -> Option<Bytes> {
    let header = RequestHeader::parse(request.get(LENGTH_BYTES..)?).ok()?;
    match header.api_key {
        api::PRODUCE => answer_produce(request, &header, code),
        api::FETCH => fetch(request, code, code),
        api::SHARE_FETCH | api::SHARE_ACKNOWLEDGE => encode(request, code, None),
        _ if sayable(header.api_key, header.api_version) => encode(request, code, Some(code)),
        _ => None,
    }
}

/// What a consumer gets when its leader is gone.
///
/// An incremental fetch session (v7+, epoch above 0) ends with FETCH_SESSION_ID_NOT_FOUND at the top, so that the client starts a full one. Otherwise each partition that was asked
/// for comes with NOT_LEADER_OR_FOLLOWER, no offsets and empty records, in no session. `None` where the request is no well-formed Fetch.
pub fn fetch_moved(request: &[u8]) -> Option<Bytes> {
    fetch(request, FETCH_SESSION_ID_NOT_FOUND, NOT_LEADER_OR_FOLLOWER)
}

fn fetch(request: &[u8], session_code: i16, partition_code: i16) -> Option<Bytes> {
    let (header, record) = tree::read(request).ok().filter(|(header, _)| header.api_key == api::FETCH)?;
    let incremental = tree::get_i32(&record, "SessionEpoch").is_some_and(|epoch| epoch > 0);
    let (top, items) = if incremental { (session_code, None) } else { (NONE, Some(partition_code)) };
    encode_read(&header, &record, top, items)
}

/// `MaxWaitMs` of a Fetch or ShareFetch request, in milliseconds; `None` for any other request.
pub fn fetch_max_wait_ms(request: &[u8]) -> Option<i32> {
    let (header, record) = tree::read(request).ok()?;
    matches!(header.api_key, api::FETCH | api::SHARE_FETCH).then(|| tree::get_i32(&record, "MaxWaitMs")).flatten()
}

fn answer_produce(request: &[u8], header: &RequestHeader<'_>, code: i16) -> Option<Bytes> {
    let layout = produce::parse(request).ok().filter(|layout| layout.acks != 0)?;
    let results: Vec<_> = layout.batches.iter().map(|batch| produce::failed(batch.topic, batch.partition, code)).collect();
    Some(produce::encode_response(layout.version, header.correlation_id, &layout, request, &results, 0))
}

/// Whether an answer can be derived from what was asked. Not where items of the response are no items of the request.
fn sayable(api_key: i16, version: i16) -> bool {
    let client = Api::of(api_key).is_some_and(|api| !matches!(api.route, Route::Internal | Route::Connection));
    match api_key {
        ALTER_REPLICA_LOG_DIRS | ALTER_CLIENT_QUOTAS | ALTER_USER_SCRAM_CREDENTIALS => false,
        // Its results are directories; only the top can say that none was looked at.
        DESCRIBE_LOG_DIRS => version >= 3,
        _ => client,
    }
}

fn encode(request: &[u8], top: i16, items: Option<i16>) -> Option<Bytes> {
    let (header, record) = tree::read(request).ok()?;
    encode_read(&header, &record, top, items.filter(|_| header.api_key != DESCRIBE_LOG_DIRS))
}

/// `items`: the code of each item that was asked for; `None`: items are left out.
fn encode_read(header: &RequestHeader<'_>, record: &Record<'_>, top: i16, items: Option<i16>) -> Option<Bytes> {
    let (api_key, version) = (header.api_key, header.api_version);
    let message = message(Kind::Response, api_key, version)?;
    let mut out = BytesMut::new();
    out.put_u32(0);
    out.put_i32(header.correlation_id);
    if api::response_header_version(api_key, version) >= 1 {
        out.put_u8(0);
    }
    let mut writer = Writer { out, version, flexible: version >= message.flexible_since, items, codes: 0, lists: 0 };
    writer.record(message.fields, Some(record), top);
    // A list of nothing is answered by nothing; "all" cannot be.
    let said = writer.codes > 0 || (writer.lists > 0 && api_key != api::METADATA);
    let mut out = writer.out;
    let length = u32::try_from(out.len() - LENGTH_BYTES).ok()?;
    out.get_mut(..LENGTH_BYTES)?.copy_from_slice(&length.to_be_bytes());
    said.then(|| out.freeze())
}

/// The code to give up with, which clients of this API retry or refresh on; any other would reach an application as an exception (see the clients' handlers of each response).
pub fn retriable_code(api_key: i16, _version: i16) -> i16 {
    if let Some([code, ..]) = tolerated(api_key).get(..1) {
        return *code;
    }
    match Api::of(api_key).map(|api| api.route) {
        Some(Route::Leader) => NOT_LEADER_OR_FOLLOWER,
        Some(Route::GroupCoordinator | Route::TransactionCoordinator) => NOT_COORDINATOR,
        Some(Route::Any | Route::Node | Route::Controller | Route::ForwardedController | Route::Connection | Route::Sticky | Route::Internal) | None => {
            REQUEST_TIMED_OUT
        }
    }
}

/// Codes that clients of this API take without an exception, the best one first; empty where nothing is known about them.
pub fn tolerated(api_key: i16) -> &'static [i16] {
    match api_key {
        api::PRODUCE => &[NOT_LEADER_OR_FOLLOWER, 2, 3, 5, 7, 9, 13, 14, 15, 16, 19, 20, 56, 100],
        api::FETCH => &[NOT_LEADER_OR_FOLLOWER, 3, 9, 56, 74, 75, 78, 100, 103, -1],
        // ListOffsets and OffsetForLeaderEpoch.
        2 | 23 => &[NOT_LEADER_OR_FOLLOWER, 3, 5, 9, 56, 74, 75, 78],
        api::METADATA | 75 => &[LEADER_NOT_AVAILABLE],
        // OffsetCommit.
        8 => &[NOT_COORDINATOR, 3, 7, 14, 15],
        api::FIND_COORDINATOR => &[COORDINATOR_NOT_AVAILABLE],
        // Heartbeat and SyncGroup, in which 14 and 7 are fatal.
        12 | 14 => &[NOT_COORDINATOR, 15],
        // OffsetFetch, JoinGroup, the heartbeats of newer groups, and transactions.
        9 | 11 | 22 | 24..=26 | 28 | 68 | 76 | 88 => &[NOT_COORDINATOR, 14, 15],
        api::SHARE_FETCH | api::SHARE_ACKNOWLEDGE => &[SHARE_SESSION_NOT_FOUND],
        _ => &[],
    }
}

#[cfg(test)]
mod tests;
