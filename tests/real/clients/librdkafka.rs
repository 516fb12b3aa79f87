//! librdkafka, inside this process, through the crate `rdkafka`.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{Offset, TopicPartitionList};

use crate::records::TestRecord;

const LIMIT: Duration = Duration::from_secs(60);

/// Keeps what the deliveries' callbacks say: the error of each that failed, and how many came.
#[derive(Default)]
struct Deliveries(Mutex<(usize, Vec<String>)>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let mut deliveries = self.0.lock().unwrap();
        deliveries.0 += 1;
        if let Err((error, _)) = result {
            deliveries.1.push(error.to_string());
        }
    }
}

fn config(bootstrap: &str, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("broker.address.family", "v4");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config
}

/// Sends the records and waits for every delivery report; panics if one is an error.
pub(crate) fn produce(bootstrap: &str, topic: &str, records: &[TestRecord], settings: &[(&str, &str)]) {
    let producer: BaseProducer<Deliveries> = config(bootstrap, settings).set("linger.ms", "20").create_with_context(Deliveries::default()).unwrap();
    send(&producer, topic, records);
    settle(&producer, records.len());
}

/// Transactions of `chunk` records each, of which every third is aborted.
pub(crate) fn transactions(bootstrap: &str, topic: &str, records: &[TestRecord], chunk: usize, transactional_id: &str) {
    let producer: BaseProducer<Deliveries> = config(bootstrap, &[("transactional.id", transactional_id)]).create_with_context(Deliveries::default()).unwrap();
    producer.init_transactions(LIMIT).unwrap();
    for (number, records) in records.chunks(chunk).enumerate() {
        producer.begin_transaction().unwrap();
        send(&producer, topic, records);
        if number % 3 == 2 {
            producer.flush(LIMIT).unwrap();
            producer.abort_transaction(LIMIT).unwrap();
        } else {
            producer.commit_transaction(LIMIT).unwrap();
        }
    }
    settle(&producer, records.len());
}

fn send(producer: &BaseProducer<Deliveries>, topic: &str, records: &[TestRecord]) {
    for record in records {
        let mut message = BaseRecord::<[u8], [u8]>::to(topic).partition(record.partition).timestamp(record.timestamp);
        if let Some(key) = &record.key {
            message = message.key(key);
        }
        if let Some(value) = &record.value {
            message = message.payload(value);
        }
        if !record.headers.is_empty() {
            let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: value.as_deref() }));
            message = message.headers(headers);
        }
        producer.send(message).map_err(|(error, _)| error).unwrap();
    }
}

fn settle(producer: &BaseProducer<Deliveries>, expected: usize) {
    producer.flush(LIMIT).unwrap();
    let deliveries = producer.context().0.lock().unwrap();
    assert!(deliveries.1.is_empty(), "librdkafka: {} of {expected} deliveries failed, the first with {}", deliveries.1.len(), deliveries.1[0]);
    assert_eq!(deliveries.0, expected, "librdkafka: delivery reports");
}

/// Reads `count` records as a member of `group`, commits, and leaves.
pub(crate) fn consume(bootstrap: &str, topic: &str, group: &str, count: usize, settings: &[(&str, &str)]) -> Vec<TestRecord> {
    let mut config = config(bootstrap, &[("group.id", group), ("auto.offset.reset", "earliest"), ("enable.auto.commit", "false")]);
    for (key, value) in settings {
        config.set(*key, *value);
    }
    let consumer: BaseConsumer = config.create().unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let received = poll(&consumer, topic, count);
    consumer.commit_consumer_state(CommitMode::Sync).unwrap();
    received
}

/// Reads `count` records from the beginnings of `partitions` partitions, without a group.
pub(crate) fn read(bootstrap: &str, topic: &str, partitions: i32, count: usize, settings: &[(&str, &str)]) -> Vec<TestRecord> {
    let mut config = config(bootstrap, &[("group.id", "unused"), ("enable.auto.commit", "false")]);
    for (key, value) in settings {
        config.set(*key, *value);
    }
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    poll(&consumer, topic, count)
}

/// A client that has connected and asked for metadata, and stays connected until it is dropped.
pub(crate) fn connect(bootstrap: &str) -> BaseConsumer {
    let consumer: BaseConsumer = config(bootstrap, &[("group.id", "unused")]).create().unwrap();
    consumer.fetch_metadata(None, LIMIT).unwrap();
    consumer
}

fn poll(consumer: &BaseConsumer, topic: &str, count: usize) -> Vec<TestRecord> {
    let deadline = Instant::now() + LIMIT;
    let mut received = Vec::new();
    while received.len() < count {
        assert!(Instant::now() < deadline, "librdkafka: {} of {count} records of {topic} within {LIMIT:?}", received.len());
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => received.push(record(&message)),
            Some(Err(error)) => panic!("librdkafka: reading {topic}: {error}"),
            None => {}
        }
    }
    received
}

fn record(message: &BorrowedMessage<'_>) -> TestRecord {
    let headers = message.headers().map(|headers| headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect());
    TestRecord {
        partition: message.partition(),
        timestamp: message.timestamp().to_millis().unwrap_or(-1),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}
