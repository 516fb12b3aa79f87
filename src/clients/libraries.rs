//! Client libraries: how each is known, and which of its versions a cluster of Kafka 4.x takes.
//!
//! | what | source |
//! | --- | --- |
//! | the oldest versions for 4.x: Java 2.1, librdkafka 1.8.2, KafkaJS 1.15.0, sarama 1.30.1, kafka-python 2.0.2 | KIP-896, "Proposed Changes"; docs/compatibility.html of Kafka 4.0 |
//! | librdkafka older than 2.11.0 with Kerberos sends JoinGroup v0, which 4.0.0 alone refuses | KAFKA-19444, apache/kafka pull request 20116 |
//! | kafka-go sends JoinGroup v1 | segmentio/kafka-go issues 1360 and 1378 |
//! | kafka_ex 0.14 sends JoinGroup v0 | kafkaex/kafka_ex issue 497 |
//! | software names | KIP-511; IBM/sarama pull request 2025 (1.30.0), confluentinc/confluent-kafka-go 429 (1.4.0), dpkp/kafka-python 2558 (2.1) |
//! | which version of the Java client speaks which highest versions of ApiVersions, Produce and Fetch | `ApiKeys` in the published kafka-clients 0.10.2.2, 0.11.0.3, 1.0.2, 1.1.1, 2.0.1; seen here with 0.11.0.3, 1.1.1 and 2.0.1 |

use super::row::{Row, Use};
use super::table::Key;
use crate::wire::api;

/// A library.
#[derive(Debug, PartialEq, Eq)]
pub struct Library {
    pub name: &'static str,
    /// How its `client_software_name` begins.
    software: &'static [&'static str],
    /// What its usual client ids contain.
    client_ids: &'static [&'static str],
    /// The oldest version that brokers of 4.x serve.
    pub since: Option<[u32; 3]>,
    /// What to do where an upgrade would break it.
    pub advice: &'static str,
    pub source: &'static str,
}

const KIP: &str = "KIP-896";

/// Those that are known. What is more special stands first.
static LIBRARIES: [Library; 12] = [
    Library {
        name: "Java (kafka-clients)",
        software: &["apache-kafka-java"],
        client_ids: &[],
        since: Some([2, 1, 0]),
        advice: "use kafka-clients 2.1 or later; 3.x and 4.x speak to every broker from 2.1 on",
        source: KIP,
    },
    Library {
        name: "librdkafka",
        software: &["librdkafka", "confluent-kafka", "rdkafka", "node-rdkafka"],
        client_ids: &["rdkafka"],
        since: Some([1, 8, 2]),
        advice: "use librdkafka 1.8.2 or later, and with Kerberos 2.11.0; take api.version.request=false and broker.version.fallback out of its configuration",
        source: "KIP-896, KAFKA-19444",
    },
    Library {
        name: "sarama",
        software: &["sarama"],
        client_ids: &["sarama"],
        since: Some([1, 30, 1]),
        advice: "raise Config.Version to V2_1_0_0 or later (it decides which versions are sent, whatever the cluster offers), and use sarama 1.30.1 or later",
        source: KIP,
    },
    Library {
        name: "aiokafka",
        software: &["aiokafka"],
        client_ids: &["aiokafka-"],
        since: None,
        advice: "use a current aiokafka, and take api_version out of its settings",
        source: KIP,
    },
    Library {
        name: "kafka-python",
        software: &["kafka-python"],
        client_ids: &["kafka-python-"],
        since: Some([2, 0, 2]),
        advice: "use kafka-python 2.0.2 or later, and take api_version out of its settings: a low one makes it send the versions of that time",
        source: KIP,
    },
    Library { name: "KafkaJS", software: &["kafkajs"], client_ids: &["kafkajs"], since: Some([1, 15, 0]), advice: "use KafkaJS 1.15.0 or later", source: KIP },
    Library {
        name: "kafka-go",
        software: &["kafka-go"],
        client_ids: &["segmentio/kafka-go"],
        since: None,
        advice: "upgrade the brokers to 4.0.1 or later rather than to 4.0.0, which alone refuses its JoinGroup v1",
        source: "segmentio/kafka-go issue 1360",
    },
    Library {
        name: "franz-go",
        software: &["kgo"],
        client_ids: &[],
        since: None,
        advice: "take kgo.MaxVersions out of its options, and use a current franz-go",
        source: KIP,
    },
    Library {
        name: "kafka_ex",
        software: &["kafka_ex"],
        client_ids: &["kafka_ex"],
        since: None,
        advice: "set kafka_version to \"kayrock\" and api_versions as the library's documentation says, or use 4.0.1 and later in place of 4.0.0",
        source: "kafkaex/kafka_ex issue 497",
    },
    Library {
        name: "kafka-node",
        software: &[],
        client_ids: &["kafka-node-client"],
        since: None,
        advice: "it is not maintained any more: move to KafkaJS or a client that is built on librdkafka",
        source: "github.com/SOHU-Co/kafka-node",
    },
    Library {
        name: "ruby-kafka",
        software: &[],
        client_ids: &["ruby-kafka"],
        since: None,
        advice: "move to rdkafka-ruby",
        source: "github.com/zendesk/ruby-kafka",
    },
    Library {
        name: "Sarama's cluster extension or another old Go client",
        software: &[],
        client_ids: &["sarama-cluster"],
        since: None,
        advice: "move to sarama's own consumer groups",
        source: "github.com/bsm/sarama-cluster",
    },
];

/// Which library is likely behind a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Likely {
    pub library: &'static Library,
    /// As in `2.0.2`, or `0.11`; `None`: not known.
    pub version: Option<String>,
    /// It did not say so itself.
    pub inferred: bool,
}

/// Out of what it said, or else of its client id, or of the versions that it uses.
pub fn likely(key: &Key, row: &Row) -> Option<Likely> {
    if let Some(software) = &key.software {
        let library = LIBRARIES.iter().find(|library| library.software.iter().any(|name| software.name.starts_with(name)))?;
        return Some(Likely { library, version: Some(software.version.to_string()), inferred: false });
    }
    if let Some((library, mark)) =
        LIBRARIES.iter().find_map(|library| library.client_ids.iter().find(|id| key.client_id.contains(*id)).map(|id| (library, *id)))
    {
        // kafka-python and aiokafka have their version in their usual client id.
        let rest = key.client_id.split(mark).nth(1).filter(|_| mark.ends_with('-'));
        return Some(Likely { library, version: rest.filter(|rest| is_version(rest)).map(str::to_owned), inferred: true });
    }
    let version = java_version(key, row)?;
    LIBRARIES.first().map(|library| Likely { library, version: Some(version), inferred: true })
}

/// Highest versions of the Java client before it said who it is, which came with 2.4: release, ApiVersions, Produce, Fetch.
static JAVA: [(&str, i16, i16, i16); 10] = [
    ("0.10.0", 0, 2, 2),
    ("0.10.1", 0, 2, 3),
    ("0.10.2", 0, 2, 3),
    ("0.11", 1, 3, 5),
    ("1.0", 1, 5, 6),
    ("1.1", 1, 5, 7),
    ("2.0", 2, 6, 8),
    ("2.1", 2, 7, 10),
    ("2.2", 2, 7, 10),
    ("2.3", 2, 7, 11),
];

/// By the version with which it asked what is offered, together with its highest of Produce or Fetch; one that was the highest offered may be less than its own.
/// Other libraries of that time ask with v0 or not at all, so v0 is taken for Java's only where its client id looks like it.
fn java_version(key: &Key, row: &Row) -> Option<String> {
    let asked = row.asked?;
    let highest = |api_key| row.uses.iter().filter(|used| used.api_key == api_key).max_by_key(|used| used.version);
    let (produce, fetch) = (highest(api::PRODUCE), highest(api::FETCH));
    let looks_like_it = ["producer-", "consumer-"].iter().any(|start| key.client_id.starts_with(start));
    if (produce.is_none() && fetch.is_none()) || (asked == 0 && !looks_like_it) {
        return None;
    }
    let fits = |used: Option<&Use>, of_release: i16| used.is_none_or(|used| if used.own { used.version == of_release } else { used.version <= of_release });
    let mut found = JAVA.iter().filter(|(_, versions, of_produce, of_fetch)| *versions == asked && fits(produce, *of_produce) && fits(fetch, *of_fetch));
    let (first, last) = (found.next()?.0, found.next_back().map(|(name, ..)| *name));
    Some(last.map_or_else(|| first.to_owned(), |last| format!("{first} to {last}")))
}

impl Likely {
    /// Whether this version is one that brokers of 4.x serve; `None`: not known.
    pub fn is_new_enough(&self) -> Option<bool> {
        Some(numbers(self.version.as_deref()?)? >= self.library.since?)
    }
}

/// Numbers with dots between and nothing else.
fn is_version(text: &str) -> bool {
    text.contains('.') && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The first three numbers of a version; `None` when it does not begin with one. What stands behind them is not looked at: `1.9.2-rdkafka-3`.
fn numbers(version: &str) -> Option<[u32; 3]> {
    let mut parts = version.trim_start_matches('v').split(|c: char| !c.is_ascii_digit());
    let first = parts.next()?.parse().ok()?;
    let mut next = || parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
    Some([first, next(), next()])
}
