//! Children and what the kernel says about them.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::Result;

/// A child that is ended and waited for when this is dropped, also by a panic.
pub(crate) struct Guarded(Child);

impl Guarded {
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.spawn().map(Self).map_err(|error| format!("cannot start {name}: {error}").into())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // It fails only when the child has ended by itself, and then there is nothing left to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command whose process ends with this one, even when this one is killed, where `setpriv` (util-linux) is at hand.
pub(crate) fn leashed(program: impl AsRef<OsStr>) -> Command {
    if !in_path("setpriv") {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

pub(crate) fn in_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).chain(["/usr/sbin".into()]).any(|folder| folder.join(program).is_file()))
}

/// Ends this process when its standard input ends: its parent is gone.
pub(crate) fn exit_with_stdin() {
    std::thread::spawn(|| {
        let mut rest = Vec::new();
        // An error ends it as well: either way nobody holds the other end.
        let _ = std::io::stdin().read_to_end(&mut rest);
        std::process::exit(0);
    });
}

/// The processors on which all threads of a process may run, as `taskset` lists them ("0", "0-3"). False: it cannot be done here.
pub(crate) fn pin(pid: u32, processors: &str) -> bool {
    let mut taskset = Command::new("taskset");
    taskset.args(["-a", "-c", "-p", processors, &pid.to_string()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    taskset.status().is_ok_and(|status| status.success())
}

/// Keeps a processor awake: started with idle priority, it takes only what nobody else wants.
pub(crate) fn spin() -> Result<()> {
    exit_with_stdin();
    loop {
        std::hint::spin_loop();
    }
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// On a processor, in user mode and in the kernel, all threads.
    pub(crate) cpu_nanos: u64,
    /// Times that a thread gave up its processor to wait.
    pub(crate) waits: u64,
}

pub(crate) fn usage(pid: u32) -> Result<Usage> {
    let mut usage = Usage::default();
    for task in fs::read_dir(format!("/proc/{pid}/task")).map_err(|error| format!("the proxy's process is gone: {error}"))? {
        let task = task?.path();
        usage.cpu_nanos += first_number(&task.join("schedstat")).unwrap_or(0);
        let status = fs::read_to_string(task.join("status")).unwrap_or_default();
        usage.waits += field(&status, "voluntary_ctxt_switches:").unwrap_or(0);
    }
    if usage.cpu_nanos == 0 {
        return Err("this kernel gives no /proc/PID/task/*/schedstat".into());
    }
    Ok(usage)
}

/// Memory of a process that is in RAM, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    Ok(field(&rollup, "Rss:").ok_or("no Rss in smaps_rollup")? * 1024)
}

fn first_number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}
