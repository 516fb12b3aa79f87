//! The demo from its first line to its last: start, settle, show, prove, end.

mod steady;
mod telling;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use super::audit::{Audit, Source};
use super::book::Book;
use super::child::Scrap;
use super::client::ClientError;
use super::cluster::Cluster;
use super::front::{Front, Gauges};
use super::load::{Orders, Side};
use super::observe::Observer;
use super::screen::Screen;
use super::setup::make_topic;
use super::signals::Signals;
use super::traffic::{Lane, Traffic};
use super::view::{self, Summary};
use super::{DemoError, Options, Show, Verdict};

/// Between two pictures on a terminal.
const FRAME: Duration = Duration::from_millis(500);
/// How long clients may take until producers have their ids and groups their partitions.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
/// How long what is in flight at the end may take: a request's own timeout and a little.
const PRODUCE_LIMIT: Duration = Duration::from_secs(35);
/// How long a leader may be away when the logs are read, which is so only after Ctrl-C: a crashed one is replaced within 10 s, a lone broker back within 20 s.
const AUDIT_LIMIT: Duration = Duration::from_secs(30);
/// How long a group may take to read the rest.
const CONSUME_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take to commit and leave.
const LEAVE_LIMIT: Duration = Duration::from_secs(15);

/// See [`super::run`].
pub(super) async fn run(options: &Options, screen: &mut Screen) -> Result<Verdict, DemoError> {
    let mut signals = Signals::new().map_err(|error| DemoError::System { what: "signal handlers", error })?;
    let scrap = Scrap::new().map_err(|error| DemoError::System { what: "a directory for logs", error })?;
    let mut cluster = tokio::select! {
        cluster = Cluster::start(options, &scrap.path, screen) => cluster?,
        () = signals.next() => return Err(DemoError::Interrupted),
    };
    let shown = tokio::select! {
        // The cluster is ended in its order whatever came of the show.
        shown = in_front_of(&cluster, &scrap, screen) => shown,
        () = signals.next() => Err(DemoError::Interrupted),
    };
    let verdict = match shown {
        Ok(stage) => Ok(stage.play(&mut cluster, options, screen, &mut signals).await),
        Err(error) => Err(error),
    };
    screen.wipe();
    cluster.end().await;
    verdict
}

/// Leeward and both sides' clients, ready.
struct Stage {
    front: Front,
    direct: Traffic,
    leeward: Traffic,
    books: BTreeMap<Side, Arc<Book>>,
    orders: watch::Sender<Orders>,
    audit: Audit,
    observer: Observer,
    before: Gauges,
    /// The step that is being taken, and since when.
    taking: Option<(Orders, Instant)>,
}

async fn in_front_of(cluster: &Cluster, scrap: &Scrap, screen: &mut Screen) -> Result<Stage, DemoError> {
    let epoch = Instant::now();
    let brokers: Vec<SocketAddr> = cluster.brokers().into_iter().map(|(_, address)| address).collect();
    let client = |what| move |error: ClientError| DemoError::Client { what, error: error.to_string() };
    for side in Side::BOTH {
        make_topic(&brokers, side.topic()).await.map_err(client("making the demo's topics"))?;
    }
    screen.line("starting Leeward in front of it");
    let front = Front::start(&cluster.bootstrap(), brokers.len(), &scrap.path).await.map_err(|error| DemoError::Front(error.to_string()))?;
    let (orders, ordered) = watch::channel(Orders::default());
    let lane = |side, bootstrap| Lane { side, bootstrap, book: Arc::new(Book::default()), epoch };
    screen.line("letting the clients in: on either side 12 producers and a group of 2 consumers");
    let started = async {
        let direct = Traffic::start(lane(Side::Direct, brokers.clone()), &ordered).await?;
        let leeward = Traffic::start(lane(Side::Leeward, vec![front.bootstrap]), &ordered).await?;
        tokio::join!(direct.settled(), leeward.settled());
        Ok::<_, ClientError>((direct, leeward))
    };
    let started = timeout(SETTLE_LIMIT, started).await.map_err(|_| client("starting the clients")(ClientError::TimedOut))?;
    let (direct, leeward) = started.map_err(client("starting the clients"))?;
    let books: BTreeMap<_, _> = [&direct, &leeward].map(|traffic| (traffic.lane.side, Arc::clone(&traffic.lane.book))).into();
    let source = match cluster {
        Cluster::Sandbox(sandbox) => Source::Sandbox(Arc::clone(sandbox)),
        Cluster::Kafka(_) => Source::Brokers(Arc::clone(&direct.lane)),
    };
    let audit = Audit::new(source, books.clone());
    let observer = Observer::new(cluster.title(), Arc::clone(&direct.lane), books.clone(), front.admin());
    let before = front.admin().gauges().await.unwrap_or_default();
    Ok(Stage { front, direct, leeward, books, orders, audit, observer, before, taking: None })
}

impl Stage {
    /// Shows what is asked for, finishes, and says what came of it.
    async fn play(mut self, cluster: &mut Cluster, options: &Options, screen: &mut Screen, signals: &mut Signals) -> Verdict {
        let mut summary = Summary::new(cluster.title());
        let began = Instant::now();
        summary.interrupted = match options.show {
            Show::Steady(lasts) => tokio::select! {
                () = self.go_through(lasts, screen, &mut summary) => false,
                () = signals.next() => true,
            },
            Show::Story { within } => tokio::select! {
                () = self.tell(cluster, options.is_upgrade(), within, screen, &mut summary) => false,
                () = signals.next() => true,
            },
        };
        self.note_taken(&mut summary);
        summary.lasted = match options.show {
            Show::Steady(lasts) => began.elapsed().min(lasts),
            Show::Story { .. } => began.elapsed(),
        };
        if !screen.is_live() || summary.interrupted {
            screen.line("finishing what is in flight, and reading everything back");
        }
        let after = self.front.admin().gauges().await;
        let interrupted = tokio::select! {
            () = self.finish(&mut summary) => false,
            () = signals.next() => true,
        };
        if interrupted {
            summary.trouble(None, "it was interrupted while it finished".to_owned());
        }
        self.note(&mut summary, after).await;
        // The clients go before what they talk to.
        drop((self.direct, self.leeward, self.audit, self.observer));
        if let Err(trouble) = self.front.end().await {
            summary.trouble(Some(Side::Leeward), trouble);
        }
        screen.wipe();
        screen.line(&view::summary(&summary));
        summary.verdict()
    }

    /// Lets everything that was begun come to its end: answers, reading, commits. Notes what did not.
    async fn finish(&mut self, summary: &mut Summary) {
        let now = Instant::now();
        self.books.values().for_each(|book| book.pages().expect_nothing(now));
        self.orders.send_replace(Orders { end: true, ..Orders::default() });
        let ended = |limit: Duration, what: &'static str| move |ended: Result<(), _>| ended.err().map(|_| format!("{what} within {limit:?}"));
        let mut note = |direct: Option<String>, leeward: Option<String>| {
            for (side, said) in [(Side::Direct, direct), (Side::Leeward, leeward)] {
                said.into_iter().for_each(|said| summary.trouble(Some(side), said));
            }
        };
        let (direct, leeward) = tokio::join!(timeout(PRODUCE_LIMIT, self.direct.produced()), timeout(PRODUCE_LIMIT, self.leeward.produced()));
        let unanswered = ended(PRODUCE_LIMIT, "the producers did not get their last answers");
        note(unanswered(direct.map_err(drop)), unanswered(leeward.map_err(drop)));
        let audited = self.audit.complete(AUDIT_LIMIT).await;
        let (direct, leeward) = tokio::join!(timeout(CONSUME_LIMIT, self.direct.consumed()), timeout(CONSUME_LIMIT, self.leeward.consumed()));
        let unread = ended(CONSUME_LIMIT, "the group did not read the rest");
        note(unread(direct.map_err(drop)), unread(leeward.map_err(drop)));
        let (direct, leeward) = tokio::join!(timeout(LEAVE_LIMIT, self.direct.left()), timeout(LEAVE_LIMIT, self.leeward.left()));
        let stayed = ended(LEAVE_LIMIT, "the group did not commit and leave");
        note(stayed(direct.map_err(drop)), stayed(leeward.map_err(drop)));
        if let Err(error) = audited {
            summary.trouble(None, error.to_string());
        }
    }

    async fn note(&self, summary: &mut Summary, after: Option<Gauges>) {
        if let Some(after) = after {
            let (requests, cpu) = (after.requests.saturating_sub(self.before.requests), after.cpu_seconds - self.before.cpu_seconds);
            summary.note_leeward(requests, cpu, after.own_time_since(&self.before, 0.5), after.own_time_since(&self.before, 0.99));
        }
        if summary.is_story() {
            if summary.interrupted {
                // It may be closed already, or was never open.
                let _closed = self.front.admin().close_window("the demo was interrupted").await;
            }
            summary.note_ledger(self.front.admin().ledger().await);
        }
        for (&side, book) in &self.books {
            summary.note_side(side, &book.pages());
        }
    }
}
