//! What one thread gathered by topic since it was asked last.

use std::collections::HashMap;
use std::sync::Arc;

use super::amount::Amount;
use super::day::ROWS_MAX;
use crate::protocol::produce::Topic;

/// A topic as requests name it, owned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TopicId {
    Name(Arc<str>),
    Id([u8; 16]),
}

/// By topic; at most [`ROWS_MAX`] of them, and the others in one.
#[derive(Debug, Clone, Default)]
pub struct TopicAmounts {
    names: HashMap<Arc<str>, Amount>,
    ids: HashMap<[u8; 16], Amount>,
    others: Amount,
}

impl TopicAmounts {
    /// Only a topic that is new allocates.
    pub fn add(&mut self, topic: Topic<'_>, amount: Amount) {
        let is_full = self.names.len() + self.ids.len() >= ROWS_MAX;
        let known = match topic {
            Topic::Name(name) => self.names.get_mut(name),
            Topic::Id(id) => self.ids.get_mut(&id),
        };
        match (known, topic) {
            (Some(known), _) => *known += amount,
            (None, _) if is_full => self.others += amount,
            (None, Topic::Name(name)) => drop(self.names.insert(name.into(), amount)),
            (None, Topic::Id(id)) => drop(self.ids.insert(id, amount)),
        }
    }

    /// Adds what another thread has.
    pub fn merge(&mut self, other: TopicAmounts) {
        for (name, amount) in other.names {
            self.add(Topic::Name(&name), amount);
        }
        for (id, amount) in other.ids {
            self.add(Topic::Id(id), amount);
        }
        self.others += other.others;
    }

    /// Every topic with what was carried for it.
    pub fn into_rows(self) -> impl Iterator<Item = (TopicId, Amount)> {
        self.names.into_iter().map(|(name, amount)| (TopicId::Name(name), amount)).chain(self.ids.into_iter().map(|(id, amount)| (TopicId::Id(id), amount)))
    }

    /// What was carried for topics for which there was no room.
    pub fn others(&self) -> Amount {
        self.others
    }
}
