//! Leaders, followers, and what goes between them: fetches, truncation, the ISR, the high watermark.

use std::collections::BTreeSet;
use std::time::Duration;

use kafka_protocol::error::ResponseError;

use super::Model;
use super::event::{Event, ReplicaAnswer};
use super::image::{NO_NODE, NodeId, PartitionImage, Record, SettingOf, Tp};
use super::replica::{Follower, Leader, Replica, Role, Waiter};

/// `replica.fetch.max.bytes`.
const REPLICA_FETCH_BYTES: usize = 1 << 20;

impl Model {
    /// A broker applies the controller's records up to `upto`.
    pub(super) fn learn(&mut self, node: NodeId, upto: usize) {
        let Some(broker) = self.brokers.get_mut(&node).filter(|broker| broker.is_up()) else {
            return;
        };
        let from = broker.applied;
        broker.applied = broker.applied.max(upto);
        let news: Vec<Record> = self.records.get(from..upto).unwrap_or_default().to_vec();
        for record in news {
            if let Some(broker) = self.brokers.get_mut(&node) {
                broker.image.apply(&record);
            }
            match record {
                Record::Broker(_) | Record::Setting { .. } => {}
                Record::Topic { id, partitions, .. } => {
                    for (partition, image) in (0..).zip(&partitions) {
                        self.follow_decision(node, Tp { topic: id, partition }, image);
                    }
                }
                Record::TopicRemoved { id } => self.drop_topic(node, id),
                Record::Partition { tp, partition } => self.follow_decision(node, tp, &partition),
            }
        }
    }

    fn follow_decision(&mut self, node: NodeId, tp: Tp, partition: &PartitionImage) {
        let now = self.now;
        let Some(broker) = self.brokers.get_mut(&node) else {
            return;
        };
        if !partition.replicas.contains(&node) {
            self.drop_replica(node, tp, ResponseError::NotLeaderOrFollower);
            return;
        }
        let replica = broker.replicas.entry(tp).or_default();
        if partition.leader == node {
            match replica.leader_mut() {
                Some(leader) if leader.epoch >= partition.leader_epoch => {
                    leader.isr = partition.isr.iter().copied().collect();
                    leader.asked = None;
                    leader.follow_replicas(node, partition);
                }
                Some(_) | None => {
                    let leader = Leader::new(node, partition, replica.log.end_offset(), now);
                    self.change_role(node, tp, Role::Leader(leader));
                    self.lead_offsets_partition(node, tp);
                }
            }
            self.advance_watermark(node, tp);
        } else if partition.leader == NO_NODE {
            self.change_role(node, tp, Role::Offline);
        } else if replica.follower().is_none_or(|follower| (follower.leader, follower.epoch) != (partition.leader, partition.leader_epoch)) {
            self.change_role(node, tp, Role::Follower(Follower { leader: partition.leader, epoch: partition.leader_epoch, fetcher: 0 }));
            self.restart_fetcher(node, tp);
        }
    }

    /// Takes the new role; whoever waited for the old one is told that this is no longer the leader.
    fn change_role(&mut self, node: NodeId, tp: Tp, role: Role) {
        let Some(replica) = self.brokers.get_mut(&node).and_then(|broker| broker.replicas.get_mut(&tp)) else {
            return;
        };
        let old = std::mem::replace(&mut replica.role, role);
        self.end_waits(node, tp, old, ResponseError::NotLeaderOrFollower);
    }

    fn end_waits(&mut self, node: NodeId, tp: Tp, old: Role, error: ResponseError) {
        if let Role::Leader(leader) = old {
            for waiter in leader.waiters {
                self.waited(node, &waiter.waits, Err(error));
            }
            // Its followers get an answer too; those of an older fetcher ignore it.
            for (follower, fetcher) in leader.parked {
                self.answer_follower(follower, tp, fetcher, ReplicaAnswer::Refused);
            }
            self.resign_offsets_partition(node, tp);
        }
        self.wake_fetches(node, tp);
    }

    fn drop_topic(&mut self, node: NodeId, topic: uuid::Uuid) {
        let Some(broker) = self.brokers.get_mut(&node) else {
            return;
        };
        let range = Tp { topic, partition: 0 }..=Tp { topic, partition: i32::MAX };
        let tps: Vec<Tp> = broker.replicas.range(range).map(|(tp, _)| *tp).collect();
        for tp in tps {
            self.drop_replica(node, tp, ResponseError::UnknownTopicOrPartition);
        }
    }

    fn drop_replica(&mut self, node: NodeId, tp: Tp, error: ResponseError) {
        let role = self.brokers.get_mut(&node).and_then(|broker| broker.replicas.get_mut(&tp)).map(|replica| std::mem::take(&mut replica.role));
        if let Some(role) = role {
            self.end_waits(node, tp, role, error);
        }
        if let Some(broker) = self.brokers.get_mut(&node) {
            broker.replicas.remove(&tp);
        }
    }

    /// Begins a new run of fetching; messages of the last one are void.
    pub(super) fn restart_fetcher(&mut self, node: NodeId, tp: Tp) {
        self.next_fetcher += 1;
        let fetcher = self.next_fetcher;
        let delay = self.replication_delay(node);
        if let Some(Role::Follower(follower)) = self.replica_mut(node, tp).map(|replica| &mut replica.role) {
            follower.fetcher = fetcher;
            let leader = follower.leader;
            self.plan(delay, Event::FetchArrives { leader, follower: node, tp, fetcher });
        }
    }

    /// A follower's fetch, at its leader. It asks from its log's end, and shows its last epoch.
    pub(super) fn replica_fetch(&mut self, leader: NodeId, follower: NodeId, tp: Tp, fetcher: u64) {
        let (now, wait) = (self.now, self.config.replica_fetch_wait);
        let rate = self.throttle(leader, follower, tp);
        let bytes_max = rate.map_or(REPLICA_FETCH_BYTES, |rate| usize::try_from(rate / 4).unwrap_or(REPLICA_FETCH_BYTES).min(REPLICA_FETCH_BYTES));
        let asked = self.replica(follower, tp).and_then(|replica| Some((replica.follower()?, replica.log.end_offset(), replica.log.last_epoch())));
        let Some((run, from, last_epoch)) = asked.filter(|(run, ..)| run.fetcher == fetcher) else {
            return;
        };
        if !self.brokers.get(&leader).is_some_and(|broker| broker.is_up()) {
            self.plan(self.config.replica_backoff, Event::FetchArrives { leader, follower, tp, fetcher });
            return;
        }
        let Some(replica) = self.replica_mut(leader, tp) else {
            self.answer_follower(follower, tp, fetcher, ReplicaAnswer::Refused);
            return;
        };
        let Replica { log, role, high_watermark, .. } = replica;
        let Some(state) = (match role {
            Role::Leader(state) if state.epoch == run.epoch => Some(state),
            Role::Leader(_) | Role::Follower(_) | Role::Offline => None,
        }) else {
            self.answer_follower(follower, tp, fetcher, ReplicaAnswer::Refused);
            return;
        };
        if last_epoch >= 0 {
            let (epoch, end_offset) = log.end_offset_for_epoch(last_epoch).unwrap_or((-1, log.start_offset()));
            if epoch < last_epoch && !(epoch == -1 && from <= log.start_offset()) || end_offset < from && epoch >= 0 {
                self.answer_follower(follower, tp, fetcher, ReplicaAnswer::Diverging { epoch, end_offset });
                return;
            }
        }
        if from < log.start_offset() || from > log.end_offset() {
            let log_start = log.start_offset();
            self.answer_follower(follower, tp, fetcher, ReplicaAnswer::Gone { log_start });
            return;
        }
        if let Some(remote) = state.remotes.get_mut(&follower) {
            remote.fetched(from, log.end_offset(), now);
        }
        let batches = log.read(from, i64::MAX, bytes_max);
        if batches.is_empty() {
            state.parked.push((follower, fetcher));
            self.plan(wait, Event::FetchEnds { leader, follower, tp, fetcher });
        } else {
            let (high_watermark, log_start) = (*high_watermark, log.start_offset());
            let bytes = batches.iter().map(|stored| stored.bytes.len() as u64).sum();
            let held_up = rate.map_or(Duration::ZERO, |rate| self.hold_up(leader, follower, bytes, rate));
            let (delay, answer) = (self.replication_delay(follower) + held_up, ReplicaAnswer::Data { batches, high_watermark, log_start });
            self.plan(delay, Event::FetchAnswered { follower, tp, fetcher, answer });
        }
        self.expand_isr(leader, tp, follower);
        self.advance_watermark(leader, tp);
    }

    /// Bytes a second that a follower that is not in sync may be sent; `None`: as many as there are.
    fn throttle(&self, leader: NodeId, follower: NodeId, tp: Tp) -> Option<u64> {
        if self.replica(leader, tp)?.leader()?.isr.contains(&follower) {
            return None;
        }
        let rate_of = |node: NodeId, side: &str| {
            let image = &self.brokers.get(&node)?.image;
            let list = image.setting(SettingOf::Topic(tp.topic), &format!("{side}.replication.throttled.replicas"))?;
            let entry = format!("{}:{node}", tp.partition);
            let rate = image.setting(SettingOf::Broker(node), &format!("{side}.replication.throttled.rate"))?;
            (list == "*" || list.split(',').any(|one| one == entry)).then(|| rate.parse().ok())?
        };
        [rate_of(leader, "leader"), rate_of(follower, "follower")].into_iter().flatten().min()
    }

    /// How long an answer waits because both brokers have sent and received as much as they may.
    fn hold_up(&mut self, leader: NodeId, follower: NodeId, bytes: u64, rate: u64) -> Duration {
        let busy = |node| self.brokers.get(&node).map_or(self.now, |broker| broker.copies_until);
        let takes = Duration::from_micros(bytes.saturating_mul(1_000_000) / rate.max(1));
        let until = busy(leader).max(busy(follower)).max(self.now) + takes;
        for node in [leader, follower] {
            if let Some(broker) = self.brokers.get_mut(&node) {
                broker.copies_until = until;
            }
        }
        until.saturating_sub(self.now)
    }

    pub(super) fn replica_fetch_ends(&mut self, leader: NodeId, follower: NodeId, tp: Tp, fetcher: u64) {
        let Some(replica) = self.replica_mut(leader, tp) else {
            return;
        };
        let (high_watermark, log_start) = (replica.high_watermark, replica.log.start_offset());
        if let Some(state) = replica.leader_mut()
            && let Some(at) = state.parked.iter().position(|&parked| parked == (follower, fetcher))
        {
            state.parked.remove(at);
            self.answer_follower(follower, tp, fetcher, ReplicaAnswer::Data { batches: Vec::new(), high_watermark, log_start });
        }
    }

    fn answer_follower(&mut self, follower: NodeId, tp: Tp, fetcher: u64, answer: ReplicaAnswer) {
        let delay = self.replication_delay(follower);
        self.plan(delay, Event::FetchAnswered { follower, tp, fetcher, answer });
    }

    /// The leader's answer, at the follower: it appends or truncates, and asks again.
    pub(super) fn replica_answer(&mut self, node: NodeId, tp: Tp, fetcher: u64, answer: ReplicaAnswer) {
        let partition_bytes_max = self.config.partition_bytes_max;
        let mut delay = self.replication_delay(node);
        let backoff = self.config.replica_backoff;
        let Some(replica) = self.replica_mut(node, tp) else {
            return;
        };
        let Some(run) = replica.follower().filter(|run| run.fetcher == fetcher) else {
            return;
        };
        match answer {
            ReplicaAnswer::Data { batches, high_watermark, log_start } => {
                batches.into_iter().for_each(|stored| replica.log.append_as_follower(stored));
                replica.high_watermark = replica.high_watermark.max(high_watermark.min(replica.log.end_offset()));
                let limit = log_start.max(replica.high_watermark);
                replica.log.retain(partition_bytes_max, limit);
            }
            ReplicaAnswer::Diverging { epoch, end_offset } => {
                // The last offset on which both logs agree (`AbstractFetcherThread.getOffsetTruncationState`).
                let own = replica.log.end_offset_for_epoch(epoch).map_or(replica.log.start_offset(), |(_, own_end)| own_end);
                replica.log.truncate_to(own.min(end_offset));
                replica.high_watermark = replica.high_watermark.min(replica.log.end_offset());
            }
            ReplicaAnswer::Gone { log_start } => {
                replica.log.restart_at(log_start);
                replica.high_watermark = log_start;
            }
            ReplicaAnswer::Refused => delay += backoff,
        }
        self.wake_fetches(node, tp);
        self.plan(delay, Event::FetchArrives { leader: run.leader, follower: node, tp, fetcher });
    }

    /// The leader has appended: followers that wait are served, and with an ISR of one the high watermark moves.
    pub(super) fn appended(&mut self, node: NodeId, tp: Tp) {
        let partition_bytes_max = self.config.partition_bytes_max;
        let Some(replica) = self.replica_mut(node, tp) else {
            return;
        };
        let (high_watermark, log_start) = (replica.high_watermark, replica.log.start_offset());
        replica.log.retain(partition_bytes_max, high_watermark);
        let parked = replica.leader_mut().map(|leader| std::mem::take(&mut leader.parked)).unwrap_or_default();
        for (follower, fetcher) in parked {
            let run = self.replica(follower, tp).map(|replica| replica.log.end_offset());
            let batches = match (run, self.replica(node, tp)) {
                (Some(from), Some(replica)) => replica.log.read(from, i64::MAX, REPLICA_FETCH_BYTES),
                (_, _) => Vec::new(),
            };
            self.answer_follower(follower, tp, fetcher, ReplicaAnswer::Data { batches, high_watermark, log_start });
        }
        self.advance_watermark(node, tp);
    }

    /// Moves the leader's high watermark as far as the ISR allows, and ends the waits that this ends.
    pub(super) fn advance_watermark(&mut self, node: NodeId, tp: Tp) {
        let (now, lag_max, below_min) = (self.now, self.config.replica_lag_max, self.config.watermark_below_min_isr);
        let Some(broker) = self.brokers.get_mut(&node) else {
            return;
        };
        let min_isr = broker.image.topic(tp.topic).map_or(1, |topic| topic.min_isr);
        let image = &broker.image;
        let Some(Replica { log, high_watermark, role: Role::Leader(leader), .. }) = broker.replicas.get_mut(&tp) else {
            return;
        };
        let enough = leader.isr.len() >= leader.effective_min_isr(min_isr);
        if enough || below_min {
            let candidate = leader.candidate_watermark(log.end_offset(), now, lag_max, |id| image.is_eligible(id));
            if candidate <= *high_watermark {
                return;
            }
            *high_watermark = candidate;
        }
        let reached = *high_watermark;
        let (done, waiting): (Vec<Waiter>, Vec<Waiter>) = std::mem::take(&mut leader.waiters).into_iter().partition(|waiter| waiter.required <= reached);
        leader.waiters = waiting;
        let outcome = if enough { Ok(()) } else { Err(ResponseError::NotEnoughReplicasAfterAppend) };
        for waiter in done {
            self.waited(node, &waiter.waits, outcome);
        }
        self.wake_fetches(node, tp);
    }

    /// A follower has reached the high watermark: it is asked into the ISR.
    fn expand_isr(&mut self, node: NodeId, tp: Tp, follower: NodeId) {
        let Some(broker) = self.brokers.get_mut(&node) else {
            return;
        };
        let is_eligible = broker.image.is_eligible(follower);
        let Some(Replica { high_watermark, role: Role::Leader(leader), .. }) = broker.replicas.get_mut(&tp) else {
            return;
        };
        let end = leader.remotes.get(&follower).map_or(-1, |remote| remote.end_offset);
        if leader.asked.is_some() || leader.isr.contains(&follower) || !is_eligible || end < *high_watermark || end < leader.epoch_start {
            return;
        }
        let mut isr = leader.isr.clone();
        isr.insert(follower);
        self.ask_isr(node, tp, isr);
    }

    /// Takes followers that lag out of the ISR.
    pub(super) fn check_isr(&mut self, node: NodeId) {
        let (now, lag_max) = (self.now, self.config.replica_lag_max);
        let Some(broker) = self.brokers.get(&node) else {
            return;
        };
        let shrunk = |(tp, replica): (&Tp, &Replica)| {
            let leader = replica.leader().filter(|leader| leader.asked.is_none())?;
            let lagging = leader.out_of_sync(replica.log.end_offset(), now, lag_max);
            (!lagging.is_empty()).then(|| (*tp, leader.isr.iter().copied().filter(|id| !lagging.contains(id)).collect()))
        };
        let wishes: Vec<(Tp, BTreeSet<NodeId>)> = broker.replicas.iter().filter_map(shrunk).collect();
        for (tp, isr) in wishes {
            self.ask_isr(node, tp, isr);
        }
    }

    fn ask_isr(&mut self, node: NodeId, tp: Tp, isr: BTreeSet<NodeId>) {
        let delay = self.config.controller_delay;
        if let Some(leader) = self.replica_mut(node, tp).and_then(Replica::leader_mut) {
            let (epoch, wish) = (leader.epoch, isr.iter().copied().collect());
            leader.asked = Some(isr);
            self.plan(delay, Event::AlterIsr { leader: node, tp, epoch, isr: wish });
        }
    }

    pub(super) fn isr_altered(&mut self, node: NodeId, tp: Tp, epoch: i32, isr: Option<Vec<NodeId>>) {
        if let Some(leader) = self.replica_mut(node, tp).and_then(Replica::leader_mut).filter(|leader| leader.epoch == epoch) {
            leader.asked = None;
            if let Some(isr) = isr {
                leader.isr = isr.into_iter().collect();
            }
            self.advance_watermark(node, tp);
        }
    }

    fn replication_delay(&self, node: NodeId) -> Duration {
        self.brokers.get(&node).and_then(|broker| broker.replication_delay).unwrap_or(self.config.replication_delay)
    }

    pub(super) fn replica(&self, node: NodeId, tp: Tp) -> Option<&Replica> {
        self.brokers.get(&node).and_then(|broker| broker.replicas.get(&tp))
    }

    pub(super) fn replica_mut(&mut self, node: NodeId, tp: Tp) -> Option<&mut Replica> {
        self.brokers.get_mut(&node).and_then(|broker| broker.replicas.get_mut(&tp))
    }
}
