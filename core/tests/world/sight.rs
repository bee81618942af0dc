//! What a session shows of the model server: its folders as they are, or as the session's lie has them.

use crate::server::{Folder, Lie, Mail};
use crate::talk::Ended;
use crate::words::{REWRITTEN, flags, gone, key, untold};
use crate::world::World;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::folder::{ListedFolder, WireName};
use postrider_core::mail::id::{MailboxId, SessionId, UidValidity};
use postrider_core::mail::key::Keyed;
use postrider_core::mail::uid_flags::UidFlags;
use postrider_core::mail::uid_set::UidSet;
use postrider_core::provider::folders::{Changed, Enough, Examined, FolderAnswer, Sampled, Since};
use postrider_core::time::Micros;

impl World {
    pub(crate) fn lose_line(&mut self, folder: u32) -> bool {
        let lost = self.faults && self.cfg.lies && self.dice.chance(3);
        if lost {
            self.lies_on.insert(folder);
        }
        lost
    }

    /// What a session shows of a folder.
    pub(crate) fn view(&mut self, folder: &Folder, lie: Lie) -> Vec<u32> {
        let mut uids: Vec<u32> = folder.mail.keys().copied().collect();
        let hidden = uids.len().saturating_sub(self.cfg.capped.unwrap_or(usize::MAX));
        uids.drain(..hidden);
        match lie {
            Lie::ZeroExists if !uids.is_empty() => {
                self.lies_on.insert(folder.id);
                Vec::new()
            }
            Lie::HalfFolder if uids.len() > 1 => {
                self.lies_on.insert(folder.id);
                uids[uids.len() / 2..].to_vec()
            }
            _ => uids,
        }
    }

    /// The folder, if it opens under the UIDVALIDITY that a question is about.
    pub(crate) fn select(
        &mut self,
        lie: Lie,
        name: &[u8],
        uidvalidity: Option<UidValidity>,
    ) -> Result<Folder, Ended> {
        let name = String::from_utf8(name.to_vec()).unwrap();
        let Some(folder) = self.server.folders.get(&name).cloned() else {
            return Err(Ended::Refused(gone()));
        };
        let is_mute = folder.mute && uidvalidity.is_some();
        let refuses = self.server.refuses > self.now;
        if lie == Lie::Away(folder.id) || folder.shut > self.now || is_mute || refuses {
            return Err(Ended::Refused(gone()));
        }
        if folder.bare || lie == Lie::Bare {
            return Err(Ended::Refused(untold()));
        }
        if folder.cut > self.now {
            return Err(Ended::Cut(Class::Network));
        }
        if uidvalidity.is_some_and(|v| v != shown(&folder, lie)) {
            let text = "UIDVALIDITY changed";
            let failure = Failure::new(Class::StateLost, Reach::Folder, Provenance::Server, text);
            return Err(Ended::Refused(failure));
        }
        Ok(folder)
    }

    pub(crate) fn list(&mut self, lie: Lie) -> (Vec<ListedFolder>, Option<String>) {
        let mut names: Vec<String> = self.server.folders.keys().cloned().collect();
        let any = !names.is_empty();
        let largest = self
            .server
            .folders
            .iter()
            .max_by_key(|(_, f)| f.mail.len())
            .map(|(name, _)| name.clone());
        match lie {
            Lie::EmptyList if any => names.clear(),
            Lie::ShortList if any => drop(names.remove(0)),
            Lie::BigList if any => names.retain(|name| Some(name) != largest.as_ref()),
            Lie::Away(id) => names.retain(|name| self.server.folders[name].id != id),
            _ => {}
        }
        self.list_lied |= names.len() < self.server.folders.len();
        let mut bad: Vec<String> =
            names.iter().filter(|n| self.server.folders[*n].unreadable).cloned().collect();
        if lie == Lie::BadLine && any {
            bad.push(self.dice.pick(&names).clone());
        }
        for name in &bad {
            self.odd.insert(self.server.folders[name].id);
        }
        names.retain(|name| !bad.contains(name));
        let listed = |name: String| ListedFolder {
            remote_id: name.clone().into_bytes().into(),
            path: name,
            delimiter: None,
            role: None,
        };
        (names.into_iter().map(listed).collect(), bad.first().map(|_| "* LIST ((".to_owned()))
    }

    /// What a folder that is open still held when it was opened: a server may be slow to tell what has
    /// happened in it since.
    pub(crate) fn hold_back(&mut self, session: SessionId, name: &[u8], examined: &mut Examined) {
        let is_mute = self.mute.as_ref().is_some_and(|mute| mute.as_bytes() == name);
        if let Some((_, then)) = self.opened.get(&session).filter(|(open, _)| open == name)
            && then.uidvalidity == examined.uidvalidity
            && (is_mute || self.faults && self.dice.chance(30))
        {
            (examined.exists, examined.uidnext) = (then.exists, then.uidnext);
        }
    }

    /// Of a folder that is open still: some flags, and those of what came.
    pub(crate) fn told(
        &mut self,
        lie: Lie,
        name: &[u8],
        enough: Enough,
    ) -> Result<Option<UidFlags>, Ended> {
        let mut rows = UidFlags::default();
        if enough == Enough::Flags {
            let folder = self.select(lie, name, None)?;
            let came = folder.uidnext.saturating_sub(u32::try_from(self.dice.roll(6)).unwrap());
            for (uid, mail) in &folder.mail {
                if *uid >= came || self.dice.chance(40) {
                    rows.push(*uid, flags(mail.flags));
                }
            }
        }
        Ok(Some(rows.finished()))
    }

    pub(crate) fn counted(&self, name: &[u8]) -> Option<Examined> {
        let folder = self.server.folders.get(std::str::from_utf8(name).unwrap())?;
        let exists = u32::try_from(folder.mail.len()).unwrap();
        let modseq = if self.cfg.modseq { folder.modseq } else { 0 };
        let (uidvalidity, uidnext) = (UidValidity(folder.uidvalidity), folder.uidnext);
        Some(Examined { uidvalidity, uidnext, exists, inferred: false, modseq, mailbox: None })
    }

    pub(crate) fn examine(&mut self, lie: Lie, name: &[u8]) -> Result<Examined, Ended> {
        let folder = self.select(lie, name, None)?;
        let seen = self.view(&folder, lie);
        let exists = u32::try_from(seen.len()).unwrap() + folder.surplus;
        let mut uidnext = folder.uidnext;
        if lie == Lie::Ahead {
            uidnext += 100;
        }
        if let Some((_, told)) = folder.ahead.filter(|(until, _)| *until > self.now && self.faults)
        {
            uidnext = told;
        }
        let told = self.server.folders.values_mut().find(|f| f.id == folder.id).unwrap();
        told.count_changes(self.cfg.changes == Some(true));
        let modseq = match lie {
            Lie::Modseq(false) => told.modseq.saturating_sub(2).max(1),
            Lie::Modseq(true) => told.modseq + 2,
            _ => told.modseq,
        };
        if uidnext != folder.uidnext || matches!(lie, Lie::OtherValidity | Lie::Modseq(_)) {
            self.lies_on.insert(folder.id);
        }
        Ok(Examined {
            uidvalidity: shown(&folder, lie),
            uidnext,
            exists,
            inferred: false,
            modseq: if self.cfg.modseq { modseq } else { 0 },
            mailbox: self
                .cfg
                .mailbox_ids
                .map(|each| MailboxId(if each { folder.id.into() } else { 1 })),
        })
    }

    /// What has changed since then, as far as this server tells.
    pub(crate) fn changed(&mut self, lie: Lie, name: &[u8], since: Since) -> Option<Changed> {
        let tells = self.cfg.changes?;
        let folder = self.server.folders.get(std::str::from_utf8(name).unwrap())?.clone();
        let mut changed = Changed::default();
        for uid in self.view(&folder, lie) {
            if folder.changed[&uid] > since.modseq && !self.lose_line(folder.id) {
                changed.rows.push(uid, flags(folder.mail[&uid].flags));
            }
        }
        changed.rows = changed.rows.finished();
        if !tells {
            return Some(changed);
        }
        let mut gone = UidSet::new();
        for (uid, at) in &folder.gone {
            // UIDs that went long ago may be told again.
            let again = self.dice.chance(5) && !folder.mail.contains_key(uid);
            if (*at > since.modseq || again) && !self.lose_line(folder.id) {
                gone.insert(*uid);
            }
        }
        if self.faults && self.cfg.lies && self.dice.chance(3) {
            self.lies_on.insert(folder.id);
            let there = folder.mail.keys().next().copied();
            there.into_iter().for_each(|uid| gone.insert(uid));
        }
        changed.vanished = Some(gone);
        Some(changed)
    }

    pub(crate) fn index(
        &mut self,
        lie: Lie,
        remote_id: WireName,
        uidvalidity: UidValidity,
        uids: Option<&UidSet>,
    ) -> Result<FolderAnswer, Ended> {
        let folder = self.select(lie, &remote_id, Some(uidvalidity))?;
        let mut rows = UidFlags::default();
        let seen = self.view(&folder, lie);
        let exists = u32::try_from(seen.len()).unwrap() + folder.surplus;
        for uid in seen {
            if uids.is_none_or(|uids| uids.contains(uid)) && !self.lose_line(folder.id) {
                rows.push(uid, flags(folder.mail[&uid].flags));
            }
        }
        Ok(FolderAnswer::Indexed { remote_id, rows: rows.finished(), exists })
    }

    pub(crate) fn keys(
        &mut self,
        lie: Lie,
        remote_id: WireName,
        uidvalidity: UidValidity,
    ) -> Result<FolderAnswer, Ended> {
        let folder = self.select(lie, &remote_id, Some(uidvalidity))?;
        let mut rows = Vec::new();
        let seen = self.view(&folder, lie);
        let exists = u32::try_from(seen.len()).unwrap() + folder.surplus;
        for uid in seen {
            if !self.lose_line(folder.id) {
                let Mail { cid, date, .. } = folder.mail[&uid];
                let key = key(cid, Some(Micros::from_seconds(date)), self.cfg.alike);
                rows.push(Keyed { uid, key });
            }
        }
        Ok(FolderAnswer::Keyed { remote_id, rows, exists })
    }
}

/// The UIDVALIDITY that a session shows.
fn shown(folder: &Folder, lie: Lie) -> UidValidity {
    UidValidity(folder.uidvalidity + if lie == Lie::OtherValidity { 50 } else { 0 })
}

pub(crate) fn sample(folder: &Folder, wanted: impl Fn(u32) -> bool) -> Vec<Sampled> {
    let there = folder.mail.iter().filter(|(uid, _)| wanted(**uid));
    let row = |(uid, mail): (&u32, &Mail)| Sampled {
        uid: *uid,
        size: u64::from(mail.cid % REWRITTEN),
        internal_date: Some(Micros::from_seconds(mail.date)),
    };
    there.map(row).collect()
}
