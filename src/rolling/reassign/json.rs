//! Assignments as `kafka-reassign-partitions` reads and writes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Assignment;

/// The one version that there is of Kafka's format.
const VERSION: i64 = 1;

/// A replica's log directory, left to its broker.
const ANY_DIRECTORY: &str = "any";

/// The line behind which `kafka-reassign-partitions --generate` prints what it proposes. What stands before it is the assignment of now.
const PROPOSED: &str = "Proposed partition reassignment configuration";

/// Why a text is no assignment.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    #[error(
        "it is not the JSON of kafka-reassign-partitions ({0}); it looks like {{\"version\":1,\"partitions\":[{{\"topic\":\"t\",\"partition\":0,\"replicas\":[1,2]}}]}}"
    )]
    Malformed(#[from] serde_json::Error),
    #[error("its version is {0}; kafka-reassign-partitions has version 1 only")]
    Version(i64),
    #[error("{0} has no topic name or a partition below 0")]
    NoPartition(String),
    #[error("{0} stands in it twice; leave one of them")]
    Twice(String),
    #[error("{0} has no replicas; a partition needs at least one")]
    NoReplicas(String),
    #[error("{0} has broker {1} among its replicas; node ids begin at 0")]
    NoNodeId(String, i32),
    #[error("{0} has broker {1} twice among its replicas")]
    SameBroker(String, i32),
}

#[derive(Serialize, Deserialize)]
struct Document<'a> {
    version: i64,
    #[serde(borrow)]
    partitions: Vec<Entry<'a>>,
}

// What else an entry says is passed over, as by Kafka's own tool.
#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    topic: std::borrow::Cow<'a, str>,
    partition: i32,
    replicas: Vec<i32>,
    #[serde(default, borrow)]
    log_dirs: Option<Vec<std::borrow::Cow<'a, str>>>,
}

impl Assignment {
    /// Reads the JSON of `kafka-reassign-partitions`, or all that its `--generate` printed: then what it proposes.
    ///
    /// Log directories are passed over: they are left to the brokers. The assignment of now has them, as `--generate` and `--execute` print it.
    pub fn from_json(text: &[u8]) -> Result<Self, JsonError> {
        Self::with_directories(text).map(|(assignment, _)| assignment)
    }

    /// As [`Assignment::from_json`], and whether the text names log directories.
    pub fn with_directories(text: &[u8]) -> Result<(Self, bool), JsonError> {
        let document: Document<'_> = serde_json::from_slice(proposed(text))?;
        if document.version != VERSION {
            return Err(JsonError::Version(document.version));
        }
        let (mut assignment, mut names_directories) = (BTreeMap::new(), false);
        for entry in document.partitions {
            let name = format!("{}-{}", entry.topic, entry.partition);
            check(&name, &entry)?;
            names_directories |= entry.log_dirs.iter().flatten().any(|directory| *directory != ANY_DIRECTORY);
            if assignment.insert((Arc::from(&*entry.topic), entry.partition), entry.replicas).is_some() {
                return Err(JsonError::Twice(name));
            }
        }
        Ok((Assignment(assignment), names_directories))
    }

    /// Kafka's format, in one line, as `--reassignment-json-file` takes it.
    pub fn to_json(&self) -> String {
        let entry = |((topic, partition), replicas): (&(Arc<str>, i32), &Vec<i32>)| {
            let log_dirs = replicas.iter().map(|_| ANY_DIRECTORY.into()).collect();
            Entry { topic: topic.to_string().into(), partition: *partition, replicas: replicas.clone(), log_dirs: Some(log_dirs) }
        };
        let document = Document { version: VERSION, partitions: self.0.iter().map(entry).collect() };
        // Names and numbers alone: it cannot fail.
        serde_json::to_string(&document).unwrap_or_default()
    }
}

fn check(name: &str, entry: &Entry<'_>) -> Result<(), JsonError> {
    if entry.topic.is_empty() || entry.partition < 0 {
        return Err(JsonError::NoPartition(name.to_owned()));
    }
    if entry.replicas.is_empty() {
        return Err(JsonError::NoReplicas(name.to_owned()));
    }
    for (at, node_id) in entry.replicas.iter().enumerate() {
        if *node_id < 0 {
            return Err(JsonError::NoNodeId(name.to_owned(), *node_id));
        }
        if entry.replicas.iter().take(at).any(|other| other == node_id) {
            return Err(JsonError::SameBroker(name.to_owned(), *node_id));
        }
    }
    Ok(())
}

/// What stands behind the line of `--generate`, or all of it.
fn proposed(text: &[u8]) -> &[u8] {
    let at = text.windows(PROPOSED.len()).position(|window| window == PROPOSED.as_bytes());
    at.and_then(|at| text.get(at + PROPOSED.len()..)).unwrap_or(text)
}
