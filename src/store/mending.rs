//! What is to be mended of what is derived: what is of nothing goes, what is counted otherwise than it is is counted, and
//! mails that do not belong together are joined anew.

use crate::store::sql::check::MailOfThread;
use postrider_core::mail::body::StoredBody;
use postrider_core::mail::id::MessageId;
use postrider_core::mime::Parse;
use postrider_core::thread::{Amiss, Group, GroupedMail, ThreadKey, ThreadMail};
use std::collections::{BTreeMap, BTreeSet};

/// Mails that stand in no thread; what joins them is still to be read.
#[derive(Debug, Default)]
pub struct Unjoined(pub(super) Vec<MailOfThread>);

impl Unjoined {
    /// Their numbers.
    pub fn numbers(&self) -> impl Iterator<Item = i64> {
        self.0.iter().map(|mail| mail.message.0)
    }

    /// Where the bytes lie of those that may be read.
    #[must_use]
    pub fn bodies(&self, may_be_read: impl Fn(i64) -> bool) -> Vec<(i64, StoredBody)> {
        self.0.iter().filter(|mail| may_be_read(mail.message.0)).map(body).collect()
    }

    /// The mails with what joins them, as their server tells it, or as was read of those that can be read.
    #[must_use]
    pub fn joined(self, is_told: bool, mut read: BTreeMap<i64, Vec<ThreadKey>>) -> Vec<ThreadMail> {
        let mail = |mail: MailOfThread| {
            let keys = keys(&mail, is_told, &mut read)?;
            let MailOfThread { message, rank, received_at, .. } = mail;
            Some(ThreadMail { message: message.0, keys, rank, received_at: received_at.0 })
        };
        self.0.into_iter().filter_map(mail).collect()
    }
}

pub(super) fn body(mail: &MailOfThread) -> (i64, StoredBody) {
    let MailOfThread { message, hash, pack, offset, length, stored, .. } = *mail;
    (message.0, StoredBody { hash, pack, offset, length, stored })
}

/// What joins a mail: as its server tells it, or as was read.
pub(super) fn keys(
    mail: &MailOfThread,
    is_told: bool,
    read: &mut BTreeMap<i64, Vec<ThreadKey>>,
) -> Option<Vec<ThreadKey>> {
    if is_told {
        return Some(mail.told.iter().map(|id| ThreadKey::of_provider(id)).collect());
    }
    // Of what could not be read nothing joins.
    if mail.parse == Parse::Failed.as_str() {
        return Some(Vec::new());
    }
    read.remove(&mail.message.0)
}

/// What is stored and is of nothing that there is.
#[derive(Debug, Default)]
pub struct Strays {
    /// Derived rows of no message.
    pub derived: Vec<i64>,
    /// Files of no message: its number.
    pub files: Vec<i64>,
    /// People of no message: its number.
    pub people: Vec<i64>,
    /// Rows of words of no message.
    pub words: Vec<(i64, MessageId)>,
    /// Words of no row.
    pub texts: Vec<i64>,
    /// Contacts who are not what mails say.
    pub contacts: Vec<i64>,
    /// Messages in no thread.
    pub mails: Unjoined,
    /// Numbers of threads that lead elsewhere.
    pub aliases: Vec<i64>,
    /// Threads of no mail.
    pub threads: Vec<i64>,
}

impl Strays {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let Self { derived, files, people, words, texts, contacts, mails, aliases, threads } = self;
        [derived, files, people, texts, contacts, aliases, threads].iter().all(|of| of.is_empty())
            && words.is_empty()
            && mails.0.is_empty()
    }
}

/// What is to be mended of an account.
#[derive(Debug, Default)]
pub struct Mending {
    /// What goes, or is counted anew.
    pub strays: Strays,
    /// Threads that are counted anew.
    pub recount: Vec<i64>,
    /// Threads that are forgotten.
    pub forget: Vec<i64>,
    /// And what joined their mails.
    pub keys: Vec<ThreadKey>,
    /// Mails that are in no thread, those of what is forgotten too.
    pub join: Vec<ThreadMail>,
}

impl Mending {
    /// Whether there is nothing to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { strays, recount, forget, join, .. } = self;
        strays.is_clean() && recount.is_empty() && forget.is_empty() && join.is_empty()
    }

    /// What is amiss with threads: what is counted otherwise is counted, and what does not belong together is joined anew.
    /// Of two that do not fit each other the one is taken apart in which the mail stands, and what leads to the other stays:
    /// that may be as it should, and where it is not it is found when it is looked at again.
    #[must_use]
    pub fn of(amiss: &[Amiss], group: &Group) -> Self {
        let (mut mending, mut forget) = (Self::default(), BTreeSet::new());
        for one in amiss {
            match one {
                Amiss::Apart(id) => drop(forget.insert(*id)),
                // Its mails may be read again.
                Amiss::Empty(kept) if kept.messages == 0 => {}
                Amiss::Empty(kept) => mending.recount.push(kept.id),
                Amiss::Counted { kept, .. } => mending.recount.push(kept.id),
                // Where it is not kept it is, when the mail is read.
                Amiss::Led { thread, to, .. } => forget.extend(to.map(|_| *thread)),
            }
        }
        // Who began a thread begins it again: it keeps its number.
        let mut mails: Vec<_> =
            group.mails.iter().filter(|mail| forget.contains(&mail.thread)).collect();
        mails.sort_by_key(|mail| (!forget.contains(&mail.message), mail.message));
        let keys: BTreeSet<ThreadKey> =
            mails.iter().filter_map(|mail| mail.keys.as_ref()).flatten().copied().collect();
        let is_of_these =
            |key: &ThreadKey| group.keys.get(key).is_none_or(|to| forget.contains(to));
        mending.keys = keys.into_iter().filter(is_of_these).collect();
        mending.join = mails.into_iter().filter_map(GroupedMail::joined).collect();
        mending.forget = forget.into_iter().collect();
        mending
    }
}
