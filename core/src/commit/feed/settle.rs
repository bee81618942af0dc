//! What an answer about an owed id settles: each is judged alone against its row. Only a fresh
//! answer settles: asked settle_after or more after the last word, or one that proves itself. What a
//! list has shown needs none while a compare is owed since: that one looks at all of it again.

use crate::commit::change::feed::Terms;
use crate::commit::feed::books::FeedBooks;
use crate::commit::feed::rows::{MissingLook, Owed, WHOLE};
use crate::commit::whole::WholeMail;
use crate::failure::Class;
use crate::mail::id::{FolderId, Identity, SessionId};
use crate::provider::feeds::{FoundMail, Got};
use crate::time::Micros;
use std::collections::BTreeSet;
use std::time::Duration;

/// What cannot be read is tried again after this, then daily.
const FIRST_TRY: Duration = Duration::from_secs(3600);
const LATER_TRIES: Duration = Duration::from_secs(86_400);
/// What is our own fault will be so again: another version comes meanwhile, as a rule.
const RARE_TRIES: Duration = Duration::from_secs(30 * 86_400);
/// Where answers carry a stamp, the next page of changes may prove this one soon.
const SOON: Duration = Duration::from_secs(4);

/// The question that an answer is judged by.
#[derive(Clone, Copy)]
pub(super) struct Hearing {
    /// When it was asked, at the earliest.
    pub(super) since: Micros,
    pub(super) session: SessionId,
    pub(super) terms: Terms,
    /// Now.
    pub(super) at: Micros,
}

impl Hearing {
    fn is_late(&self, owed: &Owed) -> bool {
        self.since >= self.settles(owed)
    }

    /// When a question settles it.
    fn settles(&self, owed: &Owed) -> Micros {
        owed.told_at.max(self.terms.clock_since).plus(self.terms.settle_after)
    }

    /// When a second look that misses it, too, is believed.
    fn confirms(&self, look: MissingLook) -> Micros {
        look.at.max(self.terms.clock_since).plus(self.terms.missing_after)
    }
}

pub(super) fn settle(books: &mut FeedBooks, id: &Identity, got: &Got, asked: Hearing) {
    // Told gone, or settled meanwhile.
    let Some(owed) = books.owed(id).filter(|owed| !owed.is_away()).cloned() else { return };
    match got {
        Got::Failed { class, text, .. } => fail(books, &owed, *class, text, asked.at),
        Got::Missing => miss(books, &owed, asked),
        Got::Found(found) => find(books, &owed, found, asked),
    }
}

fn fail(books: &mut FeedBooks, owed: &Owed, class: Class, text: &str, at: Micros) {
    let wait = match (owed.attempts, class) {
        (0, _) => FIRST_TRY,
        (2.., Class::Bug) => RARE_TRIES,
        _ => LATER_TRIES,
    };
    books.change(&owed.id, |row| {
        row.attempts = row.attempts.saturating_add(1);
        row.failure = Some((class, text.to_owned()));
        row.failed_at = Some(at);
        row.due_at = Some(at.plus(wait));
    });
}

/// It is not there, or in no place of ours: believed at the second look, missing_after after the
/// first, on another session.
fn miss(books: &mut FeedBooks, owed: &Owed, asked: Hearing) {
    let Hearing { since, session, at, .. } = asked;
    let agrees = |look: MissingLook| look.session != session && since >= asked.confirms(look);
    if since < owed.told_at {
        // What was told since is younger than this; told by a clock that was ahead, it has its time.
        books.change(&owed.id, |row| row.due_at = Some(at.max(row.told_at)));
    } else if owed.missing.is_some_and(agrees) {
        books.pay(&owed.id);
        if let Some(message) = books.message(&owed.id).filter(|m| m.deleted_at.is_none()) {
            books.ledger.end_whole(message.id, None, at);
        }
    } else {
        books.change(&owed.id, |row| {
            let look = *row.missing.get_or_insert(MissingLook { at, session });
            row.due_at = Some(asked.confirms(look));
        });
    }
}

/// Whether the answer itself shows that it is no older than the word.
fn is_proved(books: &FeedBooks, owed: &Owed, found: &FoundMail) -> bool {
    match (&found.state.version, &found.stamp) {
        (Some(version), _) => {
            owed.version.as_ref().is_some_and(|told| version >= told)
                && owed.left.as_ref().is_none_or(|left| !found.state.places.contains(left))
        }
        (None, Some(stamp)) => {
            let cursor = books.rows.feeds.get(&WHOLE).and_then(|feed| feed.cursor.as_ref());
            cursor == Some(stamp)
        }
        (None, None) => false,
    }
}

/// Whether a compare will look at it again: lists that show ids alone owe one when the first is
/// over, and it begins when nothing is due any more.
fn is_compared(books: &FeedBooks, owed: &Owed, asked: Hearing) -> bool {
    let state = &books.rows.state;
    let will_be = !state.listed || state.debt.is_some_and(|debt| owed.told_at <= debt);
    let since = asked.since >= owed.told_at;
    asked.terms.compares && since && owed.rank.is_some() && will_be
}

fn find(books: &mut FeedBooks, owed: &Owed, found: &FoundMail, asked: Hearing) {
    let (id, at) = (&owed.id, asked.at);
    let state = &found.state;
    let is_late = asked.is_late(owed);
    let mut is_fresh = is_late || is_compared(books, owed, asked) || is_proved(books, owed, found);
    let ours = books.rows.ours(&state.places);
    let message = books.message(id);
    let lives = message.as_ref().is_some_and(|message| message.deleted_at.is_none());
    if ours.places.is_empty() {
        match message.filter(|_| lives) {
            // It lay where the config has left out since: that is kept, and told to nobody.
            Some(message) if ours.is_away && books.ledger.is_hidden(message.id) => {
                books.ledger.raise_version(message.id, state.version.clone());
                return if is_fresh {
                    books.pay(id)
                } else {
                    wait(books, owed, found, asked, false)
                };
            }
            // It lies where the config leaves out: that is seen, and no absence.
            Some(message) if ours.is_away && is_fresh => {
                books.ledger.end_whole(message.id, state.version.clone(), at);
            }
            Some(_) if !ours.is_away => return miss(books, owed, asked),
            _ => {}
        }
        if is_fresh && ours.is_away {
            return books.put_away(id, state.version.clone().max(owed.version.clone()), at);
        }
        // Places says that there is no such place: one that appears later is listed.
        return if is_fresh { books.pay(id) } else { wait(books, owed, found, asked, false) };
    }
    books.change(id, |row| row.missing = None);
    if let (Some(message), Some((body, _))) = (&message, &found.bytes) {
        books.ledger.read_again(message.id, *body);
    }
    let (flags, version) = (&state.flags, state.version.clone());
    match message {
        None => {
            let Some(mail) = whole(id, found, ours.places) else {
                return wait(books, owed, found, asked, true);
            };
            books.ledger.create_whole(mail, at);
        }
        // Words that came before it was deleted may prove this; time alone shows that it is back.
        Some(message) if message.deleted_at.is_some() => {
            is_fresh = is_late;
            if is_fresh {
                books.ledger.set_whole(message.id, ours.state(flags, version), at);
            }
        }
        // What was read at another stamp may be older than what is held.
        Some(_) if found.stamp.is_some() && state.version.is_none() && !is_fresh => {}
        Some(message) => {
            if version.is_none() || version >= message.version {
                books.ledger.set_whole(message.id, ours.state(flags, version), at);
            }
        }
    }
    if is_fresh {
        books.pay(id);
    } else {
        wait(books, owed, found, asked, false);
    }
}

/// A message that was read, in these places.
fn whole(identity: &Identity, found: &FoundMail, places: BTreeSet<FolderId>) -> Option<WholeMail> {
    let (body, header) = found.bytes.as_ref()?;
    Some(WholeMail {
        identity: identity.clone(),
        body: *body,
        header: header.clone(),
        thread: found.thread.clone(),
        date: found.date,
        version: found.state.version.clone(),
        places,
        flags: found.state.flags.clone(),
    })
}

/// It stays owed, and is asked for when that settles it.
fn wait(books: &mut FeedBooks, owed: &Owed, found: &FoundMail, asked: Hearing, bytes: bool) {
    let at = asked.at;
    let settles = asked.settles(owed).max(at);
    let stamped = found.stamp.is_some() && found.state.version.is_none();
    let due = if stamped { settles.min(at.plus(SOON)) } else { settles };
    books.change(&owed.id, |row| {
        row.bytes = bytes;
        row.due_at = Some(due);
        row.forget_failure();
    });
}
