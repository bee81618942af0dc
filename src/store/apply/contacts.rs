//! Who is named in the mails of a write: in the transaction of their rows, in a constant number of statements.

use crate::store::check::{NamedIn, named_in};
use crate::store::derive::DerivedMail;
use crate::store::failure::Trouble;
use crate::store::sql::contacts::{
    ContactColumns, ContactsOfKeys, ContactsOfMails, DropNamed, DropUnnamed, NextContact,
    PutContacts, PutNamed, RecountContacts, SaveNextContact,
};
use crate::store::sql::query::Document;
use crate::store::transaction::{Sql, Transaction};
use postrider_core::contact::{Contact, ContactMail, ContactsHeld, MessageContact, meet};
use postrider_core::derive::rank;
use postrider_core::mail::id::{AccountId, MessageId};
use std::collections::{BTreeMap, BTreeSet};

impl From<ContactColumns> for Contact {
    fn from(row: ContactColumns) -> Self {
        let ContactColumns { id, key, address, rank, name, name_rank, first_at, .. } = row;
        let ContactColumns { from_count, to_count, .. } = row;
        Self { id, key, address, rank, name, name_rank, first_at, from_count, to_count }
    }
}

/// Keeps who is named in these mails; `again` are those of them that had rows before.
pub(super) async fn keep_people(
    db: &Transaction,
    account: AccountId,
    mails: &[&DerivedMail],
    again: &[MessageId],
) -> Result<(), Trouble> {
    let is_again = !again.is_empty();
    let named = if is_again { named(db, again).await? } else { BTreeMap::new() };
    let people = |mail: &&DerivedMail| ContactMail {
        message: mail.message.0,
        rank: rank(mail.received_at, mail.message),
        people: mail.people.clone(),
    };
    let mails: Vec<ContactMail> = mails.iter().map(people).collect();
    let is_misplaced = |mail: &&ContactMail| {
        named.get(&mail.message).is_some_and(|named| named.has_other_rank(mail.rank))
    };
    let misplaced = mails.iter().filter(is_misplaced).map(|mail| mail.message).collect();
    let named: BTreeMap<_, _> =
        named.into_iter().map(|(message, named)| (message, named.people)).collect();
    let all = mails.iter().flat_map(|mail| &mail.people).chain(named.values().flatten());
    let keys: BTreeSet<&str> = all.map(|one| one.key.as_str()).collect();
    if keys.is_empty() && !is_again {
        return Ok(());
    }
    let known = db.ask(ContactsOfKeys { account, keys: Document::of(&keys)? }).await?;
    let is_new = known.len() < keys.len();
    let next = if is_new { db.ask_one(NextContact {}).await? } else { None };
    let next = next.map_or(1, |row| row.next);
    let newest = known.iter().map(|row| (row.id, row.newest)).collect();
    let known = known.into_iter().map(Contact::from).collect();
    let again: BTreeSet<i64> = again.iter().map(|message| message.0).collect();
    let met = meet(&mails, &ContactsHeld { again, named, misplaced, known, newest, next });
    if met.next != next {
        db.put(SaveNextContact { next: met.next }).await?;
    }
    if !met.contacts.is_empty() {
        let row = |one: &Contact| {
            let at = (one.first_at, one.last_at());
            let counts = (one.from_count, one.to_count);
            let Contact { id, key, address, rank, name, name_rank, .. } = one.clone();
            (id, key, address, rank, name, name_rank, at.0, at.1, counts.0, counts.1)
        };
        let rows: Vec<_> = met.contacts.iter().map(row).collect();
        db.put(PutContacts { account, rows: Document::of(&rows)? }).await?;
    }
    if is_again && !met.mails.is_empty() {
        db.put(DropNamed { mails: Document::of(&met.mails)? }).await?;
    }
    if !met.rows.is_empty() {
        let row = |(message, rank, one, id): &(i64, i64, MessageContact, i64)| {
            let MessageContact { role, position, address, name, .. } = one.clone();
            (*message, role.as_str(), position, *id, *rank, address, name)
        };
        let rows: Vec<_> = met.rows.iter().map(row).collect();
        db.put(PutNamed { rows: Document::of(&rows)? }).await?;
    }
    if !met.recount.is_empty() {
        let contacts = Document::of(&met.recount)?;
        db.put(DropUnnamed { contacts: contacts.clone() }).await?;
        db.put(RecountContacts { contacts }).await?;
    }
    Ok(())
}

/// Whom these mails name, as they were derived before.
async fn named(db: &Transaction, mails: &[MessageId]) -> Result<BTreeMap<i64, NamedIn>, Trouble> {
    named_in(db.ask(ContactsOfMails { mails: Document::of(&mails)? }).await?)
}
