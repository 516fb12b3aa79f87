//! The counters of all threads, summed up at one moment.

use super::counter::Counter;
use super::error_names;
use super::histogram::HistogramTotals;
use super::worker::{ApiShard, IoShard, Refusal, Shard, Side, api_name, api_slots};
use crate::session::{CloseCause, Pause};

/// What all workers counted since the start. Sums of counters that are written while they are read: each is right by itself, and no
/// two of them are of the same instant.
#[derive(Debug, Clone)]
pub struct Totals {
    pub(super) apis: Vec<ApiTotals>,
    pub(super) io: [IoTotals; Side::ALL.len()],
    pub(super) sessions_closed: [u64; CloseCause::ALL.len()],
    pub(super) sessions_refused: [u64; Refusal::ALL.len()],
    pub(super) pauses: [u64; Pause::ALL.len()],
    pub sessions_opened: u64,
    pub upstream_opened: u64,
    pub upstream_closed: u64,
    pub dials_failed: u64,
    pub unknown_api: u64,
    pub in_flight_requests: u64,
    pub in_flight_bytes: u64,
    pub held_requests: u64,
    pub held_bytes: u64,
    pub buffers_out: u64,
    pub buffers_free: u64,
}

impl Totals {
    pub(super) fn of<'a>(shards: impl IntoIterator<Item = &'a Shard>) -> Self {
        let mut totals = Self::none();
        for shard in shards {
            totals.add(shard);
        }
        // Differences of several threads meet here: what one thread began another never ends, so a sum below zero is a torn reading.
        for gauge in [&mut totals.in_flight_requests, &mut totals.in_flight_bytes, &mut totals.held_requests, &mut totals.held_bytes] {
            *gauge = u64::try_from(gauge.cast_signed()).unwrap_or(0);
        }
        totals
    }

    /// Client connections now.
    pub fn sessions(&self) -> u64 {
        self.sessions_opened.saturating_sub(self.sessions_closed.iter().sum())
    }

    /// Connections to brokers now.
    pub fn upstream_connections(&self) -> u64 {
        self.upstream_opened.saturating_sub(self.upstream_closed)
    }

    /// Requests read since the start, of all API keys.
    pub fn requests(&self) -> u64 {
        self.apis.iter().map(|api| api.requests).sum()
    }

    /// Responses given since the start, of all API keys.
    pub fn responses(&self) -> u64 {
        self.apis.iter().map(|api| api.broker_time.count()).sum()
    }

    /// Sessions that ended for `cause`.
    pub fn closed(&self, cause: CloseCause) -> u64 {
        self.sessions_closed.get(cause.index()).copied().unwrap_or(0)
    }

    /// Every API that was used, by name.
    pub fn by_api(&self) -> impl Iterator<Item = (&'static str, &ApiTotals)> {
        let rows = self.apis.iter().enumerate().filter(|(_, api)| api.requests > 0 || api.broker_time.count() > 0);
        rows.map(|(index, api)| (api_name(index), api))
    }

    fn none() -> Self {
        Self {
            apis: vec![ApiTotals::default(); api_slots()],
            io: Default::default(),
            sessions_closed: [0; CloseCause::ALL.len()],
            sessions_refused: [0; Refusal::ALL.len()],
            pauses: [0; Pause::ALL.len()],
            sessions_opened: 0,
            upstream_opened: 0,
            upstream_closed: 0,
            dials_failed: 0,
            unknown_api: 0,
            in_flight_requests: 0,
            in_flight_bytes: 0,
            held_requests: 0,
            held_bytes: 0,
            buffers_out: 0,
            buffers_free: 0,
        }
    }

    fn add(&mut self, shard: &Shard) {
        self.apis.iter_mut().zip(&shard.apis).for_each(|(total, api)| total.add(api));
        self.io.iter_mut().zip(&shard.io).for_each(|(total, io)| total.add(io));
        add_each(&mut self.sessions_closed, &shard.sessions_closed);
        add_each(&mut self.sessions_refused, &shard.sessions_refused);
        add_each(&mut self.pauses, &shard.pauses);
        for (total, counter) in [
            (&mut self.sessions_opened, &shard.sessions_opened),
            (&mut self.upstream_opened, &shard.upstream_opened),
            (&mut self.upstream_closed, &shard.upstream_closed),
            (&mut self.dials_failed, &shard.dials_failed),
            (&mut self.unknown_api, &shard.unknown_api),
            (&mut self.in_flight_requests, &shard.in_flight_requests),
            (&mut self.in_flight_bytes, &shard.in_flight_bytes),
            (&mut self.held_requests, &shard.held_requests),
            (&mut self.held_bytes, &shard.held_bytes),
            (&mut self.buffers_out, &shard.buffers_out),
            (&mut self.buffers_free, &shard.buffers_free),
        ] {
            add_one(total, counter);
        }
    }
}

/// One API key's part of [`Totals`].
#[derive(Debug, Clone)]
pub struct ApiTotals {
    pub requests: u64,
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub(super) broker_time: HistogramTotals,
    pub(super) own_time: HistogramTotals,
    pub(super) errors: [u64; error_names::SLOTS],
}

impl Default for ApiTotals {
    fn default() -> Self {
        Self {
            requests: 0,
            request_bytes: 0,
            response_bytes: 0,
            broker_time: HistogramTotals::default(),
            own_time: HistogramTotals::default(),
            errors: [0; error_names::SLOTS],
        }
    }
}

impl ApiTotals {
    /// Error codes that brokers answered.
    pub fn errors(&self) -> u64 {
        self.errors.iter().sum()
    }

    /// Answers by how long the broker took; the buckets' bounds are [`super::Telemetry::bounds_seconds`].
    pub fn broker_buckets(&self) -> &[u64] {
        &self.broker_time.buckets
    }

    /// Answers by how long Leeward itself took.
    pub fn own_buckets(&self) -> &[u64] {
        &self.own_time.buckets
    }

    fn add(&mut self, api: &ApiShard) {
        add_one(&mut self.requests, &api.requests);
        add_one(&mut self.request_bytes, &api.request_bytes);
        add_one(&mut self.response_bytes, &api.response_bytes);
        self.broker_time.add(&api.broker_time);
        self.own_time.add(&api.own_time);
        add_each(&mut self.errors, &api.errors);
    }
}

/// One side's part of [`Totals`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct IoTotals {
    pub(super) reads: u64,
    pub(super) read_bytes: u64,
    pub(super) writes: u64,
    pub(super) written_bytes: u64,
}

impl IoTotals {
    fn add(&mut self, io: &IoShard) {
        add_one(&mut self.reads, &io.reads);
        add_one(&mut self.read_bytes, &io.read_bytes);
        add_one(&mut self.writes, &io.writes);
        add_one(&mut self.written_bytes, &io.written_bytes);
    }
}

fn add_one(total: &mut u64, counter: &Counter) {
    *total = total.wrapping_add(counter.value());
}

fn add_each(totals: &mut [u64], counters: &[Counter]) {
    totals.iter_mut().zip(counters).for_each(|(total, counter)| add_one(total, counter));
}
