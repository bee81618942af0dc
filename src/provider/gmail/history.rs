//! Records of history as words. Only the typed lists of a record say anything (`messages` repeats
//! them); what one record says of a message's labels is one word, since it has one version.

use crate::provider::gmail::places::{flags_of, places_of};
use crate::provider::gmail::wire::{Labelled, Mentioned, Record};
use postrider_core::mail::feed::{MailVersion, PlaceId};
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::Identity;
use postrider_core::provider::feeds::{FeedItem, FeedWord};
use std::collections::{BTreeMap, BTreeSet};

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
    items.extend(deltas(record, &version));
    items.extend(record.messages_deleted.iter().map(|Mentioned { message }| FeedItem {
        id: identity(&message.id),
        word: FeedWord::Gone(Some(version.clone())),
    }));
    items
}

/// What a message got, and lost.
#[derive(Default)]
struct LabelChange {
    into: BTreeSet<PlaceId>,
    out_of: BTreeSet<PlaceId>,
    set: Flags,
    cleared: Flags,
}

impl LabelChange {
    fn flags(&mut self, set: &Flags, cleared: &Flags) {
        (self.set, self.cleared) = (self.set.with(set), self.cleared.with(cleared));
    }
}

/// Words about labels, one a message, in the order in which the messages are named first.
fn deltas(record: &Record, version: &MailVersion) -> Vec<FeedItem> {
    let mut changes: Vec<(&str, LabelChange)> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let added = record.labels_added.iter().map(|labelled| (labelled, true));
    let removed = record.labels_removed.iter().map(|labelled| (labelled, false));
    for (Labelled { message, label_ids }, is_added) in added.chain(removed) {
        let place = *places.entry(&message.id).or_insert(changes.len());
        if place == changes.len() {
            changes.push((&message.id, LabelChange::default()));
        }
        let Some((_, change)) = changes.get_mut(place) else { continue };
        let (come, go) = flags_of(label_ids);
        if is_added {
            change.into.extend(places_of(label_ids));
            change.flags(&come, &go);
        } else {
            change.out_of.extend(places_of(label_ids));
            change.flags(&go, &come);
        }
    }
    let word = |LabelChange { into, out_of, set, cleared }| FeedWord::Delta {
        into,
        out_of,
        set,
        cleared,
        version: version.clone(),
    };
    let item = |(id, change)| FeedItem { id: identity(id), word: word(change) };
    changes.into_iter().map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
