//! The history and the quiet hours, as they are told.

use serde::{Deserialize, Serialize};

use crate::guard::time::rfc3339;
use crate::history::quiet::{Period, QUIET_SHARE, SLOTS, Week};
use crate::history::report::{Asked, Report, Row};
use crate::history::{Amount, Kind};
use crate::register::Traffic;

/// How much traffic there was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrafficHistory {
    pub by: Kind,
    /// RFC 3339; the beginning of the first point, and now.
    pub from: String,
    pub until: String,
    /// Between two points.
    pub step_seconds: u64,
    /// Figures by topic are estimated from samples.
    pub estimated: bool,
    /// The share of each point that Leeward saw, 0 to 1. What was not seen is unknown, not quiet.
    pub seen: Vec<f64>,
    /// Of all clients.
    pub total: HistoryRow,
    /// The busiest first, by bytes.
    pub rows: Vec<HistoryRow>,
    /// How many rows there are behind those, and all of them together.
    pub more: usize,
    pub rest: HistoryRow,
    /// Why it would not outlive a restart, or what happened when it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// One topic, client id or broker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// Empty where it stands for several.
    pub name: String,
    pub requests: u64,
    pub to_brokers_bytes: u64,
    pub to_clients_bytes: u64,
    /// `null` where Leeward saw nothing of it.
    pub points: Vec<Option<Point>>,
}

/// An amount of one minute or hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    pub requests: u64,
    pub to_brokers_bytes: u64,
    pub to_clients_bytes: u64,
}

impl Point {
    /// Both ways.
    pub fn bytes(self) -> u64 {
        self.to_brokers_bytes.saturating_add(self.to_clients_bytes)
    }
}

impl HistoryRow {
    /// Both ways.
    pub fn bytes(&self) -> u64 {
        self.to_brokers_bytes.saturating_add(self.to_clients_bytes)
    }

    fn of(row: &Row, seen_millis: &[u64]) -> Self {
        let Amount { requests, to_brokers, to_clients } = row.amount;
        let point = |(amount, seen): (&Amount, &u64)| {
            let Amount { requests, to_brokers, to_clients } = *amount;
            (*seen > 0).then_some(Point { requests, to_brokers_bytes: to_brokers, to_clients_bytes: to_clients })
        };
        let points = row.points.iter().zip(seen_millis).map(point).collect();
        HistoryRow { name: row.name.to_string(), requests, to_brokers_bytes: to_brokers, to_clients_bytes: to_clients, points }
    }
}

impl TrafficHistory {
    pub(super) fn of(asked: &Asked, report: &Report, traffic: &Traffic) -> Self {
        let row = |row: &Row| HistoryRow::of(row, &report.seen_millis);
        TrafficHistory {
            by: asked.kind,
            from: rfc3339(report.from),
            until: rfc3339(traffic.at),
            step_seconds: asked.step.millis() / 1000,
            estimated: asked.kind == Kind::Topic,
            seen: report.seen_millis.iter().map(|seen| (*seen as f64 / asked.step.millis() as f64).min(1.0)).collect(),
            total: row(&report.total),
            rows: report.rows.iter().map(row).collect(),
            more: report.more,
            rest: row(&report.rest),
            problem: traffic.problem.clone(),
        }
    }
}

/// When there is least traffic in the week.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuietHours {
    /// IANA name.
    pub zone: String,
    /// Weeks that were seen in all; nine hours are 0.05.
    pub weeks_seen: f64,
    /// The share of the week of which anything was seen, 0 to 1.
    pub week_share_seen: f64,
    /// Whether enough of the week was seen to speak of all of it.
    pub is_enough: bool,
    /// Bytes in a second, both ways, over the week.
    pub mean_bytes_per_second: f64,
    /// A period is quiet where it has at most this share of the mean.
    pub quiet_share: f64,
    /// The quiet periods, the lowest first; where too little was seen, those of what was seen.
    pub periods: Vec<QuietPeriod>,
    /// The quietest period of the length that was asked for; absent where no such stretch was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quietest: Option<QuietPeriod>,
    /// As in the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A stretch of each week, in the time zone's time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuietPeriod {
    pub start_day: String,
    /// `02:00`.
    pub start: String,
    pub end_day: String,
    pub end: String,
    pub minutes: u64,
    /// Its beginning as a schedule of maintenance windows takes it.
    pub cron: String,
    pub mean_bytes_per_second: f64,
    /// The quarter hour that had the most in any week.
    pub peak_bytes_per_second: f64,
    /// Of the week's mean; 0.04 is 4 %.
    pub share_of_mean: f64,
    /// In how many weeks each part of it was seen, at least.
    pub weeks: u32,
}

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl QuietHours {
    pub(super) fn of(week: &Week, zone: String, slots: usize, traffic: &Traffic) -> Self {
        let period = |period: &Period| QuietPeriod::of(period, week.mean);
        QuietHours {
            zone,
            weeks_seen: week.weeks,
            week_share_seen: week.slots_seen as f64 / SLOTS as f64,
            is_enough: week.is_whole(),
            mean_bytes_per_second: week.mean,
            quiet_share: QUIET_SHARE,
            periods: week.periods().iter().map(period).collect(),
            quietest: week.quietest(slots).as_ref().map(period),
            problem: traffic.problem.clone(),
        }
    }
}

impl QuietPeriod {
    fn of(period: &Period, mean: f64) -> Self {
        let (start_day, start) = named(period.start);
        let (end_day, end) = named(period.start + period.slots);
        QuietPeriod {
            start_day: start_day.to_owned(),
            end_day: end_day.to_owned(),
            minutes: period.slots as u64 * 15,
            cron: cron(period.start),
            start,
            end,
            mean_bytes_per_second: period.mean,
            peak_bytes_per_second: period.peak,
            share_of_mean: if mean > 0.0 { period.mean / mean } else { 0.0 },
            weeks: period.weeks,
        }
    }
}

/// The day and the time of a quarter hour of the week.
fn named(slot: usize) -> (&'static str, String) {
    let slot = slot % SLOTS;
    (DAYS.get(slot / 96).copied().unwrap_or_default(), format!("{:02}:{:02}", slot % 96 / 4, slot % 4 * 15))
}

fn cron(slot: usize) -> String {
    let (day, _) = named(slot);
    format!("{} {} * * {}", slot % 4 * 15, slot % 96 / 4, day.get(..3).unwrap_or_default().to_uppercase())
}
