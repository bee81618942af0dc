//! A page that is being fetched: what it still waits for, and what each answer settles of it.

use crate::provider::head::facts;
use crate::provider::imap::conn::{MAX_UNSOLICITED, endless};
use crate::provider::imap::failure::{During, ends_session, refusal, telling};
use crate::provider::imap::mail::handover::{Asker, Cost, HandOver};
use crate::provider::imap::mail::row::{Came, Meta, Row};
use crate::provider::imap::wire::response::{Condition, FetchLine, Told};
use postrider_core::budget::Lane;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::body::Beginning;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::UidValidity;
use postrider_core::mail::page::Fragment;
use postrider_core::mail::recognise::IdentityKind;
use postrider_core::mail::settle::Settlement;
use postrider_core::mail::uid_set::UidSet;
use postrider_core::mime::HeaderFacts;
use postrider_core::provider::Request;
use postrider_core::provider::folders::FolderRequest;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Octets of UID set in a command line (RFC 7162 §6 asks for lines below 8,192).
pub(in crate::provider::imap) const SET_OCTETS: usize = 4000;

/// Messages after which what has come of a page is handed over as a part, octets of mail, and octets of its rows: a
/// process that is killed reads no more than that anew, of each session.
const PART_MAILS: u64 = 250;
const PART_OCTETS: u64 = 16 * 1024 * 1024;
const PART_ROWS: u64 = 1024 * 1024;
/// What has come is handed over as a part at the latest after this.
const PART_TIME: Duration = Duration::from_secs(2);

/// A row that brings no message nearer: only so many may come with a page.
pub(in crate::provider::imap) fn stray(
    pages: &mut VecDeque<Active>,
) -> Result<Option<Meta>, Failure> {
    let Some(front) = pages.front_mut() else { return Ok(None) };
    front.strays += 1;
    if front.strays > MAX_UNSOLICITED { Err(endless()) } else { Ok(None) }
}

/// What has come of a page since a part of it was handed over.
pub(in crate::provider::imap) struct CameSince {
    mails: u64,
    octets: u64,
    rows: u64,
    since: Instant,
}

impl CameSince {
    /// Nothing yet.
    pub(in crate::provider::imap) fn begin(now: Instant) -> Self {
        Self { mails: 0, octets: 0, rows: 0, since: now }
    }

    /// A message came; it may be the first.
    pub(in crate::provider::imap) fn took(&mut self, meta: &Meta, first: bool, now: Instant) {
        if first {
            self.since = now;
        }
        self.mails += 1;
        self.octets += meta.length;
        self.rows += meta.row_octets();
    }

    /// Whether it is to be handed over; what waits unsealed waits only so long.
    pub(in crate::provider::imap) fn is_enough(&self, waits: bool, now: Instant) -> bool {
        self.mails >= PART_MAILS
            || self.octets >= PART_OCTETS
            || self.rows >= PART_ROWS
            || (waits && now.saturating_duration_since(self.since) >= PART_TIME)
    }
}

/// What is read, and the way to whoever asked for it.
pub(in crate::provider::imap) struct Reading {
    /// Pages that are asked for and not settled, the oldest first.
    pub(in crate::provider::imap) pages: VecDeque<Active>,
    /// Messages whose bytes are in the sink, and no seal was begun for.
    pub(in crate::provider::imap) unsealed: Vec<Meta>,
    pub(in crate::provider::imap) hand: HandOver,
    /// The message that is being read by ranges.
    pub(in crate::provider::imap) apart: Option<Beginning>,
    /// The next seal makes a beginning durable, too.
    pub(in crate::provider::imap) keeps: bool,
}

/// A page being fetched.
pub(in crate::provider::imap) struct Active {
    pub(in crate::provider::imap) asker: Asker,
    pub(in crate::provider::imap) page: Settlement<Row>,
    /// Where its messages lie.
    pub(in crate::provider::imap) remote_id: WireName,
    pub(in crate::provider::imap) uidvalidity: UidValidity,
    /// RFC822.SIZE is an estimate there.
    pub(in crate::provider::imap) estimated: bool,
    /// What its messages are named by.
    pub(in crate::provider::imap) names: IdentityKind,
    /// Whether its messages are new, or of the past.
    pub(in crate::provider::imap) lane: Lane,
    /// Rows that nobody asked for, while it was the oldest.
    pub(in crate::provider::imap) strays: usize,
    /// Tags of FETCHes that are not answered.
    pub(in crate::provider::imap) open: Vec<String>,
    /// The folder cannot even tell its index: the page is answered so.
    pub(in crate::provider::imap) broken: Option<Failure>,
    /// The lone question that is open.
    pub(in crate::provider::imap) alone: Option<Alone>,
    pub(in crate::provider::imap) parts: Parts,
    /// Useful octets that the session had read then.
    pub(in crate::provider::imap) octets: u64,
    /// When its FETCH was sent, or when it last was seen to keep the pace.
    pub(in crate::provider::imap) began: Instant,
    /// Held until the page is handed over.
    pub(in crate::provider::imap) cost: Cost,
}

/// Messages of a page that do not come in one line.
#[derive(Debug, Default)]
pub(in crate::provider::imap) struct Parts {
    /// Lines about its messages that came without a body: another line has it (RFC 3501 allows to
    /// tell in parts).
    pub(in crate::provider::imap) told: BTreeMap<u32, FetchLine>,
    /// Messages behind one that is asked for by ranges.
    pub(in crate::provider::imap) unasked: UidSet,
    /// Messages that are asked for by ranges.
    pub(in crate::provider::imap) pieces: BTreeSet<u32>,
    /// Messages whose bytes came without flags.
    pub(in crate::provider::imap) flagless: BTreeSet<u32>,
}

impl Active {
    /// A message whose bytes have come. Without flags it is not told, and asked for again alone; at the
    /// second time its bytes say nothing more.
    pub(in crate::provider::imap) fn row_of(
        &mut self,
        meta: Meta,
        number: impl FnOnce() -> u64,
    ) -> Option<Came> {
        let uid = meta.uid;
        let came = Row::of(meta, self.names, number);
        if came.is_none() && !self.parts.flagless.insert(uid) {
            self.page.missed(uid, None);
        }
        came
    }

    /// How what is kept of one of its messages is called.
    pub(in crate::provider::imap) fn beginning(&self, account: &str, uid: u32) -> Beginning {
        let (account, remote_id) = (account.to_owned(), self.remote_id.clone());
        Beginning { account, remote_id, uidvalidity: self.uidvalidity.0, uid }
    }
}

pub(in crate::provider::imap) struct Alone {
    pub(in crate::provider::imap) uid: u32,
    pub(in crate::provider::imap) index: bool,
    /// The UID was told, with whatever items.
    pub(in crate::provider::imap) shown: bool,
    /// Its bytes came.
    pub(in crate::provider::imap) came: bool,
}

/// Adds to a line what another one about the same message told.
pub(in crate::provider::imap) fn merge(line: &mut FetchLine, other: FetchLine) {
    if line.flags.is_none() {
        (line.flags, line.mended) = (other.flags, other.mended);
    }
    line.internal_date = line.internal_date.or(other.internal_date);
    line.size = line.size.or(other.size);
    line.modseq = line.modseq.or(other.modseq);
    line.id = line.id.take().or(other.id);
    line.thread = line.thread.take().or(other.thread);
}

/// What the refusal of one message means: a telling one keeps its class, another says that these
/// bytes cannot be had.
pub(in crate::provider::imap) fn message_refusal(told: &Told) -> Failure {
    let class = telling(told).map_or(Class::InvalidData, |failure| failure.class);
    let code = told.code.as_ref().map(|c| format!("[{c}] ")).unwrap_or_default();
    let text = format!("the server said {code}{}", told.text);
    Failure::new(class, Reach::Message, Provenance::Server, text)
}

/// A command's end. A refusal without a telling text leaves its UIDs to be asked alone; a telling
/// one ends the session.
pub(in crate::provider::imap) fn tagged(
    pages: &mut VecDeque<Active>,
    tag: &str,
    told: &Told,
) -> Result<(), Failure> {
    let Some(page) = pages.iter_mut().find(|p| p.open.iter().any(|t| t == tag)) else {
        return Ok(());
    };
    page.open.retain(|t| t != tag);
    if told.status != Condition::Ok
        && let Some(failure) = telling(told).filter(|f| ends_session(f.class))
    {
        return Err(failure);
    }
    let Some(alone) = page.alone.take() else { return Ok(()) };
    match (alone.index, told.status) {
        (true, Condition::Ok) => page.page.indexed(alone.uid, alone.shown),
        // Not even its index is told: this says nothing about the message.
        (true, _) => page.broken = Some(refusal(told, During::Folder)),
        (false, _) if alone.came => {}
        (false, Condition::Ok) => page.page.missed(alone.uid, None),
        (false, _) => page.page.missed(alone.uid, Some(message_refusal(told))),
    }
    Ok(())
}

/// Whether a failure to open a folder, or to look first, ends nothing: the folder's own trouble, or our
/// disk's.
pub(in crate::provider::imap) fn is_answer(failure: &Failure) -> bool {
    failure.reach == Reach::Folder || failure.class == Class::Storage
}

/// Whether it asks for mail of the folder that is open for this page.
pub(in crate::provider::imap) fn is_of(request: &Request, page: &Active) -> bool {
    matches!(
        request,
        Request::Folders(FolderRequest::Fetch { remote_id, uidvalidity, .. })
            if *remote_id == page.remote_id && *uidvalidity == page.uidvalidity
    )
}

/// What a message's header says. One that cannot be read costs its message.
pub(in crate::provider::imap) fn read_header(
    head: &[u8],
    uid: u32,
    pages: &mut VecDeque<Active>,
) -> Option<HeaderFacts> {
    let read = facts(head);
    if let (Err(failure), Some(page)) = (&read, pages.iter_mut().find(|p| p.page.wants(uid))) {
        page.page.unreadable(uid, failure.clone(), Fragment::of(head));
    }
    read.ok()
}
