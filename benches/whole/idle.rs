//! Memory of the proxy for connections on which nothing happens: such that asked for ApiVersions, and the same after a first Produce.

use crate::args::Args;
use crate::frames;
use crate::proxy::Running;
use crate::report::{Metric, Sample};
use crate::{Result, process, setup};

/// Connections before the first reading, so that what is allocated once is not counted.
const WARM: usize = 100;

pub(crate) fn measure(args: &Args, running: &Running) -> Result<Option<Sample>> {
    let Some(pid) = running.pid() else { return Ok(None) };
    let (api_versions, produce) = (frames::api_versions()?, frames::produce(1024)?);
    let mut warm = open(running, WARM, &api_versions)?;
    for stream in &mut warm {
        setup::ask(stream, &produce, 2)?;
    }
    let before = process::resident_bytes(pid)?;
    let mut idle = open(running, args.idle_connections, &api_versions)?;
    let greeted = process::resident_bytes(pid)?;
    for stream in &mut idle {
        setup::ask(stream, &produce, 2)?;
    }
    let used = process::resident_bytes(pid)?;
    let each = |bytes: u64| bytes.saturating_sub(before) as f64 / args.idle_connections as f64;
    Ok(Some(vec![(Metric::IdleBytes, each(greeted)), (Metric::UsedBytes, each(used)), (Metric::BaseMib, before as f64 / f64::from(1 << 20))]))
}

fn open(running: &Running, count: usize, greeting: &frames::Request) -> Result<Vec<std::net::TcpStream>> {
    let mut streams = Vec::with_capacity(count);
    for index in 0..count {
        let mut stream = setup::connect(running.broker).map_err(|error| format!("connection {index}: {error}"))?;
        setup::ask(&mut stream, greeting, 1).map_err(|error| format!("connection {index}: {error}"))?;
        streams.push(stream);
    }
    Ok(streams)
}
