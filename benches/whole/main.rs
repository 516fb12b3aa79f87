//! The whole process, measured: Leeward between a load generator and a null broker, with a plain TCP relay and no proxy at all beside it in the same run.
//!
//!     cargo bench --bench whole                                    every scenario, against HAProxy where it is installed
//!     cargo bench --bench whole -- --scenario small,fetch --rounds 9 --seconds 3 --json out.json
//!     cargo bench --bench whole -- --smoke                         one short round of everything: does it run, not how fast
//!     cargo bench --bench whole -- --tap                           what a listener of leeward tap costs, and that without one nothing does
//!     cargo bench --bench whole -- --tap --pairs 60 --seconds 0.5 --scenario small
//!                                                                  the same in one process, in which a listener comes and goes: a figure that decides
//!
//! What counts is the CPU time of the proxy alone (`/proc/PID/task/*/schedstat`), taken between two moments of steady load, and its ratio to the relay's in
//! the same round: rounds are interleaved, since the speed of a shared machine drifts by more than the differences that are looked for. The load generator
//! runs in this process; the null broker, the relay and the proxies are children of it, which end with it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its report is what it is for")]
#![expect(clippy::indexing_slicing, reason = "its only peers are its own processes, and a panic ends a measurement that is wrong anyway")]

mod args;
mod broker;
mod frames;
mod histogram;
mod idle;
mod load;
mod paired;
mod pipe;
mod process;
mod proxy;
mod relay;
mod report;
mod scenario;
mod setup;
mod storm;
mod syscalls;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Role};

/// What goes wrong is told in one sentence and ends the run.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match args.role {
        Some(Role::Broker) => broker::serve(args.batch),
        Some(Role::Relay) => relay::serve(args.relay_to),
        Some(Role::Spin) => process::spin(),
        None => scenario::run(&args.settled()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("whole: {error}");
            ExitCode::FAILURE
        }
    }
}
