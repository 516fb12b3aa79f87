//! What becomes of one partition's batch, by what was heard of it. Total, and without side effects.
//!
//! The table is that of `ReplicaManager`, `Partition`, `UnifiedLog` and `DelayedProduce` of Kafka 2.1 to 4.4; design.md section 4 explains it.

/// Whether a broker may have applied a request that was not answered well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// No broker has all of it.
    Unsent,
    /// The broker certainly did not apply it.
    Refused,
    /// It may have.
    Ambiguous,
}

/// How a batch was sent, as far as it matters for what may be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// The `acks` that the broker saw.
    pub acks: i16,
    /// The broker drops a duplicate of it: it carries a producer id, the client's or Leeward's.
    pub has_producer_id: bool,
    /// An earlier try was ambiguous: a later refusal proves nothing.
    pub was_ambiguous: bool,
    /// An earlier batch of this producer and partition has no result yet, so that a gap in the sequence is to be expected.
    pub earlier_unresolved: bool,
    /// The topic was seen to exist.
    pub topic_known: bool,
    /// The producer id is Leeward's, so that another one may be taken.
    pub numbered_here: bool,
}

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The broker's answer goes to the client.
    Deliver,
    /// The broker has it already: success.
    Success,
    /// It is sent again, behind whatever of its partition is before it.
    Resend(Delivery),
    /// It is sent again under a fresh producer id.
    Renumber,
    /// It may not be sent again; the client gets this retriable error.
    GiveUp(i16),
}

pub const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
pub const NOT_LEADER_OR_FOLLOWER: i16 = 6;
pub const REQUEST_TIMED_OUT: i16 = 7;
pub const NOT_ENOUGH_REPLICAS: i16 = 19;
pub const NOT_ENOUGH_REPLICAS_AFTER_APPEND: i16 = 20;
pub const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
pub const DUPLICATE_SEQUENCE_NUMBER: i16 = 46;
pub const KAFKA_STORAGE_ERROR: i16 = 56;
pub const UNKNOWN_PRODUCER_ID: i16 = 59;
pub const UNKNOWN_TOPIC_ID: i16 = 100;

/// The broker answered `code` for this batch.
pub fn answered(code: i16, batch: &Batch) -> Verdict {
    match code {
        DUPLICATE_SEQUENCE_NUMBER => Verdict::Success,
        NOT_ENOUGH_REPLICAS => not_applied(code, batch),
        UNKNOWN_TOPIC_ID | UNKNOWN_TOPIC_OR_PARTITION if !batch.topic_known => Verdict::Deliver,
        UNKNOWN_TOPIC_ID => not_applied(code, batch),
        // With acks=-1 the old leader may have appended it, and lost its leadership while it waited for the ISR.
        NOT_LEADER_OR_FOLLOWER | UNKNOWN_TOPIC_OR_PARTITION if batch.acks == -1 => ambiguous(code, batch),
        NOT_LEADER_OR_FOLLOWER | UNKNOWN_TOPIC_OR_PARTITION => not_applied(code, batch),
        REQUEST_TIMED_OUT | NOT_ENOUGH_REPLICAS_AFTER_APPEND | KAFKA_STORAGE_ERROR => ambiguous(code, batch),
        OUT_OF_ORDER_SEQUENCE_NUMBER if batch.earlier_unresolved => Verdict::Resend(Delivery::Refused),
        OUT_OF_ORDER_SEQUENCE_NUMBER | UNKNOWN_PRODUCER_ID if batch.numbered_here => {
            // The broker knows nothing of this producer id, or less than it should. Without an ambiguous try the batch is not in the log.
            if batch.was_ambiguous { Verdict::GiveUp(REQUEST_TIMED_OUT) } else { Verdict::Renumber }
        }
        _ => Verdict::Deliver,
    }
}

/// What the client is told of a batch whose time is over. `last`: the last code of a broker, or 0.
///
/// What may be in a log is never told in a code that says "refused": clients take that for leave to send it again (librdkafka does, whatever its retries; see
/// `rd_kafka_handle_Produce_error_action_retry`).
pub fn given_up(last: i16, is_ambiguous: bool) -> i16 {
    match (last, is_ambiguous) {
        (NOT_ENOUGH_REPLICAS_AFTER_APPEND, true) => NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        (_, true) => REQUEST_TIMED_OUT,
        (0, false) => NOT_LEADER_OR_FOLLOWER,
        (code, false) => code,
    }
}

/// The connection went before the broker answered; `whole`: all of the frame had been handed over.
pub fn lost(whole: bool, batch: &Batch) -> Verdict {
    if whole { ambiguous(REQUEST_TIMED_OUT, batch) } else { Verdict::Resend(if batch.was_ambiguous { Delivery::Ambiguous } else { Delivery::Unsent }) }
}

fn not_applied(code: i16, batch: &Batch) -> Verdict {
    match (batch.was_ambiguous, batch.has_producer_id) {
        (false, _) => Verdict::Resend(Delivery::Refused),
        (true, true) => Verdict::Resend(Delivery::Ambiguous),
        (true, false) => Verdict::GiveUp(given_up(code, true)),
    }
}

fn ambiguous(code: i16, batch: &Batch) -> Verdict {
    if batch.has_producer_id { Verdict::Resend(Delivery::Ambiguous) } else { Verdict::GiveUp(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Batch = Batch { acks: 1, has_producer_id: false, was_ambiguous: false, earlier_unresolved: false, topic_known: true, numbered_here: false };
    const ALL: Batch = Batch { acks: -1, ..PLAIN };
    const NUMBERED: Batch = Batch { acks: -1, has_producer_id: true, numbered_here: true, ..PLAIN };
    const OWN: Batch = Batch { numbered_here: false, ..NUMBERED };

    #[test]
    fn what_may_be_in_a_log_is_never_told_as_refused() {
        for (last, is_ambiguous, told) in [
            (0, false, NOT_LEADER_OR_FOLLOWER),
            (0, true, REQUEST_TIMED_OUT),
            (NOT_LEADER_OR_FOLLOWER, true, REQUEST_TIMED_OUT),
            (NOT_ENOUGH_REPLICAS, true, REQUEST_TIMED_OUT),
            (NOT_ENOUGH_REPLICAS, false, NOT_ENOUGH_REPLICAS),
            (NOT_ENOUGH_REPLICAS_AFTER_APPEND, true, NOT_ENOUGH_REPLICAS_AFTER_APPEND),
        ] {
            assert_eq!(given_up(last, is_ambiguous), told, "{last} {is_ambiguous}");
        }
    }

    #[test]
    fn the_table_of_answers() {
        use Delivery::{Ambiguous, Refused};
        use Verdict::{Deliver, GiveUp, Renumber, Resend, Success};
        let after_ambiguity = |batch| Batch { was_ambiguous: true, ..batch };
        let behind = |batch| Batch { earlier_unresolved: true, ..batch };
        let unknown_topic = |batch| Batch { topic_known: false, ..batch };
        for (code, batch, verdict) in [
            (0, PLAIN, Deliver),
            (10, NUMBERED, Deliver),
            (6, PLAIN, Resend(Refused)),
            (6, ALL, GiveUp(6)),
            (6, NUMBERED, Resend(Ambiguous)),
            (3, PLAIN, Resend(Refused)),
            (3, ALL, GiveUp(3)),
            (3, unknown_topic(NUMBERED), Deliver),
            (100, unknown_topic(NUMBERED), Deliver),
            (100, ALL, Resend(Refused)),
            (19, ALL, Resend(Refused)),
            (19, after_ambiguity(NUMBERED), Resend(Ambiguous)),
            (19, after_ambiguity(ALL), GiveUp(7)),
            (7, ALL, GiveUp(7)),
            (7, OWN, Resend(Ambiguous)),
            (20, ALL, GiveUp(20)),
            (20, NUMBERED, Resend(Ambiguous)),
            (56, PLAIN, GiveUp(56)),
            (56, OWN, Resend(Ambiguous)),
            (45, OWN, Deliver),
            (45, behind(OWN), Resend(Refused)),
            (45, behind(NUMBERED), Resend(Refused)),
            (45, NUMBERED, Renumber),
            (45, after_ambiguity(NUMBERED), GiveUp(7)),
            (59, NUMBERED, Renumber),
            (59, OWN, Deliver),
            (46, NUMBERED, Success),
        ] {
            assert_eq!(answered(code, &batch), verdict, "{code} {batch:?}");
        }
    }

    #[test]
    fn a_lost_connection_is_ambiguous_only_behind_the_last_byte() {
        assert_eq!(lost(false, &PLAIN), Verdict::Resend(Delivery::Unsent));
        assert_eq!(lost(true, &PLAIN), Verdict::GiveUp(REQUEST_TIMED_OUT));
        assert_eq!(lost(true, &OWN), Verdict::Resend(Delivery::Ambiguous));
        assert_eq!(lost(false, &Batch { was_ambiguous: true, ..OWN }), Verdict::Resend(Delivery::Ambiguous));
    }

    #[test]
    fn without_a_producer_id_nothing_that_may_be_in_the_log_is_ever_sent_again() {
        for code in -1..140 {
            for acks in [-1, 0, 1] {
                let batch = Batch { acks, was_ambiguous: true, ..PLAIN };
                assert!(!matches!(answered(code, &batch), Verdict::Resend(Delivery::Ambiguous) | Verdict::Renumber), "{code}");
            }
        }
    }
}
