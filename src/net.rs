//! IO. Listeners, threads and sockets: performs what [`crate::session`] decides.
//!
//! A client is accepted by [`listeners`] on the control thread and dealt to the [`worker`] with the fewest sessions. From then on the session
//! and all its sockets live on that thread, driven by one [`driver`] task: no lock, no wake-up across cores.

mod census;
pub mod dial;
pub mod driver;
mod linger;
pub mod listeners;
mod pool;
pub mod worker;

pub use census::{Census, Connection};
pub use listeners::{Endpoint, Listeners};
pub use worker::{Learn, Pictures, Surveyor, WorkerHandle, Workers};
