//! The demo from its first line to its last: start, settle, go through the plan, prove, end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until, timeout};

use super::audit::{Audit, Source};
use super::book::Book;
use super::child::Scrap;
use super::client::{ClientError, Connection, Topology, create_topic};
use super::cluster::Cluster;
use super::front::{Front, Gauges};
use super::load::{Orders, PARTITIONS, Pace, Side, Step, plan};
use super::observe::Observer;
use super::screen::Screen;
use super::signals::Signals;
use super::traffic::{Lane, Traffic};
use super::view::{self, Summary};
use super::{DemoError, Options, Verdict};

/// Between two pictures on a terminal.
const FRAME: Duration = Duration::from_millis(500);
/// Between two lines elsewhere, for a demo of ten times as long.
const LINE_MIN: Duration = Duration::from_secs(1);
const LINE_MAX: Duration = Duration::from_secs(5);
/// How long clients may take until producers have their ids and groups their partitions.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
/// How long what is in flight, unread or uncommitted at the end may take: a request's own timeout and a little.
const FINISH_LIMIT: Duration = Duration::from_secs(35);
/// Between two looks at something that tells nothing by itself.
const LOOK: Duration = Duration::from_millis(20);
/// A topic of the demo keeps so much in each partition on real brokers, however long the demo is.
const RETENTION: [(&str, &str); 3] = [("min.insync.replicas", "2"), ("segment.bytes", "67108864"), ("retention.bytes", "536870912")];

/// Another broker is the controller.
const NOT_CONTROLLER: i16 = 41;

/// See [`super::run`].
pub(super) async fn run(options: &Options, screen: &mut Screen) -> Result<Verdict, DemoError> {
    let mut signals = Signals::new().map_err(|error| DemoError::System { what: "signal handlers", error })?;
    let scrap = Scrap::new().map_err(|error| DemoError::System { what: "a directory for logs", error })?;
    let cluster = tokio::select! {
        cluster = Cluster::start(options.kafka.as_deref(), &scrap.path, screen) => cluster?,
        () = signals.next() => return Err(DemoError::Interrupted),
    };
    let shown = tokio::select! {
        // The cluster is ended in its order whatever came of the show.
        shown = in_front_of(&cluster, options, &scrap, screen) => shown,
        () = signals.next() => Err(DemoError::Interrupted),
    };
    let verdict = match shown {
        Ok(stage) => {
            let verdict = stage.play(&cluster, options, screen, &mut signals).await;
            Ok(verdict)
        }
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
    orders: watch::Sender<Orders>,
    audit: Audit,
    observer: Observer,
    before: Gauges,
    /// The step that is being taken, and since when.
    taking: Option<(Orders, Instant)>,
}

async fn in_front_of(cluster: &Cluster, options: &Options, scrap: &Scrap, screen: &mut Screen) -> Result<Stage, DemoError> {
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
    let observer = Observer::new(cluster.title(), options.lasts, Arc::clone(&direct.lane), books, front.admin());
    let before = front.admin().gauges().await.unwrap_or_default();
    Ok(Stage { front, direct, leeward, orders, audit, observer, before, taking: None })
}

impl Stage {
    /// Goes through the plan, finishes, and shows what came of it.
    async fn play(mut self, cluster: &Cluster, options: &Options, screen: &mut Screen, signals: &mut Signals) -> Verdict {
        let mut summary = Summary::new(cluster.title());
        let began = Instant::now();
        summary.interrupted = tokio::select! {
            () = self.go_through(options, screen, &mut summary) => false,
            () = signals.next() => true,
        };
        self.note_taken(&mut summary);
        summary.lasted = began.elapsed().min(options.lasts);
        if !screen.is_live() || summary.interrupted {
            screen.line("finishing what is in flight");
        }
        let after = self.front.admin().gauges().await;
        let finished = tokio::select! {
            finished = timeout(FINISH_LIMIT, self.finish()) => finished.unwrap_or_else(|_| vec![format!("the clients did not finish within {FINISH_LIMIT:?}")]),
            () = signals.next() => vec!["it was interrupted while it finished".to_owned()],
        };
        summary.troubles.extend(finished);
        if let Some(after) = after {
            let cpu = after.cpu_seconds - self.before.cpu_seconds;
            summary.note_leeward(
                after.requests.saturating_sub(self.before.requests),
                cpu,
                after.own_time_since(&self.before, 0.5),
                after.own_time_since(&self.before, 0.99),
            );
        }
        for traffic in [&self.direct, &self.leeward] {
            summary.note_side(traffic.lane.side, &traffic.lane.book.pages());
        }
        // The clients go before what they talk to.
        drop((self.direct, self.leeward, self.audit, self.observer));
        if let Err(trouble) = self.front.end().await {
            summary.troubles.push(trouble);
        }
        screen.wipe();
        screen.line(&view::summary(&summary));
        summary.verdict()
    }

    async fn go_through(&mut self, options: &Options, screen: &mut Screen, summary: &mut Summary) {
        let began = Instant::now();
        let every = if screen.is_live() { FRAME } else { (options.lasts / 10).clamp(LINE_MIN, LINE_MAX) };
        let mut frames = interval(every);
        frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
        if !screen.is_live() {
            frames.reset();
            // Rates count from here.
            let _first = self.observer.picture(Duration::ZERO, "").await;
        }
        for step in plan(options.lasts) {
            self.take(step, began, &mut frames, screen).await;
            self.note_taken(summary);
            // A rest between two steps lets what is in flight end in its own step; the logs are read meanwhile, where that disturbs nobody's figures.
            self.orders.send_replace(Orders::default());
            if let Err(error) = self.audit.advance().await {
                summary.troubles.push(error.to_string());
                return;
            }
        }
    }

    async fn take(&mut self, step: Step, began: Instant, frames: &mut tokio::time::Interval, screen: &mut Screen) {
        self.orders.send_replace(step.orders);
        self.taking = Some((step.orders, Instant::now()));
        let over = sleep_until(tokio::time::Instant::now() + step.lasts);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return,
                _ = frames.tick() => {
                    let picture = self.observer.picture(began.elapsed(), doing(&step.orders)).await;
                    if screen.is_live() {
                        screen.draw(&view::live(&picture, screen.width()));
                    } else {
                        screen.line(&view::plain(&picture));
                    }
                }
            }
        }
    }

    /// A step has ended, or was cut short.
    fn note_taken(&mut self, summary: &mut Summary) {
        if let Some((orders, since)) = self.taking.take() {
            summary.note_step(&Step { orders, lasts: since.elapsed() });
        }
    }

    /// Lets everything that was begun come to its end: answers, reading, commits. Returns what did not.
    async fn finish(&mut self) -> Vec<String> {
        self.orders.send_replace(Orders { end: true, ..Orders::default() });
        tokio::join!(self.direct.produced(), self.leeward.produced());
        if let Err(error) = self.audit.advance().await {
            return vec![error.to_string()];
        }
        tokio::join!(self.direct.consumed(), self.leeward.consumed());
        tokio::join!(self.direct.left(), self.leeward.left());
        Vec::new()
    }
}

fn doing(orders: &Orders) -> &'static str {
    match (orders.direct, orders.leeward) {
        (None, None) => "rest",
        (Some(Pace::Warm), _) | (_, Some(Pace::Warm)) => "warming up",
        (Some(Pace::Full), None) => "full speed, direct",
        (None, Some(Pace::Full)) => "full speed, through Leeward",
        (Some(Pace::Full), Some(_)) | (Some(_), Some(Pace::Full)) => "full speed, both at once",
        (Some(Pace::Steady), Some(Pace::Steady)) => "steady load, both at once",
        (Some(Pace::Steady), None) | (None, Some(Pace::Steady)) => "steady load, one side",
    }
}

/// Makes a topic and waits until every broker knows its leaders and all replicas are in sync.
async fn make_topic(brokers: &[SocketAddr], topic: &'static str) -> Result<(), ClientError> {
    let mut connections = Vec::new();
    for &address in brokers {
        connections.push(Connection::open(address, "demo-setup").await?);
    }
    let replicas = i16::try_from(brokers.len()).unwrap_or(i16::MAX);
    let mut made = Err(ClientError::Closed);
    for connection in &mut connections {
        made = create_topic(connection, topic, PARTITIONS, replicas, &RETENTION).await;
        // Where ZooKeeper keeps the metadata, only one broker makes topics.
        if made.as_ref().err().and_then(ClientError::code) != Some(NOT_CONTROLLER) {
            break;
        }
    }
    made?;
    let known = async {
        for connection in &mut connections {
            loop {
                let topology = Topology::ask(connection, topic).await?;
                if topology.in_sync && topology.leaders.len() == topology.partitions {
                    break;
                }
                sleep(LOOK).await;
            }
        }
        Ok(())
    };
    timeout(SETTLE_LIMIT, known).await.map_err(|_| ClientError::TimedOut)?
}
