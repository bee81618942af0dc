//! Mail that is held already is not read again: messages with ids are asked for them first, and where
//! something is looked for, what comes is asked what it is recognised by.

use crate::provider::imap::conn::{Conn, MAX_UNSOLICITED};
use crate::provider::imap::failure::{ends_session, telling};
use crate::provider::imap::look::keys::keyed;
use crate::provider::imap::look::parts;
use crate::provider::imap::mail::page::SET_OCTETS;
use crate::provider::imap::mail::row::name_of;
use crate::provider::imap::session::ImapSession;
use crate::provider::imap::wire::response::{Condition, FetchLine, Response};
use postrider_core::failure::Failure;
use postrider_core::mail::body::BodyRef;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::Identity;
use postrider_core::mail::key::Keyed;
use postrider_core::mail::message::Fetched;
use postrider_core::mail::recognise::IdentityKind;
use postrider_core::mail::uid_set::UidSet;
use postrider_core::mime::HeaderFacts;
use postrider_core::provider::Request;
use postrider_core::provider::folders::FolderRequest;
use std::collections::BTreeMap;

/// The items of FETCH that tell it, and what its thread is called. Source: RFC 8474 §5.1, §5.2; Google, "IMAP
/// extensions".
pub(in crate::provider::imap) fn item(names: IdentityKind) -> &'static str {
    match names {
        IdentityKind::Hash => "",
        IdentityKind::EmailId => " EMAILID THREADID",
        IdentityKind::Gmail => " X-GM-MSGID X-GM-THRID",
    }
}

fn taken(uid: u32, line: FetchLine, identity: Identity, body: BodyRef) -> Option<Fetched> {
    // A message that we hold has its row.
    let thread = None;
    Some(Fetched {
        uid,
        identity,
        body,
        flags: line.flags.filter(|_| !line.mended)?,
        modseq: line.modseq,
        thread,
        internal_date: line.internal_date,
        header: HeaderFacts::default(),
        announced: None,
        held: true,
    })
}

/// What is told of these messages, and by what `known` says each goes. What is refused is not told:
/// those are read.
async fn lines<T>(
    conn: &mut Conn,
    uids: &UidSet,
    items: &str,
    known: impl Fn(u32, &FetchLine) -> Option<T>,
) -> Result<BTreeMap<u32, (FetchLine, T)>, Failure> {
    let (mut lines, mut rows) = (BTreeMap::new(), 0_usize);
    for set in uids.chunks(SET_OCTETS) {
        let each = |response| {
            if let Response::Fetch(mut line) = response
                && let Some(uid) = line.uid.filter(|uid| line.closed && uids.contains(*uid))
                && !line.is_of_flags()
                && let Some(known) = known(uid, &line)
            {
                (line.header, line.body) = (None, None);
                lines.insert(uid, (line, known));
            }
            rows += 1;
            rows <= MAX_UNSOLICITED
        };
        let told = parts::fetch_down(conn, Some(&set), items, each).await?;
        if told.status == Condition::Ok {
            continue;
        }
        if let Some(failure) = telling(&told).filter(|f| ends_session(f.class)) {
            return Err(failure);
        }
        if told.status == Condition::Bad {
            // It does not know what it has offered.
            conn.offered.distrust(&["OBJECTID", "X-GM-EXT-1"]);
            return Ok(BTreeMap::new());
        }
    }
    Ok(lines)
}

impl ImapSession {
    /// Whether a page is to be looked at before it is read.
    pub(in crate::provider::imap) async fn looks_first(
        &mut self,
        request: &Request,
    ) -> Result<bool, Failure> {
        let Request::Folders(FolderRequest::Fetch { remote_id, names, estimated, seeks, .. }) =
            request
        else {
            return Ok(false);
        };
        if self.conn.offered.names_of(*names) != IdentityKind::Hash {
            return Ok(true);
        }
        let is_named = *names != IdentityKind::Hash;
        if is_named || *estimated || !seeks {
            return Ok(false);
        }
        let missed = self.memory.missed(&self.account, remote_id).await?;
        Ok(!missed.lost.is_empty())
    }

    /// Those of a page that are messages of ours.
    pub(in crate::provider::imap) async fn recognised(
        &mut self,
        remote_id: &WireName,
        uids: &UidSet,
        names: IdentityKind,
        estimated: bool,
    ) -> Result<Vec<Fetched>, Failure> {
        let told = self.conn.offered.names_of(names);
        if told == IdentityKind::Hash {
            let items =
                "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])";
            let known = |uid, line: &FetchLine| Some(keyed(uid, line, true));
            let mut lines = lines(&mut self.conn, uids, items, known).await?;
            let keys: Vec<Keyed> = lines.values().map(|(_, key)| *key).collect();
            let missed = self.memory.missed(&self.account, remote_id).await?;
            let found = missed.found(uids, &keys);
            let names: Vec<Identity> =
                found.iter().map(|(_, lost)| lost.identity.clone()).collect();
            if names.is_empty() {
                return Ok(Vec::new());
            }
            let twins = self.memory.twins(&self.account, &names).await?;
            let found = found.into_iter().filter(|(_, lost)| !twins.contains(&lost.identity));
            let found = found.filter_map(|(uid, lost)| {
                taken(uid, lines.remove(&uid)?.0, lost.identity.clone(), lost.body)
            });
            return Ok(found.collect());
        }
        let items = format!("(UID FLAGS INTERNALDATE RFC822.SIZE{})", item(told));
        let named = lines(&mut self.conn, uids, &items, |_, line| name_of(line, told)).await?;
        let ids: Vec<Identity> = named.values().map(|(_, name)| name.clone()).collect();
        let held = self.memory.held(&self.account, &ids).await?;
        let found = named.into_iter().filter_map(|(uid, (line, name))| {
            let held = held.get(&name)?;
            // Of another length it is not the same, whatever it is called.
            let fits = estimated || line.size == Some(held.size);
            taken(uid, line, name, held.body).filter(|_| fits)
        });
        Ok(found.collect())
    }
}
