//! How much goes to and comes from each topic, estimated: of Produce requests and of answers to Fetch and ShareFetch some are looked into, the more likely the
//! larger they are, and each stands for as many as it was unlikely.
//!
//! A frame of 64 KiB or more is always looked into, one of less than 2 KiB once in 64 times: so bytes are known well, and small frames cost nothing to speak of.
//! By chance and not by turns, since clients have turns as well.
//!
//! The same look tells which topics the session itself uses ([`super::carried`]). For that the first frame of a session that names a topic is looked into as well,
//! each way: a client that writes once an hour has its topic told today and not in three days.

use super::carried::Way;
use super::{Moment, Observer, Session};
use crate::history::Amount;
use crate::protocol::peek::Peek;
use crate::protocol::topics;
use crate::wire::api;
use crate::wire::frame::LENGTH_BYTES;

/// The smallest frames are looked into once in 2^6 times.
const RAREST: u32 = 6;
/// Frames below so many bytes, as a power of two, are the smallest; each doubling is looked into twice as often.
const SMALL_BITS: u32 = 11;

/// A xorshift generator (Marsaglia): a few instructions for each frame.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        // It never leaves 0; and seeds that are alike begin differently.
        Dice((seed ^ 0x9e37_79b9_7f4a_7c15).max(1))
    }

    /// Whether a frame of so many bytes is looked into, and for how many it stands then.
    fn falls(&mut self, frame_bytes: usize) -> Option<u64> {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let doublings = usize::BITS - (frame_bytes >> SMALL_BITS).leading_zeros();
        let stands_for = 1 << RAREST.saturating_sub(doublings);
        // The upper bits are the better ones.
        ((self.0 >> 32) & (stands_for - 1) == 0).then_some(stands_for)
    }
}

impl Session {
    /// A Produce that goes to a broker. `frame`: what there is of it.
    pub(super) fn note_produced<O: Observer>(&mut self, peek: &Peek, frame: &[u8], frame_bytes: usize, moment: &Moment<'_, O>) {
        let Some(produce) = &peek.produce else { return };
        let stands_for = self.dice.falls(frame_bytes);
        if stands_for.is_none() && self.portrait.has_carried(Way::Written) {
            return;
        }
        let (bytes, portrait) = (frame.get(LENGTH_BYTES..).unwrap_or_default(), &mut self.portrait);
        let mut changed = false;
        topics::of_produce(bytes, frame_bytes - LENGTH_BYTES, peek.api_version, produce, &mut |topic, topic_bytes| {
            changed |= portrait.carries(topic, Way::Written, moment.leaders);
            if let Some(requests) = stands_for {
                moment.observer.topic(topic, Amount { requests, to_brokers: requests.saturating_mul(topic_bytes as u64), to_clients: 0 });
            }
        });
        self.about_changes += u32::from(changed);
    }

    /// An answer that goes to the client. `frame`: what there is of it.
    pub(super) fn note_fetched<O: Observer>(&mut self, (api_key, version): (i16, i16), frame: &[u8], frame_bytes: usize, moment: &Moment<'_, O>) {
        if !matches!(api_key, api::FETCH | api::SHARE_FETCH) {
            return;
        }
        let stands_for = self.dice.falls(frame_bytes);
        if stands_for.is_none() && self.portrait.has_carried(Way::Read) {
            return;
        }
        let (bytes, portrait) = (frame.get(LENGTH_BYTES..).unwrap_or_default(), &mut self.portrait);
        let mut changed = false;
        topics::of_fetched(bytes, frame_bytes - LENGTH_BYTES, api_key, version, &mut |topic, topic_bytes| {
            changed |= portrait.carries(topic, Way::Read, moment.leaders);
            if let Some(requests) = stands_for {
                moment.observer.topic(topic, Amount { requests, to_brokers: 0, to_clients: requests.saturating_mul(topic_bytes as u64) });
            }
        });
        self.about_changes += u32::from(changed);
    }
}

#[cfg(test)]
mod tests;
