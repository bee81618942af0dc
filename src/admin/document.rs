//! What the document of the API says of every route and type alike: each answer is described, a route has
//! its role, an instant is one, and a word is one of its list. No handler can leave it out.

use crate::admin::problem::ProblemOf;
use crate::admin::table::{self, About};
use crate::feed;
use axum::http::StatusCode;
use postrider_core::commit::event::What;
use postrider_core::deliver::SubscriberState;
use postrider_core::failure::{Class, Reach};
use postrider_core::job::words::JobKind;
use postrider_core::standing::{Outcome, Push, Standing};
use serde_json::Value;
use std::collections::BTreeSet;
use utoipa::IntoResponses;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{Array, KnownFormat, Object, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{OpenApi, Ref, RefOr, Schema, Server};

/// Words of a property, by the type that has it; of every type where there is none.
fn words_of(schema: &str, property: &str) -> Option<Vec<&'static str>> {
    fn all<T: Copy>(all: &[T], word: fn(T) -> &'static str) -> Vec<&'static str> {
        all.iter().map(|one| word(*one)).collect()
    }
    Some(match (schema, property) {
        ("AccountView" | "StateView", "state") => all(Standing::ALL, Standing::as_str),
        ("MessageDataView", "what") => all(What::ALL, What::as_str),
        ("JobDataView", "what") => all(JobKind::ALL, JobKind::as_str),
        ("RunView" | "RunDataView", "outcome") => all(Outcome::ALL, Outcome::as_str),
        ("AccountView" | "TierView", "push") => all(Push::ALL, Push::as_str),
        ("SubscriberView", "state") => all(SubscriberState::ALL, SubscriberState::as_str),
        (_, "class") => all(Class::ALL, Class::as_str),
        (_, "reach") => all(Reach::ALL, Reach::as_str),
        _ => return None,
    })
}

/// Whether a property tells an instant (RFC 3339).
fn is_instant(property: &str) -> bool {
    let words = ["at", "date", "since", "until", "debt_since", "paused_until"];
    words.contains(&property) || property.ends_with("_at")
}

/// The document, with what every part of it has.
pub(super) fn finished(mut document: OpenApi) -> OpenApi {
    document.servers = Some(vec![Server::new("/")]);
    for (path, item) in &mut document.paths.paths {
        let operations = [
            ("GET", &mut item.get),
            ("POST", &mut item.post),
            ("PUT", &mut item.put),
            ("DELETE", &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                refused(operation, method);
                described(operation);
                // One that is in no table is answered by nobody.
                let route = table::routes()
                    .into_iter()
                    .find(|route| route.path == *path && route.method == method);
                let role = route.as_ref().map(|route| route.role.as_str());
                let told = utoipa::openapi::extensions::ExtensionsBuilder::new()
                    .add("x-role", role)
                    .add("x-mail", route.as_ref().is_some_and(|route| route.mail))
                    .add("x-owner", route.is_some_and(|route| route.about != About::Process))
                    .build();
                operation.extensions.get_or_insert_default().merge(told);
            }
        }
    }
    if let Some(components) = &mut document.components {
        feed::describe(components);
        let names: BTreeSet<String> = components.schemas.keys().cloned().collect();
        for (name, schema) in &mut components.schemas {
            let RefOr::T(Schema::Object(object)) = schema else { continue };
            typed(name, object);
            // A page names the type of its items.
            let item = name.strip_prefix("Page_").filter(|item| names.contains(*item));
            if let (Some(item), Some(items)) = (item, object.properties.get_mut("items")) {
                *items = Array::new(Ref::from_schema_name(item)).into();
            }
        }
    }
    document
}

/// What no handler answers: a parameter that is none, and a body that is too long.
fn refused(operation: &mut Operation, method: &str) {
    let mut answers = ProblemOf::<400>::responses();
    if method == "POST" {
        answers.append(&mut ProblemOf::<413>::responses());
    }
    for (status, answer) in answers {
        operation.responses.responses.entry(status).or_insert(answer);
    }
}

/// Each answer says what it is: its status' own words, where nobody has said more.
fn described(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            let status: Option<StatusCode> = status.parse().ok();
            let words = status.and_then(|status| status.canonical_reason());
            response.description = words.unwrap_or("An answer").to_owned();
        }
    }
}

fn typed(name: &str, object: &mut Object) {
    for (property, schema) in object.properties.iter_mut() {
        let RefOr::T(Schema::Object(property_of)) = schema else { continue };
        let has = |wanted: Type| match &property_of.schema_type {
            SchemaType::Type(one) => *one == wanted,
            SchemaType::Array(all) => all.contains(&wanted),
            SchemaType::AnyValue => false,
        };
        if let Some(words) = words_of(name, property) {
            let words = words.into_iter().map(Value::from);
            let none = has(Type::Null).then_some(Value::Null);
            property_of.enum_values = Some(words.chain(none).collect());
        } else if is_instant(property) && has(Type::String) {
            property_of.format = Some(SchemaFormat::KnownFormat(KnownFormat::DateTime));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_core::standing::EventKind;

    /// The document as clients read it.
    fn document() -> Value {
        serde_json::to_value(crate::admin::routes::document()).unwrap()
    }

    #[test]
    fn each_answer_is_described_and_each_route_has_its_role() {
        let document = document();
        assert_eq!(document["servers"][0]["url"], "/");
        let mut answers = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                assert!(operation["x-role"].is_string(), "{method} {path}");
                let problem = |status: &str| {
                    operation["responses"][status].to_string().contains("application/problem+json")
                };
                assert!(problem("400"), "{method} {path}");
                assert_eq!(problem("413"), method == "post", "{method} {path}");
                for (status, answer) in operation["responses"].as_object().unwrap() {
                    let said = answer["description"].as_str().unwrap_or_default();
                    assert!(!said.is_empty(), "{method} {path} {status}");
                    answers += 1;
                }
            }
        }
        assert!(answers > 60, "{answers}");
        assert_eq!(document["paths"]["/healthz"]["get"]["x-role"], "open");
        let pause = &document["paths"]["/v1/accounts/{id}/pause"]["post"];
        assert_eq!(pause["x-role"], "operate");
        assert_eq!([&pause["x-mail"], &pause["x-owner"]], [false, true]);
        let of = |path: &str| {
            let get = &document["paths"][path]["get"];
            [get["x-mail"].clone(), get["x-owner"].clone()]
        };
        assert_eq!(of("/v1/messages"), [true, true]);
        assert_eq!(of("/v1/actors"), [false, false]);
    }

    #[test]
    fn instants_and_words_are_typed_wherever_they_are() {
        let document = document();
        let of = |schema: &str, property: &str| {
            document["components"]["schemas"][schema]["properties"][property].clone()
        };
        assert_eq!(of("AccountView", "since")["format"], "date-time");
        assert_eq!(of("FailureView", "first_at")["format"], "date-time");
        assert_eq!(of("GrantBody", "expires_at")["format"], "int64");
        let classes = of("AccountView", "class")["enum"].as_array().unwrap().clone();
        assert!(classes.contains(&Value::Null), "who is well has none: {classes:?}");
        assert!(!of("FailureView", "class")["enum"].as_array().unwrap().contains(&Value::Null));
        let events = &document["components"]["schemas"]["EventView"];
        let kinds = events["discriminator"]["mapping"].as_object().unwrap().clone();
        assert_eq!(kinds.len(), EventKind::ALL.len());
        assert_eq!(events["oneOf"].as_array().unwrap().len(), kinds.len());
        for (kind, place) in kinds {
            let name = place.as_str().unwrap().rsplit('/').next().unwrap();
            assert_eq!(of(name, "kind")["enum"], serde_json::json!([kind]));
            assert_eq!(of(name, "at")["format"], "date-time");
        }
        let states = of("AccountView", "state")["enum"].as_array().unwrap().clone();
        assert!(states.contains(&Standing::Idle.as_str().into()));
        let items = of("Page_EventView", "items");
        assert_eq!(items["items"]["$ref"], "#/components/schemas/EventView", "{items}");
        let data = of("MessageMovedEvent", "data");
        assert!(data.to_string().contains("#/components/schemas/MessageDataView"), "{data}");
        assert!(of("RunView", "outcome")["enum"].is_array());
        assert!(of("FailureView", "class")["enum"].is_array());
    }
}
