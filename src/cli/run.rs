//! `leeward run`.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, Failure, Outcome};
use crate::config::{Config, ConfigSource, Override};
use crate::telemetry::events::DescriptorsShort;
use crate::telemetry::{ProcessFigures, logs};

const EXAMPLES: &str = "\
Examples:
  leeward run --upstream 127.0.0.1:9092 --listen 127.0.0.1:19092 --admin 127.0.0.1:19000
  leeward run --upstream kafka1:9092,kafka2:9092 --listen 0.0.0.0:19092 --advertised-host proxy.example.com
  leeward run --config config/leeward.toml --set limits.idle_timeout=20m

SIGHUP reads the configuration again. SIGTERM ends when what is in flight has finished, a second one at once.";

/// Flags win over the file.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Run {
    #[command(flatten)]
    settings: Settings,
}

/// Where the configuration comes from; `config check` and `config show` take the same.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Brokers to begin with [upstream.bootstrap]
    #[arg(long, value_name = "HOST:PORT,…")]
    upstream: Option<String>,
    /// Bootstrap endpoint for clients [listen.bootstrap]
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<String>,
    /// Endpoint for operators [admin.listen]
    #[arg(long, value_name = "IP:PORT")]
    admin: Option<String>,
    /// Node id N is served on this port + N [listen.virtual_brokers.base_port]
    #[arg(long, value_name = "PORT")]
    base_port: Option<String>,
    /// Host that clients are told [listen.advertised_host]
    #[arg(long, value_name = "HOST")]
    advertised_host: Option<String>,
    /// Any other key; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Run {
    pub(super) fn run(self) -> Outcome {
        let (config, source) = self.settings.load()?;
        let log = logs::init(&config.log).map_err(|error| Failure::new(Exit::Failed, format!("cannot write a log: {error}")))?;
        warn_of_few_descriptors(&config);
        crate::app::run(config, source, Some(log)).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        Ok(Exit::Done)
    }
}

fn warn_of_few_descriptors(config: &Config) {
    let sessions_max = u64::try_from(config.limits.sessions_max).unwrap_or(u64::MAX);
    let short = ProcessFigures::read().max_fds.filter(|max| *max < DescriptorsShort::needed(sessions_max));
    if let Some(open_files_max) = short {
        DescriptorsShort { open_files_max, sessions_max }.emit();
    }
}

impl Settings {
    /// The configuration and where it comes from, or everything that is wrong with it.
    pub(super) fn load(self) -> Result<(Config, ConfigSource), Failure> {
        let source = self.source()?;
        let config = source.load().map_err(|errors| Failure::new(Exit::Usage, errors.to_string()))?;
        Ok((config, source))
    }

    fn source(self) -> Result<ConfigSource, Failure> {
        let named = [
            ("--upstream", "upstream.bootstrap", self.upstream),
            ("--listen", "listen.bootstrap", self.listen),
            ("--admin", "admin.listen", self.admin),
            ("--base-port", "listen.virtual_brokers.base_port", self.base_port),
            ("--advertised-host", "listen.advertised_host", self.advertised_host),
        ];
        let given = |(flag, key, text): (&str, &str, Option<String>)| text.map(|text| Override { key: key.to_owned(), flag: flag.to_owned(), text });
        let mut overrides: Vec<_> = named.into_iter().filter_map(given).collect();
        for pair in self.set {
            let (key, text) = pair.split_once('=').ok_or_else(|| Failure::new(Exit::Usage, format!("--set {pair}: there is no '='; write --set KEY=VALUE")))?;
            overrides.push(Override { key: key.trim().to_owned(), flag: format!("--set {}", key.trim()), text: text.trim().to_owned() });
        }
        Ok(ConfigSource { file: self.config, overrides })
    }
}
