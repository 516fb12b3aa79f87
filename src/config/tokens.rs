//! The operator's tokens: secrets with names, said in the configuration or in files of their own.

use std::fmt;
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;

use super::value::Found;

/// Sixteen random bytes cannot be guessed.
const TOKEN_BYTES_MIN: usize = 16;
/// A request's headers have 16 KiB in all.
const TOKEN_BYTES_MAX: usize = 1024;
/// A name stands in every line of the audit file that its token is the author of.
const NAME_BYTES_MAX: usize = 64;

/// Who may use the operator's endpoint, and for what. Where there are none, nobody is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// They may see everything and change nothing.
    pub read_only: Vec<Token>,
    pub read_write: Vec<Token>,
}

impl Tokens {
    pub fn is_empty(&self) -> bool {
        self.read_only.is_empty() && self.read_write.is_empty()
    }
}

/// A secret and its name. Neither `Debug` nor the configuration as it is shown has the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Who: it stands in the audit file.
    pub name: String,
    secret: String,
    /// Where the secret was read.
    file: Option<PathBuf>,
}

impl Token {
    /// Whether `given` is this token. How long that takes tells nothing but the lengths.
    pub fn is(&self, given: &[u8]) -> bool {
        self.secret.as_bytes().ct_eq(given).into()
    }

    pub(super) fn is_same(&self, other: &Token) -> bool {
        self.is(other.secret.as_bytes())
    }

    /// The name with where the secret is from, as TOML.
    pub(super) fn show(&self) -> String {
        match &self.file {
            Some(file) => format!("{} = {{ file = {} }}", self.name, toml::Value::String(file.display().to_string())),
            None => format!("{} = \"(hidden)\"", self.name),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("name", &self.name).field("token", &"(hidden)").field("file", &self.file).finish()
    }
}

/// What is said of one token.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Said {
    name: String,
    source: Source,
}

#[derive(Clone, PartialEq, Eq)]
enum Source {
    Text(String),
    File(PathBuf),
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Said").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The table that stands in the file, or `NAME=FILE,…` of the command line, where a secret would be seen by everybody on the machine. No error
/// repeats what was found: it may be a secret.
pub(super) fn said(found: &Found) -> Result<Vec<Said>, String> {
    let rows = match found {
        Found::Table(rows) => rows,
        Found::Flag(text) => return text.split(',').map(|part| part.trim()).filter(|part| !part.is_empty()).map(said_by_flag).collect(),
        Found::Text(_) | Found::Integer(_) | Found::Boolean(_) | Found::List(_) | Found::Other(_) => {
            return Err("it is not a table of names with their tokens".to_owned());
        }
    };
    rows.iter().map(|(name, found)| Ok(Said { name: checked_name(name)?, source: source(name, found)? })).collect()
}

fn source(name: &str, found: &Found) -> Result<Source, String> {
    match found {
        Found::Text(text) => Ok(Source::Text(text.clone())),
        Found::Table(rows) => match rows.as_slice() {
            [(key, Found::Text(file))] if key == "file" => Ok(Source::File(PathBuf::from(file))),
            _ => Err(format!("what stands for {name} is not {{ file = \"…\" }}")),
        },
        Found::Integer(_) | Found::Boolean(_) | Found::List(_) | Found::Other(_) | Found::Flag(_) => {
            Err(format!("what stands for {name} is neither a text in quotes nor a file"))
        }
    }
}

fn said_by_flag(pair: &str) -> Result<Said, String> {
    let (name, file) = pair.split_once('=').ok_or("on the command line it is NAME=FILE, the file of a token")?;
    Ok(Said { name: checked_name(name.trim())?, source: Source::File(PathBuf::from(file.trim())) })
}

fn checked_name(name: &str) -> Result<String, String> {
    let fits = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    // A token that was written where its name belongs is not repeated.
    if fits { Ok(name.to_owned()) } else { Err(format!("a name is empty, has more than {NAME_BYTES_MAX} bytes, or others than letters, digits, - and _")) }
}

impl Said {
    /// The token, its file read; or what is wrong and what to do.
    pub(super) fn token(self) -> Result<Token, (String, String)> {
        let Said { name, source } = self;
        let (secret, file) = match source {
            Source::Text(text) => (text, None),
            Source::File(file) => (secret_of(&name, &file)?, Some(file)),
        };
        let place = file.as_ref().map_or_else(String::new, |file| format!(" in {}", file.display()));
        if let Some(problem) = wrong(&secret) {
            let allowed = "make one with: openssl rand -hex 32".to_owned();
            return Err((format!("the token {name}{place} {problem}"), allowed));
        }
        Ok(Token { name, secret, file })
    }
}

/// The text of a token's file without the white space around it: most editors end a file with a line's end.
pub fn read_secret(file: &Path) -> std::io::Result<String> {
    std::fs::read_to_string(file).map(|text| text.trim().to_owned())
}

fn secret_of(name: &str, file: &Path) -> Result<String, (String, String)> {
    read_secret(file).map_err(|error| {
        let problem = format!("the token {name} cannot be read from {}: {error}", file.display());
        (problem, "name a file that Leeward may read and that holds the token alone".to_owned())
    })
}

/// What is wrong with a token, as the rest of a sentence. It travels in a header, where white space would end it.
pub fn wrong(secret: &str) -> Option<String> {
    if secret.len() < TOKEN_BYTES_MIN {
        return Some(format!("has {} bytes, which could be guessed; at least {TOKEN_BYTES_MIN} are needed", secret.len()));
    }
    if secret.len() > TOKEN_BYTES_MAX {
        return Some(format!("has {} bytes; at most {TOKEN_BYTES_MAX} are taken", secret.len()));
    }
    let visible = secret.bytes().all(|byte| byte.is_ascii_graphic());
    (!visible).then(|| "has other characters than visible ASCII, or white space within".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(secret: &str) -> Result<Token, (String, String)> {
        Said { name: "ops".to_owned(), source: Source::Text(secret.to_owned()) }.token()
    }

    #[test]
    fn a_token_is_itself_and_nothing_else() {
        let token = token("0123456789abcdef").unwrap();
        assert!(token.is(b"0123456789abcdef"));
        for other in [&b"0123456789abcdeF"[..], b"0123456789abcde", b"0123456789abcdef0", b""] {
            assert!(!token.is(other));
        }
        assert!(!format!("{token:?}{}", token.show()).contains("0123456789"));
    }

    #[test]
    fn what_could_be_guessed_or_not_sent_is_refused() {
        for (secret, problem) in
            [("", "has 0 bytes"), ("0123456789abcde", "has 15 bytes"), ("0123456789 abcdef", "white space"), ("0123456789äabcdef", "visible")]
        {
            let (said, allowed) = token(secret).unwrap_err();
            assert!(said.starts_with("the token ops ") && said.contains(problem) && allowed.contains("openssl"), "{said}");
            assert!(secret.is_empty() || !said.contains(secret));
        }
        assert!(token(&"x".repeat(TOKEN_BYTES_MAX + 1)).unwrap_err().0.contains("at most"));
    }

    #[test]
    fn files_hold_a_token_and_a_lines_end() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ops.token");
        let said = || Said { name: "ops".to_owned(), source: Source::File(file.clone()) };
        assert!(said().token().unwrap_err().0.contains("ops.token: "));
        std::fs::write(&file, "0123456789abcdef\r\n").unwrap();
        let token = said().token().unwrap();
        assert!(token.is(b"0123456789abcdef") && token.show().contains("ops = { file = "));
    }
}
