//! Reading mail: one message, its bytes and its parts. What is content has the right `mail`.

mod bytes;
mod message;
mod range;
mod stream;

pub use bytes::StoredBytes;

use crate::admin::Shared;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(message::message))
        .routes(routes!(bytes::raw))
        .routes(routes!(bytes::headers))
        .routes(routes!(bytes::text))
        .routes(routes!(bytes::html))
        .routes(routes!(bytes::part))
}
