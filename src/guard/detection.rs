//! Windows that open by themselves: a broker that was there announces its shutdown (it leaves the metadata) or does not answer any more.
//!
//! ```text
//!              a broker goes                       every broker is back
//!   watching ────────────────▶ open, broker away ─────────────────────▶ open, quiet ── detect_quiet later ──▶ watching
//!                               └──┘ prolonged        ◀─────────────────   (closed)
//!                                                      a broker goes
//! ```
//!
//! A window that an operator closed while a broker is still away stays closed until the next one goes.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::time::Millis;

/// Its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetectionLimits {
    /// How long the window stays open without a further sign.
    pub window: Millis,
    /// It closes so long after every broker is back.
    pub quiet: Millis,
}

/// What is to be done with the detected window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Open one, or prolong the one that is open, to this moment. `lost` are the brokers that are away.
    Open { lost: Vec<i32>, until: Millis },
    /// Keep the open one open until this moment; open none.
    Prolong { until: Millis },
    /// Every broker has been back for long enough.
    Close,
}

/// Which brokers are away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detection {
    healthy: BTreeMap<i32, bool>,
    away: BTreeSet<i32>,
    /// Since when nobody has been away, while a window is open.
    quiet_since: Option<Millis>,
}

impl Detection {
    /// Takes in which brokers are listed and reachable. `expires` is the end of the detected window that is open.
    pub fn on_brokers(&mut self, brokers: &[(i32, bool)], expires: Option<Millis>, limits: DetectionLimits, now: Millis) -> Option<Wish> {
        let mut gone = false;
        for &(node_id, healthy) in brokers {
            let before = self.healthy.insert(node_id, healthy);
            // A window from before a restart stands for brokers that this process has never seen.
            let missing = before == Some(true) || (before.is_none() && expires.is_some());
            if healthy {
                self.away.remove(&node_id);
            } else if missing {
                self.away.insert(node_id);
                gone |= before == Some(true);
            }
        }
        self.healthy.retain(|known, _| brokers.iter().any(|(node_id, _)| node_id == known));
        self.away.retain(|known| brokers.iter().any(|(node_id, _)| node_id == known));
        if gone {
            self.quiet_since = None;
            return Some(Wish::Open { lost: self.away.iter().copied().collect(), until: now.saturating_add(limits.window) });
        }
        self.advance(expires, limits, now)
    }

    /// What the time asks for.
    pub fn advance(&mut self, expires: Option<Millis>, limits: DetectionLimits, now: Millis) -> Option<Wish> {
        let Some(expires) = expires else {
            self.quiet_since = None;
            return None;
        };
        if !self.away.is_empty() {
            self.quiet_since = None;
            let late = expires.saturating_sub(now) <= limits.window / 2;
            return late.then(|| Wish::Prolong { until: now.saturating_add(limits.window) });
        }
        // Nobody has been heard of yet: that is no quiet.
        if self.healthy.is_empty() || !self.healthy.values().all(|healthy| *healthy) {
            return None;
        }
        let since = *self.quiet_since.get_or_insert(now);
        (now >= since.saturating_add(limits.quiet)).then_some(Wish::Close)
    }

    /// When [`Detection::advance`] has something to do next. `longest`: the window cannot be prolonged beyond.
    pub fn next_change(&self, expires: Option<Millis>, longest: Millis, limits: DetectionLimits) -> Option<Millis> {
        let expires = expires?;
        match self.quiet_since {
            Some(since) => Some(since.saturating_add(limits.quiet)),
            None if !self.away.is_empty() && expires < longest => Some(expires.saturating_sub(limits.window / 2)),
            None => None,
        }
    }

    /// The brokers that are away.
    pub fn away(&self) -> impl Iterator<Item = i32> + '_ {
        self.away.iter().copied()
    }
}
