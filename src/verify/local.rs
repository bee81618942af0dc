//! What is on this side: rows that have what they name, bodies that are what they are called.
#![expect(
    clippy::disallowed_methods,
    reason = "bodies are hashed off the runtime, a piece at a time"
)]

use crate::bodies::{BodyReader, Damage};
use crate::derive::check::{Checked, Checker};
use crate::fault;
use crate::store::{
    AccountBreaks, Chosen, FailureReader, IntegrityReader, ManifestRow, Miscount, NoMessage,
    PackReader, PlaceNow,
};
use crate::verify::mirror::{Mirror, manifest_line};
use crate::verify::report::{DamagedBody, Findings, HeldAt, MORE, Report, Reports, Told, Verified};
use postrider_core::commit::rows::FolderRow;
use postrider_core::failure::Failure;
use postrider_core::mail::body::{BodyHash, StoredBody};
use postrider_core::mail::id::{FolderId, MessageId};
use postrider_core::time::Micros;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Bodies of which it is known that they were hashed: what is beyond is hashed once more where it lies twice.
const KNOWN: usize = 500_000;

/// Bodies that are set right at a time; what is damaged beyond is found the next time.
const DAMAGED: usize = 100_000;

/// What is told of each UID: kept, to be compared with a server, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    Kept,
    Passed,
}

/// Whether what is derived is held against all bytes once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Derived {
    Looked,
    Passed,
}

/// Bodies that were hashed, by the first octets of their hashes.
#[derive(Default)]
struct Hashed(BTreeSet<[u8; 16]>);

impl Hashed {
    fn is_new(&mut self, hash: &BodyHash) -> bool {
        let Some(key) = hash.0.first_chunk() else { return true };
        if self.0.len() < KNOWN { self.0.insert(*key) } else { !self.0.contains(key) }
    }
}

/// Hashes every body and resolves every reference.
///
/// # Errors
/// Class storage.
pub(crate) async fn local(
    of: &Mirror,
    (rows, derived): (Rows, Derived),
    now: Micros,
) -> Result<Verified, Failure> {
    let (reader, account) = (&of.reader, of.account);
    let integrity = IntegrityReader::new(reader);
    let all = integrity.folders(account).await?;
    let folders: Vec<FolderRow> = all.iter().filter(|f| !f.excluded).cloned().collect();
    let standing = reader.feed_standing(account, now).await?;
    // What lies in a folder that has lost its row is looked at as well.
    let missing = integrity.account(account).await?.folders;
    let missing: Vec<FolderRow> = missing.iter().map(|row| rowless(row.id)).collect();
    let (mut reports, found) = mirror(of, &[&folders[..], &missing].concat(), rows).await?;
    for row in &missing {
        if let Some(report) = reports.get_mut(&row.id.0) {
            report.unproved.push("its row is missing".into());
        }
    }
    let mut verified = Verified {
        name: of.name.clone(),
        reports,
        folders: all,
        standing,
        differences: Told::default(),
        unproved: Vec::new(),
        derived: None,
        found,
        unasked: None,
    };
    if derived == Derived::Looked {
        verified.derived = checked(of).await?;
    }
    let breaks = integrity.account(account).await?;
    fits(of, &folders, &breaks.messages, &mut verified).await?;
    lacks(&breaks, &mut verified);
    verified.found.breaks = breaks;
    for wrong in reader.miscounts(account).await? {
        let Miscount { folder, octets, kept, counted } = wrong;
        let what = if octets { " octets" } else { "" };
        let text = format!("{kept}{what} are counted as held, and {counted} are there");
        let report = folder.and_then(|id| verified.reports.get_mut(&id.0));
        report.map_or(&mut verified.differences, |report| &mut report.differences).push(text);
    }
    Ok(verified)
}

/// A folder of which nothing is known but its number.
fn rowless(id: i64) -> FolderRow {
    let name = format!("missing folder {id}");
    let remote_id = name.clone().into_bytes().into();
    FolderRow::new(FolderId(id), remote_id, name, None, Micros::default())
}

/// What is held of each folder.
async fn mirror(
    of: &Mirror,
    folders: &[FolderRow],
    rows: Rows,
) -> Result<(Reports, Findings), Failure> {
    let mut reports = Reports::new();
    for folder in folders {
        let remaining = folder.lanes.as_ref().map_or(0, |lanes| lanes.backfill.remaining.len());
        let failures = folder.tried_again().len();
        let mut report = Report { failures, remaining, ..Report::default() };
        if !folder.left_out.is_empty() {
            report.left_out = FailureReader::new(&of.reader).left_out_of(folder.id).await?;
        }
        report.path.clone_from(&folder.path);
        if remaining > 0 {
            report.unproved.push(format!("{remaining} UIDs are still to be read"));
        }
        report.unproved.extend(folder.unproved.clone());
        if folder.look.is_some() {
            report.unproved.push("a large loss waits for its second look".into());
        }
        if folder.stalled_at.is_some() {
            report.unproved.push("it stands still; see `postrider failures`".into());
        }
        reports.insert(folder.id.0, report);
    }
    let mut looker = Looker {
        bodies: BodyReader::new(&of.bodies),
        hashed: Hashed::default(),
        rows,
        found: Findings::default(),
    };
    for folder in folders {
        let Some(report) = reports.remove(&folder.id.0) else { continue };
        let mut seen = Found { report, digest: Sha256::new(), unread: Vec::new() };
        let (folder, mut after) = (Arc::new(folder.clone()), (0, 0));
        loop {
            let rows = of.reader.manifest(folder.id, Chosen::Living, after).await?;
            let Some(last) = rows.last() else { break };
            after = (last.uidvalidity, last.uid);
            // What is read and hashed keeps no other work of the process waiting.
            let here = Arc::clone(&folder);
            let looked = tokio::task::spawn_blocking(move || {
                fault::hold_back("hold.read");
                rows.iter().for_each(|row| looker.look(&here, row, &mut seen));
                (looker, seen)
            });
            let panicked = |_| Failure::bug("hashing bodies panicked");
            (looker, seen) = looked.await.map_err(panicked)?;
            for unread in std::mem::take(&mut seen.unread) {
                let place = PackReader::new(&of.reader).place(&unread.body).await?;
                let looked = tokio::task::spawn_blocking(move || {
                    looker.look_again(unread, place, &mut seen.report);
                    (looker, seen)
                });
                (looker, seen) = looked.await.map_err(panicked)?;
            }
        }
        let Found { mut report, digest, .. } = seen;
        report.digest = digest.finalize().iter().map(|octet| format!("{octet:02x}")).collect();
        reports.insert(folder.id.0, report);
    }
    Ok((reports, looker.found))
}

/// Who looks at bodies, whoever's they are.
struct Looker {
    bodies: BodyReader,
    hashed: Hashed,
    rows: Rows,
    found: Findings,
}

/// What is found of a folder.
struct Found {
    report: Report,
    digest: Sha256,
    /// What could not be read where it lay.
    unread: Vec<Unread>,
}

/// A body that cannot be read where its row says.
struct Unread {
    uid: u64,
    body: StoredBody,
    at: Option<HeldAt>,
    damage: Damage,
}

impl Looker {
    fn look(&mut self, folder: &FolderRow, row: &ManifestRow, seen: &mut Found) {
        let Found { report, digest, unread } = seen;
        let at = held_at(folder, row);
        report.messages += 1;
        report.synthetic += u64::from(row.synthetic);
        // What is no UID is a message's number, which no index is held against.
        let uid = u32::try_from(row.uid).ok();
        if let Some(uid) = uid.filter(|uid| folder.failures.contains(*uid)) {
            report.doubled.insert(uid);
        }
        let (Some(line), Some(body)) = (manifest_line(&folder.path, row), &row.body) else {
            report.differences.push(format!("UID {}: its body row is missing", row.uid));
            if self.found.unnamed.len() < DAMAGED {
                self.found.unnamed.extend(at);
            }
            return;
        };
        digest.update(line);
        if let Some(uid) = uid.filter(|_| self.rows == Rows::Kept) {
            let told = (row.announced.unwrap_or(row.size), row.flags.clone());
            report.rows.insert(uid, told);
        }
        if body.is_lost() {
            report.differences.push(format!("UID {}: its bytes are lost", row.uid));
            return self.damage(body, at, false);
        }
        if i64::try_from(body.length).ok() != Some(row.size) {
            let (length, size) = (body.length, row.size);
            let text = format!("UID {}: {length} octets, the message says {size}", row.uid);
            report.differences.push(text);
        }
        if !self.hashed.is_new(&body.hash) {
            return;
        }
        self.found.bodies += 1;
        match self.bodies.check(body) {
            Err(damage) if damage.is_unreadable() => {
                unread.push(Unread { uid: row.uid, body: *body, at, damage });
            }
            Err(damage) => {
                report.differences.push(format!("UID {}: {damage}", row.uid));
                self.damage(body, at, false);
            }
            Ok(()) => {}
        }
    }

    /// What could not be read, where it lies now.
    fn look_again(&mut self, unread: Unread, now: PlaceNow, report: &mut Report) {
        let Unread { uid, body, at, damage } = unread;
        let (body, damage) = match now {
            PlaceNow::Same => (body, damage),
            PlaceNow::Moved(place) => match self.bodies.check(&place) {
                Ok(()) => return,
                Err(damage) => (place, damage),
            },
            // Its message has gone, or names a row that is missing: that is looked for elsewhere.
            PlaceNow::Gone => return,
        };
        report.differences.push(format!("UID {uid}: {damage}"));
        self.damage(&body, at, damage.is_unreadable());
    }

    fn damage(&mut self, body: &StoredBody, at: Option<HeldAt>, is_unreadable: bool) {
        if self.found.damaged.len() < DAMAGED {
            self.found.damaged.push(DamagedBody { body: *body, at, is_unreadable });
        }
    }
}

/// Where a mail is held, as it is asked for.
fn held_at(folder: &FolderRow, row: &ManifestRow) -> Option<HeldAt> {
    match row.uidvalidity {
        0 => i64::try_from(row.uid).ok().map(|id| HeldAt::Message(MessageId(id))),
        _ => u32::try_from(row.uid).ok().map(|uid| HeldAt::Uid(folder.id, uid)),
    }
}

/// What a pass has proved is still so: as many are held or failed as its server showed then.
async fn fits(
    of: &Mirror,
    folders: &[FolderRow],
    lost: &[NoMessage],
    verified: &mut Verified,
) -> Result<(), Failure> {
    let Verified { reports, found, .. } = verified;
    // What a server that runs has written since the folder was read is no difference.
    let now = IntegrityReader::new(&of.reader).folders(of.account).await?;
    for folder in folders {
        let Some(report) = reports.get_mut(&folder.id.0) else { continue };
        let is_now = now.iter().find(|row| row.id == folder.id);
        let doubled = is_now.map(|row| report.doubled.intersect(&row.failures)).unwrap_or_default();
        for uid in doubled.iter() {
            let text = format!("UID {uid}: it is held, and in the ledger as what is not");
            report.differences.push(text);
        }
        if !doubled.is_empty() {
            found.doubled.push((folder.id, doubled));
        }
        let is_same = is_now == Some(folder);
        report.shown = folder.shown().filter(|_| is_same);
        let Some(shown) = report.shown else { continue };
        let is_its = |row: &&NoMessage| row.folder == folder.id && row.is_living;
        let held = report.messages + lost.iter().filter(is_its).count() as u64;
        let failed = folder.failures.len();
        if held + failed != shown {
            report.differences.push(format!(
                "{held} messages are held and {failed} failed, and its server showed {shown} when it was proved"
            ));
        }
    }
    Ok(())
}

/// What rows name and is not there, in words: in the folder that it is of, where that is known.
fn lacks(breaks: &AccountBreaks, verified: &mut Verified) {
    let AccountBreaks { messages, folders, bodies, places, cursors, feed, more } = breaks;
    let Verified { reports, differences, .. } = verified;
    for row in messages {
        let (uid, message) = (row.uid, row.message);
        let text = format!("UID {uid}: its message {message} is missing");
        let report = reports.get_mut(&row.folder.0);
        report.map_or(&mut *differences, |report| &mut report.differences).push(text);
    }
    for row in cursors {
        let text = format!("its cursor is missing ({})", row.lane);
        let report = reports.get_mut(&row.folder.0);
        report.map_or(&mut *differences, |report| &mut report.differences).push(text);
    }
    if *feed {
        differences.push("the cursor of its changes is missing".into());
    }
    for row in folders {
        let (id, count) = (row.id, row.count);
        differences.push(format!("folder {id} is missing, and named by {count} row(s)"));
    }
    for id in bodies {
        differences.push(format!("message {id}: it lies nowhere, and its bytes are missing"));
    }
    for row in places {
        let (id, kept, counted) = (row.id, row.kept, row.counted);
        differences.push(format!(
            "message {id}: it is said to lie in {kept} place(s), and lies in {counted}"
        ));
    }
    if *more {
        differences.push(MORE.into());
    }
}

/// Reads all mail again, and holds what is derived of it against that.
async fn checked(of: &Mirror) -> Result<Option<Checked>, Failure> {
    Checker::new(&of.reader, &of.bodies, Arc::default()).account(of.account).await
}
