//! The cluster on which it is played, and what is stored in it in the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafka_protocol::records::RecordBatchDecoder;

use super::account::Stored;
use super::journal::Name;
use super::load::{PARTITIONS, Row, Topic};
use crate::clients::java::Java;
use crate::cluster::Cluster;
use crate::front::exempt;
use crate::records::TestRecord;
use crate::release::Release;
use crate::steps::{say, until};
use crate::wire::Wire;

/// A cluster, and a client of the harness's own that makes topics and reads them back, past Leeward.
pub(crate) struct Stage {
    // Dropped in this order.
    admin: Java,
    pub(crate) cluster: Cluster,
    /// Whose Java clients work.
    pub(super) clients: &'static Release,
    name: String,
    begun: Instant,
    down_since: BTreeMap<i32, Instant>,
    /// The longest time for which a broker was away or stood still, since the last play began.
    pub(super) outage: Duration,
}

impl Stage {
    pub(crate) fn new(name: &str, release: &'static Release) -> Self {
        Self::with_clients(name, release, release)
    }

    /// With the Java clients of another release than the brokers'.
    pub(crate) fn with_clients(name: &str, brokers: &'static Release, clients: &'static Release) -> Self {
        let cluster = Cluster::start(name, brokers);
        let admin = Java::start(clients, &cluster.bootstrap(), &cluster.log_path("java-admin.log"));
        exempt(&cluster.rules(), admin.pid());
        Self { admin, cluster, clients, name: name.to_owned(), begun: Instant::now(), down_since: BTreeMap::new(), outage: Duration::ZERO }
    }

    /// A line of progress, with the time since the cluster was up.
    pub(crate) fn say(&self, what: &str) {
        say(&self.name, &format!("{:7.1} s  {what}", self.begun.elapsed().as_secs_f32()));
    }

    /// The topics that `rows` use, for one play; and that share groups begin at their beginning.
    pub(super) fn set_up(&mut self, rows: &[Row], label: &str) {
        self.outage = Duration::ZERO;
        for topic in [Topic::Load, Topic::Single, Topic::Exact] {
            if !rows.iter().any(|row| row.topics.contains(&topic)) {
                continue;
            }
            let (factor, in_sync) = if topic == Topic::Single { ("1", "1") } else { ("3", "2") };
            let (name, config) = (topic.name(label), format!("min.insync.replicas={in_sync}"));
            self.admin.run("create", &[("topic", &name), ("partitions", &PARTITIONS.to_string()), ("factor", factor), ("config", &config)]);
            self.cluster.await_topic(&name);
        }
        for row in rows.iter().filter(|row| row.duty == super::Duty::Share) {
            let group = format!("{}-{label}", row.name);
            self.admin.run("group-config", &[("group", &group), ("key", "share.auto.offset.reset"), ("value", "earliest")]);
        }
        self.cluster.await_in_sync();
    }

    /// All that is in a topic, as each partition's leader stores it.
    pub(super) fn stored(&mut self, topic: Topic, label: &str) -> Stored {
        let (kind, topic) = (topic, topic.name(label));
        let mut stored = Stored::default();
        if kind == Topic::Exact {
            // Which transactions were committed, Java knows.
            for row in self.admin.run("read", &[("topic", &topic), ("isolation.level", "read_committed")]) {
                let value = String::from_utf8(TestRecord::parse(&row).value.unwrap()).unwrap();
                let offset = row.rsplit('\t').next().unwrap().parse().unwrap();
                stored.add(Name::parse(&value).unwrap(), offset);
            }
            return stored;
        }
        let cluster = &self.cluster;
        let logs: Vec<Vec<(Name, i64)>> = std::thread::scope(|scope| {
            // The end of each shows by a wait for more: all at once.
            let topic = topic.as_str();
            let readers: Vec<_> = (0..PARTITIONS).map(|partition| scope.spawn(move || log(cluster, topic, partition))).collect();
            readers.into_iter().map(|reader| reader.join().unwrap()).collect()
        });
        logs.into_iter().flatten().for_each(|(name, offset)| stored.add(name, offset));
        stored
    }

    /// SIGTERM or SIGKILL, and again from the beginning, until everything is in sync; then the time for which it is left alone.
    pub(crate) fn restart(&mut self, id: i32, blow: Blow) {
        /// Clients that hold on to what was before must have had the time to show it.
        const REST: Duration = Duration::from_secs(2);
        self.down(id, blow);
        self.up(id);
        std::thread::sleep(REST);
    }

    /// A broker stands still, and goes on.
    pub(crate) fn pause(&mut self, id: i32, time: Duration) {
        self.say(&format!("broker {id} stands still"));
        self.cluster.pause(id);
        std::thread::sleep(time);
        self.cluster.resume(id);
        self.outage = self.outage.max(time);
        self.say(&format!("broker {id} goes on"));
        self.cluster.await_in_sync();
        self.say("all replicas are in sync");
    }

    /// The broker that coordinates a group or the transactions of an id.
    pub(crate) fn coordinator(&self, kind: Coordinator, key: &str) -> i32 {
        let kind = match kind {
            Coordinator::Group => 0,
            Coordinator::Transactions => 1,
        };
        let any = self.cluster.address(self.cluster.node_ids()[0]);
        until(&format!("the coordinator of {key}"), Duration::from_secs(30), || Wire::connect_past(&any)?.coordinator(kind, key))
    }

    pub(crate) fn down(&mut self, id: i32, blow: Blow) {
        self.say(&format!("broker {id}: {blow:?}"));
        self.down_since.insert(id, Instant::now());
        match blow {
            Blow::Term => drop(self.cluster.stop(id)),
            Blow::Kill => self.cluster.kill(id),
        }
        self.say(&format!("broker {id} is down"));
    }

    pub(crate) fn up(&mut self, id: i32) {
        self.cluster.launch(id);
        self.await_up(id);
    }

    /// Waits for a broker that was launched.
    pub(crate) fn await_up(&mut self, id: i32) {
        self.cluster.await_up(id);
        self.outage = self.outage.max(self.down_since.remove(&id).map_or(Duration::ZERO, |since| since.elapsed()));
        self.say(&format!("broker {id} answers"));
        self.cluster.await_in_sync();
        self.say("all replicas are in sync");
    }
}

/// All of one partition, from its leader.
/// All that is in a partition, as its leader stores it: which record, and at which offset.
pub(crate) fn log(cluster: &Cluster, topic: &str, partition: i32) -> Vec<(Name, i64)> {
    let mut wire = Wire::connect_past(&cluster.inner_address(cluster.leader(topic, partition))).unwrap();
    let mut log = Vec::new();
    let mut next = 0;
    loop {
        let mut batches = wire.fetch(topic, partition, next).unwrap();
        if batches.is_empty() {
            return log;
        }
        for record in RecordBatchDecoder::decode_all(&mut batches).unwrap().into_iter().flat_map(|set| set.records) {
            next = record.offset + 1;
            let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            log.push((Name::parse(&value).unwrap_or_else(|| panic!("{topic}-{partition}: {value:?}")), record.offset));
        }
    }
}

/// What a broker coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coordinator {
    Group,
    Transactions,
}

/// How a broker goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// SIGTERM: it hands over what it leads.
    Term,
    /// SIGKILL: the controller must find out.
    Kill,
}
