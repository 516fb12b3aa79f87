//! A producer of one kind for one partition: pipelined, in order, with the retries that its kind has in real life.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Lane, RETRY_BACKOFF};
use crate::demo::client::batch::{self, Numbering};
use crate::demo::client::{Answer, ClientError, Connection, check_code, empty_metadata, topic_name};
use crate::demo::load::{Kind, Orders, Pace, Stamp};

/// Batches that wait for their answer (`max.in.flight.requests.per.connection`); a broker remembers as many of an idempotent producer.
const IN_FLIGHT_MAX: usize = 5;
/// With acks=0, so many batches are followed by a question whose answer shows that they have been processed.
const UNANSWERED_MAX: usize = 5;
/// `request.timeout.ms` as it stands in a Produce.
const TIMEOUT_MS: i32 = 30_000;
/// The broker has the batch already: as good as an acknowledgement.
const DUPLICATE_SEQUENCE_NUMBER: i16 = 46;

/// So often in a row a batch of an idempotent producer may be refused for good before it is given up.
const REFUSALS_MAX: usize = 10;

/// A producer's id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbered {
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
}

/// Sends as ordered until it is told to end and everything is answered.
pub(super) async fn run(lane: Arc<Lane>, kind: Kind, partition: i32, numbered: Option<Numbered>, orders: watch::Receiver<Orders>) {
    let client_id = format!("demo-{}", kind.label());
    let due = Instant::now();
    let mut producer =
        Producer { lane, kind, partition, numbered, orders, client_id, next: 0, numbered_from: 0, due, pending: VecDeque::new(), is_stale: false, refusals: 0 };
    producer.live().await;
}

struct Producer {
    lane: Arc<Lane>,
    kind: Kind,
    partition: i32,
    numbered: Option<Numbered>,
    orders: watch::Receiver<Orders>,
    client_id: String,
    /// The number of the next record.
    next: u64,
    /// The record that has sequence number 0.
    numbered_from: u64,
    /// When the next batch is due.
    due: Instant,
    /// Sent and not confirmed, in order.
    pending: VecDeque<Pending>,
    /// The leader has moved: what is in flight ends first, then it is looked for.
    is_stale: bool,
    /// In a row, for good: nothing was acknowledged since.
    refusals: usize,
}

struct Pending {
    /// The request whose answer confirms it; none yet for a batch that is not answered.
    confirmed_by: Option<i32>,
    records: Range<u64>,
    pace: Pace,
    sent: Instant,
    batch: Bytes,
}

/// Why a producer lets go of its connection.
enum Parted {
    End,
    Stale,
    Lost(ClientError),
}

impl Producer {
    async fn live(&mut self) {
        loop {
            let parted = match self.lane.connect_to_leader(self.partition, &self.client_id).await {
                Ok(connection) => self.talk(connection).await,
                Err(error) => Parted::Lost(error),
            };
            match parted {
                Parted::End => return,
                Parted::Stale => self.is_stale = false,
                Parted::Lost(error) => self.lost(&error).await,
            }
            if self.orders.borrow().end && self.pending.is_empty() {
                return;
            }
            sleep(RETRY_BACKOFF).await;
        }
    }

    async fn talk(&mut self, mut connection: Connection) -> Parted {
        match self.exchange(&mut connection).await {
            Ok(parted) => parted,
            Err(error) => Parted::Lost(error),
        }
    }

    async fn exchange(&mut self, connection: &mut Connection) -> Result<Parted, ClientError> {
        self.resend(connection).await?;
        loop {
            let orders = *self.orders.borrow_and_update();
            let pace = orders.of(self.lane.side).filter(|_| !orders.end && !self.is_stale);
            if self.pending.is_empty() {
                if self.is_stale {
                    return Ok(Parted::Stale);
                }
                if orders.end {
                    return Ok(Parted::End);
                }
            }
            self.ask_for_proof(connection, pace.is_none()).await?;
            let due = if pace == Some(Pace::Steady) { self.due } else { Instant::now() };
            tokio::select! {
                biased;
                answer = connection.receive() => self.on_answer(&answer?)?,
                changed = self.orders.changed() => if changed.is_err() { return Ok(Parted::End) },
                () = sleep_until(due), if pace.is_some() && self.may_send() => {
                    if let Some(pace) = pace {
                        self.send(connection, pace).await?;
                    }
                }
            }
        }
    }

    fn may_send(&self) -> bool {
        let max = if self.kind == Kind::AcksNone { 2 * UNANSWERED_MAX } else { IN_FLIGHT_MAX };
        self.pending.len() < max
    }

    async fn send(&mut self, connection: &mut Connection, pace: Pace) -> Result<(), ClientError> {
        let now = Instant::now();
        self.due = next_due(self.due, now, pace, self.kind.steady_interval());
        let records = self.next..self.next + self.kind.batch_records();
        self.next = records.end;
        let sent_nanos = u64::try_from(self.lane.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let value = |number| Stamp { kind: self.kind, pace, number, sent_nanos }.value(self.kind.record_bytes());
        let values: Vec<_> = records.clone().map(value).collect();
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis();
        let sequence = i32::try_from(records.start.saturating_sub(self.numbered_from) % (1 << 31)).unwrap_or(0);
        let numbering = self.numbered.map(|Numbered { producer_id, epoch }| Numbering { producer_id, epoch, base_sequence: sequence });
        let batch = batch::write(&values, i64::try_from(timestamp).unwrap_or(i64::MAX), numbering);
        // Noted before it is sent: a batch that may have left must be accounted for.
        self.pending.push_back(Pending { confirmed_by: None, records, pace, sent: now, batch: batch.clone() });
        let confirmed_by = self.hand_over(connection, batch).await?;
        if let Some(pending) = self.pending.back_mut() {
            pending.confirmed_by = confirmed_by;
        }
        Ok(())
    }

    /// Returns the request that will be answered, if it will.
    async fn hand_over(&self, connection: &mut Connection, batch: Bytes) -> Result<Option<i32>, ClientError> {
        let data = PartitionProduceData::default().with_index(self.partition).with_records(Some(batch));
        let topic = TopicProduceData::default().with_name(topic_name(self.lane.topic())).with_partition_data(vec![data]);
        let request = ProduceRequest::default().with_acks(self.kind.acks()).with_timeout_ms(TIMEOUT_MS).with_topic_data(vec![topic]);
        if self.kind == Kind::AcksNone {
            connection.send_unanswered(&request).await?;
            return Ok(None);
        }
        connection.send(&request).await.map(Some)
    }

    /// After unanswered batches, a question that the same broker answers after them.
    async fn ask_for_proof(&mut self, connection: &mut Connection, at_rest: bool) -> Result<(), ClientError> {
        if self.kind != Kind::AcksNone {
            return Ok(());
        }
        let unproved = self.pending.iter().filter(|pending| pending.confirmed_by.is_none()).count();
        if unproved >= UNANSWERED_MAX || (at_rest && unproved > 0) {
            let id = connection.send(&empty_metadata()).await?;
            self.pending.iter_mut().filter(|pending| pending.confirmed_by.is_none()).for_each(|pending| pending.confirmed_by = Some(id));
        }
        Ok(())
    }

    fn on_answer(&mut self, answer: &Answer) -> Result<(), ClientError> {
        if self.kind != Kind::AcksNone {
            let produced = answer.decode::<ProduceRequest>()?;
            let outcome =
                produced.responses.iter().flat_map(|topic| &topic.partition_responses).try_for_each(|partition| check_code("Produce", partition.error_code));
            match outcome {
                Err(error) if error.code() == Some(DUPLICATE_SEQUENCE_NUMBER) => {}
                Ok(()) => {}
                Err(error) => return self.refused(error),
            }
        }
        while self.pending.front().is_some_and(|pending| pending.confirmed_by == Some(answer.correlation_id)) {
            let Some(pending) = self.pending.pop_front() else { break };
            let took = (self.kind != Kind::AcksNone).then(|| pending.sent.elapsed());
            self.refusals = 0;
            self.lane.book.acknowledged(self.kind, self.partition, pending.records, pending.pace, took);
        }
        Ok(())
    }

    /// A refused batch: an idempotent producer sends it and all behind it again on a new connection; the others have no retries, so its records are given up.
    fn refused(&mut self, error: ClientError) -> Result<(), ClientError> {
        if self.numbered.is_some() {
            return Err(error);
        }
        if let Some(pending) = self.pending.pop_front() {
            self.lane.book.given_up(self.kind, &pending.records, error.label());
        }
        self.is_stale = true;
        Ok(())
    }

    /// The connection went, or could not be had. What was in flight is given up, but by an idempotent producer, which sends it again. With acks=0 there is nobody
    /// to tell.
    async fn lost(&mut self, error: &ClientError) {
        if self.numbered.is_none() && !self.pending.is_empty() {
            for pending in self.pending.drain(..) {
                match self.kind {
                    Kind::AcksNone => self.lane.book.unanswered(self.kind, self.partition, pending.records),
                    Kind::AcksLeader | Kind::AcksAll | Kind::Idempotent => self.lane.book.given_up(self.kind, &pending.records, error.label()),
                }
            }
            return;
        }
        self.lane.book.producer_handled(self.kind, error.label());
        if self.numbered.is_some() && !error.is_retriable() {
            self.refusals += 1;
            if self.refusals >= REFUSALS_MAX {
                self.begin_anew(error).await;
            }
        }
    }

    /// An idempotent producer whose batches are refused for good, however often it sends them, gives them up and goes on with a new id.
    async fn begin_anew(&mut self, error: &ClientError) {
        for pending in self.pending.drain(..) {
            self.lane.book.given_up(self.kind, &pending.records, error.label());
        }
        (self.refusals, self.numbered_from) = (0, self.next);
        if let Ok(numbered) = self.lane.producer_id().await {
            self.numbered = Some(numbered);
        }
    }

    async fn resend(&mut self, connection: &mut Connection) -> Result<(), ClientError> {
        for at in 0..self.pending.len() {
            let Some(batch) = self.pending.get(at).map(|pending| pending.batch.clone()) else { break };
            let confirmed_by = self.hand_over(connection, batch).await?;
            if let Some(pending) = self.pending.get_mut(at) {
                pending.confirmed_by = confirmed_by;
            }
        }
        Ok(())
    }
}

/// When the next batch is due at the steady load. What is sent at any other pace leaves no debt behind: a thousand batches at full speed must not
/// silence the steady load that follows them. Nor does a producer that fell behind catch up in a burst.
fn next_due(due: Instant, now: Instant, pace: Pace, interval: Duration) -> Instant {
    match pace {
        Pace::Steady => (due + interval).max(now),
        Pace::Warm | Pace::Full => now + interval,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_speed_leaves_no_debt_to_the_steady_load() {
        let (start, interval) = (Instant::now(), Duration::from_millis(40));
        for pace in [Pace::Warm, Pace::Full] {
            let due = (0..10_000).fold(start, |due, _| next_due(due, start, pace, interval));
            assert_eq!(due, start + interval);
        }
        let steady = (0..3).fold(start, |due, _| next_due(due, start, Pace::Steady, interval));
        assert_eq!(steady, start + 3 * interval, "a steady load keeps its rhythm");
        assert_eq!(next_due(start, start + 9 * interval, Pace::Steady, interval), start + 9 * interval, "what was late is not made up in a burst");
    }
}
