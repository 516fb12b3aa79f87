//! The configuration, read again while Leeward runs.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::App;
use crate::admin::Reloaded;
use crate::config::{Applies, Change, Config, ConfigErrors};
use crate::maintenance::Happening;
use crate::telemetry::events::{ConfigRejected, ConfigReloaded};

/// Who reloads by SIGHUP: a signal does not say more.
pub(super) const BY_SIGNAL: &str = "SIGHUP";

/// How long a reload waits for its line in the audit file. Nothing else is done meanwhile, and a write takes milliseconds.
const AUDIT_TIMEOUT: Duration = Duration::from_secs(2);

impl App {
    /// Puts in force what may change. Its line is in the audit file before; where the disk refuses that, the reload goes on and says so: the file
    /// has changed already, and a restart would ask nobody.
    pub(super) async fn reload(&mut self, who: Option<String>, why: Option<String>) -> Result<Reloaded, ConfigErrors> {
        let old = self.config.load_full();
        let read = self.source.load().and_then(|new| {
            let in_force = old.with_applicable(&new);
            in_force.check_reload()?;
            Ok((Config::diff(&old, &new), in_force))
        });
        let why = why.filter(|why| !why.trim().is_empty()).unwrap_or_else(|| "(no reason given)".to_owned());
        let (changes, config) = match read {
            Ok(read) => read,
            Err(errors) => {
                ConfigRejected { errors: &errors }.emit(&self.telemetry);
                let result = format!("failed: {}", errors.to_string().replace('\n', ", "));
                self.write_down(Happening { who, what: "reload refused", why, before: None, after: None, result }).await;
                return Err(errors);
            }
        };
        let not_audited = if changes.is_empty() {
            None
        } else {
            let (before, after) = before_and_after(&changes);
            let result = outcome(&changes);
            self.write_down(Happening { who, what: "configuration reloaded", why, before: Some(before), after: Some(after), result }).await
        };
        self.put_in_force(Arc::new(config));
        let (applied, needs_restart): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| change.applies == Applies::Now);
        ConfigReloaded { applied: &applied, needs_restart: &needs_restart }.emit(&self.telemetry);
        Ok(Reloaded { applied, needs_restart, not_audited })
    }

    fn put_in_force(&mut self, config: Arc<Config>) {
        self.listeners.set_limits(&config.limits);
        self.workers.set_limits(&config.limits, config.upstream.connect_timeout);
        self.control.set_config(Arc::clone(&config));
        self.maintenance.set_config(Arc::clone(&config));
        if let Some(Err(error)) = self.log.as_ref().map(|log| log.set_filter(&config.log.filter)) {
            tracing::warn!(%error, "the log goes on as it was");
        }
        self.config.store(config);
    }

    /// Why the audit file has no such line.
    async fn write_down(&self, happening: Happening) -> Option<String> {
        let problem = match tokio::time::timeout(AUDIT_TIMEOUT, self.maintenance.record(happening)).await {
            Ok(Ok(())) => return None,
            Ok(Err(refusal)) => format!("{}; {}", refusal.error, refusal.hint),
            Err(_) => "it was not written down in time; look at the disk of state.directory".to_owned(),
        };
        tracing::warn!(%problem, "a reload is not in the audit file");
        Some(problem)
    }
}

/// The changed keys as they were and as they are; secrets are hidden in both.
fn before_and_after(changes: &[Change]) -> (Value, Value) {
    let side = |shown: fn(&Change) -> &String| changes.iter().map(|change| (change.key.clone(), Value::String(shown(change).clone()))).collect::<Map<_, _>>();
    (Value::Object(side(|change| &change.old)), Value::Object(side(|change| &change.new)))
}

fn outcome(changes: &[Change]) -> String {
    let waiting: Vec<_> = changes.iter().filter(|change| change.applies == Applies::Restart).map(|change| change.key.as_str()).collect();
    if waiting.is_empty() { "done".to_owned() } else { format!("done; after a restart: {}", waiting.join(", ")) }
}
