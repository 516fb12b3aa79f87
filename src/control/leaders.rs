//! Keeps the picture of who leads what: read as a whole now and then and when a broker goes or comes, and topic by topic when sessions wait for news.
//!
//! Everything is asked here, one question at a time, whoever wants to know: sessions never ask for themselves, and however many wait for the same leader,
//! it is one question. Brokers take turns, since each learns of a new leader in its own time.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, timeout};

use super::exchange::{DESCRIBE_CONFIGS_VERSION, Exchange, ExchangeError};
use super::link::LinkEvent;
use crate::cluster::leaders::{LeaderBook, TopicReport};
use crate::cluster::membership::Reported;
use crate::cluster::{Leaders, TopicKey, View};
use crate::config::{HostPort, Upstream};
use crate::net::dial::dial;
use crate::net::worker::Interest;
use crate::protocol::versions::Offer;

/// Between two questions of sessions: an election takes longer, and a cluster in trouble has better things to do.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// Between two readings of everything while a broker is away.
const READ_EVERY: Duration = Duration::from_millis(250);
/// A cluster so large that it takes its time to tell everything is asked more rarely: a reading may take this share of the time.
const READ_SHARE: u32 = 10;
/// How long after a broker went or came everything is read often.
const UNSETTLED_FOR: Duration = Duration::from_secs(30);
/// How long a broker may take to tell leaders of some topics. One that is stopped or cut off says nothing at all; another is asked instead.
const SOME_TIMEOUT: Duration = Duration::from_millis(700);
/// The same for everything.
const WHOLE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a broker that did not answer is passed over.
const PASSED_OVER_FOR: Duration = Duration::from_secs(5);
/// Topics of one question; more are read with everything.
const TOPICS_MAX: usize = 200;
/// Topics in one question for their configuration.
const CONFIGS_MAX: usize = 500;
/// How often configurations of topics are read again: they change by an operator's hand.
const CONFIGS_EVERY: Duration = Duration::from_secs(600);
/// How often they are asked for where they are not known: a topic is new, or nobody may tell.
const UNKNOWN_CONFIGS_EVERY: Duration = Duration::from_secs(5);

/// API key of DescribeConfigs.
const DESCRIBE_CONFIGS: i16 = 32;

/// The keeper of the picture.
pub(super) struct LeaderKeeper {
    upstream: watch::Receiver<Upstream>,
    view: watch::Receiver<Arc<View>>,
    interests: mpsc::Receiver<Interest>,
    events: mpsc::Sender<LinkEvent>,
    publish: watch::Sender<Arc<Leaders>>,
    book: LeaderBook,
    wanted: Wanted,
    exchanges: HashMap<HostPort, (Exchange, Arc<Offer>)>,
    passed_over: HashMap<HostPort, Instant>,
    turn: usize,
    /// Which brokers were there when last looked.
    present: BTreeSet<i32>,
    unsettled_until: Option<Instant>,
    next_read: Instant,
    next_ask: Instant,
    /// When configurations of all topics are read next, and those of topics for which they are not known.
    next_configs: Instant,
    next_unknown_configs: Instant,
}

/// What sessions wait for.
#[derive(Default)]
struct Wanted {
    topics: BTreeSet<Arc<str>>,
    brokers: bool,
    everything: bool,
}

impl Wanted {
    fn is_empty(&self) -> bool {
        self.topics.is_empty() && !self.brokers && !self.everything
    }
}

/// One question.
enum Question {
    Some(Vec<Arc<str>>),
    Everything,
}

/// Why a broker did not answer.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("no broker is known to answer")]
    Nobody,
    #[error("{0}")]
    Exchange(#[from] ExchangeError),
    #[error("no connection: {0}")]
    Dial(String),
    #[error("no answer within {0:?}")]
    Late(Duration),
}

impl LeaderKeeper {
    pub(super) fn new(
        upstream: watch::Receiver<Upstream>,
        view: watch::Receiver<Arc<View>>,
        interests: mpsc::Receiver<Interest>,
        events: mpsc::Sender<LinkEvent>,
        publish: watch::Sender<Arc<Leaders>>,
    ) -> Self {
        let now = Instant::now();
        LeaderKeeper {
            upstream,
            view,
            interests,
            events,
            publish,
            book: LeaderBook::default(),
            wanted: Wanted::default(),
            exchanges: HashMap::new(),
            passed_over: HashMap::new(),
            turn: 0,
            present: BTreeSet::new(),
            unsettled_until: None,
            next_read: now,
            next_ask: now,
            next_configs: now,
            next_unknown_configs: now,
        }
    }

    /// Goes on until nobody can be interested any more.
    pub(super) async fn run(mut self) {
        loop {
            let due = self.next_due();
            tokio::select! {
                interest = self.interests.recv() => match interest {
                    Some(interest) => self.note(interest),
                    None => return,
                },
                changed = self.view.changed() => match changed {
                    Ok(()) => self.look_at_brokers(),
                    Err(_) => return,
                },
                Ok(()) = self.upstream.changed() => {
                    self.exchanges.clear();
                    self.next_read = Instant::now();
                }
                () = sleep_until(due.into()) => self.ask_next().await,
            }
        }
    }

    fn next_due(&self) -> Instant {
        if self.wanted.is_empty() { self.next_read } else { self.next_ask.min(self.next_read) }
    }

    fn note(&mut self, interest: Interest) {
        match interest {
            Interest::Brokers => self.wanted.brokers = true,
            Interest::Topics(topics) => {
                for topic in topics {
                    let name = match topic {
                        TopicKey::Name(name) => Some(name),
                        TopicKey::Id(id) => self.book.leaders().names.get(&id).cloned(),
                    };
                    match name {
                        Some(name) if self.wanted.topics.len() < TOPICS_MAX => drop(self.wanted.topics.insert(name)),
                        // An id that nobody has told yet comes with everything.
                        Some(_) | None => self.wanted.everything = true,
                    }
                }
            }
        }
    }

    /// A broker that goes or comes moves leaders.
    fn look_at_brokers(&mut self) {
        let present = self.view.borrow_and_update().brokers.values().filter(|broker| broker.reachable && broker.listed).map(|broker| broker.node_id).collect();
        if present != self.present {
            self.present = present;
            let now = Instant::now();
            self.unsettled_until = Some(now + UNSETTLED_FOR);
            self.next_read = now;
        }
    }

    async fn ask_next(&mut self) {
        let now = Instant::now();
        let wanted = std::mem::take(&mut self.wanted);
        let question = if now >= self.next_read || wanted.everything { Question::Everything } else { Question::Some(wanted.topics.iter().cloned().collect()) };
        let whole = matches!(question, Question::Everything);
        let answer = self.ask(&question).await;
        let took = now.elapsed();
        self.next_ask = Instant::now() + ASK_EVERY;
        if whole {
            self.next_read = Instant::now() + self.read_every().max(took * READ_SHARE);
        }
        match answer {
            Ok((reported, address, topics)) => {
                if self.book.report(topics, whole) {
                    self.publish.send_replace(Arc::new(self.book.leaders().clone()));
                }
                // Whoever is there to hear it.
                let _ = self.events.send(LinkEvent::Metadata { address: address.clone(), reported }).await;
                if whole {
                    self.read_configs(&address).await;
                }
            }
            Err(Unanswered::Nobody) => {}
            Err(problem) => {
                tracing::debug!(%problem, "a broker did not tell leaders; another is asked");
                // What sessions wait for they wait for still.
                self.wanted.topics.extend(wanted.topics);
                self.wanted.brokers |= wanted.brokers;
                self.wanted.everything |= wanted.everything || whole;
                self.next_ask = Instant::now();
            }
        }
    }

    fn read_every(&self) -> Duration {
        match self.unsettled_until {
            Some(until) if Instant::now() < until => READ_EVERY,
            Some(_) | None => self.upstream.borrow().refresh_interval,
        }
    }

    async fn ask(&mut self, question: &Question) -> Result<(Reported, HostPort, Vec<TopicReport>), Unanswered> {
        let address = self.next_broker().ok_or(Unanswered::Nobody)?;
        let limit = match question {
            Question::Everything => WHOLE_TIMEOUT,
            Question::Some(_) => SOME_TIMEOUT,
        };
        let upstream = self.upstream.borrow().clone();
        let asked = timeout(limit, async {
            let (exchange, offer) = connected(&mut self.exchanges, &address, &upstream).await?;
            let topics = match question {
                Question::Everything => None,
                Question::Some(topics) => Some(&topics[..]),
            };
            Ok(exchange.leaders(offer, topics).await?)
        });
        match asked.await.unwrap_or(Err(Unanswered::Late(limit))) {
            Ok((reported, topics)) => Ok((reported, address, topics)),
            Err(problem) => {
                self.exchanges.remove(&address);
                self.passed_over.insert(address, Instant::now() + PASSED_OVER_FOR);
                Err(problem)
            }
        }
    }

    /// Brokers take turns; those that did not answer come last.
    fn next_broker(&mut self) -> Option<HostPort> {
        let now = Instant::now();
        self.passed_over.retain(|_, until| *until > now);
        let homes = {
            let view = self.view.borrow();
            // Behind a login that Leeward has not there is nobody to ask.
            if view.closed && self.upstream.borrow().sasl_plain.is_none() { Vec::new() } else { view.homes() }
        };
        self.exchanges.retain(|address, _| homes.contains(address));
        self.turn = self.turn.wrapping_add(1);
        let good: Vec<&HostPort> = homes.iter().filter(|home| !self.passed_over.contains_key(home)).collect();
        if good.is_empty() {
            // Nobody is good, so the one that was bad first.
            return homes.iter().min_by_key(|home| self.passed_over.get(home)).cloned();
        }
        good.get(self.turn % good.len()).map(|home| (*home).clone())
    }

    /// Reads the configuration of topics for which it is not known, or for all when it was long ago.
    async fn read_configs(&mut self, address: &HostPort) {
        let now = Instant::now();
        let all = now >= self.next_configs;
        if !all && now < self.next_unknown_configs {
            return;
        }
        self.next_unknown_configs = now + UNKNOWN_CONFIGS_EVERY;
        let topics = self.book.leaders().topics.iter().filter(|(_, topic)| all || topic.min_insync_replicas.is_none());
        let topics: Vec<Arc<str>> = topics.map(|(name, _)| Arc::clone(name)).collect();
        let (mut changed, mut told_all) = (false, true);
        for some in topics.chunks(CONFIGS_MAX) {
            let exchange = self.exchanges.get_mut(address).filter(|(_, offer)| offer.has(DESCRIBE_CONFIGS, DESCRIBE_CONFIGS_VERSION));
            let Some((exchange, _)) = exchange else { return };
            match timeout(WHOLE_TIMEOUT, exchange.topic_configs(some)).await {
                Ok(Ok(told)) => {
                    for (topic, config) in told {
                        changed |= self.book.configured(&topic, config);
                    }
                }
                Ok(Err(_)) | Err(_) => {
                    told_all = false;
                    self.exchanges.remove(address);
                }
            }
        }
        if all && told_all {
            self.next_configs = now + CONFIGS_EVERY;
        }
        if changed {
            self.publish.send_replace(Arc::new(self.book.leaders().clone()));
        }
    }
}

async fn connected<'a>(
    exchanges: &'a mut HashMap<HostPort, (Exchange, Arc<Offer>)>,
    address: &HostPort,
    upstream: &Upstream,
) -> Result<&'a mut (Exchange, Arc<Offer>), Unanswered> {
    if !exchanges.contains_key(address) {
        let (stream, _) = dial(vec![address.clone()], upstream.connect_timeout, |_, _| {}).await.map_err(|error| Unanswered::Dial(error.to_string()))?;
        let (exchange, offer) = Exchange::open(stream, upstream.sasl_plain.as_ref()).await?;
        exchanges.insert(address.clone(), (exchange, Arc::new(offer)));
    }
    exchanges.get_mut(address).ok_or(Unanswered::Nobody)
}
