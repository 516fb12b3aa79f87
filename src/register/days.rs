//! The traffic's history on the disk: `history/2026-11-25.day` in `state.directory`, a file for each day of UTC.
//!
//! The file of the day that goes on is replaced every few minutes, those of older days never again.

use std::fs::{self, File};
use std::io::Read;
use std::sync::Arc;

use super::place::{Place, said};
use crate::guard::time::rfc3339;
use crate::history::codec::{self, QUARTERS_BYTES_MAX};
use crate::history::{DAYS_KEPT, Day, DayNumber, History, QUARTERS, Quarter, day_of};

const DIRECTORY: &str = "history";
const ENDING: &str = ".day";

fn name(day: DayNumber) -> String {
    let date = rfc3339(u64::from(day) * 86_400_000);
    format!("{DIRECTORY}/{}{ENDING}", date.get(..10).unwrap_or_default())
}

fn number(file_name: &str) -> Option<DayNumber> {
    let date: jiff::civil::Date = file_name.strip_suffix(ENDING)?.parse().ok()?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond();
    u64::try_from(midnight).ok().map(day_of)
}

/// What was kept: today and yesterday whole, of the other days the quarter hours. What cannot be used is moved aside, and said.
pub(super) fn open(place: &Place, today: DayNumber) -> (History, Vec<String>) {
    let (mut history, mut problems) = (History::default(), Vec::new());
    let days = kept(place);
    if !days.is_empty()
        && let Err(problem) = place.lock()
    {
        return (history, vec![problem]);
    }
    for day in days {
        let read = if day + 1 >= today && day <= today {
            read(place, day).map(|day| day.into_iter().for_each(|day| history.insert(day)))
        } else {
            read_quarters(place, day).map(|(number, quarters)| history.insert_quarters(number, quarters))
        };
        problems.extend(read.err());
    }
    (history, problems)
}

/// Days of which there is a file, ascending.
fn kept(place: &Place) -> Vec<DayNumber> {
    let entries = fs::read_dir(place.path(DIRECTORY)).into_iter().flatten().flatten();
    let mut days: Vec<DayNumber> = entries.filter_map(|entry| number(entry.file_name().to_str()?)).collect();
    days.sort_unstable();
    days
}

/// One day; `None`: there is no file.
pub(super) fn read(place: &Place, day: DayNumber) -> Result<Option<Day>, String> {
    let Some(bytes) = read_bytes(place, day)? else { return Ok(None) };
    codec::decode(&bytes).map(Some).map_err(|problem| place.set_aside(&name(day), &problem.to_string()))
}

/// One day as its file has it; `None`: there is no file.
pub(super) fn read_bytes(place: &Place, day: DayNumber) -> Result<Option<Vec<u8>>, String> {
    let path = place.path(&name(day));
    if !path.exists() {
        return Ok(None);
    }
    place.lock()?;
    fs::read(&path).map(Some).map_err(said("cannot read", &path))
}

fn read_quarters(place: &Place, day: DayNumber) -> Result<(DayNumber, [Quarter; QUARTERS]), String> {
    let name = name(day);
    let path = place.path(&name);
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(QUARTERS_BYTES_MAX as u64).read_to_end(&mut bytes));
    read.map_err(said("cannot read", &path))?;
    codec::decode_quarters(&bytes).map_err(|problem| place.set_aside(&name, &problem.to_string()))
}

/// Writes these days, and forgets those that are too old.
pub(super) fn write(place: &Place, days: &[Arc<Day>]) -> Result<(), String> {
    for day in days {
        let bytes = codec::encode(day);
        place.replace(&name(day.number), |out| out.write_all(&bytes))?;
    }
    let kept = kept(place);
    // By their number, as in the memory.
    let old = kept.len().saturating_sub(DAYS_KEPT as usize);
    for day in kept.into_iter().take(old) {
        let path = place.path(&name(day));
        fs::remove_file(&path).map_err(said("cannot remove", &path))?;
    }
    Ok(())
}
