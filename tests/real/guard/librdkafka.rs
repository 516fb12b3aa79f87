//! librdkafka under load, as threads of this process.

use std::path::Path;
use std::sync::Arc;
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::statistics::Statistics;

use super::journal::{Name, Place, Writer};
use super::load::{BEHIND_MAX, Duty, PARTITIONS, Row, SETTLE_LIMIT};

const POLL: Duration = Duration::from_millis(200);

/// Keeps the journal from the callbacks.
struct Diary(Arc<Writer>);

impl ClientContext for Diary {
    fn stats(&self, statistics: Statistics) {
        let closed: i64 = statistics.brokers.values().filter_map(|broker| broker.disconnects).sum();
        self.0.line('c', &closed.to_string());
    }

    /// librdkafka's own diary: it works on by itself. What the application must see comes by other ways.
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Diary {}

impl ProducerContext for Diary {
    /// The record's number, from which its partition follows, and when it was sent.
    type DeliveryOpaque = Box<(usize, Instant)>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<(usize, Instant)>) {
        let (Place { partition, number }, waited) = (place(sent.0), sent.1.elapsed().as_millis());
        match result {
            Ok(message) => self.0.line('a', &format!("{partition} {number} {waited} {}", message.offset())),
            Err((error, _)) => self.0.line('e', &format!("{partition} {number} {waited} {}", named(error))),
        }
    }
}

fn place(number: usize) -> Place {
    Place { partition: i32::try_from(number).unwrap() % PARTITIONS, number: number as u64 }
}

fn named(error: &KafkaError) -> String {
    let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
    format!("{code:?} {error}")
}

pub(super) fn start(row: &Row, bootstrap: &str, topics: &[String], journal: &Path, stop: &Path) -> JoinHandle<()> {
    let writer = Arc::new(Writer::new(journal));
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("broker.address.family", "v4").set("client.id", row.name).set("statistics.interval.ms", "2000");
    let (topics, stop, name) = (topics.to_vec(), stop.to_owned(), row.name.to_owned());
    match row.duty {
        Duty::Produce { acks, rate } => {
            // Without a bound of requests in flight it would make one of each record, and a broker takes those of a connection one after the other: with
            // acks=all its queue would be what is measured.
            config.set("acks", acks).set("message.send.max.retries", "0").set("linger.ms", "50");
            spawn(move || produce(&config, &writer, &name, &topics[0], rate, &stop))
        }
        Duty::Resend { rate } => {
            config.set("enable.idempotence", "true").set("linger.ms", "50");
            spawn(move || produce(&config, &writer, &name, &topics[0], rate, &stop))
        }
        Duty::Read { protocol } => {
            config.set("group.id", &name).set("auto.offset.reset", "earliest").set("group.protocol", protocol);
            spawn(move || read(&config, &writer, &topics, &stop))
        }
        Duty::Transact { .. } | Duty::Share => panic!("{name}: not of librdkafka"),
    }
}

fn produce(config: &ClientConfig, writer: &Arc<Writer>, row: &str, topic: &str, rate: u32, stop: &Path) {
    let producer: BaseProducer<Diary> = config.create_with_context(Diary(Arc::clone(writer))).unwrap();
    let interval = Duration::from_secs(1) / rate;
    let (mut due, mut number) = (Instant::now(), 0);
    while !stop.exists() {
        let place = place(number);
        let value = Name::value(row, place);
        let record = BaseRecord::<[u8], str, _>::with_opaque_to(topic, Box::new((number, Instant::now()))).partition(place.partition).payload(value.as_str());
        if let Err((error, _)) = producer.send(record) {
            writer.line('e', &format!("{} {number} 0 {}", place.partition, named(&error)));
        }
        number += 1;
        due = (due + interval).max(Instant::now() - BEHIND_MAX);
        // It goes on until then: a poll without time would leave most of what there is to tell for later.
        producer.poll(due.saturating_duration_since(Instant::now()));
    }
    if let Err(error) = producer.flush(SETTLE_LIMIT) {
        writer.line('x', &named(&error));
    }
    writer.line('d', &number.to_string());
}

fn read(config: &ClientConfig, writer: &Arc<Writer>, topics: &[String], stop: &Path) {
    let consumer: BaseConsumer<Diary> = config.create_with_context(Diary(Arc::clone(writer))).unwrap();
    consumer.subscribe(&topics.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    while !stop.exists() {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                let value = String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned();
                writer.line('r', &format!("{} {} {} {value}", message.topic(), message.partition(), message.offset()));
            }
            Some(Err(error)) => writer.line('x', &named(&error)),
            None => {}
        }
    }
    writer.line('d', "0");
}
