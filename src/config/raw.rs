//! The file and the flags as they were found: key → value and where it stands. Unknown keys are errors here already.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, ConfigErrors};
use super::keys::{KEYS, Key};
use super::value::Found;

/// A value from the command line, for one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Dotted path.
    pub key: String,
    /// How the operator wrote it, such as `--listen`.
    pub flag: String,
    pub text: String,
}

/// Values by key; what comes later wins.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) values: BTreeMap<&'static str, Located>,
    pub(super) errors: Vec<ConfigError>,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Located {
    pub(super) found: Found,
    /// `file:line` or the flag.
    pub(super) at: String,
}

impl Raw {
    /// Adds what a file says, or its errors of syntax; what follows those is guesswork. `name` is how the file is called in errors.
    pub(super) fn add_file(&mut self, name: &Path, text: &str) -> Result<(), ConfigErrors> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let file = File { name, text };
        let mut syntax: Vec<_> = errors
            .iter()
            .map(|error| ConfigError {
                at: error.span().map_or_else(|| name.display().to_string(), |span| file.at(&span)),
                key: String::new(),
                problem: error.message().lines().collect::<Vec<_>>().join(", "),
                allowed: "the file is TOML, see https://toml.io".to_owned(),
            })
            .collect();
        // The later errors of a line are echoes of its first.
        syntax.dedup_by(|later, first| later.at == first.at);
        if !syntax.is_empty() {
            return Err(ConfigErrors(syntax));
        }
        self.add_table(&file, "", table.get_ref());
        Ok(())
    }

    /// Adds what a flag says.
    pub(super) fn add_override(&mut self, given: &Override) {
        match Key::of(&given.key) {
            Some(key) => {
                self.values.insert(key.path, Located { found: Found::Flag(given.text.clone()), at: given.flag.clone() });
            }
            None => self.errors.push(unknown(given.flag.clone(), &given.key)),
        }
    }

    fn add_table(&mut self, file: &File<'_>, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let path = if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
            match (Key::of(&path), value.get_ref()) {
                (Some(key), _) => {
                    self.values.insert(key.path, Located { found: found(value), at: file.at(&name.span()) });
                }
                (None, DeValue::Table(inner)) if is_section(&path) => self.add_table(file, &path, inner),
                (None, _) if is_section(&path) => self.errors.push(ConfigError {
                    at: file.at(&name.span()),
                    key: path.clone(),
                    problem: "it is a section, not a value".to_owned(),
                    allowed: format!("write [{path}] on a line of its own and its keys below"),
                }),
                (None, _) => self.errors.push(unknown(file.at(&name.span()), &path)),
            }
        }
    }
}

/// A file's name and text, to turn an offset into a line.
struct File<'a> {
    name: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn at(&self, span: &Range<usize>) -> String {
        let before = self.text.as_bytes().iter().take(span.start).filter(|byte| **byte == b'\n').count();
        format!("{}:{}", self.name.display(), before + 1)
    }
}

fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

fn found(value: &Spanned<DeValue<'_>>) -> Found {
    match value.get_ref() {
        DeValue::String(text) => Found::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).map_or(Found::Other("number beyond 64 bits"), Found::Integer),
        DeValue::Array(items) => Found::List(items.iter().map(found).collect()),
        DeValue::Table(rows) => Found::Table(rows.iter().map(|(name, value)| (name.get_ref().to_string(), found(value))).collect()),
        DeValue::Float(_) => Found::Other("number with a fraction"),
        DeValue::Boolean(flag) => Found::Boolean(*flag),
        DeValue::Datetime(_) => Found::Other("date"),
    }
}

/// The error for a key that does not exist, with the nearest one that does.
fn unknown(at: String, path: &str) -> ConfigError {
    let nearest = nearest(path);
    let allowed = match nearest {
        Some(key) => format!("did you mean {key}?"),
        None => "see `leeward config reference` for every key".to_owned(),
    };
    ConfigError { at, key: path.to_owned(), problem: "there is no such key".to_owned(), allowed }
}

fn nearest(path: &str) -> Option<&'static str> {
    let sections = KEYS.iter().filter_map(|key| key.path.split_once('.').map(|(section, _)| section));
    let last = path.rsplit('.').next().unwrap_or(path);
    let whole = KEYS.iter().map(|key| key.path).chain(sections).map(|name| (distance(path, name), name));
    // The right key in a wrong section is as near as a misspelt one.
    let elsewhere = KEYS.iter().map(|key| (distance(last, key.path.rsplit('.').next().unwrap_or(key.path)) + 1, key.path));
    let (distance, name) = whole.chain(elsewhere).min_by_key(|(distance, _)| *distance)?;
    (distance <= 1 + last.len() / 3).then_some(name)
}

/// Edits between two words (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((b, above), diagonal) in to.iter().zip(row.iter().skip(1)).zip(&row) {
            let left = next.last().copied().unwrap_or(i + 1);
            next.push((left + 1).min(above + 1).min(diagonal + usize::from(a != *b)));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_offered() {
        for (written, meant) in [
            ("limits.frame_byte_max", Some("limits.frame_bytes_max")),
            ("limit", Some("limits")),
            ("listen.base_port", Some("listen.virtual_brokers.base_port")),
            ("upstream.bootstraps", Some("upstream.bootstrap")),
            ("completely.different", None),
        ] {
            assert_eq!(nearest(written), meant, "{written}");
        }
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!([distance("", "abc"), distance("abc", ""), distance("kitten", "sitting"), distance("a", "a")], [3, 3, 3, 0]);
    }
}
