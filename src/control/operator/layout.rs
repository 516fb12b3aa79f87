//! The cluster as a reassignment needs it: a census, what the logs take on each broker, and how long topics keep what they have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeLogDirsRequest};
use kafka_protocol::protocol::StrBytes;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Operator, OperatorError, Talk};
use crate::rolling::reassign::{Layout, LogSizes, Retention};

/// How long a broker may take to add up its logs.
const SIZES_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one broker may take to tell the configuration of all topics.
const RETENTIONS_TIMEOUT: Duration = Duration::from_secs(10);

/// Topics in one question for their configuration.
const CONFIGS_MAX: usize = 500;

/// A topic, as DescribeConfigs counts resources.
const TOPIC_RESOURCE: i8 = 2;

const CLEANUP_POLICY: &str = "cleanup.policy";
const RETENTION_MS: &str = "retention.ms";
const RETENTION_BYTES: &str = "retention.bytes";

/// The policy by which old records go.
const DELETE: &str = "delete";

type Retentions = BTreeMap<Arc<str>, Retention>;

impl Operator {
    /// One reading of the cluster for a reassignment, within 22 s. What could not be read is named in its gaps.
    ///
    /// # Errors
    /// No broker told the metadata.
    pub async fn layout(&self, draining: &BTreeSet<i32>) -> Result<Layout, OperatorError> {
        let census = self.census().await?;
        let asked: Vec<i32> = census.brokers.values().filter(|broker| broker.is_listed && broker.is_reachable).map(|broker| broker.node_id).collect();
        let topics: BTreeSet<Arc<str>> = census.partitions.iter().map(|partition| Arc::clone(&partition.topic)).collect();
        let retentions = timeout(RETENTIONS_TIMEOUT, self.retentions(topics.into_iter().collect()));
        let ((sizes, untold), retentions) = tokio::join!(self.log_sizes(&asked), retentions);
        let (retentions, problem) = match retentions {
            Ok(Ok(retentions)) => (retentions, None),
            Ok(Err(error)) => (Retentions::new(), Some(error.to_string())),
            Err(_) => (Retentions::new(), Some(format!("no answer within {RETENTIONS_TIMEOUT:?}"))),
        };
        let mut layout = Layout::of(&census, draining, &sizes, &retentions);
        layout.gaps.extend(untold);
        layout.gaps.extend(problem.map(|problem| format!("how long topics keep their records could not be read: {problem}")));
        Ok(layout)
    }

    /// What the logs on these brokers take, all asked at once; and a sentence for each reason why some do not tell.
    async fn log_sizes(&self, node_ids: &[i32]) -> (LogSizes, Vec<String>) {
        let mut calls = JoinSet::new();
        for node_id in node_ids.iter().copied() {
            let operator = self.clone();
            calls.spawn(async move {
                let told = timeout(SIZES_TIMEOUT, async { operator.node(node_id).await?.log_sizes().await }).await;
                (node_id, told.unwrap_or_else(|_| Ok(Err(format!("no answer within {SIZES_TIMEOUT:?}")))))
            });
        }
        let (mut sizes, mut untold) = (LogSizes::default(), BTreeMap::<String, BTreeSet<i32>>::new());
        // A call that panicked is one that nobody answered.
        while let Some(told) = calls.join_next().await {
            let Ok((node_id, told)) = told else { continue };
            match told {
                Ok(Ok(logs)) => {
                    for (key, bytes) in logs {
                        sizes.0.entry(key).or_default().insert(node_id, bytes);
                    }
                }
                Ok(Err(problem)) => {
                    untold.entry(problem).or_default().insert(node_id);
                }
                Err(error) => {
                    untold.entry(error.to_string()).or_default().insert(node_id);
                }
            }
        }
        let sentence = |(problem, node_ids): (String, BTreeSet<i32>)| {
            let brokers: Vec<String> = node_ids.iter().map(ToString::to_string).collect();
            format!("what logs take on broker {} is not known: {problem}", brokers.join(", "))
        };
        (sizes, untold.into_iter().map(sentence).collect())
    }

    async fn retentions(&self, topics: Vec<Arc<str>>) -> Result<Retentions, OperatorError> {
        let mut talk = self.any().await?;
        let mut all = Retentions::new();
        for some in topics.chunks(CONFIGS_MAX) {
            all.extend(talk.retentions(some).await?);
        }
        Ok(all)
    }
}

impl Talk {
    /// What each log of this broker takes, in bytes; or why it does not tell.
    async fn log_sizes(&mut self) -> Result<Result<BTreeMap<(Arc<str>, i32), u64>, String>, OperatorError> {
        const API: &str = "DescribeLogDirs";
        let answer = self.ask(API, 1, 4, "2.0", &DescribeLogDirsRequest::default().with_topics(None)).await?;
        if answer.error_code != 0 {
            return Ok(Err(OperatorError::refused(API, answer.error_code, None).to_string()));
        }
        if answer.results.is_empty() {
            // Brokers before 3.2 have no code for it.
            return Ok(Err("it names no log directory; allow Leeward's account DESCRIBE on the cluster".to_owned()));
        }
        let mut sizes: BTreeMap<(Arc<str>, i32), u64> = BTreeMap::new();
        for topic in answer.results.into_iter().filter(|directory| directory.error_code == 0).flat_map(|directory| directory.topics) {
            let name: Arc<str> = Arc::from(&**topic.name);
            // A log on its way into another directory of the broker is there twice.
            for log in topic.partitions.into_iter().filter(|log| !log.is_future_key) {
                *sizes.entry((Arc::clone(&name), log.partition_index)).or_default() += u64::try_from(log.partition_size).unwrap_or(0);
            }
        }
        Ok(Ok(sizes))
    }

    /// How long at most [`CONFIGS_MAX`] topics keep their records; those that are not told are left out.
    async fn retentions(&mut self, topics: &[Arc<str>]) -> Result<Retentions, OperatorError> {
        let keys = [CLEANUP_POLICY, RETENTION_MS, RETENTION_BYTES].map(StrBytes::from_static_str).to_vec();
        let resource = |name: &Arc<str>| {
            let name = StrBytes::from_string(name.to_string());
            DescribeConfigsResource::default().with_resource_type(TOPIC_RESOURCE).with_resource_name(name).with_configuration_keys(Some(keys.clone()))
        };
        let request = DescribeConfigsRequest::default().with_resources(topics.iter().map(resource).collect());
        let answer = self.ask("DescribeConfigs", 1, 4, "1.1", &request).await?;
        let told = answer.results.into_iter().filter(|result| result.error_code == 0).filter_map(|result| {
            let value = |key: &str| result.configs.iter().find(|config| &*config.name == key).and_then(|config| config.value.as_deref());
            let deletes = value(CLEANUP_POLICY)?.split(',').any(|policy| policy.trim() == DELETE);
            let number = |key: &str| value(key)?.parse().ok();
            Some((Arc::from(&*result.resource_name), Retention { deletes, ms: number(RETENTION_MS)?, bytes: number(RETENTION_BYTES)? }))
        });
        Ok(told.collect())
    }
}
