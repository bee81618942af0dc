//! Between the database's rows and the core's: shared by the writer and the readers.

use crate::store::failure::Trouble;
use postrider_core::commit::feed::rows::{FeedAccount, FeedState, MissingLook, Owed};
use postrider_core::commit::rows::{AccountRow, FolderRow, LocationRow, MessageRow, Shut};
use postrider_core::failure::Class;
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::cursor::{self, Lanes};
use postrider_core::mail::feed::{MailVersion, PlaceId};
use postrider_core::mail::flags::Flags;
use postrider_core::mail::folder::{Role, WireName};
use postrider_core::mail::id::{
    AccountId, FolderId, Identity, Incarnation, MessageId, SessionId, UidValidity,
};
use postrider_core::mail::recognise::IdentityKind;
use postrider_core::mail::uid_set::UidSet;
use postrider_core::oauth::CredentialRow;
use postrider_core::standing::Standing;
use postrider_core::time::Micros;
use sea_orm::{QueryResult, TryGetable};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// A column. What is not of its kind is damage.
pub(super) fn get<T: TryGetable>(row: &QueryResult, at: usize) -> Result<T, Trouble> {
    row.try_get_by_index(at).map_err(|e| Trouble::damaged("a stored value", &e))
}

fn micros(row: &QueryResult, at: usize) -> Result<Option<Micros>, Trouble> {
    Ok(get::<Option<i64>>(row, at)?.map(Micros))
}

fn json<T: DeserializeOwned>(row: &QueryResult, at: usize) -> Result<Option<T>, Trouble> {
    let text: Option<String> = get(row, at)?;
    text.map(|text| serde_json::from_str(&text).map_err(|e| Trouble::damaged("a stored look", &e)))
        .transpose()
}

/// How an account stands. A word of a newer binary is one that no run has had yet: the next run
/// writes its own.
pub(super) fn standing_from(word: &str) -> Standing {
    Standing::from_word(word).unwrap_or(Standing::Starting)
}

pub(super) fn standing(row: &QueryResult, at: usize) -> Result<Standing, Trouble> {
    get::<String>(row, at).map(|word| standing_from(&word))
}

/// A UID column. UIDs are stored as BIGINT and come from nowhere but `u32`.
pub(super) fn uid(row: &QueryResult, at: usize) -> Result<u32, Trouble> {
    u32::try_from(get::<i64>(row, at)?).map_err(|e| Trouble::damaged("a stored UID", &e))
}

/// Of a row of `Text::Guard`: whether any message of the account is in limbo.
pub(super) const HAS_LIMBO: usize = 28;

/// Reads a row of `Text::Guard`, `Text::AllFolders` or `OpeningText::AccountFound`.
pub(super) fn guard(
    account: AccountId,
    row: &QueryResult,
) -> Result<(AccountRow, Option<FolderRow>), Trouble> {
    let account = AccountRow {
        id: account,
        incarnation: Incarnation(get(row, 0)?),
        opened_at: micros(row, 1)?,
        listed_at: micros(row, 2)?,
        list_look: json(row, 3)?,
        sizes_estimated: get(row, 17)?,
        shut: shut(row, 18)?,
        keep: get(row, 24)?,
        stamped_at: micros(row, 25)?,
        names: IdentityKind::from_word(&get::<String>(row, 26)?)
            .ok_or_else(|| Trouble::Damaged("a stored kind of identity is unknown".into()))?,
    };
    let Some(id) = get::<Option<i64>>(row, 4)? else { return Ok((account, None)) };
    let uids: Option<String> = get(row, 16)?;
    let failures: UidSet =
        uids.unwrap_or_default().split(',').filter_map(|uid| uid.parse::<u32>().ok()).collect();
    let folder = FolderRow {
        id: FolderId(id),
        remote_id: get::<Vec<u8>>(row, 5)?.into(),
        path: get(row, 6)?,
        role: get::<Option<String>>(row, 7)?.as_deref().and_then(Role::from_word),
        opened_at: Micros(get(row, 8)?),
        passed_at: micros(row, 9)?,
        proved_at: micros(row, 10)?,
        unproved: get(row, 11)?,
        look: json(row, 12)?,
        misfit: json(row, 19)?,
        refused: json(row, 27)?,
        surplus: get(row, 20)?,
        grown_at: micros(row, 21)?,
        held: get::<bool>(row, 22)? || !failures.is_empty(),
        stalled_at: micros(row, 23)?,
        excluded: get(row, 13)?,
        lanes: lanes(get(row, 14)?, get(row, 15)?)?,
        failures,
    };
    Ok((account, Some(folder)))
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
fn shut(row: &QueryResult, at: usize) -> Result<BTreeMap<WireName, Shut>, Trouble> {
    let rows: Vec<(String, i64, u32, Option<i64>)> = json(row, at)?.unwrap_or_default();
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

/// Reads the columns of a message.
pub(super) fn message(row: &QueryResult) -> Result<MessageRow, Trouble> {
    Ok(MessageRow {
        id: MessageId(get(row, 0)?),
        identity: identity(row, 1, 2)?,
        body: hash(row, 2)?,
        limbo_since: micros(row, 3)?,
        last_folder: get::<Option<i64>>(row, 4)?.map(FolderId),
        last_sight: micros(row, 5)?,
        deleted_at: micros(row, 6)?,
        places: u64::try_from(get::<i64>(row, 7)?).unwrap_or(0),
        version: get::<Option<String>>(row, 8)?.map(MailVersion::stored),
        size: u64::try_from(get::<i64>(row, 9)?).unwrap_or(0),
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
pub(super) fn identity(row: &QueryResult, name: usize, body: usize) -> Result<Identity, Trouble> {
    match get::<Option<String>>(row, name)? {
        Some(name) => Ok(Identity(name)),
        None => Ok(Identity::of_bytes(hash(row, body)?)),
    }
}

pub(super) fn hash(row: &QueryResult, at: usize) -> Result<BodyHash, Trouble> {
    let damaged = |text: &str| Trouble::Damaged(text.into());
    let bytes: Option<Vec<u8>> = get(row, at)?;
    let bytes = bytes.ok_or_else(|| damaged("a message's body has no row"))?;
    Ok(BodyHash(bytes.try_into().map_err(|_| damaged("a stored hash is damaged"))?))
}

/// Reads the columns of a location.
pub(super) fn location(row: &QueryResult) -> Result<LocationRow, Trouble> {
    let flags: String = get(row, 4)?;
    let keywords: String = get(row, 5)?;
    Ok(LocationRow {
        folder: FolderId(get(row, 0)?),
        uidvalidity: UidValidity(uid(row, 1)?),
        uid: u64::try_from(get::<i64>(row, 2)?)
            .map_err(|e| Trouble::damaged("a stored UID", &e))?,
        message: MessageId(get(row, 3)?),
        flags: Flags::from_columns(&flags, &keywords),
        modseq: get(row, 6)?,
        internal_date: micros(row, 7)?,
        began_at: Micros(get(row, 8)?),
        ended_at: micros(row, 9)?,
    })
}

/// Reads a row of `FeedText::FeedAccount`.
pub(super) fn feed_account(row: &QueryResult) -> Result<Option<FeedAccount>, Trouble> {
    let text: Option<String> = get(row, 0)?;
    text.map(|text| cursor::from_text(&text).map_err(|e| Trouble::damaged("a feed account", &e)))
        .transpose()
}

/// Reads a row of `FeedText::Feeds`.
pub(super) fn feed_state(row: &QueryResult) -> Result<FeedState, Trouble> {
    let text: String = get(row, 1)?;
    cursor::from_text(&text).map_err(|e| Trouble::damaged("a feed's cursor", &e))
}

/// Reads a row of `FeedText::Places`: a folder whose messages have no UIDs.
pub(super) fn place(row: &QueryResult) -> Result<FolderRow, Trouble> {
    Ok(FolderRow {
        passed_at: micros(row, 5)?,
        proved_at: micros(row, 6)?,
        grown_at: micros(row, 7)?,
        excluded: get(row, 8)?,
        ..FolderRow::new(
            FolderId(get(row, 0)?),
            get::<Vec<u8>>(row, 1)?.into(),
            get(row, 2)?,
            get::<Option<String>>(row, 3)?.as_deref().and_then(Role::from_word),
            Micros(get(row, 4)?),
        )
    })
}

/// Rows that the database hands over as one document: a thousand of them cost what three rows of
/// their own do.
pub(super) fn packed<T: DeserializeOwned>(rows: &[QueryResult]) -> Result<Vec<T>, Trouble> {
    let Some(row) = rows.first() else { return Ok(Vec::new()) };
    let text: String = get(row, 0)?;
    serde_json::from_str(&text).map_err(|e| Trouble::damaged("rows of a feed", &e))
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
);

/// Reads the document of `FeedText::OwedOf` or `FeedText::DueOwed`.
pub(super) fn owed_rows(rows: &[QueryResult]) -> Result<Vec<Owed>, Trouble> {
    let owed = |row: StoredOwed| {
        let StoredOwed(id, told_at, version, left, due_at, at, session, rank, ..) = row;
        let StoredOwed(.., bytes, attempts, class, words) = row;
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
        }
    };
    Ok(packed(rows)?.into_iter().map(owed).collect())
}

/// Reads a row of `Text::Credentials`.
pub(super) fn credential(row: &QueryResult) -> Result<CredentialRow, Trouble> {
    let error: Option<String> = get(row, 10)?;
    Ok(CredentialRow {
        account: get(row, 0)?,
        issuer: get(row, 1)?,
        username: get(row, 2)?,
        version: get(row, 3)?,
        sealed: get(row, 4)?,
        key_print: get(row, 5)?,
        scopes: get(row, 6)?,
        granted_at: Micros(get(row, 7)?),
        renewed_at: Micros(get(row, 8)?),
        expires_at: Micros(get(row, 9)?),
        trouble: error.zip(micros(row, 11)?),
    })
}
