//! Folders as places, and what a message's row says of its state.

use crate::provider::nylas::wire::{FolderRow, MessageRow};
use postrider_core::mail::feed::PlaceId;
use postrider_core::mail::flags::Flags;
use postrider_core::mail::folder::Role;
use postrider_core::mail::id::Identity;
use postrider_core::provider::feeds::{ListedPlace, SeenState};
use std::collections::{BTreeMap, BTreeSet};

/// What is before Nylas's id in a message's identity.
const PREFIX: &str = "ny:";
/// Folders in folders: whatever is told, no more.
const DEPTH: usize = 32;
/// Attributes (RFC 6154 §2, as Nylas tells them), ids of Gmail's labels, and names of Microsoft's: what is what.
const ROLES: [(&str, Role); 14] = [
    ("\\inbox", Role::Inbox),
    ("\\sent", Role::Sent),
    ("\\drafts", Role::Drafts),
    ("\\trash", Role::Trash),
    ("\\junk", Role::Junk),
    ("\\archive", Role::Archive),
    ("\\all", Role::All),
    ("inbox", Role::Inbox),
    ("sent", Role::Sent),
    ("draft", Role::Drafts),
    ("trash", Role::Trash),
    ("spam", Role::Junk),
    ("sent items", Role::Sent),
    ("deleted items", Role::Trash),
];

/// A message's identity here.
pub(super) fn identity(id: &str) -> Identity {
    Identity(format!("{PREFIX}{id}"))
}

/// Nylas's id of a message.
pub(super) fn id_of(identity: &Identity) -> &str {
    identity.0.strip_prefix(PREFIX).unwrap_or(&identity.0)
}

fn known(word: &str) -> Option<Role> {
    let word = word.to_lowercase();
    ROLES.iter().find(|(known, _)| *known == word).map(|(_, role)| *role)
}

/// What its server says that it is for.
fn told_role(row: &FolderRow) -> Option<Role> {
    row.attributes.iter().flatten().find_map(|word| known(word))
}

/// What it seems to be for: a name says that only of a folder that stands at the top, and where it is the system's.
fn seeming_role(row: &FolderRow) -> Option<Role> {
    let is_systems = row.system_folder == Some(true) && row.parent_id.is_none();
    known(&row.id).or_else(|| known(row.name.as_deref()?).filter(|_| is_systems))
}

/// The place that is computed at Google, where what is archived lies in no folder.
pub(super) const ALL: &str = "ALL";
/// Labels of Google's that `unread` and `starred` say already.
const FLAGS: [&str; 2] = ["UNREAD", "STARRED"];

/// Whether it is a place that mail lies in.
fn is_place(is_google: bool, id: &str) -> bool {
    !(is_google && FLAGS.contains(&id))
}

/// All places, at Google one more. Parents come before a `/`; each role is one folder's.
pub(super) fn places(rows: &[FolderRow], is_google: bool) -> Vec<ListedPlace> {
    let by_id: BTreeMap<&str, &FolderRow> = rows.iter().map(|row| (row.id.as_str(), row)).collect();
    let path = |row: &FolderRow| {
        let (mut names, mut at) = (Vec::new(), Some(row));
        while let Some(row) = at.filter(|_| names.len() < DEPTH) {
            let name = row.name.as_deref().filter(|name| !name.is_empty());
            names.push(name.unwrap_or(row.id.as_str()));
            at = row.parent_id.as_deref().and_then(|id| by_id.get(id).copied());
        }
        names.reverse();
        names.join("/")
    };
    let rows: Vec<&FolderRow> = rows.iter().filter(|row| is_place(is_google, &row.id)).collect();
    // What servers say comes before what names seem to say.
    let mut taken = BTreeSet::new();
    let mut roles: Vec<Option<Role>> =
        rows.iter().map(|row| told_role(row).filter(|role| taken.insert(*role))).collect();
    for (row, role) in rows.iter().zip(&mut roles).filter(|(row, _)| told_role(row).is_none()) {
        *role = seeming_role(row).filter(|role| taken.insert(*role));
    }
    let place = |(row, role): (&&FolderRow, Option<Role>)| ListedPlace {
        id: PlaceId(row.id.clone()),
        path: path(row),
        role,
    };
    let mut places: Vec<ListedPlace> = rows.iter().zip(roles).map(place).collect();
    if is_google && !by_id.contains_key(ALL) {
        let (id, path) = (PlaceId(ALL.into()), "All Mail".to_owned());
        let role = Some(Role::All).filter(|role| taken.insert(*role));
        places.push(ListedPlace { id, path, role });
    }
    places
}

/// A message's state as a list shows it; none where not all of it is told.
pub(super) fn listed_state(row: &MessageRow, is_google: bool) -> Option<SeenState> {
    row.unread.and_then(|_| state_of(row, is_google))
}

/// A message's state; none where its folders are not told.
pub(super) fn state_of(row: &MessageRow, is_google: bool) -> Option<SeenState> {
    let folders = row.folders.as_ref()?.iter().filter(|id| is_place(is_google, id));
    let seen = (row.unread == Some(false)).then_some("\\Seen");
    let starred = (row.starred == Some(true)).then_some("\\Flagged");
    Some(SeenState {
        places: folders.map(|id| PlaceId(id.clone())).collect(),
        flags: Flags::new(seen.into_iter().chain(starred)),
        version: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(told: &str) -> FolderRow {
        serde_json::from_str(told).unwrap()
    }

    #[test]
    fn folders_have_paths_and_roles() {
        let rows = [
            folder(r#"{"id":"INBOX","name":"INBOX","attributes":["\\Inbox"]}"#),
            folder(r#"{"id":"x1","name":"Sent Items","system_folder":true}"#),
            folder(r#"{"id":"x2","name":"Sent Items","parent_id":"x3","system_folder":true}"#),
            folder(r#"{"id":"x3","name":"Work","parent_id":"gone","attributes":null}"#),
            folder(r#"{"id":"x4","parent_id":"x4"}"#),
            folder(r#"{"id":"SENT","name":7,"attributes":["\\Sent"]}"#),
            folder(r#"{"id":"Spam","name":"Spam"}"#),
            folder(r#"{"id":"y","name":"Junk E-mail","attributes":["\\Junk"]}"#),
        ];
        let google = places(&rows, true);
        let last = google.last().unwrap();
        assert_eq!((last.path.as_str(), last.role), ("All Mail", Some(Role::All)));
        let places = places(&rows, false);
        let told: Vec<_> = places.iter().map(|p| (p.path.as_str(), p.role)).collect();
        assert_eq!(told[0], ("INBOX", Some(Role::Inbox)));
        assert_eq!(told[1], ("Sent Items", None), "the server says which it is");
        assert_eq!(told[2], ("Work/Sent Items", None));
        assert_eq!(told[3], ("Work", None));
        assert!(told[4].0.starts_with("x4/x4/"), "a circle has an end");
        assert_eq!(told[5], ("SENT", Some(Role::Sent)));
        assert_eq!((told[6].1, told[7].1), (None, Some(Role::Junk)));
    }

    #[test]
    fn a_state_is_told_by_a_row() {
        let state = |told: &str| {
            let state = state_of(&serde_json::from_str(told).unwrap(), true)?;
            let places: Vec<String> = state.places.into_iter().map(|p| p.0).collect();
            Some((places.join(","), state.flags.to_string()))
        };
        let row = r#"{"id":"m","folders":["b","a","a","UNREAD"],"unread":false,"starred":true}"#;
        assert_eq!(state(row), Some(("a,b".into(), "\\Flagged \\Seen".into())));
        let archived = r#"{"id":"m","folders":[],"unread":"x"}"#;
        assert_eq!(state(archived), Some((String::new(), String::new())));
        assert_eq!(state(r#"{"id":"m","folders":null}"#), None, "not told is not nowhere");
    }
}
