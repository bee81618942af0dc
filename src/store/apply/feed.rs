//! Commits of feeds: the rows that they touch are loaded, the core's rules change them, and what
//! has changed is written. A page costs a constant number of statements.

use super::applied::{Applied, Care, whole};
use super::messages::save;
use super::numbers::Numbers;
use super::words::lane;
use crate::store::failure::Trouble;
use crate::store::rows::{feed_account, feed_state, guarded, location, message, owed_rows, place};
use crate::store::sql::change::{
    AccountOpened, DropFolder, ExcludeFolders, FolderGrew, InsertFolder, ListLook, RenameFolder,
};
use crate::store::sql::commit::{Guard, Guarded, Stamped};
use crate::store::sql::failures::OwedCame;
use crate::store::sql::feeds::{
    DropFeed, FeedAccount, FeedColumns, Feeds, HeldCount, LocationsOf, MessagesNamed,
    MessagesThere, OwedOf, PayOwed, Places, PutFeedAccount, PutFeeds, PutOwed, RenewAway,
    RenewUnknown,
};
use crate::store::sql::query::Document;
use crate::store::transaction::{SavepointOf, Sql, Transaction};
use postrider_core::commit::change::feed::{FeedChange, FeedStep, Hinted, Terms};
use postrider_core::commit::change::{Commit, Refusal, StoredRows};
use postrider_core::commit::feed::apply::{admit_feed, apply_feed, ids_of};
use postrider_core::commit::feed::books::{FeedBooks, OwedRenewal};
use postrider_core::commit::feed::rows::{FeedRows, Owed};
use postrider_core::commit::rows::AccountRow;
use postrider_core::failure::Class;
use postrider_core::mail::feed::MailVersion;
use postrider_core::mail::id::{AccountId, FolderId, Identity, UidValidity};
use postrider_core::provider::feeds::{FeedWord, Got};
use postrider_core::time::Micros;
use serde::Serialize;
use serde_json::{Value as Json, json};

/// Locations of a place that one commit ends.
const DROPPED: i64 = 2000;

/// Applies a change of a feed. On a refusal nothing is written.
pub(super) async fn commit_feed(
    db: &Transaction,
    numbers: &mut Numbers,
    commit: &Commit,
    change: &FeedChange,
    (care, are_gone): (Care, bool),
) -> Result<Applied, Trouble> {
    let (account, at) = (commit.account, commit.at);
    let guard = Guard { account, folder: None, remote_id: None };
    let Some(Guarded { rows, .. }) = db.ask_one(guard).await? else {
        return Ok(Applied::Refused(Refusal::Missing, None));
    };
    let (stored, _) = guarded(account, rows)?;
    let rows = feed_rows(db, stored).await?;
    let admitted = admit_feed(&rows, commit.incarnation, change);
    if let Err(refusal) = admitted.and_then(|()| whole((), are_gone)) {
        let rows = (refusal != Refusal::Incarnation).then(|| Box::new(answer(rows)));
        return Ok(Applied::Refused(refusal, rows));
    }
    let rows = match &change.step {
        FeedStep::Got { .. } if care == Care::Apart => {
            in_parts(db, numbers, rows, change, at).await?
        }
        _ => once(db, numbers, rows, change, at).await?,
    };
    Ok(Applied::Done(Box::new(answer(rows))))
}

/// Writes what hints tell of an account; nothing of one that has listed nothing yet.
pub(super) async fn hint(
    db: &Transaction,
    numbers: &mut Numbers,
    account: AccountId,
    hinted: Hinted,
    at: Micros,
) -> Result<(), Trouble> {
    let guard = Guard { account, folder: None, remote_id: None };
    let Some(Guarded { rows, .. }) = db.ask_one(guard).await? else { return Ok(()) };
    let (stored, _) = guarded(account, rows)?;
    let rows = feed_rows(db, stored).await?;
    if rows.feeds.is_empty() && rows.state.placed_at.is_none() {
        return Ok(());
    }
    let at = rows.account.stamped_at.map_or(at, |stamped| stamped.max(at));
    let change = FeedChange { terms: Terms::OF_HINTS, step: FeedStep::Hinted(hinted) };
    once(db, numbers, rows, &change, at).await.map(drop)
}

fn answer(rows: FeedRows) -> StoredRows {
    StoredRows { feed: Some(Box::new(rows.clone())), ..StoredRows::of(rows.account, None) }
}

/// Everything of a feed account but messages and what is owed.
pub(super) async fn feed_rows(db: &impl Sql, account: AccountRow) -> Result<FeedRows, Trouble> {
    let id = account.id;
    let state = db.ask_one(FeedAccount { account: id }).await?.and_then(|row| row.feed);
    let state = state.as_deref().map(feed_account).transpose()?;
    let mut rows = FeedRows { state: state.unwrap_or_default(), ..FeedRows::fresh(account) };
    for FeedColumns { place, state } in db.ask(Feeds { account: id }).await? {
        rows.feeds.insert(place, feed_state(&state)?);
    }
    for row in db.ask(Places { account: id }).await? {
        rows.places.insert(row.id, place(row));
    }
    Ok(rows)
}

/// What a Get has brought; what the database refuses for its content is halved down to the one
/// message, which becomes one that fails.
async fn in_parts(
    db: &Transaction,
    numbers: &mut Numbers,
    mut rows: FeedRows,
    change: &FeedChange,
    at: Micros,
) -> Result<FeedRows, Trouble> {
    let FeedStep::Got { asked, session, found } = &change.step else { return Ok(rows) };
    let part = |found: &[(Identity, Got)]| FeedChange {
        terms: change.terms,
        step: FeedStep::Got { asked: *asked, session: *session, found: found.to_vec() },
    };
    let mut parts: Vec<FeedChange> = vec![part(found)];
    while let Some(change) = parts.pop() {
        let FeedStep::Got { found, .. } = &change.step else { continue };
        let mut next = *numbers;
        let savepoint = db.begin(SavepointOf::Rows).await?;
        let mut done = once(db, &mut next, rows.clone(), &change, at).await;
        if let Ok(after) = done {
            // What the database refuses is to be said by now.
            done = db.hand_over().await.map(|()| after);
        }
        match done {
            Ok(after) => {
                savepoint.keep().await?;
                (*numbers, rows) = (next, after);
            }
            Err(e) => {
                let e = savepoint.undo(e).await;
                match (&e, found.as_slice()) {
                    (Trouble::Refused(_), [(id, Got::Found(_))]) => {
                        let (class, text) = (Class::InvalidData, e.to_string());
                        parts.push(part(&[(
                            id.clone(),
                            Got::Failed { class, text: text.into(), came: None },
                        )]));
                    }
                    (Trouble::Refused(_), [_, _, ..]) => {
                        let (first, second) = found.split_at(found.len() / 2);
                        parts.push(part(second));
                        parts.push(part(first));
                    }
                    _ => return Err(e),
                }
            }
        }
    }
    Ok(rows)
}

async fn once(
    db: &Transaction,
    numbers: &mut Numbers,
    rows: FeedRows,
    change: &FeedChange,
    at: Micros,
) -> Result<FeedRows, Trouble> {
    let account = rows.account.id;
    let before = rows.clone();
    let mut books = load(db, numbers, rows, change).await?;
    apply_feed(&mut books, change, numbers.next_folder(), at);
    write_small(db, numbers, &before, &books.rows, at).await?;
    write_owed(db, account, &mut books).await?;
    write_came(db, account, change).await?;
    save(db, numbers, account, &mut books.ledger, at).await?;
    Ok(books.rows)
}

/// Loads what the change touches.
async fn load(
    db: &Transaction,
    numbers: &Numbers,
    rows: FeedRows,
    change: &FeedChange,
) -> Result<FeedBooks, Trouble> {
    let account = rows.account.id;
    let mut books = FeedBooks::new(rows, numbers.ledger(), 0);
    let mut found = Vec::new();
    if let FeedStep::DropPlace { place } = &change.step {
        found = db.ask(MessagesThere { place: *place, most: DROPPED + 1 }).await?;
        books.more = found.len() > usize::try_from(DROPPED).unwrap_or(usize::MAX);
        found.truncate(usize::try_from(DROPPED).unwrap_or(usize::MAX));
    }
    let ids: Vec<&str> = ids_of(change).iter().map(|id| id.0.as_str()).collect();
    if !ids.is_empty() {
        found = db.ask(MessagesNamed { account, names: Document::of(&ids)? }).await?;
    }
    let mut numbers = Vec::with_capacity(found.len());
    let mut names: Vec<String> = ids.into_iter().map(str::to_owned).collect();
    for row in found {
        let message = message(row)?;
        numbers.push(message.id);
        if let FeedStep::DropPlace { .. } = &change.step {
            names.push(message.identity.0.clone());
        }
        books.ledger.load_message(message);
    }
    if !numbers.is_empty() {
        for row in db.ask(LocationsOf { messages: Document::of(&numbers)? }).await? {
            books.ledger.load_location(location(row));
        }
    }
    if !names.is_empty() {
        let found = db.ask(OwedOf { account, names: Document::of(&names)? }).await?;
        for row in owed_rows(&found)? {
            books.load_owed(row);
        }
    }
    // How much is held decides only where very many end at once.
    if let FeedStep::Words { items, .. } = &change.step {
        let gone = items.iter().filter(|item| matches!(item.word, FeedWord::Gone(_))).count();
        if gone as u64 > change.terms.guard_floor {
            let counted = db.ask_one(HeldCount { account }).await?;
            let held = counted.map_or(0, |counted| counted.count);
            books.held = u64::try_from(held).unwrap_or(0);
        }
    }
    Ok(books)
}

/// Account, cursors, places: what differs from before.
async fn write_small(
    db: &Transaction,
    numbers: &mut Numbers,
    before: &FeedRows,
    after: &FeedRows,
    at: Micros,
) -> Result<(), Trouble> {
    let account = after.account.id;
    let (was, is) = (&before.account, &after.account);
    if was.stamped_at != is.stamped_at {
        db.put(Stamped { account, at: is.stamped_at }).await?;
    }
    if was.opened_at != is.opened_at {
        let (opened_at, identity_kind) = (is.opened_at, is.names);
        db.put(AccountOpened { account, opened_at, identity_kind }).await?;
    }
    if was.list_look != is.list_look {
        let look = is.list_look.as_ref().map(Document::of).transpose()?;
        db.put(ListLook { account, look }).await?;
    }
    if before.state != after.state {
        db.put(PutFeedAccount { account, state: lane(&after.state)? }).await?;
    }
    let mut changed: Vec<Json> = Vec::new();
    for (place, feed) in &after.feeds {
        if before.feeds.get(place) != Some(feed) {
            changed.push(json!([place.0, lane(feed)?]));
        }
    }
    if !changed.is_empty() {
        db.put(PutFeeds { account, feeds: Document::of(&changed)? }).await?;
    }
    for place in before.feeds.keys().filter(|place| !after.feeds.contains_key(place)) {
        db.put(DropFeed { account, place: *place }).await?;
    }
    if before.places != after.places {
        write_places(db, numbers, account, before, after, at).await?;
    }
    Ok(())
}

async fn write_places(
    db: &Transaction,
    numbers: &mut Numbers,
    account: AccountId,
    before: &FeedRows,
    after: &FeedRows,
    at: Micros,
) -> Result<(), Trouble> {
    for (id, row) in &after.places {
        let (folder, delimiter) = (*id, Some("/".to_owned()));
        match before.places.get(id) {
            Some(known) if known == row => {}
            Some(known) => {
                if (&known.path, known.role) != (&row.path, row.role) {
                    let (remote_id, path, role) =
                        (row.remote_id.clone(), row.path.clone(), row.role);
                    db.put(RenameFolder { folder, remote_id, path, delimiter, role }).await?;
                }
                if known.grown_at != row.grown_at {
                    db.put(FolderGrew { folder, grown_at: row.grown_at }).await?;
                }
            }
            None => {
                // Never used twice, not even after a purge.
                numbers.take_folder();
                db.put(InsertFolder {
                    folder,
                    account,
                    remote_id: row.remote_id.clone(),
                    path: row.path.clone(),
                    delimiter,
                    role: row.role,
                    uidvalidity: UidValidity::default(),
                    exists: 0,
                    opened_at: row.opened_at,
                })
                .await?;
            }
        }
    }
    for id in before.places.keys().filter(|id| !after.places.contains_key(id)) {
        db.put(DropFolder { folder: *id, at }).await?;
    }
    let excluded: Vec<FolderId> = after.excluded().map(|place| place.id).collect();
    db.put(ExcludeFolders { account, folders: Document::of(&excluded)? }).await
}

async fn write_owed(
    db: &Transaction,
    account: AccountId,
    books: &mut FeedBooks,
) -> Result<(), Trouble> {
    let writes = books.take_owed();
    match writes.all {
        Some(OwedRenewal::Unknown(at)) => db.put(RenewUnknown { account, at }).await?,
        Some(OwedRenewal::Away(at)) => db.put(RenewAway { account, at }).await?,
        None => {}
    }
    if !writes.put.is_empty() {
        let rows: Vec<_> = writes.put.iter().map(owed_row).collect();
        db.put(PutOwed { account, rows: Document::of(&rows)? }).await?;
    }
    if !writes.paid.is_empty() {
        let ids: Vec<&str> = writes.paid.iter().map(|id| id.0.as_str()).collect();
        db.put(PayOwed { account, names: Document::of(&ids)? }).await?;
    }
    Ok(())
}

/// The beginning of what came of mails that cannot be read.
async fn write_came(
    db: &Transaction,
    account: AccountId,
    change: &FeedChange,
) -> Result<(), Trouble> {
    let FeedStep::Got { found, .. } = &change.step else { return Ok(()) };
    for (identity, got) in found {
        if let Got::Failed { came: Some(came), .. } = got {
            let (identity, came) = (identity.clone(), came.octets().to_vec());
            db.put(OwedCame { account, identity, came }).await?;
        }
    }
    Ok(())
}

fn owed_row(row: &Owed) -> impl Serialize {
    let (class, words) = match &row.failure {
        Some((class, words)) => (Some(class.as_str()), Some(words.as_str())),
        None => (None, None),
    };
    (
        &row.id,
        row.told_at,
        row.version.as_ref().map(MailVersion::as_str),
        row.left.as_ref().map(|place| place.0.as_str()),
        row.due_at,
        row.missing.map(|look| look.at),
        row.missing.map(|look| look.session.0),
        row.rank.map_or(-1, i64::from),
        row.bytes,
        row.attempts,
        class,
        words,
        row.failed_at,
    )
}

/// The rows of an account's feeds where it is handed out; none where it has none.
pub(super) async fn handed_out(
    db: &impl Sql,
    account: &AccountRow,
) -> Result<Option<Box<FeedRows>>, Trouble> {
    let rows = feed_rows(db, account.clone()).await?;
    let is_feed = rows.state.placed_at.is_some() || !rows.feeds.is_empty();
    Ok(is_feed.then(|| Box::new(rows)))
}
