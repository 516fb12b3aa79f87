//! Reads what the brokers have stored, past the clients: from the sandbox's own logs, or from real brokers' leaders directly.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::book::Book;
use super::client::{ClientError, Connection, Topology, batch, fetch_once};
use super::load::{PARTITIONS, Side, Stamp};
use super::traffic::Lane;
use crate::sandbox::Sandbox;
use crate::wire::WireError;

/// Between two attempts to reach a leader.
const LOOK: Duration = Duration::from_millis(100);

/// Where the logs are.
pub(super) enum Source {
    Sandbox(Arc<Sandbox>),
    /// Asked directly, never through Leeward.
    Brokers(Arc<Lane>),
}

/// Why the logs could not be read to their end.
#[derive(Debug, thiserror::Error)]
pub(super) enum AuditError {
    #[error("reading the brokers' logs: {0}")]
    Client(#[from] ClientError),
    #[error("reading the sandbox's logs: {0}")]
    Malformed(#[from] WireError),
    #[error("{topic}-{partition}: offsets {from} to {to} were removed before they were looked at")]
    Gap { topic: &'static str, partition: i32, from: i64, to: i64 },
}

/// How far each log has been read.
pub(super) struct Audit {
    source: Source,
    books: BTreeMap<Side, Arc<Book>>,
    next: BTreeMap<(Side, i32), i64>,
}

impl Audit {
    pub(super) fn new(source: Source, books: BTreeMap<Side, Arc<Book>>) -> Self {
        Audit { source, books, next: BTreeMap::new() }
    }

    /// Writes down everything that came to the logs since the last time. Waits up to `patience` for leaders that are away.
    ///
    /// # Errors
    /// A log cannot be read, or has lost its beginning.
    pub(super) async fn complete(&mut self, patience: Duration) -> Result<(), AuditError> {
        let deadline = Instant::now() + patience;
        loop {
            match self.advance().await {
                Err(AuditError::Client(error)) if error.is_retriable() && Instant::now() < deadline => sleep(LOOK).await,
                other => return other,
            }
        }
    }

    /// The same in one attempt.
    ///
    /// # Errors
    /// As for [`Audit::complete`], and when a leader is away.
    pub(super) async fn advance(&mut self) -> Result<(), AuditError> {
        for side in Side::BOTH {
            for partition in 0..PARTITIONS {
                match &self.source {
                    Source::Sandbox(sandbox) => {
                        let sandbox = Arc::clone(sandbox);
                        self.read_sandbox(&sandbox, side, partition)?;
                    }
                    Source::Brokers(lane) => {
                        let lane = Arc::clone(lane);
                        self.read_brokers(&lane, side, partition).await?;
                    }
                }
            }
        }
        Ok(())
    }

    fn read_sandbox(&mut self, sandbox: &Sandbox, side: Side, partition: i32) -> Result<(), AuditError> {
        for batch in sandbox.log(side.topic(), partition) {
            let next = self.next(side, partition);
            if batch.header.next_offset() > next {
                if batch.header.base_offset > next {
                    return Err(AuditError::Gap { topic: side.topic(), partition, from: next, to: batch.header.base_offset });
                }
                self.write_down(side, partition, &batch.bytes)?;
            }
        }
        Ok(())
    }

    async fn read_brokers(&mut self, lane: &Lane, side: Side, partition: i32) -> Result<(), AuditError> {
        let mut any = lane.connect("demo-audit").await?;
        let topology = Topology::ask(&mut any, side.topic()).await?;
        let mut leader = Connection::open(topology.leader(partition)?, "demo-audit").await?;
        loop {
            let fetched = fetch_once(&mut leader, side.topic(), partition, self.next(side, partition), Duration::ZERO).await?;
            if self.write_down(side, partition, &fetched.records)? >= fetched.high_watermark {
                return Ok(());
            }
        }
    }

    fn next(&self, side: Side, partition: i32) -> i64 {
        self.next.get(&(side, partition)).copied().unwrap_or(0)
    }

    /// Remembers at once how far it came: after an error the next attempt must not take the same records for duplicates.
    fn write_down(&mut self, side: Side, partition: i32, batches: &[u8]) -> Result<i64, WireError> {
        let mut stamps = Vec::new();
        let next = batch::read(batches, self.next(side, partition), &mut |record| stamps.push(Stamp::read(record.value)))?;
        if let Some(book) = self.books.get(&side) {
            book.stored(partition, &stamps);
        }
        self.next.insert((side, partition), next);
        Ok(next)
    }
}
