//! `leeward tap`.

mod pcap;
mod text;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::client::{AdminAddress, Lines};
use super::output::Output;
use super::{Exit, Failure, Format, Outcome};
use crate::admin::tap::{TapLine, TapRequest, TapStanding};
use crate::tap::{PER_SECOND_DEFAULT, PER_SECOND_MAX, SAMPLE_MAX};
use pcap::Capture;

const EXAMPLES: &str = "\
Examples:
  leeward tap
  leeward tap --client 'orders*' --api Produce --api Fetch
  leeward tap --error any                         also what clients do not see, since the guard absorbs it
  leeward tap --topic invoices --records          needs tap.records = true in the configuration
  leeward tap --sample 100 -o json | jq .request.api
  leeward tap --count 1000 --pcap tap.pcap

Each --client, --topic, --api and --error may stand there several times; one of them is enough. A name that ends
with * stands for all that begin so. Clients never wait for it: what is more than --rate is left out and counted.
In a pcap file records are zeros, with their lengths, unless tap.records is true; logins, tokens and configurations
are never in it. Its packets are made up around the frames: one connection for each client's, with right sequence
numbers and checksums.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TapArgs {
    #[command(flatten)]
    admin: AdminAddress,
    /// How to write it; json is one object a line
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Requests of this client id
    #[arg(long, value_name = "ID")]
    client: Vec<String>,
    /// Requests that name this topic, or whose answer does
    #[arg(long, value_name = "NAME")]
    topic: Vec<String>,
    /// Requests of this API, by its name or its key
    #[arg(long, value_name = "API")]
    api: Vec<String>,
    /// Requests that met this error, by its name or its code, or any
    #[arg(long, value_name = "ERROR")]
    error: Vec<String>,
    /// One of so many requests, as chance has it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(SAMPLE_MAX)))]
    sample: Option<u32>,
    /// Requests in a second at most
    #[arg(long, value_name = "N", default_value_t = PER_SECOND_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=i64::from(PER_SECOND_MAX)))]
    rate: u32,
    /// End after so many requests
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Show keys and values of records
    #[arg(long)]
    records: bool,
    /// Write the frames into this file, for Wireshark
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
}

impl TapArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        let mut capture = self.pcap.as_ref().map(|path| self.open(path)).transpose()?;
        let until = self.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let mut left = self.count.unwrap_or(u64::MAX);
        let mut tally = Tally::default();
        while left > 0 {
            let mut lines = self.admin.lines("/v1/tap", &self.query(left))?;
            let again = self.read(&mut lines, until, &mut left, &mut tally, capture.as_mut(), output)?;
            if !again {
                break;
            }
        }
        if let (Some(capture), Some(path)) = (&capture, &self.pcap) {
            output.error(&format!("{}: {}", path.display(), capture.summary()));
        }
        Ok(Exit::Done)
    }

    /// Reads one stream. True: it ended for a reason of Leeward's, and is to be asked for again.
    fn read(
        &self,
        lines: &mut Lines,
        until: Option<Instant>,
        left: &mut u64,
        tally: &mut Tally,
        mut capture: Option<&mut Capture<File>>,
        output: &mut Output,
    ) -> Result<bool, Failure> {
        while *left > 0 {
            let Some(line) = lines.next_as::<TapLine>()? else {
                let message = "the stream ended before it had told all: Leeward has ended, or did not get rid of what it had to tell; ask again";
                return Err(Failure::new(Exit::Failed, message));
            };
            match line {
                TapLine::Request(request) => {
                    *left -= 1;
                    if let Some(capture) = &mut capture {
                        capture.add(&request).map_err(|error| self.not_written(&error))?;
                    }
                    self.show(&request, output)?;
                }
                TapLine::Standing(standing) => self.stands(standing, tally, output)?,
                TapLine::End(_) => {
                    tally.before = TapStanding::default();
                    return Ok(true);
                }
            }
            if output.reader_gone() || until.is_some_and(|until| Instant::now() >= until) {
                return Ok(false);
            }
        }
        // The last word of a stream is how it stood.
        while let Ok(Some(line)) = lines.next_as::<TapLine>() {
            if let TapLine::Standing(standing) = line {
                self.stands(standing, tally, output)?;
            }
        }
        Ok(false)
    }

    fn show(&self, request: &TapRequest, output: &mut Output) -> Result<(), Failure> {
        match self.output {
            Format::Table if self.pcap.is_some() => {}
            Format::Table => text::lines(request, output.paint()).iter().for_each(|line| output.line(line)),
            Format::Json => {
                // Its frames are in the file, if they were asked for.
                let shown = TapRequest { request_frame: None, response_frame: None, ..request.clone() };
                output.line(json(&TapLine::Request(Box::new(shown)))?);
            }
        }
        Ok(())
    }

    /// Says what was left out since the last time.
    fn stands(&self, standing: TapStanding, tally: &mut Tally, output: &mut Output) -> Result<(), Failure> {
        let before = std::mem::replace(&mut tally.before, standing);
        if standing.left_out > before.left_out {
            match self.output {
                Format::Table => output.error(&text::left_out(&before, &standing, self.rate)),
                Format::Json => output.line(json(&TapLine::Standing(standing))?),
            }
        }
        Ok(())
    }

    fn query(&self, left: u64) -> Vec<(&'static str, String)> {
        let mut query = vec![("rate", self.rate.to_string())];
        for (key, values) in [("client", &self.client), ("topic", &self.topic), ("api", &self.api), ("error", &self.error)] {
            query.extend(values.iter().map(|value| (key, value.clone())));
        }
        query.extend(self.sample.map(|sample| ("sample", sample.to_string())));
        query.extend(self.count.map(|_| ("count", left.to_string())));
        query.extend(self.records.then(|| ("records", "true".to_owned())));
        query.extend(self.pcap.as_ref().map(|_| ("frames", "true".to_owned())));
        query
    }

    fn open(&self, path: &PathBuf) -> Result<Capture<File>, Failure> {
        File::create(path).and_then(Capture::new).map_err(|error| {
            Failure::new(Exit::Usage, format!("--pcap {}: it cannot be written: {error}; name a file in a directory that you may write to", path.display()))
        })
    }

    fn not_written(&self, error: &std::io::Error) -> Failure {
        let path = self.pcap.as_deref().unwrap_or(std::path::Path::new("")).display();
        Failure::new(Exit::Failed, format!("{path}: what is in it so far is whole, and no more can be written: {error}"))
    }
}

/// What was said of a stream.
#[derive(Debug, Default)]
struct Tally {
    before: TapStanding,
}

fn json(line: &TapLine) -> Result<String, Failure> {
    serde_json::to_string(line).map_err(|error| Failure::new(Exit::Failed, format!("cannot write JSON: {error}")))
}
