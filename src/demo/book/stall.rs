//! How long something that should move stood still.

use std::time::{Duration, Instant};

/// The longest time between two movements of one thing. Counts only while movement is expected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stall {
    /// Of the last movement, or of the beginning; `None` while nothing is expected.
    since: Option<Instant>,
    longest: Option<Duration>,
}

impl Stall {
    /// Movement is expected from now on; what was before is forgotten.
    pub(super) fn begin(&mut self, now: Instant) {
        *self = Stall { since: Some(now), longest: None };
    }

    pub(super) fn moved(&mut self, now: Instant) {
        if let Some(since) = self.since {
            self.longest = self.longest.max(Some(now.saturating_duration_since(since)));
            self.since = Some(now);
        }
    }

    /// No movement is expected any more: what stood still did so until now.
    pub(super) fn end(&mut self, now: Instant) {
        self.moved(now);
        self.since = None;
    }

    /// `None` where no movement was ever expected.
    pub(super) fn longest(&self) -> Option<Duration> {
        self.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_beginning_and_end_counts() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut stall = Stall::default();
        stall.moved(at(900));
        assert_eq!(stall.longest(), None, "nothing was expected yet");
        stall.begin(at(1_000));
        [1_010, 1_100, 1_140].into_iter().for_each(|millis| stall.moved(at(millis)));
        assert_eq!(stall.longest(), Some(Duration::from_millis(90)));
        stall.end(at(1_500));
        stall.moved(at(9_000));
        assert_eq!(stall.longest(), Some(Duration::from_millis(360)), "it stood still until the end, and not beyond");
        stall.begin(at(10_000));
        assert_eq!(stall.longest(), None);
    }

    #[test]
    fn who_never_moves_stands_still_all_the_time() {
        let start = Instant::now();
        let mut stall = Stall::default();
        stall.begin(start);
        stall.end(start + Duration::from_secs(7));
        assert_eq!(stall.longest(), Some(Duration::from_secs(7)));
    }
}
