//! Who may ask for what: the token of a request, and requests that a web page has a browser send.
//!
//! As soon as there is a token in the configuration, everything but the two probes and the page's own files asks for one. Without any the endpoint listens on loopback only
//! ([`crate::config`] holds that), where the machine's own rules say who may reach it; browsers on the machine are what remains to be kept away.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::debug;

use super::AdminState;
use super::handlers::refuse;
use super::{events, page, tap, top};
use crate::config::{Admin, Token, Tokens};

/// What load balancers and service managers ask, who have no token.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// Whether a path is answered without a token.
pub(super) fn is_open(path: &str) -> bool {
    PROBES.contains(&path) || page::FILES.contains(&path)
}

/// Who asks, as far as the endpoint knows. Every handler that changes something has its author signed by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Caller {
    /// The name of the token.
    token: Option<String>,
}

impl Caller {
    /// The author of a change: whom the request names, and by whose token.
    pub(super) fn sign(&self, author: Option<String>) -> Option<String> {
        let author = author.map(|author| author.trim().to_owned()).filter(|author| !author.is_empty());
        match (&self.token, author) {
            (Some(token), Some(author)) => Some(format!("{author} (token {token})")),
            (Some(token), None) => Some(format!("token {token}")),
            (None, author) => author,
        }
    }
}

/// Why a request is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denied {
    NoToken,
    WrongToken,
    ReadOnly,
    FromAPage,
    StrangeHost,
}

impl Denied {
    fn response(self) -> Response {
        let (code, error, hint, challenge) = match self {
            Denied::NoToken => (
                StatusCode::UNAUTHORIZED,
                "it asks for a token",
                "name the file that holds one with --token-file, or put one into LEEWARD_TOKEN; over HTTP send \"Authorization: Bearer TOKEN\"",
                Some("Bearer realm=\"leeward\""),
            ),
            Denied::WrongToken => (
                StatusCode::UNAUTHORIZED,
                "the token is none of those that are configured",
                "use one of admin.tokens.read_only or admin.tokens.read_write (--token-file, LEEWARD_TOKEN); a new one is in force after a reload",
                Some("Bearer realm=\"leeward\", error=\"invalid_token\""),
            ),
            Denied::ReadOnly => (
                StatusCode::FORBIDDEN,
                "the token may see everything and change nothing",
                "use one of admin.tokens.read_write (--token-file, LEEWARD_TOKEN)",
                Some("Bearer realm=\"leeward\", error=\"insufficient_scope\""),
            ),
            Denied::FromAPage => {
                let hint = "use the leeward command, a request without an Origin header, or the page at this very address";
                (StatusCode::FORBIDDEN, "a web page may not send commands", hint, None)
            }
            Denied::StrangeHost => (
                StatusCode::FORBIDDEN,
                "the request's Host is not an address of this endpoint, as when a web page has a name lead here",
                "name the endpoint by its address or as localhost, or configure a token (admin.tokens.read_write)",
                None,
            ),
        };
        let mut response = refuse(code, error, hint);
        if let Some(challenge) = challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// Lets through who may, and says who it is.
pub(super) async fn admitted(State(state): State<AdminState>, mut request: Request, next: Next) -> Response {
    let caller = caller(&state.config.load().admin, request.method(), request.uri(), request.headers());
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(denied) => {
            debug!(?denied, method = %request.method(), path = request.uri().path(), "admin request turned away");
            denied.response()
        }
    }
}

fn caller(admin: &Admin, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Caller, Denied> {
    let changes = !matches!(*method, Method::GET | Method::HEAD);
    if changes && is_from_another_page(uri, headers) {
        return Err(Denied::FromAPage);
    }
    if !changes && is_open(uri.path()) {
        return Ok(Caller::default());
    }
    // Without a token on an address that needs one nobody gets in; the configuration forbids it.
    if admin.tokens.is_empty() && admin.listen.ip().is_loopback() {
        let is_guarded = changes || [events::PATH, tap::PATH, top::PATH].contains(&uri.path());
        return if is_guarded && !is_ours(admin, uri, headers) { Err(Denied::StrangeHost) } else { Ok(Caller::default()) };
    }
    let given = bearer(headers).ok_or(Denied::NoToken)?;
    let Tokens { read_only, read_write } = &admin.tokens;
    match (named(read_write, given), named(read_only, given)) {
        (Some(token), _) => Ok(Caller { token: Some(token.name.clone()) }),
        (None, Some(_)) if changes => Err(Denied::ReadOnly),
        (None, Some(token)) => Ok(Caller { token: Some(token.name.clone()) }),
        (None, None) => Err(Denied::WrongToken),
    }
}

/// What stands behind `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.as_bytes().split_at_checked(BEARER.len())?;
    scheme.eq_ignore_ascii_case(BEARER).then(|| token.trim_ascii()).filter(|token| !token.is_empty())
}

const BEARER: &[u8] = b"Bearer ";

/// The token that was given. All are looked at, so that the time tells nothing of which it is.
fn named<'a>(tokens: &'a [Token], given: &[u8]) -> Option<&'a Token> {
    tokens.iter().fold(None, |found, token| if token.is(given) { Some(token) } else { found })
}

/// Whether a request was meant for this endpoint: a page whose name was made to lead here (DNS rebinding) still has its own name as the Host.
/// Programs that send none are no browsers.
fn is_ours(admin: &Admin, uri: &Uri, headers: &HeaderMap) -> bool {
    hosts(uri, headers)
        .map(without_port)
        .all(|host| is_local_name(host) || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback() || ip == admin.listen.ip()))
}

/// Whether a browser sends this for a page that is not the endpoint's own. A page in an operator's browser can send a POST to this machine's ports,
/// and browsers then name the page; commands and scripts do not. A page that has its own name lead here names itself and that name:
/// what it may is then for [`is_ours`] to say, or for the token that it lacks.
fn is_from_another_page(uri: &Uri, headers: &HeaderMap) -> bool {
    if headers.get_all(SEC_FETCH_SITE).iter().any(|site| site != "same-origin") {
        return true;
    }
    let is_own = |origin: &HeaderValue| {
        let named = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")));
        named.is_some_and(|named| hosts(uri, headers).next().is_some() && hosts(uri, headers).all(|host| host.eq_ignore_ascii_case(named)))
    };
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => false,
        (Some(origin), None) => !is_own(origin),
        (Some(_), Some(_)) => true,
    }
}

/// How a page stands to whom it sends something, as newer browsers say it.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Whom a request says that it is for, port included.
fn hosts<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
    let named = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default());
    named.chain(uri.authority().map(|authority| authority.as_str()))
}

fn is_local_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// The host of `host:port` or `[ipv6]:port`.
fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(inner) => inner.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
