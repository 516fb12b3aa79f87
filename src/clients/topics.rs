//! Which topics a client uses, as a bounded list.

use serde::{Deserialize, Serialize};

use crate::guard::time::Millis;
use crate::session::{Carried, TOPICS_MAX};

/// One topic. Moments are those at which a session that did so was last active; 0: none did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicUse {
    #[serde(rename = "n")]
    pub name: Box<str>,
    #[serde(rename = "w", default)]
    pub written: Millis,
    #[serde(rename = "r", default)]
    pub read: Millis,
}

/// At most [`TOPICS_MAX`] of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topics {
    /// By name.
    uses: Vec<TopicUse>,
    /// When there was last one for which there was no room; 0: never.
    #[serde(default)]
    more: Millis,
}

impl Topics {
    /// By name.
    pub fn uses(&self) -> &[TopicUse] {
        &self.uses
    }

    /// There were others, for which there was no room.
    pub fn has_more(&self) -> bool {
        self.more > 0
    }

    pub(super) fn note(&mut self, carried: &Carried, at: Millis) {
        for topic in carried.topics() {
            let at_if = |is: bool| if is { at } else { 0 };
            self.merge(&topic.name, at_if(topic.written), at_if(topic.read));
        }
        if carried.has_more() {
            self.more = self.more.max(at);
        }
    }

    pub(super) fn add(&mut self, other: &Topics) {
        for topic in &other.uses {
            self.merge(&topic.name, topic.written, topic.read);
        }
        self.more = self.more.max(other.more);
    }

    /// Forgets what was last seen before `moment`.
    pub(super) fn forget_before(&mut self, moment: Millis) {
        self.uses.retain(|topic| topic.written.max(topic.read) >= moment);
        self.more = if self.more < moment { 0 } else { self.more };
    }

    fn merge(&mut self, name: &str, written: Millis, read: Millis) {
        match self.uses.binary_search_by(|topic| (*topic.name).cmp(name)) {
            Ok(place) => {
                let Some(known) = self.uses.get_mut(place) else { return };
                known.written = known.written.max(written);
                known.read = known.read.max(read);
            }
            Err(_) if self.uses.len() >= TOPICS_MAX => self.more = self.more.max(written.max(read)),
            Err(place) => self.uses.insert(place, TopicUse { name: name.into(), written, read }),
        }
    }
}
