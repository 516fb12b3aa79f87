//! The story: every broker goes and comes back, twice, while both sides' clients go on.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::{FRAME, Stage};
use crate::demo::book::Book;
use crate::demo::cluster::Cluster;
use crate::demo::front::Admin;
use crate::demo::load::{Orders, Pace, Side};
use crate::demo::observe::{Moment, Observer};
use crate::demo::screen::Screen;
use crate::demo::setup::until_whole;
use crate::demo::story::{Pauses, Restart, restarts};
use crate::demo::view::{self, Summary};

/// How long a cluster may take until all replicas are in sync again, once the broker is back.
const SYNC_LIMIT: Duration = Duration::from_secs(120);
/// Sentences that the picture shows.
const SAID_MAX: usize = 4;
/// Why the window opens, as its audit file says it.
const REASON: &str = "the demo restarts every broker";

/// Something to be shown, and when it was so.
struct Told {
    at: Duration,
    what: What,
}

enum What {
    Said(String),
    /// A broker is away, in these words; or all are there.
    Away(Option<(i32, &'static str)>),
    /// So many restarts are done. Where there is no picture, a line of figures follows.
    Done {
        done: usize,
        of: usize,
    },
}

impl Stage {
    /// Begins no restart after `within`, but one at least.
    pub(super) async fn tell(&mut self, cluster: &mut Cluster, is_upgrade: bool, within: Option<Duration>, screen: &mut Screen, summary: &mut Summary) {
        let began = Instant::now();
        let nodes: Vec<i32> = cluster.brokers().into_iter().map(|(node, _)| node).collect();
        let planned = restarts(&nodes, is_upgrade);
        summary.begin_story(planned.clone());
        self.orders.send_replace(both(Pace::Warm));
        sleep(Pauses::WARM).await;
        self.orders.send_replace(Orders::default());
        // What came at full speed is read now: the sandbox keeps a bounded log.
        if let Err(error) = self.audit.advance().await {
            return summary.trouble(None, error.to_string());
        }
        let (tell, told) = unbounded_channel();
        let (admin, orders, books) = (self.front.admin(), self.orders.clone(), self.books.clone());
        let mut story = Story { cluster, admin, orders, books, tell, began, calm: Pauses::of(within).calm };
        let showing = Showing { observer: &mut self.observer, screen, summary, began, moment: Moment::default() };
        // The story hangs up at its end, and the showing with it.
        let telling = async move { story.tell(&planned, within).await };
        let (outcome, ()) = tokio::join!(telling, showing.run(told));
        if let Err(trouble) = outcome {
            summary.trouble(None, trouble);
        }
    }
}

/// Who shows it.
struct Showing<'a> {
    observer: &'a mut Observer,
    screen: &'a mut Screen,
    summary: &'a mut Summary,
    began: Instant,
    moment: Moment,
}

impl Showing<'_> {
    async fn run(mut self, mut told: UnboundedReceiver<Told>) {
        // Rates count from here.
        let _first = self.observer.picture(self.moment.clone()).await;
        let mut frames = interval(FRAME);
        frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                told = told.recv() => match told {
                    Some(told) => self.show(told).await,
                    None => return,
                },
                _ = frames.tick(), if self.screen.is_live() => {
                    self.moment.elapsed = self.began.elapsed();
                    let picture = self.observer.picture(self.moment.clone()).await;
                    self.screen.draw(&view::live(&picture, self.screen.width()));
                }
            }
        }
    }

    async fn show(&mut self, Told { at, what }: Told) {
        self.moment.elapsed = at;
        match what {
            What::Said(said) => {
                let line = view::said(at, &said);
                if self.screen.is_live() {
                    let too_many = (self.moment.said.len() + 1).saturating_sub(SAID_MAX);
                    self.moment.said.drain(..too_many);
                    self.moment.said.push(line);
                } else {
                    self.screen.line(&line);
                }
            }
            What::Away(away) => self.moment.away = away,
            What::Done { done, of } => {
                self.summary.restarts_done(done);
                (self.moment.share, self.moment.doing) = (done as f64 / of.max(1) as f64, format!("{done} of {of} restarts"));
                if !self.screen.is_live() {
                    let picture = self.observer.picture(self.moment.clone()).await;
                    self.screen.line(&view::plain(&picture));
                }
            }
        }
    }
}

fn both(pace: Pace) -> Orders {
    Orders { direct: Some(pace), leeward: Some(pace), end: false }
}

/// Who does it.
struct Story<'a> {
    cluster: &'a mut Cluster,
    admin: Admin,
    orders: watch::Sender<Orders>,
    books: BTreeMap<Side, Arc<Book>>,
    tell: UnboundedSender<Told>,
    began: Instant,
    calm: Duration,
}

impl Story<'_> {
    async fn tell(&mut self, planned: &[Restart], within: Option<Duration>) -> Result<(), String> {
        self.orders.send_replace(both(Pace::Steady));
        let now = Instant::now();
        self.books.values().for_each(|book| book.pages().expect_movement(now));
        self.say("steady load on both sides; all brokers are up");
        sleep(self.calm / 2).await;
        let opened = self.admin.open_window(REASON).await.map_err(|error| format!("no maintenance window could be opened: {error}"))?;
        self.say(format!("maintenance window {} is open in Leeward; the direct side has nothing of the kind", opened.window.id));
        sleep(self.calm / 2).await;
        for (done, restart) in planned.iter().enumerate() {
            if done > 0 && within.is_some_and(|within| self.began.elapsed() >= within) {
                self.say(format!("time is up after {done} of {} restarts", planned.len()));
                break;
            }
            self.restart(restart).await?;
            self.show(What::Done { done: done + 1, of: planned.len() });
        }
        self.admin.close_window("every broker is back").await.map_err(|error| format!("the maintenance window could not be closed: {error}"))?;
        self.say("the maintenance window is closed");
        sleep(self.calm / 2).await;
        Ok(())
    }

    async fn restart(&mut self, restart: &Restart) -> Result<(), String> {
        self.say(restart.goes());
        self.show(What::Away(Some((restart.node_id, restart.state()))));
        self.cluster.stop(restart.node_id, restart.going).await.map_err(|error| error.to_string())?;
        self.say(restart.is_gone());
        sleep(self.cluster.away(restart.going)).await;
        self.say(restart.starts());
        let since = Instant::now();
        self.cluster.start_broker(restart.node_id, restart.build).await.map_err(|error| error.to_string())?;
        let brokers: Vec<SocketAddr> = self.cluster.brokers().into_iter().map(|(_, address)| address).collect();
        let whole = timeout(SYNC_LIMIT, until_whole(&brokers)).await;
        whole.map_err(|_| format!("broker {} came back, and its replicas were not in sync within {SYNC_LIMIT:?}", restart.node_id))?;
        self.show(What::Away(None));
        self.say(restart.is_back(since.elapsed()));
        sleep(self.calm).await;
        Ok(())
    }

    fn say(&self, said: impl Into<String>) {
        self.show(What::Said(said.into()));
    }

    fn show(&self, what: What) {
        // Nobody listens any more: the demo was interrupted.
        let _gone = self.tell.send(Told { at: self.began.elapsed(), what });
    }
}
