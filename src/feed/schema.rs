//! An event in the document: one of its kinds, each with what it tells. Who adds a kind says here what that is.

use crate::feed::data::{
    AccountDataView, DamageDataView, FolderDataView, JobDataView, MessageDataView, PlaceView,
    PurgedDataView, RunDataView, SubscriberDataView,
};
use crate::feed::event::{EventView, MailHeadView};
use postrider_core::standing::EventKind;
use utoipa::openapi::schema::{Discriminator, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{Components, ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// What an event is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Nobody,
    Account,
    Folder,
    Message,
}

/// What an event of this kind is about, and what it tells.
fn told(kind: EventKind) -> (Of, &'static str) {
    match kind {
        EventKind::MessageCreated
        | EventKind::MessageUpdated
        | EventKind::MessageMoved
        | EventKind::MessageDeleted
        | EventKind::MessageRestored => (Of::Message, "MessageDataView"),
        EventKind::FolderCreated
        | EventKind::FolderRenamed
        | EventKind::FolderDeleted
        | EventKind::FolderReset => (Of::Folder, "FolderDataView"),
        EventKind::AccountStarted
        | EventKind::AccountPaused
        | EventKind::AccountNeedsReauth
        | EventKind::AccountFailed
        | EventKind::AccountRecovered
        | EventKind::AccountRemoved => (Of::Account, "AccountDataView"),
        EventKind::JobDead => (Of::Account, "JobDataView"),
        EventKind::StoreDamaged => (Of::Account, "DamageDataView"),
        EventKind::RunFinished => (Of::Account, "RunDataView"),
        EventKind::SubscriberDisabled => (Of::Nobody, "SubscriberDataView"),
    }
}

/// The name of a kind's schema: `MessageCreatedEvent`.
fn name_of(kind: EventKind) -> String {
    let words = kind.as_str().split(['.', '_']);
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    format!("{}Event", words.map(capital).collect::<String>())
}

/// A property that is always a number, or always none.
fn number(is_there: bool) -> RefOr<Schema> {
    let kind = if is_there { Type::Integer } else { Type::Null };
    ObjectBuilder::new().schema_type(SchemaType::new(kind)).into()
}

fn of_kind(kind: EventKind) -> RefOr<Schema> {
    let RefOr::T(Schema::Object(mut event)) = EventView::schema() else {
        return Ref::from_schema_name("EventView").into();
    };
    let (of, name) = told(kind);
    let word = ObjectBuilder::new().schema_type(SchemaType::new(Type::String));
    let data = OneOfBuilder::new()
        .item(Ref::from_schema_name(name))
        .item(Ref::from_schema_name("PurgedDataView"));
    // What says nothing is of who was purged as well.
    let has_no_more = of == Of::Nobody || name == "AccountDataView";
    let data = if has_no_more {
        Ref::from_schema_name(name).into()
    } else {
        RefOr::T(Schema::from(data.build()))
    };
    event.properties.insert("kind".into(), word.enum_values(Some([kind.as_str()])).into());
    event.properties.insert("data".into(), data);
    if of != Of::Message {
        event.properties.insert("message".into(), number(false));
        event.properties.remove("mail");
    } else {
        event.properties.insert("message".into(), number(true));
    }
    match of {
        Of::Account | Of::Nobody => {
            drop(event.properties.insert("folder".into(), number(false)));
        }
        Of::Folder => drop(event.properties.insert("folder".into(), number(true))),
        Of::Message => {}
    }
    event.required =
        ["seq", "id", "format", "at", "kind", "account", "folder", "message", "backfill", "data"]
            .map(str::to_owned)
            .to_vec();
    event.description = None;
    RefOr::T(Schema::Object(event))
}

/// Describes events: `EventView` is one of the kinds.
pub(crate) fn describe(components: &mut Components) {
    let mut add = |name: &str, schema: RefOr<Schema>| {
        components.schemas.insert(name.to_owned(), schema);
    };
    add("MessageDataView", MessageDataView::schema());
    add("PlaceView", PlaceView::schema());
    add("FolderDataView", FolderDataView::schema());
    add("AccountDataView", AccountDataView::schema());
    add("JobDataView", JobDataView::schema());
    add("DamageDataView", DamageDataView::schema());
    add("RunDataView", RunDataView::schema());
    add("SubscriberDataView", SubscriberDataView::schema());
    add("PurgedDataView", PurgedDataView::schema());
    add("MailHeadView", MailHeadView::schema());
    let mut discriminator = Discriminator::new("kind");
    let mut one_of = OneOfBuilder::new().description(Some("An event of the feed: by its kind."));
    for kind in EventKind::ALL.iter().copied() {
        let name = name_of(kind);
        add(&name, of_kind(kind));
        let place = Ref::from_schema_name(&name);
        discriminator.mapping.insert(kind.as_str().to_owned(), place.ref_location.clone());
        one_of = one_of.item(place);
    }
    let one_of = one_of.discriminator(Some(discriminator)).build();
    add(&EventView::name(), RefOr::T(Schema::from(one_of)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_name_of_its_own() {
        assert_eq!(name_of(EventKind::AccountNeedsReauth), "AccountNeedsReauthEvent");
        let names: std::collections::BTreeSet<String> =
            EventKind::ALL.iter().copied().map(name_of).collect();
        assert_eq!(names.len(), EventKind::ALL.len());
    }
}
