//! IO. Moves partitions from broker to broker: reads the cluster, asks the rules of [`crate::rolling::reassign::run`] what is next, and does that.
//!
//! A reassignment is kept with the maintenance windows, the drains and the roll, in their state and audit file; these and it forbid one another. One is walked at a time,
//! by one Leeward where several share it.
//!
//! **Invariant: written down first.** Whatever a reassignment does next is on the disk before it is done; only to set again what was set before may come without.

pub mod api;
mod hands;
mod latency;
mod task;
mod views;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use crate::control::Operator;
use crate::maintenance::{MaintenanceHandle, Refusal, RefusalKind};
use crate::rolling::reassign::run::Run;
use crate::telemetry::Reassignment as Standing;
use crate::telemetry::Telemetry;
use api::{PauseRequest, ReassignAnswer, ReassignStatus, ReassignView, ResumeRequest, RollbackRequest, RunRequest};
pub use task::Reassigner;

/// Commands of operators that wait for their turn.
const COMMANDS_MAX: usize = 16;

type Reply = oneshot::Sender<Result<ReassignAnswer, Refusal>>;

enum Order {
    Run(RunRequest, Reply),
    Pause(PauseRequest, Reply),
    Resume(ResumeRequest, Reply),
    Rollback(RollbackRequest, Reply),
}

/// Reads the reassignment and sends commands.
#[derive(Debug, Clone)]
pub struct ReassignHandle {
    orders: mpsc::Sender<Order>,
    shown: Arc<ArcSwap<Option<Run>>>,
    maintenance: MaintenanceHandle,
}

impl ReassignHandle {
    /// Begins a reassignment, or shows how it would go.
    pub async fn run(&self, request: RunRequest) -> Result<ReassignAnswer, Refusal> {
        self.ask(|reply| Order::Run(request, reply)).await
    }

    /// Lets it begin nothing more.
    pub async fn pause(&self, request: PauseRequest) -> Result<ReassignAnswer, Refusal> {
        self.ask(|reply| Order::Pause(request, reply)).await
    }

    /// Lets it go on.
    pub async fn resume(&self, request: ResumeRequest) -> Result<ReassignAnswer, Refusal> {
        self.ask(|reply| Order::Resume(request, reply)).await
    }

    /// Brings everything back to where it was.
    pub async fn roll_back(&self, request: RollbackRequest) -> Result<ReassignAnswer, Refusal> {
        self.ask(|reply| Order::Rollback(request, reply)).await
    }

    /// The reassignment that goes on, or the last one.
    pub fn status(&self) -> ReassignStatus {
        ReassignStatus { reassignment: self.shown.load().as_ref().as_ref().map(|run| shown(&self.maintenance, run)) }
    }

    /// The same in figures, for whoever scrapes them.
    pub fn standing(&self) -> Option<Standing> {
        self.shown.load().as_ref().as_ref().map(|run| views::standing(run, self.maintenance.acts(), now()))
    }

    async fn ask(&self, order: impl FnOnce(Reply) -> Order) -> Result<ReassignAnswer, Refusal> {
        let ending =
            || Refusal { kind: RefusalKind::Ending, error: "Leeward is ending".to_owned(), hint: "ask again when it runs".to_owned(), preflight: None };
        let (reply, answer) = oneshot::channel();
        self.orders.send(order(reply)).await.map_err(|_| ending())?;
        answer.await.map_err(|_| ending())?
    }
}

/// With what reassignments work.
pub struct Means {
    pub operator: Operator,
    pub maintenance: MaintenanceHandle,
    pub telemetry: Arc<Telemetry>,
}

/// Gives what has to be driven with [`Reassigner::run`], and its handle.
pub fn open(means: Means) -> (Reassigner, ReassignHandle) {
    let (orders, inbox) = mpsc::channel(COMMANDS_MAX);
    let shown = Arc::new(ArcSwap::from_pointee(means.maintenance.reassign()));
    let maintenance = means.maintenance.clone();
    (Reassigner::new(means, inbox, Arc::clone(&shown)), ReassignHandle { orders, shown, maintenance })
}

/// As it is shown here and now.
fn shown(maintenance: &MaintenanceHandle, run: &Run) -> ReassignView {
    let directory = maintenance.configs().borrow().state.directory.clone();
    ReassignView { old_view: maintenance.old_view(), ..views::view(run, &directory, now()) }
}

fn now() -> crate::guard::time::Millis {
    crate::guard::time::millis(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default())
}
