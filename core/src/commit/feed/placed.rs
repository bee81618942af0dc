//! What Places and the config do to the rows: places that come, go, and are left out.

use crate::commit::feed::books::{FeedBooks, OwedRenewal, Why};
use crate::commit::feed::rows::FeedState;
use crate::commit::rows::{FolderRow, ListLook};
use crate::mail::feed::PlaceId;
use crate::mail::id::{FolderId, Identity};
use crate::provider::feeds::ListedPlace;
use crate::standing::EventKind;
use crate::time::Micros;
use std::collections::BTreeSet;

/// What Places has shown.
pub(super) struct Shown<'a> {
    pub(super) asked: Micros,
    pub(super) listed: &'a [ListedPlace],
    pub(super) excluded: &'a BTreeSet<PlaceId>,
    pub(super) derived: Option<&'a PlaceId>,
    pub(super) look: Option<&'a ListLook>,
    pub(super) clock: Option<Micros>,
}

/// Takes in what Places has shown; `next` numbers new places.
pub(super) fn place(books: &mut FeedBooks, shown: &Shown<'_>, mut next: FolderId, at: Micros) {
    let later = books.rows.state.placed_at.is_some();
    for listed in shown.listed {
        let excluded = shown.excluded.contains(&listed.id);
        match books.rows.place(&listed.id).cloned() {
            Some(row) if row.path == listed.path && row.role == listed.role => {}
            Some(row) => {
                let renamed = row.path != listed.path;
                let row = FolderRow { path: listed.path.clone(), role: listed.role, ..row };
                if renamed && !row.excluded {
                    books.ledger.announce(EventKind::FolderRenamed, Some(&row));
                }
                books.rows.places.insert(row.id, row);
            }
            None => {
                let (id, path) = (listed.id.0.clone().into_bytes(), listed.path.clone());
                let row = FolderRow::new(next, id.into(), path, listed.role, at);
                let row = FolderRow { excluded, ..row };
                next = FolderId(next.0 + 1);
                if !row.excluded {
                    books.ledger.announce(EventKind::FolderCreated, Some(&row));
                }
                if shown.clock.is_some() {
                    let feed = FeedState { cursor: None, head_at: at };
                    books.rows.feeds.insert(row.id, feed);
                } else if later && !row.excluded {
                    books.rows.state.listings.insert(row.id);
                }
                books.rows.places.insert(row.id, row);
            }
        }
    }
    let derived = shown.derived.and_then(|id| books.rows.place(id)).map(|row| row.id);
    books.rows.state.derived = derived.or(books.rows.state.derived);
    if let Some(derived) = derived {
        books.rows.state.listings.remove(&derived);
    }
    books.rows.account.list_look = shown.look.cloned();
    books.rows.state.placed_at = Some(shown.asked);
    if let (Some(clock), None) = (shown.clock, books.rows.account.opened_at) {
        books.rows.account.opened_at = Some(clock);
        books.ledger.announce(EventKind::AccountStarted, None);
    }
    let hidden: Vec<FolderId> = books.rows.excluded().map(|place| place.id).collect();
    books.ledger.hide(hidden.into_iter());
}

/// A place is gone. What lay there alone has gone elsewhere, or is gone: it is asked about, and
/// told when that is known. The place goes with the last of it.
pub(super) fn drop_place(books: &mut FeedBooks, place: FolderId, at: Micros) {
    let Some(row) = books.rows.places.get(&place).cloned() else { return };
    let left = Some(PlaceId(String::from_utf8_lossy(&row.remote_id).into_owned()));
    let there: BTreeSet<_> = books
        .ledger
        .locations()
        .filter(|l| l.folder == place && l.ended_at.is_none())
        .map(|l| l.message)
        .collect();
    let ids: Vec<(Identity, _, _)> = books
        .ledger
        .messages()
        .filter(|message| there.contains(&message.id))
        .map(|message| (message.identity.clone(), message.id, message.version.clone()))
        .collect();
    for (identity, id, version) in ids {
        if books.ledger.leave_place(id, place, at) {
            books.owe(&identity, at, Why { left: left.clone(), ..Why::told(version) });
        }
    }
    if books.more {
        return;
    }
    books.rows.places.remove(&place);
    books.rows.feeds.remove(&place);
    books.rows.state.listings.remove(&place);
    if let Some(look) = &mut books.rows.account.list_look {
        look.missing.remove(&place);
    }
    books.rows.account.list_look.take_if(|look| look.missing.is_empty());
    if row.excluded {
        // What was away there is somewhere else, or gone.
        books.renew_all(OwedRenewal::Away(at));
    } else {
        books.ledger.announce(EventKind::FolderDeleted, Some(&row));
    }
}

/// The config leaves out others now. What is synced from now on owes a listing, and what was away
/// is asked about.
pub(super) fn exclude(
    books: &mut FeedBooks,
    excluded: &BTreeSet<FolderId>,
    clock: Micros,
    at: Micros,
) {
    let mut wider = false;
    for (id, row) in &mut books.rows.places {
        let now = excluded.contains(id);
        if row.excluded && !now {
            wider = true;
            // What lies there alone is older than this, or new.
            row.grown_at = Some(clock);
            if Some(*id) != books.rows.state.derived {
                books.rows.state.listings.insert(*id);
            }
        }
        row.excluded = now;
    }
    if wider {
        books.renew_all(OwedRenewal::Away(at));
    }
    // Who lies in a trash that is left out now, and under a label too, is found by a compare.
    books.rows.state.debt = Some(at);
    let hidden: Vec<FolderId> = books.rows.excluded().map(|place| place.id).collect();
    books.ledger.hide(hidden.into_iter());
}
