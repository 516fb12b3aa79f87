//! Talks to a running Leeward, and says in plain words why that does not work.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::time::Duration;
use std::{env, io};

use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::Response;
use ureq::{Agent, BodyReader, RequestBuilder};

use super::{Exit, Failure};
use crate::admin::ApiError;
use crate::admin::api::VERSION_HEADER;
use crate::config::{HostPort, read_secret, wrong_token};

/// A command's answer comes within 10 s; beyond this nobody is there.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Beyond this an answer for which every broker works does not come any more.
const LONG_ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// An answer is not read further than this: the partitions of the largest clusters fit.
const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// The endpoint is on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A check forbids what was asked.
pub(super) const BLOCKED: u16 = 409;
/// A token is missing or unknown.
const UNAUTHORIZED: u16 = 401;
/// The token may see and not change.
const FORBIDDEN: u16 = 403;

/// Holds a token, where no file is named. An argument would stand in the list of processes for everybody on the machine.
const TOKEN_VARIABLE: &str = "LEEWARD_TOKEN";

/// Where the running Leeward is, and what it asks of whoever comes.
#[derive(Debug, Clone, Args)]
pub(super) struct AdminAddress {
    /// Admin endpoint of the running Leeward
    #[arg(long = "admin", value_name = "HOST:PORT", default_value = "127.0.0.1:19000")]
    address: HostPort,
    /// File with the token that it asks for; by default what LEEWARD_TOKEN holds
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// An answer that goes on.
pub(super) struct Lines {
    read: BufReader<BodyReader<'static>>,
    asked: String,
}

impl Lines {
    /// The next line; `None`: it was the last.
    pub(super) fn next_as<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Failure> {
        let mut line = String::new();
        match self.read.read_line(&mut line) {
            Ok(0) => Ok(None),
            Ok(_) => understood(&line, &self.asked).map(Some),
            Err(error) => Err(Failure::new(Exit::Failed, format!("{} broke off: {error}; is Leeward still there (leeward status)?", self.asked))),
        }
    }
}

/// An answer of Leeward, good or bad.
pub(super) struct Answer {
    pub(super) status: u16,
    body: String,
    asked: String,
}

impl AdminAddress {
    /// Another one, which takes the same token.
    pub(super) fn at(&self, address: HostPort) -> Self {
        AdminAddress { address, token_file: self.token_file.clone() }
    }

    pub(super) fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.answer(path, self.with_token(agent().get(self.url(path)))?.call())
    }

    /// A question for which every broker adds up what it has, and whose answer grows with the cluster.
    pub(super) fn get_at_length(&self, path: &str) -> Result<Answer, Failure> {
        let request = agent().get(self.url(path)).config().timeout_global(Some(LONG_ANSWER_TIMEOUT)).build();
        self.answer(path, self.with_token(request)?.call())
    }

    pub(super) fn post_json(&self, path: &str, body: &impl Serialize) -> Result<Answer, Failure> {
        self.answer(path, self.with_token(agent().post(self.url(path)))?.send_json(body))
    }

    pub(super) fn delete_json(&self, path: &str, body: &impl Serialize) -> Result<Answer, Failure> {
        self.answer(path, self.with_token(agent().delete(self.url(path)).force_send_body())?.send_json(body))
    }

    /// A stream of JSON objects, one a line, that goes on for as long as it is read. `query`: what stands behind the question mark.
    pub(super) fn lines(&self, path: &str, query: &[(&str, String)]) -> Result<Lines, Failure> {
        let request = query.iter().fold(streaming().get(self.url(path)), |request, (key, value)| request.query(*key, value));
        let response = self.with_token(request)?.call().map_err(|error| self.unreachable(&error))?;
        if response.status().as_u16() != 200 || !response.headers().contains_key(VERSION_HEADER) {
            return Err(self.answer(path, Ok(response))?.refusal());
        }
        Ok(Lines { read: BufReader::new(response.into_body().into_reader()), asked: format!("{}{path}", self.address) })
    }

    fn with_token<B>(&self, request: RequestBuilder<B>) -> Result<RequestBuilder<B>, Failure> {
        Ok(match self.token()? {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        })
    }

    /// No failure repeats what was found.
    fn token(&self) -> Result<Option<String>, Failure> {
        let (place, token) = match &self.token_file {
            Some(file) => {
                let place = format!("--token-file {}", file.display());
                let read = read_secret(file);
                let token = read.map_err(|error| {
                    Failure::new(Exit::Usage, format!("{place}: it cannot be read: {error}; name a file that you may read and that holds the token alone"))
                })?;
                (place, token)
            }
            None => match env::var_os(TOKEN_VARIABLE).filter(|token| !token.is_empty()) {
                Some(token) => (TOKEN_VARIABLE.to_owned(), token.to_string_lossy().trim().to_owned()),
                None => return Ok(None),
            },
        };
        match wrong_token(&token) {
            Some(problem) => Err(Failure::new(Exit::Usage, format!("{place}: the token {problem}; use one of those that Leeward was configured with"))),
            None => Ok(Some(token)),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn answer(&self, path: &str, response: Result<Response<ureq::Body>, ureq::Error>) -> Result<Answer, Failure> {
        let mut response = response.map_err(|error| self.unreachable(&error))?;
        if !response.headers().contains_key(VERSION_HEADER) {
            let message =
                format!("what answers on {} is not Leeward (HTTP {}); name its admin endpoint with --admin", self.address, response.status().as_u16());
            return Err(Failure::new(Exit::Failed, message));
        }
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().map_err(|error| self.unreachable(&error))?;
        Ok(Answer { status, body, asked: format!("{}{path}", self.address) })
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let address = &self.address;
        #[expect(clippy::wildcard_enum_match_arm, reason = "the error of another crate, which may grow")]
        match error {
            ureq::Error::Timeout(_) => Failure::new(Exit::TimedOut, format!("{address} did not answer in time; is that Leeward's admin endpoint (--admin)?")),
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                let message =
                    format!("no Leeward answers on {address}: nothing listens there; start it (leeward run), or name its admin endpoint with --admin");
                Failure::new(Exit::Failed, message)
            }
            ureq::Error::ConnectionFailed => {
                Failure::new(Exit::Failed, format!("no Leeward answers on {address}: it cannot be reached; name its admin endpoint with --admin"))
            }
            ureq::Error::HostNotFound => Failure::new(Exit::Failed, format!("there is no host for {address}; name the admin endpoint with --admin HOST:PORT")),
            ureq::Error::Protocol(_) => self.not_http(error),
            // What a server does with a request that it cannot read: Kafka's just hangs up.
            ureq::Error::Io(io) if matches!(io.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::InvalidData) => {
                self.not_http(error)
            }
            _ => Failure::new(Exit::Failed, format!("cannot talk to {address}: {error}; name the admin endpoint with --admin")),
        }
    }

    fn not_http(&self, error: &ureq::Error) -> Failure {
        let address = &self.address;
        let message = format!(
            "what answers on {address} does not speak HTTP, so it is not Leeward's admin endpoint ({error}); a Kafka port perhaps? name it with --admin"
        );
        Failure::new(Exit::Failed, message)
    }
}

impl Answer {
    /// The body as `T`.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        understood(&self.body, &self.asked)
    }

    /// The body, or its refusal.
    pub(super) fn expect<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if self.status == 200 { self.parse() } else { Err(self.refusal()) }
    }

    /// The refusal in the body.
    pub(super) fn refusal(&self) -> Failure {
        match self.parse::<ApiError>() {
            Ok(error) => {
                let lines = error.config_errors.iter().map(|error| format!("{error}\n")).collect::<String>();
                let exit = match self.status {
                    BLOCKED => Exit::Blocked,
                    400 | UNAUTHORIZED | FORBIDDEN => Exit::Usage,
                    _ if !lines.is_empty() => Exit::Usage,
                    _ => Exit::Failed,
                };
                Failure::new(exit, format!("{lines}{}: {}; {}", self.asked, error.error, error.hint))
            }
            Err(_) => Failure::new(Exit::Failed, format!("{} answered HTTP {}; look into Leeward's log", self.asked, self.status)),
        }
    }
}

fn understood<T: DeserializeOwned>(text: &str, asked: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| {
        let message = format!("{asked} answered what this version does not understand ({error}); is it another version of Leeward?");
        Failure::new(Exit::Failed, message)
    })
}

/// For an answer that goes on, and says each second that it does.
fn streaming() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false).timeout_per_read(Some(ANSWER_TIMEOUT)).timeout_connect(Some(CONNECT_TIMEOUT));
    config.proxy(None).build().into()
}

/// A text as a value behind a question mark (RFC 3986).
pub(super) fn encoded(text: &str) -> String {
    let of_byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(of_byte).collect()
}

fn agent() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWER_TIMEOUT)).timeout_connect(Some(CONNECT_TIMEOUT));
    // A proxy of the environment has no business on the way to this machine's own endpoint.
    config.proxy(None).build().into()
}

/// Who asks when nobody says: the user and the host.
pub(super) fn user_at_host() -> String {
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| env::var(name).ok().filter(|user| !user.is_empty()));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}@{}", user.as_deref().unwrap_or("unknown"), host.trim())
}
