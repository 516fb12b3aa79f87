//! Holds the sources to the architecture in `src/lib.rs`.

use std::fs;
use std::path::{Path, PathBuf};

/// In the order of `src/lib.rs`: a module may use those before it.
const ORDER: [&str; 20] = [
    "wire",
    "protocol",
    "config",
    "cluster",
    "releases",
    "guard",
    "rolling",
    "tap",
    "history",
    "session",
    "clients",
    "telemetry",
    "net",
    "control",
    "maintenance",
    "roll",
    "reassign",
    "register",
    "admin",
    "app",
];

const PURE: [&str; 10] = ["wire", "protocol", "cluster", "releases", "guard", "rolling", "tap", "history", "session", "clients"];

/// What a pure module must not know. `std::net` addresses are values, so they may be named.
const IMPURE: [&str; 8] = ["tokio", "tracing::", "Instant", "SystemTime", "std::fs", "std::thread", "TcpStream", "std::env::"];

#[test]
fn imports_point_only_upwards() {
    for (place, module) in ORDER.iter().enumerate() {
        let lower = ORDER.get(place + 1..).unwrap_or_default();
        for (file, text) in sources(module) {
            for name in lower {
                assert!(!uses(&text, name), "{}: {module} must not use {name}, which stands below it in src/lib.rs", file.display());
            }
        }
    }
}

#[test]
fn pure_modules_know_no_socket_no_clock_and_no_log() {
    for module in PURE {
        for (file, text) in sources(module) {
            for word in IMPURE {
                let found = text.lines().find(|line| !line.trim_start().starts_with("//") && line.contains(word));
                assert_eq!(found, None, "{}: {module} is pure and must not know {word}", file.display());
            }
        }
    }
}

#[test]
fn every_module_of_the_crate_has_its_place() {
    let lib = fs::read_to_string("src/lib.rs").unwrap();
    for module in lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')) {
        assert!(ORDER.contains(&module) || ["sandbox", "cli", "demo"].contains(&module), "{module} has no place in the order");
        assert!(lib.contains(&format!("[`{module}`]")), "{module} is missing in the table of src/lib.rs");
    }
}

#[test]
fn the_checks_see_what_they_look_for() {
    assert!(uses("use crate::net::pool;", "net"));
    assert!(uses("use crate::{config, net::pool};", "net"));
    assert!(!uses("// crate::net is below", "net"));
    assert!(!uses("use crate::network;", "net"));
}

/// Whether code in `text` names `crate::module`.
fn uses(text: &str, module: &str) -> bool {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
        let of_crate = line.split("crate::").skip(1).any(|rest| is_module(rest, module));
        of_crate || line.split_once("use crate::{").is_some_and(|(_, list)| list.split(", ").any(|rest| is_module(rest, module)))
    })
}

fn is_module(rest: &str, module: &str) -> bool {
    rest.strip_prefix(module).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// The module's files without their tests.
fn sources(module: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    collect(Path::new("src").join(module).as_path(), &mut files);
    files.push(Path::new("src").join(module).with_extension("rs"));
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).ok()?;
        let code = text.split("\n#[cfg(test)]").next().unwrap_or_default().to_owned();
        Some((file, code))
    };
    let found: Vec<_> = files.into_iter().filter(|file| !is_test(file)).filter_map(read).collect();
    assert!(!found.is_empty(), "no sources of {module}");
    found
}

fn is_test(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "tests") || file.ends_with("tests.rs") || file.ends_with("properties.rs")
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
