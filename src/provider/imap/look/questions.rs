//! The questions about folders: LIST, the index, sizes. "Empty" exists only under OK.

use crate::provider::imap::conn::{Conn, MAX_UNSOLICITED};
use crate::provider::imap::failure::{During, refusal};
use crate::provider::imap::hints::notices::{Sought, SoughtCounters};
use crate::provider::imap::look::changes::{FLAG_OCTETS, index_limit};
use crate::provider::imap::look::counters;
use crate::provider::imap::look::counters::{ITEMS, examined};
use crate::provider::imap::look::parts;
use crate::provider::imap::look::parts::whole;
use crate::provider::imap::mail::page::SET_OCTETS;
use crate::provider::imap::wire::response::{Condition, FetchLine, Response};
use crate::provider::imap::wire::utf7::{self, wire_name};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::folder::{ListedFolder, Role, WireName};
use postrider_core::mail::id::UidValidity;
use postrider_core::mail::recognise::IdentityKind;
use postrider_core::mail::uid_flags::UidFlags;
use postrider_core::mail::uid_set::UidSet;
use postrider_core::provider::folders::{FolderAnswer, Sampled};
use std::collections::{BTreeMap, BTreeSet};

/// Folders that a LIST may show, and octets of it that are kept.
const FOLDERS: usize = 100_000;
const LIST_OCTETS: usize = 16 * 1024 * 1024;
/// What an index is asked for.
const INDEX: &str = "(UID FLAGS)";

/// Closes the folder that is open, if its counters are asked for: those of its opening would be told
/// of it. Source: RFC 3691.
async fn unselect(conn: &mut Conn, counters_of: &[WireName]) -> Result<(), Failure> {
    let open = conn.open.selected().is_some_and(|open| counters_of.contains(&open.remote_id));
    if !open || !conn.has("UNSELECT") {
        return Ok(());
    }
    let tag = conn.send(b"UNSELECT", false).await?;
    if conn.tagged(&tag).await?.status == Condition::Ok {
        conn.open.close();
    } else {
        // It offers what it has not.
        conn.offered.distrust(&["UNSELECT"]);
    }
    Ok(())
}

/// LIST: every folder that can be opened, and the counters of these, where they prove something.
/// Source: RFC 3501 §6.3.8, RFC 6154, RFC 5819.
pub(in crate::provider::imap) async fn list(
    conn: &mut Conn,
    counters_of: &[WireName],
    anew: bool,
) -> Result<FolderAnswer, Failure> {
    let counted = (anew || !counters_of.is_empty()) && conn.offered.counts_along();
    let mut options = Vec::new();
    options.extend((conn.has("LIST-EXTENDED") && conn.has("SPECIAL-USE")).then_some("SPECIAL-USE"));
    let status = format!("STATUS {ITEMS}");
    options.extend(counted.then_some(status.as_str()));
    let options = options.join(" ");
    let options = if options.is_empty() { options } else { format!(" RETURN ({options})") };
    let command = format!("LIST \"\" \"*\"{options}");
    if counted {
        unselect(conn, counters_of).await?;
    }
    let counters =
        if counted { SoughtCounters::All(BTreeSet::new()) } else { SoughtCounters::default() };
    conn.asks(Sought { names: Some(BTreeMap::new()), counters, ..Sought::default() });
    let tag = conn.send(command.as_bytes(), false).await?;
    let (mut folders, mut unreadable, mut lines, mut octets) = (Vec::new(), None, 0_usize, 0_usize);
    let mut counters = BTreeMap::new();
    let open = conn.open.selected().map(|selected| selected.remote_id.clone());
    let is_told = conn.notices.on;
    let told = conn
        .until_more(&tag, |response| {
            match response {
                // It became so while it was listed by its name before: another LIST is asked for.
                Response::List { renamed: true, .. } if is_told => lines += 1,
                Response::List { attributes, delimiter, name, .. } => {
                    lines += 1;
                    octets += name.len() * 2 + 200;
                    folders.extend(listed(&attributes, delimiter, name));
                }
                Response::Counters { name, items } => {
                    lines += 1;
                    octets += name.len() + 100;
                    let name = wire_name(name);
                    // Of the folder that is open they may be those of its opening.
                    if let Some(shown) = examined(&items).filter(|_| open.as_ref() != Some(&name)) {
                        counters.insert(name, shown);
                    }
                }
                // A name that cannot be read is a folder without one.
                Response::BadList => {
                    lines += 1;
                    unreadable.get_or_insert_with(|| format!("line {lines}"));
                }
                _ => {}
            }
            lines <= FOLDERS * 2 && octets <= LIST_OCTETS
        })
        .await?;
    conn.asks(Sought::default());
    if told.status == Condition::Bad && counted {
        // It offers what it has not.
        conn.offered.distrust(&["LIST-STATUS"]);
        return Box::pin(list(conn, counters_of, anew)).await;
    }
    if told.status != Condition::Ok {
        return Err(refusal(&told, During::Other));
    }
    if !counted && conn.offered.counts_apart() {
        let listed: BTreeSet<&WireName> = folders.iter().map(|f| &f.remote_id).collect();
        let asked = counters_of.iter().filter(|name| listed.contains(name));
        let asked = asked.filter(|name| open.as_ref() != Some(name)).collect();
        counters = counters::counters_of(conn, &asked).await?;
    }
    let unreadable = unreadable.map(Into::into);
    Ok(FolderAnswer::Listed { folders, unreadable, counters })
}

/// UIDs and flags of the folder, or of some UIDs of it. Source: RFC 3501 §6.4.8.
pub(in crate::provider::imap) async fn index(
    conn: &mut Conn,
    remote_id: &WireName,
    uidvalidity: UidValidity,
    uids: Option<&UidSet>,
) -> Result<FolderAnswer, Failure> {
    conn.select(remote_id, uidvalidity).await?;
    let (mut rows, mut mended) = (UidFlags::default(), Vec::new());
    let limit = index_limit(conn.open.exists());
    let (mut bare, mut stray, mut flags_seen) = (Vec::new(), 0_usize, 0_usize);
    conn.open.asks_flags(true);
    let told = parts::fetch_all(conn, uids, INDEX, |response| {
        match response {
            Response::Fetch(FetchLine { uid: Some(uid), flags, mended: m, closed, .. }) => {
                match flags.filter(|_| closed) {
                    Some(flags) => {
                        mended.extend(m.then_some(uid));
                        flags_seen += rows.push(uid, flags);
                    }
                    None => bare.push(uid),
                }
            }
            Response::Fetch(_) | Response::List { .. } => stray += 1,
            _ => {}
        }
        rows.len() + bare.len() + stray <= limit && flags_seen <= FLAG_OCTETS
    })
    .await;
    conn.open.asks_flags(false);
    told?;
    if !mended.is_empty() {
        let mended = mended.into_iter().collect();
        ask_flags_again(conn, &mended, &mut rows).await?;
    }
    let rows = rows.finished();
    // "Not told" is never "not there": a UID without readable flags makes the answer useless as
    // evidence.
    if bare.iter().any(|uid| rows.get(*uid).is_none()) {
        let text = "the index cannot be read: it shows UIDs without flags";
        return Err(Failure::new(Class::InvalidData, Reach::Folder, Provenance::Server, text));
    }
    let exists = conn.open.exists();
    Ok(FolderAnswer::Indexed { remote_id: remote_id.clone(), rows, exists })
}

/// Flags that could not all be read are asked once more; what can be read then is what they are.
async fn ask_flags_again(
    conn: &mut Conn,
    uids: &UidSet,
    rows: &mut UidFlags,
) -> Result<(), Failure> {
    let limit = index_limit(u32::try_from(uids.len()).unwrap_or(u32::MAX));
    let (mut lines, mut octets) = (0_usize, 0_usize);
    for uids in uids.chunks(SET_OCTETS) {
        conn.open.asks_flags(true);
        let told = parts::fetch_all(conn, Some(&uids), INDEX, |response| {
            lines += 1;
            if let Response::Fetch(FetchLine {
                uid: Some(uid),
                flags: Some(flags),
                closed: true,
                ..
            }) = response
                && uids.contains(uid)
            {
                octets += rows.push(uid, flags);
            }
            lines <= limit && octets <= FLAG_OCTETS
        })
        .await;
        conn.open.asks_flags(false);
        told?;
    }
    Ok(())
}

/// The UIDs of the folder. Source: RFC 3501 §6.4.8.
pub(in crate::provider::imap) async fn uids(
    conn: &mut Conn,
    remote_id: &WireName,
    uidvalidity: UidValidity,
) -> Result<FolderAnswer, Failure> {
    conn.select(remote_id, uidvalidity).await?;
    let limit = index_limit(conn.open.exists());
    let mut uids = Vec::new();
    let mut stray = 0_usize;
    parts::fetch_all(conn, None, "(UID)", |response| {
        match response {
            // Flags of another client's making are told with a UID, too.
            Response::Fetch(FetchLine { uid: Some(uid), closed: true, .. }) => uids.push(uid),
            Response::Fetch(_) | Response::List { .. } => stray += 1,
            _ => {}
        }
        uids.len() + stray <= limit
    })
    .await?;
    let exists = conn.open.exists();
    let uids = uids.into_iter().collect();
    Ok(FolderAnswer::Uids { remote_id: remote_id.clone(), uids, exists })
}

/// A row of a sample.
fn sampled(response: &Response) -> Option<Sampled> {
    let Response::Fetch(line) = response else { return None };
    let (uid, size) = line.uid.zip(line.size).filter(|_| line.closed)?;
    Some(Sampled { uid, size, internal_date: line.internal_date })
}

/// The item of FETCH that tells what its thread is called.
fn item_of_thread(names: IdentityKind) -> &'static str {
    match names {
        IdentityKind::Hash => "",
        IdentityKind::EmailId => " THREADID",
        IdentityKind::Gmail => " X-GM-THRID",
    }
}

/// Size and INTERNALDATE of some messages, and where the server names messages what it calls their threads. Source:
/// RFC 3501 §6.4.5, RFC 8474 §5.2.
pub(in crate::provider::imap) async fn sample(
    conn: &mut Conn,
    remote_id: &WireName,
    uidvalidity: UidValidity,
    uids: &UidSet,
    names: IdentityKind,
) -> Result<FolderAnswer, Failure> {
    conn.select(remote_id, uidvalidity).await?;
    let told = conn.offered.names_of(names);
    match sampled_with(conn, remote_id, uids, told).await {
        // Refused: it does not know what it has offered.
        Err(Failure { class: Class::Provider | Class::Unknown, .. })
            if told != IdentityKind::Hash =>
        {
            conn.offered.distrust(&["OBJECTID", "X-GM-EXT-1"]);
            sampled_with(conn, remote_id, uids, IdentityKind::Hash).await
        }
        answer => answer,
    }
}

async fn sampled_with(
    conn: &mut Conn,
    remote_id: &WireName,
    uids: &UidSet,
    names: IdentityKind,
) -> Result<FolderAnswer, Failure> {
    let items = format!("(UID RFC822.SIZE INTERNALDATE{})", item_of_thread(names));
    let (mut rows, mut threads, mut lines) = (BTreeMap::new(), BTreeMap::new(), 0_usize);
    parts::fetch_all(conn, Some(uids), &items, |response| {
        lines += 1;
        if let Some(row) = sampled(&response).filter(|row| uids.contains(row.uid)) {
            threads.extend(thread(&response, names).map(|thread| (row.uid, thread)));
            rows.insert(row.uid, row);
        }
        lines <= MAX_UNSOLICITED
    })
    .await?;
    let (remote_id, rows) = (remote_id.clone(), rows.into_values().collect());
    Ok(FolderAnswer::Sampled { remote_id, rows, threads })
}

fn thread(response: &Response, names: IdentityKind) -> Option<String> {
    let Response::Fetch(line) = response else { return None };
    line.thread.as_deref().and_then(|id| names.thread(id))
}

/// Size and INTERNALDATE of the newest message. Source: RFC 3501 §6.4.5.
pub(in crate::provider::imap) async fn newest(
    conn: &mut Conn,
    remote_id: &WireName,
    uidvalidity: UidValidity,
) -> Result<FolderAnswer, Failure> {
    conn.select(remote_id, uidvalidity).await?;
    let tag = conn.send(b"UID FETCH * (UID RFC822.SIZE INTERNALDATE)", false).await?;
    let mut newest: Option<Sampled> = None;
    let told = conn
        .until(&tag, |response| {
            let is_newer = |row: &Sampled| newest.is_none_or(|seen| seen.uid < row.uid);
            if let Some(row) = sampled(&response).filter(is_newer) {
                newest = Some(row);
            }
        })
        .await?;
    whole(&told)?;
    let (remote_id, rows) = (remote_id.clone(), newest.into_iter().collect());
    Ok(FolderAnswer::Sampled { remote_id, rows, threads: BTreeMap::new() })
}

/// RFC822.SIZE of every message. Source: RFC 3501 §6.4.5.
pub(in crate::provider::imap) async fn sizes(
    conn: &mut Conn,
    remote_id: &WireName,
    uidvalidity: UidValidity,
) -> Result<FolderAnswer, Failure> {
    conn.select(remote_id, uidvalidity).await?;
    let limit = index_limit(conn.open.exists());
    let (mut sizes, mut rows) = (BTreeMap::new(), 0_usize);
    parts::fetch_all(conn, None, "(UID RFC822.SIZE)", |response| {
        rows += usize::from(matches!(response, Response::Fetch(_) | Response::List { .. }));
        if let Response::Fetch(line) = response
            && let (Some(uid), Some(size)) = (line.uid, line.size)
            && line.closed
        {
            sizes.insert(uid, size);
        }
        rows <= limit
    })
    .await?;
    Ok(FolderAnswer::Sized(sizes))
}

fn listed(attributes: &[String], delimiter: Option<char>, name: Vec<u8>) -> Option<ListedFolder> {
    let has = |attribute: &str| attributes.iter().any(|a| a == attribute);
    if has("\\noselect") || has("\\nonexistent") {
        return None;
    }
    let path = utf7::decode(&name);
    let inbox = path.eq_ignore_ascii_case("INBOX");
    let roles = [
        ("\\all", Role::All),
        ("\\archive", Role::Archive),
        ("\\drafts", Role::Drafts),
        ("\\flagged", Role::Flagged),
        ("\\junk", Role::Junk),
        ("\\sent", Role::Sent),
        ("\\trash", Role::Trash),
    ];
    let role = roles.iter().find(|(attribute, _)| has(attribute)).map(|(_, role)| *role);
    let role = if inbox { Some(Role::Inbox) } else { role };
    let path = if inbox { "INBOX".into() } else { path };
    let remote_id = wire_name(name);
    Some(ListedFolder { remote_id, path, delimiter, role })
}
