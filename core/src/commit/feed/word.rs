//! What one word about a message does, by whether it is held, deleted or unknown. Every rule bears
//! a word that comes twice, late, or about the past.

use crate::commit::change::feed::Terms;
use crate::commit::feed::books::{FeedBooks, Why};
use crate::commit::feed::rows::{MissingLook, Ours, Owed};
use crate::commit::rows::MessageRow;
use crate::mail::feed::{MailVersion, PlaceId};
use crate::mail::flags::Flags;
use crate::mail::id::{FolderId, Identity, SessionId};
use crate::provider::feeds::{FeedItem, FeedWord, SeenState};
use crate::time::Micros;
use std::collections::BTreeSet;

/// A change of state that a word tells.
struct Difference<'a> {
    into: &'a BTreeSet<PlaceId>,
    out_of: &'a BTreeSet<PlaceId>,
    set: &'a Flags,
    cleared: &'a Flags,
    version: &'a MailVersion,
}

/// A page of words, one after the other.
pub(super) fn hear(
    books: &mut FeedBooks,
    items: &[FeedItem],
    session: SessionId,
    terms: Terms,
    at: Micros,
) {
    let is_living = |id: &Identity| {
        books.ledger.message(id).is_some_and(|message| message.deleted_at.is_none())
    };
    let gone: BTreeSet<&Identity> = items
        .iter()
        .filter(|item| matches!(item.word, FeedWord::Gone(_)) && is_living(&item.id))
        .map(|item| &item.id)
        .collect();
    // More than this ends on no single look; the cursor goes on, and each is asked about.
    let mass = gone.len() as u64 > terms.guard_floor.max(books.held / 5);
    for item in items {
        let message = books.message(&item.id);
        match (&item.word, message) {
            (FeedWord::Gone(version), Some(message)) if message.deleted_at.is_none() && mass => {
                let why = Why {
                    after: terms.settle_after,
                    missing: Some(MissingLook { at, session }),
                    version: version.clone(),
                    ..Why::default()
                };
                books.owe(&item.id, at, why);
            }
            (FeedWord::Gone(version), Some(message)) => {
                books.pay(&item.id);
                if message.deleted_at.is_none() {
                    books.ledger.end_whole(message.id, version.clone(), at);
                } else {
                    books.ledger.raise_version(message.id, version.clone());
                }
            }
            (FeedWord::Gone(_), None) => books.pay(&item.id),
            (word, None) => unknown(books, &item.id, word, at),
            (word, Some(message)) if message.deleted_at.is_some() => {
                deleted(books, &message, word, terms, at);
            }
            (word, Some(message)) => held(books, &message, word, at),
        }
    }
}

/// A word about a message that is not held.
fn unknown(books: &mut FeedBooks, id: &Identity, word: &FeedWord, at: Micros) {
    match word {
        FeedWord::Left(place) => {
            if books.owed(id).is_some_and(|owed| !owed.is_away()) {
                let why = Why { left: Some(place.clone()), ..Why::default() };
                books.owe(id, at, why);
            }
        }
        FeedWord::Shown(state) => {
            let away = books.owed(id).map(Owed::is_away);
            if away.is_none() {
                show(books, id, state, at);
            } else if away == Some(true) && !books.rows.ours(&state.places).places.is_empty() {
                books.owe(id, at, Why::told(state.version.clone()));
            }
        }
        FeedWord::New { .. }
        | FeedWord::Touched
        | FeedWord::State(_)
        | FeedWord::Delta { .. }
        | FeedWord::Gone(_) => told(books, id, word, at),
    }
}

/// A list shows a message that is neither held nor owed.
fn show(books: &mut FeedBooks, id: &Identity, state: &SeenState, at: Micros) {
    if books.rows.ours(&state.places).is_away {
        books.put_away(id, state.version.clone(), at);
    } else {
        books.owe(id, at, Why { rank: Some(0), ..Why::told(state.version.clone()) });
    }
}

/// A word that makes a message owed, unless it says that it lies where the config leaves out.
fn told(books: &mut FeedBooks, id: &Identity, word: &FeedWord, at: Micros) {
    let version = version_of(word);
    if stays_away(books, id, word) {
        books.put_away(id, version, at);
    } else {
        books.owe(id, at, Why::told(version));
    }
}

fn stays_away(books: &FeedBooks, id: &Identity, word: &FeedWord) -> bool {
    let rows = &books.rows;
    match word {
        FeedWord::New { places: Some(places), .. } => rows.ours(places).is_away,
        FeedWord::State(state) => rows.ours(&state.places).is_away,
        // Who is away stays so, unless it leaves where it is hidden or comes to where it is not.
        FeedWord::Delta { into, out_of, .. } => {
            let is_excluded = |place: &PlaceId| rows.place(place).is_some_and(|row| row.excluded);
            books.owed(id).is_some_and(|owed| owed.is_away())
                && into.iter().all(is_excluded)
                && !out_of.iter().any(is_excluded)
        }
        _ => false,
    }
}

fn version_of(word: &FeedWord) -> Option<MailVersion> {
    match word {
        FeedWord::New { version, .. } | FeedWord::Gone(version) => version.clone(),
        FeedWord::State(state) | FeedWord::Shown(state) => state.version.clone(),
        FeedWord::Delta { version, .. } => Some(version.clone()),
        FeedWord::Touched | FeedWord::Left(_) => None,
    }
}

/// A word about a message that is deleted: what it tells may be older than that.
fn deleted(books: &mut FeedBooks, message: &MessageRow, word: &FeedWord, terms: Terms, at: Micros) {
    let id = &message.identity;
    match word {
        FeedWord::Left(_) | FeedWord::Gone(_) => {}
        FeedWord::Shown(state) => {
            let is_owed = books.owed(id).is_some_and(|owed| !owed.is_away());
            if !is_owed && !books.rows.ours(&state.places).places.is_empty() {
                let why = Why { after: terms.settle_after, ..Why::told(state.version.clone()) };
                books.owe(id, at, why);
            }
        }
        word => {
            let version = version_of(word);
            if version.is_none() || version > message.version {
                told(books, id, word, at);
            }
        }
    }
}

/// A word about a message that is held.
fn held(books: &mut FeedBooks, message: &MessageRow, word: &FeedWord, at: Micros) {
    let id = &message.identity;
    match word {
        // Without a version it says no more than that something is about to be known.
        FeedWord::New { version: None, .. } | FeedWord::Touched => {
            books.owe(id, at, Why::default())
        }
        FeedWord::New { version: Some(_), .. } | FeedWord::Gone(_) => {}
        FeedWord::State(state) => {
            let ours = books.rows.ours(&state.places);
            // What is in no place of ours may be in one that we have not heard of.
            let lies = !ours.places.is_empty();
            if state.version >= message.version {
                be(books, message, ours, &state.flags, state.version.clone(), at);
            }
            let proves = books.owed(id).is_some_and(|owed| {
                owed.version.is_some()
                    && state.version >= owed.version
                    && owed.left.as_ref().is_none_or(|left| !state.places.contains(left))
            });
            if proves && lies && !books.owed(id).is_some_and(|owed| owed.is_away()) {
                books.pay(id);
            }
        }
        FeedWord::Delta { into, out_of, set, cleared, version } => {
            if Some(version) > message.version.as_ref() {
                differ(books, message, &Difference { into, out_of, set, cleared, version }, at);
            }
        }
        FeedWord::Left(place) => {
            let (here, _) = books.ledger.state_of(message.id);
            if books.rows.place(place).is_some_and(|row| here.contains(&row.id)) {
                let left = Some(place.clone());
                books.owe(id, at, Why { left, ..Why::told(message.version.clone()) });
            }
        }
        FeedWord::Shown(state) => {
            let ours = books.rows.ours(&state.places).places;
            if books.owed(id).is_none()
                && books.ledger.state_of(message.id) != (ours, state.flags.clone())
            {
                books.owe(id, at, Why::told(state.version.clone()));
            }
        }
    }
}

/// A held message's state is this, as a word tells it.
fn be(
    books: &mut FeedBooks,
    message: &MessageRow,
    ours: Ours,
    flags: &Flags,
    version: Option<MailVersion>,
    at: Micros,
) {
    if !ours.places.is_empty() {
        books.ledger.set_whole(message.id, ours.state(flags, version), at);
    } else if ours.is_away && books.ledger.is_hidden(message.id) {
        // It lay where the config has left out since: that is kept, and told to nobody.
        books.ledger.raise_version(message.id, version);
    } else if ours.is_away {
        books.ledger.end_whole(message.id, version.clone(), at);
        books.put_away(&message.identity, version, at);
    } else {
        books.owe(&message.identity, at, Why::told(version));
    }
}

fn differ(books: &mut FeedBooks, message: &MessageRow, difference: &Difference<'_>, at: Micros) {
    let (_, flags) = books.ledger.state_of(message.id);
    let here = books.ledger.places_of(message.id);
    let known = |ids: &BTreeSet<PlaceId>| -> BTreeSet<FolderId> {
        ids.iter().filter_map(|id| books.rows.place(id)).map(|row| row.id).collect()
    };
    let (into, out_of) = (known(difference.into), known(difference.out_of));
    let explicit: BTreeSet<FolderId> = &(&here | &into) - &out_of;
    // It is away only if a place that it came into says so.
    let ours = books.rows.derive(explicit, !into.is_empty());
    let flags = flags.with(difference.set).without(difference.cleared);
    let version = Some(difference.version.clone());
    let was_owed = books.owed(&message.identity).is_some();
    let lies = !ours.places.is_empty();
    // What is kept where nobody looks is as it was then: a difference to that says nothing.
    if lies && books.ledger.is_hidden(message.id) {
        return books.owe(&message.identity, at, Why::told(version));
    }
    be(books, message, ours, &flags, version.clone(), at);
    if was_owed && lies {
        books.owe(&message.identity, at, Why::told(version));
    }
}
