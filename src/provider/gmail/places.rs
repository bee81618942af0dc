//! Labels: which are places, which are flags.

use crate::provider::gmail::wire::Label;
use postrider_core::mail::feed::{MailVersion, PlaceId};
use postrider_core::mail::flags::Flags;
use postrider_core::mail::folder::Role;
use postrider_core::provider::feeds::{FlagLabel, ListedPlace, SeenState};

/// The place that is computed; Gmail has no label for it.
pub(super) const ALL: &str = "ALL";

/// Labels of the system that are places: id, path, role.
const SYSTEM: [(&str, &str, Option<Role>); 6] = [
    ("INBOX", "INBOX", Some(Role::Inbox)),
    ("SENT", "Sent", Some(Role::Sent)),
    ("DRAFT", "Drafts", Some(Role::Drafts)),
    ("TRASH", "Trash", Some(Role::Trash)),
    ("SPAM", "Spam", Some(Role::Junk)),
    // Old conversations of Google Talk and Hangouts.
    ("CHAT", "Chats", Some(Role::Chats)),
];
/// Labels that stand for flags: id, flag, inverted. Drafts are a place, too.
const FLAGS: [(&str, &str, bool); 4] = [
    ("UNREAD", "\\Seen", true),
    ("STARRED", "\\Flagged", false),
    ("DRAFT", "\\Draft", false),
    // RFC 8457.
    ("IMPORTANT", "$Important", false),
];
/// Before the labels of the inbox's tabs.
const CATEGORY: &str = "CATEGORY_";
/// Ends of labels that say which star it is, beside STARRED.
const STARS: [&str; 6] = ["_STAR", "_BANG", "_GUILLEMET", "_CHECK", "_INFO", "_QUESTION"];

/// `CATEGORY_SOCIAL` → `Category/Social`.
fn category(id: &str) -> Option<String> {
    let word = id.strip_prefix(CATEGORY)?.to_lowercase();
    let (first, rest) = word.split_at_checked(1)?;
    Some(format!("Category/{}{rest}", first.to_uppercase()))
}

fn is_star(id: &str) -> bool {
    STARS.iter().any(|end| id.ends_with(end))
        && id.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

/// Whether a label is a place that messages lie in.
fn is_place(id: &str) -> bool {
    let is_flag = FLAGS.iter().any(|(flag, ..)| *flag == id);
    SYSTEM.iter().any(|(place, ..)| *place == id) || !(is_flag || is_star(id))
}

/// All places, and the labels that stand for flags.
pub(super) fn sort_out(labels: &[Label]) -> (Vec<ListedPlace>, Vec<FlagLabel>) {
    let place = |label: &Label| {
        let known = SYSTEM.iter().find(|(id, ..)| *id == label.id);
        let path = match known {
            Some((_, path, _)) => (*path).to_owned(),
            None => category(&label.id).unwrap_or_else(|| label.name.clone()),
        };
        let role = known.and_then(|(.., role)| *role);
        ListedPlace { id: PlaceId(label.id.clone()), path, role }
    };
    let mut places: Vec<ListedPlace> =
        labels.iter().filter(|label| is_place(&label.id)).map(place).collect();
    let path = "All Mail".to_owned();
    places.push(ListedPlace { id: PlaceId(ALL.into()), path, role: Some(Role::All) });
    let has = |id: &str| labels.iter().any(|label| label.id == id);
    let flags = FLAGS.iter().filter(|(id, ..)| has(id)).map(|(id, flag, inverted)| FlagLabel {
        id: PlaceId((*id).to_owned()),
        flag: Flags::new([*flag]),
        inverted: *inverted,
    });
    (places, flags.collect())
}

/// The places among some labels.
pub(super) fn places_of(labels: &[String]) -> impl Iterator<Item = PlaceId> {
    labels.iter().filter(|id| is_place(id)).map(|id| PlaceId(id.clone()))
}

/// What some labels, got or lost, do to the flags: the flags that come with them, and those that go.
pub(super) fn flags_of(labels: &[String]) -> (Flags, Flags) {
    let of = |wanted: bool| {
        let has = |id: &&str| labels.iter().any(|label| label == *id);
        let them = FLAGS.iter().filter(|(id, _, inverted)| *inverted == wanted && has(id));
        Flags::new(them.map(|(_, flag, _)| *flag))
    };
    (of(false), of(true))
}

/// A message's state by all of its labels.
pub(super) fn state_of(labels: &[String], version: Option<MailVersion>) -> SeenState {
    let (set, cleared) = flags_of(labels);
    let inverted = FLAGS.iter().filter(|(.., inverted)| *inverted).map(|(_, flag, _)| *flag);
    let flags = Flags::new(inverted).without(&cleared).with(&set);
    SeenState { places: places_of(labels).collect(), flags, version }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn labels_are_places_or_flags() {
        let named = |id: &str, name: &str| Label { id: id.into(), name: name.into() };
        let all = [
            named("INBOX", "INBOX"),
            named("DRAFT", "DRAFT"),
            named("SPAM", "SPAM"),
            named("CHAT", "CHAT"),
            named("UNREAD", "UNREAD"),
            named("IMPORTANT", "IMPORTANT"),
            named("YELLOW_STAR", "YELLOW_STAR"),
            named("CATEGORY_SOCIAL", "CATEGORY_SOCIAL"),
            named("Label_7", "Work/2026"),
        ];
        let (places, flags) = sort_out(&all);
        let places: Vec<_> = places.iter().map(|p| (p.id.0.as_str(), p.path.as_str())).collect();
        assert_eq!(
            places,
            [
                ("INBOX", "INBOX"),
                ("DRAFT", "Drafts"),
                ("SPAM", "Spam"),
                ("CHAT", "Chats"),
                ("CATEGORY_SOCIAL", "Category/Social"),
                ("Label_7", "Work/2026"),
                ("ALL", "All Mail"),
            ]
        );
        let flags: Vec<_> = flags.iter().map(|f| (f.id.0.as_str(), f.inverted)).collect();
        assert_eq!(flags, [("UNREAD", true), ("DRAFT", false), ("IMPORTANT", false)]);
    }

    #[test]
    fn a_state_by_labels() {
        let state = |ids: &[&str]| {
            let state = state_of(&labels(ids), None);
            let places: Vec<String> = state.places.into_iter().map(|p| p.0).collect();
            (places.join(","), state.flags.to_string())
        };
        assert_eq!(state(&["INBOX", "UNREAD", "IMPORTANT"]), ("INBOX".into(), "$Important".into()));
        assert_eq!(state(&[]), (String::new(), "\\Seen".into()));
        let draft = ("DRAFT,Label_1".into(), "\\Draft \\Flagged \\Seen".into());
        assert_eq!(state(&["Label_1", "DRAFT", "STARRED", "BLUE_STAR"]), draft);
    }
}
