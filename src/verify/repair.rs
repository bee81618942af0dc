//! What is done about what was found: in steps, each of which is said in words.
#![expect(clippy::disallowed_methods, reason = "bodies are hashed off the runtime")]

use crate::bodies::BodyReader;
use crate::store::{
    AccountBreaks, Again, IntegrityReader, NoMessage, OtherPlaces, Reader, RepairReader,
    RepairStep, StoreBreaks,
};
use crate::verify::report::{DamagedBody, Findings, HeldAt, Verified};
use postrider_core::failure::Failure;
use postrider_core::mail::body::StoredBody;
use postrider_core::mail::id::{AccountId, FolderId, MessageId};
use postrider_core::mail::uid_set::UidSet;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

/// Damaged bodies that nobody names and that are set right at a time.
const UNNAMED: usize = 100_000;
/// Lines of what is done, or is left, that are kept.
const LINES: usize = 1000;
/// Rows that one step writes.
const PIECE: usize = 200;
/// More damage than this, and than so many parts of all bodies, is the disk's trouble.
const DAMAGE: u64 = 50;
const PARTS: u64 = 100;

/// Whether what looks like the disk's trouble is taken for damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Insists {
    Yes,
    No,
}

/// What is done, and what stays.
#[derive(Debug, Default)]
pub(crate) struct RepairPlan {
    pub(crate) steps: Vec<RepairStep>,
    /// What is done, one by one: the first of it, and how much that is.
    pub(crate) said: Vec<String>,
    pub(crate) done: usize,
    /// What is not, and why.
    pub(crate) left: Vec<String>,
    /// What is derived of messages may be of others, or of none.
    pub(crate) is_other: bool,
}

/// The bytes of messages, at which nobody has looked.
pub(crate) fn of_messages(bodies: BTreeMap<i64, StoredBody>) -> Vec<DamagedBody> {
    let of = |(id, body)| {
        let at = Some(HeldAt::Message(MessageId(id)));
        DamagedBody { body, at, is_unreadable: false }
    };
    bodies.into_iter().map(of).collect()
}

/// Bodies at which nobody has looked: those of mail that has lost all of its places, and those that no message names, which
/// what comes anew may be given. And which of that mail has no row of bytes either.
///
/// # Errors
/// Class storage.
pub(crate) async fn of_no_place(
    (reader, dir): (&RepairReader<'_>, &Path),
    breaks: &AccountBreaks,
) -> Result<(Vec<DamagedBody>, Vec<i64>), Failure> {
    let nowhere = breaks.places.iter().filter(|row| row.counted == 0).map(|row| row.id);
    let nowhere: Vec<i64> = nowhere.collect();
    let named = reader.bodies_of(&nowhere).await?;
    let gone = nowhere.into_iter().filter(|id| !named.contains_key(id)).collect();
    let mut bodies = of_messages(named);
    let (mut after, mut damaged) = (0, 0);
    while damaged < UNNAMED {
        let unnamed = reader.unnamed_bodies(after).await?;
        let Some((last, _)) = unnamed.last_key_value() else { break };
        after = *last;
        let suspect = |body| DamagedBody { body, at: None, is_unreadable: false };
        // What is lost and named by nobody waits for whoever has it.
        let unnamed = unnamed.into_values().filter(|body| !body.is_lost()).map(suspect);
        let found = looked_at_again(dir, unnamed.collect()).await?;
        damaged += found.len();
        bodies.extend(found);
    }
    Ok((bodies, gone))
}

/// Reads what was found damaged once more, from the disk: what is as it should be then is no damage.
///
/// # Errors
/// Class bug, when the thread is gone.
pub(crate) async fn looked_at_again(
    bodies: &Path,
    damaged: Vec<DamagedBody>,
) -> Result<Vec<DamagedBody>, Failure> {
    let mut reader = BodyReader::from_disk(bodies);
    let look = tokio::task::spawn_blocking(move || {
        let look = |one: DamagedBody| {
            if one.body.is_lost() {
                return Some(one);
            }
            let damage = reader.check(&one.body).err()?;
            Some(DamagedBody { is_unreadable: damage.is_unreadable(), ..one })
        };
        damaged.into_iter().filter_map(look).collect()
    });
    look.await.map_err(|_| Failure::bug("hashing bodies panicked"))
}

impl RepairPlan {
    /// What is to be done before the rest is looked at: mail without bytes names none, and folders that rows name have rows.
    ///
    /// # Errors
    /// Class storage.
    pub(crate) async fn first(reader: &Reader, account: AccountId) -> Result<Self, Failure> {
        let (integrity, repairs) = (IntegrityReader::new(reader), RepairReader::new(reader));
        let mut plan = Self::default();
        let mut after = 0;
        loop {
            let bodyless = repairs.bodyless(account, after).await?;
            let Some(last) = bodyless.last() else { break };
            after = *last;
            plan.pieces(&bodyless, RepairStep::Bodyless);
        }
        let ids: Vec<i64> =
            integrity.account(account).await?.folders.iter().map(|row| row.id).collect();
        let mut told = repairs.paths_told(account, &ids).await?;
        plan.say(ids.iter().map(|id| format!("folder {id} has a row again, and is looked for")));
        let rows: Vec<_> = ids.iter().map(|id| (*id, told.remove(id))).collect();
        plan.pieces(&rows, RepairStep::Folders);
        Ok(plan)
    }

    /// So many damaged bodies of all these are no more than damage.
    pub(crate) fn most(bodies: u64) -> u64 {
        DAMAGE.max(bodies / PARTS)
    }

    /// Bodies that are damaged are given up, and asked for again.
    pub(crate) fn of_bodies(damaged: &[DamagedBody], insists: Insists) -> Self {
        let mut plan = Self::default();
        plan.bodies(damaged, &[], 0, insists);
        plan
    }

    /// The same, where that this is no more than damage was found out before.
    pub(crate) fn of_suspects(damaged: &[DamagedBody]) -> Self {
        let mut plan = Self::default();
        plan.lost(damaged);
        plan
    }

    /// Messages that are held under other numbers now go.
    pub(crate) fn twins(twins: &[i64]) -> Self {
        let mut plan = Self::default();
        plan.say(
            twins
                .iter()
                .map(|id| format!("message {id}: it is held under another number now, and gone")),
        );
        plan.pieces(twins, RepairStep::Gone);
        plan
    }

    /// What is to be done about an account, and about what is of none.
    pub(crate) fn of(
        verified: &Verified,
        store: StoreBreaks,
        (damaged, gone): (&[DamagedBody], &[i64]),
        insists: Insists,
    ) -> Self {
        let derived = verified.derived.as_ref();
        // What cannot be read is not read anew.
        let is_whole = damaged.is_empty() && verified.found.breaks.bodies.is_empty();
        let is_other = derived.is_some_and(|derived| is_whole && !derived.differences.is_empty());
        let mut plan = Self { is_other, ..Self::default() };
        let Findings { breaks, unnamed, doubled, bodies, .. } = &verified.found;
        plan.cursors(breaks);
        // Before what would be given such bytes comes anew.
        plan.bodies(damaged, unnamed, *bodies, insists);
        plan.rows(breaks, gone);
        for (folder, uids) in doubled {
            plan.say(
                uids.iter().map(|uid| {
                    format!("folder {}, UID {uid}: it is held, and no failure", folder.0)
                }),
            );
        }
        plan.pieces(doubled, RepairStep::Held);
        plan.store(store);
        // What the server has and we lack, or the other way round, is seen by whoever lists all of it.
        plan.steps.push(RepairStep::ListedAnew);
        plan
    }

    fn say(&mut self, lines: impl Iterator<Item = String>) {
        for line in lines {
            self.done += 1;
            if self.said.len() < LINES {
                self.said.push(line);
            }
        }
    }

    fn pieces<T: Clone>(&mut self, rows: &[T], step: impl Fn(Vec<T>) -> RepairStep) {
        self.steps.extend(rows.chunks(PIECE).map(|piece| step(piece.to_vec())));
    }

    /// Folders that lack a cursor.
    fn cursors(&mut self, breaks: &AccountBreaks) {
        let mut lacking: Vec<FolderId> = breaks.cursors.iter().map(|row| row.folder).collect();
        lacking.dedup();
        self.say(lacking.iter().map(|id| format!("folder {}: it has its cursors again", id.0)));
        self.pieces(&lacking, RepairStep::Cursors);
    }

    /// Rows that lack what they name.
    fn rows(&mut self, breaks: &AccountBreaks, gone: &[i64]) {
        let AccountBreaks { messages, folders: _, bodies, places, cursors: _, feed, more } = breaks;
        self.is_other |= !(messages.is_empty() && places.is_empty());
        self.say(gone.iter().map(|id| {
            format!("message {id}: neither a place nor bytes of it are left, and it is gone")
        }));
        self.pieces(gone, RepairStep::Gone);
        let is_there = |row: &&OtherPlaces| gone.binary_search(&row.id).is_err();
        let places: Vec<OtherPlaces> = places.iter().filter(is_there).cloned().collect();
        self.say(messages.iter().map(|row: &NoMessage| {
            let (folder, uid, message) = (row.folder.0, row.uid, row.message);
            let then = if row.is_living { ", and it is read again" } else { "" };
            format!("folder {folder}, UID {uid}: message {message} is gone from there{then}")
        }));
        self.pieces(messages, RepairStep::Places);
        self.say(places.iter().map(|row| {
            let (id, counted) = (row.id, row.counted);
            format!("message {id}: it is said to lie in {counted} place(s)")
        }));
        self.pieces(&places, RepairStep::Counted);
        if *feed {
            self.say(
                ["its changes are read from now on, and all of it is compared".into()].into_iter(),
            );
        }
        self.left.extend(bodies.iter().map(|id| {
            format!("message {id}: its bytes are missing, and no server shows it any more")
        }));
        if *more {
            self.left
                .push("what is beyond the first 10,000 of a kind is for the next repair".into());
        }
    }

    /// Bytes that are damaged.
    fn bodies(
        &mut self,
        damaged: &[DamagedBody],
        unnamed: &[HeldAt],
        bodies: u64,
        insists: Insists,
    ) {
        for piece in unnamed.chunks(PIECE) {
            self.steps.push(RepairStep::Lost(Vec::new(), again(piece.iter().copied())));
        }
        self.say(unnamed.iter().map(|at| format!("{}: its bytes are read again", at.words())));
        let (known, found): (Vec<_>, Vec<_>) =
            damaged.iter().copied().partition(|one| one.body.is_lost());
        let unreadable = found.iter().filter(|one| one.is_unreadable).count();
        let is_much = found.len() as u64 > Self::most(bodies);
        let mut lost = known;
        if insists == Insists::No && (unreadable > 0 || is_much) {
            let n = found.len();
            self.left.push(format!(
                "{n} bodies are damaged, {unreadable} of them cannot be read at all: where that is the disk's trouble (is it \
                 mounted?) they come back by themselves. Nothing is given up but with --yes: then they are read again from the server"
            ));
        } else {
            lost.extend(found);
        }
        self.lost(&lost);
    }

    /// Gives bytes up, and asks for them again.
    fn lost(&mut self, lost: &[DamagedBody]) {
        self.say(lost.iter().map(|one| {
            let StoredBody { hash, pack, offset, .. } = one.body;
            let at = one.at.map_or_else(|| "a mail of no folder".to_owned(), HeldAt::words);
            format!("{at}: its bytes {hash} (pack {pack}, at {offset}) are lost, and read again")
        }));
        for piece in lost.chunks(PIECE) {
            let bodies: Vec<StoredBody> =
                piece.iter().map(|one| one.body).filter(|body| !body.is_lost()).collect();
            let mail = again(piece.iter().filter_map(|one| one.at));
            self.steps.push(RepairStep::Lost(bodies, mail));
        }
    }

    /// What is of no account.
    fn store(&mut self, store: StoreBreaks) {
        let StoreBreaks { accounts, folders: _, counters, events, packs, more: _ } = store;
        self.say(events.iter().map(|Range { start, end }| {
            format!("events {start} to {} are missing, and leapt over", end - 1)
        }));
        self.pieces(&events, RepairStep::Leapt);
        self.say(counters.iter().map(|row| {
            let (name, next) = (&row.name, row.highest + 1);
            format!("the counter {name} gives {next}")
        }));
        if !counters.is_empty() {
            self.steps.push(RepairStep::Counters(counters));
        }
        self.say(packs.iter().map(|id| format!("pack {id} has a row again, and is read")));
        self.pieces(&packs, RepairStep::Packs);
        self.left.extend(accounts.iter().map(|row| {
            let (id, count, kind) = (row.id, row.count, &row.kind);
            format!("account {id} is missing, and named by {count} row(s) of {kind}: they stay")
        }));
    }
}

impl HeldAt {
    fn words(self) -> String {
        match self {
            Self::Uid(folder, uid) => format!("folder {}, UID {uid}", folder.0),
            Self::Message(id) => format!("message {}", id.0),
        }
    }
}

fn again(all: impl Iterator<Item = HeldAt>) -> Again {
    let (mut uids, mut messages): (BTreeMap<FolderId, UidSet>, Vec<MessageId>) = Default::default();
    for at in all {
        match at {
            HeldAt::Uid(folder, uid) => uids.entry(folder).or_default().insert(uid),
            HeldAt::Message(id) => messages.push(id),
        }
    }
    Again { uids: uids.into_iter().collect(), messages }
}
