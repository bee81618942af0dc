//! Every route with the role that it needs; what is not in the table is not there.

use crate::admin::token::Access;
use crate::admin::verbs::{VERBS, VerbRow};
use axum::http::Method;
use std::borrow::Cow;

/// A route.
#[derive(Clone, Debug)]
pub struct Route {
    /// GET or POST.
    pub method: &'static str,
    /// Path, with `{id}` where an account's id stands.
    pub path: Cow<'static, str>,
    /// What a token must allow.
    pub role: Access,
    /// It must allow to read mail, too.
    pub mail: bool,
}

const fn route(method: &'static str, path: &'static str, role: Access) -> Route {
    Route { method, path: Cow::Borrowed(path), role, mail: false }
}

/// A route whose answer is content.
const fn of_mail(path: &'static str) -> Route {
    Route { method: "GET", path: Cow::Borrowed(path), role: Access::Read, mail: true }
}

/// The table, but for the verbs of accounts, which have one of their own.
const ROUTES: &[Route] = &[
    route("GET", "/healthz", Access::Open),
    route("GET", "/readyz", Access::Open),
    // Open on loopback, else with a token.
    route("GET", "/metrics", Access::Read),
    route("GET", "/openapi.json", Access::Open),
    route("GET", "/docs", Access::Open),
    route("GET", "/docs/", Access::Open),
    route("GET", "/docs/{*rest}", Access::Open),
    route("GET", "/", Access::Open),
    route("GET", "/v1/accounts", Access::Read),
    route("GET", "/v1/accounts/{id}", Access::Read),
    route("GET", "/v1/accounts/{id}/folders", Access::Read),
    route("GET", "/v1/accounts/{id}/cursors", Access::Read),
    route("GET", "/v1/accounts/{id}/runs", Access::Read),
    route("GET", "/v1/actors", Access::Read),
    route("GET", "/v1/runs", Access::Read),
    route("GET", "/v1/failures", Access::Read),
    route("GET", "/v1/events", Access::Read),
    route("GET", "/v1/limits", Access::Read),
    route("GET", "/v1/health", Access::Read),
    // What is content is for who may read mail.
    of_mail("/v1/messages/{id}"),
    of_mail("/v1/messages/{id}/raw"),
    of_mail("/v1/messages/{id}/headers"),
    of_mail("/v1/messages/{id}/text"),
    of_mail("/v1/messages/{id}/html"),
    of_mail("/v1/messages/{id}/parts/{number}"),
    of_mail("/v1/messages"),
    of_mail("/v1/messages/{id}/history"),
    of_mail("/v1/threads"),
    of_mail("/v1/threads/{id}"),
    of_mail("/v1/contacts"),
    of_mail("/v1/contacts/{id}"),
    of_mail("/v1/attachments"),
    route("POST", "/v1/accounts/{id}/purge", Access::Admin),
    route("POST", "/v1/accounts/{id}/reindex", Access::Operate),
    route("POST", "/v1/accounts/{id}/credential", Access::Admin),
];

/// Every route.
#[must_use]
pub fn routes() -> Vec<Route> {
    let of =
        |verb: &VerbRow| Route { path: verb.path().into(), ..route("POST", "", Access::Operate) };
    ROUTES.iter().cloned().chain(VERBS.iter().map(of)).collect()
}

/// What a request needs: a role, and whether mail is read; `None` when there is no such route.
pub(super) fn needed(method: &Method, path: &str, loopback: bool) -> Option<Route> {
    let asked = if *method == Method::HEAD { "GET" } else { method.as_str() };
    let found = routes().into_iter().find(|route| route.method == asked && route.path == path)?;
    let is_open = found.path == "/metrics" && loopback;
    Some(if is_open { Route { role: Access::Open, ..found } } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What mail says is for nobody who may not read mail.
    #[test]
    fn content_has_a_right_of_its_own() {
        let of_mail = ["messages", "threads", "contacts", "attachments"];
        let is_content = |route: &Route| {
            let list = route.path.strip_prefix("/v1/").unwrap_or_default();
            of_mail.iter().any(|of| list.starts_with(of))
        };
        let all = routes();
        assert!(all.iter().filter(|route| is_content(route)).count() >= 13);
        for route in all {
            assert_eq!(route.mail, is_content(&route), "{}", route.path);
        }
    }
}
