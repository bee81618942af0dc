//! What is derived of messages, and what is still owed: a constant number of statements, whatever there is of it.

use crate::store::derive::{DeriveChange, DeriveOrder, DeriveStands, DerivedMail};
use crate::store::failure::Trouble;
use crate::store::sql::derive::{
    DeriveState, DropAttachments, PutAttachments, PutDerived, SaveDerive,
};
use crate::store::sql::query::{Document, Json};
use crate::store::transaction::{Sql, Transaction};
use postrider_core::derive::{Attachment, Derive, Derived, VERSION, rank};
use postrider_core::mail::id::{AccountId, MessageId};
use serde::Serialize;

/// Octets of a text that says why nothing could be read.
const ERROR: usize = 500;

/// Writes it. None where the account is gone; whether something was written.
pub(in crate::store) async fn derive(
    db: &Transaction,
    order: &DeriveOrder,
) -> Result<(Option<DeriveStands>, bool), Trouble> {
    let account = order.account;
    let Some(stored) = db.ask_one(DeriveState { account }).await? else { return Ok((None, false)) };
    let stored = stored.derive.map_or_else(|| Derive::new(VERSION), |Json(derive)| derive);
    let before = stored.clone();
    let next = match &order.change {
        DeriveChange::Begin => stored.begun(VERSION),
        DeriveChange::Ask(span) => stored.asks(*span),
        DeriveChange::Again => stored.again(VERSION),
        DeriveChange::Take { span, seen, rows, next } => {
            // Rows of other code than the account's are not mixed with its.
            let is_ours = stored.version() == VERSION;
            let taken = stored.clone().taken(*span, *seen).filter(|_| is_ours);
            let Some(taken) = taken else {
                return Ok((Some(DeriveStands { derive: stored, is_refused: true }), false));
            };
            write(db, account, rows).await?;
            taken.asks(*next)
        }
    };
    let is_changed = next != before;
    if is_changed {
        db.put(SaveDerive { account, derive: Document::of(&next)? }).await?;
    }
    Ok((Some(DeriveStands { derive: next, is_refused: false }), is_changed))
}

async fn write(db: &Transaction, account: AccountId, rows: &[DerivedMail]) -> Result<(), Trouble> {
    if rows.is_empty() {
        return Ok(());
    }
    let messages: Vec<MessageId> = rows.iter().map(|mail| mail.message).collect();
    db.put(DropAttachments { messages: Document::of(&messages)? }).await?;
    let derived: Vec<_> = rows.iter().map(derived_row).collect();
    db.put(PutDerived { account, rows: Document::of(&derived)? }).await?;
    let read = rows.iter().filter_map(|mail| Some((mail.message, mail.read.as_ref().ok()?)));
    let files = read.flat_map(|(message, read)| {
        read.attachments.iter().map(move |file| attachment_row(message, file))
    });
    let files: Vec<_> = files.collect();
    if !files.is_empty() {
        db.put(PutAttachments { account, rows: Document::of(&files)? }).await?;
    }
    Ok(())
}

fn derived_row(mail: &DerivedMail) -> impl Serialize {
    let DerivedMail { message, received_at, read } = mail;
    let read = read.as_ref();
    let text = |of: fn(&Derived) -> Option<&str>| read.ok().and_then(of);
    (
        message,
        rank(*received_at, *message),
        received_at.0,
        text(|read| Some(&read.snippet)).unwrap_or_default(),
        read.map_or(0, |read| read.attachments.len()),
        text(|read| read.header.list_id.as_deref()),
        mail.parse(),
        read.err().map(|why| why.chars().take(ERROR).collect::<String>()),
        VERSION,
    )
}

fn attachment_row(message: MessageId, file: &Attachment) -> impl Serialize {
    let sha256: String = file.sha256.iter().map(|octet| format!("{octet:02x}")).collect();
    (
        message,
        &file.number,
        &file.media_type,
        &file.name,
        file.is_inline,
        &file.content_id,
        file.encoding.as_str(),
        file.octets.start,
        file.octets.end.saturating_sub(file.octets.start),
        file.size,
        sha256,
    )
}
