//! `clients.json`: replaced as a whole; one that cannot be read is moved aside, and said.

use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::clients::{Key, Row, Table};

/// The layout of the file.
const VERSION: u32 = 1;

/// What the file holds.
#[derive(Deserialize)]
struct Kept {
    version: u32,
    clients: Vec<(Key, Row)>,
}

/// The same, to be written.
#[derive(Serialize)]
struct Keep<'a> {
    version: u32,
    clients: Vec<(Key, &'a Row)>,
}

/// Where it is, and the right to write it.
#[derive(Debug)]
pub(super) struct File {
    directory: PathBuf,
    lock: Mutex<Option<fs::File>>,
}

impl File {
    pub(super) fn new(directory: &Path) -> Self {
        File { directory: directory.to_owned(), lock: Mutex::default() }
    }

    /// What was kept; nothing where there is no file.
    pub(super) fn read(&self) -> Result<Table, String> {
        let path = self.path();
        if !path.exists() {
            return Ok(Table::default());
        }
        self.lock()?;
        let text = fs::read(&path).map_err(said("cannot read", &path))?;
        let problem = match serde_json::from_slice::<Kept>(&text) {
            Ok(Kept { version: VERSION, clients }) => {
                let mut table = Table::default();
                clients.into_iter().for_each(|(key, row)| table.insert(key, &row));
                table.roll(0.0);
                return Ok(table);
            }
            Ok(Kept { version, .. }) => format!("it has version {version}, which this Leeward does not know"),
            Err(error) => format!("it is damaged ({error})"),
        };
        let aside = self.directory.join("clients.json.damaged");
        fs::rename(&path, &aside).map_err(said("cannot move aside", &path))?;
        Err(format!("{} could not be used: {problem}; it was moved to {}", path.display(), aside.display()))
    }

    /// Another file first, which takes the place of the old one when all of it is on the disk.
    pub(super) fn replace(&self, table: &Table) -> Result<(), String> {
        fs::create_dir_all(&self.directory).map_err(said("cannot make", &self.directory))?;
        self.lock()?;
        let (path, temporary) = (self.path(), self.directory.join("clients.json.new"));
        let mut out = BufWriter::new(fs::File::create(&temporary).map_err(said("cannot write", &temporary))?);
        let written = serde_json::to_writer(&mut out, &Keep { version: VERSION, clients: table.rows() }).map_err(io::Error::from);
        written.and_then(|()| out.flush()).and_then(|()| out.get_ref().sync_all()).map_err(said("cannot write", &temporary))?;
        fs::rename(&temporary, &path).map_err(said("cannot replace", &path))?;
        fs::File::open(&self.directory).and_then(|directory| directory.sync_all()).map_err(said("cannot sync", &self.directory))
    }

    /// Held until this Leeward ends.
    fn lock(&self) -> Result<(), String> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_some() {
            return Ok(());
        }
        let path = self.directory.join("clients.lock");
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(said("cannot open", &path))?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => format!("another Leeward uses {}; give each its own state.directory", self.directory.display()),
            TryLockError::Error(error) => said("cannot lock", &path)(error),
        })?;
        *lock = Some(file);
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.directory.join("clients.json")
    }
}

fn said(what: &str, path: &Path) -> impl FnOnce(io::Error) -> String + use<> {
    let what = format!("{what} {}", path.display());
    move |error| format!("{what}: {error}")
}
