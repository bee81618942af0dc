//! The router: a handler for each route of the table.

use crate::admin::answer::{self, Queried};
use crate::admin::document::finished;
use crate::admin::view::StateView;
use crate::admin::{
    Shared, audit, commands, control, derived_view, events, failures, grant, guard, health,
    inbound, jobs, limits, lists, mail, metrics, problem::Problem, stream, subscribers,
};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Router, middleware};
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// No request is longer; none of ours has a body.
const BODY_LIMIT: usize = 16 * 1024;
/// No request takes longer; the feed waits 25 s, who has all looked at 60 s.
const TIME_LIMIT: Duration = Duration::from_secs(80);

#[derive(OpenApi)]
#[openapi(
    components(schemas(StateView)),
    info(title = "Postrider admin API", description = "Look into a Postrider server, and command it."),
    modifiers(&Protection)
)]
struct Document;

struct Protection;

impl utoipa::Modify for Protection {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme =
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        document.components.get_or_insert_default().add_security_scheme("token", scheme);
        document.security = Some(vec![utoipa::openapi::security::SecurityRequirement::new::<
            _,
            [&str; 0],
            &str,
        >("token", [])]);
    }
}

/// Routes and their description.
fn described() -> (Router<Shared>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
        .routes(routes!(lists::accounts))
        .routes(routes!(lists::account))
        .routes(routes!(lists::folders))
        .routes(routes!(lists::cursors))
        .routes(routes!(lists::account_runs))
        .routes(routes!(lists::actors))
        .routes(routes!(lists::runs))
        .routes(routes!(events::events))
        .routes(routes!(stream::stream))
        .routes(routes!(limits::limits))
        .routes(routes!(health::health))
        .routes(routes!(inbound::inbound))
        .merge(commands::routes())
        .merge(failures::routes())
        .merge(jobs::routes())
        .merge(mail::routes())
        .merge(subscribers::routes())
        .routes(routes!(commands::purge))
        .routes(routes!(derived_view::reindex))
        .routes(routes!(grant::grant))
        .routes(routes!(audit::audit))
        .merge(control::routes())
        .split_for_parts()
}

/// The document as it is served.
#[cfg(test)]
pub(super) fn document() -> utoipa::openapi::OpenApi {
    finished(described().1)
}

/// The whole service.
pub(super) fn service(shared: Shared) -> Router {
    let (router, document) = described();
    let document = finished(document);
    let queried = Queried::of(&document);
    let docs = utoipa_swagger_ui::SwaggerUi::new("/docs").url("/openapi.json", document);
    router
        .route("/", get(|| async { axum::response::Redirect::temporary("/docs/") }))
        .merge(docs)
        .fallback(|| async { Problem::missing("path") })
        .method_not_allowed_fallback(|| async {
            let text = "this path is not asked that way";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text)
        })
        .route_layer(middleware::from_fn(move |request, next| queried.clone().check(request, next)))
        .route_layer(RequestBodyLimitLayer::new(BODY_LIMIT))
        .route_layer(middleware::from_fn_with_state(shared.clone(), guard::guard))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIME_LIMIT))
        .layer(CatchPanicLayer::new())
        .layer(middleware::map_response(answer::finished))
        .with_state(shared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::table;

    /// What is described is in the table, and the other way round.
    #[test]
    fn the_table_is_the_document() {
        let (_, document) = described();
        let mut paths: Vec<String> = document.paths.paths.keys().cloned().collect();
        let mut table: Vec<String> = table::routes()
            .into_iter()
            .filter(|r| {
                r.path.starts_with("/v1") || matches!(&*r.path, "/healthz" | "/readyz" | "/metrics")
            })
            .map(|r| r.path.into_owned())
            .collect();
        paths.sort();
        table.sort();
        // A path that is asked in two ways is described once.
        table.dedup();
        assert_eq!(paths, table);
    }
}
