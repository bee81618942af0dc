//! What `verify` finds, by folder.

use crate::derive::check::Checked;
use crate::store::{AccountBreaks, FeedStanding, LeftOut, StoreBreaks};
use postrider_core::commit::rows::FolderRow;
use postrider_core::failure::Failure;
use postrider_core::mail::body::StoredBody;
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::{FolderId, MessageId};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::proof::FolderProof;
use postrider_core::time::Micros;
use std::collections::BTreeMap;
use std::ops::{Deref, Range};

/// Lines are kept up to here: what is damaged whole takes no more memory than that.
const LINES: usize = 10_000;
/// What more there is than is named.
pub(crate) const MORE: &str = "and more of the same kind";

/// What is told one by one, up to a limit.
#[derive(Debug, Default)]
pub(crate) struct Told(Vec<String>);

impl Told {
    pub(crate) fn push(&mut self, line: String) {
        match self.0.len() {
            n if n < LINES => self.0.push(line),
            LINES => self.0.push(MORE.to_owned()),
            _ => {}
        }
    }
}

impl Deref for Told {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

/// A folder as it was found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) messages: u64,
    pub(crate) failures: u64,
    /// What a human leaves out, and why.
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) remaining: u64,
    pub(crate) differences: Told,
    pub(crate) unproved: Vec<String>,
    /// What is told of each UID, where that is to be compared.
    pub(crate) rows: BTreeMap<u32, (i64, Flags)>,
    /// UIDs that are held, and in the ledger as what is not.
    pub(crate) doubled: UidSet,
    /// SHA-256 of its lines of the manifest, in hex.
    pub(crate) digest: String,
    /// What its server showed when it was proved, where nothing has happened since.
    pub(crate) shown: Option<u64>,
    pub(crate) path: String,
    pub(crate) notes: Vec<String>,
    /// Messages whose bytes nobody hands out.
    pub(crate) synthetic: u64,
}

impl Report {
    pub(crate) fn is_proved(&self) -> bool {
        self.differences.is_empty() && self.unproved.is_empty()
    }
}

/// By folder number; a folder that only the server has gets a number below zero.
pub(crate) type Reports = BTreeMap<i64, Report>;

/// A body whose bytes are not what its row says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DamagedBody {
    /// As its row says.
    pub(crate) body: StoredBody,
    /// A place of a mail that has it; none where it has lost them all, and comes when they do.
    pub(crate) at: Option<HeldAt>,
    /// Nothing can be read there: that may be the disk's trouble, and another time it can.
    pub(crate) is_unreadable: bool,
}

/// Where a mail is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeldAt {
    /// At this UID.
    Uid(FolderId, u32),
    /// By number.
    Message(MessageId),
}

/// What is found of an account that can be set right.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Rows without their counterpart.
    pub(crate) breaks: AccountBreaks,
    /// Bodies that are damaged, or lost already.
    pub(crate) damaged: Vec<DamagedBody>,
    /// Mail whose bytes have no row.
    pub(crate) unnamed: Vec<HeldAt>,
    /// UIDs that are held, and in the ledger as what is not.
    pub(crate) doubled: Vec<(FolderId, UidSet)>,
    /// Bodies that were looked at.
    pub(crate) bodies: u64,
}

/// An account as it was found.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) name: String,
    pub(crate) reports: Reports,
    /// Every folder of it, those that the config leaves out too.
    pub(crate) folders: Vec<FolderRow>,
    pub(crate) standing: Option<FeedStanding>,
    /// What is of no folder.
    pub(crate) differences: Told,
    pub(crate) unproved: Vec<String>,
    pub(crate) derived: Option<Checked>,
    pub(crate) found: Findings,
    /// Its server could not be asked.
    pub(crate) unasked: Option<Failure>,
}

impl Verified {
    /// One of which nothing is stored.
    pub(crate) fn never_synced(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            reports: Reports::new(),
            folders: Vec::new(),
            standing: None,
            differences: Told::default(),
            unproved: vec!["it was never synced: nothing is proved".to_owned()],
            derived: None,
            found: Findings::default(),
            unasked: None,
        }
    }

    pub(crate) fn differs(&self) -> bool {
        let is_derived = self.derived.as_ref().is_none_or(|it| it.differences.is_empty());
        !is_derived
            || !self.differences.is_empty()
            || self.reports.values().any(|report| !report.differences.is_empty())
    }

    /// What is proved of its folders: nothing of one of which that cannot be said.
    pub(crate) fn proofs(&self, at: Micros) -> Vec<(FolderId, FolderProof)> {
        let is_whole = |(_, report): &(&i64, &Report)| report.is_proved();
        let proof = |(id, report): (&i64, &Report)| {
            let Report { shown, messages, failures, left_out, digest, .. } = report;
            let proof = FolderProof {
                at,
                server: *shown,
                held: *messages,
                failures: *failures,
                left_out: left_out.len() as u64,
                digest: digest.clone(),
            };
            (FolderId(*id), proof)
        };
        self.reports.iter().filter(is_whole).map(proof).collect()
    }

    /// In one line.
    pub(crate) fn summary(&self) -> String {
        let messages: u64 = self.reports.values().map(|report| report.messages).sum();
        let proved = self.reports.values().filter(|report| report.is_proved()).count();
        let of_folders = self.reports.values().flat_map(|report| report.differences.iter());
        let mut all = self.differences.iter().chain(of_folders);
        let mut text = format!(
            "{proved} of {} folders proved, {messages} messages, {} differences",
            self.reports.len(),
            all.clone().count()
        );
        if let Some(first) = all.next() {
            text.push_str(&format!(" ({first} …): `postrider verify {}` names them", self.name));
        }
        text
    }

    /// Whether all of the mirror is; what is derived of it is another question.
    pub(crate) fn is_proved(&self) -> bool {
        !self.reports.is_empty()
            && (self.differences.is_empty() && self.unproved.is_empty())
            && self.reports.values().all(Report::is_proved)
    }
}

/// Numbers that are missing, in words.
pub(crate) fn missing_events(range: &Range<i64>) -> String {
    let (first, last) = (range.start, range.end - 1);
    if first == last {
        format!("event {first} is missing")
    } else {
        format!("events {first} to {last} are missing")
    }
}

/// What is of no account.
#[derive(Debug, Default)]
pub(crate) struct StoreReport {
    pub(crate) differences: Told,
}

impl StoreReport {
    /// In words.
    pub(crate) fn of(breaks: StoreBreaks) -> Self {
        let StoreBreaks { accounts, folders, counters, events, packs, more } = breaks;
        let mut differences = Told::default();
        for row in accounts {
            let (id, count, kind) = (row.id, row.count, row.kind);
            let text = format!("account {id} is missing, and named by {count} row(s) of {kind}");
            differences.push(text);
        }
        for row in folders {
            let (id, count) = (row.id, row.count);
            differences.push(format!(
                "folder {id} is missing, and named by {count} cursor(s) and place(s)"
            ));
        }
        for row in counters {
            let (name, next, highest) = (row.name, row.next, row.highest);
            differences
                .push(format!("the counter {name} gives {next}, and {highest} is given already"));
        }
        events.iter().for_each(|range| differences.push(missing_events(range)));
        packs.iter().for_each(|id| differences.push(format!("the row of pack {id} is missing")));
        if more {
            differences.push(MORE.into());
        }
        Self { differences }
    }
}
