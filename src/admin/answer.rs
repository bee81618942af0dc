//! What every answer has, whichever route it is of: headers for browsers, and a problem where a layer refused in words
//! of its own; and what no route takes.

use crate::admin::problem::Problem;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::collections::BTreeSet;
use std::sync::Arc;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::{OpenApi, RefOr};

/// What every answer says to a browser: it is what it calls itself, nobody keeps it, nobody frames
/// it, and the page of the document loads nothing from elsewhere.
pub(super) async fn finished(response: Response) -> Response {
    let told = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
        ),
    ];
    let mut response = refusal(&response).map_or(response, IntoResponse::into_response);
    for (name, value) in told {
        // What is of mail has said more.
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The problem instead of what a layer has said.
fn refusal(response: &Response) -> Option<Problem> {
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if kind.is_some_and(|kind| kind.ends_with(b"json")) {
        return None;
    }
    match response.status() {
        StatusCode::BAD_REQUEST => {
            Some(Problem::bad("the path is not readable; write %20 for a blank, in UTF-8"))
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            let text = "the body of a request is 16 KiB at most";
            Some(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text))
        }
        StatusCode::SERVICE_UNAVAILABLE => Some(Problem::late()),
        StatusCode::INTERNAL_SERVER_ERROR => {
            let text = "this is a bug of the server's; the log says where";
            Some(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "bug", text))
        }
        _ => None,
    }
}

/// The paths on which a query means something.
#[derive(Clone, Debug)]
pub(super) struct Queried(Arc<BTreeSet<String>>);

impl Queried {
    /// As the document has them.
    pub(super) fn of(document: &OpenApi) -> Self {
        let takes_some = |item: &utoipa::openapi::PathItem| {
            [&item.get, &item.post].into_iter().flatten().any(|operation| {
                let parameters = operation.parameters.iter().flatten();
                parameters.into_iter().any(
                    |one| matches!(one, RefOr::T(one) if one.parameter_in == ParameterIn::Query),
                )
            })
        };
        let paths = document.paths.paths.iter();
        Self(Arc::new(
            paths.filter(|(_, item)| takes_some(item)).map(|(path, _)| path.clone()).collect(),
        ))
    }

    /// Refuses a query where it means nothing: who wrote it meant something.
    pub(super) async fn check(self, request: Request, next: Next) -> Response {
        let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let is_asked = request.uri().query().is_some_and(|query| !query.is_empty());
        if is_asked && path.starts_with("/v1/") && !self.0.contains(path) {
            let text = "this path takes no parameters; leave out what stands behind the `?`";
            return Problem::bad(text).into_response();
        }
        next.run(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    /// What a layer says in words of its own is told as a problem; what a handler has said stays.
    #[tokio::test]
    async fn only_words_of_layers_are_replaced() {
        for status in [400_u16, 413, 500, 503, 200, 404] {
            for (kind, is_ours) in [
                ("application/json", true),
                ("application/problem+json", true),
                ("text/plain", false),
            ] {
                let said = Response::builder().status(status).header(header::CONTENT_TYPE, kind);
                let told = finished(said.body(Body::from("x")).unwrap()).await;
                assert_eq!(told.status().as_u16(), status);
                let now = told.headers()[header::CONTENT_TYPE].to_str().unwrap();
                let stays = is_ours || [200, 404].contains(&status);
                assert_eq!(now == kind, stays, "{status} {kind}");
            }
        }
    }
}
