//! `leeward clients`: who talks to the cluster, and whom an upgrade would break.

mod text;

#[cfg(test)]
mod tests;

use std::cmp::{Ordering, Reverse};
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::client::AdminAddress;
use super::output::Output;
use super::{Exit, Failure, Format, Outcome};
use crate::admin::clients::{Client, Clients};
use crate::clients::Verdict;
use crate::config::HostPort;
use crate::releases::Version;

const EXAMPLES: &str = "\
Examples:
  leeward clients
  leeward clients --connections --sort idle
  leeward clients --software librdkafka --watch
  leeward clients --topic orders               who writes or reads it; --topic 'orders*' for all that begin so
  leeward clients --incompatible-with 4.0      exit code 3 when anybody would break
  leeward clients --admin 127.0.0.1:19000 --and 127.0.0.1:29000     of both Leewards
  leeward clients -o json | jq '.clients[] | select(.acks == [\"0\"])'

It is about the last 35 days, over restarts of Leeward. A software with ~ is inferred, not said.";

/// Between two pictures.
const INTERVAL: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ClientsArgs {
    #[command(flatten)]
    admin: AdminAddress,
    /// Admin endpoint of another Leeward in front of the same cluster, whose clients are shown with these; may be said several times
    #[arg(long, value_name = "HOST:PORT")]
    and: Vec<HostPort>,
    /// Whom brokers of this release would break, why, and what to do about it: 2.1 to 4.4, or with a patch, as 4.0.1
    #[arg(long, value_name = "RELEASE", conflicts_with_all = ["watch", "connections"])]
    incompatible_with: Option<Version>,
    /// With --incompatible-with: those that would go on working, too
    #[arg(long, requires = "incompatible_with")]
    all: bool,
    /// A row for each connection that there is now, not for each client id
    #[arg(long)]
    connections: bool,
    /// In which order
    #[arg(long, value_enum, default_value_t = Sort::Rate)]
    sort: Sort,
    /// Only client ids that contain this
    #[arg(long, value_name = "TEXT")]
    client_id: Option<String>,
    /// Only software whose name and version contain this
    #[arg(long, value_name = "TEXT")]
    software: Option<String>,
    /// Who writes or reads this topic, or topics that begin so with a * behind it, and who may: of a client 32 topics are kept
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// The topics of each client in a column
    #[arg(long, conflicts_with_all = ["topic", "connections", "incompatible_with"])]
    topics: bool,
    /// Only those that were seen in the last so many days
    #[arg(long, value_name = "DAYS")]
    days: Option<u32>,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Show it again every two seconds, until interrupted
    #[arg(long)]
    watch: bool,
}

/// What stands first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// The most requests in a second.
    Rate,
    /// The most bytes in a second, both ways.
    Bytes,
    /// The longest without a request.
    Idle,
    /// The most connections.
    Connections,
    /// By client id.
    Id,
    /// By software.
    Software,
}

impl ClientsArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        loop {
            let mut clients = self.ask()?;
            let exit = self.exit(&clients);
            self.narrow(&mut clients);
            match self.output {
                Format::Json => output.json(&clients)?,
                Format::Table => output.line(self.text(&clients, output)),
            }
            if !self.watch || output.reader_gone() {
                return Ok(exit);
            }
            thread::sleep(INTERVAL);
            output.next_picture();
        }
    }

    fn ask(&self) -> Result<Clients, Failure> {
        let path = match self.incompatible_with {
            Some(release) => format!("/v1/clients?incompatible_with={release}"),
            None => "/v1/clients".to_owned(),
        };
        let mut all: Clients = self.admin.get(&path)?.expect()?;
        // Who is not there is an error: nobody can say that no client of its would break.
        for other in &self.and {
            all = all.and(self.admin.at(other.clone()).get(&path)?.expect()?);
        }
        Ok(all)
    }

    fn text(&self, clients: &Clients, output: &Output) -> String {
        match self.incompatible_with {
            Some(release) => text::judged(clients, release, self.all, output.paint()),
            None if self.connections => text::connections(clients, output.paint()),
            None => match &self.topic {
                Some(topic) => text::users(clients, topic, output.paint()),
                None => text::clients(clients, self.topics, output.paint()),
            },
        }
    }

    /// Blocked where one of those that were asked about would break.
    fn exit(&self, clients: &Clients) -> Exit {
        let breaks = |client: &Client| client.judgement.as_ref().is_some_and(|judged| judged.verdict == Verdict::Breaks);
        if clients.clients.iter().any(|client| breaks(client) && self.wants(client)) { Exit::Blocked } else { Exit::Done }
    }

    fn narrow(&self, clients: &mut Clients) {
        clients.clients.retain(|client| self.wants(client));
        clients.connections.retain(|connection| self.wants(&connection.client));
        clients.clients.sort_by(|a, b| self.order(a, b));
        clients.connections.sort_by(|a, b| self.order(&a.client, &b.client));
    }

    fn wants(&self, client: &Client) -> bool {
        let by_id = self.client_id.as_ref().is_none_or(|text| client.client_id.contains(text.as_str()));
        let by_software = self.software.as_ref().is_none_or(|text| text::software(client).to_lowercase().contains(&text.to_lowercase()));
        let by_time = self.days.is_none_or(|days| client.connections > 0 || client.idle_seconds <= f64::from(days) * 86_400.0);
        // One of which not every topic is kept may use it, too.
        let by_topic = self.topic.as_ref().is_none_or(|text| client.has_more_topics || text::of_topic(client, text).next().is_some());
        by_id && by_software && by_time && by_topic
    }

    fn order(&self, a: &Client, b: &Client) -> Ordering {
        let worst = |client: &Client| client.judgement.as_ref().map(|judged| judged.verdict);
        let bytes = |client: &Client| client.read_bytes_per_second + client.written_bytes_per_second;
        let by_choice = match self.sort {
            Sort::Rate => b.requests_per_second.total_cmp(&a.requests_per_second),
            Sort::Bytes => bytes(b).total_cmp(&bytes(a)),
            Sort::Idle => b.idle_seconds.total_cmp(&a.idle_seconds),
            Sort::Connections => Reverse(a.connections).cmp(&Reverse(b.connections)),
            Sort::Id => Ordering::Equal,
            Sort::Software => text::software(a).cmp(&text::software(b)),
        };
        worst(a).cmp(&worst(b)).then(by_choice).then_with(|| (&a.client_id, text::software(a)).cmp(&(&b.client_id, text::software(b))))
    }
}
