//! What is set right of a mirror that is damaged, a step at a time.

use crate::store::read::{Reader, failed};
use crate::store::sql::counts::Miscount;
use crate::store::sql::integrity::{NoMessage, OldCounter, OtherPlaces};
use crate::store::sql::query::Document;
use crate::store::sql::repair_asked::{
    BodiesOf, BodyPlace, Bodyless, FolderTold, FoldersTold, HighestMessage, MessagesBehind,
    Twinned, UnnamedBodies,
};
use postrider_core::failure::Failure;
use postrider_core::mail::body::StoredBody;
use postrider_core::mail::id::{AccountId, FolderId, MessageId};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::standing::EventKind;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::ops::Range;

/// Mail that is asked for again, though it is held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Again {
    /// By folder and UID.
    pub uids: Vec<(FolderId, UidSet)>,
    /// By number: each at one of its UIDs, or by its name.
    pub messages: Vec<MessageId>,
}

/// A step of a repair. Each is done whole, or not at all; twice does nothing more.
#[derive(Clone, Debug)]
pub enum RepairStep {
    /// Messages whose bytes have no row name none: the number of that row may be given to other bytes.
    Bodyless(Vec<i64>),
    /// Folders that rows name have a row again, under the name that was told of each last; whether there are such is seen
    /// when folders are listed.
    Folders(Vec<(i64, Option<String>)>),
    /// Folders have both their cursors again.
    Cursors(Vec<FolderId>),
    /// Places of messages that are not there go, and are asked for again.
    Places(Vec<NoMessage>),
    /// Messages of which there is neither a place nor a row of bytes go: where their server has them, they come anew.
    Gone(Vec<i64>),
    /// Messages lie in as many places as they do.
    Counted(Vec<OtherPlaces>),
    /// What is held is no failure.
    Held(Vec<(FolderId, UidSet)>),
    /// The bytes of these are given up, where they still lie there; and mail that has them is asked for again.
    Lost(Vec<StoredBody>, Again),
    /// What is kept of counts is what is counted.
    Recounted(Vec<Miscount>),
    /// Numbers of events that are missing are leapt over.
    Leapt(Vec<Range<i64>>),
    /// Packs that lack their row have one, and are to be read.
    Packs(Vec<i64>),
    /// Counters give what is not given already.
    Counters(Vec<OldCounter>),
    /// Nothing is believed of what counters and cursors prove: every folder is listed, or all lists are compared.
    ListedAnew,
}

/// Of each kind so many are read at a time.
const NAMED: i64 = 10_000;
/// Messages that are asked about together.
const PIECE: usize = 500;

/// What a repair asks beside what was found.
#[derive(Debug)]
pub struct RepairReader<'a> {
    reader: &'a Reader,
}

impl<'a> RepairReader<'a> {
    /// By this reader.
    #[must_use]
    pub fn new(reader: &'a Reader) -> Self {
        Self { reader }
    }

    /// Where the bytes of messages lie, of those that have a row of them.
    ///
    /// # Errors
    /// Class storage.
    pub async fn bodies_of(&self, messages: &[i64]) -> Result<BTreeMap<i64, StoredBody>, Failure> {
        let mut found = BTreeMap::new();
        for piece in messages.chunks(PIECE) {
            let messages = Document::of(&piece).map_err(failed)?;
            let rows = self.reader.ask(BodiesOf { messages }).await.map_err(failed)?;
            found.extend(rows.into_iter().map(body_of));
        }
        Ok(found)
    }

    /// Messages whose bytes have no row, so many at most behind one.
    ///
    /// # Errors
    /// Class storage.
    pub async fn bodyless(&self, account: AccountId, after: i64) -> Result<Vec<i64>, Failure> {
        let rows = self.reader.ask(Bodyless { account, after, most: NAMED }).await;
        Ok(rows.map_err(failed)?.into_iter().map(|row| row.id).collect())
    }

    /// The highest number of a message.
    ///
    /// # Errors
    /// Class storage.
    pub async fn highest(&self) -> Result<i64, Failure> {
        let row = self.reader.ask_one(HighestMessage {}).await.map_err(failed)?;
        Ok(row.map_or(0, |row| row.id))
    }

    /// Messages behind this number, so many at most.
    ///
    /// # Errors
    /// Class storage.
    pub async fn behind(&self, account: AccountId, after: i64) -> Result<Vec<i64>, Failure> {
        let rows = self.reader.ask(MessagesBehind { account, after, most: NAMED }).await;
        Ok(rows.map_err(failed)?.into_iter().map(|row| row.id).collect())
    }

    /// Messages of neither bytes nor a place that are held under another number: that has come before they were found.
    ///
    /// # Errors
    /// Class storage.
    pub async fn twinned(&self, account: AccountId) -> Result<Vec<i64>, Failure> {
        let rows = self.reader.ask(Twinned { account, most: NAMED }).await;
        Ok(rows.map_err(failed)?.into_iter().map(|row| row.id).collect())
    }

    /// Bytes that no message names, so many at most behind a row.
    ///
    /// # Errors
    /// Class storage.
    pub async fn unnamed_bodies(&self, after: i64) -> Result<BTreeMap<i64, StoredBody>, Failure> {
        let rows = self.reader.ask(UnnamedBodies { after, most: NAMED }).await.map_err(failed)?;
        Ok(rows.into_iter().map(body_of).collect())
    }

    /// What folders were called last, as far as the feed still tells that.
    ///
    /// # Errors
    /// Class storage.
    pub async fn paths_told(
        &self,
        account: AccountId,
        folders: &[i64],
    ) -> Result<BTreeMap<i64, String>, Failure> {
        let folders = Document::of(&folders).map_err(failed)?;
        let (created, renamed) = (EventKind::FolderCreated, EventKind::FolderRenamed);
        let told = FoldersTold { account, folders, created, renamed };
        let told = self.reader.ask(told).await.map_err(failed)?;
        let path = |row: FolderTold| {
            let data: Json = serde_json::from_str(&row.data).ok()?;
            Some((row.folder, data.get("path")?.as_str()?.to_owned()))
        };
        Ok(told.into_iter().filter_map(path).collect())
    }
}

pub(super) fn body_of(row: BodyPlace) -> (i64, StoredBody) {
    let BodyPlace { id, hash, pack, offset, length, stored } = row;
    (id, StoredBody { hash, pack, offset, length, stored })
}
