//! The one table of paths. The router, the hints of 404 and 405, and the tests that hold `config/openapi.json` and "no change by GET" are made of it.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter};
use axum::{Extension, Router};

use super::handlers::{self, ASSIGNMENT_BYTES_MAX, BODY_BYTES_MAX, refuse};
use super::{AdminState, access, brokers, clients, drain, events, history, layout, maintenance, page, reassign, rehearse, report, roll, tap, top};

/// Every path. What changes something is never a GET; what is added here stands in `config/openapi.json` too.
pub(super) fn table() -> Vec<Route> {
    vec![
        Route::at("/").get(page::index),
        Route::at("/page.css").get(page::style),
        Route::at("/page.js").get(page::script),
        Route::at(events::PATH).get(events::events),
        Route::at(tap::PATH).get(tap::tap),
        Route::at(top::PATH).get(top::top),
        Route::at("/livez").get(handlers::livez),
        Route::at("/readyz").get(handlers::readyz),
        Route::at("/metrics").get(handlers::metrics),
        Route::at("/v1/openapi.json").get(handlers::openapi),
        Route::at("/v1/status").get(handlers::status),
        Route::at("/v1/clients").get(clients::clients),
        Route::at("/v1/history").get(history::history),
        Route::at("/v1/quiet-hours").get(history::quiet_hours),
        Route::at("/v1/config").get(handlers::config),
        Route::at("/v1/reload").post(handlers::reload),
        Route::at("/v1/report").get(report::report),
        Route::at("/v1/report/episodes").get(report::episodes),
        Route::at("/v1/maintenance").get(maintenance::status),
        Route::at("/v1/maintenance/preflight").get(maintenance::preflight),
        Route::at("/v1/maintenance/on").post(maintenance::on),
        Route::at("/v1/maintenance/off").post(maintenance::off),
        Route::at("/v1/maintenance/schedules").get(maintenance::schedules).post(maintenance::schedule).delete(maintenance::unschedule),
        Route::at("/v1/cluster").get(brokers::cluster),
        Route::at("/v1/brokers/{id}/may-stop").get(brokers::stop),
        Route::at("/v1/brokers/{id}/may-continue").get(brokers::go_on),
        Route::at("/v1/brokers/{id}/rehearse").get(rehearse::status),
        Route::at("/v1/brokers/{id}/drain").get(drain::status).post(drain::drain),
        Route::at("/v1/brokers/{id}/undrain").post(drain::undrain),
        Route::at("/v1/roll").get(roll::status),
        Route::at("/v1/roll/start").post(roll::start),
        Route::at("/v1/roll/pause").post(roll::pause),
        Route::at("/v1/roll/resume").post(roll::resume),
        Route::at("/v1/roll/abort").post(roll::abort),
        Route::at("/v1/reassign").get(reassign::status),
        Route::at("/v1/reassign/layout").get(layout::layout),
        Route::at("/v1/reassign/run").post(reassign::run).up_to(ASSIGNMENT_BYTES_MAX),
        Route::at("/v1/reassign/pause").post(reassign::pause),
        Route::at("/v1/reassign/resume").post(reassign::resume),
        Route::at("/v1/reassign/rollback").post(reassign::roll_back),
        Route::at("/v1/audit").get(maintenance::audit),
    ]
}

/// One path and what it takes.
pub(super) struct Route {
    /// As axum and OpenAPI write it, with `{name}` for a part that varies.
    pub(super) path: &'static str,
    pub(super) methods: Vec<Method>,
    answers: MethodRouter<AdminState, Infallible>,
}

impl Route {
    fn at(path: &'static str) -> Self {
        Route { path, methods: Vec::new(), answers: MethodRouter::new() }
    }

    fn get<T: 'static>(self, handler: impl Handler<T, AdminState>) -> Self {
        self.with(Method::GET, MethodFilter::GET, handler)
    }

    fn post<T: 'static>(self, handler: impl Handler<T, AdminState>) -> Self {
        self.with(Method::POST, MethodFilter::POST, handler)
    }

    fn delete<T: 'static>(self, handler: impl Handler<T, AdminState>) -> Self {
        self.with(Method::DELETE, MethodFilter::DELETE, handler)
    }

    /// Bodies may have so many bytes; without this as many as everywhere.
    fn up_to(mut self, bytes: usize) -> Self {
        self.answers = self.answers.layer(DefaultBodyLimit::max(bytes));
        self
    }

    fn with<T: 'static>(mut self, method: Method, filter: MethodFilter, handler: impl Handler<T, AdminState>) -> Self {
        self.methods.push(method);
        self.answers = self.answers.on(filter, handler);
        self
    }

    /// Its answers, with one to every other method.
    fn complete(self) -> (&'static str, MethodRouter<AdminState, Infallible>) {
        let names: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        let (allow, right) = (names.join(", "), listed(&names));
        let wrong = move |method: Method, uri: Uri| {
            let (allow, right) = (allow.clone(), right.clone());
            async move { wrong_method(&method, &uri, &allow, &right) }
        };
        (self.path, self.answers.fallback(wrong))
    }
}

/// Every path of the endpoint.
pub fn router(state: AdminState) -> Router {
    let table = table();
    let hint: Arc<str> = there_are(&table).into();
    let no_such_path = move |uri: Uri| {
        let hint = Arc::clone(&hint);
        async move { refuse(StatusCode::NOT_FOUND, &format!("there is no {}", uri.path()), &hint) }
    };
    let routed = table.into_iter().map(Route::complete).fold(Router::new(), |router, (path, answers)| router.route(path, answers));
    routed
        .fallback(no_such_path)
        .layer(Extension(events::Feed::default()))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(state.clone(), access::admitted))
        .layer(middleware::from_fn(handlers::signed))
        .with_state(state)
}

fn wrong_method(method: &Method, uri: &Uri, allow: &str, right: &str) -> Response {
    let error = format!("{} does not take {method}", uri.path());
    let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, &error, &format!("send {right}"));
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// "there are GET /a, /b; POST /c".
fn there_are(table: &[Route]) -> String {
    let of = |method: &Method| {
        let paths: Vec<_> = table.iter().filter(|route| route.methods.contains(method)).map(|route| route.path).collect();
        (!paths.is_empty()).then(|| format!("{method} {}", paths.join(", ")))
    };
    let groups: Vec<_> = [Method::GET, Method::POST, Method::DELETE].iter().filter_map(of).collect();
    format!("there are {}", groups.join("; "))
}

/// "a, b or c".
fn listed(words: &[&str]) -> String {
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => (*last).to_owned(),
        None => String::new(),
    }
}
