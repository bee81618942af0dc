//! Files in which little or nothing lies any more are given back: what lies in one is copied into others, and one in which nothing
//! has lain for a while is unlinked.
#![expect(
    clippy::disallowed_methods,
    reason = "it goes on beside everything else, and ends with its server"
)]

use crate::bodies::{Alone, BodyCopier, PackDir};
use crate::boot::switchboard::Switchboard;
use crate::clock::Clock;
use crate::fault;
use crate::store::orders::Control;
use crate::store::{Collected, CopiedInto, NewPack, PackReader, PackWeight, PackWork, Reader};
use crate::verify::burst_of;
use postrider_core::failure::Failure;
use postrider_core::mail::body::SPARED_PACK;
use postrider_core::retention::Retention;
use postrider_core::time::{Micros, Now};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Longest time until all of what is kept no longer is gone: it is no hurry of anybody's.
const PASS: Duration = Duration::from_secs(12 * 3600);
/// Longest time until what is written of packs is durable.
const WRITE: Duration = Duration::from_secs(60);
/// Longest look at the folder of files, and longest time until some of them are unlinked.
const LOOK: Duration = Duration::from_secs(600);
/// Rows of bodies that are read together.
const ROWS: i64 = 1000;
/// Rows that are written together.
const MOVED: usize = 200;
/// Longest rest behind a few copies; it is twice as long as they took, since nobody waits for them.
const REST: Duration = Duration::from_secs(2);

/// Whom it asks.
pub(super) struct Hands {
    pub(super) reader: Reader,
    pub(super) switchboard: Switchboard,
    pub(super) packs: Arc<PackDir>,
    pub(super) clock: Clock,
}

/// What became of packs.
#[derive(Debug, Default)]
struct Files {
    unlinked: usize,
    emptied: usize,
    moved: usize,
    saved: u64,
    /// Files that are not copied for want of room.
    left: usize,
}

/// Deletes mail, runs, failures and bytes that are kept no longer, then files in which nothing has lain for a while; and copies
/// what lies in those of which little is left. How much that was, in words.
pub(super) async fn collected(
    hands: &Hands,
    retention: Retention,
    Now { wall: now, mono }: Now,
) -> Result<String, Failure> {
    let (gone, expiry) = (Arc::<Collected>::default(), retention.expiry(now));
    // By the time that has passed since then, and not by another reading of the wall clock.
    let before = || expiry.bodies.plus(hands.clock.now().mono.saturating_sub(mono));
    let alone = hands.packs.alone().await;
    hands.packs.retire();
    hands.count(now).await?;
    hands.switchboard.control(Control::Collect(expiry, Arc::clone(&gone)), PASS).await?;
    let mut files = Files::default();
    // Those in which nothing lies make room for copies.
    hands.give_back(before, &mut files).await?;
    hands.copy(retention.compress, &alone, &mut files).await?;
    hands.give_back(before, &mut files).await?;
    let Files { unlinked, emptied, moved, saved, left } = files;
    let mut said = format!("{gone}; {unlinked} files are given back");
    if moved > 0 {
        let mib = saved.div_ceil(1 << 20);
        said.push_str(&format!(
            "; {moved} bodies of {emptied} files are copied, {mib} MiB shorter"
        ));
    }
    if left > 0 {
        said.push_str(&format!("; {left} files wait for room"));
    }
    Ok(said)
}

/// A disk's answers.
async fn answered<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let panicked = |_| Failure::bug("looking at packs panicked");
    let late = |_| Failure::storage(format!("the disk did not answer within {} s", LOOK.as_secs()));
    let asked = tokio::time::timeout(LOOK, tokio::task::spawn_blocking(ask));
    asked.await.map_err(late)?.map_err(panicked)?
}

impl Hands {
    async fn write(&self, work: PackWork) -> Result<(), Failure> {
        self.switchboard.control(Control::Packs(work), WRITE).await.map(drop)
    }

    async fn closed(&self) -> Result<BTreeMap<i64, u64>, Failure> {
        let packs = Arc::clone(&self.packs);
        answered(move || packs.closed()).await
    }

    /// Writes down how far something lies in each file, before less does.
    async fn count(&self, now: Micros) -> Result<(), Failure> {
        let known = PackReader::new(&self.reader).ends().await?;
        let named = self.reader.named_packs().await?.into_iter();
        let is_further = |(id, end): &(i64, u64)| {
            *end < SPARED_PACK && known.get(id).is_none_or(|known| known < end)
        };
        let upto = self.packs.highest();
        let row = |(id, octets)| {
            // What lay there when the process began is read soon, what has come since was hashed as it came.
            let scrubbed_at = (id > upto).then_some(now);
            NewPack { id, octets, scrubbed_at }
        };
        let ends: Vec<NewPack> = named.filter(is_further).map(row).collect();
        if ends.is_empty() { Ok(()) } else { self.write(PackWork::Ends(ends)).await }
    }

    /// Files in which nothing lies are dead from now on; those go that were `before` then.
    async fn give_back(
        &self,
        before: impl Fn() -> Micros,
        files: &mut Files,
    ) -> Result<(), Failure> {
        let Self { reader, packs, .. } = self;
        let closed = self.closed().await?;
        let named = reader.named_packs().await?;
        let known = PackReader::new(reader).dead().await?;
        // Of what a purge has unlinked the row is left.
        let is_gone =
            |id: &i64| !closed.contains_key(id) && !named.contains_key(id) && packs.is_closed(*id);
        let rows = PackReader::new(reader).ends().await?.into_keys();
        let gone: Vec<i64> = rows.filter(is_gone).collect();
        if !gone.is_empty() {
            self.write(PackWork::Unlinked(gone)).await?;
        }
        let is_dead = |id: &i64| !named.contains_key(id) && !known.contains_key(id);
        let dead: Vec<i64> = closed.into_keys().filter(is_dead).collect();
        if !dead.is_empty() {
            // From here on a page whose bytes lie in one is refused; what is written looks once more.
            packs.give_back(&dead);
            self.write(PackWork::Dead(dead, packs.next_unused())).await?;
        }
        let named = reader.named_packs().await?;
        packs.keep_all(|id| named.contains_key(&id));
        let dead = PackReader::new(reader).dead().await?.into_iter();
        let before = before();
        // What has died before the folder was adopted is another mirror's, too.
        let is_over = |(id, at): &(i64, Micros)| {
            *at <= before && !named.contains_key(id) && packs.is_closed(*id)
        };
        let over: Vec<i64> = dead.filter(is_over).map(|(id, _)| id).collect();
        if over.is_empty() {
            return Ok(());
        }
        files.unlinked += over.len();
        let (packs, ids) = (Arc::clone(packs), over.clone());
        answered(move || ids.into_iter().try_for_each(|id| packs.unlink(id))).await?;
        fault::pass("collect.unlinked");
        self.write(PackWork::Unlinked(over)).await
    }

    /// Copies what lies in files of which over half is dead; and, compressed, what lies in all the others once.
    async fn copy(
        &self,
        compresses: bool,
        alone: &Alone,
        files: &mut Files,
    ) -> Result<(), Failure> {
        let Self { reader, packs, .. } = self;
        let lengths = self.closed().await?;
        let compressed = PackReader::new(reader).compressed().await?;
        let (mut room, mut copier, mut into) = (packs.room_for_copies(), None, BTreeMap::new());
        for id in reader.named_packs().await?.into_keys() {
            let Some(length) = lengths.get(&id) else { continue };
            let PackWeight { named, lost } = PackReader::new(reader).weight(id).await?;
            let is_half_dead = length / 2 > named;
            let is_to_be_tried = compresses && !compressed.contains(&id);
            // What is lost keeps its file, until it has come again.
            if lost > 0 || (!is_half_dead && !is_to_be_tried) {
                continue;
            }
            // What is begun is to be ended: a copy of a part frees nothing.
            let fits = if is_half_dead { named < packs.free() } else { named <= room };
            if !fits {
                files.left += 1;
                continue;
            }
            if !is_half_dead {
                room -= named;
            }
            let copier = match &mut copier {
                Some(copier) => copier,
                none => none.insert(BodyCopier::new(packs, compresses, alone)?),
            };
            self.copy_all(id, copier, (files, &mut into)).await?;
            // Each time: who is cut off here begins with none of it again.
            let compressed_at = compresses.then(|| self.clock.now().wall);
            let pack = |(id, (octets, named)): (&i64, &(u64, u64))| {
                let (id, octets, named) = (*id, *octets, *named);
                CopiedInto { id, octets, named, compressed_at }
            };
            self.write(PackWork::Copied(into.iter().map(pack).collect())).await?;
        }
        Ok(())
    }

    /// Copies all that lies in a file, a little at a time.
    async fn copy_all(
        &self,
        pack: i64,
        copier: &mut BodyCopier,
        (files, into): (&mut Files, &mut BTreeMap<i64, (u64, u64)>),
    ) -> Result<(), Failure> {
        let mut from = 0;
        files.emptied += 1;
        loop {
            let rows = PackReader::new(&self.reader).bodies(pack, from, ROWS).await?;
            let Some((_, last)) = rows.last() else { return Ok(()) };
            from = last.offset + 1;
            let mut rows: VecDeque<_> = rows.into();
            while let Some(burst) = burst_of(&mut rows) {
                let began = self.clock.now().mono;
                let moved = copier.copy(burst).await?;
                for one in &moved {
                    files.saved += one.from.octets().saturating_sub(one.to.octets());
                    let (end, named) = into.entry(one.to.pack).or_default();
                    *end = one.to.end().max(*end);
                    *named += one.to.octets();
                }
                files.moved += moved.len();
                fault::hold_back("hold.copied");
                for piece in moved.chunks(MOVED) {
                    self.write(PackWork::Moved(piece.to_vec())).await?;
                }
                let took = self.clock.now().mono.saturating_sub(began);
                tokio::time::sleep((took * 2).min(REST)).await;
            }
        }
    }
}
