//! What the operator may say, as types. [`Config`] is always valid: the raw file becomes one, or a list of every error in it (each with file, line, key and what is allowed).
//!
//! One table describes every key ([`KEYS`]); defaults, reference, reload and the checks of the example file all read it.

mod build;
mod conflicts;
mod error;
mod keys;
mod raw;
mod show;
mod tokens;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

pub use error::{ConfigError, ConfigErrors};
pub use keys::{Applies, KEYS, Key};
pub use raw::Override;
pub use show::{Change, Setting, reference_markdown};
pub use tokens::{Token, Tokens, read_secret, wrong as wrong_token};
pub use value::{parse_duration, parse_size, show_duration, show_size};

/// Where a configuration comes from: a file, flags, or both (flags win). Kept, so that a reload reads the same again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigSource {
    pub file: Option<PathBuf>,
    pub overrides: Vec<Override>,
}

impl ConfigSource {
    /// Reads the file and gives the configuration, or everything that is wrong.
    pub fn load(&self) -> Result<Config, ConfigErrors> {
        let Some(path) = &self.file else { return Config::from_parts(None, &self.overrides) };
        let text = std::fs::read_to_string(path).map_err(|error| {
            let allowed = "name a TOML file that Leeward may read (--config)".to_owned();
            ConfigErrors(vec![ConfigError { at: path.display().to_string(), key: String::new(), problem: format!("cannot be read: {error}"), allowed }])
        })?;
        Config::from_parts(Some((path, &text)), &self.overrides)
    }
}

impl Config {
    /// The configuration of a file's name and text and of flags; no file is opened but those of tokens.
    pub fn from_parts(file: Option<(&Path, &str)>, overrides: &[Override]) -> Result<Config, ConfigErrors> {
        let mut raw = raw::Raw::default();
        if let Some((name, text)) = file {
            raw.add_file(name, text)?;
        }
        for given in overrides {
            raw.add_override(given);
        }
        build::build(raw)
    }
}

/// A host name or address with a port, not resolved.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    pub host: String,
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = String;

    /// Reads `host:port` or `[ipv6]:port`; the error says what is wrong with it.
    fn from_str(text: &str) -> Result<Self, String> {
        value::parse_host_port(text)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') { write!(f, "[{}]:{}", self.host, self.port) } else { write!(f, "{}:{}", self.host, self.port) }
    }
}

/// Everything that Leeward was told, validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub upstream: Upstream,
    pub listen: Listen,
    pub admin: Admin,
    pub limits: Limits,
    pub guard: Guard,
    pub roll: Roll,
    pub tap: Tap,
    pub state: State,
    pub runtime: Runtime,
    pub log: Log,
}

/// What a roll may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roll {
    /// Run the operator's commands.
    pub allow_commands: bool,
}

/// What `leeward tap` may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tap {
    /// Keys and values of records.
    pub records: bool,
    /// Bytes of each frame that are kept for it.
    pub frame_bytes_max: usize,
}

/// The cluster that Leeward stands in front of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Brokers to ask for the cluster's metadata; one that answers is enough. Never empty.
    pub bootstrap: Vec<HostPort>,
    /// How long one address may take to accept a connection; then the next one is tried.
    pub connect_timeout: Duration,
    /// How often the brokers' metadata and versions are read again when nothing asks for it earlier.
    pub refresh_interval: Duration,
    /// A PLAIN account for Leeward's own connections, where the brokers ask for SASL.
    pub sasl_plain: Option<SaslPlain>,
    /// Where brokers before 2.4 are told what they have no API for.
    pub zookeeper: ZooKeeperAt,
}

/// Where the brokers' ZooKeeper is, if that was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ZooKeeperAt {
    pub servers: Vec<HostPort>,
    /// Empty, or a path that begins with `/`.
    pub chroot: String,
}

/// Leeward's own account. `Debug` hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct SaslPlain {
    pub username: String,
    pub password: String,
}

impl fmt::Debug for SaslPlain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaslPlain").field("username", &self.username).field("password", &"(hidden)").finish()
    }
}

/// Where clients connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// The bootstrap endpoint.
    pub bootstrap: SocketAddr,
    /// The host that clients are told for the virtual brokers; may differ from the one that is bound.
    pub advertised_host: String,
    pub virtual_brokers: VirtualBrokers,
}

/// Which port stands for which broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualBrokers {
    /// The address on which the virtual brokers' ports are bound.
    pub bind: IpAddr,
    /// A broker with node id N in `0..range` gets port `base_port + N`; other node ids get free ports from the end of the range downwards.
    pub base_port: u16,
    /// How many ports from `base_port` on belong to Leeward.
    pub range: u16,
    /// Ports for particular node ids; they win over `base_port`.
    pub ports: BTreeMap<i32, u16>,
}

/// The operator's endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    pub listen: SocketAddr,
    /// Never empty where `listen` is not a loopback address.
    pub tokens: Tokens,
}

/// Every bound, with its unit in its name or type. Defaults and reasons stand in [`KEYS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest request frame (`socket.request.max.bytes`).
    pub frame_bytes_max: usize,
    /// The largest frame before a connection has sent its first well-formed request, unless that is a Produce.
    pub first_frame_bytes_max: usize,
    /// Request bytes of one session that the broker has not answered; beyond it reading pauses.
    pub session_bytes_in_flight_max: usize,
    /// Requests of one session that the broker has not answered; beyond it reading pauses.
    pub session_requests_in_flight_max: usize,
    /// Memory for bytes on their way, over all sessions; beyond it sessions read with small buffers.
    pub buffer_bytes_max: usize,
    /// The size of one pooled buffer.
    pub buffer_bytes: usize,
    pub sessions_max: usize,
    pub sessions_per_address_max: usize,
    /// A session with nothing in flight and nothing read for so long is closed (`connections.max.idle.ms`).
    pub idle_timeout: Duration,
    /// A connection that has not sent a whole request header so long after it was accepted is closed.
    pub first_request_timeout: Duration,
    /// A peer that takes no byte for so long, while there is something to write, is closed.
    pub write_timeout: Duration,
    /// How long SIGTERM waits for what is in flight.
    pub shutdown_grace: Duration,
}

/// What protects the traffic, and when. Defaults and reasons stand in [`KEYS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    pub absorb: Absorb,
    /// Nothing is changed, held or resent; what would have been is counted.
    pub watch_only: bool,
    /// The longest a request is held, from its arrival.
    pub hold_max: Duration,
    /// The longest Metadata, FindCoordinator and ApiVersions are held, from their arrival.
    pub hold_lookup_max: Duration,
    /// Bytes held over all sessions; beyond it reading pauses.
    pub held_bytes_max: usize,
    /// The longest that a window may be asked for, and that a detected one may be prolonged to.
    pub window_max: Duration,
    /// How long a window stays open when nobody says.
    pub window_default: Duration,
    /// A window opens by itself when a broker announces its shutdown or is lost.
    pub detect: bool,
    /// How long such a window stays open without a further sign.
    pub detect_window: Duration,
    /// It closes so long after every broker is back.
    pub detect_quiet: Duration,
}

/// When errors and lost brokers are absorbed (`guard.absorb`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Absorb {
    #[default]
    Always,
    /// Only while a window is open.
    Window,
    Never,
}

impl Absorb {
    /// As it stands in the file.
    pub fn label(self) -> &'static str {
        match self {
            Absorb::Always => "always",
            Absorb::Window => "window",
            Absorb::Never => "never",
        }
    }
}

/// What must outlive a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Where the maintenance windows and the audit file are.
    pub directory: PathBuf,
    /// The topic on the cluster in which several Leewards share it.
    pub topic: Option<String>,
}

/// Threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// Threads that carry sessions; each has its own event loop.
    pub workers: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    /// A `tracing` filter such as `info` or `leeward::session=debug,info`.
    pub filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}
