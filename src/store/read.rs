//! Reads, all of them; through the pool of readers, in pieces, so that no read transaction stays
//! open for long.

use crate::config::Place;
use crate::store::connect::{Database, Readers};
use crate::store::failure::Trouble;
use crate::store::rows::{self, credential, guarded};
use crate::store::sql::commit::AllFolders;
use crate::store::sql::counts::{Miscount, Miscounts};
use crate::store::sql::credential::{Credentials, Spent, SpentInHour};
use crate::store::sql::query::{Asks, Dialect};
use crate::store::sql::reading::{
    AccountInfo, Accounts, AllManifestFolders, DeletedManifest, EstimatesSizes, LimboCount,
    Manifest, ManifestColumns, ManifestFolder, ManifestFolders, Sample, SampleColumns,
    SampleOfPart,
};
use crate::store::sql::rematch::{HeldKeys, KeyColumns};
use crate::store::sql::setting::Version;
use postrider_core::budget::Spending;
use postrider_core::commit::rows::FolderRow;
use postrider_core::failure::Failure;
use postrider_core::mail::body::StoredBody;
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::{AccountId, FolderId};
use postrider_core::mail::key::{HeldKey, MatchKey};
use postrider_core::oauth::CredentialRow;
use postrider_core::provider::folders::Sampled;
use postrider_core::run::reads::{FolderRows, HeldSample, Query, Rows};
use sea_orm::{DbErr, RuntimeErr};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Rows of a sample.
const SAMPLE: i64 = 20;
/// Rows in a piece.
const PIECE_ROWS: i64 = 5000;

/// Reads from the database.
#[derive(Clone, Debug)]
pub struct Reader {
    db: Readers,
    place: Place,
    /// Where its questions are asked, unless it is where they are waited for.
    home: Option<Handle>,
}

/// A location with its body: a line of the manifest.
#[derive(Clone, Debug)]
pub struct ManifestRow {
    /// UIDVALIDITY.
    pub uidvalidity: u32,
    /// UID; where changes are told by message id, the message's number.
    pub uid: u64,
    /// Flags and keywords.
    pub flags: Flags,
    /// Where its bytes lie; `None` when the body row is missing.
    pub body: Option<StoredBody>,
    /// Its size as stored.
    pub size: i64,
    /// RFC822.SIZE, where that is another one.
    pub announced: Option<i64>,
    /// What stands in the place of its bytes is what its provider tells of it.
    pub synthetic: bool,
}

/// Which locations a manifest lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// Those the server has.
    Living,
    /// The last place of each message that the server has deleted and we still hold.
    Deleted,
}

/// A question that is asked elsewhere; given up with whoever waits for it.
struct Asked<T>(JoinHandle<T>);

impl<T> Drop for Asked<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) fn failed(e: Trouble) -> Failure {
    Failure::storage("cannot read the database").caused_by(e)
}

impl Reader {
    /// A reader of `db`.
    #[must_use]
    pub fn new(db: &Database) -> Self {
        Self { db: db.readers.clone(), place: db.place(), home: None }
    }

    /// What its database speaks.
    pub(super) fn dialect(&self) -> Dialect {
        match self.place {
            Place::File(_) => Dialect::Sqlite,
            Place::Server(_) => Dialect::Postgres,
        }
    }

    pub(super) async fn ask<Q: Asks>(&self, query: Q) -> Result<Vec<Q::Row>, Trouble> {
        let Some(home) = &self.home else { return self.db.ask(query).await };
        let db = self.db.clone();
        let mut asked = Asked(home.spawn(async move { db.ask(query).await }));
        (&mut asked.0).await.unwrap_or_else(|e| match e.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(DbErr::Conn(RuntimeErr::Internal("all stops".to_owned())).into()),
        })
    }

    pub(super) async fn ask_one<Q: Asks>(&self, query: Q) -> Result<Option<Q::Row>, Trouble> {
        Ok(self.ask(query).await?.into_iter().next())
    }

    /// A reader that waits for nobody else's questions to a server.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self { db: self.db.apart(), ..self.clone() }
    }

    /// A reader whose questions are asked here, whoever waits for the answer: connections and their threads are those of
    /// this runtime, and as quick.
    #[must_use]
    pub(crate) fn at_home(self) -> Self {
        Self { home: Handle::try_current().ok(), ..self }
    }

    /// Where the database is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// How many connections read it, by what they do now.
    #[must_use]
    pub fn connections(&self) -> [(&'static str, usize); 2] {
        let (busy, free) = self.db.in_use();
        [("busy", busy), ("free", free)]
    }

    /// What the database is, with its version.
    ///
    /// # Errors
    /// Class storage.
    pub async fn version(&self) -> Result<String, Failure> {
        let told = self.ask_one(Version {}).await.map_err(failed)?;
        Ok(told.map_or_else(String::new, |told| told.version))
    }

    /// All accounts, by name.
    ///
    /// # Errors
    /// Class storage.
    pub async fn accounts(&self) -> Result<Vec<AccountInfo>, Failure> {
        self.ask(Accounts {}).await.map_err(failed)
    }

    /// The folders of an account that are not deleted.
    ///
    /// # Errors
    /// Class storage.
    pub async fn folders(&self, account: AccountId) -> Result<Vec<FolderRow>, Failure> {
        let rows = self.ask(AllFolders { account }).await.map_err(failed)?;
        let read = |rows| guarded(account, rows).map(|(_, folder)| folder);
        let folders = rows.into_iter().map(read).collect::<Result<Vec<_>, Trouble>>();
        Ok(folders.map_err(failed)?.into_iter().flatten().collect())
    }

    /// Whether the account's server is known to estimate RFC822.SIZE.
    ///
    /// # Errors
    /// Class storage.
    pub async fn estimates_sizes(&self, account: AccountId) -> Result<bool, Failure> {
        let row = self.ask_one(EstimatesSizes { account }).await.map_err(failed)?;
        Ok(row.is_some_and(|row| row.sizes_estimated))
    }

    /// What a run asks for of its account.
    ///
    /// # Errors
    /// Class storage.
    pub async fn query(&self, account: AccountId, query: Query) -> Result<Rows, Failure> {
        match query {
            Query::Folder { holds: false, .. } => Ok(Rows::Folder(FolderRows::default())),
            Query::Folder { folder, uids, .. } => {
                self.folder_rows(folder, uids).await.map(Rows::Folder)
            }
            Query::Sample { folder, part } => self.sample(folder, part).await.map(Rows::Sample),
            Query::Keys { folder, after, with_size } => {
                self.held_keys(folder, after, with_size).await.map(Rows::Keys)
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
    ) -> Result<HeldSample, Failure> {
        let rows = match part {
            Some((first, last)) => self.ask(SampleOfPart { folder, first, last }).await,
            None => self.ask(Sample { folder, most: SAMPLE }).await,
        };
        let mut sample = HeldSample::default();
        for SampleColumns { uid, size, internal_date, threadless } in rows.map_err(failed)? {
            let size = u64::try_from(size).unwrap_or(0);
            sample.rows.push(Sampled { uid, size, internal_date });
            sample.threadless.extend(threadless.map(|message| (uid, message)));
        }
        Ok(sample)
    }

    /// What a folder's living locations are recognised by: a piece of those behind a UID.
    ///
    /// # Errors
    /// Class storage.
    pub async fn held_keys(
        &self,
        folder: FolderId,
        after: u32,
        with_size: bool,
    ) -> Result<Vec<HeldKey>, Failure> {
        let keys = HeldKeys { folder, after, most: PIECE_ROWS };
        let rows = self.ask(keys).await.map_err(failed)?;
        let key = |row: KeyColumns| {
            let size = u64::try_from(row.size).unwrap_or(0);
            let id = row.message_id.as_deref();
            let key = MatchKey::of(id, row.internal_date, with_size.then_some(size));
            HeldKey { uid: row.uid, key, message: row.message }
        };
        Ok(rows.into_iter().map(key).collect())
    }

    /// How many messages of the account are in limbo.
    ///
    /// # Errors
    /// Class storage.
    pub async fn limbo(&self, account: AccountId) -> Result<u64, Failure> {
        let limbo = self.ask_one(LimboCount { account }).await.map_err(failed)?;
        Ok(limbo.map_or(0, |limbo| u64::try_from(limbo.count).unwrap_or(0)))
    }

    /// The credentials that are renewed: one account's, or all.
    ///
    /// # Errors
    /// Class storage.
    pub async fn credentials(&self, account: Option<&str>) -> Result<Vec<CredentialRow>, Failure> {
        let account = account.map(str::to_owned);
        let rows = self.ask(Credentials { account }).await.map_err(failed)?;
        Ok(rows.into_iter().map(credential).collect())
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
        let account = account.unwrap_or_default().to_owned();
        let rows = self.ask(Spent { endpoint: endpoint.to_owned(), account }).await;
        let one = |row: SpentInHour| Spending {
            hour: row.hour,
            units: u64::try_from(row.units).unwrap_or(0),
        };
        Ok(rows.map_err(failed)?.into_iter().map(one).collect())
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
        let folders = match which {
            Chosen::Living => self.ask(ManifestFolders { account }).await,
            Chosen::Deleted => self.ask(AllManifestFolders { account }).await,
        };
        folders.map_err(failed)
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
        after: (u32, u64),
    ) -> Result<Vec<ManifestRow>, Failure> {
        let ((uidvalidity, uid), most) = (after, PIECE_ROWS);
        let rows = match which {
            Chosen::Living => self.ask(Manifest { folder, uidvalidity, uid, most }).await,
            Chosen::Deleted => self.ask(DeletedManifest { folder, uidvalidity, uid, most }).await,
        };
        let rows = rows.map_err(failed)?.into_iter().map(manifest_row);
        rows.collect::<Result<_, Trouble>>().map_err(failed)
    }

    /// Counts of an account and its folders that are not those of their rows.
    ///
    /// # Errors
    /// Class storage.
    pub async fn miscounts(&self, account: AccountId) -> Result<Vec<Miscount>, Failure> {
        self.ask(Miscounts { account }).await.map_err(failed)
    }
}

fn manifest_row(row: ManifestColumns) -> Result<ManifestRow, Trouble> {
    let ManifestColumns {
        uidvalidity, uid, flags, keywords, size, announced, synthetic, hash, ..
    } = row;
    let body = match (row.pack, row.offset, row.length) {
        (Some(pack), Some(offset), Some(length)) => {
            Some(StoredBody { hash: rows::hash(hash)?, pack, offset, length, stored: row.stored })
        }
        _ => None,
    };
    let flags = Flags::from_columns(&flags, &keywords);
    Ok(ManifestRow { uidvalidity, uid, flags, body, size, announced, synthetic })
}
