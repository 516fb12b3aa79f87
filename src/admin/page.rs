//! The page for people: three files that the binary holds. It has no data of its own; all that it shows and does goes through the paths beside it.

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::releases::Release;

/// What a browser asks without a token: there is nothing in them but the page, and it is the page that asks for the token.
pub(super) const FILES: [&str; 3] = ["/", "/page.css", "/page.js"];

const INDEX: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Nothing from elsewhere, nothing inline, sent nowhere else, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'none'; \
                      base-uri 'none'; frame-ancestors 'none'";

pub(super) async fn index() -> Response {
    file("text/html; charset=utf-8", INDEX.replace("{releases}", &releases()))
}

/// The releases that may be asked about, the newest first: it removed the most.
fn releases() -> String {
    Release::all().rev().map(|release| format!("<option>{}</option>", release.name())).collect()
}

pub(super) async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE)
}

pub(super) async fn script() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT)
}

fn file(kind: &'static str, text: impl Into<Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // A page of the version before must not speak to this one.
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, text.into()).into_response()
}
