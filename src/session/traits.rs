//! What kind of client a session has: what it says of itself, and what its requests show. Looked at on the hot path: what was seen before costs a few compares.

use std::sync::Arc;

use super::Session;
use super::carried::{Carried, Way};
use crate::cluster::Leaders;
use crate::protocol::coordinator::{self, CoordinatorKind};
use crate::protocol::peek::{Peek, ProducePeek};
use crate::protocol::produce::{Sample, Topic, sample};
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::{Cursor, RequestHeader, api};

/// Bytes of a name that are kept. A client may send 32 KiB; people give theirs a few dozen.
pub const NAME_BYTES_MAX: usize = 120;
/// Groups of one connection that are kept: a consumer has one, an administrator's tool may ask about all.
const GROUPS_MAX: usize = 4;
/// The first Produce of a session and then one in so many is looked into for its first batch.
const SAMPLE_EVERY: u64 = 64;
/// Version numbers above this are kept as this one; the highest of today is 18.
const VERSION_MAX: i16 = 31;

/// The versions of one API that a session used, as sets of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    pub api_key: i16,
    pub versions: u32,
    /// Those of them that were below the highest that was offered when they were first used: the client's own choice.
    pub chosen: u32,
}

impl Used {
    /// The versions of a set, ascending.
    pub fn numbers(set: u32) -> impl Iterator<Item = i16> {
        (0..=VERSION_MAX).filter(move |version| set & bit(*version) != 0)
    }
}

/// What a client says of itself (KIP-511), cut after [`NAME_BYTES_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Software {
    pub name: Box<str>,
    pub version: Box<str>,
}

/// What changes seldom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traits {
    pub software: Option<Software>,
    /// The highest version of ApiVersions that it asked with; `None`: it never asked what is offered.
    pub asked: Option<i16>,
    pub uses: Vec<Used>,
    /// The user of a SASL login, where its token shows it: PLAIN and SCRAM.
    pub principal: Option<Box<str>>,
    pub groups: Vec<Box<str>>,
    /// Bit 0: acks=0, bit 1: acks=1, bit 2: acks=all, bit 3: something else.
    pub acks: u8,
    /// By the number in a batch's attributes: none, gzip, snappy, lz4, zstd.
    pub compressions: u8,
    /// By the number of the message format: v0, v1, v2.
    pub formats: u8,
    pub idempotent: bool,
    pub transactional: bool,
    /// The shortest and the longest `timeout_ms` of a Produce.
    pub produce_timeout_ms: Option<(i32, i32)>,
    pub topics: Carried,
}

/// What grows with every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub requests: u64,
    pub produce_requests: u64,
    pub produce_bytes: u64,
    /// Batches that were looked into, with their bytes and records.
    pub sampled: u64,
    pub sampled_bytes: u64,
    pub sampled_records: u64,
    /// In bytes.
    pub largest_batch: u32,
    /// When the last request came, in nanoseconds of the thread's clock; 0: none did.
    pub last: u64,
}

/// Both, and what is needed to gather them.
#[derive(Debug, Default)]
pub(super) struct Portrait {
    /// Shared with whoever was told of them, until they change.
    pub(super) traits: Arc<Traits>,
    pub(super) tally: Tally,
    /// The API and version of the last request: the next one most often has the same.
    last: (i16, i16),
    is_named: bool,
    is_sampled: bool,
    /// A topic was named in what was written, and in what was read.
    has_written: bool,
    has_read: bool,
    mechanism: Mechanism,
}

/// What its SaslHandshake named, so far as a user is visible with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mechanism {
    #[default]
    Hidden,
    Plain,
    Scram,
}

impl Session {
    /// What is known of the client's kind; changes when [`Session::about_changes`] does.
    pub fn traits(&self) -> &Arc<Traits> {
        &self.portrait.traits
    }

    pub fn tally(&self) -> Tally {
        self.portrait.tally
    }

    /// Looks at a request that may pass. It may be looked at again before it does. `frame`: what is there of it, `offered`: the highest version of its API that
    /// clients are told.
    pub(super) fn look_at(&mut self, peek: &Peek, frame: &[u8], offered: impl FnOnce() -> Option<i16>) {
        if !self.portrait.is_named {
            self.name_client(frame);
        }
        let at = (peek.api_key, peek.api_version);
        if at != self.portrait.last || self.portrait.traits.uses.is_empty() {
            self.portrait.last = at;
            self.about_changes += u32::from(self.portrait.used(peek, offered));
        }
        let changed = match peek.api_key {
            api::PRODUCE => peek.produce.is_some_and(|produce| self.portrait.produces(produce, peek.api_version, frame)),
            api::SASL_HANDSHAKE => self.portrait.handshake(frame),
            api::SASL_AUTHENTICATE => self.portrait.authenticate(frame),
            8 | 9 | 11 | 68 | 76 | 88 => self.portrait.joins(frame),
            _ => false,
        };
        self.about_changes += u32::from(changed);
    }

    /// Counts a request that passes.
    pub(super) fn count_request(&mut self, peek: &Peek, frame_bytes: usize, now: u64) {
        let tally = &mut self.portrait.tally;
        tally.requests += 1;
        tally.last = now;
        if peek.produce.is_some() {
            tally.produce_requests += 1;
            tally.produce_bytes += frame_bytes as u64;
            if tally.produce_requests.is_multiple_of(SAMPLE_EVERY) {
                self.portrait.is_sampled = false;
            }
        }
    }

    /// Takes note of an ApiVersions request, which Leeward answers itself.
    pub(super) fn asked_versions(&mut self, version: i16, software: Option<(&str, &str)>, frame: &[u8], now: u64) {
        if !self.portrait.is_named {
            self.name_client(frame);
        }
        self.portrait.tally.requests += 1;
        self.portrait.tally.last = now;
        let traits = &mut self.portrait.traits;
        let software = software.map(|(name, version)| Software { name: cut(name).into(), version: cut(version).into() });
        if traits.asked < Some(version) || (software.is_some() && traits.software != software) {
            let traits = Arc::make_mut(traits);
            traits.asked = traits.asked.max(Some(version));
            traits.software = software.or(traits.software.take());
            self.about_changes += 1;
        }
    }

    /// The client id of the first request whose header is there.
    fn name_client(&mut self, frame: &[u8]) {
        let Ok(header) = RequestHeader::parse(frame.get(LENGTH_BYTES..).unwrap_or_default()) else { return };
        self.portrait.is_named = true;
        if let Some(client_id) = header.client_id.and_then(|bytes| std::str::from_utf8(bytes).ok())
            && self.client_id.is_empty()
        {
            self.client_id = client_id.into();
        }
        self.about_changes += 1;
    }
}

impl Portrait {
    fn used(&mut self, peek: &Peek, offered: impl FnOnce() -> Option<i16>) -> bool {
        let bit = bit(peek.api_version);
        let place = self.traits.uses.iter().position(|used| used.api_key == peek.api_key);
        if place.and_then(|place| self.traits.uses.get(place)).is_some_and(|used| used.versions & bit != 0) {
            return false;
        }
        let uses = &mut Arc::make_mut(&mut self.traits).uses;
        let place = place.unwrap_or_else(|| {
            uses.push(Used { api_key: peek.api_key, versions: 0, chosen: 0 });
            uses.len() - 1
        });
        let Some(used) = uses.get_mut(place) else { return false };
        used.versions |= bit;
        if offered().is_some_and(|highest| peek.api_version < highest) {
            used.chosen |= bit;
        }
        true
    }

    fn produces(&mut self, produce: ProducePeek, version: i16, frame: &[u8]) -> bool {
        let traits = &self.traits;
        let acks = match produce.acks {
            0 => 1,
            1 => 2,
            -1 => 4,
            _ => 8,
        };
        let timeout = produce.timeout_ms;
        let timeouts = traits.produce_timeout_ms.map_or((timeout, timeout), |(least, most)| (least.min(timeout), most.max(timeout)));
        let mut changed = traits.acks & acks == 0 || traits.produce_timeout_ms != Some(timeouts);
        if changed {
            let traits = Arc::make_mut(&mut self.traits);
            traits.acks |= acks;
            traits.produce_timeout_ms = Some(timeouts);
        }
        if !self.is_sampled
            && let Some(sample) = sample(frame.get(LENGTH_BYTES..).unwrap_or_default(), version, &produce)
        {
            self.is_sampled = true;
            changed |= self.sampled(sample);
        }
        changed
    }

    fn sampled(&mut self, sample: Sample) -> bool {
        let tally = &mut self.tally;
        tally.sampled += 1;
        tally.sampled_bytes += u64::from(sample.bytes);
        tally.sampled_records += u64::from(sample.records);
        tally.largest_batch = tally.largest_batch.max(sample.bytes);
        let traits = &*self.traits;
        let before = (traits.compressions, traits.formats, traits.idempotent, traits.transactional);
        let after = (
            traits.compressions | 1 << sample.compression,
            traits.formats | 1 << sample.format,
            traits.idempotent || sample.numbered,
            traits.transactional || sample.transactional,
        );
        if before != after {
            let traits = Arc::make_mut(&mut self.traits);
            (traits.compressions, traits.formats, traits.idempotent, traits.transactional) = after;
        }
        before != after
    }

    /// Whether some topic was seen to go this way.
    pub(super) fn has_carried(&self, way: Way) -> bool {
        match way {
            Way::Written => self.has_written,
            Way::Read => self.has_read,
        }
    }

    /// Takes note of a topic that was seen to go this way; whether that was news. One that is named by an id of which no name is known is left to its next time.
    pub(super) fn carries(&mut self, topic: Topic<'_>, way: Way, leaders: &Leaders) -> bool {
        match way {
            Way::Written => self.has_written = true,
            Way::Read => self.has_read = true,
        }
        let known = match topic {
            Topic::Name(_) => None,
            Topic::Id(id) => leaders.names.get(&id),
        };
        let name = match (known, topic) {
            (Some(name), _) => name,
            (None, Topic::Name(name)) => name,
            (None, Topic::Id(_)) => return false,
        };
        if self.traits.topics.knows(name, way) {
            return false;
        }
        let name = known.cloned().unwrap_or_else(|| name.into());
        Arc::make_mut(&mut self.traits).topics.note(name, way);
        true
    }

    fn joins(&mut self, frame: &[u8]) -> bool {
        if self.traits.groups.len() >= GROUPS_MAX {
            return false;
        }
        let Some((CoordinatorKind::Group, group)) = coordinator::coordinator_of(frame) else { return false };
        let group = cut(&group);
        if group.is_empty() || self.traits.groups.iter().any(|known| **known == *group) {
            return false;
        }
        Arc::make_mut(&mut self.traits).groups.push(group.into());
        true
    }

    fn handshake(&mut self, frame: &[u8]) -> bool {
        let name = body(frame).and_then(|(mut cursor, _)| cursor.string(false).ok());
        self.mechanism = match name {
            Some("PLAIN") => Mechanism::Plain,
            Some(name) if name.starts_with("SCRAM-") => Mechanism::Scram,
            Some(_) | None => Mechanism::Hidden,
        };
        false
    }

    /// Keeps the user's name and nothing else of the token.
    fn authenticate(&mut self, frame: &[u8]) -> bool {
        let token = body(frame).and_then(|(mut cursor, flexible)| {
            let length = cursor.bytes_length(flexible).ok()??;
            cursor.take(length).ok()
        });
        let user = token.and_then(|token| user_of(self.mechanism, token)).map(cut);
        if user.is_none() || self.traits.principal.as_deref() == user {
            return false;
        }
        Arc::make_mut(&mut self.traits).principal = user.map(Into::into);
        true
    }
}

fn body(frame: &[u8]) -> Option<(Cursor<'_>, bool)> {
    let bytes = frame.get(LENGTH_BYTES..)?;
    let header = RequestHeader::parse(bytes).ok()?;
    let flexible = api::Api::of(header.api_key)?.is_flexible(header.api_version);
    Some((Cursor::new(bytes.get(header.body..)?), flexible))
}

/// PLAIN (RFC 4616): authorization id, NUL, user, NUL, password. SCRAM (RFC 5802), the client's first message: `n,,n=user,r=nonce`; later ones have none.
fn user_of(mechanism: Mechanism, token: &[u8]) -> Option<&str> {
    let user = match mechanism {
        Mechanism::Hidden => return None,
        Mechanism::Plain => {
            let mut parts = token.splitn(3, |byte| *byte == 0);
            let (_, user, _) = (parts.next()?, parts.next()?, parts.next()?);
            std::str::from_utf8(user).ok()?
        }
        Mechanism::Scram => std::str::from_utf8(token).ok()?.split(',').skip(2).find_map(|part| part.strip_prefix("n="))?,
    };
    (!user.is_empty()).then_some(user)
}

fn bit(version: i16) -> u32 {
    1 << version.clamp(0, VERSION_MAX)
}

/// The beginning of `text`, at most [`NAME_BYTES_MAX`] bytes and whole characters.
pub fn cut(text: &str) -> &str {
    let end = (0..=NAME_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
