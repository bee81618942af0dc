//! Reads for people: what admin, terminal and feed show. Short queries, bounded answers.

use crate::store::failure::Trouble;
use crate::store::read::{Reader, failed};
use crate::store::rows::{get, standing};
use crate::store::sql::Text;
use postrider_core::failure::Failure;
use postrider_core::standing::Standing;
use postrider_core::time::Micros;
use sea_orm::QueryResult;
use std::collections::BTreeMap;

/// An account's row.
#[derive(Clone, Debug)]
pub struct StoredAccount {
    /// Row number.
    pub id: i64,
    /// Its id in the config.
    pub name: String,
    /// `imap`.
    pub provider: String,
    /// Who logs in.
    pub username: String,
    /// How it stands.
    pub standing: Standing,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Micros,
    /// Failures so far, JSON.
    pub history: Option<String>,
    /// A mark of the secret and place it is parked with.
    pub parked_for: Option<String>,
    /// Messages held that the server has too.
    pub messages: i64,
    /// Octets of those.
    pub octets: i64,
    /// What kind of failure the account is in, if it is in one.
    pub class: Option<String>,
    /// Open rows of the ledger about its folders and mails.
    pub failures: i64,
    /// When INBOX was last passed, as far as that is stored: of one that was open still, where that proved
    /// it whole.
    pub looked_at: Option<Micros>,
    /// When all its folders were last proved whole; nothing while one never was.
    pub proved_at: Option<Micros>,
    /// Whose it is.
    pub owner: Option<String>,
}

/// A folder.
#[derive(Clone, Debug)]
pub struct StoredFolder {
    /// Row number.
    pub id: i64,
    /// Path.
    pub path: String,
    /// Role.
    pub role: Option<String>,
    /// UIDVALIDITY.
    pub uidvalidity: i64,
    /// EXISTS at the last pass.
    pub exists: i64,
    /// Living locations.
    pub messages: i64,
    /// Open failures.
    pub failures: i64,
    /// Start of the last complete pass that opened the folder or counted it anew.
    pub passed_at: Option<Micros>,
    /// Start of the last pass that proved it whole.
    pub proved_at: Option<Micros>,
    /// Why it is not proved although its pass was complete.
    pub unproved: Option<String>,
    /// The config leaves it out.
    pub excluded: bool,
    /// The lanes, JSON as stored.
    pub live: String,
    /// See `live`.
    pub backfill: String,
}

/// A run that changed something or failed.
#[derive(Clone, Debug)]
pub struct StoredRun {
    /// Row number.
    pub id: i64,
    /// Its account.
    pub account: String,
    /// Begin.
    pub started_at: Micros,
    /// End.
    pub finished_at: Micros,
    /// `success`, `partial`, `failed`, `cancelled`.
    pub outcome: String,
    /// Why it is not a success.
    pub reason: String,
    /// Messages stored, octets, facts, failures.
    pub counts: (i64, i64, i64, i64),
}

/// A row of the ledger.
#[derive(Clone, Debug)]
pub struct StoredFailure {
    /// Row number.
    pub id: i64,
    /// Its account.
    pub account: String,
    /// The folder's path.
    pub folder: Option<String>,
    /// The UID.
    pub uid: Option<i64>,
    /// How far.
    pub reach: String,
    /// What kind.
    pub class: String,
    /// How often.
    pub attempts: i64,
    /// When it is tried again.
    pub next_try_at: Option<Micros>,
    /// The raw words.
    pub text: String,
    /// First and last time.
    pub times: (Micros, Micros),
    /// The message's identity, where it has no UID.
    pub message: Option<String>,
}

/// An event of the feed.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    /// Number.
    pub seq: i64,
    /// UUIDv7.
    pub id: String,
    /// When.
    pub at: Micros,
    /// What.
    pub kind: String,
    /// Its account; none when it was purged.
    pub account: Option<String>,
    /// The folder's number.
    pub folder: Option<i64>,
    /// The message's number.
    pub message: Option<i64>,
    /// Old mail that is only now read.
    pub backfill: bool,
    /// JSON: the state after it.
    pub data: String,
}

fn micros(row: &QueryResult, at: usize) -> Result<Option<Micros>, Trouble> {
    Ok(get::<Option<i64>>(row, at)?.map(Micros))
}

fn all<T>(
    rows: &[QueryResult],
    read: impl Fn(&QueryResult) -> Result<T, Trouble>,
) -> Result<Vec<T>, Failure> {
    rows.iter().map(read).collect::<Result<_, Trouble>>().map_err(failed)
}

impl Reader {
    /// Every account with its totals, by name; or the one of this name.
    ///
    /// # Errors
    /// Class storage.
    pub async fn stored_accounts(&self, name: Option<&str>) -> Result<Vec<StoredAccount>, Failure> {
        let rows = self.rows(Text::StoredAccounts, vec![name.into()]).await.map_err(failed)?;
        all(&rows, |row| {
            Ok(StoredAccount {
                id: get(row, 0)?,
                name: get(row, 1)?,
                provider: get(row, 2)?,
                username: get(row, 3)?,
                standing: standing(row, 4)?,
                reason: get(row, 5)?,
                since: Micros(get(row, 6)?),
                history: get(row, 7)?,
                parked_for: get(row, 8)?,
                messages: get(row, 9)?,
                octets: get(row, 10)?,
                class: get(row, 11)?,
                failures: get(row, 12)?,
                looked_at: micros(row, 13)?,
                proved_at: micros(row, 14)?,
                owner: get(row, 15)?,
            })
        })
    }

    /// The living folders of an account.
    ///
    /// # Errors
    /// Class storage.
    pub async fn stored_folders(&self, account: i64) -> Result<Vec<StoredFolder>, Failure> {
        let rows = self.rows(Text::StoredFolders, vec![account.into()]).await.map_err(failed)?;
        all(&rows, |row| {
            Ok(StoredFolder {
                id: get(row, 0)?,
                path: get(row, 1)?,
                role: get(row, 2)?,
                uidvalidity: get(row, 3)?,
                exists: get(row, 4)?,
                messages: get(row, 5)?,
                failures: get(row, 6)?,
                passed_at: micros(row, 7)?,
                proved_at: micros(row, 8)?,
                unproved: get(row, 9)?,
                excluded: get(row, 10)?,
                live: get(row, 11)?,
                backfill: get(row, 12)?,
            })
        })
    }

    /// Runs that changed something or failed, the newest first, older than the run `before`.
    ///
    /// # Errors
    /// Class storage.
    pub async fn stored_runs(
        &self,
        account: Option<&str>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<StoredRun>, Failure> {
        let rows = self
            .rows(Text::StoredRuns, vec![account.into(), before.into(), limit.into()])
            .await
            .map_err(failed)?;
        all(&rows, |row| {
            Ok(StoredRun {
                id: get(row, 0)?,
                account: get(row, 1)?,
                started_at: Micros(get(row, 2)?),
                finished_at: Micros(get(row, 3)?),
                outcome: get(row, 4)?,
                reason: get(row, 5)?,
                counts: (get(row, 6)?, get(row, 7)?, get(row, 8)?, get(row, 9)?),
            })
        })
    }

    /// Open rows of the ledger after row `after`.
    ///
    /// # Errors
    /// Class storage.
    pub async fn stored_failures(
        &self,
        account: Option<&str>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<StoredFailure>, Failure> {
        let rows = self
            .rows(Text::StoredFailures, vec![account.into(), after.into(), limit.into()])
            .await
            .map_err(failed)?;
        all(&rows, |row| {
            Ok(StoredFailure {
                id: get(row, 0)?,
                account: get(row, 1)?,
                folder: get(row, 2)?,
                uid: get(row, 3)?,
                reach: get(row, 4)?,
                class: get(row, 5)?,
                attempts: get(row, 6)?,
                next_try_at: micros(row, 7)?,
                text: get(row, 8)?,
                times: (Micros(get(row, 9)?), Micros(get(row, 10)?)),
                message: get(row, 11)?,
            })
        })
    }

    /// Events after number `after`, in order.
    ///
    /// # Errors
    /// Class storage.
    pub async fn stored_events(&self, after: i64, limit: u32) -> Result<Vec<StoredEvent>, Failure> {
        let rows = self
            .rows(Text::StoredEvents, vec![after.into(), limit.into()])
            .await
            .map_err(failed)?;
        all(&rows, |row| {
            Ok(StoredEvent {
                seq: get(row, 0)?,
                id: get(row, 1)?,
                at: Micros(get(row, 2)?),
                kind: get(row, 3)?,
                account: get(row, 4)?,
                folder: get(row, 5)?,
                message: get(row, 6)?,
                backfill: get(row, 7)?,
                data: get(row, 8)?,
            })
        })
    }

    /// The numbers of the first and the last event; (1, 0) when there is none.
    ///
    /// # Errors
    /// Class storage.
    pub async fn event_span(&self) -> Result<(i64, i64), Failure> {
        let rows = self.rows(Text::EventSpan, vec![]).await.map_err(failed)?;
        rows.first().map_or(Ok((1, 0)), |row| Ok((get(row, 0)?, get(row, 1)?))).map_err(failed)
    }

    /// Open rows of the ledger by class, and folders that are not proved.
    ///
    /// # Errors
    /// Class storage.
    pub async fn ledger_counts(&self) -> Result<(BTreeMap<String, i64>, i64), Failure> {
        let rows = self.rows(Text::LedgerByClass, vec![]).await.map_err(failed)?;
        let by_class = all(&rows, |row| Ok((get::<String>(row, 0)?, get::<i64>(row, 1)?)))?;
        let rows = self
            .rows(Text::UnprovedFolders, vec![Standing::Removed.as_str().into()])
            .await
            .map_err(failed)?;
        let unproved = rows.first().map_or(Ok(0), |row| get(row, 0)).map_err(failed)?;
        Ok((by_class.into_iter().collect(), unproved))
    }

    /// The packs that body rows name, and where the last body in each ends.
    ///
    /// # Errors
    /// Class storage.
    pub async fn named_packs(&self) -> Result<BTreeMap<i64, u64>, Failure> {
        // A body of no octets needs no file.
        let rows = self.rows(Text::NamedPacks, vec![]).await.map_err(failed)?;
        // An end that is none keeps the whole pack.
        let end =
            |row: &_| Ok((get(row, 0)?, u64::try_from(get::<i64>(row, 1)?).unwrap_or(u64::MAX)));
        Ok(all(&rows, end)?.into_iter().collect())
    }
}
