//! One partition in trouble: its batches in the order in which the client sent them.

use std::collections::{BTreeSet, VecDeque};

use super::{Call, Job, Partition, Produce, Shelter, Stage};
use crate::cluster::{Leader, Leaders, View};
use crate::session::pace::Backoff;

/// Batches of a partition on their way at once, behind one that succeeded. Brokers recognise the last five of a producer id
/// (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`).
const PIPELINE_MAX: usize = 5;

/// A place in a lane: the call's `seq`, and which of its batches.
pub(super) type Place = (u64, usize);

/// Why the next batch of a lane does or does not go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It may go to this leader; an epoch of -1 says that it is a guess.
    Send(Leader),
    /// Nobody knows a leader.
    NoLeader,
    /// Something else has to happen first, or its time has not come.
    Wait,
}

/// The batches of one partition.
#[derive(Debug, Default)]
pub(in crate::session) struct Lane {
    /// Those without a result, oldest first.
    pub(super) queue: VecDeque<Place>,
    /// Those of them that are on their way.
    pub(super) in_flight: usize,
    /// To whom they went.
    at: Option<Leader>,
    /// Requests with this partition that the home upstream still owes an answer for: nothing may overtake them.
    pub(super) home_owes: usize,
    /// Those that came back and are to be sent again. Until the last of them is in, batches go one by one: a further one would push what may be in the log
    /// already out of the five that a broker recognises.
    again: BTreeSet<Place>,
    /// The lane is new, or a batch failed: the rest goes one by one until one succeeds. A broker that knows nothing of a producer id takes any sequence as its
    /// first (since 2.5), so a second may not be on its way before the first is in.
    recovering: bool,
    /// A batch was given up: its code, and the last request that had been read then. What the client sent before it heard of that fails, too.
    pub(super) given_up: Option<(i16, u64)>,
    /// The leader that failed last.
    failed: Option<Leader>,
    /// What a broker said of the leader.
    hint: Option<Leader>,
    /// The next broker to be tried where nobody tells the leader.
    guess: usize,
    pub(super) backoff: Backoff,
}

impl Lane {
    /// Puts a batch in its place: by arrival.
    pub(super) fn enqueue(&mut self, place: Place) {
        let at = self.queue.partition_point(|other| *other < place);
        self.queue.insert(at, place);
    }

    /// The leader as far as anybody knows; an epoch says which word is newer.
    pub(super) fn leader(&self, partition: &Partition, leaders: &Leaders) -> Option<Leader> {
        let known = leaders.leader(partition.0.as_ref(), partition.1);
        match (known, self.hint) {
            (Some(known), Some(hint)) if hint.epoch > known.epoch => Some(hint),
            (Some(known), _) => Some(known),
            (None, hint) => hint,
        }
    }

    /// Whether and where the next batch goes; `is_first`: it is the oldest of the queue.
    pub(super) fn next(&self, partition: &Partition, is_first: bool, leaders: &Leaders, view: &View, now: u64) -> Next {
        if !self.has_room(is_first) {
            return Next::Wait;
        }
        let Some(leader) = self.leader(partition, leaders) else {
            let due = self.backoff.is_due(now) && self.in_flight == 0;
            return match view.brokers.keys().nth(self.guess % view.brokers.len().max(1)) {
                Some(&node_id) if due => Next::Send(Leader { node_id, epoch: -1 }),
                Some(_) | None => Next::NoLeader,
            };
        };
        if leader.node_id < 0 {
            return Next::NoLeader;
        }
        if self.in_flight > 0 && self.at != Some(leader) {
            return Next::Wait;
        }
        // A newer leader ends the pause; the same one is asked again when it is over.
        let is_new = self.failed.is_some_and(|failed| failed != leader);
        if is_new || self.backoff.is_due(now) { Next::Send(leader) } else { Next::NoLeader }
    }

    /// Whether nothing on its way stands before the next batch; `is_first`: it is the oldest of the queue.
    fn has_room(&self, is_first: bool) -> bool {
        let one_at_a_time = self.recovering || self.in_flight == 0;
        self.home_owes == 0 && !(one_at_a_time && (self.in_flight > 0 || !is_first)) && self.in_flight < PIPELINE_MAX
    }

    /// The same, and its pause is over.
    pub(super) fn may_send(&self, is_first: bool, now: u64) -> bool {
        self.has_room(is_first) && self.backoff.is_due(now)
    }

    /// A batch left for `leader`.
    pub(super) fn sent(&mut self, leader: Leader) {
        self.at = Some(leader);
        self.in_flight += 1;
    }

    /// The partition answered well for the batch at `place`.
    pub(super) fn done(&mut self, place: Place) {
        // One behind another that is to be sent again says nothing about that one.
        let was_oldest = self.queue.front() == Some(&place);
        self.remove(place);
        if was_oldest && self.in_flight == 0 && self.again.is_empty() {
            self.recovering = false;
        }
        self.failed = None;
        self.backoff.reset();
    }

    /// The batch at `place` comes back to be sent again; `hint`: what the broker said of the leader.
    pub(super) fn failed(&mut self, place: Place, hint: Option<Leader>, now: u64, jitter: u64) {
        self.recovering = true;
        self.again.insert(place);
        if let Some(hint) = hint
            && self.hint.is_none_or(|known| hint.epoch >= known.epoch)
        {
            self.hint = Some(hint);
        }
        if self.backoff.is_due(now) {
            self.backoff.failed(now, jitter);
            self.guess = self.guess.wrapping_add(1);
        }
        self.failed = self.at;
    }

    /// A lane for a partition that came by the home upstream, which stands for `home` and owes `home_owes` answers.
    pub(super) fn new(home_owes: usize, home: Option<i32>, partition: &Partition, leaders: &Leaders) -> Self {
        let mut lane = Lane { home_owes, recovering: true, ..Lane::default() };
        lane.at = home.map(|node_id| match lane.leader(partition, leaders) {
            Some(leader) if leader.node_id == node_id => leader,
            Some(_) | None => Leader { node_id, epoch: -1 },
        });
        lane
    }

    /// One batch is not on its way any more.
    pub(super) fn returned(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The batch at `place` has failed for good; what comes next may begin a sequence.
    pub(super) fn gave_up(&mut self, place: Place) {
        self.remove(place);
        self.recovering = true;
    }

    pub(super) fn remove(&mut self, place: Place) {
        self.again.remove(&place);
        if let Some(at) = self.queue.iter().position(|other| *other == place) {
            self.queue.remove(at);
        }
    }

    /// Whether the partition's batches can go by the home upstream again.
    pub(super) fn is_over(&self, partition: &Partition, home: Option<i32>, home_is_up: bool, leaders: &Leaders) -> bool {
        self.queue.is_empty()
            && self.in_flight == 0
            && self.home_owes == 0
            && !self.recovering
            && self.given_up.is_none()
            && home_is_up
            && home.is_some()
            && self.leader(partition, leaders).map(|leader| leader.node_id) == home
    }
}

impl Shelter {
    pub(super) fn produce_mut(&mut self, seq: u64) -> Option<&mut Produce> {
        match &mut self.calls.get_mut(&seq)?.job {
            Job::Produce(produce) => Some(produce),
            Job::Errand(_) => None,
        }
    }

    /// Whether an older batch of the same partition has no result yet.
    pub(super) fn has_earlier(&self, partition: &Partition, place: Place) -> bool {
        self.lanes.get(partition).is_some_and(|lane| lane.queue.front().is_some_and(|first| *first < place))
    }
}

impl Call {
    /// Whether every batch has its result.
    pub(super) fn is_done(&self) -> bool {
        match &self.job {
            Job::Produce(produce) => produce.batches.iter().all(|batch| matches!(batch.stage, Stage::Done(_))),
            Job::Errand(_) => false,
        }
    }
}
