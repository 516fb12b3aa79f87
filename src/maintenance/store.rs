//! What outlives a restart: `state.json`, replaced as a whole, and `audit.jsonl`, which only grows. Both are on the disk before a change is
//! answered.
//!
//! The directory is made with the first change. One Leeward uses it at a time, which the file `lock` holds. A state that cannot be read is moved
//! aside and said; it is never overwritten.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api::{Audit, AuditEntry};
use crate::guard::Windows;
use crate::guard::time::{Millis, rfc3339};
use crate::rolling::Drains;
use crate::rolling::reassign::run::Run;
use crate::rolling::walk::Roll;

/// The layout of `state.json`.
const VERSION: u32 = 1;
/// Bytes at the end of the audit file that are read to show the last entries; an entry has about 1 KiB.
const AUDIT_READ_MAX: u64 = 4 << 20;

/// What `state.json` holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    version: u32,
    windows: Windows,
    /// Files of before there were drains have none; neither have those that hold none, so that a Leeward of then reads them.
    #[serde(default, skip_serializing_if = "Drains::is_empty")]
    drains: Drains,
    /// The same holds for files of before there were rolls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    roll: Option<Roll>,
    /// And before there were reassignments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reassign: Option<Run>,
    /// Windows that were closed here while the topic of shared state was out of reach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    closed_alone: Vec<ClosedAlone>,
}

/// A window that was closed while the topic of shared state was out of reach, and is to be closed there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClosedAlone {
    pub(super) id: String,
    /// Another Leeward may have given the same id to another window.
    pub(super) opened: Millis,
    pub(super) by: String,
    pub(super) why: String,
}

/// What is kept of maintenance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) windows: Windows,
    pub(super) drains: Drains,
    /// The roll that goes on, or the last one.
    pub(super) roll: Option<Roll>,
    /// The reassignment that goes on, or the last one.
    pub(super) reassign: Option<Run>,
    pub(super) closed_alone: Vec<ClosedAlone>,
}

impl Contents {
    /// As instances share it: what `state.json` holds, without what concerns one alone.
    pub(super) fn to_shared(&self) -> Value {
        // Plain data always becomes a value.
        serde_json::to_value(State::of(Contents { closed_alone: Vec::new(), ..self.clone() })).unwrap_or_default()
    }

    /// What another instance has written; `closed_alone` stays.
    ///
    /// # Errors
    /// In a sentence.
    pub(super) fn from_shared(value: Value, closed_alone: Vec<ClosedAlone>) -> Result<Self, String> {
        let State { version, windows, drains, roll, reassign, closed_alone: _ } =
            serde_json::from_value(value).map_err(|error| format!("it is damaged ({error})"))?;
        if version != VERSION {
            return Err(format!("it has version {version}, which this Leeward does not know"));
        }
        Ok(Contents { windows, drains, roll, reassign, closed_alone })
    }
}

impl State {
    fn of(contents: Contents) -> Self {
        let Contents { windows, drains, roll, reassign, closed_alone } = contents;
        State { version: VERSION, windows, drains, roll, reassign, closed_alone }
    }
}

/// Whether the state outlives a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub directory: String,
    pub survives_restart: bool,
    /// Why not.
    pub problem: Option<String>,
    /// What happened when it was read.
    pub note: Option<String>,
}

/// Why something is not on the disk.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {error}")]
pub(super) struct StoreError {
    what: String,
    error: io::Error,
}

impl StoreError {
    /// A write ended without an answer: its thread is gone.
    pub(super) fn gone() -> Self {
        StoreError { what: "the state directory".to_owned(), error: io::Error::other("an earlier write ended without an answer; start Leeward again") }
    }
}

/// The directory.
#[derive(Debug)]
pub(super) struct Store {
    directory: PathBuf,
    lock: Option<File>,
    /// Why it cannot be used until Leeward is started again.
    unusable: Option<String>,
    /// Why the last change is not on the disk.
    failed: Option<String>,
    note: Option<String>,
}

impl Store {
    /// Reads the state that there is.
    pub(super) fn open(directory: &Path, now: Millis) -> (Self, Contents) {
        let mut store = Store { directory: directory.to_owned(), lock: None, unusable: None, failed: None, note: None };
        if !directory.exists() {
            return (store, Contents::default());
        }
        let read = store.lock().and_then(|()| store.read(now));
        let contents = read.unwrap_or_else(|error| {
            store.unusable = Some(error.to_string());
            Contents::default()
        });
        (store, contents)
    }

    pub(super) fn kept(&self) -> Kept {
        let problem = self.unusable.clone().or_else(|| self.failed.clone());
        let directory = std::path::absolute(&self.directory).unwrap_or_else(|_| self.directory.clone());
        Kept { directory: directory.display().to_string(), survives_restart: problem.is_none(), problem, note: self.note.clone() }
    }

    /// The audit file.
    pub(super) fn audit_file(&self) -> PathBuf {
        self.directory.join("audit.jsonl")
    }

    /// Writes the entries, then the state. When the state cannot be written, an entry for each says so.
    pub(super) fn commit(&mut self, contents: &Contents, entries: &[AuditEntry]) -> Result<(), StoreError> {
        let result = self.try_commit(contents, entries);
        self.failed = result.as_ref().err().map(ToString::to_string);
        result
    }

    fn try_commit(&mut self, contents: &Contents, entries: &[AuditEntry]) -> Result<(), StoreError> {
        self.make()?;
        self.append(entries)?;
        self.replace(contents).inspect_err(|error| {
            let failed: Vec<_> = entries.iter().map(|entry| AuditEntry { result: format!("failed: {error}"), ..entry.clone() }).collect();
            // The first error is the one to tell.
            let _ = self.append(&failed);
        })
    }

    /// Writes entries for what changed nothing.
    pub(super) fn record(&mut self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        self.make()?;
        self.append(entries)
    }

    fn make(&mut self) -> Result<(), StoreError> {
        if let Some(problem) = &self.unusable {
            return Err(StoreError { what: "the state directory".to_owned(), error: io::Error::other(problem.clone()) });
        }
        if self.lock.is_some() {
            return Ok(());
        }
        fs::create_dir_all(&self.directory).map_err(self.failed_to("make"))?;
        self.lock()?;
        if self.state_file().exists() {
            self.lock = None;
            let problem = format!("{} has appeared since Leeward started; start Leeward again to read it", self.state_file().display());
            self.unusable = Some(problem.clone());
            return Err(StoreError { what: "the state directory".to_owned(), error: io::Error::other(problem) });
        }
        Ok(())
    }

    fn lock(&mut self) -> Result<(), StoreError> {
        let path = self.directory.join("lock");
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(at("cannot open", &path))?;
        let locked = file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("another Leeward uses this directory; give each its own state.directory"),
            TryLockError::Error(error) => error,
        });
        locked.map_err(at("cannot lock", &path))?;
        self.lock = Some(file);
        Ok(())
    }

    fn read(&mut self, now: Millis) -> Result<Contents, StoreError> {
        let path = self.state_file();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::default()),
            Err(error) => return Err(at("cannot read", &path)(error)),
        };
        let problem = match serde_json::from_slice::<Version>(&text) {
            Ok(Version { version: VERSION }) => match serde_json::from_slice::<State>(&text) {
                Ok(State { version: _, windows, drains, roll, reassign, closed_alone }) => {
                    return Ok(Contents { windows, drains, roll, reassign, closed_alone });
                }
                Err(error) => format!("it is damaged ({error})"),
            },
            Ok(Version { version }) => format!("it has version {version}, which this Leeward does not know"),
            Err(error) => format!("it is damaged ({error})"),
        };
        let aside = self.directory.join(format!("state.json.damaged-{}", rfc3339(now).replace(':', "")));
        fs::rename(&path, &aside).map_err(at("cannot move aside", &path))?;
        sync_directory(&self.directory)?;
        self.note = Some(format!(
            "{} could not be used: {problem}; it was moved to {}, and no window is open and no broker drained from before",
            path.display(),
            aside.display()
        ));
        Ok(Contents::default())
    }

    /// Another file first, which takes the place of the old one when all of it is on the disk.
    fn replace(&self, contents: &Contents) -> Result<(), StoreError> {
        let (path, temporary) = (self.state_file(), self.directory.join("state.json.new"));
        let state = State::of(contents.clone());
        let text = serde_json::to_vec_pretty(&state).map_err(|error| at("cannot encode", &path)(error.into()))?;
        let mut file = File::create(&temporary).map_err(at("cannot write", &temporary))?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(at("cannot write", &temporary))?;
        fs::rename(&temporary, &path).map_err(at("cannot replace", &path))?;
        sync_directory(&self.directory)
    }

    /// Opened for each change, so that the file may be rotated.
    fn append(&self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        let path = self.audit_file();
        let fresh = !path.exists();
        let mut text = String::new();
        if ends_within_a_line(&path) {
            text.push('\n');
        }
        for entry in entries {
            let line = serde_json::to_string(entry).map_err(|error| at("cannot encode", &path)(error.into()))?;
            text.push_str(&line);
            text.push('\n');
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(at("cannot open", &path))?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(at("cannot write", &path))?;
        if fresh { sync_directory(&self.directory) } else { Ok(()) }
    }

    fn state_file(&self) -> PathBuf {
        self.directory.join("state.json")
    }

    fn failed_to(&self, verb: &str) -> impl FnOnce(io::Error) -> StoreError + use<> {
        at(&format!("cannot {verb}"), &self.directory)
    }
}

/// What is read of a state before its layout is known.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The last entries of an audit file.
pub(super) fn last_entries(path: &Path, last: usize) -> io::Result<Audit> {
    let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    let mut handle = match File::open(path) {
        Ok(handle) => handle,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Audit { file, ..Audit::default() }),
        Err(error) => return Err(error),
    };
    let begin = handle.metadata()?.len().saturating_sub(AUDIT_READ_MAX);
    handle.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    handle.take(AUDIT_READ_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // Where the beginning was cut off, the first line is a part of one.
    let lines: Vec<_> = text.lines().skip(usize::from(begin > 0)).filter(|line| !line.is_empty()).collect();
    let mut audit = Audit { file, ..Audit::default() };
    for line in lines.iter().skip(lines.len().saturating_sub(last)) {
        match serde_json::from_str(line) {
            Ok(entry) => audit.entries.push(entry),
            Err(_) => audit.damaged += 1,
        }
    }
    Ok(audit)
}

/// A crash can leave a part of a line; the next one begins on its own.
fn ends_within_a_line(path: &Path) -> bool {
    let last = || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        Ok::<_, io::Error>(byte != *b"\n")
    };
    last().unwrap_or(false)
}

/// A name in a directory is on the disk when the directory is.
fn sync_directory(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(at("cannot sync", path))
}

fn at(what: &str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let what = format!("{what} {}", path.display());
    move |error| StoreError { what, error }
}
