//! One topic's part of a run.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::seen::{Here, Seen};
use super::{Act, Facts, Run, State, Unfit};
use crate::guard::time::Millis;
use crate::rolling::census::{Census, Partition, Reassignment};
use crate::rolling::reassign::Assignment;

/// Milliseconds for which preferred leaders are asked for; then the topic is done without them.
const ELECTING_MAX: Millis = 30_000;

/// Bytes that a copy lacks when its throttle is lifted, and no more than half of it: a leader holds acks=all back for a copy that had caught up at its last fetch, in the ISR or not, so a throttle that
/// stops that one holds clients up for seconds. A follower fetches 1 MiB at once.
const LIFTED_BELOW: u64 = 4 << 20;

/// Or more, in seconds of the throttle: a copy may come so much nearer from one look to the next and until all brokers have heard that it is lifted.
const LIFTED_SECONDS: u64 = 2;

/// What was asked for shows itself, and what has arrived does so everywhere, within so many milliseconds.
const STOPPED_AFTER: Millis = 2_000;

/// What all copies lack together whose throttles are lifted, in seconds of the throttle; and in bytes at least, so that one can be.
const LIFTED_SECONDS_MAX: u64 = 5;

/// Partitions in one sentence; the rest are counted.
const NAMED_MAX: usize = 5;

/// One topic's part of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leg {
    pub topic: String,
    /// By index.
    pub partitions: Vec<Shift>,
    pub step: Step,
    /// When that step began.
    pub since: Millis,
    pub begun: Option<Millis>,
    pub ended: Option<Millis>,
    /// Bytes that are where they are to be.
    pub copied: u64,
    /// Partitions that were where they are to be when that was last looked at.
    #[serde(default)]
    pub arrived: usize,
    /// While the run does not go on: since when nothing is on its way any more, though not all has arrived.
    #[serde(default)]
    pub stopped: Option<Millis>,
    /// For what it waits, in a sentence.
    pub waits_for: Option<String>,
}

/// One partition, from these replicas to those.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    pub partition: i32,
    pub from: Vec<i32>,
    pub to: Vec<i32>,
    /// Of one replica, when the run began; 0: not told.
    pub bytes: u64,
    /// It is nearly there, so that nothing of it is throttled any more.
    #[serde(default)]
    pub is_lifted: bool,
}

/// Where a topic stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Waiting,
    Throttling,
    Moving,
    Electing,
    Done,
}

impl Step {
    pub fn label(self) -> &'static str {
        match self {
            Step::Waiting => "waiting",
            Step::Throttling => "throttling",
            Step::Moving => "moving",
            Step::Electing => "electing leaders",
            Step::Done => "done",
        }
    }
}

impl Shift {
    /// Where it is to be.
    pub fn target(&self, is_back: bool) -> &[i32] {
        if is_back { &self.from } else { &self.to }
    }

    /// Where it was until then.
    pub fn source(&self, is_back: bool) -> &[i32] {
        self.target(!is_back)
    }

    /// The brokers that get a copy.
    pub fn adding(&self, is_back: bool) -> impl Iterator<Item = i32> {
        let source = self.source(is_back);
        self.target(is_back).iter().copied().filter(|node_id| !source.contains(node_id))
    }
}

impl Leg {
    pub fn new(topic: &str, partitions: Vec<Shift>) -> Self {
        let topic = topic.to_owned();
        Leg { topic, partitions, step: Step::Waiting, since: 0, begun: None, ended: None, copied: 0, arrived: 0, stopped: None, waits_for: None }
    }

    pub(super) fn enter(&mut self, step: Step, now: Millis) {
        (self.step, self.since, self.stopped, self.waits_for) = (step, now, None, None);
        self.begun = self.begun.or((step != Step::Waiting && step != Step::Done).then_some(now));
        self.ended = (step == Step::Done).then_some(now);
        if step < Step::Moving {
            self.partitions.iter_mut().for_each(|shift| shift.is_lifted = false);
        }
    }

    /// Partitions that are where they are to be.
    pub(super) fn arrived(&self) -> usize {
        if self.step == Step::Done { self.partitions.len() } else { self.arrived }
    }

    /// What is where it is to be is not where it was before.
    pub(super) fn turn(&mut self) {
        (self.copied, self.arrived) = (0, 0);
    }

    /// Every broker that has a replica, or is to have one.
    pub fn brokers(&self) -> BTreeSet<i32> {
        self.partitions.iter().flat_map(|shift| shift.from.iter().chain(&shift.to)).copied().collect()
    }

    /// Bytes that are copied in all.
    pub fn bytes(&self, is_back: bool) -> u64 {
        self.partitions.iter().map(|shift| shift.bytes.saturating_mul(shift.adding(is_back).count() as u64)).sum()
    }

    fn count_copied(&mut self, is_back: bool, facts: &Facts<'_>, here: &Here<'_>) {
        let on = |node_id, partition| facts.sizes.get(&(node_id, self.topic.clone(), partition)).copied();
        let of = |shift: &Shift| {
            let whole = shift.source(is_back).iter().filter_map(|node_id| on(*node_id, shift.partition)).max().unwrap_or(shift.bytes).max(1);
            // A log grows while it is copied; what counts is the part that is there.
            let part = |there: u64| u128::from(shift.bytes) * u128::from(there.min(whole)) / u128::from(whole);
            let has_arrived = matches!(here.see(shift, is_back), Seen::Arrived(_) | Seen::Gone);
            let copies =
                shift.adding(is_back).map(|node_id| if has_arrived { u128::from(shift.bytes) } else { part(on(node_id, shift.partition).unwrap_or(0)) });
            u64::try_from(copies.sum::<u128>()).unwrap_or(u64::MAX)
        };
        self.copied = self.partitions.iter().map(of).sum();
    }
}

impl Leg {
    /// Lifts the throttles of those copies on their way that lack least.
    fn lift(&mut self, is_back: bool, facts: &Facts<'_>, here: &Here<'_>, rate: u64) {
        let on = |node_id, partition| facts.sizes.get(&(node_id, self.topic.clone(), partition)).copied();
        let lacks = |shift: &Shift| {
            let whole = shift.source(is_back).iter().filter_map(|node_id| on(*node_id, shift.partition)).max()?;
            let mut lacks = shift.adding(is_back).map(|node_id| Some(whole.saturating_sub(on(node_id, shift.partition)?)));
            let sum = lacks.try_fold(0, |sum: u64, one| Some(sum.saturating_add(one?)));
            sum.filter(|sum| *sum <= LIFTED_BELOW.max(rate.saturating_mul(LIFTED_SECONDS)).min(whole / 2))
        };
        let is_moving = |shift: &Shift| matches!(here.see(shift, is_back), Seen::OnItsWay);
        let moving: Vec<(usize, Option<u64>)> =
            self.partitions.iter().enumerate().filter(|(_, shift)| is_moving(shift)).map(|(at, shift)| (at, lacks(shift))).collect();
        let mut near: Vec<(u64, usize)> = moving.iter().filter_map(|(at, lack)| Some(((*lack)?, *at))).collect();
        near.sort_unstable();
        let (mut rest, mut lifted) = (rate.saturating_mul(LIFTED_SECONDS_MAX).max(LIFTED_BELOW), BTreeSet::new());
        for (lack, at) in near {
            let Some(left) = rest.checked_sub(lack) else { break };
            rest = left;
            lifted.insert(at);
        }
        let moving: BTreeSet<usize> = moving.into_iter().map(|(at, _)| at).collect();
        for (at, shift) in self.partitions.iter_mut().enumerate() {
            shift.is_lifted = moving.contains(&at) && (shift.is_lifted || lifted.contains(&at));
        }
    }
}

impl Run {
    pub(super) fn step(&mut self, at: usize, facts: &Facts<'_>, acts: &mut Vec<Act>, now: Millis) {
        let (is_back, is_running) = (self.is_back, self.state == State::Running);
        let gives_up = matches!(self.state, State::Paused { at_once: true, .. });
        let unthrottled = self.unthrottled(at, facts);
        // A broker that is back gets its throttle first.
        let may_begin = unthrottled.is_empty();
        let Some(leg) = self.topics.get_mut(at) else { return };
        let here = Here::of(facts.census, &leg.topic);
        leg.count_copied(is_back, facts, &here);
        let seen: Vec<(&Shift, Seen<'_>)> = leg.partitions.iter().map(|shift| (shift, here.see(shift, is_back))).collect();
        let on_their_way = seen.iter().filter(|(_, seen)| matches!(seen, Seen::OnItsWay | Seen::Astray)).count();
        let mut asked = Vec::new();
        let mut foreign = None;
        for (shift, seen) in &seen {
            match seen {
                Seen::Astray => asked.push((shift.partition, None)),
                Seen::OnItsWay if gives_up => asked.push((shift.partition, None)),
                Seen::Elsewhere if is_running && leg.step == Step::Moving && may_begin && !shift.is_lifted => {
                    asked.push((shift.partition, Some(shift.target(is_back).to_vec())))
                }
                Seen::Foreign(other) => foreign = Some((shift.partition, *other)),
                Seen::Gone | Seen::Arrived(_) | Seen::OnItsWay | Seen::Elsewhere => {}
            }
        }
        let have_arrived = seen.iter().all(|(_, seen)| matches!(seen, Seen::Gone | Seen::Arrived(_)));
        let led_wrong = seen.iter().filter_map(|(shift, seen)| led_by_another(shift, seen, is_back)).collect::<Vec<_>>();
        let (of, arrived) = (seen.len(), seen.iter().filter(|(_, seen)| matches!(seen, Seen::Gone | Seen::Arrived(_))).count());
        let (topic, rate) = (leg.topic.clone(), self.pace.rate);
        if let Some((partition, other)) = foreign.filter(|_| is_running) {
            self.state = stuck_by(&topic, partition, other);
        }
        let Some(leg) = self.topics.get_mut(at) else { return };
        leg.arrived = arrived;
        leg.stopped = (!is_running && !have_arrived && on_their_way == 0).then(|| leg.stopped.unwrap_or(facts.read_at));
        // What has just arrived is on its way no more, and brokers hear of it one after another.
        let has_stopped = leg.stopped.is_some_and(|since| facts.read_at >= since + STOPPED_AFTER);
        if leg.step == Step::Moving {
            leg.lift(is_back, facts, &here, rate);
            leg.waits_for = Some(format!("{arrived} of {of} partitions have arrived, {on_their_way} on their way"));
        }
        match leg.step {
            Step::Waiting | Step::Done => {}
            Step::Throttling | Step::Moving if have_arrived && on_their_way == 0 => leg.enter(Step::Electing, now),
            Step::Throttling | Step::Moving if has_stopped => leg.enter(Step::Waiting, now),
            Step::Throttling if may_begin => {
                leg.enter(Step::Moving, now);
                // The first rate has its time too.
                self.pace.looked = now;
            }
            Step::Throttling => {
                let places: Vec<String> = unthrottled.iter().map(ToString::to_string).collect();
                leg.waits_for = Some(format!("the throttle is not in force yet at {}", in_short(&places)));
            }
            Step::Moving => {}
            Step::Electing if !have_arrived => leg.enter(if self.is_by_hand { Step::Moving } else { Step::Throttling }, now),
            Step::Electing if led_wrong.is_empty() => leg.enter(Step::Done, now),
            Step::Electing if !self.is_by_hand && now.saturating_sub(leg.since) >= ELECTING_MAX => leg.enter(Step::Done, now),
            Step::Electing => {
                leg.waits_for = Some(format!("the first replica leads {} of {of} partitions", of - led_wrong.len()));
                acts.extend((!self.is_by_hand).then_some(Act::Elect { topic: topic.clone(), partitions: led_wrong }));
            }
        }
        if !asked.is_empty() && !self.is_by_hand {
            acts.push(Act::Reassign { topic, partitions: asked });
        }
        // What is on its way while it pauses hurts clients no less.
        if self.topics.get(at).is_some_and(|leg| leg.step == Step::Moving) && self.pace.is_due(now) {
            self.pace.look(self.bounds, facts.latency, now);
        }
    }
}

/// The partition, if another replica than the first leads and the first could.
fn led_by_another(shift: &Shift, seen: &Seen<'_>, is_back: bool) -> Option<i32> {
    let Seen::Arrived(partition) = seen else { return None };
    let first = shift.target(is_back).first().copied();
    let could = first.is_some_and(|first| partition.isr.contains(&first));
    (could && partition.leader != first).then_some(shift.partition)
}

fn stuck_by(topic: &str, partition: i32, other: &Reassignment) -> State {
    let nodes = |node_ids: &[i32]| node_ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let problem = format!("{topic}-{partition} is being reassigned by somebody else (adding {}; removing {})", nodes(&other.adding), nodes(&other.removing));
    State::Stuck { problem, hint: "wait until that is done, or cancel it there; then leeward reassign resume".to_owned() }
}

pub(super) fn topics_of(census: &Census, wanted: &Assignment) -> Result<Vec<Leg>, Unfit> {
    let wrong = |problem| Unfit { problem, hint: "make a new plan from the cluster as it is now", is_wrong: true };
    let mut topics = BTreeMap::<&str, Vec<Shift>>::new();
    let here: BTreeMap<(&str, i32), &Partition> = census.partitions.iter().map(|one| ((&*one.topic, one.index), one)).collect();
    for ((topic, index), replicas) in &wanted.0 {
        let Some(now) = here.get(&(&**topic, *index)) else {
            return Err(wrong(format!("there is no partition {topic}-{index}")));
        };
        if replicas.is_empty() || replicas.iter().collect::<BTreeSet<_>>().len() != replicas.len() {
            return Err(wrong(format!("{topic}-{index} is to have no replica, or one broker twice: {replicas:?}")));
        }
        if let Some(unknown) = replicas.iter().find(|node_id| !census.brokers.contains_key(node_id)) {
            return Err(wrong(format!("{topic}-{index} is to have a replica on broker {unknown}, which is not known")));
        }
        if now.replicas != *replicas {
            let shift = Shift { partition: *index, from: now.replicas.clone(), to: replicas.clone(), bytes: 0, is_lifted: false };
            topics.entry(topic).or_default().push(shift);
        }
    }
    let legs: Vec<Leg> = topics.into_iter().map(|(topic, partitions)| Leg::new(topic, partitions)).collect();
    if legs.is_empty() {
        let problem = "every partition has the replicas that it is to have".to_owned();
        return Err(Unfit { problem, hint: "there is nothing to do", is_wrong: true });
    }
    hindrance(census, &legs).map_or(Ok(legs), Err)
}

/// What of the cluster forbids to begin now.
fn hindrance(census: &Census, legs: &[Leg]) -> Option<Unfit> {
    let not_now = |problem, hint| Some(Unfit { problem, hint, is_wrong: false });
    if let Some(running) = census.reassignments.as_ref().filter(|running| !running.is_empty()) {
        let named: Vec<String> = running.iter().map(|one| format!("{}-{}", one.topic, one.partition)).collect();
        let problem = format!("partitions are being reassigned by somebody else: {}", in_short(&named));
        return not_now(problem, "wait until that is done (kafka-reassign-partitions --list), or cancel it there");
    }
    if let Some(gap) = census.gaps.iter().find(|gap| gap.can_close).filter(|_| census.reassignments.is_none()) {
        return not_now(format!("it is not known whether partitions are being reassigned: {}", gap.text), "close that gap, and ask again");
    }
    let away = |node_id: &i32| census.brokers.get(node_id).is_none_or(|broker| !broker.is_listed || !broker.is_reachable);
    let away: BTreeSet<i32> = legs.iter().flat_map(Leg::brokers).filter(away).collect();
    if !away.is_empty() {
        let away: Vec<String> = away.iter().map(ToString::to_string).collect();
        return not_now(format!("brokers that it concerns are away: {}", away.join(", ")), "wait until they are back, and ask again");
    }
    None
}

fn in_short(names: &[String]) -> String {
    let first = names.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > NAMED_MAX { format!("{first} and {} more", names.len() - NAMED_MAX) } else { first }
}
