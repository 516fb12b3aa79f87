//! What several Leewards in front of one cluster hold in common: windows, schedules, drains and the roll, as one state that lives in a log on that cluster.
//!
//! The log is one partition of a compacted topic. Whoever wants a change appends the *whole* state as it would be, under the version behind the one that it has
//! read. Everybody reads the log in its order and takes, of each version, the first record: that one is *accepted*, whoever wrote a later one has lost, takes in
//! the winner's state, and decides again from that. Nobody is asked, no clock is compared, and an append that may have been made twice does no harm.
//!
//! ```text
//!  offset   0      1      2      3      4                          the state
//!          1.a    2.b    2.c    3.c    3.c'                         is 1.a, 2.b, 2.b, 3.c, 3.c
//!                         └ lost     └ c did not know whether the first had arrived
//! ```
//!
//! # Why compaction changes nothing
//! A broker drops a record only when a later one has the same key. Each append has a key of its own (`state.VERSION.NONCE`), so none goes by itself. They are
//! cleared away with tombstones, and only such of a version *below* one whose accepted record has been read ([`Ledger::litter`]). So of the highest version
//! in the log every record is there, at every time; the first of them is the state, whatever is missing before. A straggler of a lower version, also
//! one that arrives when that version is long cleared away, changes nothing: only a higher version does.
//!
//! # Who acts
//! Drains are driven and a roll is walked by the instance that the state names ([`Ledger::walker`]); to become it is a change like any other. It says that it
//! lives by beats, records under a key of its own (`instance.ID`). It acts while one of its own beats, that it sent less than [`HOLD`] ago, has come back out of the
//! log. Another one takes its place when it has read the log up to its end for [`TAKE_OVER`] and no beat came. Each measures with its own clock that only counts
//! forwards; the first began to count before it sent the beat and the second after it read it, so the first has stopped before the second begins, however
//! wrong the time of day is anywhere, as long as seconds are equally long. Should that fail (a machine that was frozen), the log decides: whatever a roll does next is
//! accepted there first, and a record that knows nothing of the successor is not. What drains ask of the cluster may be asked twice.
//!
//! What no rule here can heal: a topic that loses what it has acknowledged (unclean election, or deleted by hand). Instances that run then agree again on the highest
//! version that is left or written next.

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::guard::time::Millis;

/// Between two beats of an instance, in milliseconds.
pub const BEAT_EVERY: Millis = 2_000;

/// Milliseconds that an instance may act after it sent a beat. What it has begun by then may go on for a reading of the cluster.
pub const HOLD: Millis = 6_000;

/// Milliseconds without a beat after which another one acts in its place: [`HOLD`], and time for what was begun then.
pub const TAKE_OVER: Millis = 15_000;

/// An instance that was silent for so many milliseconds is forgotten.
pub const FORGET: Millis = 600_000;

/// Bytes of one record: orders of 50,000 partitions of a drain have 5 MiB.
pub const RECORD_BYTES_MAX: usize = 8 << 20;

/// Instances that are remembered; a further one is not shown, and works all the same.
const INSTANCES_MAX: usize = 64;

/// Keys that are remembered to be cleared away; more are left to whoever reads the log anew.
const KEYS_MAX: usize = 10_000;

/// The layout of what records hold. A reader refuses to act on another one.
const LAYOUT: u32 = 1;

/// A change as it stands in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    pub layout: u32,
    /// The instance that wrote it.
    pub writer: String,
    /// The instance that drives drains and walks the roll.
    pub walker: Option<String>,
    /// What the owner of the state makes of it.
    pub contents: Value,
}

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    pub layout: u32,
    pub number: u64,
    pub host: String,
    /// Its admin endpoint.
    pub admin: String,
}

/// An instance that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub beat: Beat,
    /// When its last beat was read, by the reader's own clock.
    pub heard: Millis,
}

/// A version was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub version: u64,
    pub nonce: String,
}

/// Whose record a key names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    State { version: u64, nonce: String },
    Instance(String),
}

impl Key {
    fn parse(key: &str) -> Option<Key> {
        let (kind, rest) = key.split_once('.')?;
        match kind {
            "state" => {
                let (version, nonce) = rest.split_once('.')?;
                Some(Key::State { version: version.parse().ok()?, nonce: nonce.to_owned() })
            }
            "instance" => Some(Key::Instance(rest.to_owned())),
            _ => None,
        }
    }
}

/// The key of an append of the state.
pub fn state_key(version: u64, nonce: &str) -> String {
    format!("state.{version}.{nonce}")
}

/// The key of an instance's beats.
pub fn instance_key(id: &str) -> String {
    format!("instance.{id}")
}

impl Proposal {
    pub fn new(writer: &str, walker: Option<String>, contents: Value) -> Self {
        Proposal { layout: LAYOUT, writer: writer.to_owned(), walker, contents }
    }
}

impl Beat {
    pub fn new(number: u64, host: &str, admin: &str) -> Self {
        Beat { layout: LAYOUT, number, host: host.to_owned(), admin: admin.to_owned() }
    }
}

/// What one reader has read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    version: u64,
    /// What was accepted last; `Err`: this Leeward does not understand it.
    accepted: Option<Result<Proposal, String>>,
    /// When that was read.
    accepted_at: Millis,
    /// Keys of appends that are in the log.
    keys: BTreeSet<(u64, String)>,
    instances: BTreeMap<String, Instance>,
}

impl Ledger {
    /// Takes in the next record of the log, at `now` by the reader's own clock. Gives the version that it decides, if it does.
    pub fn read(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, now: Millis) -> Option<Accepted> {
        let key = Key::parse(std::str::from_utf8(key?).ok()?)?;
        match (key, value) {
            (Key::State { version, nonce }, Some(value)) => {
                if self.keys.len() < KEYS_MAX {
                    self.keys.insert((version, nonce.clone()));
                }
                // By the key alone, so that one who does not understand a value decides as everybody does.
                (version > self.version).then(|| {
                    (self.version, self.accepted_at) = (version, now);
                    self.accepted = Some(understand(value));
                    Accepted { version, nonce }
                })
            }
            (Key::State { version, nonce }, None) => {
                self.keys.remove(&(version, nonce));
                None
            }
            (Key::Instance(id), Some(value)) => {
                let known = self.instances.contains_key(&id) || self.instances.len() < INSTANCES_MAX;
                if let Some(beat) = serde_json::from_slice(value).ok().filter(|_| known) {
                    self.instances.insert(id, Instance { beat, heard: now });
                }
                None
            }
            (Key::Instance(id), None) => {
                self.instances.remove(&id);
                None
            }
        }
    }

    /// The version of the state; 0 before the first.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The state, or why this Leeward does not understand it; `None` before the first.
    pub fn accepted(&self) -> Option<Result<&Proposal, &str>> {
        self.accepted.as_ref().map(|accepted| accepted.as_ref().map_err(String::as_str))
    }

    /// Who drives drains and walks the roll.
    pub fn walker(&self) -> Option<&str> {
        self.accepted.as_ref()?.as_ref().ok()?.walker.as_deref()
    }

    pub fn instances(&self) -> impl Iterator<Item = (&str, &Instance)> {
        self.instances.iter().map(|(id, instance)| (id.as_str(), instance))
    }

    /// Keys that whoever has read the state may clear away, at most `most`.
    pub fn litter(&self, most: usize) -> Vec<String> {
        self.keys.range(..(self.version, String::new())).take(most).map(|(version, nonce)| state_key(*version, nonce)).collect()
    }

    /// Instances that were silent for [`FORGET`].
    pub fn silent(&self, now: Millis) -> impl Iterator<Item = &str> {
        self.instances.iter().filter(move |(_, instance)| now.saturating_sub(instance.heard) >= FORGET).map(|(id, _)| id.as_str())
    }

    /// Whether an instance, `me`, may take the walker's place. `whole_since`: since when it has read the log up to its end without a break.
    pub fn may_take_over(&self, me: &str, whole_since: Millis, now: Millis) -> bool {
        match self.walker() {
            None => true,
            Some(walker) if walker == me => false,
            Some(walker) => {
                let heard = self.instances.get(walker).map_or(0, |instance| instance.heard);
                now.saturating_sub(heard.max(whole_since).max(self.accepted_at)) >= TAKE_OVER
            }
        }
    }

    /// Until when `me` may act: `beat_sent`, of the latest of its beats that came back out of the log, by its own clock.
    pub fn acts_until(&self, me: &str, beat_sent: Option<Millis>) -> Option<Millis> {
        beat_sent.filter(|_| self.walker() == Some(me)).map(|sent| sent.saturating_add(HOLD))
    }
}

fn understand(value: &[u8]) -> Result<Proposal, String> {
    #[derive(Deserialize)]
    struct Layout {
        layout: u32,
    }
    let Layout { layout } = serde_json::from_slice(value).map_err(|error| format!("it is damaged ({error})"))?;
    if layout != LAYOUT {
        return Err(format!("it has layout {layout}, which this Leeward does not know"));
    }
    serde_json::from_slice(value).map_err(|error| format!("it is damaged ({error})"))
}
