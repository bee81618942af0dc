//! Mail that is held already: what a message is named by, and which lost one a new UID is. Its bytes
//! are not read again.

use crate::mail::body::BodyRef;
use crate::mail::id::{FolderId, Identity};
use crate::mail::key::{Keyed, MatchKey};
use crate::mail::uid_set::UidSet;
use crate::time::Micros;
use std::collections::BTreeMap;

/// What the identities of an account are made of, for good: servers show and hide their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdentityKind {
    /// SHA-256 of the bytes.
    #[default]
    Hash,
    /// EMAILID (RFC 8474): of equal bytes, and the same wherever a message is copied or moved to.
    EmailId,
    /// X-GM-MSGID, written as Gmail's API writes it.
    Gmail,
}

impl IdentityKind {
    /// As it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::EmailId => "emailid",
            Self::Gmail => "gmail",
        }
    }

    /// From its stored word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Hash, Self::EmailId, Self::Gmail].into_iter().find(|kind| kind.as_str() == word)
    }

    /// The identity that the server's id makes; none where ids make none.
    #[must_use]
    pub fn identity(self, id: &str) -> Option<Identity> {
        match self {
            Self::Hash => None,
            Self::EmailId => Some(Identity(format!("em:{id}"))),
            Self::Gmail => Some(Identity(format!("gm:{:x}", id.parse::<u64>().ok()?))),
        }
    }

    /// What the server calls a message's thread, written as its API writes it; none where it tells none.
    #[must_use]
    pub fn thread(self, id: &str) -> Option<String> {
        match self {
            Self::Hash => None,
            Self::EmailId => Some(id.to_owned()),
            Self::Gmail => Some(format!("{:x}", id.parse::<u64>().ok()?)),
        }
    }
}

/// What is not longer is read: its bytes decide, and cost less than a mistake.
pub const LONG: u64 = 64 * 1024;

/// A message without a location, which may only be on its way.
#[derive(Clone, Debug)]
pub struct Lost {
    /// The message.
    pub identity: Identity,
    /// What it was recognised by where it was last.
    pub key: MatchKey,
    /// Its bytes.
    pub body: BodyRef,
    /// When it was seen last.
    pub last_sight: Option<Micros>,
    /// The folder that it left.
    pub left: Option<FolderId>,
}

/// Messages that may be found in a folder, and since when what is there is known.
#[derive(Clone, Debug, Default)]
pub struct Missed {
    /// The folder.
    pub folder: FolderId,
    /// The messages.
    pub lost: Vec<Lost>,
    /// From this UID on mail has come since `passed_at`.
    pub uidnext: u32,
    /// The start of the folder's last complete pass that opened it or counted it anew.
    pub passed_at: Option<Micros>,
    /// When it was opened: all that is there was found since.
    pub opened_at: Option<Micros>,
}

impl Missed {
    /// Which of the lost ones the UIDs are, of those of `asked` that are `shown`: each is the only one
    /// that is like the other, is long, and came after the lost one was seen last. A twin that lay there all
    /// along is another mail, and so is what comes where it left: somebody has written it anew. Whether one
    /// that is not lost is like them is to be asked, too.
    #[must_use]
    pub fn found(&self, asked: &UidSet, shown: &[Keyed]) -> Vec<(u32, &Lost)> {
        let mut lost: BTreeMap<MatchKey, Option<&Lost>> = BTreeMap::new();
        for one in &self.lost {
            lost.entry(one.key).and_modify(|twin| *twin = None).or_insert(Some(one));
        }
        let mut like: BTreeMap<MatchKey, usize> = BTreeMap::new();
        for row in shown {
            *like.entry(row.key).or_default() += 1;
        }
        let is_newer = |uid: u32, seen: Micros| {
            let came = self.passed_at.filter(|_| uid >= self.uidnext).max(self.opened_at);
            came.is_some_and(|since| since >= seen)
        };
        let mut found = Vec::new();
        for row in shown.iter().filter(|row| asked.contains(row.uid)) {
            let one = lost.get(&row.key).copied().flatten();
            let one = one.filter(|one| one.left.is_some_and(|left| left != self.folder));
            let one = one.filter(|one| one.body.length() > LONG);
            let one = one.filter(|one| one.last_sight.is_some_and(|seen| is_newer(row.uid, seen)));
            if let Some(one) = one.filter(|_| like.get(&row.key) == Some(&1)) {
                found.push((row.uid, one));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::body::BodyHash;

    fn key(id: &str) -> MatchKey {
        MatchKey::of(Some(id), Some(Micros(1)), Some(5))
    }

    #[expect(clippy::disallowed_methods, reason = "a test's bodies are durable by definition")]
    fn lost(id: &str, seen: Option<i64>) -> Lost {
        Lost {
            identity: Identity(format!("h:{id}")),
            key: key(id),
            body: BodyRef::sealed(BodyHash([1; 32]), 1, 0, LONG + 1),
            last_sight: seen.map(Micros),
            left: Some(FolderId(2)),
        }
    }

    fn missed(lost: Vec<Lost>) -> Missed {
        let (passed_at, opened_at) = (Some(Micros(100)), Some(Micros(50)));
        Missed { folder: FolderId(1), lost, uidnext: 10, passed_at, opened_at }
    }

    fn found(missed: &Missed, shown: &[(u32, &str)]) -> Vec<(u32, String)> {
        let shown: Vec<Keyed> =
            shown.iter().map(|(uid, id)| Keyed { uid: *uid, key: key(id) }).collect();
        let asked = UidSet::range(1, 99);
        let found = missed.found(&asked, &shown).into_iter();
        found.map(|(uid, lost)| (uid, lost.identity.0.clone())).collect()
    }

    #[test]
    fn who_is_the_only_one_of_its_kind_is_found() {
        let missed = missed(vec![lost("a", Some(90)), lost("b", Some(90))]);
        let of = |uid, id: &str| (uid, format!("h:{id}"));
        assert_eq!(found(&missed, &[(10, "b"), (11, "x"), (12, "a")]), [of(10, "b"), of(12, "a")]);
        assert_eq!(
            found(&missed, &[(10, "a"), (11, "a"), (12, "b")]),
            [of(12, "b")],
            "two like it"
        );
        let shown = [Keyed { uid: 12, key: key("a") }];
        assert!(missed.found(&UidSet::one(11), &shown).is_empty(), "nobody asked");
    }

    #[test]
    fn two_lost_ones_that_are_alike_are_not_told_apart() {
        let twins = missed(vec![lost("a", Some(90)), lost("a", Some(90)), lost("b", Some(90))]);
        assert_eq!(found(&twins, &[(10, "a"), (11, "b")]), [(11, "h:b".into())]);
    }

    #[test]
    fn it_came_after_the_lost_one_was_seen() {
        let at = |seen, uid| !found(&missed(vec![lost("a", seen)]), &[(uid, "a")]).is_empty();
        assert!(at(Some(100), 10), "arrived since the pass");
        assert!(!at(Some(101), 10), "it was seen after that pass");
        assert!(!at(Some(90), 9), "it lay there at that pass");
        assert!(at(Some(50), 9), "the folder was opened since");
        assert!(!at(Some(51), 9));
        assert!(!at(None, 10), "nobody knows when it was seen");
        let never = Missed { passed_at: None, ..missed(vec![lost("a", Some(60))]) };
        assert!(found(&never, &[(10, "a")]).is_empty());
    }

    #[test]
    fn what_comes_where_it_left_or_is_short_is_read() {
        let came = |change: fn(&mut Lost)| {
            let mut one = lost("a", Some(60));
            change(&mut one);
            !found(&missed(vec![one]), &[(10, "a")]).is_empty()
        };
        assert!(came(|_| ()));
        assert!(!came(|one| one.left = Some(FolderId(1))), "rewritten in its own folder");
        assert!(!came(|one| one.left = None));
        assert!(!came(shorten), "its bytes are read");
    }

    #[expect(clippy::disallowed_methods, reason = "a test's bodies are durable by definition")]
    fn shorten(one: &mut Lost) {
        one.body = BodyRef::sealed(BodyHash([1; 32]), 1, 0, LONG);
    }

    #[test]
    fn ids_make_identities() {
        assert_eq!(IdentityKind::EmailId.identity("M1"), Some(Identity("em:M1".into())));
        let hex = IdentityKind::Gmail.identity("1278455344230334865");
        assert_eq!(hex, Some(Identity("gm:11bdfc5cae0c8191".into())));
        assert_eq!(IdentityKind::Gmail.identity("x"), None);
        assert_eq!(IdentityKind::Hash.identity("M1"), None);
        for kind in [IdentityKind::Hash, IdentityKind::EmailId, IdentityKind::Gmail] {
            assert_eq!(IdentityKind::from_word(kind.as_str()), Some(kind));
        }
    }
}
