//! For brokers before 2.4, which have no API for it: what a person does instead.

use std::sync::Arc;

use super::{Leg, Run, Step};
use crate::rolling::reassign::Assignment;

/// What to run on a broker now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByHand {
    /// The name of the file that the commands read.
    pub file: String,
    pub json: String,
    pub commands: Vec<String>,
}

/// What moves the topic at hand; `None`: nothing is to be done by hand now.
pub fn by_hand(run: &Run) -> Option<ByHand> {
    let at = run.at_hand().filter(|_| run.is_by_hand)?;
    let leg = run.topics.get(at)?;
    let tool = |rest: String| format!("kafka-reassign-partitions.sh --zookeeper ZOOKEEPER --reassignment-json-file {rest}");
    let electing = leg.step == Step::Electing;
    let kind = if electing { "election" } else { "replicas" };
    let file = format!("leeward-{}-{}-{kind}.json", run.id, at + 1);
    if electing {
        let commands = vec![
            // Clears the throttle that --execute has set.
            tool(format!("leeward-{}-{}-replicas.json --verify", run.id, at + 1)),
            format!("kafka-preferred-replica-election.sh --zookeeper ZOOKEEPER --path-to-json-file {file}"),
        ];
        let partitions: Vec<_> = leg.partitions.iter().map(|shift| serde_json::json!({"topic": leg.topic, "partition": shift.partition})).collect();
        return Some(ByHand { file, json: serde_json::json!({"version": 1, "partitions": partitions}).to_string(), commands });
    }
    let commands = vec![tool(format!("{file} --execute --throttle {}", run.bounds.min)), tool(format!("{file} --verify"))];
    Some(ByHand { file, json: assignment(std::slice::from_ref(leg), run.is_back).to_json(), commands })
}

impl Run {
    /// The replicas of before, of every partition that it moves.
    pub fn before(&self) -> Assignment {
        assignment(&self.topics, true)
    }
}

fn assignment(topics: &[Leg], is_back: bool) -> Assignment {
    let of = |leg: &Leg| {
        let topic: Arc<str> = Arc::from(leg.topic.as_str());
        leg.partitions.iter().map(|shift| ((Arc::clone(&topic), shift.partition), shift.target(is_back).to_vec())).collect::<Vec<_>>()
    };
    Assignment(topics.iter().flat_map(of).collect())
}
