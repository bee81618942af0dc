//! Reads mails out of their packs, off the runtime. A panic costs a mail what is derived of it.
#![expect(
    clippy::disallowed_methods,
    reason = "parsing is no work for the runtime's threads; it is waited for"
)]

use crate::bodies::{BodyReader, Damage, has_pack};
use crate::store::derive::{DerivedMail, OwedMail};
use postrider_core::contact::MessageContact;
use postrider_core::derive::{Derived, Octets, Reads, keys_of};
use postrider_core::failure::Failure;
use postrider_core::mail::body::StoredBody;
use postrider_core::mime::{HEADER_LIMIT, Header, as_mail};
use postrider_core::thread::ThreadKey;
use postrider_core::word::WordText;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};

/// With so many files and people in what was read it is written before more is read.
const ROWS_MOST: usize = 10_000;
/// And with words of so many octets.
const WORDS_MOST: usize = 4 * 1024 * 1024;
/// Of mails that are looked at together so many keys are kept.
const KEYS_MOST: usize = 100_000;
/// Mails up to this are read at once.
const SMALL: u64 = 64 * 1024;

thread_local! {
    /// A mail is being read here: what a panic says may be a piece of it.
    static IS_READING: Cell<bool> = const { Cell::new(false) };
}

/// Who panics over a mail says where, and nothing else.
fn keep_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_READING.get() {
                before(panic);
            } else if let Some(place) = panic.location() {
                tracing::error!("a mail could not be parsed: a panic at {place}");
            }
        }));
    });
}

/// Where a mail's bytes lie, and what they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MailBytes {
    /// Where.
    pub(crate) body: StoredBody,
    /// They are what its provider tells of it: it is read as the mail that says the same.
    pub(crate) synthetic: bool,
}

/// The octets of a stored mail.
#[derive(Debug)]
pub(crate) struct Stored<'a> {
    reader: &'a mut BodyReader,
    leaving: &'a AtomicBool,
    body: StoredBody,
    /// All of them, of a small one.
    whole: Option<Vec<u8>>,
}

impl Octets for Stored<'_> {
    type Error = Unread;

    fn length(&self) -> u64 {
        match &self.whole {
            Some(whole) => whole.len() as u64,
            None => self.body.length,
        }
    }

    fn read(&mut self, range: Range<u64>, take: &mut dyn FnMut(&[u8])) -> Result<(), Unread> {
        let Self { reader, leaving, body, whole } = self;
        if body.length > SMALL && whole.is_none() {
            return reader.pieces(body, range, &mut |piece| {
                take(piece);
                if leaving.load(Ordering::Relaxed) { Err(Unread::GivenUp) } else { Ok(()) }
            });
        }
        if whole.is_none() {
            *whole = Some(all_of(reader, body)?);
        }
        let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
        let part = whole.as_ref().and_then(|whole| whole.get(at(range.start)..at(range.end)));
        take(part.unwrap_or_default());
        Ok(())
    }
}

fn all_of(reader: &mut BodyReader, body: &StoredBody) -> Result<Vec<u8>, Unread> {
    let mut octets = Vec::with_capacity(usize::try_from(body.length).unwrap_or(0));
    reader.pieces(body, 0..body.length, &mut |piece| {
        octets.extend_from_slice(piece);
        Ok::<_, Unread>(())
    })?;
    Ok(octets)
}

/// Why a mail is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error("{0}")]
    Damaged(#[from] Damage),
    #[error("the process ends")]
    GivenUp,
}

/// Reads mails, one after another.
#[derive(Debug)]
pub(super) struct MailReader {
    bodies: PathBuf,
    reads: Reads,
    leaving: Arc<AtomicBool>,
}

impl MailReader {
    /// Of the packs in this folder; it gives up when the process ends, and then what it has read is to be thrown away.
    pub(super) fn new(bodies: &Path, reads: Reads, leaving: Arc<AtomicBool>) -> Self {
        keep_quiet();
        Self { bodies: bodies.to_owned(), reads, leaving }
    }

    /// What joins each with others, of those that can be read; nothing where that is more than is kept, or the process ends.
    ///
    /// # Errors
    /// Class storage: the packs cannot be read now. Class bug: the runtime ends.
    pub(super) async fn keys(
        &self,
        mails: Vec<(i64, StoredBody)>,
    ) -> Result<Option<BTreeMap<i64, Vec<ThreadKey>>>, Failure> {
        let (bodies, leaving) = (self.bodies.clone(), Arc::clone(&self.leaving));
        let read = tokio::task::spawn_blocking(move || {
            let mut reader = BodyReader::new(&bodies);
            let (mut found, mut count) = (BTreeMap::new(), 0);
            for (message, body) in mails {
                if leaving.load(Ordering::Relaxed) || count > KEYS_MOST {
                    return Ok(None);
                }
                let bytes = MailBytes { body, synthetic: false };
                match read_stored(&mut reader, &leaving, bytes, |stored| keys_of(stored)) {
                    Ok(keys) => {
                        count += keys.len();
                        found.insert(message, keys);
                    }
                    // Where nothing of the folder can be read, that is no mail's fault.
                    Err(_) => drop(std::fs::read_dir(&bodies)?),
                }
            }
            Ok(Some(found))
        });
        let read = read.await.map_err(|_| Failure::bug("reading mail was given up"))?;
        let why = |e: std::io::Error| Failure::storage(format!("stored mail cannot be read: {e}"));
        read.map_err(why)
    }

    /// What each of them says: of the first ones, where these have many files.
    ///
    /// # Errors
    /// Class storage: the packs cannot be read now. Class bug: the runtime ends.
    pub(super) async fn read(&self, mails: Vec<OwedMail>) -> Result<Vec<DerivedMail>, Failure> {
        let (bodies, leaving) = (self.bodies.clone(), Arc::clone(&self.leaving));
        let reads = self.reads;
        let read = tokio::task::spawn_blocking(move || {
            let mut reader = BodyReader::new(&bodies);
            let (mut rows, mut parts, mut words) = (Vec::with_capacity(mails.len()), 0, 0);
            for mail in mails {
                if leaving.load(Ordering::Relaxed) || parts > ROWS_MOST || words > WORDS_MOST {
                    break;
                }
                let row = read_one(&mut reader, reads, &leaving, &mail);
                // Its bytes may have been moved since its row was read: that is read anew.
                if row.read.is_err() && !rows.is_empty() && !has_pack(&bodies, mail.pack) {
                    break;
                }
                // Where nothing of the folder can be read, that is no mail's fault.
                if row.read.is_err() {
                    std::fs::read_dir(&bodies)?;
                }
                parts +=
                    row.read.as_ref().map_or(0, |read| read.attachments.len()) + row.people.len();
                let text = row.read.as_ref().ok().and_then(|read| read.words.as_ref());
                words += text.map_or(0, WordText::octets);
                rows.push(row);
            }
            Ok(rows)
        });
        let read = read.await.map_err(|_| Failure::bug("reading mail was given up"))?;
        let why = |e: std::io::Error| Failure::storage(format!("stored mail cannot be read: {e}"));
        read.map_err(why)
    }
}

fn read_one(
    reader: &mut BodyReader,
    reads: Reads,
    leaving: &AtomicBool,
    mail: &OwedMail,
) -> DerivedMail {
    let OwedMail { message, received_at, hash, pack, offset, length, stored, synthetic, .. } =
        *mail;
    let bytes = MailBytes { body: StoredBody { hash, pack, offset, length, stored }, synthetic };
    let read = read_stored(reader, leaving, bytes, |stored| {
        crate::fault::pass("derive.reading");
        crate::fault::pass("panic.reading");
        let read = Derived::read(stored, reads)?;
        Ok((MessageContact::all_of(&read.header.people), read.header.more_people, kept(read)))
    });
    let (people, more_people, read) = match read {
        Ok((people, more_people, read)) => (people, more_people, Ok(read)),
        Err(why) => (Vec::new(), 0, Err(why)),
    };
    DerivedMail { message, received_at, people, more_people, read }
}

/// Reads one; what it panics over is not told.
fn read_stored<T>(
    reader: &mut BodyReader,
    leaving: &AtomicBool,
    MailBytes { body, synthetic }: MailBytes,
    read: impl FnOnce(&mut Stored<'_>) -> Result<T, Unread>,
) -> Result<T, String> {
    // What is told of a mail is short: it came as one answer.
    let told = synthetic.then(|| all_of(reader, &body)).transpose();
    let told = told.map_err(|why| why.to_string())?;
    IS_READING.set(true);
    let read = catch_unwind(AssertUnwindSafe(|| {
        let whole = told.as_deref().map(as_mail);
        read(&mut Stored { reader, leaving, body, whole })
    }));
    IS_READING.set(false);
    match read {
        Ok(read) => read.map_err(|why| why.to_string()),
        Err(_) => Err("its parser panicked".to_owned()),
    }
}

/// Who asks has gone when this has.
struct Asking(Arc<AtomicBool>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads one stored mail for an answer, off the runtime; it is given up when nobody waits for it any more.
///
/// # Errors
/// Why it cannot be read, in words.
pub(crate) async fn read_now<T: Send + 'static>(
    bodies: &Path,
    bytes: MailBytes,
    read: impl FnOnce(&mut Stored<'_>) -> Result<T, Unread> + Send + 'static,
) -> Result<T, String> {
    keep_quiet();
    let asking = Asking(Arc::default());
    let (gone, bodies) = (Arc::clone(&asking.0), bodies.to_owned());
    let read = tokio::task::spawn_blocking(move || {
        read_stored(&mut BodyReader::new(&bodies), &gone, bytes, read)
    });
    let read = read.await.map_err(|_| "the process ends".to_owned())?;
    drop(asking);
    read
}

/// As much of a mail as its header may be long.
pub(crate) fn beginning<O: Octets>(mail: &mut O) -> Result<Vec<u8>, O::Error> {
    let (mut octets, end) = (Vec::new(), mail.length().min(HEADER_LIMIT as u64));
    mail.read(0..end, &mut |piece| octets.extend_from_slice(piece))?;
    Ok(octets)
}

/// Of a mail that waits to be written, what is written: its header may be long.
fn kept(read: Derived) -> Derived {
    let header = Header { list_id: read.header.list_id, ..Header::default() };
    Derived { header, ..read }
}
