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
}

const fn route(method: &'static str, path: &'static str, role: Access) -> Route {
    Route { method, path: Cow::Borrowed(path), role }
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
    route("GET", "/v1/messages/{id}", Access::Admin),
    route("GET", "/v1/messages/{id}/raw", Access::Admin),
    route("GET", "/v1/messages/{id}/headers", Access::Admin),
    route("GET", "/v1/messages/{id}/text", Access::Admin),
    route("GET", "/v1/messages/{id}/html", Access::Admin),
    route("GET", "/v1/messages/{id}/parts/{number}", Access::Admin),
    route("GET", "/v1/messages", Access::Admin),
    route("GET", "/v1/messages/{id}/history", Access::Admin),
    route("GET", "/v1/threads", Access::Admin),
    route("GET", "/v1/threads/{id}", Access::Admin),
    route("GET", "/v1/contacts", Access::Admin),
    route("GET", "/v1/contacts/{id}", Access::Admin),
    route("GET", "/v1/attachments", Access::Admin),
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

/// The role that a request needs; `None` when there is no such route.
pub(super) fn role_needed(method: &Method, path: &str, loopback: bool) -> Option<Access> {
    let asked = if *method == Method::HEAD { "GET" } else { method.as_str() };
    let found = routes().into_iter().find(|route| route.method == asked && route.path == path)?;
    if found.path == "/metrics" && loopback { Some(Access::Open) } else { Some(found.role) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What mail says is for nobody who may only look or command.
    #[test]
    fn content_is_not_for_who_looks() {
        let of_mail = ["messages", "threads", "contacts", "attachments"];
        let is_of_mail = |route: &Route| {
            route
                .path
                .strip_prefix("/v1/")
                .is_some_and(|path| of_mail.iter().any(|list| path.starts_with(list)))
        };
        let roles: Vec<Access> =
            routes().into_iter().filter(is_of_mail).map(|route| route.role).collect();
        assert!(roles.len() >= 13 && roles.iter().all(|role| *role == Access::Admin), "{roles:?}");
    }
}
