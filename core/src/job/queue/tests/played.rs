//! Whatever happens to a queue.

use super::*;
use crate::job::queue::facts::ATTEMPTS;
use proptest::prelude::*;

/// What happens to a queue of three accounts.
#[derive(Clone, Debug)]
enum Happens {
    Asked(usize, JobKind, u8),
    Works(usize),
    Ends(usize, Outcome),
    Dies(usize),
    Held(usize, bool),
    /// A human pauses it: its run is cut short, and the numbers of those behind it are used up.
    Paused(usize),
    /// What waits for a slot is taken back.
    Withdrawn(usize),
    /// It is refused: its actor is gone, and its line stays.
    Refused(usize),
    Maintained(bool),
    Cancelled(usize),
    /// Who keeps it sees what has happened, and does what is due.
    Looks,
    Restart,
    Passes(u64),
}

fn happens() -> impl Strategy<Value = Happens> {
    let account = 0..3_usize;
    let kind = proptest::sample::select(JobKind::ALL);
    let outcome = proptest::sample::select(Outcome::ALL);
    prop_oneof![
        6 => (account.clone(), kind, 0..4_u8).prop_map(|(a, k, n)| Happens::Asked(a, k, n)),
        4 => account.clone().prop_map(Happens::Works),
        6 => (account.clone(), outcome).prop_map(|(a, o)| Happens::Ends(a, o)),
        1 => account.clone().prop_map(Happens::Dies),
        2 => (account.clone(), any::<bool>()).prop_map(|(a, held)| Happens::Held(a, held)),
        2 => account.clone().prop_map(Happens::Paused),
        2 => account.clone().prop_map(Happens::Withdrawn),
        1 => account.prop_map(Happens::Refused),
        2 => any::<bool>().prop_map(Happens::Maintained),
        1 => (0..8_usize).prop_map(Happens::Cancelled),
        12 => Just(Happens::Looks),
        1 => Just(Happens::Restart),
        2 => (0..100_u64).prop_map(Happens::Passes),
    ]
}

const NAMES: [&str; 3] = ["a", "b", "c"];

/// A model of accounts: what each is known by, and the run that it was last asked for.
struct Played {
    queue: Queue,
    accounts: Vec<(HereFacts, u64)>,
    asked: u64,
    ended: Vec<Job>,
    /// The run that was under way, or the last, as each was asked for last.
    begun: BTreeMap<u64, (u64, u64)>,
    now: Micros,
}

impl Played {
    fn facts(&self, name: &str) -> AccountFacts {
        let n = NAMES.iter().position(|known| *known == name).unwrap();
        AccountFacts::Here(self.accounts[n].0.clone())
    }

    fn put(&mut self, job: Job) {
        if job.status == JobStatus::Done && !job.is_maintenance() {
            let run = job.run.unwrap();
            let n =
                NAMES.iter().position(|name| Some(*name) == job.what.account.as_deref()).unwrap();
            let (here, asked) = (&self.accounts[n].0, self.begun.get(&job.id));
            let its = here.ends.iter().find(|end| end.run == run.number);
            assert!(
                here.life == run.life && its.is_some_and(|end| end.outcome != Outcome::Cancelled),
                "{job:?}"
            );
            assert!(
                asked.is_some_and(|(life, at)| *life != run.life || *at < run.number),
                "its run began before: {job:?}"
            );
        }
        if !job.status.is_open() {
            self.ended.push(job.clone());
        }
        self.queue.put(job);
    }

    /// Everything that is due is done.
    fn settle(&mut self) {
        let due = self.queue.due(|name| self.facts(name), &BTreeSet::new(), self.now);
        for turn in due {
            match turn {
                Turn::Store(job) | Turn::Do(job) => self.put(job),
                Turn::Order(job) => {
                    let name = job.what.account.clone().unwrap();
                    let n = NAMES.iter().position(|known| *known == name).unwrap();
                    let (here, wanted) = &mut self.accounts[n];
                    assert_eq!(here.held, None, "who waits is left alone");
                    // Behind the one that works.
                    *wanted = (*wanted).max(here.at_work.unwrap_or(here.ended) + 1);
                    let run = RunOfJob { life: here.life, number: *wanted };
                    let claimed = self.queue.claimed(job.id, run).unwrap();
                    self.put(claimed);
                }
            }
        }
        self.check();
    }

    fn check(&self) {
        let mut at_work = BTreeSet::new();
        let mut queued = BTreeSet::new();
        for job in self.queue.open() {
            let lane = if job.is_maintenance() { None } else { job.what.account.clone() };
            assert!(!job.status.is_at_work() || at_work.insert(lane), "two at a time: {job:?}");
            let waits = job.status != JobStatus::Running;
            assert!(!waits || queued.insert(job.what.clone()), "two that are equal wait: {job:?}");
            assert!(job.attempts < ATTEMPTS, "{job:?}");
        }
    }

    fn happens(&mut self, what: &Happens) {
        match what {
            Happens::Asked(n, kind, level) => {
                let priority = Level::ALL[usize::from(*level)];
                let wish = JobWish { priority, not_before: self.now, ..wish(*kind, NAMES[*n]) };
                for submitted in self.queue.submit(&[wish], self.now) {
                    let Submitted::Taken(job) = submitted else { panic!("{submitted:?}") };
                    self.asked += 1;
                    let here = &self.accounts[*n].0;
                    self.begun.insert(job.id, (here.life, here.at_work.unwrap_or(here.ended)));
                    self.put(*job);
                }
            }
            // For an order, or for a hint.
            Happens::Works(n) => {
                let (here, wanted) = &mut self.accounts[*n];
                if here.at_work.is_none() && here.held.is_none() {
                    here.at_work = Some(here.ended + 1);
                    *wanted = (*wanted).max(here.ended + 1);
                }
            }
            Happens::Ends(n, outcome) => {
                let here = &mut self.accounts[*n].0;
                if let Some(run) = here.at_work.take() {
                    here.ended = run;
                    here.ends.push(end(run, *outcome));
                }
            }
            Happens::Dies(n) => {
                let (here, wanted) = &mut self.accounts[*n];
                *here = HereFacts {
                    life: here.life + 1,
                    held: here.held.clone(),
                    ..HereFacts::default()
                };
                *wanted = 0;
            }
            Happens::Held(n, held) => self.accounts[*n].0.held = held.then(|| "held".to_owned()),
            Happens::Paused(n) => {
                let (here, wanted) = &mut self.accounts[*n];
                if let Some(run) = here.at_work.take() {
                    here.ends.push(RunEnd { left: true, ..end(run, Outcome::Cancelled) });
                }
                here.ended = here.ended.max(*wanted);
                here.held = Some("it is held".to_owned());
            }
            Happens::Withdrawn(n) => {
                let (here, wanted) = &mut self.accounts[*n];
                if here.at_work.is_none() {
                    here.ended = here.ended.max(*wanted);
                }
            }
            Happens::Refused(n) => {
                let here = &mut self.accounts[*n].0;
                // The number of its run is used up, and nobody knows how that ended.
                here.ended = here.at_work.take().unwrap_or(here.ended);
                here.held = Some("refused".to_owned());
            }
            Happens::Maintained(well) => {
                let id = self
                    .queue
                    .open()
                    .find(|job| job.is_maintenance() && job.status.is_at_work())
                    .map(|job| job.id);
                let ended =
                    if *well { Ok("done".to_owned()) } else { Err(("storage", "full".to_owned())) };
                for job in
                    id.map(|id| self.queue.maintained(id, ended, self.now)).unwrap_or_default()
                {
                    self.put(job);
                }
            }
            Happens::Cancelled(nth) => {
                let job =
                    self.queue.open().nth(*nth).and_then(|job| job.cancelled("me", self.now).ok());
                if let Some(job) = job {
                    self.put(job);
                }
            }
            Happens::Looks => self.settle(),
            Happens::Restart => {
                let open = self.queue.open().map(|job| Job { run: None, ..job.clone() });
                let open: Vec<Job> = open.collect();
                self.queue = Queue::new(open, self.queue.next());
                for job in self.queue.forsaken(None, self.now) {
                    self.put(job);
                }
                for (here, wanted) in &mut self.accounts {
                    *here = HereFacts { life: here.life + 100, ..HereFacts::default() };
                    *wanted = 0;
                }
            }
            Happens::Passes(seconds) => self.now = self.now.plus(Duration::from_secs(*seconds)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens, nothing that was asked for is lost, and nothing is done twice at a time.
    #[test]
    fn everything_that_was_asked_for_comes_to_an_end(all in proptest::collection::vec(happens(), 1..120)) {
        let accounts = vec![(here(), 0); 3];
        let mut played = Played { queue: Queue::new([], 1), accounts, asked: 0, ended: Vec::new(), begun: BTreeMap::new(), now: T };
        for what in &all {
            played.happens(what);
            played.check();
        }
        // And then all is well.
        for _ in 0..400 {
            for n in 0..3 {
                let well = [Happens::Held(n, false), Happens::Works(n), Happens::Ends(n, Outcome::Success)];
                well.iter().for_each(|what| played.happens(what));
            }
            played.happens(&Happens::Maintained(true));
            played.happens(&Happens::Passes(1));
            played.settle();
        }
        prop_assert_eq!(played.queue.open().count(), 0);
        let told: u64 = played.ended.iter().map(|job| job.merged).sum();
        prop_assert_eq!(told, played.asked);
    }
}
