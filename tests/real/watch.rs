//! The no-leak watcher: while clients work, nobody but the servers and Leeward may have a socket to a broker's own port.
//!
//! It reads the kernel's table of TCP sockets and finds each socket's owner by its inode, as `ss -p` does. What the harness itself asks a broker directly
//! is exempt, by the local port of that one connection; a client that is meant to go direct (a control arm) is exempt by its process id.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Clients keep a connection for at least some tens of milliseconds; reading the table takes about one.
const LOOK_EVERY: Duration = Duration::from_millis(15);

/// A look at the table may be as old as this when its owners are found, on a machine that is busy: so long a connection that has ended stays exempt.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// By local port; since when the connection has ended.
static EXEMPT_PORTS: Mutex<BTreeMap<u16, Option<Instant>>> = Mutex::new(BTreeMap::new());

/// One connection of the harness's own, named by its local port, that may go to a broker. Ends when dropped.
pub(crate) struct ExemptPort(u16);

impl ExemptPort {
    pub(crate) fn new(port: u16) -> Self {
        lock(&EXEMPT_PORTS).insert(port, None);
        Self(port)
    }
}

impl Drop for ExemptPort {
    fn drop(&mut self) {
        let mut ports = lock(&EXEMPT_PORTS);
        ports.retain(|_, ended| ended.is_none_or(|at| at.elapsed() < LOOK_MAX));
        ports.insert(self.0, Some(Instant::now()));
    }
}

/// Whom a watcher lets pass, and what it watches. Shared with the cluster, whose brokers come and go.
#[derive(Default)]
pub(crate) struct Rules {
    /// The brokers' own ports.
    pub(crate) ports: BTreeSet<u16>,
    /// Servers, Leeward, control arms.
    pub(crate) pids: BTreeSet<u32>,
}

/// One socket that should not be: who has it, and to which broker's port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Leak {
    pub(crate) pid: u32,
    pub(crate) command: String,
    pub(crate) port: u16,
}

/// A running watcher.
pub(crate) struct Watcher {
    rules: Arc<Mutex<Rules>>,
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

/// What a watcher saw.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) leaks: BTreeSet<Leak>,
    /// Sockets to a broker whose owner was found: a watcher that saw none has looked at nothing.
    pub(crate) attributed: usize,
    pub(crate) looks: usize,
    pub(crate) slowest_look: Duration,
}

impl Watcher {
    pub(crate) fn start(rules: Arc<Mutex<Rules>>) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let thread = std::thread::spawn({
            let (rules, stop, seen) = (Arc::clone(&rules), Arc::clone(&stop), Arc::clone(&seen));
            move || {
                let mut owners = Owners::default();
                while !stop.load(Ordering::Relaxed) {
                    look(&rules, &mut owners, &seen);
                    std::thread::sleep(LOOK_EVERY);
                }
            }
        });
        Self { rules, stop, seen, thread: Some(thread) }
    }

    /// What it has seen by now, while it goes on.
    pub(crate) fn so_far(&self) -> Seen {
        lock(&self.seen).clone()
    }

    /// Ends it, after one more look.
    pub(crate) fn finish(mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        look(&self.rules, &mut Owners::default(), &self.seen);
        self.so_far()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Seen {
    /// Panics if anybody leaked, or if the watcher proves nothing.
    pub(crate) fn assert_no_leak(&self) {
        assert!(self.attributed > 0, "the watcher attributed no socket to any process in {} looks: it proves nothing", self.looks);
        let leaks: Vec<String> =
            self.leaks.iter().map(|leak| format!("pid {} has a socket to broker port {}: {}", leak.pid, leak.port, leak.command)).collect();
        assert!(leaks.is_empty(), "sockets past Leeward:\n  {}", leaks.join("\n  "));
    }
}

/// One entry of the kernel's table: a client's end of a connection.
struct Entry {
    local_port: u16,
    remote_port: u16,
    inode: u64,
}

/// Looks once.
fn look(rules: &Mutex<Rules>, owners: &mut Owners, seen: &Mutex<Seen>) {
    let begun = Instant::now();
    let ports = lock(rules).ports.clone();
    let entries: Vec<Entry> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|table| fs::read_to_string(table).unwrap_or_default().lines().skip(1).filter_map(|line| entry(line, &ports)).collect::<Vec<_>>())
        // Inode 0: closed already, of nobody.
        .filter(|entry| entry.inode != 0)
        .collect();
    // After the table: a connection that is in it had its place here before it began, and keeps it for a while.
    let exempt = lock(&EXEMPT_PORTS).clone();
    let suspects: Vec<&Entry> = entries.iter().filter(|entry| !exempt.contains_key(&entry.local_port)).collect();
    // After the table: whoever has a socket that is in it was let in before.
    let allowed = lock(rules).pids.clone();
    owners.find(&suspects.iter().map(|entry| entry.inode).collect::<Vec<_>>(), &allowed);
    let mut seen = lock(seen);
    for entry in suspects {
        let Some(&pid) = owners.known.get(&entry.inode) else { continue };
        seen.attributed += 1;
        if !allowed.contains(&pid) && !seen.leaks.iter().any(|leak| leak.pid == pid && leak.port == entry.remote_port) {
            let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().replace('\0', " ").chars().take(200).collect();
            seen.leaks.insert(Leak { pid, command, port: entry.remote_port });
        }
    }
    seen.looks += 1;
    seen.slowest_look = seen.slowest_look.max(begun.elapsed());
}

/// Which process has which socket. The kernel can only be asked the other way round: for the descriptors of a process.
#[derive(Default)]
struct Owners {
    /// Inode → process id.
    known: BTreeMap<u64, u32>,
    /// Inode → how often nobody was found to have it. Such a socket was closed between the two questions, or its process may not be looked at.
    nobodys: BTreeMap<u64, u32>,
}

impl Owners {
    /// A socket without an owner is looked for this often: on a machine with many processes each time costs, and makes the next look late.
    const SEARCHES_MAX: u32 = 3;

    /// Finds the owners of those of `inodes` that are new: first among the `likely` processes, which are few; only then among all.
    fn find(&mut self, inodes: &[u64], likely: &BTreeSet<u32>) {
        let hopeless = |inode: &u64| self.nobodys.get(inode).is_some_and(|&searches| searches >= Self::SEARCHES_MAX);
        let mut wanted: BTreeSet<u64> = inodes.iter().copied().filter(|inode| !self.known.contains_key(inode) && !hopeless(inode)).collect();
        for &pid in likely {
            self.read(pid, &mut wanted);
        }
        if !wanted.is_empty() {
            let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
            let pids = processes.filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok());
            pids.filter(|pid| !likely.contains(pid)).for_each(|pid| self.read(pid, &mut wanted));
        }
        for inode in wanted {
            *self.nobodys.entry(inode).or_default() += 1;
        }
    }

    /// Looks for the wanted sockets in one process, if this user may look at it.
    fn read(&mut self, pid: u32, wanted: &mut BTreeSet<u64>) {
        if wanted.is_empty() {
            return;
        }
        for descriptor in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let Ok(target) = fs::read_link(descriptor.path()) else { continue };
            let inode = target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            if let Some(inode) = inode.filter(|inode| wanted.remove(inode)) {
                self.known.insert(inode, pid);
            }
        }
    }
}

/// A line of `/proc/net/tcp` whose remote port is among `ports`: `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`,
/// addresses as hexadecimal `IP:PORT`. Most lines are of others, so no more of a line is read than needed.
fn entry(line: &str, ports: &BTreeSet<u16>) -> Option<Entry> {
    let port = |address: &str| u16::from_str_radix(address.rsplit(':').next()?, 16).ok();
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (local, remote) = (fields.next()?, fields.next()?);
    let remote_port = port(remote).filter(|port| ports.contains(port))?;
    Some(Entry { local_port: port(local)?, remote_port, inode: fields.nth(6)?.parse().ok()? })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
