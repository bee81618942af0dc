//! Errors as `application/problem+json` (RFC 9457).

use crate::admin::note::AnswerNote;
use axum::extract::rejection::QueryRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use postrider_core::failure::Failure;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response as Described, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// What went wrong, and what to do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// A word for programs.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// The status's own words.
    pub(crate) title: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What is wrong, and what to do.
    pub(crate) detail: String,
    /// For `events_gone`: the oldest number that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oldest: Option<i64>,
    /// For `events_ahead`: the newest number that there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) newest: Option<i64>,
}

/// In the document: a request may be refused with this status, and a problem says why.
pub(crate) struct ProblemOf<const STATUS: u16>;

impl<const STATUS: u16> IntoResponses for ProblemOf<STATUS> {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let told = ResponseBuilder::new().content("application/problem+json", problem).build();
        BTreeMap::from([(STATUS.to_string(), told.into())])
    }
}

impl Problem {
    pub(crate) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("error").to_owned();
        let (status, detail) = (status.as_u16(), detail.into());
        Self { kind, title, status, detail, oldest: None, newest: None }
    }

    pub(crate) fn missing(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    /// A token lacks what is needed.
    pub(crate) fn lacks(what: &str) -> Self {
        let text = format!("this token does not allow it: {what} is needed");
        Self::new(StatusCode::FORBIDDEN, "forbidden", text)
    }

    pub(crate) fn conflict(why: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", why)
    }

    pub(crate) fn not_stored() -> Self {
        let text = "the database cannot store it now, and nothing has changed, unless its answer was lost (`postrider status` tells); try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage", text)
    }

    pub(crate) fn late() -> Self {
        let text = "no answer came in time, and it may yet be done: `postrider status` tells";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage", text)
    }

    pub(crate) fn bad(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", why)
    }
}

impl From<QueryRejection> for Problem {
    /// What is wrong with a query, without the words of who reads it.
    fn from(why: QueryRejection) -> Self {
        let text = why.body_text();
        let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
        Self::bad(text.replace("unknown field", "there is no parameter"))
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        // The database cannot be asked now; the log has the details.
        tracing::warn!(
            failure.class = failure.class.as_str(),
            "a request could not be answered: {}",
            failure.chain()
        );
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "storage",
            "the database cannot be read now; try again",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response.extensions_mut().insert(AnswerNote(self.detail));
        if status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
