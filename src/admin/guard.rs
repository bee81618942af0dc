//! The door: Host names (DNS rebinding), tokens and roles, before any route is reached. A route
//! that is not in the table is not there.
#![expect(
    clippy::disallowed_methods,
    reason = "what is to change something outlives the connection that asked for it"
)]

use crate::admin::audit::Entry;
use crate::admin::problem::Problem;
use crate::admin::sight::{READS_MAIL, Sight};
use crate::admin::table::{About, needed};
use crate::admin::token::{Access, Holder};
use crate::admin::{Door, Shared};
use axum::RequestExt;
use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use std::sync::Arc;

/// Lets a request in, or says why not; what is to change something is written down.
pub(super) async fn guard(
    State(shared): State<Shared>,
    mut request: Request,
    next: Next,
) -> Response {
    let judged = judge(&shared, &request);
    let id = named(&mut request).await;
    let Some(about) = changes(&shared, &request) else {
        return let_in(&shared, judged, (request, &id), next).await;
    };
    let holder = bearer(request.headers()).and_then(|token| shared.tokens.holder(token));
    let entry = Entry::of(&shared, &request, (holder.as_ref(), about, &id));
    if let Err(problem) = judged {
        let response = problem.into_response();
        let end = entry.told(&response);
        entry.refused(&shared, end).await;
        return response;
    }
    // Whoever hangs up has it done all the same, and written down.
    let task = tokio::spawn(async move {
        entry.begins(&shared).await;
        let response = let_in(&shared, judged, (request, &id), next).await;
        let end = entry.told(&response);
        entry.ends(&shared, end).await;
        response
    });
    task.await.unwrap_or_else(|_| {
        let text = "this request has met a bug; the log says more";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "bug", text).into_response()
    })
}

/// What a request is about that is to change something.
fn changes(shared: &Shared, request: &Request) -> Option<About> {
    let path = request.extensions().get::<MatchedPath>()?;
    let needed = needed(request.method(), path.as_str(), shared.door.is_private())?;
    needed.changes().then_some(needed.about)
}

/// Lets it in. Whose token is taken out while it is answered gets no more of it.
async fn let_in(
    shared: &Shared,
    judged: Result<Option<(Holder, About)>, Problem>,
    (mut request, id): (Request, &str),
    next: Next,
) -> Response {
    let (holder, about) = match judged {
        Ok(None) => return next.run(request).await,
        Ok(Some(let_in)) => let_in,
        Err(problem) => return problem.into_response(),
    };
    let sight = Sight::from(&holder);
    if let Err(problem) = sight.reach(shared, about, id).await {
        return problem.into_response();
    }
    request.extensions_mut().insert(sight);
    let lost = || Arc::clone(&shared.tokens).lost(holder.clone());
    let response = tokio::select! {
        response = next.run(request) => response,
        () = lost() => return unknown_token().into_response(),
    };
    // What is there whole is on its way.
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    let gone = lost();
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(gone)))
}

fn no_token() -> Problem {
    let text = "a token is needed: `Authorization: Bearer …`, from DATA_DIR/admin.token";
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", text)
}

fn unknown_token() -> Problem {
    let text = "this token is not, or no longer, in DATA_DIR/admin.token of this server";
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", text)
}

/// What a path names, as its handler will read it.
async fn named(request: &mut Request) -> String {
    let found = request.extract_parts::<RawPathParams>().await;
    let id = |named: &RawPathParams| {
        let found = named.iter().find(|(name, _)| matches!(*name, "id" | "verb"));
        found.map(|(_, id)| id.to_owned())
    };
    found.ok().as_ref().and_then(id).unwrap_or_default()
}

/// Who asks, and what about; nobody where nothing is needed.
fn judge(shared: &Shared, request: &Request) -> Result<Option<(Holder, About)>, Problem> {
    let host = request.uri().host().or_else(|| request.headers().get(header::HOST)?.to_str().ok());
    if !is_known(shared.door, host.unwrap_or_default()) {
        let text = "this Host is not served; use the address that the server listens on";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", text));
    }
    let Some(path) = request.extensions().get::<MatchedPath>() else {
        return Err(Problem::missing("path"));
    };
    let Some(needed) = needed(request.method(), path.as_str(), shared.door.is_private()) else {
        let text = "this path is not asked that way";
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text));
    };
    if needed.role == Access::Open {
        return Ok(None);
    }
    let token = bearer(request.headers()).ok_or_else(no_token)?;
    let holder = shared.tokens.holder(token).ok_or_else(unknown_token)?;
    if holder.role < needed.role {
        return Err(Problem::lacks(needed.role.as_str()));
    }
    if needed.mail && !holder.mail {
        return Err(Problem::lacks(READS_MAIL));
    }
    Ok(Some((holder, needed.about)))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether a Host is ours. A page of somebody else that resolves its name to this machine would
/// send its own name; under TLS the browser has checked that, and behind a proxy the proxy has.
fn is_known(door: Door, host: &str) -> bool {
    if door.tls || door.behind_proxy {
        return true;
    }
    let is_port = |rest: &str| {
        rest.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
    };
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((_, rest)) if !rest.is_empty() && !is_port(rest) => return false,
        Some((address, _)) => address,
        None => host
            .rsplit_once(':')
            .map_or(host, |(name, port)| if port.contains(']') { host } else { name }),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback() || ip == door.address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names() {
        let door =
            Door { address: "127.0.0.1:8025".parse().unwrap(), tls: false, behind_proxy: false };
        for host in ["localhost", "localhost:8025", "127.0.0.1:8025", "[::1]:8025", "LOCALHOST:1"] {
            assert!(is_known(door, host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8025",
            "",
            "10.0.0.1",
            "127.0.0.1.evil.example",
            "localhost.evil",
            "[::1].evil",
            "[::1]8025",
            "[::1]:8025.evil",
        ] {
            assert!(!is_known(door, host), "{host}");
        }
        assert!(is_known(Door { behind_proxy: true, ..door }, "mail.example.org"));
    }
}
