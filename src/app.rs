//! `leeward run`: puts the parts together, and takes them apart again in an order that loses nothing.
//!
//! One thread (this one) has the listeners, the links to the brokers, the admin endpoint and the signals; the workers have the sessions.

mod reload;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, AdminCommand, AdminState, ListenerState, Readiness, Started};
use crate::cluster::View;
use crate::config::{Config, ConfigSource};
use crate::control::{Control, Operator};
use crate::maintenance::{self, MaintenanceHandle};
use crate::net::{Endpoint, Learn, Listeners, Pictures, Workers};
use crate::reassign;
use crate::register::{self, RegisterHandle, Sources};
use crate::roll;
use crate::telemetry::Telemetry;
use crate::telemetry::events::{Listening, ShutdownBegan, ShutdownEnded};
use crate::telemetry::logs::LogControl;
use crate::telemetry::traffic::LOOK_EVERY;
use reload::BY_SIGNAL;

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
/// `log` is changed by a reload, where there is one.
///
/// # Errors
/// Nothing could be started; every port that was bound is free again.
pub fn run(config: Config, source: ConfigSource, log: Option<LogControl>) -> Result<(), RunError> {
    let system = |what| move |error| RunError::System { what, error };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system("an event loop"))?;
    LocalSet::new().block_on(&runtime, async {
        let mut app = App::start(config, source, log).await?;
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
    config: Arc<ArcSwap<Config>>,
    view: Arc<ArcSwap<View>>,
    readiness: Arc<ArcSwap<Readiness>>,
    telemetry: Arc<Telemetry>,
    log: Option<LogControl>,
    source: ConfigSource,
    listeners: Listeners,
    workers: Workers,
    learned: mpsc::Receiver<Learn>,
    pictures: watch::Receiver<Arc<View>>,
    control: Control,
    maintenance: MaintenanceHandle,
    register: RegisterHandle,
    signals: Signals,
    commands: mpsc::Receiver<AdminCommand>,
    admin: Admin,
}

/// The admin endpoint, which goes on until the sessions have ended.
struct Admin {
    address: SocketAddr,
    end: CancellationToken,
}

impl App {
    async fn start(config: Config, source: ConfigSource, log: Option<LogControl>) -> Result<Self, RunError> {
        let system = |what| move |error| RunError::System { what, error };
        let signals = Signals::new().map_err(system("signal handlers"))?;
        let (telemetry, mut metrics) = Telemetry::new(config.runtime.workers + 1);
        // The last shard belongs to this thread, which accepts.
        let own_metrics = metrics.pop().ok_or_else(|| system("memory")(io::ErrorKind::OutOfMemory.into()))?;
        let admin = listen(config.admin.listen, "the admin endpoint", "admin.listen").await?;
        let config = Arc::new(config);
        let (mut control, pictures, leaders) = Control::new(Arc::clone(&config), Arc::clone(&telemetry));
        let cluster = Arc::new(control.operator());
        let (upkeep, maintenance, policies) = {
            let cluster = Arc::<Operator>::clone(&cluster);
            maintenance::open(Arc::clone(&config), pictures.clone(), leaders.clone(), cluster, Some(control.operator()))
        };
        let means = roll::Means { cluster, maintenance: maintenance.clone(), view: pictures.clone() };
        let mut known = maintenance.roll().filter(|roll| !roll.is_over()).map(|roll| roll.known).unwrap_or_default();
        known.extend(maintenance.reassign().filter(|run| !run.rests()).map(|run| run.known).unwrap_or_default());
        control.remember(known.iter().filter_map(|address| address.parse().ok()).collect());
        let (rolls, roll) = roll::open(means);
        let means = reassign::Means { operator: control.operator(), maintenance: maintenance.clone(), telemetry: Arc::clone(&telemetry) };
        let (reassigner, reassign) = reassign::open(means);
        let for_sessions = Pictures { view: pictures.clone(), leaders: leaders.clone(), policy: policies };
        let (workers, heard) = Workers::start(metrics, &config.limits, config.upstream.connect_timeout, &for_sessions).map_err(system("threads"))?;
        let mut listeners = Listeners::new(workers.handles(), &config.limits, own_metrics);
        let address = config.listen.bootstrap;
        let address = match listeners.bind(Endpoint::Bootstrap, address) {
            Ok(bound) => bound,
            Err(error) => {
                workers.stop();
                return Err(RunError::Bind { purpose: "clients", key: "listen.bootstrap", address, error });
            }
        };
        Listening { endpoint: "bootstrap", address, node_id: None }.emit();
        control.start(heard.interested);
        tokio::spawn(upkeep.run(workers.surveyor(), Arc::clone(&telemetry)));
        tokio::spawn(rolls.run());
        tokio::spawn(reassigner.run());
        let (register, registered) = register::open(&config.state.directory);
        tokio::spawn(register.run(Sources { surveyor: workers.surveyor(), telemetry: Arc::clone(&telemetry), leaders }));

        let (sender, commands) = mpsc::channel(ADMIN_COMMANDS_MAX);
        let view = Arc::new(ArcSwap::from_pointee(View::default()));
        let (config, readiness) = (Arc::new(ArcSwap::new(config)), Arc::new(ArcSwap::from_pointee(Readiness::default())));
        let state = AdminState {
            view: Arc::clone(&view),
            config: Arc::clone(&config),
            readiness: Arc::clone(&readiness),
            telemetry: Arc::clone(&telemetry),
            commands: sender,
            maintenance: maintenance.clone(),
            roll,
            reassign,
            operator: control.operator(),
            surveyor: workers.surveyor(),
            register: registered.clone(),
            started: Started { at: SystemTime::now(), instant: Instant::now() },
        };
        tokio::spawn(watch_traffic(Arc::clone(&telemetry)));
        let admin = serve_admin(admin, state)?;
        let mut app = App {
            config,
            view,
            readiness,
            telemetry,
            log,
            source,
            listeners,
            workers,
            learned: heard.learned,
            pictures,
            control,
            maintenance,
            register: registered,
            signals,
            commands,
            admin,
        };
        app.show(false);
        Ok(app)
    }

    async fn serve(&mut self) {
        loop {
            tokio::select! {
                told = self.signals.next() => match told {
                    Told::End => return,
                    Told::Reload => {
                        // Its outcome is in the log.
                        let _ = self.reload(Some(BY_SIGNAL.to_owned()), None).await;
                    }
                },
                Some(event) = self.control.next_event() => self.control.on_event(event, &mut self.listeners),
                Some(learn) = self.learned.recv() => self.control.on_learn(learn, &mut self.listeners),
                Some(command) = self.commands.recv() => self.on_command(command).await,
            }
            self.show(false);
        }
    }

    async fn on_command(&mut self, command: AdminCommand) {
        match command {
            AdminCommand::Reload { who, why, reply } => {
                let reloaded = self.reload(who, why).await;
                // Whoever asked may have gone.
                let _ = reply.send(reloaded);
            }
        }
    }

    /// Puts the present state where the admin endpoint reads it.
    fn show(&mut self, stopping: bool) {
        if self.pictures.has_changed().unwrap_or(false) {
            self.view.store(Arc::clone(&self.pictures.borrow_and_update()));
        }
        let virtual_bind = self.config.load().listen.virtual_brokers.bind;
        let mut states: Vec<_> = self.listeners.bound().into_iter().map(|(endpoint, address)| listener_state(endpoint, address, None)).collect();
        states.push(ListenerState { endpoint: admin::Endpoint::Admin, node_id: None, address: self.admin.address, error: None });
        for (node_id, problem) in self.control.unbindable() {
            states.push(listener_state(Endpoint::Node(*node_id), SocketAddr::new(virtual_bind, 0), Some(problem.clone())));
        }
        let readiness = Readiness { listeners: states, stopping };
        if **self.readiness.load() != readiness {
            self.readiness.store(Arc::new(readiness));
        }
    }

    /// Stops accepting, waits for what is in flight, and ends.
    async fn end(mut self) {
        let grace = self.config.load().limits.shutdown_grace;
        ShutdownBegan { sessions: self.workers.sessions() as u64, grace }.emit();
        self.show(true);
        self.listeners.stop_accepting();
        self.workers.drain();
        let over = tokio::time::sleep(grace);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = self.workers.all_ended() => break,
                () = &mut over => break,
                () = self.signals.end() => break,
                // Sessions that wait for a virtual broker need an answer to finish.
                Some(learn) = self.learned.recv() => self.control.on_learn(learn, &mut self.listeners),
                Some(event) = self.control.next_event() => self.control.on_event(event, &mut self.listeners),
            }
        }
        let forced = self.workers.sessions() as u64;
        // Sessions that end tell of themselves; those that are cut off could not any more.
        self.register.finish().await;
        self.workers.stop();
        self.admin.end.cancel();
        ShutdownEnded { forced }.emit();
    }
}

/// Commands of operators that wait for their turn; a further one waits at the endpoint.
const ADMIN_COMMANDS_MAX: usize = 16;

async fn listen(address: SocketAddr, purpose: &'static str, key: &'static str) -> Result<TcpListener, RunError> {
    TcpListener::bind(address).await.map_err(|error| RunError::Bind { purpose, key, address, error })
}

/// Looks at what goes to each broker, for as long as the process lives.
async fn watch_traffic(telemetry: Arc<Telemetry>) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        telemetry.note_traffic(Instant::now());
    }
}

fn serve_admin(listener: TcpListener, state: AdminState) -> Result<Admin, RunError> {
    let address = listener.local_addr().map_err(|error| RunError::System { what: "the admin endpoint's address", error })?;
    Listening { endpoint: "admin", address, node_id: None }.emit();
    let end = CancellationToken::new();
    tokio::spawn(admin::serve(listener, admin::router(state), end.clone()));
    Ok(Admin { address, end })
}

fn listener_state(endpoint: Endpoint, address: SocketAddr, error: Option<String>) -> ListenerState {
    let node_id = endpoint.node_id();
    let endpoint = if node_id.is_some() { admin::Endpoint::VirtualBroker } else { admin::Endpoint::Bootstrap };
    ListenerState { endpoint, node_id, address, error }
}
