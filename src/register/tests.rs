mod figures;
mod history;

use std::fs;

use super::*;
use crate::clients::Key;
use crate::clients::Row;

fn table(client_id: &str) -> Table {
    let mut table = Table::default();
    table.insert(Key { client_id: client_id.into(), software: None }, &Row { first: 5, last: 7, requests: 3, ..Row::default() });
    table
}

#[test]
fn what_is_known_outlives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("state");
    let first = Place::new(&place);
    assert!(file::read(&first).unwrap().is_empty() && !place.exists(), "nothing is made before there is something to write");
    file::replace(&first, &table("a")).unwrap();
    let problem = file::read(&Place::new(&place)).unwrap_err();
    assert!(problem.contains("another Leeward"), "{problem}");
    drop(first);
    let (register, _handle) = open(&place);
    let rows = register.table.rows();
    assert_eq!((&*rows[0].0.client_id, rows[0].1.requests, register.since, &register.problem), ("a", 3, 5, &None));
    assert_eq!(rows[0].1.rates.requests, 0.0, "what was read is not of the last seconds");
}

#[test]
fn a_file_that_cannot_be_used_is_moved_aside_and_said() {
    for (text, word) in [("{\"version\": 1, \"clients\": [[", "damaged"), ("{\"version\": 2, \"clients\": []}", "version 2")] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("clients.json"), text).unwrap();
        let (register, _handle) = open(directory.path());
        let problem = register.problem.unwrap();
        assert!(problem.contains(word) && problem.contains("clients.json.damaged"), "{problem}");
        assert_eq!(fs::read_to_string(directory.path().join("clients.json.damaged")).unwrap(), text);
        assert!(!directory.path().join("clients.json").exists());
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("state");
    fs::write(&place, "a file").unwrap();
    let (mut register, _handle) = open(&place);
    (register.table, register.is_changed) = (table("a"), true);
    register.table.add(table_now());
    register.write().await;
    assert!(register.is_changed && register.known().problem.is_some());
    fs::remove_file(&place).unwrap();
    register.write().await;
    assert_eq!((register.is_changed, register.known().problem), (false, None));
    let text = fs::read_to_string(place.join("clients.json")).unwrap();
    assert!(text.contains("\"now\"") && !text.contains("\"a\""), "what is older than five weeks is forgotten: {text}");
}

fn table_now() -> Table {
    let mut table = Table::default();
    table.insert(Key { client_id: "now".into(), software: None }, &Row { first: now(), last: now(), ..Row::default() });
    table
}
