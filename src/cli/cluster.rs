//! `leeward cluster`: every broker with what it does, read afresh from the cluster.

#[cfg(test)]
mod tests;

use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::Cell;

use super::client::AdminAddress;
use super::output::{Output, Paint, cut, indented, table};
use super::traffic::traffic;
use super::{Exit, Failure, Format, Outcome};
use crate::admin::brokers::{BrokerPicture, ClusterPicture};
use crate::rolling::roster::BrokerState;

const EXAMPLES: &str = "\
Examples:
  leeward cluster
  leeward cluster --watch
  leeward cluster version                how it is known which Kafka each broker is
  leeward cluster -o json | jq '.brokers[] | select(.state != \"serving\")'";

/// Between two pictures: each asks every broker.
const INTERVAL: Duration = Duration::from_secs(2);

/// So many partitions that are being reassigned are named.
const NAMED_MAX: usize = 3;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct ClusterArgs {
    #[command(subcommand)]
    command: Option<ClusterCommand>,
    #[command(flatten)]
    ask: Ask,
    /// Show it again every two seconds, until interrupted
    #[arg(long)]
    watch: bool,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Which Kafka each broker is, and how that is known.
    #[command(after_help = "Example:\n  leeward cluster version -o json | jq '.brokers[].release.text'")]
    Version(Ask),
}

/// What both take.
#[derive(Debug, Args)]
struct Ask {
    #[command(flatten)]
    admin: AdminAddress,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

impl ClusterArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        if let Some(ClusterCommand::Version(ask)) = self.command {
            let picture = ask.picture()?;
            match ask.output {
                Format::Json => output.json(&picture)?,
                Format::Table => output.line(versions(&picture)),
            }
            return Ok(Exit::Done);
        }
        loop {
            let picture = self.ask.picture()?;
            match self.ask.output {
                Format::Json => output.json(&picture)?,
                Format::Table => {
                    let text = for_people(&picture, output.paint());
                    output.line(text);
                }
            }
            if !self.watch || output.reader_gone() {
                return Ok(Exit::Done);
            }
            thread::sleep(INTERVAL);
            output.next_picture();
        }
    }
}

impl Ask {
    fn picture(&self) -> Result<ClusterPicture, Failure> {
        self.admin.get("/v1/cluster")?.expect()
    }
}

fn for_people(picture: &ClusterPicture, paint: Paint) -> String {
    let serving = picture.brokers.iter().filter(|broker| broker.standing.state == BrokerState::Serving).count();
    let all = format!("{serving} of {} brokers serving", picture.brokers.len());
    let all = if serving == picture.brokers.len() { paint.good(&all) } else { paint.bad(&all) };
    let cluster_id = picture.cluster_id.as_deref().unwrap_or("(not known)");
    let metadata_version = picture.metadata_version.as_ref().map(|version| format!(", metadata.version {version}")).unwrap_or_default();
    let mut parts = vec![format!("cluster     {cluster_id}, {all}{metadata_version}"), format!("controller  {}", controller(picture))];
    let totals = picture.partitions;
    let told = format!(
        "{}: {} without a leader, {} under-replicated, {} at min ISR, {} below",
        totals.partitions, totals.leaderless, totals.under_replicated, totals.at_min_isr, totals.below_min_isr
    );
    parts.push(format!("partitions  {}", if totals.leaderless + totals.below_min_isr > 0 { paint.bad(&told) } else { told }));
    if let Some(moving) = picture.reassigning.as_ref().filter(|moving| !moving.is_empty()) {
        let names: Vec<String> = moving.iter().take(NAMED_MAX).map(ToString::to_string).collect();
        let more = if moving.len() > NAMED_MAX { format!(" and {} more", moving.len() - NAMED_MAX) } else { String::new() };
        parts.push(cut(&format!("reassigning {}{more}", names.join(", "))));
    }
    parts.extend(picture.gaps.iter().map(|gap| indented("not known   ", gap)));
    parts.push(String::new());
    let rows = picture.brokers.iter().map(|broker| row(broker, picture.controller_id, paint));
    parts.push(table(&["NODE", "ADDRESS", "RACK", "STATE", "KAFKA", "LEADERS", "REPLICAS", "UNDER", "AT-MIN"], rows, paint));
    parts.push(String::new());
    parts.push(traffic(picture.brokers.iter().map(|broker| (broker.node_id, &broker.traffic)), paint));
    parts.join("\n")
}

fn controller(picture: &ClusterPicture) -> String {
    let name = |node_id: i32| if picture.brokers.iter().any(|broker| broker.node_id == node_id) { format!("broker {node_id}*") } else { node_id.to_string() };
    match (&picture.quorum, picture.controller_id) {
        (Some(quorum), _) => {
            let voters: Vec<String> = quorum.voters.iter().map(|voter| voter.node_id.to_string()).collect();
            format!("{}, of the quorum {}", name(quorum.leader_id), voters.join(", "))
        }
        (None, Some(node_id)) => name(node_id),
        (None, None) => "(not known)".to_owned(),
    }
}

fn row(broker: &BrokerPicture, controller_id: Option<i32>, paint: Paint) -> Vec<Cell> {
    let standing = broker.standing;
    let mark = if controller_id == Some(broker.node_id) { "*" } else { "" };
    vec![
        Cell::new(format!("{}{mark}", broker.node_id)),
        Cell::new(&broker.address),
        Cell::new(broker.rack.as_deref().unwrap_or("-")),
        paint.cell(standing.state.label().to_owned(), standing.state != BrokerState::Serving),
        Cell::new(broker.release.as_ref().map_or("?", |release| &release.text)),
        Cell::new(standing.leaders),
        Cell::new(standing.replicas),
        Cell::new(standing.under_replicated),
        Cell::new(standing.at_min_isr),
    ]
}

fn versions(picture: &ClusterPicture) -> String {
    let mut parts = Vec::new();
    for broker in &picture.brokers {
        let Some(release) = &broker.release else {
            parts.push(format!("broker {}: not known, it has not answered yet", broker.node_id));
            continue;
        };
        let mode = release.mode.as_ref().map(|mode| format!(", {mode}")).unwrap_or_default();
        let pin = broker.inter_broker_protocol.as_ref().map(|version| format!(", inter.broker.protocol.version {version}")).unwrap_or_default();
        parts.push(format!("broker {}: Kafka {}{mode}{pin}", broker.node_id, release.text));
        parts.extend(release.known_by.iter().map(|how| indented("  ", how)));
    }
    match &picture.metadata_version {
        Some(version) => parts.push(format!("metadata.version of the cluster: {version}, finalized")),
        None => parts.push("metadata.version: none is told; only clusters with KRaft since 3.3 have one".to_owned()),
    }
    parts.join("\n")
}
