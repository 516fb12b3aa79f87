//! From what was found to a [`Config`]: every key read, every default filled in, every conflict between keys named.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::conflicts;
use super::error::{ConfigError, ConfigErrors};
use super::keys::{Key, Preset};
use super::raw::{Located, Raw};
use super::value::{Found, Value};
use super::{
    Absorb, Admin, Config, Guard, Limits, Listen, Log, LogFormat, Roll, Runtime, SaslPlain, State, Tap, Token, Tokens, Upstream, VirtualBrokers, ZooKeeperAt,
};

/// The configuration, or everything that is wrong with it.
pub(super) fn build(raw: Raw) -> Result<Config, ConfigErrors> {
    let mut reader = Reader { raw };
    let upstream = upstream(&mut reader);
    let listen = listen(&mut reader);
    let admin = admin(&mut reader);
    let limits = limits(&mut reader);
    let guard = guard(&mut reader);
    let roll = reader.flag("roll.allow_commands").map(|allow_commands| Roll { allow_commands });
    let tap = tap(&mut reader);
    let state = state(&mut reader);
    let workers = reader.number("runtime.workers");
    let log = log(&mut reader);
    let whole = upstream.zip(listen).zip(admin).zip(limits).zip(guard).zip(roll).zip(tap).zip(state).zip(workers).zip(log);
    let config = whole.map(|(((((((((upstream, listen), admin), limits), guard), roll), tap), state), workers), log)| {
        let config = Config { upstream, listen, admin, limits, guard, roll, tap, state, runtime: Runtime { workers }, log };
        conflicts::find(&config, &mut reader);
        config
    });
    reader.raw.errors.sort();
    reader.raw.errors.dedup();
    match config {
        Some(config) if reader.raw.errors.is_empty() => Ok(config),
        Some(_) | None => Err(ConfigErrors(reader.raw.errors)),
    }
}

fn upstream(reader: &mut Reader) -> Option<Upstream> {
    let bootstrap = if let Some(Value::HostPorts(addresses)) = reader.value("upstream.bootstrap") { Some(addresses) } else { None };
    let connect_timeout = reader.duration("upstream.connect_timeout");
    let refresh_interval = reader.duration("upstream.refresh_interval");
    let username = reader.text("upstream.sasl_plain.username");
    let password = reader.text("upstream.sasl_plain.password");
    let sasl_plain = match (username, password) {
        (Some(username), Some(password)) => Some(SaslPlain { username, password }),
        (None, None) => None,
        (Some(_), None) => reader.conflict("upstream.sasl_plain.password", "a username stands without it", "say both or neither"),
        (None, Some(_)) => reader.conflict("upstream.sasl_plain.username", "a password stands without it", "say both or neither"),
    };
    let servers = if let Some(Value::HostPorts(servers)) = reader.value("upstream.zookeeper") { servers } else { Vec::new() };
    let chroot = reader.text("upstream.zookeeper_chroot").unwrap_or_default();
    if !chroot.is_empty() && (!chroot.starts_with('/') || chroot.ends_with('/')) {
        return reader.conflict(
            "upstream.zookeeper_chroot",
            &format!("\"{chroot}\" is no path of ZooKeeper"),
            "a path such as \"/kafka\", without a / at its end",
        );
    }
    let zookeeper = ZooKeeperAt { servers, chroot };
    Some(Upstream { bootstrap: bootstrap?, connect_timeout: connect_timeout?, refresh_interval: refresh_interval?, sasl_plain, zookeeper })
}

fn listen(reader: &mut Reader) -> Option<Listen> {
    let bootstrap = reader.socket("listen.bootstrap");
    let advertised = reader.text("listen.advertised_host");
    let bind = reader.ip("listen.virtual_brokers.bind").or_else(|| bootstrap.map(|bootstrap| bootstrap.ip()));
    let base_port = reader.port("listen.virtual_brokers.base_port");
    let range = reader.port("listen.virtual_brokers.range");
    let ports = if let Some(Value::Ports(ports)) = reader.value("listen.virtual_brokers.ports") { Some(ports) } else { None };
    let bootstrap = bootstrap?;
    let advertised_host = match advertised {
        Some(host) => Some(host),
        None if bootstrap.ip().is_unspecified() => {
            let problem = format!("it is missing, and {} is no address that a client could connect to", bootstrap.ip());
            reader.conflict("listen.advertised_host", &problem, "say the host under which clients reach Leeward (--advertised-host)")
        }
        None => Some(bootstrap.ip().to_string()),
    };
    let base_port = match base_port {
        Some(port) => Some(port),
        None if bootstrap.port() == 0 || bootstrap.port() == u16::MAX => {
            let problem = format!("it is missing, and does not follow from port {} of listen.bootstrap", bootstrap.port());
            reader.conflict("listen.virtual_brokers.base_port", &problem, "say it (--base-port)")
        }
        None => Some(bootstrap.port() + 1),
    };
    let virtual_brokers = VirtualBrokers { bind: bind?, base_port: base_port?, range: range?, ports: ports? };
    Some(Listen { bootstrap, advertised_host: advertised_host?, virtual_brokers })
}

fn admin(reader: &mut Reader) -> Option<Admin> {
    let listen = reader.socket("admin.listen");
    let read_only = reader.tokens("admin.tokens.read_only");
    let read_write = reader.tokens("admin.tokens.read_write");
    Some(Admin { listen: listen?, tokens: Tokens { read_only: read_only?, read_write: read_write? } })
}

fn tap(reader: &mut Reader) -> Option<Tap> {
    let (records, frame_bytes_max) = (reader.flag("tap.records"), reader.number("tap.frame_bytes_max"));
    Some(Tap { records: records?, frame_bytes_max: frame_bytes_max? })
}

fn limits(reader: &mut Reader) -> Option<Limits> {
    let frame_bytes_max = reader.number("limits.frame_bytes_max");
    let first_frame_bytes_max = reader.number("limits.first_frame_bytes_max");
    let session_bytes_in_flight_max = reader.number("limits.session_bytes_in_flight_max");
    let session_requests_in_flight_max = reader.number("limits.session_requests_in_flight_max");
    let buffer_bytes_max = reader.number("limits.buffer_bytes_max");
    let buffer_bytes = reader.number("limits.buffer_bytes");
    let sessions_max = reader.number("limits.sessions_max");
    let sessions_per_address_max = reader.number("limits.sessions_per_address_max");
    let idle_timeout = reader.duration("limits.idle_timeout");
    let first_request_timeout = reader.duration("limits.first_request_timeout");
    let write_timeout = reader.duration("limits.write_timeout");
    let shutdown_grace = reader.duration("limits.shutdown_grace");
    Some(Limits {
        frame_bytes_max: frame_bytes_max?,
        first_frame_bytes_max: first_frame_bytes_max?,
        session_bytes_in_flight_max: session_bytes_in_flight_max?,
        session_requests_in_flight_max: session_requests_in_flight_max?,
        buffer_bytes_max: buffer_bytes_max?,
        buffer_bytes: buffer_bytes?,
        sessions_max: sessions_max?,
        sessions_per_address_max: sessions_per_address_max?,
        idle_timeout: idle_timeout?,
        first_request_timeout: first_request_timeout?,
        write_timeout: write_timeout?,
        shutdown_grace: shutdown_grace?,
    })
}

fn guard(reader: &mut Reader) -> Option<Guard> {
    let absorb = reader.text("guard.absorb").map(|word| match word.as_str() {
        "window" => Absorb::Window,
        "never" => Absorb::Never,
        _ => Absorb::Always,
    });
    let watch_only = reader.text("guard.mode").map(|word| word == "watch");
    let hold_max = reader.duration("guard.hold_max");
    let hold_lookup_max = reader.duration("guard.hold_lookup_max");
    let held_bytes_max = reader.number("guard.held_bytes_max");
    let window_max = reader.duration("guard.window_max");
    let window_default = reader.duration("guard.window_default");
    let detect = reader.flag("guard.detect");
    let detect_window = reader.duration("guard.detect_window");
    let detect_quiet = reader.duration("guard.detect_quiet");
    Some(Guard {
        absorb: absorb?,
        watch_only: watch_only?,
        hold_max: hold_max?,
        hold_lookup_max: hold_lookup_max?,
        held_bytes_max: held_bytes_max?,
        window_max: window_max?,
        window_default: window_default?,
        detect: detect?,
        detect_window: detect_window?,
        detect_quiet: detect_quiet?,
    })
}

fn state(reader: &mut Reader) -> Option<State> {
    let directory = reader.text("state.directory");
    let topic = reader.text("state.topic").filter(|topic| !topic.is_empty());
    let is_legal = |topic: &str| topic.len() <= 249 && topic != "." && topic != ".." && topic.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if let Some(topic) = topic.as_ref().filter(|topic| !is_legal(topic)) {
        let problem = format!("\"{topic}\" is no name of a topic");
        return reader.conflict("state.topic", &problem, "up to 249 letters, digits, dots, underscores and hyphens, such as \"__leeward_state\"");
    }
    Some(State { directory: PathBuf::from(directory?), topic })
}

fn log(reader: &mut Reader) -> Option<Log> {
    let format = reader.text("log.format").map(|word| if word == "json" { LogFormat::Json } else { LogFormat::Text });
    let filter = reader.text("log.filter");
    Some(Log { format: format?, filter: filter? })
}

/// Reads values and collects what is wrong. `None` means: there is none, or it was wrong and has been said.
pub(super) struct Reader {
    raw: Raw,
}

impl Reader {
    /// Notes a conflict at the place where `key` was said; always `None`.
    pub(super) fn conflict<T>(&mut self, key: &'static str, problem: &str, allowed: &str) -> Option<T> {
        let at = self.raw.values.get(key).map_or_else(|| DEFAULT_AT.to_owned(), |located| located.at.clone());
        self.raw.errors.push(ConfigError { at, key: key.to_owned(), problem: problem.to_owned(), allowed: allowed.to_owned() });
        None
    }

    fn value(&mut self, path: &'static str) -> Option<Value> {
        let key = Key::of(path)?;
        let located = match (self.raw.values.get(path), key.preset) {
            (Some(located), _) => located.clone(),
            (None, Preset::Toml(text)) => Located { found: preset(text), at: DEFAULT_AT.to_owned() },
            (None, Preset::Derived(_) | Preset::Unset) => return None,
            (None, Preset::Required) => {
                return self.conflict(path, "it is missing", &format!("say it in the file or with a flag: {}", key.kind.allowed()));
            }
        };
        match key.kind.read(&located.found) {
            Ok(value) => Some(value),
            Err(problem) => {
                let allowed = format!("allowed is {}", key.kind.allowed());
                self.raw.errors.push(ConfigError { at: located.at, key: path.to_owned(), problem, allowed });
                None
            }
        }
    }

    fn duration(&mut self, path: &'static str) -> Option<Duration> {
        let Value::Duration(duration) = self.value(path)? else { return None };
        Some(duration)
    }

    fn number(&mut self, path: &'static str) -> Option<usize> {
        let Value::Number(number) = self.value(path)? else { return None };
        usize::try_from(number).ok()
    }

    fn flag(&mut self, path: &'static str) -> Option<bool> {
        let Value::Flag(flag) = self.value(path)? else { return None };
        Some(flag)
    }

    fn port(&mut self, path: &'static str) -> Option<u16> {
        self.number(path).and_then(|port| u16::try_from(port).ok())
    }

    fn socket(&mut self, path: &'static str) -> Option<SocketAddr> {
        let Value::Socket(address) = self.value(path)? else { return None };
        Some(address)
    }

    fn ip(&mut self, path: &'static str) -> Option<IpAddr> {
        let Value::Ip(address) = self.value(path)? else { return None };
        Some(address)
    }

    /// Each that is wrong is an error of its own.
    fn tokens(&mut self, path: &'static str) -> Option<Vec<Token>> {
        let Value::Said(said) = self.value(path)? else { return None };
        let tokens: Vec<_> = said
            .into_iter()
            .map(|said| match said.token() {
                Ok(token) => Some(token),
                Err((problem, allowed)) => self.conflict(path, &problem, &allowed),
            })
            .collect();
        tokens.into_iter().collect()
    }

    fn text(&mut self, path: &'static str) -> Option<String> {
        let Value::Text(text) = self.value(path)? else { return None };
        Some(text)
    }
}

/// Where a value stands that nobody said.
const DEFAULT_AT: &str = "default";

/// A default of the table: a text in quotes, a number, a boolean, or `{}`.
fn preset(text: &str) -> Found {
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => Found::Text(inner.to_owned()),
        None => match text.parse::<bool>() {
            Ok(flag) => Found::Boolean(flag),
            Err(_) => text.parse().map_or_else(|_| Found::Table(Vec::new()), Found::Integer),
        },
    }
}
