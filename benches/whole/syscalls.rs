//! System calls of the proxy for each request, counted by `perf stat` while the load runs once more. Its time and the load's are not exactly the same: good to
//! a few percent under steady load, less where the rate drifts.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Result;
use crate::load::{self, Plan};
use crate::process::{Guarded, leashed};
use crate::report::{Metric, Sample};

/// How long `perf` counts.
const COUNTED: Duration = Duration::from_millis(700);
/// What `perf` needs to attach and to end.
const AROUND: Duration = Duration::from_millis(800);
const RECV: [&str; 4] = ["recvfrom", "recvmsg", "read", "readv"];
const SEND: [&str; 4] = ["sendto", "sendmsg", "write", "writev"];

pub(crate) fn count(plan: &Plan<'_>, pid: u32) -> Result<Sample> {
    let folder = tempfile::tempdir()?;
    let output = folder.path().join("perf");
    let events: Vec<_> = RECV.iter().chain(&SEND).map(|call| format!("syscalls:sys_enter_{call}")).collect();
    let mut command: Command = leashed("perf");
    command.args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-e", &events.join(",")]);
    command.arg("-o").arg(&output).args(["-p", &pid.to_string(), "--", "sleep", &COUNTED.as_secs_f64().to_string()]);
    let mut perf: Option<Guarded> = None;
    let plan = Plan { target: plan.target, warm_up: Duration::from_millis(200), measure: COUNTED + AROUND, ..*plan };
    let outcome = load::drive(&plan, || {
        if perf.is_none() {
            perf = Some(Guarded::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))?);
        }
        Ok(())
    })?;
    if let Some(mut perf) = perf {
        perf.child().wait()?;
    }
    let counted = std::fs::read_to_string(&output).map_err(|error| format!("perf stat counted nothing: {error}"))?;
    let requests = outcome.requests as f64 / outcome.seconds * COUNTED.as_secs_f64();
    let sum = |calls: &[&str]| -> f64 {
        let of = |event: &str| calls.iter().any(|call| event.strip_prefix("syscalls:sys_enter_") == Some(call));
        counts(&counted).filter(|(event, _)| of(event)).map(|(_, n)| n).sum()
    };
    // On a crowded machine the proxy may not have run at all while perf counted; then there is no figure.
    let Some((_, all)) = counts(&counted).find(|(event, _)| *event == "raw_syscalls:sys_enter") else { return Ok(Vec::new()) };
    Ok(vec![(Metric::Recv, sum(&RECV) / requests), (Metric::Send, sum(&SEND) / requests), (Metric::Syscalls, all / requests)])
}

/// Lines of `perf stat -x ,`: the count, its unit, the event, and more.
fn counts(output: &str) -> impl Iterator<Item = (&str, f64)> {
    output.lines().filter_map(|line| {
        let mut fields = line.split(',');
        let count = fields.next()?.parse().ok()?;
        Some((fields.nth(1)?, count))
    })
}
