//! Records and frames on a line, as far as the configuration allows them.

use serde::{Deserialize, Serialize};

use crate::protocol::digest::{Content, Digest, NamedPartition, NamedTopic, blank_request, blank_response, contents};
use crate::tap::{Frame, Told};

/// Records that are told of one request.
const RECORDS_MAX: usize = 100;

/// Bytes of a key or a value that are told.
const TEXT_BYTES_MAX: usize = 4096;

/// One record of a request or an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    pub partition: i32,
    /// In the log; in a Produce, from its batch's first record on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// In milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<TapBytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<TapBytes>,
    /// Why this and what is behind it in the partition is not opened; then it is no record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unopened: Option<String>,
}

/// A key or a value; a longer one is cut.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapBytes {
    /// Of the whole.
    pub bytes: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where it is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
}

/// A frame with its length field, as it was between the client and Leeward.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapFrame {
    /// Of the whole; what is behind tap.frame_bytes_max is not there.
    pub bytes: usize,
    pub hex: String,
    /// Records and other bytes of clients are zeros in it.
    pub blank: bool,
}

/// The records of a request and its answer.
pub(super) fn records(told: &Told) -> Vec<TapRecord> {
    let mut records = of_frame(&told.request.digest, told.request_frame.as_ref());
    if let Some(answer) = &told.answer {
        records.extend(of_frame(&answer.digest, told.answer_frame.as_ref()));
    }
    records.truncate(RECORDS_MAX);
    records
}

fn of_frame(digest: &Digest, frame: Option<&Frame>) -> Vec<TapRecord> {
    let Some(frame) = frame else { return Vec::new() };
    let with_records = |partition: &&NamedPartition| partition.record_bytes.is_some_and(|bytes| bytes > 0);
    let partitions = digest.topics.iter().flat_map(|topic| topic.partitions.iter().filter(with_records).map(move |partition| (topic, partition)));
    partitions.flat_map(|(topic, partition)| of_partition(topic, partition, frame)).take(RECORDS_MAX).collect()
}

fn of_partition(topic: &NamedTopic, partition: &NamedPartition, frame: &Frame) -> Vec<TapRecord> {
    let from = frame.bytes.get(partition.records_at..).unwrap_or_default();
    let there = from.get(..partition.record_bytes.unwrap_or(0)).unwrap_or(from);
    let record = || TapRecord { topic: topic.name.as_deref().map(str::to_owned), partition: partition.partition, ..TapRecord::default() };
    let (found, unopened) = contents(there, RECORDS_MAX);
    let opened = |content: &Content<'_>| TapRecord {
        offset: Some(content.offset),
        timestamp: Some(content.timestamp),
        key: content.key.map(TapBytes::of),
        value: content.value.map(TapBytes::of),
        ..record()
    };
    let mut records: Vec<_> = found.iter().map(opened).collect();
    records.extend(unopened.map(|unopened| TapRecord { unopened: Some(unopened.label().to_owned()), ..record() }));
    records
}

impl TapBytes {
    fn of(bytes: &[u8]) -> Self {
        let told = bytes.get(..TEXT_BYTES_MAX).unwrap_or(bytes);
        let text = match std::str::from_utf8(told) {
            Ok(text) => Some(text.to_owned()),
            // Cut in the middle of a letter.
            Err(error) if told.len() < bytes.len() && error.error_len().is_none() => {
                Some(String::from_utf8_lossy(told).trim_end_matches('\u{fffd}').to_owned())
            }
            Err(_) => None,
        };
        TapBytes { bytes: bytes.len(), hex: text.is_none().then(|| hex(told)), text }
    }
}

/// Both frames, where they were kept; `permitted`: with their records.
pub(super) fn frames(told: &Told, permitted: bool) -> [Option<TapFrame>; 2] {
    let (api_key, api_version) = (told.request.api_key, told.request.api_version);
    let frame = |frame: &Frame, blank: &dyn Fn(&mut [u8])| {
        let mut bytes = frame.bytes.to_vec();
        if !permitted {
            blank(&mut bytes);
        }
        TapFrame { bytes: frame.length, hex: hex(&bytes), blank: !permitted }
    };
    [
        told.request_frame.as_ref().map(|kept| frame(kept, &blank_request)),
        told.answer_frame.as_ref().map(|kept| frame(kept, &|bytes| blank_response(api_key, api_version, bytes))),
    ]
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |number: u8| DIGITS.get(usize::from(number)).copied().unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
