//! The commit rules of feeds: whether a commit follows from the stored rows, and what it does to
//! them.

use crate::commit::change::Refusal;
use crate::commit::change::feed::{FeedChange, FeedStep, Hinted};
use crate::commit::feed::books::{FeedBooks, OwedRenewal, Why};
use crate::commit::feed::placed::{Shown, drop_place, exclude, place};
use crate::commit::feed::rows::{FeedRows, FeedState, MissingLook, Owed, WHOLE};
use crate::commit::feed::settle::{Hearing, settle};
use crate::commit::feed::word::hear;
use crate::mail::id::{FolderId, Identity, Incarnation};
use crate::standing::EventKind;
use crate::time::Micros;
use std::time::Duration;

/// Whether a change follows from the stored rows.
///
/// # Errors
/// [`Refusal`] when it does not; nothing is to be written then.
pub fn admit_feed(
    rows: &FeedRows,
    incarnation: Incarnation,
    change: &FeedChange,
) -> Result<(), Refusal> {
    if rows.account.incarnation != incarnation {
        return Err(Refusal::Incarnation);
    }
    match &change.step {
        FeedStep::Opened { .. } if rows.feeds.contains_key(&WHOLE) => Err(Refusal::Open),
        FeedStep::Words { place, from, .. } => starts_from(rows, *place, from.as_ref()),
        FeedStep::Expired { place, from, .. } => starts_from(rows, *place, Some(from)),
        FeedStep::DropPlace { place } if !rows.places.contains_key(place) => Err(Refusal::Missing),
        _ => Ok(()),
    }
}

fn starts_from(
    rows: &FeedRows,
    place: FolderId,
    from: Option<&crate::mail::feed::FeedCursor>,
) -> Result<(), Refusal> {
    let feed = rows.feeds.get(&place).ok_or(Refusal::Missing)?;
    if feed.cursor.as_ref() == from { Ok(()) } else { Err(Refusal::Chain) }
}

/// The ids that a change is about: what the books must hold of them is loaded first.
#[must_use]
pub fn ids_of(change: &FeedChange) -> Vec<&Identity> {
    match &change.step {
        FeedStep::Words { items, .. } => items.iter().map(|item| &item.id).collect(),
        FeedStep::Shown { ids, .. } => ids.iter().map(|(id, _)| id).collect(),
        FeedStep::Questions { ids, .. } => ids.iter().collect(),
        FeedStep::Hinted(hinted) => hinted.ids.union(&hinted.unread).collect(),
        FeedStep::Got { found, .. } => found.iter().map(|(id, _)| id).collect(),
        FeedStep::Placed { .. }
        | FeedStep::DropPlace { .. }
        | FeedStep::Opened { .. }
        | FeedStep::Expired { .. }
        | FeedStep::Listed { .. }
        | FeedStep::Excluded { .. } => Vec::new(),
    }
}

/// Does what an admitted change means, at the instant `at`. `next_place` numbers new places.
///
/// # Invariants
/// INV-1 a cursor never passes what is not in the same commit · INV-3 the chain has no gaps and no
/// forks · INV-6 one event a message, from its state before to its state after.
pub fn apply_feed(books: &mut FeedBooks, change: &FeedChange, next_place: FolderId, at: Micros) {
    let terms = change.terms;
    let account = &mut books.rows.account;
    account.stamped_at = account.stamped_at.max(Some(at));
    match &change.step {
        FeedStep::Placed { asked, listed, excluded, derived, look, clock } => {
            let shown = Shown {
                asked: *asked,
                listed,
                excluded,
                derived: derived.as_ref(),
                look: look.as_ref(),
                clock: *clock,
            };
            place(books, &shown, next_place, at);
        }
        FeedStep::DropPlace { place } => drop_place(books, *place, at),
        FeedStep::Opened { cursor, clock } => {
            let feed = FeedState { cursor: Some(cursor.clone()), head_at: at };
            books.rows.feeds.insert(WHOLE, feed);
            books.rows.account.opened_at.get_or_insert(*clock);
            books.ledger.announce(EventKind::AccountStarted, None);
        }
        FeedStep::Expired { place, cursor, .. } => {
            if let Some(feed) = books.rows.feeds.get_mut(place) {
                *feed = FeedState { cursor: cursor.clone(), head_at: at };
            }
            books.renew_all(OwedRenewal::Unknown(at));
            if cursor.is_some() {
                books.rows.state.debt = Some(at);
            }
        }
        FeedStep::Words { place, to, session, items, .. } => {
            hear(books, items, *session, terms, at);
            if let (Some(to), Some(feed)) = (to, books.rows.feeds.get_mut(place)) {
                feed.cursor = Some(to.clone());
            }
        }
        FeedStep::Shown { ids, rank } => {
            for (id, away) in ids {
                if books.owed(id).is_none() {
                    shown(books, id, *rank, *away, terms.settle_after, at);
                }
            }
        }
        FeedStep::Questions { ids, absent } => {
            for id in ids {
                let lives = books.message(id).is_some_and(|m| m.deleted_at.is_none());
                let missing = absent.map(|session| MissingLook { at, session });
                if books.owed(id).is_some_and(Owed::is_away) {
                    let after = if absent.is_some() { terms.settle_after } else { Duration::ZERO };
                    books.owe(id, at, Why { after, missing, ..Why::default() });
                } else if books.owed(id).is_none() && lives {
                    let why = Why { after: terms.settle_after, missing, ..Why::default() };
                    books.owe(id, at, why);
                }
            }
        }
        FeedStep::Listed { place, first, pays, shifts } => {
            let state = &mut books.rows.state;
            state.listed |= *first;
            if let Some(place) = place {
                let was_owed = state.listings.remove(place);
                if was_owed && *shifts {
                    state.debt = Some(at);
                }
            } else if *first {
                // Pages shift under a listing.
                state.debt = Some(at);
            } else if pays.is_some() && state.debt == *pays {
                state.debt = None;
            }
        }
        FeedStep::Got { asked, session, found } => {
            let asked = Hearing { since: *asked, session: *session, terms, at };
            for (id, got) in found {
                settle(books, id, got, asked);
            }
        }
        FeedStep::Hinted(hinted) => take_hints(books, hinted, at),
        FeedStep::Excluded { places, clock } => exclude(books, places, *clock, at),
    }
    let FeedBooks { ledger, rows, .. } = books;
    ledger.tell_whole(&rows.account, &rows.places);
}

/// Whoever takes hints writes down what is to be asked about; it knows of no run, and no run of it.
fn take_hints(books: &mut FeedBooks, hinted: &Hinted, at: Micros) {
    if hinted.places {
        let told_at = &mut books.rows.state.places_told_at;
        *told_at = (*told_at).max(Some(at));
    }
    for id in hinted.ids.union(&hinted.unread) {
        books.owe(id, at, Why::default());
    }
    for id in &hinted.unread {
        books.change(id, |row| row.bytes = true);
    }
    if hinted.compare {
        let debt = &mut books.rows.state.debt;
        *debt = (*debt).max(Some(at));
    }
}

/// A list shows an id of which nothing is owed.
fn shown(
    books: &mut FeedBooks,
    id: &Identity,
    rank: u8,
    away: bool,
    settle_after: Duration,
    at: Micros,
) {
    match books.message(id) {
        None if away => books.put_away(id, None, at),
        None => books.owe(id, at, Why { rank: Some(rank), ..Why::default() }),
        Some(message) if message.deleted_at.is_some() && !away => {
            books.owe(id, at, Why { after: settle_after, ..Why::default() });
        }
        Some(_) => {}
    }
}
