//! Takes pictures of what goes on: rates are differences between two of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::book::{Book, Pages};
use super::client::{Connection, Topology};
use super::front::{Admin, Gauges};
use super::load::{Kind, Side};
use super::traffic::Lane;
use super::view::{BrokerRow, GroupRow, KindRow, LeewardRow, Picture, SidePicture};

/// Between two questions about leaders a connection is kept; an answer that takes longer is left out of the picture.
const LOOK_LIMIT: Duration = Duration::from_millis(500);

/// What is known of a moment without looking.
#[derive(Debug, Clone, Default)]
pub(super) struct Moment {
    pub(super) elapsed: Duration,
    /// Where it is known beforehand.
    pub(super) total: Option<Duration>,
    /// How much is done, from 0 to 1.
    pub(super) share: f64,
    pub(super) doing: String,
    /// The broker that is away, and why.
    pub(super) away: Option<(i32, &'static str)>,
    /// The last sentences.
    pub(super) said: Vec<String>,
}

/// What is looked at.
pub(super) struct Observer {
    title: String,
    direct: Arc<Lane>,
    books: BTreeMap<Side, Arc<Book>>,
    admin: Admin,
    connection: Option<Connection>,
    brokers: Vec<BrokerRow>,
    last: Option<Last>,
}

struct Last {
    at: Instant,
    acknowledged: BTreeMap<(Side, Kind), u64>,
    read: BTreeMap<Side, u64>,
    gauges: Gauges,
}

impl Observer {
    pub(super) fn new(title: String, direct: Arc<Lane>, books: BTreeMap<Side, Arc<Book>>, admin: Admin) -> Self {
        Observer { title, direct, books, admin, connection: None, brokers: Vec::new(), last: None }
    }

    /// The picture now.
    pub(super) async fn picture(&mut self, moment: Moment) -> Picture {
        self.look_at_brokers().await;
        let ledger = self.admin.ledger().await;
        let gauges = self.admin.gauges().await;
        let now = Instant::now();
        let last = self.last.take();
        let seconds = last.as_ref().map(|last| now.duration_since(last.at).as_secs_f64()).filter(|seconds| *seconds > 0.0);
        let rate = |now: u64, before: Option<u64>| seconds.map_or(0.0, |seconds| now.saturating_sub(before.unwrap_or(now)) as f64 / seconds);
        let (mut acknowledged, mut read) = (BTreeMap::new(), BTreeMap::new());
        let mut sides = Vec::new();
        for (&side, book) in &self.books {
            let mut pages = book.pages();
            let kind_row = |kind: Kind| {
                let page = pages.kinds.get(&kind).cloned().unwrap_or_default();
                let before = last.as_ref().and_then(|last| last.acknowledged.get(&(side, kind)).copied());
                acknowledged.insert((side, kind), page.acknowledged);
                let (p50, p99) = (page.recent.quantile(0.5), page.recent.quantile(0.99));
                KindRow { kind, per_second: rate(page.acknowledged, before), p50, p99, errors: page.errors.seen.values().sum() }
            };
            let kinds = Kind::ALL.into_iter().map(kind_row).collect();
            let before = last.as_ref().and_then(|last| last.read.get(&side).copied());
            read.insert(side, pages.group.read);
            sides.push(SidePicture { kinds, group: group_row(&pages, rate(pages.group.read, before)) });
            pages.forget_recent();
        }
        let leeward = gauges.as_ref().map(|gauges| leeward_row(gauges, last.as_ref(), seconds));
        let gauges = gauges.or_else(|| last.map(|last| last.gauges)).unwrap_or_default();
        self.last = Some(Last { at: now, acknowledged, read, gauges });
        Picture {
            title: self.title.clone(),
            brokers: self.brokers.iter().cloned().map(|broker| broker.marked(moment.away)).collect(),
            moment,
            sides,
            leeward,
            ledger,
        }
    }

    async fn look_at_brokers(&mut self) {
        let leaders = tokio::time::timeout(LOOK_LIMIT, self.leaders()).await.ok().flatten();
        let Some(status) = self.admin.status().await else { return };
        let row = |broker: &crate::admin::status::BrokerStatus| {
            let leads = leaders.as_ref().map(|leaders| leaders.iter().filter(|leader| **leader == broker.node_id).count());
            let (address, virtual_broker) = (broker.upstream.clone(), broker.virtual_broker.clone());
            BrokerRow { node_id: broker.node_id, address, virtual_broker, leads, state: if broker.reachable { "up" } else { "DOWN" } }
        };
        self.brokers = status.cluster.brokers.iter().map(row).collect();
    }

    /// The leader of each partition of both topics.
    async fn leaders(&mut self) -> Option<Vec<i32>> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.direct.connect("demo-observer").await.ok()?,
        };
        let mut leaders = Vec::new();
        for side in Side::BOTH {
            leaders.extend(Topology::ask(&mut connection, side.topic()).await.ok()?.leaders.into_values());
        }
        self.connection = Some(connection);
        Some(leaders)
    }
}

fn group_row(pages: &Pages, per_second: f64) -> GroupRow {
    let group = &pages.group;
    let members = group.members.values().filter(|member| member.joined).count();
    let (p50, p99) = (group.recent.quantile(0.5), group.recent.quantile(0.99));
    GroupRow { members, per_second, p50, p99, lag: group.lag.values().sum(), errors: group.errors.seen.values().sum() }
}

fn leeward_row(gauges: &Gauges, last: Option<&Last>, seconds: Option<f64>) -> LeewardRow {
    let nothing = Gauges::default();
    let before = last.map_or(&nothing, |last| &last.gauges);
    let (requests_per_second, cpu) = match seconds {
        Some(seconds) => (gauges.requests.saturating_sub(before.requests) as f64 / seconds, (gauges.cpu_seconds - before.cpu_seconds).max(0.0) / seconds),
        None => (0.0, 0.0),
    };
    LeewardRow {
        sessions: gauges.sessions,
        requests_per_second,
        own_p50: gauges.own_time_since(before, 0.5),
        own_p99: gauges.own_time_since(before, 0.99),
        errors: gauges.errors,
        cpu,
        memory_bytes: gauges.memory_bytes,
    }
}
