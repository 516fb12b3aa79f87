//! Which topics a session writes and reads, as a bounded list: what is looked into for the traffic's history ([`super::topics`]) names them.

use std::sync::Arc;

/// Topics that are kept by name, of a session as of a client: most use a few, and an operator wants to know who uses one. About 2 KiB where all are used.
pub const TOPICS_MAX: usize = 32;

/// Which way records of a topic go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client: Produce.
    Written,
    /// To the client: Fetch and ShareFetch.
    Read,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedTopic {
    pub name: Arc<str>,
    pub written: bool,
    pub read: bool,
}

/// All that were seen, at most [`TOPICS_MAX`] of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Carried {
    /// By name.
    topics: Vec<CarriedTopic>,
    has_more: bool,
}

impl Carried {
    /// By name.
    pub fn topics(&self) -> &[CarriedTopic] {
        &self.topics
    }

    /// There were others, for which there was no room.
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// Whether [`Carried::note`] would change nothing.
    pub fn knows(&self, name: &str, way: Way) -> bool {
        match self.place(name) {
            Ok(place) => self.topics.get(place).is_some_and(|topic| match way {
                Way::Written => topic.written,
                Way::Read => topic.read,
            }),
            Err(_) => self.has_more && self.topics.len() >= TOPICS_MAX,
        }
    }

    /// Takes note of a topic that went this way.
    pub fn note(&mut self, name: Arc<str>, way: Way) {
        let place = match self.place(&name) {
            Ok(place) => place,
            Err(_) if self.topics.len() >= TOPICS_MAX => {
                self.has_more = true;
                return;
            }
            Err(place) => {
                self.topics.insert(place, CarriedTopic { name, written: false, read: false });
                place
            }
        };
        let Some(topic) = self.topics.get_mut(place) else { return };
        match way {
            Way::Written => topic.written = true,
            Way::Read => topic.read = true,
        }
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.topics.binary_search_by(|topic| (*topic.name).cmp(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_topic_is_kept_once_with_both_ways() {
        let mut carried = Carried::default();
        for (name, way) in [("orders", Way::Written), ("audit", Way::Read), ("orders", Way::Read), ("orders", Way::Written)] {
            carried.note(name.into(), way);
            assert!(carried.knows(name, way), "{name} {way:?}");
        }
        assert!(!carried.knows("audit", Way::Written) && !carried.knows("payments", Way::Read));
        let seen: Vec<_> = carried.topics().iter().map(|topic| (&*topic.name, topic.written, topic.read)).collect();
        assert_eq!(seen, [("audit", false, true), ("orders", true, true)]);
        assert!(!carried.has_more());
    }

    #[test]
    fn what_is_beyond_the_bound_is_said_and_not_kept() {
        let mut carried = Carried::default();
        let name = |number: usize| Arc::<str>::from(format!("t{number:02}"));
        (0..TOPICS_MAX).for_each(|number| carried.note(name(number), Way::Read));
        assert!(!carried.has_more() && !carried.knows("t99", Way::Read), "the first that has no room is news");
        carried.note(name(99), Way::Read);
        assert!(carried.has_more() && carried.knows("t99", Way::Read) && carried.topics().len() == TOPICS_MAX);
        carried.note(name(0), Way::Written);
        assert!(carried.topics().first().is_some_and(|topic| topic.written && topic.read), "one that is kept goes on");
    }
}
