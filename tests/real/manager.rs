//! The service manager of a cluster: what `systemctl stop kafka` asks, here for the commands of a roll.
//!
//! A command runs a script that leaves a file with the name of what it wants and waits until that is gone. The tests do it and remove the file: so brokers
//! stay children of the tests, and none outlives them.

use std::fs;
use std::path::PathBuf;

use crate::cluster::Cluster;

const SCRIPT: &str = r#"#!/bin/sh
# manager.sh stop|start: for the broker of $LEEWARD_NODE_ID; ends when that is done.
set -e
asked="$(dirname "$0")/asked"
echo "$LEEWARD_BROKER" > "$asked/.$1-$LEEWARD_NODE_ID.$$"
mv "$asked/.$1-$LEEWARD_NODE_ID.$$" "$asked/$1-$LEEWARD_NODE_ID"
while [ -e "$asked/$1-$LEEWARD_NODE_ID" ]; do sleep 0.05; done
echo "broker $LEEWARD_NODE_ID: $1 done"
"#;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Stop,
    Start,
}

/// One thing that a command waits for.
pub(crate) struct Asked {
    pub(crate) verb: Verb,
    pub(crate) node_id: i32,
    /// Where the broker is, as the command was told.
    pub(crate) address: String,
    file: PathBuf,
}

pub(crate) struct Manager {
    directory: PathBuf,
}

impl Manager {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        let directory = cluster.scrap().join("manager");
        fs::create_dir_all(directory.join("asked")).unwrap();
        fs::write(directory.join("manager.sh"), SCRIPT).unwrap();
        Self { directory }
    }

    /// For `sh -c`.
    pub(crate) fn command(&self, verb: Verb) -> String {
        let word = match verb {
            Verb::Stop => "stop",
            Verb::Start => "start",
        };
        format!("sh {}/manager.sh {word}", self.directory.display())
    }

    /// What a command waits for now.
    pub(crate) fn asked(&self) -> Option<Asked> {
        let files = fs::read_dir(self.directory.join("asked")).unwrap().map(|entry| entry.unwrap().path());
        files.into_iter().find_map(|file| {
            let (verb, node_id) = file.file_name()?.to_str()?.split_once('-')?;
            let verb = match verb {
                "stop" => Verb::Stop,
                "start" => Verb::Start,
                // It is still being written.
                _ => return None,
            };
            let address = fs::read_to_string(&file).unwrap().trim().to_owned();
            Some(Asked { verb, node_id: node_id.parse().unwrap(), address, file: file.clone() })
        })
    }
}

impl Asked {
    /// Lets the command end.
    pub(crate) fn done(self) {
        fs::remove_file(self.file).unwrap();
    }
}
