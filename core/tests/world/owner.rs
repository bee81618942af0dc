//! What the owners of the mailbox do, with another client.

use crate::server::{EVER, Mail};
use crate::words::REWRITTEN;
use crate::world::{Move, World};
use postrider_core::mail::id::FolderId;

impl World {
    pub(crate) fn append(&mut self) {
        let names: Vec<String> = self.server.folders.keys().cloned().collect();
        if names.is_empty() || self.server.total() >= self.most {
            return;
        }
        let folder = self.dice.pick(&names).clone();
        let cid = if self.cfg.dups && self.server.next_cid > 0 && self.dice.chance(25) {
            let cid = 1 + u32::try_from(self.dice.roll(u64::from(self.server.next_cid))).unwrap();
            *self.touched.entry(cid).or_default() += 10;
            cid
        } else {
            self.server.next_cid += 1;
            self.server.next_cid
        };
        self.now += 1;
        let flags = u8::try_from(self.dice.roll(8)).unwrap();
        let (hollow, refused) = (self.dice.chance(2), self.dice.chance(4));
        let cut = self.cfg.cut_mail && cid % 6 == 0;
        let mail = Mail { cid, date: self.now, flags, hollow, refused, cut, born: self.now };
        let uid = self.server.put(&folder, mail, &mut self.dice);
        self.note(|| format!("SERVER append {folder} {uid} cid {cid}"));
    }

    pub(crate) fn operate(&mut self, kind: &str) {
        let names: Vec<String> = self.server.folders.keys().cloned().collect();
        match kind {
            "append" => return self.append(),
            "create" => {
                if names.len() < if self.cfg.many { 9 } else { 5 }
                    && let Some(name) = self.server.create()
                {
                    self.note(|| format!("SERVER create {name}"));
                }
                return;
            }
            "rename" => {
                let others: Vec<String> = names.into_iter().filter(|n| n != "INBOX").collect();
                if !others.is_empty() {
                    let from = self.dice.pick(&others).clone();
                    let empty = self.server.folders[&from].mail.is_empty();
                    let cids: Vec<u32> =
                        self.server.folders[&from].mail.values().map(|m| m.cid).collect();
                    self.deleted.push(self.server.folders[&from].id);
                    if let Some(name) = self.server.rename(&from) {
                        // Without rows to compare, or with rows that changed since, it is another
                        // folder.
                        for cid in cids {
                            *self.touched.entry(cid).or_default() += 10;
                        }
                        self.note(|| format!("SERVER rename {from} {name} (empty {empty})"));
                    }
                }
                return;
            }
            "delete" => {
                let others: Vec<String> = names.into_iter().filter(|n| n != "INBOX").collect();
                if !others.is_empty() {
                    let name = self.dice.pick(&others).clone();
                    let folder = self.server.folders.remove(&name).unwrap();
                    self.deleted.push(folder.id);
                    for mail in folder.mail.values() {
                        *self.touched.entry(mail.cid).or_default() += 10;
                    }
                    self.note(|| format!("SERVER delete {name}"));
                }
                return;
            }
            "odd" => return self.turn_odd(&names),
            "rewrite" if self.rewriting.is_some() => {
                let Some((id, mail)) = self.rewriting.take() else { return };
                if let Some(name) = self.server.name_of(id) {
                    self.note(|| format!("SERVER rewritten {name} cid {}", mail.cid));
                    self.server.put(&name, mail, &mut self.dice);
                }
                return;
            }
            _ => {}
        }
        let full: Vec<String> =
            names.iter().filter(|n| !self.server.folders[*n].mail.is_empty()).cloned().collect();
        if full.is_empty() {
            return;
        }
        let name = self.dice.pick(&full).clone();
        let uids: Vec<u32> = self.server.folders[&name].mail.keys().copied().collect();
        let uid = *self.dice.pick(&uids);
        let mail = self.server.folders[&name].mail[&uid].clone();
        match kind {
            "expunge" => {
                let all = self.dice.chance(20);
                let gone = if all { uids } else { vec![uid] };
                for uid in gone {
                    let cid =
                        self.server.folders.get_mut(&name).unwrap().mail.remove(&uid).unwrap().cid;
                    *self.touched.entry(cid).or_default() += 10;
                    self.note(|| format!("SERVER expunge {name} {uid} cid {cid}"));
                }
            }
            "flag" => {
                let flags = u8::try_from(self.dice.roll(8)).unwrap();
                self.server.folders.get_mut(&name).unwrap().mail.get_mut(&uid).unwrap().flags =
                    flags;
                *self.flagged.entry(mail.cid).or_default() += 1;
                self.note(|| format!("SERVER flag {name} {uid} {flags}"));
            }
            // Of one that has come from elsewhere just now the same is true.
            "rewrite" if self.touched.contains_key(&mail.cid) => {}
            "rewrite" => {
                let anew = Mail { cid: mail.cid + REWRITTEN, born: self.now, ..mail.clone() };
                self.server.folders.get_mut(&name).unwrap().mail.remove(&uid);
                for cid in [mail.cid, anew.cid] {
                    *self.touched.entry(cid).or_default() += 10;
                }
                self.note(|| format!("SERVER rewrite {name} {uid} cid {}", mail.cid));
                if self.dice.chance(50) {
                    // The new one comes later.
                    self.rewriting = Some((self.server.folders[&name].id, anew));
                } else {
                    self.server.put(&name, anew, &mut self.dice);
                }
            }
            // In another folder, while the one that it was is looked for, nothing but its bytes tells them apart.
            "move" | "copy" if mail.cid >= REWRITTEN => {}
            "move" | "copy" => {
                let others: Vec<String> = names.into_iter().filter(|n| *n != name).collect();
                if others.is_empty() || (kind == "copy" && self.server.total() >= self.most) {
                    return;
                }
                let to = self.dice.pick(&others).clone();
                let date = if self.cfg.keep_date { mail.date } else { self.now };
                let new = self.server.put(
                    &to,
                    Mail { date, born: self.now, ..mail.clone() },
                    &mut self.dice,
                );
                self.note(|| format!("SERVER {kind} {name} {uid} -> {to} {new} cid {}", mail.cid));
                if kind == "copy" {
                    *self.touched.entry(mail.cid).or_default() += 10;
                    return;
                }
                let from = self.server.folders[&name].id;
                let held = self.truth.iter().any(|(ours, theirs)| {
                    let numbers = self.store.folders.get(ours).map(|row| row.uidvalidity().0);
                    *theirs == from
                        && numbers == Some(self.server.folders[&name].uidvalidity)
                        && self.store.rows(*ours).living.get(uid).is_some()
                });
                // What we hold under a UID that was used again is not this mail, here or there.
                let restored = [&name, &to].iter().any(|n| self.server.folders[*n].restored);
                *self.touched.entry(mail.cid).or_default() += if restored { 10 } else { 1 };
                self.server.folders.get_mut(&name).unwrap().mail.remove(&uid);
                if held && !mail.hollow && !mail.refused && !mail.cut {
                    let came = self.server.folders[&to].id;
                    self.moves.push(Move {
                        cid: mail.cid,
                        from_event: self.store.events.len(),
                        left: from,
                        came,
                    });
                }
            }
            other => panic!("unknown operation {other}"),
        }
    }

    /// The highest UIDNEXT that our store knows of a folder of the server.
    fn known(&self, name: &str) -> u32 {
        let id = self.server.folders[name].id;
        let ours = self.store.folders.values().filter(|row| self.truth.get(&row.id) == Some(&id));
        ours.filter_map(|row| row.lanes.as_ref())
            .map(|l| l.live.uidnext.max(l.live.mark.uidnext))
            .max()
            .unwrap_or(0)
    }

    /// A folder is put back from a backup: its newest mail is gone, and other mail comes under
    /// those UIDs.
    pub(crate) fn restore(&mut self) {
        let names: Vec<String> = self.server.folders.keys().cloned().collect();
        let name = self.dice.pick(&names).clone();
        let known = self.known(&name);
        let folder = self.server.folders.get_mut(&name).unwrap();
        let room = folder.uidnext.min(known).saturating_sub(1);
        if room < 2 || folder.uidnext < known {
            return;
        }
        let cut = room - u32::try_from(self.dice.roll(u64::from(room.min(4)))).unwrap();
        folder.count_changes(self.cfg.changes == Some(true));
        let lost = folder.mail.split_off(&cut);
        folder.put_back(lost.len() as u64 * 2);
        (folder.uidnext, folder.restored) = (cut, true);
        // Counting may fit by chance: what we hold there may be told a day late.
        let id = folder.id;
        let is_ours = |ours: &FolderId| self.truth.get(ours) == Some(&id);
        let ours = self.store.ledger.locations();
        let held = ours.filter(|l| is_ours(&l.folder) && l.ended_at.is_none());
        let held: Vec<u32> = held.map(|l| self.store.cid(l.message)).collect();
        for cid in held {
            *self.touched.entry(cid).or_default() += 10;
        }
        for mail in lost.values() {
            *self.touched.entry(mail.cid).or_default() += 10;
        }
        self.note(|| format!("SERVER restore {name} to {cut}, lost {:?}", lost.keys()));
        for _ in 0..self.dice.roll(4) {
            self.server.next_cid += 1;
            self.now += 1;
            let (cid, flags) = (self.server.next_cid, u8::try_from(self.dice.roll(8)).unwrap());
            let mail = Mail {
                cid,
                date: self.now,
                flags,
                hollow: false,
                refused: false,
                cut: false,
                born: self.now,
            };
            let folder = self.server.folders.get_mut(&name).unwrap();
            let uid = folder.uidnext;
            folder.mail.insert(uid, mail);
            folder.uidnext += 1;
            self.note(|| format!("SERVER append {name} {uid} cid {cid}, used again"));
        }
    }

    /// The UIDs of a folder begin anew.
    pub(crate) fn begin_anew(&mut self) {
        let names: Vec<String> = self.server.folders.keys().cloned().collect();
        let name = self.dice.pick(&names).clone();
        let folder = self.server.folders.get_mut(&name).unwrap();
        folder.begin_anew(&mut self.dice);
        let uids: Vec<u32> = folder.mail.keys().copied().collect();
        self.note(|| format!("SERVER {name} begins anew as {uids:?}"));
    }

    /// A folder begins to misbehave, for a while or for ever.
    fn turn_odd(&mut self, names: &[String]) {
        let ways: Vec<&str> = [
            ("shut", self.cfg.shut.is_some()),
            // In between, so that it does not begin while it is asked whether it is the server.
            ("refuses", self.cfg.refuses && self.session.is_none()),
            ("bare", self.cfg.bare == Some(true)),
            ("cut", self.cfg.cut_folder),
            ("ahead", self.cfg.ahead),
            ("unreadable", self.cfg.bad_line),
        ]
        .into_iter()
        .filter_map(|(way, is_on)| is_on.then_some(way))
        .collect();
        if ways.is_empty() || names.is_empty() {
            return;
        }
        let (way, name) = (*self.dice.pick(&ways), self.dice.pick(names).clone());
        let until = self.now + 5 + i64::try_from(self.dice.roll(200)).unwrap();
        let ever = self.dice.chance(30);
        let spoilt = self
            .server
            .folders
            .values()
            .any(|f| f.shut == EVER || f.cut == EVER || f.unreadable || f.bare);
        let folder = self.server.folders.get_mut(&name).unwrap();
        let id = folder.id;
        match way {
            "shut" if self.cfg.shut == Some(false) => folder.shut = until,
            "shut" if !spoilt => folder.shut = EVER,
            "shut" => {}
            "bare" if !spoilt => folder.bare = true,
            "bare" => {}
            "refuses" => self.server.refuses = until,
            "cut" if ever && !spoilt => folder.cut = EVER,
            "cut" => folder.cut = until,
            "ahead" => folder.ahead = Some((until, folder.uidnext + 1000)),
            _ if !spoilt => folder.unreadable = true,
            _ => {}
        }
        if way != "refuses" {
            self.odd.insert(id);
        }
        self.note(|| format!("SERVER {way} {name} until {until} or for ever {ever}"));
    }
}
