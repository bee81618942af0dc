//! Commanding: the verbs of the table, and a purge. Idempotent; answered when durable.

use crate::account::message::NotObeyed;
use crate::admin::problem::{Problem, ProblemOf};
use crate::admin::verbs::{VERBS, VerbRow};
use crate::admin::view::{PurgedView, StateView};
use crate::admin::{NotPurged, Shared};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use postrider_core::account::follow::{Command, Conflict};
use std::collections::BTreeMap;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::{ContentBuilder, Ref, Required, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema};
use utoipa_axum::router::OpenApiRouter;

type Obedience = Result<(StatusCode, Json<StateView>), Problem>;

/// A route for each verb, with its description.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    let mut router = OpenApiRouter::new();
    for verb in VERBS {
        let handler = move |State(shared): State<Shared>, Path(id): Path<String>| async move {
            obey(&shared, id, verb.command.clone()).await
        };
        router = router.route(&verb.path(), post(handler));
        let paths = &mut router.get_openapi_mut().paths;
        paths.add_path_operation(verb.path(), vec![HttpMethod::Post], described(verb));
    }
    router
}

fn described(verb: &VerbRow) -> Operation {
    let id = ParameterBuilder::new()
        .name("id")
        .parameter_in(ParameterIn::Path)
        .description(Some("Its id in the config"))
        .required(Required::True)
        .schema(Some(String::schema()));
    let told = ContentBuilder::new().schema(Some(Ref::from_schema_name("StateView"))).build();
    let told = ResponseBuilder::new().content("application/json", told).build();
    let mut responses = BTreeMap::from([("202".to_owned(), told.into())]);
    responses.extend(ProblemOf::<401>::responses());
    responses.extend(ProblemOf::<403>::responses());
    responses.extend(ProblemOf::<404>::responses());
    responses.extend(ProblemOf::<409>::responses());
    responses.extend(ProblemOf::<503>::responses());
    let mut operation = OperationBuilder::new()
        .tag("accounts")
        .summary(Some(verb.help))
        .operation_id(Some(verb.name.replace('-', "_")))
        .parameter(id)
        .build();
    operation.responses.responses = responses;
    operation
}

async fn obey(shared: &Shared, id: String, command: Command) -> Obedience {
    let is_known = shared.registry.find(&id).is_some();
    if !is_known && shared.reader.stored_accounts(Some(&id)).await?.is_empty() {
        return Err(Problem::missing("account"));
    }
    match shared.operator.command(&id, command).await {
        Ok((status, run)) => {
            let view =
                StateView { id, state: status.standing.as_str(), reason: status.reason, run };
            Ok((StatusCode::ACCEPTED, Json(view)))
        }
        Err(NotObeyed::Conflict(Conflict(why))) => Err(Problem::conflict(why)),
        Err(NotObeyed::NotStored) => Err(Problem::not_stored()),
        Err(NotObeyed::Late) => Err(Problem::late()),
    }
}

/// Deletes every row of an account that the config no longer names. There is no way back.
#[utoipa::path(post, path = "/v1/accounts/{id}/purge", tag = "accounts", params(("id" = String, Path, description = "The id it had in the config")), responses(
    (status = 200, body = PurgedView), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn purge(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<PurgedView>, Problem> {
    match shared.operator.purge(&id).await {
        Ok(freed) => Ok(Json(PurgedView { id, freed })),
        Err(NotPurged::Refused(why)) => Err(Problem::conflict(why)),
        Err(NotPurged::Missing) => Err(Problem::missing("account")),
        Err(NotPurged::Failed(failure)) => Err(failure.into()),
    }
}
