//! For brokers before 2.4, which have no API for it: what a person does instead.

use super::Move;

/// What to run on a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByHand {
    /// For `kafka-reassign-partitions`: the new orders. `None`: they are as they should be.
    pub reassignment: Option<String>,
    /// For `kafka-preferred-replica-election`.
    pub election: Option<String>,
    pub commands: Vec<String>,
}

/// What moves these by hand.
pub fn by_hand(node_id: i32, moves: &[Move]) -> ByHand {
    let reordered: Vec<&Move> = moves.iter().filter(|one| one.reorders()).collect();
    let reassignment = (!reordered.is_empty()).then(|| reassignment_json(reordered));
    // What is reordered is elected afterwards, when that is done.
    let election = reassignment.is_none().then(|| election_json(moves.iter().filter(|one| one.elect))).filter(|_| moves.iter().any(|one| one.elect));
    let mut commands = Vec::new();
    if reassignment.is_some() {
        let file = format!("leeward-{node_id}-orders.json");
        commands.push(format!("kafka-reassign-partitions.sh --zookeeper ZOOKEEPER --reassignment-json-file {file} --execute"));
    }
    if election.is_some() {
        let file = format!("leeward-{node_id}-election.json");
        commands.push(format!("kafka-preferred-replica-election.sh --zookeeper ZOOKEEPER --path-to-json-file {file}"));
    }
    ByHand { reassignment, election, commands }
}

/// As the tool reads it, and the znode `/admin/reassign_partitions` too.
pub fn reassignment_json<'a>(moves: impl IntoIterator<Item = &'a Move>) -> String {
    let partitions: Vec<_> = moves.into_iter().map(|one| serde_json::json!({"topic": &*one.topic, "partition": one.partition, "replicas": one.to})).collect();
    serde_json::json!({"version": 1, "partitions": partitions}).to_string()
}

/// As the tool reads it, and the znode `/admin/preferred_replica_election` too.
pub fn election_json<'a>(moves: impl IntoIterator<Item = &'a Move>) -> String {
    let partitions: Vec<_> = moves.into_iter().map(|one| serde_json::json!({"topic": &*one.topic, "partition": one.partition})).collect();
    serde_json::json!({"version": 1, "partitions": partitions}).to_string()
}
