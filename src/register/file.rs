//! `clients.json`.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use super::place::{Place, said};
use crate::clients::{Key, Row, Table};

/// The layout of the file.
const VERSION: u32 = 1;
const NAME: &str = "clients.json";

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

/// What was kept; nothing where there is no file.
pub(super) fn read(place: &Place) -> Result<Table, String> {
    let path = place.path(NAME);
    if !path.exists() {
        return Ok(Table::default());
    }
    place.lock()?;
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
    Err(place.set_aside(NAME, &problem))
}

pub(super) fn replace(place: &Place, table: &Table) -> Result<(), String> {
    place.replace(NAME, |out| serde_json::to_writer(out, &Keep { version: VERSION, clients: table.rows() }).map_err(io::Error::from))
}
