//! The price of `leeward tap` in one process: the same load on the same connections, while a listener comes and goes in slices of its time.
//!
//! Each pair is four slices, without, with, with, without: what drifts evenly over them falls out of its ratio. Between two such pairs stands one in which nobody
//! ever listens; the ratios of those should be 1, and how far they scatter is the noise of the machine. The median has an interval of the order statistics, which
//! supposes nothing of how the ratios are distributed.

use std::io::{BufRead, BufReader, Read, Write, sink};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::Result;
use crate::args::Args;
use crate::load::{Load, Plan};
use crate::process;

/// Load that is not measured, after a listener has come or gone.
const SETTLE: Duration = Duration::from_millis(60);

/// The ratios of pairs with a listener, and of those without.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    listened: Vec<f64>,
    control: Vec<f64>,
}

/// Measures so many pairs of each kind. `admin`: where Leeward with this `pid` gives the stream that `query` asks for.
pub(crate) fn measure(args: &Args, plan: &Plan<'_>, pid: u32, admin: SocketAddr, query: &str) -> Result<Pairs> {
    let mut load = Load::start(plan)?;
    load.run_for(plan, plan.warm_up)?;
    let mut pairs = Pairs::default();
    for _ in 0..args.pairs {
        for listens in [true, false] {
            let mut cost = [0.0; 2];
            for is_second in [false, true, true, false] {
                let listener = if is_second && listens { Some(Listener::come(admin, query)?) } else { None };
                load.run_for(plan, SETTLE)?;
                let before = process::usage(pid)?.cpu_nanos;
                let (requests, _) = load.run_for(plan, plan.measure)?;
                cost[usize::from(is_second)] += (process::usage(pid)?.cpu_nanos - before) as f64 / requests.max(1) as f64;
                listener.map_or(Ok(()), Listener::go)?;
            }
            let [without, with] = cost;
            if listens { &mut pairs.listened } else { &mut pairs.control }.push(with / without);
        }
    }
    Ok(pairs)
}

impl Pairs {
    pub(crate) fn print(&self) {
        for (name, ratios) in [("with / without a listener", &self.listened), ("without / without", &self.control)] {
            let [low, median, high] = median_of(ratios);
            println!("  CPU of a request, {name}: {median:.4} ({low:.4} to {high:.4} with 95 % confidence, {} pairs)", ratios.len());
        }
    }
}

/// The median between the ends of its interval. How many of n values lie below the true median is binomial: half of n, give or take 0.98 √n in 95 of 100 cases.
fn median_of(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (n, last) = (sorted.len() as f64, sorted.len() - 1);
    let below = ((n / 2.0 - 0.98 * n.sqrt()).floor() as usize).min(last);
    let median = f64::midpoint(sorted[last / 2], sorted[sorted.len() / 2]);
    [sorted[below], median, sorted[last - below]]
}

/// Reads a stream of `leeward tap`.
struct Listener {
    stream: TcpStream,
    reader: JoinHandle<()>,
}

impl Listener {
    fn come(admin: SocketAddr, query: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(admin)?;
        write!(stream, "GET /v1/tap?{query} HTTP/1.1\r\nhost: {admin}\r\n\r\n")?;
        let mut lines = BufReader::new(stream.try_clone()?);
        let mut status = String::new();
        lines.read_line(&mut status)?;
        if !status.contains(" 200 ") {
            return Err(format!("/v1/tap?{query} was answered with {}", status.trim()).into());
        }
        let reader = thread::spawn(move || {
            // It ends when Leeward has closed the stream, in whichever way.
            let _ = std::io::copy(&mut lines.by_ref(), &mut sink());
        });
        Ok(Listener { stream, reader })
    }

    /// Until Leeward has let go of it.
    fn go(self) -> Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        self.reader.join().map_err(|_| "the reader of a stream panicked".into())
    }
}
