//! The cluster as a drain sees it: read as a whole, and changed partition by partition.

use std::fmt::Debug;
use std::pin::Pin;

use crate::control::{NotChanged, Operator, OperatorError};
use crate::rolling::Census;
use crate::rolling::drain::Move;

/// An answer of the cluster, in its own time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, OperatorError>> + Send + 'a>>;

/// Whoever reads and changes the cluster.
pub trait Cluster: Debug + Send + Sync {
    fn census(&self) -> Answer<'_, Census>;

    /// Whether a person has to change the order of replicas.
    fn needs_hands(&self, census: &Census) -> bool;

    /// Gives partitions these orders and leaders; those that stay as they were are in the answer.
    fn change<'a>(&'a self, moves: &'a [Move]) -> Answer<'a, Vec<NotChanged>>;
}

impl Cluster for Operator {
    fn census(&self) -> Answer<'_, Census> {
        Box::pin(Operator::census(self))
    }

    fn needs_hands(&self, census: &Census) -> bool {
        Operator::needs_hands(self, census)
    }

    fn change<'a>(&'a self, moves: &'a [Move]) -> Answer<'a, Vec<NotChanged>> {
        Box::pin(Operator::change(self, moves))
    }
}
