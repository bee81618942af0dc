//! What lives in a folder, by UID with its flags: read a piece at a time, a row of it for each set of
//! flags. A row for each mail would cost five times as much.

use crate::store::failure::Trouble;
use crate::store::read::{Reader, failed};
use crate::store::sql::query::Document;
use crate::store::sql::reading::{Living, LivingAmong};
use postrider_core::failure::Failure;
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::FolderId;
use postrider_core::mail::uid_set::UidSet;
use postrider_core::run::reads::FolderRows;

/// Locations in a piece: 10 ms.
const PIECE_LOCATIONS: i64 = 20_000;

impl Reader {
    /// A folder's living locations with their flags, all or those of these UIDs, and its open failures.
    ///
    /// # Errors
    /// Class storage.
    pub async fn folder_rows(
        &self,
        folder: FolderId,
        uids: Option<UidSet>,
    ) -> Result<FolderRows, Failure> {
        self.read_folder(folder, uids, PIECE_LOCATIONS).await.map_err(failed)
    }

    async fn read_folder(
        &self,
        folder: FolderId,
        uids: Option<UidSet>,
        piece: i64,
    ) -> Result<FolderRows, Trouble> {
        let mut read = FolderRows::default();
        let ranges = uids.map(|uids| Document::of(&uids.ranges())).transpose()?;
        let (mut count, mut after) = (piece, 0_i64);
        while count == piece {
            count = 0;
            let most = piece;
            let rows = match ranges.clone() {
                Some(ranges) => self.ask(LivingAmong { folder, after, most, ranges }).await?,
                None => self.ask(Living { folder, after, most }).await?,
            };
            for row in rows {
                if row.count == 0 {
                    read.failures = uids_of(&row.uids)?.into_iter().collect();
                    continue;
                }
                count += row.count;
                after = after.max(row.last);
                let flags = Flags::from_columns(&row.flags, &row.keywords);
                read.living.push_all(flags, uids_of(&row.uids)?.into_iter());
            }
        }
        read.living = read.living.finished();
        Ok(read)
    }
}

/// UIDs that are joined by commas.
fn uids_of(joined: &str) -> Result<Vec<u32>, Trouble> {
    let uids = joined.split(',').filter(|uid| !uid.is_empty());
    let read = uids.map(str::parse).collect::<Result<_, _>>();
    read.map_err(|e: std::num::ParseIntError| Trouble::damaged("a stored UID", &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However it falls into pieces, each is read once, with its own flags.
    #[tokio::test]
    async fn each_is_read_once_with_its_flags() {
        let dir = tempfile::tempdir().unwrap();
        let db = crate::store::open(&dir.path().join("x.db").into()).await.unwrap();
        let rows = "INSERT INTO folder (id, account, remote_id, path, uidvalidity, exists_count, opened_at, excluded) \
                    VALUES (1, 1, x'41', 'A', 7, 0, 1, FALSE), (2, 1, x'42', 'B', 7, 0, 1, FALSE); \
                    WITH RECURSIVE n(uid) AS (VALUES (1) UNION ALL SELECT uid + 1 FROM n WHERE uid < 60) INSERT INTO \
                    location (folder, uidvalidity, uid, message, flags, keywords, began_at, ended_at) SELECT \
                    f.value, v.value, uid, uid, CASE uid % 3 WHEN 0 THEN '\\Seen' WHEN 1 THEN '' ELSE \
                    '\\Flagged \\Seen' END, CASE uid % 2 WHEN 0 THEN '' ELSE 'work' END, 1, CASE uid % 10 WHEN 9 \
                    THEN 1 END FROM n, json_each('[1, 2]') f, json_each('[6, 7]') v WHERE uid < 50 OR (f.value, \
                    v.value) <> (1, 7)";
        db.writer.run(rows).await.unwrap();
        let flags_of = |uid: u32| {
            let system = ["\\Seen", "", "\\Flagged \\Seen"][uid as usize % 3];
            Flags::from_columns(system, ["", "work"][uid as usize % 2])
        };
        let some: UidSet = [2, 3, 4, 8, 9, 10, 30, 48, 49, 50, 51].into_iter().collect();
        let all = UidSet::range(1, 100);
        for (which, wanted) in
            [(None, &all), (Some(some.clone()), &some), (Some(UidSet::new()), &UidSet::new())]
        {
            let lives = |uid: &u32| uid % 10 != 9 && wanted.contains(*uid);
            let want: Vec<(u32, Flags)> =
                (1..50).filter(lives).map(|uid| (uid, flags_of(uid))).collect();
            for piece in [1, 2, 7, 11, 44, 45, 46, 1000] {
                let read = Reader::new(&db).read_folder(FolderId(1), which.clone(), piece).await;
                let living = read.unwrap().living;
                let got: Vec<(u32, Flags)> =
                    living.iter().map(|(uid, flags)| (uid, flags.clone())).collect();
                assert_eq!(got, want, "in pieces of {piece}");
            }
        }
        db.close().await;
    }
}
