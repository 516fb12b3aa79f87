//! Every metric: its name, unit, labels and what it says. What is rendered and what stands here are the same; a test holds that.

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The unit that ends a metric's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    None,
    Seconds,
    Bytes,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Without unit and without `_total`.
    pub base: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

impl Metric {
    /// The name in an expression of Prometheus; that of a histogram is followed by `_bucket`, `_sum` or `_count`.
    pub fn name(&self) -> String {
        let unit = match self.unit {
            Unit::None => "",
            Unit::Seconds => "_seconds",
            Unit::Bytes => "_bytes",
        };
        let total = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{}{unit}{total}", self.base)
    }
}

/// The reference of every metric, as a table in Markdown.
pub fn reference_markdown() -> String {
    let mut text = String::from("| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n");
    for metric in METRICS {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        text.push_str(&format!("| `{}` | {kind} | {} | {} |\n", metric.name(), labels.join(", "), metric.help));
    }
    text
}

macro_rules! metrics {
    ($($id:ident: $kind:ident $base:literal $unit:ident [$($label:literal),*] $help:literal;)*) => {
        $(pub(super) const $id: Metric = Metric { base: $base, kind: Kind::$kind, unit: Unit::$unit, labels: &[$($label),*], help: $help };)*
        /// Every metric, in the order in which they are rendered.
        pub const METRICS: &[Metric] = &[$($id),*];
    };
}

metrics! {
    REQUESTS: Counter "leeward_requests" None ["api"] "Requests read from clients";
    REQUEST_BYTES: Counter "leeward_request" Bytes ["api"] "Bytes of those requests, length fields included";
    RESPONSES: Counter "leeward_responses" None ["api"] "Responses handed to clients";
    RESPONSE_BYTES: Counter "leeward_response" Bytes ["api"] "Bytes of those responses, length fields included";
    BROKER_TIME: Histogram "leeward_broker_time" Seconds ["api"] "From a request's leaving to the arrival of its answer: the broker and the way to it";
    OWN_TIME: Histogram "leeward_own_time" Seconds ["api"] "All other time between a request's arrival and its answer's leaving: Leeward itself";
    ERRORS: Counter "leeward_errors" None ["api", "error"] "Error codes that brokers answered";
    UNKNOWN_API: Counter "leeward_unknown_api_requests" None [] "Requests with an API key that Leeward does not know; they pass untouched";
    SENT_REQUESTS: Counter "leeward_requests_sent" None ["node_id", "kind"] "Requests handed to a connection to this broker, detours and what is sent again included";
    SENT_BYTES: Counter "leeward_sent" Bytes ["node_id", "kind"] "Bytes of those requests, length fields included";
    BROKER_SESSIONS: Gauge "leeward_broker_sessions" None ["node_id"] "Client connections whose requests go to this broker now, apart from their detours";
    IN_FLIGHT_REQUESTS: Gauge "leeward_in_flight_requests" None [] "Requests that brokers have not answered";
    IN_FLIGHT_BYTES: Gauge "leeward_in_flight" Bytes [] "Bytes of those requests";
    HELD_REQUESTS: Gauge "leeward_held_requests" None [] "Requests that are kept until they can be sent";
    HELD_BYTES: Gauge "leeward_held" Bytes [] "Bytes of those requests";
    HELD_BYTES_MAX: Gauge "leeward_held_max" Bytes [] "guard.held_bytes_max: when so many are held reading from clients pauses";
    ABSORBED_ERRORS: Counter "leeward_absorbed_errors" None ["api", "error"] "Error codes of brokers that clients do not see; for Produce one for each partition";
    ABSORBED_LOSSES: Counter "leeward_absorbed_losses" None ["api"] "Requests whose broker's connection was lost, which clients do not see";
    HOLDS: Counter "leeward_holds" None ["api"] "Requests that were kept until they could be sent again";
    HOLD_ENDS: Counter "leeward_hold_ends" None ["api", "end"] "Holds that ended, by how; leeward_holds less these are held now";
    HOLD_TIME: Histogram "leeward_hold_time" Seconds [] "How long holds lasted";
    ACKS_RAISED: Counter "leeward_acks_raised" None [] "Produce requests with acks 0 or 1 that went on with acks=all";
    NUMBERED: Counter "leeward_batches_numbered" None [] "Batches without a producer id that got one of Leeward's";
    NOT_NUMBERED: Counter "leeward_batches_not_numbered" None ["reason"] "Batches in a maintenance window that could get none";
    DUPLICATES_DROPPED: Counter "leeward_duplicates_dropped" None [] "Batches sent again that the broker had already";
    RESENT: Counter "leeward_resent" None ["api"] "Requests sent again";
    REACHED_ERRORS: Counter "leeward_reached_errors" None ["api", "error"] "Errors that the guard could not absorb, or made itself, and that went to clients";
    HOME_LOST: Counter "leeward_home_lost" None [] "Client connections that stayed although their broker's was lost";
    HOME_BACK: Counter "leeward_home_back" None [] "Those whose broker's connection is up again";
    WINDOWS_OPEN: Gauge "leeward_windows_open" None [] "Maintenance windows that are open";
    WINDOW_OPENED: Gauge "leeward_window_opened" Seconds [] "When the first of the open windows opened, since 1970; 0: none is open";
    WINDOW_EXPIRES: Gauge "leeward_window_expires" Seconds [] "When the first of the open windows closes by itself, since 1970; 0: none is open";
    ROLL: Gauge "leeward_roll" None ["state"] "1 for where the roll stands that goes on, or the last one; all 0: there was none";
    REASSIGNMENT: Gauge "leeward_reassignment" None ["state"] "1 for where the reassignment stands that goes on, or the last one; all 0: there was none";
    REASSIGNMENT_PARTITIONS: Gauge "leeward_reassignment_partitions" None ["progress"] "Partitions of the reassignment that goes on: where they are to be (moved), and not yet (left); 0 when it is over, and at a Leeward that does not carry it out";
    REASSIGNMENT_BYTES: Gauge "leeward_reassignment_copy" Bytes ["progress"] "Bytes that this reassignment has copied, and has left to copy, once for each broker that gets a copy; 0 as the partitions";
    REASSIGNMENT_THROTTLE: Gauge "leeward_reassignment_throttle" Bytes [] "What each broker may send, and receive, in a second of what is copied; 0: this Leeward has set no throttle";
    SESSIONS: Gauge "leeward_sessions" None [] "Client connections";
    SESSIONS_MAX: Gauge "leeward_sessions_max" None [] "limits.sessions_max: further connections are turned away";
    SESSIONS_OPENED: Counter "leeward_sessions_opened" None [] "Client connections accepted";
    SESSIONS_CLOSED: Counter "leeward_sessions_closed" None ["cause", "fault"] "Client connections ended, by why and by whose doing";
    SESSIONS_REFUSED: Counter "leeward_sessions_refused" None ["reason"] "Client connections turned away when they were accepted";
    READS_PAUSED: Counter "leeward_reads_paused" None ["reason"] "Times that reading from a client paused";
    UPSTREAM_CONNECTIONS: Gauge "leeward_upstream_connections" None [] "Connections to brokers";
    UPSTREAM_OPENED: Counter "leeward_upstream_connections_opened" None [] "Connections to brokers established";
    UPSTREAM_DIALS_FAILED: Counter "leeward_upstream_dials_failed" None [] "Addresses of brokers that did not accept a connection";
    READS: Counter "leeward_reads" None ["side"] "Reading system calls on sockets";
    READ_BYTES: Counter "leeward_read" Bytes ["side"] "Bytes read from sockets";
    WRITES: Counter "leeward_writes" None ["side"] "Writing system calls on sockets";
    WRITTEN_BYTES: Counter "leeward_written" Bytes ["side"] "Bytes written to sockets";
    BUFFERS: Gauge "leeward_buffers" None ["state"] "Pooled buffers that carry bytes (out) and that wait (free)";
    READY: Gauge "leeward_ready" None [] "1 when /readyz says yes: clients are served";
    BROKERS: Gauge "leeward_brokers" None [] "Brokers known";
    BROKER_REACHABLE: Gauge "leeward_broker_reachable" None ["node_id"] "1 where the broker answered Leeward's last question";
    BROKER_DRAINING: Gauge "leeward_broker_draining" None ["node_id"] "1 where traffic is led around the broker, because it is being drained or is drained";
    VIEW_GENERATION: Gauge "leeward_view_generation" None [] "Counts the pictures of the cluster; a standing number is a quiet cluster";
    METADATA_REFRESHES: Counter "leeward_metadata_refreshes" None ["result"] "Leeward's own readings of the cluster's metadata";
    CONFIG_RELOADS: Counter "leeward_config_reloads" None ["result"] "Reloads of the configuration";
    BUILD_INFO: Gauge "leeward_build_info" None ["version"] "Always 1";
    PROCESS_CPU: Counter "process_cpu" Seconds [] "CPU time of this process, user and system";
    PROCESS_RSS: Gauge "process_resident_memory" Bytes [] "Memory of this process that is resident";
    PROCESS_FDS: Gauge "process_open_fds" None [] "Open file descriptors of this process";
    PROCESS_FDS_MAX: Gauge "process_max_fds" None [] "Most file descriptors that this process may open";
    PROCESS_START: Gauge "process_start_time" Seconds [] "When this process started, since 1970";
    PROCESS_THREADS: Gauge "process_threads" None [] "Threads of this process";
}
