//! IO. Walks the brokers of a cluster: reads it, asks the rules of [`crate::rolling::walk`] what is next, and does that.
//!
//! A roll is kept with the maintenance windows and the drains, in their state and audit file. One is walked at a time, by one Leeward where several share it.
//!
//! **Invariant: written down first.** Whatever a roll does next is on the disk before it is done.

mod absence;
pub mod api;
mod commands;
mod task;
mod views;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};

use crate::cluster::View;
use crate::config::Config;
use crate::maintenance::{Cluster, MaintenanceHandle, Refusal, RefusalKind};
use crate::rolling::walk::Roll;
use api::{AbortRequest, PauseRequest, ResumeRequest, RollAnswer, RollStatus, RollView, StartRequest};
pub use task::Rolls;

/// Commands of operators that wait for their turn.
const COMMANDS_MAX: usize = 16;

type Reply = oneshot::Sender<Result<RollAnswer, Refusal>>;

enum Order {
    Start(StartRequest, Reply),
    Pause(PauseRequest, Reply),
    Resume(ResumeRequest, Reply),
    Abort(AbortRequest, Reply),
}

/// Reads the roll and sends commands.
#[derive(Debug, Clone)]
pub struct RollHandle {
    orders: mpsc::Sender<Order>,
    shown: Arc<ArcSwap<Option<Roll>>>,
    maintenance: MaintenanceHandle,
}

impl RollHandle {
    /// Begins a roll, or shows how it would go.
    pub async fn start(&self, request: StartRequest) -> Result<RollAnswer, Refusal> {
        self.ask(|reply| Order::Start(request, reply)).await
    }

    /// Lets the roll begin nothing more.
    pub async fn pause(&self, request: PauseRequest) -> Result<RollAnswer, Refusal> {
        self.ask(|reply| Order::Pause(request, reply)).await
    }

    /// Lets a roll go on that pauses, or that a problem has stopped.
    pub async fn resume(&self, request: ResumeRequest) -> Result<RollAnswer, Refusal> {
        self.ask(|reply| Order::Resume(request, reply)).await
    }

    /// Ends the roll before its last broker.
    pub async fn abort(&self, request: AbortRequest) -> Result<RollAnswer, Refusal> {
        self.ask(|reply| Order::Abort(request, reply)).await
    }

    /// The roll that goes on, or the last one.
    pub fn status(&self) -> RollStatus {
        let view = |roll: &Roll| RollView { old_view: self.maintenance.old_view(), ..views::view(roll, now()) };
        RollStatus { roll: self.shown.load().as_ref().as_ref().map(view) }
    }

    /// Where the roll stands that goes on, or the last one, in a word of [`Roll::LABELS`].
    pub fn label(&self) -> Option<&'static str> {
        self.shown.load().as_ref().as_ref().map(Roll::label)
    }

    async fn ask(&self, order: impl FnOnce(Reply) -> Order) -> Result<RollAnswer, Refusal> {
        let ending =
            || Refusal { kind: RefusalKind::Ending, error: "Leeward is ending".to_owned(), hint: "ask again when it runs".to_owned(), preflight: None };
        let (reply, answer) = oneshot::channel();
        self.orders.send(order(reply)).await.map_err(|_| ending())?;
        answer.await.map_err(|_| ending())?
    }
}

/// With what rolls work.
pub struct Means {
    pub cluster: Arc<dyn Cluster>,
    pub maintenance: MaintenanceHandle,
    pub view: watch::Receiver<Arc<View>>,
}

/// Gives what has to be driven with [`Rolls::run`], and its handle.
pub fn open(means: Means) -> (Rolls, RollHandle) {
    let (orders, inbox) = mpsc::channel(COMMANDS_MAX);
    let shown = Arc::new(ArcSwap::from_pointee(means.maintenance.roll()));
    let maintenance = means.maintenance.clone();
    (Rolls::new(means, inbox, Arc::clone(&shown)), RollHandle { orders, shown, maintenance })
}

/// Where the output of the operator's commands goes.
fn output_directory(config: &Config) -> PathBuf {
    config.state.directory.join("roll")
}

fn now() -> crate::guard::time::Millis {
    crate::guard::time::millis(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default())
}
