//! Bytes of messages that are held, read once more: those that were lost have a place again.

use super::Ledger;
use crate::commit::tally::Place;
use crate::mail::body::BodyRef;
use crate::mail::id::{Identity, MessageId};
use crate::mail::message::Fetched;

impl Ledger {
    /// A server's name for other bytes than ours is not believed: the mail goes by its bytes.
    pub(super) fn identity_of(&self, fetched: &Fetched) -> Identity {
        let row = self.message(&fetched.identity).filter(|_| !fetched.held);
        let other =
            row.is_some_and(|row| row.body != fetched.body.hash() && !row.takes(&fetched.body));
        if other { Identity::of_bytes(fetched.body.hash()) } else { fetched.identity.clone() }
    }

    /// The message at a place of whose bytes nothing is known, where these may be they.
    pub(super) fn unknown_at(&self, place: &Place, fetched: &Fetched) -> Option<MessageId> {
        let living = self.locations.get(place).filter(|l| l.ended_at.is_none())?;
        let row = self.messages.get(&living.message)?;
        (!fetched.held && row.takes(&fetched.body)).then_some(row.id)
    }

    /// The bytes of a message that is held were read once more.
    pub(crate) fn read_again(&mut self, id: MessageId, body: BodyRef) {
        if self.created.contains_key(&id) {
            return;
        }
        let Some(row) = self.messages.get_mut(&id) else { return };
        if row.takes(&body) {
            row.body = body.hash();
            if row.identity.is_hash() {
                self.by_identity.remove(&row.identity);
                row.identity = Identity::of_bytes(body.hash());
                self.by_identity.insert(row.identity.clone(), id);
            }
            self.adopted.push((id, body.hash()));
        }
        if row.body == body.hash() {
            self.again.push((id, body));
        }
    }
}
