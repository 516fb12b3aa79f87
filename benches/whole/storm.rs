//! A storm of connections: so many for each second, each asks for ApiVersions and Metadata at the bootstrap endpoint and goes.

use std::time::{Duration, Instant};

use crate::args::Args;
use crate::frames;
use crate::histogram::Histogram;
use crate::proxy::Running;
use crate::report::{Metric, Sample};
use crate::{Result, process, setup};

/// Threads of blocking connections; enough for the rate, since one connection takes well under a millisecond.
const THREADS: usize = 4;

pub(crate) fn measure(args: &Args, running: &Running) -> Result<Option<Sample>> {
    storm(args, running, args.warm_up())?;
    let before = running.pid().map(process::usage).transpose()?;
    let start = Instant::now();
    let (latency, connections) = storm(args, running, args.measure())?;
    let seconds = start.elapsed().as_secs_f64();
    let mut sample = vec![(Metric::PerSecond, connections as f64 / seconds)];
    sample.extend([(Metric::P50, 0.5), (Metric::P99, 0.99), (Metric::P999, 0.999)].map(|(metric, q)| (metric, latency.quantile(q).as_secs_f64() * 1e6)));
    if let (Some(before), Some(pid)) = (before, running.pid()) {
        let nanos = process::usage(pid)?.cpu_nanos - before.cpu_nanos;
        sample.push((Metric::CpuPerMillion, nanos as f64 / 1e9 / connections as f64 * 1e6));
    }
    Ok(Some(sample))
}

fn storm(args: &Args, running: &Running, time: Duration) -> Result<(Histogram, u64)> {
    let interval = Duration::from_secs_f64(THREADS as f64 / args.storm_rate.max(1) as f64);
    let target = running.bootstrap;
    let results: Vec<std::result::Result<Vec<u64>, String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(move || connections(target, interval, time).map_err(|error| error.to_string()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread of the storm panicked".into()))).collect()
    });
    let (mut latency, mut count) = (Histogram::new(), 0);
    for result in results {
        for nanos in result? {
            latency.record(nanos);
            count += 1;
        }
    }
    Ok((latency, count))
}

/// Connects once in every interval until the time is up; what it took from the connect to the second answer, in nanoseconds.
fn connections(target: std::net::SocketAddr, interval: Duration, time: Duration) -> Result<Vec<u64>> {
    let (api_versions, metadata) = (frames::api_versions()?, frames::metadata()?);
    let (start, mut taken) = (Instant::now(), Vec::new());
    let mut due = start;
    while start.elapsed() < time {
        let begin = Instant::now();
        let mut stream = setup::connect(target)?;
        setup::ask(&mut stream, &api_versions, 1)?;
        setup::ask(&mut stream, &metadata, 2)?;
        drop(stream);
        taken.push(begin.elapsed().as_nanos() as u64);
        due += interval;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(taken)
}
