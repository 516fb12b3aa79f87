//! Incremental fetch sessions (KIP-227, `FetchSession.scala`): what a client asked for before, so that it sends and gets only what changed.

use std::collections::BTreeMap;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use uuid::Uuid;

/// Sessions of one broker (`max.incremental.fetch.session.cache.slots`).
const SESSIONS_MAX: usize = 1_000;
const FULL: i32 = 0;
const NO_SESSION: i32 = -1;
/// Since this version topics are named by id.
const IDS_SINCE: i16 = 13;
const SESSIONS_SINCE: i16 = 7;

/// A topic as the request names it, and a partition of it.
type Key = (TopicName, Uuid, i32);

/// One broker's sessions.
#[derive(Debug, Default)]
pub(super) struct FetchSessions {
    by_id: BTreeMap<i32, Session>,
}

#[derive(Debug)]
struct Session {
    /// The epoch that the next request must have.
    next_epoch: i32,
    uses_ids: bool,
    /// In the order in which they were asked for: the first ones get the bytes.
    partitions: Vec<(Key, Cached)>,
}

#[derive(Debug)]
struct Cached {
    asked: FetchPartition,
    /// High watermark and log start as last told.
    told: Option<(i64, i64)>,
}

impl FetchSessions {
    /// Turns a request into what it stands for: its own partitions, or all those of its session. `fresh_id` names a new session, if one is wanted;
    /// afterwards the request's `session_id` is the one that the answer carries (0: none), and `session_epoch` 0 marks a full answer.
    ///
    /// # Errors
    /// The top-level errors of Fetch: the client begins anew.
    pub(super) fn resolve(&mut self, request: &mut FetchRequest, version: i16, fresh_id: i32) -> Result<(), ResponseError> {
        let uses_ids = version >= IDS_SINCE;
        if version < SESSIONS_SINCE || request.session_epoch == NO_SESSION || request.session_epoch == FULL {
            self.by_id.remove(&request.session_id);
            let wants_session = version >= SESSIONS_SINCE && request.session_epoch == FULL && request.topics.iter().any(|topic| !topic.partitions.is_empty());
            request.session_epoch = FULL;
            request.session_id = if wants_session { fresh_id } else { 0 };
            if wants_session {
                self.begin(request, uses_ids, fresh_id);
            }
            return Ok(());
        }
        let session = self.by_id.get_mut(&request.session_id).ok_or(ResponseError::FetchSessionIdNotFound)?;
        if session.next_epoch != request.session_epoch {
            return Err(ResponseError::InvalidFetchSessionEpoch);
        }
        if session.uses_ids != uses_ids {
            return Err(ResponseError::FetchSessionTopicIdError);
        }
        session.next_epoch = session.next_epoch.checked_add(1).unwrap_or(1);
        for topic in &request.forgotten_topics_data {
            session.partitions.retain(|((name, id, partition), _)| (name, id) != (&topic.topic, &topic.topic_id) || !topic.partitions.contains(partition));
        }
        for (key, asked) in partitions_of(request) {
            match session.partitions.iter_mut().find(|(known, _)| *known == key) {
                Some((_, cached)) => cached.asked = asked,
                None => session.partitions.push((key, Cached { asked, told: None })),
            }
        }
        request.topics = topics_of(&session.partitions);
        Ok(())
    }

    /// Leaves out of an incremental answer what the client knows already, and remembers what it is told.
    pub(super) fn filter(&mut self, request: &FetchRequest, response: &mut FetchResponse) {
        response.session_id = request.session_id;
        let Some(session) = self.by_id.get_mut(&request.session_id) else {
            return;
        };
        let is_full = request.session_epoch == FULL;
        for topic in &mut response.responses {
            let (name, id) = (&topic.topic, topic.topic_id);
            topic.partitions.retain(|data| {
                let cached =
                    session.partitions.iter_mut().find(|((known, known_id, partition), _)| (known, *known_id, *partition) == (name, id, data.partition_index));
                cached.is_none_or(|(_, cached)| is_full | is_news(cached, data))
            });
        }
        response.responses.retain(|topic| !topic.partitions.is_empty());
    }

    fn begin(&mut self, request: &FetchRequest, uses_ids: bool, id: i32) {
        if self.by_id.len() >= SESSIONS_MAX {
            self.by_id.pop_first();
        }
        let partitions = partitions_of(request).map(|(key, asked)| (key, Cached { asked, told: None })).collect();
        self.by_id.insert(id, Session { next_epoch: 1, uses_ids, partitions });
    }
}

fn is_news(cached: &mut Cached, data: &PartitionData) -> bool {
    let has_records = data.records.as_ref().is_some_and(|records| !records.is_empty());
    let telling = Some((data.high_watermark, data.log_start_offset));
    let news = has_records || data.error_code != 0 || data.diverging_epoch.epoch >= 0 || cached.told != telling;
    // An error is told again each time.
    cached.told = if data.error_code == 0 { telling } else { None };
    news
}

fn partitions_of(request: &FetchRequest) -> impl Iterator<Item = (Key, FetchPartition)> {
    let of_topic = |topic: &FetchTopic| {
        let (name, id) = (topic.topic.clone(), topic.topic_id);
        topic.partitions.iter().map(move |asked| ((name.clone(), id, asked.partition), asked.clone())).collect::<Vec<_>>()
    };
    request.topics.iter().flat_map(of_topic)
}

fn topics_of(partitions: &[(Key, Cached)]) -> Vec<FetchTopic> {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for ((name, id, _), cached) in partitions {
        match topics.last_mut() {
            Some(last) if (&last.topic, &last.topic_id) == (name, id) => last.partitions.push(cached.asked.clone()),
            Some(_) | None => {
                topics.push(FetchTopic::default().with_topic(name.clone()).with_topic_id(*id).with_partitions(vec![cached.asked.clone()]));
            }
        }
    }
    topics
}
