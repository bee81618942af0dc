//! Between the database's rows and the core's: shared by the writer and the readers.

use crate::store::failure::Trouble;
use crate::store::sql::commit::{
    AccountAndFolder, AccountColumns, FolderColumns, LocationColumns, MessageColumns,
};
use crate::store::sql::credential::CredentialColumns;
use crate::store::sql::feeds::{Packed, PlaceColumns};
use crate::store::sql::query::{Joined, Json};
use postrider_core::commit::feed::rows::{FeedAccount, FeedState, MissingLook, Owed};
use postrider_core::commit::rows::{AccountRow, FolderRow, LocationRow, MessageRow, Shut};
use postrider_core::failure::Class;
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::cursor::{self, Lanes};
use postrider_core::mail::feed::{MailVersion, PlaceId};
use postrider_core::mail::flags::Flags;
use postrider_core::mail::folder::{Role, WireName};
use postrider_core::mail::id::{AccountId, Identity, SessionId};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::oauth::CredentialRow;
use postrider_core::time::Micros;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

fn look<T>(column: Option<Json<T>>) -> Option<T> {
    column.map(|Json(look)| look)
}

/// An account, and the folder of it that stands in the same row.
pub(super) fn guarded(
    id: AccountId,
    rows: AccountAndFolder,
) -> Result<(AccountRow, Option<FolderRow>), Trouble> {
    let AccountAndFolder { account, folder: Joined(folder) } = rows;
    Ok((account_row(id, account)?, folder.map(folder_row).transpose()?))
}

fn account_row(id: AccountId, row: AccountColumns) -> Result<AccountRow, Trouble> {
    Ok(AccountRow {
        id,
        incarnation: row.incarnation,
        opened_at: row.account_opened_at,
        listed_at: row.listed_at,
        list_look: look(row.list_look),
        sizes_estimated: row.sizes_estimated,
        shut: shut(look(row.shut).unwrap_or_default())?,
        keep: row.keep,
        stamped_at: row.stamped_at,
        names: row.identity_kind,
    })
}

/// A folder that has lost one of its cursors has none.
pub(super) fn bare(row: FolderColumns) -> FolderColumns {
    match (&row.live, &row.backfill) {
        (Some(_), None) | (None, Some(_)) => FolderColumns { live: None, backfill: None, ..row },
        _ => row,
    }
}

/// A folder.
pub(super) fn folder_row(row: FolderColumns) -> Result<FolderRow, Trouble> {
    let (failures, left_out) = failed(&row.failures.unwrap_or_default());
    Ok(FolderRow {
        id: row.folder,
        remote_id: row.remote_id,
        path: row.path,
        role: row.role.as_deref().and_then(Role::from_word),
        opened_at: row.opened_at,
        passed_at: row.passed_at,
        proved_at: row.proved_at,
        unproved: row.unproved,
        look: look(row.look),
        misfit: look(row.misfit),
        refused: look(row.refused),
        surplus: row.surplus,
        grown_at: row.grown_at,
        held: row.held || !failures.is_empty(),
        stalled_at: row.stalled_at,
        excluded: row.excluded,
        lanes: lanes(row.live, row.backfill)?,
        failures,
        left_out,
    })
}

/// UIDs with an open failure, and those of them that a human leaves out: they have a sign before them.
fn failed(uids: &str) -> (UidSet, UidSet) {
    let uids = uids.split(',').filter_map(|uid| uid.parse::<i64>().ok());
    let uids: Vec<(bool, u32)> =
        uids.filter_map(|uid| Some((uid < 0, u32::try_from(uid.unsigned_abs()).ok()?))).collect();
    let left_out = uids.iter().filter(|(is_left_out, _)| *is_left_out).map(|(_, uid)| *uid);
    (uids.iter().map(|(_, uid)| *uid).collect(), left_out.collect())
}

/// Reads both lanes of a folder. One without the other is damage.
fn lanes(live: Option<String>, backfill: Option<String>) -> Result<Option<Lanes>, Trouble> {
    let (live, backfill) = match (live, backfill) {
        (Some(live), Some(backfill)) => (live, backfill),
        (None, None) => return Ok(None),
        _ => return Err(Trouble::Damaged("a folder has one lane of its two".into())),
    };
    Ok(Some(Lanes {
        live: cursor::from_text(&live).map_err(|e| Trouble::damaged("a live lane", &e))?,
        backfill: cursor::from_text(&backfill)
            .map_err(|e| Trouble::damaged("a backfill lane", &e))?,
    }))
}

/// Reads the open rows of folders that cannot be opened.
fn shut(rows: Vec<(String, i64, u32, Option<i64>)>) -> Result<BTreeMap<WireName, Shut>, Trouble> {
    let read = |(name, first_at, attempts, due_at): (String, i64, u32, Option<i64>)| {
        let name =
            unhex(&name).ok_or_else(|| Trouble::Damaged("a stored wire name is damaged".into()))?;
        let due_at = Micros(due_at.unwrap_or_default());
        Ok((name.into(), Shut { first_at: Micros(first_at), attempts, due_at }))
    };
    rows.into_iter().map(read).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// A message.
pub(super) fn message(row: MessageColumns) -> Result<MessageRow, Trouble> {
    // Of what has lost the row of its bytes they are read again.
    let body = row.hash.unwrap_or_else(|| BodyHash::unknown(row.id.0));
    Ok(MessageRow {
        id: row.id,
        identity: identity(row.identity, body),
        body,
        limbo_since: row.limbo_since,
        last_folder: row.last_folder,
        last_sight: row.last_sight,
        deleted_at: row.deleted_at,
        places: u64::try_from(row.places).unwrap_or(0),
        version: row.version.map(MailVersion::stored),
        size: u64::try_from(row.size).unwrap_or(0),
    })
}

/// Names of messages, as they are looked for.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    /// Those that the server has given.
    pub(super) own: Vec<&'a str>,
    /// The hashes of those that their bytes name, in hex.
    pub(super) bytes: Vec<&'a str>,
}

impl<'a> Names<'a> {
    pub(super) fn of(names: impl Iterator<Item = &'a Identity>) -> Self {
        let mut found = Self::default();
        for name in names {
            match name.hash() {
                Some(hash) => found.bytes.push(hash),
                None => found.own.push(&name.0),
            }
        }
        found
    }
}

/// A message's name: where it has none, its bytes are it.
pub(super) fn identity(name: Option<String>, body: BodyHash) -> Identity {
    name.map_or_else(|| Identity::of_bytes(body), Identity)
}

/// A message without a body's row is damage.
pub(super) fn hash(stored: Option<BodyHash>) -> Result<BodyHash, Trouble> {
    stored.ok_or_else(|| Trouble::Damaged("a message's body has no row".into()))
}

/// A location.
pub(super) fn location(row: LocationColumns) -> LocationRow {
    LocationRow {
        folder: row.folder,
        uidvalidity: row.uidvalidity,
        uid: row.uid,
        message: row.message,
        flags: Flags::from_columns(&row.flags, &row.keywords),
        modseq: row.modseq,
        internal_date: row.internal_date,
        began_at: row.began_at,
        ended_at: row.ended_at,
    }
}

/// What a feed account has still to do, as it is stored.
pub(super) fn feed_account(text: &str) -> Result<FeedAccount, Trouble> {
    cursor::from_text(text).map_err(|e| Trouble::damaged("a feed account", &e))
}

/// A feed's cursor, as it is stored.
pub(super) fn feed_state(text: &str) -> Result<FeedState, Trouble> {
    cursor::from_text(text).map_err(|e| Trouble::damaged("a feed's cursor", &e))
}

/// A folder whose messages have no UIDs.
pub(super) fn place(row: PlaceColumns) -> FolderRow {
    let role = row.role.as_deref().and_then(Role::from_word);
    FolderRow {
        passed_at: row.passed_at,
        proved_at: row.proved_at,
        grown_at: row.grown_at,
        excluded: row.excluded,
        ..FolderRow::new(row.id, row.remote_id, row.path, role, row.opened_at)
    }
}

/// Rows that the database hands over as one document.
pub(super) fn packed<T: DeserializeOwned>(rows: &[Packed]) -> Result<Vec<T>, Trouble> {
    let Some(Packed { packed }) = rows.first() else { return Ok(Vec::new()) };
    serde_json::from_str(packed).map_err(|e| Trouble::damaged("rows of a feed", &e))
}

/// What is owed, as it is stored.
#[derive(Deserialize)]
struct StoredOwed(
    String,
    i64,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    i64,
    i64,
    i64,
    Option<String>,
    Option<String>,
    Option<i64>,
);

/// Reads the document of `OwedOf` or `DueOwed`.
pub(super) fn owed_rows(rows: &[Packed]) -> Result<Vec<Owed>, Trouble> {
    let owed = |row: StoredOwed| {
        let StoredOwed(id, told_at, version, left, due_at, at, session, rank, ..) = row;
        let StoredOwed(.., bytes, attempts, class, words, failed_at) = row;
        let class = class.map(|class| Class::from_word(&class).unwrap_or(Class::Unknown));
        Owed {
            id: Identity(id),
            told_at: Micros(told_at),
            version: version.map(MailVersion::stored),
            left: left.map(PlaceId),
            due_at: due_at.map(Micros),
            missing: at
                .zip(session)
                .map(|(at, session)| MissingLook { at: Micros(at), session: SessionId(session) }),
            rank: u8::try_from(rank).ok(),
            bytes: bytes != 0,
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            failure: class.map(|class| (class, words.unwrap_or_default())),
            failed_at: failed_at.map(Micros),
        }
    };
    Ok(packed(rows)?.into_iter().map(owed).collect())
}

/// A credential.
pub(super) fn credential(row: CredentialColumns) -> CredentialRow {
    CredentialRow {
        account: row.account,
        issuer: row.issuer,
        username: row.username,
        version: row.version,
        sealed: row.sealed,
        key_print: row.key_print,
        scopes: row.scopes,
        granted_at: row.granted_at,
        renewed_at: row.renewed_at,
        expires_at: row.expires_at,
        trouble: row.error.zip(row.failed_at),
    }
}
