//! Whether what is derived fits the bytes that it is derived from: all mail of an account is read again.

use crate::derive::read::MailReader;
use crate::store::Reader;
use crate::store::check::{Behind, DerivedChecks, DerivedState, NOTHING, WordsSeen, words_number};
use crate::store::derive::{DerivedMail, OwedMail, OwedReader};
use crate::store::mending::{Mending, Strays};
use postrider_core::derive::{Look, Reads, Span};
use postrider_core::failure::Failure;
use postrider_core::mail::id::{AccountId, MessageId};
use postrider_core::thread::Amiss;
use postrider_core::word::WordText;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Mails that are read together.
const PIECE: i64 = 64;
/// Differences that are told one by one.
const TOLD: usize = 1000;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// Mails whose rows were held against their bytes.
    pub(crate) messages: u64,
    /// Mails of which something is still to be derived.
    pub(crate) behind: u64,
    /// What does not fit.
    pub(crate) differences: Vec<String>,
    /// What was not looked into.
    pub(crate) unproved: Vec<String>,
}

impl Checked {
    fn differs(&mut self, what: impl FnOnce() -> String) {
        if self.differences.len() < TOLD {
            self.differences.push(what());
        }
    }
}

/// Threads that were looked at together.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    amiss: Vec<Amiss>,
    mending: Mending,
    next: Behind,
    /// One of too many mails, or the first of some that name too many, was not looked into.
    large: Option<i64>,
}

/// What is stored of an account is looked through so often at most, and what is of nothing is taken away in so many goes.
const TIMES_MOST: u32 = 5;
const SWEEPS_MOST: u32 = 1000;
/// What could not be mended so often is gone past, and so many times.
const FAILED_MOST: u32 = 2;
const PASSED_MOST: u32 = 3;

/// How far what is stored of an account was looked through, to be mended.
#[derive(Debug, Default)]
pub(crate) struct Looking {
    /// How often it was, from end to end.
    times: u32,
    sweeps: u32,
    failures: u32,
    /// So often something was gone past.
    passed: u32,
    /// Something was mended since it was begun.
    has_mended: bool,
    /// Behind these threads; nothing before what is of nothing has gone.
    behind: Option<Behind>,
    /// Behind these when what is told is mended.
    next: Option<Behind>,
}

impl Looking {
    /// What was mended is looked at again; where something cannot be mended it would not be the last time.
    fn is_begun_anew(&self) -> bool {
        self.has_mended && self.passed == 0 && self.times < TIMES_MOST
    }

    /// What is told is mended.
    pub(crate) fn mended(&mut self) {
        (self.failures, self.has_mended) = (0, true);
    }

    /// What is told could not be mended: it is tried again, but not for ever.
    pub(crate) fn failed(&mut self) {
        self.failures += 1;
        if self.failures < FAILED_MOST {
            self.next = None;
            return;
        }
        tracing::warn!("what is derived and does not fit is gone past: it could not be mended");
        (self.failures, self.passed) = (0, self.passed + 1);
        if self.behind.is_none() {
            self.next = Some(Behind::default());
        }
    }
}

/// Looks through what is derived.
#[derive(Debug)]
pub(crate) struct Checker {
    rows: DerivedChecks,
    owed: OwedReader,
    bodies: PathBuf,
    leaving: Arc<AtomicBool>,
}

impl Checker {
    /// Of these rows, and the packs in this folder; it gives up when the process ends.
    pub(crate) fn new(reader: &Reader, bodies: &Path, leaving: Arc<AtomicBool>) -> Self {
        let (rows, owed) = (DerivedChecks::new(reader.clone()), OwedReader::new(reader.clone()));
        Self { rows, owed, bodies: bodies.to_owned(), leaving }
    }

    fn mails(&self, reads: Reads) -> MailReader {
        MailReader::new(&self.bodies, reads, Arc::clone(&self.leaving))
    }

    /// How an account is derived.
    pub(crate) async fn state(&self, account: AccountId) -> Result<Option<DerivedState>, Failure> {
        self.rows.state(account).await
    }

    /// What is of nothing, and what is to be done about it; nothing where all is well.
    async fn sweep(
        &self,
        account: AccountId,
        of: &DerivedState,
        look: Look,
    ) -> Result<Option<Mending>, Failure> {
        let mut strays = self.rows.strays(account, look).await?;
        let mails = std::mem::take(&mut strays.mails);
        let read = self
            .mails(Reads::Off)
            .keys(mails.bodies(|message| !of.is_left_out(message)))
            .await?
            .unwrap_or_default();
        let join = mails.joined(of.tells_threads, read);
        let mending = Mending { strays, join, ..Mending::default() };
        Ok(Some(mending).filter(|mending| !mending.is_empty()))
    }

    /// What is of nothing, while there is any and it can be told: where it cannot, what is to be read anew does not wait for it.
    async fn swept(
        &self,
        account: AccountId,
        of: &DerivedState,
        look: Look,
        looking: &mut Looking,
    ) -> Option<Mending> {
        looking.sweeps += 1;
        if looking.sweeps > SWEEPS_MOST {
            return None;
        }
        self.sweep(account, of, look).await.unwrap_or_else(|failure| {
            tracing::warn!(
                account.row = account.0,
                "what is derived of no message is not looked for: {}",
                failure.chain()
            );
            None
        })
    }

    /// The next step of a look that mends, and what is to be mended now, if anything; nothing when it is done. What was mended
    /// is looked at again: mails that are joined anew may join other threads, and change what those are.
    pub(crate) async fn step(
        &self,
        account: AccountId,
        of: &DerivedState,
        look: Look,
        looking: &mut Looking,
    ) -> Result<Option<Option<Mending>>, Failure> {
        looking.behind = looking.next.take().or(looking.behind);
        if looking.passed >= PASSED_MOST {
            return Ok(None);
        }
        Ok(Some(match looking.behind {
            None => {
                let mending = self.swept(account, of, look, looking).await;
                looking.next = mending.is_none().then(Behind::default);
                mending
            }
            Some(behind) => match self.threads(account, of, behind).await? {
                Some(Looked { mending, next, .. }) => {
                    looking.next = Some(next);
                    Some(mending).filter(|mending| !mending.is_empty())
                }
                None if looking.is_begun_anew() => {
                    *looking = Looking { times: looking.times + 1, ..Looking::default() };
                    None
                }
                None => return Ok(None),
            },
        }))
    }

    /// The next threads, and what does not fit of them; nothing behind the last.
    pub(crate) async fn threads(
        &self,
        account: AccountId,
        of: &DerivedState,
        behind: Behind,
    ) -> Result<Option<Looked>, Failure> {
        let mut before: Option<Vec<Amiss>> = None;
        loop {
            let Some(threads) = self.rows.threads(account, of, behind).await? else {
                return Ok(None);
            };
            let (next, is_large) = (threads.next, threads.is_large);
            let large = threads.threads.keys().next().copied();
            let passed = |large| Looked { next, large, ..Looked::default() };
            if is_large {
                return Ok(Some(passed(large)));
            }
            let Some(read) = self.mails(Reads::Off).keys(threads.bodies(of)).await? else {
                return Ok(Some(passed(large)));
            };
            let group = self.rows.group(account, of, threads, read).await?;
            let mut amiss = group.amiss();
            // What was read at several instants may have changed in between: what is so twice is so.
            if let Some(before) = &before {
                amiss.retain(|one| before.contains(one));
            }
            if amiss.is_empty() || before.is_some() {
                let mending = Mending::of(&amiss, &group);
                return Ok(Some(Looked { amiss, mending, next, large: None }));
            }
            before = Some(amiss);
        }
    }

    /// All of an account; nothing where there is none.
    pub(crate) async fn account(&self, account: AccountId) -> Result<Option<Checked>, Failure> {
        let Some(state) = self.state(account).await? else { return Ok(None) };
        let mut checked = Checked::default();
        self.messages(account, &state, &mut checked).await?;
        let mut behind = Behind::default();
        while let Some(looked) = self.threads(account, &state, behind).await? {
            behind = looked.next;
            for amiss in looked.amiss {
                checked.differs(|| told(&amiss));
            }
            if let Some(id) = looked.large {
                checked
                    .unproved
                    .push(format!("thread {id} (or one beside it) is too large to be looked into"));
            }
        }
        let strays = self.rows.strays(account, Look::After).await?;
        for (what, ids) in of_nothing(&strays, checked.behind > 0) {
            for id in ids {
                checked.differs(|| what.replace("{}", &id.to_string()));
            }
        }
        Ok(Some(checked))
    }

    /// Each message's rows, and words.
    async fn messages(
        &self,
        account: AccountId,
        of: &DerivedState,
        checked: &mut Checked,
    ) -> Result<(), Failure> {
        let reads = of.derive.as_ref().map_or(Reads::Off, |derive| derive.made().words);
        let (mails, mut seen) = (self.mails(reads), WordsSeen::default());
        let mut of_words: BTreeMap<i64, MessageId> = BTreeMap::new();
        let mut low = 1;
        loop {
            let span = Span { low, high: of.newest };
            let mut piece = self.owed.mails(account, span, PIECE).await?;
            let Some(last) = piece.last() else { break };
            low = last.message.0 + 1;
            let is_owed = |mail: &&OwedMail| {
                !of.is_derived(mail.message.0) && !of.is_left_out(mail.message.0)
            };
            let owed: Vec<i64> = piece.iter().filter(is_owed).map(|mail| mail.message.0).collect();
            piece.retain(|mail| of.is_derived(mail.message.0));
            let asked = piece.len();
            let read = mails.read(piece).await?;
            if read.len() < asked {
                // What lies in them is enough for one go.
                let Some(last) = read.last() else { break };
                low = last.message.0 + 1;
            }
            checked.behind += owed.iter().filter(|message| **message < low).count() as u64;
            self.compared(account, of, &read, checked).await?;
            for (number, message, words) in words_of(&read) {
                if self.rows.reads_index() {
                    seen.has(number, account, words);
                    of_words.insert(number, message);
                }
            }
        }
        if !seen.is_empty() {
            self.rows.see_words(&mut seen).await?;
        }
        for message in seen.other().filter_map(|number| of_words.get(&number)) {
            checked.differs(|| format!("message {}: the words in the index are others", message.0));
        }
        Ok(())
    }

    async fn compared(
        &self,
        account: AccountId,
        of: &DerivedState,
        read: &[DerivedMail],
        checked: &mut Checked,
    ) -> Result<(), Failure> {
        let ids: Vec<MessageId> = read.iter().map(|mail| mail.message).collect();
        let stored = self.rows.stored(&ids).await?;
        let words: Vec<_> = words_of(read).collect();
        let other = self.rows.other_words(&words, account).await?;
        for mail in read {
            checked.messages += 1;
            let Some(rows) = stored.get(&mail.message) else { continue };
            let mut amiss = rows.amiss(mail, account, of);
            if other.contains(&words_number(mail)) {
                amiss.push("words");
            }
            let message = mail.message.0;
            if amiss.contains(&NOTHING) {
                checked.differs(|| format!("message {message}: {NOTHING}"));
            } else if !amiss.is_empty() {
                let what = amiss.join(", ");
                checked.differs(|| format!("message {message}: {what} not as its bytes say"));
            }
        }
        Ok(())
    }
}

/// Who has words, by their numbers.
fn words_of(read: &[DerivedMail]) -> impl Iterator<Item = (i64, MessageId, &WordText)> {
    read.iter().filter_map(|mail| {
        let words = mail.read.as_ref().ok()?.words.as_ref()?;
        Some((words_number(mail), mail.message, words))
    })
}

/// What is of nothing, in words. What is still to be derived has no thread yet.
fn of_nothing(strays: &Strays, is_behind: bool) -> Vec<(&'static str, Vec<i64>)> {
    let Strays { derived, files, people, words, texts, contacts, mails, aliases, .. } = strays;
    let words = words.iter().map(|(id, _)| *id).collect();
    let mails = if is_behind { Vec::new() } else { mails.numbers().collect() };
    vec![
        (
            "a derived row is of message {}, which is not there, or has another time",
            derived.clone(),
        ),
        ("files are of message {}, of which nothing is derived", files.clone()),
        ("people are of message {}, of which nothing is derived", people.clone()),
        ("words have the number {}, which is of no message", words),
        ("words have the number {}, and no row says whose they are", texts.clone()),
        ("contact {} is not what mails say", contacts.clone()),
        ("message {} is in no thread", mails),
        ("the number {} leads to another thread than that of its mail", aliases.clone()),
    ]
}

fn told(amiss: &Amiss) -> String {
    match amiss {
        Amiss::Empty(kept) => format!("thread {} has no message", kept.id),
        Amiss::Counted { kept, there } if kept.messages != there.messages => format!(
            "thread {}: {} messages are counted, and {} are there",
            kept.id, kept.messages, there.messages
        ),
        Amiss::Counted { kept, .. } => {
            format!("thread {}: its rank or its beginning is not that of its messages", kept.id)
        }
        Amiss::Apart(id) => format!("thread {id}: not all of its messages belong together"),
        Amiss::Led { message, thread, to: Some(to) } => {
            format!("message {message} is in thread {thread}, and belongs to {to}")
        }
        Amiss::Led { message, thread, to: None } => {
            format!("message {message} is in thread {thread}, and what joins it is not kept")
        }
    }
}
