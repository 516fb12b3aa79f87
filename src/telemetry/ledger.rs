//! The ledger: what the guard did, by client and API and by broker, for each maintenance window and each restart of a broker.
//!
//! Every worker thread writes a [`Page`] of its own behind a lock that nobody else takes but a scrape, a report, and an episode's beginning and
//! end. The episodes themselves are kept here:
//!
//! ```text
//! (none) ──window opens──▶ Window ──last window closed, brokers back, nothing held──▶ past
//!        ──broker lost───▶ Restart ────────────── brokers back, nothing held ───────▶ past
//!                             └──window opens──▶ Window, the same episode if the loss was just now
//! ```
//!
//! **Conservation.** In every episode: holds carried + begun = sent again + answered + abandoned + held.
//!
//! It is kept in memory: a report is about this run of Leeward.

mod account;
mod episode;
mod figures;
mod page;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

pub use account::{Account, OTHERS};
pub use episode::{Episode, EpisodeKind, Restart};
pub use figures::{Codes, Figures};
pub(super) use page::{GuardTotals, Page};

use account::CLIENTS_MAX;

/// Episodes that are over and are kept: a cluster's restart is one window, or as many restarts as it has brokers.
const PAST_MAX: usize = 32;

/// Client ids of a past episode that keep their own rows, so that 32 of them cost a few MiB and not a few hundred.
const PAST_CLIENTS_MAX: usize = 500;

/// A loss that is not older than this belongs to the window that opens: detection opens windows because of losses.
const SAME_TROUBLE: Duration = Duration::from_secs(60);

/// An episode whose window is closed waits so long, after the last change, for brokers that are away and for holds. A broker that left for good
/// must not keep an episode open for ever.
const WAIT_MAX: Duration = Duration::from_secs(30 * 60);

/// All pages and episodes.
#[derive(Debug)]
pub(super) struct Ledger {
    pages: Vec<Arc<Mutex<Page>>>,
    episodes: Mutex<Episodes>,
}

#[derive(Debug, Default)]
struct Episodes {
    /// Of all so far.
    count: u64,
    present: Option<Episode>,
    past: VecDeque<Episode>,
}

/// Which episode is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The present one, or else the one that ended last.
    Last,
    /// By its number.
    Number(u64),
}

impl Ledger {
    pub(super) fn new(pages: Vec<Arc<Mutex<Page>>>) -> Self {
        Ledger { pages, episodes: Mutex::default() }
    }

    pub(super) fn totals(&self) -> GuardTotals {
        let mut sums = GuardTotals::default();
        self.pages.iter().for_each(|page| lock(page).add_to(&mut sums));
        sums
    }

    pub(super) fn began(&self, kind: EpisodeKind, reason: &str, at: SystemTime) {
        let mut episodes = lock(&self.episodes);
        self.settle_locked(&mut episodes, at);
        match (&mut episodes.present, kind) {
            (Some(present), EpisodeKind::Window) if present.kind == EpisodeKind::Window && present.open > 0 => present.another_window(reason),
            (Some(present), EpisodeKind::Window) if present.kind == EpisodeKind::Restart && at <= present.began + SAME_TROUBLE => {
                present.becomes_window(reason);
            }
            // Its window is closed, or it is an old trouble: what comes now is told apart from it.
            (Some(_), EpisodeKind::Window) => {
                let away = self.end(&mut episodes, at);
                self.open(&mut episodes, kind, reason, at, away);
            }
            (Some(_), EpisodeKind::Restart) => {}
            (None, EpisodeKind::Window | EpisodeKind::Restart) => self.open(&mut episodes, kind, reason, at, Vec::new()),
        }
        if let Some(present) = &mut episodes.present {
            present.open += 1;
            present.changed = at;
        }
    }

    pub(super) fn ended(&self, at: SystemTime) {
        let mut episodes = lock(&self.episodes);
        if let Some(present) = &mut episodes.present {
            present.open = present.open.saturating_sub(1);
            present.changed = at;
        }
        self.settle_locked(&mut episodes, at);
    }

    pub(super) fn broker_lost(&self, node_id: i32, at: SystemTime) {
        let mut episodes = lock(&self.episodes);
        self.settle_locked(&mut episodes, at);
        if episodes.present.is_none() {
            self.open(&mut episodes, EpisodeKind::Restart, &format!("broker {node_id} was lost"), at, Vec::new());
        }
        if let Some(present) = &mut episodes.present {
            present.lost(node_id, at);
        }
    }

    pub(super) fn broker_back(&self, node_id: i32, at: SystemTime) {
        let mut episodes = lock(&self.episodes);
        if let Some(present) = &mut episodes.present {
            present.back(node_id, at);
        }
        self.settle_locked(&mut episodes, at);
    }

    /// Ends the present episode if nothing keeps it open any more.
    pub(super) fn settle(&self, at: SystemTime) {
        self.settle_locked(&mut lock(&self.episodes), at);
    }

    /// The present episode and the past ones, newest first, without their accounts.
    pub(super) fn episodes(&self, at: SystemTime) -> Vec<Episode> {
        let mut episodes = lock(&self.episodes);
        self.settle_locked(&mut episodes, at);
        let present = episodes.present.as_ref().map(|episode| Episode { total: self.account().total(), ..episode.without_account() });
        present.into_iter().chain(episodes.past.iter().map(Episode::without_account)).collect()
    }

    /// One episode with its account.
    pub(super) fn episode(&self, which: Which, at: SystemTime) -> Option<Episode> {
        let mut episodes = lock(&self.episodes);
        self.settle_locked(&mut episodes, at);
        let is_asked_for = |episode: &&Episode| match which {
            Which::Last => true,
            Which::Number(number) => episode.number == number,
        };
        if let Some(present) = episodes.present.as_ref().filter(is_asked_for) {
            let account = self.account();
            return Some(Episode { total: account.total(), account, ..present.without_account() });
        }
        episodes.past.iter().find(is_asked_for).cloned()
    }

    fn settle_locked(&self, episodes: &mut Episodes, at: SystemTime) {
        let Some(present) = episodes.present.as_ref().filter(|present| present.open == 0) else { return };
        let waited_enough = at.duration_since(present.changed).is_ok_and(|waited| waited > WAIT_MAX);
        if waited_enough || (!present.is_any_away() && self.held() <= 0) {
            self.end(episodes, at);
        }
    }

    fn open(&self, episodes: &mut Episodes, kind: EpisodeKind, reason: &str, at: SystemTime, away: Vec<Restart>) {
        episodes.count += 1;
        episodes.present = Some(Episode::new(episodes.count, kind, reason, at, away));
        let now = Instant::now();
        self.pages.iter().for_each(|page| lock(page).begin(now));
    }

    /// Ends the present episode; gives the brokers that are still away.
    fn end(&self, episodes: &mut Episodes, at: SystemTime) -> Vec<Restart> {
        let Some(mut episode) = episodes.present.take() else { return Vec::new() };
        let mut account = Account::default();
        for page in &self.pages {
            // Taken first: the thread must not wait for the sum.
            let own = lock(page).end();
            account.add(&own, CLIENTS_MAX);
        }
        episode.ended = Some(at);
        episode.total = account.total();
        episode.account = account.busiest(PAST_CLIENTS_MAX);
        let away = episode.away();
        episodes.past.push_front(episode);
        episodes.past.truncate(PAST_MAX);
        away
    }

    fn account(&self) -> Account {
        let mut account = Account::default();
        self.pages.iter().for_each(|page| account.add(lock(page).account(), CLIENTS_MAX));
        account
    }

    fn held(&self) -> i64 {
        self.pages.iter().map(|page| lock(page).held()).sum()
    }
}

/// A thread that panicked leaves counts, not a broken structure.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
