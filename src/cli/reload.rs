//! `leeward reload`.

use clap::Args;

use super::client::{AdminAddress, user_at_host};
use super::output::Output;
use super::{Exit, Format, Outcome};
use crate::admin::Reloaded;
use crate::admin::api::ReloadRequest;
use crate::config::Change;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  leeward config check --config leeward.toml && leeward reload --reason \"more sessions\"")]
pub(super) struct Reload {
    #[command(flatten)]
    admin: AdminAddress,
    /// Why; the audit file keeps it
    #[arg(long)]
    reason: Option<String>,
    /// Who; by default the user and the host
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

impl Reload {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        let request = ReloadRequest { reason: self.reason, author: Some(self.author.unwrap_or_else(user_at_host)) };
        let reloaded: Reloaded = self.admin.post_json("/v1/reload", &request)?.expect()?;
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
    if let Some(problem) = &reloaded.not_audited {
        lines.push(format!("the audit file has no line of it: {problem}"));
    }
    lines
}
