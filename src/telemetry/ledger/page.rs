//! What one thread writes.

use std::time::{Duration, Instant};

use super::account::{Account, api_key};
use super::figures::Figures;
use crate::guard::{ClientRef, Event};
use crate::telemetry::histogram::HistogramTotals;
use crate::telemetry::worker::{api_index, api_slots};

/// Sessions notice that a broker is gone before Leeward's own connection to it does: what was counted in the last 30 to 60 seconds belongs to the
/// episode that begins. Detection takes as long as `control` takes for an answer (10 s) and a bit.
const PRELUDE: Duration = Duration::from_secs(30);

/// One thread's part of the ledger.
#[derive(Debug)]
pub(crate) struct Page {
    /// Since the start, by API key, for the metrics.
    totals: Box<[Figures]>,
    /// Since the start, of what has no API key.
    connections: Figures,
    hold_time: HistogramTotals,
    /// The present episode's, or of the time in which none is open.
    account: Account,
    /// While no episode is open: the stretch before.
    earlier: Option<Account>,
    open: bool,
    account_began: Option<Instant>,
}

impl Default for Page {
    fn default() -> Self {
        let totals = (0..api_slots()).map(|_| Figures::default()).collect();
        let (connections, hold_time, account) = (Figures::default(), HistogramTotals::default(), Account::default());
        Page { totals, connections, hold_time, account, earlier: None, open: false, account_began: None }
    }
}

impl Page {
    /// Counts one event. Asks for the time only while no episode is open.
    pub(crate) fn note(&mut self, client: ClientRef<'_>, event: Event, now: impl FnOnce() -> Instant) {
        if !self.open {
            self.turn(now());
        }
        self.account.note(client, event);
        match api_key(event).and_then(|api_key| self.totals.get_mut(api_index(api_key))) {
            Some(figures) => figures.note(event),
            None => self.connections.note(event),
        }
        if let Event::HoldEnded { nanos, .. } = event {
            self.hold_time.observe(nanos);
        }
    }

    /// An episode begins: it gets what was counted just before.
    pub(super) fn begin(&mut self, now: Instant) {
        self.turn(now);
        if let Some(mut earlier) = self.earlier.take() {
            earlier.add_later(&self.account);
            self.account = earlier;
        }
        self.open = true;
    }

    /// The episode ends: gives what was counted in it.
    pub(super) fn end(&mut self) -> Account {
        self.open = false;
        self.account_began = None;
        let next = self.account.carried_on();
        std::mem::replace(&mut self.account, next)
    }

    /// The present episode so far.
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// Requests that are held now.
    pub(super) fn held(&self) -> i64 {
        self.totals.iter().map(Figures::held).sum()
    }

    /// Adds this thread's sums to those of all.
    pub(super) fn add_to(&self, sums: &mut GuardTotals) {
        sums.apis.iter_mut().zip(&self.totals).for_each(|(sum, figures)| sum.add(figures));
        sums.connections.add(&self.connections);
        sums.hold_time.add_totals(&self.hold_time);
    }

    /// Forgets what is too long ago, as long as no episode is open.
    fn turn(&mut self, now: Instant) {
        let age = self.account_began.map(|began| now.saturating_duration_since(began));
        if age.is_some_and(|age| age <= PRELUDE) {
            return;
        }
        let next = self.account.carried_on();
        let account = std::mem::replace(&mut self.account, next);
        // After a quiet time the present stretch is as old as an earlier one would be; what is held is never forgotten, it was carried.
        let is_recent = age.is_some_and(|age| age <= 2 * PRELUDE);
        self.earlier = is_recent.then_some(account);
        self.account_began = Some(now);
    }
}

/// All threads' sums since the start.
#[derive(Debug, Clone)]
pub(crate) struct GuardTotals {
    /// By API key, as the rows of [`crate::telemetry::worker::api_slots`].
    pub(crate) apis: Vec<Figures>,
    pub(crate) connections: Figures,
    pub(crate) hold_time: HistogramTotals,
}

impl Default for GuardTotals {
    fn default() -> Self {
        GuardTotals { apis: vec![Figures::default(); api_slots()], connections: Figures::default(), hold_time: HistogramTotals::default() }
    }
}
