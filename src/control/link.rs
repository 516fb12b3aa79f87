//! Leeward's own connection to one broker: asks for versions and metadata, notices at once when the broker goes, and comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::exchange::{Exchange, ExchangeError};
use crate::cluster::membership::Reported;
use crate::config::{HostPort, Upstream};
use crate::net::dial::dial;
use crate::protocol::versions::Offer;

/// The first pause before a broker is tried again; it doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(100);

/// The longest pause: a broker that comes back is found within this time.
const RETRY_MAX: Duration = Duration::from_secs(2);

/// How long a broker may take for an answer before the connection is given up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection without a login stands. Below the ten minutes after which brokers close an idle one (`connections.max.idle.ms`), so that an end means
/// that the broker went; a broker's new versions come with its restart, and so with a new connection.
const STAND_FOR: Duration = Duration::from_secs(60);

/// Connections in a row that end at the question for metadata before it is taken for closed to Leeward: one may be a broker on its way down.
const CLOSED_AFTER: u32 = 2;

/// What a link tells.
#[derive(Debug)]
pub enum LinkEvent {
    /// The broker answered with its versions; it was (re)connected.
    Versions {
        address: HostPort,
        offer: Arc<Offer>,
    },
    Metadata {
        address: HostPort,
        reported: Reported,
    },
    /// The broker answers, but keeps its metadata behind a login that Leeward has not, or that it refused. Clients can log in all the same.
    Closed {
        address: HostPort,
        problem: String,
    },
    Lost {
        address: HostPort,
        problem: String,
    },
}

/// A link's handle; dropping it ends the link.
pub(super) struct Link {
    task: AbortHandle,
    refresh: Arc<Notify>,
}

impl Link {
    /// Starts a link to `address`; what it finds goes to `events`. Call within a runtime.
    pub(super) fn start(address: HostPort, upstream: &Upstream, events: mpsc::Sender<LinkEvent>) -> Self {
        let refresh = Arc::new(Notify::new());
        let task = tokio::spawn(run(address, upstream.clone(), events, Arc::clone(&refresh))).abort_handle();
        Link { task, refresh }
    }

    pub(super) fn refresh(&self) {
        self.refresh.notify_one();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(address: HostPort, upstream: Upstream, events: mpsc::Sender<LinkEvent>, refresh: Arc<Notify>) {
    let mut pause = RETRY_MIN;
    // Connections in a row that ended where a login was due.
    let mut closed = 0;
    loop {
        let end = match dial(vec![address.clone()], upstream.connect_timeout, |_, _| {}).await {
            Ok((stream, _)) => {
                let asks_metadata = closed < CLOSED_AFTER;
                let mut talk = Talk { address: &address, upstream: &upstream, events: &events, refresh: &refresh, asks_metadata, answered: false };
                let end = talk.go_on(Exchange::new(stream)).await;
                if talk.answered {
                    pause = RETRY_MIN;
                    closed = 0;
                }
                end
            }
            Err(error) => TalkEnd::Lost(error.to_string()),
        };
        let event = match end {
            TalkEnd::Leaving => return,
            TalkEnd::Renewed => {
                // An account may be made, or its password set right, while Leeward runs.
                if upstream.sasl_plain.is_some() {
                    closed = CLOSED_AFTER - 1;
                }
                continue;
            }
            TalkEnd::Closed(problem) => {
                closed += 1;
                (closed == CLOSED_AFTER).then(|| LinkEvent::Closed { address: address.clone(), problem })
            }
            TalkEnd::Lost(problem) => {
                closed = 0;
                Some(LinkEvent::Lost { address: address.clone(), problem })
            }
        };
        if let Some(event) = event
            && events.send(event).await.is_err()
        {
            return;
        }
        // Many Leewards lose a broker at the same moment; they should not all come back at the same moment.
        sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

/// One connection's life.
struct Talk<'a> {
    address: &'a HostPort,
    upstream: &'a Upstream,
    events: &'a mpsc::Sender<LinkEvent>,
    refresh: &'a Notify,
    /// Whether metadata is asked for, behind a login if there is an account; else only whether the broker is there, and what it can do.
    asks_metadata: bool,
    /// Metadata came: the connection was of use.
    answered: bool,
}

/// Why a connection is over.
enum TalkEnd {
    /// Nobody listens to the link any more.
    Leaving,
    /// It did nothing but stand, for as long as one may; the next one looks again.
    Renewed,
    /// The broker ended it where a login was due, or refused the login.
    Closed(String),
    Lost(String),
}

impl Talk<'_> {
    /// Asks until the connection ends; returns why it did.
    async fn go_on(&mut self, mut exchange: Exchange) -> TalkEnd {
        let offer = match in_time(exchange.versions()).await {
            Ok(offer) => Arc::new(offer),
            Err(problem) => return TalkEnd::Lost(problem.to_string()),
        };
        if self.events.send(LinkEvent::Versions { address: self.address.clone(), offer: Arc::clone(&offer) }).await.is_err() {
            return TalkEnd::Leaving;
        }
        if self.asks_metadata { self.ask_on(&mut exchange, &offer).await } else { self.stand(&exchange).await }
    }

    async fn ask_on(&mut self, exchange: &mut Exchange, offer: &Offer) -> TalkEnd {
        let mut login_due = None;
        loop {
            if let Some(account) = &self.upstream.sasl_plain
                && (!self.answered || login_due.is_some_and(|due| Instant::now() >= due))
            {
                match in_time(exchange.authenticate(account, offer)).await {
                    // Half of its time, so that there is time to begin again when an answer is slow.
                    Ok(lifetime) => login_due = lifetime.map(|lifetime| Instant::now() + lifetime / 2),
                    Err(problem @ Problem::Exchange(ExchangeError::Sasl(_))) => return TalkEnd::Closed(problem.to_string()),
                    Err(problem) => return TalkEnd::Lost(problem.to_string()),
                }
            }
            let reported = match in_time(exchange.metadata()).await {
                Ok(reported) => reported,
                Err(problem) => return self.without_metadata(problem),
            };
            self.answered = true;
            if self.events.send(LinkEvent::Metadata { address: self.address.clone(), reported }).await.is_err() {
                return TalkEnd::Leaving;
            }
            // Behind a login that ends the next question may not come later than its end.
            let next = login_due.map_or(self.upstream.refresh_interval, |due| due.duration_since(Instant::now()).min(self.upstream.refresh_interval));
            tokio::select! {
                () = sleep(next) => {}
                () = self.refresh.notified() => {}
                error = exchange.lost() => return TalkEnd::Lost(error.to_string()),
            }
        }
    }

    /// Keeps a connection on which nothing more may be asked: its end tells when the broker goes.
    async fn stand(&self, exchange: &Exchange) -> TalkEnd {
        tokio::select! {
            () = sleep(STAND_FOR) => TalkEnd::Renewed,
            error = exchange.lost() => TalkEnd::Lost(error.to_string()),
        }
    }

    /// A broker that asks for SASL closes the connection at any other request.
    fn without_metadata(&self, problem: Problem) -> TalkEnd {
        match problem {
            Problem::Exchange(ExchangeError::Io(_)) if !self.answered && self.upstream.sasl_plain.is_none() => {
                TalkEnd::Closed(format!("{problem}, when it was asked for metadata; if it asks for SASL, set upstream.sasl_plain"))
            }
            Problem::Exchange(_) | Problem::Late => TalkEnd::Lost(problem.to_string()),
        }
    }
}

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Exchange(ExchangeError),
    #[error("no answer within {ANSWER_TIMEOUT:?}")]
    Late,
}

async fn in_time<T>(exchange: impl Future<Output = Result<T, ExchangeError>>) -> Result<T, Problem> {
    match timeout(ANSWER_TIMEOUT, exchange).await {
        Ok(answer) => answer.map_err(Problem::Exchange),
        Err(_) => Err(Problem::Late),
    }
}

#[cfg(test)]
mod tests;
