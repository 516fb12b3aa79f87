//! A configuration as values by key: to be shown, and to be compared.

use serde::{Deserialize, Serialize};

use super::conflicts::exposed;
use super::error::{ConfigError, ConfigErrors};
use super::keys::{Applies, KEYS, Key, Preset};
use super::value::Value;
use super::{Config, LogFormat};

/// One key as it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    pub key: &'static str,
    /// As TOML; `(none)` where there is none, `(hidden)` for a secret.
    pub value: String,
    pub default: &'static str,
    /// When a change takes effect.
    pub applies: Applies,
    #[serde(rename = "type")]
    pub type_name: &'static str,
    pub meaning: &'static str,
}

/// One key whose value differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub key: String,
    pub old: String,
    pub new: String,
    pub applies: Applies,
}

impl Config {
    /// Every key with its value, in the order of the table.
    pub fn settings(&self) -> Vec<Setting> {
        let shown = |key: &Key| self.value(key).map_or_else(|| "(none)".to_owned(), |value| key.kind.show(&value));
        KEYS.iter()
            .map(|key| Setting {
                key: key.path,
                value: shown(key),
                default: key.default_text(),
                applies: key.applies,
                type_name: key.type_name(),
                meaning: key.meaning,
            })
            .collect()
    }

    /// What differs between the configuration in force and a new one, with when it applies. A changed secret is named and not shown.
    pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
        let differing = KEYS.iter().filter(|key| old.value(key) != new.value(key));
        let shown = |config: &Config, key: &Key| config.value(key).map_or_else(|| "(none)".to_owned(), |value| key.kind.show(&value));
        differing.map(|key| Change { key: key.path.to_owned(), old: shown(old, key), new: shown(new, key), applies: key.applies }).collect()
    }

    /// `self` with those values of `new` that may change at run time.
    pub fn with_applicable(&self, new: &Config) -> Config {
        let mut config = new.clone();
        config.listen = self.listen.clone();
        config.admin.listen = self.admin.listen;
        config.state = self.state.clone();
        config.runtime = self.runtime.clone();
        config.limits.buffer_bytes = self.limits.buffer_bytes;
        config.limits.buffer_bytes_max = self.limits.buffer_bytes_max;
        config.log.format = self.log.format;
        config
    }

    /// The error of putting in force what [`Config::with_applicable`] gives, where key by key all is right: the last token may go only with the
    /// address that it protects.
    pub fn check_reload(&self) -> Result<(), ConfigErrors> {
        let Some(problem) = exposed(&self.admin) else { return Ok(()) };
        let allowed = "keep a token until Leeward is started again with another admin.listen".to_owned();
        let error = ConfigError { at: "in force".to_owned(), key: "admin.listen".to_owned(), problem, allowed };
        Err(ConfigErrors(vec![error]))
    }

    fn value(&self, key: &Key) -> Option<Value> {
        let limits = &self.limits;
        let virtual_brokers = &self.listen.virtual_brokers;
        let number = |number: usize| Value::Number(u64::try_from(number).unwrap_or(u64::MAX));
        let sasl = self.upstream.sasl_plain.as_ref();
        let value = match key.path {
            "upstream.bootstrap" => Value::HostPorts(self.upstream.bootstrap.clone()),
            "upstream.connect_timeout" => Value::Duration(self.upstream.connect_timeout),
            "upstream.refresh_interval" => Value::Duration(self.upstream.refresh_interval),
            "upstream.sasl_plain.username" => return sasl.map(|sasl| Value::Text(sasl.username.clone())),
            "upstream.sasl_plain.password" => return sasl.map(|sasl| Value::Text(sasl.password.clone())),
            "upstream.zookeeper" => return Some(&self.upstream.zookeeper.servers).filter(|servers| !servers.is_empty()).cloned().map(Value::HostPorts),
            "upstream.zookeeper_chroot" => return Some(&self.upstream.zookeeper.chroot).filter(|chroot| !chroot.is_empty()).cloned().map(Value::Text),
            "listen.bootstrap" => Value::Socket(self.listen.bootstrap),
            "listen.advertised_host" => Value::Text(self.listen.advertised_host.clone()),
            "listen.virtual_brokers.bind" => Value::Ip(virtual_brokers.bind),
            "listen.virtual_brokers.base_port" => Value::Number(virtual_brokers.base_port.into()),
            "listen.virtual_brokers.range" => Value::Number(virtual_brokers.range.into()),
            "listen.virtual_brokers.ports" => Value::Ports(virtual_brokers.ports.clone()),
            "admin.listen" => Value::Socket(self.admin.listen),
            "admin.tokens.read_only" => Value::Tokens(self.admin.tokens.read_only.clone()),
            "admin.tokens.read_write" => Value::Tokens(self.admin.tokens.read_write.clone()),
            "limits.frame_bytes_max" => number(limits.frame_bytes_max),
            "limits.first_frame_bytes_max" => number(limits.first_frame_bytes_max),
            "limits.session_bytes_in_flight_max" => number(limits.session_bytes_in_flight_max),
            "limits.session_requests_in_flight_max" => number(limits.session_requests_in_flight_max),
            "limits.buffer_bytes_max" => number(limits.buffer_bytes_max),
            "limits.buffer_bytes" => number(limits.buffer_bytes),
            "limits.sessions_max" => number(limits.sessions_max),
            "limits.sessions_per_address_max" => number(limits.sessions_per_address_max),
            "limits.idle_timeout" => Value::Duration(limits.idle_timeout),
            "limits.first_request_timeout" => Value::Duration(limits.first_request_timeout),
            "limits.write_timeout" => Value::Duration(limits.write_timeout),
            "limits.shutdown_grace" => Value::Duration(limits.shutdown_grace),
            "guard.absorb" => Value::Text(self.guard.absorb.label().to_owned()),
            "guard.mode" => Value::Text(if self.guard.watch_only { "watch" } else { "on" }.to_owned()),
            "guard.hold_max" => Value::Duration(self.guard.hold_max),
            "guard.hold_lookup_max" => Value::Duration(self.guard.hold_lookup_max),
            "guard.held_bytes_max" => number(self.guard.held_bytes_max),
            "guard.window_max" => Value::Duration(self.guard.window_max),
            "guard.window_default" => Value::Duration(self.guard.window_default),
            "guard.detect" => Value::Flag(self.guard.detect),
            "guard.detect_window" => Value::Duration(self.guard.detect_window),
            "roll.allow_commands" => Value::Flag(self.roll.allow_commands),
            "guard.detect_quiet" => Value::Duration(self.guard.detect_quiet),
            "tap.records" => Value::Flag(self.tap.records),
            "tap.frame_bytes_max" => number(self.tap.frame_bytes_max),
            "state.directory" => Value::Text(self.state.directory.display().to_string()),
            "state.topic" => return self.state.topic.clone().map(Value::Text),
            "runtime.workers" => number(self.runtime.workers),
            "log.format" => Value::Text(if self.log.format == LogFormat::Json { "json" } else { "text" }.to_owned()),
            "log.filter" => Value::Text(self.log.filter.clone()),
            _ => return None,
        };
        Some(value)
    }
}

/// The reference of every key, as a table in Markdown.
pub fn reference_markdown() -> String {
    let mut text = String::from("| key | type | default | a change applies | meaning | why this default |\n| --- | --- | --- | --- | --- | --- |\n");
    for key in KEYS {
        let default = match key.preset {
            Preset::Toml(value) => format!("`{value}`"),
            Preset::Derived(_) | Preset::Required | Preset::Unset => key.default_text().to_owned(),
        };
        let applies = match key.applies {
            Applies::Now => "at a reload",
            Applies::Restart => "after a restart",
        };
        text.push_str(&format!("| `{}` | {} | {default} | {applies} | {} | {} |\n", key.path, key.type_name(), key.meaning, key.reason));
    }
    text
}
