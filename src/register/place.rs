//! The directory of the register's files, and the right to write there: a file is replaced as a whole; one that cannot be read is moved aside, and said.

use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A directory that one Leeward writes to.
#[derive(Debug)]
pub(super) struct Place {
    directory: PathBuf,
    lock: Mutex<Option<fs::File>>,
}

impl Place {
    pub(super) fn new(directory: &Path) -> Self {
        Place { directory: directory.to_owned(), lock: Mutex::default() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Moves a file aside that is no use because of `problem`, and says so.
    pub(super) fn set_aside(&self, name: &str, problem: &str) -> String {
        let (path, aside) = (self.path(name), self.path(&format!("{name}.damaged")));
        match fs::rename(&path, &aside).map_err(said("cannot move aside", &path)) {
            Ok(()) => format!("{} could not be used: {problem}; it was moved to {}", path.display(), aside.display()),
            Err(problem) => problem,
        }
    }

    /// Another file first, which takes the place of the old one when all of it is on the disk.
    pub(super) fn replace(&self, name: &str, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), String> {
        let (path, temporary) = (self.path(name), self.path(&format!("{name}.new")));
        let directory = path.parent().unwrap_or(&self.directory);
        fs::create_dir_all(directory).map_err(said("cannot make", directory))?;
        self.lock()?;
        let mut out = BufWriter::new(fs::File::create(&temporary).map_err(said("cannot write", &temporary))?);
        write(&mut out).and_then(|()| out.flush()).and_then(|()| out.get_ref().sync_all()).map_err(said("cannot write", &temporary))?;
        fs::rename(&temporary, &path).map_err(said("cannot replace", &path))?;
        fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(said("cannot sync", directory))
    }

    /// Held until this Leeward ends.
    pub(super) fn lock(&self) -> Result<(), String> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_some() {
            return Ok(());
        }
        let path = self.path("clients.lock");
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(said("cannot open", &path))?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => format!("another Leeward uses {}; give each its own state.directory", self.directory.display()),
            TryLockError::Error(error) => said("cannot lock", &path)(error),
        })?;
        *lock = Some(file);
        Ok(())
    }
}

pub(super) fn said(what: &str, path: &Path) -> impl FnOnce(io::Error) -> String + use<> {
    let what = format!("{what} {}", path.display());
    move |error| format!("{what}: {error}")
}
