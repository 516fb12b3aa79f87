//! [`Sandbox`]: start a cluster, do things to it, look at it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::fault::Fault;
use super::model::records::{KeyValue, records_of};
use super::model::{ClusterState, Command, CommandError, Input, Model, ModelConfig, Phase, StoredBatch};
use super::server::Server;

/// How a sandbox begins.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    pub brokers: usize,
    /// The first broker's node id; the others follow.
    pub first_node_id: i32,
    /// How long [`Sandbox::wait`], and what waits inside, may take. Generous: it only says that something is wrong.
    pub wait_max: Duration,
    pub model: ModelConfig,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        SandboxConfig { brokers: 3, first_node_id: 1, wait_max: Duration::from_secs(30), model: ModelConfig::default() }
    }
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("the sandbox cannot start: {0}")]
    Start(#[from] std::io::Error),
    #[error("not so within {0:?}; the cluster is {1:?}")]
    TimedOut(Duration, Box<ClusterState>),
}

/// A running cluster. Dropping it ends it.
pub struct Sandbox {
    server: Arc<Server>,
    end: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
    wait_max: Duration,
    next_node: std::sync::atomic::AtomicI32,
}

impl Sandbox {
    /// Starts the brokers on free ports of 127.0.0.1 and waits until all of them serve.
    ///
    /// # Errors
    /// When no thread, runtime or port can be had.
    pub async fn start(config: SandboxConfig) -> Result<Sandbox, SandboxError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let server = Arc::new(Server::new(Model::new(config.model), runtime.handle().clone()));
        let end = CancellationToken::new();
        let (ended, clock) = (end.clone(), Arc::clone(&server));
        let thread = std::thread::Builder::new().name("sandbox".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = clock.keep_time() => {}
                    () = ended.cancelled() => {}
                }
            });
        })?;
        let next_node = std::sync::atomic::AtomicI32::new(config.first_node_id);
        let sandbox = Sandbox { server, end, thread: Some(thread), wait_max: config.wait_max, next_node };
        for _ in 0..config.brokers {
            sandbox.new_broker()?;
        }
        sandbox.wait(|state| state.is_healthy()).await?;
        Ok(sandbox)
    }

    /// `host:port` of every broker, comma separated.
    pub fn bootstrap(&self) -> String {
        self.brokers().iter().map(|(_, address)| address.to_string()).collect::<Vec<_>>().join(",")
    }

    /// Every broker, those that are down too: a port stays a broker's.
    pub fn brokers(&self) -> Vec<(i32, SocketAddr)> {
        self.server.state().endpoints.iter().map(|(&node, endpoint)| (node, endpoint.address)).collect()
    }

    /// Makes a topic and waits until its leaders know.
    ///
    /// # Errors
    /// As CreateTopics, for example when it exists or there are too few brokers.
    pub async fn create_topic(&self, name: &str, partitions: i32, replication_factor: i16, min_isr: usize) -> Result<(), SandboxError> {
        self.command(Command::CreateTopic { name: name.to_owned(), partitions, replication_factor, min_isr: Some(min_isr) })?;
        let ready = |state: &ClusterState| state.partitions.iter().filter(|partition| partition.topic == name).all(|partition| partition.leader_ready);
        self.wait(ready).await.map(drop)
    }

    /// Controlled shutdown: leaders move first. Returns when the process is gone.
    ///
    /// # Errors
    /// When the broker does not run.
    pub async fn stop(&self, node: i32) -> Result<(), SandboxError> {
        self.command(Command::Stop(node))?;
        self.wait_for_phase(node, Phase::Down).await
    }

    /// The process is gone at once; its leaderships move when its session has ended.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn kill(&self, node: i32) -> Result<(), SandboxError> {
        self.command(Command::Kill(node))
    }

    /// As SIGSTOP: sockets stay open and nothing answers.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn pause(&self, node: i32) -> Result<(), SandboxError> {
        self.command(Command::Pause(node))
    }

    /// As SIGCONT.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn resume(&self, node: i32) -> Result<(), SandboxError> {
        self.command(Command::Resume(node))
    }

    /// Starts a broker that is down, with the log it had, at the address it had. Returns when it accepts connections; it may still be catching up.
    ///
    /// # Errors
    /// When it is not down.
    pub async fn start_broker(&self, node: i32) -> Result<(), SandboxError> {
        self.command(Command::Start(node))?;
        self.wait_for_phase(node, Phase::Running).await
    }

    /// One more broker; returns its node id when it accepts connections.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn add_broker(&self) -> Result<i32, SandboxError> {
        let node = self.new_broker()?;
        self.wait_for_phase(node, Phase::Running).await?;
        Ok(node)
    }

    /// Lets a broker lag: its fetches from leaders take so long one way. `None`: as long as everybody's.
    ///
    /// # Errors
    /// When there is no such broker.
    pub fn set_replication_delay(&self, node: i32, delay: Option<Duration>) -> Result<(), SandboxError> {
        self.command(Command::SetReplicationDelay { node, delay })
    }

    /// Adds a fault to a broker's connections.
    pub fn inject(&self, node: i32, fault: Fault) {
        self.server.inject(node, Some(fault));
    }

    /// Ends the faults of a broker's connections that last.
    pub fn clear_faults(&self, node: i32) {
        self.server.inject(node, None);
    }

    /// The cluster now.
    pub fn state(&self) -> ClusterState {
        self.server.state().model.snapshot()
    }

    /// Returns the first state in which this is so.
    ///
    /// # Errors
    /// [`SandboxError::TimedOut`] after `wait_max`.
    pub async fn wait(&self, is_so: impl Fn(&ClusterState) -> bool) -> Result<ClusterState, SandboxError> {
        let mut changes = self.server.changes();
        let met = async {
            loop {
                changes.borrow_and_update();
                let state = self.state();
                if is_so(&state) {
                    return state;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        match tokio::time::timeout(self.wait_max, met).await {
            Ok(state) => Ok(state),
            Err(_elapsed) => Err(SandboxError::TimedOut(self.wait_max, Box::new(self.state()))),
        }
    }

    /// The batches of a partition below its high watermark, as stored.
    pub fn log(&self, topic: &str, partition: i32) -> Vec<StoredBatch> {
        self.server.state().model.committed(topic, partition)
    }

    /// Every batch in one broker's copy, committed or not.
    pub fn log_at(&self, node: i32, topic: &str, partition: i32) -> Vec<StoredBatch> {
        self.server.state().model.stored_at(node, topic, partition)
    }

    /// The records of [`Sandbox::log`]; `None` when a batch is compressed.
    pub fn records(&self, topic: &str, partition: i32) -> Option<Vec<KeyValue>> {
        self.log(topic, partition).iter().map(|stored| records_of(&stored.bytes)).collect::<Option<Vec<_>>>().map(|batches| batches.concat())
    }

    /// Ends everything: sockets are closed when this returns.
    pub async fn shutdown(mut self) {
        self.end.cancel();
        if let Some(thread) = self.thread.take() {
            // Only a panic of the sandbox's own thread, which has been printed, makes this an error.
            let _panicked = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    fn new_broker(&self) -> Result<i32, SandboxError> {
        let node = self.next_node.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let address = self.server.reserve(node)?;
        self.command(Command::AddBroker { node, host: address.ip().to_string(), port: address.port() })?;
        Ok(node)
    }

    fn command(&self, command: Command) -> Result<(), SandboxError> {
        Ok(self.server.handle(Input::Command(command))?)
    }

    async fn wait_for_phase(&self, node: i32, phase: Phase) -> Result<(), SandboxError> {
        self.wait(|state| state.broker(node).is_some_and(|broker| broker.phase == phase)).await.map(drop)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.end.cancel();
    }
}
