//! What may be chosen about the model cluster, with delays scaled down from a real one's so that a test or a demo is short.

use std::time::Duration;

/// Settings of the model. Real defaults stand beside those that differ.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// Seed of every choice that the model makes (jitter, first replicas, member ids).
    pub seed: u64,
    /// How long a broker may be silent before its leaderships move (`broker.session.timeout.ms`, 9 s).
    pub session_timeout: Duration,
    /// How often a broker shows that it lives (`broker.heartbeat.interval.ms`, 2 s): the session ends up to this much earlier than its timeout.
    pub heartbeat_interval: Duration,
    /// From a decision of the controller, or a request to it, to its record.
    pub controller_delay: Duration,
    /// The longest time until a broker has applied a record of the controller. Each broker draws its own, so caches differ for a moment.
    pub metadata_delay: Duration,
    /// One way between a follower and its leader.
    pub replication_delay: Duration,
    /// How long a leader keeps an empty fetch of a follower (`replica.fetch.wait.max.ms`, 500 ms).
    pub replica_fetch_wait: Duration,
    /// How long a follower may be behind before it leaves the ISR (`replica.lag.time.max.ms`, 30 s).
    pub replica_lag_max: Duration,
    /// How long a follower waits before it asks a leader again that did not answer (`replica.fetch.backoff.ms`, 1 s).
    pub replica_backoff: Duration,
    /// From the start of a broker's process until it registers (loading its logs).
    pub startup: Duration,
    /// From being unfenced, and so visible in Metadata, to an open listener.
    pub listener_delay: Duration,
    /// How often leaderships go back to the first replica (`leader.imbalance.check.interval.seconds`, 300 s).
    pub preferred_election_interval: Duration,
    /// How long a new coordinator loads before it answers.
    pub coordinator_load: Duration,
    /// How long the first rebalance of an empty group waits for more members (`group.initial.rebalance.delay.ms`, 3 s).
    pub initial_rebalance_delay: Duration,
    /// Topics made by a Metadata request (`auto.create.topics.enable`).
    pub auto_create_topics: bool,
    /// `num.partitions`.
    pub default_partitions: i32,
    /// `default.replication.factor`; also that of the offsets topic. Bounded by the brokers there are.
    pub default_replication_factor: i16,
    /// `min.insync.replicas` of topics that do not name their own.
    pub default_min_isr: usize,
    /// `offsets.topic.num.partitions` (50).
    pub offsets_partitions: i32,
    /// Whether the high watermark advances while the ISR is below its minimum, as brokers before 3.7 do.
    pub watermark_below_min_isr: bool,
    /// Bytes that a partition keeps; older batches below the high watermark go. Bounds the memory of a long demo.
    pub partition_bytes_max: usize,
    /// `message.max.bytes`.
    pub message_bytes_max: usize,
}

impl Default for ModelConfig {
    fn default() -> Self {
        ModelConfig {
            seed: 1,
            session_timeout: Duration::from_secs(2),
            heartbeat_interval: Duration::from_millis(400),
            controller_delay: Duration::from_millis(2),
            metadata_delay: Duration::from_millis(5),
            replication_delay: Duration::from_micros(300),
            replica_fetch_wait: Duration::from_millis(100),
            replica_lag_max: Duration::from_secs(3),
            replica_backoff: Duration::from_millis(100),
            startup: Duration::from_millis(300),
            listener_delay: Duration::from_millis(50),
            preferred_election_interval: Duration::from_secs(300),
            coordinator_load: Duration::from_millis(20),
            initial_rebalance_delay: Duration::ZERO,
            auto_create_topics: true,
            default_partitions: 3,
            default_replication_factor: 3,
            default_min_isr: 2,
            offsets_partitions: 6,
            watermark_below_min_isr: false,
            partition_bytes_max: 64 << 20,
            message_bytes_max: 1_048_588,
        }
    }
}
