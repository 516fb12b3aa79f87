//! `leeward reload`.

use clap::Args;

use super::client::AdminAddress;
use super::output::Output;
use super::{Exit, Format, Outcome};
use crate::admin::Reloaded;
use crate::config::Change;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  leeward config check --config leeward.toml && leeward reload")]
pub(super) struct Reload {
    #[command(flatten)]
    admin: AdminAddress,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

impl Reload {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        let answer = self.admin.post("/v1/reload")?;
        if answer.status != 200 {
            return Err(answer.refusal());
        }
        let reloaded: Reloaded = answer.parse()?;
        match self.output {
            Format::Json => output.json(&reloaded)?,
            Format::Table => said(&reloaded).iter().for_each(|line| output.line(line)),
        }
        Ok(Exit::Done)
    }
}

fn said(reloaded: &Reloaded) -> Vec<String> {
    let line = |Change { key, old, new, .. }: &Change| format!("  {key}: {old} → {new}");
    let mut lines = Vec::new();
    if !reloaded.applied.is_empty() {
        lines.push("in force now:".to_owned());
        lines.extend(reloaded.applied.iter().map(line));
    }
    if !reloaded.needs_restart.is_empty() {
        lines.push("left until Leeward is started again:".to_owned());
        lines.extend(reloaded.needs_restart.iter().map(line));
    }
    if lines.is_empty() {
        lines.push("nothing has changed".to_owned());
    }
    lines
}
