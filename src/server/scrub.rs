//! Stored bytes are read again, pack by pack, so that damage is known while it can be set right. It takes a twentieth of a
//! core and gives way to seals.
#![expect(
    clippy::disallowed_methods,
    reason = "it goes on beside everything else, rests, and ends with its server"
)]

use crate::apart::Apart;
use crate::bodies::PackDir;
use crate::boot::switchboard::Switchboard;
use crate::boot::wiring::Engine;
use crate::clock::Clock;
use crate::server::repair_hands::given_up;
use crate::store::orders::Control;
use crate::store::{
    Holders, NewPack, PackReader, PackWork, Reader, ScrubbedPack, bodies_are_there,
};
use crate::telemetry::names;
use crate::telemetry::registry::Registry;
use crate::verify::{PackLook, RepairPlan, Suspect, burst_of};
use postrider_core::failure::Failure;
use postrider_core::mail::body::{SPARED_PACK, StoredBody};
use postrider_core::scrub::{PackStand, ScrubRule, is_late, look_every, next, rest};
use postrider_core::standing::Activity;
use postrider_core::time::{Micros, Now};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{AbortHandle, JoinError, JoinHandle};

/// Longest time until what was found is durable, or refused.
const WRITE: Duration = Duration::from_secs(60);
/// So long it is waited behind a database, or a disk, that is away.
const AGAIN: Duration = Duration::from_secs(if cfg!(feature = "faults") { 1 } else { 60 });
/// A disk that has not answered for so long is told of; the longest body is read in less.
const LATE: Duration = Duration::from_secs(300);
/// What was found damaged is read once more so much later.
const CONFIRM: Duration = Duration::from_secs(if cfg!(feature = "faults") { 0 } else { 5 });
/// What cannot be read is looked at again so much later, and told of then.
const PUT_OFF: Duration = Duration::from_secs(600);
/// Rows of bodies that are read together.
const ROWS: i64 = 1000;
/// What was given up is counted for so long at least: a little of it again and again is the disk's trouble, too.
const OF_LATE: Duration = Duration::from_secs(86_400);
/// Damaged bodies of a pack that are known one by one.
const DAMAGED: usize = 100_000;
/// What it is called where it is told of.
const PATH: &str = "root/scrub";

/// The scrub that is under way, and what the config says of it.
#[derive(Debug)]
pub(super) struct Scrubbing {
    rule: ScrubRule,
    task: Option<AbortHandle>,
}

impl Drop for Scrubbing {
    fn drop(&mut self) {
        self.end();
    }
}

impl Scrubbing {
    /// None is; what is damaged is not known yet.
    pub(super) fn none() -> Self {
        metrics::gauge!(names::BODIES_DAMAGED).set(0.0);
        Self { rule: ScrubRule { every: None, repairs: false }, task: None }
    }

    fn end(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    /// Does as the config says now.
    pub(super) fn follow(&mut self, rule: ScrubRule, engine: &Engine) {
        if rule == self.rule {
            return;
        }
        self.end();
        self.rule = rule;
        engine.registry().note("scrub", None);
        let Some(every) = rule.every else { return };
        match Scrub::new(every, rule.repairs, engine) {
            Ok(scrub) => self.task = Some(tokio::spawn(scrub.goes_on()).abort_handle()),
            Err(failure) => {
                let text = format!("stored bytes are not read again: {failure}");
                tracing::error!("{text}");
                engine.registry().note("scrub", Some(text));
            }
        }
    }
}

/// Whom it asks, and where it looks.
struct Hands {
    reader: Reader,
    switchboard: Switchboard,
    registry: Registry,
    packs: Arc<PackDir>,
    instance: String,
    clock: Clock,
}

/// Who reads.
struct Scrub {
    every: Duration,
    repairs: bool,
    of: Hands,
    /// Its thread, which runs behind the others.
    apart: Apart,
    look: Option<PackLook>,
    stands: BTreeMap<i64, PackStand>,
    /// Bodies that were given up, and have not come again.
    awaited: u64,
    /// When it was last looked which there are, on the monotonic clock, and up to which number there was a row of each then.
    looked: Option<(Duration, i64)>,
    /// What cannot be read, and when it is looked at again.
    put_off: BTreeMap<i64, Duration>,
    began: Micros,
    /// Bodies that were given up since then, on the monotonic clock.
    lost: (Duration, u64),
    /// Why damage is not set right.
    left: Option<String>,
}

/// What was found in a pack.
#[derive(Default)]
struct Found {
    octets: u64,
    named: u64,
    suspects: Vec<Suspect>,
}

impl Scrub {
    fn new(every: Duration, repairs: bool, engine: &Engine) -> Result<Self, Failure> {
        let (registry, packs) = (engine.registry().clone(), Arc::clone(engine.packs()));
        let clock = registry.clock();
        registry.started(PATH, "scrub");
        let Now { wall, mono } = clock.now();
        let look = PackLook::new(&packs, clock);
        let (reader, switchboard) = (engine.reader().clone(), engine.switchboard());
        let instance = engine.instance().to_owned();
        let of = Hands { reader, switchboard, registry, packs, instance, clock };
        Ok(Self {
            every,
            repairs,
            of,
            apart: Apart::start("scrub")?,
            look: Some(look),
            stands: BTreeMap::new(),
            awaited: 0,
            looked: None,
            put_off: BTreeMap::new(),
            began: wall,
            lost: (mono, 0),
            left: None,
        })
    }

    async fn goes_on(mut self) {
        loop {
            let rest = match self.turn().await {
                Ok(rest) => rest,
                Err(failure) => {
                    tracing::warn!("stored bytes cannot be read again now: {}", failure.chain());
                    self.of.registry.note("scrub", Some(format!("it waits: {failure}")));
                    // Who reads may have gone with its thread.
                    self.look.get_or_insert_with(|| PackLook::new(&self.of.packs, self.of.clock));
                    AGAIN
                }
            };
            tokio::time::sleep(rest).await;
        }
    }

    /// Reads the pack that waits for longest, if one does. How long nothing is to be done.
    async fn turn(&mut self) -> Result<Duration, Failure> {
        self.know().await?;
        let Now { wall, mono } = self.of.clock.now();
        let is_put_off = |id| self.put_off.get(&id).is_some_and(|until| mono < *until);
        let next = next(&self.stands, is_put_off, self.every, wall);
        self.tell(next, wall);
        let Some((pack, due)) = next else { return Ok(look_every(self.every)) };
        if due > wall {
            let until = Duration::from_micros(due.0.abs_diff(wall.0));
            return Ok(until.min(look_every(self.every)));
        }
        self.read(pack).await?;
        Ok(Duration::ZERO)
    }

    /// Looks which packs there are, now and then. What lay there when the process began is read soon, what has come since was
    /// hashed as it came.
    async fn know(&mut self) -> Result<(), Failure> {
        let Now { wall, mono } = self.of.clock.now();
        let before = self.looked;
        if before.is_some_and(|(at, _)| mono.saturating_sub(at) < look_every(self.every)) {
            return Ok(());
        }
        let named = self.of.reader.named_packs().await?;
        let mut stands = PackReader::new(&self.of.reader).all().await?;
        let (upto, mut new) = (self.of.packs.highest(), Vec::new());
        for (id, end) in &named {
            let stand = || {
                let scrubbed_at = (*id > upto).then_some(wall);
                // Where something is lost nobody knows how long it is.
                let octets = if *end < SPARED_PACK { *end } else { 0 };
                new.push(NewPack { id: *id, octets, scrubbed_at });
                PackStand { scrubbed_at, damaged: 0 }
            };
            stands.entry(*id).or_insert_with(stand);
        }
        // In which nothing lies any more is known to who gives files back.
        stands.retain(|id, _| named.contains_key(id));
        if !new.is_empty() || before.is_none_or(|(_, known)| known != upto) {
            let known = PackWork::Known { new, upto };
            self.of.switchboard.control(Control::Packs(known), WRITE).await?;
        }
        self.put_off.retain(|id, _| stands.contains_key(id));
        self.awaited = PackReader::new(&self.of.reader).lost().await?;
        (self.stands, self.looked) = (stands, Some((mono, upto)));
        Ok(())
    }

    /// Says how it stands.
    fn tell(&self, next: Option<(i64, Micros)>, now: Micros) {
        let damaged: u64 = self.stands.values().map(|stand| stand.damaged).sum();
        #[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
        metrics::gauge!(names::BODIES_DAMAGED).set((damaged + self.awaited) as f64);
        let (step, at) = match next {
            Some((pack, due)) if due > now => (format!("reads pack {pack}"), Some(due)),
            Some((pack, _)) => (format!("reads pack {pack}"), None),
            None => (String::new(), None),
        };
        self.of.registry.does(PATH, Activity::Running.as_str(), &step, at);
        let late = next.filter(|(_, due)| is_late(*due, self.began, self.every, now));
        let mut said = Vec::new();
        if damaged > 0 {
            said.push(format!(
                "{damaged} bodies are damaged: `postrider verify ACCOUNT` names them, `--repair` sets them right"
            ));
            said.extend(self.left.clone());
        }
        if self.awaited > 0 {
            said.push(format!("{} bodies are given up, and are to be read again", self.awaited));
        }
        if let Some((pack, due)) = late {
            let behind = Duration::from_micros(due.max(self.began).0.abs_diff(now.0)).as_secs();
            said.push(format!(
                "it cannot keep up: pack {pack} has been due for {behind} s (bodies.scrub: each within {} s, in a twentieth of a \
                 core)",
                self.every.as_secs()
            ));
        }
        self.of.registry.note("scrub", (!said.is_empty()).then(|| said.join("; ")));
    }

    /// Reads all of a pack, and writes down what was found.
    async fn read(&mut self, pack: i64) -> Result<(), Failure> {
        let at = self.of.clock.now().wall;
        let mut found = self.look_at(pack, None).await?;
        if !found.suspects.is_empty() {
            tokio::time::sleep(CONFIRM).await;
            let suspects: BTreeMap<i64, StoredBody> =
                found.suspects.iter().map(|one| (one.id, one.body)).collect();
            found =
                Found { suspects: self.look_at(pack, Some(&suspects)).await?.suspects, ..found };
        }
        let mono = self.of.clock.now().mono;
        if found.suspects.iter().any(|one| one.is_unreadable) {
            let (dir, instance) = (self.of.packs.dir().to_owned(), self.of.instance.clone());
            let there = self.apart.run(move || bodies_are_there(&dir, &instance));
            let there = self.answered(there).await;
            if !there.unwrap_or(false) {
                let dir = self.of.packs.dir().display();
                return Err(Failure::storage(format!(
                    "{dir} is not there, or not whole: is it mounted?"
                )));
            }
            let until = self.put_off.get(&pack).copied();
            let wait = PUT_OFF.min(self.every / 4);
            if until.is_none_or(|until| mono < until) {
                self.put_off.insert(pack, mono + wait);
                return Ok(());
            }
        }
        self.put_off.remove(&pack);
        let ids: Vec<i64> = found.suspects.iter().map(|one| one.id).collect();
        let holders = PackReader::new(&self.of.reader).holders(&ids).await?;
        let damaged = ids.len() as u64;
        let (octets, named, mail) = (found.octets, found.named, holders.mail.clone());
        let scrubbed = ScrubbedPack { id: pack, at, octets, named, damaged, mail };
        self.of.switchboard.control(Control::Packs(PackWork::Scrubbed(scrubbed)), WRITE).await?;
        self.stands.insert(pack, PackStand { scrubbed_at: Some(at), damaged });
        if damaged > 0 {
            tracing::error!("pack {pack}: {damaged} bodies in it are damaged");
            // Where that is cut off it is read once more.
            self.stands.insert(pack, PackStand { scrubbed_at: None, damaged });
            self.repair(pack, &found.suspects, &holders).await?;
            self.stands.insert(pack, PackStand { scrubbed_at: Some(at), damaged });
        }
        Ok(())
    }

    /// Reads a pack, or these of its bodies, where they still lie there.
    async fn look_at(
        &mut self,
        pack: i64,
        only: Option<&BTreeMap<i64, StoredBody>>,
    ) -> Result<Found, Failure> {
        let (mut found, mut from) = (Found::default(), 0);
        if let Some(look) = &mut self.look {
            look.forget();
        }
        loop {
            let rows = PackReader::new(&self.of.reader).bodies(pack, from, ROWS).await?;
            let Some((_, last)) = rows.last() else { return Ok(found) };
            from = last.offset + 1;
            found.octets = last.end();
            found.named += rows.iter().map(|(_, body)| body.octets()).sum::<u64>();
            let is_asked =
                |(id, body): &(i64, StoredBody)| only.is_none_or(|only| only.get(id) == Some(body));
            let mut rows: VecDeque<_> = rows.into_iter().filter(is_asked).collect();
            while let Some(burst) = burst_of(&mut rows) {
                let suspects = self.burst(burst).await?;
                let room = DAMAGED - found.suspects.len().min(DAMAGED);
                found.suspects.extend(suspects.into_iter().take(room));
            }
        }
    }

    /// Waits for a thread that reads. Nobody can take it back from a disk that does not answer: status says so meanwhile.
    async fn answered<T>(&self, mut reads: JoinHandle<T>) -> Result<T, JoinError> {
        loop {
            if let Ok(read) = tokio::time::timeout(LATE, &mut reads).await {
                return read;
            }
            let (dir, late) = (self.of.packs.dir().display(), LATE.as_secs());
            let text = format!("it waits: {dir} has not answered for {late} s or more");
            tracing::warn!("stored bytes cannot be read again now: {text}");
            self.of.registry.note("scrub", Some(text));
        }
    }

    /// Hashes a few of them, and rests.
    async fn burst(&mut self, bodies: Vec<(i64, StoredBody)>) -> Result<Vec<Suspect>, Failure> {
        let octets: u64 = bodies.iter().map(|(_, body)| body.octets()).sum();
        let gone = || Failure::bug("hashing bodies panicked");
        let mut look = self.look.take().ok_or_else(gone)?;
        let done = self.apart.run(move || {
            let (found, worked) = look.burst(&bodies);
            (look, found, worked)
        });
        let (look, found, worked) = self.answered(done).await.map_err(|_| gone())?;
        self.look = Some(look);
        metrics::counter!(names::SCRUBBED).increment(octets);
        tokio::time::sleep(rest(worked)).await;
        Ok(found)
    }

    /// Asks for what is damaged again, where the config says so and that is no disk's trouble.
    async fn repair(
        &mut self,
        pack: i64,
        suspects: &[Suspect],
        holders: &Holders,
    ) -> Result<(), Failure> {
        if !self.repairs {
            return Ok(());
        }
        let mono = self.of.clock.now().mono;
        if mono.saturating_sub(self.lost.0) >= self.every.max(OF_LATE) {
            self.lost = (mono, 0);
        }
        let most = RepairPlan::most(PackReader::new(&self.of.reader).mails().await?);
        let all = self.lost.1 + suspects.len() as u64;
        if all > most || suspects.iter().any(|one| one.is_unreadable) {
            let text = format!(
                "that may be the disk's trouble (pack {pack}: {all} bodies of late, {most} at most): nothing more is given up but \
                 by `postrider verify ACCOUNT --repair --yes`"
            );
            tracing::warn!("{text}");
            self.left = Some(text);
            return Ok(());
        }
        given_up((&self.of.reader, &self.of.switchboard), suspects, holders).await?;
        self.lost.1 = all;
        // What is left in it is counted anew.
        self.looked = None;
        Ok(())
    }
}
