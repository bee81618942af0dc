//! What edits of the config do to accounts: begun, replaced, refused, dropped; and how one gets
//! another id. Its new id is durable before it begins, and what is edited about either id meanwhile
//! waits.

use super::{Roster, Seat, Seated, Stored, Then};
use crate::account::follow::Past;
use crate::failure::{Class, Failure, Provenance, Reach};
use crate::roster::vocabulary::{Enrolled, Owns, RosterAction, RosterEvent};
use std::time::Duration;

/// A new id that could not be stored is tried again after this.
pub(super) const RENAME_AGAIN: Duration = Duration::from_secs(5);

impl Roster {
    /// Whether an edit is about an id that another account's rows still bear, or about what an
    /// earlier such edit is.
    pub(super) fn is_early(&self, event: &RosterEvent) -> bool {
        let is_leaving = |name: &str| {
            self.accounts
                .values()
                .any(|account| matches!(&account.seat, Seat::Renaming { was, .. } if was == name))
        };
        let is_awaited = |name: &str| self.later.iter().any(|event| event.edits(name));
        match event {
            RosterEvent::Enrolled(enrolled) => {
                let (name, was) = (enrolled.name.as_str(), enrolled.was.as_deref());
                let is_early = |name: &str| is_leaving(name) || is_awaited(name);
                match self.renaming(name) {
                    // It gets its rows from elsewhere; or that was given up, which is not over yet.
                    Some((from, _, dropped)) => {
                        dropped || was.is_some_and(|was| was != from) || is_awaited(name)
                    }
                    None => {
                        is_early(name)
                            || was.is_some_and(|was| is_early(was) || self.renaming(was).is_some())
                    }
                }
            }
            RosterEvent::Dropped(name) => is_leaving(name) || is_awaited(name),
            _ => false,
        }
    }

    pub(super) fn enrolled(&mut self, enrolled: Enrolled, out: &mut Vec<RosterAction>) {
        let Enrolled { name, was, refused, past } = enrolled;
        let known = self.accounts.entry(name.clone());
        let account = known.or_insert_with(|| Seated {
            seat: Seat::Fallen,
            past: Past::default(),
            refused: None,
        });
        (account.past, account.refused) = (past, refused);
        if let Some(number) = account.seat.actor() {
            // The one that is followed now settles what it has in hand first. Whatever was to come
            // of it is over: this is what is wanted now.
            let then = if self.stopped { Then::Nothing } else { Then::Replace };
            self.seat(&name, Seat::Leaving { number, then });
            out.push(RosterAction::Stop(name.clone()));
            // Its rows have its id. Another account cannot become this one, and is named no more.
            if let Some(was) = was.filter(|was| self.accounts.contains_key(was)) {
                if let Some(account) = self.accounts.get_mut(&name) {
                    account.refused.get_or_insert(taken());
                }
                self.dropped(was, out);
            }
            return;
        }
        // Its new id is being stored: whatever else is edited, it begins when that is durable.
        if let Seat::Renaming { dropped, .. } = &mut account.seat {
            *dropped = false;
            return;
        }
        let Some(was) = was else { return self.begin(&name, out) };
        match self.seat_of(&was).and_then(Seat::actor) {
            // It still runs under the id it had.
            Some(number) => {
                self.seat(&was, Seat::Leaving { number, then: Then::Rename(name.clone()) });
                self.seat(
                    &name,
                    Seat::Renaming { was: was.clone(), stage: Stored::NotYet, dropped: false },
                );
                out.push(RosterAction::Stop(was));
            }
            None => self.rename(was, name, out),
        }
    }

    /// Stores an account's new id; it begins when that is durable.
    pub(super) fn rename(&mut self, was: String, name: String, out: &mut Vec<RosterAction>) {
        if self.renaming(&name).is_none_or(|(_, stage, _)| stage != Stored::Again) {
            self.leave(&was);
            out.push(RosterAction::Forget(was.clone()));
        }
        self.seat(&name, Seat::Renaming { was: was.clone(), stage: Stored::Asked, dropped: false });
        out.push(RosterAction::Rename(was, name));
    }

    pub(super) fn renamed(&mut self, name: String, out: &mut Vec<RosterAction>) {
        match self.renaming(&name) {
            Some((was, Stored::Asked, true)) => self.drop_renaming(was, name, out),
            Some((_, Stored::Asked, false)) => self.begin(&name, out),
            _ => {}
        }
    }

    pub(super) fn rename_failed(&mut self, name: String, out: &mut Vec<RosterAction>) {
        match self.renaming(&name) {
            Some((was, Stored::Asked, true)) => self.drop_renaming(was, name, out),
            Some((was, Stored::Asked, false)) => {
                self.seat(&name, Seat::Renaming { was, stage: Stored::Again, dropped: false });
                out.push(RosterAction::RenameAfter(name, RENAME_AGAIN));
            }
            _ => {}
        }
    }

    /// The config names neither any more: nobody follows the rows, whichever of the two ids they
    /// bear.
    fn drop_renaming(&mut self, was: String, name: String, out: &mut Vec<RosterAction>) {
        self.leave(&name);
        out.push(RosterAction::Removed(was));
        out.push(RosterAction::Removed(name));
    }

    pub(super) fn rename_taken(&mut self, name: String, out: &mut Vec<RosterAction>) {
        match self.renaming(&name) {
            Some((was, Stored::Asked, true)) => return self.drop_renaming(was, name, out),
            Some((_, Stored::Asked, false)) => {}
            _ => return,
        }
        let failure = taken();
        self.seat(&name, Seat::Refused);
        if let Some(account) = self.accounts.get_mut(&name) {
            account.refused = Some(failure.clone());
        }
        out.push(RosterAction::Refused(name, failure, Owns::Another));
    }

    pub(super) fn dropped(&mut self, name: String, out: &mut Vec<RosterAction>) {
        match self.seat_of(&name) {
            Some(Seat::Running { number } | Seat::Leaving { number, .. }) => {
                let number = *number;
                self.seat(&name, Seat::Leaving { number, then: Then::Remove });
                out.push(RosterAction::Stop(name));
            }
            // Who still runs under the id before is not followed under either.
            Some(Seat::Renaming { was, stage: Stored::NotYet, .. }) => {
                let was = was.clone();
                if let Some(number) = self.seat_of(&was).and_then(Seat::actor) {
                    self.seat(&was, Seat::Leaving { number, then: Then::Remove });
                }
                self.leave(&name);
                out.push(RosterAction::Removed(name));
            }
            Some(Seat::Renaming { was, stage: Stored::Again, .. }) => {
                let was = was.clone();
                self.drop_renaming(was, name, out);
            }
            // The answer tells where its rows are.
            Some(Seat::Renaming { was, stage, .. }) => {
                let (was, stage) = (was.clone(), *stage);
                self.seat(&name, Seat::Renaming { was, stage, dropped: true });
                out.push(RosterAction::Forget(name));
            }
            _ => {
                self.leave(&name);
                out.push(RosterAction::Removed(name));
            }
        }
    }
}

fn taken() -> Failure {
    let text =
        "the database holds another account of this id: take `was` out, or purge that one first";
    Failure::new(Class::Config, Reach::Account, Provenance::Local, text)
}
