//! Reading mail: lists of it, one message, its bytes and its parts. What is content has the right `mail`.

mod bytes;
mod lists;
mod message;
mod query;
mod range;
mod stream;
mod views;

pub use bytes::StoredBytes;
pub(super) use bytes::as_file;
pub(crate) use query::of_messages;

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
        .routes(routes!(lists::messages))
        .routes(routes!(lists::history))
        .routes(routes!(lists::threads))
        .routes(routes!(lists::thread))
        .routes(routes!(lists::contacts))
        .routes(routes!(lists::contact))
        .routes(routes!(lists::attachments))
}
