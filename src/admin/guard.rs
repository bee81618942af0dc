//! The door: Host names (DNS rebinding), tokens and roles, before any route is reached. A route
//! that is not in the table is not there.

use crate::admin::problem::Problem;
use crate::admin::table::role_needed;
use crate::admin::token::Access;
use crate::admin::{Door, Shared};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Lets a request in, or says why not.
pub(super) async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    match judge(&shared, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn judge(shared: &Shared, request: &Request) -> Result<(), Problem> {
    let host = request.uri().host().or_else(|| request.headers().get(header::HOST)?.to_str().ok());
    if !is_known(shared.door, host.unwrap_or_default()) {
        let text = "this Host is not served; use the address that the server listens on";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", text));
    }
    let Some(path) = request.extensions().get::<MatchedPath>() else {
        return Err(Problem::missing("path"));
    };
    let Some(needed) = role_needed(request.method(), path.as_str(), shared.door.is_private())
    else {
        let text = "this path is not asked that way";
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text));
    };
    if needed == Access::Open {
        return Ok(());
    }
    match bearer(request.headers()).and_then(|token| shared.tokens.role_of(token)) {
        Some(role) if role >= needed => Ok(()),
        Some(_) => {
            let text = format!("this token does not allow it: {} is needed", needed.as_str());
            Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", text))
        }
        None => {
            let text = "a token is needed: `Authorization: Bearer …`, from DATA_DIR/admin.token";
            Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", text))
        }
    }
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
