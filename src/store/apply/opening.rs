//! Handing out an account: its incarnation is raised in the transaction that reads its cursors.

use super::asked::asked;
use super::derive::owe_all;
use super::feed::handed_out;
use crate::store::failure::Trouble;
use crate::store::orders::OpenAccount;
use crate::store::rows::guarded;
use crate::store::sql::opening::{
    AccountFound, FailuresToRetry, HandOutAccount, NoteColumns, Notes, RetryColumns,
};
use crate::store::sql::query::Document;
use crate::store::transaction::Sql;
use postrider_core::commit::change::{Note, Poison};
use postrider_core::commit::rows::{AccountRow, FolderRow};
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::mail::id::{AccountId, FolderId};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::run::event::AccountSnapshot;
use postrider_core::standing::Standing;
use postrider_core::time::Micros;
use std::collections::BTreeMap;

/// How an account is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum HandOut {
    /// It is only read.
    Look,
    /// Its incarnation is raised.
    Raised,
    /// The same, but not where it would be all that changes: nobody had it before.
    First,
}

/// An account as it was handed out.
#[derive(Debug)]
pub(in crate::store) struct Opened {
    pub(in crate::store) rows: AccountSnapshot,
    /// Something was written for it, which is to be kept.
    pub(in crate::store) is_written: bool,
    /// It has nothing but its row and its folders: no failure, no note, no feed.
    pub(in crate::store) is_plain: bool,
    /// What is derived of its mail is owed anew.
    pub(in crate::store) puts_back: bool,
}

/// Reads an account whole; where it is not only looked at, its incarnation is raised, and it gets a row
/// if it has none. Another provider or username under a known name is refused: it would
/// be another mailbox, and every location would end.
pub(in crate::store) async fn open_account(
    db: &impl Sql,
    open: &OpenAccount,
    how: HandOut,
    at: Micros,
) -> Result<Result<Opened, Failure>, Trouble> {
    let mut found = found(db, open).await?;
    if let Some(known) = &found
        && (known.provider != open.provider || known.username != open.username)
    {
        let text = format!(
            "account {} is the mirror of another mailbox (another provider or username); give the new one another id",
            open.name
        );
        let failure = Failure::new(Class::Config, Reach::Account, Provenance::Local, text)
            .when(When::AfterChange);
        return Ok(Err(failure));
    }
    let is_known = || found.as_ref().is_some_and(|found| found.is_as_known);
    // Which mail it has sent is derived.
    let had = found.as_ref().map(|found| found.addresses.clone());
    let mut puts_back = false;
    let raises = how == HandOut::Raised || (how == HandOut::First && !is_known());
    if raises {
        let handed_out = HandOutAccount {
            name: open.name.clone(),
            provider: open.provider,
            host: open.host.clone(),
            username: open.username.clone(),
            at,
            keep: open.keep,
            starting: Standing::Starting,
            removed: Standing::Removed,
            owner: open.owner.clone(),
            addresses: Document::of(&open.addresses)?,
        };
        db.put(handed_out).await?;
        found = self::found(db, open).await?;
        if let (Some(had), Some(found)) = (had, &found)
            && found.addresses != had
        {
            puts_back = true;
            owe_all(db, found.account.id).await?;
        }
    } else if found.is_none() {
        // It was renamed or purged meanwhile: a row of that name would be another mirror.
        return Ok(Err(Failure::storage(format!("account {} has no row any more", open.name))));
    }
    let lacks = || Trouble::Damaged(format!("account {} has no row", open.name));
    let found = found.ok_or_else(lacks)?;
    let id = found.account.id;
    let mut snapshot =
        AccountSnapshot { folders: found.folders, ..AccountSnapshot::of(found.account) };
    (snapshot.stood, snapshot.limbo) = (Some(found.stood), found.limbo);
    if found.failed {
        retries(db, &mut snapshot, at).await?;
    }
    snapshot.asked = asked(found.asked.as_deref());
    if found.noted {
        snapshot.notes = notes(db, id).await?;
    }
    if found.feeds {
        snapshot.feed = handed_out(db, &snapshot.account).await?;
    }
    let is_plain = !found.failed && !found.noted && !found.feeds && snapshot.asked.is_empty();
    Ok(Ok(Opened { rows: snapshot, is_written: raises, is_plain, puts_back }))
}

/// An account's rows, and what else there is to be read of it: mostly nothing.
struct FoundAccount {
    account: AccountRow,
    folders: Vec<FolderRow>,
    provider: String,
    username: String,
    stood: (Standing, String),
    /// Messages of it are looked for.
    limbo: bool,
    /// Messages of it could not be fetched.
    failed: bool,
    noted: bool,
    asked: Option<String>,
    feeds: bool,
    addresses: Option<String>,
    /// Handing it out would change nothing but its incarnation.
    is_as_known: bool,
}

async fn found(db: &impl Sql, open: &OpenAccount) -> Result<Option<FoundAccount>, Trouble> {
    let account = AccountFound {
        name: open.name.clone(),
        host: open.host.clone(),
        keep: open.keep,
        owner: open.owner.clone(),
        removed: Standing::Removed,
        addresses: Document::of(&open.addresses)?,
    };
    let mut found = None;
    let mut folders = Vec::new();
    for row in db.ask(account).await? {
        let (account, folder) = guarded(row.id, row.rows)?;
        folders.extend(folder);
        found.get_or_insert(FoundAccount {
            account,
            folders: Vec::new(),
            provider: row.provider,
            username: row.username,
            stood: (row.state, row.reason),
            limbo: row.limbo,
            failed: row.failed,
            noted: row.noted,
            asked: row.asked,
            feeds: row.feeds,
            addresses: row.addresses,
            is_as_known: row.known,
        });
    }
    Ok(found.map(|found| FoundAccount { folders, ..found }))
}

async fn notes(db: &impl Sql, account: AccountId) -> Result<Vec<Note>, Trouble> {
    let note = |row: NoteColumns| {
        let NoteColumns { about, folder, remote_id, uidvalidity, uid, count, text } = row;
        let about = match about.as_str() {
            "examine" => Poison::Examine(remote_id),
            "index" => Poison::Index(remote_id),
            _ => Poison::Mail(folder, uidvalidity, uid),
        };
        Note { about, count, text }
    };
    Ok(db.ask(Notes { account }).await?.into_iter().map(note).collect())
}

/// The open failures that are tried again in this run, and which of them in what way.
async fn retries(db: &impl Sql, snapshot: &mut AccountSnapshot, at: Micros) -> Result<(), Trouble> {
    let version = env!("CARGO_PKG_VERSION");
    let failures = FailuresToRetry { account: snapshot.account.id, at, version };
    for RetryColumns { folder, uid, is_due, is_lone, burst, is_fatal } in db.ask(failures).await? {
        let into =
            |rows: &mut BTreeMap<FolderId, UidSet>| rows.entry(folder).or_default().insert(uid);
        let is_due = is_due.unwrap_or(false);
        if is_due {
            into(&mut snapshot.due);
        }
        if is_fatal {
            into(&mut snapshot.fatal);
        }
        if is_lone {
            into(&mut snapshot.lone);
        }
        if burst && !is_due {
            into(&mut snapshot.burst);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[tokio::test]
    async fn only_who_begins_an_account_gives_it_a_row() {
        let dir = tempfile::tempdir().unwrap();
        let db = crate::store::open(&dir.path().join("x.db").into()).await.unwrap();
        let open = OpenAccount {
            name: "a".into(),
            provider: "imap",
            host: "h".into(),
            username: "u".into(),
            keep: false,
            owner: None,
            addresses: BTreeSet::from(["a@x.y".to_owned()]),
        };
        let at = Micros(1);
        assert!(open_account(&db.writer, &open, HandOut::Look, at).await.unwrap().is_err());
        let found = found(&db.writer, &open).await.unwrap();
        assert!(found.is_none(), "a look makes nothing");
        let first = open_account(&db.writer, &open, HandOut::Raised, at).await.unwrap().unwrap();
        assert!(first.is_written && first.is_plain);
        let again = open_account(&db.writer, &open, HandOut::Look, at).await.unwrap().unwrap();
        assert!(!again.is_written && again.rows.account == first.rows.account);
        let raised = open_account(&db.writer, &open, HandOut::Raised, at).await.unwrap().unwrap();
        assert!(raised.is_written);
        let looked = open_account(&db.writer, &open, HandOut::First, at).await.unwrap().unwrap();
        assert!(!looked.is_written, "nobody had it before");
        for other in [
            OpenAccount { host: "other".into(), ..open.clone() },
            OpenAccount { keep: true, ..open.clone() },
            OpenAccount { owner: Some("o".into()), ..open.clone() },
            OpenAccount { addresses: BTreeSet::new(), ..open.clone() },
        ] {
            let handed_out = open_account(&db.writer, &other, HandOut::First, at).await.unwrap();
            let handed_out = handed_out.unwrap();
            assert!(handed_out.is_written, "{other:?}");
            let has_changed = other.addresses != open.addresses;
            assert_eq!(handed_out.puts_back, has_changed, "which mail is its own is derived");
            let unsaid = "UPDATE account SET addresses = NULL";
            if has_changed {
                // As a database is left that was made before they were said.
                db.writer.run(unsaid).await.unwrap();
            }
            let back = open_account(&db.writer, &open, HandOut::First, at).await.unwrap();
            assert_eq!(back.unwrap().puts_back, has_changed);
        }
        db.close().await;
    }
}
