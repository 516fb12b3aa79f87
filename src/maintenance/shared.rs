//! What this Leeward has in common with others in front of the same cluster, over a topic there ([`crate::rolling::sharing`] has the rules).
//!
//! Two tasks hold a connection each: one reads the topic, all the time, one appends what it is handed. Their owner is the owner of the windows, which takes in what was
//! read, has changes accepted before they are in force, and sends the signs of life.
//!
//! **Invariant: accepted first.** With a topic, a change that an operator asks for is in force only when the log has accepted it. An instance that does not read
//! the log any more refuses changes, and says how old its view is. Windows that are open stay open until they expire, and closing one is always possible:
//! it is closed here at once, and in the log as soon as that is in reach again. What happens by itself (an expiry, a schedule, a detection) is in force here also
//! without the log, whose state takes the place of this one's when it is read again.

mod tasks;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::control::{Operator, OperatorError};
use crate::guard::time::{Millis, millis};
use crate::protocol::records::Plain;
use crate::rolling::sharing::{Accepted, BEAT_EVERY, Beat, Ledger, Proposal, instance_key, state_key};
use tasks::Append;
pub(super) use tasks::News;

/// How long a change may take to be accepted; longer than a leader takes to be elected after a shutdown, shorter than whoever asks over HTTP waits.
const ACCEPT_MAX: Duration = Duration::from_secs(6);

/// Between two attempts to append a change.
const AGAIN_AFTER: Duration = Duration::from_millis(300);

/// A view that is older says so. A reading that finds nothing takes a second.
const OLD_AFTER: Millis = 5_000;

/// Keys that are cleared away with one append.
const CLEARED_AT_ONCE: usize = 500;

/// Appends that wait for their turn: one change, one beat, one clearing, and room.
const APPENDS_MAX: usize = 8;

/// Beats that may be on their way; the oldest are forgotten.
const BEATS_MAX: usize = 16;

/// Decided versions that are remembered: more than come while one change is on its way.
const DECIDED_MAX: usize = 64;

/// What became of a change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted,
    /// Another instance's change came first.
    Overtaken,
    /// In a sentence. `may_come`: it may still be accepted.
    Failed {
        problem: String,
        may_come: bool,
    },
}

/// One instance's part.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) topic: String,
    pub(super) me: String,
    host: String,
    admin: String,
    ledger: Ledger,
    news: mpsc::Receiver<News>,
    appends: mpsc::Sender<Append>,
    began: Instant,
    /// The latest reading ended at the end of the log.
    is_at_end: bool,
    /// When the latest reading was asked for that ended at the end of the log.
    whole_at: Option<Millis>,
    /// Since when such readings follow one another without a gap.
    whole_since: Option<Millis>,
    problem: Option<String>,
    /// A version that this one cannot put in force, and why.
    not_understood: Option<(u64, String)>,
    /// The version that is in force here.
    adopted: u64,
    /// Since when something is in force here that was not accepted.
    alone_since: Option<Millis>,
    beats: u64,
    next_beat: Millis,
    /// Beats on their way, with when they were sent.
    sent: VecDeque<(u64, Millis)>,
    /// When the latest beat was sent that has come back.
    back: Option<Millis>,
    /// Versions that were decided since a change was proposed.
    decided: BTreeMap<u64, String>,
    proposals: u64,
}

/// What is shown of it.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) topic: String,
    pub(super) me: String,
    pub(super) version: u64,
    pub(super) walker: Option<String>,
    /// When it was last known that nothing newer is there.
    pub(super) whole_at: Option<Instant>,
    pub(super) began: Instant,
    pub(super) problem: Option<String>,
    pub(super) misunderstanding: Option<String>,
    /// Id, host, admin endpoint, and when it was heard.
    pub(super) instances: Vec<(String, String, String, Instant)>,
    /// Until when this one drives drains and walks the roll.
    pub(super) acts_until: Option<Instant>,
}

impl Shared {
    /// Begins to read.
    pub(super) fn begin(operator: &Operator, topic: &str, admin: String) -> Self {
        let (sender, news) = mpsc::channel(APPENDS_MAX);
        let (appends, inbox) = mpsc::channel(APPENDS_MAX);
        tokio::spawn(tasks::read(operator.journal(topic), sender.clone()));
        tokio::spawn(tasks::append(operator.journal(topic), inbox, sender));
        let me = format!("{:08x}", fastrand::u32(..));
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned());
        Shared {
            topic: topic.to_owned(),
            me,
            host,
            admin,
            ledger: Ledger::default(),
            news,
            appends,
            began: Instant::now(),
            is_at_end: false,
            whole_at: None,
            whole_since: None,
            problem: None,
            not_understood: None,
            adopted: 0,
            alone_since: None,
            beats: 0,
            next_beat: 0,
            sent: VecDeque::new(),
            back: None,
            decided: BTreeMap::new(),
            proposals: 0,
        }
    }

    /// The next thing that the tasks tell. Both go on as long as this is there.
    pub(super) async fn next(&mut self) -> News {
        match self.news.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }

    pub(super) fn take(&mut self, news: News) -> Option<(u64, Result<(), OperatorError>)> {
        match news {
            News::Read { reading, asked } => {
                let (now, asked) = (self.now(), millis(asked.saturating_duration_since(self.began)));
                if reading.is_anew {
                    // What comes is the state, whatever its version.
                    (self.ledger, self.adopted, self.whole_at, self.whole_since) = (Ledger::default(), 0, None, None);
                }
                for placed in &reading.records {
                    self.take_record(&placed.record, now);
                }
                self.is_at_end = reading.is_whole;
                if reading.is_whole {
                    if self.whole_at.is_none_or(|at| now.saturating_sub(at) > OLD_AFTER) {
                        self.whole_since = Some(now);
                    }
                    self.whole_at = Some(asked);
                    self.problem = None;
                    if self.alone_since.is_some_and(|since| since < asked) {
                        // In reach again: what the log has takes the place of what is in force here.
                        (self.adopted, self.alone_since) = (0, None);
                    }
                }
                None
            }
            News::Unread(error) => {
                let problem = error.to_string();
                if self.problem.as_ref() != Some(&problem) {
                    tracing::warn!(topic = %self.topic, %error, "the shared state cannot be read");
                }
                self.problem = Some(problem);
                None
            }
            News::Appended { number, result } => Some((number, result)),
        }
    }

    fn take_record(&mut self, record: &Plain, now: Millis) {
        if let Some(Accepted { version, nonce }) = self.ledger.read(record.key.as_deref(), record.value.as_deref(), now) {
            self.decided.insert(version, nonce);
            while self.decided.len() > DECIDED_MAX {
                self.decided.pop_first();
            }
        }
        if record.key.as_deref() == Some(instance_key(&self.me).as_bytes()) {
            let number = record.value.as_deref().and_then(|value| serde_json::from_slice::<Beat>(value).ok()).map(|beat| beat.number);
            if let Some(place) = self.sent.iter().position(|(sent, _)| Some(*sent) == number) {
                self.back = self.back.max(self.sent.get(place).map(|(_, at)| *at));
                self.sent.drain(..=place);
            }
        }
    }

    /// Says that this one lives, when it is time to.
    pub(super) fn beat(&mut self) {
        let now = self.now();
        if now < self.next_beat {
            return;
        }
        self.next_beat = now + BEAT_EVERY;
        self.beats += 1;
        let beat = Beat::new(self.beats, &self.host, &self.admin);
        let mut records = vec![plain(&instance_key(&self.me), serde_json::to_vec(&beat).ok())];
        records.extend(self.ledger.silent(now).filter(|id| *id != self.me).map(|id| plain(&instance_key(id), None)));
        // Where the one before waits still, this one would be of no use.
        if self.appends.try_send(Append { number: 0, records }).is_ok() {
            self.sent.push_back((self.beats, now));
            while self.sent.len() > BEATS_MAX {
                self.sent.pop_front();
            }
        }
    }

    /// When [`Shared::beat`] has something to do.
    pub(super) fn next_beat(&self) -> Duration {
        Duration::from_millis(self.next_beat.saturating_sub(self.now()))
    }

    /// What has been accepted and is not in force here yet, once the log was read to its end; `Err`: it cannot be understood.
    pub(super) fn fresh(&self) -> Option<Result<(u64, Value), String>> {
        if !self.is_at_end || self.ledger.version() <= self.adopted || self.misunderstanding().is_some() {
            return None;
        }
        self.ledger.accepted().map(|accepted| accepted.map(|proposal| (self.ledger.version(), proposal.contents.clone())).map_err(str::to_owned))
    }

    /// Something is in force here that was not accepted.
    pub(super) fn is_alone(&self) -> bool {
        self.alone_since.is_some()
    }

    pub(super) fn stand_alone(&mut self) {
        self.alone_since = Some(self.now());
    }

    /// This version is in force here.
    pub(super) fn adopt(&mut self, version: u64) {
        self.adopted = version;
    }

    /// What was accepted is nothing that this one can put in force.
    pub(super) fn does_not_understand(&mut self, version: u64, problem: String) {
        self.not_understood = Some((version, problem));
    }

    fn misunderstanding(&self) -> Option<&str> {
        let of_contents = self.not_understood.as_ref().filter(|(version, _)| *version == self.ledger.version()).map(|(_, problem)| problem.as_str());
        self.ledger.accepted().and_then(Result::err).or(of_contents)
    }

    /// Nobody has written anything yet.
    pub(super) fn is_empty(&self) -> bool {
        self.whole_at.is_some() && self.ledger.version() == 0
    }

    pub(super) fn walker(&self) -> Option<&str> {
        self.ledger.walker()
    }

    /// Whether this one may take the place of a walker that is lost.
    pub(super) fn may_take_over(&self) -> bool {
        self.why_not().is_none() && self.whole_since.is_some_and(|since| self.ledger.may_take_over(&self.me, since, self.now()))
    }

    /// Whether this one drives drains and walks the roll now.
    pub(super) fn acts(&self) -> bool {
        self.ledger.acts_until(&self.me, self.back).is_some_and(|until| self.now() < until)
    }

    /// Why nothing can be changed now.
    pub(super) fn why_not(&self) -> Option<String> {
        if let Some(problem) = self.misunderstanding() {
            return Some(format!("what another Leeward has written to topic {} is not understood: {problem}", self.topic));
        }
        let why = self.problem.as_deref().unwrap_or("no answer yet");
        match self.whole_at {
            None => Some(format!("topic {} was not read yet: {why}", self.topic)),
            Some(at) => {
                let age = self.now().saturating_sub(at);
                (age > OLD_AFTER).then(|| format!("this Leeward is cut off from topic {}, which it last read {} s ago: {why}", self.topic, age / 1000))
            }
        }
    }

    /// Has a state accepted as the next one.
    pub(super) async fn propose(&mut self, contents: Value, walker: Option<String>) -> Outcome {
        if let Some(problem) = self.why_not() {
            return Outcome::Failed { problem, may_come: false };
        }
        // What is proposed was made of what is in force here.
        if self.ledger.version() > self.adopted {
            return Outcome::Overtaken;
        }
        let Some(version) = self.ledger.version().checked_add(1) else {
            return Outcome::Failed { problem: format!("topic {} has no version left", self.topic), may_come: false };
        };
        let Ok(value) = serde_json::to_vec(&Proposal::new(&self.me, walker, contents)) else {
            return Outcome::Failed { problem: "the state could not be encoded".to_owned(), may_come: false };
        };
        self.decided.clear();
        let (value, mut nonces, deadline) = (Bytes::from(value), BTreeSet::new(), Instant::now() + ACCEPT_MAX);
        let (mut awaited, mut again, mut problem) = (None, Some(Instant::now()), "no answer".to_owned());
        loop {
            if let Some(nonce) = self.decided.get(&version) {
                return self.decided_for(version, nonces.contains(nonce));
            }
            let due = again.filter(|at| *at <= Instant::now());
            if due.is_some() {
                // Each attempt has a key of its own: the first that arrives counts, and the others have lost.
                let nonce = format!("{}-{:016x}", self.me, fastrand::u64(..));
                let record = Plain { key: Some(Bytes::from(state_key(version, &nonce))), value: Some(value.clone()) };
                self.proposals += 1;
                again = if self.appends.try_send(Append { number: self.proposals, records: vec![record] }).is_ok() {
                    nonces.insert(nonce);
                    awaited = Some(self.proposals);
                    None
                } else {
                    Some(Instant::now() + AGAIN_AFTER)
                };
            }
            let wake = again.map_or(deadline, |at| at.min(deadline));
            let news = tokio::select! {
                news = self.next() => Some(news),
                () = sleep_until(wake) => None,
            };
            if let Some((_, Err(error))) = news.and_then(|news| self.take(news)).filter(|(number, _)| Some(*number) == awaited) {
                problem = error.to_string();
                if crate::control::is_certain(&error) && nonces.len() == 1 {
                    return Outcome::Failed { problem, may_come: false };
                }
                (awaited, again) = (None, Some(Instant::now() + AGAIN_AFTER));
            }
            if Instant::now() >= deadline {
                return Outcome::Failed {
                    problem: format!("topic {} did not take it within {ACCEPT_MAX:?}: {problem}", self.topic),
                    may_come: !nonces.is_empty(),
                };
            }
        }
    }

    /// What that comes to; clears away what nobody needs any more.
    fn decided_for(&mut self, version: u64, is_mine: bool) -> Outcome {
        if !is_mine {
            return Outcome::Overtaken;
        }
        (self.adopted, self.alone_since) = (version, None);
        let litter: Vec<_> = self.ledger.litter(CLEARED_AT_ONCE).iter().map(|key| plain(key, None)).collect();
        if !litter.is_empty() {
            // Whoever comes next clears away what this append does not.
            let _ = self.appends.try_send(Append { number: 0, records: litter });
        }
        Outcome::Accepted
    }

    /// Reads on until what is in force here is the latest, or that takes too long.
    pub(super) async fn catch_up(&mut self) {
        let deadline = Instant::now() + ACCEPT_MAX;
        while self.fresh().is_none() && self.why_not().is_none() {
            let Ok(news) = timeout_at(deadline, self.next()).await else { return };
            self.take(news);
        }
    }

    pub(super) fn shown(&self) -> Shown {
        let at = |at: Millis| self.began + Duration::from_millis(at);
        Shown {
            topic: self.topic.clone(),
            me: self.me.clone(),
            version: self.ledger.version(),
            walker: self.walker().map(str::to_owned),
            whole_at: self.whole_at.map(at),
            began: self.began,
            problem: self.problem.clone(),
            misunderstanding: self.misunderstanding().map(str::to_owned),
            instances: self.ledger.instances().map(|(id, one)| (id.to_owned(), one.beat.host.clone(), one.beat.admin.clone(), at(one.heard))).collect(),
            acts_until: self.ledger.acts_until(&self.me, self.back).map(at),
        }
    }

    /// By a clock that only counts forwards.
    fn now(&self) -> Millis {
        millis(self.began.elapsed())
    }
}

impl Shown {
    /// How old the view is, in seconds, and why, where it is old.
    pub(super) fn old_view(&self) -> Option<String> {
        if let Some(problem) = &self.misunderstanding {
            return Some(format!("this view is old: what another Leeward has written to topic {} is not understood: {problem}", self.topic));
        }
        let age = self.age();
        let why = self.problem.as_deref().unwrap_or("no answer");
        match self.whole_at {
            None => Some(format!("this view is from before Leeward was started: topic {} was not read yet: {why}", self.topic)),
            Some(_) if millis(age) > OLD_AFTER => Some(format!("this view is {} s old: topic {} cannot be read: {why}", age.as_secs(), self.topic)),
            Some(_) => None,
        }
    }

    /// Since it was last known to be the latest; since the start, before the first time.
    pub(super) fn age(&self) -> Duration {
        self.whole_at.unwrap_or(self.began).elapsed()
    }

    pub(super) fn acts(&self) -> bool {
        self.acts_until.is_some_and(|until| Instant::now() < until)
    }
}

fn plain(key: &str, value: Option<Vec<u8>>) -> Plain {
    Plain { key: Some(Bytes::from(key.to_owned())), value: value.map(Bytes::from) }
}

/// The time of day that appends carry; nothing is decided by it.
fn timestamp() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or_default()
}
