//! One maintenance window, or one time of lost brokers without a window.

use std::time::SystemTime;

use super::account::{Account, shortened};
use super::figures::Figures;

/// Restarts of one episode that are told one by one; a rolling restart of a large cluster, three times over. More are counted.
pub(super) const RESTARTS_MAX: usize = 1_000;

/// Bytes of a reason that are kept.
const REASON_BYTES_MAX: usize = 400;

/// What an episode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpisodeKind {
    /// A maintenance window was open.
    Window,
    /// A broker was lost while no window was open.
    Restart,
}

impl EpisodeKind {
    /// Its name in reports.
    pub fn label(self) -> &'static str {
        match self {
            EpisodeKind::Window => "window",
            EpisodeKind::Restart => "restart",
        }
    }
}

/// One time that a broker was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    pub node_id: i32,
    pub lost: SystemTime,
    pub back: Option<SystemTime>,
}

/// What happened between a beginning and an end.
#[derive(Debug, Clone)]
pub struct Episode {
    /// From 1 on, in the order in which they began.
    pub number: u64,
    pub kind: EpisodeKind,
    pub reason: String,
    pub began: SystemTime,
    pub ended: Option<SystemTime>,
    /// In the order in which brokers were lost.
    pub restarts: Vec<Restart>,
    /// Restarts beyond those.
    pub restarts_left_out: u64,
    pub total: Figures,
    pub account: Account,
    /// Beginnings that have not been told to be over: windows that are open.
    pub(super) open: usize,
    /// When it last changed what keeps it open.
    pub(super) changed: SystemTime,
}

impl Episode {
    pub(super) fn new(number: u64, kind: EpisodeKind, reason: &str, at: SystemTime, away: Vec<Restart>) -> Self {
        Episode {
            number,
            kind,
            reason: shortened(reason, REASON_BYTES_MAX).to_owned(),
            began: at,
            ended: None,
            restarts: away,
            restarts_left_out: 0,
            total: Figures::default(),
            account: Account::default(),
            open: 0,
            changed: at,
        }
    }

    /// A window opened while one is open.
    pub(super) fn another_window(&mut self, reason: &str) {
        if self.reason != reason && self.reason.len() < REASON_BYTES_MAX {
            self.reason = shortened(&format!("{}; {reason}", self.reason), REASON_BYTES_MAX).to_owned();
        }
    }

    /// A window opened because of the loss with which this began.
    pub(super) fn becomes_window(&mut self, reason: &str) {
        self.kind = EpisodeKind::Window;
        self.reason = shortened(reason, REASON_BYTES_MAX).to_owned();
    }

    pub(super) fn lost(&mut self, node_id: i32, at: SystemTime) {
        self.changed = at;
        if self.restarts.iter().any(|restart| restart.node_id == node_id && restart.back.is_none()) {
            return;
        }
        if self.restarts.len() < RESTARTS_MAX {
            self.restarts.push(Restart { node_id, lost: at, back: None });
        } else {
            self.restarts_left_out += 1;
        }
    }

    pub(super) fn back(&mut self, node_id: i32, at: SystemTime) {
        if let Some(restart) = self.restarts.iter_mut().find(|restart| restart.node_id == node_id && restart.back.is_none()) {
            restart.back = Some(at);
            self.changed = at;
        }
    }

    pub(super) fn is_any_away(&self) -> bool {
        self.restarts.iter().any(|restart| restart.back.is_none())
    }

    pub(super) fn away(&self) -> Vec<Restart> {
        self.restarts.iter().filter(|restart| restart.back.is_none()).copied().collect()
    }

    pub(super) fn without_account(&self) -> Episode {
        Episode {
            number: self.number,
            kind: self.kind,
            reason: self.reason.clone(),
            began: self.began,
            ended: self.ended,
            restarts: self.restarts.clone(),
            restarts_left_out: self.restarts_left_out,
            total: self.total.clone(),
            account: Account::default(),
            open: self.open,
            changed: self.changed,
        }
    }
}
