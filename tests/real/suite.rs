//! The tests: one for each release, and one for each story in which the cluster itself changes.

mod by_java;
mod by_librdkafka;
mod by_python;
mod by_tools;
mod drain;
mod gate;
mod guard;
mod guard_stories;
mod join;
mod mixed;
mod plan;
mod reassign;
mod rehearsal;
mod roll;
mod sasl;
mod sasl_shelter;
mod shared;
mod stored;
mod told;
mod trouble;
mod upgrade;
mod version;
mod who_breaks;

use std::path::PathBuf;

use crate::cache;
use crate::cache::KafkaPython;
use crate::clients::java::{self, Java};
use crate::cluster::{self, Cluster};
use crate::front::Front;
use crate::records::TestRecord;
use crate::release::Release;

/// A cluster, what clients are given in front of it, and the Java clients of one release.
struct Scene {
    // Dropped in this order: clients, Leeward, brokers.
    java: Java,
    front: Front,
    cluster: Cluster,
    release: &'static Release,
}

impl Scene {
    /// `joining` are node ids that are not in the cluster yet.
    fn over(cluster: Cluster, clients: &'static Release, joining: &[i32]) -> Self {
        let node_ids: Vec<i32> = cluster.node_ids().into_iter().chain(joining.iter().copied()).collect();
        let front = Front::start(&cluster, &node_ids);
        let java = Java::start(clients, front.bootstrap(), &cluster.log_path("java.log"));
        Self { java, front, cluster, release: clients }
    }

    /// A topic with replication factor 3, made through the front, and known to every broker: that news of it takes a moment to go round is not what is tested.
    fn create(&mut self, topic: &str, partitions: i32) {
        self.java.run("create", &[("topic", topic), ("partitions", &partitions.to_string()), ("factor", "3")]);
        self.cluster.await_topic(topic);
    }

    /// A file with these records, for a client's helper to read.
    fn file(&self, name: &str, records: &[TestRecord]) -> String {
        let path: PathBuf = self.cluster.scrap().join(format!("{name}.records"));
        crate::records::write(&path, records);
        path.to_str().unwrap().to_owned()
    }
}

/// Fetches and compiles all that a test needs, before its steps are timed.
fn prepare(brokers: &[&'static Release], clients: &[&'static Release], python: bool) {
    cluster::fetch(brokers);
    for release in clients {
        java::prepare(release);
    }
    if python {
        cache::python(KafkaPython::V2_0_2);
        cache::python(KafkaPython::V3_0_12);
    }
}
