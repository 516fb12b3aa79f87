//! `leeward config check`, `show` and `reference`.

use clap::{Args, Subcommand};
use comfy_table::Cell;

use super::output::{Output, table};
use super::run::Settings;
use super::{Exit, Format, Outcome};
use crate::config::{Applies, reference_markdown};

#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Is it right? Every error at once; nothing is bound or dialled.
    #[command(after_help = "Example:\n  leeward config check --config config/leeward.toml")]
    Check(Settings),
    /// What would be in force: value, default, and whether it may change at run time.
    #[command(after_help = "Examples:\n  leeward config show --config config/leeward.toml\n  leeward config show --upstream 127.0.0.1:9092 -o json")]
    Show(Show),
    /// Every key, as a table in Markdown.
    Reference,
}

#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    settings: Settings,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

impl ConfigArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        match self.command {
            ConfigCommand::Check(settings) => {
                settings.load()?;
                output.line("the configuration is right");
            }
            ConfigCommand::Show(show) => {
                let settings = show.settings.load()?.0.settings();
                match show.output {
                    Format::Json => output.json(&settings)?,
                    Format::Table => {
                        let when = |applies| match applies {
                            Applies::Now => "at reload",
                            Applies::Restart => "at restart",
                        };
                        let rows = settings.iter().map(|setting| [setting.key, &setting.value, setting.default, when(setting.applies)].map(Cell::new).to_vec());
                        output.line(table(&["KEY", "VALUE", "DEFAULT", "CHANGES"], rows, output.paint()));
                    }
                }
            }
            ConfigCommand::Reference => output.line(reference_markdown().trim_end()),
        }
        Ok(Exit::Done)
    }
}
