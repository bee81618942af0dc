//! The model server: folders, messages, and the ways in which it misbehaves.

use postrider_core::recovery::backoff::mix;
use std::collections::BTreeMap;

/// Draws by seed. Each turn of a scheduler has draws of its own: what one draws more shifts no later one.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    seed: u64,
    turn: u64,
    nth: u64,
}

impl Dice {
    pub(crate) fn of(seed: u64) -> Self {
        Self { seed: mix(seed), turn: 0, nth: 0 }
    }

    /// The next turn begins.
    pub(crate) fn turn(&mut self) {
        (self.turn, self.nth) = (self.turn + 1, 0);
    }

    pub(crate) fn roll(&mut self, n: u64) -> u64 {
        self.nth += 1;
        mix(self.seed ^ mix(self.turn ^ mix(self.nth))) % n.max(1)
    }
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let n = self.roll(of.len() as u64);
        &of[usize::try_from(n).unwrap()]
    }
}

/// For ever.
pub(crate) const EVER: i64 = i64::MAX;

#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) cid: u32,
    pub(crate) date: i64,
    pub(crate) flags: u8,
    /// Listed, never delivered.
    pub(crate) hollow: bool,
    /// Refused while faults last.
    pub(crate) refused: bool,
    /// Sessions end at it.
    pub(crate) cut: bool,
    /// When it came into this folder.
    pub(crate) born: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(crate) id: u32,
    pub(crate) uidvalidity: u32,
    pub(crate) uidnext: u32,
    pub(crate) mail: BTreeMap<u32, Mail>,
    /// Until when it is listed and cannot be opened.
    pub(crate) shut: i64,
    /// Its EXAMINE tells nothing.
    pub(crate) bare: bool,
    /// Until when sessions end at its EXAMINE.
    pub(crate) cut: i64,
    /// It opens, and tells nothing of its mail.
    pub(crate) mute: bool,
    /// It refuses to tell sizes.
    pub(crate) unsized_mail: bool,
    /// Its line of LIST cannot be read.
    pub(crate) unreadable: bool,
    /// EXISTS says so many too much.
    pub(crate) surplus: u32,
    /// Until when UIDNEXT lies upwards, and what it says.
    pub(crate) ahead: Option<(i64, u32)>,
    /// It was put back from a backup: UIDs are used again.
    pub(crate) restored: bool,
    /// HIGHESTMODSEQ.
    pub(crate) modseq: u64,
    /// What it held when that was counted last.
    counted: BTreeMap<u32, u8>,
    /// At which modseq each UID came, or changed last.
    pub(crate) changed: BTreeMap<u32, u64>,
    /// At which modseq each UID went.
    pub(crate) gone: BTreeMap<u32, u64>,
}

impl Folder {
    /// HIGHESTMODSEQ, as often raised as something has changed. Where a server need not (it does not
    /// tell what went), it may not rise for what goes.
    pub(crate) fn count_changes(&mut self, tells: bool) {
        let now: BTreeMap<u32, u8> =
            self.mail.iter().map(|(uid, mail)| (*uid, mail.flags)).collect();
        let before = std::mem::replace(&mut self.counted, now);
        for (uid, flags) in &self.counted {
            if before.get(uid) != Some(flags) {
                self.modseq += 1;
                self.changed.insert(*uid, self.modseq);
            }
        }
        for uid in before.keys().filter(|uid| !self.counted.contains_key(uid)) {
            self.modseq += u64::from(tells || self.id.is_multiple_of(2));
            self.changed.remove(uid);
            self.gone.insert(*uid, self.modseq);
        }
    }

    /// Its UIDs begin anew, in the same order or (seldom) another; what it knew of changes is gone.
    pub(crate) fn begin_anew(&mut self, dice: &mut Dice) {
        let mut mail: Vec<Mail> = std::mem::take(&mut self.mail).into_values().collect();
        if dice.chance(20) {
            mail.reverse();
        }
        self.uidvalidity += 1;
        self.uidnext = 1 + u32::try_from(dice.roll(4)).unwrap();
        for mail in mail {
            self.mail.insert(self.uidnext, mail);
            self.uidnext += 1 + u32::from(dice.chance(20));
        }
        (self.restored, self.modseq) = (false, 1 + dice.roll(5));
        (self.counted, self.changed, self.gone) = Default::default();
        self.count_changes(true);
    }

    /// It is put back, its counter too.
    pub(crate) fn put_back(&mut self, by: u64) {
        let there = |uid: &u32| self.mail.contains_key(uid);
        self.counted.retain(|uid, _| there(uid));
        self.changed.retain(|uid, _| there(uid));
        self.modseq = self.modseq.saturating_sub(by).max(1);
        for at in self.changed.values_mut().chain(self.gone.values_mut()) {
            *at = (*at).min(self.modseq);
        }
    }
}

/// How a session lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Lie {
    None,
    ZeroExists,
    HalfFolder,
    EmptyList,
    ShortList,
    /// LIST lacks the largest folder.
    BigList,
    /// LIST lacks a folder, which does not open either.
    Away(u32),
    /// One line of LIST cannot be read.
    BadLine,
    /// UIDNEXT is too high.
    Ahead,
    /// UIDVALIDITY is another.
    OtherValidity,
    /// EXAMINE tells neither EXISTS nor UIDVALIDITY.
    Bare,
    /// Literals are cut short, and end as they must.
    Short,
    /// HIGHESTMODSEQ trails, or (true) is ahead.
    Modseq(bool),
}

#[derive(Default)]
pub(crate) struct Server {
    pub(crate) folders: BTreeMap<String, Folder>,
    /// Until when every folder is refused.
    pub(crate) refuses: i64,
    used: usize,
    next_id: u32,
    pub(crate) next_cid: u32,
}

const NAMES: [&str; 14] =
    ["INBOX", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N"];

impl Server {
    pub(crate) fn create(&mut self) -> Option<String> {
        let name = NAMES[..12].get(self.used)?;
        self.used += 1;
        self.next_id += 1;
        let folder = Folder {
            id: self.next_id,
            uidvalidity: 7,
            uidnext: 1,
            mail: BTreeMap::new(),
            shut: 0,
            bare: false,
            cut: 0,
            mute: false,
            unsized_mail: false,
            unreadable: false,
            surplus: 0,
            ahead: None,
            restored: false,
            modseq: 1,
            counted: BTreeMap::new(),
            changed: BTreeMap::new(),
            gone: BTreeMap::new(),
        };
        self.folders.insert((*name).to_owned(), folder);
        Some((*name).to_owned())
    }

    /// Renames a folder to a name that was never used; its id stays.
    pub(crate) fn rename(&mut self, from: &str) -> Option<String> {
        let name = NAMES.get(self.used)?;
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

    pub(crate) fn name_of(&self, id: u32) -> Option<String> {
        self.folders.iter().find(|(_, f)| f.id == id).map(|(name, _)| name.clone())
    }

    pub(crate) fn by_id(&self, id: u32) -> Option<&Folder> {
        self.folders.values().find(|f| f.id == id)
    }
}
