//! How long a request may be held: a part of what its own client would wait.
//!
//! Sources: `CommonClientConfigs.java` and `ProducerConfig.java`, librdkafka `CONFIGURATION.md`, franz-go `config.go`, sarama `config.go`, kafka-python and
//! kafkajs defaults; protocol.md section 5.

use std::time::Duration;

use super::Policy;
use crate::wire::api;

/// Who made the client, as its ApiVersions request says (v3 and later).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Library {
    Java,
    Librdkafka,
    FranzGo,
    Sarama,
    KafkaPython,
    KafkaJs,
    #[default]
    Unknown,
}

impl Library {
    /// As it is known.
    pub fn label(self) -> &'static str {
        match self {
            Library::Java => "Java",
            Library::Librdkafka => "librdkafka",
            Library::FranzGo => "franz-go",
            Library::Sarama => "sarama",
            Library::KafkaPython => "kafka-python",
            Library::KafkaJs => "kafkajs",
            Library::Unknown => "unknown",
        }
    }

    /// From `client_software_name`.
    pub fn named(software_name: &str) -> Library {
        match software_name {
            "apache-kafka-java" => Library::Java,
            "kgo" => Library::FranzGo,
            "sarama" => Library::Sarama,
            "kafka-python" => Library::KafkaPython,
            "kafkajs" => Library::KafkaJs,
            // The libraries built on it put their own names there.
            name if name.contains("rdkafka") || name.starts_with("confluent-kafka") => Library::Librdkafka,
            _ => Library::Unknown,
        }
    }
}

/// What remains for the way back and for the client's own clock.
const SHARE_OF_LIMIT: f64 = 0.8;

/// `retry timeout` of franz-go beyond a request's own timeout, which it adds for the way.
const FRANZ_GO_OVERHEAD: Duration = Duration::from_secs(10);

/// The shortest limit that any of the known clients has by default for anything.
const UNKNOWN_LIMIT: Duration = Duration::from_secs(10);

/// `session.timeout.ms` of clients before Kafka 3.0, the shortest default that there is.
const SESSION_TIMEOUT_MIN: Duration = Duration::from_secs(10);

/// `group.consumer.session.timeout.ms` and `group.share.session.timeout.ms`, which brokers set for newer groups.
const BROKER_SESSION_TIMEOUT: Duration = Duration::from_secs(45);

/// The part of a session timeout that a heartbeat may be held: the member's next one must still come in time.
const SHARE_OF_SESSION: u32 = 3;

/// After how long a client gives up a request of this kind. `timeout_ms`: the field of a Produce.
pub fn client_limit(library: Library, api_key: i16, timeout_ms: Option<i32>) -> Duration {
    let own = timeout_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
    match (library, own) {
        // `timeout_ms` is its request.timeout.ms.
        (Library::Java, Some(own)) => own,
        (Library::FranzGo, own) => own.unwrap_or_default() + FRANZ_GO_OVERHEAD,
        (Library::Librdkafka, _) => Duration::from_secs(60),
        (Library::Java, None) | (Library::Sarama | Library::KafkaPython | Library::KafkaJs, _) => Duration::from_secs(30),
        (Library::Unknown, own) if api_key == api::PRODUCE => own.unwrap_or_default().max(UNKNOWN_LIMIT),
        (Library::Unknown, _) => UNKNOWN_LIMIT,
    }
}

/// How long a request may be held, from its arrival. `timeout_ms`: the field of a Produce; `session_timeout`: what the member said when it joined its group.
pub fn hold(policy: &Policy, library: Library, api_key: i16, timeout_ms: Option<i32>, session_timeout: Option<Duration>) -> Duration {
    let most = match api_key {
        api::METADATA | api::FIND_COORDINATOR | api::API_VERSIONS => policy.hold_lookup_max,
        HEARTBEAT => policy.hold_max.min(session_timeout.unwrap_or(SESSION_TIMEOUT_MIN) / SHARE_OF_SESSION),
        CONSUMER_GROUP_HEARTBEAT | SHARE_GROUP_HEARTBEAT | STREAMS_GROUP_HEARTBEAT => policy.hold_max.min(BROKER_SESSION_TIMEOUT / SHARE_OF_SESSION),
        _ => policy.hold_max,
    };
    most.min(share(client_limit(library, api_key, timeout_ms)))
}

/// The part of a client's limit for which its request may be held.
pub fn share(limit: Duration) -> Duration {
    limit.mul_f64(SHARE_OF_LIMIT)
}

const HEARTBEAT: i16 = 12;
const CONSUMER_GROUP_HEARTBEAT: i16 = 68;
const SHARE_GROUP_HEARTBEAT: i16 = 76;
const STREAMS_GROUP_HEARTBEAT: i16 = 88;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_known_by_the_name_they_give() {
        assert_eq!(Library::named("apache-kafka-java"), Library::Java);
        assert_eq!(Library::named("librdkafka"), Library::Librdkafka);
        assert_eq!(Library::named("confluent-kafka-python"), Library::Librdkafka);
        assert_eq!(Library::named("something"), Library::Unknown);
    }

    #[test]
    fn a_hold_is_shorter_than_the_clients_patience_and_than_the_configured_most() {
        let policy = Policy::default();
        let seconds = |library, api_key, timeout_ms| hold(&policy, library, api_key, timeout_ms, None).as_secs_f64();
        assert_eq!(seconds(Library::Java, api::PRODUCE, Some(30_000)), 15.0);
        assert_eq!(seconds(Library::Java, api::PRODUCE, Some(5_000)), 4.0);
        assert_eq!(seconds(Library::FranzGo, api::PRODUCE, Some(10_000)), 15.0);
        assert_eq!(seconds(Library::FranzGo, api::PRODUCE, Some(1_000)), 8.8);
        assert_eq!(seconds(Library::Librdkafka, api::PRODUCE, Some(1)), 15.0);
        assert_eq!(seconds(Library::Unknown, api::PRODUCE, Some(100)), 8.0);
        assert_eq!(seconds(Library::Unknown, api::PRODUCE, Some(-1)), 8.0);
        assert_eq!(seconds(Library::Unknown, api::PRODUCE, Some(30_000)), 15.0);
        assert_eq!(seconds(Library::FranzGo, api::METADATA, None), 8.0);
        assert_eq!(seconds(Library::Java, api::METADATA, None), 8.0);
        // OffsetCommit: a crashed coordinator is replaced as late as a leader.
        assert_eq!(seconds(Library::Java, 8, None), 15.0);
        assert_eq!(seconds(Library::Java, CONSUMER_GROUP_HEARTBEAT, None), 15.0);
    }

    #[test]
    fn a_heartbeat_is_held_for_a_third_of_its_members_session() {
        let policy = Policy::default();
        for (session_timeout, held) in [(None, 10.0 / 3.0), (Some(6), 2.0), (Some(30), 10.0), (Some(45), 15.0), (Some(300), 15.0)] {
            let hold = hold(&policy, Library::Java, HEARTBEAT, None, session_timeout.map(Duration::from_secs));
            assert!((hold.as_secs_f64() - held).abs() < 1e-6, "{session_timeout:?}: {hold:?}");
        }
    }
}
