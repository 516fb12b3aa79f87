//! The one table of keys: type, default, what a reload does with it, what it means, and why its default is what it is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::value::Kind;

/// When a changed value takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Applies {
    /// At a reload (SIGHUP, `leeward reload`), for what begins after it.
    Now,
    /// Only when Leeward is started again.
    Restart,
}

impl Applies {
    pub fn label(self) -> &'static str {
        match self {
            Applies::Now => "now",
            Applies::Restart => "restart",
        }
    }
}

/// What a key holds when nobody says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preset {
    /// As it would stand in the file.
    Toml(&'static str),
    /// Taken from other keys, as described.
    Derived(&'static str),
    /// There is none; it must be said.
    Required,
    /// Nothing.
    Unset,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Dotted, as in the file.
    pub path: &'static str,
    pub(super) kind: Kind,
    pub(super) preset: Preset,
    pub applies: Applies,
    /// What it is.
    pub meaning: &'static str,
    /// Why the default is what it is.
    pub reason: &'static str,
}

impl Key {
    /// The row of `path`.
    pub fn of(path: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.path == path)
    }

    /// The type's name in the reference.
    pub fn type_name(&self) -> &'static str {
        self.kind.name()
    }

    /// The default as it could stand in the file, where it does not follow from other keys.
    pub fn default_toml(&self) -> Option<&'static str> {
        match self.preset {
            Preset::Toml(text) => Some(text),
            Preset::Derived(_) | Preset::Required | Preset::Unset => None,
        }
    }

    /// The default in the reference.
    pub fn default_text(&self) -> &'static str {
        match self.preset {
            Preset::Toml(text) | Preset::Derived(text) => text,
            Preset::Required => "(required)",
            Preset::Unset => "(none)",
        }
    }
}

const fn millis(from: u64, to: u64) -> Kind {
    Kind::Duration { min: Duration::from_millis(from), max: Duration::from_millis(to) }
}

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// The protocol's frame length is an INT32.
const FRAME_MAX: u64 = 0x7fff_ffff;

/// Every key, in the order of the file.
pub const KEYS: &[Key] = &[
    Key {
        path: "upstream.bootstrap",
        kind: Kind::HostPorts,
        preset: Preset::Required,
        applies: Applies::Now,
        meaning: "Brokers that are asked for the cluster; one that answers is enough, the others are found through it.",
        reason: "Leeward cannot guess whom it shelters.",
    },
    Key {
        path: "upstream.connect_timeout",
        kind: millis(10, 60 * SECOND),
        preset: Preset::Toml("\"2s\""),
        applies: Applies::Now,
        meaning: "How long one address of a broker may take to accept a connection; then the next one is tried.",
        reason: "One lost SYN is repeated after a second, so two seconds bear one loss; a dead address must not cost a client its own timeout.",
    },
    Key {
        path: "upstream.refresh_interval",
        kind: millis(100, HOUR),
        preset: Preset::Toml("\"10s\""),
        applies: Applies::Now,
        meaning: "How often the brokers and their versions are read again when nothing asks for it earlier.",
        reason: "A broker that joins is found within a few seconds; one small request for each broker is no load.",
    },
    Key {
        path: "upstream.zookeeper",
        kind: Kind::HostPorts,
        preset: Preset::Unset,
        applies: Applies::Now,
        meaning: "ZooKeeper's servers, for drains in front of brokers before Kafka 2.4, which change the order of replicas no other way.",
        reason: "Newer brokers need none, and no drain touches ZooKeeper unless it is told where it is.",
    },
    Key {
        path: "upstream.zookeeper_chroot",
        kind: Kind::Text,
        preset: Preset::Unset,
        applies: Applies::Now,
        meaning: "The path under which the brokers keep everything in ZooKeeper: what follows the servers in their zookeeper.connect, such as /kafka.",
        reason: "Most clusters have the whole of their ZooKeeper.",
    },
    Key {
        path: "upstream.sasl_plain.username",
        kind: Kind::Text,
        preset: Preset::Unset,
        applies: Applies::Now,
        meaning: "Account for Leeward's own connections, where the brokers ask for SASL; with PLAIN. Clients' own logins pass through as they are.",
        reason: "Most clusters that can be tried at once ask for none.",
    },
    Key {
        path: "upstream.sasl_plain.password",
        kind: Kind::Secret,
        preset: Preset::Unset,
        applies: Applies::Now,
        meaning: "Password of that account. It is never shown and never logged.",
        reason: "As above.",
    },
    Key {
        path: "listen.bootstrap",
        kind: Kind::Socket,
        preset: Preset::Toml("\"127.0.0.1:19092\""),
        applies: Applies::Restart,
        meaning: "The bootstrap endpoint: what clients put into bootstrap.servers. Port 0 takes a free one.",
        reason: "Kafka's 9092 with a 1 before it; loopback, so that nothing is open to a network before somebody says so.",
    },
    Key {
        path: "listen.advertised_host",
        kind: Kind::Host,
        preset: Preset::Derived("IP of listen.bootstrap"),
        applies: Applies::Restart,
        meaning: "The host that clients are told for every virtual broker; they must be able to reach it.",
        reason: "Right wherever one address is bound; with 0.0.0.0 or [::] it must be said.",
    },
    Key {
        path: "listen.virtual_brokers.bind",
        kind: Kind::Ip,
        preset: Preset::Derived("IP of listen.bootstrap"),
        applies: Applies::Restart,
        meaning: "The address on which the virtual brokers' ports are bound.",
        reason: "Who may reach the bootstrap endpoint must reach the virtual brokers as well.",
    },
    Key {
        path: "listen.virtual_brokers.base_port",
        kind: Kind::Port,
        preset: Preset::Derived("port of listen.bootstrap + 1"),
        applies: Applies::Restart,
        meaning: "The broker with node id N gets port base_port + N.",
        reason: "One block of ports to open in a firewall.",
    },
    Key {
        path: "listen.virtual_brokers.range",
        kind: Kind::Count { min: 1, max: 65_535 },
        preset: Preset::Toml("1000"),
        applies: Applies::Restart,
        meaning: "How many ports from base_port on belong to Leeward. Only those of brokers that exist are bound; node ids beyond get free ones from the end downwards.",
        reason: "Node ids are small as a rule, or begin at 1000 or 1001, where the end of the range is used.",
    },
    Key {
        path: "listen.virtual_brokers.ports",
        kind: Kind::Ports,
        preset: Preset::Toml("{}"),
        applies: Applies::Restart,
        meaning: "Ports for particular node ids, in or out of the range; they win over base_port.",
        reason: "Rarely needed.",
    },
    Key {
        path: "admin.listen",
        kind: Kind::Socket,
        preset: Preset::Toml("\"127.0.0.1:19000\""),
        applies: Applies::Restart,
        meaning: "The operator's endpoint: health, metrics, status, reload, maintenance. Other addresses than loopback need a token. Port 0 takes a free one.",
        reason: "Whoever reaches it may open windows, so it is not offered to a network before somebody says so. Where the commands look by default.",
    },
    Key {
        path: "admin.tokens.read_only",
        kind: Kind::Tokens,
        preset: Preset::Toml("{}"),
        applies: Applies::Now,
        meaning: "Tokens that may see everything and change nothing, by name, such as { prometheus = { file = \"/etc/leeward/prometheus.token\" } }. At least 16 bytes; never shown and never logged.",
        reason: "On loopback, who may run commands on the machine is the operator.",
    },
    Key {
        path: "admin.tokens.read_write",
        kind: Kind::Tokens,
        preset: Preset::Toml("{}"),
        applies: Applies::Now,
        meaning: "Tokens that may change things as well. The name stands in the audit file. As soon as there is any token, everything but /livez and /readyz asks for one.",
        reason: "As above.",
    },
    Key {
        path: "limits.frame_bytes_max",
        kind: Kind::Size { min: KIB, max: FRAME_MAX },
        preset: Preset::Toml("\"100MiB\""),
        applies: Applies::Now,
        meaning: "The largest request frame.",
        reason: "The broker's own socket.request.max.bytes: what it would refuse need not travel.",
    },
    Key {
        path: "limits.first_frame_bytes_max",
        kind: Kind::Size { min: KIB, max: FRAME_MAX },
        preset: Preset::Toml("\"512KiB\""),
        applies: Applies::Now,
        meaning: "The largest frame before a connection has sent its first well-formed request, unless that is a Produce.",
        reason: "The broker's limit before a login (sasl.server.max.receive.size): first requests are small, and another protocol's first bytes read as a length are huge.",
    },
    Key {
        path: "limits.session_bytes_in_flight_max",
        kind: Kind::Size { min: KIB, max: 64 * GIB },
        preset: Preset::Toml("\"64MiB\""),
        applies: Applies::Now,
        meaning: "Request bytes of one session that the broker has not answered; beyond it reading pauses. A single larger request still passes.",
        reason: "librdkafka and Java send at most five requests of 1 MiB at a time by default; sixty-four leave room, and one client cannot fill a broker's queue through Leeward.",
    },
    Key {
        path: "limits.session_requests_in_flight_max",
        kind: Kind::Count { min: 1, max: 1_000_000 },
        preset: Preset::Toml("1024"),
        applies: Applies::Now,
        meaning: "Requests of one session that the broker has not answered; beyond it reading pauses.",
        reason: "No library pipelines more than a few hundred; each costs a small entry.",
    },
    Key {
        path: "limits.buffer_bytes_max",
        kind: Kind::Size { min: 64 * KIB, max: 1024 * GIB },
        preset: Preset::Toml("\"256MiB\""),
        applies: Applies::Restart,
        meaning: "Memory for bytes on their way, over all sessions; beyond it sessions read with small buffers.",
        reason: "Five hundred sessions that all move bulk at the same moment get a whole buffer each.",
    },
    Key {
        path: "limits.buffer_bytes",
        kind: Kind::Size { min: 4 * KIB, max: 16 * MIB },
        preset: Preset::Toml("\"512KiB\""),
        applies: Applies::Restart,
        meaning: "The size of one pooled buffer. It is borrowed only while there is something to read.",
        reason: "Few system calls for bulk: measured beside 128 KiB, 256 KiB and 1 MiB, it is the size beyond which large requests cost no less CPU.",
    },
    Key {
        path: "limits.sessions_max",
        kind: Kind::Count { min: 1, max: 10_000_000 },
        preset: Preset::Toml("20000"),
        applies: Applies::Now,
        meaning: "Sessions in all; beyond it a connection is closed when it is accepted.",
        reason: "Two descriptors each, below the usual limit of 65536 (Leeward says so where the limit is lower); at 4 KB an idle session that is 80 MB.",
    },
    Key {
        path: "limits.sessions_per_address_max",
        kind: Kind::Count { min: 0, max: 10_000_000 },
        preset: Preset::Toml("0"),
        applies: Applies::Now,
        meaning: "Sessions from one client address; 0 is no limit.",
        reason: "Behind a load balancer or NAT all clients share one address, where any number would be wrong.",
    },
    Key {
        path: "limits.idle_timeout",
        kind: millis(SECOND, 168 * HOUR),
        preset: Preset::Toml("\"10m\""),
        applies: Applies::Now,
        meaning: "A session with nothing in flight and nothing read for so long is closed.",
        reason: "The broker's connections.max.idle.ms; above the 9 minutes after which Java closes by itself, so that the client is the first.",
    },
    Key {
        path: "limits.first_request_timeout",
        kind: millis(100, HOUR),
        preset: Preset::Toml("\"30s\""),
        applies: Applies::Now,
        meaning: "A connection that has not sent a whole request header so long after it was accepted is closed.",
        reason: "Every library sends ApiVersions at once; half-open connections must not fill sessions_max.",
    },
    Key {
        path: "limits.write_timeout",
        kind: millis(SECOND, HOUR),
        preset: Preset::Toml("\"1m\""),
        applies: Applies::Now,
        meaning: "A peer that takes no byte for so long, while there is something to write, is closed.",
        reason: "Twice the usual request timeout of 30 s: nobody waits for those bytes any more.",
    },
    Key {
        path: "limits.shutdown_grace",
        kind: millis(0, HOUR),
        preset: Preset::Toml("\"30s\""),
        applies: Applies::Now,
        meaning: "How long SIGTERM waits for what is in flight.",
        reason: "The usual request timeout of 30 s; also what service managers allow before they kill.",
    },
    Key {
        path: "guard.absorb",
        kind: Kind::OneOf(&["always", "window", "never"]),
        preset: Preset::Toml("\"always\""),
        applies: Applies::Now,
        meaning: "When errors and lost brokers are absorbed: at all times, only while a maintenance window is open, or not at all.",
        reason: "A broker that crashes announces nothing; what is unsent or refused can be sent again at any time.",
    },
    Key {
        path: "guard.mode",
        kind: Kind::OneOf(&["on", "watch"]),
        preset: Preset::Toml("\"on\""),
        applies: Applies::Now,
        meaning: "With \"watch\" nothing is changed, held or resent; what would have been is counted.",
        reason: "It is what Leeward is for.",
    },
    Key {
        path: "guard.hold_max",
        kind: millis(0, 10 * 60 * SECOND),
        preset: Preset::Toml("\"15s\""),
        applies: Applies::Now,
        meaning: "The longest that a request is held, from its arrival; less where the client itself gives up earlier, and for heartbeats.",
        reason: "A crashed KRaft broker is replaced only after its session of 9 s.",
    },
    Key {
        path: "guard.hold_lookup_max",
        kind: millis(0, 10 * 60 * SECOND),
        preset: Preset::Toml("\"8s\""),
        applies: Applies::Now,
        meaning: "The longest that Metadata, FindCoordinator and ApiVersions are held, from their arrival.",
        reason: "franz-go gives Metadata, FindCoordinator and ApiVersions ten seconds.",
    },
    Key {
        path: "guard.held_bytes_max",
        kind: Kind::Size { min: 64 * KIB, max: 1024 * GIB },
        preset: Preset::Toml("\"256MiB\""),
        applies: Applies::Now,
        meaning: "Bytes held over all sessions, divided evenly among the workers; beyond it reading pauses.",
        reason: "Fifteen seconds of 17 MB/s to the broker that is away; more needs more memory.",
    },
    Key {
        path: "guard.window_max",
        kind: millis(SECOND, 720 * HOUR),
        preset: Preset::Toml("\"24h\""),
        applies: Applies::Now,
        meaning: "The longest that a maintenance window may be asked for.",
        reason: "Even the upgrade of a large cluster is looked at once a day; a window that nobody remembers must end.",
    },
    Key {
        path: "guard.window_default",
        kind: millis(SECOND, 720 * HOUR),
        preset: Preset::Toml("\"4h\""),
        applies: Applies::Now,
        meaning: "How long a window stays open when nobody says.",
        reason: "A rolling restart of a few dozen brokers fits in.",
    },
    Key {
        path: "guard.detect",
        kind: Kind::Flag,
        preset: Preset::Toml("false"),
        applies: Applies::Now,
        meaning: "A window opens by itself when a broker announces its shutdown (it leaves the metadata) or is lost.",
        reason: "A window changes acks, so somebody should have wanted it.",
    },
    Key {
        path: "guard.detect_window",
        kind: millis(SECOND, 720 * HOUR),
        preset: Preset::Toml("\"30m\""),
        applies: Applies::Now,
        meaning: "How long a window that opened by itself stays open; it is prolonged while a broker is away, up to guard.window_max.",
        reason: "Longer than a restart with log recovery takes as a rule.",
    },
    Key {
        path: "guard.detect_quiet",
        kind: millis(0, HOUR),
        preset: Preset::Toml("\"1m\""),
        applies: Applies::Now,
        meaning: "A window that opened by itself closes so long after every broker is back.",
        reason: "In a rolling restart the next broker goes within a minute as a rule; so it stays one window.",
    },
    Key {
        path: "roll.allow_commands",
        kind: Kind::Flag,
        preset: Preset::Toml("false"),
        applies: Applies::Now,
        meaning: "Whether a roll may run commands that stop and start brokers (leeward roll start --stop-cmd, --start-cmd).",
        reason: "Whoever may change things at the admin endpoint could run anything as the user that Leeward runs as.",
    },
    Key {
        path: "tap.records",
        kind: Kind::Flag,
        preset: Preset::Toml("false"),
        applies: Applies::Now,
        meaning: "Whether leeward tap may show keys and values of records, and leave them in the frames of its pcap files. Logins, tokens and configurations never are.",
        reason: "Records are the clients' business; whoever may only look at the admin endpoint could read them all.",
    },
    Key {
        path: "tap.frame_bytes_max",
        kind: Kind::Size { min: KIB, max: MIB },
        preset: Preset::Toml("\"16KiB\""),
        applies: Applies::Now,
        meaning: "Bytes of a request's and of an answer's frame that leeward tap keeps for records and pcap files; what is behind them is left out.",
        reason: "A thousand of both fit in the 32 MiB that may be kept for all who listen.",
    },
    Key {
        path: "state.directory",
        kind: Kind::Text,
        preset: Preset::Toml("\"leeward-state\""),
        applies: Applies::Restart,
        meaning: "Where maintenance windows are kept over a restart, and the audit file. It is made with the first change; one Leeward for each directory.",
        reason: "Beside what Leeward was started from, which an operator finds; packages say /var/lib/leeward.",
    },
    Key {
        path: "state.topic",
        kind: Kind::Text,
        preset: Preset::Unset,
        applies: Applies::Restart,
        meaning: "The topic on the cluster through which several Leewards in front of it share windows, schedules, drains and rolls, such as __leeward_state. It is made on first use. Whoever may write to it changes what they all do.",
        reason: "One Leeward alone needs none, and makes nothing on the cluster that nobody asked for.",
    },
    Key {
        path: "runtime.workers",
        kind: Kind::Threads { max: 1024 },
        preset: Preset::Toml("\"cores\""),
        applies: Applies::Restart,
        meaning: "Threads that carry sessions; each has its own event loop.",
        reason: "A session and its sockets live on one thread, so more threads than cores gain nothing.",
    },
    Key {
        path: "log.format",
        kind: Kind::LogFormat,
        preset: Preset::Toml("\"text\""),
        applies: Applies::Restart,
        meaning: "Lines for people, or one JSON object for each event.",
        reason: "The first one to read it is a person.",
    },
    Key {
        path: "log.filter",
        kind: Kind::LogFilter,
        preset: Preset::Toml("\"info\""),
        applies: Applies::Now,
        meaning: "Which events are logged, such as \"leeward::session=debug,info\": targets are leeward::session, ::cluster, ::listen, ::config, ::guard, ::run.",
        reason: "What an operator may have to act on; a lost peer is debug.",
    },
];
