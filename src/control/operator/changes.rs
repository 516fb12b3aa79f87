//! What Leeward changes in the cluster: the order of a partition's replicas, and who of them leads.
//!
//! Both go to the controller, in pieces. What it refuses of a single partition is told and not repeated here: whoever drives a drain reads the
//! cluster again and asks for what is still to be done.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::{AlterPartitionReassignmentsRequest, BrokerId, ElectLeadersRequest, ElectLeadersResponse, TopicName};
use kafka_protocol::protocol::{Request, StrBytes};

use super::{Operator, OperatorError, zookeeper};
use crate::rolling::Census;
use crate::rolling::drain::Move;
use crate::telemetry::error_name;

/// Partitions in one request: what a controller does in well under a second.
pub(super) const PARTITIONS_MAX: usize = 500;

/// How long the controller may take for them, in milliseconds.
pub(super) const CHANGE_TIMEOUT_MS: i32 = 8_000;

/// Of ElectLeaders: the first replica, not whoever is left.
const PREFERRED: i8 = 0;

pub(super) const REASSIGN: &str = "AlterPartitionReassignments";
const ELECT: &str = "ElectLeaders";

/// A change of one partition that the controller did not make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotChanged {
    pub topic: String,
    pub partition: i32,
    /// The error and what the controller says of it.
    pub why: String,
}

impl Operator {
    /// Gives partitions the orders of these moves, and has the first replicas elected where that is wanted. Those that stay as they were are in the answer.
    ///
    /// # Errors
    /// Nothing was changed, or not everything was asked: the brokers are too old, the account may not, nobody answers.
    pub async fn change(&self, moves: &[Move]) -> Result<Vec<NotChanged>, OperatorError> {
        let zookeeper = self.upstream.borrow().zookeeper.clone();
        match self.change_by_request(moves).await {
            // Of brokers that differ, during an upgrade, it is the controller that counts.
            Err(OperatorError::TooOld { .. }) if !zookeeper.servers.is_empty() => zookeeper::change(&zookeeper, moves).await,
            outcome => outcome,
        }
    }

    async fn change_by_request(&self, moves: &[Move]) -> Result<Vec<NotChanged>, OperatorError> {
        let reordered: Vec<Move> = moves.iter().filter(|one| one.reorders()).cloned().collect();
        let mut refused = if reordered.is_empty() { Vec::new() } else { self.reorder(&reordered).await? };
        let stays: BTreeSet<(String, i32)> = refused.iter().map(|one| (one.topic.clone(), one.partition)).collect();
        let elected: Vec<Move> = moves.iter().filter(|one| one.elect && !stays.contains(&(one.topic.to_string(), one.partition))).cloned().collect();
        if !elected.is_empty() {
            refused.extend(self.elect_preferred(&elected).await?);
        }
        Ok(refused)
    }

    /// Whether no broker can change the order of replicas for a client, and Leeward does not know their ZooKeeper.
    pub fn needs_hands(&self, census: &Census) -> bool {
        if !self.upstream.borrow().zookeeper.servers.is_empty() {
            return false;
        }
        let mut offers = census.brokers.values().filter_map(|broker| broker.offer.as_ref()).peekable();
        offers.peek().is_some() && offers.all(|offer| offer.range(AlterPartitionReassignmentsRequest::KEY).is_none())
    }

    async fn reorder(&self, moves: &[Move]) -> Result<Vec<NotChanged>, OperatorError> {
        let mut refused = Vec::new();
        for some in moves.chunks(PARTITIONS_MAX) {
            let topics = by_topic(some).into_iter().map(|(topic, moves)| {
                let partition = |one: &&Move| {
                    let replicas = one.to.iter().copied().map(BrokerId).collect();
                    ReassignablePartition::default().with_partition_index(one.partition).with_replicas(Some(replicas))
                };
                ReassignableTopic::default().with_name(name(topic)).with_partitions(moves.iter().map(partition).collect())
            });
            let request = AlterPartitionReassignmentsRequest::default().with_timeout_ms(CHANGE_TIMEOUT_MS).with_topics(topics.collect());
            let answer = self.of_controller(REASSIGN, 0, "2.4", &request, |answer| answer.error_code).await?;
            check(REASSIGN, answer.error_code, answer.error_message.as_deref())?;
            for topic in &answer.responses {
                for partition in &topic.partitions {
                    let error = (partition.error_code, partition.error_message.as_deref());
                    refused.extend(not_changed(REASSIGN, &topic.name, partition.partition_index, error)?);
                }
            }
        }
        Ok(refused)
    }

    pub(super) async fn elect_preferred(&self, moves: &[Move]) -> Result<Vec<NotChanged>, OperatorError> {
        let mut refused = Vec::new();
        for some in moves.chunks(PARTITIONS_MAX) {
            let topics = by_topic(some)
                .into_iter()
                .map(|(topic, moves)| TopicPartitions::default().with_topic(name(topic)).with_partitions(moves.iter().map(|one| one.partition).collect()));
            let request =
                ElectLeadersRequest::default().with_election_type(PREFERRED).with_topic_partitions(Some(topics.collect())).with_timeout_ms(CHANGE_TIMEOUT_MS);
            let answer = self.of_controller(ELECT, 2, "2.2", &request, election_error).await?;
            check(ELECT, answer.error_code, None)?;
            for topic in &answer.replica_election_results {
                for partition in &topic.partition_result {
                    let error = (partition.error_code, partition.error_message.as_deref());
                    refused.extend(not_changed(ELECT, &topic.topic, partition.partition_id, error)?);
                }
            }
        }
        Ok(refused)
    }

    /// Asks the controller. Where the metadata named one that is none any more, every other broker is asked whether it is.
    pub(super) async fn of_controller<Q: Request>(
        &self,
        api: &'static str,
        last: i16,
        since: &'static str,
        request: &Q,
        error_of: impl Fn(&Q::Response) -> i16,
    ) -> Result<Q::Response, OperatorError> {
        let mut talk = self.controller().await?;
        let answer = talk.ask(api, 0, last, since, request).await?;
        if error_of(&answer) != ResponseError::NotController.code() {
            return Ok(answer);
        }
        let asked = talk.address.clone();
        for broker in self.view().brokers.values().filter(|broker| broker.reachable && broker.upstream != asked) {
            let Ok(mut talk) = self.node(broker.node_id).await else { continue };
            let other = talk.ask(api, 0, last, since, request).await?;
            if error_of(&other) != ResponseError::NotController.code() {
                return Ok(other);
            }
        }
        Ok(answer)
    }
}

/// With ZooKeeper a broker that is not the controller says so with every partition.
fn election_error(answer: &ElectLeadersResponse) -> i16 {
    let first = answer.replica_election_results.first().and_then(|topic| topic.partition_result.first());
    if answer.error_code == 0 { first.map_or(0, |partition| partition.error_code) } else { answer.error_code }
}

pub(super) fn check(api: &'static str, code: i16, message: Option<&str>) -> Result<(), OperatorError> {
    match ResponseError::try_from_code(code) {
        None => Ok(()),
        Some(ResponseError::ClusterAuthorizationFailed) => Err(OperatorError::MayNotAlter { api }),
        Some(_) => Err(OperatorError::refused(api, code, message)),
    }
}

/// Brokers before 2.4 tell of a missing right with every partition.
pub(super) fn not_changed(
    api: &'static str,
    topic: &TopicName,
    partition: i32,
    (code, message): (i16, Option<&str>),
) -> Result<Option<NotChanged>, OperatorError> {
    let Some(error) = ResponseError::try_from_code(code) else { return Ok(None) };
    // Somebody was faster: Kafka itself, perhaps.
    if error == ResponseError::ElectionNotNeeded {
        return Ok(None);
    }
    if error == ResponseError::ClusterAuthorizationFailed {
        return Err(OperatorError::MayNotAlter { api });
    }
    let message = message.filter(|message| !message.is_empty()).map(|message| format!(": {message}")).unwrap_or_default();
    Ok(Some(NotChanged { topic: topic.to_string(), partition, why: format!("{api} error {code} {}{message}", error_name(code)) }))
}

fn by_topic(moves: &[Move]) -> BTreeMap<&str, Vec<&Move>> {
    let mut topics = BTreeMap::<&str, Vec<&Move>>::new();
    for one in moves {
        topics.entry(&one.topic).or_default().push(one);
    }
    topics
}

pub(super) fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};

    use super::*;

    #[test]
    fn what_the_controller_says_of_a_partition_becomes_a_sentence_or_nothing() {
        let topic = name("t");
        let told = |code, message| not_changed(ELECT, &topic, 3, (code, message));
        assert_eq!(told(0, None).unwrap(), None);
        assert_eq!(told(84, Some("not needed")).unwrap(), None, "it is so already");
        let refused = told(80, Some("broker 2 is not in sync")).unwrap().unwrap();
        assert_eq!((refused.topic.as_str(), refused.partition), ("t", 3));
        assert_eq!(refused.why, "ElectLeaders error 80 PREFERRED_LEADER_NOT_AVAILABLE: broker 2 is not in sync");
        assert!(told(31, None).unwrap_err().to_string().contains("may not alter the cluster"), "brokers before 2.4 say it with each partition");
    }

    #[test]
    fn what_the_controller_says_of_all_is_an_error() {
        assert!(check(REASSIGN, 0, None).is_ok());
        assert!(matches!(check(REASSIGN, 31, None), Err(OperatorError::MayNotAlter { .. })));
        let error = check(REASSIGN, 7, None).unwrap_err().to_string();
        assert_eq!(error, "the cluster refused AlterPartitionReassignments with error 7 REQUEST_TIMED_OUT: no reason was given");
    }

    #[test]
    fn whoever_is_not_the_controller_says_so_for_all_or_with_each_partition() {
        let with_each = ReplicaElectionResult::default().with_partition_result(vec![PartitionResult::default().with_error_code(41)]);
        let answer = ElectLeadersResponse::default();
        assert_eq!(election_error(&answer), 0);
        assert_eq!(election_error(&answer.clone().with_error_code(41)), 41);
        assert_eq!(election_error(&answer.with_replica_election_results(vec![with_each])), 41);
    }
}
