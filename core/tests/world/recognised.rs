//! Mail that a session takes for messages that are held, as the store has them at that moment.

use crate::server::{Folder, Mail};
use crate::words::{fetched, hash, key, length, weight};
use crate::world::World;
use postrider_core::commit::rows::MessageRow;
use postrider_core::mail::body::BodyRef;
use postrider_core::mail::id::Identity;
use postrider_core::mail::key::{Keyed, MatchKey};
use postrider_core::mail::message::Fetched;
use postrider_core::mail::recognise::{IdentityKind, Lost, Missed};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::time::Micros;

#[expect(
    clippy::disallowed_methods,
    reason = "the model server's bodies are durable by definition"
)]
fn body(cid: u32) -> BodyRef {
    BodyRef::sealed(hash(cid), 1, 0, weight(cid))
}

impl World {
    /// What a mail is recognised by.
    fn key_of(&self, cid: u32, date: Option<Micros>) -> MatchKey {
        key(cid, date, self.cfg.alike)
    }

    /// Those of a page that are messages of ours.
    pub(crate) fn recognised(
        &self,
        folder: &Folder,
        seen: &[u32],
        uids: &UidSet,
        names: IdentityKind,
    ) -> Vec<Fetched> {
        let shown = seen.iter().filter(|uid| uids.contains(**uid));
        let shown = shown.filter_map(|uid| Some((*uid, folder.mail.get(uid)?)));
        let taken = |uid: u32, mail: &Mail, identity: Identity, body: BodyRef| Fetched {
            identity,
            body,
            held: true,
            ..fetched(uid, mail, false, names)
        };
        if names != IdentityKind::Hash {
            let held = |(uid, mail): (u32, &Mail)| {
                let identity = names.identity(&mail.cid.to_string())?;
                let row = self.store.ledger.message(&identity)?;
                let body = body(self.store.cid(row.id));
                (body.length() == length(mail)).then(|| taken(uid, mail, identity, body))
            };
            return shown.filter_map(held).collect();
        }
        let keyed: Vec<Keyed> = shown
            .map(|(uid, mail)| {
                let date = Some(Micros::from_seconds(mail.date));
                Keyed { uid, key: self.key_of(mail.cid, date) }
            })
            .collect();
        let missed = self.missed(folder);
        let found = missed.found(uids, &keyed).into_iter();
        let found = found.filter(|(_, lost)| !folder.mail.is_empty() && lost.body.length() > 0);
        found
            .map(|(uid, lost)| taken(uid, &folder.mail[&uid], lost.identity.clone(), lost.body))
            .collect()
    }

    /// What is in limbo, and may be found in a folder.
    fn missed(&self, folder: &Folder) -> Missed {
        let name = self.server.name_of(folder.id);
        let row = self.store.folders.values().find(|row| Some(&row.path) == name.as_ref());
        let Some(row) = row else { return Missed::default() };
        let key = |message: &MessageRow| {
            let last = self.store.ledger.locations().filter(|l| l.message == message.id);
            let date = last.max_by_key(|l| l.ended_at).and_then(|l| l.internal_date);
            self.key_of(self.store.cid(message.id), date)
        };
        let messages = || self.store.ledger.messages();
        let in_limbo = messages().filter(|m| m.limbo_since.is_some());
        let is_only = |one: &MessageRow| {
            let others = messages().filter(|m| m.id != one.id && m.limbo_since.is_none());
            !others.into_iter().any(|other| key(other) == key(one))
        };
        let lost = in_limbo.filter(|m| is_only(m)).map(|m| Lost {
            identity: m.identity.clone(),
            key: key(m),
            body: body(self.store.cid(m.id)),
            last_sight: m.last_sight,
            left: m.last_folder,
        });
        Missed {
            folder: row.id,
            lost: lost.collect(),
            uidnext: row.lanes.as_ref().map_or(u32::MAX, |lanes| lanes.live.uidnext),
            passed_at: row.passed_at,
            opened_at: Some(row.opened_at),
        }
    }
}
