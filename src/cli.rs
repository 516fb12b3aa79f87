//! The command line: one file for each command. A command that reads like a sentence, says what, why and what to do next.

mod broker;
mod client;
mod clients;
mod cluster;
mod config;
mod demo;
mod history;
mod maintenance;
mod metrics;
mod output;
mod quiet_hours;
mod reassign;
mod rehearse;
mod reload;
mod report;
mod roll;
mod run;
mod status;
mod tap;
mod top;
mod traffic;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use output::Output;

/// The program: parses the arguments of this process, does what they say, and gives the exit code.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Help and version end here too; clap knows which of them are errors, and its code for usage is ours.
        Err(error) => {
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            // Nobody reads a closed pipe.
            let _ = error.print();
            return code.into();
        }
    };
    let mut output = Output::of_process();
    match arguments.command.run(&mut output) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output.error(&failure.message);
            failure.exit.into()
        }
    }
}

/// How a command ended; scripts read these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Done,
    Failed,
    /// Wrong arguments or a wrong configuration.
    Usage,
    /// A check forbids it.
    Blocked,
    TimedOut,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Blocked => 3,
            Exit::TimedOut => 4,
        })
    }
}

/// Why a command did not do what it was asked: what, why, and what to do next.
#[derive(Debug, PartialEq, Eq)]
struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

type Outcome = Result<Exit, Failure>;

const EXAMPLES: &str = "\
Examples:
  leeward run --upstream 127.0.0.1:9092 --listen 127.0.0.1:19092
  leeward run --config config/leeward.toml
  leeward config check --config config/leeward.toml
  leeward status --watch
  leeward report
  leeward clients --incompatible-with 4.0
  leeward top --by client
  leeward tap --api Produce --error any
  leeward history --by client --last 7d
  leeward quiet-hours --for 3h
  leeward maintenance on --reason \"upgrade to 4.3\" --for 2h
  leeward cluster
  leeward broker may-stop 3 --wait
  leeward rehearse broker 3
  leeward roll plan --from 2.1 --to 2.6
  leeward reassign plan --out plan.json --rollback-out before.json
  leeward roll start --reason \"upgrade to 4.3\" --wait
  leeward reassign run --in plan.json --reason \"broker 4 joined\" --wait
  leeward broker drain 3 --reason \"upgrade to 4.3\" --wait
  leeward reload
  leeward demo

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 blocked by a check, 4 timed out.";

/// A Kafka proxy that shelters clients while brokers are stopped, upgraded, drained or added.
#[derive(Debug, Parser)]
#[command(name = "leeward", version, after_help = EXAMPLES, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Stand in front of a cluster until a signal ends it.
    Run(run::Run),
    /// Show what a running Leeward does.
    Status(status::StatusArgs),
    /// Show what the guard did in a maintenance window or a restart of a broker.
    Report(report::ReportArgs),
    /// Show who talks to the cluster, and whom an upgrade would break.
    Clients(clients::ClientsArgs),
    /// Watch rates, latencies and errors by broker, topic, client or API.
    Top(top::TopArgs),
    /// Show single requests as they pass.
    Tap(tap::TapArgs),
    /// Show how much traffic there was: by topic, client and broker.
    History(history::HistoryArgs),
    /// Name the periods of the week with the least traffic.
    QuietHours(quiet_hours::QuietHoursArgs),
    /// Shelter clients while brokers are stopped: open and close windows, on demand or by schedule.
    Maintenance(maintenance::MaintenanceArgs),
    /// Every broker with its state, its release and its partitions, read from the cluster.
    Cluster(cluster::ClusterArgs),
    /// Ask whether a broker may stop, and whether it is back.
    Broker(broker::BrokerArgs),
    /// Tell what the restart of a broker would do, before it happens.
    Rehearse(rehearse::RehearseArgs),
    /// Restart the brokers one by one; plan the upgrade of a cluster from one release of Kafka to another.
    Roll(roll::RollArgs),
    /// Move partitions to brokers that joined: what, how much and how long; throttled, and back again.
    Reassign(reassign::ReassignArgs),
    /// Check, show and explain the configuration.
    Config(config::ConfigArgs),
    /// Explain the metrics.
    Metrics(metrics::MetricsArgs),
    /// Have a running Leeward read its configuration again.
    Reload(reload::Reload),
    /// See it work: a cluster, Leeward in front of it, and traffic, in one command.
    Demo(demo::Demo),
}

impl Command {
    fn run(self, output: &mut Output) -> Outcome {
        match self {
            Command::Run(command) => command.run(),
            Command::Status(command) => command.run(output),
            Command::Report(command) => command.run(output),
            Command::Clients(command) => command.run(output),
            Command::Top(command) => command.run(output),
            Command::Tap(command) => command.run(output),
            Command::History(command) => command.run(output),
            Command::QuietHours(command) => command.run(output),
            Command::Maintenance(command) => command.run(output),
            Command::Cluster(command) => command.run(output),
            Command::Broker(command) => command.run(output),
            Command::Rehearse(command) => command.run(output),
            Command::Roll(command) => command.run(output),
            Command::Reassign(command) => command.run(output),
            Command::Config(command) => command.run(output),
            Command::Metrics(command) => command.run(output),
            Command::Reload(command) => command.run(output),
            Command::Demo(command) => command.run(output),
        }
    }
}

/// For whom a command writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}
