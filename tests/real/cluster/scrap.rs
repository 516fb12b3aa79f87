//! Directories that go when the cluster goes: its data always, its logs unless the test failed.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Removes its argument when standard input ends. Again and again for a while: servers that are being killed may still write.
const REMOVER: &str = r#"trap "" INT; read -r _; for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$1" 2>/dev/null; [ -e "$1" ] || exit 0; sleep 0.5; done"#;

/// Removed when dropped, and by a small shell if this process is killed first.
pub(super) struct ScrapDirectory {
    pub(super) path: PathBuf,
    remover: Child,
}

impl ScrapDirectory {
    pub(super) fn new(name: &str) -> Self {
        let path = tempfile::Builder::new().prefix(&format!("leeward-{name}-")).tempdir().unwrap().keep();
        let remover =
            Command::new("sh").args(["-c", REMOVER, "remover"]).arg(&path).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { path, remover }
    }
}

impl Drop for ScrapDirectory {
    fn drop(&mut self) {
        drop(self.remover.stdin.take());
        let _ = self.remover.wait();
    }
}

/// Under `target/tmp`, one for each cluster.
pub(super) struct LogDirectory {
    pub(super) path: PathBuf,
}

impl LogDirectory {
    pub(super) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("real-logs");
        remove_old(&root);
        let path = root.join(format!("{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(&path).unwrap();
        Self { path }
    }
}

impl Drop for LogDirectory {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Logs of failures are kept for a day.
fn remove_old(root: &std::path::Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age.as_secs() > 24 * 3600) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
