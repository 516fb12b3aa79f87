//! What is sent: kinds of producers, their paces, when which side may send, and what a record says of itself.

use std::time::Duration;

use crate::wire::Cursor;

/// The two ways to the brokers that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Direct,
    Leeward,
}

impl Side {
    pub(super) const BOTH: [Side; 2] = [Side::Direct, Side::Leeward];

    /// The topic that this side alone uses.
    pub(super) fn topic(self) -> &'static str {
        match self {
            Side::Direct => "demo-direct",
            Side::Leeward => "demo-leeward",
        }
    }

    /// The consumer group of this side.
    pub(super) fn group(self) -> &'static str {
        match self {
            Side::Direct => "readers-direct",
            Side::Leeward => "readers-leeward",
        }
    }
}

/// Partitions of each side's topic: one leader on each of the three brokers.
pub(super) const PARTITIONS: i32 = 3;

/// Producers that differ in what they ask of the brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// acks=0: is told nothing.
    AcksNone,
    AcksLeader,
    AcksAll,
    /// acks=all with a producer id.
    Idempotent,
}

impl Kind {
    pub(super) const ALL: [Kind; 4] = [Kind::AcksNone, Kind::AcksLeader, Kind::AcksAll, Kind::Idempotent];

    pub(super) fn label(self) -> &'static str {
        match self {
            Kind::AcksNone => "acks=0",
            Kind::AcksLeader => "acks=1",
            Kind::AcksAll => "acks=all",
            Kind::Idempotent => "idempotent",
        }
    }

    pub(super) fn acks(self) -> i16 {
        match self {
            Kind::AcksNone => 0,
            Kind::AcksLeader => 1,
            Kind::AcksAll | Kind::Idempotent => -1,
        }
    }

    /// Records of one batch: from one that is sent alone to a few kilobytes.
    pub(super) fn batch_records(self) -> u64 {
        match self {
            Kind::AcksNone => 20,
            Kind::AcksLeader => 1,
            Kind::AcksAll => 50,
            Kind::Idempotent => 10,
        }
    }

    pub(super) fn record_bytes(self) -> usize {
        match self {
            Kind::AcksNone => 100,
            Kind::AcksLeader | Kind::AcksAll => 200,
            Kind::Idempotent => 500,
        }
    }

    /// Between two batches to one partition at the steady load: in all about 4,000 records and 300 requests a second for each side, which two busy cores bear
    /// beside three brokers.
    pub(super) fn steady_interval(self) -> Duration {
        match self {
            Kind::AcksNone => Duration::from_millis(50),
            Kind::AcksLeader => Duration::from_millis(25),
            Kind::AcksAll => Duration::from_millis(70),
            Kind::Idempotent => Duration::from_millis(40),
        }
    }

    fn number(self) -> u8 {
        match self {
            Kind::AcksNone => 0,
            Kind::AcksLeader => 1,
            Kind::AcksAll => 2,
            Kind::Idempotent => 3,
        }
    }
}

/// How fast a side's producers send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// As fast as answers come, before anything is measured: a server is slower while it is new.
    Warm,
    /// By the clock.
    Steady,
    /// As fast as answers come.
    Full,
}

/// What the producers are told to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Orders {
    /// `None` is a rest.
    pub(super) direct: Option<Pace>,
    pub(super) leeward: Option<Pace>,
    /// Finish what is in flight and end.
    pub(super) end: bool,
}

impl Pace {
    const ALL: [Pace; 3] = [Pace::Warm, Pace::Steady, Pace::Full];

    fn number(self) -> u8 {
        match self {
            Pace::Warm => 0,
            Pace::Steady => 1,
            Pace::Full => 2,
        }
    }
}

impl Orders {
    pub(super) fn of(&self, side: Side) -> Option<Pace> {
        match side {
            Side::Direct => self.direct,
            Side::Leeward => self.leeward,
        }
    }
}

/// One part of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) orders: Orders,
    pub(super) lasts: Duration,
}

/// Most that one round of the plan lasts; a longer demo has several.
const ROUND_MAX: Duration = Duration::from_secs(30);
/// The warming up takes a tenth of the time, and no more than this: a young Java is at speed after a few thousand requests.
const WARM_MAX: Duration = Duration::from_secs(3);
/// A turn at full speed lasts about so long: long enough to be a rate, short enough that a change of the machine's mood meets both sides.
const TURN: Duration = Duration::from_secs(1);

/// The plan: warming up, then for three fifths of the time both sides at once at the same steady load, which shows latency; then full speed in turns, which shows rates.
pub(super) fn plan(total: Duration) -> Vec<Step> {
    let warm = (total / 10).min(WARM_MAX);
    let total = total - warm;
    let rounds = total.as_secs_f64() / ROUND_MAX.as_secs_f64();
    let rounds = (rounds.ceil() as u32).max(1);
    let round = total / rounds;
    let steady = round * 3 / 5;
    let at_full_speed = round - steady;
    // Four turns make a balanced set: direct, Leeward, Leeward, direct.
    let sets = ((at_full_speed.as_secs_f64() / TURN.as_secs_f64() / 4.0) as u32).max(1);
    let turn = at_full_speed / (4 * sets);
    let direct = Step { orders: Orders { direct: Some(Pace::Full), ..Orders::default() }, lasts: turn };
    let leeward = Step { orders: Orders { leeward: Some(Pace::Full), ..Orders::default() }, lasts: turn };
    let both = Step { orders: Orders { direct: Some(Pace::Steady), leeward: Some(Pace::Steady), end: false }, lasts: steady };
    let warming = Orders { direct: Some(Pace::Warm), leeward: Some(Pace::Warm), end: false };
    let mut plan = vec![Step { orders: warming, lasts: warm }];
    for _ in 0..rounds {
        plan.push(both);
        for _ in 0..sets {
            plan.extend([direct, leeward, leeward, direct]);
        }
    }
    plan
}

/// What a record says of itself, at the start of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) kind: Kind,
    pub(super) pace: Pace,
    /// Among the records of its producer in its partition.
    pub(super) number: u64,
    /// Since the demo began.
    pub(super) sent_nanos: u64,
}

const MAGIC: [u8; 4] = *b"lwd1";

impl Stamp {
    /// A value of `bytes` bytes, or as long as the stamp is.
    pub(super) fn value(&self, bytes: usize) -> Vec<u8> {
        let mut value = Vec::with_capacity(bytes);
        value.extend(MAGIC);
        value.extend([self.kind.number(), self.pace.number()]);
        value.extend(self.number.to_be_bytes());
        value.extend(self.sent_nanos.to_be_bytes());
        value.extend((value.len()..bytes).map(|at| b'a' + (at % 26) as u8));
        value
    }

    /// `None` for a value of somebody else.
    pub(super) fn read(value: &[u8]) -> Option<Stamp> {
        let mut cursor = Cursor::new(value);
        let magic: [u8; 4] = cursor.array().ok()?;
        let [kind, pace] = cursor.array().ok()?;
        let kind = Kind::ALL.into_iter().find(|known| known.number() == kind).filter(|_| magic == MAGIC)?;
        let pace = Pace::ALL.into_iter().find(|known| known.number() == pace)?;
        let number = u64::from_be_bytes(cursor.array().ok()?);
        Some(Stamp { kind, pace, number, sent_nanos: u64::from_be_bytes(cursor.array().ok()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back() {
        for (kind, pace) in Kind::ALL.into_iter().zip(Pace::ALL.into_iter().cycle()) {
            let stamp = Stamp { kind, pace, number: u64::MAX - 1, sent_nanos: 77 };
            let value = stamp.value(kind.record_bytes());
            assert_eq!((value.len(), Stamp::read(&value)), (kind.record_bytes(), Some(stamp)));
            assert_eq!(Stamp::read(&value[..21]), None);
        }
        assert_eq!(Stamp::read(b"something else, long enough for a stamp"), None);
    }

    #[test]
    fn a_plan_fills_its_time_and_gives_both_sides_the_same() {
        for seconds in [1, 3, 30, 31, 61, 3_600] {
            let plan = plan(Duration::from_secs(seconds));
            let sum = |side: Side, pace| plan.iter().filter(|step| step.orders.of(side) == Some(pace)).map(|step| step.lasts).sum::<Duration>();
            let total: Duration = plan.iter().map(|step| step.lasts).sum();
            assert!(total.abs_diff(Duration::from_secs(seconds)) < Duration::from_millis(1), "{seconds}: {total:?}");
            for pace in Pace::ALL {
                assert_eq!(sum(Side::Direct, pace), sum(Side::Leeward, pace), "{seconds}");
                assert!(pace == Pace::Warm || sum(Side::Direct, pace) >= total / 6, "{seconds}");
            }
            assert!(plan.iter().all(|step| step.lasts <= Duration::from_secs(18)), "{seconds}");
        }
    }
}
