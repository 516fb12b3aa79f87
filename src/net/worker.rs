//! A thread that carries sessions, with an event loop of its own.

mod serving;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use slab::Slab;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::LocalSet;

use super::census::{Census, Place, Seen};
use super::listeners::Endpoint;
use super::pool::Pool;
use crate::clients::Table;
use crate::cluster::{Leaders, TopicKey, View};
use crate::config::{HostPort, Limits};
use crate::guard::Policy;
use crate::protocol::patch::NodeAddress;
use crate::session::{About, CloseCause, SessionLimits};
use crate::telemetry::WorkerMetrics;
pub(super) use serving::Accepted;
use serving::{Served, serve};

/// Nodes that a response named and the picture does not have so; control takes them in.
pub struct Learn {
    pub nodes: Vec<NodeAddress>,
    /// Somebody waits until they have virtual brokers, as far as that can be.
    pub reply: Option<oneshot::Sender<Learned>>,
}

/// What sessions wait for; control asks the brokers.
#[derive(Debug)]
pub enum Interest {
    /// Who leads these topics.
    Topics(Vec<TopicKey>),
    /// Which brokers there are.
    Brokers,
}

/// The picture with the nodes in it.
pub struct Learned(pub Arc<View>);

/// Address changes that wait to be taken in; more are dropped, since the next response names them again.
const LEARN_QUEUE_MAX: usize = 256;

/// Interests of sessions that wait to be asked for; more are dropped, since whoever waits says so again.
const INTEREST_QUEUE_MAX: usize = 1024;

/// The part of the limits that sessions look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct WorkerLimits {
    pub(super) session: SessionLimits,
    pub(super) first_request_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) write_timeout: Duration,
    pub(super) connect_timeout: Duration,
}

impl WorkerLimits {
    fn new(limits: &Limits, connect_timeout: Duration) -> Self {
        WorkerLimits {
            session: SessionLimits {
                frame_bytes_max: limits.frame_bytes_max,
                first_frame_bytes_max: limits.first_frame_bytes_max,
                bytes_in_flight_max: limits.session_bytes_in_flight_max,
                requests_in_flight_max: limits.session_requests_in_flight_max,
            },
            first_request_timeout: limits.first_request_timeout,
            idle_timeout: limits.idle_timeout,
            write_timeout: limits.write_timeout,
            connect_timeout,
        }
    }
}

enum Command {
    Serve(Box<Accepted>),
    Limits(Box<WorkerLimits>),
    /// Tell what clients there are.
    Survey(oneshot::Sender<Vec<About>>),
    /// Hand over what was gathered of clients since the last time, and name the connections.
    Census(oneshot::Sender<Census>),
    /// Let every session finish what is in flight and end.
    Drain,
    /// End every session now.
    Stop,
}

/// What the sessions of one thread share.
pub(super) struct WorkerContext {
    pub(super) metrics: Rc<WorkerMetrics>,
    pub(super) pool: RefCell<Pool>,
    pub(super) view: RefCell<Arc<View>>,
    pub(super) policy: RefCell<Arc<Policy>>,
    pub(super) leaders: RefCell<Arc<Leaders>>,
    /// Bytes that the sessions of this thread hold.
    pub(super) held_bytes: Cell<usize>,
    pub(super) limits: RefCell<WorkerLimits>,
    pub(super) draining: Cell<bool>,
    started: Instant,
    learn: mpsc::Sender<Learn>,
    interests: mpsc::Sender<Interest>,
    sessions: RefCell<Slab<Seat>>,
    gathered: RefCell<Table>,
}

impl WorkerContext {
    /// Nanoseconds since the thread began.
    pub(super) fn now(&self) -> u64 {
        // u64 holds 584 years of nanoseconds; 1 keeps 0 free for "not yet".
        1 + u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX - 1)
    }

    pub(super) fn instant(&self, at: u64) -> Instant {
        self.started + Duration::from_nanos(at)
    }

    /// Takes a picture that is newer than the present one.
    pub(super) fn set_view(&self, view: Arc<View>) {
        if view.generation > self.view.borrow().generation {
            *self.view.borrow_mut() = view;
            // Brokers that come and go concern those who wait for a leader, too.
            self.wake(|seat| seat.awaits_offer || seat.is_sheltering);
        }
    }

    fn set_leaders(&self, leaders: Arc<Leaders>) {
        *self.leaders.borrow_mut() = leaders;
        self.wake(|seat| seat.is_sheltering);
    }

    /// Takes a policy that is newer than the present one. Every session looks again: what it holds may have to go, or to stay.
    fn set_policy(&self, policy: Arc<Policy>) {
        if policy.generation > self.policy.borrow().generation {
            *self.policy.borrow_mut() = policy;
            self.wake(|_| true);
        }
    }

    /// Hands nodes to control; with `must_wait` there will be an answer.
    pub(super) fn learn(&self, nodes: Vec<NodeAddress>, must_wait: bool) -> Option<oneshot::Receiver<Learned>> {
        let (sender, receiver) = oneshot::channel();
        let reply = must_wait.then_some(sender);
        // When the queue is full the sender is dropped, which the waiting session takes as "no virtual broker".
        let _ = self.learn.try_send(Learn { nodes, reply });
        must_wait.then_some(receiver)
    }

    /// Has control ask the brokers; the answer comes as a new picture.
    pub(super) fn ask(&self, interest: Interest) {
        // When the queue is full enough is being asked; whoever waits says so again.
        let _ = self.interests.try_send(interest);
    }

    /// Has the sessions look again that `whom` chooses.
    fn wake(&self, whom: impl Fn(&Seat) -> bool) {
        for waker in self.sessions.borrow().iter().filter(|(_, seat)| whom(seat)).filter_map(|(_, seat)| seat.waker.as_ref()) {
            waker.wake_by_ref();
        }
    }

    fn survey(&self) -> Vec<About> {
        let of = |seat: &Seat| About { home: seat.home.or(seat.about.home), ..seat.about.clone() };
        self.sessions.borrow().iter().map(|(_, seat)| of(seat)).collect()
    }

    /// Whose address this is, that was dialled for a session of `endpoint`.
    fn node_at(&self, endpoint: Endpoint, address: &HostPort) -> Option<i32> {
        let of_address = || self.view.borrow().brokers.values().find(|broker| broker.upstream == *address).map(|broker| broker.node_id);
        endpoint.node_id().or_else(of_address)
    }

    fn census(&self) -> Census {
        let (now, at) = (self.now(), SystemTime::now());
        let mut census = Census { table: self.gathered.take(), topics: self.metrics.take_topics(), connections: Vec::new() };
        for (_, seat) in self.sessions.borrow_mut().iter_mut() {
            census.take(&mut seat.seen, &seat.about, Place { peer: seat.peer, node_id: seat.node_id, since: seat.since }, now, at);
        }
        census
    }

    /// A session has ended: what is new of it is gathered.
    fn farewell(&self, mut seat: Seat) {
        let (now, at) = (self.now(), SystemTime::now());
        seat.seen.tell(&mut self.gathered.borrow_mut(), &seat.about, seat.peer.ip(), now, at);
    }

    /// The brokers that may serve a session of this endpoint, best first.
    fn homes(&self, endpoint: Endpoint) -> Vec<HostPort> {
        let view = self.view.borrow();
        match endpoint {
            Endpoint::Node(node_id) => view.brokers.get(&node_id).map(|broker| broker.upstream.clone()).into_iter().collect(),
            Endpoint::Bootstrap => {
                let mut homes = view.homes();
                if !homes.is_empty() {
                    let first = fastrand::usize(..homes.len());
                    homes.rotate_left(first);
                }
                let policy = self.policy.borrow();
                let draining: Vec<_> = policy.draining.iter().filter_map(|node_id| view.brokers.get(node_id)).map(|broker| &broker.upstream).collect();
                homes.sort_by_key(|home| draining.contains(&home));
                homes
            }
        }
    }
}

/// What is known of a session outside of its own task.
struct Seat {
    peer: SocketAddr,
    node_id: Option<i32>,
    since: SystemTime,
    seen: Seen,
    waker: Option<Waker>,
    /// It waits for the brokers' versions.
    awaits_offer: bool,
    /// News of brokers and leaders concerns it.
    is_sheltering: bool,
    about: About,
    /// Whose connection its home is while that is up.
    home: Option<i32>,
    about_changes: u32,
}

impl Seat {
    fn new(peer: SocketAddr, node_id: Option<i32>) -> Self {
        Seat {
            peer,
            node_id,
            since: SystemTime::now(),
            seen: Seen::default(),
            waker: None,
            awaits_offer: false,
            is_sheltering: false,
            about: About::default(),
            home: None,
            about_changes: 0,
        }
    }
}

/// Sessions of one worker and of all, those on their way to it included.
#[derive(Clone)]
struct SessionCount {
    of_worker: Arc<AtomicUsize>,
    /// Tells when it changes: somebody may wait for the last one.
    of_all: watch::Sender<usize>,
}

impl SessionCount {
    fn one_more(&self) {
        self.of_worker.fetch_add(1, Ordering::Relaxed);
        self.of_all.send_modify(|sessions| *sessions += 1);
    }

    fn one_ended(&self) {
        self.of_worker.fetch_sub(1, Ordering::Relaxed);
        self.of_all.send_modify(|sessions| *sessions -= 1);
    }
}

/// The sending end of one worker.
#[derive(Clone)]
pub struct WorkerHandle {
    commands: mpsc::UnboundedSender<Command>,
    count: SessionCount,
}

impl WorkerHandle {
    /// Sessions that the worker has, those on their way included.
    pub(super) fn sessions(&self) -> usize {
        self.count.of_worker.load(Ordering::Relaxed)
    }

    pub(super) fn serve(&self, accepted: Accepted) {
        self.count.one_more();
        if self.commands.send(Command::Serve(Box::new(accepted))).is_err() {
            self.count.one_ended();
        }
    }
}

/// What sessions work by, as it changes.
#[derive(Clone)]
pub struct Pictures {
    pub view: watch::Receiver<Arc<View>>,
    pub leaders: watch::Receiver<Arc<Leaders>>,
    pub policy: watch::Receiver<Arc<Policy>>,
}

/// What sessions tell control.
pub struct Heard {
    /// Nodes that they hear of.
    pub learned: mpsc::Receiver<Learn>,
    /// What they wait for.
    pub interested: mpsc::Receiver<Interest>,
}

/// Asks the workers about their clients.
#[derive(Debug, Clone, Default)]
pub struct Surveyor {
    workers: Vec<mpsc::UnboundedSender<Command>>,
}

impl Surveyor {
    /// Every connected client. `None`: a worker does not answer, as at the end.
    pub async fn survey(&self) -> Option<Vec<About>> {
        let mut all = Vec::new();
        for worker in &self.workers {
            let (reply, answer) = oneshot::channel();
            worker.send(Command::Survey(reply)).ok()?;
            all.extend(answer.await.ok()?);
        }
        Some(all)
    }

    /// What every worker gathered of clients since the last time, and all connections. `None`: as in [`Surveyor::survey`].
    pub async fn census(&self) -> Option<Census> {
        let mut all = Census::default();
        for worker in &self.workers {
            let (reply, answer) = oneshot::channel();
            worker.send(Command::Census(reply)).ok()?;
            all.add(answer.await.ok()?);
        }
        Some(all)
    }
}

/// All the workers.
pub struct Workers {
    handles: Vec<WorkerHandle>,
    threads: Vec<JoinHandle<()>>,
    sessions: watch::Sender<usize>,
}

impl Workers {
    /// Starts a thread for each of `metrics`. What sessions hear of and wait for comes out of the returned receivers.
    ///
    /// # Errors
    /// The system gives no thread or no event loop.
    pub fn start(metrics: Vec<WorkerMetrics>, limits: &Limits, connect_timeout: Duration, pictures: &Pictures) -> io::Result<(Self, Heard)> {
        let (learn, learned) = mpsc::channel(LEARN_QUEUE_MAX);
        let (interests, interested) = mpsc::channel(INTEREST_QUEUE_MAX);
        let share_bytes = limits.buffer_bytes_max / metrics.len().max(1);
        let mut workers = Workers { handles: Vec::new(), threads: Vec::new(), sessions: watch::Sender::new(0) };
        for (index, metrics) in metrics.into_iter().enumerate() {
            let (commands, inbox) = mpsc::unbounded_channel();
            let count = SessionCount { of_worker: Arc::new(AtomicUsize::new(0)), of_all: workers.sessions.clone() };
            workers.handles.push(WorkerHandle { commands, count: count.clone() });
            let (buffer_bytes, limits) = (limits.buffer_bytes, WorkerLimits::new(limits, connect_timeout));
            let (learn, interests, pictures) = (learn.clone(), interests.clone(), pictures.clone());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let thread = std::thread::Builder::new().name(format!("leeward-worker-{index}")).spawn(move || {
                let context = Rc::new(WorkerContext {
                    metrics: Rc::new(metrics),
                    pool: RefCell::new(Pool::new(buffer_bytes, share_bytes)),
                    view: RefCell::new(Arc::clone(&pictures.view.borrow())),
                    policy: RefCell::new(Arc::clone(&pictures.policy.borrow())),
                    leaders: RefCell::new(Arc::clone(&pictures.leaders.borrow())),
                    held_bytes: Cell::new(0),
                    limits: RefCell::new(limits),
                    draining: Cell::new(false),
                    started: Instant::now(),
                    learn,
                    interests,
                    sessions: RefCell::new(Slab::new()),
                    gathered: RefCell::default(),
                });
                LocalSet::new().block_on(&runtime, run(context, inbox, pictures, count));
            })?;
            workers.threads.push(thread);
        }
        Ok((workers, Heard { learned, interested }))
    }

    /// What asks the workers about their clients.
    pub fn surveyor(&self) -> Surveyor {
        Surveyor { workers: self.handles.iter().map(|handle| handle.commands.clone()).collect() }
    }

    pub fn handles(&self) -> &[WorkerHandle] {
        &self.handles
    }

    /// New limits for all sessions.
    pub fn set_limits(&self, limits: &Limits, connect_timeout: Duration) {
        for handle in &self.handles {
            let _ = handle.commands.send(Command::Limits(Box::new(WorkerLimits::new(limits, connect_timeout))));
        }
    }

    /// Sessions of all workers.
    pub fn sessions(&self) -> usize {
        *self.sessions.borrow()
    }

    /// Ready when there is no session.
    pub async fn all_ended(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.sessions.subscribe().wait_for(|sessions| *sessions == 0).await;
    }

    /// Lets every session finish what is in flight.
    pub fn drain(&self) {
        for handle in &self.handles {
            let _ = handle.commands.send(Command::Drain);
        }
    }

    /// Ends every session and waits for the threads.
    pub fn stop(self) {
        for handle in &self.handles {
            let _ = handle.commands.send(Command::Stop);
        }
        for thread in self.threads {
            // A worker that panicked has said so on its own.
            let _ = thread.join();
        }
    }
}

async fn run(context: Rc<WorkerContext>, mut inbox: mpsc::UnboundedReceiver<Command>, pictures: Pictures, count: SessionCount) {
    let Pictures { mut view, mut policy, mut leaders } = pictures;
    loop {
        tokio::select! {
            command = inbox.recv() => match command {
                Some(Command::Serve(accepted)) => {
                    match Served::new(&context, *accepted, count.clone()) {
                        Some(served) => drop(tokio::task::spawn_local(serve(served))),
                        None => count.one_ended(),
                    }
                }
                Some(Command::Limits(limits)) => *context.limits.borrow_mut() = *limits,
                Some(Command::Survey(reply)) => {
                    // Whoever asked may have gone.
                    let _ = reply.send(context.survey());
                }
                Some(Command::Census(reply)) => {
                    if let Err(census) = reply.send(context.census()) {
                        // Whoever asked has gone: it is for the next one.
                        context.gathered.borrow_mut().add(census.table);
                        context.metrics.return_topics(census.topics);
                    }
                }
                Some(Command::Drain) => {
                    context.draining.set(true);
                    context.wake(|_| true);
                }
                Some(Command::Stop) | None => {
                    let cut = context.sessions.borrow().len();
                    (0..cut).for_each(|_| context.metrics.session_closed(CloseCause::ShutdownForced));
                    return;
                }
            },
            changed = view.changed() => {
                if changed.is_err() {
                    return;
                }
                let view = Arc::clone(&view.borrow_and_update());
                context.set_view(view);
            }
            // Without a sender the last leaders stay.
            Ok(()) = leaders.changed() => {
                let leaders = Arc::clone(&leaders.borrow_and_update());
                context.set_leaders(leaders);
            }
            // Without a sender the last policy stays: windows are then those that there were.
            Ok(()) = policy.changed() => {
                let policy = Arc::clone(&policy.borrow_and_update());
                context.set_policy(policy);
            }
        }
    }
}
