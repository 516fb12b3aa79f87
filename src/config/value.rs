//! Values as an operator writes them: durations, sizes, addresses. Each kind can say what it allows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::HostPort;
use super::tokens::{self, Said, Token};

/// What a key may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Duration {
        min: Duration,
        max: Duration,
    },
    Size {
        min: u64,
        max: u64,
    },
    Count {
        min: u64,
        max: u64,
    },
    /// A number of threads, or `"cores"`.
    Threads {
        max: u64,
    },
    Port,
    HostPorts,
    Socket,
    Ip,
    Host,
    /// Node id → port.
    Ports,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    LogFormat,
    LogFilter,
    Text,
    /// Never shown.
    Secret,
    /// Secrets by name, each said or in a file.
    Tokens,
}

/// A value as it was found, before its meaning is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Found>),
    Table(Vec<(String, Found)>),
    /// Another TOML type, by name.
    Other(&'static str),
    /// From the command line, where everything is text.
    Flag(String),
}

/// A value of a [`Kind`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Duration(Duration),
    Number(u64),
    Flag(bool),
    HostPorts(Vec<HostPort>),
    Socket(SocketAddr),
    Ip(IpAddr),
    Ports(BTreeMap<i32, u16>),
    Text(String),
    /// As they were said; no file is read yet.
    Said(Vec<Said>),
    Tokens(Vec<Token>),
}

impl Kind {
    /// The value, or what is wrong with it (without what is allowed, which [`Kind::allowed`] says).
    pub(super) fn read(self, found: &Found) -> Result<Value, String> {
        match self {
            Kind::Duration { min, max } => {
                let duration = parse_duration(text(found)?)?;
                within(duration, min, max, show_duration).map(Value::Duration)
            }
            Kind::Size { min, max } => {
                let size = match found {
                    Found::Integer(bytes) => u64::try_from(*bytes).map_err(|_| format!("{bytes} is negative"))?,
                    Found::Text(_) | Found::Flag(_) | Found::Boolean(_) | Found::List(_) | Found::Table(_) | Found::Other(_) => parse_size(text(found)?)?,
                };
                within(size, min, max, show_size).map(Value::Number)
            }
            Kind::Count { min, max } => within(integer(found)?, min, max, |count| count.to_string()).map(Value::Number),
            Kind::Threads { max } => match found {
                Found::Text(word) | Found::Flag(word) if word == CORES => Ok(Value::Number(cores())),
                Found::Text(_) | Found::Flag(_) | Found::Integer(_) | Found::Boolean(_) | Found::List(_) | Found::Table(_) | Found::Other(_) => {
                    within(integer(found)?, 1, max, |count| count.to_string()).map(Value::Number)
                }
            },
            Kind::Port => within(integer(found)?, 1, u64::from(u16::MAX), |port| port.to_string()).map(Value::Number),
            Kind::HostPorts => host_ports(found).map(Value::HostPorts),
            Kind::Socket => parse_socket(text(found)?).map(Value::Socket),
            Kind::Ip => text(found)?.parse().map(Value::Ip).map_err(|_| format!("{} is not an IP address", quoted(found))),
            Kind::Host => parse_host(text(found)?).map(Value::Text),
            Kind::Ports => ports(found).map(Value::Ports),
            Kind::OneOf(words) => {
                let word = text(found)?;
                if words.contains(&word) { Ok(Value::Text(word.to_owned())) } else { Err(format!("{} is none of them", quoted(found))) }
            }
            Kind::Flag => match found {
                Found::Boolean(flag) => Ok(Value::Flag(*flag)),
                Found::Flag(text) => text.parse().map(Value::Flag).map_err(|_| format!("{} is neither", quoted(found))),
                Found::Text(_) | Found::Integer(_) | Found::List(_) | Found::Table(_) | Found::Other(_) => {
                    Err(format!("it is {}, not a boolean", quoted(found)))
                }
            },
            Kind::LogFormat => match text(found)? {
                word @ ("text" | "json") => Ok(Value::Text(word.to_owned())),
                _ => Err(format!("{} is not a log format", quoted(found))),
            },
            Kind::LogFilter => {
                let filter = text(found)?;
                EnvFilter::try_new(filter).map_err(|error| format!("{} is not a filter: {error}", quoted(found)))?;
                Ok(Value::Text(filter.to_owned()))
            }
            Kind::Text | Kind::Secret => match text(found)? {
                "" => Err("it is empty".to_owned()),
                words => Ok(Value::Text(words.to_owned())),
            },
            Kind::Tokens => tokens::said(found).map(Value::Said),
        }
    }

    /// What may be written, as the end of the sentence "allowed is …".
    pub(super) fn allowed(self) -> String {
        match self {
            Kind::Duration { min, max } => format!("a duration from {} to {}, such as \"1m30s\" (units: ms, s, m, h)", show_duration(min), show_duration(max)),
            Kind::Size { min, max } => {
                format!("a size from {} to {}, such as \"64MiB\" (units: B, KiB, MiB, GiB), or a number of bytes", show_size(min), show_size(max))
            }
            Kind::Count { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Threads { max } => format!("\"{CORES}\" or a whole number from 1 to {max}"),
            Kind::Port => "a port from 1 to 65535".to_owned(),
            Kind::HostPorts => "a list of addresses, such as [\"kafka1.example.com:9092\", \"10.0.0.2:9092\"]".to_owned(),
            Kind::Socket => "an IP address with a port, such as \"127.0.0.1:19092\" or \"[::1]:19092\"".to_owned(),
            Kind::Ip => "an IP address, such as \"127.0.0.1\"".to_owned(),
            Kind::Host => "a host name or an IP address without a port, such as \"kafka.example.com\"".to_owned(),
            Kind::Ports => "node ids with their ports, such as { 1 = 19101, 2 = 19102 }".to_owned(),
            Kind::OneOf(words) => any_of(words),
            Kind::Flag => "true or false".to_owned(),
            Kind::LogFormat => "\"text\" or \"json\"".to_owned(),
            Kind::LogFilter => "a filter such as \"info\" or \"leeward::session=debug,info\"".to_owned(),
            Kind::Text | Kind::Secret => "a text that is not empty".to_owned(),
            Kind::Tokens => "names with tokens or their files, such as { ops = { file = \"/etc/leeward/ops.token\" } }".to_owned(),
        }
    }

    /// The type's name in the reference.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Duration { .. } => "duration",
            Kind::Size { .. } => "size",
            Kind::Count { .. } => "number",
            Kind::Threads { .. } => "number or \"cores\"",
            Kind::Port => "port",
            Kind::HostPorts => "list of host:port",
            Kind::Socket => "ip:port",
            Kind::Ip => "ip",
            Kind::Host => "host",
            Kind::Ports => "table node id = port",
            Kind::OneOf(_) => "word",
            Kind::Flag => "boolean",
            Kind::LogFormat => "\"text\" or \"json\"",
            Kind::LogFilter => "filter",
            Kind::Text => "text",
            Kind::Secret => "secret",
            Kind::Tokens => "table name = secret, or file of one",
        }
    }

    /// `value` as TOML.
    pub(super) fn show(self, value: &Value) -> String {
        match (self, value) {
            (Kind::Secret, _) => "(hidden)".to_owned(),
            (Kind::Size { .. }, Value::Number(size)) => format!("\"{}\"", show_size(*size)),
            (_, Value::Number(number)) => number.to_string(),
            (_, Value::Flag(flag)) => flag.to_string(),
            (_, Value::Duration(duration)) => format!("\"{}\"", show_duration(*duration)),
            (_, Value::HostPorts(addresses)) => {
                format!("[{}]", addresses.iter().map(|address| format!("\"{address}\"")).collect::<Vec<_>>().join(", "))
            }
            (_, Value::Socket(address)) => format!("\"{address}\""),
            (_, Value::Ip(address)) => format!("\"{address}\""),
            (_, Value::Ports(ports)) if ports.is_empty() => "{}".to_owned(),
            (_, Value::Ports(ports)) => {
                format!("{{ {} }}", ports.iter().map(|(node_id, port)| format!("{node_id} = {port}")).collect::<Vec<_>>().join(", "))
            }
            (_, Value::Text(text)) => toml::Value::String(text.clone()).to_string(),
            (_, Value::Tokens(tokens)) if tokens.is_empty() => "{}".to_owned(),
            (_, Value::Tokens(tokens)) => format!("{{ {} }}", tokens.iter().map(Token::show).collect::<Vec<_>>().join(", ")),
            (_, Value::Said(_)) => "(hidden)".to_owned(),
        }
    }
}

/// `"a", "b" or "c"`.
fn any_of(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

const CORES: &str = "cores";

fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |count| u64::try_from(count.get()).unwrap_or(1))
}

fn text(found: &Found) -> Result<&str, String> {
    match found {
        Found::Text(text) | Found::Flag(text) => Ok(text),
        Found::Integer(_) | Found::Boolean(_) | Found::List(_) | Found::Table(_) | Found::Other(_) => {
            Err(format!("it is {}, not a text in quotes", quoted(found)))
        }
    }
}

fn integer(found: &Found) -> Result<u64, String> {
    match found {
        Found::Integer(number) => u64::try_from(*number).map_err(|_| format!("{number} is negative")),
        Found::Flag(text) => text.parse().map_err(|_| format!("{} is not a whole number", quoted(found))),
        Found::Text(_) | Found::Boolean(_) | Found::List(_) | Found::Table(_) | Found::Other(_) => Err(format!("it is {}, not a number", quoted(found))),
    }
}

/// `found` as part of a sentence.
fn quoted(found: &Found) -> String {
    match found {
        Found::Text(text) | Found::Flag(text) => format!("\"{}\"", text.escape_debug()),
        Found::Integer(number) => format!("the number {number}"),
        Found::Boolean(flag) => format!("the boolean {flag}"),
        Found::List(_) => "a list".to_owned(),
        Found::Table(_) => "a table".to_owned(),
        Found::Other(kind) => format!("a {kind}"),
    }
}

fn within<T: PartialOrd + Copy>(value: T, min: T, max: T, show: impl Fn(T) -> String) -> Result<T, String> {
    if value < min {
        Err(format!("{} is below {}", show(value), show(min)))
    } else if value > max {
        Err(format!("{} is above {}", show(value), show(max)))
    } else {
        Ok(value)
    }
}

/// Reads `1m30s`; the error says what is wrong with it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{}\" is not a duration", text.escape_debug());
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(|| format!("\"{text}\" has no unit"))?;
        let (number, behind) = rest.split_at(digits);
        let unit_end = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, next) = behind.split_at(unit_end);
        let millis: u64 = match unit.trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        let amount = number.parse::<u64>().map_err(|_| wrong())?.checked_mul(millis).ok_or_else(wrong)?;
        total = total.checked_add(Duration::from_millis(amount)).ok_or_else(wrong)?;
        rest = next;
    }
    Ok(total)
}

/// Whole units from the largest down: `1m30s`.
pub fn show_duration(duration: Duration) -> String {
    let mut millis = duration.as_millis();
    let mut shown = String::new();
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if millis >= size {
            // Writing into a String cannot fail.
            let _ = write!(shown, "{}{unit}", millis / size);
            millis %= size;
        }
    }
    if shown.is_empty() { "0s".to_owned() } else { shown }
}

const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads `10MiB`; the error says what is wrong with it.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let unit = match unit.trim() {
        "" => "B",
        unit => unit,
    };
    let size = SIZE_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, size)| *size);
    let number = number.parse::<u64>().ok();
    size.zip(number).and_then(|(size, number)| number.checked_mul(size)).ok_or_else(|| format!("\"{}\" is not a size", text.escape_debug()))
}

/// In the largest unit that leaves a whole number: `100MiB`.
pub fn show_size(bytes: u64) -> String {
    let fitting = SIZE_UNITS.iter().find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size));
    fitting.map_or_else(|| format!("{bytes}B"), |(unit, size)| format!("{}{unit}", bytes / size))
}

fn host_ports(found: &Found) -> Result<Vec<HostPort>, String> {
    let addresses: Vec<_> = match found {
        Found::List(items) => items.iter().map(|item| parse_host_port(text(item)?)).collect::<Result<_, _>>()?,
        Found::Text(text) => return Err(format!("it is {}, not a list; write [\"{text}\"]", quoted(found))),
        Found::Flag(text) => text.split(',').map(|part| parse_host_port(part.trim())).collect::<Result<_, _>>()?,
        Found::Integer(_) | Found::Boolean(_) | Found::Table(_) | Found::Other(_) => return Err(format!("it is {}, not a list", quoted(found))),
    };
    if addresses.is_empty() {
        return Err("the list is empty".to_owned());
    }
    Ok(addresses)
}

/// `host:port` or `[ipv6]:port`.
pub(super) fn parse_host_port(text: &str) -> Result<HostPort, String> {
    let shown = text.escape_debug();
    if text.contains("://") {
        return Err(format!("\"{shown}\" has a scheme; write host:port alone"));
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(|| format!("\"{shown}\" has no port"))?;
    let port = port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(|| format!("\"{shown}\" does not end in a port from 1 to 65535"))?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').ok_or_else(|| format!("\"{shown}\" has no ']'"))?,
        None if host.contains(':') => return Err(format!("\"{shown}\" has more than one ':'; write an IPv6 address in brackets, [::1]:9092")),
        None => host,
    };
    Ok(HostPort { host: parse_host(host)?, port })
}

fn parse_host(text: &str) -> Result<String, String> {
    let name = !text.is_empty() && text.len() <= 253 && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    if name || text.parse::<IpAddr>().is_ok() { Ok(text.to_owned()) } else { Err(format!("\"{}\" is not a host", text.escape_debug())) }
}

fn parse_socket(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| match text.strip_prefix("localhost:") {
        Some(port) => format!("\"{text}\" is a name; write the address to bind, \"127.0.0.1:{port}\""),
        None => format!("\"{}\" is not an IP address with a port", text.escape_debug()),
    })
}

fn ports(found: &Found) -> Result<BTreeMap<i32, u16>, String> {
    let rows = match found {
        Found::Table(rows) => rows,
        Found::Text(_) | Found::Integer(_) | Found::Boolean(_) | Found::List(_) | Found::Other(_) | Found::Flag(_) => {
            return Err(format!("it is {}, not a table", quoted(found)));
        }
    };
    let mut ports = BTreeMap::new();
    for (node_id, port) in rows {
        let id = node_id.parse::<i32>().ok().filter(|id| *id >= 0).ok_or_else(|| format!("\"{}\" is not a node id", node_id.escape_debug()))?;
        let port = integer(port).ok().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
        let port = port.ok_or_else(|| format!("node {id} has no port from 1 to 65535"))?;
        if ports.insert(id, port).is_some() {
            return Err(format!("node {id} is named twice"));
        }
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown() {
        for (text, millis, shown) in
            [("15s", 15_000, "15s"), ("90s", 90_000, "1m30s"), ("1h1ms", 3_600_001, "1h1ms"), ("0s", 0, "0s"), ("1m 30s", 90_000, "1m30s")]
        {
            let duration = parse_duration(text).unwrap();
            assert_eq!((duration, show_duration(duration)), (Duration::from_millis(millis), shown.to_owned()));
        }
        for text in ["", "15", "s", "15 parsecs", "-1s", "1.5s", "99999999999999999999s", "18446744073709551615h"] {
            parse_duration(text).unwrap_err();
        }
    }

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes, shown) in [("100MiB", 100 << 20, "100MiB"), ("1024KiB", 1 << 20, "1MiB"), ("1000", 1000, "1000B"), ("3 GiB", 3 << 30, "3GiB")] {
            let size = parse_size(text).unwrap();
            assert_eq!((size, show_size(size)), (bytes, shown.to_owned()));
        }
        for text in ["", "MiB", "1MB", "1e6", "-1B", "18446744073709551615GiB"] {
            parse_size(text).unwrap_err();
        }
    }

    #[test]
    fn addresses_are_read() {
        for (text, host, port) in [("a.example:9092", "a.example", 9092), ("[::1]:1", "::1", 1), ("10.0.0.1:65535", "10.0.0.1", 65535)] {
            assert_eq!(parse_host_port(text), Ok(HostPort { host: host.to_owned(), port }));
        }
        for text in ["a", "a:0", "a:65536", ":9092", "::1:9092", "[::1:9092", "http://a:9092", "a b:9092", "a/b:1"] {
            parse_host_port(text).unwrap_err();
        }
    }
}
