//! One side's clients: producers of every kind for every partition, and a consumer group of two members.

mod fetcher;
mod member;
mod producer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::messages::{InitProducerIdRequest, ProducerId};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::book::{Book, MemberPage};
use super::client::{ClientError, Connection, Topology, check_code};
use super::load::{Kind, Orders, PARTITIONS, Side};
use producer::Numbered;

/// Members of a consumer group: one has two partitions, the other one.
pub(super) const MEMBERS: usize = 2;
/// Between two attempts of a client to reach a broker (`retry.backoff.ms`).
const RETRY_BACKOFF: Duration = Duration::from_millis(100);
/// How often a producer id is asked for: a young broker answers that its coordinator loads.
const PRODUCER_ID_ATTEMPTS: usize = 100;

/// What the clients of one side share.
pub(super) struct Lane {
    pub(super) side: Side,
    /// Where clients begin: the brokers themselves, or Leeward.
    pub(super) bootstrap: Vec<SocketAddr>,
    pub(super) book: Arc<Book>,
    /// When the demo began; stamps count from it.
    pub(super) epoch: Instant,
}

impl Lane {
    fn topic(&self) -> &'static str {
        self.side.topic()
    }

    /// A connection to any broker.
    pub(super) async fn connect(&self, client_id: &str) -> Result<Connection, ClientError> {
        let mut last = ClientError::Closed;
        for &address in &self.bootstrap {
            match Connection::open(address, client_id).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// A connection to a partition's leader.
    async fn connect_to_leader(&self, partition: i32, client_id: &str) -> Result<Connection, ClientError> {
        let topology = Topology::ask(&mut self.connect(client_id).await?, self.topic()).await?;
        Connection::open(topology.leader(partition)?, client_id).await
    }

    /// A producer id and its epoch.
    async fn producer_id(&self) -> Result<Numbered, ClientError> {
        let mut last = ClientError::Closed;
        for _ in 0..PRODUCER_ID_ATTEMPTS {
            match self.ask_producer_id().await {
                Ok(numbered) => return Ok(numbered),
                Err(error) => last = error,
            }
            tokio::time::sleep(RETRY_BACKOFF).await;
        }
        Err(last)
    }

    async fn ask_producer_id(&self) -> Result<Numbered, ClientError> {
        let mut connection = self.connect("demo-idempotent").await?;
        let request = InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(60_000);
        let answer = connection.ask(&request.with_producer_id(ProducerId(-1)).with_producer_epoch(-1)).await?;
        check_code("InitProducerId", answer.error_code)?;
        Ok(Numbered { producer_id: answer.producer_id.0, epoch: answer.producer_epoch })
    }
}

/// The running clients of one side. Dropping it ends them where they are.
pub(super) struct Traffic {
    pub(super) lane: Arc<Lane>,
    producers: JoinSet<()>,
    members: JoinSet<()>,
    leave: CancellationToken,
}

impl Traffic {
    /// Starts the clients; the producers wait for orders.
    ///
    /// # Errors
    /// When no producer id can be had.
    pub(super) async fn start(lane: Lane, orders: &watch::Receiver<Orders>) -> Result<Self, ClientError> {
        let lane = Arc::new(lane);
        let numbered = lane.producer_id().await?;
        let (mut producers, mut members, leave) = (JoinSet::new(), JoinSet::new(), CancellationToken::new());
        for member in 0..MEMBERS {
            members.spawn(member::run(Arc::clone(&lane), member, leave.clone()));
        }
        for kind in Kind::ALL {
            for partition in 0..PARTITIONS {
                let numbered = (kind == Kind::Idempotent).then_some(numbered);
                producers.spawn(producer::run(Arc::clone(&lane), kind, partition, numbered, orders.clone()));
            }
        }
        Ok(Traffic { lane, producers, members, leave })
    }

    /// Waits until both members have partitions and have committed, as they can before there is a record; the errors until then are those of a young cluster,
    /// whose coordinators are still being made, and are forgotten.
    pub(super) async fn settled(&self) {
        self.until(|book| {
            let group = &book.pages().group;
            let has_its_part = |member: &MemberPage| member.joined && member.committed && !member.partitions.is_empty();
            group.members.len() == MEMBERS && group.members.values().all(has_its_part)
        })
        .await;
        self.lane.book.pages().forget_errors();
    }

    /// Waits for producers that were told to end.
    pub(super) async fn produced(&mut self) {
        while self.producers.join_next().await.is_some() {}
    }

    /// Waits until the group has read all that is stored.
    pub(super) async fn consumed(&self) {
        self.until(|book| book.pages().fate().unread == 0).await;
    }

    /// Lets the members commit what they have read and leave their group.
    pub(super) async fn left(&mut self) {
        self.leave.cancel();
        while self.members.join_next().await.is_some() {}
    }

    async fn until(&self, is_so: impl Fn(&Book) -> bool) {
        loop {
            let read = self.lane.book.read.notified();
            tokio::pin!(read);
            // Registered before the look, so that what comes in between is not missed.
            read.as_mut().enable();
            if is_so(&self.lane.book) {
                return;
            }
            read.await;
        }
    }
}
