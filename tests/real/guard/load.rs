//! The clients that work while brokers go, and how they are started and ended.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::journal::{Journal, Name};
use super::{librdkafka, programs};
use crate::cache::KafkaPython;
use crate::cluster::Cluster;
use crate::process::{Supervised, tail};
use crate::release::Release;
use crate::steps::say;

/// Of every topic here.
pub(crate) const PARTITIONS: i32 = 6;
/// A client that fell behind goes on from now: a burst would be another load than the one asked for.
pub(super) const BEHIND_MAX: Duration = Duration::from_millis(500);
/// Above the clients' own limits for a request, by which each record has its answer.
pub(super) const SETTLE_LIMIT: Duration = Duration::from_secs(60);
/// A consumer leaves its group when it closes.
const CLOSE_LIMIT: Duration = Duration::from_secs(20);
/// A dozen clients start at once on two cores: about 10 s.
const START_LIMIT: Duration = Duration::from_secs(45);

/// Which library a client is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    KafkaPython(KafkaPython),
    Librdkafka,
    Java,
    Sarama,
}

/// What a client does. Rates are records a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Sends without retries of its own.
    Produce { acks: &'static str, rate: u32 },
    /// Sends with idempotence, and again by itself: as an application does that wants no loss.
    Resend { rate: u32 },
    /// Sends transactions of `chunk` records.
    Transact { rate: u32, chunk: u32 },
    /// Reads all as the only member of a group of this protocol.
    Read { protocol: &'static str },
    /// Reads all as the only member of a share group.
    Share,
}

/// The topics, all of [`PARTITIONS`] partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// Three replicas, two of which must be in sync.
    Load,
    /// One replica: nobody can stand in for its broker.
    Single,
    /// As `Load`, for transactions alone.
    Exact,
}

impl Topic {
    pub(crate) fn name(self, label: &str) -> String {
        let name = match self {
            Self::Load => "load",
            Self::Single => "single",
            Self::Exact => "exact",
        };
        format!("{name}-{label}")
    }
}

/// One client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) library: Library,
    pub(crate) duty: Duty,
    pub(crate) topics: &'static [Topic],
}

impl Row {
    pub(crate) fn reads(&self) -> bool {
        matches!(self.duty, Duty::Read { .. } | Duty::Share)
    }
}

/// Every client that there is for a release.
pub(crate) fn rows(release: &Release) -> Vec<Row> {
    const BOTH: &[Topic] = &[Topic::Load, Topic::Single];
    let row = |name, library, duty, topics| Row { name, library, duty, topics };
    let produce = |name, library, acks, rate, topics| row(name, library, Duty::Produce { acks, rate }, topics);
    let mut rows = vec![
        produce("python-2.0.2", Library::KafkaPython(KafkaPython::V2_0_2), "1", 100, &[Topic::Load]),
        produce("python-3.0.12", Library::KafkaPython(KafkaPython::V3_0_12), "1", 100, &[Topic::Load]),
        produce("librdkafka-1", Library::Librdkafka, "1", 150, &[Topic::Load]),
        produce("librdkafka-0", Library::Librdkafka, "0", 100, &[Topic::Load]),
        produce("librdkafka-all", Library::Librdkafka, "all", 100, &[Topic::Load]),
        produce("librdkafka-single", Library::Librdkafka, "1", 50, &[Topic::Single]),
        produce("java-1", Library::Java, "1", 100, &[Topic::Load]),
        produce("sarama-1", Library::Sarama, "1", 100, &[Topic::Load]),
        row("java-exact", Library::Java, Duty::Transact { rate: 50, chunk: 10 }, &[Topic::Exact]),
        row("java-classic", Library::Java, Duty::Read { protocol: "classic" }, BOTH),
        row("librdkafka-group", Library::Librdkafka, Duty::Read { protocol: "classic" }, BOTH),
    ];
    if release.consumer_protocol() {
        rows.push(row("java-848", Library::Java, Duty::Read { protocol: "consumer" }, BOTH));
    }
    if release.share_groups() {
        rows.push(row("java-share", Library::Java, Duty::Share, BOTH));
    }
    rows.retain(|row| row.library != Library::Sarama || programs::go_is_here());
    rows
}

/// Producers that send again by themselves: what they do not see they need not see either when Leeward itself is gone for a moment.
pub(crate) fn resending_rows() -> [Row; 2] {
    let row = |name, library| Row { name, library, duty: Duty::Resend { rate: 100 }, topics: &[Topic::Load] };
    [row("librdkafka-again", Library::Librdkafka), row("java-again", Library::Java)]
}

/// Fetches and compiles what the rows are made of.
pub(crate) fn prepare(rows: &[Row], release: &Release) {
    for row in rows {
        match row.library {
            Library::KafkaPython(version) => drop(crate::cache::python(version)),
            Library::Java => drop(programs::java_classes(release)),
            Library::Sarama => drop(programs::sarama()),
            Library::Librdkafka => {}
        }
    }
}

/// Clients at work. Dropped, all of them end.
pub(crate) struct Load {
    name: String,
    rows: Vec<Row>,
    directory: PathBuf,
    threads: Vec<JoinHandle<()>>,
    processes: Vec<Supervised>,
}

impl Load {
    /// Starts `rows` on the topics of `label`; journals and logs go beside the cluster's.
    pub(crate) fn start(name: &str, rows: &[Row], release: &'static Release, cluster: &Cluster, bootstrap: &str, label: &str) -> Self {
        let directory = cluster.log_path(&format!("load-{label}"));
        std::fs::create_dir_all(&directory).unwrap();
        let mut load = Self { name: name.to_owned(), rows: rows.to_vec(), directory, threads: Vec::new(), processes: Vec::new() };
        let mut java = Vec::new();
        for row in rows {
            let topics: Vec<String> = row.topics.iter().map(|topic| topic.name(label)).collect();
            let (journal, stop) = (load.journal_of(row), load.stop_of(row));
            let files = programs::Files { journal: &journal, stop: &stop };
            match row.library {
                Library::Librdkafka => load.threads.push(librdkafka::start(row, bootstrap, &topics, &journal, &stop)),
                Library::KafkaPython(version) => {
                    load.start_process(row.name, &programs::python_spec(version, &load.directory, row, bootstrap, &topics[0], files))
                }
                Library::Sarama => load.start_process(row.name, &programs::sarama_spec(release, row, bootstrap, &topics[0], files)),
                Library::Java => java.push(programs::java_argument(row, &topics, label, files)),
            }
        }
        if !java.is_empty() {
            load.start_process("java", &programs::java_spec(release, &load.directory, bootstrap, &java));
        }
        load
    }

    fn start_process(&mut self, name: &str, spec: &crate::process::Spec) {
        self.processes.push(Supervised::start(name, spec, &self.directory.join(format!("{name}.log"))));
    }

    fn journal_of(&self, row: &Row) -> PathBuf {
        self.directory.join(format!("{}.journal", row.name))
    }

    /// Readers end after writers, when they have had the time to read all.
    fn stop_of(&self, row: &Row) -> PathBuf {
        self.directory.join(if row.reads() { "stop-readers" } else { "stop-writers" })
    }

    /// Waits until each client has had its first acknowledgement or record: from then on whatever goes wrong is the outage's. One that gets none is named, and
    /// the others go on: what became of it is seen in the end.
    pub(crate) fn await_started(&self) {
        let deadline = Instant::now() + START_LIMIT;
        let mut late: Vec<&Row> = self.rows.iter().collect();
        while !late.is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(100));
            late.retain(|row| !works(&self.journal_of(row)));
        }
        for row in late {
            let journal = self.journal_of(row);
            let (told, logged) = (tail(&journal, 1), tail(&journal.with_extension("log"), 4));
            say(&self.name, &format!("{} does not work after {START_LIMIT:?}; last it was told {told:?}, and logged {logged:?}", row.name));
        }
    }

    /// Ends the writers: they wait for what is on its way.
    pub(crate) fn stop_writers(&self) {
        std::fs::write(self.directory.join("stop-writers"), "").unwrap();
        self.await_done(false);
    }

    /// Gives readers the time to read `stored`, then ends them. Gives what each client wrote down.
    pub(crate) fn finish(mut self, stored: &HashSet<Name>, limit: Duration) -> Vec<(Row, Journal)> {
        let deadline = Instant::now() + limit;
        for row in self.rows.iter().filter(|row| row.reads()) {
            loop {
                let read: HashSet<Name> = Journal::read(&self.journal_of(row)).read.into_iter().collect();
                if Instant::now() > deadline || stored.iter().all(|name| read.contains(name)) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(500));
            }
        }
        std::fs::write(self.directory.join("stop-readers"), "").unwrap();
        self.await_done(true);
        let journals = self.rows.iter().map(|row| (*row, Journal::read(&self.journal_of(row)))).collect();
        // One that hangs while it closes is left to itself.
        let deadline = Instant::now() + CLOSE_LIMIT;
        while self.threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        for thread in self.threads.drain(..) {
            if thread.is_finished() {
                thread.join().unwrap();
            } else {
                say(&self.name, "a client of librdkafka hangs while it closes");
            }
        }
        journals
    }

    /// A client that does not come to its end is not waited for: its journal says so.
    fn await_done(&self, readers: bool) {
        let deadline = Instant::now() + SETTLE_LIMIT + Duration::from_secs(10);
        for row in self.rows.iter().filter(|row| row.reads() == readers) {
            while !is_done(&self.journal_of(row)) {
                if Instant::now() > deadline {
                    say(&self.name, &format!("{} did not come to its end", row.name));
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // The threads of this process; the other clients end with their supervisors.
        for stop in ["stop-writers", "stop-readers"] {
            let _ = std::fs::write(self.directory.join(stop), "");
        }
    }
}

fn works(journal: &Path) -> bool {
    std::fs::read_to_string(journal).unwrap_or_default().lines().any(|line| line.starts_with("a ") || line.starts_with("r "))
}

fn is_done(journal: &Path) -> bool {
    // What comes after it is of librdkafka's statistics.
    tail(journal, 3).lines().any(|line| line.starts_with("d "))
}
