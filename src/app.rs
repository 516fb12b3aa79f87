//! `leeward run`: puts the parts together, and takes them apart again in an order that loses nothing.
//!
//! One thread (this one) has the listeners, the links to the brokers, the admin endpoint and the signals; the workers have the sessions.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio::time::timeout;

use crate::config::{Config, ConfigSource};
use crate::control::Control;
use crate::net::{Endpoint, Learn, Listeners, Workers};
use crate::telemetry::Telemetry;

/// Why Leeward could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("cannot listen on {address} for {purpose} ({key}): {error}; end what listens there, or choose another port")]
    Bind { purpose: &'static str, key: &'static str, address: SocketAddr, error: io::Error },
    #[error("the system refused {what}: {error}")]
    System { what: &'static str, error: io::Error },
}

/// Runs until SIGTERM or SIGINT, and until what was in flight then is answered.
///
/// # Errors
/// Nothing could be started; every port that was bound is free again.
pub fn run(config: Config, source: &ConfigSource) -> Result<(), RunError> {
    let system = |what| move |error| RunError::System { what, error };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system("an event loop"))?;
    LocalSet::new().block_on(&runtime, async {
        let mut app = App::start(Arc::new(config), source.clone()).await?;
        app.serve().await;
        app.end().await;
        Ok(())
    })
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())?, hangup: signal(SignalKind::hangup())? })
    }

    /// The next signal that is not "read the configuration again".
    async fn end(&mut self) {
        while self.next().await != Told::End {}
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
            _ = self.hangup.recv() => Told::Reload,
        }
    }
}

/// What a signal asks for.
#[derive(PartialEq, Eq)]
enum Told {
    End,
    Reload,
}

struct App {
    config: Arc<Config>,
    source: ConfigSource,
    listeners: Listeners,
    workers: Workers,
    learned: mpsc::Receiver<Learn>,
    control: Control,
    signals: Signals,
}

impl App {
    async fn start(config: Arc<Config>, source: ConfigSource) -> Result<Self, RunError> {
        let system = |what| move |error| RunError::System { what, error };
        let signals = Signals::new().map_err(system("signal handlers"))?;
        let (telemetry, mut metrics) = Telemetry::new(config.runtime.workers + 1);
        // The last shard belongs to this thread, which accepts.
        let Some(own_metrics) = metrics.pop() else { return Err(system("memory")(io::ErrorKind::OutOfMemory.into())) };
        let _admin = TcpListener::bind(config.admin.listen).await.map_err(|error| RunError::Bind {
            purpose: "the admin endpoint",
            key: "admin.listen",
            address: config.admin.listen,
            error,
        })?;
        let (mut control, view) = Control::new(Arc::clone(&config));
        let (workers, learned) = Workers::start(metrics, &config.limits, config.upstream.connect_timeout, &view).map_err(system("threads"))?;
        let mut listeners = Listeners::new(workers.handles(), &config.limits, own_metrics);
        let address = config.listen.bootstrap;
        if let Err(error) = listeners.bind(Endpoint::Bootstrap, address) {
            workers.stop();
            return Err(RunError::Bind { purpose: "clients", key: "listen.bootstrap", address, error });
        }
        control.start();
        let _ = telemetry;
        tracing::info!(bootstrap = %address, admin = %config.admin.listen, version = env!("CARGO_PKG_VERSION"), "Leeward listens");
        Ok(App { config, source, listeners, workers, learned, control, signals })
    }

    async fn serve(&mut self) {
        loop {
            tokio::select! {
                told = self.signals.next() => match told {
                    Told::End => return,
                    Told::Reload => self.reload(),
                },
                Some(event) = self.control.next_event() => self.control.on_event(event, &mut self.listeners),
                Some(learn) = self.learned.recv() => self.control.on_learn(learn, &mut self.listeners),
            }
        }
    }

    fn reload(&mut self) {
        match self.source.load() {
            Ok(new) => {
                let config = Arc::new(self.config.with_applicable(&new));
                self.listeners.set_limits(&config.limits);
                self.workers.set_limits(&config.limits, config.upstream.connect_timeout);
                self.control.set_config(Arc::clone(&config));
                self.config = config;
            }
            Err(errors) => tracing::error!(%errors, "the configuration was not reloaded"),
        }
    }

    /// Stops accepting, waits for what is in flight, and ends.
    async fn end(mut self) {
        let grace = self.config.limits.shutdown_grace;
        tracing::info!(sessions = self.workers.sessions(), ?grace, "ending: no new clients, what is in flight may finish");
        self.listeners.stop_accepting();
        self.workers.drain();
        tokio::select! {
            ended = timeout(grace, self.workers.all_ended()) => match ended {
                Ok(()) => tracing::info!("every session has ended"),
                Err(_) => tracing::warn!(sessions = self.workers.sessions(), "the grace time is over; the sessions left are cut"),
            },
            () = self.signals.end() => tracing::warn!(sessions = self.workers.sessions(), "a second signal; the sessions left are cut"),
            // Sessions that wait for a virtual broker need an answer to finish.
            () = async { while let Some(learn) = self.learned.recv().await { self.control.on_learn(learn, &mut self.listeners) } } => {}
        }
        self.workers.stop();
    }
}
