//! Clients that write all the time, and how long each write takes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

/// Between two writes.
const EVERY: Duration = Duration::from_millis(5);
const FLUSH_LIMIT: Duration = Duration::from_secs(120);

/// A producer with acks=all that writes a record every few milliseconds until it is dropped.
pub(super) struct Load {
    writes: Arc<Writes>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// An acknowledged write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Write {
    pub(super) sent: Instant,
    pub(super) took: Duration,
}

#[derive(Default)]
struct Writes {
    /// Those that were acknowledged, in that order.
    done: Mutex<Vec<Write>>,
    errors: Mutex<Vec<String>>,
}

#[derive(Clone)]
struct Context(Arc<Writes>);

impl ClientContext for Context {}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Instant>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Self::DeliveryOpaque) {
        match result {
            Ok(_) => self.0.done.lock().unwrap().push(Write { sent: *sent, took: sent.elapsed() }),
            Err((error, _)) => self.0.errors.lock().unwrap().push(error.to_string()),
        }
    }
}

impl Load {
    pub(super) fn start(bootstrap: &str, topic: &'static str, partitions: i32) -> Self {
        let (writes, ends) = (Arc::new(Writes::default()), Arc::new(AtomicBool::new(false)));
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("broker.address.family", "v4").set("client.id", "load").set("linger.ms", "0");
        let producer: BaseProducer<Context> = config.create_with_context(Context(Arc::clone(&writes))).unwrap();
        let ended = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            let payload = [7_u8; 500];
            for number in 0.. {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                let record = BaseRecord::<(), _, _>::with_opaque_to(topic, Box::new(Instant::now())).payload(&payload[..]).partition(number % partitions);
                assert!(producer.send(record).is_ok(), "the producer's queue is full");
                producer.poll(EVERY);
            }
            producer.flush(FLUSH_LIMIT).unwrap();
        });
        Load { writes, ends, thread: Some(thread) }
    }

    /// Writes so far.
    pub(super) fn mark(&self) -> usize {
        self.writes.done.lock().unwrap().len()
    }

    pub(super) fn since(&self, mark: usize) -> Vec<Write> {
        self.writes.done.lock().unwrap()[mark..].to_vec()
    }

    /// What writes take for so long.
    pub(super) fn lasting(&self, time: Duration) -> Vec<Write> {
        let mark = self.mark();
        std::thread::sleep(time);
        self.since(mark)
    }

    /// Ends the writing; every write was acknowledged.
    pub(super) fn assert_no_error(&self) {
        assert_eq!(*self.writes.errors.lock().unwrap(), Vec::<String>::new());
        assert!(self.mark() > 1_000, "{} writes are no load", self.mark());
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has told of a panic itself.
            let _ = thread.join();
        }
    }
}

/// `None`: too few.
pub(super) fn p99(writes: &[Write]) -> Option<Duration> {
    let mut took: Vec<Duration> = writes.iter().map(|write| write.took).collect();
    took.sort_unstable();
    took.get(took.len() * 99 / 100).copied().filter(|_| took.len() >= 100)
}

/// So many megabytes in each partition.
pub(super) fn fill(bootstrap: &str, topic: &str, partitions: i32, megabytes: usize) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("broker.address.family", "v4").set("linger.ms", "20");
    let producer: BaseProducer = config.create().unwrap();
    // As it cannot be compressed, and not read as one batch.
    let mut random = fastrand::Rng::with_seed(1);
    for partition in 0..partitions {
        for _ in 0..megabytes * 100 {
            let payload: Vec<u8> = (0..10_000).map(|_| random.u8(..)).collect();
            producer.send(BaseRecord::<(), _>::to(topic).payload(&payload).partition(partition)).map_err(|(error, _)| error).unwrap();
            producer.poll(Duration::ZERO);
        }
        producer.flush(FLUSH_LIMIT).unwrap();
    }
}
