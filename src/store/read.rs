//! Reads, all of them; through the pool of readers, in pieces, so that no read transaction stays
//! open for long.

use crate::store::connect::Database;
use crate::store::failure::Trouble;
use crate::store::rows::{credential, get, guard, hash, standing_from, uid};
use crate::store::sql::{CountText, Named, RematchText, Text, statement};
use postrider_core::budget::Spending;
use postrider_core::commit::rows::FolderRow;
use postrider_core::failure::Failure;
use postrider_core::mail::body::StoredBody;
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::{AccountId, FolderId, MessageId};
use postrider_core::mail::key::{HeldKey, MatchKey};
use postrider_core::oauth::CredentialRow;
use postrider_core::provider::folders::Sampled;
use postrider_core::run::reads::{Query, Rows};
use postrider_core::standing::Standing;
use postrider_core::time::Micros;
use postrider_entity::account;
use sea_orm::{ConnectionTrait, DatabaseConnection, EntityTrait, QueryOrder, QueryResult, Value};

/// Rows of a sample.
const SAMPLE: i64 = 20;
/// Rows in a piece.
const PIECE: i64 = 5000;

/// Reads from the database.
#[derive(Clone, Debug)]
pub struct Reader {
    db: DatabaseConnection,
}

/// An account as it is shown.
#[derive(Clone, Debug)]
pub struct AccountInfo {
    /// Row number.
    pub id: AccountId,
    /// Its id in the config.
    pub name: String,
    /// How it stands.
    pub standing: Standing,
}

/// A location with its body: a line of the manifest.
#[derive(Clone, Debug)]
pub struct ManifestRow {
    /// UIDVALIDITY.
    pub uidvalidity: u32,
    /// UID.
    pub uid: u32,
    /// Flags and keywords.
    pub flags: Flags,
    /// Where its bytes lie; `None` when the body row is missing.
    pub body: Option<StoredBody>,
    /// Its size as stored.
    pub size: i64,
    /// RFC822.SIZE, where that is another one.
    pub announced: Option<i64>,
}

/// A folder of a manifest. Its number is its name: paths are for people, and several may be alike.
#[derive(Clone, Debug)]
pub struct ManifestFolder {
    /// Row number.
    pub id: FolderId,
    /// Path.
    pub path: String,
    /// Delimiter.
    pub delimiter: Option<String>,
}

/// Which locations a manifest lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// Those the server has.
    Living,
    /// The last place of each message that the server has deleted and we still hold.
    Deleted,
}

pub(super) fn failed(e: Trouble) -> Failure {
    Failure::storage("cannot read the database").caused_by(e)
}

impl Reader {
    /// A reader of `db`.
    #[must_use]
    pub fn new(db: &Database) -> Self {
        Self { db: db.readers.clone() }
    }

    pub(super) async fn rows(
        &self,
        text: impl Named,
        values: Vec<Value>,
    ) -> Result<Vec<QueryResult>, Trouble> {
        Ok(self.db.query_all_raw(statement(&self.db, text, values)).await?)
    }

    /// All accounts, by name.
    ///
    /// # Errors
    /// Class storage.
    pub async fn accounts(&self) -> Result<Vec<AccountInfo>, Failure> {
        let rows = account::Entity::find()
            .order_by_asc(account::Column::Name)
            .all(&self.db)
            .await
            .map_err(|e| failed(e.into()))?;
        Ok(rows
            .into_iter()
            .map(|row| AccountInfo {
                id: AccountId(row.id),
                name: row.name,
                standing: standing_from(&row.state),
            })
            .collect())
    }

    /// The folders of an account that are not deleted.
    ///
    /// # Errors
    /// Class storage.
    pub async fn folders(&self, account: AccountId) -> Result<Vec<FolderRow>, Failure> {
        let rows = self.rows(Text::AllFolders, vec![account.0.into()]).await.map_err(failed)?;
        let read = |row: &QueryResult| guard(account, row).map(|(_, folder)| folder);
        let folders = rows.iter().map(read).collect::<Result<Vec<_>, Trouble>>().map_err(failed)?;
        Ok(folders.into_iter().flatten().collect())
    }

    /// Whether the account's server is known to estimate RFC822.SIZE.
    ///
    /// # Errors
    /// Class storage.
    pub async fn estimates_sizes(&self, account: AccountId) -> Result<bool, Failure> {
        let rows = self.rows(Text::EstimatesSizes, vec![account.0.into()]).await;
        rows.map_err(failed)?.first().map_or(Ok(false), |row| get(row, 0)).map_err(failed)
    }

    /// What a run asks for of its account.
    ///
    /// # Errors
    /// Class storage.
    pub async fn query(&self, account: AccountId, query: Query) -> Result<Rows, Failure> {
        match query {
            Query::Folder { folder, uids } => {
                self.folder_rows(folder, uids).await.map(Rows::Folder)
            }
            Query::Sample { folder, part } => self.sample(folder, part).await.map(Rows::Sample),
            Query::Keys { folder, after, sized } => {
                self.held_keys(folder, after, sized).await.map(Rows::Keys)
            }
            Query::Feed(query) => self.feed(account, query).await.map(Rows::Feed),
        }
    }

    /// Size, as the server announces it, and INTERNALDATE of living locations of a folder: all from
    /// one UID to another, or twenty that are spread over its UIDs.
    ///
    /// # Errors
    /// Class storage.
    pub async fn sample(
        &self,
        folder: FolderId,
        part: Option<(u32, u32)>,
    ) -> Result<Vec<Sampled>, Failure> {
        let rows = match part {
            Some((first, last)) => {
                self.rows(
                    Text::SampleOfPart,
                    vec![folder.0.into(), i64::from(first).into(), i64::from(last).into()],
                )
                .await
            }
            None => self.rows(Text::Sample, vec![folder.0.into(), SAMPLE.into()]).await,
        };
        let sampled = |row: &QueryResult| {
            let size: i64 = get(row, 1)?;
            let internal_date = get::<Option<i64>>(row, 2)?.map(Micros);
            Ok(Sampled { uid: uid(row, 0)?, size: u64::try_from(size).unwrap_or(0), internal_date })
        };
        rows.map_err(failed)?.iter().map(sampled).collect::<Result<_, Trouble>>().map_err(failed)
    }

    /// What a folder's living locations are recognised by: a piece of those behind a UID.
    ///
    /// # Errors
    /// Class storage.
    pub async fn held_keys(
        &self,
        folder: FolderId,
        after: u32,
        sized: bool,
    ) -> Result<Vec<HeldKey>, Failure> {
        let values = vec![folder.0.into(), i64::from(after).into(), PIECE.into()];
        let rows = self.rows(RematchText::HeldKeys, values).await.map_err(failed)?;
        let key = |row: &QueryResult| {
            let id: Option<String> = get(row, 2)?;
            let internal_date = get::<Option<i64>>(row, 3)?.map(Micros);
            let size = u64::try_from(get::<i64>(row, 4)?).unwrap_or(0);
            let key = MatchKey::of(id.as_deref(), internal_date, sized.then_some(size));
            Ok(HeldKey { uid: uid(row, 0)?, key, message: MessageId(get(row, 1)?) })
        };
        rows.iter().map(key).collect::<Result<_, Trouble>>().map_err(failed)
    }

    /// How many messages of the account are in limbo.
    ///
    /// # Errors
    /// Class storage.
    pub async fn limbo(&self, account: AccountId) -> Result<u64, Failure> {
        let rows = self.rows(Text::LimboCount, vec![account.0.into()]).await.map_err(failed)?;
        let count: i64 = rows.first().map_or(Ok(0), |row| get(row, 0)).map_err(failed)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The credentials that are renewed: one account's, or all.
    ///
    /// # Errors
    /// Class storage.
    pub async fn credentials(&self, account: Option<&str>) -> Result<Vec<CredentialRow>, Failure> {
        let values = vec![account.map(str::to_owned).into()];
        let rows = self.rows(Text::Credentials, values).await.map_err(failed)?;
        rows.iter().map(credential).collect::<Result<_, Trouble>>().map_err(failed)
    }

    /// What an account (or all together) has spent of an endpoint's daily limits, by the hour.
    ///
    /// # Errors
    /// Class storage.
    pub async fn spent(
        &self,
        endpoint: &str,
        account: Option<&str>,
    ) -> Result<Vec<Spending>, Failure> {
        let values = vec![endpoint.into(), account.unwrap_or_default().into()];
        let rows = self.rows(Text::Spent, values).await.map_err(failed)?;
        let one = |row: &QueryResult| {
            let units = u64::try_from(get::<i64>(row, 2)?).unwrap_or(0);
            Ok(Spending { hour: get(row, 1)?, units })
        };
        rows.iter().map(one).collect::<Result<_, Trouble>>().map_err(failed)
    }

    /// The folders of a manifest, by path; those of one path by number.
    ///
    /// # Errors
    /// Class storage.
    pub async fn manifest_folders(
        &self,
        account: AccountId,
        which: Chosen,
    ) -> Result<Vec<ManifestFolder>, Failure> {
        let text = match which {
            Chosen::Living => Text::ManifestFolders,
            Chosen::Deleted => Text::AllManifestFolders,
        };
        let rows = self.rows(text, vec![account.0.into()]).await.map_err(failed)?;
        let read = |row: &QueryResult| {
            Ok(ManifestFolder {
                id: FolderId(get(row, 0)?),
                path: get(row, 1)?,
                delimiter: get(row, 2)?,
            })
        };
        rows.iter().map(read).collect::<Result<_, Trouble>>().map_err(failed)
    }

    /// A piece of a folder's manifest after (`uidvalidity`, `uid`), in that order; empty at the
    /// end.
    ///
    /// # Errors
    /// Class storage.
    pub async fn manifest(
        &self,
        folder: FolderId,
        which: Chosen,
        after: (u32, u32),
    ) -> Result<Vec<ManifestRow>, Failure> {
        let text = match which {
            Chosen::Living => Text::Manifest,
            Chosen::Deleted => Text::DeletedManifest,
        };
        let values = vec![
            folder.0.into(),
            i64::from(after.0).into(),
            i64::from(after.1).into(),
            PIECE.into(),
        ];
        let rows = self.rows(text, values).await.map_err(failed)?;
        rows.iter().map(manifest_row).collect::<Result<_, Trouble>>().map_err(failed)
    }

    /// Event numbers that are missing although no leap says so.
    ///
    /// # Errors
    /// Class storage.
    pub async fn event_gaps(&self) -> Result<i64, Failure> {
        let rows = self.rows(Text::EventGaps, vec![]).await.map_err(failed)?;
        rows.first().map_or(Ok(0), |row| get(row, 0)).map_err(failed)
    }

    /// Counts of an account and its folders that are not those of their rows.
    ///
    /// # Errors
    /// Class storage.
    pub async fn miscounts(&self, account: AccountId) -> Result<Vec<Miscount>, Failure> {
        let rows = self.rows(CountText::Miscounts, vec![account.0.into()]).await.map_err(failed)?;
        let read = |row: &QueryResult| {
            let folder = get::<Option<i64>>(row, 0)?.map(FolderId);
            Ok(Miscount { folder, kept: get(row, 1)?, counted: get(row, 2)? })
        };
        rows.iter().map(read).collect::<Result<_, Trouble>>().map_err(failed)
    }
}

/// A count that is kept and is not that of the rows.
#[derive(Clone, Copy, Debug)]
pub struct Miscount {
    /// The folder; `None` for the account.
    pub folder: Option<FolderId>,
    /// What is kept.
    pub kept: i64,
    /// What is there.
    pub counted: i64,
}

fn manifest_row(row: &QueryResult) -> Result<ManifestRow, Trouble> {
    let (flags, keywords): (String, String) = (get(row, 2)?, get(row, 3)?);
    let pack: Option<i64> = get(row, 7)?;
    let body = match pack {
        Some(pack) => {
            let (offset, length): (i64, i64) = (get(row, 8)?, get(row, 9)?);
            let unsigned =
                |n: i64| u64::try_from(n).map_err(|e| Trouble::damaged("a stored offset", &e));
            Some(StoredBody {
                hash: hash(row, 6)?,
                pack,
                offset: unsigned(offset)?,
                length: unsigned(length)?,
            })
        }
        None => None,
    };
    Ok(ManifestRow {
        uidvalidity: uid(row, 0)?,
        uid: uid(row, 1)?,
        flags: Flags::from_columns(&flags, &keywords),
        size: get(row, 4)?,
        announced: get(row, 5)?,
        body,
    })
}
