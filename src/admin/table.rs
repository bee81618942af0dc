//! Every route with the role that it needs; what is not in the table is not there.

use crate::admin::token::Access;
use crate::admin::verbs::{VERBS, VerbRow};
use axum::http::Method;
use std::borrow::Cow;

/// Whose things a route is about. A token of an owner reaches that owner's; others are not there for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Nothing of anybody.
    Nobody,
    /// The account that its path names.
    Account,
    /// The message.
    Message,
    /// The thread.
    Thread,
    /// The contact.
    Contact,
    /// The row of the ledger.
    Failure,
    /// The job.
    Job,
    /// The subscriber.
    Subscriber,
    /// A list, of what its reader may see.
    List,
    /// The whole process: nothing for an owner.
    Process,
}

/// A route.
#[derive(Clone, Debug)]
pub struct Route {
    /// GET or POST.
    pub method: &'static str,
    /// Path, with `{id}` where the number or the name of what it is about stands.
    pub path: Cow<'static, str>,
    /// What a token must allow.
    pub role: Access,
    /// It must allow to read mail, too.
    pub mail: bool,
    /// Whose it is.
    pub about: About,
}

impl Route {
    /// Whether a request for it is to change something: then it is written down.
    pub(super) fn changes(&self) -> bool {
        self.method != "GET" || self.path == SYNC
    }
}

/// What changes something, whichever way it is asked: schedulers that know no other.
const SYNC: &str = "/v1/sync";

const fn row(
    (method, path): (&'static str, &'static str),
    (role, mail): (Access, bool),
    about: About,
) -> Route {
    Route { method, path: Cow::Borrowed(path), role, mail, about }
}

const fn open(path: &'static str) -> Route {
    row(("GET", path), (Access::Open, false), About::Nobody)
}

const fn read(path: &'static str, about: About) -> Route {
    row(("GET", path), (Access::Read, false), about)
}

/// A route whose answer is content.
const fn of_mail(path: &'static str, about: About) -> Route {
    row(("GET", path), (Access::Read, true), about)
}

const fn told(path: &'static str, role: Access) -> Route {
    row(("POST", path), (role, false), About::Account)
}

const fn of_subscriber(path: &'static str) -> Route {
    row(("POST", path), (Access::Operate, false), About::Subscriber)
}

/// The table, but for the verbs of accounts, which have one of their own.
const ROUTES: &[Route] = &[
    open("/healthz"),
    open("/readyz"),
    // Open on loopback, else with a token.
    read("/metrics", About::Process),
    open("/openapi.json"),
    open("/docs"),
    open("/docs/"),
    open("/docs/{*rest}"),
    open("/"),
    read("/v1/accounts", About::List),
    read("/v1/accounts/{id}", About::Account),
    read("/v1/accounts/{id}/folders", About::Account),
    read("/v1/accounts/{id}/cursors", About::Account),
    read("/v1/accounts/{id}/runs", About::Account),
    read("/v1/actors", About::Process),
    read("/v1/runs", About::List),
    read("/v1/failures", About::List),
    read("/v1/failures/{id}", About::Failure),
    read("/v1/jobs", About::List),
    read("/v1/jobs/{id}", About::Job),
    row(("GET", "/v1/audit"), (Access::Admin, false), About::List),
    read("/v1/events", About::List),
    read("/v1/events/stream", About::List),
    read("/v1/limits", About::Process),
    read("/v1/health", About::Process),
    read("/v1/inbound", About::Process),
    // What is content is for who may read mail.
    of_mail("/v1/messages/{id}", About::Message),
    of_mail("/v1/messages/{id}/raw", About::Message),
    of_mail("/v1/messages/{id}/headers", About::Message),
    of_mail("/v1/messages/{id}/text", About::Message),
    of_mail("/v1/messages/{id}/html", About::Message),
    of_mail("/v1/messages/{id}/parts/{number}", About::Message),
    of_mail("/v1/messages", About::List),
    of_mail("/v1/messages/{id}/history", About::Message),
    of_mail("/v1/threads", About::List),
    of_mail("/v1/threads/{id}", About::Thread),
    of_mail("/v1/contacts", About::List),
    of_mail("/v1/contacts/{id}", About::Contact),
    of_mail("/v1/attachments", About::List),
    of_mail("/v1/failures/{id}/raw", About::Failure),
    row(("POST", "/v1/failures/retry"), (Access::Operate, false), About::List),
    row(("POST", "/v1/failures/{id}/retry"), (Access::Operate, false), About::Failure),
    row(("POST", "/v1/failures/{id}/discard"), (Access::Operate, false), About::Failure),
    row(("POST", "/v1/jobs"), (Access::Operate, false), About::List),
    row(("POST", "/v1/jobs/cancel"), (Access::Operate, false), About::List),
    row(("POST", "/v1/jobs/{id}/cancel"), (Access::Operate, false), About::Job),
    row(("POST", "/v1/jobs/{id}/retry"), (Access::Operate, false), About::Job),
    row(("POST", "/v1/jobs/{id}/discard"), (Access::Operate, false), About::Job),
    read("/v1/subscribers", About::List),
    read("/v1/subscribers/{id}", About::Subscriber),
    read("/v1/subscribers/{id}/deliveries", About::Subscriber),
    of_subscriber("/v1/subscribers/{id}/test"),
    of_subscriber("/v1/subscribers/{id}/enable"),
    of_subscriber("/v1/subscribers/{id}/disable"),
    of_subscriber("/v1/subscribers/{id}/replay"),
    of_subscriber("/v1/subscribers/{id}/skip"),
    told("/v1/accounts/{id}/purge", Access::Admin),
    told("/v1/accounts/{id}/reindex", Access::Operate),
    told("/v1/accounts/{id}/repair", Access::Admin),
    told("/v1/accounts/{id}/schedule-at", Access::Operate),
    row(("POST", "/v1/control/{verb}"), (Access::Operate, false), About::List),
    row(("POST", SYNC), (Access::Operate, false), About::List),
    row(("GET", SYNC), (Access::Operate, false), About::List),
    told("/v1/accounts/{id}/credential", Access::Admin),
];

/// Every route.
#[must_use]
pub fn routes() -> Vec<Route> {
    let of = |verb: &VerbRow| Route { path: verb.path().into(), ..told("", Access::Operate) };
    ROUTES.iter().cloned().chain(VERBS.iter().map(of)).collect()
}

/// What a request needs: a role, and whether mail is read; `None` when there is no such route.
pub(super) fn needed(method: &Method, path: &str, loopback: bool) -> Option<Route> {
    // What changes something is not asked for its head.
    let is_head = *method == Method::HEAD && path != SYNC;
    let asked = if is_head { "GET" } else { method.as_str() };
    let found = routes().into_iter().find(|route| route.method == asked && route.path == path)?;
    let is_open = found.path == "/metrics" && loopback;
    Some(if is_open { Route { role: Access::Open, ..found } } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a path names is somebody's, and what names nothing is a list, the process', or open.
    #[test]
    fn each_is_about_what_its_path_names() {
        for route in routes() {
            let named = [
                ("/v1/accounts/{id}", About::Account),
                ("/v1/messages/{id}", About::Message),
                ("/v1/threads/{id}", About::Thread),
                ("/v1/contacts/{id}", About::Contact),
                ("/v1/failures/{id}", About::Failure),
                ("/v1/jobs/{id}", About::Job),
                ("/v1/subscribers/{id}", About::Subscriber),
            ];
            let named = named.into_iter().find(|(path, _)| route.path.starts_with(path));
            let is_fit = match named {
                Some((_, about)) => route.about == about,
                None if route.role == Access::Open => route.about == About::Nobody,
                None => matches!(route.about, About::List | About::Process),
            };
            assert!(is_fit, "{} is about {:?}", route.path, route.about);
        }
    }

    /// What mail says is for nobody who may not read mail.
    #[test]
    fn content_has_a_right_of_its_own() {
        let of_mail = ["messages", "threads", "contacts", "attachments"];
        let is_content = |route: &Route| {
            let list = route.path.strip_prefix("/v1/").unwrap_or_default();
            of_mail.iter().any(|of| list.starts_with(of)) || list == "failures/{id}/raw"
        };
        let all = routes();
        assert!(all.iter().filter(|route| is_content(route)).count() >= 13);
        for route in all {
            assert_eq!(route.mail, is_content(&route), "{}", route.path);
        }
    }
}
