//! ListOffsets taken apart by leader, and its answers put together: the client asked one broker, and the partitions are led by several now.
//!
//! Source: `ListOffsetsRequest.json`, `ListOffsetsResponse.json`, v1 to v10. It is asked when a consumer begins or has lost its place, so decoding is cheap enough.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::list_offsets_request::ListOffsetsTopic;
use kafka_protocol::messages::list_offsets_response::ListOffsetsTopicResponse;
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use kafka_protocol::protocol::{Decodable, Encodable, Message};

use super::schema;
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::{RequestHeader, ResponseHeader, api};

/// A partition is led by another broker, or by none yet: 5 LEADER_NOT_AVAILABLE, 6 NOT_LEADER_OR_FOLLOWER, 56 KAFKA_STORAGE_ERROR, 78 OFFSET_NOT_AVAILABLE.
const ELSEWHERE: [i16; 4] = [5, 6, 56, 78];

/// No epoch: whoever leads now may answer.
const NO_EPOCH: i32 = -1;

/// A request of which some partitions have no answer yet.
#[derive(Debug, Clone)]
pub struct Search {
    version: i16,
    /// The header as the client sent it.
    head: Bytes,
    open: ListOffsetsRequest,
    answer: ListOffsetsResponse,
}

impl Search {
    /// From a whole frame. `None`: not this API, a version that is not known, or malformed.
    pub fn of(frame: &Bytes) -> Option<Self> {
        let bytes = frame.slice(LENGTH_BYTES.min(frame.len())..);
        let header = RequestHeader::parse(&bytes).ok()?;
        let (version, at) = (header.api_version, header.body);
        let known = ListOffsetsRequest::VERSIONS;
        if header.api_key != api::LIST_OFFSETS || !(known.min..=known.max).contains(&version) {
            return None;
        }
        let mut body = bytes.slice(at.min(bytes.len())..);
        schema::check_request(api::LIST_OFFSETS, version, &body).ok()?;
        let mut open = ListOffsetsRequest::decode(&mut body, version).ok()?;
        for partition in open.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            partition.current_leader_epoch = NO_EPOCH;
        }
        Some(Search { version, head: bytes.slice(..at), open, answer: ListOffsetsResponse::default() })
    }

    /// Partitions without an answer, as topic and index.
    pub fn open(&self) -> impl Iterator<Item = (&str, i32)> {
        self.open.topics.iter().flat_map(|topic| topic.partitions.iter().map(|partition| (topic.name.as_str(), partition.partition_index)))
    }

    /// A request for those of the open partitions that `wanted` says.
    pub fn part(&self, wanted: impl Fn(&str, i32) -> bool) -> Option<Bytes> {
        let part = |topic: &ListOffsetsTopic| {
            let partitions = topic.partitions.iter().filter(|partition| wanted(topic.name.as_str(), partition.partition_index)).cloned().collect();
            topic.clone().with_partitions(partitions)
        };
        let topics = self.open.topics.iter().map(part).filter(|topic| !topic.partitions.is_empty()).collect();
        framed(&self.head, &self.open.clone().with_topics(topics), self.version)
    }

    /// Takes in the answer to a part; partitions that are elsewhere stay open. Gives the first code that said so. `None`: it is no answer to this.
    pub fn take(&mut self, frame: &Bytes) -> Option<Option<i16>> {
        let response = decode(self.version, frame)?;
        let mut elsewhere = None;
        self.answer.throttle_time_ms = self.answer.throttle_time_ms.max(response.throttle_time_ms);
        for topic in response.topics {
            for partition in topic.partitions {
                if ELSEWHERE.contains(&partition.error_code) {
                    elsewhere.get_or_insert(partition.error_code);
                    continue;
                }
                let index = partition.partition_index;
                let Some(open) = self.open.topics.iter_mut().find(|open| open.name == topic.name) else { continue };
                let before = open.partitions.len();
                open.partitions.retain(|open| open.partition_index != index);
                if open.partitions.len() == before {
                    continue;
                }
                match self.answer.topics.iter_mut().find(|answered| answered.name == topic.name) {
                    Some(answered) => answered.partitions.push(partition),
                    None => self.answer.topics.push(ListOffsetsTopicResponse::default().with_name(topic.name.clone()).with_partitions(vec![partition])),
                }
            }
        }
        Some(elsewhere)
    }

    /// The answer to the whole request; to be asked for when nothing is open.
    pub fn answer(&self, correlation_id: i32) -> Option<Bytes> {
        let mut head = BytesMut::new();
        head.put_i32(correlation_id);
        if api::response_header_version(api::LIST_OFFSETS, self.version) > 0 {
            head.put_u8(0); // No tagged fields.
        }
        framed(&head, &self.answer, self.version)
    }
}

/// The code of the first partition in a whole response frame that says that it is led by another broker.
pub fn moved(version: i16, frame: &Bytes) -> Option<i16> {
    let codes = decode(version, frame)?.topics.into_iter().flat_map(|topic| topic.partitions).map(|partition| partition.error_code);
    codes.into_iter().find(|code| ELSEWHERE.contains(code))
}

fn decode(version: i16, frame: &Bytes) -> Option<ListOffsetsResponse> {
    let known = ListOffsetsResponse::VERSIONS;
    if !(known.min..=known.max).contains(&version) {
        return None;
    }
    let bytes = frame.slice(LENGTH_BYTES.min(frame.len())..);
    let header = ResponseHeader::parse(&bytes, api::LIST_OFFSETS, version).ok()?;
    let mut body = bytes.slice(header.body.min(bytes.len())..);
    schema::check_response(api::LIST_OFFSETS, version, &body).ok()?;
    ListOffsetsResponse::decode(&mut body, version).ok()
}

fn framed(head: &[u8], body: &impl Encodable, version: i16) -> Option<Bytes> {
    let mut out = BytesMut::new();
    out.put_i32(0);
    out.put_slice(head);
    body.encode(&mut out, version).ok()?;
    let length = i32::try_from(out.len() - LENGTH_BYTES).ok()?;
    out.get_mut(..LENGTH_BYTES)?.copy_from_slice(&length.to_be_bytes());
    Some(out.freeze())
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
    use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
    use kafka_protocol::messages::{RequestHeader as Header, TopicName};
    use kafka_protocol::protocol::{HeaderVersion, StrBytes};

    use super::*;

    fn name() -> TopicName {
        TopicName(StrBytes::from_static_str("t"))
    }

    fn request(version: i16, partitions: &[i32]) -> Bytes {
        let header = Header::default().with_request_api_key(2).with_request_api_version(version).with_correlation_id(9);
        let mut head = BytesMut::new();
        header.encode(&mut head, ListOffsetsRequest::header_version(version)).unwrap();
        let partitions = partitions.iter().map(|index| ListOffsetsPartition::default().with_partition_index(*index).with_timestamp(-2)).collect();
        let topics = vec![ListOffsetsTopic::default().with_name(name()).with_partitions(partitions)];
        framed(&head, &ListOffsetsRequest::default().with_topics(topics), version).unwrap()
    }

    fn response(version: i16, partitions: &[(i32, i16)]) -> Bytes {
        let partition = |(index, code): &(i32, i16)| {
            ListOffsetsPartitionResponse::default().with_partition_index(*index).with_error_code(*code).with_offset(i64::from(*index) * 10)
        };
        let topic = ListOffsetsTopicResponse::default().with_name(name()).with_partitions(partitions.iter().map(partition).collect());
        let head: &[u8] = if version >= 6 { &[0, 0, 0, 9, 0] } else { &[0, 0, 0, 9] };
        framed(head, &ListOffsetsResponse::default().with_topics(vec![topic]), version).unwrap()
    }

    #[test]
    fn each_leader_is_asked_for_its_own_and_the_client_gets_one_answer() {
        for version in 1..=10 {
            let mut search = Search::of(&request(version, &[0, 1, 2])).unwrap();
            let part = Search::of(&search.part(|_, index| index != 1).unwrap()).unwrap();
            assert_eq!(part.open().collect::<Vec<_>>(), [("t", 0), ("t", 2)], "v{version}");
            assert_eq!(search.take(&response(version, &[(0, 0), (2, 6)])), Some(Some(6)));
            assert_eq!(search.open().collect::<Vec<_>>(), [("t", 1), ("t", 2)]);
            assert_eq!(search.take(&response(version, &[(1, 0)])), Some(None));
            assert_eq!(search.take(&response(version, &[(2, 1)])), Some(None), "what is no matter of leaders is the client's");
            assert_eq!(search.open().next(), None);
            assert_eq!(search.answer(9).unwrap(), response(version, &[(0, 0), (1, 0), (2, 1)]), "v{version}");
        }
    }

    #[test]
    fn an_answer_that_says_moved_is_known_as_one() {
        assert_eq!(moved(5, &response(5, &[(0, 0), (1, 6)])), Some(6));
        assert_eq!(moved(5, &response(5, &[(0, 0), (1, 3)])), None);
        assert_eq!(moved(0, &response(5, &[(1, 6)])), None, "a version that is not known");
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let (whole, answer) = (request(7, &[0, 1]), response(7, &[(0, 0)]));
        for cut in 0..whole.len() {
            assert!(Search::of(&whole.slice(..cut)).is_none());
        }
        let mut search = Search::of(&whole).unwrap();
        for cut in 0..answer.len() {
            assert_eq!(search.take(&answer.slice(..cut)), None);
        }
    }
}
