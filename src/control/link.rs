//! Leeward's own connection to one broker: asks for versions and metadata, notices at once when the broker goes, and comes back.

use std::sync::Arc;
use std::time::Duration;

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
    loop {
        let problem = match dial(vec![address.clone()], upstream.connect_timeout, |_, _| {}).await {
            Ok((stream, _)) => {
                let mut talk = Talk { address: &address, upstream: &upstream, events: &events, refresh: &refresh, answered: false };
                let problem = talk.go_on(Exchange::new(stream)).await;
                if talk.answered {
                    pause = RETRY_MIN;
                }
                problem
            }
            Err(error) => error.to_string(),
        };
        if events.send(LinkEvent::Lost { address: address.clone(), problem }).await.is_err() {
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
    /// Metadata came: the connection was of use.
    answered: bool,
}

impl Talk<'_> {
    /// Asks until the connection ends; returns why it did.
    async fn go_on(&mut self, mut exchange: Exchange) -> String {
        match self.ask_on(&mut exchange).await {
            Ok(()) => "Leeward is ending".to_owned(),
            Err(error) => error,
        }
    }

    async fn ask_on(&mut self, exchange: &mut Exchange) -> Result<(), String> {
        let offer = Arc::new(in_time(exchange.versions()).await?);
        if self.events.send(LinkEvent::Versions { address: self.address.clone(), offer }).await.is_err() {
            return Ok(());
        }
        if let Some(account) = &self.upstream.sasl_plain {
            in_time(exchange.authenticate(account)).await?;
        }
        loop {
            let reported = in_time(exchange.metadata()).await.map_err(|problem| self.explain(problem))?;
            self.answered = true;
            if self.events.send(LinkEvent::Metadata { address: self.address.clone(), reported }).await.is_err() {
                return Ok(());
            }
            tokio::select! {
                () = sleep(self.upstream.refresh_interval) => {}
                () = self.refresh.notified() => {}
                error = exchange.lost() => return Err(error.to_string()),
            }
        }
    }

    fn explain(&self, problem: String) -> String {
        if self.answered || self.upstream.sasl_plain.is_some() {
            return problem;
        }
        format!("{problem}, when it was asked for metadata; if it asks for SASL, set upstream.sasl_plain")
    }
}

async fn in_time<T>(exchange: impl Future<Output = Result<T, ExchangeError>>) -> Result<T, String> {
    match timeout(ANSWER_TIMEOUT, exchange).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {ANSWER_TIMEOUT:?}")),
    }
}
