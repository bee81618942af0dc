//! The model server: folders, messages, and the ways in which it misbehaves.

use postrider_core::recovery::backoff::mix;
use std::collections::BTreeMap;

/// A small generator: the same seed gives the same run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, n: u64) -> u64 {
        self.0 = mix(self.0);
        self.0 % n.max(1)
    }
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let n = self.roll(of.len() as u64);
        &of[usize::try_from(n).unwrap()]
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) cid: u32,
    pub(crate) date: i64,
    pub(crate) flags: u8,
    /// Listed, never delivered.
    pub(crate) hollow: bool,
    /// Refused while faults last.
    pub(crate) refused: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(crate) id: u32,
    pub(crate) uidvalidity: u32,
    pub(crate) uidnext: u32,
    pub(crate) mail: BTreeMap<u32, Mail>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Lie {
    None,
    ZeroExists,
    HalfFolder,
    EmptyList,
    ShortList,
}

#[derive(Default)]
pub(crate) struct Server {
    pub(crate) folders: BTreeMap<String, Folder>,
    used: usize,
    next_id: u32,
    pub(crate) next_cid: u32,
}

impl Server {
    pub(crate) fn create(&mut self) -> Option<String> {
        let name = ["INBOX", "B", "C", "D", "E", "F"].get(self.used)?;
        self.used += 1;
        self.next_id += 1;
        let folder = Folder { id: self.next_id, uidvalidity: 7, uidnext: 1, mail: BTreeMap::new() };
        self.folders.insert((*name).to_owned(), folder);
        Some((*name).to_owned())
    }

    /// Renames a folder to a name that was never used; its id stays.
    pub(crate) fn rename(&mut self, from: &str) -> Option<String> {
        let name = ["INBOX", "B", "C", "D", "E", "F", "G", "H"].get(self.used)?;
        self.used += 1;
        let folder = self.folders.remove(from)?;
        self.folders.insert((*name).to_owned(), folder);
        Some((*name).to_owned())
    }

    pub(crate) fn total(&self) -> usize {
        self.folders.values().map(|f| f.mail.len()).sum()
    }

    pub(crate) fn put(&mut self, folder: &str, mail: Mail, dice: &mut Dice) -> u32 {
        let folder = self.folders.get_mut(folder).unwrap();
        if dice.chance(15) {
            folder.uidnext += 1 + u32::try_from(dice.roll(2)).unwrap();
        }
        let uid = folder.uidnext;
        folder.uidnext += 1;
        folder.mail.insert(uid, mail);
        uid
    }

    pub(crate) fn by_id(&self, id: u32) -> Option<&Folder> {
        self.folders.values().find(|f| f.id == id)
    }
}

/// What a session shows of a folder.
pub(crate) fn view(folder: &Folder, lie: Lie, lied: &mut bool) -> Vec<u32> {
    let uids: Vec<u32> = folder.mail.keys().copied().collect();
    match lie {
        Lie::ZeroExists if !uids.is_empty() => {
            *lied = true;
            Vec::new()
        }
        Lie::HalfFolder if uids.len() > 1 => {
            *lied = true;
            uids[uids.len() / 2..].to_vec()
        }
        _ => uids,
    }
}
