//! From what brokers say of topics to the next picture of leaders.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Leader, Leaders, PartitionInfo, Topic, TopicConfig};

/// What one metadata answer says of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicReport {
    pub name: Arc<str>,
    /// Metadata v10 and later.
    pub id: Option<[u8; 16]>,
    pub partitions: Vec<PartitionReport>,
}

/// What one metadata answer says of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionReport {
    pub index: i32,
    pub leader: Leader,
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
}

/// Answers in a row without a topic after which it is gone: one may come from a broker that has just started and knows nothing yet.
const ABSENCES_MAX: u8 = 2;

/// Who leads what, with what led to it.
///
/// **Invariant: epochs never go back.** Brokers learn of a new leader one after the other; what one says of an older epoch changes nothing.
#[derive(Debug, Default)]
pub struct LeaderBook {
    leaders: Leaders,
    absences: HashMap<Arc<str>, u8>,
}

impl LeaderBook {
    pub fn leaders(&self) -> &Leaders {
        &self.leaders
    }

    /// Takes in an answer; `whole`: it was asked for every topic. Gives whether anything changed.
    pub fn report(&mut self, topics: Vec<TopicReport>, whole: bool) -> bool {
        let mut changed = whole && self.note_absences(&topics);
        for report in topics {
            changed |= self.take_in(report);
        }
        if changed {
            self.leaders.generation += 1;
        }
        changed
    }

    /// The configuration of a topic; what is not told stays as it was. Gives whether anything changed.
    pub fn configured(&mut self, topic: &str, config: TopicConfig) -> bool {
        let Some(known) = self.leaders.topics.get_mut(topic) else { return false };
        let min_insync_replicas = config.min_insync_replicas.or(known.min_insync_replicas);
        let has_log_append_time = config.has_log_append_time.or(known.has_log_append_time);
        if (known.min_insync_replicas, known.has_log_append_time) == (min_insync_replicas, has_log_append_time) {
            return false;
        }
        let known = Arc::make_mut(known);
        known.min_insync_replicas = min_insync_replicas;
        known.has_log_append_time = has_log_append_time;
        self.leaders.generation += 1;
        true
    }

    fn note_absences(&mut self, named: &[TopicReport]) -> bool {
        let named: std::collections::HashSet<&str> = named.iter().map(|topic| &*topic.name).collect();
        let mut gone = Vec::new();
        for name in self.leaders.topics.keys() {
            if named.contains(&**name) {
                self.absences.remove(name);
            } else {
                let absences = self.absences.entry(Arc::clone(name)).or_default();
                *absences += 1;
                if *absences >= ABSENCES_MAX {
                    gone.push(Arc::clone(name));
                }
            }
        }
        for name in &gone {
            self.absences.remove(name);
            if let Some(topic) = self.leaders.topics.remove(name) {
                topic.id.map(|id| self.leaders.names.remove(&id));
            }
        }
        !gone.is_empty()
    }

    fn take_in(&mut self, report: TopicReport) -> bool {
        let TopicReport { name, id, partitions } = report;
        let known = self.leaders.topics.get(&name);
        // Another topic of the same name begins with epochs of its own.
        let is_another = known.is_some_and(|topic| matches!((topic.id, id), (Some(known), Some(new)) if known != new));
        let mut topic = match known {
            Some(topic) if !is_another => Topic::clone(topic),
            Some(_) | None => Topic::default(),
        };
        topic.id = id.or(topic.id);
        for partition in partitions {
            match topic.partitions.get_mut(&partition.index) {
                Some(known) => known.take_in(partition),
                None => {
                    let PartitionReport { index, leader, replicas, isr } = partition;
                    let last_leader = Some(leader).filter(|leader| leader.node_id >= 0);
                    topic.partitions.insert(index, PartitionInfo { leader, last_leader, replicas, isr });
                }
            }
        }
        if self.leaders.topics.get(&name).is_some_and(|known| **known == topic) {
            return false;
        }
        if let Some(old) = known.and_then(|known| known.id).filter(|_| is_another) {
            self.leaders.names.remove(&old);
        }
        if let Some(id) = topic.id {
            self.leaders.names.insert(id, Arc::clone(&name));
        }
        self.leaders.topics.insert(name, topic.into());
        true
    }
}

impl PartitionInfo {
    fn take_in(&mut self, report: PartitionReport) {
        let PartitionReport { leader, replicas, isr, .. } = report;
        if leader.epoch < self.leader.epoch && leader.epoch >= 0 {
            return;
        }
        // A broker that has just started may say "no leader" without an epoch; that is no news.
        if leader.epoch < 0 && self.leader.epoch >= 0 && leader.node_id < 0 {
            return;
        }
        if leader.node_id >= 0 {
            self.last_leader = Some(leader);
        }
        *self = PartitionInfo { leader, last_leader: self.last_leader, replicas, isr };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(id: Option<u8>, partitions: &[(i32, i32, i32)]) -> TopicReport {
        let partitions = partitions.iter().map(|&(index, node_id, epoch)| PartitionReport {
            index,
            leader: Leader { node_id, epoch },
            replicas: vec![1, 2, 3],
            isr: vec![1, 2],
        });
        TopicReport { name: "t".into(), id: id.map(|id| [id; 16]), partitions: partitions.collect() }
    }

    fn leader(book: &LeaderBook) -> Leader {
        book.leaders().topics["t"].partitions[&0].leader
    }

    #[test]
    fn epochs_never_go_back() {
        let mut book = LeaderBook::default();
        // (said leader, said epoch) → (leader, epoch) as known
        for (said, known) in [
            ((1, 5), (1, 5)),
            ((2, 4), (1, 5)),
            ((-1, 5), (-1, 5)),
            ((1, 4), (-1, 5)),
            ((-1, -1), (-1, 5)),
            ((2, 6), (2, 6)),
            ((-1, -1), (2, 6)),
            ((-1, 7), (-1, 7)),
            // A broker without epochs is believed.
            ((3, -1), (3, -1)),
        ] {
            book.report(vec![topic(None, &[(0, said.0, said.1)])], false);
            assert_eq!(leader(&book), Leader { node_id: known.0, epoch: known.1 }, "{said:?}");
        }
    }

    #[test]
    fn the_last_leader_is_remembered_while_there_is_none() {
        let mut book = LeaderBook::default();
        book.report(vec![topic(None, &[(0, 2, 6)])], false);
        book.report(vec![topic(None, &[(0, -1, 7)])], false);
        assert_eq!(book.leaders().topics["t"].partitions[&0].last_leader, Some(Leader { node_id: 2, epoch: 6 }));
    }

    #[test]
    fn the_same_answer_is_no_news() {
        let mut book = LeaderBook::default();
        assert!(book.report(vec![topic(Some(1), &[(0, 2, 6)])], true));
        assert!(!book.report(vec![topic(Some(1), &[(0, 2, 6)])], true));
        assert_eq!(book.leaders().generation, 1);
    }

    #[test]
    fn a_topic_made_again_begins_afresh() {
        let mut book = LeaderBook::default();
        book.report(vec![topic(Some(1), &[(0, 1, 9)])], false);
        book.configured("t", TopicConfig { min_insync_replicas: Some(2), has_log_append_time: Some(true) });
        book.report(vec![topic(Some(2), &[(0, 2, 0)])], false);
        assert_eq!(leader(&book), Leader { node_id: 2, epoch: 0 });
        let begun_afresh = &book.leaders().topics["t"];
        assert_eq!((begun_afresh.min_insync_replicas, begun_afresh.has_log_append_time), (None, None));
        assert_eq!(book.leaders().names.keys().collect::<Vec<_>>(), [&[2; 16]]);
    }

    #[test]
    fn a_topic_is_gone_when_two_whole_answers_lack_it() {
        let mut book = LeaderBook::default();
        book.report(vec![topic(Some(1), &[(0, 1, 0)])], true);
        assert!(!book.report(vec![], true));
        assert!(!book.report(vec![], false), "an answer for some topics says nothing of the others");
        assert!(book.report(vec![], true));
        assert!(book.leaders().topics.is_empty() && book.leaders().names.is_empty());
    }
}
