//! What left for a broker, counted where it leaves.
//!
//! A request is put into the outbox before the connection is there, and for the bootstrap endpoint before it is known whose it will be. So a session
//! counts here, and whoever owns the sockets takes the count ([`super::Session::take_departures`]) when a socket has taken everything: once for all that was
//! written at once.

use crate::wire::api;

/// Requests and bytes of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Departed {
    pub requests: u64,
    /// Their frames, length fields included.
    pub frame_bytes: u64,
}

/// What a request asks of a broker, as far as a drain is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    Produce,
    /// Fetch and ShareFetch.
    Fetch,
    Other,
}

impl Purpose {
    /// Every kind, in the order of its index.
    pub const ALL: [Purpose; 3] = [Purpose::Produce, Purpose::Fetch, Purpose::Other];

    /// The value of the metrics' label `kind`.
    pub fn label(self) -> &'static str {
        match self {
            Purpose::Produce => "produce",
            Purpose::Fetch => "fetch",
            Purpose::Other => "other",
        }
    }

    /// Of a request with this key.
    pub fn of(api_key: i16) -> Self {
        match api_key {
            api::PRODUCE => Purpose::Produce,
            api::FETCH | api::SHARE_FETCH => Purpose::Fetch,
            _ => Purpose::Other,
        }
    }
}

/// What was put into an outbox and is not told yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Departures {
    /// By [`Purpose`].
    pub kinds: [Departed; Purpose::ALL.len()],
}

impl Departures {
    pub(super) fn add(&mut self, api_key: i16, frame_bytes: usize) {
        if let Some(kind) = self.kinds.get_mut(Purpose::of(api_key) as usize) {
            kind.requests += 1;
            kind.frame_bytes += u64::try_from(frame_bytes).unwrap_or(u64::MAX);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.kinds.iter().all(|kind| kind.requests == 0)
    }

    /// Bytes of all kinds.
    pub(super) fn frame_bytes(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.frame_bytes).sum()
    }

    /// The connection is gone, and the last `unwritten` bytes for it never left. What is left here is what the broker may have got: all of it where a part has
    /// left, since a drain must not be believed too early.
    pub(super) fn lost(self, unwritten: usize) -> Self {
        if u64::try_from(unwritten).unwrap_or(u64::MAX) >= self.frame_bytes() { Departures::default() } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_stand_at_their_index_and_count_apart() {
        assert!(Purpose::ALL.iter().enumerate().all(|(index, kind)| *kind as usize == index));
        let mut departures = Departures::default();
        for (api_key, frame_bytes) in [(api::PRODUCE, 100), (api::FETCH, 10), (api::SHARE_FETCH, 20), (api::METADATA, 5), (999, 7)] {
            departures.add(api_key, frame_bytes);
        }
        let of = |requests, frame_bytes| Departed { requests, frame_bytes };
        assert_eq!(departures.kinds, [of(1, 100), of(2, 30), of(2, 12)]);
    }

    #[test]
    fn what_never_left_is_not_counted_and_what_left_in_part_is() {
        for (unwritten, counted) in [(0, true), (99, true), (100, false), (101, false), (usize::MAX, false)] {
            let mut departures = Departures::default();
            departures.add(api::PRODUCE, 100);
            assert_eq!(!departures.lost(unwritten).is_empty(), counted, "{unwritten}");
        }
    }
}
