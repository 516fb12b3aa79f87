//! Leeward itself, as everybody starts it: a process of its own, `leeward run`, on free ports.

mod gauge;
mod ledger;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::Agent;

use super::child::Supervised;
use super::ports::free_stretch;
use crate::admin::ApiError;
use crate::admin::report::{Episodes, Report};
use crate::admin::status::Status;
use crate::maintenance::api::{OffAnswer, OffRequest, OnAnswer, OnRequest};
pub(super) use gauge::Gauges;
pub(super) use ledger::Ledger;

/// Ports that Leeward may take behind its bootstrap endpoint: those of the brokers, whose node ids are 1 to 3, and some more.
const RANGE: u16 = 8;
/// Another process may take a port between the look and the bind.
const ATTEMPTS: usize = 5;
/// How long Leeward may take until it has found all brokers.
const READY_LIMIT: Duration = Duration::from_secs(20);
/// Between two looks at an endpoint that tells nothing by itself.
const LOOK: Duration = Duration::from_millis(20);
/// The endpoint is on this machine.
const HTTP_TIMEOUT: Duration = Duration::from_secs(5);
/// Much longer than any demo: a window that the demo leaves behind closes by itself all the same.
const WINDOW: &str = "2h";
/// In the audit file.
const AUTHOR: &str = "leeward demo";
/// Its grace time for what is in flight, and a little more.
const END_LIMIT: Duration = Duration::from_secs(10);

/// A running Leeward.
pub(super) struct Front {
    process: Supervised,
    admin: Admin,
    pub(super) bootstrap: SocketAddr,
}

/// Its admin endpoint.
#[derive(Clone)]
pub(super) struct Admin {
    agent: Agent,
    address: SocketAddr,
}

/// Why Leeward is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrontError {
    #[error("cannot start Leeward: {0}")]
    Start(#[from] std::io::Error),
    #[error("Leeward ended by itself with exit code {code}; it said:\n{said}")]
    Ended { code: i32, said: String },
    #[error("Leeward was not ready within {READY_LIMIT:?}; it said:\n{said}")]
    NotReady { said: String },
}

impl Front {
    /// Starts it in front of `upstream` and waits until it serves all of `brokers`.
    ///
    /// # Errors
    /// It did not start or was not ready in time, with its last words.
    pub(super) async fn start(upstream: &str, brokers: usize, directory: &Path) -> Result<Self, FrontError> {
        let mut attempt = 1;
        loop {
            let log = directory.join(format!("leeward-{attempt}.log"));
            match Self::start_at(Ports::free()?, upstream, brokers, &log).await {
                Err(FrontError::Ended { .. }) if attempt < ATTEMPTS => attempt += 1,
                other => return other,
            }
        }
    }

    async fn start_at(ports: Ports, upstream: &str, brokers: usize, log: &Path) -> Result<Self, FrontError> {
        let program = std::env::current_exe()?;
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string();
        let (listen, admin, base) = (at(ports.bootstrap), at(ports.admin), ports.base.to_string());
        let range = format!("listen.virtual_brokers.range={RANGE}");
        // Beside its log, so that windows and their audit file go with the demo.
        let state = format!("state.directory={}", log.with_extension("state").display());
        let arguments = ["run", "--upstream", upstream, "--listen", &listen, "--admin", &admin, "--base-port", &base, "--set", &range, "--set", &state];
        let argv = std::iter::once(program.as_os_str()).chain(arguments.into_iter().map(std::ffi::OsStr::new));
        let mut process = Supervised::start(argv, log)?;
        let admin = Admin::new(SocketAddr::from((Ipv4Addr::LOCALHOST, ports.admin)));
        tokio::select! {
            () = admin.until_ready(brokers) => {}
            code = process.exited() => return Err(FrontError::Ended { code, said: process.last_words(8) }),
            () = tokio::time::sleep(READY_LIMIT) => return Err(FrontError::NotReady { said: process.last_words(8) }),
        }
        Ok(Front { process, admin, bootstrap: SocketAddr::from((Ipv4Addr::LOCALHOST, ports.bootstrap)) })
    }

    pub(super) fn admin(&self) -> Admin {
        self.admin.clone()
    }

    /// SIGTERM; the error says what an exit other than 0 looked like.
    pub(super) async fn end(self) -> Result<(), String> {
        match self.process.end(END_LIMIT).await {
            Some(0) => Ok(()),
            Some(code) => Err(format!("it ended with exit code {code}")),
            None => Err(format!("it did not end within {END_LIMIT:?} and was killed")),
        }
    }
}

impl Admin {
    fn new(address: SocketAddr) -> Self {
        let config = Agent::config_builder().timeout_global(Some(HTTP_TIMEOUT)).proxy(None).http_status_as_error(false);
        Admin { agent: config.build().into(), address }
    }

    pub(super) async fn status(&self) -> Option<Status> {
        serde_json::from_str(&self.get("/v1/status").await?).ok()
    }

    pub(super) async fn gauges(&self) -> Option<Gauges> {
        self.get("/metrics").await.map(|text| Gauges::read(&text))
    }

    /// What the guard did so far: its windows, and times of lost brokers without one.
    pub(super) async fn ledger(&self) -> Option<Ledger> {
        let episodes: Episodes = serde_json::from_str(&self.get("/v1/report/episodes").await?).ok()?;
        let mut ledger = Ledger::default();
        for episode in &episodes.episodes {
            let report: Report = serde_json::from_str(&self.get(&format!("/v1/report?episode={}", episode.number)).await?).ok()?;
            ledger.add(&report);
        }
        Some(ledger)
    }

    /// Opens a maintenance window over everything.
    ///
    /// # Errors
    /// Why Leeward did not.
    pub(super) async fn open_window(&self, reason: &str) -> Result<OnAnswer, String> {
        let request = OnRequest { reason: reason.to_owned(), lasts: Some(WINDOW.to_owned()), author: Some(AUTHOR.to_owned()), ..OnRequest::default() };
        self.post("/v1/maintenance/on", request).await
    }

    /// Closes it.
    ///
    /// # Errors
    /// Why Leeward did not.
    pub(super) async fn close_window(&self, reason: &str) -> Result<OffAnswer, String> {
        let request = OffRequest { reason: reason.to_owned(), author: Some(AUTHOR.to_owned()), ..OffRequest::default() };
        self.post("/v1/maintenance/off", request).await
    }

    async fn post<Q: Serialize + Send + 'static, A: DeserializeOwned>(&self, path: &str, question: Q) -> Result<A, String> {
        let (agent, url) = (self.agent.clone(), format!("http://{}{path}", self.address));
        let asked = tokio::task::spawn_blocking(move || {
            let mut answer = agent.post(url).send_json(question).map_err(|error| error.to_string())?;
            let body = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
            Ok::<_, String>((answer.status().as_u16(), body))
        });
        let (status, body) = asked.await.map_err(|error| error.to_string())??;
        if status == 200 {
            return serde_json::from_str(&body).map_err(|error| format!("{path} answered what is not understood: {error}"));
        }
        let refusal = serde_json::from_str::<ApiError>(&body).map_or(body, |refusal| refusal.error);
        Err(format!("{path} answered {status}: {refusal}"))
    }

    async fn until_ready(&self, brokers: usize) {
        loop {
            if let Some(status) = self.status().await {
                let reachable = status.cluster.brokers.iter().filter(|broker| broker.reachable).count();
                if status.ready && reachable >= brokers {
                    return;
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The body of a good answer.
    async fn get(&self, path: &str) -> Option<String> {
        let (agent, url) = (self.agent.clone(), format!("http://{}{path}", self.address));
        let asked =
            tokio::task::spawn_blocking(move || agent.get(url).call().ok().filter(|answer| answer.status().is_success())?.body_mut().read_to_string().ok());
        asked.await.ok().flatten()
    }
}

/// A stretch of free ports: the admin endpoint, the bootstrap endpoint, then the virtual brokers.
struct Ports {
    admin: u16,
    bootstrap: u16,
    base: u16,
}

impl Ports {
    fn free() -> std::io::Result<Self> {
        let admin = free_stretch(2 + RANGE)?;
        Ok(Ports { admin, bootstrap: admin + 1, base: admin + 2 })
    }
}
