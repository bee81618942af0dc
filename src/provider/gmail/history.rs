//! Records of history as words. Only the typed lists of a record say anything (`messages` repeats
//! them); what one record says of a message's labels is one word, since it has one version.

use crate::provider::gmail::places::{flags_of, places_of};
use crate::provider::gmail::wire::{Labelled, Mentioned, Record};
use postrider_core::mail::feed::MailVersion;
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::Identity;
use postrider_core::provider::feeds::{FeedItem, FeedWord};
use std::collections::BTreeSet;

/// What is before Gmail's id in a message's identity.
const PREFIX: &str = "gm:";

/// A message's identity here.
pub(super) fn identity(id: &str) -> Identity {
    Identity(format!("{PREFIX}{id}"))
}

/// Gmail's id of a message.
pub(super) fn id_of(identity: &Identity) -> &str {
    identity.0.strip_prefix(PREFIX).unwrap_or(&identity.0)
}

/// What records say, in their order.
pub(super) fn words(records: &[Record]) -> Vec<FeedItem> {
    records.iter().flat_map(of_record).collect()
}

fn of_record(record: &Record) -> Vec<FeedItem> {
    let version = MailVersion::new(&record.id.0);
    let came = record.messages_added.iter().map(|Mentioned { message }| FeedItem {
        id: identity(&message.id),
        word: FeedWord::New {
            version: Some(version.clone()),
            places: message.label_ids.as_deref().map(|ids| places_of(ids).collect()),
        },
    });
    let mut items: Vec<FeedItem> = came.collect();
    let mut told: Vec<&str> = Vec::new();
    for Labelled { message, .. } in record.labels_added.iter().chain(&record.labels_removed) {
        if !told.contains(&message.id.as_str()) {
            told.push(&message.id);
            items.push(FeedItem { id: identity(&message.id), word: delta(record, &message.id) });
        }
    }
    items.extend(record.messages_deleted.iter().map(|Mentioned { message }| FeedItem {
        id: identity(&message.id),
        word: FeedWord::Gone(Some(version.clone())),
    }));
    items
}

fn delta(record: &Record, id: &str) -> FeedWord {
    let (mut into, mut out_of) = (BTreeSet::new(), BTreeSet::new());
    let (mut set, mut cleared) = (Flags::default(), Flags::default());
    for labelled in record.labels_added.iter().filter(|labelled| labelled.message.id == id) {
        into.extend(places_of(&labelled.label_ids));
        let (come, go) = flags_of(&labelled.label_ids);
        (set, cleared) = (set.with(&come), cleared.with(&go));
    }
    for labelled in record.labels_removed.iter().filter(|labelled| labelled.message.id == id) {
        out_of.extend(places_of(&labelled.label_ids));
        let (go, come) = flags_of(&labelled.label_ids);
        (set, cleared) = (set.with(&come), cleared.with(&go));
    }
    FeedWord::Delta { into, out_of, set, cleared, version: MailVersion::new(&record.id.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_core::mail::feed::PlaceId;

    fn read(text: &str) -> Vec<FeedItem> {
        words(&[serde_json::from_str(text).unwrap()])
    }

    #[test]
    fn a_record_says_one_word_of_a_message() {
        let items = read(
            r#"{"id": "184467440737095516161", "messages": [{"id": "a"}, {"id": "x"}],
                "labelsAdded": [{"message": {"id": "a", "labelIds": ["TRASH"]}, "labelIds": ["TRASH"]}],
                "labelsRemoved": [{"message": {"id": "a"}, "labelIds": ["INBOX", "UNREAD", "STARRED"]}]}"#,
        );
        let place = |id: &str| PlaceId(id.into());
        assert_eq!(
            items,
            [FeedItem {
                id: Identity("gm:a".into()),
                word: FeedWord::Delta {
                    into: [place("TRASH")].into(),
                    out_of: [place("INBOX")].into(),
                    set: Flags::new(["\\Seen"]),
                    cleared: Flags::new(["\\Flagged"]),
                    version: MailVersion::new("184467440737095516161"),
                },
            }]
        );
    }

    #[test]
    fn coming_and_going() {
        let items = read(
            r#"{"id": 7, "messagesAdded": [{"message": {"id": "a", "labelIds": ["SPAM", "UNREAD"]}}, {"message": {"id": "b"}}],
                "messagesDeleted": [{"message": {"id": "c"}}]}"#,
        );
        let version = Some(MailVersion::new("7"));
        let of = |id: &str, word| FeedItem { id: Identity(id.into()), word };
        let places = Some([PlaceId("SPAM".into())].into());
        assert_eq!(
            items,
            [
                of("gm:a", FeedWord::New { version: version.clone(), places }),
                of("gm:b", FeedWord::New { version: version.clone(), places: None }),
                of("gm:c", FeedWord::Gone(version)),
            ]
        );
    }
}
